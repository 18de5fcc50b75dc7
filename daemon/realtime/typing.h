/*
 * typing: who is typing where, for those who watch on this worker; never stored.
 *
 * Owns: the typists of the last 6 s. Knows nothing of: rooms, sockets.
 *
 * Every worker keeps this for itself from the ring's records: so the end is told also when the
 * typist's worker is dead, and two sockets of one typist count as one.
 */
#ifndef PARLEY_TYPING_H
#define PARLEY_TYPING_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

#define TYPING_SHOWN_MS 6000 /* unless repeated */
#define TYPING_QUIET_MS 2000 /* between two `true` that are passed on */

struct typing;

/* To be shown to the others of the conversation. */
typedef void typing_cb(void *arg, const struct conv *c, int64_t user_id, bool on);

struct typing *typing_open(struct event_base *base, typing_cb *cb, void *arg);
void typing_close(struct typing *t);

/* The user says that they type, or that they stopped; a message of theirs is a stop too. Calls cb
 * where it is to be shown. */
void typing_set(struct typing *t, const struct conv *c, int64_t user_id, bool on);

#endif
