/*
 * Migrations on a real PostgreSQL: upgrades, changed functions, refusals, programs that start at the same time.
 */
#include "migrations/migrate.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/pg.h"
#include "tests/unit/suite.h"

static char conninfo[256]; /* of this test's own database, which does not exist yet */
static struct buf why;

static void setup(void)
{
	static unsigned n;

	snprintf(conninfo, sizeof(conninfo), "host=%s user=parley dbname=test%u", pg_directory(),
		++n);
	why = (struct buf)BUF_EMPTY;
}

static void teardown(void)
{
	buf_fini(&why);
}

/* Executes sql (printf-like) in the test's database. Returns the first value as a number, 0 if there is none. */
static long long sql(const char *format, ...) __attribute__((format(printf, 1, 2)));

static long long sql(const char *format, ...)
{
	PGconn *pg = PQconnectdb(conninfo);
	struct buf text = BUF_EMPTY;
	long long n = 0;
	PGresult *r;
	va_list ap;

	va_start(ap, format);
	buf_addfv(&text, format, ap);
	va_end(ap);
	r = PQexec(pg, buf_cstr(&text));
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		ck_abort_msg("%s: %s", buf_cstr(&text), PQerrorMessage(pg));
	if (PQntuples(r) > 0)
		n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(pg);
	buf_fini(&text);
	return n;
}

static void migrate(void)
{
	ck_assert_msg(migrate_run(conninfo, &why) == MIGRATE_DONE, "%s", buf_cstr(&why));
}

/* True if the check of each connection accepts the schema. */
static bool is_current(void)
{
	struct buf check = BUF_EMPTY;
	long long current;

	migrate_put_check(&check);
	current = sql("select (%s)::int", buf_cstr(&check) + strlen("select "));
	buf_fini(&check);
	return current == 1;
}

/* A database as the first release made it. */
static void make_version_1(void)
{
	pg_number("create database %s", strstr(conninfo, "test"));
	ck_assert_str_eq(migration_files[0].name, "0001_init.sql");
	sql("create table schema_migrations (version int primary key, name text not null, "
	    "applied_at timestamptz not null default now())");
	sql("%s", migration_files[0].text);
	sql("insert into schema_migrations (version, name) values (1, '0001_init')");
}

START_TEST(numbered_files_have_no_gaps)
{
	int n = 0;

	for (const struct embedded *f = migration_files; f->name != NULL; f++) {
		char expected[16];

		ck_assert_uint_eq(f->len, strlen(f->text));
		if (strtol(f->name, NULL, 10) == 0)
			continue;
		snprintf(expected, sizeof(expected), "%04d_", ++n);
		ck_assert_int_eq(strncmp(f->name, expected, strlen(expected)), 0);
	}
	ck_assert_int_ge(n, 2);
	ck_assert_int_eq(migrate_version(), n);
}
END_TEST

START_TEST(a_database_of_version_1_is_upgraded)
{
	make_version_1();
	/* In normalization form D, as some keyboards send them. */
	sql("insert into users (username, full_name) values ('zoe', U&'Zoe\\0308 O''Hara')");
	sql("select create_group((select user_id from users), U&'Cafe\\0301')");
	sql("select count(*) from users, post_messages(array[user_id], array[user_id], "
	    "array['old'], array['c1'])");
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(sql("select max(version) from schema_migrations"), migrate_version());
	ck_assert_int_eq(
		sql("select count(*) from users where full_name = U&'Zo\\00EB O''Hara'"), 1);
	ck_assert_int_eq(sql("select count(*) from user_words where word = U&'zo\\00EB'"), 1);
	ck_assert_int_eq(sql("select count(*) from user_words where word = U&'zoe\\0308'"), 0);
	ck_assert_int_eq(sql("select count(*) from conversations where name = U&'Caf\\00E9'"), 1);
	ck_assert_int_eq(sql("select count(*) from pg_proc where proname = 'post_messages'"), 0);
	/* What was stored is there, and the new functions work on it. */
	ck_assert_int_eq(sql("select (s.message).seq from users u, send_messages(array[u.user_id], "
			     "array[u.user_id], array['new'], array['c1']) s "
			     "where s.status = 'duplicate' and (s.message).content = 'old'"),
		1);
	ck_assert_int_eq(
		sql("select (s.message).seq from users u, send_messages(array[u.user_id], "
		    "array[u.user_id], array['new'], array['c2']) s where s.status = 'ok'"),
		2);
	/* The trigger is still there. */
	sql("update users set full_name = 'Renamed'");
	ck_assert_int_eq(sql("select count(*) from user_words where word = 'renamed'"), 1);
}
END_TEST

START_TEST(an_up_to_date_schema_is_not_changed)
{
	long long xmin;

	migrate();
	xmin = sql("select xmin::text::bigint from pg_proc where proname = 'send_messages'");
	migrate();
	ck_assert_int_eq(
		sql("select xmin::text::bigint from pg_proc where proname = 'send_messages'"),
		xmin);
	ck_assert_int_eq(sql("select count(*) from schema_functions"), 1);
}
END_TEST

/* As if the last program had had a function more, and another is_member. */
static void change_functions(void)
{
	sql("drop function is_member; "
	    "create function is_member(p_user int) returns int language sql as 'select 7'; "
	    "create function of_old() returns int language sql as 'select 1'; "
	    "create function of_another_program() returns int language sql as 'select 1'; "
	    "update schema_functions set digest = 0, sql = sql || "
	    "E'\\ncreate function of_old() returns int language sql as ''select 1'''");
}

START_TEST(changed_functions_are_replaced_and_only_they)
{
	migrate();
	change_functions();
	ck_assert(!is_current());
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(sql("select count(*) from pg_proc where proname = 'of_old'"), 0);
	ck_assert_int_eq(sql("select of_another_program()"), 1);
	ck_assert_int_eq(sql("select count(*) from pg_proc where proname = 'is_member'"), 1);
	ck_assert_int_eq(sql("select is_member(1::bigint, 1::bigint)::int"), 0);
	ck_assert_int_eq(sql("select count(*) from schema_functions"), 1);
}
END_TEST

START_TEST(a_failed_upgrade_changes_nothing)
{
	migrate();
	change_functions();
	sql("create view of_another_program as select is_member(1)");
	ck_assert_int_eq(migrate_run(conninfo, &why), MIGRATE_FAILED);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&why), "depend"));
	ck_assert(!is_current());
	ck_assert_int_eq(sql("select of_old()"), 1);
	sql("drop view of_another_program");
	migrate();
	ck_assert(is_current());
}
END_TEST

START_TEST(a_newer_database_is_refused_and_not_changed)
{
	migrate();
	change_functions();
	sql("insert into schema_migrations (version, name) values (9999, 'future')");
	ck_assert_int_eq(migrate_run(conninfo, &why), MIGRATE_NEWER);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&why), "newer"));
	ck_assert(!is_current());
	ck_assert_int_eq(sql("select of_old()"), 1);
}
END_TEST

START_TEST(another_programs_database_is_refused)
{
	pg_number("create database %s", strstr(conninfo, "test"));
	sql("create table invoices (id int)");
	ck_assert_int_eq(migrate_run(conninfo, &why), MIGRATE_FAILED);
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_FAILED);
	ck_assert_int_eq(sql("select count(*) from pg_class where relname = 'invoices'"), 1);
	ck_assert_int_eq(sql("select count(*) from pg_proc where proname = 'is_member'"), 0);
}
END_TEST

START_TEST(a_reset_makes_an_empty_schema)
{
	migrate();
	change_functions();
	sql("insert into users (username, full_name) values ('zoe', 'Zoe')");
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
	ck_assert(is_current());
	ck_assert_int_eq(sql("select count(*) from users"), 0);
	ck_assert_int_eq(sql("select count(*) from pg_proc where proname = 'of_old'"), 0);
}
END_TEST

static void migrate_in_children(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t child = fork();

		ck_assert_int_ge(child, 0);
		if (child == 0)
			_exit(migrate_run(conninfo, &why) == MIGRATE_DONE ? 0 : 1);
	}
	for (int i = 0; i < n; i++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

START_TEST(programs_that_start_at_once_apply_everything_once)
{
	/* The database is missing for all of them; then all have other functions to replace. */
	migrate_in_children(4);
	ck_assert(is_current());
	ck_assert_int_eq(sql("select count(*) from schema_migrations"), migrate_version());
	change_functions();
	migrate_in_children(4);
	ck_assert(is_current());
	ck_assert_int_eq(sql("select count(*) from schema_functions"), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("migrate");
	TCase *tc = tcase_create("migrate");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, numbered_files_have_no_gaps);
	tcase_add_test(tc, a_database_of_version_1_is_upgraded);
	tcase_add_test(tc, an_up_to_date_schema_is_not_changed);
	tcase_add_test(tc, changed_functions_are_replaced_and_only_they);
	tcase_add_test(tc, a_failed_upgrade_changes_nothing);
	tcase_add_test(tc, a_newer_database_is_refused_and_not_changed);
	tcase_add_test(tc, another_programs_database_is_refused);
	tcase_add_test(tc, a_reset_makes_an_empty_schema);
	tcase_add_test(tc, programs_that_start_at_once_apply_everything_once);
	suite_add_tcase(suite, tc);
	return suite_run_in_one_process(suite);
}
