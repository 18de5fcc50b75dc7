"""Exhausted descriptors, a full disk under the database, a wall clock that jumps.

See also test_out_of_memory.py and test_many_clients.py.
"""

import contextlib
import glob
import os
import re
import resource
import subprocess
import tempfile
import time
from datetime import datetime, timedelta, timezone

import pytest

import expect
import many_sockets
from accounts import new_token
from cluster import Cluster
from conftest import new_person, run_daemon
from parleyd import build_dir
from polling import wait_for
from procfs import cpu_s, is_sanitized, n_fds, program_is_sanitized
from raw_socket import upgrade_request
from traffic import Traffic

pytestmark = pytest.mark.no_valgrind("bounds of processor time, replaces the clock")


# --- descriptors ---


def test_a_worker_without_descriptors_stops_accepting_and_keeps_serving(cluster):
    """EMFILE: it does not spin on its listener, serves its sockets, and accepts again later."""
    for daemon in run_daemon(cluster, workers=1):
        alice, bob = new_person(daemon), new_person(daemon)
        alice.send(bob.id, "opens the chat")
        hers, his = alice.ws(), bob.ws()
        pid = daemon.workers()[0]["pid"]
        files = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        room = 8
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (n_fds(pid) + room, files[1]))
        waiting = [many_sockets.connect(daemon.port) for _ in range(room + 50)]
        daemon.wait_for_log(r"error worker=0 accept_paused .*Too many open files")

        before, start = cpu_s(pid), time.monotonic()
        for i in range(40):
            send = {"type": "send", "id": f"full{i}", "receiver_id": bob.id, "content": "x"}
            ack = hers.ask(send, "ack")
            his.until("message", message_id=ack["message_id"])
            time.sleep(0.05)
        share = (cpu_s(pid) - before) / (time.monotonic() - start)
        print(f"processor time of a worker without descriptors: {share:.1%}")
        # A worker that spins uses more than 5 % even on a busy machine; these messages need 0.5 %.
        assert share < (0.25 if is_sanitized(pid) else 0.05), "it spins"
        assert daemon.log().count("accept_paused") == 1, "logged once, not at every attempt"

        # Connections that it could not accept are served when others close: none was rejected.
        many_sockets.close_all(waiting[: room + 10])
        for one in waiting[room + 10 :]:
            with contextlib.suppress(OSError):
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, files)
        for one in waiting[room + 10 :]:
            assert one.recv(12) == b"HTTP/1.1 200"
        assert daemon.log().count("accept_resumed") == 1
        many_sockets.close_all(waiting)
        for one in (alice, bob):
            one.close()


def test_thousands_of_connections_leak_no_descriptor(cluster):
    """Requests, errors, upgrades, and connections that are closed in the middle of each."""
    for daemon in run_daemon(cluster):
        person = new_person(daemon)
        pids = [worker["pid"] for worker in daemon.workers()]
        before = [n_fds(pid) for pid in pids]
        request = b"GET /users/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        upgrade = upgrade_request(person.token)
        for number in range(300):
            raws = [many_sockets.connect(daemon.port) for _ in range(8)]
            raws[0].sendall(request)
            raws[1].sendall(b"GET /users/me HTTP/1.1\r\nHost")
            raws[2].sendall(b"nonsense\r\n\r\n")
            raws[3].sendall(upgrade)
            raws[4].sendall(upgrade.replace(b"Bearer ", b"Bearer wrong"))
            raws[5].sendall(b"POST /users/login HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n")
            raws[6].sendall(upgrade + b"\x81\x85")
            assert raws[0].recv(12) == b"HTTP/1.1 401"
            if number % 2:
                assert raws[3].recv(12) == b"HTTP/1.1 101"
            many_sockets.close_all(raws)
        person.close()
        leaked = lambda: [n_fds(pid) - n for pid, n in zip(pids, before)]  # noqa: E731
        wait_for(lambda: max(leaked()) <= 0, 20, "leaked descriptors: ", lambda: str(leaked()))
        assert [worker["connections"] for worker in daemon.workers()] == [0, 0]
        assert [worker["sockets"] for worker in daemon.workers()] == [0, 0]


# --- the disk of the database ---


@pytest.fixture
def small_disk():
    """PostgreSQL on a file system of 96 MiB."""
    directory = tempfile.mkdtemp(prefix="parley-disk-")
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "parley", directory]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        os.rmdir(directory)
        pytest.skip("mounting a file system is not permitted")
    cluster = None
    try:
        cluster = Cluster(fsync=False, parent=directory)
        yield cluster
    finally:
        if cluster:
            cluster.drop()
        subprocess.run(["umount", "-l", directory], check=True)
        os.rmdir(directory)


def fill(path):
    """Writes until the file system is full."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)


def test_a_full_disk_under_postgresql_loses_no_acknowledged_message(small_disk):
    """PostgreSQL either rejects statements or stops because it cannot write its log. The daemon
    recovers by itself once there is space."""
    for daemon in run_daemon(small_disk):
        people = [new_person(daemon) for _ in range(5)]
        traffic = Traffic(people[0], people[1:3], people[3:]).start()
        traffic.wait_for_more(40)
        ballast = os.path.join(small_disk.directory, "ballast")
        rejected, reads = 0, set()
        fill(ballast)
        os.truncate(ballast, os.path.getsize(ballast) - (1 << 20))  # space for a few more
        talker = people[0]

        def send(number):
            body = {"receiver_id": traffic.group, "content": os.urandom(6000).hex()}
            return talker.post("/messages/send_message", {**body, "client_id": f"full{number}"})

        acknowledged = {}
        for number in range(2000):
            answer = send(number)
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                acknowledged[f"full{number}"] = answer.json()["message_id"]
                continue
            expect.problem(answer, 503, "unavailable")
            rejected += 1
            reads.add(talker.get(f"/messages/{traffic.group}?limit=1").status_code)
            if rejected > 20:
                break
            fill(ballast + str(rejected))
        print(f"a full disk: {len(acknowledged)} acknowledged, {rejected} rejected, reads: {reads}")
        assert rejected > 20, "the disk was not full"
        assert reads <= {200, 503}
        for name in os.listdir(small_disk.directory):
            if name.startswith("ballast"):
                os.remove(os.path.join(small_disk.directory, name))
        if small_disk.process.poll() is not None:
            small_disk.start()
        wait_for(daemon.healthy, 60)
        traffic.wait_for_more(20)
        traffic.finish(within=40)
        kept = dict(
            daemon.sql("select client_id, message_id from messages where sender_id = %s", talker.id)
        )
        assert all(kept.get(name) == message_id for name, message_id in acknowledged.items())
        for one in people:
            one.close()


# --- the clock ---

JUMPS = ("+1d", "-1d", "+1h", "-1h", "+0")


@pytest.fixture
def clock(tmp_path):
    """clock("+1d") sets the wall clock of the daemon. Its monotonic clock is not changed."""
    faketime = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
    if faketime is None:
        pytest.skip("libfaketime is not installed")
    if program_is_sanitized(os.path.join(build_dir(), "parleyd")):
        pytest.skip("AddressSanitizer accepts no library before it")
    path = tmp_path / "clock"

    def set_to(offset):
        fresh = tmp_path / "clock.new"
        fresh.write_text(offset + "\n")
        fresh.rename(path)

    set_to("+0")
    set_to.environment = {
        "LD_PRELOAD": faketime,
        "FAKETIME_TIMESTAMP_FILE": str(path),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return set_to


def test_a_wall_clock_that_jumps_loses_no_message_and_closes_no_socket(cluster, clock):
    """Order is by seq and mod, stored times are the database's, timers use the monotonic clock. A
    token of one hour survives a jump of one day."""
    for daemon in run_daemon(cluster, environment=clock.environment, ping_interval=1):
        if is_sanitized(daemon.workers()[0]["pid"]):
            pytest.skip("a sanitizer must be loaded first")
        people = [new_person(daemon) for _ in range(5)]
        alice, bob = (new_person(daemon) for _ in range(2))
        alice.send(bob.id, "opens the chat")
        steady = alice.ws(token=new_token(daemon, alice.id, "1 hour"))
        leaving = bob.ws()
        steady.ask({"type": "presence", "watch": [bob.id]}, "presence", online=True)
        traffic = Traffic(people[0], people[1:3], people[3:]).start()
        closed_before = len(re.findall("closed reason", daemon.log()))
        leaving.close()
        left = time.monotonic()
        for offset in JUMPS:
            clock(offset)
            traffic.wait_for_more(20)
            steady.drain()
            # A new socket after the jump: the database decides when its token expires.
            late = alice.ws(token=new_token(daemon, alice.id, "1 hour"))
            server_time = late.ready["server_time"]
            late.drain()
            late.close()
            now = datetime.fromisoformat(server_time.replace("Z", "+00:00"))
            difference = now - datetime.now(timezone.utc)
            wanted = {"+1d": 86400, "-1d": -86400, "+1h": 3600, "-1h": -3600, "+0": 0}[offset]
            assert abs(difference.total_seconds() - wanted) < 60, "the daemon's clock did not jump"
        offline = steady.until("presence", user_id=bob.id, online=False, timeout=20)
        assert 9 < time.monotonic() - left < 13, "the grace is 10 s by the monotonic clock"
        seen = datetime.fromisoformat(offline["last_seen_at"].replace("Z", "+00:00"))
        assert abs(datetime.now(timezone.utc) - seen) < timedelta(minutes=1)

        traffic.finish()
        closed = len(re.findall("closed reason", daemon.log())) - closed_before
        assert closed == 1 + len(JUMPS), "a jump closed sockets"
        sent = "select max(sent_at) - min(sent_at), now() - max(sent_at) from messages"
        assert all(timedelta(0) <= t < timedelta(minutes=5) for t in daemon.sql(sent)[0])

        pids = [worker["pid"] for worker in daemon.workers()]
        for offset in JUMPS:
            clock(offset)
            before = sum(cpu_s(pid) for pid in pids)
            time.sleep(0.5)
            assert sum(cpu_s(pid) for pid in pids) - before < 0.1, "a jump makes the workers busy"
        for one in (*people, alice, bob):
            one.close()
