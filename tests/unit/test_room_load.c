/*
 * Loads of a user's rooms, and the records that arrive while one is in progress.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "realtime/room_private.h"
#include "tests/unit/room_fixture.h"

START_TEST(a_load_older_than_a_leave_does_not_restore_the_membership)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct fixture_change c;
	struct record leave;
	bool done = false;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(alice);
	u = connect_user(bob);
	rooms_load_again(rs, u, on_loaded, &done);
	database_works();
	leave = remove_bob(g);
	rooms_apply(rs, &leave);
	ck_frame(0, bob, "chat_removed");
	ck_assert(!done);
	fixture_until(&done);
	ck_assert_uint_eq(n_resyncs, 0);
	c = post(alice, g, "secret");
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(60);
	ck_no_frame(bob, "secret");
}
END_TEST

START_TEST(a_load_older_than_a_leave_restores_nothing_after_early_records_overflow)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct fixture_change c;
	struct record leave,
		other = record_of((struct conv){ 1, 0, 0, CONV_GROUP },
			(struct message){ .message_id = 1, .kind = MESSAGE_TEXT });
	bool done = false;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(alice);
	u = connect_user(bob);
	rooms_load_again(rs, u, on_loaded, &done);
	database_works();
	leave = remove_bob(g);
	rooms_apply(rs, &leave);
	for (int i = 0; i < 9000; i++) {
		other.change.conv.id = 1000000 + i;
		other.change.message.seq = other.change.message.mod = i + 1;
		rooms_apply(rs, &other);
	}
	fixture_until(&done);
	c = post(alice, g, "secret");
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(100);
	ck_no_frame(bob, "secret");
}
END_TEST

START_TEST(a_leave_during_the_first_load_is_applied)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct fixture_change c;
	struct record leave;
	bool done = false;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(carol); /* so that the statement is prepared, and the load sent at once */
	u = rooms_add_user(rs, bob);
	rooms_load(rs, u, on_loaded, &done);
	database_works();
	leave = remove_bob(g);
	rooms_apply(rs, &leave);
	ck_assert_uint_eq(n_frames, 0);
	fixture_until(&done);
	ck_frame(0, bob, "chat_removed");
	c = post(alice, g, "secret");
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_assert_uint_eq(rooms_n(rs), 0);
}
END_TEST

START_TEST(records_during_a_load_are_not_lost)
{
	int64_t conv;
	struct record r;
	bool done = false;

	conv = post(alice, bob, "before").c.conv.id;
	connect_user(carol);
	rooms_load(rs, rooms_add_user(rs, bob), on_loaded, &done);
	database_works();
	ck_assert_int_eq(post_by_sql(alice, bob, "during"), 2);
	r = record_of((struct conv){ conv, alice < bob ? alice : bob, alice < bob ? bob : alice,
			      CONV_DIRECT },
		(struct message){ .message_id = 1,
			.seq = 2,
			.mod = 2,
			.sender_id = alice,
			.kind = MESSAGE_TEXT,
			.content = { "during", 6 } });
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 0);
	fixture_until(&done);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "\"during\"");
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(many_early_records_of_a_conversation_are_delivered_in_order)
{
	int64_t conv;
	bool done = false;
	char text[16];

	conv = post(alice, bob, "before").c.conv.id;
	connect_user(carol);
	rooms_load(rs, rooms_add_user(rs, bob), on_loaded, &done);
	database_works();
	pg_number("with texts as (select array_agg('m' || i order by i) as t from "
		  "generate_series(2, 200) i) select count(*) from texts, "
		  "send_messages(array_fill(%lld::bigint, array[199]), "
		  "array_fill(%lld::bigint, array[199]), t, t)",
		(long long)alice, (long long)bob);
	/* The table of early records grows meanwhile, which changes their order in it. */
	for (int64_t mod = 2; mod <= 200; mod++) {
		struct record r = record_of((struct conv){ conv, alice < bob ? alice : bob,
						    alice < bob ? bob : alice, CONV_DIRECT },
			(struct message){ .message_id = mod,
				.seq = mod,
				.mod = mod,
				.sender_id = alice,
				.kind = MESSAGE_TEXT });

		r.change.message.content.data = text;
		r.change.message.content.len =
			(size_t)snprintf(text, sizeof(text), "m%d", (int)mod);
		rooms_apply(rs, &r);
	}
	ck_assert_uint_eq(n_frames, 0);
	fixture_until(&done);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 199);
	for (unsigned i = 0; i < n_frames; i++) {
		snprintf(text, sizeof(text), "\"m%u\"", i + 2);
		ck_frame(i, bob, text);
	}
}
END_TEST

START_TEST(a_reconcile_replaces_early_records_that_overflow)
{
	struct record other = record_of((struct conv){ 1, 0, 0, CONV_GROUP },
		(struct message){ .message_id = 1, .seq = 1, .mod = 1, .kind = MESSAGE_TEXT });
	bool done = false;

	post(alice, bob, "before");
	connect_user(carol);
	rooms_load(rs, rooms_add_user(rs, bob), on_loaded, &done);
	database_works();
	post_by_sql(alice, bob, "during");
	/* The record of it would be one of these. */
	for (int i = 0; i < 9000; i++) {
		other.change.conv.id = 1000000 + i;
		rooms_apply(rs, &other);
	}
	fixture_until(&done);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"during\"");
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_add_test(tc, a_load_older_than_a_leave_does_not_restore_the_membership);
	tcase_add_test(tc, a_load_older_than_a_leave_restores_nothing_after_early_records_overflow);
	tcase_add_test(tc, a_leave_during_the_first_load_is_applied);
	tcase_add_test(tc, records_during_a_load_are_not_lost);
	tcase_add_test(tc, many_early_records_of_a_conversation_are_delivered_in_order);
	tcase_add_test(tc, a_reconcile_replaces_early_records_that_overflow);
	return room_run(tc);
}
