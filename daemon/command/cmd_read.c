/*
 * read: moves the user's watermark of a chat. It is not acknowledged; members see it when it is
 * stored.
 */
#include "command/command.h"

enum { CHAT, VALUE };

static const struct param_spec read_params[] = {
	[CHAT] = { "chat_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "the chat" },
	[VALUE] = { "seq", PARAM_INT, true, false, 0, PROTO_ID_MAX, PARAM_BODY,
		"everything up to here is read" },
};

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct conv c;

	if (command_find_conv(env, s, a->at[CHAT].number, &c))
		store_mark_read(
			env->store, &c, session_user_id(s), a->at[VALUE].number, session_id(s));
}

const struct command cmd_read = {
	.name = "read",
	.params = read_params,
	.n_params = sizeof(read_params) / sizeof(read_params[0]),
	.doc = "Moves the user's watermark of a chat forward.",
	.run = run,
};
