/*
 * presence: sets the users whose presence the socket watches.
 */
#include <stdlib.h>

#include "command/command.h"
#include "common/xalloc.h"

enum { WATCH };

/* clang-format off */
static const struct param_spec params[] = {
	[WATCH] = { .name = "watch", .type = PARAM_IDS, .required = true, .min = 0, .max = WATCH_MAX,
	            .doc = "The users to watch; those who share no chat with the user are left out." },
};
/* clang-format on */

struct pending {
	const struct cmd_env *env;
	uint64_t session;
};

static void contacts_read(void *arg, enum error error, const store_rows *rows);

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct pending *p = xmalloc(sizeof(*p));

	*p = (struct pending){ env, session_id(s) };
	store_contacts(env->store, session_user_id(s), a->at[WATCH].ids, a->at[WATCH].n_ids,
		contacts_read, p);
}

static void contacts_read(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	const struct cmd_env *env = p->env;
	struct session *s = sessions_find(env->sessions, p->session);
	struct watch_user users[WATCH_MAX];
	size_t n = 0;

	free(p);
	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		session_error(s, (struct text){ NULL, 0 }, error, NULL);
		return;
	}
	for (int i = 0; i < store_n(rows) && n < WATCH_MAX; i++)
		users[n++] =
			(struct watch_user){ store_id_at(rows, i), store_last_seen_at(rows, i) };
	watch_set(env->watch, session_watcher(s), s, users, n);
}

const struct command cmd_presence = {
	.name = "presence",
	PARAMS(params),
	.cost = 5,
	.doc = "Replaces the set of users whose presence is pushed to this socket.",
	.run = run,
};
