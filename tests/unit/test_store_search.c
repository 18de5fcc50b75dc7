/*
 * Searches of messages: what a worker's queue of them does. What is found is checked by tests/integration/test_search.py.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

#define WAITING 16

struct answer {
	bool done;
	enum error error;
	int n; /* messages */
	bool ready;
};

static struct search_query query;

static void on_answer(void *arg, enum error error, const store_rows *rows)
{
	struct answer *a = arg;
	struct found last;

	ck_assert(!a->done);
	a->done = true;
	a->error = error;
	if (error != ERROR_NONE)
		return;
	a->n = store_n(rows) - 1;
	store_found_at(rows, a->n, &last);
	ck_assert_int_eq(last.message.message_id, 0);
	a->ready = last.ready;
}

static void begin(struct answer *a, int64_t user_id)
{
	const struct search search = { .user_id = user_id,
		.query = &query,
		.before_ms = INT64_MAX,
		.after_ms = INT64_MIN,
		.limit = 21 };

	*a = (struct answer){ false, ERROR_NONE, 0, false };
	store_search_messages(s, &search, on_answer, a);
}

static void parse(const char *text)
{
	ck_assert_ptr_null(search_text_parse(&query, text, strlen(text)));
}

static PGconn *hold_searches(void)
{
	return pg_hold("lock table search_heads in access exclusive mode; select 1");
}

static int64_t n_sessions(void)
{
	return pg_number("select count(*) from pg_stat_activity where application_name = "
			 "'parleyd worker=0 search'");
}

START_TEST(the_first_search_opens_the_connection)
{
	struct answer a;

	parse("needle");
	ck_assert_int_eq(n_sessions(), 0);
	fixture_post(s, alice, bob, "a needle", NULL);
	begin(&a, bob);
	fixture_until(&a.done);
	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert_int_eq(a.n, 1);
	begin(&a, carol);
	fixture_until(&a.done);
	ck_assert_int_eq(a.n, 0);
	ck_assert_int_eq(n_sessions(), 1);
	search_text_fini(&query);
}
END_TEST

START_TEST(one_runs_and_sixteen_wait)
{
	struct answer a[WAITING + 3];
	unsigned n_rejected = 0, n_done = 0;
	PGconn *holder;

	parse("needle");
	begin(&a[0], bob);
	fixture_until(&a[0].done);
	holder = hold_searches();
	for (unsigned i = 0; i < WAITING + 3; i++)
		begin(&a[i], 1000000 + i);
	fixture_for(200);
	for (unsigned i = 0; i < WAITING + 3; i++)
		n_rejected += a[i].done && a[i].error == ERROR_unavailable;
	ck_assert_uint_eq(n_rejected, 2);
	ck_assert(a[WAITING + 1].done && a[WAITING + 2].done);
	pg_release(holder);
	for (unsigned i = 0; i <= WAITING; i++) {
		fixture_until(&a[i].done);
		n_done += a[i].error == ERROR_NONE;
	}
	ck_assert_uint_eq(n_done, WAITING + 1);
	search_text_fini(&query);
}
END_TEST

START_TEST(a_newer_search_of_a_user_replaces_the_one_that_waits)
{
	struct answer running, older, newer, other;
	PGconn *holder;

	parse("needle");
	begin(&running, bob);
	fixture_until(&running.done);
	holder = hold_searches();
	begin(&running, bob);
	begin(&older, alice);
	begin(&other, carol);
	begin(&newer, alice);
	fixture_until(&older.done);
	ck_assert_int_eq(older.error, ERROR_too_many_requests);
	ck_assert(!running.done && !newer.done && !other.done);
	pg_release(holder);
	fixture_until(&newer.done);
	ck_assert(running.error == ERROR_NONE && newer.error == ERROR_NONE);
	fixture_until(&other.done);
	ck_assert_int_eq(other.error, ERROR_NONE);
	search_text_fini(&query);
}
END_TEST

START_TEST(a_lost_connection_ends_the_search_that_runs)
{
	struct answer running, waiting;
	PGconn *holder;

	parse("needle");
	begin(&running, bob);
	fixture_until(&running.done);
	holder = hold_searches();
	begin(&running, bob);
	begin(&waiting, alice);
	fixture_for(100);
	terminate("parleyd worker=0 search");
	fixture_until(&running.done);
	ck_assert_int_eq(running.error, ERROR_unavailable);
	ck_assert_uint_eq(n_away, 0); /* the store serves */
	pg_release(holder);
	fixture_until(&waiting.done);
	ck_assert_int_eq(waiting.error, ERROR_NONE);
	search_text_fini(&query);
}
END_TEST

START_TEST(what_waits_is_answered_when_the_store_is_closed)
{
	struct answer a[3];

	parse("needle");
	for (unsigned i = 0; i < 3; i++)
		begin(&a[i], 1000000 + i);
	store_close(s);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(a[i].done && a[i].error == ERROR_unavailable);
	s = fixture_store(0, &store_fixture_events, NULL);
	search_text_fini(&query);
}
END_TEST

START_TEST(a_search_without_the_index_reports_how_much_is_done)
{
	struct answer a;

	parse("needle");
	pg_number("drop index search_blocks_terms");
	begin(&a, bob);
	fixture_until(&a.done);
	ck_assert(a.error == ERROR_NONE && !a.ready);
	pg_number("create index search_blocks_terms on search_blocks using gin (terms)");
	search_text_fini(&query);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, the_first_search_opens_the_connection);
	tcase_add_test(tc, one_runs_and_sixteen_wait);
	tcase_add_test(tc, a_newer_search_of_a_user_replaces_the_one_that_waits);
	tcase_add_test(tc, a_lost_connection_ends_the_search_that_runs);
	tcase_add_test(tc, what_waits_is_answered_when_the_store_is_closed);
	tcase_add_test(tc, a_search_without_the_index_reports_how_much_is_done);
}

int main(void)
{
	return store_fixture_run("store_search", add_tests);
}
