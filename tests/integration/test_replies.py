"""Replies, threads and forwards (docs/api.md, "message", "POST /messages/forward"). The sockets sit on
different workers, since a push takes the quote through the ring."""

import pytest

import expect
from test_messages import send


def quote_of(message, **more):
    """The `reply` of a message that answers this one."""
    return {
        **{key: message[key] for key in ("message_id", "seq", "sender_id", "content", "deleted")},
        **more,
    }


def reply_to(person, chat_id, message, content="reply", **more):
    return person.send(chat_id, content, reply_to=message["message_id"], **more)


def served(person, chat_id, message):
    """A message as it is now."""
    answer = person.get(f"/messages/{chat_id}/{message['message_id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def thread(person, chat_id, message, query=""):
    answer = person.get(f"/messages/{chat_id}?thread={message['message_id']}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(messages):
    return [message["message_id"] for message in messages]


def forward(person, message, receiver_id, **more):
    return person.post(
        "/messages/forward",
        {"message_id": message["message_id"], "receiver_id": receiver_id, **more},
    )


def forwarded(person, message, receiver_id, **more):
    answer = forward(person, message, receiver_id, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()


# --- replies ---


def test_a_reply_quotes_its_message_in_every_answer_and_push(alice, bob):
    asked = alice.send(bob.id, "Is anybody here?")
    sockets = bob.ws_on_each()

    reply = reply_to(bob, alice.id, asked, "I am")

    expect.message(reply)
    assert reply["reply"] == quote_of(asked)
    assert (reply["thread_id"], reply["replies"], reply["reactions"]) == (
        asked["message_id"],
        0,
        [],
    )
    for socket in sockets:
        frame = socket.until("message")
        assert expect.without(frame, "type") == expect.pushed(reply)
    assert bob.history(alice.id)[1] == reply
    assert served(bob, alice.id, reply) == reply
    assert bob.chat(alice.id)["last_message"] == expect.pushed(reply)
    assert bob.history(alice.id, "around=2")[1] == reply
    pieces = bob.ws().ask({"type": "sync", "after": {}}, "messages", chat_id=alice.id)
    assert pieces["messages"][1] == reply


def test_a_reply_over_websocket_is_acknowledged_and_pushed(alice, bob):
    asked = alice.send(bob.id, "one")
    ws, other = bob.ws(), alice.ws_on_each()

    ack = ws.ask(
        {
            "type": "send",
            "id": "r",
            "receiver_id": alice.id,
            "content": "two",
            "reply_to": asked["message_id"],
        },
        "ack",
    )

    for socket in other:
        frame = socket.until("message")
        assert frame["message_id"] == ack["message_id"]
        assert (frame["reply"], frame["thread_id"]) == (quote_of(asked), asked["message_id"])
    expect.error_frame(
        ws.ask(
            {
                "type": "send",
                "id": "x",
                "receiver_id": alice.id,
                "content": "x",
                "reply_to": expect.UNUSED_ID,
            },
            "error",
        ),
        "invalid",
        id="x",
    )


def test_what_is_no_reply_has_neither_quote_nor_thread(alice, bob):
    plain = alice.send(bob.id, "plain", reply_to=None)

    assert (plain["reply"], plain["thread_id"], plain["replies"]) == (None, None, 0)


def test_a_reply_to_a_reply_stays_in_the_thread_and_counts_for_its_own_message(alice, bob):
    first = alice.send(bob.id, "first")
    second = reply_to(bob, alice.id, first, "second")
    third = reply_to(alice, bob.id, second, "third")

    assert third["reply"]["message_id"] == second["message_id"]
    assert third["thread_id"] == first["message_id"]
    counts = [message["replies"] for message in bob.history(alice.id)]
    assert counts == [1, 1, 0]


def test_a_batch_of_replies_is_counted_once_each(alice, bob):
    asked = alice.send(bob.id, "asked")
    ws = bob.ws()
    ws.send_all(
        [
            {
                "type": "send",
                "id": f"b{n}",
                "receiver_id": alice.id,
                "content": "x",
                "reply_to": asked["message_id"],
            }
            for n in range(150)
        ]
    )
    for _ in range(150):
        ws.until("ack")

    assert served(alice, bob.id, asked)["replies"] == 150
    assert len(thread(alice, bob.id, asked, "&after=0&limit=200")["messages"]) == 151


def test_a_quote_has_200_characters(alice, bob):
    asked = alice.send(bob.id, "\N{GRINNING FACE}" * 300)

    reply = reply_to(bob, alice.id, asked)

    assert reply["reply"]["content"] == "\N{GRINNING FACE}" * 200


def test_a_quote_follows_edits_and_the_deletion_of_its_message_without_a_mod(alice, bob):
    asked = alice.send(bob.id, "first")
    reply = reply_to(bob, alice.id, asked)

    alice.patch(f"/messages/{asked['message_id']}", {"content": "better"})
    assert served(bob, alice.id, reply) == {
        **reply,
        "reply": quote_of(asked, content="better"),
    }
    alice.delete(f"/messages/{asked['message_id']}")
    assert served(bob, alice.id, reply) == {
        **reply,
        "reply": quote_of(asked, content=None, deleted=True),
    }
    assert served(bob, alice.id, asked)["replies"] == 1


def test_an_edited_reply_keeps_its_quote_in_the_push(alice, bob):
    asked = alice.send(bob.id, "asked")
    reply = reply_to(bob, alice.id, asked)
    ws = alice.ws()

    bob.patch(f"/messages/{reply['message_id']}", {"content": "better"})

    frame = ws.until("edited")
    assert (frame["content"], frame["reply"]) == ("better", quote_of(asked))
    assert frame["thread_id"] == asked["message_id"]


def test_a_deleted_reply_keeps_its_thread_and_still_counts(alice, bob):
    asked = alice.send(bob.id, "asked")
    reply = reply_to(bob, alice.id, asked)

    bob.delete(f"/messages/{reply['message_id']}")

    kept = served(alice, bob.id, reply)
    assert (kept["content"], kept["deleted"]) == (None, True)
    assert (kept["reply"], kept["thread_id"]) == (quote_of(asked), asked["message_id"])
    assert served(alice, bob.id, asked)["replies"] == 1
    assert ids(thread(alice, bob.id, asked)["messages"]) == ids([reply, asked])


def test_a_deleted_message_can_be_replied_to(alice, bob):
    asked = alice.send(bob.id, "asked")
    alice.delete(f"/messages/{asked['message_id']}")

    reply = reply_to(bob, alice.id, asked)

    assert reply["reply"] == quote_of(asked, content=None, deleted=True)


def test_the_quote_of_a_deleted_user_has_neither_name_nor_text(alice, bob, carol):
    group = alice.group("g", bob, carol)
    asked = bob.send(group, "asked")
    reply = reply_to(alice, group, asked)

    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204

    quote = served(carol, group, reply)["reply"]
    assert quote == quote_of(asked, sender_id=None, content=None, deleted=True)


@pytest.mark.parametrize("bad", [0, -1, "x", 1.5, True, [1], 2**53])
def test_a_bad_reply_to_is_422(alice, bob, bad):
    alice.send(bob.id, "x")
    expect.problem(
        send(alice, receiver_id=bob.id, content="x", reply_to=bad), 422, field="reply_to"
    )


def test_a_reply_to_what_is_no_text_of_the_chat_is_422(alice, bob, carol):
    """To another chat's message, to one the sender does not see, to a join, and to nothing."""
    group = alice.group("g", bob)
    join = alice.history(group)[0]
    elsewhere = alice.send(carol.id, "elsewhere")
    alice.send(bob.id, "here")

    for receiver, message_id in (
        (bob.id, elsewhere["message_id"]),
        (group, elsewhere["message_id"]),
        (group, join["message_id"]),
        (bob.id, expect.UNUSED_ID),
    ):
        sender = bob if receiver == group else alice
        answer = send(sender, receiver_id=receiver, content="x", reply_to=message_id)
        expect.problem(answer, 422, "invalid", field="reply_to")
    assert [m["content"] for m in alice.history(bob.id)] == ["here"]


def test_a_reply_in_a_chat_that_is_not_begun_is_422_and_opens_none(alice, bob, carol):
    elsewhere = alice.send(carol.id, "elsewhere")
    ws = bob.ws()

    answer = send(alice, receiver_id=bob.id, content="x", reply_to=elsewhere["message_id"])

    expect.problem(answer, 422, "invalid", field="reply_to")
    assert bob.id not in alice.chats()
    bob.fence(ws)
    assert not ws.got("chat", chat_id=alice.id)
    # 404 comes first.
    expect.problem(
        send(alice, receiver_id=expect.UNUSED_ID, content="x", reply_to=elsewhere["message_id"]),
        404,
        "no_such_chat",
    )
    expect.problem(
        send(alice, receiver_id=bob.group("g"), content="x", reply_to=elsewhere["message_id"]),
        404,
        "no_such_chat",
    )


def test_a_repeat_is_answered_by_the_first_whatever_it_replies_to(alice, bob):
    asked = alice.send(bob.id, "asked")
    first = reply_to(bob, alice.id, asked, client_id="k")

    again = send(bob, receiver_id=alice.id, content="x", client_id="k", reply_to=expect.UNUSED_ID)

    assert again.status_code == 200
    assert again.json() == {**first, "duplicate": True}
    assert served(bob, alice.id, asked)["replies"] == 1


# --- threads ---


def test_a_thread_is_paged_as_a_history(alice, bob):
    first = alice.send(bob.id, "first")
    others, replies = [], [first]
    for n in range(5):
        others.append(alice.send(bob.id, f"other {n}"))
        replies.append(reply_to(bob, alice.id, replies[-1 if n % 2 else 0], f"reply {n}"))
    reply_to(bob, alice.id, others[0], "of another thread")

    newest = thread(alice, bob.id, first, "&limit=4")
    assert (ids(newest["messages"]), newest["more"]) == (ids(replies[:1:-1]), True)
    rest = thread(alice, bob.id, first, f"&limit=4&before={replies[2]['seq']}")
    assert (ids(rest["messages"]), rest["more"]) == (ids(replies[1::-1]), False)
    oldest = thread(alice, bob.id, first, "&after=0&limit=5")
    assert (ids(oldest["messages"]), oldest["more"]) == (ids(replies[:5]), True)
    last = thread(alice, bob.id, first, f"&after={replies[4]['seq']}&limit=1")
    assert (ids(last["messages"]), last["more"]) == (ids(replies[5:]), False)
    none = thread(alice, bob.id, first, f"&before={first['seq']}")
    assert (none["messages"], none["more"]) == ([], False)
    assert thread(alice, bob.id, first, "&after=0")["messages"] == [
        message
        for message in alice.history(bob.id)
        if message["message_id"] == first["message_id"]
        or message["thread_id"] == first["message_id"]
    ]


def test_the_thread_of_a_message_without_replies_is_that_message(alice, bob):
    plain = alice.send(bob.id, "plain")
    reply = reply_to(bob, alice.id, plain)

    assert ids(thread(bob, alice.id, reply)["messages"]) == [reply["message_id"]]


def test_a_thread_of_another_chat_is_404(alice, bob, carol):
    group = alice.group("g", bob)
    asked = alice.send(group, "asked")

    for person, chat_id, message_id in (
        (carol, group, asked["message_id"]),
        (bob, alice.id, asked["message_id"]),
        (bob, group, expect.UNUSED_ID),
        (bob, expect.UNUSED_ID, asked["message_id"]),
    ):
        expect.problem(person.get(f"/messages/{chat_id}?thread={message_id}"), 404)


def test_a_thread_and_around_exclude_each_other(alice, bob):
    asked = alice.send(bob.id, "asked")

    answer = alice.get(f"/messages/{bob.id}?thread={asked['message_id']}&around=1")
    expect.problem(answer, 422, "invalid", field="around")
    expect.problem(alice.get(f"/messages/{bob.id}?thread=x"), 422, field="thread")
    expect.problem(alice.get(f"/messages/{bob.id}?thread=0"), 422, field="thread")


# --- forwards ---


def test_a_forward_is_a_copy_with_its_first_author(alice, bob, carol):
    asked = alice.send(bob.id, "asked")
    text = reply_to(bob, alice.id, asked, "a reply")
    sockets = carol.ws_on_each()

    copy = forwarded(alice, text, carol.id)

    author = {"user_id": bob.id, "full_name": bob.full_name}
    expect.message(copy)
    assert (copy["content"], copy["forwarded_from"]) == ("a reply", author)
    assert (copy["sender_id"], copy["chat_id"]) == (alice.id, carol.id)
    assert (copy["reply"], copy["thread_id"], copy["replies"]) == (None, None, 0)
    for socket in sockets:
        frame = socket.until("message")
        assert expect.without(frame, "type") == {**expect.pushed(copy), "chat_id": alice.id}
    # Forwarded again, it still names the first author, with the name of then.
    bob.patch("/users/me", {"full_name": "Another Name"})
    again = forwarded(carol, copy, bob.id)
    assert again["forwarded_from"] == author
    assert bob.chat(carol.id)["last_message"]["forwarded_from"] == author
    assert served(alice, bob.id, text)["replies"] == 0


def test_a_forward_names_nobody_once_its_author_is_deleted(alice, bob, carol):
    text = bob.send(alice.id, "text")
    copy = forwarded(alice, text, carol.id)

    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204

    nobody = {"user_id": None, "full_name": ""}
    assert served(carol, alice.id, copy)["forwarded_from"] == nobody
    assert forwarded(carol, copy, carol.id)["forwarded_from"] == nobody


def test_a_forward_cannot_be_edited_but_deleted(alice, bob, carol):
    copy = forwarded(alice, bob.send(alice.id, "text"), carol.id)
    path = f"/messages/{copy['message_id']}"

    expect.problem(alice.patch(path, {"content": "x"}), 403, "not_text")
    assert alice.delete(path).status_code == 204
    assert alice.delete(path).status_code == 204
    kept = served(carol, alice.id, copy)
    assert (kept["content"], kept["forwarded_from"]) == (None, None)


def test_what_one_may_not_see_or_is_deleted_cannot_be_forwarded(alice, bob, carol):
    group = alice.group("g", bob)
    join = alice.history(group)[0]
    secret, erased = alice.send(bob.id, "secret"), alice.send(bob.id, "erased")
    alice.delete(f"/messages/{erased['message_id']}")

    expect.problem(forward(carol, secret, carol.id), 404, "no_such_message")
    expect.problem(forward(bob, erased, carol.id), 404, "no_such_message")
    expect.problem(
        forward(bob, {"message_id": expect.UNUSED_ID}, carol.id), 404, "no_such_message"
    )
    expect.problem(forward(bob, join, carol.id), 403, "not_text")
    expect.problem(forward(bob, secret, expect.UNUSED_ID), 404, "no_such_chat")
    expect.problem(forward(bob, secret, carol.group("not bob's")), 404, "no_such_chat")
    assert carol.chats().keys() & {alice.id, bob.id} == set()
    bob.post("/groups/leave_group", {"group_id": group})
    text = alice.send(group, "text")
    expect.problem(forward(bob, text, bob.id), 404, "no_such_message")


def test_a_forward_with_a_bad_field_is_422(alice, bob):
    text = alice.send(bob.id, "text")

    expect.problem(
        alice.post("/messages/forward", {"receiver_id": bob.id}), 422, field="message_id"
    )
    expect.problem(
        alice.post("/messages/forward", {"message_id": text["message_id"]}),
        422,
        field="receiver_id",
    )
    expect.problem(forward(alice, text, bob.id, client_id=""), 422, field="client_id")


def test_a_repeated_forward_is_stored_once_even_if_its_text_is_gone(alice, bob):
    text = bob.send(alice.id, "text")
    copy = forwarded(alice, text, bob.id, client_id="f")
    bob.delete(f"/messages/{text['message_id']}")

    again = forward(alice, text, bob.id, client_id="f")

    assert again.status_code == 200
    assert again.json() == {**copy, "duplicate": True}
    assert len(alice.history(bob.id)) == 2
