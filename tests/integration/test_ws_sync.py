"""sync: all changes since a mod, chat by chat, consistent with the pushes."""

import json
import struct
import time

import pytest

import expect
import many_sockets
from procfs import is_sanitized, private_memory_kib


def sync(ws, after):
    """Sends a sync; returns {chat_id: [frames]} and the set of removed chats."""
    ws.send({"type": "sync", "after": {str(chat): mod for chat, mod in after.items()}})
    pieces, removed = {}, set()
    while True:
        frame = ws.next()
        if frame["type"] == "messages":
            assert set(frame) == {"type", "chat_id", "messages", "read_seq", "more"}
            pieces.setdefault(frame["chat_id"], []).append(frame)
        elif frame["type"] == "chat_removed":
            removed.add(frame["chat_id"])
        elif frame["type"] == "synced":
            return pieces, removed


def changed(pieces, chat_id):
    """The messages that a sync returned for one chat; checks its pieces."""
    frames = pieces[chat_id]
    assert [frame["more"] for frame in frames] == [True] * (len(frames) - 1) + [False]
    assert all(len(frame["messages"]) <= 200 for frame in frames)
    messages = [message for frame in frames for message in frame["messages"]]
    mods = [message["mod"] for message in messages]
    assert mods == sorted(set(mods)), "in mod order, without duplicates"
    return messages


def fill(who, receiver_id, count):
    ws = who.ws()
    ws.send_all(
        {
            "type": "send",
            "id": f"fill-{receiver_id}-{i}",
            "receiver_id": receiver_id,
            "content": str(i),
        }
        for i in range(count)
    )
    for _ in range(count):
        ws.until("ack")
    ws.close()


def test_a_first_sync_returns_the_last_50_messages_of_every_chat(alice, bob, carol):
    fill(alice, bob.id, 60)
    group = carol.group("few", bob)
    carol.send(group, "hello")
    pieces, removed = sync(bob.ws(), {})
    assert set(pieces) == {alice.id, group} and not removed
    assert [m["seq"] for m in changed(pieces, alice.id)] == list(range(11, 61))
    assert changed(pieces, alice.id) == bob.history(alice.id, "after=10&limit=200")
    assert changed(pieces, group) == bob.history(group)
    assert pieces[alice.id][0]["read_seq"] == 0


def test_an_unchanged_chat_is_left_out(alice, bob, carol):
    alice.send(bob.id, "1")
    carol.send(bob.id, "2")
    ws = bob.ws()
    assert sync(ws, {alice.id: 1, carol.id: 1}) == ({}, set())
    assert set(sync(ws, {alice.id: 1, carol.id: 0})[0]) == {carol.id}
    assert set(sync(ws, {alice.id: 1})[0]) == {carol.id}, "a chat that is not named is returned"


def test_a_sync_without_chats_is_answered_with_synced_only(alice):
    assert sync(alice.ws(), {}) == ({}, set())


def test_a_sync_returns_new_edited_and_deleted_messages_once_each(alice, bob):
    ids = [alice.send(bob.id, str(i))["message_id"] for i in range(6)]
    for i in range(5):
        alice.patch(f"/messages/{ids[1]}", {"content": f"edit {i}"})
    alice.delete(f"/messages/{ids[3]}")
    alice.send(bob.id, "new")
    pieces, _ = sync(bob.ws(), {alice.id: 6})
    assert [
        (m["seq"], m["mod"], m["content"], m["deleted"]) for m in changed(pieces, alice.id)
    ] == [(2, 11, "edit 4", False), (4, 12, None, True), (7, 13, "new", False)]


def test_a_sync_from_0_returns_everything_in_pieces_of_200(alice, bob):
    fill(alice, bob.id, 450)
    ws = bob.ws()
    pieces, _ = sync(ws, {alice.id: 0})
    assert [len(frame["messages"]) for frame in pieces[alice.id]] == [200, 200, 50]
    assert [m["seq"] for m in changed(pieces, alice.id)] == list(range(1, 451))
    pieces, _ = sync(ws, {alice.id: 50})
    assert [len(frame["messages"]) for frame in pieces[alice.id]] == [200, 200]
    assert [m["seq"] for m in changed(pieces, alice.id)] == list(range(51, 451))


def test_a_chat_that_was_left_or_removed_is_chat_removed(alice, bob, carol):
    left, removed_from, ended, kept = (
        alice.group(name, bob) for name in ("left", "removed", "ended", "kept")
    )
    bob.post("/groups/leave_group", {"group_id": left})
    alice.post("/groups/remove_user_from_group", {"group_id": removed_from, "user_id": bob.id})
    for who in (bob, alice):
        who.post("/groups/leave_group", {"group_id": ended})
    pieces, removed = sync(bob.ws(), {left: 1, removed_from: 1, ended: 1, kept: 1})
    assert removed == {left, removed_from, ended}
    assert set(pieces) == {kept}
    assert carol.id not in pieces


def test_a_sync_returns_nothing_of_others_chats(alice, bob, carol):
    alice.send(bob.id, "secret")
    group = alice.group("secret", bob)
    pieces, _ = sync(carol.ws(), {alice.id: 0, bob.id: 0, group: 0})
    assert pieces == {}


def test_a_sync_contains_the_own_watermark_and_own_client_ids(alice, bob):
    sent = alice.send(bob.id, "x", client_id="mine")
    bob.put("/messages/read", {"message_ids": [sent["message_id"]]})
    alice.send(bob.id, "y")
    assert sync(bob.ws(), {alice.id: 0})[0][alice.id][0]["read_seq"] == 1
    pieces, _ = sync(alice.ws(), {bob.id: 0})
    assert pieces[bob.id][0]["read_seq"] == 2
    assert changed(pieces, bob.id)[0] == sent
    assert "client_id" not in changed(sync(bob.ws(), {alice.id: 0})[0], alice.id)[0]


def test_a_sync_returns_joins_leaves_and_renames(alice, bob, carol):
    group = alice.group("events", bob)
    alice.patch(f"/groups/{group}", {"name": "renamed"})
    alice.add(group, carol)
    carol.post("/groups/leave_group", {"group_id": group})
    messages = changed(sync(bob.ws(), {group: 2})[0], group)
    assert [(m["kind"], m.get("user_id"), m.get("name")) for m in messages] == [
        ("rename", None, "renamed"),
        ("join", carol.id, None),
        ("leave", carol.id, None),
    ]


def test_a_client_that_was_disconnected_resumes_without_gap_or_duplicate(alice, bob):
    """Pushes before and a sync after the disconnection together have every mod once."""
    watching = bob.ws()
    for i in range(5):
        alice.send(bob.id, f"before {i}")
    seen = [watching.until("message")["mod"] for _ in range(5)]
    watching.abort()
    for i in range(5):
        alice.send(bob.id, f"away {i}")
    back = bob.ws()
    alice.send(bob.id, "live")
    pieces, _ = sync(back, {alice.id: max(seen)})
    seen += [m["mod"] for m in changed(pieces, alice.id)]
    assert seen == list(range(1, len(seen) + 1)) and len(seen) == 11
    assert back.got("message") or back.until("message"), "messages after ready are pushed as well"


def test_no_message_is_lost_between_ready_and_sync(alice, bob):
    """The socket is registered for pushes before the database is read."""
    sender = alice.ws()
    for round_ in range(5):
        ws = bob.ws()
        sender.send_all(
            {"type": "send", "id": f"r{round_}-{i}", "receiver_id": bob.id, "content": "x"}
            for i in range(40)
        )
        pieces, _ = sync(ws, {alice.id: 0})
        total = 40 * (round_ + 1)
        seen = {m["mod"] for frame in pieces.get(alice.id, []) for m in frame["messages"]}
        seen |= {frame["mod"] for frame in ws.got("message")}
        while len(seen) < total:
            seen.add(ws.until("message")["mod"])
        assert seen == set(range(1, total + 1))
        ws.close()


@pytest.mark.parametrize(
    "after",
    [
        ...,
        None,
        5,
        "x",
        [1, 2],
        {"x": 1},
        {"1": "x"},
        {"1": -1},
        {"1": 1.5},
        {"-1": 1},
        {"1": None},
    ],
)
def test_a_bad_sync_is_an_error(alice, after):
    ws = alice.ws()
    frame = {"type": "sync"} if after is ... else {"type": "sync", "after": after}
    expect.error_frame(ws.ask(frame, "error"), "invalid")
    ws.drain()


GONE = 4500  # chats; a frame of 64 KiB cannot name many more
UNREAD = 40  # sockets


def gone_chats(daemon):
    """Ids that no party has."""
    first = daemon.sql("select last_value + 1000000 from party_ids")[0][0]
    return {str(chat_id): 1 for chat_id in range(first, first + GONE)}


def test_a_sync_that_names_thousands_of_chats_that_are_gone_removes_each_once(daemon, alice, bob):
    alice.send(bob.id, "hello")
    ws = alice.ws()
    pieces, removed = sync(ws, gone_chats(daemon))
    assert removed == {int(chat_id) for chat_id in gone_chats(daemon)}
    assert set(pieces) == {bob.id}
    assert len([frame for frame in ws.frames if frame["type"] == "chat_removed"]) == GONE


def memory(daemon):
    """The private memory of all workers, in KiB."""
    return sum(private_memory_kib(worker["pid"]) for worker in daemon.workers())


@pytest.mark.no_valgrind("bounds of memory")
def test_the_answers_of_a_sync_wait_for_a_client_that_does_not_read(daemon, alice):
    """64 KiB are queued at most, not a frame for each chat that the client names."""
    text = json.dumps({"type": "sync", "after": gone_chats(daemon)}, separators=(",", ":"))
    frame = struct.pack("!BBHI", 0x81, 0x80 | 126, len(text), 0) + text.encode()
    sockets = many_sockets.open_websockets(daemon.port, [alice.token] * UNREAD)
    before = memory(daemon)
    for one in sockets:
        one.setblocking(True)
        one.sendall(frame)
    time.sleep(2)
    grown = (memory(daemon) - before) / UNREAD
    print(f"an unread answer to a sync: {grown:.0f} KiB")
    marked, _ = many_sockets.drain_until(sockets, b'{"type":"synced"}')
    many_sockets.close_all(sockets)
    assert marked == UNREAD
    if not is_sanitized(daemon.workers()[0]["pid"]):
        assert grown < 270  # the names of the chats, and the queue
