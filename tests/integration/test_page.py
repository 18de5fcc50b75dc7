"""The web page and its files, at GET / and every path without a route; GET /healthz."""

import os
import tempfile

import pytest

import expect
from conftest import run_daemon
from raw_socket import exchange

INDEX = "<!doctype html><title>parley</title>"


@pytest.fixture(scope="module")
def daemon(cluster):
    with tempfile.TemporaryDirectory(prefix="parley-web-") as directory:
        os.chmod(directory, 0o755)
        root = os.path.join(directory, "root")
        os.makedirs(os.path.join(root, "assets"))
        for name, text in (
            ("root/index.html", INDEX),
            ("root/assets/app.js", "export {};\n"),
            ("root/assets/style.css", "body {}\n"),
            ("secret.html", "outside\n"),
            ("rootsecret.html", "outside\n"),
        ):
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink(os.path.join(directory, "secret.html"), os.path.join(root, "link.html"))
        yield from run_daemon(cluster, web_root=root)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_healthz_is_200_while_the_database_is_reachable(http):
    answer = http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("path", ["/", "/chat/17", "/settings", "/?from=mail"])
def test_the_page_is_served_if_html_is_accepted(http, path):
    answer = http.get(path, headers=BROWSER)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/assets/app.js", "javascript"),
        ("/assets/style.css", "text/css"),
        ("/index.html", "text/html"),
    ],
)
def test_files_have_their_media_types(http, path, kind):
    answer = http.get(path, headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert kind in answer.headers["Content-Type"]


def test_without_text_html_an_unknown_path_is_404(http):
    for headers in ({"Accept": "application/json"}, {"Accept": "image/png"}):
        expect.problem(http.get("/nothing", headers=headers), 404, "no_such_route")


def test_a_missing_file_is_404_whatever_is_accepted(http):
    for headers in ({"Accept": "*/*"}, BROWSER):
        expect.problem(http.get("/assets/none.js", headers=headers), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/assets/../../secret.html",
        "/..%2fsecret.html",
        "/assets/..%2f..%2fsecret.html",
        "/.%2e/secret.html",
        "/%2e%2e%2fsecret.html",
        "/link.html",
        "/../rootsecret.html",
        "//etc/passwd",
        "/%00",
        "/index.html%00.js",
        "/..\\secret.html",
        "/assets",
    ],
)
def test_no_file_outside_the_root_is_served(daemon, path):
    answer = exchange(
        daemon.port,
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode(),
    )
    assert answer.status_code in (400, 403, 404), answer.status_code
    assert "outside" not in answer.text and "root:" not in answer.text


def test_the_page_accepts_no_other_method(http):
    assert http.post("/", {}).status_code in (404, 405)
