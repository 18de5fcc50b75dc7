"""Pages of chats and of members, the last message in a list, and a user's share of costly reads."""

import select
import time

import pytest

import expect
import many_sockets
from conftest import new_person, run_daemon
from fault_harness import bound
from polling import wait_for
from procfs import is_sanitized, private_memory_kib

CONTROL = "\x01"  # six bytes in JSON


def chats_after(who, limit, after=None):
    """One page: the chat_ids, and the cursor of the next one."""
    answer = who.get("/chats", params={"limit": limit, "after": after})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"chats", "next"}
    for chat in body["chats"]:
        expect.chat(chat)
    return [chat["chat_id"] for chat in body["chats"]], body["next"]


def chat_pages(who, limit):
    pages, after = [], None
    while not pages or after is not None:
        page, after = chats_after(who, limit, after)
        pages.append(page)
    return pages


def members_after(who, group, limit, after=None):
    answer = who.get(f"/groups/{group}", params={"limit": limit, "after": after})
    assert answer.status_code == 200, answer.text
    expect.group(answer.json())
    return [member["user_id"] for member in answer.json()["members"]], answer.json()["next"]


# --- pages of chats ---


def test_pages_give_each_chat_once_latest_first_and_next_is_null_at_the_end(alice):
    groups = [alice.group(str(i)) for i in range(6)][::-1]
    assert chat_pages(alice, 4) == [groups[:4], groups[4:]]
    assert chat_pages(alice, 3) == [groups[:3], groups[3:]], "nothing follows a full last page"
    assert chat_pages(alice, 6) == [groups]
    assert chats_after(alice, None) == (groups, None)


def test_a_user_without_chats_gets_an_empty_page(carol):
    assert chats_after(carol, 5) == ([], None)


def test_a_chat_with_a_message_between_two_pages_moves_to_the_front(alice):
    groups = [alice.group(str(i)) for i in range(6)][::-1]
    first, after = chats_after(alice, 2)
    alice.send(groups[4], "moves")
    rest, end = chats_after(alice, 200, after)
    assert (first, rest, end) == (groups[:2], [groups[2], groups[3], groups[5]], None)
    assert chats_after(alice, 1)[0] == [groups[4]]


def test_an_edit_a_deletion_and_a_read_mark_are_no_activity(alice, bob):
    group = alice.group("quiet", bob)
    sent = [alice.send(group, str(i))["message_id"] for i in range(2)]
    other = alice.group("latest", bob)
    alice.patch(f"/messages/{sent[0]}", {"content": "edited"})
    alice.delete(f"/messages/{sent[1]}")
    bob.put("/messages/read", {"message_ids": sent})
    assert list(alice.chats()) == list(bob.chats()) == [other, group]


def test_joins_leaves_and_renames_are_activity(alice, bob, carol):
    groups = [alice.group(str(i), bob) for i in range(3)]
    alice.patch(f"/groups/{groups[0]}", {"name": "renamed"})
    assert list(alice.chats())[0] == groups[0]
    alice.add(groups[1], carol)
    assert list(bob.chats())[0] == groups[1]
    bob.post("/groups/leave_group", {"group_id": groups[2]})
    assert list(alice.chats())[0] == groups[2]


def test_sends_of_one_moment_order_their_chats_as_they_came(alice, person):
    """They share a transaction and a sent_at."""
    others = [person() for _ in range(20)]
    for other in others:
        alice.send(other.id, "opens the chat")
    others = others[::2] + others[::-2]
    ws = alice.ws()
    ws.send_all(
        [
            {"type": "send", "id": f"b{i}", "receiver_id": other.id, "content": "at once"}
            for i, other in enumerate(others)
        ]
    )
    for _ in others:
        ws.until("ack")
    assert list(alice.chats()) == [other.id for other in reversed(others)]


@pytest.mark.parametrize("path", ["/chats", "/groups/{group}"])
def test_a_bad_limit_or_after_is_422(alice, path):
    path = path.format(group=alice.group("pages"))
    for after in ("", "x", "1", "1.", ".1", "1.2.3", "-1.2", "1.2 ", "9" * 30 + ".1"):
        expect.problem(alice.get(path, params={"after": after}), 422, "invalid", "after")
    for limit in ("0", "-1", "x", "501" if path.startswith("/groups") else "201"):
        expect.problem(alice.get(path, params={"limit": limit}), 422, "invalid", "limit")


# --- the last message ---


def test_a_long_last_message_is_cut_to_200_characters(alice, bob):
    for text, shown, cut in (
        ("x" * 200, "x" * 200, None),
        ("\N{PILE OF POO}" * 200, "\N{PILE OF POO}" * 200, None),
        ("\N{PILE OF POO}" * 201, "\N{PILE OF POO}" * 200, True),
        ("e\N{COMBINING ACUTE ACCENT}" * 101, "e\N{COMBINING ACUTE ACCENT}" * 100, True),
        ("x" * 16384, "x" * 200, True),
    ):
        sent = alice.send(bob.id, text)
        last = bob.chat(alice.id)["last_message"]
        assert (last["content"], last.get("cut")) == (shown, cut)
        assert expect.without(last, "content", "cut") == {
            **expect.without(expect.pushed(sent), "content"),
            "chat_id": alice.id,
        }
        assert bob.history(alice.id, "limit=1")[0]["content"] == text


def test_the_last_message_of_a_group_names_its_actor(alice, bob, daemon):
    group = alice.group("names", bob)
    assert bob.chat(group)["last_message"]["sender_name"] == alice.full_name
    bob.send(group, "hello")
    bob.patch("/users/me", {"full_name": "Robert"})
    assert alice.chat(group)["last_message"]["sender_name"] == "Robert"
    bob.delete(f"/users/delete_user/{bob.id}")
    last = alice.chat(group)["last_message"]
    assert (last["kind"], last["sender_id"], last["sender_name"]) == ("leave", None, "")


def test_a_chat_frame_has_the_same_last_message(alice, bob):
    group = alice.group("frames")
    alice.send(group, CONTROL * 500)
    ws = bob.ws()
    alice.add(group, bob)
    assert ws.until("chat", chat_id=group)["last_message"] == bob.chat(group)["last_message"]
    alice.patch(f"/groups/{group}", {"name": "renamed"})
    last = ws.until("chat", chat_id=group, name="renamed")["last_message"]
    assert last == bob.chat(group)["last_message"]
    assert (last["kind"], last["sender_name"]) == ("rename", alice.full_name)


# --- pages of members ---


def test_pages_of_members_are_by_standing_and_stable_while_members_leave(alice, person):
    others = [person() for _ in range(6)]
    group = alice.group("pages", *others)
    ids = [alice.id, *(other.id for other in others)]
    assert members_after(alice, group, None) == (ids, None)
    assert members_after(alice, group, 7) == (ids, None)
    first, after = members_after(alice, group, 3)
    assert first == ids[:3]
    for other in others[1], others[3]:  # of this page, and of the next one
        other.post("/groups/leave_group", {"group_id": group})
    second, after = members_after(alice, group, 2, after)
    assert second == [ids[3], ids[5]]
    assert members_after(alice, group, 2, after) == ([ids[6]], None)
    body = alice.get(f"/groups/{group}?limit=1").json()
    assert (body["member_count"], len(body["members"])) == (5, 1)
    others[5].post("/groups/leave_group", {"group_id": group})
    assert members_after(alice, group, 2, after) == ([], None), "all that followed have left"


def test_a_group_has_500_members_in_its_first_page(alice, bob, daemon):
    group = alice.group("large")
    daemon.sql(
        "with u as (insert into users (username, full_name)"
        " select %s || n, 'Member' from generate_series(1, 500) n returning user_id),"
        " m as (insert into members (conv_id, user_id, join_seq)"
        " select %s, user_id, 1 + row_number() over (order by user_id) from u)"
        " update conversations set member_count = 501 where conv_id = %s",
        f"{alice.username}.",
        group,
        group,
    )
    first = alice.get(f"/groups/{group}").json()
    assert (len(first["members"]), first["member_count"]) == (500, 501)
    assert len(members_after(alice, group, None, first["next"])[0]) == 1
    renamed = alice.patch(f"/groups/{group}", {"name": "renamed"}).json()
    assert (renamed["name"], renamed["next"]) == ("renamed", first["next"])


def test_another_users_group_has_no_page(alice, bob):
    group = alice.group("private")
    expect.problem(bob.get(f"/groups/{group}?limit=1&after=0.0"), 404, "no_such_group")


# --- what one user costs ---


@pytest.fixture(scope="module")
def crowded(cluster):
    """A daemon with one worker, whose Alice is in 1,000 groups that end with 16 KiB of a control character."""
    for daemon in run_daemon(cluster, workers=1, rate_limits=True):
        alice, eve, bob = (new_person(daemon, name) for name in ("Alice", "Eve", "Bob"))
        daemon.sql(
            f"""do $$ declare g bigint; begin
            for i in 1..1000 loop
                g := ((create_group({eve.id}, 'g' || i)).message).conv_id;
                perform add_member({eve.id}, g, {alice.id});
                perform send_messages(array[{eve.id}]::bigint[], array[g],
                    array[repeat(chr(1), 16384)], array['c' || i]);
            end loop; end $$"""
        )
        yield daemon, alice, bob
        for one in (alice, eve, bob):
            one.close()


def request(who):
    return (
        f"GET /chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.token}\r\n\r\n"
    ).encode()


def worst(action, until):
    """The longest time that the action takes, repeated until the condition holds."""
    longest = 0
    while not until():
        begun = time.monotonic()
        action()
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.02)
    return longest


def test_unread_lists_cost_little_memory(crowded):
    daemon, alice, bob = crowded
    answer = alice.get("/chats")
    assert len(answer.json()["chats"]) == 200 and len(answer.content) < 1 << 20
    pid = daemon.pid_of(0)
    before = private_memory_kib(pid)

    def answered():
        return daemon.workers()[0]["http_requests"]

    begun = answered()
    unread = [many_sockets.connect(daemon.port, small=True) for _ in range(10)]
    for one in unread:
        one.sendall(request(alice))
    wait_for(lambda: answered() >= begun + len(unread))
    grown = private_memory_kib(pid) - before
    many_sockets.close_all(unread)
    print(f"an unread list of 200 chats: {grown / len(unread):.0f} KiB")
    if not is_sanitized(pid):
        assert grown < len(unread) * 2048


@pytest.mark.no_valgrind("bounds of time")
def test_200_lists_at_once_do_not_delay_another_user(crowded):
    daemon, alice, bob = crowded
    pending = [many_sockets.connect(daemon.port) for _ in range(200)]
    for one in pending:
        one.sendall(request(alice))
    statuses = {}

    def all_answered():
        ready, _, _ = select.select(pending, [], [], 0)
        for one in ready:
            status = one.recv(65536)[9:12]
            statuses[status] = statuses.get(status, 0) + 1
            pending.remove(one)
            one.close()
        return not pending

    def read():
        assert bob.get("/chats").status_code == 200

    begun = time.monotonic()
    longest = worst(read, all_answered)
    print(f"another user's longest read: {longest * 1000:.0f} ms; {statuses}")
    assert set(statuses) == {b"200", b"429"} and statuses[b"429"] >= 100
    assert longest < bound(begun) - begun
