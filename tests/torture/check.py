"""check: finds broken promises in the ledger of a torture run and the database after it.

Owns: the state of every conversation, socket and device. Knows nothing of: how the run was made.

usage: check.py LEDGER DATABASE

Both files are read once, a line at a time. The work for a line is constant, except for a binary
search among the joins and leaves of a member. For each device and message one byte is kept: 1 if
the device has the final version of the message. Of a message that had a reaction, a device has a Copy.
"""

import argparse
import array
import collections
import json
import sys

from deadlines import PROMISE_S, Deadlines
from history import Database

NEIGHBOURS = 12
CHECKS = {
    "acknowledged": "acknowledged writes are stored",
    "reactions": "acknowledged reactions are stored, and each member's view has those of the database",
    "once": "each client_id is stored once, and every repeat has the same answer",
    "gapless": "seq is 1..n without gap or duplicate, and mods are distinct",
    "view": "each member's view equals the history",
    "order": "a send after another's ack has the larger seq",
    "committed": "everything that a client received is in the database",
    "leak": "only members received messages",
    "pushes": "pushes of a chat on a socket were in mod order, without duplicates",
    "gaps": "a gap between pushes was preceded by a resync",
    "members": "members agree with the acknowledged joins and leaves",
    "authors": "every sender was a member",
    "replies": "a reply names an earlier text of its chat and its thread, and is counted once",
    "presence": "presence was correct when quiet and at the end, and no connected user was offline",
    "timely": "commits reached every connected member in time",
    "tokens": "no socket outlived its token",
    "daemon": "the daemon's log has no complaint, and every client was served at the end",
}
KINDS = {"t": "text", "j": "join", "l": "leave", "r": "rename"}


class Socket:
    def __init__(self, event):
        self.device, self.user, self.opened = event["d"], event["u"], event["t"]
        self.token = event["k"]
        self.open, self.closed = True, float("inf")
        self.pushed = {}  # conv: the last mod
        self.contiguous = {}  # conv: the mod from which pushes may have no gap
        self.watched, self.online = [], {}
        self.watches_since = float("inf")


class Copy:
    """A message as a client has it: what was served, and the reactions and pins of later mods."""

    def __init__(self):
        self.mod = 0  # of the row
        self.what, self.deleted, self.pinned = None, False, (0, False)
        self.full = 0  # the mod of the latest row with reactions
        self.reactions = {}  # pair of user and emoji: the mod of its latest change, and on

    def read(self, row, pinned, reactions):
        """A row; pinned or reactions None: it does not say."""
        mod = row[2]
        if mod > self.mod:
            self.mod, self.what, self.deleted = mod, row[5], row[6]
        if row[6]:
            pinned, reactions = False, []
        if pinned is not None:
            self.pin(mod, pinned)
        if reactions is not None and mod >= self.full:
            later = {pair: one for pair, one in self.reactions.items() if one[0] > mod}
            served = {(user, emoji): (mod, True) for emoji, _, users in reactions for user in users}
            self.full, self.reactions = mod, {**served, **later}

    def react(self, mod, pair, on):
        """Changes of different pairs may come in any order: an ack comes beside the pushes."""
        if mod > max(self.full, self.reactions.get(pair, (0,))[0]):
            self.reactions[pair] = (mod, on)

    def pin(self, mod, on):
        if mod > self.pinned[0]:
            self.pinned = (mod, on)

    def shown(self):
        return {pair for pair, (_, on) in self.reactions.items() if on}


class Reaction:
    """What is known of a reaction from the attempts of its user, one after the other."""

    def __init__(self):
        self.on = False
        self.tried = False  # True if the last attempt has no answer yet
        self.unknown = False  # True if one had none: it may be carried out after a later one


class Device:
    def __init__(self):
        self.copies = collections.defaultdict(Copy)  # by message, of those with reactions
        self.has = {}  # conv: a byte a message, 1 if it has the final version
        # conv: time of chat_removed or of a reset; earlier messages may arrive after the next join
        # or sync
        self.removed = {}
        self.socket = None


class Report:
    """The violations, by check."""

    def __init__(self):
        self.n_checks = collections.Counter()
        self.violations = collections.defaultdict(list)

    def check(self, check, holds, line, what, **about):
        """Counts a check; if it does not hold, records a violation with the text of what()."""
        self.n_checks[check] += 1
        if not holds:
            self.violations[check].append((line, what(), about))

    def failed(self):
        """The checks with a violation, and those that were never made: they prove nothing."""
        return [name for name in CHECKS if self.violations[name] or not self.n_checks[name]]


class Checker:
    def __init__(self, database):
        self.db = database
        self.report = Report()
        self.sockets, self.devices = {}, collections.defaultdict(Device)
        self.line = self.now = 0
        self.sends, self.attempts = {}, {}  # by (user, id)
        self.acked_before, self.answers = {}, {}
        self.reacting = {}  # (user, id) of an attempt: its Reaction, emoji, and on
        self.reactions = collections.defaultdict(Reaction)  # by user, message and emoji
        self.reactors = set()  # pairs of user and message
        self.moves = {}  # (group, user): the last join or leave, True if acknowledged
        self.moved = {}
        self.contents = set()
        self.replies = {}  # by (user, id): the message that the send replies to
        self.at_mod = {}  # (conv, mod): the message that was received with it
        self.first_seen = {}  # message id: when its final version was first received
        self.deadlines = Deadlines()
        self.viewers, self.candidates = [], []
        self.revoked = {}  # token: when its logout was acknowledged
        self.connected = collections.defaultdict(set)  # user: their open sockets
        self.gone_at = {}  # user: when the last of them closed
        self.masters_killed = set()  # numbers of faults
        self.master_since = 0.0  # when the former one was killed
        self.delays, self.ack_delays = array.array("d"), array.array("d")
        self.counts = collections.Counter()
        self.last_ack = self.longest_gap = None
        self.wall = 0.0  # the wall clock when the monotonic one was 0
        self.start = self.quiesced = self.gone_worst = None
        self.worst = (-PROMISE_S, 0)

    # --- the ledger ---

    def run(self, lines):
        for self.line, text in enumerate(lines, 1):
            event = json.loads(text)
            self.now = event["t"]
            getattr(self, "on_" + event["e"])(event)
        self.finish()
        return self.report

    def check(self, check, holds, what, **about):
        self.report.check(check, holds, self.line, what, **about)

    def on_start(self, event):
        self.start = event
        self.wall = event["wall"] - event["t"]

    def on_open(self, event):
        socket = self.sockets[event["s"]] = Socket(event)
        device = self.devices[event["d"]]
        socket.before, device.socket = device.socket, socket
        if socket.before is not None:
            socket.before.before = None  # two generations are enough
        self.connected[socket.user].add(event["s"])
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
        self.connected[socket.user].discard(event["s"])
        # A new master knows no earlier connection, even if the client has noticed its end since.
        known = event.get("code") != 1001 and socket.opened >= self.master_since
        if not self.connected[socket.user] and known:
            self.gone_at[socket.user] = self.now
        self._outlives(event["s"], socket)

    def on_logout(self, event):
        self.counts["tokens revoked"] += 1

    def on_revoked(self, event):
        self.revoked[event["k"]] = self.now

    def _outlives(self, number, socket):
        """The socket is in use: checks later whether its token was revoked."""
        revoked = self.revoked.get(socket.token)
        if revoked is not None:
            self.candidates.append(("tokens", revoked, self.now, self.line, number, socket.token))

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
        """If the client forgets the chat, it has nothing of it."""
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        if conv is not None:
            self.devices[socket.device].removed[conv.id] = self.now
            if event["forgot"]:
                self._forget(socket, conv)
            socket.contiguous.pop(conv.id, None)

    def _forget(self, socket, conv):
        """The client has nothing of the chat any more."""
        device = self.devices[socket.device]
        if device.has.pop(conv.id, None) is not None:
            for message in conv.messages:
                device.copies.pop(message.id, None)

    def on_reset(self, event):
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        self.counts["chats reset"] += 1
        self.check(
            "daemon",
            self.counts["fault fail_over"] > 0,
            lambda: f"chat {event['c']} was reset without a failover",
            socket=event["s"],
        )
        if conv is not None:
            self.devices[socket.device].removed[conv.id] = self.now
            self._forget(socket, conv)
            socket.contiguous.pop(conv.id, None)
            socket.pushed.pop(conv.id, None)

    def on_resync(self, event):
        self.counts["resyncs"] += 1
        self.sockets[event["s"]].contiguous.clear()

    def on_presence(self, event):
        socket, of = self.sockets[event["s"]], event["of"]
        if not event["on"]:
            self.check(
                "presence",
                not self._is_connected(of, PROMISE_S),
                lambda: f"{of} was shown offline and is connected",
                socket=event["s"],
            )
            gone = self.now - self.gone_at.get(of, float("-inf"))
            self.check(
                "presence",
                gone > self.start["grace"] - PROMISE_S,
                lambda: f"{of} was shown offline {gone:.1f} s after the last socket",
                socket=event["s"],
            )
        if socket.online.get(of) != event["on"]:
            socket.online[of] = event["on"]
            if self.quiesced and not event["on"]:
                self.gone_worst = max(self.gone_worst or 0, self.now - self.quiesced)

    def _is_connected(self, user, seconds):
        """True if the user has had the same socket for this long."""
        return any(self.now - self.sockets[n].opened > seconds for n in self.connected[user])

    def on_fault(self, event):
        self.counts["fault " + event["k"]] += 1
        self.deadlines.fault(event["n"], event["k"], self.now)
        if event["k"] == "kill_master":
            self.masters_killed.add(event["n"])
            self.master_since = self.now

    def on_repaired(self, event):
        self.deadlines.repaired(event["n"], self.now)
        if event["n"] in self.masters_killed:
            self.gone_at.clear()  # a new master has no presence of earlier connections

    def on_quiet(self, event):
        self._check_presence()

    def on_lag(self, event):
        self.deadlines.lag(event["s"], self.now)

    def on_quiesce(self, event):
        self.quiesced = self.now

    def on_end(self, event):
        self.viewers = [device for device in self.devices.values() if device.socket.open]
        self._check_presence()
        for number, socket in self.sockets.items():
            if socket.open:
                self._outlives(number, socket)

    def on_complaint(self, event):
        self.check("daemon", False, lambda: event["text"])

    # --- writes ---

    def on_send(self, event):
        key = (event["u"], event["id"])
        if event["op"] in ("send", "edit"):
            self.contents.add(event["x"])
        self.sends.setdefault(key, self.now)
        self.attempts[key] = self.attempts.get(key, 0) + 1
        self.replies[key] = event.get("r")
        conv = self.db.conv(event["u"], event["c"])
        if conv is not None and event["op"] == "send" and key not in self.answers:
            self.acked_before.setdefault(key, conv.acked_seq)
        if event["op"] == "react":
            emoji, on = event["x"]
            reaction = self.reactions[event["u"], event["m"], emoji]
            reaction.unknown |= reaction.tried
            reaction.tried = True
            self.reacting[key] = (reaction, emoji, on)
            self.reactors.add((event["u"], event["m"]))
        if event["op"] in ("join", "leave"):
            self.moved[key] = (event["c"], event["x"])
            self.moves[event["c"], event["x"]] = (event["op"], False)

    def on_refused(self, event):
        self.counts["refused " + event["op"]] += 1
        if event["op"] == "react":
            self.reacting[event["u"], event["id"]][0].tried = False
        if event["op"] in ("join", "leave"):
            self.check("members", False, lambda: f"{event['op']} was refused: {event['code']}")

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
        if event["op"] == "react":
            self._reacted(event, key)
            return
        self.counts["duplicates answered"] += event["dup"]
        message = self.db.messages.get(event["m"])
        about = {"conv": message.conv if message else None, "socket": event.get("s")}
        place = (event["m"], event["q"])
        if event["op"] == "send":
            first = self.answers.setdefault(key, place)
            self.check(
                "once", first == place, lambda: f"{key[1]} got {first}, then {place}", **about
            )
        self.check(
            "acknowledged",
            message is not None and self._is_kept(event, message),
            lambda: f"{event['op']} {key[1]} was acknowledged; the database has {message}",
            **about,
        )
        if message is None:
            return
        self._acked_in_order(event, key, message)
        if event.get("s") is not None and (not event["dup"] or message.edited_at is None):
            copy = self._copy(event["s"], message)
            if copy is not None:
                deleted = event["op"] == "delete"
                row = [*place, event["v"], None, None, None if deleted else event["id"], deleted]
                copy.read(row, None, None)
            self._has(event["s"], message, event["v"])

    def _reacted(self, event, key):
        reaction, emoji, on = self.reacting[key]
        reaction.tried, reaction.on = False, on
        message = self.db.messages.get(event["m"])
        self.check(
            "reactions",
            message is not None,
            lambda: f"a reaction to {event['m']} was acknowledged, which is not stored",
        )
        if message is None or event.get("s") is None:
            return
        copy = self._copy(event["s"], message)
        if copy is not None:
            copy.react(event["v"], (event["u"], emoji), on)
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
            and message.reply_to == self.replies.get((event["u"], event["id"]))
            and event["v"] <= message.mod
        )

    def _acked_in_order(self, event, key, message):
        if event["op"] != "send":
            return
        conv = self.db.convs[message.conv]
        before = self.acked_before.pop(key, None)
        if before is not None:
            self.check(
                "order",
                message.seq > before,
                lambda: f"{key[1]} has seq {message.seq}; {before} was acked before it was sent",
                conv=conv.id,
            )
        conv.acked_seq = max(conv.acked_seq, message.seq)

    # --- reads ---

    def on_push(self, event):
        self.counts["pushes"] += 1
        message = self._pushed(event, self._is_version)
        if message is None:
            return
        copy, row = self._copy(event["s"], message), event["row"]
        if copy is not None:
            copy.read(row, event.get("p", False), [] if event["k"] == "message" else None)
        self._has(event["s"], message, row[2])

    def _pushed(self, event, is_version):
        """The checks of any push; returns its message, or None."""
        socket = self.sockets[event["s"]]
        conv = self.db.conv(socket.user, event["c"])
        row = event["row"]
        about = {"conv": conv.id if conv else None, "socket": event["s"]}
        message = self._row(conv, row, about, is_version)
        if message is None:
            return None
        mod = row[2]
        last = socket.pushed.get(conv.id, 0)
        self.check("pushes", mod > last, lambda: f"mod {mod} was pushed after mod {last}", **about)
        self.check(
            "leak",
            conv.was_member(socket.user, mod),
            lambda: f"mod {mod} was pushed to {socket.user}, no member of {conv.id} then",
            **about,
        )
        self._check_gap(socket, conv, mod, about)
        self._outlives(event["s"], socket)
        socket.pushed[conv.id] = socket.contiguous[conv.id] = mod
        return message

    def on_mark(self, event):
        """A reaction or a pin."""
        self.counts["pushes of " + event["k"]] += 1
        message = self._pushed(event, self._place)
        if message is None:
            return
        copy, mod = self._copy(event["s"], message), event["row"][2]
        user, emoji, on = event["mark"]
        if copy is not None and event["k"] == "reaction":
            copy.react(mod, (user, emoji), on)
        elif copy is not None:
            copy.pin(mod, on)
        self._has(event["s"], message, mod)

    def _copy(self, number, message):
        """The copy of the device of this socket, of a message that had a reaction; else None."""
        if not message.reacted:
            return None
        return self.devices[self.sockets[number].device].copies[message.id]

    def _check_gap(self, socket, conv, mod, about):
        """Between two pushes only these mods may be missing: own writes of the client, messages that
        the device has, and messages that took a later mod."""
        since = socket.contiguous.get(conv.id)
        if since is None:
            return
        self.report.n_checks["gaps"] += 1
        has = self._bits(socket.device, conv)
        for between in range(since + 1, mod):
            left_out = conv.by_mod.get(between)
            if left_out is None or has[left_out.at]:
                continue
            own = left_out.sender == socket.user or (socket.user, left_out.id) in self.reactors
            if not own or left_out.kind != "t":
                self.check(
                    "gaps",
                    False,
                    lambda left_out=left_out: f"mod {mod} follows {since}: {left_out} is missing",
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
            if message is None:
                continue
            copy = self._copy(event["s"], message)
            if copy is not None:
                copy.read(row, *event.get("marks", {}).get(str(row[0]), (False, [])))
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
            self.check(
                "leak",
                conv.may_read(user, newest, self.now + self.wall),
                lambda: f"{user} received mod {newest} of {conv.id}, but was no member then",
                **about,
            )

    def _row(self, conv, row, about, is_version=None):
        """One version of a message: the database must have it, or a later one."""
        is_version = is_version or self._is_version
        message = self.db.messages.get(row[0])
        known = message is not None and conv is not None and message.conv == conv.id
        self.check(
            "committed",
            known and is_version(message, row),
            lambda: f"a client received {row}; the database has {message}",
            **about,
        )
        if not known:
            return None
        other = self.at_mod.setdefault((conv.id, row[2]), row[0])
        self.check(
            "committed",
            other == row[0],
            lambda: f"mod {row[2]} was message {other}, then {row[0]}",
            **about,
        )
        if row[2] == message.mod:
            self.first_seen.setdefault(message.id, self.now)
        return message

    @staticmethod
    def _place(message, row):
        """The row of a reaction or a pin."""
        return row[1] == message.seq and row[2] <= message.mod and message.kind == "t"

    def _is_version(self, message, row):
        _, seq, mod, kind, sender, what, deleted, reply_to, thread = row
        if seq != message.seq or mod > message.mod or (deleted and not message.deleted):
            return False
        if kind is None:  # a `deleted` frame has no more
            return mod == message.mod
        if kind != KINDS[message.kind] or sender != message.sender:
            return False
        if (reply_to, thread) != (message.reply_to, message.thread):
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
            return  # this may be the ack of an own send, not a delivery
        self._delivered(number, socket, message)

    def _delivered(self, number, socket, message):
        """Records the delay of a delivery, if the socket was open at the commit."""
        if message.deleted or message.reacted:
            committed = self.first_seen.get(message.id, self.now)
        else:
            committed = (message.edited_at or message.sent_at) - self.wall
        conv = self.db.convs[message.conv]
        until = self.now
        if committed < socket.opened and socket.before is not None:
            socket = socket.before  # it should have received the message, but did not
            until = socket.closed
        removed = self.devices[socket.device].removed.get(conv.id, 0)
        if not max(socket.opened, removed) <= committed < until:
            return
        if not conv.was_member(socket.user, message.mod):
            return  # history from before the join is not late
        if until == self.now:
            self.delays.append(until - committed)
        if until - committed > PROMISE_S / 4:
            self.candidates.append(("timely", committed, until, self.line, number, message))
        else:
            self.report.n_checks["timely"] += 1

    # --- the end ---

    def _check_presence(self):
        """Every watcher has the correct presence of its users, except users who connected less than
        2 s ago or disconnected less than the grace and 1 s ago."""
        grace = self.start["grace"] + 1
        for number in set().union(*self.connected.values()):
            socket = self.sockets[number]
            if self.now - socket.watches_since < PROMISE_S:
                continue
            for user in socket.watched:
                if self._is_connected(user, PROMISE_S):
                    online = True
                elif not self.connected[user] and self.now - self.gone_at.get(user, 0) > grace:
                    online = False
                else:
                    continue
                self.check(
                    "presence",
                    socket.online.get(user) == online,
                    lambda shown=socket.online.get(user), user=user, online=online: (
                        f"{user} is shown as {shown}, but is {online}"
                    ),
                    socket=number,
                )

    def finish(self):
        self.line += 1
        self.report.n_checks["daemon"] += 1
        self._lateness()
        self._reactions_at_end()
        for conv in self.db.convs.values():
            self._conv_at_end(conv)
        for device in self.viewers:
            self._view_at_end(device)
        for (group, user), (op, acked) in self.moves.items():
            if acked and group in self.db.convs:
                self.check(
                    "members",
                    (user in self.db.convs[group].members) == (op == "join"),
                    lambda user=user, op=op: f"the {op} of {user} was acknowledged, without effect",
                    conv=group,
                )
        self._replies_at_end()
        for (user, name), place in self.answers.items():
            if place is not None and place[0] in self.db.messages:
                self.counts["sends kept"] += self.db.messages[place[0]].client_id == name

    def _conv_at_end(self, conv):
        places = [message.seq for message in conv.messages]
        self.check(
            "gapless",
            places == list(range(1, len(places) + 1)) and conv.last_seq == len(places),
            lambda: f"{conv.id}: last_seq {conv.last_seq}, {first_break(places)}",
            conv=conv.id,
        )
        mods = [message.mod for message in conv.messages]
        self.check(
            "gapless",
            len(set(mods)) == len(mods) and (not mods or max(mods) == conv.last_mod),
            lambda: f"{conv.id}: last_mod {conv.last_mod}, mods {sorted(mods)[-5:]}",
            conv=conv.id,
        )
        names = collections.Counter(
            (message.sender, message.client_id) for message in conv.messages if message.client_id
        )
        for name, n in names.items():
            self.check(
                "once", n == 1, lambda name=name, n=n: f"{name} is stored {n} times", conv=conv.id
            )
        if not conv.direct:
            joined = {user for user, (_, _, how, _) in conv.moves.items() if how[-1]}
            self.check(
                "members",
                joined == conv.members,
                lambda: f"{conv.id}: members and joins differ in {joined ^ conv.members}",
                conv=conv.id,
            )
        for message in conv.messages:
            if message.kind == "t":
                self.check(
                    "authors",
                    conv.was_member(message.sender, message.seq, by_seq=True),
                    lambda message=message: f"{message} is by a non-member",
                    conv=conv.id,
                )

    def _replies_at_end(self):
        counts = collections.Counter()
        for message in self.db.messages.values():
            if message.reply_to is None and message.thread is None:
                continue
            counts[message.reply_to] += 1
            quoted = self.db.messages.get(message.reply_to)
            self.check(
                "replies",
                quoted is not None
                and (quoted.conv, quoted.kind) == (message.conv, "t")
                and quoted.seq < message.seq
                and message.thread == (quoted.thread or quoted.id),
                lambda message=message, quoted=quoted: f"{message} replies to {quoted}",
                conv=message.conv,
            )
        for message_id in counts.keys() | self.db.replied.keys():
            n, stored = counts[message_id], self.db.replied.get(message_id)
            self.check(
                "replies",
                n == stored,
                lambda message_id=message_id, n=n, stored=stored: f"{message_id} has {n} replies, "
                f"counted {stored}",
            )

    def _view_at_end(self, device):
        user = device.socket.user
        for conv in self.db.convs.values():
            if user not in conv.members:
                continue
            has = self._bits_at_end(device, conv)
            missing = [conv.messages[at] for at, bit in enumerate(has) if not bit]
            self.check(
                "view",
                not missing,
                lambda missing=missing, conv=conv: (
                    f"device {device.socket.device} lacks {len(missing)} of "
                    f"{len(conv.messages)} in {conv.id}, first {missing[0]}"
                ),
                conv=conv.id,
                device=device.socket.device,
            )
            for message in conv.messages:
                if message.reacted and message not in missing:
                    self._copy_at_end(device, conv, message)

    def _copy_at_end(self, device, conv, message):
        copy, stored = device.copies[message.id], self.db.reactions[message.id]
        view = (copy.what, copy.deleted, copy.pinned[1], copy.shown())
        self.check(
            "reactions",
            view == (message.content, message.deleted, message.pinned, stored),
            lambda: f"device {device.socket.device} has {view} of {message}, whose reactions are {stored}",
            conv=conv.id,
            device=device.socket.device,
        )

    def _reactions_at_end(self):
        for (user, message_id, emoji), reaction in self.reactions.items():
            message = self.db.messages.get(message_id)
            if message is None or message.deleted or reaction.tried or reaction.unknown:
                continue
            self.check(
                "reactions",
                ((user, emoji) in self.db.reactions[message_id]) == reaction.on,
                lambda user=user, message=message, emoji=emoji, on=reaction.on: (
                    f"{emoji} of {user} to {message} was acknowledged as {on}, without effect"
                ),
                conv=message.conv,
            )

    @staticmethod
    def _bits_at_end(device, conv):
        return device.has.get(conv.id) or bytearray(len(conv.messages))

    def _lateness(self):
        for check, done, arrived, line, number, what in self.candidates:
            late = self.deadlines.lateness(done, arrived)
            self.worst = max(self.worst, (late, line))
            self.report.check(
                check,
                late <= 0,
                line,
                lambda late=late, what=what: f"{what}: {late:.2f} s too late",
                conv=getattr(what, "conv", None),
                socket=number,
            )

    # --- the output ---

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
            f"the latest delivery after the faults that could delay it: {late + PROMISE_S:.2f} s "
            f"(line {line}; the bound is {PROMISE_S} s; "
            f"the clients' own loop was late by up to {self.deadlines.worst_lag:.2f} s)"
        )
        if self.gone_worst:
            grace = self.start["grace"]
            late = self.gone_worst
            yield f"the last user to leave was shown offline after {late:.1f} s (grace {grace} s)"


def first_break(places):
    for n, place in enumerate(places, 1):
        if place != n:
            return f"{place} instead of {n}"
    return f"{len(places)} messages"


def spread(delays):
    if not delays:
        return "none"
    ordered = sorted(delays)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99)]
    p50, p99 = (f"{part * 1000:.1f} ms" for part in at)
    return f"p50 {p50}, p99 {p99}, max {ordered[-1]:.2f} s (n = {len(ordered)})"


def neighbourhood(path, database, line, conv=None, socket=None, device=None):
    """The faults around a violation, and the events of its conversation, on its socket or device if
    it has one."""
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
            if not concerns and event["e"] not in ("fault", "repaired") and number != line:
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
        print(f"{verdict:>6}  {sentence}: {report.n_checks[name]} checks, {len(found)} violations")
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
