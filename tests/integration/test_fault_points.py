"""A process is killed, stopped, or stopped and then killed at every fault point of the sources
(common/fault.h), amid what really goes through that point.

After each: acknowledged is kept, once, in order; nothing was pushed that is not committed; every
connected member has all that is committed within 2 s, with nobody writing (D4); who is there is
shown so; the others were served meanwhile; the worker is replaced. PARLEY_LONG=1 strikes, besides
the first, some of those who come later.

A point that is new in the sources is struck by the way of its family, the word before the dot; a
point to which no way leads fails.
"""

import concurrent.futures
import glob
import os
import re
import time

import pytest

from conftest import new_person
from fault_harness import Field, Watcher, bound
from parleyd import build_dir, program
from polling import wait_for

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HOWS = ("kill", "stop", "stop_kill")
NTHS = (1, 2, 3, 7) if os.environ.get("PARLEY_LONG") == "1" else (1,)
STOPPED_S = 0.5  # far beyond the 2 ms for which a publisher waits for another
WORKERS = 12
VISITORS = 40
FORGOTTEN_S = 61  # after presence.h's PRESENCE_REMEMBER_MS
GONE_S = 11  # P1: the grace, and one second
FLOOD = 70  # times 16 KiB: more than the ring holds


def points():
    found = []
    for source in sorted(glob.glob(f"{TOP}/common/*.c") + glob.glob(f"{TOP}/daemon/*/*.c")):
        with open(source, encoding="utf-8") as file:
            found += re.findall(r'\bFAULT\("([^"]+)"\)', file.read())
    return found


# --- the ways to the points: what is done before the order is given, then, then afterwards ---


def talk(field):
    yield
    for _ in range(100):  # the first says enough, unless a later one is to be struck
        field.voices[0].say()
        if field.struck_soon():
            break
    yield


def post(field):
    voice = field.voices[0]
    name = f"http-{voice.person.id}-{len(voice.acks)}"
    body = {"receiver_id": field.group, "content": name, "client_id": name}

    def send():
        answer = voice.person.post("/messages/send_message", body)
        assert answer.status_code in (200, 201), answer.text
        voice.acks[name] = answer.json()

    yield
    for _ in range(100):
        field.later(send)
        if field.struck_soon():
            break
    yield
    field.join()
    wait_for(lambda: field.succeeds(send))


def edit(field):
    voice = field.voices[0]
    names = [voice.say() for _ in range(max(NTHS))]
    voice.settle()
    yield
    for name in names * 10:
        voice.edit(name)
        if field.struck_soon():
            break
    yield


def join(field):
    """One who is connected is added to the group."""
    guest = Watcher(new_person(field.daemon), field.group)
    guest.start()
    assert guest.ready.wait(20)
    field.guests.append(guest)
    yield
    field.later(lambda: field.owner.add(field.group, guest.person))
    yield
    field.join()
    wait_for(lambda: field.succeeds(lambda: field.owner.add(field.group, guest.person)))
    field.await_delivery(time.monotonic())
    field.guests.remove(guest)
    guest.stop()
    guest.person.close()


def visit(field):
    """Somebody comes and goes, on a worker where they have not been."""
    visitors = [new_person(field.daemon) for _ in range(max(NTHS))]

    def come():
        for visitor in visitors:
            visitor.ws().abort()

    yield
    field.later(come)
    yield
    field.join()
    for visitor in visitors:
        visitor.close()


def resume(field):
    yield
    for watcher in field.watchers:
        watcher.back = 1
    yield


def gap(field):
    """One change is committed and not published; the next one is."""
    pid = field.stop_at("change.committed", field.voices[0].say)
    yield
    field.voices[1].say()
    field.orders.wait()
    field.go_on(pid)
    yield


def death(field):
    pid = field.daemon.pid_of(field.voices[0].ws.slot)
    yield
    field.voices[0].say()
    field.kill(pid)
    yield


def repair(field):
    """Whoever publishes next finds what one who was killed had begun."""
    pid = field.stop_at("publish.copied", field.voices[0].say)
    yield
    field.kill(pid)
    field.voices[1].say()
    yield


def outbox(field):
    """Nobody can publish."""
    pid = field.stop_at("publish.copied", field.voices[0].say)
    yield
    field.voices[1].say()
    field.orders.wait()
    field.go_on(pid)
    yield


def retried(field):
    """Nobody could publish, and now can."""
    pid = field.stop_at("publish.copied", field.voices[0].say)
    field.voices[1].say()
    field.voices[1].settle()
    yield
    field.go_on(pid)
    yield


def overrun(field):
    """One who did not read for long."""
    watcher = field.watchers[0]
    voice = next(v for v in field.voices if v.ws.slot != watcher.ws.slot)
    pid = field.daemon.pid_of(watcher.ws.slot)
    field.stop(pid)
    voice.say()
    for _ in range(FLOOD):
        voice.say("x" * 16384, voice.person.id)
    voice.settle()
    yield
    field.go_on(pid)
    yield


def logout(field):
    person = new_person(field.daemon)
    ws = person.ws()

    def end():
        answer = person.post("/users/logout")
        assert answer.status_code in (204, 401), answer.text

    yield
    field.later(end)
    yield
    field.await_close(ws)
    field.join()
    wait_for(lambda: field.succeeds(end))


def delete_account(field):
    person = new_person(field.daemon)
    field.owner.add(field.group, person)
    person.send(field.group, "what will be erased")
    ws = person.ws()

    def delete():
        answer = person.delete(f"/users/delete_user/{person.id}")
        assert answer.status_code in (204, 401), answer.text

    yield
    field.later(delete)
    yield
    field.await_close(ws)
    field.join()
    wait_for(lambda: field.succeeds(delete))


def log_in(field):
    if not field.login:
        login = {"username": f"hash.{field.how}", "password": "correct horse"}
        answer = field.owner.post("/users/register", {"full_name": "H", **login})
        assert answer.status_code == 201, answer.text
        field.login = login

    def enter():
        answer = field.owner.post("/users/login", field.login)
        assert answer.status_code == 200, answer.text

    yield
    field.later(enter)
    yield
    field.join()
    wait_for(lambda: field.succeeds(enter))


def sweep(field):
    """Who left a minute ago is forgotten, a few at each time that somebody leaves."""
    yield

    def come():
        for visitor in field.visitors:
            if field.orders.struck():
                break
            visitor.ws().abort()

    for _ in range(3):
        field.later(come)
    yield
    field.join()


WAYS = {
    "accept": visit,
    "batch": talk,
    "bus": talk,
    "bus.overrun": overrun,
    "bus.outbox": outbox,
    "bus.retried": retried,
    "change": talk,
    "reconcile": death,
    "db": talk,
    "edit": edit,
    "group": join,
    "hasher": log_in,
    "post": post,
    "presence": visit,
    "presence.erase": sweep,
    "publish": talk,
    "read": talk,
    "read.overrun": overrun,
    "repair": repair,
    "room": join,
    "room.filled": gap,
    "room.gap": gap,
    "send": talk,
    "session": visit,
    "sleep": talk,
    "sync": resume,
    "hijack": visit,
    "token": logout,
    "user": delete_account,
    "wake": talk,
}
# Where the number of those who get there is up to us.
REPEATABLE = (talk, post, edit, visit)


def way_to(point):
    return WAYS.get(point) or WAYS[point.split(".")[0]]


# --- striking ---


class Struck(Field):
    """A field whose processes are struck in one manner."""

    def __init__(self, cluster, how, workers):
        super().__init__(cluster, workers)
        self.how = how
        self.login = None  # who has a password
        self.delays = []
        self.fault_ended = 0
        self.visitors = []  # who left long ago

    def struck_soon(self):
        """Whether the order was carried out; waits a little for it."""
        try:
            return self.orders.wait(0.3)
        except AssertionError:
            return None

    @staticmethod
    def succeeds(act):
        try:
            act()
        except (OSError, AssertionError):
            return False
        return True

    def await_close(self, ws):
        """No socket outlives its token."""
        ws.until_closed(max(0.1, bound(self.fault_ended) - time.monotonic()))
        assert ws.close_code is not None

    def strike(self, point, nth=1, way=None):
        self.get_ready()
        way = (way or way_to(point))(self)
        next(way)
        self.orders.give(point, "kill" if self.how == "kill" else "stop", nth)
        next(way)
        pid = self.orders.wait()
        if self.how == "kill":
            self.daemon.killed += 1
        else:
            self._leave_stopped(pid)
            if self.how == "stop":
                self.go_on(pid)
            else:
                self.kill(pid)
        self.fault_ended = time.monotonic()
        self.delays.append(self.await_delivery(self.fault_ended))
        for voice in self.voices:
            voice.settle()
        self.await_delivery(time.monotonic())
        next(way, None)
        self.check()

    def _leave_stopped(self, pid):
        """Meanwhile one whose worker runs is served."""
        self.stopped.add(pid)
        since = time.monotonic()
        slots = {worker["pid"]: worker["slot"] for worker in self.daemon.workers()}
        voice = next(v for v in self.voices if v.ws.slot != slots.get(pid) and v.is_heard())
        voice.say()
        assert voice.listen(20), "nobody is served while one is stopped"
        time.sleep(max(0, since + STOPPED_S - time.monotonic()))


class Fields:
    """One for each manner, in use at the same time."""

    def __init__(self, cluster, workers):
        self.cluster, self.workers = cluster, workers
        self.fields = dict.fromkeys(HOWS)

    def _use(self, how, act):
        field = self.fields[how]
        if field is None:
            field = Struck(self.cluster, how, self.workers)
        self.fields[how] = None  # the next point finds a new one where this fails
        try:
            act(field)
        except BaseException:
            field.drop()
            raise
        self.fields[how] = field

    def use(self, act):
        with concurrent.futures.ThreadPoolExecutor(len(HOWS)) as pool:
            for done in [pool.submit(self._use, how, act) for how in HOWS]:
                done.result()

    def finish(self):
        left = [field for field in self.fields.values() if field]
        delays = sorted(delay for field in left for delay in field.delays)
        if delays:
            print(f"\n{len(delays)} strikes, all delivered after at most {delays[-1]:.2f} s")
        try:
            with concurrent.futures.ThreadPoolExecutor(len(HOWS)) as pool:
                for done in [pool.submit(field.finish) for field in left]:
                    done.result()
        finally:
            for field in left:
                field.drop()


@pytest.fixture(scope="module")
def fields(cluster):
    fields = Fields(cluster, WORKERS)
    yield fields
    fields.finish()


@pytest.fixture(scope="module", autouse=True)
def left(cluster):
    """Fields that people left when the module began; the last of them at a strike."""
    fields = Fields(cluster, 3)
    fields.use(everybody_leaves)
    yield fields
    fields.finish()


def everybody_leaves(field):
    field.visitors = [new_person(field.daemon) for _ in range(VISITORS)]
    for visitor in field.visitors[:-1]:
        visitor.ws().abort()
    field.last = field.visitors.pop()
    field.owner.add(field.group, field.last)
    ws = field.last.ws()
    for watcher in field.watchers:
        watcher.watch = [field.last.id]
        watcher.back = 0
    wait_for(lambda: all(watcher.presence for watcher in field.watchers))
    field.strike("presence.changed", way=lambda _: leave(ws))
    field.left = field.fault_ended


def leave(ws):
    yield
    ws.abort()
    yield


@pytest.mark.parametrize("point", [point for point in points() if point != "presence.erase"])
def test_whoever_is_struck_at(point, fields):
    for nth in NTHS if way_to(point) in REPEATABLE else (1,):
        fields.use(lambda field: field.strike(point, nth))


def test_one_who_left_at_a_strike_is_offline_after_the_grace(left):
    """P1: presence is true again within the grace and one second of any crash, told once."""

    def shown(field):
        wait_for(lambda: time.monotonic() > field.left + GONE_S, 2 * GONE_S)
        for watcher in field.watchers:
            wait_for(
                lambda w=watcher: not w.presence[-1][1]["online"],
                max(0.1, bound(field.left, GONE_S) - time.monotonic()),
                "they are still shown as online",
            )
            when = next(at for at, frame in watcher.presence if not frame["online"])
            assert when < bound(field.left, GONE_S)
        field.check_presence([field.last], False)

    left.use(shown)


def test_whoever_is_struck_at_presence_erase(left):
    """Last, for it takes a minute until somebody is forgotten."""

    def strike(field):
        wait_for(lambda: time.monotonic() > field.left + FORGOTTEN_S, 2 * FORGOTTEN_S)
        field.strike("presence.erase")

    left.use(strike)


# --- the points themselves ---


def test_each_point_has_a_name_of_its_own():
    assert len(points()) == len(set(points())) > 60


def test_the_daemon_that_is_installed_has_no_fault_point():
    """Unless it was configured to; parleyd-faults has them all."""
    with open(os.path.join(build_dir(), "config.status"), encoding="utf-8") as file:
        if "-DPARLEY_FAULTS" in file.read():
            pytest.skip("configured with --enable-faults")
    names = {"PARLEY_FAULTS", *points()}
    for name, wanted in (("parleyd", set()), ("parleyd-faults", names)):
        with open(program(name), "rb") as file:
            text = file.read()
        assert {one for one in names if b"\0%s\0" % one.encode() in text} == wanted
