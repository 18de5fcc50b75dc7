/*
 * typing, read: hints about a chat one is in. They are not acknowledged.
 */
#include <stdlib.h>

#include "command/command.h"
#include "common/log.h"

enum { CHAT, VALUE };

/* clang-format off */
static const struct param_spec typing_params[] = {
	[CHAT]  = { .name = "chat_id",   .type = PARAM_ID,   .required = true, .doc = "The chat." },
	[VALUE] = { .name = "is_typing", .type = PARAM_BOOL, .required = true, .doc = "True if the user is typing." },
};

static const struct param_spec read_params[] = {
	[CHAT]  = { .name = "chat_id", .type = PARAM_ID,  .required = true, .doc = "The chat." },
	[VALUE] = { .name = "seq",     .type = PARAM_INT, .required = true, .min = 0, .max = PROTO_ID_MAX,
	            .doc = "Everything up to this seq is read." },
};
/* clang-format on */

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
	PARAMS(typing_params),
	.doc = "Shows the other members of the chat for 6 s that the user is typing, or ends it.",
	.run = run_typing,
};

const struct command cmd_read = {
	.name = "read",
	PARAMS(read_params),
	.doc = "Moves the user's watermark of a chat forward.",
	.run = run_read,
};
