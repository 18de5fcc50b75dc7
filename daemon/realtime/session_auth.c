/*
 * session_auth: from a token to READY, in the order of the steps.
 *
 *   session_authenticate ─► token_looked_up ─► session_start ─► session_loaded
 *
 * An upgrade with a token begins with session_start. If the token may have been revoked meanwhile,
 * session_recheck and token_rechecked lead back to it. A STALE session begins with session_authenticate_again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/xalloc.h"
#include "realtime/frames.h"
#include "realtime/session_private.h"

static void token_looked_up(void *arg, enum error error, const struct token *t);
static void session_recheck(struct session *s, const struct token *t);
static void token_rechecked(void *arg, enum error error, const store_rows *rows);
static void session_loaded(void *arg, enum error error);

/* A query for a session. */
struct session_query {
	struct sessions *sessions;
	uint64_t id;
	uint16_t epoch; /* n_epochs of sessions at the query */
	struct token token; /* of session_recheck */
};

static struct session_query *session_query_new(const struct session *s)
{
	struct session_query *q = xmalloc(sizeof(*q));

	*q = (struct session_query){
		.sessions = s->sessions, .id = s->id, .epoch = s->sessions->n_epochs
	};
	return q;
}

/* The session of a query that was answered, if it is still in this state, of the same epoch. */
static struct session *session_query_find(const struct session_query *q, enum session_state state)
{
	struct session *s = sessions_find(q->sessions, q->id);

	return s != NULL && s->state == state && q->epoch == q->sessions->n_epochs ? s : NULL;
}

/* A lookup of the token begins: nothing is read meanwhile. */
static void session_begin_lookup(struct session *s)
{
	s->state = SESSION_AUTHENTICATING;
	s->revocations_at_lookup = s->sessions->n_revocations;
	conn_read(&s->ws.conn, false);
}

static void session_look_up(struct session *s)
{
	session_begin_lookup(s);
	store_authenticate(
		s->sessions->store, s->token_hash, token_looked_up, session_query_new(s));
}

void session_authenticate(struct session *s, const char *token, size_t len)
{
	if (!auth_hash(s->token_hash, token, len)) {
		session_close(s, CLOSE_auth_bad);
		return;
	}
	session_look_up(s);
}

static void session_authenticate_again(void *arg, struct session *s)
{
	(void)arg;
	if (s->state == SESSION_STALE)
		session_look_up(s);
}

void sessions_check_stale(struct sessions *ss)
{
	sessions_each(ss, session_authenticate_again, NULL);
}

/* A query failed. If the database is away, a session that was READY waits for it. */
static void session_unavailable(struct session *s)
{
	if (s->announced && !store_ready(s->sessions->store))
		s->state = SESSION_STALE;
	else
		session_close(s, CLOSE_unavailable);
}

static void token_looked_up(void *arg, enum error error, const struct token *t)
{
	struct session *s = session_query_find(arg, SESSION_AUTHENTICATING);

	free(arg);
	if (s == NULL)
		return;
	if (error == ERROR_NONE)
		session_start(s, t);
	else if (error == ERROR_bad_token)
		session_close(s, s->announced ? CLOSE_token_ended : CLOSE_auth_bad);
	else
		session_unavailable(s);
}

/* The user becomes local before the load, so that no record is missed in between. */
void session_start(struct session *s, const struct token *t)
{
	struct sessions *ss = s->sessions;
	int64_t left_ms = t->ends_ms - clock_mono_ms();
	enum revocation revocation = session_find_revocation(s, t);

	memcpy(s->token_hash, t->hash, sizeof(s->token_hash));
	/* Of another history only a token of the same user is good, by its hash. */
	if (revocation == REVOCATION_CERTAIN || left_ms <= 0 ||
		(s->user != NULL && s->user->user_id != t->user_id)) {
		session_close(s, CLOSE_token_ended);
		return;
	}
	if (revocation == REVOCATION_POSSIBLE) {
		session_recheck(s, t);
		return;
	}
	if (s->user == NULL && !sessions_may_open(ss, t->user_id)) {
		session_close(s, CLOSE_too_many_sockets);
		return;
	}
	s->token_id = t->token_id;
	s->token_ends_ms = t->ends_ms;
	s->state = SESSION_LOADING;
	conn_read(&s->ws.conn, false);
	if (left_ms < INT32_MAX)
		ws_deadline(&s->ws, (unsigned)(left_ms / 1000));
	if (s->user == NULL)
		session_join_user(s, t->user_id);
	FAULT("session.registered");
	rooms_load(ss->rooms, s->user, session_loaded, session_query_new(s));
}

static void session_recheck(struct session *s, const struct token *t)
{
	struct session_query *q = session_query_new(s);

	q->token = *t;
	session_begin_lookup(s);
	store_check_tokens(s->sessions->store, &t->token_id, 1, token_rechecked, q);
}

static void token_rechecked(void *arg, enum error error, const store_rows *rows)
{
	struct session_query *q = arg;
	struct session *s = session_query_find(q, SESSION_AUTHENTICATING);

	if (s != NULL && error != ERROR_NONE)
		session_unavailable(s);
	else if (s != NULL && store_n(rows) > 0)
		session_close(s, CLOSE_token_ended);
	else if (s != NULL)
		session_start(s, &q->token);
	free(q);
}

static void session_announce(struct session *s)
{
	struct sessions *ss = s->sessions;
	char id[SESSION_ID_SIZE];

	STATS_ADD(ss->stats, ws_opened, 1);
	s->announced = true;
	s->epoch_pending = false;
	frames_write_ready(session_scratch(s), s->user->user_id, session_id_text(id, s->id),
		clock_wall_ms(), store_epoch(ss->store));
	session_send(s, session_scratch(s));
}

static void session_loaded(void *arg, enum error error)
{
	struct session *s = session_query_find(arg, SESSION_LOADING);

	free(arg);
	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		session_unavailable(s);
		return;
	}
	s->state = SESSION_READY;
	FAULT("session.loaded");
	if (s->announced)
		session_resync(s);
	else
		session_announce(s);
	session_resume_reading(s);
}
