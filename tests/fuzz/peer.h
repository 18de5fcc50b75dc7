/*
 * peer: a WebSocket client of the worker harness, which accepts only frames of docs/api.md.
 *
 * Owns: its socket, its input buffer. Knows nothing of: the target.
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
	bool ended; /* true after a close frame or the end of the stream */
	unsigned close_code;
};

/* The frames received after a line. */
struct received {
	unsigned typing; /* counted separately, since a timer sends some */
	unsigned n, errors, acks;
	cJSON *last; /* the newest of them, or NULL */
};

/* Opens a WebSocket and waits for `ready`. token: 43 characters; NULL: the first frame must be `auth`. */
struct peer peer_connect(const char *token);

/* Sends a text frame. */
void peer_send(struct peer *p, const char *text, size_t len);

/*
 * Runs the worker until it is idle, checks every frame received against docs/api.md, and adds it to h.
 * The caller deletes h->last.
 */
void peer_receive(struct peer *p, struct received *h);

/* Closes the socket. */
void peer_close(struct peer *p);

/* Returns a member that is a string, or NULL. */
const char *peer_text(const cJSON *json, const char *name);

/* True if it is a frame of this type. */
bool peer_is(const cJSON *json, const char *type);
/* True if it is an `error` frame with this code. */
bool peer_is_error(const cJSON *json, enum error error);

#endif
