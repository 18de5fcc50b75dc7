/*
 * close_reason: the ways in which a WebSocket ends, with their word in the log, and the code and sentence of the close
 * frame.
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
uint16_t close_reason_code(enum close_reason r); /* 0: no close frame is sent */
const char *close_reason_sentence(enum close_reason r);

/* Returns the reason for an error code of the frame codec: 1002, 1003, 1007 or 1009. */
enum close_reason close_reason_of_codec(uint16_t code);

#endif
