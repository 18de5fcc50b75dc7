/*
 * Sends on a real PostgreSQL: each is stored once and in order, whatever fails on the way.
 */
#include "tests/unit/store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

START_TEST(a_first_message_opens_a_chat_and_seq_counts_from_1_for_both)
{
	struct fixture_change a = fixture_post(s, alice, bob, "hello", "c1"),
			      b = fixture_post(s, bob, alice, "hi", "c1");

	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert(!a.c.duplicate);
	ck_assert_int_eq(a.c.message.seq, 1);
	ck_assert_int_eq(a.c.message.mod, 1);
	ck_assert_int_eq(a.c.message.sender_id, alice);
	ck_assert_str_eq(a.content, "hello");
	ck_assert_str_eq(a.client_id, "c1");
	ck_assert_int_eq(a.c.conv.kind, CONV_DIRECT);
	ck_assert_int_eq(conv_chat_id(&a.c.conv, alice), bob);
	ck_assert_int_eq(conv_chat_id(&a.c.conv, bob), alice);
	ck_assert_int_le(llabs(a.c.message.sent_ms - clock_wall_ms()), 10000);
	ck_assert_int_eq(b.c.conv.id, a.c.conv.id);
	ck_assert_int_eq(b.c.message.seq, 2);
	ck_assert_int_ne(b.c.message.message_id, a.c.message.message_id);
	ck_gapless(a.c.conv.id);
}
END_TEST

START_TEST(a_chat_with_oneself_is_allowed)
{
	struct fixture_change a = fixture_post(s, alice, alice, "note", "c1");

	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert_int_eq(conv_chat_id(&a.c.conv, alice), alice);
	ck_assert_int_eq(pg_number("select count(*) from members where conv_id = %lld",
				 (long long)a.c.conv.id),
		1);
}
END_TEST

START_TEST(content_comes_back_byte_for_byte)
{
	static const char odd[] =
		"'; drop table users; -- \\ \" $1 %s \xe2\x80\xae\xf0\x9f\x91\xa9 \x01\x7f\r\n";

	ck_assert_str_eq(fixture_post(s, alice, bob, odd, "c1").content, odd);
	ck_assert_str_eq(fixture_post(s, alice, bob, "other", "c1").content, odd);
}
END_TEST

START_TEST(a_repeated_send_is_stored_once_and_gets_the_first_answer)
{
	struct fixture_change first = fixture_post(s, alice, bob, "one", "c1"),
			      again = fixture_post(s, alice, carol, "two", "c1");

	ck_assert_int_eq(again.error, ERROR_NONE);
	ck_assert(again.c.duplicate);
	ck_assert_int_eq(again.c.message.message_id, first.c.message.message_id);
	ck_assert_int_eq(again.c.message.seq, first.c.message.seq);
	ck_assert_int_eq(again.c.message.sent_ms, first.c.message.sent_ms);
	ck_assert_int_eq(again.c.conv.id, first.c.conv.id);
	ck_assert_str_eq(again.content, "one");
	/* The same client_id of another sender is another send. */
	ck_assert(!fixture_post(s, bob, alice, "three", "c1").c.duplicate);
	ck_assert_int_eq(pg_number("select count(*) from messages where conv_id = %lld",
				 (long long)first.c.conv.id),
		2);
}
END_TEST

START_TEST(a_repeated_send_after_an_edit_gets_the_current_message)
{
	struct fixture_change first = fixture_post(s, alice, bob, "one", "c1"), again;

	fixture_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "edited");
	again = fixture_post(s, alice, bob, "one", "c1");
	ck_assert(again.c.duplicate);
	ck_assert_str_eq(again.content, "edited");
	ck_assert_int_eq(again.c.message.seq, 1);
	ck_assert_int_eq(again.c.message.mod, 2);
}
END_TEST

START_TEST(a_batch_with_duplicates_and_rejections_stores_the_others)
{
	enum { N = 300 };
	static struct fixture_change a[N];
	int64_t conv = fixture_post(s, alice, bob, "first", "first").c.conv.id;
	char id[16];

	/* The first is a batch of its own, the others gather behind it. Every third repeats the one before, some have no
	 * such receiver. */
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "b%d", i % 3 == 2 ? i - 1 : i);
		fixture_post_begin(s, &a[i], alice,
			i % 10 == 9 && i % 3 == 0 ? INT64_C(900000000) : bob, "text", id);
	}
	for (int i = 0; i < N; i++) {
		fixture_until(&a[i].done);
		if (i % 10 == 9 && i % 3 == 0) {
			ck_assert_int_eq(a[i].error, ERROR_no_such_chat);
			continue;
		}
		ck_assert_int_eq(a[i].error, ERROR_NONE);
		ck_assert_int_eq(a[i].c.conv.id, conv);
		ck_assert(a[i].c.duplicate == (i % 3 == 2));
		if (i % 3 == 2)
			ck_assert_int_eq(a[i].c.message.seq, a[i - 1].c.message.seq);
	}
	/* The order is kept. */
	for (int i = 1, last = 0; i < N; i++)
		if (a[i].error == ERROR_NONE && !a[i].c.duplicate) {
			ck_assert_int_gt(a[i].c.message.seq, a[last].c.message.seq);
			last = i;
		}
	ck_assert_int_eq(
		pg_number("select count(*) from messages where conv_id = %lld", (long long)conv),
		1 + 190);
	ck_gapless(conv);
}
END_TEST

START_TEST(a_send_to_no_user_or_to_a_group_of_others_is_rejected)
{
	int64_t id = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "mine").c.conv.id;
	struct fixture_change direct = fixture_post(s, alice, bob, "hello", "c1");

	ck_assert_int_eq(
		fixture_post(s, alice, INT64_C(900000000), "x", "c2").error, ERROR_no_such_chat);
	ck_assert_int_eq(fixture_post(s, bob, id, "x", "c3").error, ERROR_no_such_chat);
	/* The id of a direct conversation is not a chat_id. */
	ck_assert_int_eq(
		fixture_post(s, alice, direct.c.conv.id, "x", "c4").error, ERROR_no_such_chat);
	ck_assert_int_eq(fixture_post(s, alice, id, "x", "c5").error, ERROR_NONE);
	/* The client_id of a rejected send is not taken. */
	ck_assert(!fixture_post(s, alice, id, "y", "c2").c.duplicate);
	ck_gapless(id);
}
END_TEST

START_TEST(a_send_to_no_chat_is_rejected_at_once_while_another_chat_is_locked)
{
	struct fixture_change locked, nowhere;
	PGconn *holder;
	int64_t began, took_ms;
	bool was_locked;

	fixture_post(s, alice, bob, "first", "f");
	holder = pg_hold("select * from conversations for update");
	fixture_post_begin(s, &locked, alice, bob, "waits", "w");
	fixture_for(500);
	began = clock_mono_ms();
	nowhere = fixture_post(s, bob, INT64_C(900000000), "x", "x");
	took_ms = clock_mono_ms() - began;
	was_locked = !locked.done;
	pg_release(holder);
	ck_assert_int_eq(nowhere.error, ERROR_no_such_chat);
	ck_assert_int_lt(took_ms, 2000);
	ck_assert(was_locked);
	fixture_until(&locked.done);
	ck_assert_int_eq(locked.error, ERROR_NONE);
}
END_TEST

/* Sends of several stores to the same conversations, each batch in a random order. */
START_TEST(batches_of_several_connections_in_random_order_do_not_deadlock)
{
	enum { STORES = 3, GROUPS = 24, N = 600 };
	static struct fixture_change a[STORES][N];
	struct store *stores[STORES] = { s, fixture_store(1, NULL, NULL),
		fixture_store(2, NULL, NULL) };
	int64_t groups[GROUPS], deadlocks, began = clock_mono_ms();
	char id[32];

	srandom(7);
	for (int g = 0; g < GROUPS; g++) {
		groups[g] = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "busy").c.conv.id;
		fixture_change(s, STORE_ADD, alice, groups[g], bob, NULL);
		fixture_change(s, STORE_ADD, alice, groups[g], carol, NULL);
	}
	deadlocks = pg_number("select deadlocks from pg_stat_database where datname = 'parley'");
	for (int i = 0; i < N; i++)
		for (int k = 0; k < STORES; k++) {
			const struct conv c = { groups[random() % GROUPS], 0, 0, CONV_GROUP };

			snprintf(id, sizeof(id), "d%d-%d", k, i);
			fixture_post_begin(stores[k], &a[k][i],
				k == 0           ? alice
					: k == 1 ? bob
						 : carol,
				groups[random() % GROUPS], "text", id);
			store_mark_read(stores[k], &c, random() % 2 ? alice : bob,
				1 + random() % 1000, 1, on_mark, NULL);
		}
	for (int i = 0; i < N; i++)
		for (int k = 0; k < STORES; k++) {
			fixture_until(&a[k][i].done);
			ck_assert_int_eq(a[k][i].error, ERROR_NONE);
		}
	for (int g = 0; g < GROUPS; g++)
		ck_gapless(groups[g]);
	pg_number("select pg_stat_force_next_flush()");
	ck_assert_int_eq(
		pg_number("select deadlocks from pg_stat_database where datname = 'parley'"),
		deadlocks);
	ck_assert_int_lt(clock_mono_ms() - began, 10000);
	store_close(stores[1]);
	store_close(stores[2]);
}
END_TEST

START_TEST(both_sides_may_open_their_chat_at_once)
{
	struct store *other = fixture_store(1, NULL, NULL);
	struct fixture_change a[40], b[40];
	int64_t people[20];
	char name[16];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "p%d.", i);
		people[i] = person(name);
	}
	for (int i = 0; i < 20; i++) {
		fixture_post_begin(s, &a[i], alice, people[i], "x", NULL);
		fixture_post_begin(other, &b[i], people[19 - i], alice, "y", NULL);
	}
	for (int i = 0; i < 20; i++) {
		fixture_until(&a[i].done);
		fixture_until(&b[i].done);
		ck_assert_int_eq(a[i].error, ERROR_NONE);
		ck_assert_int_eq(b[i].error, ERROR_NONE);
	}
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(a[i].c.conv.id, b[19 - i].c.conv.id);
		ck_assert_int_eq(a[i].c.message.seq + b[19 - i].c.message.seq, 3);
	}
	store_close(other);
}
END_TEST

/* The backend ends while a batch waits for a lock: its outcome is unknown. */
START_TEST(a_send_in_flight_when_the_connection_is_lost_is_retried_and_stored_once)
{
	int64_t conv = fixture_post(s, alice, bob, "first", "f").c.conv.id;
	struct fixture_change named, nameless, late;
	PGconn *holder;

	holder = pg_hold("select * from conversations for update");
	fixture_post_begin(s, &named, alice, bob, "named", "n");
	fixture_post_begin(s, &nameless, alice, bob, "nameless", NULL);
	fixture_for(100);
	ck_assert(!named.done && !nameless.done);
	ck_assert_int_eq(terminate("parleyd worker=0 write"), 1);
	pg_release(holder);
	fixture_until(&named.done);
	ck_assert_int_eq(named.error, ERROR_NONE);
	ck_assert_str_eq(named.content, "named");
	/* It was not in flight yet: it is rejected, not lost. */
	fixture_until(&nameless.done);
	ck_assert_int_eq(nameless.error, ERROR_unavailable);
	ck_assert_uint_eq(n_away, 1);
	late = fixture_post(s, alice, bob, "late", "l");
	ck_assert_int_eq(late.c.message.seq, 3);
	ck_assert_uint_eq(n_ready, 2);
	ck_gapless(conv);
}
END_TEST

START_TEST(a_send_without_a_client_id_is_never_retried)
{
	int64_t conv = fixture_post(s, alice, bob, "first", "f").c.conv.id;
	struct fixture_change nameless;
	PGconn *holder;

	holder = pg_hold("select * from conversations for update");
	fixture_post_begin(s, &nameless, alice, bob, "nameless", NULL);
	fixture_for(100);
	terminate("parleyd worker=0 write");
	pg_release(holder);
	fixture_until(&nameless.done);
	ck_assert_int_eq(nameless.error, ERROR_unavailable);
	fixture_until_n(&n_ready, 2);
	ck_assert_int_eq(fixture_post(s, alice, bob, "late", "l").error, ERROR_NONE);
	ck_assert_int_eq(
		pg_number("select count(*) from messages where conv_id = %lld", (long long)conv),
		2);
}
END_TEST

START_TEST(sends_are_rejected_while_the_database_is_away_and_work_afterwards)
{
	struct fixture_change a;
	int64_t conv = fixture_post(s, alice, bob, "first", "f").c.conv.id;

	pg_crash();
	fixture_until_n(&n_away, 1);
	ck_assert(!store_ready(s));
	a = fixture_post(s, alice, bob, "refused", "r");
	ck_assert_int_eq(a.error, ERROR_unavailable);
	ck_assert_int_eq(fixture_change(s, STORE_EDIT, alice, 1, 0, "x").error, ERROR_unavailable);
	pg_restart();
	fixture_until_n(&n_ready, 2);
	a = fixture_post(s, alice, bob, "kept", "r");
	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert(!a.c.duplicate);
	ck_assert_int_eq(a.c.message.seq, 2);
	ck_gapless(conv);
}
END_TEST

START_TEST(closing_the_store_calls_every_callback)
{
	struct fixture_change a, b, c;

	fixture_post_begin(s, &a, alice, bob, "in flight", "1");
	fixture_post_begin(s, &b, alice, bob, "waits", "2");
	fixture_change_begin(s, &c, STORE_CREATE_GROUP, alice, 0, 0, "g");
	store_close(s);
	ck_assert(a.done && b.done && c.done);
	ck_assert_int_eq(a.error, ERROR_unavailable);
	ck_assert_int_eq(b.error, ERROR_unavailable);
	s = fixture_store(0, &store_fixture_events, NULL);
	ck_assert_int_eq(fixture_post(s, alice, bob, "in flight", "1").error, ERROR_NONE);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_first_message_opens_a_chat_and_seq_counts_from_1_for_both);
	tcase_add_test(tc, a_chat_with_oneself_is_allowed);
	tcase_add_test(tc, content_comes_back_byte_for_byte);
	tcase_add_test(tc, a_repeated_send_is_stored_once_and_gets_the_first_answer);
	tcase_add_test(tc, a_repeated_send_after_an_edit_gets_the_current_message);
	tcase_add_test(tc, a_batch_with_duplicates_and_rejections_stores_the_others);
	tcase_add_test(tc, a_send_to_no_user_or_to_a_group_of_others_is_rejected);
	tcase_add_test(tc, a_send_to_no_chat_is_rejected_at_once_while_another_chat_is_locked);
	tcase_add_test(tc, batches_of_several_connections_in_random_order_do_not_deadlock);
	tcase_add_test(tc, both_sides_may_open_their_chat_at_once);
	tcase_add_test(tc, a_send_in_flight_when_the_connection_is_lost_is_retried_and_stored_once);
	tcase_add_test(tc, a_send_without_a_client_id_is_never_retried);
	tcase_add_test(tc, sends_are_rejected_while_the_database_is_away_and_work_afterwards);
	tcase_add_test(tc, closing_the_store_calls_every_callback);
}

int main(void)
{
	return store_fixture_run("store_send", add_tests);
}
