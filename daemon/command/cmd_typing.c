/*
 * typing: a hint that the user types in a chat. It is not acknowledged.
 */
#include "command/command.h"

enum { CHAT, VALUE };

/* clang-format off */
static const struct param_spec params[] = {
	[CHAT]  = { .name = "chat_id",   .type = PARAM_ID,   .required = true, .doc = "The chat." },
	[VALUE] = { .name = "is_typing", .type = PARAM_BOOL, .required = true, .doc = "True if the user is typing." },
};
/* clang-format on */

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct record r = { .type = RECORD_TYPING,
		.typing = { .user_id = session_user_id(s), .on = a->at[VALUE].flag } };

	if (!command_find_conv(
		    env, s, (struct text){ NULL, 0 }, a->at[CHAT].number, &r.typing.conv))
		return;
	if (!r.typing.on || rooms_may_post(env->rooms, session_user(s), a->at[CHAT].number))
		bus_publish(env->bus, &r);
}

const struct command cmd_typing = {
	.name = "typing",
	PARAMS(params),
	.doc = "Shows the other members of the chat for 6 s that the user is typing, or ends it.",
	.run = run,
};
