"""Pings: the server's own, and what becomes of a socket that leaves two in a row unanswered."""

import time

import pytest

from raw_socket import RawSocket

SETTINGS = {"ping_interval": 1}


def test_the_server_pings_and_an_answered_ping_keeps_the_socket(alice, daemon):
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


def test_two_unanswered_pings_in_a_row_end_the_socket(alice, daemon):
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
    assert code is None or 4000 <= code < 4500, "such a client may come back"
    assert 1.5 < time.monotonic() - start < 15
    raw.close()


def test_a_client_that_answers_pings_stays(alice):
    ws = alice.ws()  # the library answers by itself
    time.sleep(3.5)
    ws.drain()


def test_a_ping_of_the_client_is_answered_with_its_payload(alice, daemon):
    """RFC 6455 5.5.3."""
    raw = RawSocket(daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(9, b"are you there?")
    while True:
        opcode, payload = raw.frame()
        if opcode == 10:
            break
    assert payload == b"are you there?"
    raw.close()
