#include "tests/unit/room_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

struct store *s;
struct rooms *rs;
int64_t alice, bob, carol;
struct pushed_frame frames[FRAMES_MAX];
unsigned n_frames, n_resyncs, n_reconciles, n_left;
int64_t resynced, left;
struct record erased_record;

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

static void on_left(void *arg, int64_t user_id)
{
	ck_assert_ptr_eq(arg, &frames);
	left = user_id;
	n_left++;
}

/* The layer above has nothing to compare. */
static void on_reconcile(void *arg, rooms_done_cb *done, void *done_arg)
{
	ck_assert_ptr_eq(arg, &frames);
	n_reconciles++;
	done(done_arg, ERROR_NONE);
}

static void on_state(void *arg, bool ready, bool after_loss)
{
	(void)arg;
	(void)ready;
	(void)after_loss;
}

static void on_erased(void *arg, const struct erased *e)
{
	(void)arg;
	erased_record = (struct record){ .type = RECORD_ERASED,
		.erased = { e->conv, e->from_mod, e->mod, e->seq, e->left } };
	rooms_apply(rs, &erased_record);
}

static int64_t new_user(const char *name)
{
	static unsigned n;
	char username[40];

	snprintf(username, sizeof(username), "%s%u", name, ++n);
	return fixture_user(s, username);
}

static void no_epoch(void *arg, uint16_t generation)
{
	(void)arg;
	(void)generation;
}

static void setup(void)
{
	static const struct room_events events = { on_push, on_resync, on_left, on_reconcile };
	static const struct store_events store_events = {
		.state = on_state,
		.erased = on_erased,
		.epoch = no_epoch,
	};

	n_frames = n_resyncs = n_reconciles = n_left = 0;
	fixture_make(pg_conninfo());
	s = fixture_store(0, &store_events, NULL);
	rs = rooms_open(fixture_base(), s, &events, &frames, &fixture_heritage(0)->stats->slots[0]);
	alice = new_user("alice");
	bob = new_user("bob");
	carol = new_user("carol");
}

static void teardown(void)
{
	disconnect_user(alice);
	disconnect_user(bob);
	disconnect_user(carol);
	until_no_rooms();
	store_close(s);
	rooms_close(rs);
	fixture_drop();
}

TCase *room_case(void)
{
	TCase *tc = tcase_create("room");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

int room_run(TCase *tc)
{
	Suite *suite = suite_create("room");

	suite_add_tcase(suite, tc);
	return suite_run_in_one_process(suite);
}

void on_loaded(void *arg, enum error error)
{
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

struct room_user *connect_user(int64_t user_id)
{
	struct room_user *u = rooms_add_user(rs, user_id);
	bool done = false;

	rooms_load(rs, u, on_loaded, &done);
	fixture_until(&done);
	return u;
}

void disconnect_user(int64_t user_id)
{
	struct room_user *u = rooms_find_user(rs, user_id);

	if (u != NULL)
		rooms_remove_user(rs, u);
}

void until_no_rooms(void)
{
	for (int64_t until = clock_mono_ms() + FIXTURE_MS; rooms_n(rs) > 0;) {
		ck_assert_msg(clock_mono_ms() < until, "%zu rooms stay", rooms_n(rs));
		fixture_for(5);
	}
}

void apply_change(const struct fixture_change *c, enum record_event event, uint64_t origin)
{
	const struct message *m = &c->c.message;
	bool is_mark = event >= RECORD_REACTED;
	const struct message mark = {
		.message_id = m->message_id, .seq = m->seq, .mod = m->mod, .kind = m->kind
	};
	const struct record r = { .type = RECORD_CHANGE,
		.change = { .conv = c->c.conv,
			.message = is_mark ? mark : *m,
			.user_id = is_mark ? c->c.user_id : 0,
			.emoji = c->c.emoji,
			.origin = origin,
			.event = (uint8_t)event } };

	ck_assert_int_eq(c->error, ERROR_NONE);
	rooms_apply(rs, &r);
}

struct fixture_change post(int64_t sender, int64_t receiver, const char *content)
{
	return fixture_post(s, sender, receiver, content, NULL);
}

int64_t group_of_alice(void)
{
	struct fixture_change c = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends");

	ck_assert_int_eq(c.error, ERROR_NONE);
	return c.c.conv.id;
}

void database_works(void)
{
	pg_number("select pg_sleep(0.03)");
}

struct record record_of(struct conv conv, struct message m)
{
	return (struct record){ .type = RECORD_CHANGE,
		.change = { .conv = conv, .message = m, .event = RECORD_NEW } };
}

int64_t post_by_sql(int64_t sender, int64_t receiver, const char *content)
{
	return pg_number("select (message).mod from send_messages(array[%lld]::bigint[], "
			 "array[%lld]::bigint[], array['%s'], array['%s'])",
		(long long)sender, (long long)receiver, content, content);
}

struct record remove_bob(int64_t group_id)
{
	int64_t mod = pg_number("select ((remove_member(%lld, %lld, %lld)).message).mod",
		(long long)alice, (long long)group_id, (long long)bob);

	return record_of((struct conv){ group_id, 0, 0, CONV_GROUP },
		(struct message){ .message_id = 1,
			.seq = mod,
			.mod = mod,
			.sender_id = alice,
			.target_id = bob,
			.kind = MESSAGE_LEAVE });
}

void ck_frame(unsigned i, int64_t user_id, const char *text)
{
	ck_assert_msg(i < n_frames, "only %u frames, no \"%s\"", n_frames, text);
	ck_assert_msg(frames[i].user_id == user_id, "frame %u goes to another user: %s", i,
		frames[i].json);
	ck_assert_msg(
		strstr(frames[i].json, text) != NULL, "%s is not in %s", text, frames[i].json);
}

void ck_no_frame(int64_t user_id, const char *text)
{
	for (unsigned i = 0; i < n_frames; i++)
		ck_assert_msg(frames[i].user_id != user_id || strstr(frames[i].json, text) == NULL,
			"%s", frames[i].json);
}
