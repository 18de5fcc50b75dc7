/*
 * send: stores a message, then acknowledges it.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/xalloc.h"
#include "realtime/frames.h"

enum { ID, RECEIVER, CONTENT, REPLY_TO };

/* clang-format off */
static const struct param_spec params[] = {
	[ID]       = { .name = "id",          .type = PARAM_CLIENT_ID, .required = true, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	               .doc = "The sender's own name for this send; a repeat with the same one is stored once." },
	[RECEIVER] = { .name = "receiver_id", .type = PARAM_ID,        .required = true,
	               .doc = "A user, or a group that the user is a member of." },
	[CONTENT]  = { .name = "content",     .type = PARAM_TEXT,      .required = true, .min = 1, .max = PROTO_CONTENT_MAX,
	               .doc = "The text." },
	[REPLY_TO] = { .name = "reply_to",    .type = PARAM_ID,
	               .doc = "A text of the same chat." },
};
/* clang-format on */

struct pending {
	const struct cmd_env *env;
	uint64_t session;
	size_t id_len;
	char id[PROTO_CLIENT_ID_MAX];
};

static void stored(void *arg, enum error error, const struct change *c);

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct pending *p = xmalloc(sizeof(*p));
	const struct send send = {
		.sender = session_user_id(s),
		.receiver = a->at[RECEIVER].number,
		.content = a->at[CONTENT].text,
		.client_id = a->at[ID].text,
		.reply_to = a->at[REPLY_TO].number,
	};

	p->env = env;
	p->session = session_id(s);
	p->id_len = send.client_id.len;
	memcpy(p->id, send.client_id.data, send.client_id.len);
	session_in_flight(s, 1);
	FAULT("send.queued");
	store_send(env->store, &send, stored, p);
}

static void stored(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;
	struct session *s;
	struct text id = { p->id, p->id_len };

	/* It is committed: published even if the sender has closed. */
	if (error == ERROR_NONE)
		bus_publish_change(p->env->bus, c, RECORD_NEW, p->session);
	s = sessions_find(p->env->sessions, p->session);
	if (s != NULL && error == ERROR_NONE) {
		frames_write_send_ack(session_scratch(s), id, c, session_user_id(s));
		session_send(s, session_scratch(s));
		FAULT("send.acked");
	} else if (s != NULL) {
		session_error(s, id, error,
			error == ERROR_invalid ? "reply_to: is not a text of this chat" : NULL);
	}
	if (s != NULL)
		session_in_flight(s, -1);
	free(p);
}

const struct command cmd_send = {
	.name = "send",
	PARAMS(params),
	.doc = "Sends a message; the ack follows the commit.",
	.run = run,
};
