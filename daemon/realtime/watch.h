/*
 * watch: who of this worker's sockets watches whose presence, and what they were last told.
 *
 * Owns: the watched users, with their watchers. Knows nothing of: sockets, how presence is kept.
 *
 * A change is announced without a value; the level is looked up in the shared table. Going offline
 * is shown only when the grace is over, so each worker looks again then.
 */
#ifndef PARLEY_WATCH_H
#define PARLEY_WATCH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "realtime/presence.h"

#define WATCH_MAX 500 /* users one socket may watch */

struct watch;
struct watcher; /* a socket's set; NULL where it watches nobody */

/* Tell one watcher. last_seen_ms: wall clock, 0 for null. owner: as given to watch_set. */
typedef void watch_cb(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms);

struct watch *watch_open(
	struct event_base *base, const struct presence *p, watch_cb *cb, void *arg);
void watch_close(struct watch *w); /* after all watchers */

/* One of the users to be watched, and when the database last saw them (wall clock ms, 0 never). */
struct watch_user {
	int64_t user_id;
	int64_t last_seen_ms;
};

/* Replaces the set (*set is NULL at first) and tells each user's level at once. n <= WATCH_MAX. */
void watch_set(struct watch *w, struct watcher **set, void *owner, const struct watch_user *users,
	size_t n);

/* Ends it; *set becomes NULL. */
void watch_clear(struct watch *w, struct watcher **set);

/* Look at this user again; at all of them (a worker died). */
void watch_look(struct watch *w, int64_t user_id);
void watch_look_all(struct watch *w);

#endif
