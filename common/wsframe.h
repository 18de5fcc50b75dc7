/*
 * wsframe: the frame codec of WebSocket (RFC 6455, section 5) for both roles, without I/O.
 *
 * Owns: the state of a fragmented message. Knows nothing of: sockets, memory, JSON.
 *
 * The parser works in place and keeps a few integers only, so that a frame that is complete in the caller's buffer is
 * not copied. The caller keeps the bytes of an incomplete frame.
 *
 *   bytes ──► wsframe_parse ──► WSFRAME_FRAME: one frame, checked, its payload unmasked in place
 *                           ├─► WSFRAME_MORE: incomplete; keep the bytes and call again with more
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

/* The state between the frames of a connection; embed it. */
struct wsframe_parser {
	uint32_t message_max; /* bytes of a message, over all its fragments */
	uint8_t role; /* enum wsframe_role: a server accepts masked frames only, a client unmasked ones */
	uint8_t in_message; /* opcode of the incomplete message, 0 if there is none */
	bool reject_binary; /* true if a binary frame is an error (1003), before its payload is read */
	utf8_state utf8; /* of the incomplete text message */
	uint32_t message_len; /* bytes of the incomplete message so far */
};

/* ours: the role of this end; message_max, reject_binary: see the struct. */
void wsframe_parser_init(
	struct wsframe_parser *p, enum wsframe_role ours, uint32_t message_max, bool reject_binary);

enum wsframe_result { WSFRAME_FRAME, WSFRAME_MORE, WSFRAME_ERROR };

struct wsframe {
	uint8_t opcode; /* of the frame: WSFRAME_CONTINUATION for a later fragment */
	bool fin;
	char *payload; /* inside the caller's bytes, unmasked */
	size_t len; /* of the payload */
	size_t used; /* bytes of the frame, including the header */
	uint16_t close_code; /* WSFRAME_ERROR: 1002, 1003, 1007 or 1009.
				 * CLOSE frame: the peer's code, 1005 if it has none */
};

/*
 * Parses and checks the next frame: reserved bits, opcode, masking, control frames (fin, length), minimal length
 * encoding, order of fragments, UTF-8 across the fragments of a text, code and reason of a close frame
 * (RFC 6455 5.2-5.6, 7.4, 8.1).
 *   bytes  len bytes of input; a complete frame is unmasked in place
 *   f      filled in
 * Returns
 *   WSFRAME_FRAME  a frame; the next one starts at bytes + f->used
 *   WSFRAME_MORE   incomplete; bytes are unchanged. At most header + message_max bytes are needed (125 for a control
 *                  frame), since a longer frame is an error as soon as its header is there
 *   WSFRAME_ERROR  close the connection with f->close_code
 */
enum wsframe_result wsframe_parse(
	struct wsframe_parser *p, char *bytes, size_t len, struct wsframe *f);

/* Writes the header of an unfragmented server frame. Returns its size: 2, 4 or 10 bytes. */
size_t wsframe_server_header(
	uint8_t out[WSFRAME_SERVER_HEADER_MAX], enum wsframe_opcode opcode, size_t len);

/*
 * Writes the header of a client frame, whose payload the caller masks with wsframe_mask. Returns its size: 6, 8 or 14
 * bytes.
 */
size_t wsframe_client_header(uint8_t out[WSFRAME_CLIENT_HEADER_MAX], enum wsframe_opcode opcode,
	bool fin, size_t len, const uint8_t mask[4]);

/* Masks or unmasks bytes; the first one with mask[offset % 4] (RFC 6455 5.3). */
void wsframe_mask(char *bytes, size_t len, const uint8_t mask[4], size_t offset);

/* True if a close frame may have this code (RFC 6455 7.4, IANA registry). */
bool wsframe_close_code_valid(unsigned code);

#endif
