"""A worker that was stopped while the ring went round once: nothing that it missed stays missed,
though nobody writes after it."""

import contextlib
import os
import signal

import pytest

from client import Http
from conftest import new_token

SETTINGS = {"ring_size": 1048576}  # 1 MiB


@pytest.fixture
def lapped(daemon, person):
    """lapped(ws): in the block the worker of ws is stopped; at its end the ring has been round."""
    talker = person("Talker")

    @contextlib.contextmanager
    def block(ws):
        pid = daemon.pid_of(ws.slot)
        laps = lap_count(daemon, ws.slot)
        other = talker.ws_elsewhere(ws)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
            for i in range(100):
                note = {"type": "send", "id": f"n{i}", "receiver_id": talker.id}
                other.ask({**note, "content": "z" * 16000}, "ack", id=f"n{i}")
        finally:
            os.kill(pid, signal.SIGCONT)
        daemon.wait_for_log(rf"worker={ws.slot} overrun by the ring")
        assert lap_count(daemon, ws.slot) > laps

    return block


def lap_count(daemon, slot):
    return {worker["slot"]: worker["ring_laps"] for worker in daemon.workers()}[slot]


def elsewhere(daemon, token):
    """HTTP on a connection of its own: what is stopped accepts none."""
    return Http(daemon.url(""), token)


def test_what_a_lapped_worker_missed_is_told_though_nobody_writes_after_it(
    daemon, alice, bob, lapped
):
    """D4"""
    alice.send(bob.id, "opens the chat")
    his = bob.ws()
    with lapped(his):
        answer = elsewhere(daemon, alice.token).post(
            "/messages/send_message", {"receiver_id": bob.id, "content": "missed"}
        )
        assert answer.status_code == 201
    his.until("message", content="missed")


def test_a_token_that_ended_while_its_worker_was_lapped_closes_its_socket(daemon, bob, lapped):
    token = new_token(daemon, bob.id)
    his = bob.ws(token=token)
    with lapped(his):
        assert elsewhere(daemon, token).post("/users/logout").status_code == 204
    assert his.until_closed() == 4501


def test_presence_that_changed_while_its_worker_was_lapped_is_told(alice, bob, lapped):
    """P1"""
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    hers.ask({"type": "presence", "watch": [bob.id]}, "presence", online=False)
    with lapped(hers):
        bob.ws()
    hers.until("presence", user_id=bob.id, online=True)
