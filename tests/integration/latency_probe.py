"""latency_probe: measures the delivery time of messages from one socket to another.

Owns: two sockets, one of each user. Knows nothing of: the load beside it.

It runs in a process of its own, so that it does not measure the test. It sends RATE messages a
second, whether or not the earlier ones were delivered, and records for each when it was sent and
how long it took. LatencyProbe is the test's side.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time

from polling import DEADLINE_S
from raw_socket import RawSocket

RATE = 90  # messages a second; the limit of a user is 100 frames


class LatencyProbe:
    """Sends from one user to the other until stop()."""

    def __init__(self, daemon, sender, receiver):
        sender.send(receiver.id, "opens the chat")
        command = [sys.executable, "-B", __file__, str(daemon.port), str(receiver.id)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdin.write(f"{sender.token}\n{receiver.token}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"
        self.samples = []

    def stop(self):
        """Ends the process; samples are (monotonic time of the send, seconds to the push)."""
        self.process.stdin.close()
        self.samples = json.loads(self.process.stdout.readline())
        assert self.process.wait(DEADLINE_S) == 0
        assert all(took is not None for _, took in self.samples), "a message was not delivered"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def during(self, spans):
        """Sorted delivery times of the messages sent within these spans (from, to)."""
        return sorted(t for at, t in self.samples if any(a <= at < b for a, b in spans))


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))]


def texts(raw):
    """The text frames that have been received, without waiting."""
    if not raw.read_more():
        raise ConnectionError("the server closed the probe's socket")
    while True:
        try:
            opcode, payload = raw.frame(timeout=0)
        except AssertionError:
            return
        if opcode == 9:
            raw.send_frame(10, payload)
        elif opcode == 1:
            yield json.loads(payload)


def raise_priority():
    """The delay of this process itself must not be measured."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def run(port, receiver_id):
    talker, listener = RawSocket(port), RawSocket(port)
    for raw in (talker, listener):
        raw.upgrade(sys.stdin.readline().strip())
    for raw in (talker, listener):
        while json.loads(raw.frame()[1])["type"] != "ready":
            pass
    raise_priority()
    print("ready", flush=True)
    sent, took = {}, {}
    due = time.monotonic()
    ending = None
    while ending is None or (len(took) < len(sent) and time.monotonic() < ending):
        now = time.monotonic()
        if ending is None and now >= due:
            name = f"probe{len(sent)}"
            sent[name] = now
            due += 1 / RATE
            send = {"type": "send", "id": name, "receiver_id": receiver_id, "content": name}
            talker.send_frame(1, json.dumps(send).encode())
        wait = max(0, due - time.monotonic()) if ending is None else 0.1
        inputs = [talker.socket, listener.socket] + ([sys.stdin] if ending is None else [])
        ready = select.select(inputs, [], [], wait)[0]
        if listener.socket in ready:
            for frame in texts(listener):
                if frame["type"] == "message":
                    took.setdefault(frame["content"], time.monotonic() - sent[frame["content"]])
        if talker.socket in ready:
            for frame in texts(talker):
                assert frame["type"] != "error", frame
        if sys.stdin in ready:
            ending = time.monotonic() + DEADLINE_S
    print(json.dumps([[at, took.get(name)] for name, at in sent.items()]), flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
