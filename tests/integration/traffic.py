"""traffic: senders that record every acknowledgement, observers that must miss nothing.

Owns: its threads. Knows nothing of: the faults.

Both behave like a correct client. After a failure a sender reconnects and repeats the send, with
the same client_id, until it is acknowledged. An observer records what it is pushed, and after a
reconnect it syncs from the highest mod without a gap below it.
"""

import itertools
import threading
import time

import websockets

from client import Refused
from polling import wait_for

# Failures that a client answers by trying again.
TROUBLE = (OSError, AssertionError, Refused, EOFError, TimeoutError, websockets.WebSocketException)
FRAME_S = 5


class Sender(threading.Thread):
    """Sends numbered messages to one chat until stop(); `acks` maps client_id to its ack."""

    def __init__(self, person, receiver_id):
        super().__init__(daemon=True)
        self.person = person
        self.receiver_id = receiver_id
        self.acks = {}
        self.repeated = 0  # sends whose first attempt was not answered
        self.error_codes = set()
        self.stopping = threading.Event()

    def run(self):
        ws = None
        for number in itertools.count():
            if self.stopping.is_set():
                return
            client_id = f"{self.person.id}-{number}"
            attempts = 0
            while client_id not in self.acks:
                attempts += 1
                try:
                    ws = ws or self.person.ws()
                    ws.send(
                        {
                            "type": "send",
                            "id": client_id,
                            "receiver_id": self.receiver_id,
                            "content": client_id,
                        }
                    )
                    self.take(ws, client_id)
                except TROUBLE:
                    ws = None
                    time.sleep(0.02)
            self.repeated += attempts > 1

    def take(self, ws, client_id):
        while True:
            frame = ws.next(FRAME_S)
            if frame.get("id") != client_id:
                continue
            if frame["type"] == "ack":
                self.acks[client_id] = frame
            else:
                self.error_codes.add(frame["code"])
                time.sleep(min(frame.get("retry_after_ms", 50), 200) / 1000)
            return

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert (
            not self.is_alive()
        ), f"{self.person.username} has an unacknowledged send after {len(self.acks)}"


class Observer(threading.Thread):
    """Follows one chat; `seen` maps mod to the message that was received with it."""

    def __init__(self, person, chat_id):
        super().__init__(daemon=True)
        self.person = person
        self.chat_id = chat_id
        self.seen = {}
        self.reconnects = 0
        self.stopping = threading.Event()

    def head(self):
        """The highest mod without a gap below it."""
        head = 0
        while head + 1 in self.seen:
            head += 1
        return head

    def sync(self, ws):
        ws.send({"type": "sync", "after": {str(self.chat_id): self.head()}})

    def run(self):
        ws = None
        while not self.stopping.is_set():
            try:
                if ws is None:
                    ws = self.person.ws()
                    self.sync(ws)
                self.take(ws, ws.next(0.2))
            except AssertionError:
                continue  # no frame within the timeout
            except TROUBLE:
                ws = None
                self.reconnects += 1
                time.sleep(0.02)

    def take(self, ws, frame):
        if frame["type"] == "messages" and frame["chat_id"] == self.chat_id:
            for message in frame["messages"]:
                self.seen[message["mod"]] = message
        elif frame["type"] == "message" and frame["chat_id"] == self.chat_id:
            self.seen[frame["mod"]] = frame
        elif frame["type"] == "resync" or (
            frame["type"] == "error" and frame["code"] == "unavailable"
        ):
            self.sync(ws)

    def wait_for_head(self, mod, timeout):
        wait_for(
            lambda: self.head() >= mod,
            timeout,
            f"the observer {self.person.username} does not reach mod {mod}: ",
            lambda: str(self.head()),
        )

    def stop(self):
        self.stopping.set()
        self.join(30)


class Traffic:
    """Senders and observers in one group, from `start` to `finish`."""

    def __init__(self, owner, senders, observers):
        self.owner = owner
        self.group = owner.group("traffic", *senders, *observers)
        self.senders = [Sender(one, self.group) for one in senders]
        self.observers = [Observer(one, self.group) for one in observers]

    def start(self):
        for thread in self.observers + self.senders:
            thread.start()
        return self

    def acked(self):
        return sum(len(sender.acks) for sender in self.senders)

    def wait_for_more(self, count, timeout=60):
        """Waits until this many more sends are acknowledged."""
        target = self.acked() + count
        wait_for(
            lambda: self.acked() >= target,
            timeout,
            "acknowledgements stop at ",
            lambda: str(self.acked()),
        )

    def finish(self, within=20):
        """Stops the senders and checks promises 1 to 4. within: seconds for the last delivery."""
        for sender in self.senders:
            sender.stop()
        rows = self.owner.daemon.sql(
            "select client_id, message_id, seq, mod from messages where conv_id = %s order by seq",
            self.group,
        )
        assert [row[2] for row in rows] == list(
            range(1, len(rows) + 1)
        ), "seq has a gap or a duplicate"
        assert sorted(row[3] for row in rows) == list(
            range(1, len(rows) + 1)
        ), "mod has a gap or a duplicate"
        stored = {row[0]: row for row in rows if row[0] is not None}
        assert len(stored) == sum(
            1 for row in rows if row[0] is not None
        ), "a client_id is stored twice"
        for sender in self.senders:
            for client_id, ack in sender.acks.items():
                assert client_id in stored, f"{client_id} was acknowledged and is not stored"
                assert (ack["message_id"], ack["seq"]) == stored[client_id][
                    1:3
                ], f"{client_id} is stored with another message_id or seq"
        for observer in self.observers:
            observer.wait_for_head(len(rows), within)
            observer.stop()
            seen = {message["message_id"]: message["seq"] for message in observer.seen.values()}
            assert seen == {row[1]: row[2] for row in rows}
