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

/* A role, a setting: it takes no mod. */
START_TEST(a_reconcile_finds_an_unpublished_revision)
{
	int64_t g = group_of_alice();
	struct fixture_change c;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(bob);
	fixture_change(s, STORE_ROLE, alice, g, bob, "admin");
	rooms_reconcile(rs, true);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"role\":\"admin\"");
	/* Once. */
	rooms_reconcile(rs, true);
	fixture_until_n(&n_reconciles, 2);
	fixture_for(100);
	ck_assert_uint_eq(n_frames, 1);
	c = fixture_change(s, STORE_ROLE, alice, g, bob, "member");
	rooms_apply(
		rs, &(struct record){ .type = RECORD_CHAT, .chat = { c.c.conv, c.c.revision } });
	fixture_until_n(&n_frames, 2);
	ck_frame(1, bob, "\"role\":\"member\"");
}
END_TEST

/* A backup was restored under the running daemon: the new changes have the mods of lost ones. */
START_TEST(a_room_goes_back_to_a_database_that_has_lost_changes_and_its_members_resync)
{
	int64_t conv = post(alice, bob, "kept").c.conv.id;
	struct fixture_change c;

	connect_user(bob);
	for (int i = 0; i < 3; i++) {
		c = post(alice, bob, "lost");
		apply_change(&c, RECORD_NEW, 0);
	}
	ck_assert_uint_eq(n_frames, 3);
	pg_number("with x as (delete from messages where conv_id = %lld and seq > 1) "
		  "update conversations set last_seq = 1, last_mod = 1 where conv_id = %lld "
		  "returning 1",
		(long long)conv, (long long)conv);
	rooms_reconcile(rs, true);
	fixture_until_n(&n_resyncs, 1);
	ck_assert_int_eq(resynced, bob);
	c = post(alice, bob, "new");
	ck_assert_int_eq(c.c.message.mod, 2);
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 4);
	ck_frame(3, bob, "\"new\"");
}
END_TEST

START_TEST(a_load_that_is_older_than_a_delivery_takes_no_room_back)
{
	struct fixture_change c = post(alice, bob, "first");
	struct record r = record_of(c.c.conv,
		(struct message){ .message_id = 1,
			.seq = 2,
			.mod = 2,
			.sender_id = alice,
			.kind = MESSAGE_TEXT,
			.content = { "during", 6 } });

	connect_user(bob);
	rooms_reconcile(rs, false);
	database_works();
	ck_assert_int_eq(post_by_sql(alice, bob, "during"), 2);
	rooms_apply(rs, &r);
	fixture_until_n(&n_reconciles, 1);
	fixture_for(100);
	ck_assert_uint_eq(n_resyncs, 0);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(after_a_restart_rooms_come_from_the_database_and_typing_has_ended)
{
	struct fixture_change c = post(alice, bob, "first");
	struct record typing = { .type = RECORD_TYPING, .typing = { c.c.conv, alice, true } };
	struct room_user *u = connect_user(bob);
	bool done = false;

	rooms_apply(rs, &typing);
	ck_frame(0, bob, "\"is_typing\":true");
	rooms_restart(rs);
	ck_frame(1, bob, "\"is_typing\":false");
	ck_assert_uint_eq(rooms_n(rs), 0);
	post(alice, bob, "unseen");
	rooms_load(rs, u, on_loaded, &done);
	fixture_until(&done);
	ck_assert_uint_eq(rooms_n(rs), 1);
	c = post(alice, bob, "seen");
	apply_change(&c, RECORD_NEW, 0);
	rooms_apply(rs, &typing);
	ck_assert_uint_eq(n_frames, 4);
	ck_frame(2, bob, "\"seen\"");
	ck_frame(3, bob, "\"is_typing\":true");
	ck_assert_uint_eq(n_resyncs, 0);
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
	tcase_add_test(tc, a_reconcile_finds_an_unpublished_revision);
	tcase_add_test(
		tc, a_room_goes_back_to_a_database_that_has_lost_changes_and_its_members_resync);
	tcase_add_test(tc, a_load_that_is_older_than_a_delivery_takes_no_room_back);
	tcase_add_test(tc, after_a_restart_rooms_come_from_the_database_and_typing_has_ended);
	tcase_add_test(tc, a_failed_reconcile_is_retried);
	return room_run(tc);
}
