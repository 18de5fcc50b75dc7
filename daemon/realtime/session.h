/*
 * session: one authenticated WebSocket: whose it is, what it may still take, how it falls behind
 * and ends.
 *
 * Owns: the sockets of this worker by id and by user. Knows nothing of: what frames mean, HTTP.
 *
 *   OPENED ──token──► CHECKING ──user──► LOADING ──rooms known──► READY ──► closed
 *     └ 10 s without a token: 4501
 *
 * Nothing is read from the socket while it is CHECKING or LOADING, so frames behind the token wait
 * for `ready`. A socket that cannot take what is pushed is LAGGING: pushes are left out, and once
 * it has drained it gets `resync`. Asynchronous answers carry the id; whoever comes back looks it
 * up and may find nothing.
 */
#ifndef PARLEY_SESSION_H
#define PARLEY_SESSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/close_reason.h"
#include "common/error.h"
#include "heritage.h"
#include "http/http.h"
#include "realtime/bus.h"
#include "realtime/room.h"
#include "realtime/watch.h"
#include "store/store.h"

#define SESSION_PER_USER_MAX 64
#define SESSION_AUTH_S 10
#define SESSION_IN_FLIGHT_MAX 256 /* sends without an answer; then nothing more is read */

struct session;
struct sessions;
struct sync;

struct sessions_events {
	/* A whole text message of a socket: before READY it can only be the token. */
	void (*message)(void *arg, struct session *s, char *text, size_t len);
	/* The socket has drained: what waited for room may go on. */
	void (*drained)(void *arg, struct session *s);
	/* The socket has ended; its memory lives until the end of the loop pass. */
	void (*closed)(void *arg, struct session *s);
};

struct sessions *sessions_open(struct event_base *base, const struct heritage *h,
	struct store *store, struct bus *bus, const struct sessions_events *events, void *arg);
/* Wired afterwards, because rooms push to sessions: to be called once, before the first upgrade. */
void sessions_set_rooms(struct sessions *ss, struct rooms *rooms, struct http *http);
void sessions_set_conf(struct sessions *ss, const struct conf *conf); /* after a reload; borrowed */

/* http's upgraded and may_upgrade. */
void sessions_upgraded(struct sessions *ss, const struct http_upgrade *u);
bool sessions_may_open(struct sessions *ss, int64_t user_id);

/* rooms' push and resync. */
void sessions_push(struct sessions *ss, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind);
void sessions_resync(struct sessions *ss, struct room_user *u);

/* RECORD_TOKEN_REVOKED: closes the sockets of that token, or of all tokens of the user but the one
 * kept. */
void sessions_token_revoked(struct sessions *ss, int64_t token_id, int64_t user_id);

/* Asks the database which of the tokens here are still good, and closes the others; then calls
 * done(done_arg, error) from the loop: unavailable where nothing could be asked. */
void sessions_reconcile_tokens(struct sessions *ss, rooms_done_cb *done, void *done_arg);

/* Reads nothing more from any socket; answers still go out. */
void sessions_pause(struct sessions *ss);

/* Closes all with this reason and writes what is queued. */
void sessions_close_all(struct sessions *ss, enum close_reason reason);
size_t sessions_n(const struct sessions *ss); /* those that linger included */
void sessions_free(struct sessions *ss); /* once all are closed; drops those that linger */

/* NULL where it is gone. */
struct session *sessions_find(struct sessions *ss, uint64_t id);

/* A token in a first frame. */
void session_authenticate(struct session *s, const char *token, size_t len);

uint64_t session_id(const struct session *s);
bool session_ready(const struct session *s);
int64_t session_user_id(const struct session *s);
struct room_user *session_user(const struct session *s);
bool session_congested(const struct session *s);
void session_close(struct session *s, enum close_reason reason);

/* Something that it should have been told was left out: it is to sync once it has drained. */
void session_missed(struct session *s);

/* A JSON text to this socket only. */
void session_send(struct session *s, const char *json, size_t len);

/* {"type":"error"[,"id":…],"code":…,"detail":…}; id and detail may be NULL. */
void session_error(struct session *s, struct text id, enum error error, const char *detail);

/* Takes cost from the allowance of frames, of which each frame has taken one by itself; false where
 * it is used up (the session is then closed). */
bool session_charge(struct session *s, unsigned cost);

/* One more, one less request whose answer is still to come. */
void session_in_flight(struct session *s, int change);

/* The sync in progress and the watched set: kept here for their commands. */
struct sync **session_sync(struct session *s);
struct watcher **session_watcher(struct session *s);

#endif
