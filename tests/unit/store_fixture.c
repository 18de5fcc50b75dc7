#include "tests/unit/store_fixture.h"
#include "tests/unit/suite.h"

#include <stdio.h>
#include <stdlib.h>

struct store *s;
int64_t alice, bob, carol;
unsigned n_ready, n_away, n_epochs;
uint16_t epoch_generation;
unsigned n_marked, n_not_marked;
struct moved moved;
struct erasures erasures;

static void on_state(void *arg, bool ready, bool after_loss)
{
	(void)arg;
	*(ready ? &n_ready : &n_away) += 1;
	if (ready && after_loss)
		ck_assert_uint_gt(n_away, 0);
}

static void on_read(void *arg, const struct record_read *read)
{
	(void)arg;
	ck_assert_int_gt(read->conv.id, 0);
	moved = (struct moved){ moved.n + 1, read->user_id, read->seq, read->origin,
		read->own_only };
}

static void on_erased(void *arg, const struct erased *e)
{
	(void)arg;
	ck_assert_uint_lt(erasures.n, ERASURES_MAX);
	erasures.n_left += e->left;
	erasures.at[erasures.n++] = *e;
}

static void on_epoch(void *arg, uint16_t generation)
{
	(void)arg;
	n_epochs++;
	epoch_generation = generation;
}

const struct store_events store_fixture_events = { on_state, on_read, on_erased, on_epoch };

int64_t person(const char *name)
{
	static unsigned n;
	char username[40];

	snprintf(username, sizeof(username), "%s%u", name, ++n);
	return fixture_user(s, username);
}

static void setup(void)
{
	erasures.n = erasures.n_left = 0;
	n_ready = n_away = n_epochs = moved.n = n_marked = n_not_marked = 0;
	fixture_make(pg_conninfo());
	s = fixture_store(0, &store_fixture_events, NULL);
	fixture_until_background(s);
	alice = person("alice");
	bob = person("bob");
	carol = person("carol");
}

static void teardown(void)
{
	store_close(s);
	fixture_drop();
}

int64_t group(void)
{
	int64_t id = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;

	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(fixture_change(s, STORE_ADD, alice, id, bob, NULL).error, ERROR_NONE);
	ck_assert_int_eq(fixture_change(s, STORE_ADD, bob, id, carol, NULL).error, ERROR_NONE);
	return id;
}

void ck_gapless(int64_t conv_id)
{
	ck_assert_int_eq(pg_number("select count(*) from (select seq, row_number() over (order by "
				   "seq) n from messages "
				   "where conv_id = %lld) x where seq <> n",
				 (long long)conv_id),
		0);
	ck_assert_int_eq(pg_number("select last_seq - (select coalesce(max(seq), 0) from messages "
				   "m where m.conv_id = c.conv_id) "
				   "+ last_mod - (select coalesce(max(mod), 0) from messages m "
				   "where m.conv_id = c.conv_id) "
				   "from conversations c where conv_id = %lld",
				 (long long)conv_id),
		0);
}

int64_t terminate(const char *pattern)
{
	return pg_number("select count(pg_terminate_backend(pid)) from pg_stat_activity "
			 "where application_name like '%s'",
		pattern);
}

void on_rows(void *arg, enum error error, const store_rows *rows)
{
	*(struct rows *)arg = (struct rows){ true, error, error == ERROR_NONE ? store_n(rows) : 0 };
}

void on_mark(void *arg, enum error error)
{
	ck_assert_ptr_null(arg);
	ck_assert(error == ERROR_NONE || error == ERROR_unavailable);
	*(error == ERROR_NONE ? &n_marked : &n_not_marked) += 1;
}

int store_fixture_run(const char *name, void (*add_tests)(TCase *tc))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite_run_in_one_process(suite);
}
