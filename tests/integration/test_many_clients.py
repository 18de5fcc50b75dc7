"""Many slow or hostile clients at once: they stop reading, never finish a request, or flood.

The server's memory stays bounded, they are notified or closed, and other clients are not delayed.
With PARLEY_LONG=1 there are 5,000 clients that do not read instead of 500.
"""

import collections
import contextlib
import json
import os
import re
import select
import signal
import statistics
import threading
import time

import pytest

import many_sockets
from conftest import new_person, run_daemon
from latency_probe import LatencyProbe, percentile
from polling import wait_for
from procfs import is_sanitized, n_fds, private_memory_kib, raise_fd_limit
from raw_socket import upgrade_request

pytestmark = pytest.mark.no_valgrind("bounds of time and memory")

LONG = bool(os.environ.get("PARLEY_LONG"))
N_STALLED = 5000 if LONG else 500
SOCKETS_PER_USER = 50  # the limit is 64
USERS_PER_GROUP = 5
CONTENT = 1000
STALL_S = 30  # CONN_STALL_S in daemon/net/conn.h
REQUEST_S = 30  # HTTP_REQUEST_MS in daemon/http/http_private.h
IDLE_S = 60  # HTTP_IDLE_S
SLOW = 1000  # silent connections, and as many trickling ones
UNREAD = 40
LONG_MESSAGES = 100
STORM = 200
TURN_S = 0.01  # time slice of another process on the same core
FRAMES = 2000
ATTACKS_PER_S = 10
PASSWORD = "a long enough one"


def memory(daemon):
    """The private memory of all workers, in KiB."""
    return sum(private_memory_kib(worker["pid"]) for worker in daemon.workers())


def descriptors(daemon):
    return sum(n_fds(worker["pid"]) for worker in daemon.workers())


def counted(daemon, name):
    return sum(worker[name] for worker in daemon.workers())


@pytest.fixture
def probe(daemon):
    people = [new_person(daemon), new_person(daemon)]
    probe = LatencyProbe(daemon, *people)
    yield probe
    probe.kill()
    for one in people:
        one.close()


def check_latency(probe, quiet, loud, what):
    """Compares delivery times of two spans. The bound is coarse, because other processes add noise:
    a blocked or busy event loop costs tens of milliseconds at least."""
    before, beside = (percentile(probe.during([span]), 0.9) for span in (quiet, loud))
    print(f"{what}: p90 of a delivery {before * 1e3:.1f} ms before, {beside * 1e3:.1f} ms beside")
    assert beside < 2 * before + TURN_S, what


# --- 2,000 connections with slow requests ---


class SlowHeads(threading.Thread):
    """SLOW connections that send nothing, and SLOW that send their request a byte a second."""

    REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"w" * 1000

    def __init__(self, port):
        super().__init__(daemon=True)
        self.opened = time.monotonic()
        self.silent = many_sockets.connect_many(port, SLOW)
        self.trickling = many_sockets.connect_many(port, SLOW)
        self.answers = {}
        self.lasted = {}
        self.stopping = threading.Event()

    def run(self):
        for number in range(len(self.REQUEST)):
            if self.stopping.wait(1):
                return
            for kind in (self.silent, self.trickling):
                for one in kind:
                    if one not in self.lasted:
                        self.poll(one, self.REQUEST[number : number + 1], kind is self.trickling)
            if len(self.lasted) == 2 * SLOW:
                return

    def poll(self, one, byte, trickles):
        try:
            one.setblocking(False)
            if trickles:
                one.send(byte)
            piece = one.recv(4096)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            piece = b""
        self.answers[one] = self.answers.get(one, b"") + piece
        if not piece:
            self.lasted[one] = time.monotonic() - self.opened

    def close(self):
        self.stopping.set()
        self.join()
        many_sockets.close_all(self.silent + self.trickling)


@pytest.fixture(scope="module")
def slow_daemon(cluster):
    """A daemon with 2,000 slow connections. They are opened at the first use, so that they time out
    while the tests before the last one run."""
    if not raise_fd_limit(many_sockets.SELECT_MAX + N_STALLED + 2 * SLOW + 1000):
        pytest.skip("the limit of descriptors is too low")
    for daemon in run_daemon(cluster):
        fds, before = descriptors(daemon), memory(daemon)
        slow = SlowHeads(daemon.port)
        slow.start()
        wait_for(lambda: counted(daemon, "connections") >= 2 * SLOW)
        daemon.slow = slow, fds, before, memory(daemon)
        yield daemon
        slow.close()


# --- clients that do not read ---


class StalledGroup:
    """A group of users that do not read, with one writer and one reader."""

    def __init__(self, daemon, number):
        self.users = [new_person(daemon) for _ in range(USERS_PER_GROUP)]
        self.sender, self.receiver = new_person(daemon), new_person(daemon)
        self.id = self.sender.group(f"stalled {number}", self.receiver, *self.users)
        self.writer, self.reader = self.sender.ws(), self.receiver.ws()
        self.sent = 0

    def tokens(self):
        return [user.token for user in self.users for _ in range(SOCKETS_PER_USER)]

    def send(self, count):
        """Sends this many messages; waits until they are acknowledged and pushed to the reader."""
        for _ in range(count):
            name = f"{self.id}-{self.sent}"
            self.sent += 1
            self.writer.send(
                {"type": "send", "id": name, "receiver_id": self.id, "content": "x" * CONTENT}
            )
        for _ in range(count):
            self.writer.until("ack")
        joins = USERS_PER_GROUP + 2
        self.reader.until("message", chat_id=self.id, seq=self.sent + joins)
        self.writer.frames.clear()
        self.reader.frames.clear()

    def close(self):
        for one in (*self.users, self.sender, self.receiver):
            one.close()


def test_clients_that_stop_reading_cost_little_memory_and_get_resync(slow_daemon, daemon, probe):
    """docs/design.md, "Sockets": a congested socket is not pushed to. It holds a queue of pointers
    to frames that all sockets of the group share: 64 KiB of frames per group and worker, and as
    much again, because sockets do not stop at the same frame."""
    n_groups = N_STALLED // (USERS_PER_GROUP * SOCKETS_PER_USER)
    groups = [StalledGroup(daemon, i) for i in range(n_groups)]
    for group in groups:
        group.send(5)
    fds, before = descriptors(daemon), memory(daemon)
    tokens = [token for group in groups for token in group.tokens()]
    stalled = many_sockets.open_websockets(daemon.port, tokens)
    idle = memory(daemon)
    quiet = time.monotonic(), time.sleep(2), time.monotonic()

    while counted(daemon, "slow_readers") < len(stalled):
        assert groups[0].sent < 1000, "the stalled clients are not congested"
        for group in groups:
            group.send(10)
    congested = memory(daemon)
    for _ in range(10):
        for group in groups:
            group.send(20)
    after = memory(daemon)
    loud = time.monotonic(), time.sleep(2), time.monotonic()

    bound = 2 * len(stalled) + len(groups) * daemon.settings["workers"] * 2 * 64
    print(
        f"{len(stalled)} stalled sockets, KiB: {before} without, {idle} open, "
        f"{congested} congested, {after} after 200 messages more for each; bound of the growth {bound}"
    )
    if not is_sanitized(daemon.workers()[0]["pid"]):
        assert after - idle < bound

    # Half of them read again and get resync; the others are closed after 30 s.
    notified, closed = many_sockets.drain_until(stalled[::2], b'{"type":"resync"}')
    assert notified + closed == len(stalled[::2])
    # Reading from 2,500 sockets takes so long that some are closed.
    assert notified > 0.9 * len(stalled[::2]) if LONG else closed == 0
    many_sockets.close_all(stalled[::2])
    late = len(stalled) - notified

    def slow_ones():
        return re.findall(r"closed reason=slow_reader user=\d+ age=(\d+)s", daemon.log())

    # More messages fill the kernel's buffers, which may still accept some bytes.
    deadline = time.monotonic() + STALL_S + 30
    while len(slow_ones()) < late:
        assert time.monotonic() < deadline, f"{len(slow_ones())} of {late} are closed"
        for group in groups:
            group.send(10)
        time.sleep(0.2)
    assert all(int(age) >= STALL_S for age in slow_ones())
    wait_for(lambda: descriptors(daemon) <= fds, 10, "descriptors are not closed")
    wait_for(lambda: counted(daemon, "sockets") == 2 * len(groups) + 2, 10)
    print(f"{memory(daemon)} KiB after all are closed")
    for group in groups:
        group.send(1)
        group.close()
    probe.stop()
    check_latency(probe, quiet[::2], loud[::2], f"{len(stalled)} clients that do not read")


def test_unread_answers_cost_little_memory(daemon):
    """A page of history has at most 128 KiB of text and one more message; the next page continues
    after it."""
    one, other = new_person(daemon), new_person(daemon)
    one.send(other.id, "opens the chat")
    ws = one.ws()
    for number in range(LONG_MESSAGES):
        name = f"long{number}"
        ws.send({"type": "send", "id": name, "receiver_id": other.id, "content": "x" * 16000})
    for _ in range(LONG_MESSAGES):
        ws.until("ack")
    before = memory(daemon)
    request = (
        f"GET /messages/{other.id}?limit=200 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {one.token}\r\n\r\n"
    ).encode()
    answered = counted(daemon, "http_requests")
    unread = [many_sockets.connect(daemon.port, small=True) for _ in range(UNREAD)]
    for connection in unread:
        connection.sendall(request)
    wait_for(lambda: counted(daemon, "http_requests") >= answered + UNREAD)
    grown = memory(daemon) - before
    print(f"an unread page of history: {grown / UNREAD:.0f} KiB")
    if not is_sanitized(daemon.workers()[0]["pid"]):
        assert grown < UNREAD * 2 * (128 + 16)  # the answer, and spare room of its buffer
    many_sockets.close_all(unread)

    seen, more = 0, True
    while more:
        page = one.get(f"/messages/{other.id}?after={seen}&limit=200").json()
        assert [m["seq"] for m in page["messages"]] == list(
            range(seen + 1, seen + 1 + len(page["messages"]))
        )
        seen, more = page["messages"][-1]["seq"], page["more"]
    assert seen == LONG_MESSAGES + 1
    for person in (one, other):
        person.close()


# --- clients that send too much ---


def rounds(probe, loud, quiet, count, seconds):
    """Alternates quiet and loud spans, so that other load affects both equally. Returns the p99 of
    each kind: the median over the rounds, which ignores a disturbed round."""
    spans = {quiet: [], loud: []}
    for _ in range(count):
        for begin in (quiet, loud):
            begin()
            start = time.monotonic()
            time.sleep(seconds)
            spans[begin].append((start, time.monotonic()))
    quiet()
    probe.stop()
    return [
        statistics.median(percentile(probe.during([span]), 0.99) for span in spans[kind])
        for kind in (quiet, loud)
    ]


def describe(quiet, loud):
    return f"p99 {quiet * 1e3:.1f} ms quiet, {loud * 1e3:.1f} ms loud"


class LoginStorm(threading.Thread):
    """200 concurrent log-ins, each repeated after its answer; after a 503 a second later."""

    def __init__(self, daemon, username):
        super().__init__(daemon=True)
        body = json.dumps({"username": username, "password": PASSWORD}).encode()
        self.request = (
            b"POST /users/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.poll = select.epoll()
        self.sockets = {}
        for _ in range(STORM):
            one = many_sockets.connect(daemon.port)
            one.sendall(self.request)
            self.sockets[one.fileno()] = one
            self.poll.register(one.fileno(), select.EPOLLIN)
        self.answers = collections.Counter()
        self.stopping = threading.Event()

    def run(self):
        delayed = []
        while not self.stopping.is_set():
            for fd, _ in self.poll.poll(0.1):
                status = self.sockets[fd].recv(65536)[9:12].decode()
                self.answers[status] += 1
                if status == "503":
                    delayed.append((time.monotonic() + 1, fd))
                else:
                    self.sockets[fd].sendall(self.request)
            while delayed and delayed[0][0] <= time.monotonic():
                self.sockets[delayed.pop(0)[1]].sendall(self.request)

    def stop(self):
        self.stopping.set()
        self.join()
        many_sockets.close_all(self.sockets.values())


def test_a_login_storm_does_not_delay_messages(daemon, probe):
    """The hasher is stopped and continued in turn, to compare spans with and without hashing."""
    person = new_person(daemon)
    name = f"storm{person.id}"
    body = {"username": name, "full_name": "Storm", "password": PASSWORD}
    assert person.post("/users/register", body).status_code == 201
    hasher = daemon.status()["hasher_pid"]
    storm = LoginStorm(daemon, name)
    storm.start()
    try:
        quiet, loud = rounds(
            probe,
            loud=lambda: os.kill(hasher, signal.SIGCONT),
            quiet=lambda: os.kill(hasher, signal.SIGSTOP),
            count=6,
            seconds=1,
        )
    finally:
        os.kill(hasher, signal.SIGCONT)
        storm.stop()
    print(f"login storm: {dict(storm.answers)}; {describe(quiet, loud)}")
    assert storm.answers["200"] > 0 and set(storm.answers) <= {"200", "503"}
    assert loud < 2 * quiet + TURN_S
    person.close()


class Flood(threading.Thread):
    """A client that sends 2,000 messages at once ten times a second, on a new connection each."""

    def __init__(self, daemon, person):
        super().__init__(daemon=True)
        self.port, self.head = daemon.port, upgrade_request(person.token)
        self.frames = b"".join(self.frame(number, person.id) for number in range(FRAMES))
        self.codes = collections.Counter()
        self.going, self.stopping = threading.Event(), threading.Event()

    @staticmethod
    def frame(number, receiver_id):
        send = {"type": "send", "id": str(number), "receiver_id": receiver_id, "content": "flood"}
        text = json.dumps(send).encode()
        return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text

    def run(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            if not self.going.wait(0.1):
                continue
            self.codes[self.attack()] += 1
            due = max(due + 1 / ATTACKS_PER_S, time.monotonic())
            self.stopping.wait(max(0, due - time.monotonic()))

    def attack(self):
        """Connects and floods; returns the close code, or the HTTP status of a rejected upgrade."""
        one = many_sockets.connect(self.port)
        try:
            one.sendall(self.head)
            came = one.recv(4096)
            if not came.startswith(b"HTTP/1.1 101"):
                return int(came[9:12])
            with contextlib.suppress(OSError):
                one.sendall(self.frames)
            return self.closed_with(one)
        except ConnectionResetError:
            return None
        finally:
            one.close()

    def closed_with(self, one):
        """The close code that the server sends."""
        tail = b""
        while piece := one.recv(65536):
            tail = (tail + piece)[-200:]
        at = tail.rfind(b"\x88")
        return int.from_bytes(tail[at + 2 : at + 4], "big") if at >= 0 else None

    def stop(self):
        self.stopping.set()
        self.join()


def test_a_client_that_floods_is_closed_with_4029_and_delays_no_messages(cluster):
    """20,000 frames a second; every new connection is closed too."""
    for daemon in run_daemon(cluster, rate_limits=True):
        people = [new_person(daemon) for _ in range(3)]
        probe = LatencyProbe(daemon, *people[:2])
        flood = Flood(daemon, people[2])
        flood.start()
        try:
            quiet, loud = rounds(probe, flood.going.set, flood.going.clear, count=4, seconds=1)
        finally:
            flood.stop()
            probe.kill()
        print(f"flood: {dict(flood.codes)}; {describe(quiet, loud)}")
        assert flood.codes[4029] > 0 and set(flood.codes) <= {4029, 429, None}
        assert loud < 2 * quiet + TURN_S
        for one in people:
            one.close()


def test_slow_requests_are_closed_and_delay_no_others(slow_daemon):
    """Slowloris. A request must be complete within 30 s of its first byte; a connection without a
    request is closed after 60 s."""
    slow, fds, before, full = slow_daemon.slow
    person = new_person(slow_daemon)
    assert person.get("/users/me").status_code == 200
    print(f"{2 * SLOW} slow connections: {(full - before) / 2 / SLOW:.1f} KiB each")
    if not is_sanitized(slow_daemon.workers()[0]["pid"]):
        assert full - before < 2 * SLOW * 8  # evhttp's 3.5 KiB, parleyd's own, received bytes
    slow.join(IDLE_S + 30)
    assert len(slow.lasted) == 2 * SLOW, "some connections are still open"
    for one in slow.trickling:
        assert REQUEST_S - 1 < slow.lasted[one] < REQUEST_S + 20, slow.lasted[one]
        assert slow.answers[one].startswith(b"HTTP/1.1 400 ") or not slow.answers[one]
    for one in slow.silent:
        assert IDLE_S - 1 < slow.lasted[one] < IDLE_S + 20, slow.lasted[one]
        assert not slow.answers[one]
    person.close()
    wait_for(lambda: descriptors(slow_daemon) <= fds, 20, "descriptors are not closed")
    assert counted(slow_daemon, "connections") == 0
