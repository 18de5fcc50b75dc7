"""parleyd: a running daemon with its config file, its database and its log.

Owns: a temporary directory, the master process, the test's connection to the database.
Knows nothing of: the requests of the tests.

The programs are those at the top of the build directory $PARLEY_BUILD. If $PARLEY_WRAPPER is set
(to valgrind, for example), they are run by it; {directory} in it is the daemon's directory, and
the contents of files wrapper.* there are complaints.
"""

import contextlib
import glob
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg
import requests

from polling import DEADLINE_S, SLOWNESS, wait_for

START_S = 60 * SLOWNESS
STOP_S = 30 * SLOWNESS

CONNECTED = re.compile(r"worker=\S+ .*?\bconn=(\S+) connected\b")
CLOSED = re.compile(r"worker=\S+ .*?\bconn=(\S+) closed\b")
SERVES = re.compile(r" worker=(\d+) store_ready")
STARTED = re.compile(r"Z info started pid=")  # the master; connection ids start again
DIED = re.compile(r" (worker|hasher|indexer)_died slot=")
# Never acceptable in a log: a failed assertion, the report of a sanitizer.
BROKEN = re.compile(
    r"assert|\w+Sanitizer|runtime error:|stack smashing|double free|malloc\(\)|munmap_chunk",
    re.IGNORECASE,
)


def build_dir():
    return os.path.abspath(os.environ.get("PARLEY_BUILD", "."))


def program(name):
    return os.path.join(build_dir(), name)


def hold_port():
    """A socket bound to a free port. While it is open the kernel assigns the port to no one else;
    parleyd binds it by number (SO_REUSEADDR, socket(7))."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return holder


def free_port():
    with hold_port() as holder:
        return holder.getsockname()[1]


def _conf_value(value):
    """A Python value in libconfuse's syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(_conf_value(item) for item in value) + "}"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


# A gate is an advisory lock: a test closes it by holding it. lock_timeout does not apply to it, but
# does to the locks of rows and tables.
GATES = """
create or replace function pass_gate(p_gate bigint) returns boolean language plpgsql
	set lock_timeout = 0 as $$
begin
	perform pg_advisory_xact_lock_shared(p_gate);
	return true;
end $$;
create or replace function commit_at_gate() returns trigger language plpgsql as $$
begin
	perform pass_gate(tg_relid::bigint);
	return null;
end $$"""


class Parleyd:
    program = "parleyd"
    _databases = 0

    def __init__(self, cluster, environment=None, **settings):
        self.cluster = cluster
        self.environment = environment or {}  # in addition to this process's
        self.directory = tempfile.mkdtemp(prefix="parley-")
        os.chmod(self.directory, 0o755)
        Parleyd._databases += 1
        self.database = f"parley_{os.getpid()}_{Parleyd._databases}"
        self._port_holder = hold_port()
        self.port = self._port_holder.getsockname()[1]
        self.conf = os.path.join(self.directory, "parleyd.conf")
        self.log_path = os.path.join(self.directory, "log")
        self.settings = {
            "listen": [f"127.0.0.1:{self.port}"],
            "workers": 2,
            "database": cluster.conninfo(self.database),
            "rate_limits": False,
            "core_dumps": True,  # else only root may read /proc/PID of the children
            "pid_file": os.path.join(self.directory, "parleyd.pid"),
            "log_level": "info",
            "log_target": "stderr",
            **settings,
        }
        self.killed = 0  # children killed by the test
        self.masters_killed = 0
        self.process = None
        self._db = None
        self.write_conf()

    # --- start and stop ---

    def write_conf(self):
        with open(self.conf, "w", encoding="utf-8") as file:
            for key, value in self.settings.items():
                file.write(f"{key} = {_conf_value(value)}\n")

    def command(self, name):
        wrapper = shlex.split(os.environ.get("PARLEY_WRAPPER", ""))
        wrapper = [word.replace("{directory}", self.directory) for word in wrapper]
        return [*wrapper, program(name), "-c", self.conf]

    def launch(self):
        """Starts it and returns at once."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.command(self.program), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        return self

    def wait_up(self, timeout=START_S):
        """Returns when every worker serves."""
        wait_for(self._is_up, timeout, "parleyd does not answer /healthz with 200:\n", self.log)
        return self

    def start(self):
        return self.launch().wait_up()

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"parleyd exited with {self.process.returncode}:\n{self.log()}")
        return self.healthy() and self._all_serve()

    def _all_serve(self):
        """True if every worker is connected to the database: /healthz needs only one of them."""
        lines = self.log().splitlines()
        starts = [i for i, line in enumerate(lines) if STARTED.search(line)]
        if not starts:  # log_target is a file
            return True
        ready = {m.group(1) for line in lines[starts[-1] :] for m in [SERVES.search(line)] if m}
        return len(ready) == self.settings["workers"]

    def healthy(self):
        try:
            return requests.get(self.url("/healthz"), timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def stop(self):
        """Terminates the master and returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"parleyd did not exit within {STOP_S} s:\n{self.log()}") from None
        self.process = None
        return status

    def drop(self):
        """Kills the daemon if it still runs, and removes its directory and database."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._db:
            self._db.close()
        with contextlib.suppress(Exception), self.cluster.connect() as postgres:
            postgres.execute(f"drop database if exists {self.database} with (force)")
        self._port_holder.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill_worker(self, slot, sig=signal.SIGKILL):
        """Kills the worker in this slot; returns its pid."""
        pid = self.pid_of(slot)
        self.killed += 1
        os.kill(pid, sig)
        return pid

    def kill_master(self):
        self.masters_killed += 1
        self.process.kill()
        self.process.wait()
        self.process = None

    # --- status, log and database ---

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def ws_url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    def ctl(self, *args, check=True, environment=None):
        return subprocess.run(
            [*self.command("parleyctl"), *args],
            check=check,
            capture_output=True,
            text=True,
            timeout=START_S,
            env={**os.environ, **(environment or {})},
        )

    def status(self):
        return json.loads(self.ctl("status", "--json").stdout)

    def workers(self):
        return self.status()["workers"]

    def pid_of(self, slot):
        """The pid of the worker in this slot; waits while it is being replaced."""

        def pid():
            return {worker["slot"]: worker["pid"] for worker in self.workers()}[slot]

        return wait_for(pid, what=f"no worker in slot {slot}:\n", details=self.log)

    def wait_until_replaced(self, slot, pid):
        """Waits until another process than pid is the worker in this slot."""

        def replaced():
            now = {worker["slot"]: worker["pid"] for worker in self.workers()}
            return now.get(slot) not in (None, 0, pid)

        wait_for(replaced, what=f"no new worker in slot {slot}:\n", details=self.log)

    @contextlib.contextmanager
    def locked(self, statement, *args):
        """Executes the statement in another session, which holds its locks during the block."""
        with self.cluster.connect(self.database) as session, session.transaction():
            session.execute(statement, args)
            yield

    @contextlib.contextmanager
    def _closed_gate(self, table, install, remove):
        """Executes install, closes the gate for the block, and executes remove. Yields a function
        that returns the application_name of each session that waits at the gate."""
        with self.cluster.connect(self.database) as session:
            (gate,) = session.execute("select %s::regclass::oid::bigint", [table]).fetchone()
            session.execute(GATES)
            session.execute(install.format(gate=gate))
            try:
                with session.transaction():
                    session.execute("select pg_advisory_xact_lock(%s)", [gate])
                    yield lambda: self._waiting_at(gate)
            finally:
                session.execute(remove)

    def _waiting_at(self, gate):
        rows = self.sql(
            "select a.application_name from pg_locks l join pg_stat_activity a using (pid)"
            " where a.datname = current_database() and l.locktype = 'advisory' and not l.granted"
            " and l.classid = 0 and l.objid::bigint = %s and l.objsubid = 1",
            gate,
        )
        return [row[0] for row in rows]

    def commits_held(self, table):
        """During the block, a transaction that has inserted or deleted rows of the table waits in
        its COMMIT, before the commit takes effect. Yields as _closed_gate."""
        return self._closed_gate(
            table,
            f"create constraint trigger held after insert or delete on {table}"
            " deferrable initially deferred for each row execute function commit_at_gate()",
            f"drop trigger held on {table}",
        )

    def reads_held(self, table):
        """During the block, queries of the table wait. Yields as _closed_gate."""
        return self._closed_gate(
            table,
            f"alter table {table} rename to {table}_held;"
            f" create view {table} as select * from {table}_held where pass_gate({{gate}})",
            f"drop view {table}; alter table {table}_held rename to {table}",
        )

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def db(self):
        """A connection to the daemon's database, opened at the first use."""
        if self._db is None or self._db.closed:
            self._db = self.cluster.connect(self.database)
        return self._db

    def sql(self, query, *args):
        """The rows of a query; an empty list for a statement without a result."""
        try:
            cursor = self.db().execute(query, args)
        except psycopg.OperationalError:  # PostgreSQL was restarted
            self._db.close()
            cursor = self.db().execute(query, args)
        return cursor.fetchall() if cursor.description else []

    def complaints(self):
        """What is wrong with the log of a stopped daemon, as a list of texts.

        Assertions, sanitizer reports, children that died without being killed by the test, and
        `connected` and `closed` lines that do not match.
        """
        lines = self.log().splitlines()
        found = [line for line in lines if BROKEN.search(line)]
        for path in glob.glob(os.path.join(self.directory, "wrapper.*")):
            with open(path, encoding="utf-8", errors="replace") as file:
                found += file.read().splitlines()[:60]
        opened, ended, start = [], [], 0
        for line in lines:
            start += bool(STARTED.search(line))
            opened += [(start, m.group(1)) for m in [CONNECTED.search(line)] if m]
            ended += [(start, m.group(1)) for m in [CLOSED.search(line)] if m]
        unexpected = sum(1 for line in lines if DIED.search(line)) - self.killed
        if unexpected > 0:
            found.append(f"{unexpected} children died unexpectedly")
        # Workers of a killed master log at the same time as those of its successor.
        if not self.masters_killed and len(ended) != len(set(ended)):
            found.append("a connection was closed twice")
        if not self.masters_killed and set(ended) - set(opened):
            found.append(f"closed, never connected: {sorted(set(ended) - set(opened))[:5]}")
        # A killed worker does not log the end of its connections.
        if not self.killed and not self.masters_killed and set(opened) != set(ended):
            found.append(f"connected, never closed: {sorted(set(opened) - set(ended))[:5]}")
        return found

    def stores(self, start=0):
        """The last state of each worker's store in the log from this offset on: ready or unavailable."""
        states = re.findall(r" worker=(\d+) store_(ready|unavailable)", self.log()[start:])
        return {int(slot): state for slot, state in states}

    def wait_for_log(self, pattern, timeout=DEADLINE_S):
        return wait_for(
            lambda: re.search(pattern, self.log()),
            timeout,
            f"no {pattern!r} in the log:\n",
            self.log,
        )
