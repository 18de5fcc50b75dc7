"""servers: a PostgreSQL server with a synchronous standby, both behind forwarders.

Owns: the servers, the process of the forwarders. Knows nothing of: parleyd, the schedule of faults.

It has the methods of Cluster that Parleyd uses. The two ports in its connection string stay the
same when servers are replaced. The forwarders run in a process of their own, since the clients need
theirs.
"""

import contextlib
import os
from multiprocessing.managers import BaseManager

import psycopg

from postgres_server import SUPERUSER, PostgresServer, standby_of, wait_until
from tcp_forwarder import Forwarder

SETTINGS = {"max_connections": 200, "fsync": "on"}


class _Forwarder(Forwarder):
    """A Forwarder with methods for what a proxy of another process cannot reach."""

    def get_port(self):
        return self.port

    def aim(self, target):
        """New connections go to this target."""
        self.target = target


class _Forwarders(BaseManager):
    pass


_Forwarders.register("Forwarder", _Forwarder)


def _address(server):
    return ("127.0.0.1", server.port)


class Servers:
    def __init__(self):
        self._stack = contextlib.ExitStack()
        try:
            manager = self._stack.enter_context(_Forwarders())
            self.primary = PostgresServer(**SETTINGS)
            self._stack.callback(lambda: self.primary.drop())
            self.standby = None
            self._stack.callback(lambda: self.standby and self.standby.drop())
            self._make_standby()
            # The first leads to the primary; they change places when the servers do.
            self._forwarders = [
                manager.Forwarder(_address(one)) for one in (self.primary, self.standby)
            ]
            self._ports = ",".join(str(one.get_port()) for one in self._forwarders)
        except BaseException:
            self.drop()
            raise

    def drop(self):
        self._stack.close()

    def conninfo(self, database):
        return f"host=127.0.0.1,127.0.0.1 port={self._ports} user={SUPERUSER} dbname={database}"

    def connect(self, database="postgres"):
        """A connection to the primary, past the forwarders, with parley's search_path."""
        connection = psycopg.connect(self.primary.conninfo(database, SUPERUSER), autocommit=True)
        connection.execute("set search_path = parley, public")
        return connection

    def stop(self, immediate=False):
        self.primary.stop(immediate)

    def start(self):
        self.primary.start()

    def wait_replicated(self):
        """Returns when commits are confirmed by the standby."""
        wait_until(
            lambda: self.primary.sql(
                "select 1 from pg_stat_replication"
                " where sync_state = 'sync' and state = 'streaming'"
            ),
            "the standby does not stream",
        )

    # --- faults ---

    def fail_over(self, by_kill):
        """The primary crashes, or its postmaster is killed; the standby is promoted. Commits wait
        for no standby until replace_standby()."""
        if by_kill:
            self.primary.process.kill()
            self.primary.process.wait()
        else:
            self.primary.stop(immediate=True)
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary
        self._forwarders.reverse()

    def replace_standby(self):
        """Makes a new standby in place of the former primary."""
        former = self.standby.data
        wait_until(lambda: not _processes_in(former), "a backend outlives its postmaster")
        self.standby.drop()
        self.standby = None
        self._make_standby()
        self._forwarders[1].aim(_address(self.standby))

    def _make_standby(self):
        self.standby = standby_of(self.primary, **SETTINGS)
        self.primary.require_standby()

    def freeze(self, *directions):
        """Stops the open connections in these directions; returns their number. New ones work."""
        return sum(one.freeze(*directions) for one in self._forwarders)

    def n_frozen(self):
        """The number of frozen connections that their client has not closed."""
        return sum(one.n_frozen() for one in self._forwarders)

    def end_frozen(self):
        """Ends the frozen connections, as when the server's keepalive finds them dead."""
        for one in self._forwarders:
            one.end_frozen()


def _processes_in(directory):
    """The pids of the processes whose working directory it is."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == directory:
                found.append(int(pid))
    return found
