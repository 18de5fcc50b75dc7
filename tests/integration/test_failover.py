"""Failover between two PostgreSQL servers that replicate, and what a socket sees of it.

The contract: an acknowledged message is kept (promise 1), seq has no gap (promise 3), and what a
socket was not pushed a sync brings, which the client learns by `resync` (promise 4). By default
parleyd uses the host that is a primary.
"""

import re
import time

import pytest

from database_harness import (
    is_acked_within,
    parleyd_on,
    say,
    say_until_acked,
    sync,
    synced_contents,
    wait_for,
)

pytest_plugins = ["database_fixtures"]

FAILOVER_S = 20
HANGING_COMMIT = "select pid from pg_stat_activity where wait_event = 'SyncRep'"


def pushed_or_synced(ws, epoch, chat_id, after, contents):
    """Waits until the socket was pushed these contents, or was sent `resync` and a sync from mod
    `after` brings them."""
    pushed = []
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not set(contents) <= set(pushed):
        try:
            frame = ws.next(max(0.001, deadline - time.monotonic()))
        except AssertionError:
            break
        if frame["type"] == "message" and frame["chat_id"] == chat_id:
            pushed.append(frame["content"])
        if frame["type"] == "resync":
            named = {"epoch": epoch} if epoch else {}
            pushed += synced_contents(sync(ws, {str(chat_id): after}, **named), chat_id)
    return [content for content in contents if content in pushed]


def lose_three_commits(pair, a, b, ada, ben):
    """Three texts are replicated; three more are acknowledged and pushed, and lost in a
    failover."""
    for n in range(1, 4):
        assert say(a, ben, f"kept {n}")["mod"] == n
    pair.standby.wait_replayed(pair.primary)
    pair.standby.stop_receiver()
    for n in range(4, 7):
        assert say(a, ben, f"lost {n}")["mod"] == n
        b.until("message", chat_id=ada.id, mod=n)
    pair.fail_over()


def test_texts_after_an_asynchronous_failover_reach_a_socket_that_saw_lost_texts(pairs, people):
    pair = pairs()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        lose_three_commits(pair, a, b, ada, ben)
        daemon.wait_health(200, FAILOVER_S)
        contents = [f"new {n}" for n in range(5)]
        acks = [say_until_acked(a, ben, content) for content in contents]
        assert [ack["seq"] for ack in acks] == [4, 5, 6, 7, 8]
        assert [one["content"] for one in ben.history(ada.id)][3:] == contents
        assert pushed_or_synced(b, b.ready.get("epoch"), ada.id, 6, contents) == contents


def test_a_failover_to_a_synchronous_standby_keeps_all_acknowledged_texts(pairs, people):
    pair = pairs()
    pair.primary.require_standby()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        acked = [say(a, ben, f"text {n}")["seq"] for n in range(20)]
        pair.fail_over()
        daemon.wait_health(200, FAILOVER_S)
        ack = say_until_acked(a, ben, "after")
        assert acked == list(range(1, 21)) and ack["seq"] == 21
        history = ben.history(ada.id)
        assert [one["content"] for one in history] == [f"text {n}" for n in range(20)] + ["after"]
        assert pushed_or_synced(b, b.ready.get("epoch"), ada.id, 0, ["after"]) == ["after"]


@pytest.mark.parametrize("setting", ["on", "off", "local"])
def test_nothing_is_acknowledged_that_a_synchronous_standby_has_not(pairs, people, setting):
    """A role's synchronous_commit does not weaken promise 1."""
    pair = pairs()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        say(a, ben, "before")
        pair.primary.require_standby()
        pair.primary.set_for_role(pair.role, "synchronous_commit", setting)
        pair.primary.end_backends(pair.database)
        say_until_acked(a, ben, "replicated")
        pair.standby.stop_receiver()
        a.send({"type": "send", "id": "held", "receiver_id": ben.id, "content": "held"})
        assert not is_acked_within(a, "held", 1.5), "acknowledged before the standby had it"
        pair.standby.continue_receiver()
        assert say_until_acked(a, ben, "after")["seq"] == 4


def test_the_host_that_takes_writes_is_used_without_target_session_attrs(pairs, people):
    pair = pairs()
    with parleyd_on(pair.conninfo(), workers=1):  # the schema is there, on the standby too
        pair.standby.wait_replayed(pair.primary)
    with parleyd_on(pair.conninfo(pair.standby, pair.primary, more="")) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        assert say(ada.ws(), ben, "stored")["seq"] == 1
        assert daemon.health() == 200


def test_healthz_is_503_while_no_synchronous_standby_confirms(pairs, people):
    """Connections can be made, and no commit ends."""
    pair = pairs()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        b = ben.ws_elsewhere(a)
        say(a, ben, "before")
        pair.primary.require_standby()
        pair.standby.stop_receiver()
        for ws, receiver in ((a, ada), (b, ben)):  # of both workers, in chats of their own
            ws.send({"type": "send", "receiver_id": receiver.id, "content": "held", "id": "held"})
        daemon.wait_health(503)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert daemon.health() in (503, None), "sends cannot be stored:\n" + daemon.log()
            time.sleep(0.1)
        pair.standby.continue_receiver()
        daemon.wait_health(200)
        say_until_acked(a, ben, "after")


def test_the_schema_is_made_on_the_host_that_takes_writes(pairs):
    pair = pairs()
    with parleyd_on(pair.conninfo(pair.standby, pair.primary, more=""), workers=1) as daemon:
        assert daemon.health() == 200


def test_healthz_is_503_while_only_a_standby_is_there(pairs):
    pair = pairs()
    with parleyd_on(pair.conninfo(), workers=1):
        pair.standby.wait_replayed(pair.primary)
    with parleyd_on(pair.conninfo(pair.standby, more=""), start=False) as daemon:
        daemon.launch()
        wait_for(lambda: daemon.health() is not None or daemon.process.poll() is not None)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert daemon.health() in (503, None), "sends cannot be stored"
            time.sleep(0.1)
        pair.fail_over()
        daemon.wait_up(FAILOVER_S)


def test_a_server_that_became_a_standby_is_left(pairs, people):
    pair = pairs()
    with parleyd_on(pair.conninfo(more="")) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        say(a, ben, "first")
        pair.standby.wait_replayed(pair.primary)
        pair.primary.stop()
        pair.primary.make_standby()
        pair.primary.start()
        pair.standby.promote()
        assert say_until_acked(a, ben, "second")["seq"] == 2
        daemon.wait_health(200)


def test_the_second_host_is_tried_after_connect_timeout(server, forwarder, people):
    silent = forwarder(server)
    silent.mute()
    role = server.new_role()
    conninfo = (
        f"host=127.0.0.1,127.0.0.1 port={silent.port},{server.port} user={role}"
        f" dbname={server.new_database(role)} connect_timeout=2"
    )
    with parleyd_on(conninfo, start=False) as daemon:
        daemon.launch().wait_up(12)  # the migrator and then the workers wait 2 s each
        ada, ben = people(daemon, "Ada", "Ben")
        assert say(ada.ws(), ben, "stored")["seq"] == 1


def test_the_second_host_is_tried_when_the_first_falls_silent(pairs, forwarder, people):
    pair = pairs()
    first, second = forwarder(pair.primary), forwarder(pair.primary)
    conninfo = (
        f"host=127.0.0.1,127.0.0.1 port={first.port},{second.port} user={pair.role}"
        f" dbname={pair.database} connect_timeout=2"
    )
    with parleyd_on(conninfo, workers=1):  # makes the schema: until then both hosts are tried
        pass
    with parleyd_on(conninfo) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        say(a, ben, "first")
        first.mute()
        first.close_open()
        assert say_until_acked(a, ben, "second", timeout=12)["seq"] == 2
        wait_for(
            lambda: re.search(rf"port {first.port} failed: \S", daemon.log()),
            what="the log has no reason",
        )


def test_reads_go_on_while_the_commit_of_a_dead_worker_hangs(pairs, people):
    pair = pairs()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        b = ben.ws_elsewhere(a)
        say(a, ben, "before")
        b.until("message", chat_id=ada.id)
        pair.primary.require_standby()
        pair.standby.stop_receiver()
        a.send({"type": "send", "id": "held", "receiver_id": ben.id, "content": "held"})
        wait_for(lambda: pair.primary.sql(HANGING_COMMIT), what="no commit hangs")
        daemon.kill_worker(a.slot)
        worst = 0
        until = time.monotonic() + 5  # longer than the dead session is waited for
        while time.monotonic() < until:
            start = time.monotonic()
            sync(b, {str(ada.id): 0})
            worst = max(worst, time.monotonic() - start)
            time.sleep(0.05)
        pair.standby.continue_receiver()
        assert worst < 1, f"a read waited {worst:.1f} s"
