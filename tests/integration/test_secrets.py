"""Passwords, tokens and message texts do not leak (docs/security.md).

None of them is in the log, in an error, in command lines or environments, or in the status file.
The database contains no token or password. After its request no secret is in any process's memory.
"""

import contextlib
import json
import os
import pwd
import re
import resource
import secrets
import signal
import tempfile

import pytest

from client import Http, Refused, Ws
from conftest import run_daemon
from parleyd import program
from polling import wait_for
from raw_socket import RawSocket

pytestmark = pytest.mark.no_valgrind("searches the memory of the processes")

SETTINGS = {"log_level": "debug", "rate_limits": True}
DATABASE_PASSWORD = "database-" + secrets.token_hex(12)


@pytest.fixture(scope="module")
def daemon(cluster):
    """A parleyd with a database password, which this PostgreSQL ignores."""
    conninfo = cluster.conninfo

    class WithPassword:
        def __getattr__(self, name):
            return getattr(cluster, name)

        def conninfo(self, database):
            return f"{conninfo(database)} password={DATABASE_PASSWORD}"

    yield from run_daemon(WithPassword(), **SETTINGS)


class Session:
    """Requests of a user, valid and invalid; records all secrets sent and all errors received."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.http = Http(daemon.url(""))
        self.secrets = {}  # passwords and tokens, by name
        self.texts = {}  # contents of messages, by name
        self.errors = []  # bodies of errors, error frames
        self.sockets = []

    def secret(self, name):
        self.secrets[name] = f"{name}-{secrets.token_hex(12)}"
        return self.secrets[name]

    def text(self, name):
        self.texts[name] = f"{name}-{secrets.token_hex(12)}"
        return self.texts[name]

    def ask(self, status, method, path, body=None, token=None, **options):
        headers = options.pop("headers", {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        answer = self.http.request(method, path, body, headers=headers, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            self.errors.append(answer.text)
        return answer

    def register_and_log_in(self):
        self.name = f"anna.{secrets.token_hex(4)}"
        self.old, self.new = self.secret("first"), self.secret("second")
        body = {"username": self.name, "full_name": "Anna", "password": self.old}
        self.user_id = self.ask(201, "POST", "/users/register", body).json()["user_id"]
        self.ask(409, "POST", "/users/register", body)
        body = {"username": self.name, "password": self.old, "cookie": True}
        self.token = self.ask(200, "POST", "/users/login", body).json()["access_token"]
        self.secrets["token"] = self.token
        body["password"] = self.secret("wrong")
        self.ask(401, "POST", "/users/login", body)
        self.ask(401, "POST", "/users/login", {**body, "username": "nobody.at.all"})
        change = {"old_password": self.secret("not-the-old"), "new_password": self.secret("unused")}
        self.ask(403, "PUT", "/users/me/password", change, token=self.token)
        change = {"old_password": self.old, "new_password": self.new}
        self.ask(204, "PUT", "/users/me/password", change, token=self.token)

    def send_invalid_requests(self):
        """An error does not quote the rejected value."""
        password = self.secret("misplaced")
        login = {"username": self.name, "password": password}
        for status, body in (
            (422, {**login, "username": [password]}),
            (422, {**login, "password": {"is": password}}),
            (422, {**login, "password": [password]}),
            (422, {**login, "password": password * 40}),
            (422, {"username": password, "password": password, "cookie": password}),
        ):
            self.ask(status, "POST", "/users/login", body)
        kind = {"Content-Type": "application/json"}
        for data in (json.dumps(login)[:-1], json.dumps(login) + "x", password, f'{{"{password}'):
            self.ask(400, "POST", "/users/login", data=data.encode(), headers=kind)
        self.ask(415, "POST", "/users/login", data=json.dumps(login).encode())
        self.ask(404, "GET", f"/users/user_id/{password}?token={self.token}", token=self.token)
        self.ask(404, "GET", f"/{self.token}/{password}")
        self.ask(400, "GET", f"/messages/{self.token}", token=self.token)

    def use_tokens(self):
        """Valid and invalid tokens, in every way of sending them."""
        cookie = {"Cookie": f"a=b; parley_session={self.token}"}
        self.ask(200, "GET", "/chats", token=self.token)
        self.ask(200, "GET", "/chats", headers=cookie)
        self.ask(403, "PATCH", "/users/me", {"full_name": "A"}, headers=cookie)
        for how in ("bearer", "subprotocol", "cookie", "frame"):
            self.sockets.append(Ws(self.daemon.ws_url(), self.token, how=how))
            bad = "B" + secrets.token_urlsafe(31)
            self.secrets[f"bad {how}"] = bad
            with contextlib.suppress(Refused):
                Ws(self.daemon.ws_url(), bad, how=how, ready=False).until_closed()
        bad = self.secret("malformed")
        self.ask(401, "GET", "/chats", token=bad)
        self.ask(401, "GET", "/chats", token=self.secrets["bad bearer"])
        self.ask(401, "GET", "/chats", headers={"Cookie": f"parley_session={bad}"})
        ended = self.ask(
            200, "POST", "/users/login", {"username": self.name, "password": self.new}
        ).json()["access_token"]
        self.secrets["ended"] = ended
        self.ask(204, "POST", "/users/logout", token=ended)
        self.ask(401, "GET", "/chats", token=ended)

    def send_messages(self):
        ws = self.sockets[0]
        text = self.text("sent")
        ws.ask({"type": "send", "id": "a", "receiver_id": self.user_id, "content": text}, "ack")
        sent = {"receiver_id": self.user_id, "content": self.text("posted")}
        message = self.ask(201, "POST", "/messages/send_message", sent, token=self.token).json()
        edit = {"content": self.text("edited")}
        self.ask(200, "PATCH", f"/messages/{message['message_id']}", edit, token=self.token)
        for frame in (
            {"type": "send", "id": "b", "receiver_id": 1 << 50, "content": self.text("refused")},
            {"type": "send", "id": "c", "receiver_id": "x", "content": self.text("misfit")},
            {"type": self.text("unknown"), "content": "x"},
            {"type": "auth", "token": self.token},
            {"type": "send", "receiver_id": self.user_id, "content": [self.text("listed")]},
        ):
            self.errors.append(str(ws.ask(frame, "error")))
        broken = json.dumps({"type": "send", "content": self.text("broken")})[:-1]
        self.errors.append(str(ws.ask(broken, "error")))

    def fail_in_the_database(self):
        """Statements that PostgreSQL rejects, and connections that it terminates."""
        poison = self.text("poison")
        sql = self.daemon.sql
        sql(f"alter table messages add constraint m check (content is distinct from '{poison}')")
        sql("alter table users add constraint u check (full_name <> 'Poison') not valid")
        body = {"receiver_id": self.user_id, "content": poison}
        self.ask(503, "POST", "/messages/send_message", body, token=self.token)
        frame = {"type": "send", "id": "p", **body}
        self.errors.append(str(self.sockets[0].ask(frame, "error", code="unavailable")))
        body = {"full_name": "Poison", "password": self.secret("poisoned"), "username": "poison"}
        self.ask(503, "POST", "/users/register", body)
        sql("alter table messages drop constraint m")
        sql("alter table users drop constraint u")
        sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where starts_with(application_name, 'parleyd worker=')"
        )
        self.daemon.wait_for_log(r"database_lost ")
        wait_for(self.daemon.healthy)

    def close(self):
        for socket in self.sockets:
            socket.close()
        self.http.close()


@pytest.fixture(scope="module")
def session(daemon):
    session = Session(daemon)
    session.register_and_log_in()
    session.send_invalid_requests()
    session.use_tokens()
    session.send_messages()
    session.fail_in_the_database()
    yield session
    session.close()


def pids(daemon):
    status = daemon.status()
    return {
        "master": daemon.process.pid,
        "hasher": status["hasher_pid"],
        **{f"worker {worker['slot']}": worker["pid"] for worker in status["workers"]},
    }


def check_absent(where, text, *kinds):
    """Fails if a value of these dicts is in the text."""
    found = [name for kind in kinds for name, value in kind.items() if value in text]
    assert not found, f"{where}: {found}"


def test_no_secret_is_in_the_log(session):
    log = session.daemon.log()
    for line in (" connected ", "statement_failed", "database_lost"):
        assert line in log, "the log lines that could contain a secret are missing"
    check_absent("log", log, session.secrets, session.texts, {"database": DATABASE_PASSWORD})


def test_no_secret_is_in_an_error(session):
    assert len(session.errors) > 25
    for text in session.errors:
        check_absent(text, text, session.secrets, session.texts, {"database": DATABASE_PASSWORD})


def test_no_secret_is_in_proc_or_the_status_file(session):
    values = {**session.secrets, **session.texts, "database": DATABASE_PASSWORD}
    for name, pid in pids(session.daemon).items():
        for what in ("cmdline", "environ", "comm"):
            with open(f"/proc/{pid}/{what}", "rb") as file:
                check_absent(f"{name} {what}", file.read().decode("latin-1"), values)
    status = os.path.join(session.daemon.directory, "parleyd.status")
    with open(status, "rb") as file:
        check_absent("status file", file.read().decode("latin-1"), values)
    for args in (["status"], ["status", "--json"]):
        check_absent("parleyctl", session.daemon.ctl(*args).stdout, values)


def test_the_database_contains_hashes_only(session):
    sql = session.daemon.sql
    tables = [row[0] for row in sql("select tablename from pg_tables where schemaname = 'parley'")]
    assert {"users", "tokens", "messages"} <= set(tables)
    for table in tables:
        rows = "\n".join(row[0] for row in sql(f"select t::text from {table} t"))
        check_absent(table, rows, session.secrets)
        # The text form of bytea is hexadecimal.
        check_absent(table, rows, {k: v.encode().hex() for k, v in session.secrets.items()})
    contents = [row[0] for row in sql("select content from messages")]
    assert session.texts["sent"] in contents
    running = "\n".join(row[0] for row in sql("select query from pg_stat_activity") if row[0])
    check_absent("pg_stat_activity", running, session.secrets, session.texts)


# --- memory ---

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+ *(.*)")


def found_in_memory(pid, values):
    """The names of the values that are in the readable memory of the process."""
    found = set()
    maps = open(f"/proc/{pid}/maps", encoding="utf-8")
    with maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            match = MAPPING.match(line)
            if not match or match[3] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            try:
                mem.seek(start)
                memory = mem.read(end - start)
            except OSError:
                continue
            found |= {name for name, value in values.items() if value.encode() in memory}
    return found


def found_anywhere(daemon, values):
    found = {name: found_in_memory(pid, values) for name, pid in pids(daemon).items()}
    return {name: values for name, values in found.items() if values}


def is_sanitized():
    with open(program("parleyd"), "rb") as file:
        return b"libasan" in file.read()


@pytest.mark.skipif(is_sanitized(), reason="its memory is too large to be read")
def test_no_secret_outlives_its_request_in_memory(session):
    """The password of an incomplete request is found, which shows that the search works."""
    password = session.secret("incomplete")
    body = json.dumps({"username": session.name, "password": password, "end": "x" * 1000}).encode()
    raw = RawSocket(session.daemon.port)
    raw.send(
        b"POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body[:-500])
    )
    found = wait_for(lambda: found_anywhere(session.daemon, {"incomplete": password}))
    assert set().union(*found.values()) == {"incomplete"}
    raw.send(body[-500:])
    assert raw.answer().status_code == 401
    found = {}

    def gone():
        found.clear()
        found.update(found_anywhere(session.daemon, session.secrets))
        return not found

    wait_for(gone, what="still in memory: ", details=lambda: found)
    raw.close()


# --- cores ---


def another_account():
    """As root: a setting for children of another account, which resets their dumpable flag."""
    return {"user": "nobody"} if os.geteuid() == 0 else {}


def crash_all_children(daemon):
    """Kills each child by a signal that makes it dump core."""
    for name, pid in pids(daemon).items():
        if name != "master":
            daemon.killed += 1
            os.kill(pid, signal.SIGSEGV if name == "hasher" else signal.SIGABRT)
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))
    daemon.killed += 1
    daemon.wait_for_log(r"hasher_died ")


def cores_are_files():
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        return "/" not in file.read() and resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


@pytest.fixture
def directory_for_cores(monkeypatch):
    """The working directory of the daemon, with an unlimited core size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with tempfile.TemporaryDirectory(prefix="parley-cores-") as directory:
        os.chmod(directory, 0o777)
        monkeypatch.chdir(directory)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        yield directory
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        monkeypatch.undo()


@pytest.mark.parametrize("allowed", [False, True], ids=["forbidden", "allowed"])
def test_a_crash_leaves_no_core_unless_core_dumps_is_set(cluster, directory_for_cores, allowed):
    """Nor can other processes of the account read its memory: its files in /proc are root's."""
    for daemon in run_daemon(cluster, core_dumps=allowed, **another_account()):
        owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
        for name, pid in pids(daemon).items():
            if name != "master" or os.geteuid() != 0:
                assert os.stat(f"/proc/{pid}/mem").st_uid == (owner if allowed else 0), name
        if not is_sanitized():  # sanitizers handle these signals
            crash_all_children(daemon)
            wait_for(daemon.healthy)
    if cores_are_files() and not is_sanitized():
        assert bool(os.listdir(directory_for_cores)) == allowed
