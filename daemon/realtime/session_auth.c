/*
 * session_auth: from a token to a socket that is ready, and the ends of tokens, which may come
 * meanwhile.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "realtime/session_private.h"

/* Of one token (user_id is 0), or of all of a user's but one. */
static bool revokes(const struct revocation *e, int64_t token_id, int64_t user_id)
{
	return e->user_id == 0 ? e->token_id == token_id
			       : e->user_id == user_id && e->token_id != token_id;
}

/* The end among those noted from the first-th on that may be this token's; NULL where there is
 * none. */
static const struct revocation *revocation_since(
	const struct sessions *ss, const struct token *t, size_t first)
{
	if (ss->n_revocations - first > REVOCATIONS_KEPT)
		first = ss->n_revocations - REVOCATIONS_KEPT;
	for (; first < ss->n_revocations; first++) {
		const struct revocation *e = &ss->revocations[first % REVOCATIONS_KEPT];

		if (revokes(e, t->token_id, t->user_id))
			return e;
	}
	return NULL;
}

/* So many tokens have ended since this one was asked for that not all are known any more. */
static bool revocations_wrapped(const struct session *s)
{
	return s->revocations_seen != 0 &&
		s->all->n_revocations - s->revocations_seen > REVOCATIONS_KEPT;
}

static void session_put_ready(struct session *s)
{
	struct buf b = BUF_EMPTY;
	char id[SESSION_ID_SIZE];

	buf_addf(&b, "{\"type\":\"ready\",\"user_id\":%" PRId64 ",\"session_id\":\"%s\",",
		s->user->user_id, session_id_text(id, s->id));
	proto_put_time(&b, "server_time", clock_wall_ms());
	buf_add_char(&b, '}');
	session_send(s, b.data, b.len);
	buf_fini(&b);
}

struct load_answer {
	struct sessions *all;
	uint64_t id;
};

static void session_loaded(void *arg, enum error error)
{
	struct load_answer *a = arg;
	struct session *s = sessions_find(a->all, a->id);

	free(a);
	if (s == NULL || s->state != SESSION_LOADING)
		return;
	if (error != ERROR_NONE) {
		session_close(s, CLOSE_unavailable);
		return;
	}
	s->state = SESSION_READY;
	FAULT("session.loaded");
	STATS_ADD(s->all->stats, ws_opened, 1);
	session_put_ready(s);
	session_read(s);
}

static struct load_answer *answer_for(struct session *s)
{
	struct load_answer *a = malloc(sizeof(*a));

	if (a == NULL)
		log_fatal("out of memory for a session");
	*a = (struct load_answer){ s->all, s->id };
	return a;
}

struct check_answer {
	struct sessions *all;
	uint64_t id;
	struct token token;
};

static void session_checked_again(void *arg, enum error error, const store_rows *rows)
{
	struct check_answer *a = arg;
	struct session *s = sessions_find(a->all, a->id);

	if (s != NULL && error != ERROR_NONE)
		session_close(s, CLOSE_unavailable);
	else if (s != NULL && store_n(rows) > 0)
		session_close(s, CLOSE_token_ended);
	else if (s != NULL)
		session_begin(s, &a->token);
	free(a);
}

/* All tokens that the user had then have ended, but this one may be younger: the database knows. */
static void session_check_again(struct session *s, const struct token *t)
{
	struct check_answer *a = malloc(sizeof(*a));

	if (a == NULL)
		log_fatal("out of memory for a session");
	*a = (struct check_answer){ s->all, s->id, *t };
	s->state = SESSION_CHECKING;
	s->revocations_seen = s->all->n_revocations;
	conn_read(&s->ws.conn, false);
	store_check_tokens(s->all->store, &t->token_id, 1, session_checked_again, a);
}

/* The token is good: first the user is made known here, so that records are seen, then the database
 * is read. */
void session_begin(struct session *s, const struct token *t)
{
	struct sessions *ss = s->all;
	int64_t left_ms = t->ends_ms - clock_mono_ms();
	const struct revocation *e = revocation_since(ss, t, s->revocations_seen);

	if ((e != NULL && e->user_id == 0) || left_ms <= 0) {
		session_close(s, CLOSE_token_ended);
		return;
	}
	if (e != NULL || revocations_wrapped(s)) {
		session_check_again(s, t);
		return;
	}
	if (!sessions_may_open(ss, t->user_id)) {
		session_close(s, CLOSE_too_many_sockets);
		return;
	}
	s->token_id = t->token_id;
	s->ends_ms = t->ends_ms;
	s->state = SESSION_LOADING;
	conn_read(&s->ws.conn, false);
	if (left_ms < INT32_MAX)
		ws_deadline(&s->ws, (unsigned)(left_ms / 1000));
	session_join_user(s, t->user_id);
	FAULT("session.registered");
	rooms_load(ss->rooms, s->user, session_loaded, answer_for(s));
}

static void session_checked(void *arg, enum error error, const struct token *t)
{
	struct load_answer *a = arg;
	struct session *s = sessions_find(a->all, a->id);

	free(a);
	if (s == NULL || s->state != SESSION_CHECKING)
		return;
	if (error == ERROR_NONE)
		session_begin(s, t);
	else
		session_close(s, error == ERROR_bad_token ? CLOSE_auth_bad : CLOSE_unavailable);
}

void session_authenticate(struct session *s, const char *token, size_t len)
{
	uint8_t hash[STORE_HASH_SIZE];

	if (!auth_hash(hash, token, len)) {
		session_close(s, CLOSE_auth_bad);
		return;
	}
	s->state = SESSION_CHECKING;
	s->revocations_seen = s->all->n_revocations;
	conn_read(&s->ws.conn, false);
	store_authenticate(s->all->store, hash, session_checked, answer_for(s));
}

/* Ends of tokens. */

static void revoke_one(void *arg, struct session *s)
{
	if (s->user != NULL && revokes(arg, s->token_id, s->user->user_id))
		session_close(s, CLOSE_token_ended);
}

void sessions_token_revoked(struct sessions *ss, int64_t token_id, int64_t user_id)
{
	struct revocation e = { token_id, user_id };

	/* A check of this token may be on its way back from the database with the old answer. */
	ss->revocations[ss->n_revocations++ % REVOCATIONS_KEPT] = e;
	sessions_each(ss, revoke_one, &e);
}

struct token_list {
	int64_t *ids;
	size_t n, cap;
};

static void token_list_add(void *arg, struct session *s)
{
	struct token_list *l = arg;

	if (s->user != NULL && l->n < l->cap)
		l->ids[l->n++] = s->token_id;
}

struct token_check {
	struct sessions *all;
	rooms_done_cb *done;
	void *done_arg;
};

static void tokens_checked(void *arg, enum error error, const store_rows *rows)
{
	struct token_check *c = arg;

	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++)
		sessions_token_revoked(c->all, store_id_at(rows, i), 0);
	c->done(c->done_arg, error);
	free(c);
}

void sessions_reconcile_tokens(struct sessions *ss, rooms_done_cb *done, void *done_arg)
{
	struct token_list l = { calloc(ss->n + 1, sizeof(int64_t)), 0, ss->n };
	struct token_check *c = malloc(sizeof(*c));

	if (l.ids == NULL || c == NULL)
		log_fatal("out of memory for the check of tokens");
	*c = (struct token_check){ ss, done, done_arg };
	sessions_each(ss, token_list_add, &l);
	store_check_tokens(ss->store, l.ids, l.n, tokens_checked, c);
	free(l.ids);
}
