#include "common/wsframe.h"

#include <string.h>

#define FIN 0x80
#define RSV 0x70
#define OPCODE 0x0F
#define MASKED 0x80
#define LEN7 0x7F
#define LEN_IS_16 126 /* values of LEN7: the length follows in 16 or in 64 bits */
#define LEN_IS_64 127
#define CONTROL 0x08 /* the bit that control opcodes share */
#define MASK_SIZE 4

enum {
	PROTOCOL_ERROR = 1002,
	UNSUPPORTED = 1003,
	NO_STATUS = 1005,
	BAD_TEXT = 1007,
	TOO_BIG = 1009
};

struct header {
	uint8_t opcode;
	bool fin;
	uint8_t size; /* bytes of the header, mask included */
	uint64_t len; /* of the payload */
};

void wsframe_parser_init(
	struct wsframe_parser *p, enum wsframe_role ours, uint32_t message_max, bool reject_binary)
{
	*p = (struct wsframe_parser){
		.message_max = message_max,
		.role = (uint8_t)ours,
		.reject_binary = reject_binary,
	};
}

static bool is_control(uint8_t opcode)
{
	return opcode & CONTROL;
}

/* Checks the first two bytes. Returns a close code, or 0 (RFC 6455 5.2, 5.4, 5.5). */
static uint16_t first_bytes_error(const struct wsframe_parser *p, const uint8_t *at)
{
	uint8_t opcode = at[0] & OPCODE;
	bool masked = at[1] & MASKED;

	if (at[0] & RSV || masked != (p->role == WSFRAME_SERVER))
		return PROTOCOL_ERROR;
	switch (opcode) {
	case WSFRAME_CONTINUATION:
		return p->in_message ? 0 : PROTOCOL_ERROR;
	case WSFRAME_TEXT:
	case WSFRAME_BINARY:
		if (p->in_message)
			return PROTOCOL_ERROR;
		return opcode == WSFRAME_BINARY && p->reject_binary ? UNSUPPORTED : 0;
	case WSFRAME_CLOSE:
	case WSFRAME_PING:
	case WSFRAME_PONG:
		return at[0] & FIN && (at[1] & LEN7) <= WSFRAME_CONTROL_MAX ? 0 : PROTOCOL_ERROR;
	default:
		return PROTOCOL_ERROR;
	}
}

static uint64_t big_endian(const uint8_t *at, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | at[i];
	return value;
}

/* Parses and checks the header. Returns WSFRAME_FRAME if it is complete. */
static enum wsframe_result parse_header(const struct wsframe_parser *p, const uint8_t *at,
	size_t len, struct header *h, uint16_t *error)
{
	size_t len_size = 0;

	if (len < 2)
		return WSFRAME_MORE;
	*error = first_bytes_error(p, at);
	if (*error)
		return WSFRAME_ERROR;
	h->opcode = at[0] & OPCODE;
	h->fin = at[0] & FIN;
	h->len = at[1] & LEN7;
	if (h->len >= LEN_IS_16) {
		len_size = h->len == LEN_IS_16 ? 2 : 8;
		if (len < 2 + len_size)
			return WSFRAME_MORE;
		h->len = big_endian(at + 2, len_size);
		/* The encoding must be minimal, and the top bit clear (RFC 6455 5.2). */
		if (h->len < (len_size == 2 ? LEN_IS_16 : 0x10000) || h->len >> 63) {
			*error = PROTOCOL_ERROR;
			return WSFRAME_ERROR;
		}
	}
	if (!is_control(h->opcode) && h->len > p->message_max - p->message_len) {
		*error = TOO_BIG;
		return WSFRAME_ERROR;
	}
	h->size = (uint8_t)(2 + len_size + (p->role == WSFRAME_SERVER ? MASK_SIZE : 0));
	return WSFRAME_FRAME;
}

/* Checks the payload of a close frame: empty, or a code and a reason (RFC 6455 5.5.1). Returns a close code, or 0. */
static uint16_t check_close(struct wsframe *f)
{
	if (f->len == 0) {
		f->close_code = NO_STATUS;
		return 0;
	}
	if (f->len < 2)
		return PROTOCOL_ERROR;
	if (!utf8_valid(f->payload + 2, f->len - 2))
		return BAD_TEXT;
	f->close_code = (uint16_t)big_endian((const uint8_t *)f->payload, 2);
	return wsframe_close_code_valid(f->close_code) ? 0 : PROTOCOL_ERROR;
}

/* Adds a data frame to the state of the message. Returns a close code, or 0. */
static uint16_t check_data(struct wsframe_parser *p, const struct wsframe *f)
{
	uint8_t message = p->in_message ? p->in_message : f->opcode;

	if (message == WSFRAME_TEXT) {
		p->utf8 = utf8_feed(p->utf8, f->payload, f->len);
		if (p->utf8 == UTF8_BROKEN || (f->fin && p->utf8 != UTF8_START))
			return BAD_TEXT;
	}
	p->in_message = f->fin ? 0 : message;
	p->message_len = f->fin ? 0 : p->message_len + (uint32_t)f->len;
	return 0;
}

enum wsframe_result wsframe_parse(
	struct wsframe_parser *p, char *bytes, size_t len, struct wsframe *f)
{
	struct header h;
	enum wsframe_result result;

	*f = (struct wsframe){ 0 };
	result = parse_header(p, (const uint8_t *)bytes, len, &h, &f->close_code);
	if (result != WSFRAME_FRAME)
		return result;
	if (len < h.size || len - h.size < h.len)
		return WSFRAME_MORE;
	f->opcode = h.opcode;
	f->fin = h.fin;
	f->payload = bytes + h.size;
	f->len = (size_t)h.len;
	f->used = h.size + f->len;
	if (p->role == WSFRAME_SERVER) {
		uint8_t mask[MASK_SIZE];

		memcpy(mask, f->payload - MASK_SIZE, MASK_SIZE);
		wsframe_mask(f->payload, f->len, mask, 0);
	}
	if (f->opcode == WSFRAME_CLOSE) {
		uint16_t error = check_close(f);

		if (error)
			f->close_code = error;
		return error ? WSFRAME_ERROR : WSFRAME_FRAME;
	}
	if (!is_control(f->opcode))
		f->close_code = check_data(p, f);
	return f->close_code ? WSFRAME_ERROR : WSFRAME_FRAME;
}

/* Writes the length and the mask bit after the first byte. Returns the size of the header without the mask. */
static size_t put_len(uint8_t *out, size_t len, uint8_t masked)
{
	size_t len_size = len < LEN_IS_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
	uint64_t left = len;

	if (len_size == 0) {
		out[1] = (uint8_t)(masked | len);
		return 2;
	}
	out[1] = masked | (len_size == 2 ? LEN_IS_16 : LEN_IS_64);
	for (size_t i = len_size; i > 0; i--) {
		out[1 + i] = (uint8_t)left;
		left >>= 8;
	}
	return 2 + len_size;
}

size_t wsframe_server_header(
	uint8_t out[WSFRAME_SERVER_HEADER_MAX], enum wsframe_opcode opcode, size_t len)
{
	out[0] = (uint8_t)(FIN | opcode);
	return put_len(out, len, 0);
}

size_t wsframe_client_header(uint8_t out[WSFRAME_CLIENT_HEADER_MAX], enum wsframe_opcode opcode,
	bool fin, size_t len, const uint8_t mask[4])
{
	size_t size;

	out[0] = (uint8_t)((fin ? FIN : 0) | opcode);
	size = put_len(out, len, MASKED);
	memcpy(out + size, mask, MASK_SIZE);
	return size + MASK_SIZE;
}

void wsframe_mask(char *bytes, size_t len, const uint8_t mask[4], size_t offset)
{
	uint8_t rotated[8];
	uint64_t key, eight;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(rotated); k++)
		rotated[k] = mask[(offset + k) % MASK_SIZE];
	memcpy(&key, rotated, sizeof(key));
	for (; len - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, bytes + i, sizeof(eight));
		eight ^= key;
		memcpy(bytes + i, &eight, sizeof(eight));
	}
	for (; i < len; i++)
		bytes[i] = (char)((uint8_t)bytes[i] ^ rotated[i % sizeof(rotated)]);
}

bool wsframe_close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
		(code >= 3000 && code <= 4999);
}
