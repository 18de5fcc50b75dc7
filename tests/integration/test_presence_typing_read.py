"""Typing, presence and read watermarks."""

import time

import pytest

import expect
from polling import SLOWNESS

TYPING_S = 6
GRACE_S = 10


def typing(ws, chat_id, is_typing=True):
    ws.send({"type": "typing", "chat_id": chat_id, "is_typing": is_typing})


def shown(frame):
    return frame["chat_id"], frame["user_id"], frame["is_typing"]


# --- typing ---


def test_typing_is_shown_to_the_others_and_not_to_the_typist(alice, bob, carol):
    group = alice.group("typing", bob, carol)
    typist, own = alice.ws(), alice.ws_on_each()
    others = [*bob.ws_on_each(), *carol.ws_on_each()]
    typing(typist, group)
    for ws in others:
        assert ws.until("typing") == {
            "type": "typing",
            "chat_id": group,
            "user_id": alice.id,
            "is_typing": True,
        }
    typing(typist, group, False)
    for ws in others:
        assert shown(ws.until("typing")) == (group, alice.id, False)
    alice.fence(typist, *own)
    for ws in [typist, *own]:
        assert not ws.got("typing")


def test_typing_in_a_direct_chat_has_the_receivers_chat_id(alice, bob, carol):
    alice.send(bob.id, "opens the chat")
    theirs, stranger = bob.ws(), carol.ws()
    typing(alice.ws(), bob.id)
    assert shown(theirs.until("typing")) == (alice.id, alice.id, True)
    carol.fence(stranger)
    assert not stranger.got("typing")


def test_typing_over_http_is_pushed(alice, bob):
    alice.send(bob.id, "opens the chat")
    sockets = bob.ws_on_each()
    for value in (True, False):
        answer = alice.post(
            "/users/set_typing_status", {"typing_chat_id": bob.id, "is_typing": value}
        )
        assert (answer.status_code, answer.content) == (204, b"")
        for ws in sockets:
            assert shown(ws.until("typing")) == (alice.id, alice.id, value)


def test_a_message_from_the_typist_ends_typing(alice, bob):
    alice.send(bob.id, "opens the chat")
    theirs, mine = bob.ws(), alice.ws()
    typing(mine, bob.id)
    assert shown(theirs.until("typing")) == (alice.id, alice.id, True)
    mine.ask({"type": "send", "id": "ends", "receiver_id": bob.id, "content": "sent"}, "ack")
    assert shown(theirs.until("typing")) == (alice.id, alice.id, False)


def test_typing_is_pushed_once_in_2_seconds_and_ends_after_6(alice, bob):
    alice.send(bob.id, "opens the chat")
    theirs, mine = bob.ws(), alice.ws()
    start = time.monotonic()
    while time.monotonic() < start + 3:
        typing(mine, bob.id)
        time.sleep(0.1)
    last = time.monotonic()
    bob.fence(theirs)
    assert 1 <= len(theirs.got("typing", is_typing=True)) <= 2
    assert not theirs.got("typing", is_typing=False)
    assert shown(theirs.until("typing", is_typing=False, timeout=TYPING_S + 4)) == (
        alice.id,
        alice.id,
        False,
    )
    assert (
        time.monotonic() - last > TYPING_S - 2.5
    ), "typing ended before 6 s after the last push"


def test_typing_in_a_group_of_others_is_rejected(alice, bob, carol):
    group = bob.group("without alice", carol)
    ws, theirs = alice.ws(), carol.ws()
    ws.send({"type": "typing", "chat_id": group, "is_typing": True})
    expect.error_frame(ws.until("error"), "no_such_chat")
    expect.problem(
        alice.post("/users/set_typing_status", {"typing_chat_id": group, "is_typing": True}),
        404,
        "no_such_chat",
    )
    carol.fence(theirs)
    assert not theirs.got("typing")


@pytest.mark.parametrize(
    "bad, field",
    [
        ({"is_typing": True}, "typing_chat_id"),
        ({"typing_chat_id": 1}, "is_typing"),
        ({"typing_chat_id": "1", "is_typing": True}, "typing_chat_id"),
        ({"typing_chat_id": 1, "is_typing": 1}, "is_typing"),
        ({"typing_chat_id": 1, "is_typing": "true"}, "is_typing"),
    ],
)
def test_a_bad_typing_is_invalid(alice, bad, field):
    expect.problem(alice.post("/users/set_typing_status", bad), 422, field=field)
    ws = alice.ws()
    frame = {"chat_id" if key == "typing_chat_id" else key: value for key, value in bad.items()}
    expect.error_frame(ws.ask({"type": "typing", **frame}, "error"), "invalid")


def test_typing_is_not_stored(alice, bob):
    alice.send(bob.id, "opens the chat")
    alice.post("/users/set_typing_status", {"typing_chat_id": bob.id, "is_typing": True})
    assert alice.chat(bob.id)["last_mod"] == 1


# --- read ---


def test_read_is_pushed_to_the_others_and_to_the_readers_other_sockets(alice, bob, carol):
    group = alice.group("read", bob, carol)
    last = alice.send(group, "read me")["seq"]
    reading, *own = [bob.ws(), *bob.ws_on_each()]
    others = [*alice.ws_on_each(), *carol.ws_on_each()]
    reading.send({"type": "read", "chat_id": group, "seq": last})
    for ws in own + others:
        assert ws.until("read") == {
            "type": "read",
            "chat_id": group,
            "user_id": bob.id,
            "seq": last,
        }
    watermarks = {
        m["user_id"]: m["read_seq"] for m in alice.get(f"/groups/{group}").json()["members"]
    }
    assert watermarks[bob.id] == last
    assert bob.chat(group)["unread"] == 0


@pytest.mark.parametrize("members", [200, 201])
def test_read_in_a_group_of_more_than_200_members_is_pushed_to_the_reader_only(
    daemon, alice, bob, members
):
    group = alice.group("large", bob)
    daemon.sql("update conversations set member_count = %s where conv_id = %s", members, group)
    alice.send(group, "1")
    last = alice.send(group, "2")
    theirs, own, reading = alice.ws(), bob.ws_elsewhere(), bob.ws()
    frame = {"type": "read", "chat_id": group, "user_id": bob.id}
    reading.send({"type": "read", "chat_id": group, "seq": last["seq"] - 1})
    assert own.until("read") == {**frame, "seq": last["seq"] - 1}
    bob.put("/messages/read", {"message_ids": [last["message_id"]]})
    for ws in (own, reading):
        assert ws.until("read") == {**frame, "seq": last["seq"]}
    theirs.drain()
    assert len(theirs.got("read")) == (0 if members > 200 else 2)
    answer = alice.get(f"/groups/{group}").json()
    assert last["seq"] in [m["read_seq"] for m in answer["members"] if m["user_id"] == bob.id]


def test_read_in_a_direct_chat_has_the_receivers_chat_id(alice, bob):
    alice.send(bob.id, "1")
    theirs, own, reading = alice.ws(), bob.ws(), bob.ws()
    reading.send({"type": "read", "chat_id": alice.id, "seq": 1})
    assert theirs.until("read") == {"type": "read", "chat_id": bob.id, "user_id": bob.id, "seq": 1}
    assert own.until("read") == {"type": "read", "chat_id": alice.id, "user_id": bob.id, "seq": 1}
    assert alice.chat(bob.id)["peer_read_seq"] == 1


def test_read_over_http_is_pushed(alice, bob):
    ids = [alice.send(bob.id, str(i))["message_id"] for i in range(3)]
    theirs, own = alice.ws_on_each(), bob.ws_on_each()
    bob.put("/messages/read", {"message_ids": ids[:2]})
    for ws in theirs:
        assert ws.until("read") == {"type": "read", "chat_id": bob.id, "user_id": bob.id, "seq": 2}
    for ws in own:
        assert ws.until("read")["seq"] == 2


def test_read_never_moves_back_and_never_past_last_seq(alice, bob):
    for i in range(3):
        alice.send(bob.id, str(i))
    theirs, reading = alice.ws(), bob.ws()
    for seq, moved_to in ((2, 2), (1000000, 3)):
        reading.send({"type": "read", "chat_id": alice.id, "seq": seq})
        assert theirs.until("read")["seq"] == moved_to
        assert bob.chat(alice.id)["read_seq"] == moved_to
    for seq in (1, 3):
        reading.send({"type": "read", "chat_id": alice.id, "seq": seq})
        reading.drain()
    alice.send(bob.id, "4")
    reading.send({"type": "read", "chat_id": alice.id, "seq": 4})
    assert theirs.until("read")["seq"] == 4
    assert [frame["seq"] for frame in theirs.got("read")] == [
        2,
        3,
        4,
    ], "a watermark that does not move is not pushed"


def test_read_in_a_group_of_others_is_rejected(alice, bob):
    group = bob.group("without alice")
    ws = alice.ws()
    for bad, code in (
        ({"chat_id": group, "seq": 1}, "no_such_chat"),
        ({"chat_id": group}, "invalid"),
        ({"seq": 1}, "invalid"),
        ({"chat_id": "x", "seq": 1}, "invalid"),
        ({"chat_id": group, "seq": -1}, "invalid"),
        ({"chat_id": group, "seq": 1.5}, "invalid"),
    ):
        expect.error_frame(ws.ask({"type": "read", **bad}, "error"), code)


# --- presence ---


def presence(who, *ids):
    answer = who.get("/users/presence?ids=" + ",".join(str(one) for one in ids))
    assert answer.status_code == 200, answer.text
    for entry in answer.json()["presence"]:
        assert set(entry) == {"user_id", "online", "last_seen_at"}
        assert entry["last_seen_at"] is None or expect.TIME.fullmatch(entry["last_seen_at"])
    return {entry["user_id"]: entry["online"] for entry in answer.json()["presence"]}


def test_presence_over_http_leaves_out_strangers(alice, bob, carol, person):
    stranger = person("Stranger")
    alice.send(bob.id, "1")
    alice.group("shared", carol)
    bob.ws()
    stranger.ws()
    assert presence(alice, bob.id, carol.id) == {bob.id: True, carol.id: False}
    assert stranger.id not in presence(alice, bob.id, stranger.id)


@pytest.mark.parametrize(
    "ids", [",".join(str(i) for i in range(1, 102)), "x", "1,x", "1.5", "-1", ""]
)
def test_bad_ids_of_presence_are_422(alice, ids):
    expect.problem(alice.get(f"/users/presence?ids={ids}"), 422, field="ids")


def test_presence_accepts_100_ids(alice):
    assert presence(alice, *range(9007199254740000, 9007199254740100)) == {}
    expect.problem(alice.get("/users/presence"), 422, field="ids")


def test_watching_pushes_the_state_at_once_and_then_each_change(alice, bob, carol):
    alice.send(bob.id, "1")
    alice.send(carol.id, "1")
    bob.ws()
    watching = alice.ws()
    watching.send({"type": "presence", "watch": [bob.id, carol.id]})
    first = {}
    while len(first) < 2:
        frame = watching.until("presence")
        assert set(frame) == {"type", "user_id", "online", "last_seen_at"}
        first[frame["user_id"]] = frame["online"]
    assert first == {bob.id: True, carol.id: False}
    carol.ws_elsewhere(watching)
    frame = watching.until("presence")
    assert (frame["user_id"], frame["online"]) == (carol.id, True)


def test_a_second_socket_pushes_no_presence(alice, bob):
    alice.send(bob.id, "1")
    bob.ws()
    watching = alice.ws()
    watching.ask({"type": "presence", "watch": [bob.id]}, "presence", online=True)
    bob.ws_on_each()
    alice.fence(watching)
    assert len(watching.got("presence")) == 1


def test_a_new_watch_replaces_the_old_one(alice, bob, carol):
    alice.send(bob.id, "1")
    alice.send(carol.id, "1")
    watching = alice.ws()
    watching.ask({"type": "presence", "watch": [bob.id]}, "presence", user_id=bob.id)
    watching.ask({"type": "presence", "watch": [carol.id]}, "presence", user_id=carol.id)
    bob.ws()
    carol.ws()
    watching.until("presence", user_id=carol.id, online=True)
    alice.fence(watching)
    assert not watching.got("presence", user_id=bob.id, online=True)


def test_strangers_are_left_out_of_a_watch(alice, bob, person):
    stranger = person("Stranger")
    alice.send(bob.id, "1")
    watching = alice.ws()
    watching.ask(
        {"type": "presence", "watch": [stranger.id, 9007199254740000, bob.id]},
        "presence",
        user_id=bob.id,
    )
    stranger.ws()
    alice.fence(watching)
    assert {frame["user_id"] for frame in watching.got("presence")} == {bob.id}


@pytest.mark.parametrize(
    "bad", [..., None, 5, "1", ["1"], [1.5], [-1], {"1": 1}, list(range(1, 502))]
)
def test_a_bad_watch_is_invalid(alice, bad):
    ws = alice.ws()
    frame = {"type": "presence"} if bad is ... else {"type": "presence", "watch": bad}
    expect.error_frame(ws.ask(frame, "error"), "invalid")


def test_a_watch_of_500_is_accepted(alice, bob):
    alice.send(bob.id, "1")
    watching = alice.ws()
    ids = [*range(9007199254740000, 9007199254740499), bob.id]
    watching.ask({"type": "presence", "watch": ids}, "presence", user_id=bob.id)


def test_offline_only_after_10_seconds_without_a_socket(alice, bob, carol):
    """Bob disconnects; Carol disconnects and reconnects within the grace, on another worker."""
    alice.send(bob.id, "1")
    alice.send(carol.id, "1")
    bobs, carols = bob.ws(), carol.ws()
    watching = alice.ws_on_each()
    for ws in watching:
        ws.send({"type": "presence", "watch": [bob.id, carol.id]})
        for _ in range(2):
            assert ws.until("presence")["online"] is True
    left = time.monotonic()
    bobs.close()
    carols.abort()
    time.sleep(2)  # within the grace both are still shown as online
    assert presence(alice, bob.id, carol.id) == {bob.id: True, carol.id: True}
    carol.ws_elsewhere(carols)
    for ws in watching:
        frame = ws.until("presence", timeout=GRACE_S + 5)
        assert (frame["user_id"], frame["online"]) == (bob.id, False)
        assert expect.TIME.fullmatch(frame["last_seen_at"])
        assert GRACE_S - 1 < time.monotonic() - left < GRACE_S + 4
    assert presence(alice, bob.id, carol.id) == {bob.id: False, carol.id: True}
    # The grace of Carol's first socket ends, too.
    time.sleep(max(0, left + GRACE_S + 2.5 - time.monotonic()))
    alice.fence(*watching)
    for ws in watching:
        assert not ws.got("presence", user_id=carol.id, online=False)
    bob.ws()
    for ws in watching:
        ws.until("presence", user_id=bob.id, online=True)


CHECK_S = 1 * SLOWNESS  # the check of the watched users after the end of a membership


@pytest.mark.parametrize("end", ["leaves", "watcher leaves", "is removed", "watcher is removed"])
def test_the_presence_of_a_former_contact_is_not_pushed(alice, bob, carol, end):
    owner, member = (alice, bob) if end.startswith("is") else (bob, alice)
    group = owner.group("common", member)
    alice.send(carol.id, "another chat")
    watching = [alice.ws(), *alice.ws_on_each()]
    for ws in watching:
        ws.send({"type": "presence", "watch": [bob.id, carol.id]})
        assert {ws.until("presence")["user_id"] for _ in range(2)} == {bob.id, carol.id}
    if end.endswith("removed"):
        member_gone = {"group_id": group, "user_id": member.id}
        answer = owner.post("/groups/remove_user_from_group", member_gone)
    else:
        leaver = bob if end == "leaves" else alice
        answer = leaver.post("/groups/leave_group", {"group_id": group})
    assert answer.status_code == 204
    time.sleep(CHECK_S)
    bob.ws()
    carol.ws()
    for ws in watching:
        assert ws.until("presence", online=True)["user_id"] == carol.id
        ws.drain()
        assert not ws.got("presence", user_id=bob.id, online=True)


def test_the_presence_of_a_contact_with_another_common_chat_is_pushed(alice, bob):
    group = alice.group("common", bob)
    alice.send(bob.id, "another chat")
    ws = alice.ws()
    ws.send({"type": "presence", "watch": [bob.id]})
    assert not ws.until("presence")["online"]
    bob.post("/groups/leave_group", {"group_id": group})
    time.sleep(CHECK_S)
    bob.ws()
    assert ws.until("presence", user_id=bob.id)["online"]


def test_the_presence_of_a_deleted_contact_is_not_pushed(alice, bob):
    alice.send(bob.id, "a direct chat")
    bob.ws()
    ws = alice.ws()
    ws.send({"type": "presence", "watch": [bob.id]})
    assert ws.until("presence")["online"]
    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204
    time.sleep(GRACE_S + 2)
    ws.drain()
    assert len(ws.got("presence")) == 1
