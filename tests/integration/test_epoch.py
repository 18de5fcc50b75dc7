"""The epoch: the name of the database's history, and what a client learns when it changes.

The contract (Epoch): `ready` carries it. It changes when commits may have been lost: a standby was
promoted, a backup restored. Then every open socket gets `resync` with the new epoch, and a `sync`
with another epoch is answered as if no chat were named, the first `messages` frame of each chat
with `"reset":true`.
"""

import concurrent.futures
import os
import signal
import time

import pytest

from database_harness import (
    ANSWER_S,
    DEADLINE_S,
    PASSWORD,
    parleyd_on,
    register,
    say,
    say_until_acked,
    sync,
    synced_contents,
    wait_for,
)

pytest_plugins = ["database_fixtures"]


def epoch_of(ws):
    """The epoch in the socket's `ready`: opaque, 1 to 64 characters."""
    assert "epoch" in ws.ready, ws.ready
    assert isinstance(ws.ready["epoch"], str) and 1 <= len(ws.ready["epoch"]) <= 64, ws.ready
    return ws.ready["epoch"]


def new_epoch(person, *old):
    """The epoch that a new socket is given, which is none of the old ones."""
    epoch = epoch_of(person.ws())
    assert epoch not in old
    return epoch


def until_resync_with_epoch(ws):
    """The epoch of the first `resync` that has one; others are passed over."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        frame = ws.until("resync", timeout=max(0.001, deadline - time.monotonic()))
        if "epoch" in frame:
            return frame["epoch"]


def first_frames(frames):
    """The first `messages` frame of each chat of a sync."""
    first = {}
    for frame in frames:
        if frame["type"] == "messages":
            first.setdefault(frame["chat_id"], frame)
    return first


def check_reset(frames, chat_id, contents):
    """The sync gives the chat as it is, and the client drops what it holds of it."""
    assert first_frames(frames).get(chat_id, {}).get("reset") is True, frames
    later = [f for f in frames if f["type"] == "messages" and f["chat_id"] == chat_id][1:]
    assert not [frame for frame in later if frame.get("reset")], frames
    assert synced_contents(frames, chat_id) == contents


@pytest.fixture
def talk(server, people):
    """A running daemon with two people: (daemon, server, role, database, Ada, Ben)."""
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        yield daemon, server, role, database, ada, ben


# What changes it, and what does not.


def test_ready_carries_one_epoch_on_every_worker_and_after_a_restart(talk):
    daemon, _server, _role, _database, ada, ben = talk
    epochs = {epoch_of(ws) for ws in (*ada.ws_on_each(), ben.ws())}
    assert len(epochs) == 1
    assert daemon.stop() == 0
    daemon.launch().wait_up()
    assert {epoch_of(ada.ws())} == epochs


@pytest.mark.parametrize("immediate", [False, True], ids=["restart", "crash"])
def test_a_restart_of_the_database_does_not_change_the_epoch(servers, people, immediate):
    """A crash loses no commit: recovery brings all back."""
    server = servers()
    role = server.new_role()
    with parleyd_on(server.conninfo(server.new_database(role), role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        epoch = epoch_of(a)
        say(a, ben, "before")
        server.restart(immediate)
        daemon.wait_health(200)
        say_until_acked(a, ben, "after")
        a.drain()
        assert not [frame for frame in a.got("resync") if "epoch" in frame]
        assert epoch_of(ada.ws()) == epoch


def test_ended_sessions_do_not_change_the_epoch(talk):
    daemon, server, _role, database, ada, ben = talk
    a = ada.ws()
    epoch = epoch_of(a)
    server.end_backends(database)
    say_until_acked(a, ben, "after")
    daemon.wait_health(200)
    assert epoch_of(ada.ws()) == epoch
    assert not [frame for frame in a.got("resync") if "epoch" in frame]


def test_parleyctl_new_epoch_gives_every_socket_the_new_epoch(talk):
    daemon, _server, _role, _database, ada, ben = talk
    sockets = [*ada.ws_on_each(), *ben.ws_on_each()]
    epoch = epoch_of(sockets[0])
    daemon.ctl("new-epoch")
    [new] = {until_resync_with_epoch(ws) for ws in sockets}
    assert new != epoch and epoch_of(ada.ws()) == new


def test_a_socket_watches_the_same_users_in_a_new_epoch(talk, people):
    """The client does not send `presence` again. A user who shares no chat any longer is left out."""
    daemon, server, _role, database, ada, ben = talk
    [eve] = people(daemon, "Eve")
    bens, eves = ben.ws(), eve.ws()
    watching = ada.ws()
    say(watching, ben, "before")
    say(watching, eve, "before")
    watching.send({"type": "presence", "watch": [ben.id, eve.id]})
    watching.until("presence", user_id=eve.id, online=True)
    server.sql(f"delete from parley.members where user_id = {eve.id}", dbname=database)
    daemon.ctl("new-epoch")
    until_resync_with_epoch(watching)
    watching.until("presence", user_id=ben.id, online=True)
    eves.close()
    bens.close()
    watching.until("presence", user_id=ben.id, online=False, timeout=10 + DEADLINE_S)
    assert len(watching.got("presence", user_id=eve.id)) == 1


@pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "synchronous"])
def test_a_promotion_gives_every_socket_a_new_epoch(pairs, people, synchronous):
    pair = pairs()
    pair.primary.require_standby(synchronous)
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        sockets = [*ada.ws_on_each(), *ben.ws_on_each()]
        epoch = epoch_of(sockets[0])
        say(sockets[0], ben, "before")
        pair.standby.wait_replayed(pair.primary)
        pair.fail_over()
        daemon.wait_health(200)
        [new] = {until_resync_with_epoch(ws) for ws in sockets}
        assert new != epoch and epoch_of(ada.ws()) == new


def test_lost_messages_are_dropped_by_a_sync_after_the_promotion(pairs, people):
    """Ben holds texts of mod 4 to 6 that the new primary never had."""
    pair = pairs()
    with parleyd_on(pair.conninfo()) as daemon:
        ada, ben, cyd = people(daemon, "Ada", "Ben", "Cyd")
        a, b = ada.ws(), ben.ws()
        epoch = epoch_of(b)
        kept = [f"kept {n}" for n in range(3)]
        for content in kept:
            say(a, ben, content)
        pair.standby.wait_replayed(pair.primary)
        pair.standby.stop_receiver()
        for n in range(3):
            say(a, ben, f"lost {n}")
        say(cyd.ws(), ben, "lost with its chat")
        b.until("message", chat_id=cyd.id)
        pair.fail_over()
        new = until_resync_with_epoch(b)
        contents = [f"new {n}" for n in range(5)]
        for content in contents:
            say_until_acked(a, ben, content)
        frames = sync(b, {str(ada.id): 6, str(cyd.id): 1}, epoch=epoch)
        check_reset(frames, ada.id, kept + contents)
        # The chat with Cyd was not begun in this history: it is gone, or has nothing to show.
        if {"type": "chat_removed", "chat_id": cyd.id} not in frames:
            check_reset(frames, cyd.id, [])
        # From here on the new epoch is the current one.
        assert synced_contents(sync(b, {str(ada.id): 7}, epoch=new), ada.id) == contents[-1:]
        say(a, ben, "pushed")
        assert b.until("message", chat_id=ada.id)["content"] == "pushed"
        daemon.wait_health(200)


def test_a_request_begun_in_a_former_epoch_is_unavailable(talk):
    """Its user id, which the former history gave, may be another person's."""
    daemon, *_, ada, ben = talk
    sockets = ben.ws_on_each()
    hasher = daemon.status()["hasher_pid"]
    os.kill(hasher, signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            change = {"old_password": PASSWORD, "new_password": "a new password"}
            answer = pool.submit(ada.put, "/users/me/password", change)
            time.sleep(0.5)  # until it waits for the hasher
            daemon.ctl("new-epoch")
            for ws in sockets:
                until_resync_with_epoch(ws)
            os.kill(hasher, signal.SIGCONT)
            assert answer.result().status_code == 503
    finally:
        os.kill(hasher, signal.SIGCONT)


# A restored backup.


def back_up_and_restore(server, database, how, dump=None):
    """Without `dump`: backs up. With it: puts the database back as it was then."""
    if how == "copy":
        if dump is None:
            return server.copy_data()
        server.put_back(dump)
        return None
    if dump is None:
        return server.dump(database)
    role = server.value(
        "select datdba::regrole::text from pg_database where datname = %s", database
    )
    if how == "new database":
        server.sql(f"drop database {database} with (force)")
        server.sql(f"create database {database} owner {role}")
        server.restore(dump, database)
    else:
        server.restore(dump, database, "--clean", "--if-exists")
    return None


@pytest.mark.parametrize("how", ["new database", "clean", "copy"])
def test_a_client_that_kept_rows_from_before_a_restore_drops_them(servers, people, how):
    """The backup has three texts, the client mod 6; three new texts take mods 4 to 6 again."""
    server = servers()
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        epoch = b.ready.get("epoch")
        kept = [f"kept {n}" for n in range(3)]
        for content in kept:
            say(a, ben, content)
        if how == "copy":
            server.stop()
        backup = back_up_and_restore(server, database, how)
        if how == "copy":
            server.start()
            daemon.wait_health(200)
        for n in range(3):
            say_until_acked(a, ben, f"lost {n}")
        assert daemon.stop() == 0
        if how == "copy":
            server.stop()
        back_up_and_restore(server, database, how, backup)
        if how == "copy":
            server.start()
            # Nothing in the files says that they were put back: the administrator does.
            assert daemon.ctl("new-epoch", check=False).returncode == 0
        daemon.launch().wait_up()
        a, b = ada.ws(), ben.ws()
        contents = [f"new {n}" for n in range(3)]
        assert [say(a, ben, content)["mod"] for content in contents] == [4, 5, 6]
        named = {"epoch": epoch} if epoch else {}
        frames = sync(b, {str(ada.id): 6}, **named)
        assert synced_contents(frames, ada.id) == kept + contents
        check_reset(frames, ada.id, kept + contents)
        new_epoch(ben, epoch)


@pytest.mark.parametrize("how", ["new database", "copy"])
def test_a_restore_under_a_running_daemon_gives_every_socket_a_new_epoch(servers, people, how):
    server = servers()
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        say(a, ben, "kept")
        if how == "copy":
            server.stop()
        backup = back_up_and_restore(server, database, how)
        if how == "copy":
            server.start()
            daemon.wait_health(200)
        for n in range(3):
            say_until_acked(a, ben, f"lost {n}")
        b.until("message", mod=4)
        if how == "copy":
            server.stop()
        back_up_and_restore(server, database, how, backup)
        if how == "copy":
            server.start()
        contents = [f"new {n}" for n in range(4)]
        for content in contents:
            say_until_acked(a, ben, content)
        until_resync_with_epoch(b)
        frames = sync(b, {str(ada.id): 4}, epoch=b.ready.get("epoch", ""))
        check_reset(frames, ada.id, ["kept", *contents])


def test_a_socket_whose_token_the_restored_database_lacks_is_closed(servers, people):
    """A restored sequence gives the ids of a user and a token from after the backup again, to
    others."""
    server = servers()
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        [ada] = people(daemon, "Ada")
        backup = server.dump(database)
        [ben] = people(daemon, "Ben")
        b = ben.ws()
        back_up_and_restore(server, database, "new database", backup)
        wait_for(lambda: ada.get("/users/me").status_code == 200, what="no restored database")
        daemon.wait_health(200)
        eve = register(daemon, "Eve")
        try:
            say_until_acked(ada.ws(), eve, "for Eve's eyes only")
            assert ben.get("/users/me").status_code == 401
            assert b.until_closed() == 4501
            assert not b.got("message"), "a message reached a socket of another user"
        finally:
            eve.close()


# What a sync says of the epoch.


def test_a_sync_of_the_current_epoch_brings_what_changed_and_resets_nothing(talk):
    *_, ada, ben = talk
    a, b = ada.ws(), ben.ws()
    for n in range(3):
        say(a, ben, f"text {n}")
    for named in ({"epoch": epoch_of(b)}, {}):
        frames = sync(b, {str(ada.id): 1}, **named)
        assert synced_contents(frames, ada.id) == ["text 1", "text 2"]
        assert "reset" not in first_frames(frames)[ada.id]


def test_a_sync_of_another_epoch_is_answered_as_if_no_chat_were_named(talk):
    *_, ada, ben = talk
    a, b = ada.ws(), ben.ws()
    for n in range(3):
        say(a, ben, f"text {n}")
    group_id = ada.group("Group")
    for epoch in ("another", "x" * 64):
        frames = sync(b, {str(ada.id): 3, str(group_id): 1}, epoch=epoch)
        check_reset(frames, ada.id, ["text 0", "text 1", "text 2"])
        # Of a chat that one is not in the client learns in every epoch.
        assert {"type": "chat_removed", "chat_id": group_id} in frames


def test_a_sync_without_an_epoch_resets_a_chat_named_beyond_its_last_mod(talk):
    *_, ada, ben = talk
    a, b = ada.ws(), ben.ws()
    for n in range(3):
        say(a, ben, f"text {n}")
    frames = sync(b, {str(ada.id): 4})
    check_reset(frames, ada.id, ["text 0", "text 1", "text 2"])
    assert sync(b, {str(ada.id): 3}) == []


@pytest.mark.parametrize("epoch", [7, True, [], {}, "x" * 65], ids=repr)
def test_an_epoch_of_another_type_or_length_is_invalid(talk, epoch):
    *_, ada, _ben = talk
    a = ada.ws()
    a.send({"type": "sync", "id": "s", "after": {}, "epoch": epoch})
    error = a.until("error", timeout=ANSWER_S)
    assert error["code"] == "invalid", error


def test_a_killed_worker_does_not_change_the_epoch(talk):
    """The epoch is carried only when it changes."""
    daemon, *_, ada, ben = talk
    a = ada.ws()
    b = ben.ws_elsewhere(a)
    epoch = epoch_of(a)
    say(a, ben, "before")
    b.until("message", seq=1)
    daemon.kill_worker(b.slot)
    say(a, ben, "after")
    a.drain()
    assert not [frame for frame in a.got("resync") if "epoch" in frame]
    assert epoch_of(ben.ws()) == epoch
