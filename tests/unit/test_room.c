/*
 * Rooms on a real database: who is pushed what, in which order, whatever the ring does to the
 * records.
 */
#include "realtime/room.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/pg.h"
#include "tests/unit/rig.h"

#define FRAMES_MAX 4096

static struct store *s;
static struct rooms *rs;
static int64_t alice, bob, carol;

/* What was pushed, in order. */
static struct {
	int64_t user_id;
	uint64_t origin;
	enum room_push kind;
	char json[512];
} frames[FRAMES_MAX];
static unsigned n_frames, n_resyncs, n_checks;
static int64_t resynced;

static void on_push(
	void *arg, struct room_user *u, struct frame *f, uint64_t origin, enum room_push kind)
{
	size_t header = (uint8_t)f->bytes[1] < 126 ? 2 : 4;

	ck_assert_ptr_eq(arg, &frames);
	ck_assert_uint_lt(n_frames, FRAMES_MAX);
	frames[n_frames].user_id = u->user_id;
	frames[n_frames].origin = origin;
	frames[n_frames].kind = kind;
	snprintf(frames[n_frames].json, sizeof(frames[0].json), "%.*s", (int)(f->len - header),
		f->bytes + header);
	n_frames++;
}

static void on_resync(void *arg, struct room_user *u)
{
	ck_assert_ptr_eq(arg, &frames);
	resynced = u->user_id;
	n_resyncs++;
}

/* Who else looks into the database has an answer at once. */
static void on_check(void *arg, rooms_done_cb *done, void *done_arg)
{
	ck_assert_ptr_eq(arg, &frames);
	n_checks++;
	done(done_arg, ERROR_NONE);
}

static int64_t person(const char *name)
{
	static unsigned n;
	char username[40];

	snprintf(username, sizeof(username), "%s%u", name, ++n);
	return rig_user(s, username);
}

static void setup(void)
{
	static const struct room_events events = { on_push, on_resync, on_check };

	n_frames = n_resyncs = n_checks = 0;
	rig_make(pg_conninfo());
	s = rig_store(0, NULL, NULL);
	rs = rooms_open(rig_base(), s, &events, &frames, &rig_heritage(0)->stats->slots[0]);
	alice = person("alice");
	bob = person("bob");
	carol = person("carol");
}

static void gone_if_here(int64_t user_id)
{
	struct room_user *u = rooms_user(rs, user_id, false);

	if (u != NULL)
		rooms_user_gone(rs, u);
}

/* A room that waits outlives its members until that is over. */
static void until_no_rooms(void)
{
	for (int64_t until = clock_mono_ms() + RIG_MS; rooms_n(rs) > 0;) {
		ck_assert_msg(clock_mono_ms() < until, "%zu rooms stay", rooms_n(rs));
		rig_for(5);
	}
}

static void teardown(void)
{
	gone_if_here(alice);
	gone_if_here(bob);
	gone_if_here(carol);
	until_no_rooms();
	store_close(s);
	rooms_close(rs);
	rig_drop();
}

static void on_loaded(void *arg, enum error error)
{
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

/* The user has a socket here from now on. */
static struct room_user *comes(int64_t user_id)
{
	struct room_user *u = rooms_user(rs, user_id, true);
	bool done = false;

	rooms_load(rs, u, on_loaded, &done);
	rig_until(&done);
	return u;
}

static void tell(const struct rig_change *c, enum record_event event, uint64_t origin)
{
	const struct record r = { .type = RECORD_CHANGE,
		.event = (uint8_t)event,
		.conv = c->c.conv,
		.origin = origin,
		.message = c->c.message };

	ck_assert_int_eq(c->error, ERROR_NONE);
	rooms_apply(rs, &r);
}

static struct rig_change post(int64_t sender, int64_t receiver, const char *content)
{
	return rig_post(s, sender, receiver, content, NULL);
}

static int64_t group_of_alice(void)
{
	struct rig_change c = rig_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends");

	ck_assert_int_eq(c.error, ERROR_NONE);
	return c.c.conv.id;
}

/* The i-th frame: to whom, and that it contains the text. */
static void ck_frame(unsigned i, int64_t user_id, const char *text)
{
	ck_assert_msg(i < n_frames, "only %u frames, no \"%s\"", n_frames, text);
	ck_assert_msg(frames[i].user_id == user_id, "frame %u goes to somebody else: %s", i,
		frames[i].json);
	ck_assert_msg(
		strstr(frames[i].json, text) != NULL, "%s is not in %s", text, frames[i].json);
}

static void ck_nobody_got(int64_t user_id, const char *text)
{
	for (unsigned i = 0; i < n_frames; i++)
		ck_assert_msg(frames[i].user_id != user_id || strstr(frames[i].json, text) == NULL,
			"%s", frames[i].json);
}

START_TEST(each_side_of_a_chat_sees_the_other_as_its_id_and_only_the_sender_the_client_id)
{
	struct rig_change c;
	char text[64];

	post(alice, bob, "first");
	comes(alice);
	comes(bob);
	c = rig_post(s, alice, bob, "second", "mine");
	tell(&c, RECORD_NEW, 42);
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

START_TEST(what_comes_twice_is_pushed_once)
{
	struct rig_change c;

	post(alice, bob, "first");
	comes(bob);
	c = post(alice, bob, "second");
	tell(&c, RECORD_NEW, 0);
	tell(&c, RECORD_NEW, 0);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(changes_in_the_wrong_order_are_pushed_in_the_right_one_without_the_database)
{
	struct rig_change c[5];

	post(alice, bob, "first");
	comes(bob);
	for (int i = 0; i < 5; i++)
		c[i] = post(alice, bob, (const char *[]){ "m2", "m3", "m4", "m5", "m6" }[i]);
	tell(&c[2], RECORD_NEW, 0);
	tell(&c[1], RECORD_NEW, 0);
	tell(&c[4], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 0);
	tell(&c[0], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 3);
	tell(&c[3], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 5);
	for (unsigned i = 0; i < 5; i++)
		ck_frame(i, bob,
			(const char *[]){ "\"m2\"", "\"m3\"", "\"m4\"", "\"m5\"", "\"m6\"" }[i]);
	ck_assert_uint_eq(rig_heritage(0)->stats->slots[0].gaps, 0);
}
END_TEST

START_TEST(what_the_ring_lost_is_read_from_the_database_after_20_ms)
{
	struct rig_change c;
	int64_t began;

	post(alice, bob, "first");
	comes(bob);
	post(alice, bob, "lost");
	c = post(alice, bob, "seen");
	began = clock_mono_ms();
	tell(&c, RECORD_NEW, 42);
	ck_assert_uint_eq(n_frames, 0);
	rig_until_n(&n_frames, 2);
	/* libevent's clock is the coarse one, which may be a tick of 10 ms behind. */
	ck_assert_int_ge(clock_mono_ms() - began, 9);
	ck_frame(0, bob, "\"lost\"");
	ck_frame(1, bob, "\"seen\"");
	/* The record's own origin is kept, so that its sender is not told of it. */
	ck_assert_uint_eq(frames[1].origin, 42);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 2);
	ck_assert_uint_eq(rig_heritage(0)->stats->slots[0].gaps, 1);
}
END_TEST

START_TEST(a_gap_longer_than_a_page_is_read_to_its_end)
{
	enum { N = 450 };
	static struct rig_change c[N];

	post(alice, bob, "first");
	comes(bob);
	for (int i = 0; i < N; i++)
		rig_post_begin(s, &c[i], alice, bob, "text", NULL);
	rig_until(&c[N - 1].done);
	tell(&c[N - 1], RECORD_NEW, 0);
	rig_until_n(&n_frames, N);
	for (unsigned i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "\"seq\":%u,\"mod\":%u,", i + 2, i + 2);
		ck_frame(i, bob, text);
	}
	rig_for(60);
	ck_assert_uint_eq(n_frames, N);
}
END_TEST

START_TEST(what_was_edited_in_a_gap_is_pushed_in_its_last_form)
{
	struct rig_change c;

	post(alice, bob, "first");
	comes(bob);
	c = post(alice, bob, "typo");
	rig_change(s, STORE_EDIT, alice, c.c.message.message_id, 0, "fixed");
	c = post(alice, bob, "seen");
	tell(&c, RECORD_NEW, 0);
	rig_until_n(&n_frames, 2);
	ck_frame(0, bob, "{\"type\":\"message\"");
	ck_frame(0, bob, "\"fixed\"");
	ck_frame(0, bob, "\"seq\":2,\"mod\":3");
	ck_frame(1, bob, "\"seen\"");
	rig_for(60);
	ck_assert_uint_eq(n_frames, 2);
}
END_TEST

START_TEST(edits_and_deletions_are_told_as_such)
{
	struct rig_change c = post(alice, bob, "text"), d;

	comes(bob);
	d = rig_change(s, STORE_EDIT, alice, c.c.message.message_id, 0, "other");
	tell(&d, RECORD_EDITED, 0);
	d = rig_change(s, STORE_DELETE, alice, c.c.message.message_id, 0, NULL);
	tell(&d, RECORD_DELETED, 0);
	ck_frame(0, bob, "{\"type\":\"edited\"");
	ck_frame(0, bob, "\"content\":\"other\"");
	ck_frame(1, bob, "{\"type\":\"deleted\",\"chat_id\":");
	ck_frame(1, bob, "\"seq\":1,\"mod\":3}");
	ck_assert_uint_eq(n_frames, 2);
}
END_TEST

START_TEST(more_than_can_be_held_behind_a_gap_still_arrives_in_order)
{
	enum { N = 700 };
	static struct rig_change c[N];

	post(alice, bob, "first");
	comes(bob);
	for (int i = 0; i < N; i++)
		rig_post_begin(s, &c[i], alice, bob, "text", NULL);
	rig_until(&c[N - 1].done);
	for (int i = 1; i < N; i++)
		tell(&c[i], RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 0);
	rig_until_n(&n_frames, N);
	for (unsigned i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "\"mod\":%u,", i + 2);
		ck_frame(i, bob, text);
	}
	/* B1: that not all were held is seen by this, that the end was read, too. */
	ck_assert_uint_gt(rig_heritage(0)->stats->slots[0].gaps, 1);
}
END_TEST

START_TEST(who_joins_sees_the_chat_first_and_then_the_join)
{
	int64_t g = group_of_alice();
	struct rig_change c;

	comes(alice);
	comes(bob);
	c = post(alice, g, "before");
	tell(&c, RECORD_NEW, 0);
	c = rig_change(s, STORE_ADD, alice, g, bob, NULL);
	tell(&c, RECORD_NEW, 0);
	/* What comes meanwhile waits for its turn. */
	c = post(alice, g, "after");
	tell(&c, RECORD_NEW, 0);
	rig_until_n(&n_frames, 6);
	ck_frame(0, alice, "\"before\"");
	ck_frame(1, bob, "{\"type\":\"chat\",\"chat_id\":");
	ck_frame(1, bob, "\"kind\":\"group\",\"name\":\"friends\"");
	for (unsigned i = 2; i < 4; i++)
		ck_frame(i, frames[i].user_id, "\"kind\":\"join\"");
	for (unsigned i = 4; i < 6; i++)
		ck_frame(i, frames[i].user_id, "\"after\"");
	ck_nobody_got(bob, "\"before\"");
	ck_assert_uint_eq(rooms_n(rs), 1);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 6);
}
END_TEST

START_TEST(who_joins_a_group_that_nobody_here_is_in_sees_it_too)
{
	int64_t g = group_of_alice();
	struct rig_change join, after;

	comes(bob);
	post(alice, g, "before");
	join = rig_change(s, STORE_ADD, alice, g, bob, NULL);
	after = post(alice, g, "after");
	/* Before the join there is no room here for what comes after it. */
	tell(&after, RECORD_NEW, 0);
	tell(&join, RECORD_NEW, 0);
	rig_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"kind\":\"join\"");
	ck_frame(2, bob, "\"after\"");
}
END_TEST

START_TEST(a_first_message_shows_the_chat_to_both_before_it)
{
	struct rig_change c;

	comes(alice);
	comes(bob);
	c = post(alice, bob, "hello");
	tell(&c, RECORD_NEW, 9);
	rig_until_n(&n_frames, 4);
	for (unsigned i = 0; i < 2; i++)
		ck_frame(i, frames[i].user_id, "{\"type\":\"chat\"");
	ck_assert(frames[0].user_id != frames[1].user_id);
	for (unsigned i = 2; i < 4; i++)
		ck_frame(i, frames[i].user_id, "\"hello\"");
	ck_assert(frames[2].user_id != frames[3].user_id);
	c = post(bob, bob, "note");
	tell(&c, RECORD_NEW, 0);
	rig_until_n(&n_frames, 6);
	ck_frame(4, bob, "{\"type\":\"chat\"");
	ck_frame(5, bob, "\"note\"");
	rig_for(60);
	ck_assert_uint_eq(n_frames, 6);
}
END_TEST

START_TEST(a_second_message_that_comes_before_the_first_is_not_lost)
{
	struct rig_change first, second;

	comes(bob);
	first = post(alice, bob, "one");
	second = post(bob, alice, "two");
	tell(&second, RECORD_NEW, 0);
	tell(&first, RECORD_NEW, 0);
	rig_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"one\"");
	ck_frame(2, bob, "\"two\"");
}
END_TEST

START_TEST(who_leaves_is_told_and_then_gets_nothing_more)
{
	int64_t g = group_of_alice();
	struct rig_change c;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	rig_change(s, STORE_ADD, alice, g, carol, NULL);
	comes(alice);
	comes(bob);
	comes(carol);
	c = rig_change(s, STORE_REMOVE, alice, g, bob, NULL);
	tell(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat_removed\",\"chat_id\":");
	ck_frame(1, frames[1].user_id, "\"kind\":\"leave\"");
	ck_frame(2, frames[2].user_id, "\"kind\":\"leave\"");
	ck_nobody_got(bob, "\"kind\":\"leave\"");
	/* The others see the chat as it is now. */
	rig_until_n(&n_frames, 5);
	ck_frame(3, frames[3].user_id, "{\"type\":\"chat\"");
	ck_frame(4, frames[4].user_id, "\"member_count\":2");
	c = post(alice, g, "secret");
	tell(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 7);
	ck_nobody_got(bob, "secret");
	rig_for(60);
	ck_assert_uint_eq(n_frames, 7);
}
END_TEST

START_TEST(what_follows_a_departure_that_is_late_is_not_pushed_before_it)
{
	int64_t g = group_of_alice();
	struct rig_change leave, secret;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	comes(bob);
	leave = rig_change(s, STORE_REMOVE, alice, g, bob, NULL);
	secret = post(alice, g, "secret");
	tell(&secret, RECORD_NEW, 0);
	tell(&leave, RECORD_NEW, 0);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "chat_removed");
	ck_assert_uint_eq(rooms_n(rs), 0);
}
END_TEST

START_TEST(a_departure_that_the_ring_lost_is_found_in_the_gap)
{
	int64_t g = group_of_alice();
	struct rig_change secret;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	comes(bob);
	rig_change(s, STORE_REMOVE, alice, g, bob, NULL);
	secret = post(alice, g, "secret");
	tell(&secret, RECORD_NEW, 0);
	rig_until_n(&n_frames, 1);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "chat_removed");
}
END_TEST

/* Lets the database answer while we do not listen: what it has read then is old when we look. */
static void database_works(void)
{
	pg_number("select pg_sleep(0.03)");
}

/* Bob is removed behind our back; the record of it. */
static struct record bob_is_removed(int64_t g)
{
	int64_t mod = pg_number("select ((remove_member(%lld, %lld, %lld)).message).mod",
		(long long)alice, (long long)g, (long long)bob);

	return (struct record){ .type = RECORD_CHANGE,
		.event = RECORD_NEW,
		.conv = { g, 0, 0, CONV_GROUP },
		.message = { .message_id = 1,
			.seq = mod,
			.mod = mod,
			.sender_id = alice,
			.target_id = bob,
			.kind = MESSAGE_LEAVE } };
}

START_TEST(a_load_read_before_a_departure_does_not_bring_the_member_back)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct rig_change c;
	struct record leave;
	bool done = false;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	comes(alice);
	u = comes(bob);
	rooms_load(rs, u, on_loaded, &done);
	database_works();
	leave = bob_is_removed(g);
	rooms_apply(rs, &leave);
	ck_frame(0, bob, "chat_removed");
	ck_assert(!done);
	rig_until(&done);
	ck_assert_uint_eq(n_resyncs, 0);
	c = post(alice, g, "secret");
	tell(&c, RECORD_NEW, 0);
	rig_for(60);
	ck_nobody_got(bob, "secret");
}
END_TEST

START_TEST(not_even_when_so_much_else_came_meanwhile_that_it_cannot_be_kept)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct rig_change c;
	struct record leave,
		other = { .type = RECORD_CHANGE,
			.event = RECORD_NEW,
			.conv = { 1, 0, 0, CONV_GROUP },
			.message = { .message_id = 1, .kind = MESSAGE_TEXT } };
	bool done = false;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	comes(alice);
	u = comes(bob);
	rooms_load(rs, u, on_loaded, &done);
	database_works();
	leave = bob_is_removed(g);
	rooms_apply(rs, &leave);
	for (int i = 0; i < 9000; i++) {
		other.conv.id = 1000000 + i;
		other.message.seq = other.message.mod = i + 1;
		rooms_apply(rs, &other);
	}
	rig_until(&done);
	c = post(alice, g, "secret");
	tell(&c, RECORD_NEW, 0);
	rig_for(100);
	ck_nobody_got(bob, "secret");
}
END_TEST

START_TEST(a_departure_during_the_first_load_is_heard)
{
	int64_t g = group_of_alice();
	struct room_user *u;
	struct rig_change c;
	struct record leave;
	bool done = false;

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	comes(carol); /* so that the load is prepared and goes out at once */
	u = rooms_user(rs, bob, true);
	rooms_load(rs, u, on_loaded, &done);
	database_works();
	leave = bob_is_removed(g);
	rooms_apply(rs, &leave);
	ck_assert_uint_eq(n_frames, 0);
	rig_until(&done);
	ck_frame(0, bob, "chat_removed");
	c = post(alice, g, "secret");
	tell(&c, RECORD_NEW, 0);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_assert_uint_eq(rooms_n(rs), 0);
}
END_TEST

START_TEST(records_that_come_during_a_load_are_not_lost)
{
	int64_t conv, chat;
	struct record r = { .type = RECORD_CHANGE, .event = RECORD_NEW };
	bool done = false;

	conv = post(alice, bob, "before").c.conv.id;
	chat = alice;
	comes(carol);
	rooms_load(rs, rooms_user(rs, bob, true), on_loaded, &done);
	database_works();
	ck_assert_int_eq(pg_number("select (message).mod from send_messages(array[%lld]::bigint[], "
				   "array[%lld]::bigint[], array['during'], "
				   "array['d'])",
				 (long long)chat, (long long)bob),
		2);
	r.conv = (struct conv){ conv, alice < bob ? alice : bob, alice < bob ? bob : alice,
		CONV_DIRECT };
	r.message = (struct message){ .message_id = 1,
		.seq = 2,
		.mod = 2,
		.sender_id = alice,
		.kind = MESSAGE_TEXT,
		.content = { "during", 6 } };
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 0);
	rig_until(&done);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "\"during\"");
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(records_that_are_too_many_to_be_kept_during_a_load_are_asked_for)
{
	struct record other = { .type = RECORD_CHANGE,
		.event = RECORD_NEW,
		.message = { .message_id = 1, .seq = 1, .mod = 1, .kind = MESSAGE_TEXT } };
	bool done = false;

	post(alice, bob, "before");
	comes(carol);
	rooms_load(rs, rooms_user(rs, bob, true), on_loaded, &done);
	database_works();
	pg_number("select (message).mod from send_messages(array[%lld]::bigint[], "
		  "array[%lld]::bigint[], "
		  "array['during'], array['d'])",
		(long long)alice, (long long)bob);
	/* Its record would be one of these. */
	for (int i = 0; i < 9000; i++) {
		other.conv.id = 1000000 + i;
		rooms_apply(rs, &other);
	}
	rig_until(&done);
	rig_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"during\"");
}
END_TEST

START_TEST(a_check_asked_for_during_another_reads_the_heads_afresh)
{
	post(alice, bob, "first");
	comes(bob);
	rooms_reconcile(rs, false);
	database_works();
	pg_number("select (message).mod from send_messages(array[%lld]::bigint[], "
		  "array[%lld]::bigint[], "
		  "array['unpublished'], array['u'])",
		(long long)alice, (long long)bob);
	rooms_reconcile(rs, false);
	rig_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"unpublished\"");
}
END_TEST

START_TEST(a_check_finds_what_was_committed_and_never_published)
{
	int64_t g = group_of_alice();

	rig_change(s, STORE_ADD, alice, g, carol, NULL);
	post(alice, bob, "first");
	comes(bob);
	comes(carol);
	post(alice, bob, "unpublished");
	rig_change(s, STORE_REMOVE, alice, g, carol, NULL);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 0);
	rooms_reconcile(rs, true);
	rooms_reconcile(rs, false); /* while one is under way another follows it */
	rooms_reconcile(rs, true);
	rig_until_n(&n_frames, 2);
	rig_until_n(&n_checks, 2);
	rig_for(100);
	ck_assert_uint_eq(n_checks, 2);
	ck_assert_uint_eq(n_frames, 2);
	for (unsigned i = 0; i < 2; i++)
		ck_frame(i, frames[i].user_id,
			frames[i].user_id == bob ? "\"unpublished\"" : "chat_removed");
	ck_assert(frames[0].user_id != frames[1].user_id);
}
END_TEST

START_TEST(a_check_finds_a_membership_that_no_record_told_and_says_resync)
{
	int64_t g = group_of_alice();
	struct rig_change c;

	comes(bob);
	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	rooms_reconcile(rs, false);
	rig_until_n(&n_resyncs, 1);
	ck_assert_int_eq(resynced, bob);
	c = post(alice, g, "seen");
	tell(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "\"seen\"");
}
END_TEST

/* Promise 5: the room is behind the database, which has the newcomer as a member already. */
START_TEST(one_whose_join_is_still_to_come_is_pushed_nothing_that_stands_before_it)
{
	int64_t g = group_of_alice();

	comes(alice);
	post(alice, g, "before");
	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	post(alice, g, "after");
	comes(bob);
	rig_until_n(&n_frames, 6);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 6);
	ck_frame(0, alice, "\"before\"");
	ck_nobody_got(bob, "\"before\"");
	ck_frame(1, bob, "{\"type\":\"chat\"");
}
END_TEST

/* Promise 4: nobody is left in the room but the join that waits in it. */
START_TEST(a_join_that_is_still_to_come_outlives_the_last_member_here)
{
	int64_t g = group_of_alice();

	comes(alice);
	post(alice, g, "before");
	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	post(alice, g, "after");
	comes(bob);
	gone_if_here(alice);
	rig_until_n(&n_frames, 3);
	ck_frame(0, bob, "{\"type\":\"chat\"");
	ck_frame(1, bob, "\"join\"");
	ck_frame(2, bob, "\"after\"");
	ck_nobody_got(bob, "\"before\"");
}
END_TEST

/* D4: whatever a death has left untold is looked for until the database has been asked. */
START_TEST(a_check_that_the_database_did_not_answer_is_made_again)
{
	post(alice, bob, "first");
	comes(bob);
	post(alice, bob, "unpublished");
	pg_crash();
	rooms_reconcile(rs, true);
	rig_for(200);
	ck_assert_uint_eq(n_checks, 0);
	pg_restart();
	rig_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"unpublished\"");
	ck_assert_uint_eq(n_checks, 1);
	while (!store_ready(s))
		rig_for(10);
}
END_TEST

START_TEST(a_gap_is_read_again_when_the_database_comes_back)
{
	struct rig_change c;

	post(alice, bob, "first");
	comes(bob);
	post(alice, bob, "lost");
	c = post(alice, bob, "seen");
	pg_crash();
	tell(&c, RECORD_NEW, 0);
	rig_for(200);
	ck_assert_uint_eq(n_frames, 0);
	pg_restart();
	rig_until_n(&n_frames, 2);
	ck_frame(0, bob, "\"lost\"");
	ck_frame(1, bob, "\"seen\"");
	while (!store_ready(s))
		rig_for(10);
}
END_TEST

START_TEST(the_last_member_is_told_that_the_group_is_gone)
{
	int64_t g = group_of_alice();
	struct rig_change c;
	struct record r = { .type = RECORD_GONE };

	comes(alice);
	comes(bob);
	c = rig_change(s, STORE_REMOVE, alice, g, alice, NULL);
	r.conv = c.c.conv;
	r.message = c.c.message;
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, alice, "{\"type\":\"chat_removed\",\"chat_id\":");
	ck_assert_uint_eq(rooms_n(rs), 0);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

struct erasure {
	bool done;
	struct record r;
};

static void on_erased(void *arg, enum error error, const store_rows *rows)
{
	struct erasure *e = arg;
	struct erased row;

	ck_assert_int_eq(error, ERROR_NONE);
	ck_assert_int_eq(store_n(rows), 1);
	store_erased_at(rows, 0, &row);
	e->r = (struct record){ .type = RECORD_RESYNC,
		.conv = row.conv,
		.message = { .message_id = row.from_mod, .seq = row.seq, .mod = row.mod } };
	e->done = true;
}

START_TEST(an_erased_person_means_resync_and_not_a_push_for_each_message)
{
	struct erasure e = { .done = false };
	struct rig_change c;
	int64_t g = group_of_alice();

	rig_change(s, STORE_ADD, alice, g, bob, NULL);
	rig_change(s, STORE_ADD, alice, g, carol, NULL);
	for (int i = 0; i < 20; i++)
		post(alice, g, "text");
	comes(bob);
	store_delete_user(s, alice, on_erased, &e);
	rig_until(&e.done);
	rooms_apply(rs, &e.r);
	ck_assert_uint_eq(n_resyncs, 1);
	ck_assert_int_eq(resynced, bob);
	c = post(bob, g, "after");
	tell(&c, RECORD_NEW, 0);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "\"after\"");
	rooms_apply(rs, &e.r);
	ck_assert_uint_eq(n_resyncs, 1);
}
END_TEST

START_TEST(an_erasure_behind_a_gap_is_read_like_any_gap)
{
	struct erasure e = { .done = false };
	struct rig_change c;

	post(alice, bob, "one");
	comes(bob);
	post(alice, bob, "lost");
	store_delete_user(s, alice, on_erased, &e);
	rig_until(&e.done);
	rooms_apply(rs, &e.r);
	ck_assert_uint_eq(n_resyncs, 1);
	rig_until_n(&n_frames, 2);
	rig_for(60);
	ck_assert_uint_eq(n_frames, 2);
	ck_frame(0, bob, "{\"type\":\"deleted\"");
	c = post(bob, bob, "note");
	ck_assert_int_eq(c.error, ERROR_NONE);
}
END_TEST

START_TEST(typing_goes_to_the_others_and_ends_with_their_message)
{
	struct rig_change c = post(alice, bob, "first");
	struct record r = { .type = RECORD_TYPING, .conv = c.c.conv, .user_id = alice, .on = true };

	comes(alice);
	comes(bob);
	rooms_apply(rs, &r);
	ck_assert_uint_eq(n_frames, 1);
	ck_frame(0, bob, "{\"type\":\"typing\",\"chat_id\":");
	ck_frame(0, bob, "\"is_typing\":true}");
	ck_assert_int_eq(frames[0].kind, ROOM_HINT);
	c = post(alice, bob, "done");
	tell(&c, RECORD_NEW, 0);
	ck_assert_uint_eq(n_frames, 4);
	ck_frame(1, bob, "\"is_typing\":false}");
	ck_nobody_got(alice, "typing");
}
END_TEST

START_TEST(a_watermark_is_told_to_all_with_its_origin)
{
	struct rig_change c = post(alice, bob, "first");
	struct record r = { .type = RECORD_READ,
		.conv = c.c.conv,
		.user_id = bob,
		.origin = 7,
		.message = { .seq = 1 } };
	char text[64];

	comes(alice);
	comes(bob);
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

START_TEST(users_may_go_while_their_rooms_wait_for_the_database)
{
	int64_t g = group_of_alice();
	struct rig_change join, lost, seen, first;

	post(alice, bob, "first");
	comes(bob);
	lost = post(alice, bob, "lost");
	seen = post(alice, bob, "seen");
	tell(&seen, RECORD_NEW, 0);
	gone_if_here(bob); /* the gap's timer runs */
	comes(bob);
	lost = post(alice, bob, "lost");
	seen = post(alice, bob, "seen");
	tell(&seen, RECORD_NEW, 0);
	rig_for(22);
	gone_if_here(bob); /* it is being read */
	comes(bob);
	join = rig_change(s, STORE_ADD, alice, g, bob, NULL);
	first = post(carol, bob, "hello");
	tell(&join, RECORD_NEW, 0);
	tell(&first, RECORD_NEW, 0);
	gone_if_here(bob); /* the frames for the join and the new chat are being read */
	until_no_rooms();
	ck_nobody_got(bob, "hello");
	ck_nobody_got(bob, "join");
	ck_assert_int_eq(lost.error, ERROR_NONE);
}
END_TEST

START_TEST(a_chat_is_found_by_the_id_its_member_knows)
{
	struct rig_change c = post(alice, bob, "first");
	int64_t g = group_of_alice();
	struct room_user *a, *b;
	struct conv conv;

	a = comes(alice);
	b = comes(bob);
	ck_assert(rooms_conv(rs, a, bob, &conv));
	ck_assert_int_eq(conv.id, c.c.conv.id);
	ck_assert(rooms_conv(rs, b, alice, &conv));
	ck_assert(rooms_conv(rs, a, g, &conv));
	ck_assert_int_eq(conv.kind, CONV_GROUP);
	ck_assert(!rooms_conv(rs, b, g, &conv));
	ck_assert(!rooms_conv(rs, a, c.c.conv.id, &conv));
	ck_assert(!rooms_conv(rs, a, alice, &conv));
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("room");
	TCase *tc = tcase_create("room");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(
		tc, each_side_of_a_chat_sees_the_other_as_its_id_and_only_the_sender_the_client_id);
	tcase_add_test(tc, what_comes_twice_is_pushed_once);
	tcase_add_test(
		tc, changes_in_the_wrong_order_are_pushed_in_the_right_one_without_the_database);
	tcase_add_test(tc, what_the_ring_lost_is_read_from_the_database_after_20_ms);
	tcase_add_test(tc, a_gap_longer_than_a_page_is_read_to_its_end);
	tcase_add_test(tc, what_was_edited_in_a_gap_is_pushed_in_its_last_form);
	tcase_add_test(tc, edits_and_deletions_are_told_as_such);
	tcase_add_test(tc, more_than_can_be_held_behind_a_gap_still_arrives_in_order);
	tcase_add_test(tc, who_joins_sees_the_chat_first_and_then_the_join);
	tcase_add_test(tc, who_joins_a_group_that_nobody_here_is_in_sees_it_too);
	tcase_add_test(tc, a_first_message_shows_the_chat_to_both_before_it);
	tcase_add_test(tc, a_second_message_that_comes_before_the_first_is_not_lost);
	tcase_add_test(tc, who_leaves_is_told_and_then_gets_nothing_more);
	tcase_add_test(tc, what_follows_a_departure_that_is_late_is_not_pushed_before_it);
	tcase_add_test(tc, a_departure_that_the_ring_lost_is_found_in_the_gap);
	tcase_add_test(tc, a_load_read_before_a_departure_does_not_bring_the_member_back);
	tcase_add_test(tc, not_even_when_so_much_else_came_meanwhile_that_it_cannot_be_kept);
	tcase_add_test(tc, a_departure_during_the_first_load_is_heard);
	tcase_add_test(tc, records_that_come_during_a_load_are_not_lost);
	tcase_add_test(tc, records_that_are_too_many_to_be_kept_during_a_load_are_asked_for);
	tcase_add_test(tc, a_check_asked_for_during_another_reads_the_heads_afresh);
	tcase_add_test(tc, a_check_finds_what_was_committed_and_never_published);
	tcase_add_test(tc, a_check_finds_a_membership_that_no_record_told_and_says_resync);
	tcase_add_test(tc, one_whose_join_is_still_to_come_is_pushed_nothing_that_stands_before_it);
	tcase_add_test(tc, a_join_that_is_still_to_come_outlives_the_last_member_here);
	tcase_add_test(tc, a_check_that_the_database_did_not_answer_is_made_again);
	tcase_add_test(tc, a_gap_is_read_again_when_the_database_comes_back);
	tcase_add_test(tc, the_last_member_is_told_that_the_group_is_gone);
	tcase_add_test(tc, an_erased_person_means_resync_and_not_a_push_for_each_message);
	tcase_add_test(tc, an_erasure_behind_a_gap_is_read_like_any_gap);
	tcase_add_test(tc, typing_goes_to_the_others_and_ends_with_their_message);
	tcase_add_test(tc, a_watermark_is_told_to_all_with_its_origin);
	tcase_add_test(tc, users_may_go_while_their_rooms_wait_for_the_database);
	tcase_add_test(tc, a_chat_is_found_by_the_id_its_member_knows);
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
