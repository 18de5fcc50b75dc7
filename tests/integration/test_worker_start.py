"""A worker dies while another one starts, and its COMMIT lands after that one serves.

Gates in PostgreSQL (parleyd.py) enforce this order. tests/model/recover.pml has the same bug as
NO_CHECK_AGAIN.
"""

import concurrent.futures
import contextlib

import pytest

from client import Refused
from conftest import new_person
from polling import wait_for

pytestmark = pytest.mark.no_valgrind("bounds of time")

SETTINGS = {"workers": 2}


def reconnect(person):
    """A socket and a sync, as docs/api.md requires of clients, as soon as a worker accepts it."""

    def connect():
        with contextlib.suppress(Refused, ConnectionError):
            return person.ws()

    ws = wait_for(connect)
    ws.ask({"type": "sync", "after": {}}, "synced")
    return ws


def has_received(ws, content):
    """True if a push or a sync has delivered the message."""
    with contextlib.suppress(AssertionError):
        ws.next(0.05)
    synced = [m for frame in ws.got("messages") for m in frame["messages"]]
    return any(m["content"] == content for m in synced + ws.got("message"))


def test_a_commit_that_lands_after_a_death_during_a_workers_start_is_delivered(daemon):
    """Promise 4."""
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his_slot = 1 - hers.slot
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        daemon.commits_held("messages") as committing,
    ):
        with daemon.reads_held("schema_migrations") as starting:
            daemon.kill_worker(his_slot)
            # Its successor has passed the fence: the check of the schema is the last step.
            wait_for(lambda: len(starting()) == 4)
            hers.send({"type": "send", "id": "late", "receiver_id": bob.id, "content": "late"})
            wait_for(lambda: len(committing()) == 1)
            daemon.kill_worker(hers.slot)
            daemon.wait_for_log(f"worker_died slot={hers.slot}")
        # The successor of the second dead worker waits for its session. The other new worker serves
        # at once, or it waits as well, until the message is committed.
        reconnecting = pool.submit(reconnect, bob)
        concurrent.futures.wait([reconnecting], timeout=1)
    his = reconnecting.result()
    assert his.slot == his_slot
    committed = "select mod from messages where content = 'late'"
    wait_for(lambda: daemon.sql(committed))
    wait_for(lambda: has_received(his, "late"), 2)
    for one in (alice, bob):
        one.close()
