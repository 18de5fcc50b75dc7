/*
 * watch: the users whose presence this worker's sockets watch, and the last level sent to the
 * watchers.
 *
 * Owns: the watched users and their watchers. Knows nothing of: sockets, the presence table's
 * layout.
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

#define WATCH_MAX 500 /* users that one socket may watch */

struct watch;
struct watcher; /* a socket's set of watched users; NULL if it is empty */

/*
 * Sends a level to one watcher.
 *   owner         as given to watch_set
 *   last_seen_ms  wall clock, 0 for null
 */
typedef void watch_cb(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms);

/* p is borrowed. */
struct watch *watch_open(
	struct event_base *base, const struct presence *p, watch_cb *cb, void *arg);

/* After all watchers are cleared. */
void watch_close(struct watch *w);

struct watch_user {
	int64_t user_id;
	int64_t last_seen_ms; /* the database's, wall clock; 0: never */
};

/*
 * Replaces a watcher's set and sends the level of each user in it.
 *   set        the watcher's; *set is NULL at first
 *   viewer_id  the user who watches
 *   users      n <= WATCH_MAX of them
 */
void watch_set(struct watch *w, struct watcher **set, void *owner, int64_t viewer_id,
	const struct watch_user *users, size_t n);

/*
 * Holds a watcher, or none if it is NULL: it is sent nothing until watch_set replaces its set.
 *   watch_is_held  true if set is not NULL and held
 *   watch_ids      the users in its set: ids receives at most WATCH_MAX; returns their number
 */
void watch_hold(struct watcher *set);
bool watch_is_held(const struct watcher *set);
size_t watch_ids(const struct watcher *set, int64_t *ids);

/* Ends a watcher; *set becomes NULL. */
void watch_clear(struct watch *w, struct watcher **set);

/*
 * The users who watch this one here, and those whom this one watches here.
 *   ids  receives an array, each id once in rising order; freed by the caller
 * Returns their number.
 */
size_t watch_others(const struct watch *w, int64_t user_id, int64_t **ids);

/* Ends what this user and the others, n of them in rising order, watch of each other. */
void watch_end(struct watch *w, int64_t user_id, const int64_t *others, size_t n);

/* Calls cb for each user who watches another here, once for each of their watchers. */
void watch_each_viewer(const struct watch *w, void (*cb)(void *arg, int64_t viewer_id), void *arg);

/* Looks up the level of this user, or of all watched users, and sends what has changed. */
void watch_refresh(struct watch *w, int64_t user_id);
void watch_refresh_all(struct watch *w);

#endif
