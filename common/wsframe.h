/*
 * wsframe: the frame codec of WebSocket (RFC 6455 5), both roles, without I/O.
 *
 * Owns: the small state of a message in pieces. Knows nothing of: sockets, memory, JSON.
 *
 * The parser works in place on the caller's bytes and keeps nothing but a few integers, so that a
 * frame that lies whole in the scratch buffer costs no copy. A frame that is not whole is left for
 * the caller to keep.
 *
 *   bytes ──► wsframe_parse ──► WSFRAME_FRAME: one frame, checked, its payload unmasked in place
 *                           ├─► WSFRAME_MORE: keep these bytes, come again with more
 *                           └─► WSFRAME_ERROR: close code
 */
#ifndef PARLEY_WSFRAME_H
#define PARLEY_WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/utf8.h"

enum wsframe_opcode {
	WSFRAME_CONTINUATION = 0x0,
	WSFRAME_TEXT = 0x1,
	WSFRAME_BINARY = 0x2,
	WSFRAME_CLOSE = 0x8,
	WSFRAME_PING = 0x9,
	WSFRAME_PONG = 0xA
};

#define WSFRAME_CONTROL_MAX 125 /* RFC 6455 5.5 */
#define WSFRAME_SERVER_HEADER_MAX 10 /* 2 + 8: a server does not mask */
#define WSFRAME_CLIENT_HEADER_MAX 14

enum wsframe_role { WSFRAME_SERVER, WSFRAME_CLIENT };

/* Between frames of one connection; embedded. Set by wsframe_parser_init, then by wsframe_parse. */
struct wsframe_parser {
	uint32_t message_max; /* bytes of one message over all its fragments */
	uint8_t role; /* ours: a server takes only masked frames, a client others */
	uint8_t in_message; /* opcode of the unfinished message, 0 where there is none */
	bool refuse_binary; /* a binary frame is an error 1003, before its payload is read */
	utf8_state utf8; /* of the unfinished text message */
	uint32_t message_len; /* bytes of it so far */
};

void wsframe_parser_init(
	struct wsframe_parser *p, enum wsframe_role ours, uint32_t message_max, bool refuse_binary);

enum wsframe_result { WSFRAME_FRAME, WSFRAME_MORE, WSFRAME_ERROR };

struct wsframe {
	uint8_t opcode; /* as sent: a later fragment is WSFRAME_CONTINUATION */
	bool fin;
	char *payload; /* inside the caller's bytes, unmasked */
	size_t len; /* of the payload */
	size_t used; /* bytes of input the frame took, header included */
	uint16_t close_code; /* WSFRAME_ERROR: 1002, 1003, 1007 or 1009.
				 * A CLOSE frame: the peer's code, 1005 where it gave none */
};

/*
 * Takes the next frame from bytes[0..len), which it may change (unmasking).
 * WSFRAME_FRAME: *f is filled; the next call starts at bytes + f->used.
 * WSFRAME_MORE: nothing was changed; call again when there are more bytes after these. Never asked
 *   for more than header + message_max bytes (or a control frame's 125): what is longer fails from
 *   its header alone.
 * WSFRAME_ERROR: f->close_code; the connection is to be closed.
 * Checked: reserved bits and opcodes, masking by role, control frames (fin, <= 125), minimal
 * length encoding, 63-bit lengths, continuation order, UTF-8 across the fragments of a text (fails
 * at the first bad fragment), close payload (code allowed on the wire, UTF-8 reason).
 * Source: RFC 6455 5.2-5.6, 7.4, 8.1.
 */
enum wsframe_result wsframe_parse(
	struct wsframe_parser *p, char *bytes, size_t len, struct wsframe *f);

/* Writes the header of an unfragmented server frame (no mask); returns its size, 2, 4 or 10. */
size_t wsframe_server_header(
	uint8_t out[WSFRAME_SERVER_HEADER_MAX], enum wsframe_opcode opcode, size_t len);

/*
 * Writes the header of a client frame with this mask (fin as given); returns its size, 6, 8 or 14.
 * Then wsframe_mask the payload.
 */
size_t wsframe_client_header(uint8_t out[WSFRAME_CLIENT_HEADER_MAX], enum wsframe_opcode opcode,
	bool fin, size_t len, const uint8_t mask[4]);

/* XORs bytes with the mask, which begins at mask[offset % 4] (RFC 6455 5.3). */
void wsframe_mask(char *bytes, size_t len, const uint8_t mask[4], size_t offset);

/* Is this close code allowed on the wire (RFC 6455 7.4, IANA registry)? */
bool wsframe_close_code_valid(unsigned code);

#endif
