"""docs/api.md against the sources that the server works by: /openapi.json, common/error.def and
daemon/realtime/frames.def."""

import os
import re

import pytest
import requests

from routes import server_frames
from test_openapi import operations, shape

SOURCES = os.path.join(os.path.dirname(__file__), "..", "..")
ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) ([^` ?]+)`( \(open\))?")


def read_source(*path):
    with open(os.path.join(SOURCES, *path), encoding="utf-8") as file:
        return file.read()


def sections(text):
    """The text below each heading up to the next heading of any level, in order."""
    parts = re.split(r"^(#{1,6} .*)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def rows(text):
    """The tables of a text, row by row as lists of cells, without their headers."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [i for i, row in enumerate(table) if all(re.fullmatch("-+", cell) for cell in row)]
    return [row for i, row in enumerate(table) if i not in rules and i + 1 not in rules]


def words(cell):
    """The words in backquotes of a cell."""
    return re.findall(r"`([a-z_]+)`", cell)


def fields(cell):
    """Each field of a cell, and whether it is required."""
    found = {name: not mark for name, mark in re.findall(r"`([a-z_]+)`(\??)", cell)}
    assert len(found) == len(words(cell)), f"a field is there twice: {cell}"
    return found


@pytest.fixture(scope="module")
def reference():
    return read_source("docs", "api.md")


@pytest.fixture(scope="module")
def description(daemon):
    return requests.get(daemon.url("/openapi.json"), timeout=20).json()


def one_section(reference, heading):
    (found,) = [text for title, text in sections(reference) if title == heading]
    return found


@pytest.fixture(scope="module")
def documented(reference):
    """The rows of the tables of routes by method and path."""
    found = {}
    for _, text in sections(reference):
        for row in rows(text):
            match = ROUTE.fullmatch(row[0])
            if match:
                key = (match[1].lower(), shape(match[2]))
                assert key not in found, f"{row[0]} is there twice"
                found[key] = (match[2], bool(match[3]), *row[1:])
    return found


def described_fields(description, operation, path):
    """The fields of a route and whether they are required. A path that several routes share calls its
    parameter id."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = body.get("schema", {})
    found = {name: name in schema["required"] for name in schema.get("properties", {})}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "path":
            names = re.findall(r"\{(\w+)\}", path)
            if name == "id":
                (name,) = names
            assert name in names
        found[name] = parameter["required"]
    return found


def codes(description, operation):
    """The error codes of a route."""
    found = set()
    for response in operation["responses"].values():
        if "$ref" in response:
            response = description["components"]["responses"][response["$ref"].split("/")[-1]]
        problem = response.get("content", {}).get("application/problem+json")
        if problem:
            found |= set(problem["schema"]["allOf"][1]["properties"]["code"]["enum"])
    return found


def general_codes(reference):
    text = one_section(reference, "## Errors")
    paragraph = text[text.index("**General errors**") :]
    return set(words(paragraph))


def test_the_tables_have_every_route_and_no_other(documented, description):
    assert set(documented) == set(operations(description))


def test_every_route_has_its_fields(documented, description):
    for key, operation in operations(description).items():
        path, _, cell, *_ = documented[key]
        assert fields(cell) == described_fields(description, operation, path), key


def test_every_route_has_its_statuses_of_success(documented, description):
    for key, operation in operations(description).items():
        answer = documented[key][3]
        described = {status for status in operation["responses"] if status.startswith("2")}
        assert set(re.findall(r"\b2\d\d\b", answer)) == described, key


def test_every_answer_is_the_object_of_its_schema(documented, description):
    """The name of an object, or the members of a JSON example."""
    objects = {"user", "message", "chat", "group", "invite"}
    for key, operation in operations(description).items():
        answer = documented[key][3]
        for status in re.findall(r"\b2\d\d\b", answer):
            content = operation["responses"][status].get("content")
            after = answer[answer.index(status) + 4 :]
            if content is None:
                assert answer == status == "204", key
                continue
            name = content["application/json"]["schema"]["$ref"].split("/")[-1]
            if after.startswith("`{"):
                members = set(description["components"]["schemas"][name]["required"])
                assert members <= set(re.findall(r'"([a-z_]+)":', after)), key
            elif name != "openapi":
                assert re.match(r"\w+", after)[0] == name.removeprefix("sent_"), key
                assert name.removeprefix("sent_") in objects, key


def test_every_route_has_its_errors(reference, documented, description):
    general = general_codes(reference)
    for key, operation in operations(description).items():
        cell = documented[key][4]
        assert set(words(cell)) == codes(description, operation) - general, key


def test_the_open_routes_are_marked(documented, description):
    for key, operation in operations(description).items():
        assert documented[key][1] == (operation.get("security") == []), key


def test_every_heading_of_a_route_is_a_route_of_the_tables(reference, documented):
    headings = [
        title.removeprefix("#### ").split(" ")
        for title, _ in sections(reference)
        if re.match(r"#### (GET|POST|PUT|PATCH|DELETE) ", title)
    ]
    assert len(headings) > 10
    for method, path in headings:
        assert documented[(method.lower(), shape(path))][0] == path


def test_the_client_frames_are_the_commands_with_their_fields(reference, description):
    commands = description["x-websocket-commands"]
    table = rows(one_section(reference, "#### Client to server"))
    assert [words(row[0]) for row in table] == [[words(row[0])[0]] for row in table]
    assert len(table) == len(commands)
    for row in table:
        (name,) = words(row[0])
        schema = commands[name]["schema"]
        described = {field: field in schema["required"] for field in schema["properties"]}
        assert fields(row[1]) == described, name


def test_the_server_frames_are_those_of_the_frames_module(reference):
    frames = server_frames()
    table = rows(one_section(reference, "#### Server to client"))
    assert len(frames) > 10
    assert sorted(words(row[0])[0] for row in table) == sorted(frames)


def test_the_answers_of_client_frames_are_server_frames(reference):
    sent = {words(row[0])[0] for row in rows(one_section(reference, "#### Server to client"))}
    for row in rows(one_section(reference, "#### Client to server")):
        assert set(words(row[2])) <= sent, row[0]


def test_the_codes_are_those_of_the_table_of_errors(reference):
    defined = dict(
        re.findall(r"^ERROR\((\w+), (\d+),", read_source("common", "error.def"), re.MULTILINE)
    )
    table = [row for row in rows(one_section(reference, "## Errors")) if row[1].isdigit()]
    assert len(defined) > 20
    assert len(table) == len(defined), "a code is missing or there twice"
    assert {words(row[0])[0]: row[1] for row in table} == defined


def test_every_code_that_is_named_exists(reference):
    """In the tables of routes and frames."""
    defined = set(re.findall(r"^ERROR\((\w+),", read_source("common", "error.def"), re.MULTILINE))
    for _, text in sections(reference):
        for row in rows(text):
            if len(row) == 4:
                assert set(words(row[3])) <= defined, row[0]


def schemas_of_fields(description):
    """Every field of a route or a frame with its schemas."""
    found = {}
    for (_, path), operation in operations(description).items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, schema in body.get("schema", {}).get("properties", {}).items():
            found.setdefault(name, []).append(schema)
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                found.setdefault(parameter["name"], []).append(parameter["schema"])
            elif "{}" not in path or parameter["name"] != "id":
                found.setdefault(parameter["name"], []).append(parameter["schema"])
    for command in description["x-websocket-commands"].values():
        for name, schema in command["schema"]["properties"].items():
            found.setdefault(name, []).append(schema)
    return found


def test_every_field_is_explained_with_its_limits(reference, description):
    table = {}
    for row in rows(one_section(reference, "### Fields")):
        for name in words(row[0]):
            assert name not in table
            table[name] = row[1].replace(",", "")
    described = schemas_of_fields(description)
    assert set(table) == set(described)
    for name, schemas in described.items():
        for schema in schemas:
            limits = [schema.get(key) for key in ("maximum", "maxLength", "maxItems")]
            limits += re.findall(r"\{(\d+),(\d+)\}", schema.get("pattern", ""))[0:1]
            for limit in limits:
                if isinstance(limit, tuple):
                    assert "–".join(limit) in table[name], name
                elif limit is not None and limit < 2**53 - 1:
                    assert re.search(rf"(–|at most ){limit}\b", table[name]), (name, limit)


def test_the_objects_have_the_members_of_their_schemas(reference, description):
    for name in ("user", "message", "chat", "group", "invite"):
        schema = description["components"]["schemas"][name]
        members = set(schema["properties"])
        for variant in schema.get("oneOf", []):
            members |= set(variant["properties"])
        table = rows(one_section(reference, f"### {name}"))
        assert {field for row in table for field in words(row[0])} == members, name


def test_every_link_has_its_heading(reference):
    anchors = {}
    for title, _ in sections(reference):
        anchor = re.sub(r"[^\w -]", "", title.lstrip("# ").lower()).replace(" ", "-")
        anchors[anchor] = anchors.get(anchor, 0) + 1
    known = {
        anchor if i == 0 else f"{anchor}-{i}" for anchor, n in anchors.items() for i in range(n)
    }
    targets = set(re.findall(r"\]\(#([^)]+)\)", reference))
    assert len(targets) > 10 and targets <= known
