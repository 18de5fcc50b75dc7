"""parleyd behind reverse proxies other than as the nginx site file has it: haproxy, what Traefik sends, and clients of
HTTP/1.0 through nginx."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest

from client import Http, Refused, Ws
from conftest import run_daemon
from parleyd import free_port
from raw_socket import Answer
from test_headers import write_page
from test_nginx import NGINX, Nginx
from polling import DEADLINE_S, wait_for

HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CONFIG = """
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout tunnel 60s
	option forwardfor
frontend site
	bind 127.0.0.1:{port}
	default_backend parleyd
backend parleyd
	server parleyd 127.0.0.1:{daemon}
"""


@pytest.fixture(scope="module")
def daemon(cluster):
    with tempfile.TemporaryDirectory(prefix="parley-web-") as directory:
        yield from run_daemon(cluster, web_root=write_page(directory))


@pytest.fixture(scope="module")
def haproxy(daemon):
    """The port of a haproxy with `option forwardfor`, which adds a line of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="parley-haproxy-") as directory:
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=port, daemon=daemon.port))
        process = subprocess.Popen(
            [HAPROXY, "-db", "-f", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def is_up():
            assert process.poll() is None, "haproxy has ended"
            http = Http(f"http://127.0.0.1:{port}")
            try:
                return http.get("/healthz").status_code == 200
            except OSError:
                return False
            finally:
                http.close()

        wait_for(is_up, what="haproxy does not serve")
        yield port
        process.terminate()
        process.wait()


@needs_haproxy
def test_lines_of_x_forwarded_for_are_one_list(haproxy, daemon, alice):
    """RFC 9110 5.3. The proxy before haproxy is at a trusted address, so its entry counts."""
    ws = Ws(
        f"ws://127.0.0.1:{haproxy}/ws",
        alice.token,
        headers=[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "127.0.0.1")],
    )
    daemon.wait_for_log(rf"connected address=203\.0\.113\.9 user={alice.id}\b")
    ws.close()


@needs_haproxy
def test_an_untrusted_entry_hides_those_before_it(haproxy, daemon, bob):
    ws = Ws(
        f"ws://127.0.0.1:{haproxy}/ws",
        bob.token,
        headers=[("X-Forwarded-For", "203.0.113.77, 198.51.100.4")],
    )
    daemon.wait_for_log(rf"connected address=198\.51\.100\.4 user={bob.id}\b")
    assert "203.0.113.77" not in daemon.log()
    ws.close()


@pytest.mark.parametrize(
    "proto, scheme",
    [("wss", "https"), ("WSS", "https"), ("https", "https"), ("ws", "http"), ("http", "http")],
)
def test_a_page_behind_traefik_opens_a_socket(daemon, alice, proto, scheme):
    """Traefik reports the scheme of an upgrade as ws or wss."""
    for origin_scheme in ("http", "https"):
        options = {
            "headers": [("X-Forwarded-Proto", proto)],
            "how": "cookie",
            "origin": f"{origin_scheme}://127.0.0.1:{daemon.port}",
        }
        if origin_scheme == scheme:
            ws = alice.ws(**options)
            assert ws.ready["user_id"] == alice.id
            ws.close()
        else:
            with pytest.raises(Refused) as refused:
                alice.ws(**options)
            assert refused.value.status == 403


@pytest.fixture(scope="module")
def nginx(daemon):
    with tempfile.TemporaryDirectory(prefix="parley-nginx-") as directory:
        nginx = Nginx(directory, directory, daemon)
        yield nginx
        nginx.stop()
        assert "[emerg]" not in nginx.log() and "[alert]" not in nginx.log(), nginx.log()


def talk(nginx, request):
    """The answer to these bytes over TLS."""
    trust = ssl.create_default_context(cafile=nginx.certificate)
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=DEADLINE_S) as plain:
        with trust.wrap_socket(plain, server_hostname="chat.example") as tls:
            tls.sendall(request)
            received = b""
            while piece := tls.recv(65536):
                received += piece
    return Answer(received)


@needs_nginx
@pytest.mark.parametrize(
    "head",
    [
        "GET /healthz HTTP/1.0\r\n",
        "GET /healthz HTTP/1.0\r\nHost: chat.example\r\n",
        "GET https://chat.example/healthz HTTP/1.0\r\n",
        "GET /healthz HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n",
    ],
)
def test_a_request_without_host_goes_through_nginx(nginx, head):
    """RFC 9112 3.2: only HTTP/1.1 must have a Host."""
    answer = talk(nginx, f"{head}\r\n".encode())
    assert answer.status_code == 200, answer.text


@needs_nginx
def test_a_host_with_a_port_reaches_the_check_of_origin(nginx, alice):
    """nginx's $host is without the port; the browser's Origin has it."""
    own = f"https://chat.example:{nginx.port}"
    for origin, status in ((own, 200), ("https://chat.example", 403)):
        body = '{"full_name":"N"}'
        answer = talk(
            nginx,
            f"PATCH /users/me HTTP/1.1\r\nHost: chat.example:{nginx.port}\r\nConnection: close\r\n"
            f"Origin: {origin}\r\nCookie: parley_session={alice.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode(),
        )
        assert answer.status_code == status, answer.text


def test_a_tab_before_a_content_length_is_white_space(daemon, username):
    """A registration whose Content-Length has a tab before it (RFC 9112 5)."""
    body = f'{{"username":"{username}","full_name":"N","password":"correct horse"}}'.encode()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE_S) as plain:
        plain.sendall(
            b"POST /users/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            + f"CONTENT-length:\t{len(body)} \r\n\r\n".encode()
            + body
        )
        received = b""
        while piece := plain.recv(65536):
            received += piece
    assert Answer(received).status_code == 201, received
