/*
 * presence: sets the users whose presence the socket watches. The set is kept until the socket
 * closes: after a new epoch its users are looked up again.
 */
#include <stdlib.h>
#include <string.h>

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
	uint64_t checks; /* watch_checks_now at the query */
	bool again; /* true if the users are those of the session's set */
	size_t n;
	int64_t ids[];
};

static void query(struct pending *p, const struct session *s);
static void contacts_read(void *arg, enum error error, const store_rows *rows);

static void begin(
	const struct cmd_env *env, struct session *s, const int64_t *ids, size_t n, bool again)
{
	struct pending *p = xmalloc(sizeof(*p) + n * sizeof(p->ids[0]));

	*p = (struct pending){ .env = env, .session = session_id(s), .again = again, .n = n };
	if (n > 0)
		memcpy(p->ids, ids, n * sizeof(p->ids[0]));
	query(p, s);
}

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	begin(env, s, a->at[WATCH].ids, a->at[WATCH].n_ids, false);
}

void cmd_presence_again(const struct cmd_env *env, struct session *s)
{
	int64_t ids[WATCH_MAX];
	size_t n = watch_ids(*session_watcher(s), ids);

	watch_hold(*session_watcher(s));
	if (n > 0)
		begin(env, s, ids, n, true);
}

static void query(struct pending *p, const struct session *s)
{
	p->checks = watch_checks_now(p->env->watch_checks);
	store_contacts(p->env->store, session_user_id(s), p->ids, p->n, contacts_read, p);
}

static void set(const struct cmd_env *env, struct session *s, const store_rows *rows)
{
	struct watch_user users[WATCH_MAX];
	size_t n = 0;

	for (int i = 0; i < store_n(rows) && n < WATCH_MAX; i++)
		users[n++] =
			(struct watch_user){ store_id_at(rows, i), store_last_seen_at(rows, i) };
	watch_set(env->watch, session_watcher(s), s, session_user_id(s), users, n);
}

/* A session that is not READY is of another epoch than the query; cmd_presence_again follows. A set that is not held
 * was replaced by the client. */
static void answer(
	const struct pending *p, struct session *s, enum error error, const store_rows *rows)
{
	if (!session_ready(s))
		error = ERROR_unavailable;
	if (p->again && (!session_ready(s) || !watch_is_held(*session_watcher(s))))
		return;
	if (error == ERROR_NONE)
		set(p->env, s, rows);
	else if (p->again)
		session_close(s, CLOSE_unavailable);
	else
		session_error(s, (struct text){ NULL, 0 }, error, NULL);
}

static void contacts_read(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	const struct cmd_env *env = p->env;
	struct session *s = sessions_find(env->sessions, p->session);

	if (s != NULL && error == ERROR_NONE &&
		watch_checks_since(
			env->watch_checks, p->checks, session_user_id(s), p->ids, p->n)) {
		query(p, s);
		return;
	}
	if (s != NULL)
		answer(p, s, error, rows);
	free(p);
}

const struct command cmd_presence = {
	.name = "presence",
	PARAMS(params),
	.cost = 5,
	.doc = "Replaces the set of users whose presence is pushed to this socket.",
	.run = run,
};
