/*
 * read: moves the user's watermark of a chat. It is not acknowledged; members see it when it is
 * stored. If it cannot be stored, the socket gets an error.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/xalloc.h"

enum { ID, CHAT, VALUE };

/* clang-format off */
static const struct param_spec params[] = {
	[ID]    = { .name = "id",      .type = PARAM_CLIENT_ID, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	            .doc = "Comes back in an error." },
	[CHAT]  = { .name = "chat_id", .type = PARAM_ID,  .required = true, .doc = "The chat." },
	[VALUE] = { .name = "seq",     .type = PARAM_INT, .required = true, .min = 0, .max = PROTO_ID_MAX,
	            .doc = "Everything up to this seq is read." },
};
/* clang-format on */

struct pending {
	const struct cmd_env *env;
	uint64_t session;
	struct text id;
	char bytes[]; /* id */
};

static void marked(void *arg, enum error error);

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	const struct param *id = &a->at[ID];
	struct pending *p;
	struct conv c;

	if (!command_find_conv(env, s, id->text, a->at[CHAT].number, &c))
		return;
	p = xmalloc(sizeof(*p) + id->text.len);
	*p = (struct pending){ .env = env, .session = session_id(s) };
	if (id->present)
		p->id = (struct text){ memcpy(p->bytes, id->text.data, id->text.len),
			id->text.len };
	session_in_flight(s, 1);
	store_mark_read(
		env->store, &c, session_user_id(s), a->at[VALUE].number, session_id(s), marked, p);
}

static void marked(void *arg, enum error error)
{
	struct pending *p = arg;
	struct session *s = sessions_find(p->env->sessions, p->session);

	if (s != NULL && error != ERROR_NONE)
		session_error(s, p->id, error, NULL);
	if (s != NULL)
		session_in_flight(s, -1);
	free(p);
}

const struct command cmd_read = {
	.name = "read",
	PARAMS(params),
	.doc = "Moves the user's watermark of a chat forward.",
	.run = run,
};
