"""database_harness: parleyd on a connection string, its people, and a pair of servers.

Owns: the daemons it starts. Knows nothing of: the schema.

This is the only module of the tests of the database's failures that imports from those of the other
tests: client, parleyd, polling.
"""

import collections
import contextlib
import datetime
import itertools
import os
import re
import secrets
import signal
import subprocess
import time

import requests

from client import Http, Person
from parleyd import START_S, Parleyd
from postgres_server import PostgresServer, standby_of
from polling import DEADLINE_S, SLOWNESS, wait_for

ANSWER_S = 10 * SLOWNESS  # the longest that a request waits for a silent database
PASSWORD = "correct horse battery"
LOST = re.compile(r"database[_ ](?:lost|away)\b.*")  # one line per lost database connection
# One line per change of a connection's state.
CONNECTION = re.compile(r"database[_ ](ready|lost|away)\b.* worker=(\d+) (write|read|list|background)\b")
_numbers = itertools.count(1)


class _Conninfo:
    """What Parleyd knows of its PostgreSQL here: a connection string."""

    def __init__(self, conninfo):
        self._conninfo = conninfo

    def conninfo(self, _database):
        return self._conninfo


class DatabaseParleyd(Parleyd):
    """A parleyd with the given connection string. The test makes and drops the database."""

    def __init__(self, conninfo, **settings):
        environment = settings.pop("environment", None)
        super().__init__(_Conninfo(conninfo), environment=environment, **settings)

    def ctl(self, *args, **options):
        """As Parleyd's, in the daemon's environment."""
        return super().ctl(*args, environment=self.environment, **options)

    def health(self, timeout=5):
        """The status of GET /healthz; None if there is no answer."""
        try:
            return requests.get(self.url("/healthz"), timeout=timeout).status_code
        except requests.RequestException:
            return None

    def wait_health(self, status, timeout=DEADLINE_S):
        """Waits for this status of GET /healthz; for 200, of every worker."""
        wait_for(
            lambda: self.health() == status and not (status == 200 and self.away()),
            timeout,
            f"healthz is not {status}:\n",
            self.log,
        )

    def away(self):
        """The database connections, as (worker, kind), of which the log says that they are lost."""
        state = {
            match.group(2, 3): match.group(1)
            for match in CONNECTION.finditer(self.log())
        }
        return {connection for connection, word in state.items() if word != "ready"}

    def times_ready(self):
        """How often each database connection, as (worker, kind), has become ready."""
        return collections.Counter(
            match.group(2, 3)
            for match in CONNECTION.finditer(self.log())
            if match.group(1) == "ready"
        )

    def exit_status(self, timeout=START_S):
        """Waits for the end of a daemon that refuses to run; returns its status, None if it still
        runs after timeout seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(timeout)
            self.process = None
            return status
        return None

    def lost_lines(self, start=0):
        """The log lines of lost database connections, from this offset of the log on."""
        return [match.group(0) for match in LOST.finditer(self.log()[start:])]

    def children(self):
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
                return [int(pid) for pid in file.read().split()]
        except (AttributeError, OSError):
            return []

    def drop(self):
        """As Parleyd's, and ends the children: one that waits for its database outlives its
        master."""
        children = self.children()
        super().drop()
        deadline = time.monotonic() + 2
        while children and time.monotonic() < deadline:
            children = [pid for pid in children if self._is_ours(pid)]
            time.sleep(0.05)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return self.conf.encode() in file.read()
        except OSError:
            return False


@contextlib.contextmanager
def parleyd_on(conninfo, start=True, **settings):
    """A running parleyd; at the end of a passed test it must stop in good order. start=False
    leaves the start to the test."""
    daemon = DatabaseParleyd(conninfo, **settings)
    try:
        if start:
            daemon.launch().wait_up()
        yield daemon
        if daemon.process is not None:
            status = daemon.stop()
            complaints = daemon.complaints()
            assert status == 0 and not complaints, f"{status}: {complaints}\n{daemon.log()[-8000:]}"
    finally:
        daemon.drop()


def register(daemon, full_name, username=None):
    """A new person: nothing is assumed of the schema. parleyctl makes the token, since a log-in
    costs a second hash of the password."""
    username = username or f"person{next(_numbers)}.{secrets.token_hex(3)}"
    with contextlib.closing(Http(daemon.url(""))) as http:
        answer = http.post(
            "/users/register",
            {"username": username, "full_name": full_name, "password": PASSWORD},
        )
        assert answer.status_code == 201, f"{answer.text}\n{daemon.log()}"
    token = daemon.ctl("token", username).stdout.strip()
    return Person(daemon, answer.json()["user_id"], username, full_name, token)


def say(ws, receiver, content, client_id=None):
    """Sends over the socket; returns the ack."""
    client_id = client_id or f"id-{next(_numbers)}"
    ws.send({"type": "send", "id": client_id, "receiver_id": receiver.id, "content": content})
    return ws.until("ack", id=client_id)


def say_until_acked(ws, receiver, content, timeout=DEADLINE_S):
    """As a client does: sends again, with the same id, while the answer is `unavailable`."""
    client_id = f"id-{next(_numbers)}"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ws.send({"type": "send", "id": client_id, "receiver_id": receiver.id, "content": content})
        frame = answer_to(ws, client_id)
        if frame["type"] == "ack":
            return frame
        assert frame["code"] == "unavailable", frame
        time.sleep(0.2)
    raise AssertionError(f"{content!r} is unavailable for {timeout} s")


def answer_to(ws, frame_id, timeout=ANSWER_S):
    """The ack or error of the frame with this id; fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        frame = ws.next(max(0.001, deadline - time.monotonic()))
        if frame["type"] in ("ack", "error") and frame.get("id") == frame_id:
            return frame


def is_acked_within(ws, frame_id, timeout):
    """True if the frame with this id is acknowledged within timeout seconds."""
    try:
        return answer_to(ws, frame_id, timeout)["type"] == "ack"
    except AssertionError:
        return False


def sync(ws, after=None, **more):
    """Sends a sync; returns the frames before `synced`, without pushes of other things."""
    ws.send({"type": "sync", "after": after or {}, **more})
    frames = []
    while True:
        frame = ws.next()
        if frame["type"] == "synced":
            return frames
        if frame["type"] in ("messages", "chat_removed"):
            frames.append(frame)


def synced_contents(frames, chat_id):
    """The contents of a sync's messages of one chat."""
    return [
        message["content"]
        for frame in frames
        if frame["type"] == "messages" and frame["chat_id"] == chat_id
        for message in frame["messages"]
    ]


def is_now(time_text):
    """True if an RFC 3339 time of the wire is within a minute of this machine's clock."""
    sent = datetime.datetime.strptime(time_text, "%Y-%m-%dT%H:%M:%S.%fZ")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return abs(sent - now) < datetime.timedelta(minutes=1)


def check_conversation(daemon, people):
    """Two people do what people do, and each answer has the right value."""
    ada, ben = people(daemon, "Ada O'Neil \\ Péter", "Ben")
    a, b = ada.ws(), ben.ws()
    text = "it's a back\\slash, \\x41, é 漢 👍, $1 %s"
    ack = say(a, ben, text)
    assert (ack["seq"], ack["mod"]) == (1, 1) and is_now(ack["sent_at"]), ack
    pushed = b.until("message", message_id=ack["message_id"])
    assert pushed["content"] == text
    ben.send(ada.id, "an answer")
    assert a.until("message", seq=2)["content"] == "an answer"
    a.ask({"type": "edit", "id": "e", "message_id": ack["message_id"], "content": "edited"}, "ack")
    assert b.until("edited")["mod"] == 3
    say(a, ben, "third")
    assert ben.chat(ada.id)["unread"] == 1
    b.send({"type": "read", "chat_id": ada.id, "seq": 3})
    a.until("read", chat_id=ben.id, user_id=ben.id, seq=3)
    assert [one["content"] for one in ben.history(ada.id)] == ["edited", "an answer", "third"]
    chat = ben.chat(ada.id)
    assert (chat["last_seq"], chat["last_mod"], chat["unread"]) == (3, 4, 0), chat
    found = ben.get("/users/search?q=péter").json()["users"]
    assert ada.id in [user["user_id"] for user in found]
    changed = synced_contents(sync(b, {str(ada.id): 1}), ada.id)
    assert changed == ["an answer", "edited", "third"]
    # A person who has just logged in is found by the token's hash, a bytea.
    assert ada.get("/users/me").json()["user_id"] == ada.id
    group_id = ada.group("Group", ben)
    assert b.until("chat", chat_id=group_id)["name"] == "Group"


class Pair:
    """A primary with a streaming standby, and a database of parley's role."""

    def __init__(self, **settings):
        self.standby = None
        self.primary = PostgresServer(**settings)
        self.standby = standby_of(self.primary, **settings)
        self.role = self.primary.new_role()
        self.database = self.primary.new_database(self.role)
        self.standby.wait_replayed(self.primary)

    def conninfo(self, *servers, more="target_session_attrs=read-write"):
        """Names the primary and the standby, or these servers, as the hosts."""
        servers = servers or (self.primary, self.standby)
        hosts = ",".join(server.directory for server in servers)
        ports = ",".join(str(server.port) for server in servers)
        return f"host={hosts} port={ports} user={self.role} dbname={self.database} {more}"

    def fail_over(self):
        """The primary crashes, and the standby is promoted. If its receiver was stopped, what the
        primary committed since is lost."""
        self.primary.stop(immediate=True)
        if getattr(self.standby, "_receiver", None):
            self.standby.end_receiver()
        self.standby.promote()

    def drop(self):
        for one in (self.standby, self.primary):
            if one is not None:
                one.drop()
