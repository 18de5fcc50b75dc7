"""Every fault point of the sources (common/fault.h): a process is killed there, stopped there, or
stopped and then killed.

After each fault the promises of docs/api.md are checked: acknowledged messages are kept, once and
in order; nothing uncommitted was pushed; every connected member has all committed messages within
2 s without further writes; presence is correct; the other workers kept serving; the worker is
replaced. With PARLEY_LONG=1 also the second, third and seventh process that reaches a point is hit.

TRIGGERS says how a point is reached: by its name, or by its family, the word before the dot. A new
point of a known family is tested without a change here; a point without a trigger fails.
"""

import concurrent.futures
import glob
import os
import re
import time

import pytest

from conftest import new_person
from fault_harness import FaultHarness, Reader, bound
from parleyd import build_dir, program
from polling import wait_for

pytestmark = pytest.mark.no_valgrind("bounds of time")

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ACTIONS = ("kill", "stop", "stop_kill")
NTHS = (1, 2, 3, 7) if os.environ.get("PARLEY_LONG") == "1" else (1,)
STOPPED_S = 0.5  # far more than the 2 ms that a publisher waits for the ring's lock
WORKERS = 12
VISITORS = 40
FORGOTTEN_S = 61  # PRESENCE_REMEMBER_MS of presence.h, and one second
OFFLINE_S = 11  # the grace of presence, and one second
FLOOD = 70  # times 16 KiB: more than the ring holds


def points():
    found = []
    for source in sorted(glob.glob(f"{TOP}/common/*.c") + glob.glob(f"{TOP}/daemon/*/*.c")):
        with open(source, encoding="utf-8") as file:
            found += re.findall(r'\bFAULT\("([^"]+)"\)', file.read())
    return found


# --- triggers: generators whose steps are: prepare, reach the armed point, finish ---


def send_messages(harness):
    yield
    for _ in range(100):  # the first is enough, unless a later arrival is to be hit
        harness.writers[0].send()
        if harness.is_hit_soon():
            break
    yield


def send_over_http(harness):
    writer = harness.writers[0]
    name = f"http-{writer.person.id}-{len(writer.acks)}"
    body = {"receiver_id": harness.group, "content": name, "client_id": name}

    def send():
        answer = writer.person.post("/messages/send_message", body)
        assert answer.status_code in (200, 201), answer.text
        writer.acks[name] = answer.json()

    yield
    for _ in range(100):
        harness.in_background(send)
        if harness.is_hit_soon():
            break
    yield
    harness.join()
    wait_for(lambda: harness.succeeds(send))


def edit_messages(harness):
    writer = harness.writers[0]
    names = [writer.send() for _ in range(max(NTHS))]
    writer.settle()
    yield
    for name in names * 10:
        writer.edit(name)
        if harness.is_hit_soon():
            break
    yield


def react_to_messages(harness):
    writer = harness.writers[0]
    names = [writer.send() for _ in range(max(NTHS))]
    writer.settle()
    yield
    for name in names * 10:
        writer.react(name)
        if harness.is_hit_soon():
            break
    yield


def enter_group(harness, enter):
    """A connected user enters the group: enter(person), which fails if that is not acknowledged."""
    reader = Reader(new_person(harness.daemon), harness.group)
    reader.start()
    assert reader.ready.wait(20)
    harness.extra_readers.append(reader)
    yield
    harness.in_background(lambda: enter(reader.person))
    yield
    harness.join()
    wait_for(lambda: harness.succeeds(lambda: enter(reader.person)))
    harness.await_delivery(time.monotonic())
    harness.extra_readers.remove(reader)
    reader.stop()
    reader.person.close()


def add_member(harness):
    return enter_group(harness, lambda person: harness.owner.add(harness.group, person))


def join_by_invite(harness):
    code = harness.owner.post(f"/groups/{harness.group}/invites", {}).json()["code"]

    def join(person):
        answer = person.post(f"/invites/{code}/join")
        assert answer.status_code == 200, answer.text

    return enter_group(harness, join)


def connect_and_disconnect(harness):
    """A new user connects and disconnects, on a worker that has no entry for them."""
    visitors = [new_person(harness.daemon) for _ in range(max(NTHS))]

    def visit():
        for visitor in visitors:
            visitor.ws().abort()

    yield
    harness.in_background(visit)
    yield
    harness.join()
    for visitor in visitors:
        visitor.close()


def sync_again(harness):
    yield
    for reader in harness.readers:
        reader.rewind = 1
    yield


def publish_with_gap(harness):
    """A change is committed and not published; the next change is."""
    pid = harness.stop_at("change.committed", harness.writers[0].send)
    yield
    harness.writers[1].send()
    harness.injector.wait_until_hit()
    harness.resume(pid)
    yield


def kill_a_worker(harness):
    pid = harness.daemon.pid_of(harness.writers[0].ws.slot)
    yield
    harness.writers[0].send()
    harness.kill(pid)
    yield


def publish_after_dead_publisher(harness):
    """The next publisher finds the unfinished record of a killed one."""
    pid = harness.stop_at("publish.copied", harness.writers[0].send)
    yield
    harness.kill(pid)
    harness.writers[1].send()
    yield


def publish_while_locked(harness):
    """The ring's lock is held by a stopped process, so records go to the outbox."""
    pid = harness.stop_at("publish.copied", harness.writers[0].send)
    yield
    harness.writers[1].send()
    harness.injector.wait_until_hit()
    harness.resume(pid)
    yield


def publish_outbox(harness):
    """The ring's lock is released, so the outbox is published."""
    pid = harness.stop_at("publish.copied", harness.writers[0].send)
    harness.writers[1].send()
    harness.writers[1].settle()
    yield
    harness.resume(pid)
    yield


def overrun_a_worker(harness):
    """A worker is stopped while the ring wraps around."""
    reader = harness.readers[0]
    writer = next(w for w in harness.writers if w.ws.slot != reader.ws.slot)
    pid = harness.daemon.pid_of(reader.ws.slot)
    harness.stop(pid)
    writer.send()
    for _ in range(FLOOD):
        writer.send("x" * 16384, writer.person.id)
    writer.settle()
    yield
    harness.resume(pid)
    yield


def log_out(harness):
    person = new_person(harness.daemon)
    ws = person.ws()

    def end():
        answer = person.post("/users/logout")
        assert answer.status_code in (204, 401), answer.text

    yield
    harness.in_background(end)
    yield
    harness.await_close(ws)
    harness.join()
    wait_for(lambda: harness.succeeds(end))


def remains_of(harness, person):
    return harness.daemon.sql(
        "select user_id from members where user_id = %s "
        "union all select sender_id from messages where sender_id = %s",
        person.id,
        person.id,
    )


def delete_account(harness):
    person = new_person(harness.daemon)
    harness.owner.add(harness.group, person)
    person.send(harness.group, "to be erased")
    ws = person.ws()

    def delete():
        answer = person.delete(f"/users/delete_user/{person.id}")
        assert answer.status_code in (204, 401), answer.text

    yield
    harness.in_background(delete)
    yield
    harness.await_close(ws)
    harness.join()
    wait_for(lambda: harness.succeeds(delete))
    # Another worker continues what the killed one began.
    wait_for(lambda: remains_of(harness, person) == [])


def end_group(harness):
    """The last member leaves; the texts are erased afterwards."""
    person = new_person(harness.daemon)
    group = person.group("to end")
    person.send(group, "to be erased")

    def leave():
        answer = person.post("/groups/leave_group", {"group_id": group})
        assert answer.status_code in (204, 404), answer.text

    def is_erased():
        return harness.daemon.sql(
            "select from messages where conv_id = %s and content is not null", group
        ) == []

    yield
    harness.in_background(leave)
    yield
    harness.join()
    wait_for(lambda: harness.succeeds(leave))
    wait_for(is_erased)


def log_in(harness):
    if not harness.login:
        login = {"username": f"hash.{harness.action}", "password": "correct horse"}
        answer = harness.owner.post("/users/register", {"full_name": "H", **login})
        assert answer.status_code == 201, answer.text
        harness.login = login

    def enter():
        answer = harness.owner.post("/users/login", harness.login)
        assert answer.status_code == 200, answer.text

    yield
    harness.in_background(enter)
    yield
    harness.join()
    wait_for(lambda: harness.succeeds(enter))


def sweep_presence(harness):
    """Users who left more than a minute ago are erased, a few at each disconnect."""
    yield

    def visit():
        for visitor in harness.visitors:
            if harness.injector.hit_pid():
                break
            visitor.ws().abort()

    for _ in range(3):
        harness.in_background(visit)
    yield
    harness.join()


def drop_index(harness):
    yield
    harness.daemon.sql("drop index search_blocks_terms")
    yield
    wait_for(lambda: harness.daemon.sql("select search_ready()")[0][0])


TRIGGERS = {
    "accept": connect_and_disconnect,
    "batch": send_messages,
    "bus": send_messages,
    "bus.outbox": publish_while_locked,
    "bus.overrun": overrun_a_worker,
    "bus.retried": publish_outbox,
    "change": send_messages,
    "db": send_messages,
    "edit": edit_messages,
    "erase": delete_account,
    "erase.group": end_group,
    "group": add_member,
    "hasher": log_in,
    "indexer": send_messages,  # a step follows every two seconds
    "indexer.create": drop_index,
    "hijack": connect_and_disconnect,
    "invite": join_by_invite,
    "post": send_over_http,
    "presence": connect_and_disconnect,
    "presence.erase": sweep_presence,
    "publish": send_messages,
    "react": react_to_messages,
    "read": send_messages,
    "read.overrun": overrun_a_worker,
    "reconcile": kill_a_worker,
    "repair": publish_after_dead_publisher,
    "room": add_member,
    "room.filled": publish_with_gap,
    "room.gap": publish_with_gap,
    "send": send_messages,
    "session": connect_and_disconnect,
    "sleep": send_messages,
    "sync": sync_again,
    "token": log_out,
    "user": delete_account,
    "wake": send_messages,
}
# These reach a point as often as wanted.
REPEATABLE = (
    send_messages,
    send_over_http,
    edit_messages,
    react_to_messages,
    connect_and_disconnect,
)
# The master reaches these too, when it restarts a worker (presence_begin, ring_poke_all).
REACHED_BY_MASTER = ("presence", "wake")


def trigger_for(point):
    return TRIGGERS.get(point) or TRIGGERS[point.split(".")[0]]


# --- injection ---


class PointHarness(FaultHarness):
    """A harness whose faults are all of one action."""

    def __init__(self, cluster, action, workers):
        super().__init__(cluster, workers)
        self.action = action
        self.login = None  # username and password of a registered user
        self.delays = []
        self.fault_ended = 0
        self.visitors = []  # users who left at the start

    def is_hit_soon(self):
        """True if a process is hit within a short time."""
        try:
            return wait_for(self.injector.hit_pid, 0.3)
        except AssertionError:
            return False

    @staticmethod
    def succeeds(act):
        try:
            act()
        except (OSError, AssertionError):
            return False
        return True

    def await_close(self, ws):
        """Promise 5: no socket outlives its token."""
        ws.until_closed(max(0.1, bound(self.fault_ended) - time.monotonic()))
        assert ws.close_code is not None

    def inject(self, point, nth=1, trigger=None):
        """Injects one fault at the point and checks everything after it."""
        if point.split(".")[0] in REACHED_BY_MASTER:
            wait_for(self.all_workers_run, 60, "a worker was not replaced")
        self.connect_writers()
        steps = (trigger or trigger_for(point))(self)
        next(steps)
        self.injector.arm(point, "kill" if self.action == "kill" else "stop", nth)
        next(steps)
        pid = self.injector.wait_until_hit()
        assert pid != self.daemon.process.pid, f"the master reached {point}"
        if self.action == "kill":
            self.daemon.killed += 1
        else:
            self._leave_stopped(pid)
            if self.action == "stop":
                self.resume(pid)
            else:
                self.kill(pid)
        self.fault_ended = time.monotonic()
        self.delays.append(self.await_delivery(self.fault_ended))
        for writer in self.writers:
            writer.settle()
        self.await_delivery(time.monotonic())
        next(steps, None)
        self.check()

    def _leave_stopped(self, pid):
        """Meanwhile a writer on another worker is served."""
        self.stopped.add(pid)
        since = time.monotonic()
        slots = {worker["pid"]: worker["slot"] for worker in self.daemon.workers()}
        writer = next(
            w for w in self.writers if w.ws.slot != slots.get(pid) and w.is_responsive()
        )
        writer.send()
        assert writer.read_answers(20), "a stopped worker blocks the others"
        time.sleep(max(0, since + STOPPED_S - time.monotonic()))


class Harnesses:
    """One harness for each action. All are used at the same time."""

    def __init__(self, cluster, workers):
        self.cluster, self.workers = cluster, workers
        self.harnesses = dict.fromkeys(ACTIONS)

    def _use(self, action, act):
        harness = self.harnesses[action]
        if harness is None:
            harness = PointHarness(self.cluster, action, self.workers)
        self.harnesses[action] = None  # after a failure the next point gets a new one
        try:
            act(harness)
        except BaseException:
            harness.drop()
            raise
        self.harnesses[action] = harness

    def use(self, act):
        with concurrent.futures.ThreadPoolExecutor(len(ACTIONS)) as pool:
            for done in [pool.submit(self._use, action, act) for action in ACTIONS]:
                done.result()

    def finish(self):
        left = [harness for harness in self.harnesses.values() if harness]
        delays = sorted(delay for harness in left for delay in harness.delays)
        if delays:
            print(f"\n{len(delays)} faults, all delivered within {delays[-1]:.2f} s")
        try:
            with concurrent.futures.ThreadPoolExecutor(len(ACTIONS)) as pool:
                for done in [pool.submit(harness.finish) for harness in left]:
                    done.result()
        finally:
            for harness in left:
                harness.drop()


@pytest.fixture(scope="module")
def harnesses(cluster):
    harnesses = Harnesses(cluster, WORKERS)
    yield harnesses
    harnesses.finish()


@pytest.fixture(scope="module", autouse=True)
def deserted(cluster):
    """Harnesses that all visitors left when the module began, the last of them at a fault."""
    harnesses = Harnesses(cluster, 3)
    harnesses.use(disconnect_all_visitors)
    yield harnesses
    harnesses.finish()


def disconnect_all_visitors(harness):
    harness.visitors = [new_person(harness.daemon) for _ in range(VISITORS)]
    for visitor in harness.visitors[:-1]:
        visitor.ws().abort()
    harness.last = harness.visitors.pop()
    harness.owner.add(harness.group, harness.last)
    ws = harness.last.ws()
    for reader in harness.readers:
        reader.watch = [harness.last.id]
        reader.rewind = 0
    wait_for(lambda: all(reader.presence for reader in harness.readers))
    harness.inject("presence.changed", trigger=lambda _: disconnect(ws))
    harness.deserted_at = harness.fault_ended


def disconnect(ws):
    yield
    ws.abort()
    yield


@pytest.mark.parametrize("point", [point for point in points() if point != "presence.erase"])
def test_promises_hold_after_a_fault_at(point, harnesses):
    for nth in NTHS if trigger_for(point) in REPEATABLE else (1,):
        harnesses.use(lambda harness: harness.inject(point, nth))


def test_user_who_left_during_a_fault_is_offline_after_the_grace(deserted):
    """docs/api.md: offline only after 10 s without a socket. A crash adds at most one second, and
    the change is pushed once."""

    def check_offline(harness):
        wait_for(lambda: time.monotonic() > harness.deserted_at + OFFLINE_S, 2 * OFFLINE_S)
        for reader in harness.readers:
            wait_for(
                lambda r=reader: not r.presence[-1][1]["online"],
                max(0.1, bound(harness.deserted_at, OFFLINE_S) - time.monotonic()),
                "the user is still shown as online",
            )
            when = next(at for at, frame in reader.presence if not frame["online"])
            assert when < bound(harness.deserted_at, OFFLINE_S)
        harness.check_presence([harness.last], False)

    deserted.use(check_offline)


def test_promises_hold_after_a_fault_at_presence_erase(deserted):
    """Runs last: an entry is erased a minute after its user left."""

    def inject(harness):
        wait_for(lambda: time.monotonic() > harness.deserted_at + FORGOTTEN_S, 2 * FORGOTTEN_S)
        harness.inject("presence.erase")

    deserted.use(inject)


# --- the points themselves ---


def test_names_of_fault_points_are_unique():
    assert len(points()) == len(set(points())) > 60


def test_parleyd_contains_no_fault_point():
    """Unless it is configured with --enable-faults. parleyd-faults contains all of them."""
    with open(os.path.join(build_dir(), "config.status"), encoding="utf-8") as file:
        if "-DPARLEY_FAULTS" in file.read():
            pytest.skip("configured with --enable-faults")
    names = {"PARLEY_FAULTS", *points()}
    for name, wanted in (("parleyd", set()), ("parleyd-faults", names)):
        with open(program(name), "rb") as file:
            text = file.read()
        assert {one for one in names if b"\0%s\0" % one.encode() in text} == wanted
