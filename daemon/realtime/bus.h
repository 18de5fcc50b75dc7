/*
 * bus: the ring on the event loop: publishing with patience, reading in bounded bites.
 *
 * Owns: this worker's reader and the outbox of what the ring could not take at once. Knows nothing
 * of: what records do.
 */
#ifndef PARLEY_BUS_H
#define PARLEY_BUS_H

#include <event2/event.h>

#include "common/proto.h"
#include "heritage.h"
#include "store/store.h"

struct bus;

struct bus_events {
	/* The worker's own ones too; texts live until it returns. */
	void (*record)(void *arg, const struct record *r);
	void (*overrun)(void *arg); /* records were missed: the database must be asked */
};

struct bus *bus_open(struct event_base *base, const struct heritage *h,
	const struct bus_events *events, void *arg);
void bus_close(struct bus *b);

/* Hands the record to all workers, this one included, in the order of calls. Never blocks over 2
 * ms: what the ring cannot take now waits in the outbox; RECORD_TYPING is dropped instead. */
void bus_publish(struct bus *b, const struct record *r);

/* The record of a committed change. A duplicate changed nothing and is published all the same where
 * its first answer was lost with a connection (receivers drop what they know); origin is the
 * session that asked, 0 over HTTP. */
void bus_publish_change(
	struct bus *b, const struct change *c, enum record_event event, uint64_t origin);

/* Nothing waits in the outbox. */
bool bus_idle(const struct bus *b);

/* The master says that a worker died: look at the ring without being woken. */
void bus_poke(struct bus *b);

#endif
