"""A database that parleyd shares: with another program, and with another parleyd.

The contract: parleyd knows its own objects by more than a table's name, `parleyctl reset-database`
touches nothing else, and refuses what is not parley's. One parleyd at a time has a database.
"""

import contextlib
import os
import time

import pytest

from database_harness import (
    PASSWORD,
    Http,
    parleyd_on,
    register,
    say,
    wait_for,
)

pytest_plugins = ["database_fixtures"]

TEXT = "a text of some length"
INITIAL_SCHEMA = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "migrations", "0001_init.sql"
)


def leave_a_text(conninfo, people):
    """Runs parleyd once: two people, one text. Returns Ada's username."""
    with parleyd_on(conninfo) as daemon:
        ada, ben = people(daemon, "Ada", "Ben")
        say(ada.ws(), ben, TEXT)
        ada.close()
        return ada.username


def add_invoices(server, database, role, schema="public"):
    """Another program's table with 7 rows."""
    server.sql(f"grant all on schema {schema} to {role}", dbname=database)
    server.sql(f"create table {schema}.invoices (id int)", dbname=database, user=role)
    server.sql(
        f"insert into {schema}.invoices select generate_series(1, 7)", dbname=database, user=role
    )


@pytest.mark.parametrize("where", ["a search_path of the role", "a schema named as the role"])
def test_reset_deletes_parleys_objects_and_no_others(server, people, where):
    role = server.new_role()
    database = server.new_database(role)
    if where == "a search_path of the role":
        server.sql(f"create schema chat authorization {role}", dbname=database)
        server.sql(f"alter role {role} in database {database} set search_path = chat")
    else:
        server.sql(f"create schema authorization {role}", dbname=database)
    conninfo = server.conninfo(database, role)
    username = leave_a_text(conninfo, people)
    assert server.tables_with(database, TEXT)
    add_invoices(server, database, role)
    with parleyd_on(conninfo, start=False) as daemon:
        reset = daemon.ctl("reset-database", "--yes", check=False)
        relations = server.relations(database)
        assert ("public", "invoices", "r", 7) in relations, (reset, relations)
        if reset.returncode != 0:
            assert reset.stderr and server.tables_with(database, TEXT), "refused, and deleted"
            return
        assert not server.tables_with(database, TEXT), "the texts are still there"
        assert not server.tables_with(database, username)
        daemon.launch().wait_up()
        register(daemon, "Ada", username).close()


def test_reset_keeps_what_others_have_in_the_schema_of_its_objects(server, people):
    """Another program's table, view, function and type stand beside parley's own objects."""
    role = server.new_role()
    database = server.new_database(role)
    conninfo = server.conninfo(database, role)
    leave_a_text(conninfo, people)
    [table] = server.tables_with(database, TEXT)
    schema = table.split(".")[0]
    add_invoices(server, database, role, schema)
    for statement in (
        f"create view {schema}.unpaid as select * from {schema}.invoices",
        f"create sequence {schema}.invoice_numbers",
        f"create type {schema}.currency as enum ('EUR')",
        f"create function {schema}.total() returns bigint language sql as"
        f" 'select count(*) from {schema}.invoices'",
    ):
        server.sql(statement, dbname=database, user=role)
    with parleyd_on(conninfo, start=False) as daemon:
        reset = daemon.ctl("reset-database", "--yes", check=False)
        kept = {relation[:2] for relation in server.relations(database)}
        theirs = {(schema, name) for name in ("invoices", "unpaid", "invoice_numbers")}
        assert theirs <= kept, (reset, kept)
        assert server.value(f"select {schema}.total()", dbname=database) == 7
        assert server.sql("select 1 from pg_type where typname = 'currency'", dbname=database)
        assert bool(server.tables_with(database, TEXT)) == (reset.returncode != 0)


@pytest.mark.parametrize("version", [1, 20240101])
@pytest.mark.parametrize("schema", ["public", "parley"])
def test_another_programs_schema_migrations_does_not_pass_for_parleys(server, schema, version):
    role = server.new_role()
    database = server.new_database(role)
    if schema != "public":
        server.sql(f"create schema {schema}", dbname=database)
        server.sql(f"alter database {database} set search_path = {schema}")
    for statement in (
        f"grant all on schema {schema} to {role}",
        f"set role {role}; set search_path = {schema};"
        " create table schema_migrations (version bigint primary key, dirty boolean);"
        f" insert into schema_migrations values ({version}, false);"
        " create table users (id serial, email text);"
        " insert into users (email) values ('someone@example.org')",
    ):
        server.sql(statement, dbname=database)
    before = server.relations(database)
    with parleyd_on(server.conninfo(database, role), start=False) as daemon:
        reset = daemon.ctl("reset-database", "--yes", check=False)
        assert server.relations(database) == before, "reset changed another program's objects"
        assert reset.returncode == 1 and "is not parley's" in reset.stderr, reset
        daemon.launch()
        assert daemon.exit_status(10) == 1, daemon.log()
        assert "is not parley's" in daemon.log()
        assert server.relations(database) == before


def test_a_database_of_the_first_layout_is_moved_and_not_copied(server, people):
    """Its objects are in public. After the start none of them is, all data is there, and the table
    of messages is still the same table."""
    role = server.new_role()
    database = server.new_database(role)
    server.sql(f"grant all on schema public to {role}", dbname=database)
    with open(INITIAL_SCHEMA, encoding="utf-8") as file:
        initial = file.read()
    server.sql(
        "create table schema_migrations (version int primary key, name text not null,"
        " applied_at timestamptz not null default now());"
        f" insert into schema_migrations values (1, '0001_init'); {initial}",
        dbname=database,
        user=role,
    )
    messages = server.value("select 'public.messages'::regclass::oid", dbname=database)
    server.sql(
        "insert into users (username, full_name) values ('ada', 'Ada Lovelace')",
        dbname=database,
        user=role,
    )
    with parleyd_on(server.conninfo(database, role)) as daemon:
        left = {relation for relation in server.relations(database) if relation[0] == "public"}
        assert not left, "objects are left in public"
        schema = server.value(
            "select relnamespace::regnamespace::text from pg_class where oid = %s",
            messages,
            dbname=database,
        )
        assert schema != "public"
        [ben] = people(daemon, "Ben")
        assert ben.get("/users/user_id/ada").status_code == 200
        found = ben.get("/users/search?q=love").json()["users"]
        assert [user["username"] for user in found] == ["ada"]


# Two daemons on one database.


def refused_second(first, conninfo, **settings):
    """Starts another daemon on the database; checks that it does not serve and says why, and that
    the first one loses no connection by it."""
    offset = len(first.log())
    with parleyd_on(conninfo, start=False, **settings) as second:
        second.launch()
        until = time.monotonic() + 5
        while time.monotonic() < until and second.process.poll() is None:
            assert second.health() != 200, "the second daemon serves:\n" + second.log()
            time.sleep(0.1)
        why = [line for line in second.log().splitlines() if "another parleyd" in line.lower()]
        assert why, "no line says why:\n" + second.log()
        if second.process.poll() is not None:
            assert second.exit_status() != 0
        assert not first.lost_lines(offset), "the first daemon lost connections"
        assert first.health() == 200


def test_a_second_daemon_on_the_database_is_refused(server, people):
    role = server.new_role()
    conninfo = server.conninfo(server.new_database(role), role)
    with parleyd_on(conninfo) as first:
        ada, ben = people(first, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        refused_second(first, conninfo)
        ack = say(a, ben, "still here")
        b.until("message", message_id=ack["message_id"])


def test_a_second_daemon_with_the_same_pid_file_on_another_host_is_refused(server, people):
    """The first one's pid file is out of the second one's sight, as on another host."""
    role = server.new_role()
    conninfo = server.conninfo(server.new_database(role), role)
    with parleyd_on(conninfo) as first:
        ada, ben = people(first, "Ada", "Ben")
        a, b = ada.ws(), ben.ws()
        pid_file = first.settings["pid_file"]
        os.rename(pid_file, pid_file + ".elsewhere")
        refused_second(first, conninfo, pid_file=pid_file)
        with contextlib.suppress(FileNotFoundError):
            os.rename(pid_file + ".elsewhere", pid_file)
        ack = say(a, ben, "still here")
        b.until("message", message_id=ack["message_id"])


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_another_daemon_starts_after_the_end_of_the_first(server, people, end):
    """As on a new host: with another pid file, also after the first one was killed."""
    role = server.new_role()
    conninfo = server.conninfo(server.new_database(role), role)
    with parleyd_on(conninfo) as first:
        ada, ben = people(first, "Ada", "Ben")
        say(ada.ws(), ben, "first")
        if end == "killed":
            children = first.children()
            first.kill_master()
            wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children))
        else:
            assert first.stop() == 0
        with parleyd_on(conninfo) as second, contextlib.closing(Http(second.url(""))) as http:
            answer = http.post(
                "/users/login", {"username": ada.username, "password": PASSWORD}
            )
            assert answer.status_code == 200
