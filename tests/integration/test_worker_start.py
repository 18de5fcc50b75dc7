"""A worker dies while another one is beginning, and its COMMIT lands when that one serves.

The locks that hold PostgreSQL up make sure of the order; without them it is a matter of
milliseconds. tests/model/recover.pml has the same as NO_CHECK_AGAIN.
"""

import concurrent.futures
import contextlib

from client import Refused
from conftest import new_person
from polling import wait_for

SETTINGS = {"workers": 2}


@contextlib.contextmanager
def held_up(daemon, statement, *args):
    """What the statement locks stays locked for as long as the block lasts."""
    with daemon.cluster.connect(daemon.database) as session, session.transaction():
        session.execute(statement, args)
        yield


def n_waiting(daemon, query):
    """Sessions that wait for a lock in such a query."""
    return daemon.sql(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock' and query like %s",
        f"%{query}%",
    )[0][0]


def come_back(person):
    """A socket and a sync, as api.md wants it, as soon as a worker has them."""

    def connect():
        with contextlib.suppress(Refused, ConnectionError):
            return person.ws()

    ws = wait_for(connect)
    ws.ask({"type": "sync", "after": {}}, "synced")
    return ws


def sees(ws, content):
    """Whether a push or a sync has brought it."""
    with contextlib.suppress(AssertionError):
        ws.next(0.05)
    synced = [m for frame in ws.got("messages") for m in frame["messages"]]
    return any(m["content"] == content for m in synced + ws.got("message"))


def test_a_commit_that_lands_after_a_death_told_to_a_beginning_worker_reaches_its_members(daemon):
    """D4: a committed message reaches every connected member whatever worker dies when."""
    alice, bob = new_person(daemon), new_person(daemon)
    chat = alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his_slot = 1 - hers.slot
    with concurrent.futures.ThreadPoolExecutor(1) as pool, held_up(
        daemon,
        "select from conversations c join messages m using (conv_id)"
        " where m.message_id = %s for update of c",
        chat["message_id"],
    ):
        with held_up(daemon, "lock table schema_migrations in access exclusive mode"):
            daemon.kill_worker(his_slot)
            wait_for(lambda: n_waiting(daemon, "schema_migrations") == 2)  # its successor's
            hers.send({"type": "send", "id": "late", "receiver_id": bob.id, "content": "late"})
            wait_for(lambda: n_waiting(daemon, "post_messages") == 1)
            daemon.kill_worker(hers.slot)
            daemon.wait_for_log(f"worker_died slot={hers.slot}")
        # The dead one's own successor waits for its session. The other one serves at once, or
        # it waits as well, and then until the row is free.
        coming = pool.submit(come_back, bob)
        concurrent.futures.wait([coming], timeout=1)
    his = coming.result()
    assert his.slot == his_slot
    committed = "select mod from messages where content = 'late'"
    wait_for(lambda: daemon.sql(committed))
    wait_for(lambda: sees(his, "late"), 2)
    for one in (alice, bob):
        one.close()
