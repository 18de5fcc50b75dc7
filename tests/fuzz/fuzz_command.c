/*
 * Fuzz target: WebSocket frames of a client, one a line, to a whole worker (worker_harness.h). User 1
 * sends them; user 2 is in the same chats and receives.
 *
 * Every frame from the worker is one of docs/api.md with all its members. Every line has the number and
 * kind of answers that docs/api.md says. An id is returned unchanged, and an acknowledged text reaches
 * user 2 unchanged. If the input begins with '-', the socket has no token: a valid `auth` authenticates
 * it, anything else closes it.
 */
#include <string.h>

#include "common/json.h"
#include "common/proto.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/worker_harness.h"

#define MESSAGE_MAX (64u << 10) /* docs/api.md */

/* Returns the id that the answer to this frame must have, or NULL if it has none. */
static const char *id_of(const cJSON *frame)
{
	const char *id = peer_text(frame, "id");

	return id != NULL && strlen(id) <= PROTO_CLIENT_ID_MAX ? id : NULL;
}

static void check_id(const cJSON *frame, const cJSON *answer)
{
	const char *id = id_of(frame), *got = peer_text(answer, "id");

	MUST((id == NULL) == (got == NULL) && (id == NULL || strcmp(id, got) == 0));
}

/* Checks the answers to one frame, and the pushes to the other user. frame is NULL if it is no JSON object. */
static void check_answers(
	const cJSON *frame, const struct received *mine, const struct received *others)
{
	bool sends = peer_is(frame, "send"),
	     changes = peer_is(frame, "edit") || peer_is(frame, "delete");

	MUST(mine->typing == 0);
	if (frame == NULL) {
		MUST(mine->n == 1 && peer_is_error(mine->last, ERROR_bad_json) && others->n == 0);
	} else if (peer_is(frame, "ping")) {
		MUST(mine->n == 1 && peer_is(mine->last, "pong") && others->n == 0);
	} else if (sends || changes) {
		MUST(mine->n == 1 && mine->acks + mine->errors == 1);
		check_id(frame, mine->last);
		MUST(others->n == mine->acks);
		if (others->n == 0)
			return;
		MUST(peer_is(others->last,
			sends                            ? "message"
				: peer_is(frame, "edit") ? "edited"
							 : "deleted"));
		if (!peer_is(frame, "delete"))
			MUST(strcmp(peer_text(others->last, "content"),
				     peer_text(frame, "content")) == 0);
		MUST(cJSON_GetObjectItemCaseSensitive(others->last, "client_id") == NULL);
	} else if (peer_is(frame, "typing") || peer_is(frame, "read")) {
		MUST(mine->n == mine->errors && mine->n <= 1 && others->n <= 1);
		MUST(others->n == 0 || peer_is(others->last, "read"));
	} else if (peer_is(frame, "sync")) {
		MUST(peer_is(mine->last, "synced") || peer_is(mine->last, "error"));
		MUST(mine->errors <= 1 && others->n == 0);
	} else if (peer_is(frame, "presence")) {
		MUST(mine->n == 1 && mine->errors == 1 && others->n == 0); /* needs a database */
	} else {
		MUST(mine->n == 1 && others->n == 0);
		MUST(peer_is_error(mine->last,
			peer_is(frame, "auth") ? ERROR_already_authenticated : ERROR_unknown_type));
		check_id(frame, mine->last);
	}
}

/* Sends the line and checks the effects. Returns false if the socket was closed. */
static bool exchange(struct peer *sender, struct peer *receiver, const char *line, size_t len)
{
	struct received mine = { 0 }, others = { 0 };
	const char *why;
	cJSON *frame = json_parse(line, len, &why);

	if (!cJSON_IsObject(frame)) {
		cJSON_Delete(frame);
		frame = NULL;
	}
	peer_send(sender, line, len);
	peer_receive(sender, &mine);
	peer_receive(receiver, &others);
	MUST(!receiver->ended);
	if (!utf8_valid(line, len) || len > MESSAGE_MAX)
		MUST(sender->ended && mine.n == 0 &&
			sender->close_code == (len > MESSAGE_MAX ? 1009 : 1007));
	else
		check_answers(frame, &mine, &others);
	cJSON_Delete(frame);
	cJSON_Delete(mine.last);
	cJSON_Delete(others.last);
	return !sender->ended;
}

/* Sends the first line of a socket without a token. Returns true if it is authenticated. */
static bool authenticate(struct peer *sender, const char *line, size_t len)
{
	struct received h = { 0 };
	bool ready;

	peer_send(sender, line, len);
	peer_receive(sender, &h);
	ready = h.n == 1 && peer_is(h.last, "ready");
	if (!ready)
		MUST(h.n == 0 && sender->ended &&
			(sender->close_code == 4501 || sender->close_code == 4030 ||
				sender->close_code == 1007));
	cJSON_Delete(h.last);
	return ready;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	harness_start("");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	bool unauthenticated = len > 0 && bytes[0] == '-';
	struct peer sender = peer_connect(unauthenticated ? NULL : HARNESS_TOKEN_1),
		    receiver = peer_connect(HARNESS_TOKEN_2);
	const char *line = (const char *)bytes + unauthenticated, *end = (const char *)bytes + len;
	bool authenticated = !unauthenticated, is_open = true;

	while (is_open && line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline != NULL ? newline : end;
		size_t line_len = (size_t)(line_end - line);

		if (authenticated)
			is_open = exchange(&sender, &receiver, line, line_len);
		else
			is_open = authenticated = authenticate(&sender, line, line_len);
		line = newline != NULL ? newline + 1 : end;
	}
	peer_close(&sender);
	peer_close(&receiver);
	harness_reset();
	return 0;
}
