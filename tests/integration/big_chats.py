"""big_chats: loads by which one account, or a client without a token, can harm others, and what
another user of the same worker waits meanwhile.

Owns: for each scenario a daemon with one worker, its data, the clients. Knows nothing of: bounds in
`make check`, which test_big_chats.py has.

A scenario is a generator: it inserts its data and opens its sockets, yields, and is the load from
then on. `make big-chats` runs all with FULL sizes and prints a table.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import os
import select
import signal
import sys
import time

import requests

import big_data
from bystander import Bystander
from cluster import Cluster
from crowd import Crowd, address, ws_frame
from many_sockets import close_all, connect, move_above_select_max
from parleyd import Parleyd
from polling import wait_for
from procfs import raise_fd_limit, resident_memory_kib

LOAD_S = 60  # a load that takes longer is cut off
CUT_OFF = "cut off"
LEAST_S = 1  # of measuring, if the load ends sooner
KINDS = ("send", "connect", "ping", "get", "log_in")
SETTINGS = {"workers": 1, "rate_limits": True, "ping_interval": 300}
SEND_P99_S = 0.1
LOCKED_SEND_P99_S = 0.4  # The batch that meets the lock waits for it for 300 ms, once.
CONNECT_S = 0.2
PASSWORD = "correct horse battery"


@dataclasses.dataclass(frozen=True)
class Sizes:
    members: int = 20_000  # of the large group
    online: int = 2_000  # sockets of its members
    renames: int = 20
    reactors: int = 1_000  # members of a group, who are online and react to one message
    reacting_s: float = 10  # in which they do
    chats: int = 5_000  # of one user
    sockets: int = 8  # of that user
    erased: int = 100_000  # messages of the user who is deleted, in 500 chats
    group_texts: int = 1_000_000  # of the group that ends
    namesakes: int = 100_000  # users whose names begin alike
    searches: int = 300
    locked_s: float = 3
    edits: int = 960
    long_chats: int = 1_000  # whose last message is 16 KiB of U+0001
    unread_answers: int = 20
    bodies: int = 1_000
    held_s: float = 5  # before connections without progress are closed
    guessing_addresses: int = 26
    warm_s: float = 1
    after_s: float = 2  # from the end of the load to the last measurement of memory


_numbers = itertools.count(1)

FULL = Sizes()
MORE = dataclasses.replace(FULL, chats=50_000)


class NotEnded(Exception):
    """The load was cut off after LOAD_S."""


class Stage:
    """What a scenario has: the daemon, its database, and time until LOAD_S is over."""

    def __init__(self, daemon, sizes):
        self.daemon = daemon
        self.db = daemon.db()
        self.sizes = sizes
        self.notes = collections.Counter()  # answers and the like, for the table
        self.guessed = []  # when a wrong password was found wrong
        self.opened = contextlib.ExitStack()
        self.deadline = time.monotonic() + 3600

    def left(self):
        """Seconds until the load is cut off."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise NotEnded
        return left

    def users(self, n, prefix, full_name="Person"):
        """New users, with usernames that no other scenario has."""
        return big_data.users(self.db, n, f"{prefix}{next(_numbers)}-", full_name)

    def wait_for(self, condition):
        try:
            wait_for(condition, self.left())
        except AssertionError:
            raise NotEnded from None

    def request(self, user, method, path, body=None):
        """A request with the user's token, counted by its status; returns the answer."""
        headers = {"Authorization": f"Bearer {big_data.token_of(user)}"}
        try:
            answer = requests.request(
                method, self.daemon.url(path), json=body, headers=headers, timeout=self.left()
            )
        except requests.RequestException:
            self.left()
            self.notes["no answer"] += 1
            return None
        self.notes[answer.status_code] += 1
        return answer

    def crowd(self, users):
        crowd = Crowd(self.daemon.port)
        self.opened.callback(crowd.close)
        crowd.open([big_data.token_of(user) for user in users])
        self.wait_for(lambda: crowd.n_marked == len(crowd.sockets))
        return crowd

    def connections(self, n, small=False):
        """Connections without a token, each from the same address."""
        opened = [
            move_above_select_max(connect(self.daemon.port, small, source=address(0)))
            for _ in range(n)
        ]
        self.opened.callback(close_all, opened)
        return opened

    def run_parallel(self, n_threads, work, items):
        """Calls work(item) for all items, in threads."""
        with concurrent.futures.ThreadPoolExecutor(n_threads) as threads:
            for done in [threads.submit(work, item) for item in items]:
                done.result()


# --- scenarios ---


def nothing(stage):
    """No load: what the machine allows."""
    yield
    time.sleep(stage.sizes.held_s)


def large_group(stage):
    """A group with its first members online; returns its id, its members and their sockets."""
    members = stage.users(stage.sizes.members, "member")
    group = big_data.groups(stage.db, 1, members)[0]
    big_data.analyze(stage.db)
    return group, members, stage.crowd(members[: stage.sizes.online])


def renames(stage):
    """The owner of a large group renames it again and again."""
    group, members, crowd = large_group(stage)
    yield
    crowd.count(b'"name":"last"')
    for i in range(stage.sizes.renames - 1):
        stage.request(members[0], "PATCH", f"/groups/{group}", {"name": f"name {i}"})
    stage.request(members[0], "PATCH", f"/groups/{group}", {"name": "last"})
    stage.wait_for(lambda: crowd.n_marked >= stage.sizes.online)
    stage.wait_for(lambda: crowd.quiet_s() > 0.5)


def leaves(stage):
    """A member of a large group leaves, then its owner."""
    group, members, crowd = large_group(stage)
    yield
    crowd.count(b'"kind":"leave"')
    for leaver in (members[-1], members[0]):
        stage.request(leaver, "POST", "/groups/leave_group", {"group_id": group})
    stage.wait_for(lambda: crowd.n_marked >= 2 * (stage.sizes.online - 1))
    stage.wait_for(lambda: crowd.quiet_s() > 0.5)


def reads(stage):
    """A message to a large group, which all that are online mark as read."""
    group, members, crowd = large_group(stage)
    yield
    crowd.count(b'"type":"message"')
    sent = stage.request(
        members[0], "POST", "/messages/send_message", {"receiver_id": group, "content": "news"}
    ).json()
    stage.wait_for(lambda: crowd.n_marked >= stage.sizes.online)
    frame = ws_frame(json.dumps({"type": "read", "chat_id": group, "seq": sent["seq"]}))
    for one in crowd.sockets:
        crowd.send(one, frame)
    readers = "select count(*) from members where conv_id = %s and read_seq >= %s"
    stage.wait_for(
        lambda: stage.daemon.sql(readers, group, sent["seq"])[0][0] >= stage.sizes.online
    )
    stage.wait_for(lambda: crowd.quiet_s() > 1.5)
    stage.notes["MB pushed"] = crowd.n_bytes // 1_000_000


def hot_message(stage):
    """All members of a group react to one message within seconds; each reaction is pushed to all."""
    members = stage.users(stage.sizes.reactors, "reactor")
    group = big_data.groups(stage.db, 1, members)[0]
    big_data.analyze(stage.db)
    crowd = stage.crowd(members)
    sent = stage.request(
        members[0], "POST", "/messages/send_message", {"receiver_id": group, "content": "news"}
    ).json()
    stage.wait_for(lambda: crowd.quiet_s() > 0.5)
    yield
    crowd.count(b'"type":"ack"')
    began = time.monotonic()
    for i, one in enumerate(crowd.sockets):
        frame = {"type": "react", "message_id": sent["message_id"], "emoji": "👍❤🚀"[i % 3], "on": True}
        crowd.send(one, ws_frame(json.dumps(frame)))
        ahead = began + i * stage.sizes.reacting_s / len(members) - time.monotonic()
        if ahead > 0.001:
            time.sleep(ahead)
    stage.wait_for(lambda: crowd.n_marked >= len(members))
    stage.notes["acknowledged after s"] = round(time.monotonic() - began, 1)
    stage.wait_for(lambda: crowd.quiet_s() > 0.5)
    (message,) = stage.request(members[0], "GET", f"/messages/{group}?limit=1").json()["messages"]
    assert sum(one["count"] for one in message["reactions"]) == len(members), message


def many_chats(stage):
    """A user in many groups opens sockets, syncs with all chats named, and lists the chats."""
    owner, user = stage.users(2, "collector")
    groups = big_data.groups(stage.db, stage.sizes.chats, [owner, user])
    big_data.analyze(stage.db)
    yield
    crowd = stage.crowd([user] * stage.sizes.sockets)
    frames = []
    for first in range(0, len(groups), 4_000):  # a frame is at most 64 KiB
        named = {str(group): 0 for group in groups[first : first + 4_000]}
        frames.append(ws_frame(json.dumps({"type": "sync", "after": named}, separators=(",", ":"))))
    crowd.count(b'"type":"synced"')
    for frame in frames[:2]:  # more than four at a time are rejected
        for one in crowd.sockets:
            crowd.send(one, frame)
    stage.wait_for(lambda: crowd.n_marked >= len(crowd.sockets) * len(frames[:2]))
    after = ""
    while after is not None:
        answer = stage.request(user, "GET", f"/chats{after}")
        following = answer.json().get("next") if answer.status_code == 200 else None
        after = f"?after={following}" if following else None


def deleted_user(stage):
    """A user with many messages in 500 chats deletes the account; a peer goes on sending to one."""
    user, *peers = stage.users(501, "peer")
    per_chat = max(1, stage.sizes.erased // 500)
    big_data.directs(stage.db, user, peers[:250], per_chat)
    big_data.groups(stage.db, 250, [user, *peers[:3]], per_chat)
    big_data.analyze(stage.db)
    crowd = stage.crowd(peers[:1])
    of_each_chat = "select max(message_id) from messages where sender_id = %s group by conv_id"
    samples = [row[0] for row in stage.daemon.sql(of_each_chat, user)]
    yield
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        deletion = thread.submit(stage.request, user, "DELETE", f"/users/delete_user/{user}")
        group = stage.daemon.sql(
            "select max(conv_id) from members where user_id = %s", peers[0]
        )[0][0]
        while not deletion.done():
            text = {"type": "send", "id": f"n{time.monotonic_ns()}", "content": "still here"}
            crowd.send(crowd.sockets[0], ws_frame(json.dumps({**text, "receiver_id": group})))
            time.sleep(0.1)
        deletion.result()
    left = "select count(content) from messages where message_id = any (%s)"
    stage.wait_for(lambda: stage.daemon.sql(left, samples)[0][0] == 0)


def ended_group(stage):
    """The last member of a group with very many messages leaves."""
    user = stage.users(1, "last")[0]
    n = stage.sizes.group_texts
    group = big_data.groups(stage.db, 1, [user], n)[0]
    big_data.analyze(stage.db)
    left = "select count(content) from messages where conv_id = %s and seq = any (%s)"
    yield
    stage.request(user, "POST", "/groups/leave_group", {"group_id": group})
    stage.wait_for(lambda: stage.daemon.sql(left, group, [1, n // 2, n])[0][0] == 0)


def searches(stage):
    """Searches for a letter with which very many names begin."""
    user = stage.users(stage.sizes.namesakes, "s", "Sam")[0]
    big_data.analyze(stage.db)
    yield

    def search(_):
        with contextlib.suppress(NotEnded):
            stage.request(user, "GET", "/users/search?q=s")

    stage.run_parallel(50, search, range(stage.sizes.searches))
    stage.left()


def locked_row(stage):
    """Another session locks a conversation for seconds; its users send to it."""
    user, peer = stage.users(2, "locked")
    conv = big_data.directs(stage.db, user, [peer])[0]
    crowd = stage.crowd([user])
    lock = "select from conversations where conv_id = %s for update"
    yield
    text = {"type": "send", "receiver_id": peer, "content": "waits"}
    with stage.daemon.locked(lock, conv):
        for i in range(10):
            crowd.send(crowd.sockets[0], ws_frame(json.dumps({**text, "id": f"w{i}"})))
        time.sleep(stage.sizes.locked_s)
    stored = "select count(*) from messages where conv_id = %s and client_id like 'w%%'"
    # Sends that were answered by an error are not stored later.
    stage.wait_for(lambda: stage.daemon.sql(stored, conv)[0][0] == 10 or crowd.quiet_s() > 1)


def edits(stage):
    """A user sends as many edits at once as the limit of frames allows."""
    user, peer = stage.users(2, "editor")
    conv = big_data.directs(stage.db, user, [peer])[0]
    message = stage.daemon.sql("select message_id from messages where conv_id = %s", conv)[0][0]
    crowd = stage.crowd([user])
    frames = b"".join(
        ws_frame(json.dumps({"type": "edit", "message_id": message, "content": f"edit {i}"}))
        for i in range(stage.sizes.edits)
    )
    yield
    crowd.count(b'"type":"ack"')
    crowd.send(crowd.sockets[0], frames)
    # An edit that waits for too long may be rejected.
    stage.wait_for(lambda: crowd.n_marked >= stage.sizes.edits or crowd.quiet_s() > 2)
    assert crowd.n_marked > 0, "no edit was acknowledged"
    stage.notes["acknowledged"] = crowd.n_marked


def unread_answers(stage):
    """GET /chats with long last messages that are longer still in JSON; the client does not read."""
    owner, user = stage.users(2, "reader")
    big_data.groups(stage.db, stage.sizes.long_chats, [owner, user], content="\x01" * 16_384)
    big_data.analyze(stage.db)
    connections = stage.connections(stage.sizes.unread_answers, small=True)
    yield
    head = f"GET /chats HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {big_data.token_of(user)}\r\n\r\n"
    for one in connections:
        one.sendall(head.encode())
    time.sleep(stage.sizes.held_s)


def unfinished_bodies(stage):
    """Many connections of one address, each with a body of which one byte is missing."""
    length = 1 << 20
    data = memoryview(login_head(length) + b" " * (length - 1))
    yield
    unsent = {}
    poll = select.epoll()
    for one in open_some(stage, stage.sizes.bodies):
        one.setblocking(False)
        unsent[one.fileno()] = (one, data)
        poll.register(one.fileno(), select.EPOLLOUT)
    quiet = time.monotonic()
    while unsent and time.monotonic() - quiet < 2:  # the server need not read all
        stage.left()
        for fd, _ in poll.poll(0.1):
            one, rest = unsent[fd]
            try:
                rest = rest[one.send(rest[: 1 << 18]) :]
            except OSError:
                stage.notes["reset"] += 1
                rest = b""
            quiet = time.monotonic()
            unsent[fd] = (one, rest)
            if not rest:
                poll.unregister(fd)
                del unsent[fd]
    poll.close()
    stage.notes["not read"] = len(unsent)
    time.sleep(stage.sizes.held_s)


def open_some(stage, n):
    """Up to n connections: the server may refuse some."""
    for _ in range(n):
        try:
            yield from stage.connections(1)
        except OSError:
            stage.notes["refused"] += 1


def guessed_passwords(stage):
    """Ten log-ins at once, each with another name and a wrong password, from each of many addresses."""
    tries = [
        (f"127.79.{i}.1", json.dumps({"username": f"guess{i}-{j}", "password": PASSWORD}).encode())
        for i in range(stage.sizes.guessing_addresses)
        for j in range(10)
    ]
    yield

    def guess(one):
        source, body = one
        with contextlib.suppress(NotEnded, OSError), connect(
            stage.daemon.port, source=source
        ) as guesser:
            guesser.settimeout(stage.left())
            guesser.sendall(login_head(len(body)) + body)
            status = guesser.recv(4096)[9:12].decode()
            stage.notes[status] += 1
            if status == "401":
                stage.guessed.append(time.monotonic())

    stage.run_parallel(len(tries), guess, tries)
    stage.left()


def login_head(length):
    head = "POST /users/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


# --- measuring ---


class Result:
    def __init__(self, stage, bystander, memory_mib, begin, end, send_p99_s):
        counted = max(end, begin + LEAST_S)
        self.waits = {kind: bystander.waits(kind, begin, counted) for kind in KINDS}
        self.failures = bystander.failures(begin, counted)  # of the bystander, not of the load
        self.standstill_s = bystander.standstill(begin, counted)
        self.hashed_before = bystander.most_during("log_in", stage.guessed)
        self.memory_mib = memory_mib  # before, peak, after
        self.took_s = end - begin
        self.notes = stage.notes
        self.send_p99_s = send_p99_s

    @property
    def cut_off(self):
        return CUT_OFF in self.notes

    def over(self):
        """The bounds that were exceeded, apart from the time in which the measurement itself stood still."""
        exceeded = {
            "send p99": self.waits["send"].p99 > self.send_p99_s + self.standstill_s,
            "connect": self.waits["connect"].worst > CONNECT_S + self.standstill_s,
        }
        return [what for what, is_over in exceeded.items() if is_over] + list(self.failures)


SCENARIOS = {
    "nothing": nothing,
    "renames": renames,
    "leaves": leaves,
    "reads": reads,
    "hot_message": hot_message,
    "many_chats": many_chats,
    "deleted_user": deleted_user,
    "ended_group": ended_group,
    "searches": searches,
    "locked_row": locked_row,
    "edits": edits,
    "unread_answers": unread_answers,
    "unfinished_bodies": unfinished_bodies,
    "guessed_passwords": guessed_passwords,
}


def measure(daemon, name, sizes):
    """Runs one scenario on a daemon with SETTINGS; returns its Result."""
    raise_fd_limit(20_000)
    stage = Stage(daemon, sizes)
    pid = daemon.pid_of(0)
    speaker, peer = stage.users(2, "bystander")
    big_data.directs(stage.db, speaker, [peer])
    login = register(daemon) if name == "guessed_passwords" else None
    bystander = None
    try:
        load = SCENARIOS[name](stage)
        next(load)
        bystander = Bystander(daemon.port, big_data.token_of(speaker), peer, login)
        time.sleep(sizes.warm_s)
        before = resident_memory_kib(pid)
        reset_peak(pid)
        begin = time.monotonic()
        stage.deadline = begin + LOAD_S
        try:
            next(load, None)
        except NotEnded:
            stage.notes[CUT_OFF] = 1
        end = time.monotonic()
        time.sleep(max(0, begin + LEAST_S - end))
        stage.opened.close()
        time.sleep(sizes.after_s)
        memory = (before, peak_memory_kib(pid), resident_memory_kib(pid))
        bystander.stop()
    finally:
        stage.opened.close()
        if bystander:
            bystander.kill()
    send_p99_s = LOCKED_SEND_P99_S if name == "locked_row" else SEND_P99_S
    return Result(stage, bystander, [kib / 1024 for kib in memory], begin, end, send_p99_s)


def on_new_daemon(cluster, name, sizes):
    """Runs one scenario on a daemon of its own, whose log is checked, and returns its Result."""
    daemon = Parleyd(cluster, **SETTINGS)
    try:
        daemon.start()
        result = measure(daemon, name, sizes)
        if not result.cut_off:  # else it may be busy for minutes
            assert daemon.stop() == 0 and not daemon.complaints(), daemon.complaints()
        return result
    except Exception as error:
        errors = [line for line in daemon.log().splitlines() if "Z error " in line]
        raise RuntimeError("\n".join([repr(error), *errors[:5]])) from error
    finally:
        daemon.drop()


def register(daemon):
    """A user with a password; returns the body of a log-in."""
    body = {"username": f"honest{next(_numbers)}", "password": PASSWORD}
    answer = requests.post(
        daemon.url("/users/register"), json={**body, "full_name": "Honest"}, timeout=20
    )
    assert answer.status_code == 201, answer.text
    return body


def reset_peak(pid):
    """proc_pid_clear_refs(5)"""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak_memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


# --- make big-chats ---

HEAD = (
    "scenario            load    send ms                connect ms     ping ms  GET ms   memory MiB           clients\n"
    "                    s       p50    p99     worst   p99    worst   worst    worst    before peak   after  late ms  answers"
)


def row(label, result):
    """A line of the table; a figure over its bound is followed by an exclamation mark."""

    def ms(seconds, bound=None):
        return f"{seconds * 1000:.0f}" + ("!" if bound in result.over() else "")

    send, connect, ping, get, log_in = (result.waits[kind] for kind in KINDS)
    before, peak, after = result.memory_mib
    notes = [f"{n}x {what}" for what, n in result.notes.items()]
    notes += [f"{n}x {what}!" for what, n in result.failures.items()]
    notes += [f"log_in worst {ms(log_in.worst)} ms"] if log_in else []
    return (
        f"{label:<19} {result.took_s:<7.1f} {ms(send.p50):<6} {ms(send.p99, 'send p99'):<7} "
        f"{ms(send.worst):<7} {ms(connect.p99):<6} {ms(connect.worst, 'connect'):<7} "
        f"{ms(ping.worst):<8} {ms(get.worst):<8} {before:<6.0f} {peak:<6.0f} {after:<6.0f} "
        f"{ms(result.standstill_s):<8} {', '.join(notes)}"
    )


def main():
    """Prints the table; exits with 1 if a bound is exceeded, with 2 if a scenario failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("scenarios", nargs="*", help=f"of {', '.join(SCENARIOS)}")
    chosen = parser.parse_args().scenarios or list(SCENARIOS)
    runs = [(name, name, FULL) for name in SCENARIOS if name in chosen]
    if "many_chats" in chosen:
        place = 1 + next(i for i, run in enumerate(runs) if run[0] == "many_chats")
        runs.insert(place, (f"many_chats {MORE.chats}", "many_chats", MORE))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # stops the daemon and PostgreSQL
    print(f"load average {os.getloadavg()[0]:.1f}\n{HEAD}", flush=True)
    cluster = Cluster()
    status = 0
    try:
        for label, name, sizes in runs:
            try:
                result = on_new_daemon(cluster, name, sizes)
            except Exception as error:  # the other scenarios are still worth a run
                print(f"{label:<19} failed: {error}", flush=True)
                status = 2
                continue
            print(row(label, result), flush=True)
            status = max(status, bool(result.over()))
    finally:
        cluster.drop()
    print(f"load average {os.getloadavg()[0]:.1f}")
    sys.exit(status)


if __name__ == "__main__":
    main()
