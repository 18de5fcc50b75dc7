#include "realtime/watch.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

#define BUCKETS 4096

/* One watcher's interest in one user: on the watcher's array and on the user's list. */
struct interest {
	struct interest *next, **prev;
	struct watched *user;
	void *owner;
};

struct watched {
	struct watched *next; /* in the bucket */
	struct watched *grace_next;
	int64_t user_id;
	struct interest *interests;
	bool online; /* as was told */
	bool in_grace; /* on the list of those to be looked at again */
};

struct watcher {
	size_t n;
	struct interest interests[];
};

struct watch {
	const struct presence *presence;
	struct event *timer; /* runs while somebody is in grace */
	struct watched *grace;
	struct watched *buckets[BUCKETS];
	watch_cb *cb;
	void *arg;
};

static struct watched **watched_find(struct watch *w, int64_t user_id)
{
	struct watched **at = &w->buckets[(uint64_t)user_id % BUCKETS];

	while (*at != NULL && (*at)->user_id != user_id)
		at = &(*at)->next;
	return at;
}

static struct watched *watched_get(struct watch *w, int64_t user_id)
{
	struct watched **at = watched_find(w, user_id);

	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		if (*at == NULL)
			log_fatal("out of memory for a watched user");
		(*at)->user_id = user_id;
	}
	return *at;
}

/* One in grace is let go by the timer, which holds a pointer to it. */
static void watched_drop_if_idle(struct watch *w, struct watched *u)
{
	if (u->interests != NULL || u->in_grace)
		return;
	*watched_find(w, u->user_id) = u->next;
	free(u);
}

static int64_t wall_of(int64_t mono_ms)
{
	return clock_wall_ms() - (clock_mono_ms() - mono_ms);
}

static void watched_grace(struct watch *w, struct watched *u)
{
	if (u->in_grace)
		return;
	u->in_grace = true;
	u->grace_next = w->grace;
	if (w->grace == NULL)
		event_add(w->timer, &(const struct timeval){ 0, 500000 });
	w->grace = u;
}

static void watched_look(struct watch *w, struct watched *u)
{
	int64_t gone_ms = 0;
	enum presence_level level =
		presence_look(w->presence, u->user_id, clock_mono_ms(), &gone_ms);
	bool online = level != PRESENCE_OFFLINE;

	if (level == PRESENCE_GRACE)
		watched_grace(w, u);
	if (online == u->online)
		return;
	u->online = online;
	for (struct interest *i = u->interests; i != NULL; i = i->next)
		w->cb(w->arg, i->owner, u->user_id, online,
			online                 ? 0
				: gone_ms != 0 ? wall_of(gone_ms)
					       : clock_wall_ms());
}

static void watch_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct watched *todo = w->grace;

	(void)fd;
	(void)what;
	w->grace = NULL;
	while (todo != NULL) {
		struct watched *u = todo;

		todo = u->grace_next;
		u->in_grace = false;
		watched_look(w, u);
		watched_drop_if_idle(w, u);
	}
}

void watch_look(struct watch *w, int64_t user_id)
{
	struct watched *u = *watched_find(w, user_id);

	if (u != NULL)
		watched_look(w, u);
}

void watch_look_all(struct watch *w)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct watched *u = w->buckets[i]; u != NULL; u = u->next)
			watched_look(w, u);
}

void watch_clear(struct watch *w, struct watcher **set)
{
	struct watcher *s = *set;

	if (s == NULL)
		return;
	*set = NULL;
	for (size_t i = 0; i < s->n; i++) {
		struct interest *x = &s->interests[i];

		*x->prev = x->next;
		if (x->next != NULL)
			x->next->prev = x->prev;
		watched_drop_if_idle(w, x->user);
	}
	free(s);
}

static void interest_begin(
	struct watch *w, struct interest *x, void *owner, const struct watch_user *wu)
{
	struct watched *u = watched_get(w, wu->user_id);
	int64_t gone_ms = 0, last_seen_ms = wu->last_seen_ms;
	bool online;

	/* The others are told if the level has changed meanwhile; the new one is told in any case.
	 * */
	watched_look(w, u);
	online = presence_look(w->presence, u->user_id, clock_mono_ms(), &gone_ms) !=
		PRESENCE_OFFLINE;
	u->online = online;
	if (gone_ms != 0 && wall_of(gone_ms) > last_seen_ms)
		last_seen_ms = wall_of(gone_ms);
	*x = (struct interest){
		.next = u->interests, .prev = &u->interests, .user = u, .owner = owner
	};
	if (x->next != NULL)
		x->next->prev = &x->next;
	u->interests = x;
	w->cb(w->arg, owner, u->user_id, online, online ? 0 : last_seen_ms);
}

void watch_set(struct watch *w, struct watcher **set, void *owner, const struct watch_user *users,
	size_t n)
{
	struct watcher *s;

	watch_clear(w, set);
	if (n == 0)
		return;
	s = malloc(sizeof(*s) + n * sizeof(s->interests[0]));
	if (s == NULL)
		log_fatal("out of memory for a watcher");
	s->n = n;
	*set = s;
	for (size_t i = 0; i < n; i++)
		interest_begin(w, &s->interests[i], owner, &users[i]);
}

struct watch *watch_open(struct event_base *base, const struct presence *p, watch_cb *cb, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->timer = evtimer_new(base, watch_timer, w)) == NULL)
		log_fatal("out of memory for the watch");
	w->presence = p;
	w->cb = cb;
	w->arg = arg;
	return w;
}

void watch_close(struct watch *w)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (w->buckets[i] != NULL) {
			struct watched *u = w->buckets[i];

			w->buckets[i] = u->next;
			free(u);
		}
	event_free(w->timer);
	free(w);
}
