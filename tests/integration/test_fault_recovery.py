"""Each way back from a fault, alone: struck so that nothing else could mend it in time.

Nobody writes after the fault, nobody connects again, and what is late comes late because this
test holds it: taking the mechanism that a test names out of the daemon makes that test fail.
"""

import contextlib
import time

import pytest

from conftest import new_person
from fault_harness import Field, bound
from polling import wait_for

HELD_S = 0.6  # for one who would not wait to do the wrong thing; the others react in some 0.05 s

LOCK_GROUP = "select from conversations where conv_id = %s for no key update"
LOCK_TOKENS = "select from tokens where user_id = %s for update"


@pytest.fixture(scope="module")
def kept():
    """The field that the last test left in good order."""
    kept = []
    yield kept
    for field in kept:
        try:
            field.finish()
        finally:
            field.drop()


@pytest.fixture
def field(cluster, kept):
    field = kept.pop() if kept else Field(cluster, workers=4, watchers=0)
    try:
        yield field
        field.orders.withdraw()
        for voice in field.voices:
            voice.settle()
        wait_for(field.whole, 60)
        field.check()
    except BaseException:
        field.drop()
        raise
    kept.append(field)


@pytest.fixture
def talk(field):
    """A chat in which both have spoken, on two workers: (sender, receiver's socket)."""
    field.get_ready()
    sender = field.voices[0]
    for voice in field.voices:
        voice.say()
        voice.settle()
    receiver = field.owner.ws_elsewhere(*(voice.ws for voice in field.voices))
    yield sender, receiver
    receiver.close()


def kill_at(field, point, act):
    """Kills the process that gets to the point because of act; when."""
    field.orders.give(point, "kill")
    act()
    field.orders.wait()
    field.daemon.killed += 1
    return time.monotonic()


@contextlib.contextmanager
def locked(field, query, *args):
    """Holds the lock of a row: what would change it is committed only after this."""
    with field.daemon.cluster.connect(field.daemon.database) as other:
        with other.transaction():
            other.execute(query, args)
            yield


def waiting_for_locks(field):
    """The workers whose statements wait for one."""
    rows = field.daemon.sql(
        "select application_name from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock' and application_name like 'parleyd worker=%% write'"
    )
    return {int(row[0].split("=")[1].split()[0]) for row in rows}


@contextlib.contextmanager
def held(field, act, query, *args):
    """Kills the worker whose statement, asked for by act, waits for the lock; its slot."""
    before = waiting_for_locks(field)
    with locked(field, query, *args):
        act()
        wait_for(lambda: waiting_for_locks(field) - before, what="nobody waits for the lock")
        (slot,) = waiting_for_locks(field) - before
        field.kill(field.daemon.pid_of(slot))
        yield slot


def committed_late(field, act, query, *args):
    """Kills a worker whose statement is committed only later; when that is."""
    with held(field, act, query, *args):
        time.sleep(HELD_S)
    return time.monotonic()


def until(ws, since, kind, **fields):
    return ws.until(kind, timeout=max(0.1, bound(since) - time.monotonic()), **fields)


# --- committed, and the worker dies before it could tell anybody ---


@pytest.mark.parametrize("point", ["batch.stored", "change.committed"])
def test_what_a_dead_worker_committed_is_found_by_the_others(field, talk, point):
    """rooms_check in worker_check: the heads of all rooms are looked at after a death."""
    sender, receiver = talk
    since = kill_at(field, point, sender.say)
    (name,) = sender.open
    message = until(receiver, since, "message", content=name)
    assert field.rows()[message["message_id"]][3] == name


@pytest.mark.parametrize("point", ["batch.stored", "change.committed", "change.published"])
def test_a_send_whose_ack_was_lost_is_stored_once(field, talk, point):
    """client_id: who repeats it is answered with the message that is there."""
    sender, receiver = talk
    kill_at(field, point, sender.say)
    (name,) = sender.open
    sender.settle()
    assert sender.acks[name]["duplicate"] is True
    receiver.until("message", message_id=sender.acks[name]["message_id"])
    again = sender.repeat(name)
    for key in ("message_id", "seq", "sent_at"):
        assert again[key] == sender.acks[name][key]
    assert [row[3] for row in field.rows().values()].count(name) == 1


def test_an_edit_that_a_dead_worker_committed_is_found_by_the_others(field, talk):
    sender, receiver = talk
    name = sender.say()
    sender.settle()
    since = kill_at(field, "change.committed", lambda: sender.edit(name))
    until(receiver, since, "edited", content=f"{name}-edit")


def test_one_who_was_added_by_a_dead_worker_is_told(field, talk):
    """The check of heads is one of memberships."""
    guest = new_person(field.daemon)
    ws = guest.ws_elsewhere(*(voice.ws for voice in field.voices))
    since = kill_at(
        field,
        "change.committed",
        lambda: field.later(lambda: field.owner.add(field.group, guest)),
    )
    field.join()
    with contextlib.suppress(ConnectionError):  # it may have been on the worker that was asked
        while ws.next(max(0.1, bound(since) - time.monotonic()))["type"] not in ("resync", "chat"):
            pass
    guest.close()


# --- the commit lands after the death ---


@pytest.mark.parametrize("of_age", [min, max], ids=["oldest", "newest"])
def test_a_message_that_is_committed_after_its_workers_death_is_delivered(field, talk, of_age):
    """wait_for_dead_sessions: the heads are looked at when the dead can commit no more. The
    newest worker's session is known to be dead although nobody that lives is as young."""
    sender, _ = talk
    slot = of_age(field.daemon.workers(), key=lambda worker: worker["incarnation"])["slot"]
    sender.ws = next(ws for ws in sender.person.ws_on_each() if ws.slot == slot)
    receivers = [ws for ws in field.owner.ws_on_each() if ws.slot != slot]
    since = committed_late(field, sender.say, LOCK_GROUP, field.group)
    (name,) = sender.open
    for receiver in receivers:
        until(receiver, since, "message", content=name)


def test_a_session_that_does_not_end_is_ended(field, talk):
    """What waits longer than store.c's DEAD_WAIT_MS is not committed at all; it is sent again."""
    sender, receiver = talk
    with held(field, sender.say, LOCK_GROUP, field.group):
        wait_for(lambda: not waiting_for_locks(field), what="the session does not end")
    (name,) = sender.open
    sender.settle()
    assert "duplicate" not in sender.acks[name]
    receiver.until("message", content=name)


def test_a_logout_that_is_committed_after_its_workers_death_ends_the_socket(field, talk):
    """No socket outlives its token: the tokens, too, are looked at when the dead can commit no
    more."""
    person = new_person(field.daemon)
    on_each = person.ws_on_each()
    since = committed_late(
        field,
        lambda: field.later(lambda: person.post("/users/logout")),
        LOCK_TOKENS,
        person.id,
    )
    field.join()
    for ws in on_each:
        ws.until_closed(max(0.1, bound(since) - time.monotonic()))
    person.close()


def test_who_dies_while_another_death_is_looked_into_is_waited_for_as_well(field, talk):
    """The second worker's commit lands when the check after the first one's death is over."""
    person = new_person(field.daemon)
    on_each = person.ws_on_each()
    with locked(field, LOCK_TOKENS, person.id):
        field.later(lambda: person.post("/users/logout"))
        wait_for(lambda: waiting_for_locks(field), what="the logout does not wait")
        (second,) = waiting_for_locks(field)
        sender = next(voice for voice in field.voices if voice.ws.slot != second)
        with held(field, sender.say, LOCK_GROUP, field.group) as first:
            wait_for(lambda: looked_into(field), what="nobody looks into the first death")
            field.kill(field.daemon.pid_of(second))
            time.sleep(HELD_S)
        wait_for(lambda: name_is_stored(field, next(iter(sender.open))))
        time.sleep(HELD_S)
    since = time.monotonic()
    field.join()
    for ws in on_each:
        ws.until_closed(max(0.1, bound(since) - time.monotonic()))
    assert {ws.close_code for ws in on_each if ws.slot not in (first, second)} == {4501}
    person.close()


def looked_into(field):
    return field.daemon.sql(
        "select 1 from pg_stat_activity where state = 'active'"
        " and query like '%%wait_for_dead_sessions($%%'"
    )


def name_is_stored(field, name):
    return name in [row[3] for row in field.rows().values()]


# --- published, and nobody is woken ---


@pytest.mark.parametrize("point", ["publish.unlocked", "publish.fenced", "wake.claimed"])
def test_a_publisher_that_stops_before_it_wakes_anybody_delays_nobody(field, talk, point):
    """LOOK_MS in bus.c: a sleeper looks at the ring now and then. It stays stopped until all
    have it, and the master knows nothing of it."""
    sender, receiver = talk
    pid = field.stop_at(point, sender.say)
    since = time.monotonic()
    try:
        until(receiver, since, "message", content=next(iter(sender.open)))
    finally:
        field.go_on(pid)


# --- what only one process knew ---


def test_a_token_that_a_dead_worker_ended_ends_its_sockets(field, talk):
    """sessions_check_tokens in worker_check."""
    person = new_person(field.daemon)
    on_each = person.ws_on_each()
    since = kill_at(
        field, "token.ended", lambda: field.later(lambda: person.post("/users/logout"))
    )
    field.join()
    for ws in on_each:
        ws.until_closed(max(0.1, bound(since) - time.monotonic()))
    assert 4501 in [ws.close_code for ws in on_each]
    person.close()


def test_one_who_comes_at_a_workers_death_is_shown_by_the_others(field, talk):
    """watch_look_all in worker_check: nobody announces the dead worker's people."""
    _, receiver = talk
    person = new_person(field.daemon)
    field.owner.add(field.group, person)
    watching = [receiver, field.owner.ws_elsewhere(receiver)]
    for ws in watching:
        ws.send({"type": "presence", "watch": [person.id]})
        assert ws.until("presence")["online"] is False
    died = kill_at(field, "presence.changed", lambda: field.later(person.ws))
    field.join()
    shown = []
    for ws in watching:
        with contextlib.suppress(ConnectionError):  # one of them may be on the worker that died
            shown.append(until(ws, died, "presence", user_id=person.id)["online"])
    assert shown in ([True], [True, True])
    person.close()
