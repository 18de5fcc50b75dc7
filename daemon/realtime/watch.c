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
	struct watched *user; /* NULL once it has ended */
	struct watcher *watcher;
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
	struct hash_link link; /* in watch's watchers */
	void *owner;
	int64_t viewer_id;
	bool held; /* true if nothing is sent */
	size_t n;
	struct interest interests[];
};

struct watch {
	const struct presence *presence;
	struct event *timer; /* pending while the grace list is not empty */
	struct watched *grace;
	struct hash users; /* struct watched by user_id */
	struct hash watchers; /* by viewer_id */
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
		if (!i->watcher->held)
			w->cb(w->arg, i->watcher->owner, u->user_id, online,
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

static void interest_end(struct watch *w, struct interest *x)
{
	struct watched *u = x->user;

	if (u == NULL)
		return;
	x->user = NULL;
	*x->prev = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	watched_drop_if_idle(w, u);
}

void watch_clear(struct watch *w, struct watcher **set)
{
	struct watcher *s = *set;

	if (s == NULL)
		return;
	*set = NULL;
	for (size_t i = 0; i < s->n; i++)
		interest_end(w, &s->interests[i]);
	hash_remove(&w->watchers, &s->link);
	free(s);
}

static void interest_init(
	struct watch *w, struct interest *x, struct watcher *s, const struct watch_user *wu)
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
		.next = u->interests, .prev = &u->interests, .user = u, .watcher = s
	};
	if (x->next != NULL)
		x->next->prev = &x->next;
	u->interests = x;
	w->cb(w->arg, s->owner, u->user_id, online, online ? 0 : last_seen_ms);
}

void watch_set(struct watch *w, struct watcher **set, void *owner, int64_t viewer_id,
	const struct watch_user *users, size_t n)
{
	struct watcher *s;

	watch_clear(w, set);
	if (n == 0)
		return;
	s = xmalloc(sizeof(*s) + n * sizeof(s->interests[0]));
	s->owner = owner;
	s->viewer_id = viewer_id;
	s->held = false;
	s->n = n;
	hash_insert(&w->watchers, &s->link, (uint64_t)viewer_id);
	*set = s;
	for (size_t i = 0; i < n; i++)
		interest_init(w, &s->interests[i], s, &users[i]);
}

void watch_hold(struct watcher *set)
{
	if (set != NULL)
		set->held = true;
}

bool watch_is_held(const struct watcher *set)
{
	return set != NULL && set->held;
}

size_t watch_ids(const struct watcher *set, int64_t *ids)
{
	size_t n = 0;

	for (size_t i = 0; set != NULL && i < set->n; i++)
		if (set->interests[i].user != NULL)
			ids[n++] = set->interests[i].user->user_id;
	return n;
}

/* Pairs of users who watch each other. */

static struct watcher *watcher_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct watcher, link);
}

static struct watcher *watchers_first(const struct watch *w, int64_t viewer_id)
{
	return watcher_of(hash_find(&w->watchers, (uint64_t)viewer_id));
}

static struct watcher *watchers_next(const struct watcher *s)
{
	return watcher_of(hash_find_next(&s->link));
}

static int id_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static size_t ids_unique(int64_t *ids, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(ids, n, sizeof(*ids), id_compare);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || ids[kept - 1] != ids[i])
			ids[kept++] = ids[i];
	return kept;
}

size_t watch_others(const struct watch *w, int64_t user_id, int64_t **ids)
{
	const struct watched *u = watched_find(w, user_id);
	size_t n = 0, cap = 0;

	*ids = NULL;
	for (const struct interest *x = u != NULL ? u->interests : NULL; x != NULL; x = x->next) {
		*ids = xgrow(*ids, n, &cap, sizeof(**ids));
		(*ids)[n++] = x->watcher->viewer_id;
	}
	for (const struct watcher *s = watchers_first(w, user_id); s != NULL; s = watchers_next(s))
		for (size_t i = 0; i < s->n; i++) {
			if (s->interests[i].user == NULL)
				continue;
			*ids = xgrow(*ids, n, &cap, sizeof(**ids));
			(*ids)[n++] = s->interests[i].user->user_id;
		}
	return ids_unique(*ids, n);
}

static bool ids_have(const int64_t *ids, size_t n, int64_t id)
{
	return n > 0 && bsearch(&id, ids, n, sizeof(id), id_compare) != NULL;
}

void watch_end(struct watch *w, int64_t user_id, const int64_t *others, size_t n)
{
	const struct watched *u = watched_find(w, user_id);
	struct interest *next;

	for (struct watcher *s = watchers_first(w, user_id); s != NULL; s = watchers_next(s))
		for (size_t i = 0; i < s->n; i++) {
			const struct watched *other = s->interests[i].user;

			if (other != NULL && other != u && ids_have(others, n, other->user_id))
				interest_end(w, &s->interests[i]);
		}
	for (struct interest *x = u != NULL ? u->interests : NULL; x != NULL; x = next) {
		next = x->next;
		if (ids_have(others, n, x->watcher->viewer_id))
			interest_end(w, x);
	}
}

void watch_each_viewer(const struct watch *w, void (*cb)(void *arg, int64_t viewer_id), void *arg)
{
	for (struct hash_link *l = hash_first(&w->watchers); l != NULL;
		l = hash_next(&w->watchers, l))
		cb(arg, watcher_of(l)->viewer_id);
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
	hash_fini(&w->watchers);
	event_free(w->timer);
	free(w);
}
