"""GET /ws: the four ways to send a token, the handshake, and what closes a socket."""

import time

import pytest

import expect
from client import Refused, Ws
from raw_socket import RawSocket, exchange, upgrade_request

SETTINGS = {"allowed_origins": ["https://chat.example"]}
AUTH_S = 10


@pytest.fixture(scope="module", autouse=True)
def silent(daemon):
    """A socket that never authenticates, opened before all tests: the last test waits less."""
    ws = Ws(daemon.ws_url(), how="none", ready=False)
    yield ws, time.monotonic()
    ws.close()


# --- the four ways to send a token ---


@pytest.mark.parametrize("how", ["bearer", "subprotocol", "cookie", "frame"])
def test_a_token_is_accepted_in(alice, how):
    ws = alice.ws(how=how)
    assert set(ws.ready) == {"type", "user_id", "session_id", "server_time", "epoch"}
    assert ws.ready["user_id"] == alice.id
    assert expect.TIME.fullmatch(ws.ready["server_time"])
    assert ws.ready is ws.frames[0]
    assert ws.subprotocol == ("parley.v1" if how == "subprotocol" else None)


def test_header_subprotocol_and_cookie_take_precedence_in_this_order(alice, bob, carol):
    pair = ["parley.v1", f"bearer.{bob.token}"]
    cookie = ("Cookie", f"parley_session={carol.token}")
    all_three = alice.ws(headers=[cookie], subprotocols=pair)
    assert all_three.ready["user_id"] == alice.id
    assert all_three.subprotocol == "parley.v1"
    assert bob.ws(how="subprotocol", headers=[cookie]).ready["user_id"] == bob.id


def test_every_socket_has_its_own_session_id(alice):
    ids = [alice.ws().ready["session_id"] for _ in range(5)]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("how", ["bearer", "subprotocol", "cookie"])
@pytest.mark.parametrize("token", ["A" * 43, "x"])
def test_a_bad_token_in_the_upgrade_is_401(daemon, how, token):
    with pytest.raises(Refused) as refused:
        Ws(daemon.ws_url(), token, how=how)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_and_an_expired_token_are_rejected(alice, token_for):
    expired, revoked = token_for(alice, "-1 second"), token_for(alice)
    header = {"Authorization": f"Bearer {revoked}"}
    assert alice.post("/users/logout", headers=header).status_code == 204
    for token in (expired, revoked):
        with pytest.raises(Refused) as refused:
            alice.ws(token=token)
        assert refused.value.status == 401


def test_a_token_in_the_url_is_ignored(daemon, alice):
    for query in ("token", "access_token", "bearer"):
        ws = Ws(f"{daemon.ws_url()}?{query}={alice.token}", how="none", ready=False)
        ws.send({"type": "ping"})
        assert ws.until_closed() == 4501
        assert ws.frames == []


# --- the first frame ---


def test_a_bad_token_in_the_first_frame_closes_4501(daemon):
    for token in ("A" * 43, "", 5, None):
        ws = Ws(daemon.ws_url(), token, how="frame", ready=False)
        assert ws.until_closed() == 4501
        assert not ws.got("ready")


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "ping"},
        {"type": "send", "id": "x", "receiver_id": 1, "content": "x"},
        {"type": "sync", "after": {}},
        {"type": "nonsense"},
    ],
)
def test_any_other_frame_before_auth_closes_4501(daemon, frame):
    ws = Ws(daemon.ws_url(), how="none", ready=False)
    ws.send(frame)
    assert ws.until_closed() == 4501


def test_frames_after_the_auth_frame_wait_for_it(daemon, alice, bob):
    ws = Ws(daemon.ws_url(), how="none", ready=False)
    ws.send_all(
        [
            {"type": "auth", "token": alice.token},
            {"type": "send", "id": "early", "receiver_id": bob.id, "content": "early"},
            {"type": "ping"},
        ]
    )
    ws.until("ready")
    assert ws.until("ack")["id"] == "early"
    ws.close()


def test_a_second_auth_is_an_error_and_does_not_change_the_user(alice, bob, carol):
    for how in ("bearer", "frame"):
        ws = alice.ws(how=how)
        for token in (bob.token, alice.token, "nonsense"):
            expect.error_frame(ws.ask({"type": "auth", "token": token}, "error"))
        ws.send({"type": "send", "id": "still-me-" + how, "receiver_id": carol.id, "content": "x"})
        ws.until("ack")
    assert {m["sender_id"] for m in carol.history(alice.id)} == {alice.id}
    assert carol.history(bob.id) == []


# --- the handshake ---


def test_ws_without_an_upgrade_is_426(alice):
    expect.problem(alice.get("/ws"), 426, "upgrade_required")


def test_the_accept_key_is_that_of_rfc_6455(daemon, alice):
    """The example of RFC 6455, 1.3."""
    answer = exchange(
        daemon.port,
        (
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
            "Connection: keep-alive, Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {alice.token}\r\n\r\n"
        ).encode(),
    )
    assert answer.status_code == 101
    assert answer.headers["Sec-Websocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "Sec-Websocket-Extensions" not in answer.headers
    assert "Sec-Websocket-Protocol" not in answer.headers


def test_frames_received_with_the_handshake_are_not_lost(daemon, alice):
    """The bytes after the head are in evhttp's buffer when its socket is hijacked."""
    raw = RawSocket(daemon.port)
    ping = b'{"type":"ping"}'
    raw.send(upgrade_request(alice.token) + bytes([0x81, 0x80 | len(ping), 0, 0, 0, 0]) + ping)
    assert raw.answer().status_code == 101
    assert b'"ready"' in raw.frame()[1]
    assert b'"pong"' in raw.frame()[1]
    raw.close()


# --- invalid frames ---


def test_an_unknown_type_is_an_error_and_the_socket_stays_open(alice):
    ws = alice.ws()
    expect.error_frame(ws.ask({"type": "dance"}, "error"), "unknown_type")
    ws.drain()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[1,2]",
        '"type"',
        "5",
        "null",
        "{}",
        '{"type":5}',
        '{"type":null}',
        '{"type":"ping"} {}',
        "{'type':'ping'}",
        "[" * 33 + "]" * 33,
        "[" * 60000,
    ],
)
def test_an_invalid_frame_is_an_error_and_the_socket_stays_open(alice, text):
    ws = alice.ws()
    ws.send(text)
    expect.error_frame(ws.until("error"))
    ws.drain()
    assert not ws.got("ready")[1:]


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", '{"type":"ping"', "\u0000", '{"type":"ping"}x', "[" * 33 + "]" * 33],
)
def test_malformed_json_is_the_error_bad_json(alice, text):
    ws = alice.ws()
    ws.send(text)
    expect.error_frame(ws.until("error"), "bad_json")
    ws.drain()


def test_ping_is_answered_with_pong(alice):
    ws = alice.ws()
    assert ws.ask({"type": "ping"}, "pong") == {"type": "pong"}


def test_binary_closes_1003(alice):
    ws = alice.ws()
    ws.send(b'{"type":"ping"}')
    assert ws.until_closed() == 1003


def test_a_message_of_64_kib_is_accepted_and_one_more_byte_closes_1009(alice):
    frame = '{"type":"ping","pad":"%s"}'
    pad = 65536 - len(frame % "")
    ws = alice.ws()
    ws.send(frame % ("x" * pad))
    ws.until("pong")
    ws.send([(frame % ("x" * pad))[i : i + 1000] for i in range(0, 65536, 1000)])  # in fragments
    ws.until("pong")
    ws.send(frame % ("x" * (pad + 1)))
    assert ws.until_closed() == 1009
    fragmented = alice.ws()
    fragmented.send(["x" * 1000] * 66)
    assert fragmented.until_closed() == 1009


# --- closing ---


def test_a_close_is_answered_with_a_close(daemon, alice):
    raw = RawSocket(daemon.port)
    raw.upgrade(alice.token)
    raw.send_frame(8, b"\x03\xe8")
    assert raw.until_close_code() == 1000
    assert raw.closed()
    raw.close()


def test_status_counts_the_sockets_of_each_worker(alice, daemon):
    sockets = alice.ws_on_each()
    for worker in daemon.workers():
        assert worker["connections"] >= 1
    assert sorted(worker["slot"] for worker in daemon.workers()) == sorted(
        socket.slot for socket in sockets
    )


def test_a_socket_that_never_authenticates_is_closed_4501_after_10_seconds(silent):
    """Runs last: the socket was opened before the first test of this file."""
    ws, opened = silent
    assert ws.until_closed(AUTH_S + 5) == 4501
    assert ws.frames == []
    assert time.monotonic() - opened > AUTH_S - 1
