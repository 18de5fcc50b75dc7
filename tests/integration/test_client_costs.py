"""What one client may cost the others over HTTP: memory for the bodies that it sends."""

import contextlib
import select
import time

import pytest

from conftest import run_daemon
from polling import wait_for
from procfs import is_sanitized, n_fds, resident_memory_kib
from raw_socket import RawSocket

pytestmark = pytest.mark.no_valgrind("bounds of memory")

SETTINGS = {"rate_limits": True, "max_connections": 2000, "trusted_proxies": ["192.0.2.1"]}
CONNECTIONS = 120
BODY = 1024 * 1024


def memory_kib(daemon):
    """The memory of the workers, once they have read what was sent."""

    def used():
        return sum(resident_memory_kib(worker["pid"]) for worker in daemon.workers())

    def steady():
        first = used()
        time.sleep(0.3)
        return used() if used() == first else None

    return wait_for(steady)


def send_all(raws, data):
    """Sends data on all connections, as far as the daemon reads, for at most 10 s."""
    left = {raw.socket: memoryview(data) for raw in raws}
    deadline = time.monotonic() + 10
    while left and time.monotonic() < deadline:
        _, writable, _ = select.select([], list(left), [], 0.5)
        for sock in writable:
            try:
                left[sock] = left[sock][sock.send(left[sock][: 1 << 18]) :]
            except OSError:
                left[sock] = b""
            if not left[sock]:
                del left[sock]


@contextlib.contextmanager
def unfinished_bodies(daemon, head, connections=CONNECTIONS):
    """Connections that have sent all but the last byte of a body of 1 MiB."""
    raws = [RawSocket(daemon.port) for _ in range(connections)]
    try:
        for raw in raws:
            raw.socket.setblocking(False)
        send_all(
            raws,
            b"%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (head, BODY) + b" " * (BODY - 1),
        )
        yield raws
    finally:
        for raw in raws:
            raw.close()


@pytest.mark.parametrize(
    "head", [b"PATCH /users/me", b"POST /users/register", b"POST /nowhere", b"GET /"]
)
def test_bodies_without_a_token_cost_little_memory(daemon, alice, head):
    """120 bodies of 1 MiB less a byte, from one address."""
    alice.get("/users/me")
    before = memory_kib(daemon)
    with unfinished_bodies(daemon, head):
        during = memory_kib(daemon)
        assert alice.get("/users/me").status_code == 200
    if not is_sanitized(daemon.workers()[0]["pid"]):
        # 8 MiB of an address on each of two workers, in buffers that grow by doubling
        assert during - before < 48 * 1024, f"{during - before} KiB more"


def test_a_slow_reader_of_a_file_holds_one_descriptor(cluster, tmp_path):
    (tmp_path / "large.js").write_bytes(b"/" * (16 * 1024 * 1024))
    for daemon in run_daemon(cluster, workers=1, web_root=str(tmp_path)):
        pid = daemon.workers()[0]["pid"]
        before = n_fds(pid)
        raws = [RawSocket(daemon.port) for _ in range(20)]
        for raw in raws:
            raw.send(b"GET /large.js HTTP/1.1\r\nHost: x\r\n\r\n")
            assert raw.socket.recv(12) == b"HTTP/1.1 200"
        assert n_fds(pid) - before == len(raws)
        for raw in raws:
            raw.close()
