"""check.py finds each kind of violation that is inserted into a small correct ledger."""

import copy
import json

import pytest

import check

ANN, BOB, CEM = 1, 2, 3
GROUP, DIRECT = 10, 11
WALL = 1000.0  # the wall clock when the monotonic one was 0


def text(message_id, seq, mod, sender, what, deleted=False, reply=(None, None)):
    return [message_id, seq, mod, "text", sender, what, deleted, *reply]


def system(message_id, seq, mod, kind, sender, target):
    return [message_id, seq, mod, kind, sender, target, False, None, None]


def deletion(message_id, seq, mod):
    """What a `deleted` frame has."""
    return [message_id, seq, mod, None, None, None, True, None, None]


class Run:
    """A ledger and a database without violations, for a test to modify."""

    def __init__(self):
        self.events, self.now = [], 0.0
        self.note("start", wall=WALL, seed="0", grace=10)
        for socket, user in ((1, ANN), (2, BOB), (3, CEM)):
            self.note("open", d=f"{user}.0", s=socket, u=user, k=f"token{socket}")
            self.note("sync", s=socket, after={})
        founding = [system(1, 1, 1, "join", ANN, ANN), system(2, 2, 2, "join", ANN, BOB)]
        for socket in (1, 2):
            self.note("page", s=socket, c=GROUP, rows=founding, more=False)
        self.note("watch", s=1, ids=[BOB, CEM])
        self.note("presence", s=1, of=BOB, on=True)
        self.note("presence", s=1, of=CEM, on=True)
        self.send(ANN, 1, "a1", 3, 3, 3)
        self.push(2, GROUP, text(3, 3, 3, ANN, "a1"))
        self.send(BOB, 2, "b1", 4, 4, 4)
        self.push(1, GROUP, text(4, 4, 4, BOB, "b1"))
        self.note("fault", n=1, k="kill_worker")
        self.note("repaired", n=1)
        self.note("send", u=ANN, op="edit", id="e1", c=GROUP, via="ws", x="e1", m=3)
        self.ack(ANN, "edit", "e1", GROUP, 3, 3, 5, s=1)
        self.push(2, GROUP, text(3, 3, 5, ANN, "e1"), k="edited")
        self.note("send", u=BOB, op="delete", id="d1", c=GROUP, via="http", x=None, m=4)
        self.ack(BOB, "delete", "d1", GROUP, 4, None, None)
        for socket in (1, 2):
            self.push(socket, GROUP, deletion(4, 4, 6), k="deleted")
        self.move("join", CEM)
        for socket in (1, 2, 3):
            self.push(socket, GROUP, system(5, 5, 7, "join", ANN, CEM))
        rows = [founding[0], founding[1], text(3, 3, 5, ANN, "e1"), text(4, 4, 6, BOB, None, True)]
        self.note("page", s=3, c=GROUP, rows=rows, more=False)
        self.send(ANN, 1, "a2", 6, 6, 8)
        for socket in (2, 3):
            self.push(socket, GROUP, text(6, 6, 8, ANN, "a2"))
        self.move("leave", CEM)
        for socket in (1, 2):
            self.push(socket, GROUP, system(7, 7, 9, "leave", ANN, CEM))
        self.note("removed", s=3, c=GROUP, forgot=True)
        self.send(ANN, 1, "a3", 8, 8, 10, r=3)
        self.push(2, GROUP, text(8, 8, 10, ANN, "a3", reply=(3, 3)))
        self.send(ANN, 1, "p1", 9, 1, 1, chat=BOB)
        self.push(2, ANN, text(9, 1, 1, ANN, "p1"))
        self.note("read", u=BOB, c=ANN, rows=[text(9, 1, 1, ANN, "p1")])
        self.react(BOB, 2, "r1", 2)
        self.mark(1, 2, [BOB, "👍", True])
        self.react(ANN, 1, "r2", 3)
        self.mark(2, 3, [ANN, "👍", True])
        self.react(ANN, 1, "r3", 4, on=False)
        self.mark(2, 4, [ANN, "👍", False])
        for socket in (1, 2):
            self.mark(socket, 5, [BOB, None, True], k="pinned")
        self.note("open", d=f"{CEM}.1", s=5, u=CEM, k="token5")
        self.note("logout", k="token5")
        self.note("revoked", k="token5")
        self.note("close", s=5, code=4501)
        self.now += 5
        self.note("quiet")
        self.note("quiesce")
        self.now += 12
        self.note("end")
        for socket in (1, 2, 3):
            self.note("close", s=socket, code=1000)
        at = self.committed_at
        self.rows = [
            {"conv": [GROUP, "g", None, None, 8, 10]},
            {"conv": [DIRECT, "d", ANN, BOB, 1, 5]},
            *(
                {"member": pair}
                for pair in ([GROUP, ANN], [GROUP, BOB], [DIRECT, ANN], [DIRECT, BOB])
            ),
            {"message": [1, GROUP, 1, 1, ANN, "j", None, ANN, None, WALL - 5, None, False, None, None]},
            {"message": [2, GROUP, 2, 2, ANN, "j", None, BOB, None, WALL - 5, None, False, None, None]},
            {"message": [3, GROUP, 3, 5, ANN, "t", "e1", None, "a1", at("a1"), at("e1"), False, None, None]},
            {"message": [4, GROUP, 4, 6, BOB, "t", None, None, "b1", at("b1"), None, True, None, None]},
            {"message": [5, GROUP, 5, 7, ANN, "j", None, CEM, None, at(f"join{CEM}"), None, False, None, None]},
            {"message": [6, GROUP, 6, 8, ANN, "t", "a2", None, "a2", at("a2"), None, False, None, None]},
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
                    None,
                    None,
                ]
            },
            {"message": [8, GROUP, 8, 10, ANN, "t", "a3", None, "a3", at("a3"), None, False, 3, 3]},
            {"replied": [3, 1]},
            {
                "message": [
                    *[9, DIRECT, 1, 5, ANN, "t", "p1", None, "p1", at("p1"), None, False, None, None],
                    *[True, True],
                ]
            },
            {"reaction": [9, BOB, "👍"]},
        ]

    # --- writing ---

    def note(self, event, **fields):
        self.now += 0.01
        self.events.append({"t": self.now, "e": event, **fields})

    def ack(self, user, op, name, chat, m, q, v, **more):
        self.note(
            "ack", u=user, op=op, id=name, c=chat, via="ws", m=m, q=q, v=v, **{"dup": False, **more}
        )

    def send(self, user, socket, name, m, q, v, chat=GROUP, r=None):
        self.note("send", u=user, op="send", id=name, c=chat, via="ws", x=name, r=r)
        self.ack(user, "send", name, chat, m, q, v, s=socket)

    def react(self, user, socket, name, v, on=True):
        """To the direct message."""
        chat = BOB if user == ANN else ANN
        self.note("send", u=user, op="react", id=name, c=chat, via="ws", x=["👍", on], m=9)
        self.ack(user, "react", name, chat, 9, 1, v, s=socket)

    def mark(self, socket, v, mark, k="reaction"):
        chat = {1: BOB, 2: ANN}[socket]
        self.note("mark", s=socket, k=k, c=chat, row=[9, 1, v], mark=mark)

    def move(self, op, user):
        name = f"{op}{user}"
        self.note("send", u=ANN, op=op, id=name, c=GROUP, via="http", x=user)
        self.ack(ANN, op, name, GROUP, None, None, None)

    def push(self, socket, chat, row, k="message"):
        self.note("push", s=socket, k=k, c=chat, row=row)

    def committed_at(self, name):
        """The wall clock of the commit: just after the send."""
        return WALL + 0.005 + self.event("send", id=name)["t"]

    # --- modifying ---

    def event(self, kind, **fields):
        return self.events[self.place(kind, **fields)]

    def place(self, kind, **fields):
        """The index of the only event of this kind with these fields; message is the row's."""
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
        """Inserts an event after the one at this index."""
        t = self.events[after]["t"]
        self.events.insert(after + 1, {"t": t, "e": event, **fields})

    def message(self, message_id):
        return next(row["message"] for row in self.rows if row.get("message", [0])[0] == message_id)

    def checked(self):
        database = check.Database([json.dumps(row) for row in self.rows])
        checker = check.Checker(database)
        checker.run([json.dumps(event) for event in self.events])
        return checker


@pytest.fixture
def run():
    return Run()


def found(run):
    report = run.checked().report
    return {name for name in check.CHECKS if report.violations[name]}


def test_a_correct_ledger_passes_every_check(run):
    assert run.checked().report.failed() == []


def test_a_run_without_events_fails():
    report = check.Checker(check.Database([])).run([])
    assert set(report.failed()) == set(check.CHECKS) - {"daemon"}


def test_an_acknowledged_message_that_is_not_stored_is_found(run):
    run.send(ANN, 1, "lost", 99, 9, 11)
    assert "acknowledged" in found(run)


def test_an_acknowledged_reply_that_is_stored_as_none_is_found(run):
    run.message(8)[12:] = [None, None]
    assert "acknowledged" in found(run)


def test_a_reply_that_was_pushed_without_its_quote_is_found(run):
    run.event("push", message=8)["row"][7] = None
    assert found(run) == {"committed"}


@pytest.mark.parametrize("reply", [(99, 99), (9, 9), (8, 8), (5, 5), (3, 4)], ids=str)
def test_a_reply_to_no_earlier_text_or_of_another_thread_is_found(run, reply):
    run.message(8)[12:] = reply
    assert "replies" in found(run)


@pytest.mark.parametrize("n", [0, 2])
def test_a_wrong_number_of_replies_is_found(run, n):
    next(row for row in run.rows if "replied" in row)["replied"][1] = n
    assert found(run) == {"replies"}


def test_an_acknowledged_edit_that_is_not_stored_is_found(run):
    run.message(3)[6] = "other"
    assert "acknowledged" in found(run)


def test_an_acknowledged_delete_that_is_not_stored_is_found(run):
    run.message(4)[11] = False
    assert "acknowledged" in found(run)


def test_an_acknowledgement_with_another_seq_is_found(run):
    run.event("ack", id="a3")["q"] = 9
    assert "acknowledged" in found(run)


def test_two_answers_to_one_client_id_are_found(run):
    again = run.event("ack", id="a3")
    run.events.append({**again, "t": run.now, "m": 6, "q": 6, "dup": True})
    assert "once" in found(run)


def test_a_client_id_that_is_stored_twice_is_found(run):
    run.message(8)[8] = "a2"
    assert "once" in found(run)


def test_a_gap_in_seq_is_found(run):
    run.rows[0]["conv"][4] = 9
    assert found(run) == {"gapless"}


def test_a_duplicate_seq_is_found(run):
    run.message(8)[2] = 7
    assert "gapless" in found(run)


def test_a_duplicate_mod_is_found(run):
    run.message(1)[3] = 2
    assert "gapless" in found(run)


def test_a_message_that_a_member_never_received_is_found(run):
    run.drop("push", s=2, message=8)
    assert found(run) == {"view"}


def test_an_edit_that_a_member_never_received_is_found(run):
    run.drop("push", s=2, message=3, k="edited")
    assert found(run) == {"view", "gaps"}


def test_a_gap_between_pushes_without_a_resync_is_found(run):
    run.drop("push", s=1, message=5)
    assert found(run) == {"view", "gaps"}


def test_a_gap_that_is_filled_by_a_sync_after_a_resync_is_accepted(run):
    row = run.event("push", s=1, message=5)["row"]
    place = run.place("push", s=1, message=5)
    run.events[place] = {"t": run.events[place]["t"], "e": "resync", "s": 1}
    run.insert(place, "page", s=1, c=GROUP, rows=[row], more=False)
    assert found(run) == set()


def test_a_later_send_with_a_smaller_seq_is_found(run):
    a2, a3 = run.message(6), run.message(8)
    a2[2], a3[2] = 8, 6
    for event in run.events:
        if event.get("id") in ("a2", "a3") and event["e"] == "ack":
            event["q"] = {"a2": 8, "a3": 6}[event["id"]]
        if event["e"] == "push" and event["row"][0] in (6, 8):
            event["row"][1] = {6: 8, 8: 6}[event["row"][0]]
    assert "order" in found(run)


def test_a_send_that_is_repeated_after_its_ack_is_accepted(run):
    send, ack = run.event("send", id="a2"), run.event("ack", id="a2")
    t = run.event("quiesce")["t"]
    place = run.place("quiesce")
    run.events[place:place] = [{**send, "t": t}, {**ack, "t": t, "dup": True}]
    assert found(run) == set()


def test_a_push_of_an_unstored_message_is_found(run):
    run.insert(
        run.place("quiesce"), "push", s=2, k="message", c=GROUP, row=text(77, 9, 11, ANN, "a9")
    )
    assert found(run) == {"committed"}


def test_a_push_with_an_unused_mod_is_found(run):
    run.event("push", s=2, message=8)["row"][2] = 11
    assert "committed" in found(run)


def test_a_push_with_another_content_is_found(run):
    run.event("push", s=2, message=8)["row"][5] = "a2"
    assert found(run) == {"committed"}


def test_one_mod_for_two_messages_is_found(run):
    run.event("push", s=2, message=3, k="message")["row"][2] = 4
    assert "committed" in found(run)


def test_a_push_to_a_former_member_is_found(run):
    row = run.event("push", s=2, message=8)["row"]
    run.insert(run.place("push", s=2, message=8), "push", s=3, k="message", c=GROUP, row=row)
    assert "leak" in found(run)


def test_a_push_of_a_leave_to_its_user_is_found(run):
    row = run.event("push", s=2, message=7)["row"]
    run.insert(run.place("push", s=2, message=7), "push", s=3, k="message", c=GROUP, row=row)
    assert found(run) == {"leak"}


def test_a_sync_to_a_former_member_is_found(run):
    row = run.event("push", s=2, message=8)["row"]
    run.insert(run.place("push", s=2, message=8), "page", s=3, c=GROUP, rows=[row], more=False)
    assert found(run) == {"leak"}


def test_a_direct_message_to_a_third_user_is_found(run):
    run.insert(
        run.place("quiesce"), "push", s=3, k="message", c=ANN, row=text(9, 1, 1, ANN, "p1")
    )
    assert "committed" in found(run)  # this user has no such chat


def test_a_duplicate_push_is_found(run):
    place = run.place("push", s=2, message=8)
    run.events.insert(place + 1, copy.deepcopy(run.events[place]))
    assert found(run) == {"pushes"}


def test_pushes_out_of_order_are_found(run):
    one, other = run.place("push", s=2, message=6), run.place("push", s=2, message=7)
    run.events[one]["row"], run.events[other]["row"] = (
        run.events[other]["row"],
        run.events[one]["row"],
    )
    assert "pushes" in found(run)


def test_an_acknowledged_join_that_is_not_stored_is_found(run):
    run.drop("send", op="leave")
    run.drop("ack", op="leave")
    run.message(7)[9] = run.message(6)[9]
    assert "members" in found(run)


def test_a_member_without_a_join_is_found(run):
    run.rows.append({"member": [GROUP, 4]})
    assert "members" in found(run)


def test_a_rejected_join_is_found(run):
    run.insert(run.place("quiesce"), "refused", u=ANN, op="join", id="x", code="no_such_group")
    assert found(run) == {"members"}


def test_a_message_by_a_former_member_is_found(run):
    run.message(8)[4] = CEM
    assert "authors" in found(run)


def test_a_disconnected_user_who_is_shown_online_is_found(run):
    run.events.insert(
        run.place("quiesce"), {**run.event("close", s=2), "t": run.event("quiesce")["t"]}
    )
    del run.events[
        [n for n, e in enumerate(run.events) if e["e"] == "close" and e["s"] == 2][1]
    ]
    assert found(run) == {"presence"}


def test_a_connected_user_who_is_shown_offline_is_found(run):
    run.insert(run.place("quiesce"), "presence", s=1, of=CEM, on=False)
    assert found(run) == {"presence"}


def test_a_connected_user_who_is_briefly_shown_offline_is_found(run):
    run.insert(run.place("quiet"), "presence", s=1, of=CEM, on=False)
    run.insert(run.place("quiesce"), "presence", s=1, of=CEM, on=True)
    assert found(run) == {"presence"}


def test_a_user_who_is_shown_offline_within_the_grace_is_found(run):
    place = run.place("quiesce")
    run.insert(place, "close", s=3, code=1006)
    run.insert(place + 1, "presence", s=1, of=CEM, on=False)
    run.events = [e for e in run.events if e["e"] != "close" or e["s"] != 3 or e["code"] == 1006]
    assert found(run) == {"presence"}


def test_a_new_master_has_no_grace_for_the_sockets_of_the_former(run):
    """The client may notice their end after the new master serves."""
    run.drop("close", s=2)
    at = run.place("quiet")
    run.insert(at, "presence", s=1, of=BOB, on=False)
    run.insert(at, "close", s=2, code=1006)
    run.insert(at, "repaired", n=2)
    run.insert(at, "fault", n=2, k="kill_master")
    assert found(run) == set()


def test_a_connected_user_who_is_not_shown_when_quiet_is_found(run):
    run.drop("presence", s=1, of=CEM)
    run.insert(run.place("quiesce"), "presence", s=1, of=CEM, on=True)
    assert found(run) == {"presence"}


def test_a_late_delivery_without_a_fault_is_found(run):
    for event in run.events[run.place("push", s=2, message=8) :]:
        event["t"] += check.PROMISE_S + 0.1
    assert found(run) == {"timely"}


def delay(run, place, seconds):
    for event in run.events[place:]:
        event["t"] += seconds


def delay_by_fault(run, kind, seconds):
    """A fault of this length delays a delivery, which follows at once."""
    place = run.place("push", s=2, message=8)
    run.insert(place - 1, "fault", n=2, k=kind)
    delay(run, place + 1, seconds)
    t = run.events[place + 1]["t"]
    run.events.insert(place + 1, {"t": t, "e": "repaired", "n": 2})


@pytest.mark.parametrize("kind", ["stop_worker", "fail_over", "freeze_connections"])
def test_a_delivery_delayed_by_a_fault_is_accepted(run, kind):
    delay_by_fault(run, kind, 9)
    assert found(run) == set()


def test_frozen_connections_excuse_no_more_than_twelve_seconds(run):
    delay_by_fault(run, "freeze_connections", 12.5)
    assert found(run) == {"timely"}


@pytest.mark.parametrize("kind", ["fail_over", "freeze_connections"])
def test_a_delivery_long_after_a_fault_is_late(run, kind):
    place = run.place("push", s=2, message=8)
    run.insert(place - 1, "repaired", n=2)
    run.insert(place - 1, "fault", n=2, k=kind)
    delay(run, place + 2, check.PROMISE_S + 0.1)
    assert found(run) == {"timely"}


def reset(run, rows):
    """Bob's socket loses what it has of the group, and syncs these rows."""
    at = run.place("quiet")
    run.insert(at, "page", s=2, c=GROUP, rows=rows, more=False)
    run.insert(at, "reset", s=2, c=GROUP)


FINAL = [
    system(1, 1, 1, "join", ANN, ANN),
    system(2, 2, 2, "join", ANN, BOB),
    text(3, 3, 5, ANN, "e1"),
    text(4, 4, 6, BOB, None, True),
    system(5, 5, 7, "join", ANN, CEM),
    text(6, 6, 8, ANN, "a2"),
    system(7, 7, 9, "leave", ANN, CEM),
    text(8, 8, 10, ANN, "a3", reply=(3, 3)),
]


def fail_over(run):
    run.insert(run.place("fault", n=1), "repaired", n=2)
    run.insert(run.place("fault", n=1), "fault", n=2, k="fail_over")


def test_a_reset_after_a_failover_is_accepted(run):
    fail_over(run)
    reset(run, FINAL)
    assert found(run) == set()


def test_a_reset_after_which_a_message_is_not_sent_again_is_found(run):
    fail_over(run)
    reset(run, FINAL[:-1])
    assert found(run) == {"view"}


def test_a_reset_without_a_failover_is_found(run):
    reset(run, FINAL)
    assert found(run) == {"daemon"}


def kill(run, number, t):
    """Inserts a kill at this time."""
    at = next(n for n, event in enumerate(run.events) if event["t"] > t)
    run.events[at:at] = [
        {"t": t, "e": "fault", "n": number, "k": "kill_worker"},
        {"t": t, "e": "repaired", "n": number},
    ]


def test_a_kill_excuses_a_delay_of_two_seconds(run):
    place = run.place("push", s=2, message=8)
    t = run.events[place]["t"]
    delay(run, place, 3.5)
    kill(run, 2, t + 1.9)
    assert found(run) == set()


def test_a_series_of_kills_excuses_no_more_than_the_first(run):
    place = run.place("push", s=2, message=8)
    t = run.events[place]["t"]
    delay(run, place, 6)
    for number, seconds in ((2, 1.9), (3, 3.5), (4, 5)):
        kill(run, number, t + seconds)
    assert found(run) == {"timely"}


def test_a_delay_of_the_clients_own_loop_is_accepted(run):
    place = run.place("push", s=2, message=8)
    delay(run, place, 3)
    run.events.insert(place, {"t": run.events[place]["t"], "e": "lag", "s": 1.5})
    assert found(run) == set()


def test_a_socket_that_is_closed_late_after_the_logout_is_found(run):
    delay(run, run.place("close", s=5), check.PROMISE_S + 0.1)
    assert found(run) == {"tokens"}


def test_a_socket_that_is_not_closed_after_the_logout_is_found(run):
    run.drop("close", s=5)
    run.events.append({"t": run.now, "e": "close", "s": 5, "code": 1000})
    assert "tokens" in found(run)


def test_a_push_long_after_the_logout_is_found(run):
    run.events[run.place("open", s=2)]["k"] = "token5"
    run.now = run.event("quiesce")["t"]
    row = system(10, 9, 11, "join", ANN, ANN)
    run.insert(run.place("quiet"), "push", s=2, k="message", c=GROUP, row=row)
    assert "tokens" in found(run)


def test_a_socket_that_opens_long_after_the_logout_is_found(run):
    run.insert(run.place("quiet"), "open", d=f"{CEM}.2", s=6, u=CEM, k="token5")
    assert "tokens" in found(run)


def test_a_message_that_only_the_next_socket_receives_is_late(run):
    row = run.event("push", s=2, message=8)["row"]
    place = run.place("push", s=2, message=8)
    for event in run.events[place:]:
        event["t"] += check.PROMISE_S + 0.1
    t = run.events[place]["t"]
    about = {"d": f"{BOB}.0", "u": BOB, "k": "token4"}
    run.events[place : place + 1] = [
        {"t": t, "e": "close", "s": 2, "code": 1006},
        {"t": t, "e": "open", "s": 4, **about},
        {"t": t, "e": "page", "s": 4, "c": GROUP, "rows": [row], "more": False},
    ]
    for event in run.events[place + 3 :]:
        if event.get("s") == 2:
            event["s"] = 4
    assert found(run) == {"timely"}


def test_a_complaint_about_the_daemons_log_is_found(run):
    run.note("complaint", text="assertion failed")
    assert found(run) == {"daemon"}


def test_the_events_around_a_violation_are_printed(run, tmp_path, capsys):
    place = run.place("push", s=2, message=8)
    run.events.insert(place + 1, copy.deepcopy(run.events[place]))
    paths = [tmp_path / "ledger", tmp_path / "database"]
    for path, lines in zip(paths, (run.events, run.rows)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert check.main([str(path) for path in paths]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith(f"{len(check.CHECKS) - 1} passed, 1 failed\n")
    assert f"line {place + 2}: mod 10 was pushed after mod 10" in printed
    assert (
        f"{place + 2}> " in printed
        and '"op":"send"' not in printed.split(f"{place + 2}> ")[0][-200:]
    )


def test_a_new_member_may_read_earlier_messages_but_only_after_the_join(run):
    page = run.event("page", s=3)
    assert max(row[2] for row in page["rows"]) < 7  # the join is in a later piece
    assert found(run) == set()
    run.insert(
        run.place("ack", op="delete"), "page", s=3, c=GROUP, rows=page["rows"], more=True
    )
    assert found(run) == {"leak"}


def test_reactions_that_a_sync_brings_are_compared(run):
    """After a resync the page has all reactions, and the pushes before it are not needed."""
    for event in [one for one in run.events if one["e"] == "mark" and one["s"] == 1]:
        run.events.remove(event)
    rows, marks = [text(9, 1, 5, ANN, "p1")], {9: [True, [["👍", 1, [BOB]]]]}
    place = run.place("quiesce")
    run.insert(place, "page", s=1, c=BOB, rows=rows, more=False, marks=marks)
    run.insert(place, "resync", s=1)
    assert found(run) == set()
    marks[9] = [True, []]
    assert found(run) == {"reactions"}


def test_an_acknowledged_reaction_that_is_not_stored_is_found(run):
    run.rows.remove({"reaction": [9, BOB, "👍"]})
    assert found(run) == {"reactions"}


def test_an_acknowledged_removal_that_is_not_stored_is_found(run):
    run.rows.append({"reaction": [9, ANN, "👍"]})
    assert found(run) == {"reactions"}


def test_a_reaction_that_a_member_never_received_is_found(run):
    run.drop("mark", s=1, row=[9, 1, 2])
    assert found(run) == {"reactions"}


def test_a_removal_that_a_member_never_received_is_found(run):
    run.drop("mark", s=2, row=[9, 1, 4])
    assert found(run) == {"reactions"}


def test_a_pin_that_a_member_never_received_is_found(run):
    run.drop("mark", s=2, row=[9, 1, 5])
    assert found(run) == {"view"}


def test_a_reaction_with_an_unused_mod_is_found(run):
    run.event("mark", s=2, row=[9, 1, 5])["row"][2] = 6
    assert "committed" in found(run)


def test_a_reaction_of_a_group_to_a_stranger_is_found(run):
    row = [8, 8, 10]
    run.insert(run.place("quiesce"), "mark", s=3, k="reaction", c=GROUP, row=row, mark=[ANN, "👍", True])
    assert "leak" in found(run)


def test_a_pushed_edit_changes_no_reactions_and_a_deletion_ends_them():
    copy = check.Copy()
    copy.read(text(9, 1, 1, ANN, "p1"), False, [])
    copy.react(3, (BOB, "👍"), True)
    copy.react(2, (ANN, "👍"), True)  # an ack beside the pushes
    copy.react(1, (CEM, "👍"), True)  # the row had it
    copy.read(text(9, 1, 4, ANN, "e1"), True, None)
    assert (copy.what, copy.pinned, copy.shown()) == ("e1", (4, True), {(ANN, "👍"), (BOB, "👍")})
    copy.read([9, 1, 5, None, None, None, True], None, None)
    assert (copy.what, copy.pinned, copy.shown()) == (None, (5, False), set())
