/*
 * session_private: what the files of session share.
 *
 *   session.c         the table of sockets, their frames and limits, a user's first and last socket
 *   session_auth.c    from a token to READY
 *   session_revoke.c  revoked tokens
 *
 * Owns: nothing. Knows nothing of: anything above session.
 */
#ifndef PARLEY_SESSION_PRIVATE_H
#define PARLEY_SESSION_PRIVATE_H

#include "common/hash.h"
#include "net/ws.h"
#include "realtime/last_seen.h"
#include "realtime/session.h"

#define REVOCATIONS_KEPT 512

enum session_state {
	SESSION_OPENED,
	SESSION_AUTHENTICATING,
	SESSION_LOADING,
	SESSION_READY,
	SESSION_STALE,
	SESSION_CLOSED
};

struct session {
	struct ws ws;
	struct sessions *sessions;
	struct hash_link link; /* in sessions' by_id */
	struct session *next, **prev; /* of the user */
	struct room_user *user; /* from LOADING on */
	uint64_t id;
	int64_t token_id;
	int64_t token_ends_ms; /* clock_mono_ms; 0: no token yet */
	struct sync *sync;
	struct watcher *watcher;
	struct http_share *peer; /* of http_upgrade */
	uint32_t opened_s;
	uint32_t frames_in, frames_out;
	uint16_t in_flight;
	uint8_t state; /* enum session_state */
	bool in_presence; /* true if the presence table counts this socket */
	bool resync_pending; /* true if a push was dropped since the last `resync` */
	bool presence_lost; /* true if a presence frame may have been dropped since the last `resync` */
	bool announced; /* true once `ready` was sent */
	bool epoch_pending; /* true if the epoch has changed since `ready` or the last `resync` */
	uint8_t token_hash[STORE_HASH_SIZE]; /* from AUTHENTICATING on */
	size_t revocations_at_lookup; /* n_revocations when the token was looked up; 0: unknown */
};

struct sessions {
	const struct heritage *heritage;
	const struct conf *conf;
	struct store *store;
	struct bus *bus;
	struct rooms *rooms;
	struct http *http;
	const struct sessions_events *events;
	void *arg;
	struct ws_loop *loop;
	struct stats_slot *stats;
	struct hash by_id; /* struct session */
	uint32_t counter; /* of ids */
	struct buf scratch; /* of the frame that is being written */
	struct frame *resync;
	uint16_t n_epochs; /* changes so far; wraps */
	struct ratelimit *frame_limits; /* by user */
	struct record_token_revoked revocations[REVOCATIONS_KEPT]; /* a log: the newest ones */
	size_t n_revocations; /* since the start */
	bool paused;
	struct last_seen *last_seen;
};

/* session.c */
#define SESSION_ID_SIZE 32
const char *session_id_text(char out[SESSION_ID_SIZE], uint64_t id);
void sessions_each(struct sessions *ss, void (*cb)(void *arg, struct session *s), void *arg);

/* Adds the session to its user, who becomes local with the first one. */
void session_join_user(struct session *s, int64_t user_id);

/* True if the session's user and token_id are of the current epoch. */
static inline bool session_is_current(const struct session *s)
{
	return s->state == SESSION_LOADING || s->state == SESSION_READY;
}

/* Reads again, unless the worker stops or too much is in flight. */
void session_resume_reading(struct session *s);

/* session.c: sends `resync`, with the epoch if it has changed; once the queue has drained */
void session_resync(struct session *s);

/* session_revoke.c: forgets the log, whose ids are of another history */
void revocations_clear(struct sessions *ss);

/* session_auth.c: the database knows the token as good */
void session_start(struct session *s, const struct token *t);

/* session_revoke.c */
enum revocation {
	REVOCATION_NONE,
	REVOCATION_CERTAIN,
	REVOCATION_POSSIBLE /* the database must be queried again */
};

/* Looks up the log for revocations of the session's token since its lookup. */
enum revocation session_find_revocation(const struct session *s, const struct token *t);

#endif
