/*
 * watch_check: ends what two users watch of each other, once they share no chat.
 *
 * Owns: the users who wait for a check. Knows nothing of: sockets, levels.
 *
 *   a membership of a user ends ─► watch_check ─► the store: who shares a chat with them ─► watch_end
 *
 * Any worker may have a watcher, so each one checks, and only users whom it has watchers of. One
 * query of a worker runs at a time, for at most WATCH_MAX pairs of users.
 */
#ifndef PARLEY_WATCH_CHECK_H
#define PARLEY_WATCH_CHECK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "realtime/watch.h"
#include "store/store.h"

struct watch_checks;

/* w and store are borrowed. */
struct watch_checks *watch_checks_open(
	struct event_base *base, struct watch *w, struct store *store);

/* After the last answer of the store. */
void watch_checks_close(struct watch_checks *c);

/* A membership of this user has ended. */
void watch_check(struct watch_checks *c, int64_t user_id);

/* Memberships may have ended unseen: all watchers are checked. */
void watch_check_all(struct watch_checks *c);

/*
 * For a query who shares a chat with a viewer: a membership may end before its answer is there.
 *   watch_checks_now    to be called before the query; returns a value for since
 *   watch_checks_since  true if a membership of the viewer or of one of the ids has ended since
 */
uint64_t watch_checks_now(const struct watch_checks *c);
bool watch_checks_since(const struct watch_checks *c, uint64_t since, int64_t viewer_id,
	const int64_t *ids, size_t n);

#endif
