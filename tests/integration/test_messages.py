"""Messages over HTTP: send, history, read, edit, delete."""

import pytest

import expect
from expect import UNUSED_ID


def send(who, **body):
    return who.post("/messages/send_message", body)


# --- POST /messages/send_message ---


def test_each_side_sees_a_message_in_its_own_chat(alice, bob):
    answer = send(alice, receiver_id=bob.id, content="hello, Bob")
    assert answer.status_code == 201
    sent = answer.json()
    expect.message(sent)
    assert (sent["chat_id"], sent["sender_id"], sent["content"]) == (bob.id, alice.id, "hello, Bob")
    assert (sent["seq"], sent["mod"], sent["edited_at"], sent["deleted"]) == (1, 1, None, False)
    assert alice.history(bob.id) == [sent]
    assert bob.history(alice.id) == [{**sent, "chat_id": alice.id}]


def test_both_sides_share_seq_and_mod(alice, bob):
    sent = [
        who.send(peer.id, f"n {i}") for i in range(4) for who, peer in ((alice, bob), (bob, alice))
    ]
    assert [(m["seq"], m["mod"]) for m in sent] == [(i, i) for i in range(1, 9)]


def test_a_user_can_send_to_themself(alice):
    note = alice.send(alice.id, "buy milk")
    assert note["chat_id"] == alice.id
    assert [m["content"] for m in alice.history(alice.id)] == ["buy milk"]
    chat = alice.chat(alice.id)
    expect.chat(chat)
    assert (chat["kind"], chat["unread"], chat["read_seq"]) == ("direct", 0, 1)


def test_the_length_of_content_counts_bytes(alice, bob):
    for content in ("x", "x" * 16384, "é" * 8192, "😀" * 4096):
        assert alice.send(bob.id, content)["content"] == content
    too_long = ("x" * 16385, "é" * 8192 + "x", "😀" * 4097)
    for content in ("", *too_long, None, 5, ["a"], {"a": 1}, True):
        expect.problem(send(alice, receiver_id=bob.id, content=content), 422, field="content")
    expect.problem(send(alice, receiver_id=bob.id), 422, field="content")
    assert len(alice.history(bob.id)) == 4


@pytest.mark.parametrize("bad", [None, "1", 1.5, -1, 0, 2**53, 1e300, True, [1]])
def test_a_receiver_id_is_a_positive_integer_below_2_to_53(alice, bad):
    expect.problem(send(alice, receiver_id=bad, content="x"), 422, field="receiver_id")


def test_an_unknown_receiver_is_404(alice):
    expect.problem(send(alice, receiver_id=UNUSED_ID, content="x"), 404)


def test_a_group_of_others_is_404(alice, bob):
    expect.problem(send(alice, receiver_id=bob.group("without alice"), content="x"), 404)


def test_the_sender_is_the_owner_of_the_token(alice, bob, carol):
    assert send(alice, receiver_id=bob.id, content="x", sender_id=alice.id).status_code == 201
    expect.problem(
        send(alice, receiver_id=bob.id, content="y", sender_id=carol.id), 403, "not_yourself"
    )
    expect.problem(
        send(alice, receiver_id=bob.id, content="y", sender_id="me"), 422, field="sender_id"
    )
    assert [m["content"] for m in bob.history(alice.id)] == ["x"]


# --- client_id ---


def test_only_the_sender_sees_the_client_id(alice, bob):
    sent = alice.send(bob.id, "x", client_id="my-1")
    expect.message(sent, own="my-1")
    expect.message(alice.history(bob.id)[0], own="my-1")
    expect.message(bob.history(alice.id)[0])
    expect.message(alice.chat(bob.id)["last_message"], own="my-1", pushed=True)
    expect.message(bob.chat(alice.id)["last_message"], pushed=True)


@pytest.mark.parametrize("good", ["a", "A-Za-z0-9._:-", "x" * 64])
def test_a_valid_client_id_is_stored(alice, bob, good):
    assert alice.send(bob.id, "x", client_id=good)["client_id"] == good


@pytest.mark.parametrize("bad", ["", "x" * 65, "with space", "ü", "a/b", "a\n", 7])
def test_a_bad_client_id_is_422(alice, bob, bad):
    expect.problem(
        send(alice, receiver_id=bob.id, content="x", client_id=bad), 422, field="client_id"
    )
    assert alice.history(bob.id) == []


def test_a_repeated_client_id_is_stored_once_whatever_else_it_says(alice, bob, carol):
    first = alice.send(bob.id, "first", client_id="k")
    for repeat in (
        {"receiver_id": bob.id, "content": "first"},
        {"receiver_id": bob.id, "content": "other text"},
        {"receiver_id": carol.id, "content": "other chat"},
        {"receiver_id": UNUSED_ID, "content": "nobody"},
    ):
        answer = send(alice, client_id="k", **repeat)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {**first, "duplicate": True}
    assert [m["content"] for m in bob.history(alice.id)] == ["first"]
    assert carol.id not in alice.chats()


def test_a_repeat_is_answered_with_the_current_mod_and_content(alice, bob):
    first = alice.send(bob.id, "first", client_id="k")
    alice.send(bob.id, "second")
    edited = alice.patch(f"/messages/{first['message_id']}", {"content": "edited"}).json()
    repeat = send(alice, receiver_id=bob.id, content="first", client_id="k").json()
    assert repeat == {**edited, "duplicate": True}
    assert (repeat["seq"], repeat["mod"], repeat["content"]) == (1, 3, "edited")
    assert repeat["sent_at"] == first["sent_at"]


def test_a_repeat_of_a_deleted_message_stores_nothing(alice, bob):
    first = alice.send(bob.id, "first", client_id="k")
    alice.delete(f"/messages/{first['message_id']}")
    repeat = send(alice, receiver_id=bob.id, content="first", client_id="k")
    assert repeat.status_code == 200
    assert repeat.json()["message_id"] == first["message_id"] and repeat.json()["duplicate"] is True
    assert repeat.json()["content"] is None
    assert len(bob.history(alice.id)) == 1


def test_client_ids_are_unique_per_sender(alice, bob):
    alice.send(bob.id, "x", client_id="same")
    assert bob.send(alice.id, "y", client_id="same")["seq"] == 2


# --- GET /messages/{chat_id} ---


@pytest.fixture
def long_chat(alice, bob):
    """Seven messages of Alice to Bob, 1 to 7."""
    for i in range(1, 8):
        alice.send(bob.id, str(i))
    return bob.id


@pytest.mark.parametrize(
    "query, seqs, more",
    [
        ("", [7, 6, 5, 4, 3, 2, 1], False),
        ("?limit=3", [7, 6, 5], True),
        ("?limit=7", [7, 6, 5, 4, 3, 2, 1], False),
        ("?before=5", [4, 3, 2, 1], False),
        ("?before=5&limit=2", [4, 3], True),
        ("?before=3&limit=2", [2, 1], False),
        ("?before=1", [], False),
        ("?before=100", [7, 6, 5, 4, 3, 2, 1], False),
        ("?after=0", [1, 2, 3, 4, 5, 6, 7], False),
        ("?after=3", [4, 5, 6, 7], False),
        ("?after=3&limit=2", [4, 5], True),
        ("?after=5&limit=2", [6, 7], False),
        ("?after=7", [], False),
        ("?after=100", [], False),
    ],
)
def test_history_is_paged_by_before_and_after(alice, long_chat, query, seqs, more):
    answer = alice.get(f"/messages/{long_chat}{query}")
    assert answer.status_code == 200
    assert set(answer.json()) == {"messages", "more"}
    assert [m["seq"] for m in answer.json()["messages"]] == seqs
    assert [m["content"] for m in answer.json()["messages"]] == [str(seq) for seq in seqs]
    assert answer.json()["more"] is more


@pytest.mark.parametrize(
    "query, seqs, more_before, more_after",
    [
        ("around=4&limit=4", [2, 3, 4, 5], True, True),
        ("around=4&limit=3", [3, 4, 5], True, True),
        ("around=4&limit=2", [3, 4], True, True),
        ("around=4&limit=1", [4], True, True),
        ("around=4&limit=6", [1, 2, 3, 4, 5, 6], False, True),
        ("around=5&limit=6", [2, 3, 4, 5, 6, 7], True, False),
        ("around=4&limit=200", [1, 2, 3, 4, 5, 6, 7], False, False),
        ("around=4", [1, 2, 3, 4, 5, 6, 7], False, False),
        ("around=1&limit=4", [1, 2], False, True),
        ("around=1&limit=1", [1], False, True),
        ("around=7&limit=4", [5, 6, 7], True, False),
        ("around=8&limit=4", [6, 7], True, False),
        ("around=8&limit=1", [], True, False),
        ("around=9007199254740991&limit=4", [6, 7], True, False),
        ("around=4&limit=4&unknown=x", [2, 3, 4, 5], True, True),
    ],
)
def test_a_page_around_a_seq(alice, bob, long_chat, query, seqs, more_before, more_after):
    for who, chat in ((alice, long_chat), (bob, alice.id)):
        answer = who.get(f"/messages/{chat}?{query}")
        assert answer.status_code == 200
        body = answer.json()
        assert [m["content"] for m in body["messages"]] == [str(seq) for seq in seqs]
        assert [m["seq"] for m in body["messages"]] == seqs
        assert {m["chat_id"] for m in body["messages"]} <= {chat}
        assert expect.without(body, "messages") == {
            "more_before": more_before,
            "more_after": more_after,
        }


def test_a_page_around_a_seq_of_a_chat_that_does_not_exist_yet_is_empty(alice, bob):
    answer = alice.get(f"/messages/{bob.id}?around=1")
    assert (answer.status_code, answer.json()) == (
        200,
        {"messages": [], "more_before": False, "more_after": False},
    )
    expect.problem(alice.get(f"/messages/{UNUSED_ID}?around=1"), 404, "no_such_chat")
    group = bob.group("without alice")
    expect.problem(alice.get(f"/messages/{group}?around=1"), 404, "no_such_chat")


def test_each_half_of_a_page_around_a_seq_has_at_most_64_kib_and_one_message(alice, bob):
    ws = alice.ws()
    ws.send_all(
        {"type": "send", "id": f"big{i}", "receiver_id": bob.id, "content": "x" * 16000}
        for i in range(16)
    )
    ws.until("ack", id="big15")
    body = bob.get(f"/messages/{alice.id}?around=9&limit=200").json()
    assert [m["seq"] for m in body["messages"]] == list(range(4, 14))
    assert (body["more_before"], body["more_after"]) == (True, True)


def test_a_page_has_50_messages_by_default_and_200_at_most(alice, bob):
    ws = alice.ws()
    ws.send_all(
        {"type": "send", "id": f"m{i}", "receiver_id": bob.id, "content": str(i)}
        for i in range(210)
    )
    ws.until("ack", id="m209")
    page = bob.get(f"/messages/{alice.id}").json()
    assert [m["seq"] for m in page["messages"]] == list(range(210, 160, -1)) and page["more"]
    page = bob.get(f"/messages/{alice.id}?limit=200").json()
    assert [m["seq"] for m in page["messages"]] == list(range(210, 10, -1)) and page["more"]


@pytest.mark.parametrize(
    "query, field",
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("before=x", "before"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=99999999999999999999", "after"),
        ("before=1.5", "before"),
        ("before=5&after=2", "after"),
        ("around=0", "around"),
        ("around=-1", "around"),
        ("around=x", "around"),
        ("around=", "around"),
        ("around=1.5", "around"),
        ("around=9007199254740992", "around"),
        ("around=1&limit=0", "limit"),
        ("around=1&limit=201", "limit"),
        ("around=5&before=2", "around"),
        ("around=5&after=2", "around"),
        ("around=5&after=2&before=7", "around"),
    ],
)
def test_a_bad_query_is_422(alice, bob, query, field):
    expect.problem(alice.get(f"/messages/{bob.id}?{query}"), 422, field=field)


def test_the_history_of_a_chat_that_does_not_exist_yet_is_empty(alice, bob):
    answer = alice.get(f"/messages/{bob.id}")
    assert (answer.status_code, answer.json()) == (200, {"messages": [], "more": False})


def test_the_history_of_others_chats_is_404(alice, bob):
    expect.problem(alice.get(f"/messages/{UNUSED_ID}"), 404)
    expect.problem(alice.get(f"/messages/{bob.group('without alice')}"), 404)


@pytest.mark.parametrize("bad", ["abc", "1x", "-1", "1.5", "99999999999999999999"])
def test_a_chat_id_that_is_no_number_is_400(alice, bad):
    expect.problem(alice.get(f"/messages/{bad}"), 400, "bad_path")


def test_two_chats_do_not_mix(alice, bob, carol):
    alice.send(bob.id, "to bob")
    alice.send(carol.id, "to carol")
    assert [m["content"] for m in carol.history(alice.id)] == ["to carol"]
    assert carol.history(bob.id) == []


# --- GET /messages/{chat_id}/{message_id} ---


def test_a_message_is_read_by_its_id(alice, bob):
    sent = alice.send(bob.id, "one", client_id="c")
    answer = alice.get(f"/messages/{bob.id}/{sent['message_id']}")
    assert (answer.status_code, answer.json()) == (200, sent)
    shown = bob.get(f"/messages/{alice.id}/{sent['message_id']}").json()
    assert shown == {**expect.without(sent, "client_id"), "chat_id": alice.id}
    alice.delete(f"/messages/{sent['message_id']}")
    shown = bob.get(f"/messages/{alice.id}/{sent['message_id']}").json()
    assert (shown["deleted"], shown["content"], shown["seq"]) == (True, None, 1)


def test_a_message_of_another_chat_is_404(alice, bob, carol):
    message = alice.send(bob.id, "one")["message_id"]
    group = alice.group("another", bob)
    (join, *_) = alice.history(group)
    assert alice.get(f"/messages/{group}/{join['message_id']}").json() == join
    for who, chat, message_id in (
        (alice, carol.id, message),
        (alice, alice.id, message),
        (alice, group, message),
        (alice, bob.id, join["message_id"]),
        (alice, bob.id, UNUSED_ID),
        (alice, UNUSED_ID, message),
        (carol, bob.id, message),
        (carol, group, join["message_id"]),
    ):
        expect.problem(who.get(f"/messages/{chat}/{message_id}"), 404, "no_such_message")


def test_a_message_stays_when_its_peer_is_deleted(alice, person):
    dave = person("Dave")
    mine, his = alice.send(dave.id, "1"), dave.send(alice.id, "2")
    assert dave.delete(f"/users/delete_user/{dave.id}").status_code == 204
    assert alice.get(f"/messages/{dave.id}/{mine['message_id']}").json()["content"] == "1"
    assert alice.get(f"/messages/{dave.id}/{his['message_id']}").json()["deleted"] is True


@pytest.mark.parametrize("path", ["1/x", "x/1", "1/-1", "1/1.5", "1/0", "1/"])
def test_a_message_id_that_is_no_number_is_400(alice, path):
    answer = alice.get(f"/messages/{path}")
    if path.endswith("/"):
        expect.problem(answer, 404, "no_such_route")
    else:
        expect.problem(answer, 400, "bad_path")


# --- PUT /messages/read ---


def read(who, ids, **more):
    return who.put("/messages/read", {"message_ids": ids, **more})


def test_read_moves_the_watermark_of_each_chat_to_the_highest_named(alice, bob, carol):
    from_alice = [alice.send(bob.id, str(i))["message_id"] for i in range(4)]
    from_carol = [carol.send(bob.id, str(i))["message_id"] for i in range(2)]
    answer = read(bob, [from_alice[2], from_alice[0], from_carol[0]])
    assert (answer.status_code, answer.json()) == (200, {"read": 3})
    chats = bob.chats()
    assert [(chats[who.id]["read_seq"], chats[who.id]["unread"]) for who in (alice, carol)] == [
        (3, 1),
        (1, 1),
    ]
    assert alice.chat(bob.id)["peer_read_seq"] == 3


def test_read_never_moves_back(alice, bob):
    ids = [alice.send(bob.id, str(i))["message_id"] for i in range(3)]
    read(bob, [ids[2]])
    assert read(bob, [ids[0]]).json() == {"read": 1}
    assert bob.chat(alice.id)["read_seq"] == 3


def test_read_ignores_messages_of_others_chats(alice, bob, carol):
    mine = alice.send(bob.id, "for bob")["message_id"]
    assert read(carol, [mine]).json() == {"read": 0}
    assert read(bob, [mine, UNUSED_ID]).json() == {"read": 1}
    assert alice.chat(bob.id)["peer_read_seq"] == 1


@pytest.mark.parametrize(
    "bad", [[], list(range(1, 1002)), None, 5, "1", [1, "2"], [1.5], [None], {"a": 1}]
)
def test_read_accepts_1_to_1000_ids(alice, bad):
    expect.problem(read(alice, bad), 422, field="message_ids")


def test_read_accepts_1000_ids(alice):
    assert read(alice, list(range(UNUSED_ID, UNUSED_ID + 1000))).json() == {"read": 0}


def test_read_in_the_name_of_another_user_is_403(alice, bob):
    sent = alice.send(bob.id, "x")["message_id"]
    expect.problem(read(alice, [sent], user_id=bob.id), 403, "not_yourself")
    assert bob.chat(alice.id)["read_seq"] == 0
    assert read(bob, [sent], user_id=bob.id).json() == {"read": 1}


# --- PATCH and DELETE /messages/{message_id} ---


def test_an_edit_keeps_seq_and_takes_the_next_mod(alice, bob):
    first = alice.send(bob.id, "first")
    alice.send(bob.id, "second")
    answer = alice.patch(f"/messages/{first['message_id']}", {"content": "better"})
    assert answer.status_code == 200
    edited = answer.json()
    expect.message(edited)
    assert edited == {**first, "content": "better", "mod": 3, "edited_at": edited["edited_at"]}
    assert expect.TIME.fullmatch(edited["edited_at"])
    assert bob.history(alice.id)[0] == {**edited, "chat_id": alice.id}
    assert bob.chat(alice.id)["last_mod"] == 3 and bob.chat(alice.id)["last_seq"] == 2


def test_an_edit_has_the_limits_of_a_message(alice, bob):
    path = f"/messages/{alice.send(bob.id, 'first')['message_id']}"
    for content in ("", "x" * 16385, None, 5):
        expect.problem(alice.patch(path, {"content": content}), 422, field="content")
    expect.problem(alice.patch(path, {}), 422, field="content")
    assert alice.patch(path, {"content": "x" * 16384}).status_code == 200


def test_a_deletion_removes_the_content_and_keeps_the_seq(alice, bob):
    first = alice.send(bob.id, "first")
    alice.send(bob.id, "second")
    answer = alice.delete(f"/messages/{first['message_id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    shown = bob.history(alice.id)
    assert [(m["seq"], m["mod"], m["content"], m["deleted"]) for m in shown] == [
        (1, 3, None, True),
        (2, 2, "second", False),
    ]


def test_a_second_deletion_is_204_and_takes_no_mod(alice, bob):
    path = f"/messages/{alice.send(bob.id, 'x')['message_id']}"
    assert alice.delete(path).status_code == 204
    assert alice.delete(path).status_code == 204
    assert alice.chat(bob.id)["last_mod"] == 2


def test_a_deleted_message_cannot_be_edited(alice, bob):
    path = f"/messages/{alice.send(bob.id, 'x')['message_id']}"
    alice.delete(path)
    expect.problem(alice.patch(path, {"content": "y"}), 404, "no_such_message")


def test_only_the_sender_edits_and_deletes(alice, bob, carol):
    path = f"/messages/{alice.send(bob.id, 'x')['message_id']}"
    expect.problem(bob.patch(path, {"content": "y"}), 403, "not_sender")
    expect.problem(bob.delete(path), 403, "not_sender")
    expect.problem(carol.patch(path, {"content": "y"}), 404, "no_such_message")
    expect.problem(carol.delete(path), 404, "no_such_message")
    assert [m["content"] for m in bob.history(alice.id)] == ["x"]
    assert bob.chat(alice.id)["last_mod"] == 1


def test_an_unknown_message_is_404(alice):
    expect.problem(alice.patch(f"/messages/{UNUSED_ID}", {"content": "y"}), 404)
    expect.problem(alice.delete(f"/messages/{UNUSED_ID}"), 404)


def test_a_message_id_that_is_no_number_is_400(alice):
    expect.problem(alice.patch("/messages/x1", {"content": "y"}), 400, "bad_path")
    expect.problem(alice.delete("/messages/x1"), 400, "bad_path")


def test_joins_and_renames_cannot_be_edited_or_deleted(alice):
    group = alice.group("events")
    alice.patch(f"/groups/{group}", {"name": "renamed"})
    events = alice.history(group)
    assert [event["kind"] for event in events] == ["join", "rename"]
    for event in events:
        expect.problem(
            alice.patch(f"/messages/{event['message_id']}", {"content": "y"}), 403, "not_text"
        )
        expect.problem(alice.delete(f"/messages/{event['message_id']}"), 403, "not_text")


def test_a_former_member_cannot_change_their_messages(alice, bob):
    group = alice.group("left", bob)
    path = f"/messages/{bob.send(group, 'x')['message_id']}"
    bob.post("/groups/leave_group", {"group_id": group})
    expect.problem(bob.patch(path, {"content": "y"}), 404)
    expect.problem(bob.delete(path), 404)
