/*
 * session: one authenticated WebSocket, from the upgrade to the close.
 *
 * Owns: this worker's sockets, by id and by user. Knows nothing of: the meaning of clients' frames,
 * HTTP requests.
 *
 *   OPENED ──token──► AUTHENTICATING ──user──► LOADING ──rooms loaded──► READY ──► CLOSED
 *     └ 10 s without a token: 4501       ▲
 *                                        └──the store is ready── STALE ◄── any but OPENED, a new epoch
 *
 * Nothing is read from the socket in AUTHENTICATING, LOADING and STALE, and nothing is pushed to it, so
 * frames behind the token wait for `ready`. A STALE session has a user id and a token id of another
 * history of the database: its token is looked up again, and it gets `resync` with the epoch. If a push
 * does not fit into the socket's queue it is dropped, and `resync` is sent once the queue has drained.
 * Asynchronous answers carry the session's id: a lookup may find nothing.
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
#define SESSION_IN_FLIGHT_MAX 256 /* unanswered requests; beyond it nothing is read */

struct session;
struct sessions;
struct sync;

struct sessions_events {
	/* A whole text message. Before READY it can only be the token. text may be changed. */
	void (*message)(void *arg, struct session *s, char *text, size_t len);
	/* The queue has drained after session_congested was true. */
	void (*drained)(void *arg, struct session *s);
	/* The session is STALE: what was begun for its user is of another history. */
	void (*stale)(void *arg, struct session *s);
	/* A presence frame may have been dropped since the last call, and `resync` was sent. */
	void (*presence_lost)(void *arg, struct session *s);
	/* The socket has closed. s is freed at the end of the loop pass. */
	void (*closed)(void *arg, struct session *s);
};

/* h, store, bus and events are borrowed. */
struct sessions *sessions_open(struct event_base *base, const struct heritage *h,
	struct store *store, struct bus *bus, const struct sessions_events *events, void *arg);

/* Wired once, before the first upgrade: rooms push to sessions and are used by them. */
void sessions_set_rooms(struct sessions *ss, struct rooms *rooms, struct http *http);

/* New settings after a reload; borrowed. */
void sessions_set_conf(struct sessions *ss, const struct conf *conf);

/* Once all are closed: drops those that wait for the peer's close. */
void sessions_free(struct sessions *ss);

/* http's upgraded and may_upgrade. */
void sessions_upgraded(struct sessions *ss, const struct http_upgrade *u);
bool sessions_may_open(struct sessions *ss, int64_t user_id);

/* rooms' push and resync. */
void sessions_push(struct sessions *ss, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind);
void sessions_resync(struct sessions *ss, struct room_user *u);

/* Closes the sockets of revoked tokens. */
void sessions_token_revoked(struct sessions *ss, const struct record_token_revoked *r);

/*
 * Checks the tokens of all sockets against the database and closes those that are no longer good.
 * done(done_arg, error) runs later, once: ERROR_NONE, or ERROR_unavailable if nothing could be
 * checked.
 */
void sessions_reconcile_tokens(struct sessions *ss, rooms_done_cb *done, void *done_arg);

/* The database has another history (store_events.epoch): all sockets become STALE. */
void sessions_epoch_changed(struct sessions *ss);

/* The store is ready: checks the tokens of the sockets that are STALE. */
void sessions_check_stale(struct sessions *ss);

/* Stops reading from all sockets; answers are still sent. */
void sessions_pause(struct sessions *ss);

/* Closes all sockets and writes their queues. */
void sessions_close_all(struct sessions *ss, enum close_reason reason);

/* The number of sockets, those included that wait for the peer's close. */
size_t sessions_n(const struct sessions *ss);

/* Returns NULL if the session has closed. */
struct session *sessions_find(struct sessions *ss, uint64_t id);

/* Authenticates by the token of a first frame. */
void session_authenticate(struct session *s, const char *token, size_t len);

uint64_t session_id(const struct session *s);
bool session_ready(const struct session *s); /* true in READY */
int64_t session_user_id(const struct session *s); /* from LOADING on */
struct room_user *session_user(const struct session *s);
bool session_congested(const struct session *s); /* true if the queue passed its soft limit */
void session_close(struct session *s, enum close_reason reason);

/*
 * Sends the frame that frames_write_* put into a buffer; the text is copied. session_scratch is a
 * buffer for that, shared by all sessions: its content is valid until it is used again.
 */
struct buf *session_scratch(struct session *s);
void session_send(struct session *s, const struct buf *text);

/* Sends an error frame: see frames_write_error. */
void session_error(struct session *s, struct text id, enum error error, const char *detail);

/* Pushes a presence frame. If the queue is full, resync and presence_lost follow. */
void session_push_presence(struct session *s, int64_t user_id, bool online, int64_t last_seen_ms);

/*
 * Takes cost from the user's allowance of frames. Each frame has taken 1 on arrival.
 * Returns false if it is exhausted; the session is closed then.
 */
bool session_charge(struct session *s, unsigned cost);

/* Adds change (1 or -1) to the number of unanswered requests. */
void session_in_flight(struct session *s, int change);

/* State of the sync and presence commands. */
struct sync **session_sync(struct session *s);
struct watcher **session_watcher(struct session *s);

#endif
