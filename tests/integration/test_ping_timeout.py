"""Pings of the server: an answered one keeps the socket, two unanswered ones close it."""

import time

import pytest

from raw_socket import RawSocket

pytestmark = pytest.mark.no_valgrind("bounds of time")

SETTINGS = {"ping_interval": 1}


def test_answered_pings_keep_the_socket_open(alice, daemon):
    raw = RawSocket(daemon.port)
    raw.upgrade(alice.token)
    pings = 0
    while pings < 4:
        opcode, payload = raw.frame()
        if opcode == 9:
            pings += 1
            raw.send_frame(10, payload)
    raw.send_frame(1, b'{"type":"ping"}')
    while b'"pong"' not in raw.frame()[1]:
        pass
    raw.close()


def test_two_unanswered_pings_in_a_row_close_the_socket(alice, daemon):
    raw = RawSocket(daemon.port)
    raw.upgrade(alice.token)
    start = time.monotonic()
    pings = 0
    code = None
    with pytest.raises(ConnectionError):
        while True:
            opcode, payload = raw.frame(timeout=10)
            pings += opcode == 9
            if opcode == 8:
                code = int.from_bytes(payload[:2], "big")
    assert pings == 2
    assert code is None or 4000 <= code < 4500, "a code that allows a reconnect"
    assert 1.5 < time.monotonic() - start < 15
    raw.close()


def test_a_library_client_stays_connected(alice):
    ws = alice.ws()  # the library answers pings
    time.sleep(3.5)
    ws.drain()


def test_a_ping_of_the_client_is_answered_with_its_payload(alice, daemon):
    """RFC 6455, 5.5.3."""
    raw = RawSocket(daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(9, b"are you there?")
    while True:
        opcode, payload = raw.frame()
        if opcode == 10:
            break
    assert payload == b"are you there?"
    raw.close()
