"""A worker is stopped while the ring wraps around: it recovers what it missed, without further
writes."""

import contextlib
import os
import signal

import pytest

from accounts import new_token
from client import Http

pytestmark = pytest.mark.no_valgrind("bounds of time")

SETTINGS = {"ring_size": 1048576}  # 1 MiB


@pytest.fixture
def overrun(daemon, person):
    """overrun(ws): stops the worker of ws for the block; at its end the ring has wrapped around."""
    talker = person("Talker")

    @contextlib.contextmanager
    def block(ws):
        pid = daemon.pid_of(ws.slot)
        before = overrun_count(daemon, ws.slot)
        other = talker.ws_elsewhere(ws)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
            for i in range(100):
                note = {"type": "send", "id": f"n{i}", "receiver_id": talker.id}
                other.ask({**note, "content": "z" * 16000}, "ack", id=f"n{i}")
        finally:
            os.kill(pid, signal.SIGCONT)
        daemon.wait_for_log(rf"worker={ws.slot} ring_overrun")
        assert overrun_count(daemon, ws.slot) > before

    return block


def overrun_count(daemon, slot):
    return {worker["slot"]: worker["ring_overruns"] for worker in daemon.workers()}[slot]


def new_connection(daemon, token):
    """HTTP on a new connection: a stopped worker does not accept it."""
    return Http(daemon.url(""), token)


def test_an_overrun_worker_delivers_the_messages_it_missed(daemon, alice, bob, overrun):
    """Promise 4."""
    alice.send(bob.id, "opens the chat")
    his = bob.ws()
    with overrun(his):
        answer = new_connection(daemon, alice.token).post(
            "/messages/send_message", {"receiver_id": bob.id, "content": "missed"}
        )
        assert answer.status_code == 201
    his.until("message", content="missed")


def test_an_overrun_worker_closes_sockets_of_revoked_tokens(daemon, bob, overrun):
    """Promise 5."""
    token = new_token(daemon, bob.id)
    his = bob.ws(token=token)
    with overrun(his):
        assert new_connection(daemon, token).post("/users/logout").status_code == 204
    assert his.until_closed() == 4501


def test_an_overrun_worker_pushes_presence_changes_it_missed(alice, bob, overrun):
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    hers.ask({"type": "presence", "watch": [bob.id]}, "presence", online=False)
    with overrun(hers):
        bob.ws()
    hers.until("presence", user_id=bob.id, online=True)
