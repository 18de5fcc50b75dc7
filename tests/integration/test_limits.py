"""Limits: rates, sockets of a user, frames of a socket, memory of clients that do not read."""

import json
from socket import MSG_PEEK

import pytest

import expect
from client import Refused
from conftest import new_person, run_daemon
from polling import wait_for
from procfs import is_sanitized, resident_memory_kib
from raw_socket import RawSocket, upgrade_request

pytestmark = pytest.mark.no_valgrind("bounds of memory")

SETTINGS = {"rate_limits": True}


def until_429(request, most):
    """Repeats the request until the answer is 429; fails after `most` requests."""
    for _ in range(most):
        answer = request()
        if answer.status_code == 429:
            return expect.problem(answer, 429, "too_many_requests")
    raise AssertionError(f"no 429 in {most} requests")


def test_registrations_are_limited(http):
    body = {"username": "x", "full_name": "", "password": "long enough"}
    count = iter(range(1000))

    def register():
        return http.post(
            "/users/register", {**body, "username": f"limited{next(count)}", "full_name": "L"}
        )

    until_429(register, 100)


def test_log_ins_are_limited_with_retry_after(http):
    def login():
        return http.post(
            "/users/login", {"username": "nobody.at.all", "password": "wrong password"}
        )

    until_429(login, 100)
    assert int(login().headers["Retry-After"]) > 0


def test_requests_are_limited_per_user(alice, bob):
    until_429(lambda: alice.get("/users/me"), 5000)
    assert bob.get("/users/me").status_code == 200, "the limit of one user does not affect another"


HANDSHAKES = 600  # more than the bursts of two workers, and what they refill meanwhile


def test_handshakes_are_limited_per_user(daemon, alice, bob):
    sockets = [RawSocket(daemon.port) for _ in range(HANDSHAKES)]
    for raw in sockets:
        raw.send(upgrade_request(alice.token))
    answers = [raw.answer() for raw in sockets]
    for raw in sockets:
        raw.close()
    codes = {answer.json()["code"] for answer in answers if answer.status_code != 101}
    assert codes == {"too_many_requests", "too_many_sockets"}
    bob.ws()


GUESSES = 200  # more than the bursts of two workers, and what they refill meanwhile


@pytest.mark.parametrize("method, path", [("GET", "/invites/{}"), ("POST", "/invites/{}/join")])
def test_attempts_to_guess_an_invite_are_limited_per_user(person, bob, method, path):
    guesser, path = person(), path.format("0" * 22)
    until_429(lambda: guesser.request(method, path), GUESSES)
    expect.problem(bob.request(method, path), 404, "no_such_invite")


MANY_GROUPS = 10000


def test_a_user_may_be_in_10000_groups(daemon, person, alice, bob):
    full, group = person(), alice.group("one more")
    daemon.sql(
        "with new as (insert into conversations (kind, name, last_seq, last_mod, member_count) "
        "select 'g', 'g', 1, 1, 1 from generate_series(1, %s) returning conv_id) "
        "insert into members (conv_id, user_id, join_seq) select conv_id, %s, 1 from new",
        MANY_GROUPS - 1,
        full.id,
    )
    last = full.post("/groups/create_group", {"name": "the last"})
    assert last.status_code == 201
    expect.problem(
        full.post("/groups/create_group", {"name": "too many"}), 422, "too_many", field="name"
    )
    add = {"group_id": group, "user_id": full.id}
    expect.problem(
        alice.post("/groups/add_user_to_group", add), 422, "too_many", field="user_id"
    )
    again = {"group_id": last.json()["group_id"], "user_id": full.id}
    assert full.post("/groups/add_user_to_group", again).status_code == 204, "in it already"
    full.send(bob.id, "direct chats are not counted")
    bob.send(full.id, "nor those that others open")
    left = {"group_id": last.json()["group_id"]}
    assert full.post("/groups/leave_group", left).status_code == 204
    assert alice.post("/groups/add_user_to_group", add).status_code == 204
    daemon.sql("delete from members where user_id = %s", full.id)
    daemon.sql("delete from conversations c where name = 'g' and member_count = 1 and kind = 'g'")


def test_frames_are_limited(alice, bob):
    ws = alice.ws()
    other = bob.ws()
    with pytest.raises(Exception):  # the socket may close during the burst
        for _ in range(50):
            ws.send_all([{"type": "ping"}] * 400)
        raise ConnectionError
    assert ws.until_closed() == 4029
    other.drain()


def test_a_user_may_have_64_sockets(daemon, alice, bob):
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
    """A daemon without rate limits."""
    yield from run_daemon(cluster, ring_size=1048576)


def test_without_rate_limits_nothing_is_429(unlimited):
    one = new_person(unlimited)
    assert {one.get("/users/me").status_code for _ in range(500)} == {200}
    ws = one.ws()
    ws.send_all([{"type": "ping"}] * 5000)
    for _ in range(5000):
        ws.until("pong")
    one.close()


def slot_of(raw):
    """The slot of the worker of a raw socket, from its `ready` frame."""
    _, payload = raw.frame()
    return int(json.loads(payload)["session_id"].split("-")[0])


def test_a_client_that_does_not_read_costs_little_memory_and_misses_nothing(unlimited):
    """8 MB of messages for a socket that does not read. The memory for it is bounded
    (docs/design.md, "Sockets"), and a sync brings the messages (promise 4)."""
    talker, listener = new_person(unlimited), new_person(unlimited)
    talker.send(listener.id, "opens the chat")
    stalled = RawSocket(unlimited.port)
    stalled.upgrade(listener.token)
    reading = listener.ws()
    before = sum(resident_memory_kib(worker["pid"]) for worker in unlimited.workers())
    ws = talker.ws()
    count = 512
    for i in range(count):
        ws.send(
            {"type": "send", "id": f"flood{i}", "receiver_id": listener.id, "content": "x" * 16000}
        )
        ws.until("ack", id=f"flood{i}")
    reading.until("message", seq=count + 1)
    after = sum(resident_memory_kib(worker["pid"]) for worker in unlimited.workers())
    if not is_sanitized(unlimited.workers()[0]["pid"]):
        assert after - before < 6000, f"{after - before} KiB more"

    # Now it reads: the pushes that were queued, then `resync` or close code 4008.
    notified = False
    seqs = set()
    try:
        while not notified and len(seqs) < count + 1:
            opcode, payload = stalled.frame(timeout=10)
            is_4008 = opcode == 8 and payload[:2] == b"\x0f\xa8"
            notified = notified or b'"resync"' in payload or is_4008
            if payload.startswith(b'{"type":"message"'):
                seqs.add(int(payload.split(b'"seq":')[1].split(b",")[0]))
    except ConnectionError:
        notified = True
    assert notified or seqs >= set(range(2, count + 2)), "messages were left out without a resync"
    stalled.close()
    back = listener.ws()
    back.send({"type": "sync", "after": {str(talker.id): 1}})
    synced = []
    while len(synced) < count:
        synced += [m["seq"] for m in back.until("messages", chat_id=talker.id)["messages"]]
    assert synced == list(range(2, count + 2))
    for one in (talker, listener):
        one.close()


def test_a_sync_to_a_client_that_does_not_read_costs_little_memory_and_continues(unlimited):
    """A sync of 24 MB on a socket that does not read; the memory for it is bounded
    (docs/design.md, "Sockets"). A later sync of the same size on the same worker shows that the
    first one had enough time."""
    talker, listener = new_person(unlimited), new_person(unlimited)
    count = 1500
    for _ in range(count // 100):
        unlimited.sql(
            "select count(*) from send_messages(array_fill(%s::bigint, array[100]), "
            "array_fill(%s::bigint, array[100]), array_fill(repeat('x', 16000), array[100]), "
            "array_fill(null::text, array[100]))",
            talker.id,
            listener.id,
        )
    reading = listener.ws()
    stalled = RawSocket(unlimited.port)
    stalled.upgrade(listener.token)
    slot = slot_of(stalled)
    while reading.slot != slot:
        reading = listener.ws()
    pid = unlimited.pid_of(reading.slot)
    before = resident_memory_kib(pid)
    sync = {"type": "sync", "after": {str(talker.id): 0}}
    stalled.send_frame(1, json.dumps(sync).encode())
    wait_for(lambda: stalled.socket.recv(1, MSG_PEEK), what="the first page does not arrive")
    reading.ask(sync, "synced")
    after = resident_memory_kib(pid)
    if not is_sanitized(pid):
        assert after - before < 8000, f"{after - before} KiB more"
    seqs = []
    while True:
        _, payload = stalled.frame()
        frame = json.loads(payload)
        if frame["type"] == "synced":
            break
        seqs += [m["seq"] for m in frame.get("messages", ())]
    assert seqs == list(range(1, count + 1))
    stalled.close()
    for one in (talker, listener):
        one.close()


def test_no_message_is_missing_after_the_ring_was_overrun(unlimited):
    """A burst of 6 MiB from one worker to another, through a ring of 1 MiB."""
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


def test_the_daemon_survives_more_than_max_connections(cluster):
    for daemon in run_daemon(cluster, max_connections=16):
        raws = [RawSocket(daemon.port) for _ in range(40)]
        for raw in raws:
            raw.close()
        wait_for(daemon.healthy)


def test_log_ins_beyond_the_hashers_queue_are_503(unlimited):
    """Other requests are served at the same time."""
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

    def rejected():
        for raw in raws:
            raw.socket.setblocking(False)
            try:
                raw.received += raw.socket.recv(65536)
            except BlockingIOError:
                pass
            if raw.received.startswith(b"HTTP/1.1 503"):
                return raw
        return None

    raw = wait_for(rejected)
    expect.problem(raw.answer(), 503, "unavailable")
    for raw in raws:
        raw.close()
    bystander.close()
