/*
 * edit, delete, react: change a message, then acknowledge it.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/xalloc.h"
#include "realtime/frames.h"

enum { ID, MESSAGE, CONTENT };

/* clang-format off */
static const struct param_spec params[] = {
	[ID]      = { .name = "id",         .type = PARAM_CLIENT_ID, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	              .doc = "Comes back in the ack." },
	[MESSAGE] = { .name = "message_id", .type = PARAM_ID,        .required = true,
	              .doc = "A text message that the user sent." },
	[CONTENT] = { .name = "content",    .type = PARAM_TEXT,      .required = true, .min = 1, .max = PROTO_CONTENT_MAX,
	              .doc = "The new text." },
};
/* clang-format on */

enum { EMOJI = MESSAGE + 1, ON };

/* clang-format off */
static const struct param_spec react_params[] = {
	[ID]      = { .name = "id",         .type = PARAM_CLIENT_ID, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	              .doc = "Comes back in the ack." },
	[MESSAGE] = { .name = "message_id", .type = PARAM_ID,        .required = true,
	              .doc = "A text message of one of the user's chats." },
	[EMOJI]   = { .name = "emoji",      .type = PARAM_EMOJI,     .required = true,
	              .doc = "One emoji; U+FE0F in it does not matter." },
	[ON]      = { .name = "on",         .type = PARAM_BOOL,      .required = true,
	              .doc = "False to remove the reaction." },
};
/* clang-format on */

struct pending {
	const struct cmd_env *env;
	uint64_t session;
	enum record_event event;
	bool has_id;
	size_t id_len;
	char id[PROTO_CLIENT_ID_MAX];
};

static void changed(void *arg, enum error error, const struct change *c);

static struct pending *pending_new(const struct cmd_env *env, struct session *s,
	const struct params *a, enum record_event event)
{
	struct pending *p = xmalloc(sizeof(*p));
	const struct param *id = &a->at[ID];

	p->env = env;
	p->session = session_id(s);
	p->event = event;
	p->has_id = id->present;
	p->id_len = id->text.len;
	if (id->present)
		memcpy(p->id, id->text.data, id->text.len);
	session_in_flight(s, 1);
	FAULT("edit.queued");
	return p;
}

static void run_edit(const struct cmd_env *env, struct session *s, const struct params *a)
{
	store_edit_message(env->store, session_user_id(s), a->at[MESSAGE].number,
		a->at[CONTENT].text, changed, pending_new(env, s, a, RECORD_EDITED));
}

static void run_delete(const struct cmd_env *env, struct session *s, const struct params *a)
{
	store_delete_message(env->store, session_user_id(s), a->at[MESSAGE].number, changed,
		pending_new(env, s, a, RECORD_DELETED));
}

static void run_react(const struct cmd_env *env, struct session *s, const struct params *a)
{
	const struct reaction r = {
		.user_id = session_user_id(s),
		.message_id = a->at[MESSAGE].number,
		.emoji = a->at[EMOJI].text,
		.on = a->at[ON].flag,
	};

	store_react(env->store, &r, changed,
		pending_new(env, s, a, r.on ? RECORD_REACTED : RECORD_UNREACTED));
}

static void changed(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;
	struct session *s;
	struct text id = { p->has_id ? p->id : NULL, p->id_len };

	if (error == ERROR_NONE && !c->duplicate)
		bus_publish_change(p->env->bus, c, p->event, p->session);
	s = sessions_find(p->env->sessions, p->session);
	if (s != NULL && error == ERROR_NONE) {
		frames_write_change_ack(session_scratch(s), id, c, session_user_id(s));
		session_send(s, session_scratch(s));
		FAULT("edit.acked");
	} else if (s != NULL) {
		session_error(s, id, error, NULL);
	}
	if (s != NULL)
		session_in_flight(s, -1);
	free(p);
}

const struct command cmd_edit = {
	.name = "edit",
	PARAMS(params),
	.doc = "Replaces the text of a message.",
	.run = run_edit,
};

const struct command cmd_delete = {
	.name = "delete",
	PARAMS_FIRST(MESSAGE + 1, params),
	.doc = "Erases the text of a message; its place in the chat stays.",
	.run = run_delete,
};

const struct command cmd_react = {
	.name = "react",
	PARAMS(react_params),
	.doc = "Adds a reaction to a message, or removes one.",
	.run = run_react,
};
