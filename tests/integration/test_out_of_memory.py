"""Want of memory: the n-th allocation of a process fails, for many n, amid traffic.

The rule (docs/design.md): what is small and fixed dies of it and is started again, and what a peer
sizes is checked before. So whatever n is, a client sees a right answer, a clean error or a broken
connection, and the promises hold.
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
from procfs import is_sanitized, n_fds
from traffic import TROUBLE, Traffic

LONG = bool(os.environ.get("PARLEY_LONG"))
WORKERS = 6
ROUNDS = 60 if LONG else 10  # of WORKERS + 1 failures each
ROUNDS_A_LIFE = 3  # a child that dies young is replaced after a delay that doubles
PRELOAD = os.path.join(build_dir(), "tests", "integration", "failing_malloc.so")
NEXT_CHILD = -1
DIED = re.compile(r" (worker|hasher)_died slot=\d+ pid=(\d+) (signal|exit)=(\d+)")
OUT_OF_MEMORY = re.compile(r" error .*(out.of.memory|cannot)")


class Orders:
    """The test's side of failing_malloc.c."""

    ORDER = struct.Struct("=qqqq")
    COUNT = 32

    def __init__(self, path):
        with open(path, "w+b") as file:
            file.truncate(self.COUNT * self.ORDER.size)
            self.map = mmap.mmap(file.fileno(), 0)

    def give(self, i, pid, left, run=1):
        at = i * self.ORDER.size
        self.ORDER.pack_into(self.map, at, 0, left, run, 0)
        self.ORDER.pack_into(self.map, at, pid, left, run, 0)

    def take_back(self):
        self.map[:] = bytes(len(self.map))

    def pid(self, i):
        return self.ORDER.unpack_from(self.map, i * self.ORDER.size)[0]

    def failed(self, i):
        return self.ORDER.unpack_from(self.map, i * self.ORDER.size)[3]


class Caller(threading.Thread):
    """Asks all kinds of things over and over, each on a new connection, and looks whether the
    answer, if there is one, is right."""

    def __init__(self, person, peer):
        super().__init__(daemon=True)
        self.person = person
        self.peer = peer
        self.stopping = threading.Event()
        self.wrong = []
        self.asked = self.answered = 0

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

    def right(self, answer, status, **fields):
        """503 is a clean error; else it must be what it would be with all the memory in the
        world."""
        self.asked += 1
        if answer.status_code == 503:
            return None
        self.answered += 1
        if answer.status_code != status:
            asked = f"{answer.request.method} {answer.url}"
            self.wrong.append(f"{asked}: {answer.status_code} {answer.text}")
            return None
        body = answer.json() if answer.content else {}
        for name, value in fields.items():
            if body.get(name) != value:
                self.wrong.append(f"{answer.url}: {name} of {answer.text}")
        return body

    def http(self, number):
        one, close = self.person, {"headers": {"Connection": "close"}}
        self.right(one.get("/users/me", **close), 200, user_id=one.id, username=one.username)
        self.right(one.get("/chats", **close), 200)
        name = f"{one.id}:{number}"
        send = {"receiver_id": self.peer.id, "content": "é" * (1 + number * 97 % 8000)}
        sent = self.right(
            one.post("/messages/send_message", {**send, "client_id": name}, **close),
            201,
            chat_id=self.peer.id,
            content=send["content"],
            client_id=name,
        )
        if sent:
            edit = {"content": "edited"}
            path = f"/messages/{sent['message_id']}"
            self.right(one.patch(path, edit, **close), 200, content="edited")
            self.right(one.delete(path, **close), 204)
        self.right(one.get(f"/messages/{self.peer.id}?limit=50", **close), 200)
        self.right(one.get("/users/search?q=person", **close), 200)
        make = {"name": name}
        group = self.right(one.post("/groups/create_group", make, **close), 201, **make)
        if group:
            own = {"group_id": group["group_id"]}
            add = {**own, "user_id": self.peer.id}
            self.right(one.post("/groups/add_user_to_group", add, **close), 204)
            self.right(one.post("/groups/leave_group", own, **close), 204)

    def login(self, number):
        """Through the hasher, and out again."""
        if number % 4:
            return
        http = Http(self.person.base)
        try:
            name = f"m{self.person.id}.{number}"
            body = {"username": name, "full_name": "M", "password": "x" * 8}
            if self.right(http.post("/users/register", body), 201, username=name):
                token = self.right(http.post("/users/login", body), 200)
                if token:
                    http.token = token["access_token"]
                    self.right(http.post("/users/logout"), 204)
        finally:
            http.close()

    def socket(self, _number):
        """All kinds of frames; an error frame may be nothing but `unavailable`."""
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
def orders(tmp_path):
    return Orders(tmp_path / "orders")


@pytest.fixture
def daemon(cluster, orders, tmp_path):
    assert os.path.exists(PRELOAD), f"make {PRELOAD} first"
    environment = {"LD_PRELOAD": PRELOAD, "FAILING_MALLOC": str(tmp_path / "orders")}
    yield from run_daemon(cluster, environment=environment, workers=WORKERS)


def told(daemon):
    """How each child died, and whether it said why. Returns the number of deaths."""
    log = daemon.log().splitlines()
    deaths = [m.groups() for line in log for m in [DIED.search(line)] if m]
    signals = [death for death in deaths if death[2:] != ("exit", "1")]
    assert not signals, f"not a clean death: {signals}\n" + "\n".join(log[-60:])
    # One that said nothing of libpq's own errors would find statements half prepared, for ever.
    failed = [line for line in log if " statement failed " in line]
    assert not failed, failed[:5]
    said = sum(1 for line in log if OUT_OF_MEMORY.search(line))
    assert said >= len(deaths), f"{len(deaths)} deaths, {said} of them explained"
    return len(deaths)


def all_serve(daemon):
    return all(w["pid"] for w in daemon.workers()) and daemon.status()["hasher_pid"]


def strike(daemon, orders, ns, run):
    """The n-th allocation from now on of each child fails, and where one dies of it also one of its
    successor's first."""
    wait_for(lambda: all_serve(daemon))
    pids = [worker["pid"] for worker in daemon.workers()] + [daemon.status()["hasher_pid"]]
    for i, pid in enumerate(pids):
        orders.give(i, pid, next(ns), run)
    orders.give(len(pids), NEXT_CHILD, next(ns), run)

    def struck():
        return all(
            orders.failed(i) or not os.path.exists(f"/proc/{pid}")
            for i, pid in enumerate(pids[:-1])  # the hasher may not have been asked
        )

    wait_for(struck, 30, "an order was not carried out")
    time.sleep(0.2)  # for what comes of it
    count = sum(1 for i in range(len(pids) + 1) if orders.failed(i))
    orders.take_back()
    return count


def test_whichever_allocation_fails_no_promise_is_broken(daemon, orders):
    if is_sanitized(daemon.workers()[0]["pid"]):
        pytest.skip("a sanitizer's allocator cannot be replaced")
    people = [new_person(daemon) for _ in range(10)]
    traffic = Traffic(people[0], people[1:4], people[4:6]).start()
    callers = [Caller(people[6], people[7]), Caller(people[8], people[9])]
    for caller in callers:
        caller.start()
    ns = itertools.count(1)
    struck = 0
    for round_ in range(ROUNDS):
        if round_ and round_ % ROUNDS_A_LIFE == 0:
            daemon.stop()
            daemon.start()
        struck += strike(daemon, orders, ns, run=1 if round_ % 3 else 50)
        assert not any(caller.wrong for caller in callers), callers[0].wrong + callers[1].wrong
        traffic.wait_for_more(5)
    for caller in callers:
        caller.stop()
    wrong = [w for caller in callers for w in caller.wrong]
    assert not wrong, wrong
    traffic.finish(within=40)
    for one in people:
        one.close()
    # Nothing is left of what was cut short: neither in the workers that lived on nor in the count.
    wait_for(lambda: not any(w["connections"] or w["sockets"] for w in daemon.workers()), 20)
    fds = {n_fds(worker["pid"]) for worker in daemon.workers()}
    assert len(fds) == 1, f"descriptors are left in one of the workers: {fds}"
    daemon.killed = told(daemon)
    print(
        f"{struck} allocations failed, {daemon.killed} processes ended of it, "
        f"{sum(caller.answered for caller in callers)} right answers beside the traffic"
    )
