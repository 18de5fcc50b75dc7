/*
 * The store on a real PostgreSQL: each send once and in order, whatever breaks on the way; changes,
 * watermarks, people.
 */
#include "store/store.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/stats.h"
#include "tests/unit/pg.h"
#include "tests/unit/rig.h"

static struct store *s;
static int64_t alice, bob, carol;
static unsigned readies, aways;
static struct {
	unsigned n;
	int64_t user_id, seq;
	uint64_t origin;
} moved;

static void on_state(void *arg, bool ready, bool after_loss)
{
	(void)arg;
	*(ready ? &readies : &aways) += 1;
	if (ready && after_loss)
		ck_assert_uint_gt(aways, 0);
}

static void on_read(
	void *arg, const struct conv *conv, int64_t user_id, int64_t seq, uint64_t origin)
{
	(void)arg;
	ck_assert_int_gt(conv->id, 0);
	moved.n++;
	moved.user_id = user_id;
	moved.seq = seq;
	moved.origin = origin;
}

static const struct store_events events = { on_state, on_read };

/* Usernames are never given out twice: each test has its own people. */
static int64_t person(const char *name)
{
	static unsigned n;
	char username[40];

	snprintf(username, sizeof(username), "%s%u", name, ++n);
	return rig_user(s, username);
}

static void setup(void)
{
	readies = aways = moved.n = 0;
	rig_make(pg_conninfo());
	s = rig_store(0, &events, NULL);
	alice = person("alice");
	bob = person("bob");
	carol = person("carol");
}

static void teardown(void)
{
	store_close(s);
	rig_drop();
}

/* A group of all three, owned by Alice. */
static int64_t group(void)
{
	int64_t id = rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;

	ck_assert_int_gt(id, 0);
	ck_assert_int_eq(rig_change(s, STORE_ADD, alice, id, bob, NULL).error, ERROR_NONE);
	ck_assert_int_eq(rig_change(s, STORE_ADD, bob, id, carol, NULL).error, ERROR_NONE);
	return id;
}

static void ck_gapless(int64_t conv_id)
{
	ck_assert_int_eq(pg_number("select count(*) from (select seq, row_number() over (order by "
				   "seq) n from messages "
				   "where conv_id = %lld) x where seq <> n",
				 (long long)conv_id),
		0);
	ck_assert_int_eq(pg_number("select last_seq - (select coalesce(max(seq), 0) from messages "
				   "m where m.conv_id = c.conv_id) "
				   "+ last_mod - (select coalesce(max(mod), 0) from messages m "
				   "where m.conv_id = c.conv_id) "
				   "from conversations c where conv_id = %lld",
				 (long long)conv_id),
		0);
}

START_TEST(a_first_message_opens_a_chat_and_seq_counts_from_1_for_both)
{
	struct rig_change a = rig_post(s, alice, bob, "hello", "c1"),
			  b = rig_post(s, bob, alice, "hi", "c1");

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
	struct rig_change a = rig_post(s, alice, alice, "note", "c1");

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

	ck_assert_str_eq(rig_post(s, alice, bob, odd, "c1").content, odd);
	ck_assert_str_eq(rig_post(s, alice, bob, "other", "c1").content, odd);
}
END_TEST

START_TEST(a_repeat_is_stored_once_and_answered_the_same_whatever_else_it_says)
{
	struct rig_change first = rig_post(s, alice, bob, "one", "c1"),
			  again = rig_post(s, alice, carol, "two", "c1");

	ck_assert_int_eq(again.error, ERROR_NONE);
	ck_assert(again.c.duplicate);
	ck_assert_int_eq(again.c.message.message_id, first.c.message.message_id);
	ck_assert_int_eq(again.c.message.seq, first.c.message.seq);
	ck_assert_int_eq(again.c.message.sent_ms, first.c.message.sent_ms);
	ck_assert_int_eq(again.c.conv.id, first.c.conv.id);
	ck_assert_str_eq(again.content, "one");
	/* The same name used by another sender is another send. */
	ck_assert(!rig_post(s, bob, alice, "three", "c1").c.duplicate);
	ck_assert_int_eq(pg_number("select count(*) from messages where conv_id = %lld",
				 (long long)first.c.conv.id),
		2);
}
END_TEST

START_TEST(a_repeat_after_an_edit_says_the_content_and_mod_of_now)
{
	struct rig_change first = rig_post(s, alice, bob, "one", "c1"), again;

	rig_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "edited");
	again = rig_post(s, alice, bob, "one", "c1");
	ck_assert(again.c.duplicate);
	ck_assert_str_eq(again.content, "edited");
	ck_assert_int_eq(again.c.message.seq, 1);
	ck_assert_int_eq(again.c.message.mod, 2);
}
END_TEST

START_TEST(a_batch_with_repeats_and_refusals_stores_the_others)
{
	enum { N = 300 };
	static struct rig_change a[N];
	int64_t conv = rig_post(s, alice, bob, "first", "first").c.conv.id;
	char id[16];

	/* The first goes alone, the others gather behind it. Every third repeats the one before,
	 * some go nowhere. */
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "b%d", i % 3 == 2 ? i - 1 : i);
		rig_post_begin(s, &a[i], alice,
			i % 10 == 9 && i % 3 == 0 ? INT64_C(900000000) : bob, "text", id);
	}
	for (int i = 0; i < N; i++) {
		rig_until(&a[i].done);
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
	/* What came first is before what came later. */
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

START_TEST(nobody_sends_to_whom_there_is_not_or_where_they_are_no_member)
{
	int64_t id = rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "mine").c.conv.id;
	struct rig_change direct = rig_post(s, alice, bob, "hello", "c1");

	ck_assert_int_eq(
		rig_post(s, alice, INT64_C(900000000), "x", "c2").error, ERROR_no_such_chat);
	ck_assert_int_eq(rig_post(s, bob, id, "x", "c3").error, ERROR_no_such_chat);
	/* The id of a direct conversation is nobody's address. */
	ck_assert_int_eq(rig_post(s, alice, direct.c.conv.id, "x", "c4").error, ERROR_no_such_chat);
	ck_assert_int_eq(rig_post(s, alice, id, "x", "c5").error, ERROR_NONE);
	/* A refused name is not taken. */
	ck_assert(!rig_post(s, alice, id, "y", "c2").c.duplicate);
	ck_gapless(id);
}
END_TEST

/* Sends of several "workers" to the same conversations, each batch in a random order. */
START_TEST(batches_of_several_connections_in_random_order_do_not_deadlock)
{
	enum { STORES = 3, GROUPS = 24, N = 600 };
	static struct rig_change a[STORES][N];
	struct store *stores[STORES] = { s, rig_store(1, NULL, NULL), rig_store(2, NULL, NULL) };
	int64_t groups[GROUPS], deadlocks, began = clock_mono_ms();
	char id[32];

	srandom(7);
	for (int g = 0; g < GROUPS; g++) {
		groups[g] = rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "busy").c.conv.id;
		rig_change(s, STORE_ADD, alice, groups[g], bob, NULL);
		rig_change(s, STORE_ADD, alice, groups[g], carol, NULL);
	}
	deadlocks = pg_number("select deadlocks from pg_stat_database where datname = 'parley'");
	for (int i = 0; i < N; i++)
		for (int k = 0; k < STORES; k++) {
			const struct conv c = { groups[random() % GROUPS], 0, 0, CONV_GROUP };

			snprintf(id, sizeof(id), "d%d-%d", k, i);
			rig_post_begin(stores[k], &a[k][i],
				k == 0           ? alice
					: k == 1 ? bob
						 : carol,
				groups[random() % GROUPS], "text", id);
			store_mark_read(
				stores[k], &c, random() % 2 ? alice : bob, 1 + random() % 1000, 1);
		}
	for (int i = 0; i < N; i++)
		for (int k = 0; k < STORES; k++) {
			rig_until(&a[k][i].done);
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
	struct store *other = rig_store(1, NULL, NULL);
	struct rig_change a[40], b[40];
	int64_t people[20];
	char name[16];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "p%d.", i);
		people[i] = person(name);
	}
	for (int i = 0; i < 20; i++) {
		rig_post_begin(s, &a[i], alice, people[i], "x", NULL);
		rig_post_begin(other, &b[i], people[19 - i], alice, "y", NULL);
	}
	for (int i = 0; i < 20; i++) {
		rig_until(&a[i].done);
		rig_until(&b[i].done);
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

/* D1: the backend is ended while a batch waits for a lock: nobody knows its fate, it is asked
 * again. */
START_TEST(a_send_in_flight_when_its_connection_is_lost_is_asked_again_and_stored_once)
{
	int64_t conv = rig_post(s, alice, bob, "first", "f").c.conv.id;
	struct rig_change named, nameless, late;
	PGconn *holder = PQconnectdb(pg_conninfo());

	PQclear(PQexec(holder, "begin"));
	PQclear(PQexec(holder, "select * from conversations for update"));
	rig_post_begin(s, &named, alice, bob, "named", "n");
	rig_post_begin(s, &nameless, alice, bob, "nameless", NULL);
	rig_for(100);
	ck_assert(!named.done && !nameless.done);
	ck_assert_int_eq(pg_number("select count(pg_terminate_backend(pid)) from pg_stat_activity "
				   "where application_name = 'parleyd worker=0 write'"),
		1);
	PQclear(PQexec(holder, "rollback"));
	PQfinish(holder);
	rig_until(&named.done);
	ck_assert_int_eq(named.error, ERROR_NONE);
	ck_assert_str_eq(named.content, "named");
	/* It was not yet in flight: it is refused, not lost. */
	rig_until(&nameless.done);
	ck_assert_int_eq(nameless.error, ERROR_unavailable);
	ck_assert_uint_eq(aways, 1);
	late = rig_post(s, alice, bob, "late", "l");
	ck_assert_int_eq(late.c.message.seq, 3);
	ck_assert_uint_eq(readies, 2);
	ck_gapless(conv);
}
END_TEST

START_TEST(a_send_without_a_name_is_never_asked_twice)
{
	int64_t conv = rig_post(s, alice, bob, "first", "f").c.conv.id;
	struct rig_change nameless;
	PGconn *holder = PQconnectdb(pg_conninfo());

	PQclear(PQexec(holder, "begin"));
	PQclear(PQexec(holder, "select * from conversations for update"));
	rig_post_begin(s, &nameless, alice, bob, "nameless", NULL);
	rig_for(100);
	pg_number("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
		  "application_name = 'parleyd worker=0 write'");
	PQclear(PQexec(holder, "rollback"));
	PQfinish(holder);
	rig_until(&nameless.done);
	ck_assert_int_eq(nameless.error, ERROR_unavailable);
	rig_until_n(&readies, 2);
	ck_assert_int_eq(rig_post(s, alice, bob, "late", "l").error, ERROR_NONE);
	ck_assert_int_eq(
		pg_number("select count(*) from messages where conv_id = %lld", (long long)conv),
		2);
}
END_TEST

START_TEST(while_the_database_is_away_all_is_refused_and_on_its_return_it_goes_on)
{
	struct rig_change a;
	int64_t conv = rig_post(s, alice, bob, "first", "f").c.conv.id;

	pg_crash();
	rig_until_n(&aways, 1);
	ck_assert(!store_ready(s));
	a = rig_post(s, alice, bob, "refused", "r");
	ck_assert_int_eq(a.error, ERROR_unavailable);
	ck_assert_int_eq(rig_change(s, STORE_EDIT, alice, 1, 0, "x").error, ERROR_unavailable);
	pg_restart();
	rig_until_n(&readies, 2);
	a = rig_post(s, alice, bob, "kept", "r");
	ck_assert_int_eq(a.error, ERROR_NONE);
	ck_assert(!a.c.duplicate);
	ck_assert_int_eq(a.c.message.seq, 2);
	ck_gapless(conv);
}
END_TEST

START_TEST(closing_answers_everybody)
{
	struct rig_change a, b, c = { .done = false };

	rig_post_begin(s, &a, alice, bob, "in flight", "1");
	rig_post_begin(s, &b, alice, bob, "waits", "2");
	store_change(s, STORE_CREATE_GROUP, alice, 0, 0, (struct text){ "g", 1 }, rig_changed, &c);
	store_close(s);
	ck_assert(a.done && b.done && c.done);
	ck_assert_int_eq(a.error, ERROR_unavailable);
	ck_assert_int_eq(b.error, ERROR_unavailable);
	s = rig_store(0, &events, NULL);
	ck_assert_int_eq(rig_post(s, alice, bob, "in flight", "1").error, ERROR_NONE);
}
END_TEST

START_TEST(only_the_sender_edits_only_text_and_only_while_it_is_there)
{
	int64_t g = group();
	struct rig_change m = rig_post(s, alice, g, "one", "c1"), e;
	int64_t id = m.c.message.message_id, join;

	ck_assert_int_eq(rig_change(s, STORE_EDIT, bob, id, 0, "x").error, ERROR_not_sender);
	ck_assert_int_eq(
		rig_change(s, STORE_EDIT, person("dave"), id, 0, "x").error, ERROR_no_such_message);
	ck_assert_int_eq(rig_change(s, STORE_EDIT, alice, INT64_C(900000000), 0, "x").error,
		ERROR_no_such_message);
	join = pg_number(
		"select message_id from messages where conv_id = %lld and seq = 1", (long long)g);
	ck_assert_int_eq(rig_change(s, STORE_EDIT, alice, join, 0, "x").error, ERROR_not_text);
	ck_assert_int_eq(rig_change(s, STORE_DELETE, alice, join, 0, NULL).error, ERROR_not_text);
	e = rig_change(s, STORE_EDIT, alice, id, 0, "two");
	ck_assert_int_eq(e.error, ERROR_NONE);
	ck_assert_str_eq(e.content, "two");
	ck_assert_int_eq(e.c.message.seq, m.c.message.seq);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 1);
	ck_assert_int_gt(e.c.message.edited_ms, 0);
	e = rig_change(s, STORE_DELETE, alice, id, 0, NULL);
	ck_assert_int_eq(e.error, ERROR_NONE);
	ck_assert(e.c.message.deleted && !e.c.duplicate && e.content == NULL);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 2);
	e = rig_change(s, STORE_DELETE, alice, id, 0, NULL);
	ck_assert(e.error == ERROR_NONE && e.c.duplicate);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 2);
	ck_assert_int_eq(rig_change(s, STORE_EDIT, alice, id, 0, "x").error, ERROR_no_such_message);
	ck_gapless(g);
}
END_TEST

START_TEST(groups_are_ruled_as_the_contract_says)
{
	int64_t g = rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;
	struct rig_change c;

	ck_assert_int_eq(rig_change(s, STORE_ADD, bob, g, carol, NULL).error, ERROR_no_such_group);
	ck_assert_int_eq(rig_change(s, STORE_ADD, alice, g, INT64_C(900000000), NULL).error,
		ERROR_no_such_user);
	c = rig_change(s, STORE_ADD, alice, g, bob, NULL);
	ck_assert_int_eq(c.c.message.kind, MESSAGE_JOIN);
	ck_assert_int_eq(c.c.message.target_id, bob);
	ck_assert_int_eq(c.c.message.seq, 2);
	c = rig_change(s, STORE_ADD, alice, g, bob, NULL);
	ck_assert(c.error == ERROR_NONE && c.c.duplicate);
	ck_assert_int_eq(rig_change(s, STORE_RENAME, bob, g, 0, "bobs").error, ERROR_not_owner);
	ck_assert_int_eq(
		rig_change(s, STORE_RENAME, carol, g, 0, "carols").error, ERROR_no_such_group);
	c = rig_change(s, STORE_RENAME, alice, g, 0, "renamed");
	ck_assert_int_eq(c.c.message.kind, MESSAGE_RENAME);
	ck_assert_str_eq(c.content, "renamed");
	ck_assert_int_eq(rig_change(s, STORE_REMOVE, bob, g, alice, NULL).error, ERROR_not_owner);
	ck_assert_int_eq(
		rig_change(s, STORE_REMOVE, alice, g, carol, NULL).error, ERROR_no_such_member);
	/* The owner goes: the longest-standing member owns it then. */
	rig_change(s, STORE_ADD, bob, g, carol, NULL);
	c = rig_change(s, STORE_REMOVE, alice, g, alice, NULL);
	ck_assert_int_eq(c.c.message.kind, MESSAGE_LEAVE);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		bob);
	ck_assert_int_eq(rig_change(s, STORE_REMOVE, bob, g, carol, NULL).error, ERROR_NONE);
	ck_gapless(g);
	/* The last one goes, and the group with them. */
	rig_post(s, bob, g, "secret", "c1");
	c = rig_change(s, STORE_REMOVE, bob, g, bob, NULL);
	ck_assert_int_eq(c.error, ERROR_NONE);
	ck_assert_int_eq(c.c.message.mod, 0);
	ck_assert_int_eq(c.c.message.target_id, bob);
	ck_assert_int_eq(rig_post(s, bob, g, "x", "c2").error, ERROR_no_such_chat);
	ck_assert_int_eq(
		pg_number(
			"select count(*) from messages where conv_id = %lld and content = 'secret'",
			(long long)g),
		0);
	/* The name of a send stays taken. */
	ck_assert(rig_post(s, bob, alice, "secret", "c1").c.duplicate);
}
END_TEST

struct heads {
	bool done;
	enum error error;
	size_t n;
	struct head at[16];
};

static void on_erased(void *arg, enum error error, const store_rows *rows)
{
	struct heads *h = arg;

	h->done = true;
	h->error = error;
	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++)
		store_head_at(rows, i, &h->at[h->n++]);
}

static void on_loaded(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct heads *h = arg;

	h->done = true;
	h->error = error;
	ck_assert_uint_le(n, 16);
	h->n = n;
	if (n > 0)
		memcpy(h->at, heads, n * sizeof(*heads));
}

static struct heads load(int64_t user_id)
{
	struct heads h = { .done = false };

	store_load(s, user_id, on_loaded, &h);
	rig_until(&h.done);
	ck_assert_int_eq(h.error, ERROR_NONE);
	return h;
}

START_TEST(a_deleted_person_is_erased_and_the_others_keep_a_gapless_chat)
{
	int64_t g = group(), direct = rig_post(s, alice, bob, "direct", "d1").c.conv.id;
	struct heads h = { .done = false };
	int64_t from;

	rig_post(s, alice, g, "to erase", "a1");
	rig_post(s, bob, g, "b", "b1");
	rig_post(s, alice, alice, "to nobody", "n1");
	from = pg_number("select last_mod from conversations where conv_id = %lld", (long long)g);
	store_delete_user(s, alice, on_erased, &h);
	rig_until(&h.done);
	ck_assert_int_eq(h.error, ERROR_NONE);
	/* The notes to herself are nobody's any more. */
	ck_assert_uint_eq(h.n, 2);
	for (size_t i = 0; i < h.n; i++) {
		bool is_group = h.at[i].conv.id == g;

		ck_assert(is_group || h.at[i].conv.id == direct);
		/* In the group: her joins of herself and Bob, and her text; then her leave. Carol
		 * was added by Bob. */
		if (is_group)
			ck_assert_int_eq(h.at[i].mod, from + 3 + 1);
		if (is_group)
			ck_assert_int_eq(h.at[i].read_seq, from);
		ck_gapless(h.at[i].conv.id);
	}
	ck_assert_int_eq(pg_number("select count(*) from messages where sender_id = %lld or "
				   "content in ('to erase', 'direct', 'to nobody')",
				 (long long)alice),
		0);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		bob);
	ck_assert_int_eq(rig_post(s, bob, alice, "still there?", "b2").error, ERROR_no_such_chat);
	ck_assert_int_eq(rig_post(s, alice, bob, "no", "z").error, ERROR_no_such_chat);
	ck_assert_int_eq(rig_change(s, STORE_ADD, bob, g, alice, NULL).error, ERROR_no_such_user);
	ck_assert_int_eq(
		rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "ghosts").error, ERROR_no_such_user);
	ck_assert_uint_eq(load(alice).n, 0);
	ck_assert_uint_eq(load(bob).n, 2);
	/* Once is enough. */
	h = (struct heads){ .done = false };
	store_delete_user(s, alice, on_erased, &h);
	rig_until(&h.done);
	ck_assert(h.error == ERROR_NONE && h.n == 0);
}
END_TEST

START_TEST(loads_of_many_users_come_back_to_each_their_own)
{
	enum { N = 200 };
	static struct heads h[N];
	int64_t g = group();

	for (int i = 0; i < N; i++)
		store_load(s,
			i % 3 == 0           ? alice
				: i % 3 == 1 ? carol
					     : INT64_C(900000000),
			on_loaded, &h[i]);
	for (int i = 0; i < N; i++) {
		rig_until(&h[i].done);
		ck_assert_int_eq(h[i].error, ERROR_NONE);
		ck_assert_uint_eq(h[i].n, i % 3 == 2 ? 0 : 1);
		if (i % 3 != 2) {
			ck_assert_int_eq(h[i].at[0].conv.id, g);
			ck_assert_int_eq(h[i].at[0].user_id, i % 3 == 0 ? alice : carol);
			ck_assert_int_eq(h[i].at[0].mod, 3);
			ck_assert_int_eq(h[i].at[0].seq, 3);
		}
	}
}
END_TEST

START_TEST(watermarks_move_forward_and_never_past_the_end)
{
	struct rig_change m = rig_post(s, alice, bob, "1", "1");

	rig_post(s, alice, bob, "2", "2");
	store_mark_read(s, &m.c.conv, bob, 1000, 77);
	rig_until_n(&moved.n, 1);
	ck_assert_int_eq(moved.user_id, bob);
	ck_assert_int_eq(moved.seq, 2);
	ck_assert_uint_eq(moved.origin, 77);
	store_mark_read(s, &m.c.conv, bob, 1, 77);
	store_mark_read(s, &m.c.conv, carol, 2, 77); /* no member */
	rig_for(100);
	ck_assert_uint_eq(moved.n, 1);
	/* Sending moves one's own. */
	ck_assert_int_eq(
		pg_number("select read_seq from members where conv_id = %lld and user_id = %lld",
			(long long)m.c.conv.id, (long long)alice),
		2);
}
END_TEST

START_TEST(of_two_sockets_that_read_at_once_both_are_told)
{
	struct rig_change m = rig_post(s, alice, bob, "1", "1"), blocker;

	rig_post(s, alice, bob, "2", "2");
	/* What is asked while another is in flight goes as one batch. */
	store_mark_read(s, &m.c.conv, carol, 1, 1);
	store_mark_read(s, &m.c.conv, bob, 1, 5);
	store_mark_read(s, &m.c.conv, bob, 2, 6);
	rig_until_n(&moved.n, 1);
	rig_post_begin(s, &blocker, alice, bob, "3", "3");
	rig_until(&blocker.done);
	ck_assert_uint_eq(moved.n, 1);
	ck_assert_int_eq(moved.seq, 2);
	ck_assert_uint_eq(moved.origin, 0);
}
END_TEST

struct marks {
	bool done;
	int64_t n_messages;
	int n, n_moved;
};

static void on_marked(void *arg, enum error error, const store_rows *rows)
{
	struct marks *m = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	for (int i = 0; i < store_n(rows); i++) {
		struct read_mark mark;

		store_read_at(rows, i, &mark);
		m->n_messages += mark.n_messages;
		m->n_moved += mark.moved;
		m->n++;
	}
	m->done = true;
}

START_TEST(reading_by_message_ids_counts_those_in_ones_chats_only)
{
	int64_t g = group();
	int64_t ids[5] = { rig_post(s, alice, bob, "1", "1").c.message.message_id,
		rig_post(s, alice, bob, "2", "2").c.message.message_id,
		rig_post(s, alice, g, "3", "3").c.message.message_id,
		rig_post(s, alice, carol, "4", "4").c.message.message_id, INT64_C(900000000) };
	struct marks m = { .done = false };

	store_mark_messages_read(s, bob, ids, 5, on_marked, &m);
	rig_until(&m.done);
	ck_assert_int_eq(m.n_messages, 3);
	ck_assert_int_eq(m.n, 2);
	ck_assert_int_eq(m.n_moved, 2);
	m = (struct marks){ .done = false };
	store_mark_messages_read(s, bob, ids, 5, on_marked, &m);
	rig_until(&m.done);
	ck_assert_int_eq(m.n_messages, 3);
	ck_assert_int_eq(m.n_moved, 0);
}
END_TEST

struct page {
	bool done;
	int n;
	struct message at[210];
};

static void on_page(void *arg, enum error error, const store_rows *rows)
{
	struct page *p = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	p->n = store_n(rows);
	ck_assert_int_le(p->n, 210);
	for (int i = 0; i < p->n; i++)
		store_message_at(rows, i, &p->at[i]);
	p->done = true;
}

START_TEST(changes_come_in_the_order_of_mod_and_collapse_repeated_edits)
{
	struct page p = { .done = false };
	struct rig_change first = rig_post(s, alice, bob, "1", "1");
	int64_t conv = first.c.conv.id;

	for (int i = 2; i <= 60; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		rig_post(s, alice, bob, id, id);
	}
	rig_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "x");
	rig_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "y");
	store_changes(s, 0, conv, 58, 200, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 3);
	ck_assert_int_eq(p.at[0].mod, 59);
	ck_assert_int_eq(p.at[2].mod, 62);
	ck_assert_int_eq(p.at[2].seq, 1);
	/* limit + 1, so that one sees whether there is more. */
	p.done = false;
	store_changes(s, 0, conv, 0, 10, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 11);
	ck_assert_int_eq(p.at[0].mod, 2);
	/* A chat that is not named: its last 50. */
	p.done = false;
	store_changes(s, 0, conv, -1, 200, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 50);
	ck_assert_int_eq(p.at[0].seq, 11);
	p.done = false;
	store_history(s, 0, conv, 0, -1, 5, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 6);
	ck_assert_int_eq(p.at[0].seq, 60);
	p.done = false;
	store_history(s, 0, conv, 0, 57, 5, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 3);
	ck_assert_int_eq(p.at[0].seq, 58);
	p.done = false;
	store_history(s, 0, conv, 3, -1, 5, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 2);
	ck_assert_int_eq(p.at[0].seq, 2);
}
END_TEST

START_TEST(one_who_is_not_a_member_is_given_no_row)
{
	struct page p = { .done = false };
	int64_t conv = rig_post(s, alice, bob, "1", "1").c.conv.id;

	store_changes(s, alice, conv, 0, 10, on_page, &p);
	rig_until(&p.done);
	ck_assert_int_eq(p.n, 1);
	for (int after = -1; after <= 0; after++) {
		p.done = false;
		store_changes(s, carol, conv, after, 10, on_page, &p);
		rig_until(&p.done);
		ck_assert_int_eq(p.n, 0);
		p.done = false;
		store_history(s, carol, conv, 0, after, 10, on_page, &p);
		rig_until(&p.done);
		ck_assert_int_eq(p.n, 0);
	}
}
END_TEST

struct rows {
	bool done;
	enum error error;
	int n;
	int64_t first;
};

static void on_rows(void *arg, enum error error, const store_rows *rows)
{
	struct rows *r = arg;

	r->done = true;
	r->error = error;
	r->n = error == ERROR_NONE ? store_n(rows) : 0;
	r->first = r->n > 0 ? store_id_at(rows, 0) : 0;
}

static struct rows search(const char *q)
{
	struct rows r = { .done = false };

	store_search(s, alice, (struct text){ q, strlen(q) }, 50, on_rows, &r);
	rig_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	return r;
}

START_TEST(search_finds_by_the_beginning_of_each_word_and_takes_wildcards_literally)
{
	carol = rig_user(s, "zoe_");
	pg_number(
		"update users set full_name = 'Zoë Łukasiewicz-O''Hara 100%%' where user_id = %lld",
		(long long)carol);
	ck_assert_int_eq(search("zoe_").first, carol);
	ck_assert_int_eq(search("ZOË").first, carol);
	ck_assert_int_eq(search("łukas zoë").first, carol);
	ck_assert_int_eq(search("100%").first, carol);
	ck_assert_int_eq(search("łukas nobody").n, 0);
	ck_assert_int_eq(search("ukas").n, 0);
	ck_assert_int_eq(search("%").n, 0);
	ck_assert_int_eq(search("zo__").n, 0);
	ck_assert_int_eq(search("zoë\\").n, 0);
	ck_assert_int_eq(search(" ").n, 0);
	pg_number("update users set full_name = 'Quentin' where user_id = %lld", (long long)alice);
	ck_assert_int_eq(search("quentin").n, 0); /* not oneself */
}
END_TEST

struct unread {
	bool done;
	int n;
	int64_t unread;
};

static void on_views(void *arg, enum error error, const store_rows *rows)
{
	struct unread *u = arg;
	struct chat c;

	ck_assert_int_eq(error, ERROR_NONE);
	u->n = store_n(rows);
	if (u->n > 0) {
		store_chat_at(rows, 0, &c);
		u->unread = c.unread;
	}
	u->done = true;
}

static int64_t unread(int64_t conv_id, int64_t viewer)
{
	struct unread u = { .done = false };

	store_chat_views(s, conv_id, &viewer, 1, on_views, &u);
	rig_until(&u.done);
	ck_assert_int_eq(u.n, 1);
	return u.unread;
}

START_TEST(unread_counts_the_texts_of_others_after_the_watermark)
{
	int64_t g = group();
	struct rig_change m[4];
	struct conv c = { g, 0, 0, CONV_GROUP };

	ck_assert_int_eq(unread(g, bob), 0); /* joins are no texts */
	for (int i = 0; i < 4; i++)
		m[i] = rig_post(s, alice, g, "text", NULL);
	ck_assert_int_eq(unread(g, bob), 4);
	ck_assert_int_eq(unread(g, alice), 0);
	rig_change(s, STORE_DELETE, alice, m[1].c.message.message_id, 0, NULL);
	rig_change(s, STORE_EDIT, alice, m[2].c.message.message_id, 0, "edited");
	rig_change(s, STORE_RENAME, alice, g, 0, "renamed");
	ck_assert_int_eq(unread(g, bob), 3);
	store_mark_read(s, &c, bob, m[0].c.message.seq, 1);
	rig_until_n(&moved.n, 1);
	ck_assert_int_eq(unread(g, bob), 2);
	rig_post(s, bob, g, "answer", NULL);
	ck_assert_int_eq(unread(g, bob), 0);
	ck_assert_int_eq(unread(g, carol), 4);
	/* One who comes later has nothing to catch up with. */
	rig_change(s, STORE_REMOVE, alice, g, carol, NULL);
	rig_change(s, STORE_ADD, alice, g, carol, NULL);
	ck_assert_int_eq(unread(g, carol), 0);
}
END_TEST

START_TEST(unread_and_search_cost_the_same_however_much_there_is)
{
	int64_t conv = rig_post(s, alice, bob, "first", NULL).c.conv.id, began;

	pg_number("insert into messages (conv_id, seq, mod, sender_id, content, sent_at) select "
		  "%lld, n, n, %lld, 'x', now() "
		  "from generate_series(2, 200001) n",
		(long long)conv, (long long)alice);
	pg_number("update conversations set last_seq = 200001, last_mod = 200001 where conv_id = "
		  "%lld",
		(long long)conv);
	pg_number("insert into users (username, full_name) select 'many' || n, 'Many Of' from "
		  "generate_series(1, 5000) n");
	began = clock_mono_ms();
	ck_assert_int_eq(unread(conv, bob), 200001);
	ck_assert_int_eq(search("many of").n, 50);
	ck_assert_int_lt(clock_mono_ms() - began, 1000);
}
END_TEST

struct tokens {
	bool done;
	enum error error;
	struct token t;
};

static void on_token(void *arg, enum error error, const struct token *t)
{
	struct tokens *a = arg;

	a->done = true;
	a->error = error;
	if (t != NULL)
		a->t = *t;
}

static struct text password = { "x", 1 }; /* alice's */

static struct tokens token(uint8_t mark, bool add, int64_t lifetime_s)
{
	struct tokens a = { .done = false };
	uint8_t hash[STORE_HASH_SIZE] = { mark };

	if (add)
		store_add_token(s, alice, password, hash, lifetime_s, on_token, &a);
	else
		store_authenticate(s, hash, on_token, &a);
	rig_until(&a.done);
	return a;
}

START_TEST(a_token_is_good_until_it_expires_or_ends)
{
	struct tokens one = token(1, true, 100), two = token(2, true, 100),
		      three = token(3, true, 1);
	struct rows r = { .done = false };
	int64_t ids[3] = { one.t.token_id, two.t.token_id, three.t.token_id };

	ck_assert_int_eq(token(1, false, 0).t.user_id, alice);
	ck_assert_int_eq(token(1, false, 0).t.token_id, one.t.token_id);
	ck_assert_int_eq(token(9, false, 0).error, ERROR_bad_token);
	store_set_password(s, alice, (struct text){ "new", 3 }, two.t.token_id, on_rows, &r);
	rig_until(&r.done);
	ck_assert(r.error == ERROR_NONE && r.n == 1);
	ck_assert_int_eq(token(1, false, 0).error, ERROR_bad_token);
	ck_assert_int_eq(token(2, false, 0).error, ERROR_NONE);
	ck_assert_int_eq(token(3, true, 100).error, ERROR_no_such_user); /* the old password */
	password = (struct text){ "new", 3 };
	three = token(4, true, 1);
	ck_assert_int_eq(token(4, false, 0).error, ERROR_NONE);
	rig_for(1100);
	ck_assert_int_eq(token(4, false, 0).error, ERROR_bad_token);
	r.done = false;
	store_check_tokens(s, ids, 3, on_rows, &r);
	rig_until(&r.done);
	ck_assert_int_eq(r.n, 2);
	ck_assert(r.first != two.t.token_id);
}
END_TEST

/* The dead: a session that holds the lock of an incarnation of this boot that is no longer alive.
 * */
static int32_t lock_class(void)
{
	return (int32_t)pg_number("select classid::bigint from pg_locks where locktype = "
				  "'advisory' and objsubid = 2 and granted "
				  "order by objid::bigint limit 1");
}

START_TEST(the_wait_for_dead_sessions_waits_for_them_and_only_for_them)
{
	struct rows r = { .done = false };
	int64_t object = pg_number("select objid::bigint from pg_locks where locktype = 'advisory' "
				   "and objsubid = 2"),
		began;
	PGconn *dead;
	char sql[128];

	/* Nobody is dead. */
	began = clock_mono_ms();
	store_fence_dead_workers(s, on_rows, &r);
	rig_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert_int_lt(clock_mono_ms() - began, 1000);
	/* Incarnation 0 of this boot is nobody's; a younger one than all we know is alive. */
	dead = PQconnectdb(pg_conninfo());
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object + 90));
	PQclear(PQexec(dead, sql));
	r.done = false;
	store_fence_dead_workers(s, on_rows, &r);
	rig_for(300);
	ck_assert_msg(!r.done, "it did not wait");
	snprintf(sql, sizeof(sql), "select pg_advisory_unlock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	rig_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	PQfinish(dead);
}
END_TEST

START_TEST(the_newest_worker_of_all_is_waited_for_when_it_is_dead)
{
	struct rows r = { .done = false };
	struct stats_slot *slot = &rig_heritage(0)->stats->slots[RIG_SLOTS - 1];
	uint32_t incarnation = slot->incarnation;
	int64_t boot = pg_number("select objid::bigint from pg_locks where locktype = 'advisory' "
				 "and objsubid = 2") &
		~0xfffffLL;
	PGconn *dead = PQconnectdb(pg_conninfo());
	char sql[128];

	slot->alive = 0;
	slot->incarnation = 40;
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)boot + 40);
	PQclear(PQexec(dead, sql));
	store_fence_dead_workers(s, on_rows, &r);
	rig_for(300);
	ck_assert_msg(!r.done, "it did not wait");
	PQfinish(dead);
	rig_until(&r.done);
	/* The one that is forked after the question is alive. */
	dead = PQconnectdb(pg_conninfo());
	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)boot + 41);
	PQclear(PQexec(dead, sql));
	r.done = false;
	store_fence_dead_workers(s, on_rows, &r);
	rig_until(&r.done);
	ck_assert_int_eq(PQstatus(dead), CONNECTION_OK);
	PQfinish(dead);
	slot->alive = 1;
	slot->incarnation = incarnation;
}
END_TEST

START_TEST(a_dead_session_that_does_not_go_is_ended)
{
	struct rows r = { .done = false };
	int64_t object = pg_number(
		"select objid::bigint from pg_locks where locktype = 'advisory' and objsubid = 2");
	int64_t began = clock_mono_ms();
	PGconn *dead = PQconnectdb(pg_conninfo());
	char sql[128];

	snprintf(sql, sizeof(sql), "select pg_advisory_lock(%d, %lld)", (int)lock_class(),
		(long long)(object & ~0xfffffLL));
	PQclear(PQexec(dead, sql));
	store_fence_dead_workers(s, on_rows, &r);
	rig_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert_int_ge(clock_mono_ms() - began, 2900);
	PQclear(PQexec(dead, "select 1"));
	ck_assert_int_eq(PQstatus(dead), CONNECTION_BAD);
	PQfinish(dead);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_first_message_opens_a_chat_and_seq_counts_from_1_for_both);
	tcase_add_test(tc, a_chat_with_oneself_is_allowed);
	tcase_add_test(tc, content_comes_back_byte_for_byte);
	tcase_add_test(tc, a_repeat_is_stored_once_and_answered_the_same_whatever_else_it_says);
	tcase_add_test(tc, a_repeat_after_an_edit_says_the_content_and_mod_of_now);
	tcase_add_test(tc, a_batch_with_repeats_and_refusals_stores_the_others);
	tcase_add_test(tc, nobody_sends_to_whom_there_is_not_or_where_they_are_no_member);
	tcase_add_test(tc, batches_of_several_connections_in_random_order_do_not_deadlock);
	tcase_add_test(tc, both_sides_may_open_their_chat_at_once);
	tcase_add_test(
		tc, a_send_in_flight_when_its_connection_is_lost_is_asked_again_and_stored_once);
	tcase_add_test(tc, a_send_without_a_name_is_never_asked_twice);
	tcase_add_test(tc, while_the_database_is_away_all_is_refused_and_on_its_return_it_goes_on);
	tcase_add_test(tc, closing_answers_everybody);
	tcase_add_test(tc, only_the_sender_edits_only_text_and_only_while_it_is_there);
	tcase_add_test(tc, groups_are_ruled_as_the_contract_says);
	tcase_add_test(tc, a_deleted_person_is_erased_and_the_others_keep_a_gapless_chat);
	tcase_add_test(tc, loads_of_many_users_come_back_to_each_their_own);
	tcase_add_test(tc, watermarks_move_forward_and_never_past_the_end);
	tcase_add_test(tc, of_two_sockets_that_read_at_once_both_are_told);
	tcase_add_test(tc, reading_by_message_ids_counts_those_in_ones_chats_only);
	tcase_add_test(tc, changes_come_in_the_order_of_mod_and_collapse_repeated_edits);
	tcase_add_test(tc, one_who_is_not_a_member_is_given_no_row);
	tcase_add_test(
		tc, search_finds_by_the_beginning_of_each_word_and_takes_wildcards_literally);
	tcase_add_test(tc, unread_counts_the_texts_of_others_after_the_watermark);
	tcase_add_test(tc, unread_and_search_cost_the_same_however_much_there_is);
	tcase_add_test(tc, a_token_is_good_until_it_expires_or_ends);
	tcase_add_test(tc, the_wait_for_dead_sessions_waits_for_them_and_only_for_them);
	tcase_add_test(tc, the_newest_worker_of_all_is_waited_for_when_it_is_dead);
	tcase_add_test(tc, a_dead_session_that_does_not_go_is_ended);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	/* One process: the server it started is its child, also when a test starts it anew. */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
