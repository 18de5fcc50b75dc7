"""Limits: rates (on), sockets a user, frames a socket, and a reader that does not read."""

import json
from socket import MSG_PEEK

import pytest

import expect
from client import Http, Refused
from conftest import new_person, run_daemon
from polling import wait_for
from procfs import is_sanitized
from raw_socket import RawSocket

SETTINGS = {"rate_limits": True}


@pytest.fixture
def http(daemon):
    http = Http(daemon.url(""))
    yield http
    http.close()


def until_429(ask, most):
    """Asks until the answer is 429; fails where it is not within that many."""
    for _ in range(most):
        answer = ask()
        if answer.status_code == 429:
            return expect.problem(answer, 429, "too_many_requests")
    raise AssertionError(f"{most} requests and no 429")


def test_registrations_are_limited(http):
    body = {"username": "x", "full_name": "", "password": "long enough"}
    count = iter(range(1000))

    def register():
        return http.post(
            "/users/register", {**body, "username": f"limited{next(count)}", "full_name": "L"}
        )

    until_429(register, 100)


def test_log_ins_are_limited_and_the_answer_says_when_to_come_back(http):
    def login():
        return http.post(
            "/users/login", {"username": "nobody.at.all", "password": "wrong password"}
        )

    until_429(login, 100)
    assert int(login().headers["Retry-After"]) > 0


def test_requests_are_limited_for_each_user(alice, bob):
    until_429(lambda: alice.get("/users/me"), 5000)
    assert bob.get("/users/me").status_code == 200, "one user's limit is not another's"


def test_frames_are_limited(alice, bob):
    ws = alice.ws()
    other = bob.ws()
    with pytest.raises(Exception):  # the socket may close amid the burst
        for _ in range(50):
            ws.send_all([{"type": "ping"}] * 400)
        raise ConnectionError
    assert ws.until_closed() == 4029
    other.drain()


def test_a_user_has_64_sockets_and_no_more(daemon, alice, bob):
    sockets = [alice.ws() for _ in range(64)]
    with pytest.raises(Refused) as refused:
        alice.ws()
    assert refused.value.status == 429
    late = alice.ws(how="frame", ready=False)
    assert late.until_closed() == 4029
    bob.ws()
    sockets[0].close()

    def another():
        try:
            return alice.ws()
        except Refused:
            return None

    wait_for(another)


@pytest.fixture(scope="module")
def unlimited(cluster):
    """Another daemon, without rate limits."""
    yield from run_daemon(cluster, ring_size=1048576)


def test_without_rate_limits_nothing_is_429(unlimited):
    one = new_person(unlimited)
    assert {one.get("/users/me").status_code for _ in range(500)} == {200}
    ws = one.ws()
    ws.send_all([{"type": "ping"}] * 5000)
    for _ in range(5000):
        ws.until("pong")
    one.close()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def slot_of(raw):
    """The worker of a raw socket that is to get its `ready`."""
    _, payload = raw.frame()
    return int(json.loads(payload)["session_id"].split("-")[0])


def test_a_reader_that_does_not_read_costs_little_and_misses_nothing(unlimited):
    """B1 and promise 4: 8 MB for a socket that reads nothing; the worker does not keep them, and
    a sync brings them."""
    talker, listener = new_person(unlimited), new_person(unlimited)
    talker.send(listener.id, "opens the chat")
    deaf = RawSocket(unlimited.port)
    deaf.upgrade(listener.token)
    awake = listener.ws()
    before = sum(resident_kib(worker["pid"]) for worker in unlimited.workers())
    ws = talker.ws()
    count = 512
    for i in range(count):
        ws.send(
            {"type": "send", "id": f"flood{i}", "receiver_id": listener.id, "content": "x" * 16000}
        )
        ws.until("ack", id=f"flood{i}")
    awake.until("message", seq=count + 1)
    after = sum(resident_kib(worker["pid"]) for worker in unlimited.workers())
    if not is_sanitized(unlimited.workers()[0]["pid"]):  # which keeps what was freed for a while
        assert after - before < 6000, f"{after - before} KiB more"

    # It reads at last: what it was pushed, and where that stops the word to sync, or the close
    # that says so.
    told = False
    seqs = set()
    try:
        while not told and len(seqs) < count + 1:
            opcode, payload = deaf.frame(timeout=10)
            told = told or b'"resync"' in payload or (opcode == 8 and payload[:2] == b"\x0f\xa8")
            if payload.startswith(b'{"type":"message"'):
                seqs.add(int(payload.split(b'"seq":')[1].split(b",")[0]))
    except ConnectionError:
        told = True
    assert told or seqs >= set(range(2, count + 2)), "messages were left out without a word"
    deaf.close()
    back = listener.ws()
    back.send({"type": "sync", "after": {str(talker.id): 1}})
    brought = []
    while len(brought) < count:
        brought += [m["seq"] for m in back.until("messages", chat_id=talker.id)["messages"]]
    assert brought == list(range(2, count + 2))
    for one in (talker, listener):
        one.close()


def test_a_sync_that_nobody_reads_costs_little_and_goes_on_when_they_do(unlimited):
    """B1: 24 MB asked for on a socket that reads nothing. When another one on the same worker,
    asked later, has been brought the same, the first has had its time, too."""
    talker, listener = new_person(unlimited), new_person(unlimited)
    count = 1500
    for _ in range(count // 100):
        unlimited.sql(
            "select count(*) from post_messages(array_fill(%s::bigint, array[100]), "
            "array_fill(%s::bigint, array[100]), array_fill(repeat('x', 16000), array[100]), "
            "array_fill(null::text, array[100]))",
            talker.id,
            listener.id,
        )
    awake = listener.ws()
    deaf = RawSocket(unlimited.port)
    deaf.upgrade(listener.token)
    slot = slot_of(deaf)
    while awake.slot != slot:
        awake = listener.ws()
    pid = unlimited.pid_of(awake.slot)
    before = resident_kib(pid)
    sync = {"type": "sync", "after": {str(talker.id): 0}}
    deaf.send_frame(1, json.dumps(sync).encode())
    wait_for(lambda: deaf.socket.recv(1, MSG_PEEK), what="not even its first page comes")
    awake.ask(sync, "synced")
    after = resident_kib(pid)
    if not is_sanitized(pid):
        assert after - before < 8000, f"{after - before} KiB more"
    seqs = []
    while True:
        _, payload = deaf.frame()
        frame = json.loads(payload)
        if frame["type"] == "synced":
            break
        seqs += [m["seq"] for m in frame.get("messages", ())]
    assert seqs == list(range(1, count + 1))
    deaf.close()
    for one in (talker, listener):
        one.close()


def test_a_lapped_ring_is_repaired(unlimited):
    """A ring of 1 MiB, 6 MiB of messages in one burst from one worker to another: nothing is
    missing in the end."""
    talker, listener = new_person(unlimited), new_person(unlimited)
    talker.send(listener.id, "opens the chat")
    ws = talker.ws()
    listening = listener.ws_elsewhere(ws)
    count = 400
    ws.send_all(
        {"type": "send", "id": f"lap{i}", "receiver_id": listener.id, "content": "y" * 16000}
        for i in range(count)
    )
    seen = set()
    synced = False
    while len(seen) < count:
        frame = listening.next()
        if frame["type"] == "message" and frame["chat_id"] == talker.id:
            seen.add(frame["seq"])
        elif frame["type"] == "resync":
            listening.send({"type": "sync", "after": {str(talker.id): 1}})
            synced = True
        elif frame["type"] == "messages":
            seen |= {m["seq"] for m in frame["messages"]}
    assert seen == set(range(2, count + 2)), synced
    for one in (talker, listener):
        one.close()


def test_max_connections_is_a_limit_and_not_a_crash(cluster):
    for daemon in run_daemon(cluster, max_connections=16):
        raws = [RawSocket(daemon.port) for _ in range(40)]
        for raw in raws:
            raw.close()
        wait_for(daemon.healthy)


def test_a_hasher_that_is_asked_too_much_answers_503(unlimited):
    """The hasher's queue is bounded; beyond it 503, and everything else is served meanwhile."""
    bystander = new_person(unlimited)
    raws = []
    body = b'{"username":"nobody.at.all","password":"wrong password"}'
    for _ in range(300):
        raw = RawSocket(unlimited.port)
        raw.send(
            b"POST /users/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        raws.append(raw)
    assert bystander.get("/users/me").status_code == 200

    def refused():
        for raw in raws:
            raw.socket.setblocking(False)
            try:
                raw.received += raw.socket.recv(65536)
            except BlockingIOError:
                pass
            if raw.received.startswith(b"HTTP/1.1 503"):
                return raw
        return None

    raw = wait_for(refused)
    expect.problem(raw.answer(), 503, "unavailable")
    for raw in raws:
        raw.close()
    bystander.close()
