/*
 * last_seen: writes the time at which users were last seen, in one statement for all who left
 * within a second.
 *
 * Owns: the users that are not written yet. Knows nothing of: sockets, presence.
 */
#ifndef PARLEY_LAST_SEEN_H
#define PARLEY_LAST_SEEN_H

#include <event2/event.h>
#include <stdint.h>

#include "store/store.h"

struct last_seen;

/* store is borrowed. */
struct last_seen *last_seen_new(struct event_base *base, struct store *store);

/* Drops what was not flushed. */
void last_seen_free(struct last_seen *l);

/* The user was last seen now, give or take a second. */
void last_seen_add(struct last_seen *l, int64_t user_id);

/* Drops what is not written: the ids are of another history. */
void last_seen_clear(struct last_seen *l);

/* Writes all of them now. */
void last_seen_flush(struct last_seen *l);

#endif
