"""Faults amid traffic: a worker, PostgreSQL, the master. Nothing acknowledged is lost, nothing
is stored twice, no gap."""

import contextlib
import os
import signal
import threading
import time

import pytest

import expect
from client import Http
from cluster import Cluster
from conftest import new_person, run_daemon
from polling import wait_for
from traffic import Traffic

SETTINGS = {"workers": 3}


@pytest.fixture(scope="module")
def own_cluster():
    """A PostgreSQL that may be killed."""
    cluster = Cluster()
    yield cluster
    cluster.drop()


@pytest.fixture
def daemon(own_cluster):
    yield from run_daemon(own_cluster, **SETTINGS)


@pytest.fixture
def traffic(daemon):
    """Four senders and three observers in one group, already talking."""
    people = [new_person(daemon) for _ in range(8)]
    traffic = Traffic(people[0], people[1:5], people[5:]).start()
    traffic.wait_for_more(40)
    yield traffic
    for thread in traffic.senders + traffic.observers:
        thread.stopping.set()
    for one in people:
        one.close()


def gone(pid):
    """No such process, or only its remains."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def worker_replaced(daemon, slot, pid):
    def check():
        now = {worker["slot"]: worker["pid"] for worker in daemon.workers()}
        return now.get(slot) not in (None, 0, pid)

    return check


# --- a worker ---


def test_kill_9_of_each_worker_amid_traffic_loses_nothing(daemon, traffic):
    for _ in range(2):
        for slot in range(SETTINGS["workers"]):
            pid = daemon.kill_worker(slot)
            traffic.wait_for_more(40)
            wait_for(worker_replaced(daemon, slot, pid))
    traffic.finish()
    assert daemon.killed == 6


def test_a_worker_that_crashes_is_replaced_and_nobody_else_notices(daemon):
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    pid = daemon.kill_worker(hers.slot, signal.SIGABRT)
    hers.until_closed()
    his.drain()
    wait_for(worker_replaced(daemon, hers.slot, pid))
    back = alice.ws()
    ack = back.ask({"type": "send", "id": "back", "receiver_id": bob.id, "content": "back"}, "ack")
    his.until("message", message_id=ack["message_id"])
    assert back.ready["session_id"] != hers.ready["session_id"]
    for one in (alice, bob):
        one.close()


def test_a_committed_message_reaches_members_within_2_seconds_of_its_workers_death(daemon):
    """D4: with nobody writing after it. Sends are committed and their worker is killed at once,
    again and again."""
    alice, bob = new_person(daemon), new_person(daemon)
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
        wait_for(lambda: gone(pid))
        time.sleep(
            2
        )  # the promise's own bound: what is committed by then must have been pushed or resynced
        committed = {
            row[0]
            for row in daemon.sql(
                "select message_id from messages where client_id is not null and sender_id = %s",
                alice.id,
            )
        }
        his.drain()
        came = his.frames[known:]
        if not any(frame["type"] == "resync" for frame in came):
            pushed = {frame["message_id"] for frame in came if frame["type"] == "message"}
            missing = {m for m in committed - pushed if m > before}
            assert not missing, f"committed and never pushed: {len(missing)}"
        wait_for(worker_replaced(daemon, hers.slot, pid))
    for one in (alice, bob):
        one.close()


def test_presence_is_true_again_after_a_crash(daemon):
    """P1: within grace + 1 s the users of a dead worker who do not come back are offline; those
    who do never were."""
    alice, bob, carol = (new_person(daemon) for _ in range(3))
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
    for one in (alice, bob, carol):
        one.close()


def test_a_new_worker_takes_nobody_before_its_database_is_there(daemon, own_cluster):
    """It would answer 503 where the others can serve. It waits 2 s, and then serves without."""
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
    asked = {status for at, status in answers if at - started < 1.5}
    assert len(answers) > 8 and asked == {200}
    one.close()


# --- PostgreSQL ---


@contextlib.contextmanager
def answers_lost(daemon, cluster, function):
    """In the block what `function` has committed is on the disk, and its session then waits for a
    replica that is not there; at the end of the block those sessions are ended. Hands out whether
    one waits."""
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
                if not wanted:  # when somebody was last seen, say: it goes on without the replica
                    postgres.execute("select pg_cancel_backend(%s)", (pid,))
            return [pid for pid, wanted in sessions if wanted]

        postgres.execute("set synchronous_commit = local")
        standby("nobody")
        try:
            yield waits
            for pid in waits():
                postgres.execute("select pg_terminate_backend(%s, 20000)", (pid,))
        finally:
            standby("")


def until_one_waits(waits, send):
    """send(0), send(1), ... until the setting is in force; the number of the one that waits."""
    for n in range(100):
        send(n)
        with contextlib.suppress(AssertionError):
            wait_for(waits, 0.5)
            return n
    raise AssertionError("no commit waits")


def test_what_was_committed_and_not_answered_is_pushed_all_the_same(daemon, own_cluster):
    """D4: of an edit whose session is lost nobody knows whether it is committed, and nobody asks
    again."""
    alice, bob = new_person(daemon), new_person(daemon)
    message_id = alice.send(bob.id, "0")["message_id"]
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    with answers_lost(daemon, own_cluster, "edit_message") as waits:

        last = until_one_waits(
            waits,
            lambda n: hers.send({"type": "edit", "message_id": message_id, "content": str(n)}),
        )
    his.until("edited", content=str(last))
    for one in (alice, bob):
        one.close()


def test_a_send_that_was_committed_and_not_answered_is_acknowledged_and_pushed_once(
    daemon, own_cluster
):
    """D1: the daemon itself asks again, and finds it."""
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    with answers_lost(daemon, own_cluster, "post_messages") as waits:

        last = until_one_waits(
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
    for one in (alice, bob):
        one.close()


def test_what_a_killed_worker_had_committed_is_pushed_however_late_it_lands(daemon, own_cluster):
    """D4: it dies while its commit is under way, and nobody writes after it."""
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    with answers_lost(daemon, own_cluster, "post_messages") as waits:
        last = until_one_waits(
            waits,
            lambda n: hers.send(
                {"type": "send", "id": f"s{n}", "receiver_id": bob.id, "content": f"s{n}"}
            ),
        )
        pid = daemon.kill_worker(hers.slot)
        wait_for(lambda: gone(pid))
        wait_for(lambda: not waits(), what="nobody ends the session of the dead")
    his.until("message", content=f"s{last}")
    for one in (alice, bob):
        one.close()


def test_what_was_acknowledged_survives_a_crash_of_postgresql_in_the_next_moment(
    daemon, own_cluster
):
    """D1: the commit is on the disk before the ack is on the wire."""
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    for i in range(3):
        hers = alice.ws()
        ack = hers.ask(
            {"type": "send", "id": f"k{i}", "receiver_id": bob.id, "content": "kept"}, "ack"
        )
        own_cluster.restart(immediate=True)
        found = daemon.sql("select seq from messages where message_id = %s", ack["message_id"])
        assert found == [(ack["seq"],)]
        wait_for(lambda: daemon.log().count("store ready") >= SETTINGS["workers"] * (i + 2))
    for one in (alice, bob):
        one.close()


def test_an_immediate_restart_of_postgresql_amid_traffic_loses_nothing(
    daemon, own_cluster, traffic
):
    for _ in range(2):
        own_cluster.restart(immediate=True)
        wait_for(daemon.healthy)
        traffic.wait_for_more(40)
    traffic.finish()


def test_while_postgresql_is_away_requests_are_503_and_sends_unavailable(daemon, own_cluster):
    alice, bob = new_person(daemon), new_person(daemon)
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
    for _ in range(2):  # send again, same id: stored once

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
    messages = bob.history(alice.id)
    expect.gapless(messages)
    assert [m["content"] for m in messages] == ["before", "away", "away"]
    assert messages[0]["message_id"] == first["message_id"]
    theirs.until("message", message_id=acks[0]["message_id"])
    for one in (alice, bob):
        one.close()


def test_a_lost_database_connection_is_opened_again(daemon, traffic):
    """Every backend of the daemon is ended by an administrator amid the traffic; PostgreSQL
    itself stays."""
    for _ in range(3):
        daemon.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = %s and pid <> pg_backend_pid()",
            daemon.database,
        )
        traffic.wait_for_more(40)
    traffic.finish()


def test_a_daemon_started_while_postgresql_is_away_serves_when_it_is_back(own_cluster, daemon):
    """PostgreSQL may come up after parleyd, as at boot; parleyd either waits for it or leaves
    with a clear line."""
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
        assert "left with 1" in failed[0] and "database" in failed[0].lower(), failed[0]
        daemon.process = None
        daemon.start()
    assert daemon.healthy()


# --- the master ---


def test_workers_leave_when_the_master_is_killed_and_nothing_is_lost(daemon, traffic):
    workers = [worker["pid"] for worker in daemon.workers()]
    daemon.kill_master()
    for pid in workers:
        wait_for(lambda pid=pid: gone(pid), 20, f"worker {pid} stays without its master")
    daemon.start()
    traffic.wait_for_more(40)
    traffic.finish()


def test_a_stop_amid_traffic_closes_1001_and_loses_nothing(daemon, traffic):
    watcher = new_person(daemon)
    ws = watcher.ws()
    assert daemon.stop() == 0
    assert ws.until_closed() == 1001
    daemon.start()
    traffic.wait_for_more(40)
    traffic.finish()
    watcher.close()


def test_a_send_under_way_when_the_daemon_stops_is_acknowledged_before_the_close(
    daemon, own_cluster
):
    alice, bob = new_person(daemon), new_person(daemon)
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    with own_cluster.connect(daemon.database) as holder:
        with holder.transaction():
            holder.execute("select * from conversations for update")
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
            time.sleep(0.1)  # well within the 2 s that it waits
    hers.until("ack", id="late")
    assert hers.until_closed() == 1001
    assert daemon.stop() == 0
    for one in (alice, bob):
        one.close()


def test_a_killed_hasher_is_replaced(daemon):
    """Log-ins go through a process of their own; it is the master's child that is no worker."""
    http = Http(daemon.url(""))
    http.post(
        "/users/register", {"username": "hash.me", "full_name": "H", "password": "correct horse"}
    )
    master = daemon.status()["master_pid"]
    workers = {worker["pid"] for worker in daemon.workers()}
    with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
        others = {int(pid) for pid in file.read().split()} - workers
    assert others, "no hasher beside the workers"
    for pid in others:
        os.kill(pid, signal.SIGKILL)
        daemon.killed += 1

    def logged_in():
        answer = http.post("/users/login", {"username": "hash.me", "password": "correct horse"})
        assert answer.status_code in (200, 503)
        return answer.status_code == 200

    wait_for(logged_in)
    http.close()
