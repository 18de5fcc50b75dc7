/*
 * Rooms on a real database: delivery in order, duplicates, gaps, hints.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/room_fixture.h"

START_TEST(each_side_of_a_chat_sees_the_other_as_chat_id_and_only_the_sender_sees_client_id)
{
	struct fixture_change c;
	char text[64];

	post(alice, bob, "first");
	connect_user(alice);
	connect_user(bob);
	c = fixture_post(s, alice, bob, "second", "mine");
	apply_change(&c, RECORD_NEW, 42);
	ck_assert_uint_eq(n_frames, 2);
	for (unsigned i = 0; i < 2; i++) {
		bool hers = frames[i].user_id == alice;

		ck_frame(i, hers ? alice : bob, "{\"type\":\"message\",\"message_id\":");
		snprintf(text, sizeof(text), "\"chat_id\":%lld,\"seq\":2,\"mod\":2",
			(long long)(hers ? bob : alice));
		ck_frame(i, hers ? alice : bob, text);
		ck_assert((strstr(frames[i].json, "\"client_id\":\"mine\"") != NULL) == hers);
		ck_assert_uint_eq(frames[i].origin, 42);
		ck_assert_int_eq(frames[i].kind, ROOM_EVENT);
	}
	ck_assert(frames[0].user_id != frames[1].user_id);
}
END_TEST

START_TEST(a_duplicate_record_is_pushed_once)
{
	struct fixture_change c;

	post(alice, bob, "first");
	connect_user(bob);
	c = post(alice, bob, "second");
	apply_change(&c, RECORD_NEW, 0);
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(reordered_changes_are_pushed_in_order_without_the_database)
{
	struct fixture_change c[5];

	post(alice, bob, "first");
	connect_user(bob);
	for (int i = 0; i < 5; i++)
		c[i] = post(alice, bob, (const char *[]){ "m2", "m3", "m4", "m5", "m6" }[i]);
	apply_change(&c[2], RECORD_NEW, 0);
	apply_change(&c[1], RECORD_NEW, 0);
	apply_change(&c[4], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 0);
	apply_change(&c[0], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 3);
	apply_change(&c[3], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 5);
	for (unsigned i = 0; i < 5; i++)
		ck_frame(i, bob,
			(const char *[]){ "\"m2\"", "\"m3\"", "\"m4\"", "\"m5\"", "\"m6\"" }[i]);
	ck_assert_uint_eq(fixture_heritage(0)->stats->slots[0].gaps, 0);
}
END_TEST

START_TEST(a_lost_record_is_read_from_the_database_after_20_ms)
{
	struct fixture_change c;
	int64_t began;

	post(alice, bob, "first");
	connect_user(bob);
	post(alice, bob, "lost");
	c = post(alice, bob, "seen");
	began = clock_mono_ms();
	apply_change(&c, RECORD_NEW, 42);
	ck_assert_uint_eq(n_frames, 0);
	fixture_until_n(&n_frames, 2);
	/* libevent's clock is coarse: it may be a tick of 10 ms behind. */
	ck_assert_int_ge(clock_mono_ms() - began, 9);
	ck_frame(0, bob, "\"lost\"");
	ck_frame(1, bob, "\"seen\"");
	/* The record's origin is kept: its sender has an ack. */
	ck_assert_uint_eq(frames[1].origin, 42);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 2);
	ck_assert_uint_eq(fixture_heritage(0)->stats->slots[0].gaps, 1);
}
END_TEST

START_TEST(a_gap_longer_than_a_page_is_read_to_its_end)
{
	enum { N = 450 };
	static struct fixture_change c[N];

	post(alice, bob, "first");
	connect_user(bob);
	for (int i = 0; i < N; i++)
		fixture_post_begin(s, &c[i], alice, bob, "text", NULL);
	fixture_until(&c[N - 1].done);
	apply_change(&c[N - 1], RECORD_NEW, 0);
	fixture_until_n(&n_frames, N);
	for (unsigned i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "\"seq\":%u,\"mod\":%u,", i + 2, i + 2);
		ck_frame(i, bob, text);
	}
	fixture_for(60);
	ck_assert_uint_eq(n_frames, N);
}
END_TEST

START_TEST(a_message_edited_in_a_gap_is_pushed_in_its_last_form)
{
	struct fixture_change c;

	post(alice, bob, "first");
	connect_user(bob);
	c = post(alice, bob, "typo");
	fixture_change(s, STORE_EDIT, alice, c.c.message.message_id, 0, "fixed");
	c = post(alice, bob, "seen");
	apply_change(&c, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 2);
	ck_frame(0, bob, "{\"type\":\"message\"");
	ck_frame(0, bob, "\"fixed\"");
	ck_frame(0, bob, "\"seq\":2,\"mod\":3");
	ck_frame(1, bob, "\"seen\"");
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 2);
}
END_TEST

START_TEST(edits_and_deletions_have_frames_of_their_own)
{
	struct fixture_change c = post(alice, bob, "text"), d;

	connect_user(bob);
	d = fixture_change(s, STORE_EDIT, alice, c.c.message.message_id, 0, "other");
	apply_change(&d, RECORD_EDITED, 0);
	d = fixture_change(s, STORE_DELETE, alice, c.c.message.message_id, 0, NULL);
	apply_change(&d, RECORD_DELETED, 0);
	ck_frame(0, bob, "{\"type\":\"edited\"");
	ck_frame(0, bob, "\"content\":\"other\"");
	ck_frame(1, bob, "{\"type\":\"deleted\",\"chat_id\":");
	ck_frame(1, bob, "\"seq\":1,\"mod\":3}");
	ck_assert_uint_eq(n_frames, 2);
}
END_TEST

#define THUMB "\xF0\x9F\x91\x8D"

START_TEST(reactions_and_pins_are_pushed_in_the_order_of_mod)
{
	struct fixture_change c = post(alice, bob, "text"), d[3];
	int64_t id = c.c.message.message_id;

	connect_user(bob);
	d[0] = fixture_change(s, STORE_REACT, alice, id, 0, THUMB);
	d[1] = fixture_change(s, STORE_PIN, alice, id, 0, NULL);
	d[2] = fixture_change(s, STORE_UNREACT, alice, id, 0, THUMB);
	apply_change(&d[2], RECORD_UNREACTED, 0);
	apply_change(&d[1], RECORD_PINNED, 0);
	ck_assert_uint_eq(n_frames, 0);
	apply_change(&d[0], RECORD_REACTED, 7);
	ck_assert_uint_eq(n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"reaction\"");
	ck_frame(0, bob, "\"mod\":2,");
	ck_frame(0, bob, "\"emoji\":\"" THUMB "\",\"on\":true}");
	ck_assert_uint_eq(frames[0].origin, 7);
	ck_frame(1, bob, "{\"type\":\"pinned\"");
	ck_frame(2, bob, "\"emoji\":\"" THUMB "\",\"on\":false}");
	fixture_for(60);
	ck_assert_uint_eq(n_resyncs, 0);
}
END_TEST

/* The row of the message does not say which reactions the gap had. */
START_TEST(the_members_resync_after_a_gap_with_a_reaction)
{
	struct fixture_change c = post(alice, bob, "text");

	connect_user(bob);
	fixture_change(s, STORE_REACT, alice, c.c.message.message_id, 0, THUMB);
	c = post(alice, bob, "seen");
	apply_change(&c, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 2);
	ck_assert_uint_eq(n_resyncs, 1);
	ck_assert_int_eq(resynced, bob);
	ck_frame(1, bob, "\"seen\"");
}
END_TEST

/* The message is lost, its reaction is not: the members get the message. */
START_TEST(a_message_that_was_reacted_to_in_a_gap_is_pushed_as_new)
{
	struct fixture_change c;

	post(alice, bob, "first");
	connect_user(bob);
	c = post(alice, bob, "lost");
	c = fixture_change(s, STORE_REACT, bob, c.c.message.message_id, 0, THUMB);
	apply_change(&c, RECORD_REACTED, 0);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "{\"type\":\"message\"");
	ck_frame(0, bob, "\"lost\"");
	ck_frame(0, bob, "\"seq\":2,\"mod\":3");
	ck_assert_uint_eq(n_resyncs, 1);
	c = post(alice, bob, "next");
	apply_change(&c, RECORD_NEW, 0);
	ck_frame(1, bob, "\"next\"");
}
END_TEST

/* The lost record is of another message: the reactions behind the gap are held. */
START_TEST(a_gap_beside_reactions_that_are_held_causes_no_resync)
{
	struct fixture_change c = post(alice, bob, "text"), d;

	connect_user(bob);
	post(alice, bob, "lost");
	d = fixture_change(s, STORE_REACT, alice, c.c.message.message_id, 0, THUMB);
	apply_change(&d, RECORD_REACTED, 0);
	fixture_until_n(&n_frames, 2);
	ck_frame(0, bob, "\"lost\"");
	ck_frame(1, bob, "{\"type\":\"reaction\"");
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 2);
	ck_assert_uint_eq(n_resyncs, 0);
}
END_TEST

START_TEST(more_changes_than_can_be_held_are_pushed_in_order)
{
	enum { N = 700 };
	static struct fixture_change c[N];

	post(alice, bob, "first");
	connect_user(bob);
	for (int i = 0; i < N; i++)
		fixture_post_begin(s, &c[i], alice, bob, "text", NULL);
	fixture_until(&c[N - 1].done);
	for (int i = 1; i < N; i++)
		apply_change(&c[i], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 0);
	fixture_until_n(&n_frames, N);
	for (unsigned i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "\"mod\":%u,", i + 2);
		ck_frame(i, bob, text);
	}
	/* B1: not all were held, so the end was read from the database too. */
	ck_assert_uint_gt(fixture_heritage(0)->stats->slots[0].gaps, 1);
}
END_TEST

START_TEST(a_failed_gap_read_is_retried)
{
	struct fixture_change c;

	post(alice, bob, "first");
	connect_user(bob);
	post(alice, bob, "lost");
	c = post(alice, bob, "seen");
	pg_crash();
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(200);
	ck_assert_uint_eq(n_frames, 0);
	pg_restart();
	fixture_until_n(&n_frames, 2);
	ck_frame(0, bob, "\"lost\"");
	ck_frame(1, bob, "\"seen\"");
	while (!store_ready(s))
		fixture_for(10);
}
END_TEST

START_TEST(a_deleted_user_causes_two_resyncs_and_no_push_per_message)
{
	struct fixture_change c;
	int64_t g = group_of_alice();

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	fixture_change(s, STORE_ADD, alice, g, carol, NULL);
	for (int i = 0; i < 20; i++)
		post(alice, g, "text");
	connect_user(bob);
	fixture_delete_user(s, alice);
	/* For the end of the membership, and for all messages. */
	ck_assert_uint_eq(n_resyncs, 2);
	ck_assert_int_eq(resynced, bob);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	c = post(bob, g, "after");
	apply_change(&c, RECORD_NEW, 0);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 2);
	ck_frame(1, bob, "\"after\"");
	rooms_apply(rs, &erased_record);
	ck_assert_uint_eq(n_resyncs, 2);
}
END_TEST

START_TEST(an_erasure_behind_a_gap_is_read_with_it)
{
	struct fixture_change c;

	post(alice, bob, "one");
	connect_user(bob);
	post(alice, bob, "lost");
	fixture_delete_user(s, alice);
	ck_assert_uint_eq(n_resyncs, 1);
	fixture_until_n(&n_frames, 3);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(0, bob, "\"peer\":null");
	ck_frame(1, bob, "{\"type\":\"deleted\"");
	c = post(bob, bob, "note");
	ck_assert_int_eq(c.error, ERROR_NONE);
}
END_TEST

START_TEST(typing_is_pushed_to_the_other_members_and_ends_with_a_message)
{
	struct fixture_change c = post(alice, bob, "first");
	struct record r = { .type = RECORD_TYPING,
		.typing = { .conv = c.c.conv, .user_id = alice, .on = true } };

	connect_user(alice);
	connect_user(bob);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "{\"type\":\"typing\",\"chat_id\":");
	ck_frame(0, bob, "\"is_typing\":true}");
	ck_assert_int_eq(frames[0].kind, ROOM_HINT);
	c = post(alice, bob, "done");
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 4);
	ck_frame(1, bob, "\"is_typing\":false}");
	ck_no_frame(alice, "typing");
}
END_TEST

START_TEST(a_watermark_is_pushed_to_all_members_with_its_origin)
{
	struct fixture_change c = post(alice, bob, "first");
	struct record r = { .type = RECORD_READ,
		.read = { .conv = c.c.conv, .user_id = bob, .seq = 1, .origin = 7 } };
	char text[64];

	connect_user(alice);
	connect_user(bob);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 2);
	for (unsigned i = 0; i < 2; i++) {
		bool hers = frames[i].user_id == alice;

		snprintf(text, sizeof(text),
			"{\"type\":\"read\",\"chat_id\":%lld,\"user_id\":%lld,\"seq\":1}",
			(long long)(hers ? bob : alice), (long long)bob);
		ck_frame(i, frames[i].user_id, text);
		ck_assert_uint_eq(frames[i].origin, 7);
		ck_assert_int_eq(frames[i].kind, ROOM_HINT);
	}
}
END_TEST

START_TEST(a_watermark_of_a_large_group_is_pushed_to_the_reader_only)
{
	struct record r = { .type = RECORD_READ,
		.read = { .user_id = bob, .seq = 1, .origin = 7, .own_only = true } };
	int64_t g = group_of_alice();
	struct fixture_change c = fixture_change(s, STORE_ADD, alice, g, bob, NULL);

	r.read.conv = c.c.conv;
	connect_user(alice);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 0);
	connect_user(bob);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "{\"type\":\"read\",\"chat_id\":");
	ck_assert_uint_eq(frames[0].origin, 7);
	ck_assert_int_eq(frames[0].kind, ROOM_HINT);
	/* Not to a reader who has left meanwhile. */
	r.read.user_id = carol;
	connect_user(carol);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(a_conversation_is_found_by_the_members_chat_id)
{
	struct fixture_change c = post(alice, bob, "first");
	int64_t g = group_of_alice();
	struct room_user *a, *b;
	struct conv conv;

	a = connect_user(alice);
	b = connect_user(bob);
	ck_assert(rooms_find_conv(rs, a, bob, &conv));
	ck_assert_int_eq(conv.id, c.c.conv.id);
	ck_assert(rooms_find_conv(rs, b, alice, &conv));
	ck_assert(rooms_find_conv(rs, a, g, &conv));
	ck_assert_int_eq(conv.kind, CONV_GROUP);
	ck_assert(!rooms_find_conv(rs, b, g, &conv));
	ck_assert(!rooms_find_conv(rs, a, c.c.conv.id, &conv));
	ck_assert(!rooms_find_conv(rs, a, alice, &conv));
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_add_test(tc,
		each_side_of_a_chat_sees_the_other_as_chat_id_and_only_the_sender_sees_client_id);
	tcase_add_test(tc, a_duplicate_record_is_pushed_once);
	tcase_add_test(tc, reordered_changes_are_pushed_in_order_without_the_database);
	tcase_add_test(tc, a_lost_record_is_read_from_the_database_after_20_ms);
	tcase_add_test(tc, a_gap_longer_than_a_page_is_read_to_its_end);
	tcase_add_test(tc, a_message_edited_in_a_gap_is_pushed_in_its_last_form);
	tcase_add_test(tc, edits_and_deletions_have_frames_of_their_own);
	tcase_add_test(tc, reactions_and_pins_are_pushed_in_the_order_of_mod);
	tcase_add_test(tc, the_members_resync_after_a_gap_with_a_reaction);
	tcase_add_test(tc, a_message_that_was_reacted_to_in_a_gap_is_pushed_as_new);
	tcase_add_test(tc, a_gap_beside_reactions_that_are_held_causes_no_resync);
	tcase_add_test(tc, more_changes_than_can_be_held_are_pushed_in_order);
	tcase_add_test(tc, a_failed_gap_read_is_retried);
	tcase_add_test(tc, a_deleted_user_causes_two_resyncs_and_no_push_per_message);
	tcase_add_test(tc, an_erasure_behind_a_gap_is_read_with_it);
	tcase_add_test(tc, typing_is_pushed_to_the_other_members_and_ends_with_a_message);
	tcase_add_test(tc, a_watermark_is_pushed_to_all_members_with_its_origin);
	tcase_add_test(tc, a_watermark_of_a_large_group_is_pushed_to_the_reader_only);
	tcase_add_test(tc, a_conversation_is_found_by_the_members_chat_id);
	return room_run(tc);
}
