"""Security headers: no caching of private answers, no content sniffing, no foreign scripts."""

import gzip
import html.parser
import os
import tempfile

import pytest

from client import Http
from conftest import run_daemon
from raw_socket import exchange

FRONTEND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../frontend")
SECURITY_HEADERS = [  # headers of every file, served by parleyd or nginx
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
]
FILES = {
    "index.html": "<!doctype html><title>parley</title>",
    "favicon.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "assets/app-0a1b2c3d.js": "export {};\n",
}
PRECOMPRESSED = ("index.html", "assets/app-0a1b2c3d.js")


def write_page(directory):
    os.chmod(directory, 0o755)
    os.mkdir(os.path.join(directory, "assets"), 0o755)
    for name, text in FILES.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    for name in PRECOMPRESSED:
        with gzip.open(os.path.join(directory, f"{name}.gz"), "wt", encoding="utf-8") as file:
            file.write(FILES[name])
    return directory


@pytest.fixture(scope="module")
def daemon(cluster):
    with tempfile.TemporaryDirectory(prefix="parley-web-") as directory:
        yield from run_daemon(cluster, web_root=write_page(directory), rate_limits=True)


def policy(answer):
    """A Content-Security-Policy as {directive: set of sources}."""
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert len({name for name, *_ in parts}) == len(parts), "browsers ignore the second directive of a name"
    return {name: set(sources) for name, *sources in parts}


@pytest.mark.parametrize("path", ["/", "/index.html", "/chat/17", "/favicon.svg"])
def test_the_page_may_load_from_its_own_origin_only_and_is_not_framed(http, path):
    answer = http.get(path, headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 200
    csp = policy(answer)
    assert csp["default-src"] == {"'self'"}
    assert csp["frame-ancestors"] == csp["object-src"] == csp["base-uri"] == {"'none'"}
    assert csp["form-action"] == {"'self'"}
    assert csp["img-src"] == {"'self'", "blob:", "data:"}
    assert not {"script-src", "style-src", "connect-src", "worker-src"} & set(csp), "they override default-src"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_every_file_has_the_security_headers_also_with_304(http):
    first = http.get("/")
    again = http.get("/", headers={"If-None-Match": first.headers["ETag"]})
    asset = http.get("/assets/app-0a1b2c3d.js")
    assert (first.status_code, again.status_code, asset.status_code) == (200, 304, 200)
    for name in SECURITY_HEADERS:
        assert first.headers[name] == again.headers[name] == asset.headers[name]


class Inline(html.parser.HTMLParser):
    """Inline scripts and styles of a page, which its policy forbids."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.scripts += tag == "script"
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        for name, value in attrs:
            is_address = name in ("src", "href") and not (value or "").startswith("/")
            if name == "style" or name.startswith("on") or is_address:
                self.found.append(f"{tag} {name}={value}")


@pytest.mark.parametrize("name", ["index.html", "dist/index.html"])
def test_the_real_page_has_nothing_inline(name):
    """The source of the page, and the built page if there is one."""
    path = os.path.join(FRONTEND, name)
    if not os.path.exists(path):
        pytest.skip("the page is not built")
    with open(path, encoding="utf-8") as file:
        page = Inline(file.read())
    assert page.scripts == 1
    assert page.found == []
    assert Inline('<p onclick="x"><script>x</script><a href="javascript:x">').found == [
        "p onclick=x",
        "script",
        "a href=javascript:x",
    ]


def request(line, *headers, body=b"", version="HTTP/1.1"):
    lines = [f"{line} {version}", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


JSON = "Content-Type: application/json"
ANSWERS = {
    "401, a bad token": (401, request("GET /chats", "Authorization: Bearer x")),
    "404, unknown route": (404, request("GET /nothing")),
    "405": (405, request("DELETE /chats")),
    "415": (415, request("POST /users/login", "Content-Type: text/plain", body=b"{}")),
    "400, bad JSON": (400, request("POST /users/login", JSON, body=b"{")),
    "422": (422, request("POST /users/login", JSON, body=b"{}")),
    "413, from the head alone": (
        413,
        request("POST /users/login", JSON, "Content-Length: 9999999999"),
    ),
    "426": (426, request("GET /ws")),
    "501": (501, request("BREW /pot")),
    "417": (417, request("POST /users/login", JSON, "Expect: tea", body=b"{}")),
    "431": (431, request("GET /chats", "X: " + "x" * 20000)),
    "400, not HTTP": (400, b"nonsense\r\n\r\n"),
    "200": (200, request("GET /healthz")),
}


@pytest.mark.parametrize("status, sent", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_forbids_caching_and_sniffing(daemon, status, sent):
    answer = exchange(daemon.port, sent)
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers and "X-Powered-By" not in answer.headers


def test_private_answers_are_not_cached(alice, bob):
    group = alice.group("private", bob)
    alice.send(group, "a text")
    for method, path, body in (
        ("GET", "/users/me", None),
        ("GET", "/chats", None),
        ("GET", f"/messages/{group}", None),
        ("GET", f"/groups/{group}", None),
        ("GET", "/users/search?q=bob", None),
        ("POST", "/messages/send_message", {"receiver_id": group, "content": "x"}),
        ("POST", "/groups/leave_group", {"group_id": group}),
        ("GET", f"/groups/{group}", None),
        ("POST", "/users/logout", None),
    ):
        answer = alice.request(method, path, body)
        assert answer.headers["Cache-Control"] == "no-store", (method, path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", (method, path)


def test_log_ins_are_not_cached(daemon, username):
    http = Http(daemon.url(""))
    body = {"username": username, "full_name": "N", "password": "correct horse"}
    assert http.post("/users/register", body).headers["Cache-Control"] == "no-store"
    answer = http.post("/users/login", {**body, "cookie": True})
    assert answer.status_code == 200 and "Set-Cookie" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    http.close()
