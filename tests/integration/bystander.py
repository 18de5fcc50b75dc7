"""bystander: measures what a user waits who has no part in the load.

Owns: the sockets of one user. Knows nothing of: the load.

It runs in a process of its own. It sends texts and pings over one WebSocket at a fixed rate, whether
or not the earlier ones were answered. It also requests GET /users/me over one HTTP connection, and
opens further WebSockets, one at a time. Bystander is the test's side.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import subprocess
import sys
import time

from latency_probe import percentile, raise_priority
from raw_socket import upgrade_request

ADDRESS = "127.77.0.1"  # not the load's
RATES = {"send": 40, "ping": 20, "get": 10, "connect": 5}  # per second, below all rate limits
LOG_INS = 10  # at one per second, the burst of the limit
# Operations that wait for an answer. Many that are answered at once would reach a rate limit.
OUTSTANDING_MAX = {"send": 200, "ping": 100}
TICK_S = 0.005
LATEST_S = 30  # for the answers that are outstanding at the end


class Waits:
    """The times that operations of one kind waited, sorted, in seconds."""

    def __init__(self, times):
        self.times = sorted(times)

    def __len__(self):
        return len(self.times)

    @property
    def p50(self):
        return percentile(self.times, 0.5)

    @property
    def p99(self):
        return percentile(self.times, 0.99)

    @property
    def worst(self):
        return self.times[-1]


class Bystander:
    """Starts the process. The user sends texts to the peer; its log-ins, if a password is given, are measured too."""

    def __init__(self, port, token, peer_id, login=None):
        command = [sys.executable, "-B", __file__, str(port), str(peer_id)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdin.write(json.dumps([token, login]) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"
        self.samples = []
        self.standstills = []

    def stop(self):
        """Ends the process, after the last answer or LATEST_S."""
        self.process.stdin.close()
        result = json.loads(self.process.stdout.readline())
        assert self.process.wait(LATEST_S) == 0
        self.process.stdout.close()
        self.samples, self.standstills = result["samples"], result["standstills"]

    def kill(self):
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()

    def waits(self, kind, begin, end):
        """The Waits of the operations of this kind that were begun in this time (time.monotonic)."""
        return Waits(took for k, at, took, _ in self.samples if k == kind and begin <= at < end)

    def failures(self, begin, end):
        """How often each error was the answer, by "kind error"."""
        return collections.Counter(
            f"{kind} {error}"
            for kind, at, _, error in self.samples
            if error is not None and begin <= at < end
        )

    def most_during(self, kind, times):
        """The most of these times that lie within one operation of this kind."""
        return max(
            (sum(at < t < at + took for t in times) for k, at, took, _ in self.samples if k == kind),
            default=0,
        )

    def standstill(self, begin, end):
        """The longest time in which the process itself did not run."""
        return max((late for at, late in self.standstills if begin <= at < end), default=0)


# --- in the process ---


async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(ADDRESS, 0), limit=1 << 24)


async def open_ws(port, token):
    """A WebSocket that has read its `ready`."""
    reader, writer = await connect(port)
    writer.write(upgrade_request(token))
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head:
        writer.close()
        raise ConnectionError(head.split(b"\r\n")[0].decode())
    while (await read_frame(reader, writer))["type"] != "ready":
        pass
    return reader, writer


async def read_frame(reader, writer):
    """The next text frame; a ping is answered."""
    while True:
        first, length = await reader.readexactly(2)
        if length >= 126:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        payload = await reader.readexactly(length)
        if first & 15 == 1:
            return json.loads(payload)
        if first & 15 == 8:
            raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')}")
        if first & 15 == 9:
            writer.write(masked(10, payload))


def masked(opcode, payload):
    """A frame of a client, with the masking key 0."""
    if len(payload) < 126:
        return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x80 | opcode, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


class Process:
    def __init__(self, port, peer_id, token, login):
        self.port, self.peer_id, self.token, self.login = port, peer_id, token, login
        self.samples = []
        self.standstills = []
        self.outstanding = {kind: {} for kind in (*RATES, "log_in")}  # of each, id: when begun
        self.numbers = itertools.count()
        self.log_ins_left = LOG_INS
        self.tasks = []

    def begin(self, kind):
        """Returns the id of a new operation."""
        name = f"{kind}{next(self.numbers)}"
        self.outstanding[kind][name] = time.monotonic()
        return name

    def end(self, kind, name, error=None):
        self.record(kind, self.outstanding[kind].pop(name), error)

    def end_first(self, kind, error=None):
        self.end(kind, next(iter(self.outstanding[kind])), error)

    def record(self, kind, at, error=None):
        self.samples.append([kind, at, time.monotonic() - at, error])

    async def open(self):
        self.ws = await open_ws(self.port, self.token)
        self.http = await connect(self.port)
        self.readers = [self.spawn(self.read_ws()), self.spawn(self.read_http())]

    def spawn(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def read_ws(self):
        while True:
            frame = await read_frame(*self.ws)
            if frame["type"] == "pong":
                self.end_first("ping")
            elif frame.get("id") in self.outstanding["send"]:
                self.end("send", frame["id"], frame["code"] if frame["type"] == "error" else None)

    async def read_http(self):
        while True:
            head = await self.http[0].readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await self.http[0].readexactly(length)
            status = head[9:12].decode()
            self.end_first("get", None if status == "200" else status)

    def send(self):
        name = self.begin("send")
        frame = {"type": "send", "id": name, "receiver_id": self.peer_id, "content": name}
        self.ws[1].write(masked(1, json.dumps(frame).encode()))

    def ping(self):
        self.begin("ping")
        self.ws[1].write(masked(1, b'{"type":"ping"}'))

    def get(self):
        self.begin("get")
        request = f"GET /users/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        self.http[1].write(request.encode())

    def connect(self):
        self.spawn(self.measure("connect", self.connect_once()))

    def log_in(self):
        self.log_ins_left -= 1
        if self.log_ins_left >= 0:
            self.spawn(self.measure("log_in", self.log_in_once()))

    async def measure(self, kind, operation):
        name = self.begin(kind)
        try:
            await operation
            self.end(kind, name)
        except (OSError, EOFError) as error:
            self.end(kind, name, str(error))

    async def connect_once(self):
        _, writer = await open_ws(self.port, self.token)
        writer.close()

    async def log_in_once(self):
        reader, writer = await connect(self.port)
        body = json.dumps(self.login)
        head = "POST /users/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.read()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(answer[9:12].decode())

    async def run(self, ended):
        """Begins what is due, until the test ends its side of the pipe."""
        rates = dict(RATES, log_in=1) if self.login else RATES
        due = {kind: time.monotonic() + i / 100 for i, kind in enumerate(rates)}
        last = time.monotonic()
        while not ended.is_set():
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            if now - last > 4 * TICK_S:
                self.standstills.append([now, now - last - TICK_S])
            last = now
            for reader in self.readers:
                if reader.done():  # the connection is lost
                    reader.result()
            for kind, at in due.items():
                if now >= at:
                    due[kind] = at + 1 / rates[kind]
                    if len(self.outstanding[kind]) < OUTSTANDING_MAX.get(kind, 1):
                        getattr(self, kind)()
        deadline = time.monotonic() + LATEST_S
        while any(self.outstanding.values()) and time.monotonic() < deadline:
            await asyncio.sleep(TICK_S)
        for kind, begun in self.outstanding.items():
            for at in begun.values():
                self.record(kind, at, "no answer")


async def main(port, peer_id):
    token, login = json.loads(sys.stdin.readline())
    process = Process(port, peer_id, token, login)
    await process.open()
    raise_priority()
    print("ready", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await process.run(ended)
    asyncio.get_running_loop().remove_reader(sys.stdin)
    print(json.dumps({"samples": process.samples, "standstills": process.standstills}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
