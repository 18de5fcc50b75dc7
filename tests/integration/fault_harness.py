"""fault_harness: a parleyd with fault points, people who talk in it, and watchers who must miss nothing.

Owns: the daemon, the file of orders (common/fault.h), the watchers' threads. Knows nothing of:
which points there are.

A voice sends and does not repeat until it is told to settle: what follows a fault is not mended
by somebody who writes. A watcher does what a good client does, and keeps what it was pushed.
"""

import contextlib
import fcntl
import itertools
import os
import signal
import threading
import time

from conftest import new_person
from parleyd import Parleyd
from polling import wait_for
from traffic import TROUBLE

STRUCK_S = 20  # only a failure waits so long
DELIVERED_S = 2  # D4: after the fault that delayed it
HANDS = 20  # a recovery goes from process to process so often, and each may be scheduled late
TICK_S = 0.01


class Lateness(threading.Thread):
    """How late this machine runs a thread that is due; `worst` of those since a time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.late = []  # (when, seconds)

    def run(self):
        while True:
            due = time.monotonic() + TICK_S
            time.sleep(TICK_S)
            now = time.monotonic()
            if now - due > TICK_S / 2:
                self.late.append((now, now - due))

    def worst(self, since):
        worst = 0
        for when, late in reversed(self.late):
            if when < since:
                break
            worst = max(worst, late)
        return worst


lateness = Lateness()


def bound(since, seconds=DELIVERED_S):
    """Until when what is due so many seconds after `since` may take on this machine."""
    if not lateness.is_alive():
        lateness.start()
    return since + seconds + min(HANDS * lateness.worst(since), 3 * seconds)


class Orders:
    """The file that tells who is struck where."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb"):
            pass
        os.chmod(path, 0o666)

    def _write(self, text):
        with open(self.path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(text.encode())
            file.flush()

    def give(self, point, how, nth=1):
        self._write(f"{point} {how} {nth}\n")

    def withdraw(self):
        self._write("")

    def struck(self):
        """Who was struck; None while nobody was."""
        with open(self.path, encoding="ascii") as file:
            words = file.read().split()
        return int(words[1]) if words[:1] == ["struck"] else None

    def wait(self, timeout=STRUCK_S):
        return wait_for(self.struck, timeout, "nobody came to the point: ", self._text)

    def _text(self):
        with open(self.path, encoding="ascii") as file:
            return file.read()


class FaultyParleyd(Parleyd):
    program = "parleyd-faults"

    def __init__(self, cluster, **settings):
        super().__init__(cluster, **settings)
        self.orders = Orders(os.path.join(self.directory, "faults"))
        self.environment["PARLEY_FAULTS"] = self.orders.path


class Voice:
    """Says numbered things in one chat."""

    def __init__(self, person, chat_id):
        self.person, self.chat_id = person, chat_id
        self.numbers = itertools.count(1)
        self.ws = None
        self.open = {}  # id: the frame that is not answered yet
        self.acks = {}  # id: its ack
        self.repeated = {}  # id: the ack of the same, sent once more

    def get_ready(self, *others):
        """A socket that answers, on a worker that none of the others has."""
        if self.ws and self.is_heard():
            if self.ws.slot not in [other.ws.slot for other in others]:
                return
            self.ws.close()
        self.ws = self.person.ws_elsewhere(*(other.ws for other in others))

    def _send(self, frame):
        self.open[frame["id"]] = frame
        with contextlib.suppress(*TROUBLE):
            self.ws.send(frame)

    def say(self, content=None, chat_id=None):
        name = f"{self.person.id}-{next(self.numbers)}"
        self._send(
            {
                "type": "send",
                "id": name,
                "receiver_id": chat_id or self.chat_id,
                "content": content or name,
            }
        )
        return name

    def edit(self, name):
        again = f"{name}-edit"
        self._send(
            {
                "type": "edit",
                "id": again,
                "message_id": self.acks[name]["message_id"],
                "content": again,
            }
        )
        return again

    def listen(self, timeout):
        """Reads on until all is answered; whether it is."""
        deadline = time.monotonic() + timeout
        while self.open:
            try:
                self._take(max(0.001, deadline - time.monotonic()))
            except AssertionError:
                return False
        return True

    def _take(self, timeout):
        frame = self.ws.next(timeout)
        if frame["type"] == "ack" and frame["id"] in self.open:
            del self.open[frame["id"]]
            self.acks[frame["id"]] = frame
        elif frame["type"] == "error" and frame.get("id") in self.open:
            if frame["code"] != "unavailable":
                raise RuntimeError(f"refused: {frame}")
            time.sleep(frame.get("retry_after_ms", 100) / 1000)
            self.ws.send(self.open[frame["id"]])
        return frame["type"]

    def quiet(self):
        """Nothing more will happen to what was said: it is answered, or its socket is gone."""
        try:
            return self.listen(0.01)
        except TROUBLE:
            return True

    def is_heard(self):
        """Whether the socket answers."""
        try:
            self.ws.send({"type": "ping"})
            while self._take(20) != "pong":
                pass
        except TROUBLE:
            return False
        return True

    def settle(self, timeout=20):
        """Repeats until all is answered. An edit whose fate is unknown is given up."""
        deadline = time.monotonic() + timeout
        while self.open:
            assert time.monotonic() < deadline, f"no answer to {list(self.open)}"
            try:
                if self.ws is None:
                    self.ws = self.person.ws()
                    self.open = {k: v for k, v in self.open.items() if v["type"] == "send"}
                    for frame in self.open.values():
                        self.ws.send(frame)
                self.listen(deadline - time.monotonic())
            except TROUBLE:
                self.ws = None
                time.sleep(0.02)

    def repeat(self, name):
        """The ack of a send that was acknowledged before."""
        self.ws.send(
            {"type": "send", "id": name, "receiver_id": self.chat_id, "content": "something else"}
        )
        return self.ws.until("ack", id=name)


class Watcher(threading.Thread):
    """Follows one chat; `view` is what it has been shown: message_id: (seq, mod, content)."""

    def __init__(self, person, chat_id):
        super().__init__(daemon=True)
        self.person, self.chat_id = person, chat_id
        self.view = {}
        self.pushes = []  # (message_id, mod, content)
        self.wrong = []
        self.presence = []  # (when, frame)
        self.head = 0
        self.watch = []
        self.ws = None
        self.ready = threading.Event()
        self.stopping = threading.Event()
        self.back = None  # to come again, from so many mods before the head
        self.pushed_mod = 0
        self.syncs = 0  # that are not answered yet

    def run(self):
        while not self.stopping.is_set():
            try:
                if self.back is not None and self.ws:
                    self.head -= self.back
                    self.back = None
                    self.ws.abort()
                    self.ws = None
                if self.ws is None:
                    self._come()
                self._take(self.ws.next(0.1))
            except AssertionError:
                continue  # nothing came
            except TROUBLE:
                self.ws = None
                time.sleep(0.01)

    def _come(self):
        ws = self.person.ws()
        self.pushed_mod = self.syncs = 0
        if self.watch:
            ws.send({"type": "presence", "watch": self.watch})
        self.ws = ws
        self._sync()

    def _sync(self):
        self.syncs += 1
        self.ws.send({"type": "sync", "after": {str(self.chat_id): max(0, self.head)}})

    def _note(self, message):
        known = self.view.get(message["message_id"])
        if known is None or known[1] < message["mod"]:
            self.view[message["message_id"]] = (
                message["seq"],
                message["mod"],
                message.get("content"),
            )

    def _take(self, frame):
        kind = frame["type"]
        if kind == "messages" and frame["chat_id"] == self.chat_id:
            for message in frame["messages"]:
                self._note(message)
        elif kind in ("message", "edited", "deleted") and frame["chat_id"] == self.chat_id:
            if frame["mod"] <= self.pushed_mod:
                self.wrong.append(f"pushed after mod {self.pushed_mod}: {frame}")
            self.pushed_mod = frame["mod"]
            self.pushes.append((frame["message_id"], frame["mod"], frame.get("content")))
            self._note(frame)
        elif kind == "synced":
            self.syncs -= 1
            self.ready.set()
        elif kind == "presence":
            self.presence.append((time.monotonic(), frame))
        elif kind == "error" and frame["code"] == "unavailable":
            self.syncs -= 1
            self._sync()
        elif kind in ("resync", "chat"):
            self._sync()
        if self.syncs == 0 and self.view:
            self.head = max(mod for _, mod, _ in self.view.values())

    def stop(self):
        self.stopping.set()
        self.join(30)


class Field:
    """Voices and watchers in one group."""

    def __init__(self, cluster, workers, watchers=3, voices=3):
        # Small tables, so that a ring is soon full and a table soon swept.
        self.daemon = FaultyParleyd(
            cluster, workers=workers, ring_size=1 << 20, max_connections=120
        )
        self.orders = self.daemon.orders
        self.threads = []
        self.guests = []  # watchers for one strike
        self.stopped = set()
        try:
            self._open(watchers, voices)
        except BaseException:
            self.drop()
            raise

    def _open(self, watchers, voices):
        daemon = self.daemon.start()
        self.owner = new_person(daemon)
        people = [new_person(daemon) for _ in range(voices + watchers)]
        self.group = self.owner.group("field", *people)
        self.voices = [Voice(one, self.group) for one in people[:voices]]
        self.watchers = [Watcher(one, self.group) for one in people[voices:]]
        for watcher in self.watchers:
            watcher.start()
        for watcher in self.watchers:
            assert watcher.ready.wait(30), "a watcher does not get in"

    # --- striking ---

    def get_ready(self):
        for i, voice in enumerate(self.voices):
            voice.get_ready(*self.voices[:i])

    def kill(self, pid):
        self.stopped.discard(pid)
        self.daemon.killed += 1
        os.kill(pid, signal.SIGKILL)

    def stop_at(self, point, act):
        """Stops the process that gets to the point because of act."""
        self.orders.give(point, "stop")
        act()
        pid = self.orders.wait()
        self.stopped.add(pid)
        return pid

    def stop(self, pid):
        self.stopped.add(pid)
        os.kill(pid, signal.SIGSTOP)

    def go_on(self, pid):
        self.stopped.discard(pid)
        os.kill(pid, signal.SIGCONT)

    def later(self, act):
        """Does something that may take as long as a process is stopped."""
        thread = threading.Thread(target=self._try, args=(act,), daemon=True)
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def _try(act):
        with contextlib.suppress(*TROUBLE):
            act()

    def join(self):
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a request is not answered"
        self.threads = []

    # --- what must be so ---

    def rows(self):
        """message_id: (seq, mod, content, client_id)."""
        return {
            row[0]: row[1:]
            for row in self.daemon.sql(
                "select message_id, seq, mod, content, client_id from messages where conv_id = %s",
                self.group,
            )
        }

    def _members(self):
        return {
            row[0]
            for row in self.daemon.sql("select user_id from members where conv_id = %s", self.group)
        }

    def await_delivery(self, since):
        """D4: with nobody writing, every member who is connected has all that is committed 2 s
        after the fault, or the commit. Returns how long after."""
        rows, changed = None, since
        while True:
            now = time.monotonic()
            before, rows = rows, self.rows()
            if rows != before and before is not None:
                changed = now
            quiet = all(voice.quiet() for voice in self.voices)
            behind = self._behind(rows)
            if quiet and not behind:
                return now - changed
            assert now < bound(changed) or not behind, (
                f"{now - changed:.2f} s after the fault (the machine was late by"
                f" {lateness.worst(since):.3f}): {behind}"
            )
            assert now < since + STRUCK_S, "a send is neither answered nor its socket closed"
            time.sleep(0.01)

    def _behind(self, rows):
        want = {key: row[:3] for key, row in rows.items()}
        for watcher in self.watchers + self.guests:
            view = dict(watcher.view)
            if view != want and watcher.person.id in self._members():
                missing = {key: row for key, row in want.items() if view.get(key) != row}
                more = {key: row for key, row in view.items() if key not in want}
                return f"{watcher.person.username} misses {missing}, has too much {more}"
        return None

    def check(self):
        """Promises 1 to 3, nothing pushed that is not committed, presence, health."""
        rows = self.rows()
        last_seq, last_mod = self.daemon.sql(
            "select last_seq, last_mod from conversations where conv_id = %s", self.group
        )[0]
        mods = sorted(row[1] for row in rows.values())
        assert sorted(row[0] for row in rows.values()) == list(range(1, last_seq + 1)), "seq"
        assert len(set(mods)) == len(mods) and mods[-1] == last_mod, "mod"
        names = [row[3] for row in rows.values() if row[3]]
        assert len(names) == len(set(names)), "a send is stored twice"
        for voice in self.voices:
            assert not voice.open
            for name, ack in voice.acks.items():
                if ack["chat_id"] == self.group:
                    row = rows[ack["message_id"]]
                    assert ack["seq"] == row[0] and ack["mod"] <= row[1], (name, ack, row)
                    assert name in (row[3], row[2]), (name, ack, row)
        for watcher in self.watchers:
            assert not watcher.wrong, watcher.wrong
            pushes, watcher.pushes = watcher.pushes, []
            for message_id, mod, content in pushes:
                row = rows[message_id]
                assert mod < row[1] or (mod, content) == row[1:3], (message_id, mod, content, row)
        self.check_presence([voice.person for voice in self.voices], True)
        wait_for(self.daemon.healthy)

    def check_presence(self, people, online):
        ids = ",".join(str(one.id) for one in people)
        answer = self.owner.get(f"/users/presence?ids={ids}")
        assert answer.status_code == 200, answer.text
        shown = {one["user_id"]: one["online"] for one in answer.json()["presence"]}
        assert shown == {one.id: online for one in people}

    # --- its end ---

    def whole(self):
        """All workers are there."""
        return all(worker["alive"] for worker in self.daemon.workers())

    def finish(self):
        """Ends the daemon in good order; its log has no complaint."""
        wait_for(self.whole, 60, "a worker was not replaced")
        for watcher in self.watchers + self.guests:
            watcher.stop()
        status = self.daemon.stop()
        complaints = self.daemon.complaints()
        assert (
            status == 0 and not complaints
        ), f"parleyd left with {status}: {complaints}\n{self.daemon.log()[-8000:]}"

    def drop(self):
        for pid in self.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for watcher in getattr(self, "watchers", []) + self.guests:
            watcher.stopping.set()
        self.daemon.drop()
