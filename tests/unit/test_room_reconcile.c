/*
 * Reconciling rooms with the database.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/room_fixture.h"

START_TEST(a_reconcile_requested_during_another_queries_again)
{
	post(alice, bob, "first");
	connect_user(bob);
	rooms_reconcile(rs, false);
	database_works();
	post_by_sql(alice, bob, "unpublished");
	rooms_reconcile(rs, false);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"unpublished\"");
}
END_TEST

START_TEST(a_reconcile_finds_committed_changes_that_were_never_published)
{
	int64_t g = group_of_alice();

	fixture_change(s, STORE_ADD, alice, g, carol, NULL);
	post(alice, bob, "first");
	connect_user(bob);
	connect_user(carol);
	post(alice, bob, "unpublished");
	fixture_change(s, STORE_REMOVE, alice, g, carol, NULL);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 0);
	rooms_reconcile(rs, true);
	rooms_reconcile(rs, false); /* both requests are answered by one more */
	rooms_reconcile(rs, true);
	fixture_until_n(&n_frames, 2);
	fixture_until_n(&n_reconciles, 2);
	fixture_for(100);
	ck_assert_uint_eq(n_reconciles, 2);
	ck_assert_uint_eq(n_frames, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_frame(i, frames[i].user_id,
			frames[i].user_id == bob ? "\"unpublished\"" : "chat_removed");
	ck_assert(frames[0].user_id != frames[1].user_id);
}
END_TEST

START_TEST(a_reconcile_finds_an_unpublished_membership_and_the_user_resyncs)
{
	int64_t g = group_of_alice();
	struct fixture_change c;

	connect_user(bob);
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	rooms_reconcile(rs, false);
	fixture_until_n(&n_resyncs, 1);
	ck_assert_int_eq(resynced, bob);
	c = post(alice, g, "seen");
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "\"seen\"");
}
END_TEST

/* D4: a reconcile is repeated until the database has answered. */
START_TEST(a_failed_reconcile_is_retried)
{
	post(alice, bob, "first");
	connect_user(bob);
	post(alice, bob, "unpublished");
	pg_crash();
	rooms_reconcile(rs, true);
	fixture_for(200);
	ck_assert_uint_eq(n_reconciles, 0);
	pg_restart();
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"unpublished\"");
	ck_assert_uint_eq(n_reconciles, 1);
	while (!store_ready(s))
		fixture_for(10);
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_add_test(tc, a_reconcile_requested_during_another_queries_again);
	tcase_add_test(tc, a_reconcile_finds_committed_changes_that_were_never_published);
	tcase_add_test(tc, a_reconcile_finds_an_unpublished_membership_and_the_user_resyncs);
	tcase_add_test(tc, a_failed_reconcile_is_retried);
	return room_run(tc);
}
