/*
 * typing: a hint that the user types in a chat. It is not acknowledged.
 */
#include "command/command.h"

enum { CHAT, VALUE };

static const struct param_spec typing_params[] = {
	[CHAT] = { "chat_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "the chat" },
	[VALUE] = { "is_typing", PARAM_BOOL, true, false, 0, 0, PARAM_BODY, "whether one types" },
};

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct record r = { .type = RECORD_TYPING,
		.typing = { .user_id = session_user_id(s), .on = a->at[VALUE].flag } };

	if (command_find_conv(env, s, a->at[CHAT].number, &r.typing.conv))
		bus_publish(env->bus, &r);
}

const struct command cmd_typing = {
	.name = "typing",
	.params = typing_params,
	.n_params = sizeof(typing_params) / sizeof(typing_params[0]),
	.doc = "Shows the other members that the user types, for 6 s.",
	.run = run,
};
