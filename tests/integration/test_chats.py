"""GET /chats: a conversation as one user sees it."""

import expect


def test_each_side_sees_a_direct_chat_with_the_other(alice, bob):
    alice.send(bob.id, "one")
    last = alice.send(bob.id, "two")

    chat = alice.chat(bob.id)
    expect.chat(chat)
    expect.user(chat["peer"])
    assert (chat["kind"], chat["name"], chat["peer"]["user_id"]) == (
        "direct",
        bob.full_name,
        bob.id,
    )
    assert (chat["last_seq"], chat["last_mod"], chat["read_seq"], chat["unread"]) == (2, 2, 2, 0)
    assert (chat["peer_read_seq"], chat["last_message"]) == (0, expect.pushed(last))
    assert chat.get("owner_id") is None

    chat = bob.chat(alice.id)
    assert (chat["name"], chat["peer"]["user_id"]) == (alice.full_name, alice.id)
    assert (chat["read_seq"], chat["unread"], chat["peer_read_seq"]) == (0, 2, 2)
    assert chat["last_message"] == {**expect.pushed(last), "chat_id": alice.id}


def test_no_other_user_sees_the_chat(alice, bob, carol):
    alice.send(bob.id, "one")
    assert carol.chats() == {}


def test_a_group_chat_has_name_owner_and_member_count(alice, bob):
    group = alice.group("The Club", bob)
    chat = bob.chat(group)
    expect.chat(chat)
    assert (chat["kind"], chat["name"], chat["owner_id"], chat["member_count"]) == (
        "group",
        "The Club",
        alice.id,
        2,
    )
    assert (chat["last_seq"], chat["last_mod"]) == (2, 2)
    assert chat.get("peer") is None
    assert chat["last_message"]["kind"] == "join" and chat["last_message"]["user_id"] == bob.id


def test_unread_counts_the_texts_of_others_after_read_seq(alice, bob, carol):
    group = alice.group("unread", bob)
    ids = [alice.send(group, str(i))["message_id"] for i in range(3)]
    bob.put("/messages/read", {"message_ids": ids[:1]})
    assert bob.chat(group)["unread"] == 2
    alice.add(group, carol)  # a join is not a text
    alice.patch(f"/groups/{group}", {"name": "still unread"})  # neither is a rename
    assert bob.chat(group)["unread"] == 2
    assert alice.chat(group)["unread"] == 0, "own messages are read"


def test_sending_moves_the_senders_read_seq(alice, bob):
    for i in range(3):
        alice.send(bob.id, str(i))
    assert bob.chat(alice.id)["unread"] == 3
    bob.send(alice.id, "answer")
    chat = bob.chat(alice.id)
    assert (chat["read_seq"], chat["unread"]) == (4, 0)
    assert alice.chat(bob.id)["peer_read_seq"] == 4


def test_chats_are_sorted_by_latest_activity(alice, bob, carol, person):
    dave = person("Dave")
    alice.send(bob.id, "1")
    carol.send(alice.id, "2")
    group = alice.group("third")
    assert list(alice.chats()) == [group, carol.id, bob.id]
    dave.send(alice.id, "4")
    bob.send(alice.id, "5")
    assert list(alice.chats()) == [bob.id, dave.id, group, carol.id]


def test_the_name_of_a_direct_chat_follows_the_peer(alice, bob):
    alice.send(bob.id, "1")
    bob.patch("/users/me", {"full_name": "Robert"})
    assert alice.chat(bob.id)["name"] == "Robert"
    assert alice.chat(bob.id)["peer"]["full_name"] == "Robert"


def test_last_message_shows_edits_and_deletions(alice, bob):
    sent = alice.send(bob.id, "first")
    alice.patch(f"/messages/{sent['message_id']}", {"content": "edited"})
    assert bob.chat(alice.id)["last_message"]["content"] == "edited"
    alice.delete(f"/messages/{sent['message_id']}")
    chat = bob.chat(alice.id)
    assert chat["last_message"]["content"] is None and chat["last_message"]["deleted"] is True
    assert (chat["last_seq"], chat["last_mod"]) == (1, 3)
