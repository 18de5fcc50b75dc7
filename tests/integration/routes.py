"""routes: the routes of /openapi.json, and the frame types of the daemon's sources.

Owns: nothing. Knows nothing of: what a route or frame does.

Tests that cover every route or frame take their lists from here.
"""

import glob
import os
import re

import requests

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def description(daemon):
    """The OpenAPI description that the daemon serves."""
    answer = requests.get(daemon.url("/openapi.json"), timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def resolve(described, node):
    """The node that a $ref names, or the node itself."""
    while "$ref" in node:
        target = described
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def shape(route):
    """A path or route without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", route)


class Route:
    """One route of the description."""

    def __init__(self, described, method, path):
        operation = described["paths"][path][method]
        self.method = method.upper()
        self.template = path
        self.path = path  # with a value for each parameter
        for parameter in operation.get("parameters", []):
            parameter = resolve(described, parameter)
            is_text = resolve(described, parameter["schema"]).get("type") == "string"
            self.path = self.path.replace(f"{{{parameter['name']}}}", "x" if is_text else "1")
        self.ids = re.findall(r"\{(\w*id)\}", path)
        self.needs_token = {} not in operation.get("security", described["security"]) and bool(
            operation.get("security", described["security"])
        )
        self.body = None  # the schema of the body
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            self.body = resolve(described, content["schema"])

    def __str__(self):
        return f"{self.method} {self.template}"


def all_routes(described):
    """Every described route except the page and the WebSocket."""
    return [
        Route(described, method, path)
        for path in described["paths"]
        for method in described["paths"][path]
        if method in METHODS and path not in ("/", "/ws")
    ]


def check_each(routes, check):
    """Calls check(route) for each route; fails with the list of all routes that failed."""
    assert routes, "no routes to check"
    failures = []
    for route in routes:
        try:
            check(route)
        except AssertionError as why:
            failures.append(f"{route}: {why}")
    assert not failures, "\n".join(failures)


def _sources(pattern):
    for path in sorted(glob.glob(os.path.join(TOP, "daemon", pattern))):
        with open(path, encoding="utf-8") as file:
            yield path, file.read()


def commands():
    """The types of the client's frames: `auth`, and the names in the command tables."""
    names = {"auth"}
    for _, source in _sources("command/*.c"):
        names |= set(re.findall(r"^\t\.name = \"(\w+)\"", source, re.MULTILINE))
    return names


def server_frames():
    """The types of the server's frames, from their table."""
    with open(os.path.join(TOP, "daemon", "realtime", "frames.def"), encoding="utf-8") as file:
        return set(re.findall(r"^FRAME\((\w+)\)$", file.read(), re.MULTILINE))
