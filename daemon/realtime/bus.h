/*
 * bus: the ring on the event loop. Publishing never blocks for long; reading is done in bounded
 * batches.
 *
 * Owns: this worker's reader, and the outbox of records that the ring could not take at once.
 * Knows nothing of: the meaning of records.
 */
#ifndef PARLEY_BUS_H
#define PARLEY_BUS_H

#include <event2/event.h>

#include "common/record.h"
#include "heritage.h"
#include "store/store.h"

struct bus;

struct bus_events {
	/* A record of this worker's generation was read, possibly one of its own. Its texts are valid until it
	 * returns. */
	void (*record)(void *arg, const struct record *r);
	/* Records were lost: the state here must be compared with the database. */
	void (*overrun)(void *arg);
	/* A record of a later generation was read and dropped: another worker has found a new epoch. */
	void (*newer)(void *arg, uint16_t generation);
};

/* Opens this worker's reader at the tail of h's ring. events and h are borrowed. */
struct bus *bus_open(struct event_base *base, const struct heritage *h,
	const struct bus_events *events, void *arg);
void bus_close(struct bus *b);

/*
 * Publishes a record to all workers, this one included, in the order of the calls. Blocks for at
 * most 2 ms. A record that the ring cannot take waits in the outbox; RECORD_TYPING is dropped
 * instead.
 */
void bus_publish(struct bus *b, const struct record *record);

/*
 * Publishes a committed change.
 *   c       the store's answer. A duplicate is published again if its first answer may have been
 *           lost with a connection: receivers drop the mods that they have.
 *   origin  the session that made it and has its own answer; 0 over HTTP
 */
void bus_publish_change(
	struct bus *b, const struct change *c, enum record_event event, uint64_t origin);

/* Sets the generation of the records that are published and delivered from now on; 0 at first. */
void bus_set_generation(struct bus *b, uint16_t generation);

/* True if the outbox is empty. */
bool bus_idle(const struct bus *b);

/* Reads the ring now, without a wakeup: a publisher may have died before it sent one. */
void bus_poke(struct bus *b);

#endif
