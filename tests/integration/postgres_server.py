"""postgres_server: PostgreSQL servers that can be replicated, promoted, crashed and put back.

Owns: each server's directory, its processes and its loopback port.
Knows nothing of: parleyd.

A server listens on a unix socket in its directory and on a port of 127.0.0.1 that the kernel chose.
PostgreSQL refuses to run as root; as root the servers run as an unprivileged account. Processes are
signalled by pid only.
"""

import atexit
import contextlib
import functools
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg
from psycopg import sql

START_S = 60
SUPERUSER = "postgres"
_names = iter(range(1, 1_000_000))


def bindir():
    """The directory of the server programs: that of PATH, else of Debian's newest version."""
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(os.path.realpath(found))
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not versions:
        raise RuntimeError("initdb not found: install postgresql")
    return os.path.dirname(max(versions, key=lambda path: int(path.split("/")[4])))


def unprivileged():
    """Popen's arguments that run a program as an unprivileged account in a session of its own."""
    options = {"cwd": "/", "start_new_session": True}
    if os.geteuid() == 0:
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                account = pwd.getpwnam(name)
                options.update(user=account.pw_uid, group=account.pw_gid, extra_groups=[])
                return options
        raise RuntimeError("there is no unprivileged account to run PostgreSQL")
    return options


def private_directory(prefix, parent=None):
    """A new directory that belongs to the unprivileged account and that everybody can enter."""
    directory = tempfile.mkdtemp(prefix=prefix, dir=parent)
    os.chmod(directory, 0o755)
    options = unprivileged()
    if "user" in options:
        os.chown(directory, options["user"], options["group"])
    return directory


def _run(program, *args):
    """Runs one of PostgreSQL's programs; raises CalledProcessError if it fails."""
    subprocess.run(
        [os.path.join(bindir(), program), *args],
        check=True,
        stdout=subprocess.DEVNULL,
        **unprivileged(),
    )


@functools.cache
def _new_cluster(locale):
    """The data directory of a new cluster, to be copied: initdb takes seconds."""
    directory = private_directory("parley-initdb-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    data = os.path.join(directory, "data")
    args = ["-D", data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", f"--locale={locale}"]
    _run("initdb", *args, "--no-sync")
    return data


def hold_port():
    """A socket bound to a free port of 127.0.0.1. While it is open, the kernel gives the port to a
    process that binds it by number with SO_REUSEADDR, and to no other (socket(7))."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return holder


def wait_until(condition, what, timeout=START_S):
    """Polls until condition() is true and returns its value. Raises AssertionError after timeout
    seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s: {what}")
        time.sleep(0.02)


def _setting_value(value):
    """A list of names, such as DateStyle's, is a list in SQL too."""
    return sql.SQL(", ").join(sql.Literal(part) for part in value.split(", "))


class PostgresServer:
    """One server.

    locale: that of the cluster, as initdb takes it.
    primary: the PostgresServer to stream from; None makes a new cluster.
    settings: server settings, in force at each start. `self.settings` may be changed in between.
    `self.environment` is added to the environment at each start.
    """

    def __init__(self, locale="C.UTF-8", primary=None, **settings):
        self.directory = private_directory("parley-pg-")
        self.data = os.path.join(self.directory, "data")
        self.environment = {}
        self.process = None
        self._port_holder = hold_port()
        self.port = self._port_holder.getsockname()[1]
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.directory,
            "fsync": "off",  # a crash of the server is survived all the same
            "max_connections": 100,
            "shared_buffers": "32MB",
            "log_min_messages": "warning",
            **settings,
        }
        try:
            if primary is None:
                subprocess.run(["cp", "-a", _new_cluster(locale), self.data], check=True)
            else:
                self._follow(primary)
            self.start()
        except BaseException:
            self.drop()
            raise

    def _follow(self, primary):
        source = primary.conninfo("postgres", SUPERUSER)
        _run("pg_basebackup", "-d", source, "-D", self.data, "-X", "stream", "-c", "fast", "-N")
        self.settings["primary_conninfo"] = f"{source} application_name=standby"
        self.settings["wal_retrieve_retry_interval"] = "200ms"
        self.make_standby()

    def make_standby(self):
        """Makes the stopped server start as a standby."""
        path = os.path.join(self.data, "standby.signal")
        open(path, "wb").close()
        os.chmod(path, 0o644)

    # Life.

    def start(self):
        """Starts the server and returns when it takes connections."""
        with open(os.path.join(self.directory, "log"), "ab") as log:
            options = [f"-c{name}={value}" for name, value in self.settings.items()]
            self.process = subprocess.Popen(
                [os.path.join(bindir(), "postgres"), "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                **unprivileged(),
            )
        wait_until(self._is_up, "PostgreSQL does not start")

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {self.process.returncode}:\n{self.log()}")
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, immediate=False):
        """Stops the server: fast shutdown, or as `pg_ctl stop -m immediate`, which is a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process = None

    def restart(self, immediate=False):
        self.stop(immediate)
        self.start()

    def drop(self):
        """Ends the server and removes its directory."""
        with contextlib.suppress(Exception):
            self.continue_receiver()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(immediate=True)
        self._port_holder.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    # Copies of the data directory, which restore the past without any trace in it.

    def copy_data(self):
        """Copies the data directory of the stopped server; returns the copy's path."""
        copy = f"{self.data}.copy{next(_names)}"
        subprocess.run(["cp", "-a", self.data, copy], check=True)
        return copy

    def put_back(self, copy):
        """Replaces the data directory of the stopped server by a copy of it."""
        shutil.rmtree(self.data)
        os.rename(copy, self.data)

    # Connections.

    def conninfo(self, dbname, user, host=None):
        """A libpq connection string over the unix socket, or over TCP to host."""
        return f"host={host or self.directory} port={self.port} user={user} dbname={dbname}"

    def connect(self, dbname="postgres", user=SUPERUSER):
        """A connection in autocommit, which the caller closes."""
        return psycopg.connect(self.conninfo(dbname, user), autocommit=True, connect_timeout=10)

    def sql(self, query, *args, dbname="postgres", user=SUPERUSER):
        """Runs one statement in a connection of its own; returns its rows."""
        with self.connect(dbname, user) as connection:
            cursor = connection.execute(query, args)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, *args, **where):
        """The first column of the first row."""
        return self.sql(query, *args, **where)[0][0]

    # Databases.

    def new_role(self):
        """Makes a role as `createuser` does: it may log in and nothing else. Returns its name."""
        role = f"role{next(_names)}"
        self.sql(sql.SQL("create role {} login").format(sql.Identifier(role)))
        return role

    def new_database(self, role, options=""):
        """Makes a database as `createdb -O role` does, with options of CREATE DATABASE. Returns its
        name."""
        name = f"db{next(_names)}"
        self.sql(f"create database {name} owner {role} {options}")
        return name

    def end_backends(self, dbname):
        """Ends all sessions of a database, as an administrator does after changing settings."""
        self.sql(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s",
            dbname,
        )

    def set_for_role(self, role, setting, value):
        """`alter role ... set`: in force in the sessions that begin after it."""
        self.sql(
            sql.SQL("alter role {} set {} = {}").format(
                sql.Identifier(role), sql.SQL(setting), _setting_value(value)
            )
        )

    def set_for_database(self, dbname, setting, value):
        """`alter database ... set`, as set_for_role()."""
        self.sql(
            sql.SQL("alter database {} set {} = {}").format(
                sql.Identifier(dbname), sql.SQL(setting), _setting_value(value)
            )
        )

    def relations(self, dbname):
        """All relations outside PostgreSQL's own schemas: (schema, name, kind, number of rows of a
        table, else None)."""
        with self.connect(dbname) as connection:
            found = connection.execute(
                "select n.nspname, c.relname, c.relkind from pg_class c"
                " join pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
            ).fetchall()
            return {
                (
                    schema,
                    name,
                    kind,
                    connection.execute(
                        sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name))
                    ).fetchone()[0]
                    if kind in ("r", "p")
                    else None,
                )
                for schema, name, kind in found
            }

    def tables_with(self, dbname, text):
        """The tables, as schema.name, of which a row contains the text."""
        has_text = sql.SQL("select exists (select from {} r where strpos(r::text, %s) > 0)")
        with self.connect(dbname) as connection:
            return [
                f"{schema}.{name}"
                for schema, name, kind, _ in sorted(self.relations(dbname), key=lambda r: r[:2])
                if kind in ("r", "p")
                and connection.execute(
                    has_text.format(sql.Identifier(schema, name)), (text,)
                ).fetchone()[0]
            ]

    def dump(self, dbname):
        """pg_dump in the custom format; returns the file's path."""
        path = os.path.join(self.directory, f"dump{next(_names)}")
        _run("pg_dump", "-d", self.conninfo(dbname, SUPERUSER), "-Fc", "-f", path)
        return path

    def restore(self, path, dbname, *options):
        """pg_restore into a database that exists."""
        target = self.conninfo(dbname, SUPERUSER)
        _run("pg_restore", "-d", target, "--exit-on-error", *options, path)

    # Replication. A standby calls these, except for require_standby().

    def require_standby(self, required=True):
        """Makes the primary's commits wait for the standby, or not."""
        self.sql(
            sql.SQL("alter system set synchronous_standby_names = {}").format(
                sql.Literal("standby" if required else "")
            )
        )
        self.sql("select pg_reload_conf()")
        if required:
            wait_until(
                lambda: self.sql(
                    "select 1 from pg_stat_replication where sync_state = 'sync'"
                ),
                "the standby is not synchronous",
            )

    def receiver_pid(self):
        rows = self.sql("select pid from pg_stat_wal_receiver where status = 'streaming'")
        return rows[0][0] if rows else None

    def wait_replayed(self, primary):
        """Returns when the standby has replayed all that the primary has flushed."""
        end = primary.value("select pg_current_wal_flush_lsn()")
        wait_until(
            lambda: self.value("select pg_last_wal_replay_lsn() >= %s::pg_lsn", end),
            "the standby does not replay",
        )

    def stop_receiver(self):
        """Stops the WAL receiver with SIGSTOP: what the primary commits does not come any more."""
        self._receiver = wait_until(self.receiver_pid, "the standby does not stream")
        os.kill(self._receiver, signal.SIGSTOP)

    def continue_receiver(self):
        if getattr(self, "_receiver", None):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._receiver, signal.SIGCONT)
        self._receiver = None

    def end_receiver(self):
        """Ends a stopped WAL receiver. SIGTERM is pending when it continues, so that it reads
        nothing of what the primary sent meanwhile."""
        os.kill(self._receiver, signal.SIGTERM)
        self.continue_receiver()

    def promote(self):
        """Promotes the standby and returns when it takes writes."""
        assert self.value("select pg_promote(true, 60)")
        wait_until(lambda: not self.value("select pg_is_in_recovery()"), "no promotion")


def standby_of(primary, **settings):
    """A new streaming standby of the primary; returns when it streams."""
    standby = PostgresServer(primary=primary, **settings)
    try:
        wait_until(standby.receiver_pid, "the standby does not stream")
    except BaseException:
        standby.drop()
        raise
    return standby
