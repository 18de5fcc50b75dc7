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

/* A load of many chats is applied in slices. */

enum { MANY = 3500 };

/* Adds the user to MANY new groups. Returns the id of the last one. */
static int64_t many_groups(int64_t user_id)
{
	pg_number("with new as (insert into conversations (kind, name, last_seq, last_mod, "
		  "member_count) "
		  "select 'g', 'g' || i, 1, 1, 1 from generate_series(1, %d) i returning conv_id) "
		  "insert into members (conv_id, user_id, join_seq, read_seq) select conv_id, "
		  "%lld, 1, 1 from new",
		MANY, (long long)user_id);
	return pg_number(
		"select max(conv_id) from members where user_id = %lld", (long long)user_id);
}

/* Runs passes of the loop until this many rooms are loaded. */
static void until_rooms(size_t n)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (rooms_n(rs) < n) {
		ck_assert_int_lt(clock_mono_ms(), until);
		event_base_loop(fixture_base(), EVLOOP_ONCE);
	}
}

START_TEST(a_load_of_many_chats_is_applied_in_slices)
{
	bool many = false;
	unsigned n_passes = 0;

	many_groups(alice);
	rooms_load(rs, rooms_add_user(rs, alice), on_loaded, &many);
	until_rooms(1);
	while (!many) {
		size_t before = rooms_n(rs);

		event_base_loop(fixture_base(), EVLOOP_ONCE);
		ck_assert_uint_le(rooms_n(rs) - before, 1000);
		n_passes++;
	}
	ck_assert_uint_ge(n_passes, MANY / 1000);
	ck_assert_uint_eq(rooms_n(rs), MANY);
	ck_assert_uint_eq(n_resyncs, 0);
}
END_TEST

START_TEST(a_leave_between_the_slices_is_not_undone)
{
	int64_t last = many_groups(alice);
	struct record leave = record_of((struct conv){ last, 0, 0, CONV_GROUP },
		(struct message){ .message_id = 1,
			.seq = 2,
			.mod = 2,
			.sender_id = bob,
			.target_id = alice,
			.kind = MESSAGE_LEAVE });
	struct record gone = { .type = RECORD_GROUP_GONE };
	struct conv c;
	bool many = false;

	rooms_load(rs, rooms_add_user(rs, alice), on_loaded, &many);
	until_rooms(1);
	ck_assert(!rooms_find_conv(rs, rooms_find_user(rs, alice), last, &c));
	gone.group_gone = (struct record_group_gone){ leave.change.conv, alice };
	rooms_apply(rs, &gone);
	fixture_until(&many);
	ck_assert(!rooms_find_conv(rs, rooms_find_user(rs, alice), last, &c));
	ck_assert_uint_eq(rooms_n(rs), MANY - 1);
	ck_no_frame(alice, "chat_removed");
}
END_TEST

START_TEST(a_record_between_the_slices_is_delivered_after_them)
{
	int64_t last = many_groups(alice);
	struct record r = record_of((struct conv){ last, 0, 0, CONV_GROUP },
		(struct message){ .message_id = 1,
			.seq = 2,
			.mod = 2,
			.sender_id = alice,
			.kind = MESSAGE_TEXT,
			.content = { "during", 6 } });
	bool many = false;

	rooms_load(rs, rooms_add_user(rs, alice), on_loaded, &many);
	until_rooms(1);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 0);
	fixture_until(&many);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, alice, "\"during\"");
}
END_TEST

/* The slices of the older load come after the younger one, which has not found the membership. */
START_TEST(a_younger_load_ends_the_slices_of_an_older_one)
{
	enum { FEW = 5 };
	int64_t last = many_groups(alice);
	struct room_user *u = rooms_add_user(rs, alice);
	struct conv c;
	bool older = false, younger = false;

	rooms_load(rs, u, on_loaded, &older);
	until_rooms(1);
	/* A leave whose record is lost, of so many chats that the younger load has one slice. */
	pg_number("delete from members where user_id = %lld and conv_id > %lld", (long long)alice,
		(long long)last - MANY + FEW);
	rooms_load_again(rs, u, on_loaded, &younger);
	pg_number(
		"select 1 from pg_sleep(0.2)"); /* The answer is there at the next pass of the loop. */
	event_base_loop(fixture_base(), EVLOOP_ONCE);
	ck_assert(younger && !older);
	fixture_until(&older);
	ck_assert(!rooms_find_conv(rs, u, last, &c));
	ck_assert_uint_eq(rooms_n(rs), FEW);
}
END_TEST

START_TEST(the_slices_of_a_load_do_not_load_a_user_who_has_connected_again)
{
	struct room_user *u;
	bool former = false, done = false;

	many_groups(alice);
	rooms_load(rs, rooms_add_user(rs, alice), on_loaded, &former);
	until_rooms(1);
	disconnect_user(alice);
	u = rooms_add_user(rs, alice);
	fixture_until(&former);
	rooms_load(rs, u, on_loaded, &done);
	fixture_until(&done);
	ck_assert_uint_eq(rooms_n(rs), MANY);
	ck_assert_uint_eq(n_resyncs, 0);
}
END_TEST

START_TEST(a_user_who_is_loaded_connects_without_the_database)
{
	struct room_user *u;
	bool first = false, second = false, third = false;

	post(alice, bob, "hello");
	u = rooms_add_user(rs, alice);
	rooms_load(rs, u, on_loaded, &first);
	rooms_load(rs, u, on_loaded, &second);
	fixture_until(&first);
	ck_assert(second);
	rooms_load(rs, u, on_loaded, &third);
	ck_assert(third);
}
END_TEST

START_TEST(a_load_that_finds_chats_of_a_connected_user_resyncs_once)
{
	struct room_user *u = connect_user(alice);
	bool done = false;

	many_groups(alice);
	rooms_load_again(rs, u, on_loaded, &done);
	fixture_until(&done);
	ck_assert_uint_eq(n_resyncs, 1);
	ck_assert_uint_eq(rooms_n(rs), MANY);
}
END_TEST

static void on_stopped(void *arg, enum error error)
{
	ck_assert_int_eq(error, ERROR_unavailable);
	*(bool *)arg = true;
}

START_TEST(the_slices_end_at_a_stop)
{
	bool done = false;

	many_groups(alice);
	rooms_load(rs, rooms_add_user(rs, alice), on_stopped, &done);
	until_rooms(1);
	rooms_end_loads(rs);
	ck_assert(done);
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
	tcase_add_test(tc, a_load_of_many_chats_is_applied_in_slices);
	tcase_add_test(tc, a_leave_between_the_slices_is_not_undone);
	tcase_add_test(tc, a_record_between_the_slices_is_delivered_after_them);
	tcase_add_test(tc, a_younger_load_ends_the_slices_of_an_older_one);
	tcase_add_test(tc, the_slices_of_a_load_do_not_load_a_user_who_has_connected_again);
	tcase_add_test(tc, a_user_who_is_loaded_connects_without_the_database);
	tcase_add_test(tc, a_load_that_finds_chats_of_a_connected_user_resyncs_once);
	tcase_add_test(tc, the_slices_end_at_a_stop);
	return room_run(tc);
}
