/*
 * A connection to a real PostgreSQL: arguments and columns, order, errors, loss and return.
 */
#define _GNU_SOURCE 1
#include "store/db.h"

#include <arpa/inet.h>
#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/pg.h"
#include "tests/unit/suite.h"
#include "tests/unit/worker_fixture.h"

static struct db *db;
static struct stats_slot stats;
static const char *setup_sql;
static unsigned n_ready, n_away;

/* Names that this program adds to those of the host. The look-up of silent.test waits until `names` is unlocked. */
#define SILENCE_S 11
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint n_silent;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct addrinfo *second;
	int error;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node != NULL && strcmp(node, "silent.test") == 0) {
		struct timespec until;

		atomic_fetch_add(&n_silent, 1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += SILENCE_S;
		if (pthread_mutex_timedlock(&names, &until) != 0)
			return EAI_AGAIN;
		pthread_mutex_unlock(&names);
		return real("127.0.0.1", service, hints, result);
	}
	if (node == NULL || strcmp(node, "two.test") != 0)
		return real(node, service, hints, result);
	error = real("127.0.0.1", service, hints, result);
	if (error == 0 && real("127.0.0.2", service, hints, &second) == 0)
		(*result)->ai_next = second;
	return error;
}

static void on_setup(void *arg, struct buf *sql)
{
	ck_assert_ptr_eq(arg, &stats);
	buf_add_str(sql, setup_sql);
}

static void on_state(void *arg, bool ready)
{
	ck_assert_ptr_eq(arg, &stats);
	ck_assert(ready == db_ready(db));
	*(ready ? &n_ready : &n_away) += 1;
}

static const struct db_events events = { .setup = on_setup, .state = on_state };

static void setup(void)
{
	n_ready = n_away = 0;
	setup_sql = "set application_name = 'test db'; select true";
	fixture_make("");
	db = db_open(fixture_base(), pg_conninfo(), "test", &events, &stats, &stats);
	db_start(db);
	ck_assert(!db_ready(db));
	fixture_until_n(&n_ready, 1);
}

static void teardown(void)
{
	db_close(db);
	fixture_drop();
}

struct answer {
	bool done, lost;
	char sqlstate[6];
	char text[64];
	size_t text_len;
	bool null;
	int64_t number;
	unsigned order;
};

static unsigned n_answers;

/* Column number; column text, if there is one. */
static void on_answer(void *arg, const struct db_result *r)
{
	struct answer *a = arg;
	const char *text;

	ck_assert_msg(!a->done, "answered twice");
	a->done = true;
	a->order = ++n_answers;
	a->lost = r == NULL;
	if (r == NULL)
		return;
	if (PQresultStatus(r->pg) != PGRES_TUPLES_OK) {
		strncpy(a->sqlstate, PQresultErrorField(r->pg, PG_DIAG_SQLSTATE), 5);
		return;
	}
	a->number = db_i64(r, 0, "number");
	if (PQnfields(r->pg) < 2)
		return;
	text = db_text(r, 0, "text", &a->text_len);
	a->null = db_is_null(r, 0, "text");
	ck_assert(a->null == (text == NULL));
	if (text != NULL)
		memcpy(a->text, text,
			a->text_len < sizeof(a->text) ? a->text_len : sizeof(a->text));
}

static void ask(const struct db_statement *st, struct db_args *args, struct answer *a)
{
	*a = (struct answer){ .done = false };
	ck_assert(db_query(db, st, args, on_answer, a));
	ck_assert_msg(!a->done, "called back inside the call");
}

static const struct db_statement plus = { "plus", "select $1::int8 + 1 as number" };
static const struct db_statement wait_a_little = { "wait_a_little",
	"select 1::int8 as number from pg_sleep($1::int8 / 1000.0)" };

static void ask_plus(int64_t n, struct answer *a)
{
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, n);
	ask(&plus, &args, a);
}

static void ask_wait(int64_t ms, struct answer *a)
{
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, ms);
	ask(&wait_a_little, &args, a);
}

START_TEST(statements_end_in_the_order_of_the_queue)
{
	enum { N = 200 };
	static struct answer a[N];

	n_answers = 0;
	for (int i = 0; i < N; i++)
		ask_plus(INT64_MAX - N + i, &a[i]);
	ck_assert_uint_eq(db_pending(db), N);
	for (int i = 0; i < N; i++) {
		fixture_until(&a[i].done);
		ck_assert_int_eq(a[i].number, INT64_MAX - N + i + 1);
		ck_assert_uint_eq(a[i].order, (unsigned)i + 1);
	}
	ck_assert_uint_eq(db_pending(db), 0);
}
END_TEST

START_TEST(urgent_statements_and_others_alternate)
{
	enum { N = 4 };
	static struct answer others[N], urgent[N];

	n_answers = 0;
	for (int i = 0; i < N; i++)
		ask_plus(i, &others[i]);
	for (int i = 0; i < N; i++) {
		struct db_args args = { .bytes = BUF_EMPTY, .urgent = true };

		db_arg_i64(&args, i);
		ask(&plus, &args, &urgent[i]);
	}
	ck_assert_uint_eq(db_pending(db), 2 * N);
	fixture_until(&urgent[N - 1].done);
	/* The first one was in flight before. */
	for (unsigned i = 0; i < N; i++) {
		ck_assert_uint_eq(others[i].order, 2 * i + 1);
		ck_assert_uint_eq(urgent[i].order, 2 * i + 2);
	}
}
END_TEST

START_TEST(null_empty_and_arbitrary_bytes_are_transmitted)
{
	static const struct db_statement echo = { "echo",
		"select octet_length($1::text)::int8 as number, $1::text as text" };
	static const struct db_statement bytes = { "bytes",
		"select octet_length($1::bytea)::int8 as number, $1::bytea as text" };
	struct db_args args = DB_ARGS_EMPTY;
	struct answer a;

	db_arg_bytes(&args, NULL, 0);
	ask(&echo, &args, &a);
	fixture_until(&a.done);
	ck_assert(a.null);
	db_arg_bytes(&args, "", 0);
	ask(&echo, &args, &a);
	fixture_until(&a.done);
	ck_assert(!a.null);
	ck_assert_uint_eq(a.text_len, 0);
	db_arg_bytes(&args, "'\\ \xc3\xa4 $1", 8);
	ask(&echo, &args, &a);
	fixture_until(&a.done);
	ck_assert_int_eq(a.number, 8);
	ck_assert_mem_eq(a.text, "'\\ \xc3\xa4 $1", 8);
	db_arg_bytes(&args, "a\0\xff", 3);
	ask(&bytes, &args, &a);
	fixture_until(&a.done);
	ck_assert_int_eq(a.number, 3);
	ck_assert_mem_eq(a.text, "a\0\xff", 3);
}
END_TEST

START_TEST(arrays_are_read_by_the_server)
{
	static const struct db_statement sum = { "sum",
		"select coalesce((select sum(n) from unnest($1::int8[]) n), 0)::int8 + 1000 * "
		"coalesce(array_length($2::text[], 1), 0) as number, "
		"array_to_string($2::text[], '|', '(null)') as text" };
	struct db_args args = DB_ARGS_EMPTY;
	struct answer a;

	db_arg_array(&args, DB_INT8, 3);
	for (int i = 1; i <= 3; i++)
		db_element_i64(&args, i);
	db_arg_array(&args, DB_TEXT, 3);
	db_element_bytes(&args, "x", 1);
	db_element_bytes(&args, NULL, 0);
	db_element_bytes(&args, "", 0);
	ask(&sum, &args, &a);
	fixture_until(&a.done);
	ck_assert_str_eq(a.sqlstate, "");
	ck_assert_int_eq(a.number, 3006);
	ck_assert_str_eq(a.text, "x|(null)|");
	db_arg_array(&args, DB_INT8, 0);
	db_arg_array(&args, DB_TEXT, 0);
	ask(&sum, &args, &a);
	fixture_until(&a.done);
	ck_assert_int_eq(a.number, 0);
}
END_TEST

static void on_types(void *arg, const struct db_result *r)
{
	ck_assert_int_eq(PQresultStatus(r->pg), PGRES_TUPLES_OK);
	ck_assert_int_eq(db_i32(r, 0, "int"), -7);
	ck_assert(db_bool(r, 0, "yes"));
	ck_assert(!db_bool(r, 0, "no"));
	ck_assert_int_eq(db_char(r, 0, "char"), 'g');
	ck_assert_int_eq(db_time_ms(r, 0, "time"), INT64_C(1795515300123));
	ck_assert(db_is_null(r, 0, "null"));
	ck_assert(!db_is_null(r, 0, "int"));
	ck_assert_int_eq(db_time_ms(r, 0, "null"), 0);
	ck_assert_int_eq(db_i64(r, 0, "null"), 0);
	ck_assert_int_eq(db_char(r, 0, "null"), 0);
	ck_assert_int_eq(db_i64(r, 0, "int"), 0); /* another width */
	*(bool *)arg = true;
}

START_TEST(columns_are_read_by_name_and_type_and_null_is_nothing)
{
	static const struct db_statement types = { "types",
		"select -7 as int, true as yes, $1::bool as no, 'g'::\"char\" as char, "
		"timestamptz '2026-11-24T10:15:00.123Z' as time, null::timestamptz as \"null\"" };
	struct db_args args = DB_ARGS_EMPTY;
	bool done = false;

	db_arg_bool(&args, false);
	ck_assert(db_query(db, &types, &args, on_types, &done));
	fixture_until(&done);
}
END_TEST

enum { MANY_COLUMNS = 2 * DB_COLUMNS_MAX };
static char many_names[MANY_COLUMNS][8];

static void on_many(void *arg, const struct db_result *r)
{
	/* Twice: looked up, then remembered. */
	for (int i = 0; i < 2 * MANY_COLUMNS; i++)
		ck_assert_int_eq(db_i64(r, 0, many_names[i % MANY_COLUMNS]), i % MANY_COLUMNS);
	*(unsigned *)arg += 1;
}

START_TEST(a_result_may_have_more_columns_than_are_remembered)
{
	static const struct db_statement many = { "many", NULL };
	struct db_statement statement = many;
	struct buf sql = BUF_EMPTY;
	unsigned n = 0;

	for (int i = 0; i < MANY_COLUMNS; i++) {
		snprintf(many_names[i], sizeof(many_names[i]), "c%d", i);
		buf_addf(&sql, "%s%d::int8 as %s", i == 0 ? "select " : ", ", i, many_names[i]);
	}
	statement.sql = buf_cstr(&sql);
	for (int i = 0; i < 2; i++) {
		struct db_args args = DB_ARGS_EMPTY;

		ck_assert(db_query(db, &statement, &args, on_many, &n));
	}
	fixture_until_n(&n, 2);
	buf_fini(&sql);
}
END_TEST

static void on_renamed(void *arg, const struct db_result *r)
{
	(void)db_i64(r, 0, "no_such_column");
	*(bool *)arg = true;
}

/* A column that a statement lacks is an error of the program: it does not read as null. */
START_TEST(a_column_that_the_statement_lacks_ends_the_process)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct db_args args = DB_ARGS_EMPTY;
		bool done = false;

		/* A connection of its own. */
		event_reinit(fixture_base());
		n_ready = 0;
		db = db_open(fixture_base(), pg_conninfo(), "test", &events, &stats, &stats);
		db_start(db);
		fixture_until_n(&n_ready, 1);
		db_arg_i64(&args, 1);
		db_query(db, &plus, &args, on_renamed, &done);
		fixture_until(&done);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}
END_TEST

START_TEST(every_query_of_the_program_can_be_prepared)
{
	PGconn *pg = pg_connect();
	unsigned n = 0;

	for (const struct db_statement *const *q = queries; *q != NULL; q++, n++) {
		PGresult *r = PQprepare(pg, (*q)->name, (*q)->sql, 0, NULL);

		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", (*q)->name,
			PQerrorMessage(pg));
		PQclear(r);
	}
	ck_assert_uint_gt(n, 30);
	PQfinish(pg);
}
END_TEST

START_TEST(an_error_is_a_result_and_the_next_statement_runs)
{
	static const struct db_statement bad = { "bad", "select no_such_column" };
	static const struct db_statement fails = { "fails", "select 1 / $1::int8" };
	struct db_args args = DB_ARGS_EMPTY;
	struct answer a, b, c;

	ask(&bad, &args, &a);
	db_arg_i64(&args, 0);
	ask(&fails, &args, &b);
	ask_plus(1, &c);
	fixture_until(&c.done);
	ck_assert_str_eq(a.sqlstate, "42703");
	ck_assert_str_eq(b.sqlstate, "22012");
	ck_assert_int_eq(c.number, 2);
	ck_assert_uint_eq(n_away, 0);
}
END_TEST

/* Both sides must read while they write (libpq manual, PQflush). */
/* Executes a statement that fails this often. Returns how often it was executed. */
static int64_t ask_failing(const struct db_statement *st, int64_t n_failures, struct answer *a)
{
	struct db_args args = DB_ARGS_EMPTY;
	int64_t number;

	pg_number("create sequence tries");
	db_arg_i64(&args, n_failures);
	ask(st, &args, a);
	fixture_until(&a->done);
	number = pg_number("select last_value from tries");
	pg_number("drop sequence tries");
	return number;
}

START_TEST(a_deadlock_or_a_serialization_failure_is_tried_again)
{
	static const struct db_statement deadlock = { "deadlock",
		"select fails($1::int8, '40P01') as number" };
	static const struct db_statement serialization = { "serialization",
		"select fails($1::int8, '40001') as number" };
	static const struct db_statement other = { "other",
		"select fails($1::int8, '23505') as number" };
	struct answer a;

	pg_number(
		"create function fails(n bigint, state text) returns bigint language plpgsql as $$ "
		"begin if nextval('tries') <= n then raise exception using errcode = state; end "
		"if; "
		"return n; end $$");
	ck_assert_int_eq(ask_failing(&deadlock, 1, &a), 2);
	ck_assert_str_eq(a.sqlstate, "");
	ck_assert_int_eq(ask_failing(&serialization, 4, &a), 5);
	ck_assert_str_eq(a.sqlstate, "");
	ck_assert_int_eq(ask_failing(&serialization, 100, &a), 5);
	ck_assert_str_eq(a.sqlstate, "40001");
	ck_assert_int_eq(ask_failing(&other, 1, &a), 1);
	ck_assert_str_eq(a.sqlstate, "23505");
	ck_assert_uint_eq(n_away, 0);
	pg_number("drop function fails");
}
END_TEST

/* The second statement overtakes the one whose lock is not free. */
START_TEST(a_statement_whose_lock_is_not_free_is_executed_after_those_that_are_queued)
{
	static const struct db_statement set_timeout = { "set_timeout",
		"select 1::int8 as number from set_config('lock_timeout', '50ms', false)" };
	static const struct db_statement locks = { "locks",
		"select 1::int8 as number from (select pg_advisory_xact_lock($1::int8)) x" };
	struct db_args args = DB_ARGS_EMPTY;
	PGconn *holder = pg_connect();
	struct answer set, waits, fails, other;

	PQclear(PQexec(holder, "select pg_advisory_lock(7)"));
	ask(&set_timeout, &args, &set);
	fixture_until(&set.done);
	db_arg_i64(&args, 7);
	ask(&locks, &args, &waits);
	ask_plus(1, &other);
	fixture_until(&other.done);
	ck_assert(!waits.done);
	/* One that handles it itself gets the error. */
	db_arg_i64(&args, 7);
	args.fails_if_locked = true;
	ask(&locks, &args, &fails);
	fixture_until(&fails.done);
	ck_assert_str_eq(fails.sqlstate, "55P03");
	ck_assert(!waits.done);
	PQfinish(holder);
	fixture_until(&waits.done);
	ck_assert_str_eq(waits.sqlstate, "");
	ck_assert_int_eq(waits.number, 1);
	ck_assert_uint_eq(n_away, 0);
}
END_TEST

START_TEST(a_server_that_takes_no_writes_is_left)
{
	static const struct db_statement write = { "write",
		"select 1::int8 as number from (select set_config('transaction_read_only', 'on', "
		"true)) x, "
		"lateral (select nextval('written')) y" };
	struct answer a;
	struct db_args args = DB_ARGS_EMPTY;

	pg_number("create sequence written");
	ask(&write, &args, &a);
	fixture_until(&a.done);
	ck_assert(a.lost);
	fixture_until_n(&n_ready, 2);
	pg_number("drop sequence written");
}
END_TEST

START_TEST(a_statement_without_an_answer_costs_the_connection_after_its_deadline)
{
	struct db_args args = DB_ARGS_EMPTY;
	struct answer slow, next;
	int64_t began = clock_mono_ms();

	args.deadline_s = 1;
	db_arg_i64(&args, 5000);
	ask(&wait_a_little, &args, &slow);
	ask_plus(1, &next);
	fixture_until(&next.done);
	ck_assert(slow.lost && next.lost);
	ck_assert_int_ge(clock_mono_ms() - began, 950);
	ck_assert_int_lt(clock_mono_ms() - began, 4000);
	fixture_until_n(&n_ready, 2);
	ask_plus(1, &next);
	fixture_until(&next.done);
	ck_assert_int_eq(next.number, 2);
	pg_number("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where "
		  "application_name = 'test db' and state = 'active'");
}
END_TEST

START_TEST(large_statements_and_large_results_do_not_deadlock)
{
	enum { LEN = 8 << 20 };
	static const struct db_statement both = { "both",
		"select octet_length($1::text)::int8 as number, repeat($1::text, 2) as text" };
	char *text = malloc(LEN);
	struct answer a[3];

	memset(text, 'x', LEN);
	for (int i = 0; i < 3; i++) {
		struct db_args args = DB_ARGS_EMPTY;

		db_arg_bytes(&args, text, LEN);
		ask(&both, &args, &a[i]);
	}
	for (int i = 0; i < 3; i++) {
		fixture_until(&a[i].done);
		ck_assert_int_eq(a[i].number, LEN);
		ck_assert_uint_eq(a[i].text_len, 2 * LEN);
	}
	free(text);
}
END_TEST

START_TEST(a_lost_connection_ends_all_statements_with_an_unknown_outcome_and_returns)
{
	struct answer a, b;
	struct db_args args = DB_ARGS_EMPTY;

	ask_wait(5000, &a);
	ask_plus(1, &b);
	fixture_for(50);
	ck_assert_int_eq(pg_number("select count(pg_terminate_backend(pid)) from pg_stat_activity "
				   "where application_name = 'test db'"),
		1);
	fixture_until(&b.done);
	ck_assert(a.done && a.lost && b.lost);
	ck_assert_uint_eq(n_away, 1);
	ck_assert_uint_eq(db_pending(db), 0);
	/* While it is away db_query returns false and frees the arguments. */
	db_arg_i64(&args, 1);
	ck_assert(!db_query(db, &plus, &args, on_answer, &a));
	fixture_until_n(&n_ready, 2);
	/* The statements are prepared again on the new connection. */
	ask_plus(1, &a);
	fixture_until(&a.done);
	ck_assert_int_eq(a.number, 2);
}
END_TEST

START_TEST(a_column_added_to_a_table_renews_the_connection)
{
	static const struct db_statement all = { "all",
		"select $1::int8 as number, w.* from wide w" };
	struct answer a[3];

	pg_number("create table wide (text text); insert into wide values ('x')");
	for (int i = 0; i < 3; i++) {
		struct db_args args = DB_ARGS_EMPTY;

		db_arg_i64(&args, i);
		ask(&all, &args, &a[i]);
		fixture_until(&a[i].done);
		ck_assert(a[i].lost == (i == 1));
		if (i == 0)
			pg_number("alter table wide add b int");
		if (i == 1)
			fixture_until_n(&n_ready, 2);
	}
	ck_assert_int_eq(a[2].number, 2);
	pg_number("drop table wide");
}
END_TEST

START_TEST(a_query_to_a_crashed_server_calls_back_later_and_not_inside_the_call)
{
	struct answer a[3];

	ask_plus(1, &a[0]);
	fixture_until(&a[0].done);
	pg_crash();
	/* The loop has not noticed the loss yet. */
	for (int i = 0; i < 3; i++)
		ask_plus(1, &a[i]);
	for (int i = 0; i < 3; i++) {
		fixture_until(&a[i].done);
		ck_assert(a[i].lost);
	}
	ck_assert_uint_eq(n_away, 1);
	pg_restart();
	fixture_until_n(&n_ready, 2);
}
END_TEST

/* Opens a second connection with this host list before the server's directory. */
static void ck_reaches_the_last_host(const char *first, const char *port, const char *more)
{
	struct buf conninfo = BUF_EMPTY;
	unsigned ready = n_ready;

	buf_addf(&conninfo, "host=%s,%s port=%s,5432 user=parley dbname=parley %s", first,
		pg_directory(), port, more);
	db_close(db);
	db = db_open(fixture_base(), buf_cstr(&conninfo), "test", &events, &stats, &stats);
	db_start(db);
	fixture_until_n(&n_ready, ready + 1);
	buf_fini(&conninfo);
}

/* Opens a listener that accepts and says nothing. port: set to its port if it is empty, else bound. */
static int silent_listener(const char *ip, char port[16])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtol(port, NULL, 10)) };
	socklen_t len = sizeof(address);
	int silent = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(inet_pton(AF_INET, ip, &address.sin_addr), 1);
	ck_assert_int_eq(bind(silent, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(silent, 8), 0);
	ck_assert_int_eq(getsockname(silent, (struct sockaddr *)&address, &len), 0);
	snprintf(port, 16, "%d", ntohs(address.sin_port));
	return silent;
}

START_TEST(each_host_is_tried_for_its_time)
{
	char port[16] = "";
	int silent = silent_listener("127.0.0.1", port);
	int64_t began;

	/* One that accepts and says nothing; then one that refuses. */
	began = clock_mono_ms();
	ck_reaches_the_last_host("127.0.0.1", port, "connect_timeout=2");
	ck_assert_int_ge(clock_mono_ms() - began, 1900);
	ck_assert_int_lt(clock_mono_ms() - began, 4000);
	close(silent);
	began = clock_mono_ms();
	ck_reaches_the_last_host("127.0.0.1", port, "");
	ck_assert_int_lt(clock_mono_ms() - began, 1500);
}
END_TEST

START_TEST(each_address_of_a_name_is_tried_for_its_time)
{
	char port[16] = "";
	int first = silent_listener("127.0.0.1", port), second = silent_listener("127.0.0.2", port);
	int64_t began = clock_mono_ms();

	ck_reaches_the_last_host("two.test", port, "connect_timeout=2");
	ck_assert_int_ge(clock_mono_ms() - began, 3900);
	ck_assert_int_ge(accept(first, NULL, NULL), 0);
	ck_assert_int_ge(accept(second, NULL, NULL), 0);
	close(first);
	close(second);
}
END_TEST

START_TEST(a_silent_name_server_takes_a_thread_per_host_and_not_the_loop)
{
	static const char conninfo[] = "host=silent.test,silent.test port=1 connect_timeout=2";
	struct timeval tick = { 0, 10000 };
	int64_t began = clock_mono_ms(), before = began, worst = 0;

	pthread_mutex_lock(&names);
	db_close(db);
	db = db_open(fixture_base(), conninfo, "test", &events, &stats, &stats);
	db_start(db);
	/* Two rounds of both hosts. */
	while (clock_mono_ms() - began < 9000) {
		event_base_loopexit(fixture_base(), &tick);
		event_base_dispatch(fixture_base());
		if (worst < clock_mono_ms() - before)
			worst = clock_mono_ms() - before;
		before = clock_mono_ms();
	}
	ck_assert_int_lt(worst, 1000);
	ck_assert_uint_eq(n_silent, 2);
	pthread_mutex_unlock(&names);
	ck_reaches_the_last_host("silent.test", "1", "");
}
END_TEST

START_TEST(a_connection_whose_setup_is_false_is_not_used)
{
	int64_t ready;

	setup_sql = "select false";
	pg_number("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
		  "application_name = 'test db'");
	fixture_until_n(&n_away, 1);
	fixture_for(500);
	ck_assert(!db_ready(db));
	setup_sql = "select 1 / 0; select true";
	fixture_for(700);
	ck_assert(!db_ready(db));
	setup_sql = "select true";
	ready = clock_mono_ms();
	fixture_until_n(&n_ready, 2);
	ck_assert_int_lt(clock_mono_ms() - ready, 3000);
	ck_assert_uint_eq(n_away, 1);
}
END_TEST

static void ask_again(void *arg, const struct db_result *r)
{
	struct db_args args = DB_ARGS_EMPTY;

	if (r == NULL) {
		db_arg_i64(&args, 1);
		ck_assert(!db_query(db, &plus, &args, on_answer, NULL));
	}
	on_answer(arg, r);
}

START_TEST(stopping_ends_all_statements_and_queues_no_more)
{
	struct answer a = { .done = false }, b;
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, 5000);
	ck_assert(db_query(db, &wait_a_little, &args, ask_again, &a));
	ask_plus(1, &b);
	db_stop(db);
	ck_assert(a.done && a.lost && b.done && b.lost);
	ck_assert(!db_ready(db));
	fixture_for(150);
	ck_assert(!db_ready(db));
	ck_assert_uint_eq(n_ready, 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("db");
	TCase *tc = tcase_create("db");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, statements_end_in_the_order_of_the_queue);
	tcase_add_test(tc, urgent_statements_and_others_alternate);
	tcase_add_test(tc, null_empty_and_arbitrary_bytes_are_transmitted);
	tcase_add_test(tc, arrays_are_read_by_the_server);
	tcase_add_test(tc, columns_are_read_by_name_and_type_and_null_is_nothing);
	tcase_add_test(tc, a_result_may_have_more_columns_than_are_remembered);
	tcase_add_test(tc, a_column_that_the_statement_lacks_ends_the_process);
	tcase_add_test(tc, every_query_of_the_program_can_be_prepared);
	tcase_add_test(tc, an_error_is_a_result_and_the_next_statement_runs);
	tcase_add_test(tc, a_deadlock_or_a_serialization_failure_is_tried_again);
	tcase_add_test(
		tc, a_statement_whose_lock_is_not_free_is_executed_after_those_that_are_queued);
	tcase_add_test(tc, a_server_that_takes_no_writes_is_left);
	tcase_add_test(tc, a_statement_without_an_answer_costs_the_connection_after_its_deadline);
	tcase_add_test(tc, large_statements_and_large_results_do_not_deadlock);
	tcase_add_test(
		tc, a_lost_connection_ends_all_statements_with_an_unknown_outcome_and_returns);
	tcase_add_test(tc, a_column_added_to_a_table_renews_the_connection);
	tcase_add_test(tc, a_query_to_a_crashed_server_calls_back_later_and_not_inside_the_call);
	tcase_add_test(tc, each_host_is_tried_for_its_time);
	tcase_add_test(tc, each_address_of_a_name_is_tried_for_its_time);
	tcase_add_test(tc, a_silent_name_server_takes_a_thread_per_host_and_not_the_loop);
	tcase_add_test(tc, a_connection_whose_setup_is_false_is_not_used);
	tcase_add_test(tc, stopping_ends_all_statements_and_queues_no_more);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run_in_one_process(suite());
}
