/*
 * batcher: natural batching. While one batch is in flight, the items that arrive gather and become the next one.
 *
 *   batcher_add ──► waiting ──gather──► batch, in flight ──► batcher_done ──► the next batch
 *                      └── too many wait, or flush fails ──► rejected, from the loop
 *
 * Owns: the items from batcher_add until they are in a batch, and again once they are rejected. The batch in flight
 * belongs to the owner, who frees its items and then calls batcher_done.
 * Knows nothing of: what an item is, the database.
 */
#ifndef PARLEY_BATCHER_H
#define PARLEY_BATCHER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#define BATCHER_BATCH_MAX 128 /* items of one batch */
#define BATCHER_BATCH_BYTES (256u << 10)
#define BATCHER_WAITING_MAX 16384 /* items */

/* The first member of each item. */
struct batch_item {
	struct batch_item *next;
	size_t bytes;
};

struct batcher;

struct batcher_events {
	/* Sends the batch b->batch. Returns false if it cannot: then it and all waiting items are rejected. */
	bool (*flush)(struct batcher *b);
	/* Ends one item that is not sent, and frees it. Called from the loop. */
	void (*reject)(struct batcher *b, struct batch_item *item);
	/* Returns true if the item may be in one batch with those from first on. NULL: always. */
	bool (*joins)(const struct batch_item *first, const struct batch_item *item);
};

struct batcher {
	const struct batcher_events *events;
	void *owner;
	struct batch_item *waiting, **waiting_end;
	size_t n_waiting, waiting_max;
	struct batch_item *batch; /* in flight */
	size_t n_batch, batch_max;
	struct batch_item *rejected; /* not yet ended */
	struct event *rejecting;
};

/*
 * Initializes a batcher, which must not move.
 *   owner  kept in b->owner for the events
 */
void batcher_init(struct batcher *b, struct event_base *base, const struct batcher_events *events,
	void *owner);
/* No item is left. */
void batcher_fini(struct batcher *b);

/* Adds an item of so many bytes; it is rejected if b->waiting_max items wait. */
void batcher_add(struct batcher *b, struct batch_item *item, size_t bytes);

/* Takes the waiting items for which pick returns true out of the queue. Returns them in their order. */
struct batch_item *batcher_take(
	struct batcher *b, bool (*pick)(const struct batcher *b, const struct batch_item *item));

/* Puts n items before those that wait, in their order; last is the last one. Flushes them if nothing is in flight. */
void batcher_put_first(
	struct batcher *b, struct batch_item *first, struct batch_item *last, size_t n);

/* The batch in flight has ended, and its items are freed: flushes the next one. */
void batcher_done(struct batcher *b);

/* All items of the batch in flight but the first return to the front of the queue; batch_max is 1 from now on. */
void batcher_split(struct batcher *b);

/* Each of these makes the loop call events->reject: for an item that is in no queue; for all waiting items; for these
 * and the batch in flight. */
void batcher_reject(struct batcher *b, struct batch_item *item);
void batcher_reject_waiting(struct batcher *b);
void batcher_reject_all(struct batcher *b);

/* Rejects without the loop what is to be rejected. Returns true if there was an item. */
bool batcher_run_rejections(struct batcher *b);

#endif
