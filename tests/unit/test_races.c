/*
 * Races between the stores of two workers on one PostgreSQL. A lock that the test holds brings about each race; the second
 * operation must find what the first has done.
 */
#include "store/store.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/stats.h"
#include "tests/unit/pg.h"
#include "tests/unit/suite.h"
#include "tests/unit/worker_fixture.h"

#define FENCE_MS 2000 /* less than the time after which the fence terminates a session */

static struct store *s, *other;
static int64_t alice, bob, carol;

static int64_t person(const char *name)
{
	static unsigned n;
	char username[40];

	snprintf(username, sizeof(username), "%s%u", name, ++n);
	return fixture_user(s, username);
}

/* A deadlock lasts, so that PostgreSQL and a retry do not hide it. */
static void setup(void)
{
	pg_number("alter role parley set deadlock_timeout = '60s'");
	fixture_make(pg_conninfo());
	s = fixture_store(0, NULL, NULL);
	other = fixture_store(1, NULL, NULL);
	alice = person("alice");
	bob = person("bob");
	carol = person("carol");
}

static void teardown(void)
{
	store_close(s);
	if (other != NULL)
		store_close(other);
	fixture_drop();
}

static PGconn *hold_conversation(int64_t id)
{
	return pg_hold(
		"select * from conversations where conv_id = %lld for update", (long long)id);
}

/* Runs the loop until n sessions of the stores wait for a lock, or *done. */
static void until_waiting(int n, const bool *done)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (pg_number("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
			 "application_name like 'parleyd worker=%%'") < n &&
		(done == NULL || !*done)) {
		ck_assert_msg(clock_mono_ms() < until, "no session waits");
		fixture_for(5);
	}
}

/* A change of a message reads it under the lock of its conversation. */
START_TEST(an_edit_that_waited_for_a_deletion_does_not_undo_it)
{
	struct fixture_change m = fixture_post(s, alice, bob, "text", NULL), deletion, edit;
	long long id = m.c.message.message_id;
	PGconn *holder = hold_conversation(m.c.conv.id);

	fixture_change_begin(s, &deletion, STORE_DELETE, alice, id, 0, NULL);
	until_waiting(1, NULL);
	fixture_change_begin(other, &edit, STORE_EDIT, alice, id, 0, "edited");
	until_waiting(2, NULL);
	pg_release(holder);
	fixture_until(&deletion.done);
	fixture_until(&edit.done);
	ck_assert_int_eq(deletion.error, ERROR_NONE);
	ck_assert_int_eq(edit.error, ERROR_no_such_message);
	ck_assert_int_eq(pg_number("select count(*) from messages where message_id = %lld and "
				   "deleted and content is null",
				 id),
		1);
}
END_TEST

/* "never more than max_uses": an invite is read under the lock of its group. */
START_TEST(two_joins_at_once_use_an_invite_of_one_use_once)
{
	int64_t g = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "club").c.conv.id;
	struct fixture_change a, b;
	PGconn *holder;

	pg_number("select count(*) from create_invite(%lld, %lld, 'once', null, 1)",
		(long long)alice, (long long)g);
	holder = hold_conversation(g);
	fixture_change_begin(s, &a, STORE_JOIN, bob, 0, 0, "once");
	until_waiting(1, NULL);
	fixture_change_begin(other, &b, STORE_JOIN, carol, 0, 0, "once");
	until_waiting(2, NULL);
	pg_release(holder);
	fixture_until(&a.done);
	fixture_until(&b.done);
	ck_assert_int_eq(a.error + b.error, ERROR_no_such_invite);
	ck_assert(a.error == ERROR_NONE || b.error == ERROR_NONE);
	ck_assert_int_eq(pg_number("select uses from invites where code = 'once'"), 1);
	ck_assert_int_eq(pg_number("select member_count from conversations where conv_id = %lld",
				 (long long)g),
		2);
}
END_TEST

START_TEST(batches_to_two_chats_in_opposite_orders_do_not_deadlock)
{
	struct fixture_change first, second, a[2], b[2];
	PGconn *holders[3];
	int64_t g[4];

	for (int i = 0; i < 4; i++)
		g[i] = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "busy").c.conv.id;
	for (int i = 0; i < 3; i++)
		holders[i] = hold_conversation(g[i]);
	/* Behind a send that waits, the next two gather to one batch. */
	fixture_post_begin(s, &first, alice, g[0], "x", NULL);
	fixture_post_begin(other, &second, alice, g[1], "x", NULL);
	until_waiting(2, NULL);
	for (int i = 0; i < 2; i++) {
		fixture_post_begin(s, &a[i], alice, g[2 + i], "a", NULL);
		fixture_post_begin(other, &b[i], alice, g[3 - i], "b", NULL);
	}
	pg_release(holders[0]);
	fixture_until(&first.done);
	until_waiting(2, NULL);
	pg_release(holders[1]);
	fixture_until(&second.done);
	until_waiting(2, NULL);
	/* Both wait for the lower id, and hold nothing that the other needs. */
	ck_assert_int_eq(
		pg_number("select count(*) from (select from conversations where conv_id = %lld "
			  "for no key update skip locked) x",
			(long long)g[3]),
		1);
	pg_release(holders[2]);
	for (int i = 0; i < 2; i++) {
		fixture_until(&a[i].done);
		fixture_until(&b[i].done);
		ck_assert_int_eq(a[i].error, ERROR_NONE);
		ck_assert_int_eq(b[i].error, ERROR_NONE);
	}
}
END_TEST

/* Promise 5: a send reads the members under the lock that a removal holds. */
START_TEST(a_send_that_waited_for_its_senders_removal_is_rejected)
{
	int64_t g = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;
	struct fixture_change removal, sent;
	PGconn *holder;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	holder = hold_conversation(g);
	fixture_change_begin(s, &removal, STORE_REMOVE, alice, g, bob, NULL);
	until_waiting(1, NULL);
	fixture_post_begin(other, &sent, bob, g, "late", NULL);
	until_waiting(2, NULL);
	pg_release(holder);
	fixture_until(&removal.done);
	fixture_until(&sent.done);
	ck_assert_int_eq(removal.error, ERROR_NONE);
	ck_assert_int_eq(sent.error, ERROR_no_such_chat);
}
END_TEST

/* The first row is inserted but not committed when the second send looks for its client_id. */
START_TEST(one_client_id_sent_to_two_chats_at_once_is_stored_once)
{
	struct fixture_change first, second;
	PGconn *holder = pg_hold("select pg_advisory_xact_lock(4711)");

	pg_number("create function wait_for_test() returns trigger language plpgsql as "
		  "'begin perform pg_advisory_xact_lock(4711); return null; end'");
	pg_number("create trigger wait_for_test after insert on messages for each row "
		  "when (new.content = 'slow') execute function wait_for_test()");
	fixture_post_begin(s, &first, alice, bob, "slow", "name");
	until_waiting(1, NULL);
	fixture_post_begin(other, &second, alice, carol, "quick", "name");
	until_waiting(2, &second.done);
	pg_release(holder);
	fixture_until(&first.done);
	fixture_until(&second.done);
	pg_number("drop trigger wait_for_test on messages");
	pg_number("drop function wait_for_test");
	ck_assert_int_eq(first.error, ERROR_NONE);
	ck_assert_int_eq(second.error, ERROR_NONE);
	ck_assert(!first.c.duplicate);
	ck_assert(second.c.duplicate);
	ck_assert_int_eq(second.c.message.message_id, first.c.message.message_id);
	ck_assert_int_eq(
		pg_number("select count(*) from messages where sender_id = %lld", (long long)alice),
		1);
}
END_TEST

START_TEST(a_send_that_cannot_be_stored_delays_no_other_and_takes_no_number)
{
	int64_t conv = fixture_post(s, alice, bob, "first", NULL).c.conv.id;
	PGconn *holder = hold_conversation(conv);
	struct fixture_change before, a, bad, b;

	pg_number("create function refuse_for_test() returns trigger language plpgsql as "
		  "'begin raise unique_violation; end'");
	pg_number("create trigger refuse_for_test before insert on messages for each row "
		  "when (new.content = 'bad') execute function refuse_for_test()");
	/* The first is a batch of its own, the others gather behind it. */
	fixture_post_begin(s, &before, alice, bob, "before", "0");
	fixture_post_begin(s, &a, alice, bob, "a", "1");
	fixture_post_begin(s, &bad, alice, bob, "bad", "2");
	fixture_post_begin(s, &b, alice, bob, "b", "3");
	pg_release(holder);
	fixture_until(&a.done);
	fixture_until(&bad.done);
	fixture_until(&b.done);
	pg_number("drop trigger refuse_for_test on messages");
	pg_number("drop function refuse_for_test");
	ck_assert_int_eq(bad.error, ERROR_unavailable);
	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert_int_eq(b.error, ERROR_NONE);
	ck_assert_int_eq(a.c.message.seq, 3);
	ck_assert_int_eq(b.c.message.seq, 4);
	ck_assert_int_eq(b.c.message.mod, 4);
	ck_assert_int_eq(fixture_post(s, alice, bob, "bad", "2").c.message.seq, 5);
}
END_TEST

struct loaded {
	bool done;
	enum error error;
};

static void on_loaded(void *arg, enum error error, const struct head *heads, size_t n)
{
	(void)heads;
	(void)n;
	*(struct loaded *)arg = (struct loaded){ true, error };
}

static enum error load(void)
{
	struct loaded l = { .done = false };

	store_load(other, bob, on_loaded, &l);
	fixture_until(&l.done);
	return l.error;
}

static void no_state(void *arg, bool ready, bool after_loss)
{
	(void)arg;
	(void)ready;
	(void)after_loss;
}

static void no_epoch(void *arg, uint16_t generation)
{
	(void)arg;
	(void)generation;
}

/* A head that is read before a dead worker's last commit is too low, and no record follows. */
START_TEST(a_new_worker_loads_nothing_while_a_dead_one_may_commit)
{
	static const struct store_events events = { .state = no_state, .epoch = no_epoch };
	int64_t class = pg_number("select classid::bigint from pg_locks where locktype = "
				  "'advisory' and objsubid = 2 limit 1"),
		object = pg_number("select objid::bigint from pg_locks where locktype = "
				   "'advisory' and objsubid = 2 limit 1"),
		began;
	/* The lock of incarnation 0 of this boot, which is not alive. */
	PGconn *dead = pg_hold("select pg_advisory_xact_lock(%d, %lld)", (int)class,
		(long long)(object & ~INT64_C(0xfffff)));

	store_close(other);
	began = clock_mono_ms();
	other = store_open(fixture_base(), fixture_heritage(1), &events, NULL);
	store_connect(other);
	while (clock_mono_ms() - began < FENCE_MS / 2) {
		enum error error = load();

		if (clock_mono_ms() - began < FENCE_MS)
			ck_assert_int_eq(error, ERROR_unavailable);
		fixture_for(20);
	}
	pg_release(dead);
	began = clock_mono_ms();
	while (load() != ERROR_NONE) {
		ck_assert_int_lt(clock_mono_ms() - began, FIXTURE_MS);
		fixture_for(20);
	}
}
END_TEST

static void on_done(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

/* The dead worker has the largest known incarnation; the fence does not wait for larger ones. */
START_TEST(the_fence_waits_for_the_newest_worker_if_it_is_dead)
{
	int64_t class = pg_number("select classid::bigint from pg_locks where locktype = "
				  "'advisory' and objsubid = 2 limit 1"),
		object = pg_number("select objid::bigint from pg_locks where locktype = "
				   "'advisory' and objsubid = 2 limit 1");
	PGconn *dead = pg_hold("select pg_advisory_xact_lock(%d, %lld)", (int)class,
		(long long)(object & ~INT64_C(0xfffff)) | (FIXTURE_SLOTS << 1));
	bool done = false;

	atomic_store(&fixture_heritage(0)->stats->slots[FIXTURE_SLOTS - 1].alive, 0);
	store_fence_dead_workers(s, on_done, &done);
	fixture_for(300);
	ck_assert_msg(!done, "it did not wait");
	pg_release(dead);
	fixture_until(&done);
}
END_TEST

struct token_answer {
	bool done;
	enum error error;
};

static void on_token(void *arg, enum error error, const struct token *t)
{
	(void)t;
	*(struct token_answer *)arg = (struct token_answer){ true, error };
}

static void token_begin(struct store *of, struct token_answer *to, int64_t user_id)
{
	static uint8_t n;
	const uint8_t hash[STORE_HASH_SIZE] = { ++n };

	*to = (struct token_answer){ .done = false };
	store_add_token(of, user_id, (struct text){ "x", 1 }, hash, 100, on_token, to);
}

static void on_password(void *arg, enum error error)
{
	*(struct token_answer *)arg = (struct token_answer){ .done = true, .error = error };
}

/* Begins to set the password "new" by a token, if the one that was verified is still stored. */
static void password_begin(
	struct store *of, struct token_answer *to, const char *old, int64_t token_id)
{
	*to = (struct token_answer){ .done = false };
	store_set_password(of,
		&(const struct password_change){ alice, token_id, { old, 1 }, { "new", 3 } },
		on_password, to);
}

static int64_t token_of_alice(void)
{
	struct token_answer t;

	token_begin(s, &t, alice);
	fixture_until(&t.done);
	ck_assert_int_eq(t.error, ERROR_NONE);
	return pg_number("select max(token_id) from tokens where user_id = %lld", (long long)alice);
}

/* The password has changed since it was verified. */
START_TEST(a_log_in_that_meets_a_change_of_the_password_gets_no_token)
{
	struct token_answer late, set;
	int64_t ended = token_of_alice(), kept = token_of_alice();
	PGconn *holder;

	holder = pg_hold("select * from tokens where token_id = %lld for update", (long long)ended);
	password_begin(s, &set, "x", kept);
	until_waiting(1, NULL);
	token_begin(other, &late, alice);
	until_waiting(2, &late.done);
	pg_release(holder);
	fixture_until(&set.done);
	fixture_until(&late.done);
	ck_assert_int_eq(set.error, ERROR_NONE);
	ck_assert_int_eq(late.error, ERROR_no_such_user);
	ck_assert_int_eq(
		pg_number("select count(*) from tokens where user_id = %lld", (long long)alice), 1);
}
END_TEST

/* Both were authorized and had the old password verified before. */
START_TEST(of_two_changes_of_the_password_by_two_tokens_only_the_first_is_in_force)
{
	struct token_answer first, second;
	int64_t one = token_of_alice(), two = token_of_alice();
	PGconn *holder =
		pg_hold("select * from tokens where token_id = %lld for update", (long long)two);

	password_begin(s, &first, "x", one);
	until_waiting(1, NULL);
	password_begin(other, &second, "x", two);
	until_waiting(2, &second.done);
	pg_release(holder);
	fixture_until(&first.done);
	fixture_until(&second.done);
	ck_assert_int_eq(first.error, ERROR_NONE);
	ck_assert_int_eq(second.error, ERROR_bad_token);
	/* By the same token: the old password is not the stored one. */
	password_begin(s, &second, "x", one);
	fixture_until(&second.done);
	ck_assert_int_eq(second.error, ERROR_wrong_password);
}
END_TEST

static void on_erased(void *arg, enum error error)
{
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

static void on_deleted(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	store_erase_user(s, bob, on_erased, arg);
}

/* Begins the deletion of Bob, which waits before its commit. */
static PGconn *bob_is_being_deleted(bool *done)
{
	struct token_answer token;
	PGconn *holder;

	*done = false;
	token_begin(s, &token, bob);
	fixture_until(&token.done);
	holder = pg_hold("select * from tokens where user_id = %lld for update", (long long)bob);
	store_delete_user(s, bob, on_deleted, done);
	until_waiting(1, NULL);
	return holder;
}

START_TEST(no_chat_opens_with_a_user_who_is_being_deleted)
{
	bool deleted;
	PGconn *holder = bob_is_being_deleted(&deleted);
	struct fixture_change sent;

	fixture_post_begin(other, &sent, alice, bob, "hello", NULL);
	until_waiting(2, &sent.done);
	pg_release(holder);
	fixture_until(&deleted);
	fixture_until(&sent.done);
	ck_assert_int_eq(sent.error, ERROR_no_such_chat);
	ck_assert_int_eq(
		pg_number("select count(*) from members where user_id = %lld", (long long)bob), 0);
}
END_TEST

START_TEST(a_user_who_is_being_deleted_is_not_added_to_a_group)
{
	int64_t g = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;
	bool deleted;
	PGconn *holder = bob_is_being_deleted(&deleted);
	struct fixture_change added;

	fixture_change_begin(other, &added, STORE_ADD, alice, g, bob, NULL);
	until_waiting(2, &added.done);
	pg_release(holder);
	fixture_until(&deleted);
	fixture_until(&added.done);
	ck_assert_int_eq(added.error, ERROR_no_such_user);
	ck_assert_int_eq(
		pg_number("select count(*) from members where user_id = %lld", (long long)bob), 0);
}
END_TEST

struct tally {
	unsigned n, n_refused;
};

static void on_tally(void *arg, enum error error, const struct change *c)
{
	struct tally *t = arg;

	(void)c;
	t->n++;
	t->n_refused += error == ERROR_unavailable;
}

START_TEST(sends_beyond_the_limit_of_the_queue_are_rejected)
{
	enum { MANY = 20000 };
	int64_t conv = fixture_post(s, alice, bob, "first", NULL).c.conv.id;
	PGconn *holder = hold_conversation(conv);
	const struct send p = { .sender = alice, .receiver = bob, .content = { "text", 4 } };
	struct tally t = { 0, 0 };

	for (int i = 0; i < MANY; i++)
		store_send(s, &p, on_tally, &t);
	fixture_for(50);
	ck_assert_uint_eq(t.n, t.n_refused);
	ck_assert_uint_gt(t.n, 0);
	ck_assert_uint_lt(t.n, MANY / 2);
	store_close(s);
	ck_assert_uint_eq(t.n, MANY); /* each has ended */
	pg_release(holder);
	s = fixture_store(0, NULL, NULL);
}
END_TEST

START_TEST(a_send_with_an_unknown_outcome_is_rejected_after_10_s)
{
	int64_t conv = fixture_post(s, alice, bob, "first", NULL).c.conv.id, began;
	PGconn *holder = hold_conversation(conv);
	struct fixture_change sent;

	fixture_post_begin(s, &sent, alice, bob, "named", "n");
	until_waiting(1, NULL);
	pg_crash();
	PQfinish(holder);
	began = clock_mono_ms();
	fixture_until(&sent.done);
	ck_assert_int_eq(sent.error, ERROR_unavailable);
	ck_assert_int_ge(clock_mono_ms() - began, 9000);
	pg_restart();
	while (!store_ready(s) || !store_ready(other))
		fixture_for(10);
	sent = fixture_post(s, alice, bob, "named", "n");
	ck_assert_int_eq(sent.c.message.seq, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("races");
	TCase *tc = tcase_create("races");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_edit_that_waited_for_a_deletion_does_not_undo_it);
	tcase_add_test(tc, two_joins_at_once_use_an_invite_of_one_use_once);
	tcase_add_test(tc, batches_to_two_chats_in_opposite_orders_do_not_deadlock);
	tcase_add_test(tc, a_send_that_waited_for_its_senders_removal_is_rejected);
	tcase_add_test(tc, one_client_id_sent_to_two_chats_at_once_is_stored_once);
	tcase_add_test(tc, a_send_that_cannot_be_stored_delays_no_other_and_takes_no_number);
	tcase_add_test(tc, a_new_worker_loads_nothing_while_a_dead_one_may_commit);
	tcase_add_test(tc, the_fence_waits_for_the_newest_worker_if_it_is_dead);
	tcase_add_test(tc, a_log_in_that_meets_a_change_of_the_password_gets_no_token);
	tcase_add_test(tc, of_two_changes_of_the_password_by_two_tokens_only_the_first_is_in_force);
	tcase_add_test(tc, no_chat_opens_with_a_user_who_is_being_deleted);
	tcase_add_test(tc, a_user_who_is_being_deleted_is_not_added_to_a_group);
	tcase_add_test(tc, sends_beyond_the_limit_of_the_queue_are_rejected);
	tcase_add_test(tc, a_send_with_an_unknown_outcome_is_rejected_after_10_s);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run_in_one_process(suite());
}
