/*
 * session_revoke: revoked tokens. A revocation may arrive while a lookup of the same token is in
 * progress, whose answer is older. So the newest revocations are kept in a log, and every lookup is
 * compared with the part of the log that is younger than it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "realtime/session_private.h"

static bool revokes(const struct record_token_revoked *r, int64_t token_id, int64_t user_id)
{
	return r->user_id == 0 ? r->token_id == token_id
			       : r->user_id == user_id && r->keep_token_id != token_id;
}

/* Finds a revocation that may concern the token, from this position of the log on; NULL if there is
 * none. */
static const struct record_token_revoked *log_find(
	const struct sessions *ss, const struct token *t, size_t from)
{
	if (ss->n_revocations - from > REVOCATIONS_KEPT)
		from = ss->n_revocations - REVOCATIONS_KEPT;
	for (; from < ss->n_revocations; from++) {
		const struct record_token_revoked *r = &ss->revocations[from % REVOCATIONS_KEPT];

		if (revokes(r, t->token_id, t->user_id))
			return r;
	}
	return NULL;
}

void revocations_clear(struct sessions *ss)
{
	memset(ss->revocations, 0, sizeof(ss->revocations));
}

/* True if the log has wrapped since the session's lookup. */
static bool log_wrapped(const struct session *s)
{
	return s->revocations_at_lookup != 0 &&
		s->sessions->n_revocations - s->revocations_at_lookup > REVOCATIONS_KEPT;
}

enum revocation session_find_revocation(const struct session *s, const struct token *t)
{
	const struct record_token_revoked *r = log_find(s->sessions, t, s->revocations_at_lookup);

	if (r != NULL && r->user_id == 0)
		return REVOCATION_CERTAIN;
	/* If all tokens of the user were revoked, this one may be younger. */
	if (r != NULL || log_wrapped(s))
		return REVOCATION_POSSIBLE;
	return REVOCATION_NONE;
}

static void revoke_one(void *arg, struct session *s)
{
	/* Others look up their tokens after this, or compare the answer with the log. */
	if (session_is_current(s) && revokes(arg, s->token_id, s->user->user_id))
		session_close(s, CLOSE_token_ended);
}

void sessions_token_revoked(struct sessions *ss, const struct record_token_revoked *r)
{
	struct record_token_revoked revocation = *r;

	ss->revocations[ss->n_revocations++ % REVOCATIONS_KEPT] = revocation;
	sessions_each(ss, revoke_one, &revocation);
}

/* Reconciling, in the order of its steps. */

struct token_query {
	struct sessions *sessions;
	rooms_done_cb *done;
	void *done_arg;
};

struct token_list {
	int64_t *ids;
	size_t n, cap;
};

static void tokens_checked(void *arg, enum error error, const store_rows *rows);

static void token_list_add(void *arg, struct session *s)
{
	struct token_list *l = arg;

	if (!session_is_current(s))
		return;
	l->ids = xgrow(l->ids, l->n, &l->cap, sizeof(*l->ids));
	l->ids[l->n++] = s->token_id;
}

void sessions_reconcile_tokens(struct sessions *ss, rooms_done_cb *done, void *done_arg)
{
	struct token_list l = { NULL, 0, 0 };
	struct token_query *q = xmalloc(sizeof(*q));

	*q = (struct token_query){ ss, done, done_arg };
	sessions_each(ss, token_list_add, &l);
	store_check_tokens(ss->store, l.ids, l.n, tokens_checked, q);
	free(l.ids);
}

static void tokens_checked(void *arg, enum error error, const store_rows *rows)
{
	struct token_query *q = arg;

	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++) {
		const struct record_token_revoked r = { .token_id = store_id_at(rows, i) };

		sessions_token_revoked(q->sessions, &r);
	}
	q->done(q->done_arg, error);
	free(q);
}
