#include "tests/fuzz/peer.h"

#include <string.h>

#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/worker_harness.h"

/* The server's frames and their required members. */
static const struct {
	const char *type;
	const char *members[10];
} contract[] = {
	{ "ready", { "user_id", "session_id", "server_time" } },
	{ "ack", { "message_id", "chat_id", "seq", "mod" } },
	{ "message",
		{ "message_id", "chat_id", "seq", "mod", "sender_id", "kind", "content", "sent_at",
			"edited_at", "deleted" } },
	{ "edited",
		{ "message_id", "chat_id", "seq", "mod", "sender_id", "kind", "content", "sent_at",
			"edited_at", "deleted" } },
	{ "deleted", { "chat_id", "message_id", "seq", "mod" } },
	{ "typing", { "chat_id", "user_id", "is_typing" } },
	{ "read", { "chat_id", "user_id", "seq" } },
	{ "presence", { "user_id", "online", "last_seen_at" } },
	{ "chat_removed", { "chat_id" } },
	{ "messages", { "chat_id", "messages", "read_seq", "more" } },
	{ "synced", { NULL } },
	{ "resync", { NULL } },
	{ "pong", { NULL } },
	{ "error", { "code", "detail" } },
};

const char *peer_text(const cJSON *json, const char *name)
{
	const char *text = NULL;
	size_t len;

	return json_get_str(json, name, &text, &len) == JSON_OK ? text : NULL;
}

bool peer_is(const cJSON *json, const char *type)
{
	const char *text = peer_text(json, "type");

	return text != NULL && strcmp(text, type) == 0;
}

bool peer_is_error(const cJSON *json, enum error error)
{
	return peer_is(json, "error") && strcmp(peer_text(json, "code"), error_code(error)) == 0;
}

static void check_frame(const cJSON *json)
{
	size_t i = 0;

	while (i < sizeof(contract) / sizeof(contract[0]) && !peer_is(json, contract[i].type))
		i++;
	MUST(i < sizeof(contract) / sizeof(contract[0]));
	for (size_t m = 0; m < 10 && contract[i].members[m] != NULL; m++)
		MUST(cJSON_GetObjectItemCaseSensitive(json, contract[i].members[m]) != NULL);
	if (peer_is(json, "error")) {
		const char *code = peer_text(json, "code");

		MUST(strcmp(error_code(error_by_code(code)), code) == 0);
		MUST(error_by_code(code) != ERROR_internal);
	}
}

static void keep(struct received *h, cJSON *json)
{
	if (peer_is(json, "typing")) {
		h->typing++;
		cJSON_Delete(json);
		return;
	}
	h->n++;
	h->errors += peer_is(json, "error");
	h->acks += peer_is(json, "ack");
	cJSON_Delete(h->last);
	h->last = json;
}

void peer_receive(struct peer *p, struct received *h)
{
	enum wsframe_result got;
	struct wsframe f;

	if (!p->ended)
		p->ended = !harness_receive(p->fd, &p->in);
	while ((got = wsframe_parse(&p->parser, p->in.data, p->in.len, &f)) == WSFRAME_FRAME) {
		if (f.opcode == WSFRAME_TEXT) {
			const char *why;
			cJSON *json = json_parse(f.payload, f.len, &why);

			MUST(f.fin && json != NULL && p->close_code == 0);
			check_frame(json);
			keep(h, json);
		} else if (f.opcode == WSFRAME_CLOSE) {
			p->ended = true;
			p->close_code = f.close_code;
		} else {
			MUST(f.opcode == WSFRAME_PING);
		}
		buf_drain(&p->in, f.used);
	}
	MUST(got == WSFRAME_MORE);
}

void peer_send(struct peer *p, const char *text, size_t len)
{
	static const uint8_t mask[4]; /* zeros leave the text unchanged */
	struct buf frame = BUF_EMPTY;
	char *header = buf_reserve(&frame, WSFRAME_CLIENT_HEADER_MAX);

	frame.len = wsframe_client_header((uint8_t *)header, WSFRAME_TEXT, true, len, mask);
	buf_add(&frame, text, len);
	harness_send(p->fd, frame.data, frame.len);
	buf_fini(&frame);
}

struct peer peer_connect(const char *token)
{
	struct peer p = { .fd = harness_connect() };
	struct buf request = BUF_EMPTY;
	struct received h = { 0 };
	char *end;

	buf_add_str(&request,
		"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
	if (token != NULL)
		buf_addf(&request, "Authorization: Bearer %s\r\n", token);
	buf_add_str(&request, "\r\n");
	harness_send(p.fd, request.data, request.len);
	buf_fini(&request);
	MUST(harness_receive(p.fd, &p.in));
	end = strstr(buf_cstr(&p.in), "\r\n\r\n");
	MUST(end != NULL && strncmp(p.in.data, "HTTP/1.1 101 ", 13) == 0);
	buf_drain(&p.in, (size_t)(end + 4 - p.in.data));
	wsframe_parser_init(&p.parser, WSFRAME_CLIENT, UINT32_MAX / 2, false);
	peer_receive(&p, &h);
	MUST(!p.ended && (token == NULL ? h.n == 0 : h.n == 1 && peer_is(h.last, "ready")));
	cJSON_Delete(h.last);
	return p;
}

void peer_close(struct peer *p)
{
	harness_close(p->fd);
	buf_fini(&p->in);
}
