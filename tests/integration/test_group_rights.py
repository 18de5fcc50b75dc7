"""Groups: roles, profile, who may post and add, bans. The sockets are on different workers."""

import pytest

import expect
from expect import UNUSED_ID

PICTURE = "https://example.org/club.png"


def set_role(who, group, other, role):
    return who.put(f"/groups/{group}/members/{other.id}/role", {"role": role})


def make_admin(owner, group, *others):
    for other in others:
        assert set_role(owner, group, other, "admin").status_code == 204


def remove(who, group, other):
    return who.post("/groups/remove_user_from_group", {"group_id": group, "user_id": other.id})


def add(who, group, other):
    return who.post("/groups/add_user_to_group", {"group_id": group, "user_id": other.id})


def change(who, group, **what):
    answer = who.patch(f"/groups/{group}", what)
    assert answer.status_code == 200, answer.text
    expect.group(answer.json())
    return answer.json()


def roles(who, group):
    return {m["user_id"]: m["role"] for m in who.get(f"/groups/{group}").json()["members"]}


def mod_of(who, group):
    return who.get(f"/chats/{group}").json()["last_mod"]


@pytest.fixture
def sockets(alice, bob):
    """Sockets of Alice and Bob on different workers."""
    first = alice.ws()
    return first, bob.ws_elsewhere(first)


def frames_of(who, socket, group):
    """The chat frames of the group that have arrived, and those that were under way."""
    who.fence(socket)
    return socket.got("chat", chat_id=group)


# --- GET /chats/{chat_id} ---


def test_one_chat_is_as_in_the_list(alice, bob, carol):
    group = alice.group("one", bob)
    alice.send(bob.id, "x" * 300)
    for chat_id in (group, bob.id):
        answer = alice.get(f"/chats/{chat_id}")
        assert answer.status_code == 200
        expect.chat(answer.json())
        assert answer.json() == alice.chat(chat_id)
    for chat_id in (carol.id, UNUSED_ID):
        expect.problem(alice.get(f"/chats/{chat_id}"), 404, "no_such_chat")
    expect.problem(carol.get(f"/chats/{group}"), 404, "no_such_chat")
    expect.problem(alice.get("/chats/x"), 400, "bad_path")


# --- roles ---


def test_the_owner_makes_an_admin_and_every_member_gets_a_chat_frame(alice, bob, carol, sockets):
    group = alice.group("roles", bob, carol)
    mod = mod_of(alice, group)
    make_admin(alice, group, bob)
    assert roles(carol, group) == {alice.id: "owner", bob.id: "admin", carol.id: "member"}
    first, second = sockets
    assert second.until("chat", chat_id=group, role="admin")["owner_id"] == alice.id
    first.until("chat", chat_id=group, role="owner")
    assert carol.get(f"/chats/{group}").json()["role"] == "member"
    assert set_role(alice, group, bob, "member").status_code == 204
    second.until("chat", chat_id=group, role="member")
    assert mod_of(alice, group) == mod, "a role takes no mod"


def test_a_role_that_is_so_already_is_204_without_a_frame(alice, bob, sockets):
    group = alice.group("same", bob)
    make_admin(alice, group, bob)
    sockets[1].until("chat", chat_id=group, role="admin")
    make_admin(alice, group, bob)
    assert set_role(alice, group, alice, "owner").status_code == 204
    assert len([f for f in frames_of(bob, sockets[1], group) if f["role"] == "admin"]) == 1


def test_the_owner_hands_the_group_over_and_becomes_an_admin(alice, bob, sockets):
    group = alice.group("handed over", bob)
    assert set_role(alice, group, bob, "owner").status_code == 204
    assert roles(bob, group) == {alice.id: "admin", bob.id: "owner"}
    assert sockets[0].until("chat", chat_id=group, owner_id=bob.id)["role"] == "admin"
    assert sockets[1].until("chat", chat_id=group, owner_id=bob.id)["role"] == "owner"
    expect.problem(set_role(alice, group, bob, "admin"), 403, "not_owner")
    assert set_role(bob, group, alice, "member").status_code == 204


def test_rejected_roles(alice, bob, carol):
    group = alice.group("rejected", bob)
    make_admin(alice, group, bob)
    expect.problem(set_role(bob, group, alice, "admin"), 403, "not_owner")
    expect.problem(set_role(bob, group, carol, "admin"), 403, "not_owner")
    expect.problem(set_role(alice, group, carol, "admin"), 404, "no_such_member")
    expect.problem(set_role(carol, group, bob, "admin"), 404, "no_such_group")
    expect.problem(set_role(alice, UNUSED_ID, bob, "admin"), 404, "no_such_group")
    for role in ("admin", "member"):
        expect.problem(set_role(alice, group, alice, role), 422, "invalid", field="role")
    for role in ("", "boss", None, 1):
        expect.problem(set_role(alice, group, bob, role), 422, "invalid", field="role")
    assert roles(alice, group) == {alice.id: "owner", bob.id: "admin"}


def test_an_admin_removes_members_but_no_admin_and_not_the_owner(alice, bob, carol, person):
    dave = person("Dave")
    group = alice.group("removals", bob, carol, dave)
    make_admin(alice, group, bob, carol)
    expect.problem(remove(bob, group, carol), 403, "not_owner")
    expect.problem(remove(bob, group, alice), 403, "not_owner")
    expect.problem(remove(dave, group, bob), 403, "not_admin")
    assert remove(bob, group, dave).status_code == 204
    assert bob.history(group)[-1]["sender_id"] == bob.id
    assert remove(alice, group, carol).status_code == 204


def test_the_longest_standing_admin_inherits_the_group(alice, bob, carol, person):
    dave = person("Dave")
    group = alice.group("heirs", bob, carol, dave)
    make_admin(alice, group, dave, carol)
    socket = dave.ws()
    alice.post("/groups/leave_group", {"group_id": group})
    socket.until("chat", chat_id=group, owner_id=carol.id)
    assert roles(bob, group) == {bob.id: "member", carol.id: "owner", dave.id: "admin"}


def test_a_member_who_comes_back_is_no_admin(alice, bob):
    group = alice.group("back", bob)
    make_admin(alice, group, bob)
    remove(alice, group, bob)
    alice.add(group, bob)
    assert roles(alice, group)[bob.id] == "member"


# --- the profile ---


def test_owner_and_admins_describe_and_all_members_see_it(alice, bob, carol, sockets):
    group = alice.group("described", bob, carol)
    mod = mod_of(alice, group)
    assert bob.get(f"/chats/{group}").json()["description"] is None
    body = change(alice, group, description="Weekly\n☃", picture=PICTURE)
    assert (body["description"], body["picture"]) == ("Weekly\n☃", PICTURE)
    frame = sockets[1].until("chat", chat_id=group, description="Weekly\n☃")
    expect.chat(expect.without(frame, "type"))
    assert frame["picture"] == PICTURE
    make_admin(alice, group, bob)
    assert change(bob, group, description=None)["picture"] == PICTURE
    assert carol.get(f"/chats/{group}").json()["description"] is None
    change(bob, group, description="again")
    assert change(bob, group, description="", picture=None)["description"] is None
    assert mod_of(alice, group) == mod, "a description takes no mod"


def test_a_change_that_is_so_already_is_200_without_a_frame(alice, bob, sockets):
    group = alice.group("same", bob)
    change(alice, group, description="d", posting="admins", adding="admins", picture=PICTURE)
    sockets[1].until("chat", chat_id=group, description="d")
    mod, before = mod_of(alice, group), len(frames_of(bob, sockets[1], group))
    change(alice, group)
    change(alice, group, name="same")
    change(alice, group, description="d", posting="admins", adding="admins", picture=PICTURE)
    assert mod_of(alice, group) == mod
    assert len(frames_of(bob, sockets[1], group)) == before
    assert not sockets[1].got("message", chat_id=group, kind="rename")


def test_a_change_of_everything_is_one_rename_and_one_chat_frame(alice, bob, sockets):
    group = alice.group("old", bob)
    bob.fence(sockets[1])
    before = len(sockets[1].got("chat", chat_id=group))
    change(alice, group, name="new", description="d", posting="admins", adding="admins")
    frame = sockets[1].until("chat", chat_id=group)
    assert (frame["name"], frame["description"]) == ("new", "d")
    assert (frame["posting"], frame["adding"]) == ("admins", "admins")
    assert len(frames_of(bob, sockets[1], group)) == before + 1
    assert len(sockets[1].got("message", chat_id=group, kind="rename")) == 1


@pytest.mark.parametrize(
    "field, bad",
    [
        ("description", "☃" * 1001),
        ("description", 5),
        ("description", "\0"),
        ("picture", "javascript:alert(1)"),
        ("picture", ""),
        ("picture", "https://example.org/" + "x" * 2048),
        ("posting", "none"),
        ("posting", True),
        ("adding", ""),
    ],
)
def test_bad_values_of_a_profile(alice, field, bad):
    group = alice.group("bad")
    change(alice, group, description="☃" * 1000)
    expect.problem(alice.patch(f"/groups/{group}", {field: bad}), 422, "invalid", field=field)


def test_members_change_nothing(alice, bob, carol):
    group = alice.group("rights", bob)
    for what in ({"description": "x"}, {"posting": "admins"}, {"adding": "admins"}, {}):
        expect.problem(bob.patch(f"/groups/{group}", what), 403, "not_admin")
        expect.problem(carol.patch(f"/groups/{group}", what), 404, "no_such_group")


# --- posting ---


def test_where_posting_is_admins_others_sends_are_not_allowed(alice, bob, carol, sockets):
    group = alice.group("announcements", bob, carol)
    own = bob.send(group, "while I may")
    change(alice, group, posting="admins")
    sockets[1].until("chat", chat_id=group, posting="admins")
    send = {"receiver_id": group, "content": "x"}
    expect.problem(bob.post("/messages/send_message", send), 403, "not_allowed")
    frame = {"type": "send", "id": "no", **send}
    expect.error_frame(sockets[1].ask(frame, "error"), "not_allowed", id="no")
    alice.send(group, "by the owner")
    assert bob.patch(f"/messages/{own['message_id']}", {"content": "e"}).status_code == 200
    assert bob.delete(f"/messages/{own['message_id']}").status_code == 204
    make_admin(alice, group, bob)
    bob.send(group, "by an admin")
    change(bob, group, posting="all")
    carol.send(group, "by all")
    expect.gapless(carol.history(group))


def test_where_posting_is_admins_others_forward_and_pin_nothing(alice, bob):
    group = alice.group("closed", bob)
    text = bob.send(group, "while I may")["message_id"]
    note = bob.send(bob.id, "elsewhere")["message_id"]
    change(alice, group, posting="admins")
    forward = {"message_id": note, "receiver_id": group}
    expect.problem(bob.post("/messages/forward", forward), 403, "not_allowed")
    expect.problem(bob.put(f"/messages/{text}/pin"), 403, "not_allowed")
    assert bob.put(f"/messages/{text}/reactions/%F0%9F%91%8D").status_code == 204
    make_admin(alice, group, bob)
    assert bob.post("/messages/forward", forward).status_code == 201
    assert bob.put(f"/messages/{text}/pin").status_code == 204


def test_a_repeat_of_a_stored_send_is_answered_where_one_may_not_post(alice, bob):
    group = alice.group("repeats", bob)
    stored = bob.send(group, "once", client_id="once")
    change(alice, group, posting="admins")
    send = {"receiver_id": group, "content": "once", "client_id": "once"}
    again = bob.post("/messages/send_message", send)
    assert again.status_code == 200
    assert again.json()["message_id"] == stored["message_id"]


def test_a_send_that_is_not_allowed_does_not_hold_up_its_batch(alice, bob, sockets):
    group, free = alice.group("closed", bob), alice.group("open", bob)
    change(alice, group, posting="admins")
    frames = [
        {"type": "send", "id": f"s{n}", "receiver_id": (group, free)[n % 2], "content": f"{n}"}
        for n in range(40)
    ]
    sockets[1].send_all(frames)
    for frame in frames:
        if frame["receiver_id"] == free:
            sockets[1].until("ack", id=frame["id"])
    sockets[1].drain()
    assert len(sockets[1].got("error", code="not_allowed")) == 20
    expect.gapless(alice.history(free))


def test_typing_where_one_may_not_post_is_dropped(alice, bob, carol, sockets):
    group = alice.group("quiet", bob, carol)
    change(alice, group, posting="admins")
    sockets[1].until("chat", chat_id=group, posting="admins")
    sockets[1].send({"type": "typing", "chat_id": group, "is_typing": True})
    sockets[1].drain()
    typing = {"typing_chat_id": group, "is_typing": True}
    assert carol.post("/users/set_typing_status", typing).status_code == 204
    bob.fence(sockets[1])
    alice.fence(sockets[0])
    assert not sockets[0].got("typing", chat_id=group)
    make_admin(alice, group, bob)
    sockets[1].until("chat", chat_id=group, role="admin")
    sockets[1].send({"type": "typing", "chat_id": group, "is_typing": True})
    assert sockets[0].until("typing", chat_id=group)["user_id"] == bob.id


# --- adding ---


def test_where_adding_is_admins_others_add_nobody(alice, bob, carol):
    group = alice.group("by invitation", bob)
    change(alice, group, adding="admins")
    expect.problem(add(bob, group, carol), 403, "not_allowed")
    expect.problem(add(bob, group, alice), 403, "not_allowed")
    assert add(alice, group, carol).status_code == 204
    make_admin(alice, group, bob)
    assert add(bob, group, carol).status_code == 204


# --- bans ---


def ban(who, group, other):
    return who.put(f"/groups/{group}/bans/{other.id}")


def unban(who, group, other):
    return who.delete(f"/groups/{group}/bans/{other.id}")


def banned(who, group):
    answer = who.get(f"/groups/{group}/bans")
    assert answer.status_code == 200, answer.text
    for one in answer.json()["users"]:
        expect.user(one)
    return [one["user_id"] for one in answer.json()["users"]]


def test_a_banned_member_is_removed_and_cannot_be_added(alice, bob, carol, sockets):
    group = alice.group("bans", bob, carol)
    assert ban(alice, group, bob).status_code == 204
    sockets[1].until("chat_removed", chat_id=group)
    leave = sockets[0].until("message", chat_id=group, kind="leave")
    assert (leave["user_id"], leave["sender_id"]) == (bob.id, alice.id)
    for who in (alice, carol):
        expect.problem(add(who, group, bob), 403, "banned")
    assert ban(alice, group, bob).status_code == 204
    assert banned(alice, group) == [bob.id]
    assert unban(alice, group, bob).status_code == 204
    assert unban(alice, group, bob).status_code == 204
    assert banned(alice, group) == []
    assert add(carol, group, bob).status_code == 204
    expect.gapless(bob.history(group))


def test_a_ban_in_advance_and_the_list_latest_first(alice, bob, carol, person):
    dave = person("Dave")
    group = alice.group("in advance")
    for other in (carol, bob, dave):
        assert ban(alice, group, other).status_code == 204
    assert banned(alice, group) == [dave.id, bob.id, carol.id]
    unban(alice, group, carol)
    ban(alice, group, carol)
    assert banned(alice, group) == [carol.id, dave.id, bob.id]
    assert dave.delete(f"/users/delete_user/{dave.id}").status_code == 204
    assert banned(alice, group) == [carol.id, bob.id]
    assert [m["kind"] for m in alice.history(group)] == ["join"], "no leave of one who was not in"


def test_who_may_ban_whom(alice, bob, carol, person):
    dave, eve = person("Dave"), person("Eve")
    group = alice.group("who bans", bob, carol, dave)
    make_admin(alice, group, bob, carol)
    for other in (alice, carol):
        expect.problem(ban(bob, group, other), 403, "not_owner")
    expect.problem(ban(dave, group, eve), 403, "not_admin")
    expect.problem(unban(dave, group, eve), 403, "not_admin")
    expect.problem(dave.get(f"/groups/{group}/bans"), 403, "not_admin")
    for refused in (ban(eve, group, dave), unban(eve, group, dave)):
        expect.problem(refused, 404, "no_such_group")
    expect.problem(eve.get(f"/groups/{group}/bans"), 404, "no_such_group")
    expect.problem(alice.put(f"/groups/{group}/bans/{UNUSED_ID}"), 404, "no_such_user")
    expect.problem(alice.delete(f"/groups/{group}/bans/{UNUSED_ID}"), 404, "no_such_user")
    for who in (alice, bob):
        expect.problem(ban(who, group, who), 422, "invalid", field="user_id")
        expect.problem(unban(who, group, who), 422, "invalid", field="user_id")
    assert ban(bob, group, dave).status_code == 204
    assert ban(alice, group, carol).status_code == 204, "the owner bans admins"
    assert roles(alice, group) == {alice.id: "owner", bob.id: "admin"}
