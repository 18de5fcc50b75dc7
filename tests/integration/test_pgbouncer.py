"""parleyd behind Debian's PgBouncer: session pooling works, transaction pooling is refused.

In transaction pooling a session's prepared statements, settings and advisory locks belong to
whichever server connection comes next, and parleyd relies on all three.
"""

import contextlib
import re
import time

import psycopg
import pytest

from database_harness import check_conversation, parleyd_on, say, say_until_acked
from pgbouncer import PROGRAM

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no PgBouncer on this machine")
pytest_plugins = ["database_fixtures"]


@pytest.fixture
def pooled(server, pgbouncer):
    """pooled(pool_mode): (PgBouncer, conninfo through it)."""

    def make(pool_mode):
        role = server.new_role()
        bouncer = pgbouncer(server, role, pool_mode)
        return bouncer, bouncer.conninfo(server.new_database(role))

    return make


def test_session_pooling_works(pooled, people):
    _bouncer, conninfo = pooled("session")
    with parleyd_on(conninfo) as daemon:
        check_conversation(daemon, people)


def test_a_restart_of_a_session_pooler_loses_nothing(pooled, people):
    bouncer, conninfo = pooled("session")
    with parleyd_on(conninfo) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        say(a, ben, "before")
        b.until("message", seq=1)
        bouncer.stop()
        daemon.wait_health(503)
        bouncer.start()
        daemon.wait_health(200)
        assert say_until_acked(a, ben, "after")["seq"] == 2
        b.until("message", seq=2)


def test_a_dead_worker_is_replaced_behind_a_session_pooler(pooled, people):
    """The advisory lock that names a worker ends with its session, not with the pooler's."""
    _bouncer, conninfo = pooled("session")
    with parleyd_on(conninfo) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        b = ben.ws_elsewhere(a)
        say(a, ben, "before")
        daemon.kill_worker(a.slot)
        daemon.wait_health(200)
        say(ada.ws(), ben, "after")
        b.until("message", seq=2)


def test_transaction_pooling_is_refused_with_one_line(pooled):
    _bouncer, conninfo = pooled("transaction")
    with parleyd_on(conninfo, start=False) as daemon:
        daemon.launch()
        until = time.monotonic() + 6
        while time.monotonic() < until and daemon.process.poll() is None:
            assert daemon.health() in (503, None), "it serves:\n" + daemon.log()
            time.sleep(0.1)
        if daemon.process.poll() is not None:
            assert daemon.exit_status() == 1
        log = daemon.log()
        # Its connections would move the server connections by which the migrator finds the pooling.
        assert not re.search(r"worker=\d+ .*database_", log), "a worker connects:\n" + log
        why = [line for line in log.splitlines() if re.search(r"transaction.pool", line)]
        assert len(why) == 1, f"{len(why)} lines say why:\n{log}"
        assert "prepared statement" not in log


@pytest.mark.parametrize("n_idle", [0, 1, 2, 5])
def test_transaction_pooling_is_found_with_any_number_of_idle_connections(pooled, n_idle):
    _bouncer, conninfo = pooled("transaction")
    with contextlib.ExitStack() as stack:
        for _ in range(n_idle):
            client = stack.enter_context(psycopg.connect(conninfo))
            client.execute("select 1")  # its transaction holds a server connection until the end
    with parleyd_on(conninfo, start=False) as daemon:
        for _ in range(3):
            migrated = daemon.ctl("migrate", check=False)
            assert migrated.returncode == 1 and "pool" in migrated.stderr, migrated


def test_statement_pooling_is_refused(pooled):
    _bouncer, conninfo = pooled("statement")
    with parleyd_on(conninfo, start=False) as daemon:
        migrated = daemon.ctl("migrate", check=False)
        assert migrated.returncode == 1 and "session pooling" in migrated.stderr, migrated


def test_a_session_pool_of_one_connection_is_enough_to_migrate(server, pgbouncer):
    role = server.new_role()
    bouncer = pgbouncer(server, role, "session", pool_size=1)
    with parleyd_on(bouncer.conninfo(server.new_database(role)), start=False) as daemon:
        assert "up to date" in daemon.ctl("migrate").stdout


def test_parleyctl_refuses_transaction_pooling(pooled):
    """The migrator holds an advisory lock, too."""
    _bouncer, conninfo = pooled("transaction")
    with parleyd_on(conninfo, start=False) as daemon:
        migrated = daemon.ctl("migrate", check=False)
        assert migrated.returncode == 1 and "pool" in migrated.stderr, migrated
