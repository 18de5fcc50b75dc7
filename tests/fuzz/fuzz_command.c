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

#include "common/json.h"
#include "common/proto.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/lone.h"
#include "tests/fuzz/peer.h"

#define MESSAGE_MAX (64u << 10) /* of the contract */

/* The id that an answer to this frame has; NULL: none. */
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

/* One line's answers, and what the other one heard of it. */
static void check_answers(const cJSON *frame, const struct heard *mine, const struct heard *others)
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
		MUST(mine->n == 1 && mine->errors == 1 && others->n == 0); /* needs the database */
	} else {
		MUST(mine->n == 1 && others->n == 0);
		MUST(peer_is_error(mine->last,
			peer_is(frame, "auth") ? ERROR_already_authenticated : ERROR_unknown_type));
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
	peer_say(speaker, line, len);
	peer_hear(speaker, &mine);
	peer_hear(listener, &others);
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

	peer_say(speaker, line, len);
	peer_hear(speaker, &h);
	ready = h.n == 1 && peer_is(h.last, "ready");
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
	struct peer speaker = peer_begin(stranger ? NULL : LONE_TOKEN_1),
		    listener = peer_begin(LONE_TOKEN_2);
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
	peer_end(&speaker);
	peer_end(&listener);
	lone_forget();
	return 0;
}
