/*
 * close_reason: every way a WebSocket ends: its word in the log, its code and sentence on the wire.
 *
 * Owns: the table. Knows nothing of: sockets.
 */
#ifndef PARLEY_CLOSE_REASON_H
#define PARLEY_CLOSE_REASON_H

#include <stdint.h>

enum close_reason {
#define CLOSE(name, code, sentence) CLOSE_##name,
#include "common/close_reason.def"
#undef CLOSE
	CLOSE_N
};

const char *close_reason_word(enum close_reason r);
uint16_t close_reason_code(enum close_reason r); /* 0: no close frame */
const char *close_reason_sentence(enum close_reason r);

/* The reason for a code that the frame codec found (1002, 1003, 1007, 1009). */
enum close_reason close_reason_of_codec(uint16_t code);

#endif
