/*
 * peer: a WebSocket client of a lone worker, which takes nothing but frames of the contract.
 *
 * Owns: its socket, what has not come whole. Knows nothing of: why something is said.
 */
#ifndef PARLEY_FUZZ_PEER_H
#define PARLEY_FUZZ_PEER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/wsframe.h"

struct peer {
	int fd;
	struct buf in;
	struct wsframe_parser parser;
	bool ended; /* a close frame or the end of the stream */
	unsigned close_code;
};

/* What a line brought. */
struct heard {
	unsigned typing; /* apart from the others: it ends by the clock, too */
	unsigned n, errors, acks;
	cJSON *last; /* the newest of these, an object; NULL: none */
};

/* Opens a WebSocket with this token, and is ready; NULL: without one, and is to say one first. */
struct peer peer_begin(const char *token);

void peer_say(struct peer *p, const char *text, size_t len);

/* Lets the worker answer, sees that each frame is one of the contract with all its members, and adds them to
 * h, whose last is the caller's to delete. */
void peer_hear(struct peer *p, struct heard *h);

void peer_end(struct peer *p);

/* A text member; NULL: none, or another type. */
const char *peer_text(const cJSON *json, const char *name);

/* Is it a frame of this type? */
bool peer_is(const cJSON *json, const char *type);
bool peer_is_error(const cJSON *json, enum error error);

#endif
