"""Fixtures: one PostgreSQL a run, one parleyd a test module, new users for each test.

A module changes the settings of its parleyd by SETTINGS = {"ping_interval": 1}.
"""

import itertools
import os
import secrets
import unicodedata

import pytest

from accounts import new_token
from client import Http, Person
from cluster import Cluster
from parleyd import Parleyd

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "no_valgrind(reason): not meaningful at the speed of valgrind"
    )


def pytest_collection_modifyitems(config, items):
    """Under valgrind (tests/run-valgrind), leaves out the tests that are marked no_valgrind."""
    if not os.environ.get("PARLEY_WRAPPER"):
        return
    selected, left_out = [], []
    for item in items:
        (left_out if item.get_closest_marker("no_valgrind") else selected).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = selected


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.drop()


@pytest.fixture(scope="module")
def own_cluster():
    """A PostgreSQL of the module's own, which its tests may stop, kill and restart."""
    cluster = Cluster()
    yield cluster
    cluster.drop()


def run_daemon(cluster, **settings):
    """Starts a parleyd, yields it, stops it and checks its exit status and log.

    A fixture delegates to it by `yield from`; a test uses it as a loop of one iteration.
    """
    daemon = Parleyd(cluster, **settings)
    try:
        daemon.start()
        yield daemon
        status = daemon.stop()
        complaints = daemon.complaints()
        assert (
            status in (0, None) and not complaints
        ), f"parleyd exited with {status}: {complaints}\n{daemon.log()[-8000:]}"
    finally:
        daemon.drop()


@pytest.fixture(scope="module")
def daemon(cluster, request):
    yield from run_daemon(cluster, **getattr(request.module, "SETTINGS", {}))


def folded(name):
    """The words of a name as the daemon stores them (common/unicode.h)."""
    return unicodedata.normalize("NFKC", " ".join(name.casefold().split()))


def new_person(daemon, full_name=None, username=None):
    number = next(_numbers)
    username = username or f"user{number}.{secrets.token_hex(3)}"
    full_name = full_name or f"Person {number}"
    user_id = daemon.sql(
        "insert into users (username, full_name, folded_name) values (%s, %s, %s)"
        " returning user_id",
        username,
        full_name,
        folded(full_name),
    )[0][0]
    return Person(daemon, user_id, username, full_name, new_token(daemon, user_id))


@pytest.fixture
def person(daemon):
    """person(full_name=None, username=None): a new user with a token; their sockets are closed at
    the end of the test."""
    people = []

    def make(full_name=None, username=None):
        people.append(new_person(daemon, full_name, username))
        return people[-1]

    yield make
    for one in people:
        one.close()


@pytest.fixture
def alice(person):
    return person("Alice")


@pytest.fixture
def bob(person):
    return person("Bob")


@pytest.fixture
def carol(person):
    return person("Carol")


@pytest.fixture
def pair(alice, bob):
    """A socket of Alice and one of Bob on different workers, with a chat between them."""
    alice.send(bob.id, "opens the chat")
    hers = alice.ws()
    his = bob.ws_elsewhere(hers)
    assert hers.slot != his.slot
    return hers, his


@pytest.fixture
def token_for(daemon):
    """token_for(person, lifetime): another token of this user."""
    return lambda one, lifetime="1 day": new_token(daemon, one.id, lifetime)


@pytest.fixture
def http(daemon):
    """HTTP without a token."""
    http = Http(daemon.url(""))
    yield http
    http.close()


@pytest.fixture
def username():
    """An unused username."""
    return f"new{next(_numbers)}.{secrets.token_hex(3)}"
