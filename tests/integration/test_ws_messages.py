"""send, edit and delete over WebSocket, and their pushes."""

import pytest

import expect
from expect import UNUSED_ID


def send(ws, receiver_id, content, client_id, **more):
    return ws.ask(
        {"type": "send", "id": client_id, "receiver_id": receiver_id, "content": content, **more},
        "ack",
        id=client_id,
    )


# --- send ---


def test_a_send_is_acknowledged_and_stored(alice, bob):
    ack = send(alice.ws(), bob.id, "hello", "k1")
    assert set(ack) == {"type", "id", "message_id", "chat_id", "seq", "mod", "sent_at"}
    assert (ack["id"], ack["chat_id"], ack["seq"], ack["mod"]) == ("k1", bob.id, 1, 1)
    (stored,) = alice.history(bob.id)
    assert (stored["content"], stored["client_id"]) == ("hello", "k1")
    assert {key: stored[key] for key in ("message_id", "seq", "mod", "sent_at")} == {
        key: ack[key] for key in ("message_id", "seq", "mod", "sent_at")
    }


def test_a_message_is_pushed_to_every_socket_of_both_but_the_sending_one(alice, bob, carol):
    sending, *own = [alice.ws(), *alice.ws_on_each()]
    theirs = bob.ws_on_each()
    stranger = carol.ws()
    ack = send(sending, bob.id, "to all sockets", "k")
    for ws, who, chat_id in [(ws, alice, bob.id) for ws in own] + [
        (ws, bob, alice.id) for ws in theirs
    ]:
        frame = ws.until("message")
        expect.message(
            expect.without(frame, "type"), own="k" if who is alice else None, pushed=True
        )
        assert expect.without(frame, "type") == expect.pushed(who.history(chat_id)[0])
        assert (frame["chat_id"], frame["message_id"]) == (chat_id, ack["message_id"])
    alice.fence(sending)
    assert not sending.got("message", message_id=ack["message_id"])
    carol.fence(stranger)
    assert not stranger.got("message", message_id=ack["message_id"])
    for ws in own + theirs:
        ws.drain()
        assert len(ws.got("message", message_id=ack["message_id"])) == 1, "pushed once"


def test_a_message_sent_over_http_is_pushed_to_all_sockets_of_both(alice, bob):
    own, theirs = alice.ws_on_each(), bob.ws_on_each()
    sent = alice.send(bob.id, "over http", client_id="h")
    for ws in own:
        assert expect.without(ws.until("message"), "type") == expect.pushed(sent)
    for ws in theirs:
        assert expect.without(ws.until("message"), "type") == {
            **expect.without(expect.pushed(sent), "client_id"),
            "chat_id": alice.id,
        }


def test_the_first_message_pushes_the_chat_to_both(alice, bob):
    theirs, mine = bob.ws_on_each(), alice.ws_on_each()
    alice.send(bob.id, "first")
    for ws, who, chat_id in [(ws, bob, alice.id) for ws in theirs] + [
        (ws, alice, bob.id) for ws in mine
    ]:
        seen = {}
        while {"chat", "message"} - set(seen):
            frame = ws.next()
            seen[frame["type"]] = frame
        expect.chat(expect.without(seen["chat"], "type"))
        assert (seen["chat"]["chat_id"], seen["chat"]["kind"]) == (chat_id, "direct")
        assert seen["chat"]["peer"]["user_id"] == chat_id
    alice.send(bob.id, "second")
    bob.fence(*theirs)
    for ws in theirs:
        assert len(ws.got("chat", chat_id=alice.id)) == 1, "the chat is pushed once"


def test_a_group_message_is_pushed_to_every_member(alice, bob, carol):
    group = alice.group("all", bob, carol)
    sockets = [ws for who in (bob, carol) for ws in who.ws_on_each()]
    ack = send(alice.ws(), group, "hello, group", "g")
    assert (ack["chat_id"], ack["seq"]) == (group, 4)
    for ws in sockets:
        frame = ws.until("message", chat_id=group)
        assert (frame["message_id"], frame["sender_id"], frame["content"]) == (
            ack["message_id"],
            alice.id,
            "hello, group",
        )


def test_pushes_of_a_chat_are_in_mod_order_without_duplicates(alice, bob):
    watching = [*bob.ws_on_each(), *alice.ws_on_each()]
    sending = alice.ws()
    acks = [send(sending, bob.id, str(i), f"k{i}") for i in range(10)]
    for i in range(0, 10, 2):
        alice.patch(f"/messages/{acks[i]['message_id']}", {"content": "edited"})
        alice.delete(f"/messages/{acks[i + 1]['message_id']}")
    for ws in watching:
        mods = []
        while not mods or mods[-1] < 20:
            frame = ws.next()
            if frame["type"] in ("message", "edited", "deleted"):
                mods.append(frame["mod"])
        assert mods == list(range(1, 21))


def test_a_message_to_oneself_is_pushed_to_the_other_sockets(alice):
    sending, *others = [alice.ws(), *alice.ws_on_each()]
    ack = send(sending, alice.id, "note", "n")
    assert ack["chat_id"] == alice.id
    for ws in others:
        assert ws.until("message", chat_id=alice.id)["message_id"] == ack["message_id"]


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "e", "content": "x"},
        {"id": "e", "receiver_id": "1", "content": "x"},
        {"id": "e", "receiver_id": 1.5, "content": "x"},
        {"id": "e", "receiver_id": 2**53, "content": "x"},
        {"id": "e", "receiver_id": -1, "content": "x"},
        {"id": "e"},
        {"id": "e", "receiver_id": "BOB"},
        {"id": "e", "receiver_id": "BOB", "content": ""},
        {"id": "e", "receiver_id": "BOB", "content": "x" * 16385},
        {"id": "e", "receiver_id": "BOB", "content": 5},
        {"id": "e", "receiver_id": "BOB", "content": None},
    ],
)
def test_an_invalid_send_is_an_error_with_its_id(alice, bob, bad):
    ws = alice.ws()
    frame = {key: bob.id if value == "BOB" else value for key, value in bad.items()}
    expect.error_frame(ws.ask({"type": "send", **frame}, "error"), "invalid", id="e")
    ws.drain()
    assert alice.history(bob.id) == []


@pytest.mark.parametrize("bad", [..., None, 5, "", "x" * 65, "with space", "ü"])
def test_a_send_needs_an_id(alice, bob, bad):
    ws = alice.ws()
    frame = {"type": "send", "receiver_id": bob.id, "content": "x"}
    expect.error_frame(ws.ask(frame if bad is ... else {**frame, "id": bad}, "error"), "invalid")
    ws.drain()
    assert alice.history(bob.id) == []


def test_a_send_to_a_chat_of_others_is_an_error_with_its_id(alice, bob):
    ws = alice.ws()
    for receiver in (UNUSED_ID, bob.group("without alice")):
        frame = {"type": "send", "id": f"to-{receiver}", "receiver_id": receiver, "content": "x"}
        error = expect.error_frame(ws.ask(frame, "error"), id=f"to-{receiver}")
        assert error["code"].startswith("no_such_")
    send(ws, bob.id, "the socket stays open", "after")


def test_a_rejected_send_does_not_affect_the_others_of_its_batch(alice, bob):
    ws = alice.ws()
    receivers = [bob.id, UNUSED_ID, bob.id, UNUSED_ID, bob.id]
    ws.send_all(
        {"type": "send", "id": f"b{i}", "receiver_id": to, "content": str(i)}
        for i, to in enumerate(receivers)
    )
    answers = {}
    while len(answers) < 5:
        frame = ws.next()
        if frame["type"] in ("ack", "error"):
            answers[frame["id"]] = frame["type"]
    assert [answers[f"b{i}"] for i in range(5)] == ["ack", "error", "ack", "error", "ack"]
    assert [m["content"] for m in bob.history(alice.id)] == ["0", "2", "4"]


def test_sends_of_one_socket_are_stored_in_order(alice, bob):
    ws = alice.ws()
    ws.send_all(
        {"type": "send", "id": f"o{i}", "receiver_id": bob.id, "content": str(i)}
        for i in range(300)
    )
    acks = [ws.until("ack") for _ in range(300)]
    assert sorted(ack["seq"] for ack in acks) == list(range(1, 301))
    assert {ack["id"]: ack["seq"] for ack in acks} == {f"o{i}": i + 1 for i in range(300)}


def test_a_repeated_id_is_stored_once_on_any_worker_and_over_http(alice, bob, carol):
    first_ws, *others = alice.ws_on_each()
    theirs = bob.ws()
    first = send(first_ws, bob.id, "once", "dup")
    assert "duplicate" not in first
    for ws, receiver, content in (
        (first_ws, bob.id, "once"),
        (others[0], carol.id, "other"),
        (others[0], UNUSED_ID, "x"),
    ):
        assert send(ws, receiver, content, "dup") == {**first, "duplicate": True}
    http = alice.post(
        "/messages/send_message", {"receiver_id": bob.id, "content": "once", "client_id": "dup"}
    )
    assert http.status_code == 200 and http.json()["message_id"] == first["message_id"]
    bob.fence(theirs)
    assert len(theirs.got("message", chat_id=alice.id)) == 1
    assert [m["content"] for m in bob.history(alice.id)] == ["once"]


def test_concurrent_repeats_are_stored_once(alice, bob):
    sockets = alice.ws_on_each()
    for ws in sockets:
        ws.send_all([{"type": "send", "id": "burst", "receiver_id": bob.id, "content": "x"}] * 20)
    acks = [ws.until("ack") for ws in sockets for _ in range(20)]
    assert {ack["message_id"] for ack in acks} == {acks[0]["message_id"]}
    assert sum(1 for ack in acks if "duplicate" not in ack) == 1
    assert len(bob.history(alice.id)) == 1


# --- edit and delete ---


def test_an_edit_is_acknowledged_and_pushed(alice, bob):
    ws, other, theirs = alice.ws(), alice.ws_on_each(), bob.ws_on_each()
    sent = alice.send(bob.id, "first")
    ack = ws.ask(
        {"type": "edit", "id": "e1", "message_id": sent["message_id"], "content": "better"}, "ack"
    )
    assert {key: ack[key] for key in ("id", "message_id", "chat_id", "seq", "mod")} == {
        "id": "e1",
        "message_id": sent["message_id"],
        "chat_id": bob.id,
        "seq": 1,
        "mod": 2,
    }
    stored = bob.history(alice.id)[0]
    assert (stored["content"], stored["mod"]) == ("better", 2)
    for socket in theirs:
        frame = socket.until("edited")
        assert expect.without(frame, "type") == expect.pushed(stored)
    for socket in other:
        assert expect.without(socket.until("edited"), "type") == {
            **expect.pushed(stored),
            "chat_id": bob.id,
        }
    alice.fence(ws)
    assert not ws.got("edited")


def test_a_deletion_is_acknowledged_and_pushed(alice, bob):
    ws, other, theirs = alice.ws(), alice.ws_on_each(), bob.ws_on_each()
    sent = alice.send(bob.id, "first")
    ack = ws.ask({"type": "delete", "id": "d1", "message_id": sent["message_id"]}, "ack")
    assert {key: ack[key] for key in ("id", "message_id", "chat_id", "seq", "mod")} == {
        "id": "d1",
        "message_id": sent["message_id"],
        "chat_id": bob.id,
        "seq": 1,
        "mod": 2,
    }
    for socket in theirs:
        assert socket.until("deleted") == {
            "type": "deleted",
            "chat_id": alice.id,
            "message_id": sent["message_id"],
            "seq": 1,
            "mod": 2,
        }
    for socket in other:
        assert socket.until("deleted")["chat_id"] == bob.id
    alice.fence(ws)
    assert not ws.got("deleted")
    assert bob.history(alice.id)[0]["content"] is None


def test_a_second_deletion_is_acknowledged_and_takes_no_mod(alice, bob):
    ws, theirs = alice.ws(), bob.ws()
    sent = alice.send(bob.id, "x")
    acks = [
        ws.ask({"type": "delete", "id": f"d{i}", "message_id": sent["message_id"]}, "ack")
        for i in range(2)
    ]
    assert [(ack["id"], ack["mod"]) for ack in acks] == [("d0", 2), ("d1", 2)]
    bob.fence(theirs)
    assert len(theirs.got("deleted")) == 1


def test_changes_over_http_are_pushed_to_all_sockets(alice, bob):
    sockets = [*alice.ws_on_each(), *bob.ws_on_each()]
    sent = alice.send(bob.id, "first")
    alice.patch(f"/messages/{sent['message_id']}", {"content": "second"})
    alice.delete(f"/messages/{sent['message_id']}")
    for ws in sockets:
        assert ws.until("edited", message_id=sent["message_id"])["content"] == "second"
        assert ws.until("deleted", message_id=sent["message_id"])["mod"] == 3


def test_edit_and_delete_need_no_id(alice, bob):
    ws, theirs = alice.ws(), bob.ws()
    sent = alice.send(bob.id, "x")
    ws.send({"type": "edit", "message_id": sent["message_id"], "content": "y"})
    ws.send({"type": "delete", "message_id": sent["message_id"]})
    theirs.until("edited", content="y")
    theirs.until("deleted")


def test_edit_and_delete_have_the_errors_of_http(alice, bob, carol):
    mine = alice.send(bob.id, "alice's")["message_id"]
    gone = alice.send(bob.id, "gone")["message_id"]
    alice.delete(f"/messages/{gone}")
    join = alice.history(alice.group("events"))[0]["message_id"]

    def rejected(who, **frame):
        return expect.error_frame(who.ws().ask({"id": "r", **frame}, "error"), id="r")["code"]

    assert rejected(bob, type="edit", message_id=mine, content="x") == "not_sender"
    assert rejected(bob, type="delete", message_id=mine) == "not_sender"
    assert rejected(carol, type="edit", message_id=mine, content="x") == "no_such_message"
    assert rejected(carol, type="delete", message_id=mine) == "no_such_message"
    assert rejected(alice, type="edit", message_id=gone, content="x") == "no_such_message"
    assert rejected(alice, type="edit", message_id=UNUSED_ID, content="x") == "no_such_message"
    assert rejected(alice, type="edit", message_id=join, content="x") == "not_text"
    assert rejected(alice, type="delete", message_id=join) == "not_text"
    for bad in (
        {"content": "x"},
        {"message_id": "1", "content": "x"},
        {"message_id": mine},
        {"message_id": mine, "content": ""},
        {"message_id": mine, "content": "x" * 16385},
    ):
        assert rejected(alice, type="edit", **bad) == "invalid"
    assert rejected(alice, type="delete") == "invalid"
    assert bob.history(alice.id)[0]["content"] == "alice's"
