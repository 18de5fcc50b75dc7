"""fault_harness: a parleyd with fault points, writers and readers in one group, and their checks.

Owns: the daemon, the injection file (common/fault.h), the readers' threads.
Knows nothing of: which fault points exist.

A writer sends and repeats nothing until `settle`: delivery after a fault must not depend on later
writes. A reader behaves like a correct client (it syncs after a reconnect and a `resync`) and
records every push.
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
from procfs import is_gone, process_state
from traffic import TROUBLE

HIT_TIMEOUT_S = 20  # only a failure takes this long
DELIVERY_S = 2  # from a fault to the delivery it delayed (docs/reliability.md, "Lateness")
HOPS = 20  # processes that a recovery involves; each may be scheduled late
TICK_S = 0.01


class Lateness(threading.Thread):
    """Measures how late the machine wakes a thread."""

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
        """The longest delay since this time, in seconds."""
        worst = 0
        for when, late in reversed(self.late):
            if when < since:
                break
            worst = max(worst, late)
        return worst


lateness = Lateness()


def bound(since, seconds=DELIVERY_S):
    """The deadline of an effect `seconds` after `since`, extended by the machine's lateness."""
    if not lateness.is_alive():
        lateness.start()
    return since + seconds + min(HOPS * lateness.worst(since), 3 * seconds)


class FaultInjector:
    """The injection file: which process is killed or stopped at which fault point."""

    def __init__(self, path):
        self.path = path
        self.action = None
        with open(path, "wb"):
            pass
        os.chmod(path, 0o666)

    def _write(self, text):
        with open(self.path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(text.encode())
            file.flush()

    def arm(self, point, action, nth=1):
        """action: kill or stop. nth: the arrival at the point that is hit, counted from 1."""
        self.action = action
        self._write(f"{point} {action} {nth}\n")

    def disarm(self):
        self._write("")

    def hit_pid(self):
        """The pid of the process that was hit, or None."""
        words = self._text().split()
        return int(words[1]) if words[:1] == ["struck"] else None

    def is_armed(self):
        """True while a process has yet to reach the point."""
        words = self._text().split()
        return bool(words) and words[0] != "struck"

    def wait_until_hit(self, timeout=HIT_TIMEOUT_S):
        """Waits until a process reaches the point and its signal has taken effect; its pid."""
        pid = wait_for(self.hit_pid, timeout, "no process reached the fault point: ", self._text)
        states = "T" if self.action == "stop" else "XZ"
        wait_for(lambda: process_state(pid) in states, what=f"{self.action} had no effect on {pid}")
        return pid

    def _text(self):
        with open(self.path, encoding="ascii") as file:
            return file.read()


class FaultParleyd(Parleyd):
    program = "parleyd-faults"

    def __init__(self, cluster, **settings):
        super().__init__(cluster, **settings)
        self.injector = FaultInjector(os.path.join(self.directory, "faults"))
        self.environment["PARLEY_FAULTS"] = self.injector.path


class Writer:
    """A user that sends numbered messages to one chat over a WebSocket."""

    def __init__(self, person, chat_id):
        self.person, self.chat_id = person, chat_id
        self.numbers = itertools.count(1)
        self.ws = None
        self.unanswered = {}  # id: frame
        self.acks = {}  # id of a send or an edit: ack
        self.reactions = {}  # message_id: True if its reaction is there, None if that is not known

    def connect(self, *others):
        """Makes sure of a responsive socket on a worker that none of the others uses."""
        if self.ws and self.is_responsive():
            if self.ws.slot not in [other.ws.slot for other in others]:
                return
            self.ws.close()
        self.ws = self.person.ws_elsewhere(*(other.ws for other in others))

    def _send_frame(self, frame):
        self.unanswered[frame["id"]] = frame
        with contextlib.suppress(*TROUBLE):
            self.ws.send(frame)

    def send(self, content=None, chat_id=None):
        """Sends a message without waiting for its ack; returns its client_id."""
        name = f"{self.person.id}-{next(self.numbers)}"
        self._send_frame(
            {
                "type": "send",
                "id": name,
                "receiver_id": chat_id or self.chat_id,
                "content": content or name,
            }
        )
        return name

    def edit(self, name):
        """Edits the acknowledged message of this client_id, without waiting for the ack."""
        edit_id = f"{name}-edit"
        self._send_frame(
            {
                "type": "edit",
                "id": edit_id,
                "message_id": self.acks[name]["message_id"],
                "content": edit_id,
            }
        )
        return edit_id

    def react(self, name):
        """Reacts to the acknowledged message of this client_id, or ends that, without waiting."""
        message_id = self.acks[name]["message_id"]
        frame = {"type": "react", "id": f"{name}-react", "message_id": message_id, "emoji": "👍"}
        self._send_frame({**frame, "on": not self.reactions.get(message_id, False)})
        self.reactions[message_id] = None

    def read_answers(self, timeout):
        """Reads until every frame is answered; False after the timeout."""
        deadline = time.monotonic() + timeout
        while self.unanswered:
            try:
                self._read_frame(max(0.001, deadline - time.monotonic()))
            except AssertionError:
                return False
        return True

    def _read_frame(self, timeout):
        frame = self.ws.next(timeout)
        if frame["type"] == "ack" and frame["id"] in self.unanswered:
            sent = self.unanswered.pop(frame["id"])
            if sent["type"] == "react":
                self.reactions[frame["message_id"]] = sent["on"]
            else:
                self.acks[frame["id"]] = frame
        elif frame["type"] == "error" and frame.get("id") in self.unanswered:
            if frame["code"] != "unavailable":
                raise RuntimeError(f"rejected: {frame}")
            time.sleep(frame.get("retry_after_ms", 100) / 1000)
            self.ws.send(self.unanswered[frame["id"]])
        return frame["type"]

    def is_idle(self):
        """True if every frame is answered, or the socket is closed."""
        try:
            return self.read_answers(0.01)
        except TROUBLE:
            return True

    def is_responsive(self):
        """True if the socket answers a ping."""
        try:
            self.ws.send({"type": "ping"})
            while self._read_frame(20) != "pong":
                pass
        except TROUBLE:
            return False
        return True

    def settle(self, timeout=20):
        """Repeats sends until all are acknowledged. Drops edits whose result is unknown."""
        deadline = time.monotonic() + timeout
        while self.unanswered:
            assert time.monotonic() < deadline, f"no answer to {list(self.unanswered)}"
            try:
                if self.ws is None:
                    self.ws = self.person.ws()
                    self.unanswered = {
                        k: v for k, v in self.unanswered.items() if v["type"] == "send"
                    }
                    for frame in self.unanswered.values():
                        self.ws.send(frame)
                self.read_answers(deadline - time.monotonic())
            except TROUBLE:
                self.ws = None
                time.sleep(0.02)

    def repeat(self, name):
        """Repeats an acknowledged send with another content; returns the second ack."""
        self.ws.send(
            {"type": "send", "id": name, "receiver_id": self.chat_id, "content": "something else"}
        )
        return self.ws.until("ack", id=name)


class Reader(threading.Thread):
    """Follows one chat. `view` maps message_id to the (seq, mod, content) received last."""

    def __init__(self, person, chat_id):
        super().__init__(daemon=True)
        self.person, self.chat_id = person, chat_id
        self.view = {}
        self.pushes = []  # (message_id, mod, content)
        self.violations = []
        self.presence = []  # (when, frame)
        self.head = 0
        self.watch = []  # user ids
        self.ws = None
        self.ready = threading.Event()
        self.stopping = threading.Event()
        self.rewind = None  # set to reconnect and sync from this many mods before the head
        self.pushed_mod = 0
        self.pending_syncs = 0

    def run(self):
        while not self.stopping.is_set():
            try:
                if self.rewind is not None and self.ws:
                    self.head -= self.rewind
                    self.rewind = None
                    self.ws.abort()
                    self.ws = None
                if self.ws is None:
                    self._connect()
                self._read_frame(self.ws.next(0.1))
            except AssertionError:
                continue  # no frame within the timeout
            except TROUBLE:
                self.ws = None
                time.sleep(0.01)

    def _connect(self):
        ws = self.person.ws()
        self.pushed_mod = self.pending_syncs = 0
        if self.watch:
            ws.send({"type": "presence", "watch": self.watch})
        self.ws = ws
        self._sync()

    def _sync(self):
        self.pending_syncs += 1
        self.ws.send({"type": "sync", "after": {str(self.chat_id): max(0, self.head)}})

    def _store(self, message):
        known = self.view.get(message["message_id"])
        if known is None or known[1] < message["mod"]:
            self.view[message["message_id"]] = (
                message["seq"],
                message["mod"],
                message.get("content"),
            )

    def _read_frame(self, frame):
        kind = frame["type"]
        if kind == "messages" and frame["chat_id"] == self.chat_id:
            for message in frame["messages"]:
                self._store(message)
        elif kind in ("message", "edited", "deleted") and frame["chat_id"] == self.chat_id:
            if frame["mod"] <= self.pushed_mod:
                self.violations.append(f"pushed after mod {self.pushed_mod}: {frame}")
            self.pushed_mod = frame["mod"]
            self.pushes.append((frame["message_id"], frame["mod"], frame.get("content")))
            self._store(frame)
        elif kind == "reaction" and frame["message_id"] in self.view:
            seq, mod, content = self.view[frame["message_id"]]
            self.view[frame["message_id"]] = (seq, max(mod, frame["mod"]), content)
        elif kind == "synced":
            self.pending_syncs -= 1
            self.ready.set()
        elif kind == "presence":
            self.presence.append((time.monotonic(), frame))
        elif kind == "error" and frame["code"] == "unavailable":
            self.pending_syncs -= 1
            self._sync()
        elif kind in ("resync", "chat"):
            self._sync()
        if self.pending_syncs == 0 and self.view:
            self.head = max(mod for _, mod, _ in self.view.values())

    def stop(self):
        self.stopping.set()
        self.join(30)


class FaultHarness:
    """One daemon with fault points, and one group of writers and readers."""

    def __init__(self, cluster, workers, n_readers=3, n_writers=3):
        # Small tables: the ring fills soon, and a presence table is swept soon.
        self.daemon = FaultParleyd(
            cluster, workers=workers, ring_size=1 << 20, max_connections=120
        )
        self.injector = self.daemon.injector
        self.threads = []
        self.extra_readers = []  # for the duration of one fault
        self.stopped = set()
        try:
            self._start(n_readers, n_writers)
        except BaseException:
            self.drop()
            raise

    def _start(self, n_readers, n_writers):
        daemon = self.daemon.start()
        self.owner = new_person(daemon)
        people = [new_person(daemon) for _ in range(n_writers + n_readers)]
        self.group = self.owner.group("fault harness", *people)
        self.writers = [Writer(one, self.group) for one in people[:n_writers]]
        self.readers = [Reader(one, self.group) for one in people[n_writers:]]
        for reader in self.readers:
            reader.start()
        for reader in self.readers:
            assert reader.ready.wait(30), "a reader is not synced after 30 s"

    # --- faults ---

    def connect_writers(self):
        for i, writer in enumerate(self.writers):
            writer.connect(*self.writers[:i])

    def kill(self, pid):
        self.stopped.discard(pid)
        self.daemon.killed += 1
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: is_gone(pid), what=f"{pid} survives SIGKILL")

    def stop_at(self, point, act, nth=1):
        """Stops the process that is the nth to reach the point because of act; returns its pid."""
        self.injector.arm(point, "stop", nth)
        act()
        pid = self.injector.wait_until_hit()
        self.stopped.add(pid)
        return pid

    def kill_at(self, point, act):
        """Kills the process that reaches the point because of act; returns the time."""
        self.injector.arm(point, "kill")
        act()
        self.injector.wait_until_hit()
        self.daemon.killed += 1
        return time.monotonic()

    def stop(self, pid):
        self.stopped.add(pid)
        os.kill(pid, signal.SIGSTOP)

    def resume(self, pid):
        self.stopped.discard(pid)
        os.kill(pid, signal.SIGCONT)

    def in_background(self, act):
        """Starts act in a thread; it may last as long as a process is stopped.

        If it fails before the armed point was reached, it is repeated: a worker that was started a
        moment ago may answer 503.
        """
        thread = threading.Thread(target=self._repeat_while_armed, args=(act,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _repeat_while_armed(self, act):
        deadline = time.monotonic() + HIT_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(*TROUBLE):
                act()
                return
            if not self.injector.is_armed():
                return
            time.sleep(0.05)

    def join(self):
        """Waits for the threads of in_background."""
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a request is not answered"
        self.threads = []

    # --- invariants ---

    def rows(self):
        """The group's messages in the database: message_id to (seq, mod, content, client_id)."""
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
        """Promise 4 within 2 s (docs/reliability.md, "Lateness"): without further writes, every
        connected member has all committed messages 2 s after the fault or the commit. Returns the
        delay in seconds."""
        rows, changed = None, since
        while True:
            now = time.monotonic()
            before, rows = rows, self.rows()
            if rows != before and before is not None:
                changed = now
            idle = all(writer.is_idle() for writer in self.writers)
            behind = self._behind(rows)
            if idle and not behind:
                return now - changed
            assert now < bound(changed) or not behind, (
                f"{now - changed:.2f} s after the fault (the machine was late by"
                f" {lateness.worst(since):.3f}): {behind}"
            )
            assert now < since + HIT_TIMEOUT_S, "a send is unanswered and its socket still open"
            time.sleep(0.01)

    def _behind(self, rows):
        want = {key: row[:3] for key, row in rows.items()}
        for reader in self.readers + self.extra_readers:
            view = dict(reader.view)
            if view != want and reader.person.id in self._members():
                missing = {key: row for key, row in want.items() if view.get(key) != row}
                unknown = {key: row for key, row in view.items() if key not in want}
                return f"{reader.person.username} lacks {missing}, has unknown {unknown}"
        return None

    def check(self):
        """Checks promises 1 to 3, that every push is committed, presence, and /healthz."""
        rows = self.rows()
        last_seq, last_mod = self.daemon.sql(
            "select last_seq, last_mod from conversations where conv_id = %s", self.group
        )[0]
        mods = sorted(row[1] for row in rows.values())
        assert sorted(row[0] for row in rows.values()) == list(range(1, last_seq + 1)), "seq"
        assert len(set(mods)) == len(mods) and mods[-1] == last_mod, "mod"
        names = [row[3] for row in rows.values() if row[3]]
        assert len(names) == len(set(names)), "a send is stored twice"
        for writer in self.writers:
            assert not writer.unanswered
            for name, ack in writer.acks.items():
                if ack["chat_id"] == self.group:
                    row = rows[ack["message_id"]]
                    assert ack["seq"] == row[0] and ack["mod"] <= row[1], (name, ack, row)
                    assert name in (row[3], row[2]), (name, ack, row)
            stored = {
                row[0]
                for row in self.daemon.sql(
                    "select message_id from reactions where user_id = %s", writer.person.id
                )
            }
            for message_id, on in writer.reactions.items():
                assert on is None or on == (message_id in stored), (message_id, on)
        for reader in self.readers:
            assert not reader.violations, reader.violations
            pushes, reader.pushes = reader.pushes, []
            for message_id, mod, content in pushes:
                row = rows[message_id]
                assert mod < row[1] or (mod, content) == row[1:3], (message_id, mod, content, row)
        self.check_presence([writer.person for writer in self.writers], True)
        wait_for(self.daemon.healthy)

    def check_presence(self, people, online):
        ids = ",".join(str(one.id) for one in people)
        answer = self.owner.get(f"/users/presence?ids={ids}")
        assert answer.status_code == 200, answer.text
        shown = {one["user_id"]: one["online"] for one in answer.json()["presence"]}
        assert shown == {one.id: online for one in people}

    # --- the end ---

    def all_workers_run(self):
        """True if no worker is dead or about to be replaced."""
        pids = [worker["pid"] for worker in self.daemon.workers()]
        return all(pid and not is_gone(pid) for pid in pids)

    def finish(self):
        """Stops the daemon and checks its exit status and its log."""
        wait_for(self.all_workers_run, 60, "a worker was not replaced")
        for reader in self.readers + self.extra_readers:
            reader.stop()
        status = self.daemon.stop()
        complaints = self.daemon.complaints()
        assert (
            status == 0 and not complaints
        ), f"parleyd exited with {status}: {complaints}\n{self.daemon.log()[-8000:]}"

    def drop(self):
        for pid in self.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for reader in getattr(self, "readers", []) + self.extra_readers:
            reader.stopping.set()
        self.daemon.drop()
