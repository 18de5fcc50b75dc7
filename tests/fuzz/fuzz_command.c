/*
 * Fuzz target: what a client says over its WebSocket, a line of the input a frame, to a whole worker
 * (lone.h). User 1 speaks; user 2, who is in the same chats, listens.
 *
 * Whatever is said, each frame that comes back is one of the contract with all its members, each line gets
 * the number and kind of answers that the contract gives it, an id comes back as it was sent, and a text
 * that is acknowledged reaches the other one as it was. An input that begins with '-' is said by a socket
 * without a token: it is let in by a good `auth` or closed.
 */
#include <string.h>

#include "error.h"
#include "fuzz.h"
#include "json.h"
#include "lone.h"
#include "proto.h"
#include "wsframe.h"

#define MESSAGE_MAX (64u << 10) /* of the contract */

struct peer {
	int fd;
	struct buf in;
	struct wsframe_parser parser;
	bool ended; /* a close frame or the end of the stream */
	unsigned close_code;
};

/* What a line brought. */
struct heard {
	unsigned typing; /* apart from the others: it ends by the clock, too */
	unsigned n, errors, acks;
	cJSON *last; /* the newest of these, an object; NULL: none */
};

/* What the server says, with the members that each of it has. */
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

static const char *text_of(const cJSON *json, const char *name)
{
	const char *text = NULL;
	size_t len;

	return json_get_str(json, name, &text, &len) == JSON_OK ? text : NULL;
}

static bool is(const cJSON *json, const char *type)
{
	const char *text = text_of(json, "type");

	return text != NULL && strcmp(text, type) == 0;
}

static bool is_error(const cJSON *json, enum error error)
{
	return is(json, "error") && strcmp(text_of(json, "code"), error_code(error)) == 0;
}

static void check_frame(const cJSON *json)
{
	size_t i = 0;

	while (i < sizeof(contract) / sizeof(contract[0]) && !is(json, contract[i].type))
		i++;
	MUST(i < sizeof(contract) / sizeof(contract[0]));
	for (size_t m = 0; m < 10 && contract[i].members[m] != NULL; m++)
		MUST(cJSON_GetObjectItemCaseSensitive(json, contract[i].members[m]) != NULL);
	if (is(json, "error")) {
		const char *code = text_of(json, "code");

		MUST(strcmp(error_code(error_by_code(code)), code) == 0);
		MUST(error_by_code(code) != ERROR_internal);
	}
}

static void keep(struct heard *h, cJSON *json)
{
	if (is(json, "typing")) {
		h->typing++;
		cJSON_Delete(json);
		return;
	}
	h->n++;
	h->errors += is(json, "error");
	h->acks += is(json, "ack");
	cJSON_Delete(h->last);
	h->last = json;
}

/* Takes in what has come to p. */
static void hear(struct peer *p, struct heard *h)
{
	enum wsframe_result got;
	struct wsframe f;

	if (!p->ended)
		p->ended = !lone_hear(p->fd, &p->in);
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

static void say(struct peer *p, const char *text, size_t len)
{
	static const uint8_t mask[4]; /* zeros: the text stays as it is */
	struct buf frame = BUF_EMPTY;
	char *header = buf_reserve(&frame, WSFRAME_CLIENT_HEADER_MAX);

	frame.len = wsframe_client_header((uint8_t *)header, WSFRAME_TEXT, true, len, mask);
	buf_add(&frame, text, len);
	lone_send(p->fd, frame.data, frame.len);
	buf_fini(&frame);
}

/* Opens a WebSocket, with a token or without. */
static struct peer begin(const char *token)
{
	struct peer p = { .fd = lone_connect() };
	struct buf request = BUF_EMPTY;
	struct heard h = { 0 };
	char *end;

	buf_add_str(&request,
		"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
	if (token != NULL)
		buf_addf(&request, "Authorization: Bearer %s\r\n", token);
	buf_add_str(&request, "\r\n");
	lone_send(p.fd, request.data, request.len);
	buf_fini(&request);
	MUST(lone_hear(p.fd, &p.in));
	end = strstr(buf_cstr(&p.in), "\r\n\r\n");
	MUST(end != NULL && strncmp(p.in.data, "HTTP/1.1 101 ", 13) == 0);
	buf_drain(&p.in, (size_t)(end + 4 - p.in.data));
	wsframe_parser_init(&p.parser, WSFRAME_CLIENT, UINT32_MAX / 2, false);
	hear(&p, &h);
	MUST(!p.ended && (token == NULL ? h.n == 0 : h.n == 1 && is(h.last, "ready")));
	cJSON_Delete(h.last);
	return p;
}

static void end(struct peer *p)
{
	lone_close(p->fd);
	buf_fini(&p->in);
}

/* The id that an answer to this frame has; NULL: none. */
static const char *id_of(const cJSON *frame)
{
	const char *id = text_of(frame, "id");

	return id != NULL && strlen(id) <= PROTO_CLIENT_ID_MAX ? id : NULL;
}

static void check_id(const cJSON *frame, const cJSON *answer)
{
	const char *id = id_of(frame), *got = text_of(answer, "id");

	MUST((id == NULL) == (got == NULL) && (id == NULL || strcmp(id, got) == 0));
}

/* One line's answers, and what the other one heard of it. */
static void check_answers(const cJSON *frame, const struct heard *mine, const struct heard *others)
{
	bool sends = is(frame, "send"), changes = is(frame, "edit") || is(frame, "delete");

	MUST(mine->typing == 0);
	if (frame == NULL) {
		MUST(mine->n == 1 && is_error(mine->last, ERROR_bad_json) && others->n == 0);
	} else if (is(frame, "ping")) {
		MUST(mine->n == 1 && is(mine->last, "pong") && others->n == 0);
	} else if (sends || changes) {
		MUST(mine->n == 1 && mine->acks + mine->errors == 1);
		check_id(frame, mine->last);
		MUST(others->n == mine->acks);
		if (others->n == 0)
			return;
		MUST(is(others->last,
			sends                       ? "message"
				: is(frame, "edit") ? "edited"
						    : "deleted"));
		if (!is(frame, "delete"))
			MUST(strcmp(text_of(others->last, "content"), text_of(frame, "content")) ==
				0);
		MUST(cJSON_GetObjectItemCaseSensitive(others->last, "client_id") == NULL);
	} else if (is(frame, "typing") || is(frame, "read")) {
		MUST(mine->n == mine->errors && mine->n <= 1 && others->n <= 1);
		MUST(others->n == 0 || is(others->last, "read"));
	} else if (is(frame, "sync")) {
		MUST(is(mine->last, "synced") || is(mine->last, "error"));
		MUST(mine->errors <= 1 && others->n == 0);
	} else if (is(frame, "presence")) {
		MUST(mine->n == 1 && mine->errors == 1 && others->n == 0); /* needs the database */
	} else {
		MUST(mine->n == 1 && others->n == 0);
		MUST(is_error(mine->last,
			is(frame, "auth") ? ERROR_already_authenticated : ERROR_unknown_type));
		check_id(frame, mine->last);
	}
}

/* Says the line and judges what comes of it; false: that was the end. */
static bool converse(struct peer *speaker, struct peer *listener, const char *line, size_t len)
{
	struct heard mine = { 0 }, others = { 0 };
	const char *why;
	cJSON *frame = json_parse(line, len, &why);

	if (!cJSON_IsObject(frame)) {
		cJSON_Delete(frame);
		frame = NULL;
	}
	say(speaker, line, len);
	hear(speaker, &mine);
	hear(listener, &others);
	MUST(!listener->ended);
	if (!utf8_valid(line, len) || len > MESSAGE_MAX)
		MUST(speaker->ended && mine.n == 0 &&
			speaker->close_code == (len > MESSAGE_MAX ? 1009 : 1007));
	else
		check_answers(frame, &mine, &others);
	cJSON_Delete(frame);
	cJSON_Delete(mine.last);
	cJSON_Delete(others.last);
	return !speaker->ended;
}

/* The first line of a socket without a token; true where it is let in. */
static bool introduce(struct peer *speaker, const char *line, size_t len)
{
	struct heard h = { 0 };
	bool ready;

	say(speaker, line, len);
	hear(speaker, &h);
	ready = h.n == 1 && is(h.last, "ready");
	if (!ready)
		MUST(h.n == 0 && speaker->ended &&
			(speaker->close_code == 4501 || speaker->close_code == 4030 ||
				speaker->close_code == 1007));
	cJSON_Delete(h.last);
	return ready;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	lone_start("");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	bool stranger = len > 0 && bytes[0] == '-';
	struct peer speaker = begin(stranger ? NULL : LONE_TOKEN_1), listener = begin(LONE_TOKEN_2);
	const char *line = (const char *)bytes + stranger, *end_of_all = (const char *)bytes + len;
	bool known = !stranger, goes_on = true;

	while (goes_on && line < end_of_all) {
		const char *newline = memchr(line, '\n', (size_t)(end_of_all - line));
		const char *line_end = newline != NULL ? newline : end_of_all;
		size_t line_len = (size_t)(line_end - line);

		if (known)
			goes_on = converse(&speaker, &listener, line, line_len);
		else
			goes_on = known = introduce(&speaker, line, line_len);
		line = newline != NULL ? newline + 1 : end_of_all;
	}
	end(&speaker);
	end(&listener);
	lone_forget();
	return 0;
}
