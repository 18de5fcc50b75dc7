#include "tests/unit/worker_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/ring.h"
#include "common/stats.h"
#include "realtime/presence.h"
#include "store/store_private.h"

static struct event_base *base;
static struct heritage heritages[FIXTURE_SLOTS];
static struct conf *conf;
static char **copies; /* freed with the fixture */
static size_t n_copies;

void fixture_make(const char *database)
{
	struct buf text = BUF_EMPTY, error = BUF_EMPTY;
	char status[64];
	struct heritage h = { .n_slots = FIXTURE_SLOTS };

	buf_addf(&text, "database = \"%s\"\npid_file = \"/nowhere/test-%d.pid\"\n", database,
		(int)getpid());
	conf = conf_parse("test", buf_cstr(&text), &error);
	ck_assert_msg(conf != NULL, "%s", buf_cstr(&error));
	snprintf(status, sizeof(status), "/tmp/parley-unit-%d.status", (int)getpid());
	h.conf = conf;
	h.stats = stats_create(status, FIXTURE_SLOTS);
	unlink(status);
	h.ring = ring_create(RING_CAPACITY_MIN, FIXTURE_SLOTS);
	h.presence = presence_create(FIXTURE_SLOTS, 1000);
	ck_assert(h.stats != NULL && h.ring != NULL && h.presence != NULL);
	for (unsigned i = 0; i < FIXTURE_SLOTS; i++) {
		h.slot = i;
		h.incarnation = i + 1;
		atomic_store(&h.stats->slots[i].alive, 1);
		atomic_store(&h.stats->slots[i].incarnation, h.incarnation);
		presence_begin(h.presence, i, clock_mono_ms());
		heritages[i] = h;
	}
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	buf_fini(&text);
}

void fixture_drop(void)
{
	event_base_free(base);
	ring_free(heritages[0].ring);
	presence_free(heritages[0].presence);
	conf_free(conf);
	while (n_copies > 0)
		free(copies[--n_copies]);
	free(copies);
	copies = NULL;
}

struct event_base *fixture_base(void)
{
	return base;
}

struct heritage *fixture_heritage(unsigned slot)
{
	return &heritages[slot];
}

static void run_loop(int64_t until_ms)
{
	int64_t left = until_ms - clock_mono_ms();
	struct timeval tv = { 0, 0 };

	left = left < 1 ? 1 : left > 50 ? 50 : left;
	tv.tv_usec = left * 1000;
	event_base_loopexit(base, &tv);
	event_base_loop(base, EVLOOP_ONCE);
}

void fixture_until(const bool *done)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (!*done) {
		ck_assert_msg(clock_mono_ms() < until, "timeout");
		run_loop(until);
	}
}

void fixture_until_n(const unsigned *count, unsigned n)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (*count < n) {
		ck_assert_msg(clock_mono_ms() < until, "timeout: %u of %u", *count, n);
		run_loop(until);
	}
}

void fixture_for(unsigned ms)
{
	int64_t until = clock_mono_ms() + ms;

	do
		run_loop(until);
	while (clock_mono_ms() < until);
}

static void no_state(void *arg, bool ready, bool after_loss)
{
	(void)arg;
	(void)ready;
	(void)after_loss;
}

static void no_read(void *arg, const struct record_read *read)
{
	(void)arg;
	(void)read;
}

static void no_erased(void *arg, const struct erased *e)
{
	(void)arg;
	(void)e;
}

static void no_epoch(void *arg, uint16_t generation)
{
	(void)arg;
	ck_assert_uint_gt(generation, 0);
}

struct store *fixture_store(unsigned slot, const struct store_events *events, void *arg)
{
	static const struct store_events none = { no_state, no_read, no_erased, no_epoch };
	int64_t until = clock_mono_ms() + FIXTURE_MS;
	struct store *s = store_open(base, &heritages[slot], events != NULL ? events : &none, arg);

	store_connect(s);
	while (!store_ready(s)) {
		ck_assert_msg(clock_mono_ms() < until, "timeout: the store is not ready");
		run_loop(until);
	}
	return s;
}

static char *copy(struct text t)
{
	char *text;

	if (t.data == NULL)
		return NULL;
	text = strndup(t.data, t.len);
	/* cppcheck-suppress memleakOnRealloc ; the assertion below ends the test */
	copies = realloc(copies, (n_copies + 1) * sizeof(*copies));
	ck_assert(text != NULL && copies != NULL);
	copies[n_copies++] = text;
	return text;
}

void fixture_changed(void *arg, enum error error, const struct change *c)
{
	struct fixture_change *to = arg;

	ck_assert_msg(!to->done, "called back twice");
	to->done = true;
	to->error = error;
	ck_assert((error == ERROR_NONE) == (c != NULL));
	if (c == NULL)
		return;
	to->c = *c;
	to->content = copy(c->message.content);
	to->client_id = copy(c->message.client_id);
	to->c.message.content.data = to->content;
	to->c.message.client_id.data = to->client_id;
	to->emoji = copy(c->emoji);
	to->c.emoji.data = to->emoji;
}

static struct text text_of(const char *s)
{
	return (struct text){ s, s != NULL ? strlen(s) : 0 };
}

void fixture_post_begin(struct store *s, struct fixture_change *to, int64_t sender,
	int64_t receiver, const char *content, const char *client_id)
{
	const struct send p = { .sender = sender,
		.receiver = receiver,
		.content = text_of(content),
		.client_id = text_of(client_id) };

	*to = (struct fixture_change){ .done = false };
	store_send(s, &p, fixture_changed, to);
	ck_assert_msg(!to->done, "called back inside the call");
}

struct fixture_change fixture_post(struct store *s, int64_t sender, int64_t receiver,
	const char *content, const char *client_id)
{
	struct fixture_change answer;

	fixture_post_begin(s, &answer, sender, receiver, content, client_id);
	fixture_until(&answer.done);
	return answer;
}

void fixture_change_begin(struct store *s, struct fixture_change *to, enum store_op op,
	int64_t actor, int64_t object, int64_t user, const char *text)
{
	*to = (struct fixture_change){ .done = false };
	switch (op) {
	case STORE_EDIT:
		store_edit_message(s, actor, object, text_of(text), fixture_changed, to);
		break;
	case STORE_DELETE:
		store_delete_message(s, actor, object, fixture_changed, to);
		break;
	case STORE_CREATE_GROUP:
		store_create_group(s, actor, text_of(text), fixture_changed, to);
		break;
	case STORE_ADD:
		store_add_member(s, actor, object, user, fixture_changed, to);
		break;
	case STORE_REMOVE:
		store_remove_member(s, actor, object, user, fixture_changed, to);
		break;
	case STORE_RENAME:
		store_change_group(s, actor, object,
			&(struct group_change){ .name = text_of(text) }, fixture_changed, to);
		break;
	case STORE_POSTING:
		store_change_group(s, actor, object,
			&(struct group_change){
				.has_posting = true,
				.posting_admins = strcmp(text, "admins") == 0,
			},
			fixture_changed, to);
		break;
	case STORE_ROLE:
		store_set_role(s, actor, object, user, text_of(text), fixture_changed, to);
		break;
	case STORE_BAN:
		store_ban(s, actor, object, user, fixture_changed, to);
		break;
	case STORE_UNBAN:
		store_unban(s, actor, object, user, fixture_changed, to);
		break;
	case STORE_JOIN:
		store_join(s, actor, text_of(text), fixture_changed, to);
		break;
	case STORE_REACT:
	case STORE_UNREACT:
		store_react(s,
			&(const struct reaction){ actor, object, text_of(text), op == STORE_REACT },
			fixture_changed, to);
		break;
	case STORE_PIN:
	case STORE_UNPIN:
		store_pin(s, actor, object, op == STORE_PIN, fixture_changed, to);
		break;
	}
	ck_assert_msg(!to->done, "called back inside the call");
}

struct fixture_change fixture_change(struct store *s, enum store_op op, int64_t actor,
	int64_t object, int64_t user, const char *text)
{
	struct fixture_change answer;

	fixture_change_begin(s, &answer, op, actor, object, user, text);
	fixture_until(&answer.done);
	return answer;
}

struct user_answer {
	bool done;
	int64_t user_id;
};

static void registered(void *arg, enum error error, const store_rows *rows)
{
	struct user_answer *a = arg;
	struct user u;

	ck_assert_int_eq(error, ERROR_NONE);
	ck_assert_int_eq(store_n(rows), 1);
	store_user_at(rows, 0, &u);
	a->user_id = u.user_id;
	a->done = true;
}

int64_t fixture_user(struct store *s, const char *username)
{
	struct registration r = { text_of(username), text_of(username), { NULL, 0 }, { NULL, 0 },
		text_of("x") };
	struct user_answer a = { false, 0 };

	store_register(s, &r, registered, &a);
	fixture_until(&a.done);
	return a.user_id;
}

struct deletion {
	struct store *store;
	int64_t user_id;
	bool done;
};

static void on_user_erased(void *arg, enum error error)
{
	struct deletion *d = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	d->done = true;
}

static void on_user_deleted(void *arg, enum error error, const store_rows *rows)
{
	struct deletion *d = arg;

	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	store_erase_user(d->store, d->user_id, on_user_erased, d);
}

void fixture_until_background(struct store *s)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (!db_ready(s->db[STORE_BACKGROUND])) {
		ck_assert_msg(clock_mono_ms() < until, "timeout: no background connection");
		run_loop(until);
	}
}

void fixture_delete_user(struct store *s, int64_t user_id)
{
	struct deletion d = { s, user_id, false };

	fixture_until_background(s);
	store_delete_user(s, user_id, on_user_deleted, &d);
	fixture_until(&d.done);
}
