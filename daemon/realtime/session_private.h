/*
 * session_private: what the files of session share.
 *
 * Owns: nothing. Knows nothing of: anything above session.
 */
#ifndef PARLEY_SESSION_PRIVATE_H
#define PARLEY_SESSION_PRIVATE_H

#include "net/ws.h"
#include "realtime/session.h"

#define REVOCATIONS_KEPT 512 /* tokens that ended lately */

enum session_state {
	SESSION_OPENED,
	SESSION_CHECKING,
	SESSION_LOADING,
	SESSION_READY,
	SESSION_CLOSED
};

struct session {
	struct ws ws;
	struct sessions *all;
	struct session *next_by_id;
	struct session *next, **prev; /* of the user */
	struct room_user *user; /* from LOADING on */
	uint64_t id;
	int64_t token_id;
	int64_t ends_ms; /* the token does, by clock_mono_ms; 0: none yet */
	struct sync *sync;
	struct watcher *watcher;
	uint32_t opened_s;
	uint32_t frames_in, frames_out;
	uint16_t in_flight;
	uint8_t state;
	bool present; /* counted in the presence table */
	bool lagging; /* a push was left out: resync when drained */
	size_t revocations_seen; /* so many ends of tokens were noted when the token was asked for */
};

struct revocation {
	int64_t token_id, user_id;
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
	struct session **by_id; /* hash of a power of two */
	size_t n, n_buckets;
	uint32_t counter;
	struct frame *resync;
	struct ratelimit *frames;
	struct revocation revocations[REVOCATIONS_KEPT]; /* a ring of the newest */
	size_t n_revocations; /* since the start */
	bool paused;
	struct event *last_seen_timer;
	int64_t *gone; /* users whose last socket here went */
	size_t n_gone, cap_gone;
};

/* session.c */
#define SESSION_ID_SIZE 32
const char *session_id_text(char out[SESSION_ID_SIZE], uint64_t id);
void sessions_each(struct sessions *ss, void (*cb)(void *arg, struct session *s), void *arg);
void session_join_user(struct session *s, int64_t user_id);
void session_read(struct session *s); /* unless something stands against it */

/* session_auth.c */
void session_begin(struct session *s, const struct token *t); /* the token is good */

#endif
