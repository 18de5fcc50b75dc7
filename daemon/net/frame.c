#include "net/frame.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static struct frame *frame_alloc(size_t len)
{
	struct frame *f = xmalloc(sizeof(*f) + len);

	f->refs = 1;
	f->len = (uint32_t)len;
	return f;
}

struct frame *frame_new(enum wsframe_opcode opcode, const char *payload, size_t len)
{
	uint8_t header[WSFRAME_SERVER_HEADER_MAX];
	size_t header_len = wsframe_server_header(header, opcode, len);
	struct frame *f = frame_alloc(header_len + len);

	memcpy(f->bytes, header, header_len);
	if (len > 0)
		memcpy(f->bytes + header_len, payload, len);
	return f;
}

struct frame *frame_raw(const char *bytes, size_t len)
{
	struct frame *f = frame_alloc(len);

	memcpy(f->bytes, bytes, len);
	return f;
}

struct frame *frame_close(uint16_t code, const char *reason)
{
	char payload[WSFRAME_CONTROL_MAX];
	size_t len = strlen(reason);

	if (len > sizeof(payload) - 2)
		len = sizeof(payload) - 2;
	payload[0] = (char)(code >> 8);
	payload[1] = (char)(code & 0xff);
	memcpy(payload + 2, reason, len);
	return frame_new(WSFRAME_CLOSE, payload, 2 + len);
}

struct frame *frame_ref(struct frame *f)
{
	f->refs++;
	return f;
}

void frame_unref(struct frame *f)
{
	if (f != NULL && --f->refs == 0)
		free(f);
}
