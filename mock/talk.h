/*
 * talk: short conversations that hang together, made from a small grammar.
 *
 * Owns: its phrases. Knows nothing of: who speaks, databases.
 */
#ifndef PARLEY_MOCK_TALK_H
#define PARLEY_MOCK_TALK_H

#include <stdbool.h>

#include "common/buf.h"
#include "mock/names.h"
#include "mock/rng.h"

#define TALK_SLOTS 6

/* One exchange: what it is about and how far it has got. Zeroed, it is over. */
struct talk {
	const struct thread *thread;
	unsigned turn;
	unsigned char fill[TALK_SLOTS]; /* which word stands in each slot, the same all along */
};

/* Begins a new exchange in that language. */
void talk_begin(struct talk *t, struct rng *r, enum language language);

/* Appends the next line; false where it was the last of this exchange. */
bool talk_line(struct talk *t, struct rng *r, struct buf *line);

#endif
