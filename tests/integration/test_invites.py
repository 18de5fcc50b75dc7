"""Invite links to groups. The sockets are on different workers."""

import re
import threading

import expect

UNKNOWN = "0123456789ABCDEFGHIJKL"


def invite(who, group, **what):
    answer = who.post(f"/groups/{group}/invites", what)
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == expect.INVITE
    return answer.json()


def listed(who, group):
    answer = who.get(f"/groups/{group}/invites")
    assert answer.status_code == 200, answer.text
    return answer.json()["invites"]


def end(who, group, code):
    return who.delete(f"/groups/{group}/invites/{code}")


def look(who, code):
    return who.get(f"/invites/{code}")


def join(who, code):
    return who.post(f"/invites/{code}/join")


def make_admin(owner, group, other):
    role = {"role": "admin"}
    assert owner.put(f"/groups/{group}/members/{other.id}/role", role).status_code == 204


def test_a_link_leads_into_the_group(alice, bob, carol):
    group = alice.group("by a link", carol)
    link = invite(alice, group)
    assert re.fullmatch("[0-9A-Za-z]{22}", link["code"])
    assert link == {**link, "expires_at": None, "max_uses": None, "uses": 0, "created_by": alice.id}
    body = {"group_id": group, "name": "by a link", "picture": None, "member_count": 2}
    assert look(bob, link["code"]).json() == {**body, "joined": False}
    first = carol.ws()
    second = bob.ws_elsewhere(first)
    answer = join(bob, link["code"])
    assert answer.status_code == 200
    expect.group(answer.json())
    assert answer.json() == bob.get(f"/groups/{group}").json()
    chat = second.until("chat", chat_id=group)
    assert (chat["role"], chat["member_count"]) == ("member", 3)
    assert not second.got("message", chat_id=group), "the join follows the chat"
    for socket in (first, second):
        event = socket.until("message", chat_id=group, kind="join")
        assert (event["user_id"], event["sender_id"]) == (bob.id, bob.id)
    assert look(bob, link["code"]).json() == {**body, "member_count": 3, "joined": True}
    assert listed(alice, group) == [{**link, "uses": 1}]


def test_a_members_join_is_200_whatever_has_become_of_the_link(alice, bob, carol):
    group = alice.group("again", carol)
    code = invite(alice, group, max_uses=1)["code"]
    assert join(carol, code).status_code == 200
    assert listed(alice, group)[0]["uses"] == 0, "a member's join is no use"
    assert join(bob, code).status_code == 200
    assert join(bob, code).json()["group_id"] == group
    assert len(bob.history(group)) == 3
    expect.problem(look(bob, code), 404, "no_such_invite")
    other = invite(alice, group)["code"]
    end(alice, group, other)
    assert join(bob, other).status_code == 200
    expect.problem(look(bob, other), 404, "no_such_invite")


def test_ended_used_up_expired_and_unknown_links_are_the_same_404(daemon, alice, bob, carol):
    group = alice.group("ended")
    ended, used, expired = (invite(alice, group, **m)["code"] for m in ({}, {"max_uses": 1}, {}))
    assert end(alice, group, ended).status_code == 204
    assert join(carol, used).status_code == 200
    daemon.sql("update invites set expires_at = now() where code = %s", expired)
    answers = [ask(bob, code) for ask in (look, join) for code in (ended, used, expired, UNKNOWN)]
    answers += [ask(bob, code) for ask in (look, join) for code in ("x", "0" * 23, UNKNOWN[1:] + "-")]
    for answer in answers:
        expect.problem(answer, 404, "no_such_invite")
        assert answer.json() == answers[0].json()
    assert listed(alice, group) == []
    assert end(alice, group, ended).status_code == 204, "ended already"
    assert [m["kind"] for m in alice.history(group)] == ["join", "join"]


def test_bounds_of_a_link(alice, daemon):
    group = alice.group("bounds")
    for bad in ({"expires_in": 59}, {"expires_in": 31536001}, {"expires_in": "60"}):
        expect.problem(alice.post(f"/groups/{group}/invites", bad), 422, field="expires_in")
    for bad in ({"max_uses": 0}, {"max_uses": 100001}, {"max_uses": 1.5}):
        expect.problem(alice.post(f"/groups/{group}/invites", bad), 422, field="max_uses")
    assert invite(alice, group, expires_in=None, max_uses=None)["expires_at"] is None
    link = invite(alice, group, expires_in=31536000, max_uses=100000)
    assert link["max_uses"] == 100000
    (left,) = daemon.sql(
        "select extract(epoch from expires_at - now())::float8 from invites where code = %s",
        link["code"],
    )[0]
    assert 31535900 < left <= 31536000
    assert expect.TIME.fullmatch(link["expires_at"])


def test_at_most_100_live_links_newest_first(alice):
    group = alice.group("many")
    codes = [invite(alice, group)["code"] for _ in range(100)]
    assert [one["code"] for one in listed(alice, group)] == codes[::-1]
    expect.problem(alice.post(f"/groups/{group}/invites", {}), 422, "too_many", field="code")
    end(alice, group, codes[50])
    codes[50:51] = []
    codes.append(invite(alice, group)["code"])
    assert [one["code"] for one in listed(alice, group)] == codes[::-1]


def test_owner_and_admins_have_links_and_they_outlive_the_rights(alice, bob, carol, person):
    group = alice.group("rights", bob, carol)
    link, dave = invite(alice, group), person("Dave")
    for refused in (
        carol.post(f"/groups/{group}/invites", {}),
        carol.get(f"/groups/{group}/invites"),
        end(carol, group, link["code"]),
    ):
        expect.problem(refused, 403, "not_admin")
    for refused in (
        dave.post(f"/groups/{group}/invites", {}),
        dave.get(f"/groups/{group}/invites"),
        end(dave, group, link["code"]),
    ):
        expect.problem(refused, 404, "no_such_group")
    expect.problem(end(alice, group, UNKNOWN), 404, "no_such_invite")
    expect.problem(end(alice, alice.group("another"), link["code"]), 404, "no_such_invite")
    make_admin(alice, group, bob)
    made = invite(bob, group)
    assert made["created_by"] == bob.id
    bob.post("/groups/leave_group", {"group_id": group})
    assert join(dave, made["code"]).status_code == 200
    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204
    assert listed(alice, group)[0]["created_by"] is None


def test_a_banned_user_can_neither_look_nor_join(alice, bob):
    group = alice.group("banned")
    code, used = invite(alice, group)["code"], invite(alice, group)["code"]
    alice.put(f"/groups/{group}/bans/{bob.id}")
    for answer in (look(bob, code), join(bob, code)):
        expect.problem(answer, 403, "banned")
    end(alice, group, used)
    for answer in (look(bob, used), join(bob, used)):
        expect.problem(answer, 404, "no_such_invite")
    alice.delete(f"/groups/{group}/bans/{bob.id}")
    assert join(bob, code).status_code == 200


def test_a_link_ends_with_its_group(alice, bob):
    group = alice.group("gone")
    code = invite(alice, group)["code"]
    alice.post("/groups/leave_group", {"group_id": group})
    for answer in (look(bob, code), join(bob, code)):
        expect.problem(answer, 404, "no_such_invite")


def test_never_more_joins_than_max_uses(daemon, alice, person):
    """Twelve users join at once, over connections to all workers."""
    uses, people = 5, [person(f"P{n}") for n in range(12)]
    group = alice.group("raced")
    code = invite(alice, group, max_uses=uses)["code"]
    start, answers = threading.Barrier(len(people)), []

    def race(one):
        start.wait()
        answers.append(join(one, code).status_code)

    threads = [threading.Thread(target=race, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * uses + [404] * (len(people) - uses)
    assert daemon.sql("select uses from invites where code = %s", code) == [(uses,)]
    assert alice.get(f"/groups/{group}").json()["member_count"] == 1 + uses
    expect.gapless(alice.history(group))

