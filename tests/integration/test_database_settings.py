"""Settings of the role and of the database that change what SQL means, and the sessions' ends.

The contract does not depend on how an administrator has set up the role or the database: the
settings that parleyd relies on hold in each of its sessions. Each setting takes effect as an
administrator makes it: `alter role` or `alter database`, then all sessions are ended.
"""

import concurrent.futures
import glob
import re
import time

import pytest

from database_harness import (
    LOST,
    check_conversation,
    parleyd_on,
    say,
    say_until_acked,
    wait_for,
)

pytest_plugins = ["database_fixtures"]

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)

SETTINGS = {
    "the syntax of strings": {
        "standard_conforming_strings": "off",
        "backslash_quote": "off",
        "quote_all_identifiers": "on",
        "transform_null_equals": "on",
        "array_nulls": "off",
    },
    "serializable": {"default_transaction_isolation": "serializable"},
    "repeatable read": {"default_transaction_isolation": "repeatable read"},
    "read only": {"default_transaction_read_only": "on"},
    "deferrable": {
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
    },
    "a search_path of PostgreSQL's own": {"search_path": "pg_catalog"},
    "a search_path of nothing": {"search_path": "elsewhere"},
    "formats": {
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "sql_standard",
        "TimeZone": "Asia/Kathmandu",
        "bytea_output": "escape",
        "client_encoding": "LATIN1",
        "extra_float_digits": "-15",
    },
    "others": {
        "row_security": "off",
        "client_min_messages": "debug1",
        "plan_cache_mode": "force_generic_plan",
        "check_function_bodies": "off",
    },
}


@pytest.fixture
def settled(server):
    """A daemon whose database can be given settings: (daemon, server, role, database)."""
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        yield daemon, server, role, database


def wait_reconnected(daemon, offset):
    """Returns when all four connections that were lost after this offset of the log are back."""

    def is_back():
        lost = len(daemon.lost_lines(offset))
        ready = len(re.findall(r"database[_ ]ready\b", daemon.log()[offset:]))
        return lost >= 4 and ready >= lost and daemon.health() == 200

    wait_for(is_back, what="the daemon does not come back:\n", details=lambda: daemon.log()[offset:])


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_conversation_does_not_depend_on_the_settings_of_the_role(settled, people, settings):
    daemon, server, role, database = settled
    offset = len(daemon.log())
    for setting, value in settings.items():
        server.set_for_role(role, setting, value)
    server.end_backends(database)
    wait_reconnected(daemon, offset)
    check_conversation(daemon, people)


@pytest.mark.parametrize("of", ["the syntax of strings", "a search_path of PostgreSQL's own"])
def test_a_conversation_does_not_depend_on_the_settings_of_the_database(settled, people, of):
    daemon, server, _role, database = settled
    offset = len(daemon.log())
    for setting, value in SETTINGS[of].items():
        server.set_for_database(database, setting, value)
    server.end_backends(database)
    wait_reconnected(daemon, offset)
    check_conversation(daemon, people)


@pytest.mark.parametrize(
    "setting", ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
)
def test_a_send_that_waits_for_a_lock_is_stored_in_spite_of_the_timeout(
    settled, people, setting
):
    """The role's timeouts do not turn 0.5 s of waiting into a failure."""
    daemon, server, role, database = settled
    offset = len(daemon.log())
    server.set_for_role(role, setting, "100ms")
    server.end_backends(database)
    wait_reconnected(daemon, offset)
    ada, ben = people(daemon, "Ada", "Ben")
    a = ada.ws()
    say(a, ben, "before the lock")
    [table] = server.tables_with(database, "before the lock")
    with server.connect(database) as connection, connection.transaction():
        connection.execute(f"lock table {table} in exclusive mode")
        a.send({"type": "send", "id": "held", "receiver_id": ben.id, "content": "held"})
        time.sleep(0.5)
    assert a.until("ack", id="held")["seq"] == 2
    assert not a.got("error")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_changes_in_one_group_do_not_fail_under_an_isolation_level(server, people, isolation):
    """8 people send and edit in one group, on 4 workers; marks are kept too."""
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role), workers=4) as daemon:
        offset = len(daemon.log())
        server.set_for_role(role, "default_transaction_isolation", isolation)
        server.end_backends(database)
        wait_for(lambda: len(daemon.lost_lines(offset)) >= 8)
        wait_for(lambda: len(re.findall(r"database[_ ]ready\b", daemon.log()[offset:])) >= 8)
        daemon.wait_health(200)
        crowd = people(daemon, *(f"Person {n}" for n in range(8)))
        group_id = crowd[0].group("Group", *crowd[1:])
        sockets = [person.ws() for person in crowd]

        def work(n):
            statuses = []
            for i in range(15):
                sent = crowd[n].post(
                    "/messages/send_message",
                    {"receiver_id": group_id, "content": f"text {n} {i}"},
                )
                statuses.append(sent.status_code)
                if sent.status_code == 201:
                    message = sent.json()
                    edited = crowd[n].patch(
                        f"/messages/{message['message_id']}", {"content": f"edited {n} {i}"}
                    )
                    statuses.append(edited.status_code)
                    sockets[n].send({"type": "read", "chat_id": group_id, "seq": message["seq"]})
            return statuses

        with concurrent.futures.ThreadPoolExecutor(len(crowd)) as pool:
            statuses = [status for one in pool.map(work, range(8)) for status in one]
        assert statuses.count(201) == 120 and statuses.count(200) == 120, {
            status: statuses.count(status) for status in set(statuses)
        }
        # Everybody reads all at once: 8 marks in one conversation.
        last = crowd[0].chat(group_id)["last_seq"]
        for ws in sockets:
            ws.send({"type": "read", "chat_id": group_id, "seq": last})
        for ws in sockets:
            ws.drain()
        wait_for(
            lambda: [person.chat(group_id)["read_seq"] for person in crowd] == [last] * 8,
            5,
            "marks are lost: ",
            lambda: str([person.chat(group_id)["read_seq"] for person in crowd]),
        )
        assert not [frame for ws in sockets for frame in ws.got("error")]


def test_an_acknowledged_text_survives_a_crash_with_synchronous_commit_off(servers, people):
    server = servers(wal_writer_delay="10s", wal_writer_flush_after="1GB")
    role = server.new_role()
    database = server.new_database(role)
    with parleyd_on(server.conninfo(database, role)) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        a = ada.ws()
        say(a, ben, "first")
        server.set_for_role(role, "synchronous_commit", "off")
        server.end_backends(database)
        say_until_acked(a, ben, "second")
        server.sql("checkpoint")
        say(a, ben, "third")
        server.restart(immediate=True)
        daemon.wait_health(200)
        say_until_acked(a, ben, "fourth")
        contents = [one["content"] for one in ben.history(ada.id)]
        assert contents == ["first", "second", "third", "fourth"]


# The ends of sessions.


def test_idle_session_timeout_ends_no_connection(settled, people):
    daemon, server, role, database = settled
    offset = len(daemon.log())
    server.set_for_role(role, "idle_session_timeout", "2s")
    server.end_backends(database)
    wait_reconnected(daemon, offset)
    offset = len(daemon.log())
    until = time.monotonic() + 7
    while time.monotonic() < until:
        assert daemon.health() == 200, daemon.log()[offset:]
        time.sleep(0.1)
    assert not daemon.lost_lines(offset)
    check_conversation(daemon, people)


def words_of_lost_connections(daemon, offset):
    wait_for(lambda: len(daemon.lost_lines(offset)) >= 4, what="connections are not lost")
    return [line for line in daemon.lost_lines(offset)[:4]]


def test_the_log_has_the_words_of_a_terminated_session(settled):
    daemon, server, _role, database = settled
    offset = len(daemon.log())
    server.end_backends(database)
    for line in words_of_lost_connections(daemon, offset):
        assert "terminating connection due to administrator command" in line, line


@pytest.mark.parametrize(
    "immediate, words",
    [
        (False, "terminating connection due to administrator command"),
        (True, "terminating connection due to immediate shutdown command"),
    ],
    ids=["fast", "immediate"],
)
def test_the_log_has_the_words_of_a_shutdown(servers, immediate, words):
    server = servers()
    role = server.new_role()
    with parleyd_on(server.conninfo(server.new_database(role), role)) as daemon:
        # A backend that is sending an answer closes the connection without a reason.
        wait_for(
            lambda: server.value(
                "select count(*) from pg_stat_activity where usename = %s and state = 'idle'"
                " and state_change < clock_timestamp() - interval '0.2 s'",
                role,
            )
            >= 4,
            what="the connections do not get idle",
        )
        offset = len(daemon.log())
        server.stop(immediate)
        for line in words_of_lost_connections(daemon, offset):
            assert words in line, line
        assert LOST.search(daemon.log())
        server.start()
        daemon.wait_health(200)


# Databases of other locales than the one that parleyd makes: their lower() differs.

LOCALES = {
    "a cluster of the C locale": ("C", ""),
    "C.UTF-8": ("C.UTF-8", ""),
    "ICU": (
        "C.UTF-8",
        "template template0 locale_provider icu icu_locale 'und' locale 'C.UTF-8'",
    ),
    "ICU Turkish": (
        "C.UTF-8",
        "template template0 locale_provider icu icu_locale 'tr' locale 'C.UTF-8'",
    ),
}


@pytest.mark.parametrize("locale, options", LOCALES.values(), ids=LOCALES)
def test_search_finds_names_in_any_case_in_a_database_of_this_locale(
    servers, people, locale, options
):
    server = servers(locale=locale)
    role = server.new_role()
    with parleyd_on(server.conninfo(server.new_database(role, options), role)) as daemon:
        ada, emilie, ingrid, zoe = people(daemon, "Ada", "Émilie", "INGRID Ωmega", "Zoë")
        for query, person in (
            ("émilie", emilie),
            ("ÉMI", emilie),
            ("ing", ingrid),
            ("ING", ingrid),
            ("ωmega", ingrid),
            ("zoë", zoe),
            ("ZOË", zoe),
            ("zoe\u0308", zoe),  # in NFD
        ):
            found = ada.get("/users/search", params={"q": query}).json()["users"]
            assert [user["user_id"] for user in found] == [person.id], query


# The clock.


@pytest.mark.skipif(FAKETIME is None, reason="there is no libfaketime on this machine")
def test_the_latest_activity_is_first_after_the_clock_went_back(servers, people):
    server = servers()
    role = server.new_role()
    with parleyd_on(server.conninfo(server.new_database(role), role)) as daemon:
        ada, ben, cyd = people(daemon, "Ada", "Ben", "Cyd")
        ahead = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME": "+1h",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        for environment, person, texts in (
            (ahead, ben, ["an hour ahead"]),
            ({}, cyd, ["one", "two"]),
        ):
            server.stop()
            server.environment = environment
            server.start()
            daemon.wait_health(200)
            ws = person.ws()
            for text in texts:
                say_until_acked(ws, ada, text)
        chats = ada.get("/chats").json()["chats"]
        assert [chat["chat_id"] for chat in chats] == [cyd.id, ben.id]
        assert chats[1]["last_message"]["sent_at"] > chats[0]["last_message"]["sent_at"]
