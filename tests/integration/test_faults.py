"""Faults of a worker, PostgreSQL and the master during traffic: the promises hold."""

import contextlib
import os
import signal
import threading
import time

import pytest

import expect
from client import Http
from conftest import new_person, run_daemon
from polling import wait_for
from procfs import is_gone
from traffic import Traffic

pytestmark = pytest.mark.no_valgrind("bounds of time")

SETTINGS = {"workers": 3}


@pytest.fixture
def daemon(own_cluster):
    yield from run_daemon(own_cluster, **SETTINGS)


@pytest.fixture
def traffic(daemon):
    """Four senders and three observers in one group, already active."""
    people = [new_person(daemon) for _ in range(8)]
    traffic = Traffic(people[0], people[1:5], people[5:]).start()
    traffic.wait_for_more(40)
    yield traffic
    for thread in traffic.senders + traffic.observers:
        thread.stopping.set()
    for one in people:
        one.close()


# --- a worker ---


def test_sigkill_of_each_worker_during_traffic_loses_no_message(daemon, traffic):
    for _ in range(2):
        for slot in range(SETTINGS["workers"]):
            pid = daemon.kill_worker(slot)
            traffic.wait_for_more(40)
            daemon.wait_until_replaced(slot, pid)
    traffic.finish()
    assert daemon.killed == 6


def test_a_worker_that_crashes_is_replaced_and_other_sockets_stay_open(daemon, alice, bob, pair):
    hers, his = pair
    pid = daemon.kill_worker(hers.slot, signal.SIGABRT)
    hers.until_closed()
    his.drain()
    daemon.wait_until_replaced(hers.slot, pid)
    back = alice.ws()
    ack = back.ask({"type": "send", "id": "back", "receiver_id": bob.id, "content": "back"}, "ack")
    his.until("message", message_id=ack["message_id"])
    assert back.ready["session_id"] != hers.ready["session_id"]


def test_a_committed_message_reaches_members_within_2_seconds_of_its_workers_death(
    daemon, alice, bob
):
    """Promise 4, without further writes; 2 s is the bound of docs/reliability.md, "Lateness"."""
    alice.send(bob.id, "opens the chat")
    his = None
    for round_ in range(6):
        hers = alice.ws()
        if his is None or his.slot == hers.slot:
            his = bob.ws_elsewhere(hers)
        before = daemon.sql("select coalesce(max(message_id), 0) from messages")[0][0]
        his.drain()
        known = len(his.frames)
        hers.send_all(
            {"type": "send", "id": f"d{round_}-{i}", "receiver_id": bob.id, "content": "x"}
            for i in range(50)
        )
        wait_for(
            lambda: daemon.sql("select count(*) from messages where message_id > %s", before)[0][0],
            5,
        )
        pid = daemon.kill_worker(hers.slot)
        wait_for(lambda: is_gone(pid))
        time.sleep(2)
        committed = {
            row[0]
            for row in daemon.sql(
                "select message_id from messages where client_id is not null and sender_id = %s",
                alice.id,
            )
        }
        his.drain()
        received = his.frames[known:]
        if not any(frame["type"] == "resync" for frame in received):
            pushed = {frame["message_id"] for frame in received if frame["type"] == "message"}
            missing = {m for m in committed - pushed if m > before}
            assert not missing, f"{len(missing)} committed messages were not pushed"
        daemon.wait_until_replaced(hers.slot, pid)


def test_presence_is_correct_after_a_crash(daemon, alice, bob, carol):
    """docs/api.md: offline only after 10 s without a socket. Users of a dead worker who do not
    reconnect are shown offline within the grace and one second; those who do stay online."""
    for peer in (bob, carol):
        alice.send(peer.id, "opens the chat")
    bobs = bob.ws()
    carols = carol.ws()
    while carols.slot != bobs.slot:
        carols.close()
        carols = carol.ws()
    watching = alice.ws_elsewhere(bobs)
    watching.send({"type": "presence", "watch": [bob.id, carol.id]})
    for _ in range(2):
        assert watching.until("presence")["online"] is True
    daemon.kill_worker(bobs.slot)
    died = time.monotonic()
    carols.until_closed()
    carol.ws()
    frame = watching.until("presence", online=False, timeout=14)
    assert frame["user_id"] == bob.id
    assert 9 < time.monotonic() - died < 12.5
    alice.fence(watching)
    assert not watching.got("presence", user_id=carol.id, online=False)


def test_a_new_worker_accepts_no_connection_before_its_database_is_connected(daemon, own_cluster):
    """It would answer 503 while the other workers can serve. It waits at most 2 s."""
    one = new_person(daemon)
    slot = SETTINGS["workers"] - 1
    before = daemon.log().count(f"worker={slot} started")
    with own_cluster.connect() as postgres:
        postgres.execute(f"alter database {daemon.database} allow_connections false")
        try:
            daemon.kill_worker(slot)
            wait_for(lambda: daemon.log().count(f"worker={slot} started") > before)
            started = time.monotonic()
            answers = []
            while time.monotonic() - started < 1:
                http = Http(daemon.url(""), one.token)
                answers.append((time.monotonic(), http.get("/users/me").status_code))
                http.close()
        finally:
            postgres.execute(f"alter database {daemon.database} allow_connections true")
    statuses = {status for at, status in answers if at - started < 1.5}
    assert len(answers) > 8 and statuses == {200}
    one.close()


# --- PostgreSQL ---


@contextlib.contextmanager
def answers_lost(daemon, cluster, function):
    """In the block a call of the SQL function commits to disk, and then waits for a standby that
    does not exist. At the end of the block the waiting sessions are terminated. Yields a function
    that returns the pids of these sessions."""
    with cluster.connect() as postgres:

        def standby(names):
            postgres.execute(f"alter system set synchronous_standby_names = '{names}'")
            postgres.execute("select pg_reload_conf()")

        def waits():
            sessions = postgres.execute(
                "select pid, position(%s in query) > 0 from pg_stat_activity "
                "where wait_event = 'SyncRep' and datname = %s",
                (function, daemon.database),
            ).fetchall()
            for pid, wanted in sessions:
                if not wanted:  # another statement: let it continue
                    postgres.execute("select pg_cancel_backend(%s)", (pid,))
            return [pid for pid, wanted in sessions if wanted]

        postgres.execute("set synchronous_commit = local")
        standby("missing")
        try:
            yield waits
            for pid in waits():
                postgres.execute("select pg_terminate_backend(%s, 20000)", (pid,))
        finally:
            standby("")


def send_until_one_waits(waits, send):
    """Calls send(0), send(1), ... until a commit waits; returns its number."""
    for n in range(100):
        send(n)
        with contextlib.suppress(AssertionError):
            wait_for(waits, 0.5)
            return n
    raise AssertionError("no commit waits for the standby")


def test_an_edit_committed_by_a_lost_session_is_pushed(daemon, own_cluster, alice, bob):
    """Promise 4: the daemon does not know whether the edit is committed, and does not retry it."""
    message_id = alice.send(bob.id, "0")["message_id"]
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    with answers_lost(daemon, own_cluster, "edit_message") as waits:

        last = send_until_one_waits(
            waits,
            lambda n: hers.send({"type": "edit", "message_id": message_id, "content": str(n)}),
        )
    his.until("edited", content=str(last))


def test_a_send_committed_by_a_lost_session_is_acknowledged_and_pushed_once(
    daemon, own_cluster, alice, bob, pair
):
    """Promise 2: the daemon retries the send and finds the stored message."""
    hers, his = pair
    with answers_lost(daemon, own_cluster, "send_messages") as waits:

        last = send_until_one_waits(
            waits,
            lambda n: hers.send(
                {"type": "send", "id": f"s{n}", "receiver_id": bob.id, "content": "x"}
            ),
        )
    ack = hers.until("ack", id=f"s{last}")
    assert ack["duplicate"] is True
    his.until("message", message_id=ack["message_id"])
    bob.fence(his)
    assert len(his.got("message", message_id=ack["message_id"])) == 1
    expect.gapless(bob.history(alice.id))


def test_a_commit_that_lands_after_its_workers_death_is_pushed(daemon, own_cluster, bob, pair):
    """Promise 4: the worker dies while its commit is in flight, and nothing is written after it."""
    hers, his = pair
    with answers_lost(daemon, own_cluster, "send_messages") as waits:
        last = send_until_one_waits(
            waits,
            lambda n: hers.send(
                {"type": "send", "id": f"s{n}", "receiver_id": bob.id, "content": f"s{n}"}
            ),
        )
        pid = daemon.kill_worker(hers.slot)
        wait_for(lambda: is_gone(pid))
        wait_for(lambda: not waits(), what="the session of the dead worker is not terminated")
    his.until("message", content=f"s{last}")


def test_an_acknowledged_send_survives_an_immediate_crash_of_postgresql(
    daemon, own_cluster, alice, bob
):
    """Promise 1: the commit is flushed before the ack is sent."""
    alice.send(bob.id, "opens the chat")
    for i in range(3):
        hers = alice.ws()
        ack = hers.ask(
            {"type": "send", "id": f"k{i}", "receiver_id": bob.id, "content": "kept"}, "ack"
        )
        offset = len(daemon.log())
        own_cluster.restart(immediate=True)
        found = daemon.sql("select seq from messages where message_id = %s", ack["message_id"])
        assert found == [(ack["seq"],)]
        ready = {slot: "ready" for slot in range(SETTINGS["workers"])}
        wait_for(lambda: daemon.stores(offset) == ready)


def test_a_crash_of_postgresql_during_traffic_loses_no_message(daemon, own_cluster, traffic):
    for _ in range(2):
        own_cluster.restart(immediate=True)
        wait_for(daemon.healthy)
        traffic.wait_for_more(40)
    traffic.finish()


def test_without_postgresql_requests_are_503_and_sends_unavailable(daemon, own_cluster, alice, bob):
    first = alice.send(bob.id, "before")
    mine, theirs = alice.ws(), bob.ws()
    own_cluster.stop(immediate=True)
    try:
        wait_for(lambda: alice.get("/healthz").status_code == 503)
        expect.problem(alice.get("/healthz"), 503)
        expect.problem(alice.get(f"/messages/{bob.id}"), 503, "unavailable")
        expect.problem(alice.get("/chats"), 503, "unavailable")
        answer = alice.post(
            "/messages/send_message",
            {"receiver_id": bob.id, "content": "away", "client_id": "http-away"},
        )
        expect.problem(answer, 503, "unavailable")
        mine.send({"type": "send", "id": "ws-away", "receiver_id": bob.id, "content": "away"})
        error = mine.until("error", id="ws-away", timeout=40)
        expect.error_frame(error, "unavailable")
        assert isinstance(error["retry_after_ms"], int) and error["retry_after_ms"] > 0
        mine.drain()
        theirs.drain()
    finally:
        own_cluster.start()
    wait_for(daemon.healthy)

    acks = []
    for _ in range(2):  # the repeat has the same id and is stored once

        def acknowledged():
            mine.send({"type": "send", "id": "ws-away", "receiver_id": bob.id, "content": "away"})
            while True:
                frame = mine.next()
                if frame.get("id") == "ws-away":
                    return frame if frame["type"] == "ack" else None

        acks.append(wait_for(acknowledged))
    assert acks[0]["message_id"] == acks[1]["message_id"] and acks[1]["duplicate"] is True

    def sent_over_http():
        answer = alice.post(
            "/messages/send_message",
            {"receiver_id": bob.id, "content": "away", "client_id": "http-away"},
        )
        return answer if answer.status_code in (200, 201) else None

    wait_for(sent_over_http)
    # The connection may be served by another worker.
    wait_for(lambda: bob.get(f"/messages/{alice.id}").status_code == 200)
    messages = bob.history(alice.id)
    expect.gapless(messages)
    assert [m["content"] for m in messages] == ["before", "away", "away"]
    assert messages[0]["message_id"] == first["message_id"]
    theirs.until("message", message_id=acks[0]["message_id"])


def test_lost_database_connections_are_reopened(daemon, traffic):
    """Every backend of the daemon is terminated during traffic."""
    for _ in range(3):
        daemon.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = %s and pid <> pg_backend_pid()",
            daemon.database,
        )
        traffic.wait_for_more(40)
    traffic.finish()


def test_a_daemon_started_before_postgresql_serves_once_it_is_up(own_cluster, daemon):
    """As at boot. parleyd either waits for PostgreSQL, or exits and logs the reason."""
    assert daemon.stop() == 0
    own_cluster.stop()
    failed = []

    def start():
        try:
            daemon.start()
        except AssertionError as why:
            failed.append(str(why))

    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(0.5)
    own_cluster.start()
    starting.join(60)
    if failed:
        assert "exited with 1" in failed[0] and "database" in failed[0].lower(), failed[0]
        daemon.process = None
        daemon.start()
    assert daemon.healthy()


# --- the master ---


def test_workers_exit_when_the_master_is_killed_and_no_message_is_lost(daemon, traffic):
    workers = [worker["pid"] for worker in daemon.workers()]
    daemon.kill_master()
    for pid in workers:
        wait_for(lambda pid=pid: is_gone(pid), 20, f"worker {pid} does not exit without its master")
    daemon.start()
    traffic.wait_for_more(40)
    traffic.finish()


def test_a_stop_during_traffic_closes_1001_and_loses_no_message(daemon, traffic):
    watcher = new_person(daemon)
    ws = watcher.ws()
    assert daemon.stop() == 0
    assert ws.until_closed() == 1001
    daemon.start()
    traffic.wait_for_more(40)
    traffic.finish()
    watcher.close()


def test_a_send_in_flight_at_a_stop_is_acknowledged_before_the_close(daemon, alice, bob):
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    with daemon.locked("select * from conversations for update"):
        hers.send({"type": "send", "id": "late", "receiver_id": bob.id, "content": "late"})
        wait_for(
            lambda: daemon.sql(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock' "
                "and datname = %s",
                daemon.database,
            )
        )
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for_log(rf"worker={hers.slot} stopping")
        time.sleep(0.1)  # the worker waits 2 s
    hers.until("ack", id="late")
    assert hers.until_closed() == 1001
    assert daemon.stop() == 0


def test_a_killed_hasher_is_replaced(daemon):
    """The hasher is the child of the master that is no worker."""
    http = Http(daemon.url(""))
    http.post(
        "/users/register", {"username": "hash.me", "full_name": "H", "password": "correct horse"}
    )
    master = daemon.status()["master_pid"]
    workers = {worker["pid"] for worker in daemon.workers()}
    with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
        others = {int(pid) for pid in file.read().split()} - workers
    assert others, "the master has no child but the workers"
    for pid in others:
        os.kill(pid, signal.SIGKILL)
        daemon.killed += 1

    def logged_in():
        answer = http.post("/users/login", {"username": "hash.me", "password": "correct horse"})
        assert answer.status_code in (200, 503)
        return answer.status_code == 200

    wait_for(logged_in)
    http.close()
