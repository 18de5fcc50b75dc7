/*
 * read: moves the user's watermark of a chat. It is not acknowledged; members see it when it is
 * stored.
 */
#include "command/command.h"

enum { CHAT, VALUE };

/* clang-format off */
static const struct param_spec params[] = {
	[CHAT]  = { .name = "chat_id", .type = PARAM_ID,  .required = true, .doc = "The chat." },
	[VALUE] = { .name = "seq",     .type = PARAM_INT, .required = true, .min = 0, .max = PROTO_ID_MAX,
	            .doc = "Everything up to this seq is read." },
};
/* clang-format on */

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct conv c;

	if (command_find_conv(env, s, a->at[CHAT].number, &c))
		store_mark_read(
			env->store, &c, session_user_id(s), a->at[VALUE].number, session_id(s));
}

const struct command cmd_read = {
	.name = "read",
	PARAMS(params),
	.doc = "Moves the user's watermark of a chat forward.",
	.run = run,
};
