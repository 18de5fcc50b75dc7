/*
 * typing, read: hints about a chat one is in. They are not acknowledged.
 */
#include <stdlib.h>

#include "command/command.h"
#include "common/log.h"

enum { CHAT, VALUE };

static const struct param_spec typing_params[] = {
	[CHAT] = { "chat_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "the chat" },
	[VALUE] = { "is_typing", PARAM_BOOL, true, false, 0, 0, PARAM_BODY, "whether one types" },
};

static const struct param_spec read_params[] = {
	[CHAT] = { "chat_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "the chat" },
	[VALUE] = { "seq", PARAM_INT, true, false, 0, PROTO_ID_MAX, PARAM_BODY,
		"everything up to here is read" },
};

/* A chat that is in no room here: one not talked in yet has nobody to be told, any other is not the
 * user's. */
struct pending {
	const struct cmd_env *env;
	uint64_t session;
};

static void looked_up(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct session *s = sessions_find(p->env->sessions, p->session);

	(void)rows;
	if (s != NULL && error != ERROR_NONE)
		session_error(s, (struct text){ NULL, 0 }, error, NULL);
	free(p);
}

static bool find_conv(const struct cmd_env *env, struct session *s, int64_t chat_id, struct conv *c)
{
	struct pending *p;

	if (rooms_conv(env->rooms, session_user(s), chat_id, c))
		return true;
	p = malloc(sizeof(*p));
	if (p == NULL)
		log_fatal("out of memory for a look-up");
	*p = (struct pending){ env, session_id(s) };
	store_conv(env->store, session_user_id(s), chat_id, looked_up, p);
	return false;
}

static void run_typing(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct record r = {
		.type = RECORD_TYPING, .on = a->at[VALUE].flag, .user_id = session_user_id(s)
	};

	if (find_conv(env, s, a->at[CHAT].number, &r.conv))
		bus_publish(env->bus, &r);
}

static void run_read(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct conv c;

	if (find_conv(env, s, a->at[CHAT].number, &c))
		store_mark_read(
			env->store, &c, session_user_id(s), a->at[VALUE].number, session_id(s));
}

const struct command cmd_typing = {
	.name = "typing",
	.params = typing_params,
	.n_params = sizeof(typing_params) / sizeof(typing_params[0]),
	.doc = "Shows the others of the chat that one types, for 6 s.",
	.run = run_typing,
};

const struct command cmd_read = {
	.name = "read",
	.params = read_params,
	.n_params = sizeof(read_params) / sizeof(read_params[0]),
	.doc = "Moves one's watermark of a chat forward.",
	.run = run_read,
};
