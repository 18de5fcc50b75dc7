"""Out of memory: the n-th allocation of a process fails, for many n, during traffic.

docs/design.md: a process that cannot make a small allocation exits and is restarted; an allocation
whose size a client chooses is bounded before it is made. So for every n a client sees a correct
answer, a clean error or a broken connection, and the promises hold.
"""

import itertools
import mmap
import os
import re
import struct
import threading
import time

import pytest
import requests

from client import Http
from conftest import new_person, run_daemon
from parleyd import build_dir
from polling import wait_for
from procfs import is_sanitized, n_fds, program_is_sanitized
from traffic import TROUBLE, Traffic

pytestmark = pytest.mark.no_valgrind("replaces malloc")

LONG = bool(os.environ.get("PARLEY_LONG"))
WORKERS = 6
ROUNDS = 60 if LONG else 10  # of WORKERS + 1 failures each
ROUNDS_PER_START = 3  # a child that died young is replaced after a delay that doubles
PRELOAD = os.path.join(build_dir(), "tests", "integration", "failing_malloc.so")
NEXT_CHILD = -1
DIED = re.compile(r" (worker|hasher)_died slot=\d+ pid=(\d+) (signal|exit)=(\d+)")
OUT_OF_MEMORY = re.compile(r" error .*(out.of.memory|cannot)")


class FailingMalloc:
    """The rules of failing_malloc.c, in a file that it maps."""

    RULE = struct.Struct("=qqqq")
    COUNT = 32

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(self.COUNT * self.RULE.size)
            self.map = mmap.mmap(file.fileno(), 0)

    def arm(self, i, pid, left, run=1):
        """The left-th allocation of the process fails, and the run - 1 after it."""
        at = i * self.RULE.size
        self.RULE.pack_into(self.map, at, 0, left, run, 0)
        self.RULE.pack_into(self.map, at, pid, left, run, 0)

    def disarm(self):
        self.map[:] = bytes(len(self.map))

    def pid(self, i):
        return self.RULE.unpack_from(self.map, i * self.RULE.size)[0]

    def failed(self, i):
        return self.RULE.unpack_from(self.map, i * self.RULE.size)[3]


class Caller(threading.Thread):
    """Repeats requests and frames of all kinds on new connections, and checks the answers."""

    def __init__(self, person, peer):
        super().__init__(daemon=True)
        self.person = person
        self.peer = peer
        self.stopping = threading.Event()
        self.wrong = []
        self.answered = 0

    def run(self):
        for number in itertools.count():
            for call in (self.http, self.login, self.socket):
                if self.stopping.is_set():
                    return
                try:
                    call(number)
                except (requests.RequestException, *TROUBLE) as trouble:
                    if isinstance(trouble, requests.exceptions.JSONDecodeError):
                        self.wrong.append(f"{call.__name__}: {trouble}")

    def check(self, answer, status, **fields):
        """The answer is a 503, or has this status and these fields. Returns its body, or None."""
        if answer.status_code == 503:
            return None
        self.answered += 1
        if answer.status_code != status:
            request = f"{answer.request.method} {answer.url}"
            self.wrong.append(f"{request}: {answer.status_code} {answer.text}")
            return None
        body = answer.json() if answer.content else {}
        for name, value in fields.items():
            if body.get(name) != value:
                self.wrong.append(f"{answer.url}: {name} of {answer.text}")
        return body

    def http(self, number):
        one, close = self.person, {"headers": {"Connection": "close"}}
        self.check(one.get("/users/me", **close), 200, user_id=one.id, username=one.username)
        self.check(one.get("/chats", **close), 200)
        name = f"{one.id}:{number}"
        send = {"receiver_id": self.peer.id, "content": "é" * (1 + number * 97 % 8000)}
        sent = self.check(
            one.post("/messages/send_message", {**send, "client_id": name}, **close),
            201,
            chat_id=self.peer.id,
            content=send["content"],
            client_id=name,
        )
        if sent:
            edit = {"content": "edited"}
            path = f"/messages/{sent['message_id']}"
            self.check(one.patch(path, edit, **close), 200, content="edited")
            self.check(one.delete(path, **close), 204)
        self.check(one.get(f"/messages/{self.peer.id}?limit=50", **close), 200)
        self.check(one.get("/users/search?q=person", **close), 200)
        make = {"name": name}
        group = self.check(one.post("/groups/create_group", make, **close), 201, **make)
        if group:
            own = {"group_id": group["group_id"]}
            add = {**own, "user_id": self.peer.id}
            self.check(one.post("/groups/add_user_to_group", add, **close), 204)
            self.check(one.post("/groups/leave_group", own, **close), 204)

    def login(self, number):
        """Registers, logs in and logs out."""
        if number % 4:
            return
        http = Http(self.person.base)
        try:
            name = f"m{self.person.id}.{number}"
            body = {"username": name, "full_name": "M", "password": "x" * 8}
            if self.check(http.post("/users/register", body), 201, username=name):
                token = self.check(http.post("/users/login", body), 200)
                if token:
                    http.token = token["access_token"]
                    self.check(http.post("/users/logout"), 204)
        finally:
            http.close()

    def socket(self, _number):
        """Frames of all kinds; `unavailable` is the only acceptable error."""
        ws = self.person.ws()
        try:
            ws.send_all(
                [
                    {"type": "presence", "watch": [self.peer.id]},
                    {"type": "typing", "chat_id": self.peer.id, "is_typing": True},
                    {"type": "read", "chat_id": self.peer.id, "seq": 1},
                    {"type": "sync", "after": {str(self.peer.id): 1}},
                    {"type": "ping"},
                ]
            )
            frames = [ws.until("pong"), *ws.frames]
            self.wrong += [f for f in frames if f["type"] == "error" and f["code"] != "unavailable"]
        finally:
            ws.close()
            self.person.sockets.remove(ws)

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()


@pytest.fixture
def malloc(tmp_path):
    return FailingMalloc(tmp_path / "malloc")


@pytest.fixture
def daemon(cluster, malloc, tmp_path):
    assert os.path.exists(PRELOAD), f"{PRELOAD} is missing: make it first"
    if program_is_sanitized(os.path.join(build_dir(), "parleyd")):
        pytest.skip("AddressSanitizer has an allocator of its own")
    environment = {"LD_PRELOAD": PRELOAD, "FAILING_MALLOC": str(tmp_path / "malloc")}
    yield from run_daemon(cluster, environment=environment, workers=WORKERS)


def check_deaths(daemon):
    """Every child exited with status 1 and logged the reason. Returns the number of deaths."""
    log = daemon.log().splitlines()
    deaths = [m.groups() for line in log for m in [DIED.search(line)] if m]
    signals = [death for death in deaths if death[2:] != ("exit", "1")]
    assert not signals, f"not a clean exit: {signals}\n" + "\n".join(log[-60:])
    # A worker that ignored an error of libpq would keep a partly prepared connection.
    failed = [line for line in log if " statement_failed " in line]
    assert not failed, failed[:5]
    explained = sum(1 for line in log if OUT_OF_MEMORY.search(line))
    assert explained >= len(deaths), f"{len(deaths)} deaths, {explained} explained in the log"
    return len(deaths)


def all_serve(daemon):
    return all(w["pid"] for w in daemon.workers()) and daemon.status()["hasher_pid"]


def fail_allocations(daemon, malloc, ns, run):
    """Makes the n-th allocation of each child fail, and one of the first of the next new child."""
    wait_for(lambda: all_serve(daemon))
    pids = [worker["pid"] for worker in daemon.workers()] + [daemon.status()["hasher_pid"]]
    for i, pid in enumerate(pids):
        malloc.arm(i, pid, next(ns), run)
    malloc.arm(len(pids), NEXT_CHILD, next(ns), run)

    def all_failed():
        return all(
            malloc.failed(i) or not os.path.exists(f"/proc/{pid}")
            for i, pid in enumerate(pids[:-1])  # the hasher may have been idle
        )

    wait_for(all_failed, 30, "a process made too few allocations")
    time.sleep(0.2)  # for its consequences
    count = sum(1 for i in range(len(pids) + 1) if malloc.failed(i))
    malloc.disarm()
    return count


def test_promises_hold_whichever_allocation_fails(daemon, malloc):
    if is_sanitized(daemon.workers()[0]["pid"]):
        pytest.skip("a sanitizer's allocator cannot be replaced")
    people = [new_person(daemon) for _ in range(10)]
    traffic = Traffic(people[0], people[1:4], people[4:6]).start()
    callers = [Caller(people[6], people[7]), Caller(people[8], people[9])]
    for caller in callers:
        caller.start()
    ns = itertools.count(1)
    failed = 0
    for round_ in range(ROUNDS):
        if round_ and round_ % ROUNDS_PER_START == 0:
            daemon.stop()
            daemon.start()
        failed += fail_allocations(daemon, malloc, ns, run=1 if round_ % 3 else 50)
        assert not any(caller.wrong for caller in callers), callers[0].wrong + callers[1].wrong
        traffic.wait_for_more(5)
    for caller in callers:
        caller.stop()
    wrong = [w for caller in callers for w in caller.wrong]
    assert not wrong, wrong
    traffic.finish(within=40)
    for one in people:
        one.close()
    # Interrupted requests leave nothing behind.
    wait_for(lambda: not any(w["connections"] or w["sockets"] for w in daemon.workers()), 20)
    fds = {n_fds(worker["pid"]) for worker in daemon.workers()}
    assert len(fds) == 1, f"a worker has leaked descriptors: {fds}"
    daemon.killed = check_deaths(daemon)
    print(
        f"{failed} allocations failed, {daemon.killed} processes exited, "
        f"{sum(caller.answered for caller in callers)} correct answers in addition to the traffic"
    )
