"""parleyd behind Debian's nginx with the installed site file: TLS, forwarded address and scheme,
WebSocket, headers of the page. Only addresses and paths of the site file are changed."""

import os
import pwd
import re
import shutil
import ssl
import subprocess
import tempfile

import pytest

import expect
from client import Http, Refused, Ws
from conftest import run_daemon
from parleyd import build_dir, free_port
from polling import wait_for
from test_headers import SECURITY_HEADERS, write_page

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SITE = os.path.join(build_dir(), "nginx-site.conf")
PASSWORD = "correct horse"
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

MAIN_CONF = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{ }}
http {{
	access_log {directory}/access.log;
	client_body_temp_path {directory}/body;
	proxy_temp_path {directory}/proxy;
	fastcgi_temp_path {directory}/fastcgi;
	uwsgi_temp_path {directory}/uwsgi;
	scgi_temp_path {directory}/scgi;
	include {mime};
	include {directory}/site.conf;
}}
"""


def put(text, pattern, replacement):
    """Replaces every match; fails if there is none, because the site file has changed."""
    changed, n = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    assert n > 0, pattern
    return changed


class Nginx:
    def __init__(self, directory, page, daemon):
        self.directory = directory
        self.port, self.plain_port = free_port(), free_port()
        self.base = f"https://127.0.0.1:{self.port}"
        self.certificate = os.path.join(directory, "certificate.pem")
        self.log_path = os.path.join(directory, "error.log")
        os.chmod(directory, 0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-days", "2", "-subj", "/CN=chat.example"]
            + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:chat.example"]
            + ["-keyout", f"{directory}/key.pem", "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        with open(SITE, encoding="utf-8") as file:
            site = file.read()
        site = put(site, r"^\tlisten \[::\].*\n", "")
        site = put(site, r"listen 80;", f"listen 127.0.0.1:{self.plain_port};")
        site = put(site, r"listen 443 ", f"listen 127.0.0.1:{self.port} ")
        site = put(site, r"server 127\.0\.0\.1:8080;", f"server 127.0.0.1:{daemon.port};")
        site = put(site, r"ssl_certificate \S+;", f"ssl_certificate {self.certificate};")
        site = put(site, r"ssl_certificate_key \S+;", f"ssl_certificate_key {directory}/key.pem;")
        site = put(site, r"root \S+;", f"root {page};")
        with open(f"{directory}/site.conf", "w", encoding="utf-8") as file:
            file.write(site)
        with open(f"{directory}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(
                MAIN_CONF.format(
                    directory=directory,
                    user=f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else "",
                    mime="/etc/nginx/mime.types",
                )
            )
        self.process = subprocess.Popen(
            [NGINX, "-c", f"{directory}/nginx.conf", "-e", self.log_path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._is_up, what="nginx does not answer:\n", details=self.log)

    def _is_up(self):
        assert self.process.poll() is None, self.log()
        http = self.http()
        try:
            return http.get("/healthz").status_code == 200
        except OSError:
            return False
        finally:
            http.close()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def http(self, token=None):
        http = Http(self.base, token)
        http.requests.verify = self.certificate
        return http

    def ws(self, token=None, **options):
        trust = ssl.create_default_context(cafile=self.certificate)
        return Ws(f"wss://127.0.0.1:{self.port}/ws", token, trust=trust, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def page():
    with tempfile.TemporaryDirectory(prefix="parley-web-") as directory:
        yield write_page(directory)


@pytest.fixture(scope="module")
def daemon(cluster, page):
    yield from run_daemon(cluster, web_root=page)


@pytest.fixture(scope="module")
def nginx(daemon, page):
    with tempfile.TemporaryDirectory(prefix="parley-nginx-") as directory:
        nginx = Nginx(directory, page, daemon)
        yield nginx
        nginx.stop()
        assert "[emerg]" not in nginx.log() and "[alert]" not in nginx.log(), nginx.log()


def test_plain_http_is_redirected_to_https(nginx):
    plain = Http(f"http://127.0.0.1:{nginx.plain_port}")
    answer = plain.get("/chat/17", headers={"Host": "chat.example"})
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://chat.example/chat/17")
    plain.close()


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/assets/app-0a1b2c3d.js"])
def test_a_file_has_the_headers_that_parleyd_gives_it(nginx, http, path):
    through, straight = nginx.http().get(path), http.get(path)
    assert (through.status_code, straight.status_code) == (200, 200)
    assert through.content == straight.content
    for name in (*SECURITY_HEADERS, "Cache-Control"):
        assert through.headers.get(name) == straight.headers[name], name
    assert through.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/", "/assets/app-0a1b2c3d.js"])
def test_a_file_is_sent_in_the_precompressed_copy(nginx, http, path):
    for server in (nginx.http(), http):
        tags = set()
        for accept in ("gzip, deflate, br", "identity", "gzip;q=0"):
            answer = server.get(path, headers={"Accept": "text/html", "Accept-Encoding": accept})
            assert answer.headers.get("Content-Encoding") == ("gzip" if "br" in accept else None)
            assert "Accept-Encoding" in answer.headers["Vary"]
            assert answer.text.startswith(("<!doctype html>", "export"))
            assert answer.headers["Content-Type"].split(";")[0].startswith("text/") or (
                "javascript" in answer.headers["Content-Type"]
            )
            tags.add(answer.headers["ETag"])
            again = server.get(
                path, headers={"Accept-Encoding": accept, "If-None-Match": answer.headers["ETag"]}
            )
            assert again.status_code == 304
        assert len(tags) == 2, "one for each coding"


def test_long_json_is_compressed_and_a_log_in_is_not(nginx, username):
    http = nginx.http()
    body = {"username": username, "full_name": "N", "password": PASSWORD, "public_key": "k" * 4096}
    assert http.post("/users/register", body).status_code == 201
    coded = {"Accept-Encoding": "gzip"}
    answer = http.post("/users/login", body, headers=coded)
    assert len(answer.content) > 4096 and "Content-Encoding" not in answer.headers
    http.token = answer.json()["access_token"]
    for path in ("/users/me", "/openapi.json"):
        answer = http.get(path, headers=coded)
        assert answer.headers["Content-Encoding"] == "gzip", path
        assert answer.json() == http.get(path, headers={"Accept-Encoding": "identity"}).json()
    http.close()


def test_errors_of_nginx_have_the_security_headers(nginx):
    for path in ("/assets/none.js", "/assets/../secret", "/assets/"):
        answer = nginx.http().get(path, headers={"Accept": "*/*"})
        assert answer.status_code in (403, 404)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Strict-Transport-Security"].startswith("max-age="), path


def test_answers_of_parleyd_are_passed_on_unchanged(nginx, alice):
    answer = nginx.http(alice.token).get("/users/me")
    assert answer.json()["user_id"] == alice.id
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    expect.problem(nginx.http().get("/users/me"), 401, "bad_token")


def test_the_cookie_is_secure_and_its_origin_is_the_https_one(nginx, username):
    """Behind nginx the own origin is https; the same host over http is another origin."""
    http = nginx.http()
    body = {"username": username, "full_name": "N", "password": PASSWORD, "cookie": True}
    assert http.post("/users/register", body).status_code == 201
    answer = http.post("/users/login", body)
    attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert "Secure" in attributes and "HttpOnly" in attributes and "SameSite=Strict" in attributes
    assert attributes[0].startswith("__Host-parley_session=") and "Path=/" in attributes
    cookie = {"Cookie": attributes[0], "Host": "chat.example"}
    change = {"full_name": "Changed"}
    for origin, status in (
        ("https://chat.example", 200),
        ("http://chat.example", 403),
        ("https://evil.example", 403),
        (nginx.base, 403),
    ):
        answer = http.patch("/users/me", change, headers={**cookie, "Origin": origin})
        assert answer.status_code == status, origin
    http.close()


def test_a_websocket_works_through_nginx(nginx, alice, bob):
    hers, his = nginx.ws(alice.token), nginx.ws(bob.token, how="subprotocol")
    assert his.subprotocol == "parley.v1"
    text = "x" * 16000
    hers.ask({"type": "send", "id": "big", "receiver_id": bob.id, "content": text}, "ack", id="big")
    assert his.until("message", chat_id=alice.id)["content"] == text
    assert alice.post("/users/logout").status_code == 204
    assert hers.until_closed() == 4501, "the close code is passed on"
    his.close()


def test_a_websocket_of_another_origin_is_403(nginx, alice):
    assert nginx.ws(alice.token, how="cookie", origin=nginx.base).ready["user_id"] == alice.id
    for origin in (f"http://127.0.0.1:{nginx.port}", "https://evil.example"):
        with pytest.raises(Refused) as refused:
            nginx.ws(alice.token, how="cookie", origin=origin)
        assert refused.value.status == 403


def test_nginx_replaces_a_forged_client_address(nginx, daemon, alice):
    """A client that chose its address would escape the rate limits."""
    forged = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "http")]
    nginx.ws(alice.token, headers=forged).close()
    straight = alice.ws(headers=[("X-Forwarded-For", "203.0.113.9")])
    daemon.wait_for_log(rf"connected address=203\.0\.113\.9 user={alice.id}\b")
    assert re.search(rf"connected address=127\.0\.0\.1 user={alice.id}\b", daemon.log())
    assert "198.51.100.7" not in daemon.log()
    straight.close()


def test_nginx_keeps_an_idle_websocket_open():
    """proxy_read_timeout is longer than two ping intervals."""
    with open(SITE, encoding="utf-8") as file:
        site = file.read()
    timeout = re.search(r"location = /ws .*?proxy_read_timeout (\d+)s", site, re.DOTALL)
    assert int(timeout[1]) > 2 * 25
