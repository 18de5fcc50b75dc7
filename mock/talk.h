/*
 * talk: generates short, coherent exchanges from a small grammar.
 *
 * Owns: its phrases. Knows nothing of: the speakers, databases.
 */
#ifndef PARLEY_MOCK_TALK_H
#define PARLEY_MOCK_TALK_H

#include <stdbool.h>

#include "common/buf.h"
#include "mock/names.h"
#include "mock/rng.h"

#define TALK_SLOTS 6

/* The state of an exchange. All zero means that it is finished. */
struct talk {
	const struct thread *thread;
	unsigned turn;
	unsigned char fill[TALK_SLOTS]; /* index of the word for each slot, the same in all lines */
};

/* Starts a new exchange in a language. */
void talk_start(struct talk *t, struct rng *r, enum language language);

/* Appends the next line. Returns false if it is the last one of the exchange. */
bool talk_line(struct talk *t, struct rng *r, struct buf *line);

#endif
