"""Pinned messages: over HTTP, their pushes and their end."""

import pytest

import expect
from expect import UNUSED_ID

PINS_MAX = 100


def pin(who, message):
    answer = who.put(f"/messages/{message['message_id']}/pin")
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def unpin(who, message):
    answer = who.delete(f"/messages/{message['message_id']}/pin")
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def pins(who, chat_id):
    answer = who.get(f"/chats/{chat_id}/pins")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"messages"}
    return answer.json()["messages"]


def ids(messages):
    return [message["message_id"] for message in messages]


def test_pins_are_listed_latest_pinned_first(alice, bob):
    first, second, third = (alice.send(bob.id, text) for text in "123")
    assert pins(alice, bob.id) == []
    for message in (second, first, third):
        pin(bob, message)
    assert ids(pins(alice, bob.id)) == ids([third, first, second])
    assert pins(bob, alice.id) == [m for m in pins(bob, alice.id) if m["pinned"]]
    assert pins(alice, bob.id)[0] == alice.history(bob.id)[2]
    pin(alice, second)  # moves nothing
    assert ids(pins(bob, alice.id)) == ids([third, first, second])
    unpin(alice, first)
    assert ids(pins(bob, alice.id)) == ids([third, second])
    assert [m["pinned"] for m in alice.history(bob.id)] == [False, True, True]
    pin(alice, first)
    assert ids(pins(bob, alice.id)) == ids([first, third, second])


def test_a_pin_takes_one_mod_and_is_pushed_to_all_sockets(pair, alice, bob):
    hers, his = pair
    sent = alice.send(bob.id, "x")
    for change, pinned, mod in ((pin, True, 1), (pin, True, None), (unpin, False, 2), (unpin, 0, None)):
        change(bob, sent)
        for ws, chat_id in ((hers, bob.id), (his, alice.id)) if mod else ():
            assert ws.until("pinned") == {
                "type": "pinned",
                "chat_id": chat_id,
                "message_id": sent["message_id"],
                "seq": sent["seq"],
                "mod": sent["mod"] + mod,
                "user_id": bob.id,
                "pinned": pinned,
            }
    alice.fence(hers)
    assert len(hers.got("pinned")) == 2
    assert alice.chat(bob.id)["last_mod"] == sent["mod"] + 2
    assert alice.history(bob.id)[-1]["mod"] == sent["mod"] + 2


def test_a_sync_brings_a_pin(pair, alice, bob):
    hers, _ = pair
    sent = alice.send(bob.id, "x")
    pin(bob, sent)
    frame = {"type": "sync", "after": {str(bob.id): sent["mod"]}}
    (message,) = hers.ask(frame, "messages")["messages"]
    assert (message["pinned"], message["mod"]) == (True, sent["mod"] + 1)


def test_an_edited_frame_says_whether_the_message_is_pinned(pair, alice, bob):
    _, his = pair
    sent = alice.send(bob.id, "x")
    pin(bob, sent)
    alice.patch(f"/messages/{sent['message_id']}", {"content": "y"})
    assert his.until("edited")["pinned"] is True


def test_pins_of_what_one_may_not_see_are_404(alice, bob, carol):
    sent = alice.send(bob.id, "x")
    for message_id in (sent["message_id"], UNUSED_ID):
        for method in ("PUT", "DELETE"):
            answer = carol.request(method, f"/messages/{message_id}/pin")
            expect.problem(answer, 404, "no_such_message")
    expect.problem(carol.get(f"/chats/{UNUSED_ID}/pins"), 404, "no_such_chat")
    group = alice.group("pins", bob)
    expect.problem(carol.get(f"/chats/{group}/pins"), 404, "no_such_chat")
    assert pins(carol, alice.id) == []


def test_a_deleted_text_is_404_and_a_system_message_403(alice, bob):
    group = alice.group("pins", bob)
    join = alice.history(group)[0]
    sent = alice.send(group, "x")
    assert alice.delete(f"/messages/{sent['message_id']}").status_code == 204
    for method in ("PUT", "DELETE"):
        path = f"/messages/{sent['message_id']}/pin"
        expect.problem(bob.request(method, path), 404, "no_such_message")
        path = f"/messages/{join['message_id']}/pin"
        expect.problem(bob.request(method, path), 403, "not_text")


def test_the_pin_of_a_deleted_message_ends_without_a_frame(pair, alice, bob):
    hers, his = pair
    sent = alice.send(bob.id, "x")
    pin(bob, sent)
    assert alice.delete(f"/messages/{sent['message_id']}").status_code == 204
    his.until("deleted")
    bob.fence(his)
    assert len(his.got("pinned")) == 1
    assert pins(bob, alice.id) == []
    assert alice.history(bob.id)[-1]["pinned"] is False


def test_the_pins_of_a_deleted_user_end_with_the_messages(alice, bob, carol):
    group = alice.group("pins", bob, carol)
    mine, his = alice.send(group, "x"), bob.send(group, "y")
    pin(bob, mine)
    pin(bob, his)
    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204
    assert ids(pins(alice, group)) == ids([mine])


def test_a_chat_has_at_most_100_pins(daemon, alice, bob):
    sent = [alice.send(bob.id, "x") for _ in range(2)]
    daemon.sql(
        "insert into pins (message_id, conv_id, mod) select %s + i, conv_id, i "
        "from messages, generate_series(1, %s) i where message_id = %s",
        UNUSED_ID,
        PINS_MAX - 1,
        sent[0]["message_id"],
    )
    pin(alice, sent[0])
    answer = alice.put(f"/messages/{sent[1]['message_id']}/pin")
    expect.problem(answer, 422, "too_many", field="message_id")
    pin(alice, sent[0])  # it is there
    unpin(alice, sent[0])
    pin(alice, sent[1])


@pytest.mark.parametrize("path", ["/messages/5/pin", "/messages/5/reactions/x"])
def test_other_methods_are_405(alice, path):
    answer = alice.get(path)
    expect.problem(answer, 405)
    assert {"PUT", "DELETE"} == set(answer.headers["Allow"].replace(" ", "").split(","))
