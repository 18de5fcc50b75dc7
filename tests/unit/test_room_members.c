/*
 * Joins and leaves: a member's frames begin with the join and end with the leave, in the order of
 * the chat.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/room_fixture.h"

START_TEST(a_new_member_sees_the_chat_and_then_the_join)
{
	int64_t g = group_of_alice();
	struct fixture_change c;

	connect_user(alice);
	connect_user(bob);
	c = post(alice, g, "before");
	apply_change(&c, RECORD_NEW, 0);
	c = fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	apply_change(&c, RECORD_NEW, 0);
	/* A record behind the join is held. */
	c = post(alice, g, "after");
	apply_change(&c, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 6);
	ck_frame(0, alice, "\"before\"");
	ck_frame(1, bob, "{\"type\":\"chat\",\"chat_id\":");
	ck_frame(1, bob, "\"kind\":\"group\",\"name\":\"friends\"");
	for (unsigned i = 2; i < 4; i++)
		ck_frame(i, frames[i].user_id, "\"kind\":\"join\"");
	for (unsigned i = 4; i < 6; i++)
		ck_frame(i, frames[i].user_id, "\"after\"");
	ck_no_frame(bob, "\"before\"");
	ck_assert_uint_eq(rooms_n(rs), 1);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 6);
}
END_TEST

START_TEST(a_new_member_of_a_group_without_a_room_sees_the_chat)
{
	int64_t g = group_of_alice();
	struct fixture_change join, after;

	connect_user(bob);
	post(alice, g, "before");
	join = fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	after = post(alice, g, "after");
	/* Without the join there is no room for a record behind it. */
	apply_change(&after, RECORD_NEW, 0);
	apply_change(&join, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"kind\":\"join\"");
	ck_frame(2, bob, "\"after\"");
}
END_TEST

START_TEST(a_first_message_is_preceded_by_the_chat_on_both_sides)
{
	struct fixture_change c;

	connect_user(alice);
	connect_user(bob);
	c = post(alice, bob, "hello");
	apply_change(&c, RECORD_NEW, 9);
	fixture_until_n(&n_frames, 4);
	for (unsigned i = 0; i < 2; i++)
		ck_frame(i, frames[i].user_id, "{\"type\":\"chat\"");
	ck_assert(frames[0].user_id != frames[1].user_id);
	for (unsigned i = 2; i < 4; i++)
		ck_frame(i, frames[i].user_id, "\"hello\"");
	ck_assert(frames[2].user_id != frames[3].user_id);
	c = post(bob, bob, "note");
	apply_change(&c, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 6);
	ck_frame(4, bob, "{\"type\":\"chat\"");
	ck_frame(5, bob, "\"note\"");
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 6);
}
END_TEST

START_TEST(a_second_message_that_arrives_before_the_first_is_not_lost)
{
	struct fixture_change first, second;

	connect_user(bob);
	first = post(alice, bob, "one");
	second = post(bob, alice, "two");
	apply_change(&second, RECORD_NEW, 0);
	apply_change(&first, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"one\"");
	ck_frame(2, bob, "\"two\"");
}
END_TEST

START_TEST(a_former_member_gets_chat_removed_and_nothing_more)
{
	int64_t g = group_of_alice();
	struct fixture_change c;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	fixture_change(s, STORE_ADD, alice, g, carol, NULL);
	connect_user(alice);
	connect_user(bob);
	connect_user(carol);
	c = fixture_change(s, STORE_REMOVE, alice, g, bob, NULL);
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat_removed\",\"chat_id\":");
	ck_frame(1, frames[1].user_id, "\"kind\":\"leave\"");
	ck_frame(2, frames[2].user_id, "\"kind\":\"leave\"");
	ck_no_frame(bob, "\"kind\":\"leave\"");
	/* The other members get the chat as it is now. */
	fixture_until_n(&n_frames, 5);
	ck_frame(3, frames[3].user_id, "{\"type\":\"chat\"");
	ck_frame(4, frames[4].user_id, "\"member_count\":2");
	c = post(alice, g, "secret");
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 7);
	ck_no_frame(bob, "secret");
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 7);
}
END_TEST

START_TEST(a_message_behind_a_late_leave_is_not_pushed_before_it)
{
	int64_t g = group_of_alice();
	struct fixture_change leave, secret;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(bob);
	leave = fixture_change(s, STORE_REMOVE, alice, g, bob, NULL);
	secret = post(alice, g, "secret");
	apply_change(&secret, RECORD_NEW, 0);
	apply_change(&leave, RECORD_NEW, 0);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "chat_removed");
	ck_assert_uint_eq(rooms_n(rs), 0);
}
END_TEST

START_TEST(a_lost_leave_is_found_in_the_gap)
{
	int64_t g = group_of_alice();
	struct fixture_change secret;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(bob);
	fixture_change(s, STORE_REMOVE, alice, g, bob, NULL);
	secret = post(alice, g, "secret");
	apply_change(&secret, RECORD_NEW, 0);
	fixture_until_n(&n_frames, 1);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "chat_removed");
}
END_TEST

/* Promise 5: the room is behind the database, in which the user is a member already. */
START_TEST(a_user_gets_nothing_that_precedes_their_pending_join)
{
	int64_t g = group_of_alice();

	connect_user(alice);
	post(alice, g, "before");
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	post(alice, g, "after");
	connect_user(bob);
	fixture_until_n(&n_frames, 6);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 6);
	ck_frame(0, alice, "\"before\"");
	ck_no_frame(bob, "\"before\"");
	ck_frame(1, bob, "{\"type\":\"chat\"");
}
END_TEST

/* Promise 4: the room has no member left, only the held join. */
START_TEST(a_pending_join_survives_the_last_local_member)
{
	int64_t g = group_of_alice();

	connect_user(alice);
	post(alice, g, "before");
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	post(alice, g, "after");
	connect_user(bob);
	disconnect_user(alice);
	fixture_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"join\"");
	ck_frame(2, bob, "\"after\"");
	ck_no_frame(bob, "\"before\"");
}
END_TEST

START_TEST(the_last_member_of_a_group_gets_chat_removed)
{
	int64_t g = group_of_alice();
	struct fixture_change c;
	struct record r = { .type = RECORD_GROUP_GONE };

	connect_user(alice);
	connect_user(bob);
	c = fixture_change(s, STORE_REMOVE, alice, g, alice, NULL);
	r.group_gone = (struct record_group_gone){ c.c.conv, c.c.message.target_id };
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, alice, "{\"type\":\"chat_removed\",\"chat_id\":");
	ck_assert_uint_eq(rooms_n(rs), 0);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(each_end_of_a_membership_is_reported_with_and_without_a_room)
{
	int64_t g = group_of_alice();
	struct fixture_change c, secret;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	c = fixture_change(s, STORE_REMOVE, alice, g, bob, NULL);
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_left, 1);
	ck_assert_int_eq(left, bob);
	fixture_change(s, STORE_ADD, alice, g, carol, NULL);
	connect_user(alice);
	c = fixture_change(s, STORE_REMOVE, alice, g, carol, NULL);
	apply_change(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_left, 2);
	ck_assert_int_eq(left, carol);
	/* Its record is lost. */
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	fixture_change(s, STORE_REMOVE, alice, g, bob, NULL);
	secret = post(alice, g, "secret");
	apply_change(&secret, RECORD_NEW, 0);
	fixture_until_n(&n_left, 3);
	ck_assert_int_eq(left, bob);
}
END_TEST

START_TEST(users_may_disconnect_while_their_rooms_wait_for_the_database)
{
	int64_t g = group_of_alice();
	struct fixture_change join, lost, seen, first;

	post(alice, bob, "first");
	connect_user(bob);
	lost = post(alice, bob, "lost");
	seen = post(alice, bob, "seen");
	apply_change(&seen, RECORD_NEW, 0);
	disconnect_user(bob); /* while the gap's timer runs */
	connect_user(bob);
	lost = post(alice, bob, "lost");
	seen = post(alice, bob, "seen");
	apply_change(&seen, RECORD_NEW, 0);
	fixture_for(22);
	disconnect_user(bob); /* while the gap is read */
	connect_user(bob);
	join = fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	first = post(carol, bob, "hello");
	apply_change(&join, RECORD_NEW, 0);
	apply_change(&first, RECORD_NEW, 0);
	disconnect_user(bob); /* while the chat frames for the join and the new chat are read */
	until_no_rooms();
	ck_no_frame(bob, "hello");
	ck_no_frame(bob, "join");
	ck_assert_int_eq(lost.error, ERROR_NONE);
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_add_test(tc, a_new_member_sees_the_chat_and_then_the_join);
	tcase_add_test(tc, a_new_member_of_a_group_without_a_room_sees_the_chat);
	tcase_add_test(tc, a_first_message_is_preceded_by_the_chat_on_both_sides);
	tcase_add_test(tc, a_second_message_that_arrives_before_the_first_is_not_lost);
	tcase_add_test(tc, a_former_member_gets_chat_removed_and_nothing_more);
	tcase_add_test(tc, a_message_behind_a_late_leave_is_not_pushed_before_it);
	tcase_add_test(tc, a_lost_leave_is_found_in_the_gap);
	tcase_add_test(tc, a_user_gets_nothing_that_precedes_their_pending_join);
	tcase_add_test(tc, a_pending_join_survives_the_last_local_member);
	tcase_add_test(tc, the_last_member_of_a_group_gets_chat_removed);
	tcase_add_test(tc, each_end_of_a_membership_is_reported_with_and_without_a_room);
	tcase_add_test(tc, users_may_disconnect_while_their_rooms_wait_for_the_database);
	return room_run(tc);
}
