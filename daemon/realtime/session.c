/*
 * session: the table of sockets, frames to them, their limits, and a user's first and last socket
 * here.
 */
#include "realtime/session.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/ratelimit.h"
#include "common/secret.h"
#include "common/stats.h"
#include "common/xalloc.h"
#include "realtime/frames.h"
#include "realtime/presence.h"
#include "realtime/session_private.h"

/* With rate_limits: of a user on this worker, so that reconnecting gains nothing. */
#define FRAMES_PER_S 100
#define FRAMES_BURST 1000

static struct session *session_of(struct ws *w)
{
	return (struct session *)((char *)w - offsetof(struct session, ws));
}

/* Ids: slot, incarnation and count, so that no two sockets of a running daemon share one. */

static uint64_t id_next(struct sessions *ss)
{
	return (uint64_t)ss->heritage->slot << 56 |
		(uint64_t)(ss->heritage->incarnation & 0xffffff) << 32 | ++ss->counter;
}

const char *session_id_text(char out[SESSION_ID_SIZE], uint64_t id)
{
	snprintf(out, SESSION_ID_SIZE, "%" PRIu64 "-%" PRIu64 "-%" PRIx64, id >> 56,
		id >> 32 & 0xffffff, id & 0xffffffff);
	return out;
}

struct session *sessions_find(struct sessions *ss, uint64_t id)
{
	struct session *s = HASH_ENTRY(hash_find(&ss->by_id, id), struct session, link);

	return s != NULL && s->state != SESSION_CLOSED ? s : NULL;
}

void sessions_each(struct sessions *ss, void (*cb)(void *arg, struct session *s), void *arg)
{
	struct hash_link *next;

	for (struct hash_link *l = hash_first(&ss->by_id); l != NULL; l = next) {
		struct session *s = HASH_ENTRY(l, struct session, link);

		next = hash_next(&ss->by_id, l);
		if (s->state != SESSION_CLOSED)
			cb(arg, s);
	}
}

void session_resume_reading(struct session *s)
{
	conn_read(&s->ws.conn, !s->sessions->paused && s->in_flight < SESSION_IN_FLIGHT_MAX);
}

/* Frames out. */

static void session_frame(struct session *s, struct frame *f)
{
	s->frames_out++;
	conn_send(&s->ws.conn, f);
}

struct buf *session_scratch(struct session *s)
{
	return &s->sessions->scratch;
}

void session_send(struct session *s, const struct buf *text)
{
	struct frame *f = frame_new(WSFRAME_TEXT, text->data, text->len);

	session_frame(s, f);
	frame_unref(f);
}

void session_error(struct session *s, struct text id, enum error error, const char *detail)
{
	frames_write_error(session_scratch(s), id, error, detail);
	session_send(s, session_scratch(s));
}

/* A push was dropped: the session must resync once its queue has drained. */
static void session_require_resync(struct session *s)
{
	if (!s->resync_pending)
		STATS_ADD(s->sessions->stats, slow_readers, 1);
	s->resync_pending = true;
}

void session_push_presence(struct session *s, int64_t user_id, bool online, int64_t last_seen_ms)
{
	if (s->state != SESSION_READY)
		return;
	if (conn_congested(&s->ws.conn)) {
		s->presence_lost = true;
		session_require_resync(s);
		return;
	}
	frames_write_presence(session_scratch(s), user_id, online, last_seen_ms);
	session_send(s, session_scratch(s));
}

void sessions_push(struct sessions *ss, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind)
{
	for (struct session *s = u->sessions; s != NULL; s = s->next) {
		if (s->state != SESSION_READY || s->id == origin)
			continue;
		if (s->resync_pending || conn_congested(&s->ws.conn)) {
			if (kind == ROOM_EVENT)
				session_require_resync(s);
			continue;
		}
		STATS_ADD(ss->stats, deliveries, 1);
		session_frame(s, f);
	}
}

void session_resync(struct session *s)
{
	struct sessions *ss = s->sessions;

	if (s->state != SESSION_READY)
		return;
	if (conn_congested(&s->ws.conn)) {
		s->resync_pending = true;
		return;
	}
	s->resync_pending = false;
	STATS_ADD(ss->stats, resyncs, 1);
	if (s->epoch_pending) {
		frames_write_resync(session_scratch(s), store_epoch(ss->store));
		session_send(s, session_scratch(s));
	} else {
		session_frame(s, ss->resync);
	}
	s->epoch_pending = false;
	if (s->presence_lost) {
		s->presence_lost = false;
		ss->events->presence_lost(ss->arg, s);
	}
}

void sessions_resync(struct sessions *ss, struct room_user *u)
{
	(void)ss;
	for (struct session *s = u->sessions; s != NULL; s = s->next)
		session_resync(s);
}

/* A user's sockets. */

static void presence_changed(struct sessions *ss, int64_t user_id)
{
	const struct record r = { .type = RECORD_PRESENCE, .presence = { user_id } };

	FAULT("presence.changed");
	bus_publish(ss->bus, &r);
}

void session_join_user(struct session *s, int64_t user_id)
{
	struct sessions *ss = s->sessions;
	struct room_user *u = rooms_add_user(ss->rooms, user_id);
	int n;

	s->user = u;
	s->next = u->sessions;
	s->prev = &u->sessions;
	if (s->next != NULL)
		s->next->prev = &s->next;
	u->sessions = s;
	n = presence_add(ss->heritage->presence, ss->heritage->slot, user_id);
	s->in_presence = n > 0;
	if (n == 1)
		presence_changed(ss, user_id);
	atomic_fetch_add(&ss->stats->sockets, 1);
}

/* was_current: as session_is_current before the close. If false, the user's id may be another's now. */
static void session_leave_user(struct session *s, bool was_current)
{
	struct sessions *ss = s->sessions;
	struct room_user *u = s->user;
	int64_t user_id;

	if (u == NULL)
		return;
	user_id = u->user_id;
	s->user = NULL;
	*s->prev = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	if (u->sessions == NULL)
		rooms_remove_user(ss->rooms, u);
	if (s->in_presence &&
		presence_remove(ss->heritage->presence, ss->heritage->slot, user_id,
			clock_mono_ms()) == 0) {
		presence_changed(ss, user_id);
		if (was_current)
			last_seen_add(ss->last_seen, user_id);
	}
	atomic_fetch_sub(&ss->stats->sockets, 1);
	STATS_ADD(ss->stats, ws_closed, 1);
}

void sessions_upgraded(struct sessions *ss, const struct http_upgrade *u)
{
	struct session *s = xcalloc(1, sizeof(*s));
	char id[SESSION_ID_SIZE];

	s->sessions = ss;
	s->peer = u->peer;
	s->id = id_next(ss);
	hash_insert(&ss->by_id, &s->link, s->id);
	ws_open(&s->ws, ss->loop, &u->handshake);
	s->opened_s = ws_now_s(ss->loop);
	log_info("conn=%s connected address=%s user=%" PRId64, session_id_text(id, s->id),
		u->address, u->token.user_id);
	if (u->token.token_id != 0)
		session_start(s, &u->token);
	else
		ws_deadline(&s->ws, SESSION_AUTH_S);
}

bool sessions_may_open(struct sessions *ss, int64_t user_id)
{
	return presence_sockets(ss->heritage->presence, user_id) < SESSION_PER_USER_MAX;
}

/* Events of the socket. */

static bool on_frame(struct ws *w)
{
	return session_charge(session_of(w), 1);
}

static void on_message(struct ws *w, char *text, size_t len)
{
	struct session *s = session_of(w);
	bool first = s->state == SESSION_OPENED;

	s->frames_in++;
	s->sessions->events->message(s->sessions->arg, s, text, len);
	/* The first message holds a token. */
	if (first)
		secret_wipe(text, len);
}

static void on_drained(struct ws *w)
{
	struct session *s = session_of(w);

	if (s->resync_pending)
		session_resync(s);
	s->sessions->events->drained(s->sessions->arg, s);
}

static void on_timer(struct ws *w)
{
	struct session *s = session_of(w);
	int64_t now = clock_mono_ms();

	if (s->state == SESSION_OPENED) {
		uint32_t age = ws_now_s(s->sessions->loop) - s->opened_s;

		if (age > SESSION_AUTH_S)
			session_close(s, CLOSE_auth_missing);
		else
			ws_deadline(w, SESSION_AUTH_S + 1 - age);
	} else if (s->token_ends_ms != 0 && now >= s->token_ends_ms) {
		session_close(s, CLOSE_token_ended);
	} else if (s->token_ends_ms != 0 && s->token_ends_ms - now < 3600 * 1000) {
		ws_deadline(w, (unsigned)((s->token_ends_ms - now) / 1000 + 1));
	}
}

static void on_closed(struct ws *w, enum close_reason reason)
{
	struct session *s = session_of(w);
	struct sessions *ss = s->sessions;
	int64_t user_id = s->user != NULL ? s->user->user_id : 0;
	bool was_current = session_is_current(s);
	char id[SESSION_ID_SIZE];

	log_info("conn=%s closed reason=%s user=%" PRId64 " age=%us in=%u out=%u",
		session_id_text(id, s->id), close_reason_word(reason), user_id,
		ws_now_s(ss->loop) - s->opened_s, s->frames_in, s->frames_out);
	s->state = SESSION_CLOSED;
	ss->events->closed(ss->arg, s);
	session_leave_user(s, was_current);
	http_socket_closed(ss->http, s->peer);
}

static void on_free(struct ws *w)
{
	struct session *s = session_of(w);

	hash_remove(&s->sessions->by_id, &s->link);
	free(s);
}

/* For commands. */

uint64_t session_id(const struct session *s)
{
	return s->id;
}

bool session_ready(const struct session *s)
{
	return s->state == SESSION_READY;
}

int64_t session_user_id(const struct session *s)
{
	return s->user->user_id;
}

struct room_user *session_user(const struct session *s)
{
	return s->user;
}

bool session_congested(const struct session *s)
{
	return conn_congested(&s->ws.conn);
}

void session_close(struct session *s, enum close_reason reason)
{
	conn_close(&s->ws.conn, reason);
}

bool session_charge(struct session *s, unsigned cost)
{
	struct sessions *ss = s->sessions;
	/* Before authentication each socket has an allowance of its own. */
	struct ratelimit_key key = s->user != NULL ? ratelimit_key_user(s->user->user_id)
						   : ratelimit_key_socket(s->id);

	if (!ss->conf->rate_limits || ratelimit_take(ss->frame_limits, &key, cost, clock_mono_ms()))
		return true;
	session_close(s, CLOSE_too_many_frames);
	return false;
}

void session_in_flight(struct session *s, int change)
{
	s->in_flight = (uint16_t)(s->in_flight + change);
	if (s->state == SESSION_READY)
		session_resume_reading(s);
}

struct sync **session_sync(struct session *s)
{
	return &s->sync;
}

struct watcher **session_watcher(struct session *s)
{
	return &s->watcher;
}

/* All sessions. */

static void pause_one(void *arg, struct session *s)
{
	(void)arg;
	conn_read(&s->ws.conn, false);
}

void sessions_pause(struct sessions *ss)
{
	ss->paused = true;
	sessions_each(ss, pause_one, NULL);
}

static void stale_one(void *arg, struct session *s)
{
	(void)arg;
	if (s->state == SESSION_OPENED)
		return;
	s->state = SESSION_STALE;
	s->epoch_pending = true;
	s->presence_lost = true;
	conn_read(&s->ws.conn, false);
	s->sessions->events->stale(s->sessions->arg, s);
}

void sessions_epoch_changed(struct sessions *ss)
{
	/* Before the first epoch there are only the users of this slot's dead worker. */
	if (ss->n_epochs++ > 0)
		last_seen_clear(ss->last_seen);
	revocations_clear(ss);
	sessions_each(ss, stale_one, NULL);
}

static void close_one(void *arg, struct session *s)
{
	const enum close_reason *reason = arg;

	session_close(s, *reason);
}

void sessions_close_all(struct sessions *ss, enum close_reason reason)
{
	sessions_each(ss, close_one, &reason);
	ws_loop_flush(ss->loop);
	last_seen_flush(ss->last_seen);
}

size_t sessions_n(const struct sessions *ss)
{
	return ss->by_id.n;
}

void sessions_set_rooms(struct sessions *ss, struct rooms *rooms, struct http *http)
{
	ss->rooms = rooms;
	ss->http = http;
}

void sessions_set_conf(struct sessions *ss, const struct conf *conf)
{
	ss->conf = conf;
	ws_loop_set_ping(ss->loop, (unsigned)conf->ping_interval);
}

static void on_orphan(void *arg, int64_t user_id)
{
	last_seen_add(((struct sessions *)arg)->last_seen, user_id);
}

struct sessions *sessions_open(struct event_base *base, const struct heritage *h,
	struct store *store, struct bus *bus, const struct sessions_events *events, void *arg)
{
	static const struct ws_events ws_events = { on_frame, on_message, on_drained, on_timer,
		on_closed, on_free };
	struct sessions *ss = xcalloc(1, sizeof(*ss));

	ss->heritage = h;
	ss->conf = h->conf;
	ss->store = store;
	ss->bus = bus;
	ss->events = events;
	ss->arg = arg;
	ss->stats = &h->stats->slots[h->slot];
	ss->frame_limits = ratelimit_new(FRAMES_PER_S, FRAMES_BURST);
	ss->loop = ws_loop_new(base, &ws_events, ss->stats, (unsigned)h->conf->ping_interval);
	frames_write_resync(&ss->scratch, NULL);
	ss->resync = frame_new(WSFRAME_TEXT, ss->scratch.data, ss->scratch.len);
	ss->last_seen = last_seen_new(base, store);
	/* The users that this slot's dead worker left with sockets were last seen now. */
	presence_each_orphan(h->presence, h->slot, on_orphan, ss);
	return ss;
}

void sessions_free(struct sessions *ss)
{
	for (struct hash_link *l = hash_first(&ss->by_id); l != NULL; l = hash_next(&ss->by_id, l))
		conn_drop(&HASH_ENTRY(l, struct session, link)->ws.conn);
	ws_loop_flush(ss->loop);
	ws_loop_free(ss->loop);
	frame_unref(ss->resync);
	ratelimit_free(ss->frame_limits);
	last_seen_free(ss->last_seen);
	hash_fini(&ss->by_id);
	buf_fini(&ss->scratch);
	free(ss);
}
