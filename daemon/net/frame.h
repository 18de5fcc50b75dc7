/*
 * frame: bytes to be written to many sockets, encoded once and shared by counted references.
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
	char bytes[]; /* header and payload, as they go out */
};

/* A whole, final server frame around the payload (RFC 6455 5.2), with one reference, the caller's.
 * */
struct frame *frame_new(enum wsframe_opcode opcode, const char *payload, size_t len);

/* Bytes as they are (the answer to the upgrade). */
struct frame *frame_raw(const char *bytes, size_t len);

/* A close frame: code and reason (<= 123 bytes). */
struct frame *frame_close(uint16_t code, const char *reason);

struct frame *frame_ref(struct frame *f);
void frame_unref(struct frame *f); /* NULL is fine */

#endif
