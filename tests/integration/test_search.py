"""GET /messages/search: docs/api.md, "Search"."""

import concurrent.futures
import datetime
import itertools
import os
import random
import signal
import time
import urllib.parse

import pytest

import expect
import search_model
from conftest import new_person, run_daemon
from polling import wait_for

SETTINGS = {"rate_limits": False, "search_share": 100}
QUERIES = 10000 if os.environ.get("PARLEY_LONG") else 120
NEVER = datetime.timedelta(days=1)


def search(user, q=None, **parameters):
    """The answer to a search."""
    if q is not None:
        parameters["q"] = q
    if "sender" in parameters:
        parameters["from"] = parameters.pop("sender")
    return user.get("/messages/search?" + urllib.parse.urlencode(parameters))


def page(user, q=None, **parameters):
    answer = search(user, q, **parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"messages", "cursor", "searched_to", "incomplete"}
    return body


def found(user, q=None, **parameters):
    """The contents that a search finds, all pages."""
    contents, cursor = [], None
    while True:
        body = page(user, q, **parameters, **({"cursor": cursor} if cursor else {}))
        contents += [message["content"] for message in body["messages"]]
        cursor = body["cursor"]
        if cursor is None:
            assert body["searched_to"] is None
            return contents
        assert expect.TIME.fullmatch(body["searched_to"])


def steps(daemon, delay=NEVER):
    """Does all that the indexer has to do."""
    while daemon.sql("select search_index(1000, %s)", delay)[0][0] > 0:
        pass


def behind(daemon):
    return daemon.sql("select behind from search_state()")[0][0]


@pytest.fixture
def stopped(daemon):
    """The indexer is stopped during the test."""
    pid = wait_for(lambda: daemon.status()["indexer_pid"])
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


# --- terms ---


def test_words_are_found_by_their_beginnings_phrases_exactly_and_parts_anywhere(alice, bob):
    texts = ["a foobar", "xfoobar", "go home, foo", "go homeward", "Go,  home!", "home go"]
    for text in texts:
        alice.send(bob.id, text)
    assert found(bob, "foo") == ["go home, foo", "a foobar"]
    assert found(bob, "*oob") == ["xfoobar", "a foobar"]
    assert found(bob, '"go home"') == ["Go,  home!", "go home, foo"]
    assert found(bob, "go hom") == ["home go", "Go,  home!", "go homeward", "go home, foo"]
    assert found(bob, "a") == ["a foobar"]  # a single letter is a whole word
    assert found(bob, "go zebra") == []


FOLDED = [
    ("angstrom", "Ångström"),
    ("ÅNGSTRÖM", "angstrom"),
    ("fine", "ﬁne"),
    ("abc", "ＡＢＣ"),
    ("елка", "Ёлка"),
    ("istanbul", "İstanbul"),
    ("straß", "Straße"),
    ("οδος", "ΟΔΟΣ"),
    ("한국", "한국어"),
    ("국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
    ("हिन्दी", "हिन्दी भाषा"),
    ("สวัสดี", "สวัสดีครับ"),
    ("*ครับ", "สวัสดีครับ"),
    ("你好", "我说你好吗"),
    ("好", "我说你好吗"),
    ("ありが", "ありがとう！"),
    ("ｶﾞ", "ガス"),
    ("سلام", "سَلام"),
    ("שלום", "שָׁלוֹם"),
    ("😀", "great😀"),
    ("great", "great😀"),
    ("❤", "❤️"),
    ("👨‍👩‍👧", "a 👨‍👩‍👧!"),
    ("100%", "it is 100% so"),
    ("a_b", "a_b"),
    ("c\\d", "c\\d"),
    ("x.y*z", "x.y*z"),
]
APART = [("strasse", "Straße"), ("하", "한국어"), ("か", "がす"), ("foo", "xfoo"), ("a.b", "axb"), ("*a%c", "abbbc")]


@pytest.mark.parametrize("indexed", [False, True])
def test_case_accents_and_compatible_forms_do_not_matter(daemon, alice, bob, stopped, indexed):
    for _, text in FOLDED + APART:
        alice.send(bob.id, text)
    if indexed:
        steps(daemon)
        assert behind(daemon) == 0
    for query, text in FOLDED:
        assert text in found(bob, query), (query, text)
        assert search_model.matches(query, text), (query, text)
    for query, text in APART:
        if search(bob, query).status_code != 422:
            assert text not in found(bob, query), (query, text)


def test_long_words_and_texts_are_found(daemon, alice, bob, stopped):
    word = "".join(random.Random(1).choices("abcdefghij", k=16000))
    ideographs = "".join(chr(c) for c in range(0x4E00, 0x4E00 + 5000))
    alice.send(bob.id, word)
    alice.send(bob.id, ideographs)
    steps(daemon)
    assert found(bob, word[:40]) == [word]
    assert found(bob, word[:250]) == [word]
    assert found(bob, "*" + word[20:60]) == [word]
    for at in (0, 2500, 4998):
        assert found(bob, ideographs[at : at + 2]) == [ideographs]


# --- parameters ---


@pytest.mark.parametrize(
    "field, parameters",
    [
        ("q", {}),
        ("q", {"q": ""}),
        ("q", {"q": "...  !"}),
        ("q", {"q": "*ab"}),
        ("q", {"q": "x" * 257}),
        ("q", {"q": "a b c d e f g h i"}),
        ("q", {"q": "a\0b"}),
        ("chat_id", {"q": "foo", "chat_id": "x"}),
        ("chat_id", {"q": "foo", "chat_id": 0}),
        ("sender", {"q": "foo", "sender": "x"}),
        ("limit", {"q": "foo", "limit": 0}),
        ("limit", {"q": "foo", "limit": 51}),
        ("has", {"q": "foo", "has": "picture"}),
        ("has", {"q": "foo", "has": "link,"}),
        ("after", {"q": "foo", "after": "yesterday"}),
        ("after", {"q": "foo", "after": "2026-02-30"}),
        ("before", {"q": "foo", "before": "2026-01-01T00:00:00"}),
        ("before", {"q": "foo", "before": "2026-01-01T24:00:00Z"}),
        ("cursor", {"q": "foo", "cursor": "x"}),
        ("cursor", {"q": "foo", "cursor": "_" * 22}),
        ("cursor", {"q": "foo", "cursor": "AAAAAAAAAAAAAAAAAAAAAB"}),
    ],
)
def test_a_bad_parameter_is_422(alice, field, parameters):
    expect.problem(search(alice, **parameters), 422, "invalid", field.replace("sender", "from"))


def test_an_unknown_chat_is_404_and_one_that_is_not_begun_is_empty(alice, bob, carol):
    group = bob.group("Theirs", carol)
    expect.problem(search(alice, "foo", chat_id=group), 404, "no_such_chat")
    expect.problem(search(alice, "foo", chat_id=expect.UNUSED_ID), 404, "no_such_chat")
    assert found(alice, "foo", chat_id=bob.id) == []


def test_a_search_needs_a_token(http):
    expect.problem(search(http, "foo"), 401, "bad_token")


def test_filters_are_joined_with_the_terms(daemon, alice, bob, carol, stopped):
    group = alice.group("Three", bob, carol)
    alice.send(group, "needle by alice http://example.org/a")
    bob.send(group, "needle by bob")
    bob.send(alice.id, "needle in private, https://example.org")
    for _ in range(2):
        assert found(alice, "needle", chat_id=group) == [
            "needle by bob",
            "needle by alice http://example.org/a",
        ]
        assert found(alice, "needle", sender=bob.id) == [
            "needle in private, https://example.org",
            "needle by bob",
        ]
        assert found(alice, "needle", chat_id=group, sender=bob.id) == ["needle by bob"]
        assert found(alice, sender=alice.id) == ["needle by alice http://example.org/a"]
        assert len(found(alice, has="link")) == 2
        assert found(bob, has="link", sender=alice.id) == ["needle by alice http://example.org/a"]
        assert found(alice, "needle", has="file") == []
        assert found(alice, "needle", has="link,file") == []
        assert found(carol, "needle") == ["needle by bob", "needle by alice http://example.org/a"]
        steps(daemon)


def test_after_is_inclusive_and_before_exclusive(daemon, alice, bob):
    sent = [alice.send(bob.id, f"dated {i}") for i in range(3)]
    times = ["2026-03-01T00:00:00Z", "2026-03-02T12:30:00.500Z", "2026-03-03T00:00:00Z"]
    for message, time in zip(sent, times):
        daemon.sql(
            "update messages set sent_at = %s where message_id = %s", time, message["message_id"]
        )
    daemon.ctl("search", "rebuild")
    assert found(bob, "dated", after="2026-03-02") == ["dated 2", "dated 1"]
    assert found(bob, "dated", before="2026-03-02") == ["dated 0"]
    assert found(bob, "dated", after="2026-03-01", before="2026-03-03") == ["dated 1", "dated 0"]
    assert found(bob, "dated", after=times[1], before=times[2]) == ["dated 1"]
    assert found(bob, "dated", before=times[1]) == ["dated 0"]
    assert found(bob, "dated", after="2026-03-02T14:30:00.5+02:00") == ["dated 2", "dated 1"]
    assert found(bob, "dated", after="2026-03-02T12:30:00.5001Z") == ["dated 2"]


def test_a_found_message_is_the_one_of_the_history_with_highlights(alice, bob):
    alice.send(bob.id, "😀 Foo and föo", client_id="mine")
    message = page(alice, "foo")["messages"][0]
    assert message.pop("highlights") == [[3, 3], [11, 3]]
    assert message == alice.history(bob.id)[0]
    assert "client_id" not in page(bob, "foo")["messages"][0]


def test_what_is_highlighted_folds_to_the_term(alice, bob):
    for text in [text for _, text in FOLDED] + ["😀😀 áb ab ÁB", "x Go,  home"]:
        alice.send(bob.id, text)
    for query in ["ab", "great", "你好", "好", "angstrom", "οδος", "한국", "*rea", "😀"]:
        for message in page(bob, query, limit=50)["messages"]:
            assert message["highlights"], (query, message["content"])
            end = 0
            for start, length in message["highlights"]:
                assert start >= end and length > 0
                end = start + length
                part = search_model.utf16(message["content"], start, length)
                assert search_model.fold(part) == search_model.fold(query.lstrip("*"))


# --- at once ---


@pytest.mark.parametrize("indexed", [False, True])
def test_what_is_gone_is_not_found_from_the_answer_on(daemon, person, stopped, indexed):
    """Promise 5: with the indexer stopped, before and after the texts were indexed."""
    alice, bob, carol, dave = (person() for _ in range(4))
    group = alice.group("Four", bob, carol, dave)
    first = bob.send(group, "needle first")
    second = bob.send(group, "needle second")
    carol.send(group, "needle of carol")
    if indexed:
        steps(daemon)
    assert len(found(alice, "needle")) == 3
    assert bob.delete(f"/messages/{first['message_id']}").status_code == 204
    assert found(alice, "needle") == ["needle of carol", "needle second"]
    edited = bob.patch(f"/messages/{second['message_id']}", {"content": "needle second, edited"})
    assert edited.status_code == 200
    assert found(alice, "needle") == ["needle of carol", "needle second, edited"]
    edited = bob.patch(f"/messages/{second['message_id']}", {"content": "thimble second"})
    assert edited.status_code == 200
    assert found(alice, "needle") == ["needle of carol"]
    assert found(alice, "thimble") == ["thimble second"]
    assert dave.post("/groups/leave_group", {"group_id": group}).status_code == 204
    assert found(dave, "needle") == [] and found(dave, "thimble") == []
    removed = alice.post("/groups/remove_user_from_group", {"user_id": bob.id, "group_id": group})
    assert removed.status_code == 204
    assert found(bob, "thimble") == []
    assert carol.delete(f"/users/delete_user/{carol.id}").status_code == 204
    wait_for(lambda: found(alice, "needle") == [])
    steps(daemon, datetime.timedelta(0))
    assert found(alice, "needle") == [] and found(alice, "thimble") == ["thimble second"]


def test_erased_texts_leave_the_index(daemon, alice, bob, stopped):
    sent = [alice.send(bob.id, text) for text in ("quicksilver", "mercury")]
    steps(daemon)

    def indexed(word):
        return daemon.sql(
            "select count(*) from search_blocks where terms @> array[hashtext(%s)]", "=" + word
        )[0][0]

    assert indexed("quicksilver") == 1
    alice.delete(f"/messages/{sent[0]['message_id']}")
    steps(daemon)  # not yet: the delay has not passed
    assert indexed("quicksilver") == 1
    steps(daemon, datetime.timedelta(0))
    assert indexed("quicksilver") == 0 and indexed("mercury") == 1


def test_the_blocks_of_a_group_that_has_ended_are_deleted(daemon, alice, stopped):
    group = alice.group("Alone")
    alice.send(group, "needle")
    steps(daemon)
    blocks = "select count(*) from search_blocks where conv_id = %s"
    assert daemon.sql(blocks, group)[0][0] == 1
    assert alice.post("/groups/leave_group", {"group_id": group}).status_code == 204
    steps(daemon)
    assert daemon.sql(blocks, group)[0][0] == 0
    assert daemon.sql("select count(*) from search_heads where conv_id = %s", group)[0][0] == 0


def test_no_cursor_and_no_chat_id_opens_the_chat_of_others(alice, bob, carol):
    group = alice.group("Two", bob)
    for i in range(30):
        alice.send(group, f"secret {i}")
    cursor = page(alice, "secret", limit=5)["cursor"]
    for parameters in ({}, {"cursor": cursor}, {"sender": alice.id}):
        assert found(carol, "secret", **parameters) == []
    expect.problem(search(carol, "secret", chat_id=group, cursor=cursor), 404, "no_such_chat")


# --- pages ---


def test_messages_of_one_time_are_given_once_each(daemon, alice, bob, stopped):
    """128 messages of one batch in 100 chats, in pages of 5."""
    people = [new_person(daemon).id for _ in range(99)]
    receivers = [bob.id, *people, *[bob.id] * 28]
    daemon.sql(
        "select n from send_messages(%s::int8[], %s::int8[], %s::text[], %s::text[])",
        [alice.id] * 128,
        receivers,
        [f"tied {i}" for i in range(128)],
        [None] * 128,
    )
    for _ in range(2):
        texts = found(alice, "tied", limit=5)
        assert sorted(texts) == sorted(f"tied {i}" for i in range(128))
        steps(daemon)


def test_a_page_of_long_texts_is_short_and_has_a_cursor(alice, bob):
    for i in range(12):
        alice.send(bob.id, f"needle {i} " + "x" * 16000)
    body = page(bob, "needle", limit=50)
    assert 0 < len(body["messages"]) < 12 and body["cursor"] is not None
    assert len(found(bob, "needle", limit=50)) == 12


WORDS = {
    "latin": "the go how home zebra Ångström naïve foo foobar bar part apart under underground".split(),
    "cyrillic": "привет мир ёлка елка дом домой".split(),
    "greek": "ΟΔΟΣ οδός Αθήνα".split(),
    "arabic": "سلام سَلام مرحبا".split(),
    "devanagari": "नमस्ते हिन्दी भाषा".split(),
    "cjk": "你好 你好吗 世界 ありがとう 한국어 한국".split(),
    "other": "https://example.org/a 😀 ❤️ 100% a_b ＡＢＣ ﬁne".split(),
}


def text_of(rng):
    words = rng.choices(list(itertools.chain(*WORDS.values())), k=rng.randint(1, 6))
    return rng.choice([" ", ", ", "-"]).join(words)


def query_of(rng):
    words = list(itertools.chain(*WORDS.values()))
    terms = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        word = rng.choice(words)
        kind = rng.randint(0, 4)
        if kind == 0:
            terms.append(word)
        elif kind == 1:
            terms.append(word[: rng.randint(1, len(word))])
        elif kind == 2:
            start = rng.randint(0, max(0, len(word) - 3))
            terms.append("*" + word[start : start + rng.randint(3, 5)])
        elif kind == 3:
            terms.append(f'"{word} {rng.choice(words)}"')
        else:
            terms.append(word.swapcase())
    return " ".join(terms)


class World:
    """Chats of a few people, with edits, deletions, leaves and an erased user, and what the searcher may see of them."""

    def __init__(self, daemon, rng, n):
        self.daemon = daemon
        self.people = [new_person(daemon) for _ in range(6)]
        self.searcher, erased = self.people[0], self.people[5]
        others = self.people[1:]
        self.groups = [self.searcher.group(f"Group {i}", *others) for i in range(3)]
        self.groups.append(others[0].group("Not the searcher's", others[1]))
        left = others[0].group("Left", self.searcher)
        for _ in range(n // 20):
            sends = [self.send_of(rng, left) for _ in range(20)]
            daemon.sql(
                "select n from send_messages(%s::int8[], %s::int8[], %s::text[], %s::text[])",
                [s for s, _ in sends],
                [r for _, r in sends],
                [text_of(rng) for _ in sends],
                [None] * 20,
            )
        self.searcher.post("/groups/leave_group", {"group_id": left})
        daemon.sql(
            "select edit_message(sender_id, message_id, content || ' edited zebra') from messages"
            " where kind = 't' and message_id %% 17 = 0"
        )
        daemon.sql(
            "select delete_message(sender_id, message_id) from messages"
            " where kind = 't' and message_id %% 13 = 0"
        )
        erased.delete(f"/users/delete_user/{erased.id}")
        wait_for(
            lambda: not daemon.sql("select 1 from messages where sender_id = %s", erased.id)
        )

    def send_of(self, rng, left):
        sender, receiver = rng.sample(self.people, 2)
        group = rng.choice([*self.groups[:3], left, None, None])
        if group == left:
            sender = rng.choice(self.people[:2])
        elif rng.random() < 0.1:
            return rng.choice(self.people[1:3]).id, self.groups[3]
        return sender.id, group or receiver.id

    def visible(self):
        """(message_id, chat's conv_id, sender_id, sent_at, content), the newest first."""
        return self.daemon.sql(
            "select m.message_id, m.conv_id, m.sender_id, m.sent_at, m.content from messages m"
            " join members a on a.conv_id = m.conv_id and a.user_id = %s"
            " where m.kind = 't' and not m.deleted order by m.sent_at desc, m.message_id desc",
            self.searcher.id,
        )


def walk(daemon, user_id, query, conv, sender, link, budget, limit):
    """All pages of search_messages, by the rules of daemon/api/api_search.c. The message_ids."""
    terms = search_model.terms_of(query)
    ids, before, before_id = [], "infinity", 0
    while True:
        rows = daemon.sql(
            "select message_id, sent_at from search_messages(%s, %s, %s::text[], %s::text[], %s, %s,"
            " false, %s, %s, '-infinity', %s, %s)",
            user_id, conv, [k for k, _ in terms], [t for _, t in terms], sender, link, before,
            before_id, limit + 1, budget,
        )  # fmt: skip
        hits, searched_to = rows[:-1], rows[-1][1]
        ids += [row[0] for row in hits[:limit]]
        if len(hits) > limit:
            before_id, before = hits[limit - 1]
        elif searched_to is not None:
            before, before_id = searched_to, 2**63 - 1
        else:
            return ids


def test_a_search_finds_what_reading_every_text_finds(daemon, stopped):
    """Random queries against search_model, with parts of the texts indexed, walked to the end."""
    rng = random.Random(int(os.environ.get("PARLEY_SEED", "7")))
    world = World(daemon, rng, 3000)
    visible = world.visible()
    convs = sorted({row[1] for row in visible})
    senders = sorted({row[2] for row in visible})
    folded = [search_model.fold(row[4]) for row in visible]
    for number in range(QUERIES):
        if number == QUERIES // 3:
            daemon.sql("select search_index(20, '1 day')")
        elif number == QUERIES // 2:
            steps(daemon, datetime.timedelta(0))
        query = query_of(rng)
        terms = search_model.terms_of(query)
        if search(world.searcher, query, limit=1).status_code == 422:
            assert not terms or any(kind == "part" for kind, _ in terms), query
            continue
        conv = rng.choice([None, None, None, *convs])
        sender = rng.choice([None, None, None, *senders])
        link = rng.random() < 0.1
        patterns = [search_model.pattern(*term) for term in terms]
        expected = [
            row[0]
            for row, text in zip(visible, folded)
            if (conv is None or row[1] == conv)
            and (sender is None or row[2] == sender)
            and (not link or search_model.has_link(row[4]))
            and all(p.search(text) for p in patterns)
        ]
        budget, limit = rng.choice([1, 7, 120]), rng.choice([1, 20])
        if limit == 1 and len(expected) > 100:
            limit = 20
        got = walk(daemon, world.searcher.id, query, conv, sender, link, budget, limit)
        incomplete = daemon.sql(
            "select incomplete from search_messages(%s, %s, '{word}', '{x}', null, false, false,"
            " 'infinity', 0, '-infinity', 1, 1)",
            world.searcher.id,
            conv,
        )[-1][0]
        if incomplete:
            assert set(got) <= set(expected), (query, conv, sender, link)
            assert got == [i for i in expected if i in set(got)]
        else:
            assert got == expected, (query, conv, sender, link, budget, limit)


# --- the indexer ---


def test_blocks_that_were_deleted_by_hand_are_built_again(daemon, alice, bob):
    for i in range(200):
        alice.send(bob.id, f"needle {i}")
    blocks = "select count(*) from search_blocks b join members m using (conv_id) where m.user_id = %s"
    wait_for(lambda: daemon.sql(blocks, bob.id)[0][0] > 1)
    daemon.sql("delete from search_blocks")
    wait_for(lambda: len(found(bob, "needle", limit=50)) == 200, what="all are found again")


def test_older_messages_are_indexed_also_where_people_write(daemon, alice, bob, stopped):
    for i in range(300):
        alice.send(bob.id, f"needle {i}")
    steps(daemon)
    daemon.sql("delete from search_blocks")
    head = "select h.from_seq from search_heads h join members m using (conv_id) where m.user_id = %s"
    assert daemon.sql("select search_index(1000, %s)", NEVER)[0][0] > 0
    for _ in range(3):
        alice.send(bob.id, "one more")
        daemon.sql("select search_index(1000, %s)", NEVER)
    assert daemon.sql(head, bob.id) == [(1,)]
    assert len(found(bob, "needle", limit=50)) == 300


def test_a_step_ends_in_time_and_the_next_one_goes_on(daemon, alice, bob, stopped):
    """docs/design.md, "Search": at most one block that takes longer is built in a step."""
    sent = [alice.send(bob.id, f"hay {i}") for i in range(700)]
    steps(daemon)
    for message in sent[0::130]:  # one in each block
        alice.patch(f"/messages/{message['message_id']}", {"content": "needle"})
    time.sleep(0.01)
    mod = "select h.mod from search_heads h join members m using (conv_id) where m.user_id = %s"
    mods = set()
    for _ in range(2000):
        mods.add(daemon.sql(mod, bob.id)[0][0])
        if daemon.sql("select search_index(0, '1 ms')") == [(0,)]:
            break
    assert len(mods) >= 6
    assert len(found(bob, "needle", limit=50)) == 6


def test_rebuild_empties_the_index_and_the_indexer_fills_it(daemon, alice, bob):
    for i in range(300):
        alice.send(bob.id, f"needle {i}")
    assert "builds the index again" in daemon.ctl("search", "rebuild").stdout
    wait_for(lambda: not page(bob, "needle")["incomplete"])
    assert len(found(bob, "needle", limit=50)) == 300
    status = daemon.ctl("search", "status").stdout
    assert "search is ready" in status and "(100 %)" in status


def test_the_status_has_the_lag(daemon, alice, bob, stopped):
    status = daemon.status()["search"]
    assert status["ready"] is True and 0 <= status["percent"] <= 100 and status["behind"] >= 0
    assert "changes behind" in daemon.ctl("status").stdout


def test_a_killed_indexer_is_replaced_and_goes_on(daemon, alice, bob):
    for i in range(3):
        pid = wait_for(lambda: daemon.status()["indexer_pid"])
        daemon.killed += 1
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: daemon.status()["indexer_pid"] not in (0, pid))
        for k in range(40):
            alice.send(bob.id, f"needle {i} {k}")
    sessions = (
        "select count(*) from pg_stat_activity where application_name = 'parley-indexer'"
        " and datname = current_database()"
    )
    wait_for(lambda: daemon.sql(sessions)[0][0] == 1)
    blocks = "select count(*) from search_blocks b join members m using (conv_id) where m.user_id = %s"
    wait_for(lambda: daemon.sql(blocks, bob.id)[0][0] > 0)
    assert len(found(bob, "needle", limit=50)) == 120


def test_the_indexer_waits_for_the_end_of_a_restore(daemon, alice, bob):
    """pg_restore creates the triggers last: until then the indexer stores nothing."""
    alice.send(bob.id, "needle")
    triggers = daemon.sql(
        "select string_agg(pg_get_triggerdef(oid), '; ') from pg_trigger"
        " where tgrelid = 'search_blocks'::regclass"
    )[0][0]
    daemon.sql("drop trigger search_blocks_deleted on search_blocks")
    daemon.sql("drop trigger search_blocks_truncated on search_blocks")
    daemon.sql("drop index search_blocks_terms")
    daemon.sql("delete from search_heads")
    daemon.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'parley-indexer' and datname = current_database()"
    )
    wait_for(lambda: 'why="ERROR:  the database is being restored' in daemon.log())
    assert daemon.sql("select count(*) from search_heads") == [(0,)]
    assert daemon.sql("select to_regclass('search_blocks_terms')") == [(None,)]
    daemon.sql(triggers)
    wait_for(lambda: daemon.sql("select search_ready()") == [(True,)])
    wait_for(lambda: len(found(bob, "needle")) == 1)


def test_an_index_that_is_missing_or_invalid_is_created(daemon, alice, bob):
    """The database of a former version, and an interrupted `create index concurrently`."""
    alice.send(bob.id, "needle")
    daemon.sql("update pg_index set indisvalid = false where indexrelid = 'search_blocks_terms'::regclass")
    problem = expect.problem(search(bob, "needle"), 503, "search_not_ready")
    assert "%" in problem["detail"]
    wait_for(lambda: search(bob, "needle").status_code == 200, what="the index is valid again")
    daemon.sql("drop index search_blocks_terms")
    expect.problem(search(bob, "needle"), 503, "search_not_ready")
    wait_for(lambda: found(bob, "needle") == ["needle"] if search(bob, "x").status_code == 200 else False)


def test_a_search_that_is_turned_off_is_404_and_there_is_no_indexer(cluster):
    for daemon in run_daemon(cluster, search=False):
        alice = new_person(daemon)
        expect.problem(search(alice, "foo"), 404, "no_such_route")
        assert daemon.status()["indexer_pid"] == 0
        alice.close()


# --- bounds ---


def test_a_user_has_five_searches_a_second_and_a_burst_of_twenty(cluster):
    for daemon in run_daemon(cluster, rate_limits=True, workers=1):
        alice, bob = new_person(daemon), new_person(daemon)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            # Not valid, so that none waits for another one.
            answers = list(pool.map(lambda _: search(alice, "").status_code, range(100)))
        assert answers.count(422) >= 20 and answers.count(429) >= 1, answers
        assert search(bob, "foo").status_code == 200
        alice.close()
        bob.close()


def test_a_search_that_is_held_up_delays_no_other_request(cluster):
    """It ends after 2 s; tests/unit/test_store_search.c has the bounds of the queue."""
    for daemon in run_daemon(cluster, rate_limits=False, workers=1):
        alice, bob = new_person(daemon), new_person(daemon)
        assert search(alice, "foo").status_code == 200
        with concurrent.futures.ThreadPoolExecutor(2) as pool, daemon.cluster.connect(
            daemon.database
        ) as db:
            db.execute("begin")
            db.execute("lock table search_heads in access exclusive mode")
            held = pool.submit(search, alice, "foo")
            waits = (
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                " and application_name like 'parleyd worker=0 search'"
            )
            wait_for(lambda: daemon.sql(waits)[0][0] == 1)
            alice.send(bob.id, "meanwhile")
            assert len(bob.history(alice.id)) == 1 and not held.done()
            expect.problem(held.result(), 503, "unavailable")
        wait_for(lambda: found(bob, "meanwhile") == ["meanwhile"])
        alice.close()
        bob.close()
