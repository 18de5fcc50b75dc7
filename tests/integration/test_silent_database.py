"""A database that does not answer: frozen connections, a silent server, a full disk, a silent name
server.

The contract: while the database is away, HTTP is 503 and a frame is answered `unavailable`, within
10 s; nothing is acknowledged that is not committed, and a send that is repeated is stored once.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import threading
import time

import pytest
import requests

from database_harness import (
    ANSWER_S,
    answer_to,
    parleyd_on,
    say,
    say_until_acked,
    sync,
    wait_for,
)
from postgres_server import private_directory, unprivileged

pytest_plugins = ["database_fixtures"]

PROMPT_S = 1  # what needs no database is answered this soon
RECONNECT_S = 15
TCP_ESTABLISHED = "01"
TIMER_KEEPALIVE = "02"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def timed_status(person, path):
    """The status of a GET, None if there was no answer, and how long it took in seconds."""
    start = time.monotonic()
    with contextlib.suppress(requests.RequestException):
        return person.get(path).status_code, time.monotonic() - start
    return None, time.monotonic() - start


@pytest.fixture
def forwarded(server, forwarder, people):
    """parleyd, whose database is behind a forwarder: (daemon, forwarder, Ada, Ben)."""
    through = forwarder(server)
    role = server.new_role()
    conninfo = (
        f"host=127.0.0.1 port={through.port} user={role} dbname={server.new_database(role)}"
    )
    with parleyd_on(conninfo) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        try:
            yield daemon, through, ada, ben
        finally:
            through.thaw()


def wait_replaced(daemon):
    """Waits until each connection has been replaced. An idle one is probed after 6 s and given up
    after 6 s more: until then its worker may answer 503."""
    wait_for(
        lambda: all(n >= 2 for n in daemon.times_ready().values()),
        2 * ANSWER_S,
        "a connection is not replaced:\n",
        daemon.log,
    )


def check_recovered(daemon, ws, ada, ben):
    """The daemon stores and reads, on every worker."""
    say_until_acked(ws, ben, "recovered", timeout=RECONNECT_S)
    daemon.wait_health(200, RECONNECT_S)
    wait_for(lambda: timed_status(ada, "/users/me")[0] == 200, RECONNECT_S, "no answer to reads")
    assert [one["content"] for one in ben.history(ada.id)].count("recovered") == 1


def test_a_read_on_a_frozen_connection_is_answered_in_bounded_time(forwarded):
    daemon, through, ada, ben = forwarded
    a = ada.ws()
    assert through.freeze() >= 8, "each worker has four connections"
    status, took = timed_status(ada, "/users/me")
    assert (status, took <= ANSWER_S) in ((503, True), (200, True)), f"{status} after {took:.1f} s"
    wait_replaced(daemon)
    check_recovered(daemon, a, ada, ben)


@pytest.mark.parametrize("directions", [(), ("to_client",)], ids=["both ways", "answers only"])
def test_a_send_on_a_frozen_connection_is_answered_in_bounded_time_and_stored_once(
    forwarded, directions
):
    """With the answers alone frozen the first try is committed, and its answer never comes."""
    daemon, through, ada, ben = forwarded
    a = ada.ws()
    say(a, ben, "before")
    through.freeze(*directions)
    send = {"type": "send", "id": "frozen", "receiver_id": ben.id, "content": "frozen"}
    a.send(send)
    frame = answer_to(a, "frozen")
    if frame["type"] == "error":
        assert frame["code"] == "unavailable" and frame["retry_after_ms"] > 0, frame
    deadline = time.monotonic() + RECONNECT_S
    while frame["type"] != "ack" and time.monotonic() < deadline:
        time.sleep(0.2)
        a.send(send)
        frame = answer_to(a, "frozen")
    assert frame["type"] == "ack" and frame["seq"] == 2, frame
    wait_replaced(daemon)
    check_recovered(daemon, a, ada, ben)
    assert [one["content"] for one in ben.history(ada.id)] == ["before", "frozen", "recovered"]


def test_a_read_mark_on_a_frozen_connection_is_stored_or_answered_unavailable(forwarded):
    daemon, through, ada, ben = forwarded
    a, b = ada.ws(), ben.ws()
    for n in range(3):
        say(a, ben, f"text {n}")
    through.freeze()
    b.send({"type": "read", "id": "mark", "chat_id": ada.id, "seq": 3})
    answers = []
    with contextlib.suppress(AssertionError):
        answers.append(answer_to(b, "mark"))
    wait_replaced(daemon)
    check_recovered(daemon, a, ada, ben)
    # Without an answer it is stored.
    if answers:
        assert answers[0]["code"] == "unavailable", answers
    else:
        assert ben.chat(ada.id)["read_seq"] == 3, "lost, and not answered"


def test_healthz_is_503_while_the_server_accepts_and_says_nothing(forwarded):
    daemon, through, ada, ben = forwarded
    a = ada.ws()
    say(a, ben, "before")
    through.mute()
    through.freeze()
    answers = []
    reader = threading.Thread(target=lambda: answers.append(timed_status(ada, "/users/me")))
    reader.start()
    a.send({"type": "send", "id": "silent", "receiver_id": ben.id, "content": "silent"})
    try:
        daemon.wait_health(503, ANSWER_S + 2)
        assert answer_to(a, "silent")["code"] == "unavailable"
    finally:
        through.thaw()
        reader.join()
    status, took = answers[0]
    assert status == 503 and took <= ANSWER_S, f"{status} after {took:.1f} s"
    check_recovered(daemon, a, ada, ben)


def test_healthz_is_503_for_frozen_connections_without_any_request(forwarded):
    """Nothing is in flight: the daemon has to notice by itself."""
    daemon, through, _ada, _ben = forwarded
    through.mute()
    through.freeze()
    daemon.wait_health(503, 2 * ANSWER_S)


def keepalive_timers(port):
    """For each established connection to this port: seconds until its keepalive probe, None without
    one (the columns of /proc/net/tcp: tr and tm->when)."""
    timers = []
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in list(file)[1:]:
            fields = line.split()
            if fields[3] == TCP_ESTABLISHED and int(fields[2].split(":")[1], 16) == port:
                kind, when = fields[5].split(":")
                timers.append(int(when, 16) / CLOCK_TICKS if kind == TIMER_KEEPALIVE else None)
    return timers


@pytest.mark.parametrize(
    "more, most_s", [("", 60), ("keepalives_idle=7", 7), ("keepalives_idle=600", 600)]
)
def test_database_connections_have_keepalives(server, people, more, most_s):
    """Within a minute, unless the setting has its own."""
    role = server.new_role()
    conninfo = (
        f"host=127.0.0.1 port={server.port} user={role} dbname={server.new_database(role)} {more}"
    )
    with parleyd_on(conninfo):

        def armed():  # while data is not acknowledged, the timer is that of the retransmission
            timers = keepalive_timers(server.port)
            return timers if len(timers) >= 4 and None not in timers else None

        timers = wait_for(armed, what="no keepalive timers on all connections")
        assert max(timers) <= most_s, timers
        assert most_s != 600 or max(timers) > 60, timers


# A database that is away.


def test_a_read_mark_while_the_database_is_away_is_answered_unavailable(servers, people):
    server = servers()
    role = server.new_role()
    with parleyd_on(server.conninfo(server.new_database(role), role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        for n in range(3):
            say(a, ben, f"text {n}")
        assert ben.chat(ada.id)["unread"] == 3
        server.stop()
        b.send({"type": "read", "chat_id": ada.id, "seq": 3})
        assert b.until("error", timeout=ANSWER_S)["code"] == "unavailable"
        b.send({"type": "read", "id": "mark", "chat_id": ada.id, "seq": 3})
        assert answer_to(b, "mark")["code"] == "unavailable"
        server.start()
        daemon.wait_health(200)
        b.send({"type": "read", "chat_id": ada.id, "seq": 3})
        a.until("read", chat_id=ben.id, user_id=ben.id, seq=3)
        chat = ben.chat(ada.id)
        assert (chat["read_seq"], chat["unread"]) == (3, 0)


# A full disk.


@pytest.fixture
def small_disk():
    """A file system of 64 MiB that PostgreSQL may write to: its path."""
    directory = private_directory("parley-disk-")
    account = unprivileged()
    options = f"size=64m,mode=0700,uid={account.get('user', 0)},gid={account.get('group', 0)}"
    mounted = os.geteuid() == 0 and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    try:
        if not mounted:
            pytest.skip("no file system can be mounted here")
        yield directory
    finally:
        if mounted:
            subprocess.run(["umount", "-l", directory], check=True)
        os.rmdir(directory)


def fill(path):
    """Writes a file until the disk is full."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def test_healthz_is_503_while_the_disk_is_full(small_disk, servers, people):
    server = servers()
    role = server.new_role()
    space = f"{small_disk}/space"
    os.mkdir(space, 0o700)
    shutil.chown(space, *[unprivileged()[key] for key in ("user", "group")])
    server.sql(f"create tablespace small location '{space}'")
    conninfo = server.conninfo(server.new_database(role, "tablespace small"), role)
    with parleyd_on(conninfo, workers=1) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        say(a, ben, "before")
        fill(f"{small_disk}/filler")
        until = time.monotonic() + ANSWER_S
        n_refused = 0
        try:
            while time.monotonic() < until and (n_refused == 0 or daemon.health() == 200):
                # Random, since PostgreSQL compresses what it stores.
                content = secrets.token_urlsafe(12000)
                send = {"type": "send", "receiver_id": ben.id, "content": content}
                a.send({**send, "id": f"full-{time.monotonic_ns()}"})
                frame = a.next()
                n_refused += frame["type"] == "error" and frame["code"] == "unavailable"
                time.sleep(0.2)
            assert n_refused > 0, "the disk is not full"
            assert daemon.health() == 503, f"{n_refused} sends were not stored"
            until = time.monotonic() + 5
            while time.monotonic() < until:  # without further sends
                assert daemon.health() == 503, "the disk is still full:\n" + daemon.log()
                time.sleep(0.1)
        finally:
            os.unlink(f"{small_disk}/filler")
        daemon.wait_health(200)
        assert say_until_acked(a, ben, "after")["seq"] > 1


# A silent name server.


@pytest.fixture
def silent_names(tmp_path):
    """Environment of a daemon whose name service is silent while the file exists: (environment,
    path)."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "silent_names.c")
    library = tmp_path / "silent_names.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    path = tmp_path / "silent"
    environment = {
        "LD_PRELOAD": str(library),
        "PARLEY_SILENT_NAMES": str(path),
        "ASAN_OPTIONS": f"verify_asan_link_order=0:{os.environ.get('ASAN_OPTIONS', '')}",
    }
    yield environment, path
    path.unlink(missing_ok=True)


def test_a_silent_name_server_does_not_stop_a_worker(servers, silent_names, people):
    server = servers()
    environment, silent = silent_names
    role = server.new_role()
    conninfo = (
        f"host=db.example port={server.port} user={role} dbname={server.new_database(role)}"
    )
    with parleyd_on(conninfo, environment=environment) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        sockets = ada.ws_on_each()
        silent.touch()
        server.stop()
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until:
                start = time.monotonic()
                status = daemon.health(PROMPT_S)
                for ws in sockets:
                    ws.send({"type": "ping"})
                for ws in sockets:
                    ws.until("pong", timeout=PROMPT_S)
                assert time.monotonic() - start < PROMPT_S * 2
                assert status in (200, 503), f"healthz has no answer in {PROMPT_S} s"
                time.sleep(0.1)
            assert status == 503
        finally:
            silent.unlink()
        server.start()
        daemon.wait_health(200)
        say_until_acked(sockets[0], ben, "back")
        sync(sockets[1])
