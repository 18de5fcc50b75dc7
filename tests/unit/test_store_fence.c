/*
 * The fence of dead workers, the claim of the database, and what a connection requires of the schema.
 */
#include "tests/unit/store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/stats.h"

/* A session that holds the lock of an incarnation that is not alive is that of a dead worker. */
static int32_t lock_class(void)
{
	return (int32_t)pg_number("select classid::bigint from pg_locks where locktype = "
				  "'advisory' and objsubid = 2 and granted "
				  "order by objid::bigint limit 1");
}

START_TEST(the_fence_waits_for_the_sessions_of_dead_workers_only)
{
	struct rows r = { .done = false };
	int64_t object = pg_number("select objid::bigint from pg_locks where locktype = 'advisory' "
				   "and objsubid = 2"),
		began;
	PGconn *dead;
	char sql[128];

	/* No worker is dead. */
	began = clock_mono_ms();
	store_fence_dead_workers(s, on_rows, &r);
	fixture_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert_int_lt(clock_mono_ms() - began, 1000);
	/* Incarnation 0 of this boot is dead; one that is newer than all known ones is alive. */
	dead = pg_connect();
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object + 90));
	PQclear(PQexec(dead, sql));
	r.done = false;
	store_fence_dead_workers(s, on_rows, &r);
	fixture_for(300);
	ck_assert_msg(!r.done, "it did not wait");
	snprintf(sql, sizeof(sql), "select pg_advisory_unlock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	fixture_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	PQfinish(dead);
}
END_TEST

START_TEST(the_fence_waits_for_the_newest_worker_if_it_is_dead)
{
	struct rows r = { .done = false };
	struct stats_slot *slot = &fixture_heritage(0)->stats->slots[FIXTURE_SLOTS - 1];
	uint32_t incarnation = slot->incarnation;
	int64_t boot = pg_number("select objid::bigint from pg_locks where locktype = 'advisory' "
				 "and objsubid = 2") &
		~0xfffffLL;
	PGconn *dead = pg_connect();
	char sql[128];

	slot->alive = 0;
	slot->incarnation = 40;
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)boot + 2 * 40);
	PQclear(PQexec(dead, sql));
	store_fence_dead_workers(s, on_rows, &r);
	fixture_for(300);
	ck_assert_msg(!r.done, "it did not wait");
	PQfinish(dead);
	fixture_until(&r.done);
	/* The next one to be forked is alive. */
	dead = pg_connect();
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)boot + 2 * 41);
	PQclear(PQexec(dead, sql));
	r.done = false;
	store_fence_dead_workers(s, on_rows, &r);
	fixture_until(&r.done);
	ck_assert_int_eq(PQstatus(dead), CONNECTION_OK);
	PQfinish(dead);
	slot->alive = 1;
	slot->incarnation = incarnation;
}
END_TEST

static void on_token(void *arg, enum error error, const struct token *t)
{
	(void)t;
	ck_assert_int_eq(error, ERROR_bad_token);
	*(bool *)arg = true;
}

/* A look-up that began before a revocation may return the token; its session must be known when the tokens of all sessions
 * are checked. */
START_TEST(the_fence_ends_after_the_lookups_of_tokens_that_were_in_flight)
{
	const uint8_t hash[STORE_HASH_SIZE] = { 0 };
	struct rows r = { .done = false };
	bool looked_up = false;
	PGconn *holder = pg_connect();

	PQclear(PQexec(holder, "begin; lock table tokens in access exclusive mode"));
	store_authenticate(s, hash, on_token, &looked_up);
	store_fence_dead_workers(s, on_rows, &r);
	fixture_for(300);
	ck_assert_msg(!looked_up && !r.done, "it did not wait");
	PQfinish(holder);
	fixture_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert(looked_up);
}
END_TEST

START_TEST(the_fence_terminates_a_session_that_does_not_end)
{
	struct rows r = { .done = false };
	int64_t object = pg_number(
		"select objid::bigint from pg_locks where locktype = 'advisory' and objsubid = 2");
	int64_t began = clock_mono_ms();
	PGconn *dead = pg_connect();
	char sql[128];

	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	store_fence_dead_workers(s, on_rows, &r);
	fixture_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert_int_ge(clock_mono_ms() - began, 2900);
	PQclear(PQexec(dead, "select 1"));
	ck_assert_int_eq(PQstatus(dead), CONNECTION_BAD);
	PQfinish(dead);
}
END_TEST

/* Returns a session that has claimed the database and holds the lock of a writing session. */
static PGconn *writing_session(int64_t class, int64_t object)
{
	PGconn *pg = pg_connect();
	char sql[160];

	snprintf(sql, sizeof(sql),
		"select pg_advisory_lock(%lld, %lld), claim_database(%lld, %lld, 0)",
		(long long)class, (long long)object, (long long)class, (long long)object);
	PQclear(PQexec(pg, sql));
	return pg;
}

/* True if a session of the daemon may write while the other one is there. */
static bool may_claim(int64_t class, int64_t object)
{
	PGconn *pg = pg_connect();
	char sql[80];
	PGresult *r;
	bool good;

	snprintf(sql, sizeof(sql), "select claim_database(%lld, %lld, 0)", (long long)class,
		(long long)object);
	r = PQexec(pg, sql);
	good = PQresultStatus(r) == PGRES_TUPLES_OK;
	ck_assert(good || strstr(PQresultErrorMessage(r), "another parleyd") != NULL);
	PQclear(r);
	PQfinish(pg);
	return good;
}

START_TEST(one_daemon_at_a_time_claims_the_database)
{
	const int64_t boot = 1 << 20, class = lock_class();
	const int64_t object = pg_number("select objid::bigint from pg_locks where locktype = "
					 "'advisory' and objsubid = 2");

	ck_assert_msg(may_claim(class, object + 5), "a later worker of this daemon");
	ck_assert_msg(!may_claim(class + 1, object), "a daemon with another pid file");
	ck_assert_msg(!may_claim(class, object ^ boot), "the same pid file on another host");
}
END_TEST

START_TEST(a_claim_does_not_wait_for_a_hung_session_of_an_earlier_run)
{
	const int64_t class = lock_class(), earlier = 3 << 20, now = 4 << 20;
	PGconn *dead;

	store_close(s);
	while (pg_number("select count(*) from pg_locks where locktype = 'advisory'") > 0)
		;
	dead = writing_session(class, earlier);
	ck_assert_msg(!may_claim(class, now), "it is idle, so its client is alive");
	ck_assert_int_eq(PQsendQuery(dead, "select pg_sleep(60)"), 1);
	while (pg_number("select count(*) from pg_stat_activity where state = 'active' and query "
			 "like 'select pg_sleep%%'") == 0)
		;
	ck_assert(may_claim(class, now));
	ck_assert_msg(!may_claim(class + 1, now), "with another pid file");
	pg_number("select pg_terminate_backend(%d, 1000)", PQbackendPID(dead));
	PQfinish(dead);
	s = fixture_store(0, &store_fixture_events, NULL);
}
END_TEST

START_TEST(a_connection_to_a_schema_with_other_functions_is_not_used)
{
	pg_number("update schema_functions set digest = digest + 1");
	terminate("parleyd worker=0 %");
	fixture_until_n(&n_away, 1);
	fixture_for(600);
	ck_assert(!store_ready(s));
	ck_assert_uint_eq(n_ready, 1);
	pg_number("update schema_functions set digest = digest - 1");
	fixture_until_n(&n_ready, 2);
	ck_assert(store_ready(s));
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_connection_to_a_schema_with_other_functions_is_not_used);
	tcase_add_test(tc, the_fence_waits_for_the_sessions_of_dead_workers_only);
	tcase_add_test(tc, the_fence_waits_for_the_newest_worker_if_it_is_dead);
	tcase_add_test(tc, the_fence_ends_after_the_lookups_of_tokens_that_were_in_flight);
	tcase_add_test(tc, the_fence_terminates_a_session_that_does_not_end);
	tcase_add_test(tc, one_daemon_at_a_time_claims_the_database);
	tcase_add_test(tc, a_claim_does_not_wait_for_a_hung_session_of_an_earlier_run);
}

int main(void)
{
	return store_fixture_run("store_fence", add_tests);
}
