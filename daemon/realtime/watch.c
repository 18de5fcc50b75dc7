#include "realtime/watch.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/xalloc.h"

#define GRACE_POLL_MS 500 /* while a watched user is in grace */

/* One watcher's interest in one user: in the watcher's array and on the user's list. */
struct interest {
	struct interest *next, **prev;
	struct watched *user;
	void *owner;
};

struct watched {
	struct hash_link link; /* in watch's users */
	struct watched *grace_next;
	int64_t user_id;
	struct interest *interests;
	bool online; /* the level sent last */
	bool in_grace; /* true while on watch's grace list */
};

struct watcher {
	size_t n;
	struct interest interests[];
};

struct watch {
	const struct presence *presence;
	struct event *timer; /* pending while the grace list is not empty */
	struct watched *grace;
	struct hash users; /* struct watched by user_id */
	watch_cb *cb;
	void *arg;
};

static struct watched *watched_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct watched, link);
}

static struct watched *watched_find(const struct watch *w, int64_t user_id)
{
	return watched_of(hash_find(&w->users, (uint64_t)user_id));
}

static struct watched *watched_get(struct watch *w, int64_t user_id)
{
	struct watched *u = watched_find(w, user_id);

	if (u != NULL)
		return u;
	u = xcalloc(1, sizeof(*u));
	u->user_id = user_id;
	hash_insert(&w->users, &u->link, (uint64_t)user_id);
	return u;
}

/* A user on the grace list stays until the timer has removed them from it. */
static void watched_drop_if_idle(struct watch *w, struct watched *u)
{
	if (u->interests != NULL || u->in_grace)
		return;
	hash_remove(&w->users, &u->link);
	free(u);
}

static int64_t wall_of(int64_t mono_ms)
{
	return clock_wall_ms() - (clock_mono_ms() - mono_ms);
}

static void watched_add_to_grace(struct watch *w, struct watched *u)
{
	if (u->in_grace)
		return;
	u->in_grace = true;
	u->grace_next = w->grace;
	if (w->grace == NULL)
		event_add(w->timer, &(const struct timeval){ 0, GRACE_POLL_MS * 1000 });
	w->grace = u;
}

static void watched_refresh(struct watch *w, struct watched *u)
{
	int64_t gone_ms = 0;
	enum presence_level level =
		presence_lookup(w->presence, u->user_id, clock_mono_ms(), &gone_ms);
	bool online = level != PRESENCE_OFFLINE;

	if (level == PRESENCE_GRACE)
		watched_add_to_grace(w, u);
	if (online == u->online)
		return;
	u->online = online;
	for (struct interest *i = u->interests; i != NULL; i = i->next)
		w->cb(w->arg, i->owner, u->user_id, online,
			online                 ? 0
				: gone_ms != 0 ? wall_of(gone_ms)
					       : clock_wall_ms());
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct watched *list = w->grace;

	(void)fd;
	(void)what;
	w->grace = NULL;
	while (list != NULL) {
		struct watched *u = list;

		list = u->grace_next;
		u->in_grace = false;
		watched_refresh(w, u);
		watched_drop_if_idle(w, u);
	}
}

void watch_refresh(struct watch *w, int64_t user_id)
{
	struct watched *u = watched_find(w, user_id);

	if (u != NULL)
		watched_refresh(w, u);
}

void watch_refresh_all(struct watch *w)
{
	for (struct hash_link *l = hash_first(&w->users); l != NULL; l = hash_next(&w->users, l))
		watched_refresh(w, watched_of(l));
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

static void interest_init(
	struct watch *w, struct interest *x, void *owner, const struct watch_user *wu)
{
	struct watched *u = watched_get(w, wu->user_id);
	int64_t gone_ms = 0, last_seen_ms = wu->last_seen_ms;
	bool online;

	/* Other watchers get the level if it has changed; the new one gets it in any case. */
	watched_refresh(w, u);
	online = presence_lookup(w->presence, u->user_id, clock_mono_ms(), &gone_ms) !=
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
	s = xmalloc(sizeof(*s) + n * sizeof(s->interests[0]));
	s->n = n;
	*set = s;
	for (size_t i = 0; i < n; i++)
		interest_init(w, &s->interests[i], owner, &users[i]);
}

struct watch *watch_open(struct event_base *base, const struct presence *p, watch_cb *cb, void *arg)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->timer = evtimer_new(base, on_timer, w);
	if (w->timer == NULL)
		log_fatal("event_new_failed module=watch");
	w->presence = p;
	w->cb = cb;
	w->arg = arg;
	return w;
}

void watch_close(struct watch *w)
{
	struct hash_link *next;

	for (struct hash_link *l = hash_first(&w->users); l != NULL; l = next) {
		next = hash_next(&w->users, l);
		free(watched_of(l));
	}
	hash_fini(&w->users);
	event_free(w->timer);
	free(w);
}
