/*
 * typing: the users who are typing, by conversation; never stored.
 *
 * Owns: the typists of the last 6 s. Knows nothing of: rooms, sockets.
 *
 * Every worker keeps its own table, from the ring's records. So the end is shown even if the
 * typist's worker has died, and several sockets of a typist count as one.
 */
#ifndef PARLEY_TYPING_H
#define PARLEY_TYPING_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

#define TYPING_SHOWN_MS 6000 /* after the last `true` */
#define TYPING_QUIET_MS 2000 /* the least time between two `true` that are passed on */

struct typing;

/* To be pushed to the other members of the conversation. */
typedef void typing_cb(void *arg, const struct conv *c, int64_t user_id, bool on);

struct typing *typing_open(struct event_base *base, typing_cb *cb, void *arg);

/* All have stopped. Calls back for those who are shown. */
void typing_clear(struct typing *t);

/* Calls back no more. */
void typing_close(struct typing *t);

/* The user types (on) or has stopped. A message of theirs is a stop too. Calls back if it is to be
 * pushed. */
void typing_set(struct typing *t, const struct conv *c, int64_t user_id, bool on);

#endif
