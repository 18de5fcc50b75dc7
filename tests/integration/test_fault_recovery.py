"""Each recovery mechanism alone: the fault is arranged so that no other mechanism repairs it in time.

After the fault nothing is written and no client reconnects; a late commit is late because the test
holds it up (commits_held in parleyd.py). Without the mechanism that a test names, that test fails.
"""

import contextlib
import time

import pytest

from client import Person
from conftest import new_person
from fault_harness import FaultHarness, bound
from polling import wait_for

pytestmark = pytest.mark.no_valgrind("bounds of time")

HELD_S = 0.6  # a daemon that did not wait would act within 0.05 s


@pytest.fixture(scope="module")
def kept():
    """The harness that the last test left intact, if any."""
    kept = []
    yield kept
    for harness in kept:
        try:
            harness.finish()
        finally:
            harness.drop()


@pytest.fixture
def harness(cluster, kept):
    harness = kept.pop() if kept else FaultHarness(cluster, workers=4, n_readers=0)
    try:
        yield harness
        harness.injector.disarm()
        for writer in harness.writers:
            writer.settle()
        wait_for(harness.all_workers_run, 60)
        harness.check()
    except BaseException:
        harness.drop()
        raise
    kept.append(harness)


@pytest.fixture
def pair(harness):
    """A writer and a socket of another member, on different workers, in an active chat."""
    harness.connect_writers()
    writer = harness.writers[0]
    for one in harness.writers:
        one.send()
        one.settle()
    receiver = harness.owner.ws_elsewhere(*(one.ws for one in harness.writers))
    yield writer, receiver
    receiver.close()


def committing_slot(committing):
    """Waits until a worker's COMMIT is held up; returns the worker's slot."""
    (name,) = wait_for(committing, what="no COMMIT is held up")
    return int(name.removeprefix("parleyd worker=").split()[0])


@contextlib.contextmanager
def killed_in_commit(harness, act, table):
    """Kills the worker whose transaction, caused by act, writes the table.

    Its COMMIT lands after the block. Yields its slot and a function that returns the sessions whose
    COMMIT is held up.
    """
    with harness.daemon.commits_held(table) as committing:
        act()
        slot = committing_slot(committing)
        harness.kill(harness.daemon.pid_of(slot))
        yield slot, committing


def commit_after_death(harness, act, table):
    """Kills a worker whose transaction commits only afterwards; returns the time of the commit."""
    with killed_in_commit(harness, act, table):
        time.sleep(HELD_S)
    return time.monotonic()


def until(ws, since, kind, **fields):
    return ws.until(kind, timeout=max(0.1, bound(since) - time.monotonic()), **fields)


def until_closed(ws, since):
    ws.until_closed(max(0.1, bound(since) - time.monotonic()))


# --- committed, and the worker dies before it publishes ---


@pytest.mark.parametrize("point", ["batch.stored", "change.committed"])
def test_other_workers_find_a_message_that_a_dead_worker_committed(harness, pair, point):
    """rooms_check in worker_check: every room is reconciled after a death."""
    writer, receiver = pair
    since = harness.kill_at(point, writer.send)
    (name,) = writer.unanswered
    message = until(receiver, since, "message", content=name)
    assert harness.rows()[message["message_id"]][3] == name


@pytest.mark.parametrize("point", ["batch.stored", "change.committed", "change.published"])
def test_a_send_whose_ack_was_lost_is_stored_once(harness, pair, point):
    """client_id: a repeat is answered with the stored message."""
    writer, receiver = pair
    harness.kill_at(point, writer.send)
    (name,) = writer.unanswered
    writer.settle()
    assert writer.acks[name]["duplicate"] is True
    receiver.until("message", message_id=writer.acks[name]["message_id"])
    second = writer.repeat(name)
    for key in ("message_id", "seq", "sent_at"):
        assert second[key] == writer.acks[name][key]
    assert [row[3] for row in harness.rows().values()].count(name) == 1


def test_other_workers_find_an_edit_that_a_dead_worker_committed(harness, pair):
    writer, receiver = pair
    name = writer.send()
    writer.settle()
    since = harness.kill_at("change.committed", lambda: writer.edit(name))
    until(receiver, since, "edited", content=f"{name}-edit")


def test_a_user_whom_a_dead_worker_added_is_notified(harness, pair):
    """A reconcile compares memberships too."""
    guest = new_person(harness.daemon)
    ws = guest.ws_elsewhere(*(writer.ws for writer in harness.writers))
    since = harness.kill_at(
        "change.committed",
        lambda: harness.in_background(lambda: harness.owner.add(harness.group, guest)),
    )
    harness.join()
    with contextlib.suppress(ConnectionError):  # the socket may be on the killed worker
        while ws.next(max(0.1, bound(since) - time.monotonic()))["type"] not in ("resync", "chat"):
            pass
    guest.close()


# --- a join during a sync ---


def has_answered(harness, connection, since):
    """True if this connection has begun a query since this time of the database, and ended it."""
    return harness.daemon.sql(
        "select 1 from pg_stat_activity where datname = current_database()"
        " and application_name = %s and query_start > %s and state = 'idle'",
        f"parleyd {connection}",
        since,
    )


def group_that_removed(owner, guest, name):
    """A group with a text before the guest was removed, and one after. Returns its id, and the mod
    of the first text."""
    group = owner.group(name, guest)
    mod = owner.send(group, "before")["mod"]
    removed = {"group_id": group, "user_id": guest.id}
    assert owner.post("/groups/remove_user_from_group", removed).status_code == 204
    owner.send(group, "between")
    return group, mod


def test_a_member_who_rejoins_during_a_sync_gets_what_came_between(harness, pair):
    """Promise 4. The client did not see that it was removed: the `chat` of the join is of a chat
    that it has."""
    owner, guest = harness.owner, new_person(harness.daemon)
    group, mod = group_that_removed(owner, guest, "left and joined")
    for _ in range(5):  # their pages keep the sync from ending
        new_person(harness.daemon).send(guest.id, "another chat")
    ws = guest.ws()
    sync = {"type": "sync", "after": {str(group): mod}}
    stopped = harness.stop_at("sync.heads", lambda: ws.send(sync))
    Person(harness.daemon, owner.id, owner.username, owner.full_name, owner.token).add(group, guest)
    # The worker reads the record of the join before the second page, and asks for the chat.
    ((joined,),) = harness.daemon.sql("select clock_timestamp()")
    stopped = harness.stop_at("sync.page", lambda: harness.resume(stopped), nth=2)
    lister = f"worker={ws.slot} list"
    wait_for(lambda: has_answered(harness, lister, joined), what="the chat is not read")
    harness.resume(stopped)
    frames = []
    while not frames or frames[-1]["type"] != "synced":
        frames.append(ws.next())
    kinds = [frame["type"] for frame in frames if frame.get("chat_id") == group]
    assert "chat" in kinds, "the join came after the sync, which proves nothing"
    pages = [one for one in frames if one["type"] == "messages" and one["chat_id"] == group]
    received = [message.get("content") for page in pages for message in page["messages"]]
    assert "between" in received, kinds
    guest.close()


def test_a_sync_before_a_join_is_delivered_contains_what_came_between(harness, pair):
    """Promise 4. The database has the join, and the worker still reads the `chat` frame of it."""
    owner, guest = harness.owner, new_person(harness.daemon)
    group, mod = group_that_removed(owner, guest, "joined and synced")
    ws = guest.ws()
    joins = Person(harness.daemon, owner.id, owner.username, owner.full_name, owner.token)
    stopped = harness.stop_at(
        "room.opening", lambda: harness.in_background(lambda: joins.add(group, guest))
    )
    with harness.daemon.locked("lock table group_profiles in access exclusive mode"):
        harness.resume(stopped)
        time.sleep(HELD_S)  # the frame is being read
        assert not ws.got("chat")
        ws.send({"type": "sync", "after": {str(group): mod}})
        synced = ws.until("synced")
    received = [
        message.get("content")
        for page in ws.got("messages", chat_id=group)
        for message in page["messages"]
    ]
    assert "between" in received, synced
    assert not ws.got("chat"), "the join came before the sync, which proves nothing"
    ws.until("chat", chat_id=group)
    guest.close()


# --- the commit lands after the death ---


@pytest.mark.parametrize("of_age", [min, max], ids=["oldest", "newest"])
def test_a_message_committed_after_its_workers_death_is_delivered(harness, pair, of_age):
    """fence_dead_workers: rooms are reconciled once the dead worker cannot commit any more.
    The newest worker counts as dead although no living worker has a higher incarnation."""
    writer, _ = pair
    slot = of_age(harness.daemon.workers(), key=lambda worker: worker["incarnation"])["slot"]
    writer.ws = next(ws for ws in writer.person.ws_on_each() if ws.slot == slot)
    receivers = [ws for ws in harness.owner.ws_on_each() if ws.slot != slot]
    since = commit_after_death(harness, writer.send, "messages")
    (name,) = writer.unanswered
    for receiver in receivers:
        until(receiver, since, "message", content=name)


def test_a_dead_workers_session_is_terminated_after_a_timeout(harness, pair):
    """A transaction that waits longer than SESSION_WAIT_MS of store_fence.c is never committed; the
    client sends again."""
    writer, receiver = pair
    with killed_in_commit(harness, writer.send, "messages") as (_, committing):
        wait_for(lambda: not committing(), what="the session does not end")
    (name,) = writer.unanswered
    writer.settle()
    assert "duplicate" not in writer.acks[name]
    receiver.until("message", content=name)


def test_a_logout_committed_after_its_workers_death_closes_the_sockets(harness, pair):
    """Promise 5: tokens, too, are checked once the dead worker cannot commit any more."""
    person = new_person(harness.daemon)
    on_each = person.ws_on_each()
    since = commit_after_death(
        harness,
        lambda: harness.in_background(lambda: person.post("/users/logout")),
        "tokens",
    )
    harness.join()
    for ws in on_each:
        until_closed(ws, since)
    person.close()


def test_a_second_death_during_a_reconcile_is_waited_for(harness, pair):
    """The second worker's commit lands after the reconcile for the first death has ended."""
    person = new_person(harness.daemon)
    on_each = person.ws_on_each()
    with harness.daemon.commits_held("tokens") as committing:
        harness.in_background(lambda: person.post("/users/logout"))
        second = committing_slot(committing)
        writer = next(writer for writer in harness.writers if writer.ws.slot != second)
        with killed_in_commit(harness, writer.send, "messages") as (first, _):
            wait_for(lambda: is_fencing(harness), what="no worker waits for the dead session")
            harness.kill(harness.daemon.pid_of(second))
            time.sleep(HELD_S)
        wait_for(lambda: is_stored(harness, next(iter(writer.unanswered))))
        time.sleep(HELD_S)
    since = time.monotonic()
    harness.join()
    for ws in on_each:
        until_closed(ws, since)
    assert {ws.close_code for ws in on_each if ws.slot not in (first, second)} == {4501}
    person.close()


def is_fencing(harness):
    """True if a worker waits for the sessions of dead workers."""
    return harness.daemon.sql(
        "select 1 from pg_stat_activity where state = 'active'"
        " and query like '%%fence_dead_workers($%%'"
    )


def is_stored(harness, name):
    return name in [row[3] for row in harness.rows().values()]


# --- published, and no sleeper is woken ---


@pytest.mark.parametrize("point", ["publish.unlocked", "publish.fenced", "wake.claimed"])
def test_a_publisher_stopped_before_its_wake_ups_delays_no_delivery(harness, pair, point):
    """POLL_MS in bus.c: a sleeper polls the ring. The publisher stays stopped until the message is
    delivered, and the master is not involved."""
    writer, receiver = pair
    pid = harness.stop_at(point, writer.send)
    since = time.monotonic()
    try:
        until(receiver, since, "message", content=next(iter(writer.unanswered)))
    finally:
        harness.resume(pid)


# --- known to one process only ---


def test_a_token_revoked_by_a_dead_worker_closes_its_sockets(harness, pair):
    """sessions_reconcile_tokens in worker_reconcile."""
    person = new_person(harness.daemon)
    on_each = person.ws_on_each()
    since = harness.kill_at(
        "token.revoked", lambda: harness.in_background(lambda: person.post("/users/logout"))
    )
    harness.join()
    for ws in on_each:
        until_closed(ws, since)
    assert 4501 in [ws.close_code for ws in on_each]
    person.close()


def test_a_user_who_connects_as_the_worker_dies_is_shown_online_by_the_others(harness, pair):
    """watch_refresh_all in worker_check: the dead worker announced no change."""
    _, receiver = pair
    person = new_person(harness.daemon)
    harness.owner.add(harness.group, person)
    watching = [receiver, harness.owner.ws_elsewhere(receiver)]
    for ws in watching:
        ws.send({"type": "presence", "watch": [person.id]})
        assert ws.until("presence")["online"] is False
    died = harness.kill_at("presence.changed", lambda: harness.in_background(person.ws))
    harness.join()
    shown = []
    for ws in watching:
        with contextlib.suppress(ConnectionError):  # one of them may be on the killed worker
            shown.append(until(ws, died, "presence", user_id=person.id)["online"])
    assert shown in ([True], [True, True])
    person.close()
