"""Groups: create, add, remove, leave, rename: permissions, effects and pushes."""

import pytest

import expect
from expect import UNUSED_ID


def members(who, group):
    answer = who.get(f"/groups/{group}")
    assert answer.status_code == 200, answer.text
    return [member["user_id"] for member in answer.json()["members"]]


def remove(who, group, other_id):
    return who.post("/groups/remove_user_from_group", {"group_id": group, "user_id": other_id})


def leave(who, group):
    return who.post("/groups/leave_group", {"group_id": group})


def events(who, group):
    """(kind, actor, user or name) of every system message."""
    return [
        (m["kind"], m["sender_id"], m.get("user_id", m.get("name")))
        for m in who.history(group)
        if m["kind"] != "text"
    ]


# --- create and read ---


def test_the_creator_is_first_member_and_owner(alice):
    answer = alice.post("/groups/create_group", {"name": "Ångström & Söhne ☃"})
    assert answer.status_code == 201
    body = answer.json()
    expect.group(body)
    assert (body["name"], body["owner_id"]) == ("Ångström & Söhne ☃", alice.id)
    assert [m["user_id"] for m in body["members"]] == [alice.id]
    assert body["members"][0]["username"] == alice.username
    assert body["members"][0]["full_name"] == alice.full_name
    assert alice.get(f"/groups/{body['group_id']}").json() == body

    (join,) = alice.history(body["group_id"])
    assert (join["kind"], join["seq"], join["mod"], join["sender_id"], join["user_id"]) == (
        "join",
        1,
        1,
        alice.id,
        alice.id,
    )
    assert "content" not in join, "a join has user_id instead of content"


@pytest.mark.parametrize("bad", ["", "☃" * 101, None, 5, ["a"]])
def test_a_group_name_has_1_to_100_characters(alice, bad):
    expect.problem(alice.post("/groups/create_group", {"name": bad}), 422, field="name")
    group = alice.group("☃" * 100)
    if bad is not None:  # in a change, null counts as absent
        expect.problem(alice.patch(f"/groups/{group}", {"name": bad}), 422, field="name")
    assert alice.chat(group)["name"] == "☃" * 100


def test_only_members_see_a_group(alice, bob, carol):
    group = alice.group("private", bob)
    expect.group(bob.get(f"/groups/{group}").json())
    expect.problem(carol.get(f"/groups/{group}"), 404, "no_such_group")
    expect.problem(carol.get(f"/groups/{UNUSED_ID}"), 404, "no_such_group")
    expect.problem(carol.get(f"/groups/{alice.id}"), 404, "no_such_group")
    expect.problem(carol.get("/groups/x"), 400, "bad_path")
    assert group not in carol.chats()


def test_users_and_groups_share_one_id_space(alice, bob):
    assert alice.group("ids") not in (alice.id, bob.id)


# --- add ---


def test_any_member_adds_and_the_new_member_sees_the_whole_history(alice, bob, carol):
    group = alice.group("grows", bob)
    alice.send(group, "before carol")
    bob.add(group, carol)
    assert members(carol, group) == [alice.id, bob.id, carol.id]
    assert events(carol, group) == [
        ("join", alice.id, alice.id),
        ("join", alice.id, bob.id),
        ("join", bob.id, carol.id),
    ]
    assert [m["seq"] for m in carol.history(group)] == [1, 2, 3, 4]
    assert carol.history(group) == alice.history(group)


def test_adding_again_is_204_and_changes_nothing(alice, bob):
    group = alice.group("twice", bob)
    answer = alice.post("/groups/add_user_to_group", {"group_id": group, "user_id": bob.id})
    assert answer.status_code == 204
    assert alice.chat(group)["last_mod"] == 2
    assert members(alice, group) == [alice.id, bob.id]


def test_rejected_additions(alice, bob, carol):
    group = alice.group("additions")

    def add(who, group_id, user_id):
        return who.post("/groups/add_user_to_group", {"group_id": group_id, "user_id": user_id})

    expect.problem(add(bob, group, carol.id), 404, "no_such_group")
    expect.problem(add(bob, group, bob.id), 404, "no_such_group")
    expect.problem(add(alice, UNUSED_ID, bob.id), 404, "no_such_group")
    expect.problem(add(alice, bob.id, carol.id), 404, "no_such_group")
    expect.problem(add(alice, group, UNUSED_ID), 404, "no_such_user")
    expect.problem(add(alice, group, group), 404, "no_such_user")
    expect.problem(add(alice, group, "x"), 422, field="user_id")
    expect.problem(
        alice.post("/groups/add_user_to_group", {"user_id": bob.id}), 422, field="group_id"
    )
    assert members(alice, group) == [alice.id]


# --- remove ---


def test_the_owner_removes_a_member(alice, bob, carol):
    group = alice.group("shrinks", bob, carol)
    bob.send(group, "from bob")
    assert remove(alice, group, bob.id).status_code == 204
    assert members(carol, group) == [alice.id, carol.id]
    assert events(carol, group)[-1] == ("leave", alice.id, bob.id)
    assert "content" not in carol.history(group)[-1]
    assert [m["content"] for m in carol.history(group) if m["kind"] == "text"] == ["from bob"]
    expect.problem(bob.get(f"/groups/{group}"), 404)
    expect.problem(bob.get(f"/messages/{group}"), 404)
    expect.problem(bob.post("/messages/send_message", {"receiver_id": group, "content": "x"}), 404)
    assert group not in bob.chats()


def test_rejected_removals(alice, bob, carol):
    group = alice.group("removals", bob)
    expect.problem(remove(bob, group, alice.id), 403, "not_admin")
    expect.problem(remove(carol, group, bob.id), 404, "no_such_group")
    expect.problem(remove(alice, group, carol.id), 404, "no_such_member")
    expect.problem(remove(alice, group, UNUSED_ID), 404, "no_such_member")
    expect.problem(remove(alice, UNUSED_ID, bob.id), 404, "no_such_group")
    expect.problem(remove(alice, group, None), 422, field="user_id")
    assert members(alice, group) == [alice.id, bob.id]


def test_removing_oneself_leaves_the_group(alice, bob):
    group = alice.group("self", bob)
    assert remove(bob, group, bob.id).status_code == 204
    assert events(alice, group)[-1] == ("leave", bob.id, bob.id)
    assert remove(alice, group, alice.id).status_code == 204
    expect.problem(alice.get(f"/groups/{group}"), 404)


def test_a_member_who_is_added_again_sees_the_messages_in_between(alice, bob):
    group = alice.group("returns", bob)
    remove(alice, group, bob.id)
    alice.send(group, "while you were away")
    alice.add(group, bob)
    expect.gapless(bob.history(group))
    assert "while you were away" in [m.get("content") for m in bob.history(group)]


# --- leave ---


def test_a_member_leaves(alice, bob):
    group = alice.group("leave", bob)
    assert leave(bob, group).status_code == 204
    assert members(alice, group) == [alice.id]
    assert events(alice, group)[-1] == ("leave", bob.id, bob.id)
    expect.problem(leave(bob, group), 404, "no_such_group")


def test_only_a_member_can_leave(alice, bob):
    expect.problem(leave(bob, alice.group("not bob's")), 404, "no_such_group")
    expect.problem(leave(bob, UNUSED_ID), 404, "no_such_group")
    expect.problem(leave(bob, None), 422, field="group_id")


def test_the_longest_standing_member_becomes_owner_and_every_member_gets_a_chat_frame(
    alice, bob, carol, person
):
    dave = person("Dave")
    group = alice.group("heirs", bob, carol)
    leave(bob, group)
    alice.add(group, dave)
    alice.add(group, bob)  # a member again, but now after Carol and Dave
    sockets = [carol.ws(), dave.ws(), bob.ws()]
    assert leave(alice, group).status_code == 204
    for socket in sockets:
        assert socket.until("chat", chat_id=group, owner_id=carol.id)["member_count"] == 3
    assert bob.get(f"/groups/{group}").json()["owner_id"] == carol.id
    assert carol.patch(f"/groups/{group}", {"name": "carol's"}).status_code == 200


def test_a_group_without_members_is_removed(alice, bob):
    group = alice.group("ends", bob)
    socket = alice.ws()
    leave(bob, group)
    assert leave(alice, group).status_code == 204
    socket.until("chat_removed", chat_id=group)
    for who in (alice, bob):
        expect.problem(who.get(f"/groups/{group}"), 404)
        assert group not in who.chats()
    expect.problem(
        alice.post("/messages/send_message", {"receiver_id": group, "content": "x"}), 404
    )


# --- rename ---


def test_a_rename_is_an_event_and_members_may_not(alice, bob, carol):
    group = alice.group("before", bob)
    answer = alice.patch(f"/groups/{group}", {"name": "after"})
    assert answer.status_code == 200
    expect.group(answer.json())
    assert answer.json()["name"] == "after"
    assert bob.chat(group)["name"] == "after"
    rename = bob.history(group)[-1]
    assert (rename["kind"], rename["name"], rename["sender_id"], rename["seq"]) == (
        "rename",
        "after",
        alice.id,
        3,
    )
    assert "content" not in rename
    expect.problem(bob.patch(f"/groups/{group}", {"name": "bob's"}), 403, "not_admin")
    expect.problem(carol.patch(f"/groups/{group}", {"name": "carol's"}), 404, "no_such_group")
    expect.problem(alice.patch(f"/groups/{UNUSED_ID}", {"name": "x"}), 404, "no_such_group")
    assert bob.chat(group)["name"] == "after"


# --- pushes ---


def test_a_new_member_is_pushed_the_chat_and_then_the_join(alice, bob, carol):
    group = alice.group("pushed", bob)
    new, old, owner = carol.ws(), bob.ws(), alice.ws()
    alice.add(group, carol)
    chat = new.until("chat", chat_id=group)
    expect.chat(expect.without(chat, "type"))
    assert (chat["name"], chat["kind"], chat["owner_id"], chat["member_count"]) == (
        "pushed",
        "group",
        alice.id,
        3,
    )
    assert not new.got("message", chat_id=group), "the join follows the chat"
    for socket in (new, old, owner):
        join = socket.until("message", chat_id=group, kind="join")
        assert (join["user_id"], join["sender_id"], join["seq"]) == (carol.id, alice.id, 3)


def test_a_new_member_is_pushed_what_is_sent_after_the_join(alice, bob):
    group = alice.group("from now on")
    socket = bob.ws()
    alice.send(group, "before")
    alice.add(group, bob)
    alice.send(group, "after")
    assert socket.until("message", chat_id=group, kind="text")["content"] == "after"


def test_a_removed_member_is_pushed_chat_removed_and_nothing_more(alice, bob, carol):
    group = alice.group("removed", bob, carol)
    out, staying = bob.ws_on_each(), carol.ws()
    remove(alice, group, bob.id)
    alice.send(group, "after the removal")
    alice.post("/users/set_typing_status", {"typing_chat_id": group, "is_typing": True})
    for socket in out:
        socket.until("chat_removed", chat_id=group)
    bob.fence(*out)
    for socket in out:
        assert not socket.got("message", chat_id=group, kind="text")
        assert not socket.got("typing", chat_id=group)
    assert staying.until("message", chat_id=group, kind="leave")["user_id"] == bob.id
    staying.until("message", chat_id=group, content="after the removal")


def test_a_rename_is_pushed_as_chat_and_as_message(alice, bob):
    group = alice.group("old")
    alice.add(group, bob)
    socket = bob.ws()
    alice.patch(f"/groups/{group}", {"name": "new"})
    received = {}
    while len(received) < 2:
        frame = socket.next()
        if frame.get("chat_id") == group:
            received[frame["type"]] = frame
    assert received["chat"]["name"] == "new"
    assert (received["message"]["kind"], received["message"]["name"]) == ("rename", "new")
