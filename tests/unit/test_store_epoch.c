/*
 * The name of the database's history: when it changes, and that all stores of a daemon find it.
 */
#include <string.h>

#include "common/stats.h"
#include "tests/unit/store_fixture.h"

static struct stats *stats(void)
{
	return fixture_heritage(0)->stats;
}

/* Makes the epoch of another history, as a restore does, and ends the sessions that match. */
static void change_history(const char *pattern)
{
	pg_number("update epoch set history = 'another'");
	terminate(pattern);
}

static int64_t backend(const char *name)
{
	return pg_number("select pid from pg_stat_activity where application_name = '%s'", name);
}

static void until_ready_again(unsigned n)
{
	fixture_until_n(&n_ready, n);
	ck_assert(store_ready(s));
}

START_TEST(the_epoch_stays_the_same_for_all_stores_and_across_a_crash)
{
	struct store *other = fixture_store(1, NULL, NULL);
	char epoch[STORE_EPOCH_MAX + 1];

	ck_assert_uint_eq(n_epochs, 1);
	ck_assert_uint_eq(epoch_generation, 1);
	ck_assert_uint_ge(strlen(store_epoch(s)), 1);
	ck_assert_str_eq(store_epoch(other), store_epoch(s));
	store_close(other);
	strcpy(epoch, store_epoch(s));
	ck_assert_int_eq(fixture_post(s, alice, bob, "stored", NULL).error, ERROR_NONE);
	pg_crash();
	fixture_until_n(&n_away, 1);
	pg_restart();
	until_ready_again(2);
	ck_assert_uint_eq(n_epochs, 1);
	ck_assert_str_eq(store_epoch(s), epoch);
}
END_TEST

START_TEST(another_history_gives_all_stores_one_new_epoch)
{
	struct store *other = fixture_store(1, NULL, NULL);
	int64_t writer = backend("parleyd worker=0 write");
	char epoch[STORE_EPOCH_MAX + 1];

	fixture_until_background(other);
	strcpy(epoch, store_epoch(s));
	change_history("parleyd worker=0 read");
	until_ready_again(2);
	ck_assert_int_ne(backend("parleyd worker=0 write"), writer);
	ck_assert_str_ne(store_epoch(s), epoch);
	ck_assert_uint_eq(epoch_generation, 2);
	/* The other one has lost no connection. A record of the ring has the new generation. */
	ck_assert_str_eq(store_epoch(other), epoch);
	store_follow_epoch(other, 2);
	ck_assert(!store_ready(other));
	while (!store_ready(other))
		fixture_for(5);
	store_follow_epoch(other, 2);
	ck_assert(store_ready(other));
	ck_assert_str_eq(store_epoch(other), store_epoch(s));
	ck_assert_uint_eq(n_epochs, 2);
	store_close(other);
}
END_TEST

/* A standby that was promoted may have none of its own. */
START_TEST(a_new_epoch_does_not_wait_for_a_synchronous_standby)
{
	char epoch[STORE_EPOCH_MAX + 1];

	strcpy(epoch, store_epoch(s));
	pg_number("update epoch set history = 'another' returning 1");
	pg_number("alter system set synchronous_standby_names = 'nowhere'");
	pg_number("select 1 where pg_reload_conf()");
	fixture_for(200);
	terminate("parleyd worker=0 %");
	until_ready_again(2);
	ck_assert_str_ne(store_epoch(s), epoch);
	pg_number("alter system reset synchronous_standby_names");
	pg_number("select 1 where pg_reload_conf()");
	fixture_for(200);
}
END_TEST

/* Files that were put back: the server has not reached a transaction that it had committed. */
START_TEST(a_commit_that_the_server_has_lost_makes_a_new_epoch_once)
{
	struct store *other = fixture_store(1, NULL, NULL);
	int64_t next = pg_number("select txid_snapshot_xmax(txid_current_snapshot())");
	uint64_t seen;

	fixture_post(s, alice, bob, "stored", NULL);
	seen = atomic_load(&stats()->epoch_xid);
	ck_assert_uint_eq(seen >> 48, 1);
	ck_assert_int_ge((int64_t)(seen & 0xffffffffffff), next);
	atomic_store(&stats()->epoch_xid, seen + 1000000);
	terminate("parleyd worker=%");
	until_ready_again(2);
	while (!store_ready(other))
		fixture_for(5);
	ck_assert_uint_eq(n_epochs, 2);
	ck_assert_str_eq(store_epoch(other), store_epoch(s));
	/* What was seen in the former epoch does not count. */
	terminate("parleyd worker=%");
	until_ready_again(3);
	ck_assert_uint_eq(n_epochs, 2);
	store_close(other);
}
END_TEST

/* Members have the mods of an erasure, as of any other change. */
START_TEST(the_commits_of_an_erasure_are_noted)
{
	int64_t next;

	fixture_post(s, alice, bob, "to erase", NULL);
	next = pg_number("select txid_snapshot_xmax(txid_current_snapshot())");
	fixture_delete_user(s, alice);
	ck_assert_int_gt((int64_t)(atomic_load(&stats()->epoch_xid) & 0xffffffffffff), next + 1);
}
END_TEST

/* The sender's id may be another user's, and the lost message would be another one. */
START_TEST(a_send_whose_outcome_is_unknown_is_not_retried_in_a_new_epoch)
{
	int64_t conv = fixture_post(s, alice, bob, "first", "f").c.conv.id;
	struct fixture_change lost;
	PGconn *holder;

	holder = pg_hold("select * from conversations for update");
	fixture_post_begin(s, &lost, alice, bob, "lost", "n");
	fixture_for(100);
	ck_assert(!lost.done);
	change_history("parleyd worker=0 write");
	pg_release(holder);
	fixture_until(&lost.done);
	ck_assert_int_eq(lost.error, ERROR_unavailable);
	until_ready_again(2);
	fixture_for(50);
	ck_assert_int_eq(
		pg_number("select count(*) from messages where conv_id = %lld", (long long)conv),
		1);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, the_epoch_stays_the_same_for_all_stores_and_across_a_crash);
	tcase_add_test(tc, another_history_gives_all_stores_one_new_epoch);
	tcase_add_test(tc, a_new_epoch_does_not_wait_for_a_synchronous_standby);
	tcase_add_test(tc, a_commit_that_the_server_has_lost_makes_a_new_epoch_once);
	tcase_add_test(tc, the_commits_of_an_erasure_are_noted);
	tcase_add_test(tc, a_send_whose_outcome_is_unknown_is_not_retried_in_a_new_epoch);
}

int main(void)
{
	return store_fixture_run("store_epoch", add_tests);
}
