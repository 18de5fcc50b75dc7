"""Rate limits of log-ins (docs/api.md, "Limits"), over all workers; and trusted proxies.

An address and a username have 10 attempts at once, then one in 6 s.
"""

import itertools
import time

import pytest

from accounts import stored_password
from client import Http
from conftest import new_person, run_daemon
from polling import wait_for

pytestmark = pytest.mark.no_valgrind("a log-in takes ten seconds")

BURST, REFILL_S = 10, 6
TRIES = 40
_addresses = itertools.count(1)


class Attacker:
    """Tries wrong passwords, on connections to all workers in turn."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.connections = []
        before = after = self._requests()
        while len(self.connections) < 8 or any(after[slot] == before[slot] for slot in before):
            assert len(self.connections) < 64, f"64 connections on one worker: {before}, {after}"
            self.connections.append(Http(daemon.url("")))
            self.connections[-1].get("/healthz")
            after = self._requests()

    def _requests(self):
        return {worker["slot"]: worker["http_requests"] for worker in self.daemon.workers()}

    def account(self):
        one = new_person(self.daemon)
        self.daemon.sql(
            "update users set password = %s where user_id = %s", stored_password("never tried"), one.id
        )
        one.close()
        return one.username

    def tries(self, usernames, addresses):
        """Makes TRIES attempts; returns how many were checked, and the maximum that may be."""
        start = time.monotonic()
        checked = 0
        for i in range(TRIES):
            answer = self.connections[i % len(self.connections)].post(
                "/users/login",
                {"username": next(usernames), "password": "wrong password"},
                headers={"X-Forwarded-For": next(addresses)},
            )
            assert answer.status_code in (401, 429), answer.text
            checked += answer.status_code == 401
        return checked, BURST + int((time.monotonic() - start) / REFILL_S) + 1

    def close(self):
        for http in self.connections:
            http.close()


@pytest.fixture(scope="module")
def trusting(cluster):
    """A daemon that trusts 127.0.0.1 as a proxy."""
    for daemon in run_daemon(cluster, rate_limits=True, trusted_proxies=["127.0.0.1"]):
        attacker = Attacker(daemon)
        yield attacker
        attacker.close()


@pytest.fixture(scope="module")
def untrusting(cluster):
    """A daemon that does not trust 127.0.0.1 as a proxy."""
    for daemon in run_daemon(cluster, rate_limits=True, trusted_proxies=["192.0.2.1"]):
        attacker = Attacker(daemon)
        yield attacker
        attacker.close()


def new_addresses():
    for i in _addresses:
        yield f"198.51.{i // 250}.{i % 250 + 1}"


def test_a_username_is_limited_over_all_workers_and_addresses(trusting):
    name = trusting.account()
    checked, most = trusting.tries(itertools.repeat(name), new_addresses())
    assert BURST <= checked <= most


def test_an_address_is_limited_over_all_workers_and_usernames(trusting):
    names = (trusting.account() for _ in itertools.count())
    checked, most = trusting.tries(names, itertools.repeat("203.0.113.5"))
    assert BURST <= checked <= most


def test_an_ipv6_network_counts_as_one_address(trusting):
    names = (trusting.account() for _ in itertools.count())
    addresses = (f"2001:db8:5:5::{i:x}" for i in itertools.count(1))
    checked, most = trusting.tries(names, addresses)
    assert BURST <= checked <= most


def test_other_usernames_from_other_addresses_are_not_limited(trusting):
    """Otherwise the tests above would pass with any limit."""
    names = (trusting.account() for _ in itertools.count())
    assert trusting.tries(names, new_addresses())[0] == TRIES


def test_the_address_in_a_header_is_ignored_without_a_trusted_proxy(untrusting):
    names = (untrusting.account() for _ in itertools.count())
    checked, most = untrusting.tries(names, new_addresses())
    assert BURST <= checked <= most


def test_the_last_of_several_forwarded_addresses_counts(trusting):
    """A client may send the header itself; a proxy may append to it."""
    names = (trusting.account() for _ in itertools.count())
    forged = (f"{address}, 203.0.113.77" for address in new_addresses())
    checked, most = trusting.tries(names, forged)
    assert BURST <= checked <= most


def test_the_limit_survives_the_death_of_a_worker(trusting):
    """The hasher keeps it."""
    name, address = trusting.account(), f"{next(new_addresses())}"
    trusting.tries(itertools.repeat(name), itertools.repeat(address))
    trusting.daemon.kill_worker(0)
    wait_for(lambda: len([w for w in trusting.daemon.workers() if w["alive"]]) == 2)
    http = Http(trusting.daemon.url(""))
    wait_for(trusting.daemon.healthy)
    start = time.monotonic()
    body = {"username": name, "password": "wrong password"}
    codes = [
        http.post("/users/login", body, headers={"X-Forwarded-For": address}).status_code
        for _ in range(BURST)
    ]
    assert codes.count(401) <= 2 + int((time.monotonic() - start) / REFILL_S)
    http.close()
