/*
 * frame: bytes to write to many sockets, encoded once and shared by counted references.
 *
 * Owns: its bytes. Knows nothing of: sockets, queues.
 */
#ifndef PARLEY_FRAME_H
#define PARLEY_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/wsframe.h"

struct frame {
	uint32_t refs;
	uint32_t len;
	char bytes[]; /* header and payload, as they are written */
};

/*
 * A complete, final frame of a server (RFC 6455 5.2). Each of these three returns one reference, the caller's.
 *   payload  len bytes, copied; NULL if len is 0
 */
struct frame *frame_new(enum wsframe_opcode opcode, const char *payload, size_t len);

/* The bytes alone, without a header: the answer to the upgrade. */
struct frame *frame_raw(const char *bytes, size_t len);

/*
 * A close frame.
 *   reason  cut to 123 bytes
 */
struct frame *frame_close(uint16_t code, const char *reason);

/* Adds a reference and returns f. */
struct frame *frame_ref(struct frame *f);

/* Drops a reference, and frees f with the last one. f: may be NULL */
void frame_unref(struct frame *f);

#endif
