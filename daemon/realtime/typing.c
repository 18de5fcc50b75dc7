#include "realtime/typing.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/xalloc.h"

#define TYPISTS_MAX 65536 /* beyond it typing is not shown */

struct typist {
	struct hash_link link; /* in typing's by_key */
	struct typist *older, *newer; /* by until_ms */
	struct conv conv;
	int64_t user_id;
	int64_t passed_ms; /* when a `true` was last passed on */
	int64_t until_ms; /* then it expires */
	bool shown; /* false: stopped, and kept for passed_ms */
};

struct typing {
	struct hash by_key;
	struct typist *oldest, *newest;
	struct event *timer;
	typing_cb *cb;
	void *arg;
};

static uint64_t key_of(int64_t conv_id, int64_t user_id)
{
	return (uint64_t)conv_id * 31 + (uint64_t)user_id;
}

static struct typist *typist_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct typist, link);
}

/* Different pairs may have the same key. */
static struct typist *typist_find(const struct typing *t, int64_t conv_id, int64_t user_id)
{
	struct typist *x = typist_of(hash_find(&t->by_key, key_of(conv_id, user_id)));

	while (x != NULL && (x->conv.id != conv_id || x->user_id != user_id))
		x = typist_of(hash_find_next(&x->link));
	return x;
}

static void list_remove(struct typing *t, struct typist *x)
{
	*(x->older != NULL ? &x->older->newer : &t->oldest) = x->newer;
	*(x->newer != NULL ? &x->newer->older : &t->newest) = x->older;
}

static void list_append(struct typing *t, struct typist *x)
{
	x->older = t->newest;
	x->newer = NULL;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = x;
	t->newest = x;
}

static struct typist *typist_add(struct typing *t, const struct conv *c, int64_t user_id)
{
	struct typist *x = xcalloc(1, sizeof(*x));

	x->conv = *c;
	x->user_id = user_id;
	x->passed_ms = INT64_MIN / 2;
	hash_insert(&t->by_key, &x->link, key_of(c->id, user_id));
	list_append(t, x);
	return x;
}

static void typist_hide(struct typing *t, struct typist *x)
{
	if (!x->shown)
		return;
	x->shown = false;
	t->cb(t->arg, &x->conv, x->user_id, false);
}

static void typist_remove(struct typing *t, struct typist *x)
{
	hash_remove(&t->by_key, &x->link);
	list_remove(t, x);
	typist_hide(t, x);
	free(x);
}

void typing_clear(struct typing *t)
{
	while (t->oldest != NULL)
		typist_remove(t, t->oldest);
	event_del(t->timer);
}

static void set_timer(struct typing *t, int64_t now)
{
	int64_t ms;

	if (t->oldest == NULL) {
		event_del(t->timer);
		return;
	}
	ms = t->oldest->until_ms > now ? t->oldest->until_ms - now : 1;
	event_add(t->timer, &(const struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct typing *t = arg;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	while (t->oldest != NULL && t->oldest->until_ms <= now)
		typist_remove(t, t->oldest);
	set_timer(t, now);
}

/* A `true` is passed on at most once in TYPING_QUIET_MS, even after a stop. */
static void typist_show(struct typing *t, struct typist *x, int64_t now)
{
	bool pass = now - x->passed_ms >= TYPING_QUIET_MS;

	if (!pass && !x->shown)
		return;
	list_remove(t, x);
	list_append(t, x);
	x->until_ms = now + TYPING_SHOWN_MS;
	x->shown = true;
	if (pass) {
		x->passed_ms = now;
		t->cb(t->arg, &x->conv, x->user_id, true);
	}
}

void typing_set(struct typing *t, const struct conv *c, int64_t user_id, bool on)
{
	struct typist *x = typist_find(t, c->id, user_id);
	int64_t now;

	if (!on) {
		if (x != NULL)
			typist_hide(t, x);
		return;
	}
	if (x == NULL && t->by_key.n >= TYPISTS_MAX)
		return;
	now = clock_mono_ms();
	typist_show(t, x != NULL ? x : typist_add(t, c, user_id), now);
	set_timer(t, now);
}

struct typing *typing_open(struct event_base *base, typing_cb *cb, void *arg)
{
	struct typing *t = xcalloc(1, sizeof(*t));

	t->timer = evtimer_new(base, on_timer, t);
	if (t->timer == NULL)
		log_fatal("event_new_failed module=typing");
	t->cb = cb;
	t->arg = arg;
	return t;
}

void typing_close(struct typing *t)
{
	while (t->oldest != NULL) {
		struct typist *x = t->oldest;

		t->oldest = x->newer;
		free(x);
	}
	hash_fini(&t->by_key);
	event_free(t->timer);
	free(t);
}
