"""database_fixtures: the servers and people that the tests of the database's failures start.

Owns: what the fixtures make. Knows nothing of: what the tests do with it.

A test module names it: pytest_plugins = ["database_fixtures"].
"""

import pytest

from database_harness import Pair, register
from pgbouncer import PgBouncer
from postgres_server import PostgresServer
from tcp_forwarder import Forwarder


@pytest.fixture
def people():
    """people(daemon, *full_names): registers them; their sockets end with the test."""
    made = []

    def make(daemon, *full_names):
        new = [register(daemon, full_name) for full_name in full_names]
        made.extend(new)
        return new

    yield make
    for person in made:
        person.close()


@pytest.fixture(scope="module")
def server():
    """One PostgreSQL server of the module's own."""
    one = PostgresServer()
    yield one
    one.drop()


@pytest.fixture
def servers():
    """servers(**arguments of PostgresServer): servers of the test's own."""
    made = []

    def make(**arguments):
        made.append(PostgresServer(**arguments))
        return made[-1]

    yield make
    for one in made:
        one.drop()


@pytest.fixture
def pairs():
    """pairs(**settings): a primary and a streaming standby."""
    made = []

    def make(**settings):
        made.append(Pair(**settings))
        return made[-1]

    yield make
    for one in made:
        one.drop()


@pytest.fixture
def forwarder():
    """forwarder(target): a Forwarder; `target` may be a PostgresServer."""
    made = []

    def make(target):
        if isinstance(target, PostgresServer):
            target = ("127.0.0.1", target.port)
        made.append(Forwarder(target))
        return made[-1]

    yield make
    for one in made:
        one.drop()


@pytest.fixture
def pgbouncer():
    """pgbouncer(server, role, pool_mode): a running PgBouncer."""
    made = []

    def make(*args, **options):
        made.append(PgBouncer(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.drop()
