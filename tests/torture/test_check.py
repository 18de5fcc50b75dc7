"""Each kind of violation, planted in a small ledger that is right, is found by the check that is
there for it, and by no other."""

import copy
import json

import pytest

import check

ANN, BOB, CEM = 1, 2, 3
GROUP, DIRECT = 10, 11
WALL = 1000.0  # the wall clock when the monotonic one was 0


def text(message_id, seq, mod, sender, what, deleted=False):
    return [message_id, seq, mod, "text", sender, what, deleted]


class Story:
    """A ledger and a database that agree, to be spoilt by a test."""

    def __init__(self):
        self.events, self.now = [], 0.0
        self.note("start", wall=WALL, seed="0", grace=10)
        for socket, user in ((1, ANN), (2, BOB), (3, CEM)):
            self.note("open", d=f"{user}.0", s=socket, u=user, k=f"token{socket}")
            self.note("sync", s=socket, after={})
        founding = [[1, 1, 1, "join", ANN, ANN, False], [2, 2, 2, "join", ANN, BOB, False]]
        for socket in (1, 2):
            self.note("page", s=socket, c=GROUP, rows=founding, more=False)
        self.note("watch", s=1, ids=[BOB, CEM])
        self.note("presence", s=1, of=BOB, on=True)
        self.note("presence", s=1, of=CEM, on=True)
        self.say(ANN, 1, "a1", 3, 3, 3)
        self.push(2, GROUP, text(3, 3, 3, ANN, "a1"))
        self.say(BOB, 2, "b1", 4, 4, 4)
        self.push(1, GROUP, text(4, 4, 4, BOB, "b1"))
        self.note("fault", n=1, k="kill_worker")
        self.note("mended", n=1)
        self.note("send", u=ANN, op="edit", id="e1", c=GROUP, via="ws", x="e1", m=3)
        self.ack(ANN, "edit", "e1", GROUP, 3, 3, 5, s=1)
        self.push(2, GROUP, text(3, 3, 5, ANN, "e1"), k="edited")
        self.note("send", u=BOB, op="delete", id="d1", c=GROUP, via="http", x=None, m=4)
        self.ack(BOB, "delete", "d1", GROUP, 4, None, None)
        for socket in (1, 2):
            self.push(socket, GROUP, [4, 4, 6, None, None, None, True], k="deleted")
        self.move("join", CEM)
        for socket in (1, 2, 3):
            self.push(socket, GROUP, [5, 5, 7, "join", ANN, CEM, False])
        rows = [founding[0], founding[1], text(3, 3, 5, ANN, "e1"), text(4, 4, 6, BOB, None, True)]
        self.note("page", s=3, c=GROUP, rows=rows, more=False)
        self.say(ANN, 1, "a2", 6, 6, 8)
        for socket in (2, 3):
            self.push(socket, GROUP, text(6, 6, 8, ANN, "a2"))
        self.move("leave", CEM)
        for socket in (1, 2):
            self.push(socket, GROUP, [7, 7, 9, "leave", ANN, CEM, False])
        self.note("removed", s=3, c=GROUP, forgot=True)
        self.say(ANN, 1, "a3", 8, 8, 10)
        self.push(2, GROUP, text(8, 8, 10, ANN, "a3"))
        self.say(ANN, 1, "p1", 9, 1, 1, chat=BOB)
        self.push(2, ANN, text(9, 1, 1, ANN, "p1"))
        self.note("read", u=BOB, c=ANN, rows=[text(9, 1, 1, ANN, "p1")])
        self.note("open", d=f"{CEM}.1", s=5, u=CEM, k="token5")
        self.note("logout", k="token5")
        self.note("ended", k="token5")
        self.note("close", s=5, code=4501)
        self.now += 5
        self.note("quiet")
        self.note("settle")
        self.now += 12
        self.note("end")
        for socket in (1, 2, 3):
            self.note("close", s=socket, code=1000)
        at = self.committed_at
        self.rows = [
            {"conv": [GROUP, "g", None, None, 8, 10]},
            {"conv": [DIRECT, "d", ANN, BOB, 1, 1]},
            *(
                {"member": pair}
                for pair in ([GROUP, ANN], [GROUP, BOB], [DIRECT, ANN], [DIRECT, BOB])
            ),
            {"message": [1, GROUP, 1, 1, ANN, "j", None, ANN, None, WALL - 5, None, False]},
            {"message": [2, GROUP, 2, 2, ANN, "j", None, BOB, None, WALL - 5, None, False]},
            {"message": [3, GROUP, 3, 5, ANN, "t", "e1", None, "a1", at("a1"), at("e1"), False]},
            {"message": [4, GROUP, 4, 6, BOB, "t", None, None, "b1", at("b1"), None, True]},
            {"message": [5, GROUP, 5, 7, ANN, "j", None, CEM, None, at(f"join{CEM}"), None, False]},
            {"message": [6, GROUP, 6, 8, ANN, "t", "a2", None, "a2", at("a2"), None, False]},
            {
                "message": [
                    7,
                    GROUP,
                    7,
                    9,
                    ANN,
                    "l",
                    None,
                    CEM,
                    None,
                    at(f"leave{CEM}"),
                    None,
                    False,
                ]
            },
            {"message": [8, GROUP, 8, 10, ANN, "t", "a3", None, "a3", at("a3"), None, False]},
            {"message": [9, DIRECT, 1, 1, ANN, "t", "p1", None, "p1", at("p1"), None, False]},
        ]

    # --- writing it ---

    def note(self, event, **fields):
        self.now += 0.01
        self.events.append({"t": self.now, "e": event, **fields})

    def ack(self, user, op, name, chat, m, q, v, **more):
        self.note(
            "ack", u=user, op=op, id=name, c=chat, via="ws", m=m, q=q, v=v, **{"dup": False, **more}
        )

    def say(self, user, socket, name, m, q, v, chat=GROUP):
        self.note("send", u=user, op="send", id=name, c=chat, via="ws", x=name)
        self.ack(user, "send", name, chat, m, q, v, s=socket)

    def move(self, op, user):
        name = f"{op}{user}"
        self.note("send", u=ANN, op=op, id=name, c=GROUP, via="http", x=user)
        self.ack(ANN, op, name, GROUP, None, None, None)

    def push(self, socket, chat, row, k="message"):
        self.note("push", s=socket, k=k, c=chat, row=row)

    def committed_at(self, name):
        """On the wall clock: just after it was sent."""
        return WALL + 0.005 + self.event("send", id=name)["t"]

    # --- spoiling it ---

    def event(self, kind, **fields):
        return self.events[self.place(kind, **fields)]

    def place(self, kind, **fields):
        """Where the one event of this kind with these fields stands; a row goes by its message."""
        found = [
            n
            for n, event in enumerate(self.events)
            if event["e"] == kind
            and all(
                event["row"][0] == value if key == "message" else event.get(key) == value
                for key, value in fields.items()
            )
        ]
        assert len(found) == 1, f"{len(found)} events {kind} {fields}"
        return found[0]

    def drop(self, kind, **fields):
        del self.events[self.place(kind, **fields)]

    def insert(self, after, event, **fields):
        """An event right behind the one at this place."""
        t = self.events[after]["t"]
        self.events.insert(after + 1, {"t": t, "e": event, **fields})

    def message(self, message_id):
        return next(row["message"] for row in self.rows if row.get("message", [0])[0] == message_id)

    def judged(self):
        database = check.Database([json.dumps(row) for row in self.rows])
        checker = check.Checker(database)
        checker.run([json.dumps(event) for event in self.events])
        return checker


@pytest.fixture
def story():
    return Story()


def found(story):
    report = story.judged().report
    return {name for name in check.CHECKS if report.violations[name]}


def test_a_ledger_in_which_all_is_right_passes_every_check(story):
    assert story.judged().report.failed() == []


def test_a_run_in_which_nothing_happened_proves_nothing():
    report = check.Checker(check.Database([])).run([])
    assert set(report.failed()) == set(check.CHECKS) - {"daemon"}


def test_an_acknowledged_message_that_is_not_stored_is_found(story):
    story.say(ANN, 1, "lost", 99, 9, 11)
    assert "acknowledged" in found(story)


def test_an_acknowledged_edit_that_is_not_stored_is_found(story):
    story.message(3)[6] = "other"
    assert "acknowledged" in found(story)


def test_an_acknowledged_delete_that_is_undone_is_found(story):
    story.message(4)[11] = False
    assert "acknowledged" in found(story)


def test_an_acknowledgement_with_another_seq_is_found(story):
    story.event("ack", id="a3")["q"] = 9
    assert "acknowledged" in found(story)


def test_two_answers_to_one_client_id_are_found(story):
    again = story.event("ack", id="a3")
    story.events.append({**again, "t": story.now, "m": 6, "q": 6, "dup": True})
    assert "once" in found(story)


def test_a_client_id_that_is_stored_twice_is_found(story):
    story.message(8)[8] = "a2"
    assert "once" in found(story)


def test_a_gap_in_seq_is_found(story):
    story.rows[0]["conv"][4] = 9
    assert found(story) == {"gapless"}


def test_a_seq_that_stands_twice_is_found(story):
    story.message(8)[2] = 7
    assert "gapless" in found(story)


def test_a_mod_that_stands_twice_is_found(story):
    story.message(1)[3] = 2
    assert "gapless" in found(story)


def test_a_member_who_was_never_shown_a_message_is_found(story):
    story.drop("push", s=2, message=8)
    assert found(story) == {"view"}


def test_a_member_who_was_shown_only_the_version_before_the_edit_is_found(story):
    story.drop("push", s=2, message=3, k="edited")
    assert found(story) == {"view", "told"}


def test_a_message_left_out_between_two_pushes_without_a_resync_is_found(story):
    story.drop("push", s=1, message=5)
    assert found(story) == {"view", "told"}


def test_what_was_left_out_may_come_by_a_sync_after_a_resync(story):
    row = story.event("push", s=1, message=5)["row"]
    place = story.place("push", s=1, message=5)
    story.events[place] = {"t": story.events[place]["t"], "e": "resync", "s": 1}
    story.insert(place, "page", s=1, c=GROUP, rows=[row], more=False)
    assert found(story) == set()


def test_a_later_send_with_a_smaller_seq_is_found(story):
    a2, a3 = story.message(6), story.message(8)
    a2[2], a3[2] = 8, 6
    for event in story.events:
        if event.get("id") in ("a2", "a3") and event["e"] == "ack":
            event["q"] = {"a2": 8, "a3": 6}[event["id"]]
        if event["e"] == "push" and event["row"][0] in (6, 8):
            event["row"][1] = {6: 8, 8: 6}[event["row"][0]]
    assert "order" in found(story)


def test_a_send_that_is_repeated_after_its_ack_keeps_its_place(story):
    send, ack = story.event("send", id="a2"), story.event("ack", id="a2")
    t = story.event("settle")["t"]
    place = story.place("settle")
    story.events[place:place] = [{**send, "t": t}, {**ack, "t": t, "dup": True}]
    assert found(story) == set()


def test_a_push_of_what_is_not_in_the_database_is_found(story):
    story.insert(
        story.place("settle"), "push", s=2, k="message", c=GROUP, row=text(77, 9, 11, ANN, "a9")
    )
    assert found(story) == {"committed"}


def test_a_push_with_a_mod_that_was_never_given_out_is_found(story):
    story.event("push", s=2, message=8)["row"][2] = 11
    assert "committed" in found(story)


def test_a_push_with_other_words_than_the_stored_ones_is_found(story):
    story.event("push", s=2, message=8)["row"][5] = "a2"
    assert found(story) == {"committed"}


def test_one_mod_for_two_messages_is_found(story):
    story.event("push", s=2, message=3, k="message")["row"][2] = 4
    assert "committed" in found(story)


def test_a_push_to_one_who_has_left_is_found(story):
    row = story.event("push", s=2, message=8)["row"]
    story.insert(story.place("push", s=2, message=8), "push", s=3, k="message", c=GROUP, row=row)
    assert "leak" in found(story)


def test_a_push_of_the_leave_itself_to_the_one_who_left_is_found(story):
    row = story.event("push", s=2, message=7)["row"]
    story.insert(story.place("push", s=2, message=7), "push", s=3, k="message", c=GROUP, row=row)
    assert found(story) == {"leak"}


def test_a_sync_that_tells_a_non_member_is_found(story):
    row = story.event("push", s=2, message=8)["row"]
    story.insert(story.place("push", s=2, message=8), "page", s=3, c=GROUP, rows=[row], more=False)
    assert found(story) == {"leak"}


def test_a_direct_message_shown_to_a_third_is_found(story):
    story.insert(
        story.place("settle"), "push", s=3, k="message", c=ANN, row=text(9, 1, 1, ANN, "p1")
    )
    assert "committed" in found(story)  # for them there is no such chat


def test_a_push_that_comes_twice_is_found(story):
    place = story.place("push", s=2, message=8)
    story.events.insert(place + 1, copy.deepcopy(story.events[place]))
    assert found(story) == {"pushes"}


def test_pushes_in_the_wrong_order_are_found(story):
    one, other = story.place("push", s=2, message=6), story.place("push", s=2, message=7)
    story.events[one]["row"], story.events[other]["row"] = (
        story.events[other]["row"],
        story.events[one]["row"],
    )
    assert "pushes" in found(story)


def test_a_member_whose_join_was_acknowledged_and_who_is_none_is_found(story):
    story.drop("send", op="leave")
    story.drop("ack", op="leave")
    story.message(7)[9] = story.message(6)[9]
    assert "members" in found(story)


def test_members_that_do_not_follow_from_joins_and_leaves_are_found(story):
    story.rows.append({"member": [GROUP, 4]})
    assert "members" in found(story)


def test_a_refused_join_is_found(story):
    story.insert(story.place("settle"), "refused", u=ANN, op="join", id="x", code="no_such_group")
    assert found(story) == {"members"}


def test_a_message_by_one_who_had_left_is_found(story):
    story.message(8)[4] = CEM
    assert "authors" in found(story)


def test_one_who_is_gone_and_shown_online_is_found(story):
    story.events.insert(
        story.place("settle"), {**story.event("close", s=2), "t": story.event("settle")["t"]}
    )
    del story.events[
        [n for n, e in enumerate(story.events) if e["e"] == "close" and e["s"] == 2][1]
    ]
    assert found(story) == {"presence"}


def test_one_who_is_there_and_shown_offline_is_found(story):
    story.insert(story.place("settle"), "presence", s=1, of=CEM, on=False)
    assert found(story) == {"presence"}


def test_one_who_is_shown_offline_for_a_moment_and_was_there_is_found(story):
    story.insert(story.place("quiet"), "presence", s=1, of=CEM, on=False)
    story.insert(story.place("settle"), "presence", s=1, of=CEM, on=True)
    assert found(story) == {"presence"}


def test_one_who_is_shown_offline_before_the_grace_is_over_is_found(story):
    place = story.place("settle")
    story.insert(place, "close", s=3, code=1006)
    story.insert(place + 1, "presence", s=1, of=CEM, on=False)
    story.events = [e for e in story.events if e["e"] != "close" or e["s"] != 3 or e["code"] == 1006]
    assert found(story) == {"presence"}


def test_one_who_is_there_in_quiet_times_and_not_shown_so_is_found(story):
    story.drop("presence", s=1, of=CEM)
    story.insert(story.place("settle"), "presence", s=1, of=CEM, on=True)
    assert found(story) == {"presence"}


def test_a_delivery_long_after_the_last_fault_is_found(story):
    for event in story.events[story.place("push", s=2, message=8) :]:
        event["t"] += check.PROMISE_S + 0.1
    assert found(story) == {"timely"}


def delay(story, place, seconds):
    for event in story.events[place:]:
        event["t"] += seconds


def test_a_delivery_that_a_fault_held_up_is_not_late(story):
    place = story.place("push", s=2, message=8)
    story.insert(place - 1, "fault", n=2, k="stop_worker")
    delay(story, place + 1, 9)
    t = story.events[place + 1]["t"]
    story.events.insert(place + 1, {"t": t, "e": "mended", "n": 2})
    assert found(story) == set()


def kill(story, number, t):
    """A kill at that time, over at once."""
    at = next(n for n, event in enumerate(story.events) if event["t"] > t)
    story.events[at:at] = [
        {"t": t, "e": "fault", "n": number, "k": "kill_worker"},
        {"t": t, "e": "mended", "n": number},
    ]


def test_a_kill_excuses_two_seconds(story):
    place = story.place("push", s=2, message=8)
    t = story.events[place]["t"]
    delay(story, place, 3.5)
    kill(story, 2, t + 1.9)
    assert found(story) == set()


def test_kills_that_follow_each_other_excuse_no_more_than_the_first(story):
    place = story.place("push", s=2, message=8)
    t = story.events[place]["t"]
    delay(story, place, 6)
    for number, seconds in ((2, 1.9), (3, 3.5), (4, 5)):
        kill(story, number, t + seconds)
    assert found(story) == {"timely"}


def test_a_delay_while_the_clients_stood_still_is_not_the_servers(story):
    place = story.place("push", s=2, message=8)
    delay(story, place, 3)
    story.events.insert(place, {"t": story.events[place]["t"], "e": "lag", "s": 1.5})
    assert found(story) == set()


def test_a_socket_that_is_closed_long_after_its_token_ended_is_found(story):
    delay(story, story.place("close", s=5), check.PROMISE_S + 0.1)
    assert found(story) == {"tokens"}


def test_a_socket_that_is_never_closed_after_its_token_ended_is_found(story):
    story.drop("close", s=5)
    story.events.append({"t": story.now, "e": "close", "s": 5, "code": 1000})
    assert "tokens" in found(story)


def test_a_push_long_after_the_end_of_the_token_is_found(story):
    story.events[story.place("open", s=2)]["k"] = "token5"
    story.now = story.event("settle")["t"]
    row = [10, 9, 11, "join", ANN, ANN, False]
    story.insert(story.place("quiet"), "push", s=2, k="message", c=GROUP, row=row)
    assert "tokens" in found(story)


def test_a_socket_that_opens_long_after_its_token_ended_is_found(story):
    story.insert(story.place("quiet"), "open", d=f"{CEM}.2", s=6, u=CEM, k="token5")
    assert "tokens" in found(story)


def test_a_message_that_an_open_socket_never_got_is_late_when_the_next_socket_gets_it(story):
    row = story.event("push", s=2, message=8)["row"]
    place = story.place("push", s=2, message=8)
    for event in story.events[place:]:
        event["t"] += check.PROMISE_S + 0.1
    t = story.events[place]["t"]
    about = {"d": f"{BOB}.0", "u": BOB, "k": "token4"}
    story.events[place : place + 1] = [
        {"t": t, "e": "close", "s": 2, "code": 1006},
        {"t": t, "e": "open", "s": 4, **about},
        {"t": t, "e": "page", "s": 4, "c": GROUP, "rows": [row], "more": False},
    ]
    for event in story.events[place + 3 :]:
        if event.get("s") == 2:
            event["s"] = 4
    assert found(story) == {"timely"}


def test_a_complaint_of_the_daemon_is_found(story):
    story.note("complaint", text="assertion failed")
    assert found(story) == {"daemon"}


def test_the_neighbourhood_of_a_violation_is_printed(story, tmp_path, capsys):
    place = story.place("push", s=2, message=8)
    story.events.insert(place + 1, copy.deepcopy(story.events[place]))
    paths = [tmp_path / "ledger", tmp_path / "database"]
    for path, lines in zip(paths, (story.events, story.rows)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert check.main([str(path) for path in paths]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith(f"{len(check.CHECKS) - 1} passed, 1 failed\n")
    assert f"line {place + 2}: mod 10 was pushed after mod 10" in printed
    assert (
        f"{place + 2}> " in printed
        and '"op":"send"' not in printed.split(f"{place + 2}> ")[0][-200:]
    )


def test_a_newcomer_may_read_what_was_said_before_in_pieces_but_not_before_they_came(story):
    page = story.event("page", s=3)
    assert max(row[2] for row in page["rows"]) < 7  # the join stands in a later piece
    assert found(story) == set()
    story.insert(
        story.place("ack", op="delete"), "page", s=3, c=GROUP, rows=page["rows"], more=True
    )
    assert found(story) == {"leak"}
