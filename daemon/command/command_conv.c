/*
 * command_conv: the conversation that a command names.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/xalloc.h"

struct lookup {
	const struct cmd_env *env;
	uint64_t session;
	struct text id;
	char bytes[]; /* id */
};

static void looked_up(void *arg, enum error error, const store_rows *rows);

/* A chat without a room here either has not begun, and then there is no member to notify, or is not
 * the user's. */
bool command_find_conv(const struct cmd_env *env, struct session *s, struct text id,
	int64_t chat_id, struct conv *c)
{
	struct lookup *l;

	if (rooms_find_conv(env->rooms, session_user(s), chat_id, c))
		return true;
	l = xmalloc(sizeof(*l) + id.len);
	*l = (struct lookup){ .env = env, .session = session_id(s) };
	if (id.data != NULL)
		l->id = (struct text){ memcpy(l->bytes, id.data, id.len), id.len };
	store_conv(env->store, session_user_id(s), chat_id, looked_up, l);
	return false;
}

static void looked_up(void *arg, enum error error, const store_rows *rows)
{
	struct lookup *l = arg;
	struct session *s = sessions_find(l->env->sessions, l->session);

	(void)rows;
	if (s != NULL && error != ERROR_NONE)
		session_error(s, l->id, error, NULL);
	free(l);
}
