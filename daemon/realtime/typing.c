#include "realtime/typing.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

#define BUCKETS 256
#define TYPISTS_MAX 65536 /* beyond it typing is not shown */

struct typist {
	struct typist *next; /* in the bucket */
	struct typist *older, *newer; /* by last sign of life: all are shown equally long */
	struct conv conv;
	int64_t user_id;
	int64_t passed_ms; /* when a `true` was last passed on */
	int64_t until_ms;
	bool shown; /* false: ended, kept to remember passed_ms */
};

struct typing {
	struct typist *buckets[BUCKETS];
	struct typist *oldest, *newest;
	size_t n;
	struct event *timer;
	typing_cb *cb;
	void *arg;
};

static struct typist **typist_find(struct typing *t, int64_t conv_id, int64_t user_id)
{
	struct typist **at = &t->buckets[((uint64_t)conv_id * 31 + (uint64_t)user_id) % BUCKETS];

	while (*at != NULL && ((*at)->conv.id != conv_id || (*at)->user_id != user_id))
		at = &(*at)->next;
	return at;
}

static void line_leave(struct typing *t, struct typist *x)
{
	*(x->older != NULL ? &x->older->newer : &t->oldest) = x->newer;
	*(x->newer != NULL ? &x->newer->older : &t->newest) = x->older;
}

static void line_join(struct typing *t, struct typist *x)
{
	x->older = t->newest;
	x->newer = NULL;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = x;
	t->newest = x;
}

static void timer_set(struct typing *t, int64_t now)
{
	int64_t ms;

	if (t->oldest == NULL) {
		event_del(t->timer);
		return;
	}
	ms = t->oldest->until_ms > now ? t->oldest->until_ms - now : 1;
	event_add(t->timer, &(const struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

static void typist_hide(struct typing *t, struct typist *x)
{
	if (!x->shown)
		return;
	x->shown = false;
	t->cb(t->arg, &x->conv, x->user_id, false);
}

static void typist_forget(struct typing *t, struct typist *x)
{
	*typist_find(t, x->conv.id, x->user_id) = x->next;
	line_leave(t, x);
	t->n--;
	typist_hide(t, x);
	free(x);
}

static void typing_expire(evutil_socket_t fd, short what, void *arg)
{
	struct typing *t = arg;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	while (t->oldest != NULL && t->oldest->until_ms <= now)
		typist_forget(t, t->oldest);
	timer_set(t, now);
}

static struct typist *typist_new(
	struct typing *t, struct typist **at, const struct conv *c, int64_t user_id)
{
	struct typist *x = calloc(1, sizeof(*x));

	if (x == NULL)
		log_fatal("out of memory for a typist");
	x->conv = *c;
	x->user_id = user_id;
	x->passed_ms = INT64_MIN / 2;
	*at = x;
	line_join(t, x);
	t->n++;
	return x;
}

/* Shown at most once in TYPING_QUIET_MS, be it after an end. */
static void typist_show(struct typing *t, struct typist *x, int64_t now)
{
	bool pass = now - x->passed_ms >= TYPING_QUIET_MS;

	if (!pass && !x->shown)
		return;
	line_leave(t, x);
	line_join(t, x);
	x->until_ms = now + TYPING_SHOWN_MS;
	x->shown = true;
	if (pass) {
		x->passed_ms = now;
		t->cb(t->arg, &x->conv, x->user_id, true);
	}
}

void typing_set(struct typing *t, const struct conv *c, int64_t user_id, bool on)
{
	struct typist **at = typist_find(t, c->id, user_id);
	int64_t now = clock_mono_ms();

	if (!on) {
		if (*at != NULL)
			typist_hide(t, *at);
		return;
	}
	if (*at == NULL && t->n >= TYPISTS_MAX)
		return;
	typist_show(t, *at != NULL ? *at : typist_new(t, at, c, user_id), now);
	timer_set(t, now);
}

struct typing *typing_open(struct event_base *base, typing_cb *cb, void *arg)
{
	struct typing *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->timer = evtimer_new(base, typing_expire, t)) == NULL)
		log_fatal("out of memory for typing");
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
	event_free(t->timer);
	free(t);
}
