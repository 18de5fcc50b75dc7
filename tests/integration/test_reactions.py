"""Reactions to messages: over HTTP and WebSocket, their pushes and their end."""

import concurrent.futures
from urllib.parse import quote

import pytest

import expect
from expect import UNUSED_ID
from polling import wait_for

THUMB, HEART, ROCKET = "👍", "❤", "🚀"
DIFFERENT = [chr(code) for code in range(0x1F600, 0x1F600 + 21)]


def path(message, emoji=THUMB):
    message_id = message["message_id"] if isinstance(message, dict) else message
    return f"/messages/{message_id}/reactions/{quote(emoji, safe='')}"


def add(who, message, emoji=THUMB):
    answer = who.put(path(message, emoji))
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def remove(who, message, emoji=THUMB):
    answer = who.delete(path(message, emoji))
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def react(ws, message, emoji=THUMB, on=True, kind="ack", **more):
    frame = {"type": "react", "message_id": message["message_id"], "emoji": emoji, "on": on}
    return ws.ask({**frame, **more}, kind)


def of(emoji, *users, mine=False, count=None):
    """An element of `reactions`."""
    ids = [user.id for user in users]
    return {"emoji": emoji, "count": count or len(ids), "user_ids": ids, "mine": mine}


def read(who, message, chat_id):
    answer = who.get(f"/messages/{chat_id}/{message['message_id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def reactions(who, message, chat_id):
    return read(who, message, chat_id)["reactions"]


@pytest.fixture
def group(alice, bob, carol):
    return alice.group("reactions", bob, carol)


# --- what is served ---


def test_reactions_are_in_every_answer_with_the_message(alice, bob, carol, group):
    sent = alice.send(group, "hello")
    assert sent["reactions"] == []
    add(bob, sent, ROCKET)
    add(alice, sent)
    add(bob, sent)
    seen_by = {
        alice: [of(ROCKET, bob), of(THUMB, alice, bob, mine=True)],
        bob: [of(ROCKET, bob, mine=True), of(THUMB, alice, bob, mine=True)],
        carol: [of(ROCKET, bob), of(THUMB, alice, bob)],
    }
    for who, expected in seen_by.items():
        ways = {
            "single": reactions(who, sent, group),
            "newest": who.history(group, "limit=1")[0]["reactions"],
            "after": who.history(group, f"after={sent['seq'] - 1}")[0]["reactions"],
            "around": who.history(group, f"around={sent['seq']}&limit=1")[0]["reactions"],
            "sync": who.ws().ask(
                {"type": "sync", "after": {str(group): sent["mod"]}}, "messages", chat_id=group
            )["messages"][0]["reactions"],
        }
        assert ways == dict.fromkeys(ways, expected)
    edited = alice.patch(f"/messages/{sent['message_id']}", {"content": "edited"}).json()
    assert edited["reactions"] == seen_by[alice]
    assert "reactions" not in carol.chat(group)["last_message"]


def test_a_repeated_send_is_answered_with_its_reactions(alice, bob):
    sent = alice.send(bob.id, "x", client_id="again")
    add(bob, sent)
    body = {"receiver_id": bob.id, "content": "x", "client_id": "again"}
    answer = alice.post("/messages/send_message", body)
    assert (answer.status_code, answer.json()["reactions"]) == (200, [of(THUMB, bob)])


def test_emoji_are_in_the_order_of_their_earliest_reaction_that_is_still_there(
    alice, bob, carol, group
):
    sent = alice.send(group, "x")
    for who, emoji in ((alice, THUMB), (bob, HEART), (bob, THUMB), (carol, HEART)):
        add(who, sent, emoji)
    assert [one["emoji"] for one in reactions(alice, sent, group)] == [THUMB, HEART]
    remove(alice, sent, THUMB)
    assert reactions(alice, sent, group) == [of(HEART, bob, carol), of(THUMB, bob)]
    add(alice, sent, THUMB)
    assert reactions(carol, sent, group) == [of(HEART, bob, carol, mine=True), of(THUMB, bob, alice)]
    remove(bob, sent, THUMB)
    remove(alice, sent, THUMB)
    assert [one["emoji"] for one in reactions(alice, sent, group)] == [HEART]


def test_the_first_20_users_are_named_and_all_are_counted(daemon, alice, bob, group):
    sent = alice.send(group, "x")
    # Inserted as they would be by 40 other members.
    daemon.sql(
        "insert into reactions (message_id, user_id, emoji, mod) "
        "select %s, 1000000 + i, %s, i from generate_series(1, 40) i",
        sent["message_id"],
        THUMB,
    )
    daemon.sql("insert into reaction_counts values (%s, %s, 40)", sent["message_id"], THUMB)
    daemon.sql("update conversations set last_mod = last_mod + 40 where conv_id = %s", group)
    add(bob, sent)
    (one,) = reactions(bob, sent, group)
    assert (one["count"], one["mine"]) == (41, True)
    assert one["user_ids"] == [1000000 + i for i in range(1, 21)]


# --- one emoji ---


def test_the_presentation_selector_does_not_matter(alice, bob):
    sent = alice.send(bob.id, "x")
    add(alice, sent, "❤️")
    add(alice, sent, "❤")
    add(bob, sent, "👁️‍🗨️")
    assert reactions(alice, sent, bob.id) == [of("❤", alice, mine=True), of("👁‍🗨", bob)]
    remove(alice, sent, "❤️")
    assert reactions(alice, sent, bob.id) == [of("👁‍🗨", bob)]


@pytest.mark.parametrize("emoji", ["👋🏿", "👩🏽‍🚀", "🇩🇪", "🇽🇽", "3️⃣", "#⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👨‍👩‍👧‍👦", "©"])
def test_any_emoji_of_the_grammar_is_accepted(alice, bob, emoji):
    sent = alice.send(bob.id, "x")
    add(bob, sent, emoji)
    ack = react(bob.ws(), sent, emoji)
    assert ack["mod"] == sent["mod"] + 1, "it was there"
    assert reactions(alice, sent, bob.id) == [of(emoji.replace("\ufe0f", ""), bob)]


@pytest.mark.parametrize(
    "bad", ["a", "1", "1️", "👍👍", "👍 ", "😀🏿", "🏿", "🇩", "❤︎", "😀‍", "‍", "👍" + "‍👍" * 9]
)
def test_what_is_not_one_emoji_is_422(alice, bob, bad):
    sent = alice.send(bob.id, "x")
    for method in ("PUT", "DELETE"):
        expect.problem(bob.request(method, path(sent, bad)), 422, "invalid", field="emoji")
        # A malformed value precedes what concerns the message.
        expect.problem(bob.request(method, path(UNUSED_ID, bad)), 422, "invalid", field="emoji")
    expect.error_frame(react(bob.ws(), sent, bad, kind="error", id="r"), "invalid", id="r")
    assert reactions(bob, sent, alice.id) == []


def test_a_message_id_that_is_no_number_is_400_whatever_the_emoji(alice):
    for emoji in (THUMB, "a"):
        expect.problem(alice.put(path("x", emoji)), 400)


@pytest.mark.parametrize("bad", [None, 1, True, ["👍"], "", "\0", "👍\0"])
def test_the_emoji_of_a_frame_is_a_text(alice, bob, bad):
    sent = alice.send(bob.id, "x")
    expect.error_frame(react(bob.ws(), sent, bad, kind="error"), "invalid")


def test_on_is_required(alice, bob):
    sent = alice.send(bob.id, "x")
    frame = {"type": "react", "message_id": sent["message_id"], "emoji": THUMB}
    expect.error_frame(bob.ws().ask(frame, "error"), "invalid")


def test_a_message_has_at_most_20_different_emoji(alice, bob):
    sent = alice.send(bob.id, "x")
    ws = bob.ws()
    for emoji in DIFFERENT[:20]:
        add(alice, sent, emoji)
    expect.problem(bob.put(path(sent, DIFFERENT[20])), 422, "too_many", field="emoji")
    frame = react(ws, sent, DIFFERENT[20], kind="error", id="r")
    expect.error_frame(frame, "too_many", id="r")
    add(bob, sent, DIFFERENT[19])  # it is there
    remove(bob, sent, DIFFERENT[20])  # it is not
    remove(alice, sent, DIFFERENT[0])
    add(bob, sent, DIFFERENT[20])
    assert len(reactions(bob, sent, alice.id)) == 20


def test_the_21st_emoji_is_rejected_also_within_one_batch(person, alice, bob):
    """Which of the last ones are stored is open; how many are is not."""
    others = [person() for _ in range(8)]
    group = alice.group("many", bob, *others)
    sent = alice.send(group, "x")
    for emoji in DIFFERENT[:16]:
        add(alice, sent, emoji)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda i: others[i].put(path(sent, chr(0x1F680 + i))).status_code, range(8))
        )
    assert sorted(answers) == [204] * 4 + [422] * 4
    assert len(reactions(alice, sent, group)) == 20


# --- who may, and on what ---


def test_reactions_to_what_one_may_not_see_are_404(alice, bob, carol):
    sent = alice.send(bob.id, "x")
    ws = carol.ws()
    for message in (sent, {"message_id": UNUSED_ID}):
        for method in ("PUT", "DELETE"):
            expect.problem(carol.request(method, path(message)), 404, "no_such_message")
        for on in (True, False):
            frame = react(ws, message, on=on, kind="error", id="r")
            expect.error_frame(frame, "no_such_message", id="r")


def test_a_deleted_text_is_404_and_a_system_message_403(alice, bob, carol, group):
    sent = alice.send(group, "x")
    assert alice.delete(f"/messages/{sent['message_id']}").status_code == 204
    expect.problem(bob.put(path(sent)), 404, "no_such_message")
    expect.problem(bob.delete(path(sent)), 404, "no_such_message")
    join = alice.history(group)[0]
    expect.problem(bob.put(path(join)), 403, "not_text")
    expect.problem(bob.delete(path(join)), 403, "not_text")
    expect.error_frame(react(bob.ws(), join, kind="error"), "not_text")
    assert join["reactions"] == []


def test_the_reactions_of_a_member_who_left_stay(alice, bob, carol, group):
    sent = alice.send(group, "x")
    add(bob, sent)
    assert bob.post("/groups/leave_group", {"group_id": group}).status_code == 204
    expect.problem(bob.delete(path(sent)), 404, "no_such_message")
    assert reactions(alice, sent, group) == [of(THUMB, bob)]


# --- one mod, and its push ---


def test_a_reaction_takes_one_mod_and_is_pushed_to_every_other_socket(pair, alice, bob):
    hers, his = pair
    his_other = bob.ws_elsewhere(his)
    sent = alice.send(bob.id, "x")
    ack = react(his, sent, "❤️", id="r1")
    assert ack == {
        "type": "ack",
        "id": "r1",
        "message_id": sent["message_id"],
        "chat_id": alice.id,
        "seq": sent["seq"],
        "mod": sent["mod"] + 1,
    }
    for ws, chat_id in ((hers, bob.id), (his_other, alice.id)):
        assert ws.until("reaction") == {
            "type": "reaction",
            "chat_id": chat_id,
            "message_id": sent["message_id"],
            "seq": sent["seq"],
            "mod": ack["mod"],
            "user_id": bob.id,
            "emoji": "❤",
            "on": True,
        }
    off = react(his, sent, "❤", on=False)
    assert off["mod"] == ack["mod"] + 1 and "id" not in off
    assert hers.until("reaction")["on"] is False
    bob.fence(his)
    assert not his.got("reaction"), "the asking socket has its ack"
    assert read(alice, sent, bob.id)["mod"] == off["mod"]
    assert alice.chat(bob.id)["last_mod"] == off["mod"]


def test_over_http_all_sockets_are_pushed(pair, alice, bob):
    hers, his = pair
    sent = alice.send(bob.id, "x")
    add(bob, sent)
    for ws in (hers, his):
        assert ws.until("reaction")["user_id"] == bob.id
    remove(bob, sent)
    for ws in (hers, his):
        assert ws.until("reaction")["on"] is False


def test_what_is_so_already_takes_no_mod_and_is_not_pushed(pair, alice, bob):
    hers, his = pair
    sent = alice.send(bob.id, "x")
    remove(bob, sent)
    ack = react(his, sent, on=False)
    assert ack["mod"] == sent["mod"]
    add(bob, sent)
    add(bob, sent)
    assert react(his, sent)["mod"] == sent["mod"] + 1
    alice.fence(hers)
    assert len(hers.got("reaction")) == 1
    assert alice.chat(bob.id)["last_mod"] == sent["mod"] + 1


def test_a_reaction_moves_neither_the_chat_nor_the_unread_count(alice, bob, carol):
    sent = alice.send(bob.id, "first")
    alice.send(carol.id, "second")
    add(bob, sent)
    assert list(alice.chats()) == [carol.id, bob.id]
    assert alice.chat(bob.id)["unread"] == 0
    assert bob.chat(alice.id)["unread"] == 1


def test_a_sync_brings_a_message_once_with_all_its_reactions(pair, alice, bob, carol, group):
    hers, _ = pair
    sent = alice.send(group, "x")
    for emoji in DIFFERENT[:5]:
        for who in (bob, carol):
            add(who, sent, emoji)
    hers.send({"type": "sync", "after": {str(group): sent["mod"]}})
    page = hers.until("messages", chat_id=group)
    hers.until("synced")
    (message,) = page["messages"]
    assert message["mod"] == sent["mod"] + 10
    assert message["reactions"] == [of(emoji, bob, carol) for emoji in DIFFERENT[:5]]


def test_pushed_messages_and_edits_have_no_reactions(pair, alice, bob):
    hers, his = pair
    sent = alice.send(bob.id, "x")
    add(bob, sent)
    alice.patch(f"/messages/{sent['message_id']}", {"content": "y"})
    edited = his.until("edited")
    assert "reactions" not in edited and edited["mod"] == sent["mod"] + 2
    assert "reactions" not in his.got("message")[-1]


def test_reactions_of_many_at_once_are_all_stored_and_in_one_order(person, alice, bob):
    """Natural batches: each reaction has a mod of its own, also if several are in one statement."""
    others = [person() for _ in range(12)]
    group = alice.group("at once", bob, *others)
    watching = bob.ws()
    sent = alice.send(group, "x")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda who: [add(who, sent, emoji) for emoji in (THUMB, HEART)], others))
    pushed = [watching.until("reaction") for _ in range(24)]
    assert [frame["mod"] for frame in pushed] == list(range(sent["mod"] + 1, sent["mod"] + 25))
    in_order = {
        emoji: [frame["user_id"] for frame in pushed if frame["emoji"] == emoji]
        for emoji in (THUMB, HEART)
    }
    for one in reactions(bob, sent, group):
        assert (one["count"], one["user_ids"]) == (12, in_order[one["emoji"]])


# --- their end ---


def test_a_deleted_message_has_no_reactions(daemon, alice, bob):
    sent = alice.send(bob.id, "x")
    add(bob, sent)
    assert alice.delete(f"/messages/{sent['message_id']}").status_code == 204
    assert reactions(bob, sent, alice.id) == []
    for table in ("reactions", "reaction_counts"):
        query = f"select count(*) from {table} where message_id = %s"
        assert daemon.sql(query, sent["message_id"]) == [(0,)]


def test_the_reactions_of_a_deleted_user_end_with_the_user(daemon, alice, bob, carol, group):
    """Each message concerned takes a mod, and the others are told to sync."""
    first, second, other = (alice.send(group, text) for text in ("1", "2", "3"))
    for emoji in (THUMB, HEART):
        add(bob, first, emoji)
    add(carol, first)
    add(bob, second)
    add(carol, other)
    mod = alice.chat(group)["last_mod"]
    ws = alice.ws()
    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204
    assert reactions(alice, first, group) == [of(THUMB, carol)]
    assert reactions(alice, second, group) == []
    assert reactions(alice, other, group) == [of(THUMB, carol)]
    ws.until("resync")
    # The leave and the two messages.
    assert alice.chat(group)["last_mod"] == mod + 3
    frame = {"type": "sync", "after": {str(group): mod}}
    messages = ws.ask(frame, "messages", chat_id=group)["messages"]
    assert [m["seq"] for m in messages if m["kind"] == "text"] == [first["seq"], second["seq"]]
    for table in ("reactions where user_id", "reaction_counts where n < 1 and message_id"):
        assert daemon.sql(f"select count(*) from {table} = %s", bob.id) == [(0,)]


def test_the_reactions_to_the_messages_of_a_deleted_user_end_with_them(daemon, alice, bob, carol, group):
    sent = bob.send(group, "x")
    add(carol, sent)
    assert bob.delete(f"/users/delete_user/{bob.id}").status_code == 204
    message = read(alice, sent, group)
    assert (message["deleted"], message["reactions"]) == (True, [])
    query = "select count(*) from reactions where message_id = %s"
    assert daemon.sql(query, sent["message_id"]) == [(0,)]


def test_the_reactions_of_a_group_end_with_it(daemon, alice, bob):
    group = alice.group("ends", bob)
    sent = alice.send(group, "x")
    add(bob, sent)
    for who in (bob, alice):
        assert who.post("/groups/leave_group", {"group_id": group}).status_code == 204
    query = "select count(*) from reactions where message_id = %s"
    wait_for(lambda: daemon.sql(query, sent["message_id"]) == [(0,)])
