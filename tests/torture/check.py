"""check: reads the ledger of a torture run and the database after it, and says which promise was
broken, and where.

Owns: its picture of every conversation, socket and device. Knows nothing of: how the run was made.

usage: check.py LEDGER DATABASE

Both files are read once, a line at a time; the work for a line is constant, but for a binary
search among a member's joins and leaves. What is kept of a device is one byte a message: whether
it has this message as the database has it in the end.
"""

import argparse
import array
import collections
import json
import sys

from deadlines import PROMISE_S, Due
from history import Database

NEIGHBOURS = 12
CHECKS = {
    "acknowledged": "what was acknowledged is stored",
    "once": "each client_id is stored once, and answered the same each time",
    "gapless": "seq is 1..n without gap or double, and mods are distinct",
    "view": "each member's view equals the history",
    "order": "an ack before a send means a smaller seq",
    "committed": "nothing reached a client that is not in the database",
    "leak": "nothing reached one who was not a member",
    "pushes": "pushes of a chat on one socket came in mod order, each once",
    "told": "what a socket was not pushed it was told of",
    "members": "members are those who joined and did not leave, as acknowledged",
    "authors": "nobody wrote who was not a member",
    "presence": "presence was true in quiet times and at the end, and nobody was gone who was there",
    "timely": "what was committed reached every connected member in time",
    "tokens": "no socket outlived its token",
    "daemon": "the daemon's log holds no complaint, and everybody was served in the end",
}
KINDS = {"t": "text", "j": "join", "l": "leave", "r": "rename"}


class Socket:
    def __init__(self, event):
        self.device, self.user, self.opened = event["d"], event["u"], event["t"]
        self.token = event["k"]
        self.open, self.closed = True, float("inf")
        self.pushed = {}  # conv: the last mod
        self.told = {}  # conv: from this mod on, nothing may be left out without a word
        self.watched, self.online = [], {}
        self.watches_since = float("inf")


class Device:
    def __init__(self):
        self.has = {}  # conv: a byte a message, 1 where it has the last version
        # conv: when it was told that it is out; what was said before it may get when it is back in
        self.removed = {}
        self.socket = None


class Report:
    """What was found, check by check."""

    def __init__(self):
        self.looked = collections.Counter()
        self.violations = collections.defaultdict(list)

    def look(self, check, holds, line, what, **about):
        """Counts one thing looked at; `what` (called only then) says what is wrong with it."""
        self.looked[check] += 1
        if not holds:
            self.violations[check].append((line, what(), about))

    def failed(self):
        """Checks with a violation, or with nothing to look at: such a run proves nothing."""
        return [name for name in CHECKS if self.violations[name] or not self.looked[name]]


class Checker:
    def __init__(self, database):
        self.db = database
        self.report = Report()
        self.sockets, self.devices = {}, collections.defaultdict(Device)
        self.line = self.now = 0
        self.sends, self.attempts = {}, {}  # by (user, id)
        self.acked_before, self.answers = {}, {}
        self.moves = {}  # (group, user): the last join or leave, and whether it was acknowledged
        self.moved = {}
        self.contents = set()
        self.at_mod = {}  # (conv, mod): the message that reached somebody with it
        self.first_seen = {}  # message id: when its last version was first heard of
        self.due = Due()
        self.viewers, self.candidates = [], []
        self.ended = {}  # token: when its end was acknowledged
        self.there = collections.defaultdict(set)  # user: their open sockets
        self.gone_at = {}  # user: when the last of them went
        self.masters_killed = set()  # numbers of faults
        self.delays, self.ack_delays = array.array("d"), array.array("d")
        self.counts = collections.Counter()
        self.last_ack = self.longest_gap = None
        self.wall = 0.0  # the wall clock when the monotonic one was 0
        self.start = self.settled = self.gone_worst = None
        self.worst = (-PROMISE_S, 0)

    # --- the ledger ---

    def run(self, lines):
        for self.line, text in enumerate(lines, 1):
            event = json.loads(text)
            self.now = event["t"]
            getattr(self, "on_" + event["e"])(event)
        self.finish()
        return self.report

    def look(self, check, holds, what, **about):
        self.report.look(check, holds, self.line, what, **about)

    def on_start(self, event):
        self.start = event
        self.wall = event["wall"] - event["t"]

    def on_open(self, event):
        socket = self.sockets[event["s"]] = Socket(event)
        device = self.devices[event["d"]]
        socket.before, device.socket = device.socket, socket
        if socket.before is not None:
            socket.before.before = None  # two are enough
        self.there[socket.user].add(event["s"])
        self._outlives(event["s"], socket)
        self.counts["sockets opened"] += 1

    def on_close(self, event):
        self._gone(event)
        self.counts[f"closed {event.get('code')}"] += 1

    def on_vanish(self, event):
        self._gone(event)
        self.counts["vanished"] += 1

    def _gone(self, event):
        socket = self.sockets[event["s"]]
        socket.open, socket.closed = False, self.now
        self.there[socket.user].discard(event["s"])
        if not self.there[socket.user] and event.get("code") != 1001:
            self.gone_at[socket.user] = self.now
        self._outlives(event["s"], socket)

    def on_logout(self, event):
        self.counts["tokens ended"] += 1

    def on_ended(self, event):
        self.ended[event["k"]] = self.now

    def _outlives(self, number, socket):
        """It is heard of: is that after the end of its token?"""
        ended = self.ended.get(socket.token)
        if ended is not None:
            self.candidates.append(("tokens", ended, self.now, self.line, number, socket.token))

    def on_watch(self, event):
        self.sockets[event["s"]].watched = event["ids"]
        self.sockets[event["s"]].watches_since = self.now

    def on_sync(self, event):
        self.counts["syncs"] += 1

    def on_synced(self, event):
        self.counts["syncs answered"] += 1

    def on_chat(self, event):
        pass

    def on_removed(self, event):
        """Where it forgets the chat, what it has of it later it was sent later."""
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        if conv is not None:
            self.devices[socket.device].removed[conv.id] = self.now
            if event["forgot"]:
                self.devices[socket.device].has.pop(conv.id, None)
            socket.told.pop(conv.id, None)

    def on_resync(self, event):
        self.counts["resyncs"] += 1
        self.sockets[event["s"]].told.clear()

    def on_presence(self, event):
        socket, of = self.sockets[event["s"]], event["of"]
        if not event["on"]:
            self.look(
                "presence",
                not self._is_there(of, PROMISE_S),
                lambda: f"{of} was shown offline and is there",
                socket=event["s"],
            )
            gone = self.now - self.gone_at.get(of, float("-inf"))
            self.look(
                "presence",
                gone > self.start["grace"] - PROMISE_S,
                lambda: f"{of} was shown offline {gone:.1f} s after they went",
                socket=event["s"],
            )
        if socket.online.get(of) != event["on"]:
            socket.online[of] = event["on"]
            if self.settled and not event["on"]:
                self.gone_worst = max(self.gone_worst or 0, self.now - self.settled)

    def _is_there(self, user, seconds):
        """Has had one and the same socket for so long?"""
        return any(self.now - self.sockets[n].opened > seconds for n in self.there[user])

    def on_fault(self, event):
        self.counts["fault " + event["k"]] += 1
        self.due.fault(event["n"], event["k"], self.now)
        if event["k"] == "kill_master":
            self.masters_killed.add(event["n"])

    def on_mended(self, event):
        self.due.mended(event["n"], self.now)
        if event["n"] in self.masters_killed:
            self.gone_at.clear()  # a new master does not know who was there before

    def on_quiet(self, event):
        self._presence_is_true()

    def on_lag(self, event):
        self.due.lag(event["s"], self.now)

    def on_settle(self, event):
        self.settled = self.now

    def on_end(self, event):
        self.viewers = [device for device in self.devices.values() if device.socket.open]
        self._presence_is_true()
        for number, socket in self.sockets.items():
            if socket.open:
                self._outlives(number, socket)

    def on_complaint(self, event):
        self.look("daemon", False, lambda: event["text"])

    # --- writes ---

    def on_send(self, event):
        key = (event["u"], event["id"])
        if event["op"] in ("send", "edit"):
            self.contents.add(event["x"])
        self.sends.setdefault(key, self.now)
        self.attempts[key] = self.attempts.get(key, 0) + 1
        conv = self.db.conv(event["u"], event["c"])
        if conv is not None and event["op"] == "send" and key not in self.answers:
            self.acked_before.setdefault(key, conv.acked_seq)
        if event["op"] in ("join", "leave"):
            self.moved[key] = (event["c"], event["x"])
            self.moves[event["c"], event["x"]] = (event["op"], False)

    def on_refused(self, event):
        self.counts["refused " + event["op"]] += 1
        if event["op"] in ("join", "leave"):
            self.look("members", False, lambda: f"{event['op']} was refused: {event['code']}")

    def on_ack(self, event):
        key = (event["u"], event["id"])
        self.counts["acked " + event["op"]] += 1
        if key in self.sends and key not in self.answers:
            self.ack_delays.append(self.now - self.sends[key])
            if self.last_ack is not None:
                gap = (self.now - self.last_ack, self.last_ack, self.now)
                self.longest_gap = max(self.longest_gap or gap, gap)
            self.last_ack = self.now
        if event["op"] in ("join", "leave"):
            self.moves[self.moved[key]] = (event["op"], True)
            self.answers[key] = None
            return
        self.counts["duplicates answered"] += event["dup"]
        message = self.db.messages.get(event["m"])
        about = {"conv": message.conv if message else None, "socket": event.get("s")}
        place = (event["m"], event["q"])
        if event["op"] == "send":
            first = self.answers.setdefault(key, place)
            self.look(
                "once", first == place, lambda: f"{key[1]} got {first}, then {place}", **about
            )
        self.look(
            "acknowledged",
            message is not None and self._is_kept(event, message),
            lambda: f"{event['op']} {key[1]} was acknowledged; the database has {message}",
            **about,
        )
        if message is None:
            return
        self._acked_in_order(event, key, message)
        if event.get("s") is not None and (not event["dup"] or message.edited_at is None):
            self._has(event["s"], message, event["v"])

    def _is_kept(self, event, message):
        if event["op"] == "delete":
            return message.deleted
        if event["op"] == "edit":
            stale = event["v"] < message.mod
            return stale or (event["v"] == message.mod and message.content == event["id"])
        return (
            message.seq == event["q"]
            and message.client_id == event["id"]
            and message.sender == event["u"]
            and event["v"] <= message.mod
        )

    def _acked_in_order(self, event, key, message):
        if event["op"] != "send":
            return
        conv = self.db.convs[message.conv]
        before = self.acked_before.pop(key, None)
        if before is not None:
            self.look(
                "order",
                message.seq > before,
                lambda: f"{key[1]} has seq {message.seq}; {before} was acked before it was sent",
                conv=conv.id,
            )
        conv.acked_seq = max(conv.acked_seq, message.seq)

    # --- what reached a client ---

    def on_push(self, event):
        self.counts["pushes"] += 1
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        row = event["row"]
        about = {"conv": conv.id if conv else None, "socket": event["s"]}
        message = self._row(conv, row, about)
        if message is None:
            return
        mod = row[2]
        last = socket.pushed.get(conv.id, 0)
        self.look("pushes", mod > last, lambda: f"mod {mod} was pushed after mod {last}", **about)
        self.look(
            "leak",
            conv.was_member(socket.user, mod),
            lambda: f"mod {mod} was pushed to {socket.user}, who was not in {conv.id} then",
            **about,
        )
        self._told_of_gap(socket, conv, mod, about)
        self._outlives(event["s"], socket)
        socket.pushed[conv.id] = socket.told[conv.id] = mod
        self._has(event["s"], message, mod)

    def _told_of_gap(self, socket, conv, mod, about):
        """Between two pushes only that may lack which the client did itself, or has otherwise, or
        which took a later mod."""
        since = socket.told.get(conv.id)
        if since is None:
            return
        self.report.looked["told"] += 1
        has = self._bits(socket.device, conv)
        for between in range(since + 1, mod):
            left_out = conv.by_mod.get(between)
            if left_out is None or has[left_out.at]:
                continue
            if left_out.sender != socket.user or left_out.kind != "t":
                self.look(
                    "told",
                    False,
                    lambda left_out=left_out: f"mod {mod} follows {since}: {left_out} was left out",
                    **about,
                )

    def on_page(self, event):
        self.counts["rows synced"] += len(event["rows"])
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        about = {"conv": conv.id if conv else None, "socket": event["s"]}
        self._rows(socket.user, conv, event["rows"], about)
        for row in event["rows"]:
            message = self.db.messages.get(row[0])
            if message is not None:
                self._has(event["s"], message, row[2])

    def on_read(self, event):
        self.counts["rows read"] += len(event["rows"])
        conv = self.db.conv(event["u"], event["c"])
        self._rows(event["u"], conv, event["rows"], {"conv": conv.id if conv else None})

    def _rows(self, user, conv, rows, about):
        for row in rows:
            self._row(conv, row, about)
        if rows and conv is not None:
            newest = max(row[2] for row in rows)
            self.look(
                "leak",
                conv.may_read(user, newest, self.now + self.wall),
                lambda: f"{user} was given mod {newest} of {conv.id}, in which they were not then",
                **about,
            )

    def _row(self, conv, row, about):
        """One version of a message: the database must have it, or a later one."""
        message = self.db.messages.get(row[0])
        known = message is not None and conv is not None and message.conv == conv.id
        self.look(
            "committed",
            known and self._is_version(message, row),
            lambda: f"{row} reached a client; the database has {message}",
            **about,
        )
        if not known:
            return None
        other = self.at_mod.setdefault((conv.id, row[2]), row[0])
        self.look(
            "committed",
            other == row[0],
            lambda: f"mod {row[2]} was {other}, then {row[0]}",
            **about,
        )
        if row[2] == message.mod:
            self.first_seen.setdefault(message.id, self.now)
        return message

    def _is_version(self, message, row):
        _, seq, mod, kind, sender, what, deleted = row
        if seq != message.seq or mod > message.mod or (deleted and not message.deleted):
            return False
        if kind is None:  # a `deleted` frame tells no more
            return mod == message.mod
        if kind != KINDS[message.kind] or sender != message.sender:
            return False
        if mod == message.mod:
            final = message.target if message.kind in "jl" else message.content
            return (what, deleted) == (final, message.deleted)
        return what in self.contents

    def _bits(self, device, conv):
        has = self.devices[device].has
        if conv.id not in has:
            has[conv.id] = bytearray(len(conv.messages))
        return has[conv.id]

    def _has(self, number, message, mod):
        if mod != message.mod:
            return
        socket = self.sockets[number]
        has = self._bits(socket.device, self.db.convs[message.conv])
        if has[message.at]:
            return
        has[message.at] = 1
        if message.sender == socket.user and message.kind == "t" and message.edited_at is None:
            return  # it may be the ack of what was said here: no delivery
        self._delivered(number, socket, message)

    def _delivered(self, number, socket, message):
        """How late it is, where the socket was there when it was committed."""
        if message.deleted:
            committed = self.first_seen.get(message.id, self.now)
        else:
            committed = (message.edited_at or message.sent_at) - self.wall
        conv = self.db.convs[message.conv]
        until = self.now
        if committed < socket.opened and socket.before is not None:
            socket = socket.before  # which may have had it to the end of its life and did not
            until = socket.closed
        removed = self.devices[socket.device].removed.get(conv.id, 0)
        if not max(socket.opened, removed) <= committed < until:
            return
        if not conv.was_member(socket.user, message.mod):
            return  # a newcomer is given what was said before; that is not late
        if until == self.now:
            self.delays.append(until - committed)
        if until - committed > PROMISE_S / 4:
            self.candidates.append(("timely", committed, until, self.line, number, message))
        else:
            self.report.looked["timely"] += 1

    # --- the end ---

    def _presence_is_true(self):
        """Each watcher is shown who is there, and who has been gone for the grace and 1 s; who
        went or came just now may be shown either way."""
        grace = self.start["grace"] + 1
        for number in set().union(*self.there.values()):
            socket = self.sockets[number]
            if self.now - socket.watches_since < PROMISE_S:
                continue
            for user in socket.watched:
                if self._is_there(user, PROMISE_S):
                    there = True
                elif not self.there[user] and self.now - self.gone_at.get(user, 0) > grace:
                    there = False
                else:
                    continue
                self.look(
                    "presence",
                    socket.online.get(user) == there,
                    lambda shown=socket.online.get(user), user=user, there=there: (
                        f"{user} is shown {shown}, is {there}"
                    ),
                    socket=number,
                )

    def finish(self):
        self.line += 1
        self.report.looked["daemon"] += 1
        self._lateness()
        for conv in self.db.convs.values():
            self._conv_at_end(conv)
        for device in self.viewers:
            self._view_at_end(device)
        for (group, user), (op, acked) in self.moves.items():
            if acked and group in self.db.convs:
                self.look(
                    "members",
                    (user in self.db.convs[group].members) == (op == "join"),
                    lambda user=user, op=op: f"the {op} of {user} was acked and does not hold",
                    conv=group,
                )
        for (user, name), place in self.answers.items():
            if place is not None and place[0] in self.db.messages:
                self.counts["sends kept"] += self.db.messages[place[0]].client_id == name

    def _conv_at_end(self, conv):
        places = [message.seq for message in conv.messages]
        self.look(
            "gapless",
            places == list(range(1, len(places) + 1)) and conv.last_seq == len(places),
            lambda: f"{conv.id}: last_seq {conv.last_seq}, {first_break(places)}",
            conv=conv.id,
        )
        mods = [message.mod for message in conv.messages]
        self.look(
            "gapless",
            len(set(mods)) == len(mods) and (not mods or max(mods) == conv.last_mod),
            lambda: f"{conv.id}: last_mod {conv.last_mod}, mods {sorted(mods)[-5:]}",
            conv=conv.id,
        )
        names = collections.Counter(
            (message.sender, message.client_id) for message in conv.messages if message.client_id
        )
        for name, n in names.items():
            self.look(
                "once", n == 1, lambda name=name, n=n: f"{name} is stored {n} times", conv=conv.id
            )
        if not conv.direct:
            joined = {user for user, (_, _, how, _) in conv.moves.items() if how[-1]}
            self.look(
                "members",
                joined == conv.members,
                lambda: f"{conv.id}: by joins and leaves {joined ^ conv.members} should differ",
                conv=conv.id,
            )
        for message in conv.messages:
            if message.kind == "t":
                self.look(
                    "authors",
                    conv.was_member(message.sender, message.seq, by_seq=True),
                    lambda message=message: f"{message} is by one who was not a member",
                    conv=conv.id,
                )

    def _view_at_end(self, device):
        user = device.socket.user
        for conv in self.db.convs.values():
            if user not in conv.members:
                continue
            has = self._bits_at_end(device, conv)
            missing = [conv.messages[at] for at, bit in enumerate(has) if not bit]
            self.look(
                "view",
                not missing,
                lambda missing=missing, conv=conv: (
                    f"device {device.socket.device} lacks {len(missing)} of "
                    f"{len(conv.messages)} in {conv.id}, first {missing[0]}"
                ),
                conv=conv.id,
                device=device.socket.device,
            )

    @staticmethod
    def _bits_at_end(device, conv):
        return device.has.get(conv.id) or bytearray(len(conv.messages))

    def _lateness(self):
        for check, done, arrived, line, number, what in self.candidates:
            late = self.due.lateness(done, arrived)
            self.worst = max(self.worst, (late, line))
            self.report.look(
                check,
                late <= 0,
                line,
                lambda late=late, what=what: f"{what}: {late:.2f} s too late",
                conv=getattr(what, "conv", None),
                socket=number,
            )

    # --- what is printed ---

    def figures(self):
        faults = {k[6:]: n for k, n in sorted(self.counts.items()) if k.startswith("fault ")}
        yield f"faults injected: {sum(faults.values())} {faults}"
        kept = self.counts["sends kept"]
        yield f"messages stored: {len(self.db.messages)}; sends acknowledged and kept: {kept}"
        rest = {k: n for k, n in sorted(self.counts.items()) if not k.startswith("fault ")}
        yield "counted: " + ", ".join(f"{k} {n}" for k, n in rest.items())
        yield f"ack, first attempt to answer: {spread(self.ack_delays)}"
        if self.longest_gap:
            gap, since, until = self.longest_gap
            at = since - self.start["t"]
            yield f"longest gap in service: {gap:.2f} s without an ack, at {at:.1f} s"
        yield f"commit to arrival at sockets that were open: {spread(self.delays)}"
        late, line = self.worst
        yield (
            f"the latest arrival after all that could delay it: {late + PROMISE_S:.2f} s "
            f"(line {line}; the promise is {PROMISE_S} s; "
            f"the clients' own loop stood still for up to {self.due.worst_lag:.2f} s)"
        )
        if self.gone_worst:
            grace = self.start["grace"]
            late = self.gone_worst
            yield f"the last who went was shown offline after {late:.1f} s (grace {grace} s)"


def first_break(places):
    for n, place in enumerate(places, 1):
        if place != n:
            return f"{place} stands where {n} should"
    return f"{len(places)} messages"


def spread(delays):
    if not delays:
        return "none"
    ordered = sorted(delays)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    p50, p99 = (f"{part * 1000:.1f} ms" for part in at)
    return f"p50 {p50}, p99 {p99}, max {ordered[-1]:.2f} s (n = {len(ordered)})"


def neighbourhood(path, database, line, conv=None, socket=None, device=None):
    """The lines before and after a violation that speak of its conversation, on its socket or
    device where it has one; and the faults."""
    users, devices = {}, {}
    before, after = collections.deque(maxlen=NEIGHBOURS), []
    with open(path, encoding="utf-8") as lines:
        for number, text in enumerate(lines, 1):
            event = json.loads(text)
            if event["e"] == "open":
                users[event["s"]], devices[event["s"]] = event["u"], event["d"]
            user = event.get("u", users.get(event.get("s")))
            where = database.conv(user, event["c"]) if "c" in event and user is not None else None
            concerns = where is None or where.id == conv
            if socket is not None:
                concerns = concerns and event.get("s") == socket
            elif device is not None:
                concerns = concerns and devices.get(event.get("s")) == device
            else:
                concerns = where is not None and concerns
            if not concerns and event["e"] not in ("fault", "mended") and number != line:
                continue
            shown = f"{number:>9}{'>' if number == line else ' '} {text.rstrip()[:240]}"
            if number <= line:
                before.append(shown)
            elif len(after) < NEIGHBOURS:
                after.append(shown)
            else:
                break
    return [*before, *after]


def main(argv):
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("ledger")
    options.add_argument("database")
    options = options.parse_args(argv)
    with open(options.database, encoding="utf-8") as lines:
        database = Database(lines)
    checker = Checker(database)
    with open(options.ledger, encoding="utf-8") as lines:
        report = checker.run(lines)
    for figure in checker.figures():
        print(figure)
    for name, sentence in CHECKS.items():
        found = report.violations[name]
        verdict = "FAILED" if name in report.failed() else "ok"
        print(f"{verdict:>6}  {sentence}: {report.looked[name]} looked at, {len(found)} violations")
        if found:
            line, what, about = found[0]
            print(f"        line {line}: {what}")
            for text in neighbourhood(options.ledger, database, line, **about):
                print("        " + text)
    failed = len(report.failed())
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
