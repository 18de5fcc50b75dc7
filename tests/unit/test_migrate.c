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
	PGresult *r =
		PQexec(pg, "set search_path = parley, public; set client_min_messages = warning");
	struct buf text = BUF_EMPTY;
	long long n = 0;
	va_list ap;

	PQclear(r);
	va_start(ap, format);
	buf_addfv(&text, format, ap);
	va_end(ap);
	r = PQexec(pg, buf_cstr(&text));
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		ck_abort_msg("%.1000s: %.500s", PQerrorMessage(pg), buf_cstr(&text));
	if (PQntuples(r) > 0)
		n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(pg);
	buf_fini(&text);
	return n;
}

static void migrate(void)
{
	ck_assert_msg(migrate_run(conninfo, &why) == MIGRATE_DONE, "%.500s", buf_cstr(&why));
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

static void make_database(void)
{
	pg_number("create database %s", strstr(conninfo, "test"));
}

static const char *text_of(const char *file)
{
	const struct embedded *f = migration_files;

	while (f->name != NULL && strcmp(f->name, file) != 0)
		f++;
	ck_assert_msg(f->name != NULL, "%s is missing", file);
	return f->text;
}

/* The tables of version 1 in a schema of a database that exists. */
static void make_old_schema(const char *schema)
{
	sql("create schema if not exists %s", schema);
	sql("set search_path = %s; "
	    "create table schema_migrations (version int primary key, name text not null, "
	    "applied_at timestamptz not null default now()); "
	    "insert into schema_migrations (version, name) values (1, '0001_init'); %s",
		schema, text_of("0001_init.sql"));
}

/* A database as the first release made it. */
static void make_version_1(void)
{
	make_database();
	make_old_schema("public");
}

/* The number of relations, functions and types in a schema, without those of PostgreSQL's own making. */
static long long n_objects(const char *schema)
{
	return sql("select count(*) from pg_depend where refclassid = 'pg_namespace'::regclass and "
		   "refobjid = '%s'::regnamespace and deptype = 'n'",
		schema);
}

static void ck_refused(enum migrate_result result, const char *reason)
{
	ck_assert_int_eq(result, MIGRATE_FAILED);
	ck_assert_msg(strstr(buf_cstr(&why), reason) != NULL, "%.500s", buf_cstr(&why));
}

/* Neither migrate_run nor migrate_reset accepts the database, and neither changes it. */
static void ck_both_refused(const char *reason)
{
	long long before = sql("select count(*) from pg_depend");

	ck_refused(migrate_run(conninfo, &why), reason);
	ck_refused(migrate_reset(conninfo, &why), reason);
	ck_assert_int_eq(sql("select count(*) from pg_depend"), before);
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
	sql("update users set full_name = 'Renamed', folded_name = 'renamed'");
	ck_assert_int_eq(sql("select count(*) from user_words where word = 'renamed'"), 1);
}
END_TEST

START_TEST(names_of_an_older_version_are_folded_in_slices)
{
	make_version_1();
	sql("insert into users (username, full_name) select 'emilie' || n, "
	    "U&'\\00C9milie \"\\\\' || n from generate_series(1, 2500) n");
	sql("insert into users (username, full_name, deleted_at) values ('gone', '', now())");
	migrate();
	ck_assert_int_eq(sql("select count(*) from users where folded_name = "
			     "U&'\\00E9milie \"\\\\' || substr(username, 7)"),
		2500);
	ck_assert_int_eq(sql("select count(*) from user_words where word = U&'\\00E9milie'"), 2500);
	ck_assert_int_eq(sql("select count(*) from user_words"), 3 * 2500);
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
	    "create function public.of_another_program() returns int language sql as 'select 1'; "
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

START_TEST(all_objects_are_in_one_schema)
{
	migrate();
	ck_assert_int_eq(n_objects("public"), 0);
	ck_assert_int_eq(sql("select count(*) from pg_class c join pg_namespace n on n.oid = "
			     "c.relnamespace where n.nspname !~ '^pg_' and n.nspname not in "
			     "('information_schema', 'parley')"),
		0);
}
END_TEST

START_TEST(a_search_path_of_the_database_changes_nothing)
{
	make_database();
	sql("create schema elsewhere");
	sql("alter database %s set search_path = elsewhere", strstr(conninfo, "test"));
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(n_objects("elsewhere"), 0);
	/* An administrator has another search_path, too. */
	sql("set search_path = public; insert into parley.users (username, full_name) "
	    "values ('zoe', 'Zoe')");
	ck_assert_int_eq(sql("select count(*) from user_words"), 1);
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
	ck_assert_int_eq(sql("select count(*) from users"), 0);
}
END_TEST

START_TEST(the_old_layout_is_moved_from_any_schema_and_others_objects_stay)
{
	long long oid;

	make_database();
	make_old_schema("\"Chat, old\"");
	sql("set search_path = \"Chat, old\"; "
	    "create table invoices (id int); "
	    "create view people as select full_name from users; "
	    "create function is_member(text) returns int language sql as 'select 7'; "
	    "insert into users (username, full_name) values ('zoe', 'Zoe')");
	oid = sql("select '\"Chat, old\".messages'::regclass::oid");
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(sql("select 'parley.messages'::regclass::oid"), oid);
	ck_assert_int_eq(sql("select count(*) from \"Chat, old\".people"), 1);
	ck_assert_int_eq(sql("select \"Chat, old\".is_member('x')"), 7);
	ck_assert_int_eq(n_objects("\"Chat, old\""), 3);
}
END_TEST

START_TEST(existing_conversations_get_an_activity_and_a_number_of_members)
{
	make_version_1();
	sql("insert into users (username, full_name) select 'u' || n, 'U' from generate_series(1, "
	    "4) n");
	/* The first group has the latest message, and the chat of u1 and u2 the earliest. */
	sql("select create_group(user_id, 'first') from users where username = 'u1'");
	sql("select create_group(user_id, 'second') from users where username = 'u1'");
	sql("select count(*) from users a, users b, post_messages(array[a.user_id], "
	    "array[b.user_id], "
	    "array['hi'], array['c1']) where a.username = 'u1' and b.username = 'u2'");
	sql("select add_member(owner_id, conv_id, (select user_id from users where username = "
	    "'u3')) "
	    "from conversations where name = 'first'");
	sql("update messages set sent_at = now() - interval '1 day' where kind = 't'");
	migrate();
	ck_assert_int_eq(
		sql("select (string_agg(coalesce(name, 'direct') || member_count, ' ' order by "
		    "activity desc) = 'first2 second1 direct2')::int from conversations"),
		1);
	ck_assert_int_eq(sql("select count(distinct activity) from conversations"), 3);
	ck_assert_int_gt(sql("select nextval('activities')"),
		sql("select max(activity) from conversations"));
}
END_TEST

START_TEST(the_old_layout_of_version_2_is_moved)
{
	make_version_1();
	sql("%s", text_of("0002_replaceable_functions.sql"));
	sql("insert into schema_migrations (version, name) values (2, 'x')");
	sql("create function is_member(bigint, bigint) returns int language sql as 'select 1'");
	sql("create function conversation_lock(bigint) returns int language sql as 'select 1'");
	/* Only what schema_functions names is dropped. */
	sql("insert into schema_functions select 0, 'create function is_member'");
	ck_refused(migrate_run(conninfo, &why), "already exists");
	sql("update schema_functions set sql = sql || E'\ncreate function conversation_lock'");
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(n_objects("public"), 0);
}
END_TEST

START_TEST(the_old_layout_in_a_schema_named_parley_stays_there)
{
	make_database();
	make_old_schema("parley");
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(n_objects("public"), 0);
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
}
END_TEST

START_TEST(a_reset_of_the_old_layout_leaves_nothing_of_it)
{
	make_version_1();
	sql("insert into users (username, full_name) values ('zoe', 'Zoe')");
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
	ck_assert(is_current());
	ck_assert_int_eq(n_objects("public"), 0);
	ck_assert_int_eq(sql("select count(*) from users"), 0);
}
END_TEST

START_TEST(two_schemas_with_the_old_layout_are_refused_by_name)
{
	make_version_1();
	make_old_schema("other");
	ck_both_refused("more than one schema: other, public");
}
END_TEST

START_TEST(tables_with_another_column_are_not_the_old_layout)
{
	make_version_1();
	sql("alter table users add column email text");
	ck_both_refused("is not parley's");
}
END_TEST

START_TEST(another_programs_schema_parley_is_refused)
{
	make_database();
	sql("create schema parley create table birds (id int)");
	ck_both_refused("is not parley's");
	sql("drop table birds");
	sql("create table parley.schema_identity (id uuid)");
	sql("insert into parley.schema_identity values (gen_random_uuid())");
	ck_both_refused("is not parley's");
	sql("alter table parley.schema_identity rename id to name");
	ck_both_refused("is not parley's");
}
END_TEST

START_TEST(an_empty_schema_parley_lets_parley_share_a_database)
{
	make_database();
	sql("create table public.invoices (id int)");
	sql("create schema parley");
	migrate();
	ck_assert(is_current());
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
	ck_assert_int_eq(n_objects("public"), 1);
}
END_TEST

START_TEST(a_reset_is_refused_if_other_objects_depend_on_parleys)
{
	static const char *const others[][2] = {
		{ "create view public.people as select full_name from users",
			"drop view public.people" },
		{ "create table public.orders (user_id bigint references users)",
			"drop table public.orders" },
		{ "create table public.log (change change)", "drop table public.log" },
		{ "create table parley.birds (id int)", "drop table parley.birds" },
		{ "create type parley.currency as enum ('EUR')", "drop type parley.currency" },
	};
	static const char *const names[] = { "people", "orders", "log", "birds", "currency" };

	migrate();
	sql("insert into users (username, full_name) values ('zoe', 'Zoe')");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		sql("%s", others[i][0]);
		ck_refused(migrate_reset(conninfo, &why), names[i]);
		ck_assert_ptr_null(strstr(buf_cstr(&why), "CASCADE"));
		ck_assert_int_eq(sql("select count(*) from users"), 1);
		ck_assert(is_current());
		sql("%s", others[i][1]);
	}
	ck_assert_int_eq(migrate_reset(conninfo, &why), MIGRATE_DONE);
	ck_assert_int_eq(sql("select count(*) from users"), 0);
}
END_TEST

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
	tcase_add_test(tc, names_of_an_older_version_are_folded_in_slices);
	tcase_add_test(tc, an_up_to_date_schema_is_not_changed);
	tcase_add_test(tc, changed_functions_are_replaced_and_only_they);
	tcase_add_test(tc, a_failed_upgrade_changes_nothing);
	tcase_add_test(tc, a_newer_database_is_refused_and_not_changed);
	tcase_add_test(tc, another_programs_database_is_refused);
	tcase_add_test(tc, a_reset_makes_an_empty_schema);
	tcase_add_test(tc, all_objects_are_in_one_schema);
	tcase_add_test(tc, a_search_path_of_the_database_changes_nothing);
	tcase_add_test(tc, the_old_layout_is_moved_from_any_schema_and_others_objects_stay);
	tcase_add_test(tc, existing_conversations_get_an_activity_and_a_number_of_members);
	tcase_add_test(tc, the_old_layout_of_version_2_is_moved);
	tcase_add_test(tc, the_old_layout_in_a_schema_named_parley_stays_there);
	tcase_add_test(tc, a_reset_of_the_old_layout_leaves_nothing_of_it);
	tcase_add_test(tc, two_schemas_with_the_old_layout_are_refused_by_name);
	tcase_add_test(tc, tables_with_another_column_are_not_the_old_layout);
	tcase_add_test(tc, another_programs_schema_parley_is_refused);
	tcase_add_test(tc, an_empty_schema_parley_lets_parley_share_a_database);
	tcase_add_test(tc, a_reset_is_refused_if_other_objects_depend_on_parleys);
	tcase_add_test(tc, programs_that_start_at_once_apply_everything_once);
	suite_add_tcase(suite, tc);
	return suite_run_in_one_process(suite);
}
