/*
 * session: the table of sockets, frames out, users who come and go, what the socket tells. From a
 * token to a socket that is ready: session_auth.c.
 */
#include "realtime/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/ratelimit.h"
#include "common/secret.h"
#include "common/stats.h"
#include "realtime/presence.h"
#include "realtime/session_private.h"

/* With rate_limits, of a user on this worker: a socket that was closed for it gains nothing by coming
 * back. */
#define FRAMES_PER_S 100
#define FRAMES_BURST 1000
#define LAST_SEEN_S 1 /* gathering of those who left */
#define LAST_SEEN_BATCH 1000

static struct session *session_of(struct ws *w)
{
	return (struct session *)((char *)w - offsetof(struct session, ws));
}

/* Ids: slot, incarnation, count, so that no two sockets of a running daemon share one. */

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

static void ids_grow(struct sessions *ss)
{
	struct session **old = ss->by_id;
	size_t n_old = ss->n_buckets;

	ss->n_buckets *= 2;
	ss->by_id = calloc(ss->n_buckets, sizeof(struct session *));
	if (ss->by_id == NULL)
		log_fatal("out of memory for sessions");
	for (size_t i = 0; i < n_old; i++)
		while (old[i] != NULL) {
			struct session *s = old[i];
			struct session **bucket = &ss->by_id[s->id & (ss->n_buckets - 1)];

			old[i] = s->next_by_id;
			s->next_by_id = *bucket;
			*bucket = s;
		}
	free(old);
}

static struct session **id_find(struct sessions *ss, uint64_t id)
{
	struct session **at = &ss->by_id[id & (ss->n_buckets - 1)];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next_by_id;
	return at;
}

struct session *sessions_find(struct sessions *ss, uint64_t id)
{
	struct session *s = *id_find(ss, id);

	return s != NULL && s->state != SESSION_CLOSED ? s : NULL;
}

void sessions_each(struct sessions *ss, void (*cb)(void *arg, struct session *s), void *arg)
{
	for (size_t i = 0; i < ss->n_buckets; i++)
		for (struct session *s = ss->by_id[i], *next; s != NULL; s = next) {
			next = s->next_by_id;
			if (s->state != SESSION_CLOSED)
				cb(arg, s);
		}
}

/* Reading goes on unless something stands against it. */
void session_read(struct session *s)
{
	conn_read(&s->ws.conn, !s->all->paused && s->in_flight < SESSION_IN_FLIGHT_MAX);
}

/* Frames out. */

static void session_frame(struct session *s, struct frame *f)
{
	s->frames_out++;
	conn_send(&s->ws.conn, f);
}

void session_send(struct session *s, const char *json, size_t len)
{
	struct frame *f = frame_new(WSFRAME_TEXT, json, len);

	session_frame(s, f);
	frame_unref(f);
}

void session_error(struct session *s, struct text id, enum error error, const char *detail)
{
	struct buf b = BUF_EMPTY;

	buf_add_str(&b, "{\"type\":\"error\",");
	if (id.data != NULL) {
		proto_put_text(&b, "id", id);
		buf_add_char(&b, ',');
	}
	buf_addf(&b, "\"code\":\"%s\",", error_code(error));
	if (detail == NULL)
		detail = error_sentence(error);
	proto_put_text(&b, "detail", (struct text){ detail, strlen(detail) });
	if (error == ERROR_unavailable || error == ERROR_too_many_requests)
		buf_add_str(&b, ",\"retry_after_ms\":1000");
	buf_add_char(&b, '}');
	session_send(s, b.data, b.len);
	buf_fini(&b);
}

void session_missed(struct session *s)
{
	if (!s->lagging)
		STATS_ADD(s->all->stats, slow_readers, 1);
	s->lagging = true;
}

void sessions_push(struct sessions *ss, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind)
{
	for (struct session *s = u->sessions; s != NULL; s = s->next) {
		if (s->state != SESSION_READY || s->id == origin)
			continue;
		if (s->lagging || conn_congested(&s->ws.conn)) {
			if (kind == ROOM_EVENT)
				session_missed(s);
			continue;
		}
		STATS_ADD(ss->stats, deliveries, 1);
		session_frame(s, f);
	}
}

static void session_resync(struct session *s)
{
	struct sessions *ss = s->all;

	if (s->state != SESSION_READY)
		return;
	if (conn_congested(&s->ws.conn)) {
		s->lagging = true;
		return;
	}
	s->lagging = false;
	STATS_ADD(ss->stats, resyncs, 1);
	session_frame(s, ss->resync);
}

void sessions_resync(struct sessions *ss, struct room_user *u)
{
	(void)ss;
	for (struct session *s = u->sessions; s != NULL; s = s->next)
		session_resync(s);
}

/* Last seen: written together for all who left within a second. */

static void last_seen_flush(struct sessions *ss)
{
	for (size_t i = 0; i < ss->n_gone; i += LAST_SEEN_BATCH)
		store_set_last_seen(ss->store, ss->gone + i,
			ss->n_gone - i < LAST_SEEN_BATCH ? ss->n_gone - i : LAST_SEEN_BATCH);
	ss->n_gone = 0;
}

static void last_seen_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	last_seen_flush(arg);
}

static void last_seen_add(void *arg, int64_t user_id)
{
	struct sessions *ss = arg;

	if (ss->n_gone == ss->cap_gone) {
		ss->cap_gone = ss->cap_gone == 0 ? 64 : ss->cap_gone * 2;
		ss->gone = realloc(ss->gone, ss->cap_gone * sizeof(*ss->gone));
		if (ss->gone == NULL)
			log_fatal("out of memory for users last seen");
	}
	if (ss->n_gone == 0)
		event_add(ss->last_seen_timer, &(const struct timeval){ LAST_SEEN_S, 0 });
	ss->gone[ss->n_gone++] = user_id;
}

/* A user comes and goes. */

static void presence_changed(struct sessions *ss, int64_t user_id)
{
	const struct record r = { .type = RECORD_PRESENCE, .user_id = user_id };

	FAULT("presence.changed");
	bus_publish(ss->bus, &r);
}

void session_join_user(struct session *s, int64_t user_id)
{
	struct sessions *ss = s->all;
	struct room_user *u = rooms_user(ss->rooms, user_id, true);
	int n;

	s->user = u;
	s->next = u->sessions;
	s->prev = &u->sessions;
	if (s->next != NULL)
		s->next->prev = &s->next;
	u->sessions = s;
	n = presence_add(ss->heritage->presence, ss->heritage->slot, user_id);
	s->present = n > 0;
	if (n == 1)
		presence_changed(ss, user_id);
	atomic_fetch_add(&ss->stats->sockets, 1);
}

static void session_leave_user(struct session *s)
{
	struct sessions *ss = s->all;
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
		rooms_user_gone(ss->rooms, u);
	if (s->present &&
		presence_remove(ss->heritage->presence, ss->heritage->slot, user_id,
			clock_mono_ms()) == 0) {
		presence_changed(ss, user_id);
		last_seen_add(ss, user_id);
	}
	atomic_fetch_sub(&ss->stats->sockets, 1);
	STATS_ADD(ss->stats, ws_closed, 1);
}

void sessions_upgraded(struct sessions *ss, const struct http_upgrade *u)
{
	struct session *s = calloc(1, sizeof(*s));
	struct session **bucket;
	char id[SESSION_ID_SIZE];

	if (s == NULL)
		log_fatal("out of memory for a session");
	if (++ss->n > ss->n_buckets)
		ids_grow(ss);
	s->all = ss;
	s->id = id_next(ss);
	bucket = &ss->by_id[s->id & (ss->n_buckets - 1)];
	s->next_by_id = *bucket;
	*bucket = s;
	ws_open(&s->ws, ss->loop, &u->handshake);
	s->opened_s = ws_now_s(ss->loop);
	log_info("conn=%s connected address=%s user=%" PRId64, session_id_text(id, s->id),
		u->address, u->token.user_id);
	if (u->token.token_id != 0)
		session_begin(s, &u->token);
	else
		ws_deadline(&s->ws, SESSION_AUTH_S);
}

bool sessions_may_open(struct sessions *ss, int64_t user_id)
{
	return presence_sockets(ss->heritage->presence, user_id) < SESSION_PER_USER_MAX;
}

/* What the socket tells. */

static bool on_frame(struct ws *w)
{
	return session_charge(session_of(w), 1);
}

static void on_message(struct ws *w, char *text, size_t len)
{
	struct session *s = session_of(w);
	bool first = s->state == SESSION_OPENED;

	s->frames_in++;
	s->all->events->message(s->all->arg, s, text, len);
	/* It is, or was to be, a token. */
	if (first)
		secret_wipe(text, len);
}

static void on_drained(struct ws *w)
{
	struct session *s = session_of(w);

	if (s->lagging)
		session_resync(s);
	s->all->events->drained(s->all->arg, s);
}

static void on_timer(struct ws *w)
{
	struct session *s = session_of(w);
	int64_t now = clock_mono_ms();

	if (s->state == SESSION_OPENED) {
		uint32_t age = ws_now_s(s->all->loop) - s->opened_s;

		if (age > SESSION_AUTH_S)
			session_close(s, CLOSE_auth_missing);
		else
			ws_deadline(w, SESSION_AUTH_S + 1 - age);
	} else if (s->ends_ms != 0 && now >= s->ends_ms) {
		session_close(s, CLOSE_token_ended);
	} else if (s->ends_ms != 0 && s->ends_ms - now < 3600 * 1000) {
		ws_deadline(w, (unsigned)((s->ends_ms - now) / 1000 + 1));
	}
}

static void on_closed(struct ws *w, enum close_reason reason)
{
	struct session *s = session_of(w);
	struct sessions *ss = s->all;
	int64_t user_id = s->user != NULL ? s->user->user_id : 0;
	char id[SESSION_ID_SIZE];

	log_info("conn=%s closed reason=%s user=%" PRId64 " age=%us in=%u out=%u",
		session_id_text(id, s->id), close_reason_word(reason), user_id,
		ws_now_s(ss->loop) - s->opened_s, s->frames_in, s->frames_out);
	s->state = SESSION_CLOSED;
	ss->events->closed(ss->arg, s);
	session_leave_user(s);
	http_socket_closed(ss->http);
}

static void on_free(struct ws *w)
{
	struct session *s = session_of(w);

	*id_find(s->all, s->id) = s->next_by_id;
	s->all->n--;
	free(s);
}

/* Small things for commands. */

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
	struct sessions *ss = s->all;
	/* One who has not said who they are has this socket's allowance alone; no address is it. */
	struct ratelimit_key key = s->user != NULL ? ratelimit_key_user(s->user->user_id)
						   : ratelimit_key_socket(s->id);

	if (!ss->conf->rate_limits || ratelimit_take(ss->frames, &key, cost, clock_mono_ms()))
		return true;
	session_close(s, CLOSE_too_many_frames);
	return false;
}

void session_in_flight(struct session *s, int change)
{
	s->in_flight = (uint16_t)(s->in_flight + change);
	if (s->state == SESSION_READY)
		session_read(s);
}

struct sync **session_sync(struct session *s)
{
	return &s->sync;
}

struct watcher **session_watcher(struct session *s)
{
	return &s->watcher;
}

/* Life. */

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

static void close_one(void *arg, struct session *s)
{
	const enum close_reason *reason = arg;

	session_close(s, *reason);
}

void sessions_close_all(struct sessions *ss, enum close_reason reason)
{
	sessions_each(ss, close_one, &reason);
	ws_loop_flush(ss->loop);
	last_seen_flush(ss);
}

size_t sessions_n(const struct sessions *ss)
{
	return ss->n;
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

struct sessions *sessions_open(struct event_base *base, const struct heritage *h,
	struct store *store, struct bus *bus, const struct sessions_events *events, void *arg)
{
	static const struct ws_events ws_events = { on_frame, on_message, on_drained, on_timer,
		on_closed, on_free };
	struct sessions *ss = calloc(1, sizeof(*ss));
	static const char resync[] = "{\"type\":\"resync\"}";

	if (ss == NULL)
		log_fatal("out of memory for sessions");
	ss->heritage = h;
	ss->conf = h->conf;
	ss->store = store;
	ss->bus = bus;
	ss->events = events;
	ss->arg = arg;
	ss->stats = &h->stats->slots[h->slot];
	ss->frames = ratelimit_new(FRAMES_PER_S, FRAMES_BURST);
	ss->n_buckets = 64;
	ss->by_id = calloc(ss->n_buckets, sizeof(struct session *));
	ss->loop = ws_loop_new(base, &ws_events, ss->stats, (unsigned)h->conf->ping_interval);
	ss->resync = frame_new(WSFRAME_TEXT, resync, sizeof(resync) - 1);
	ss->last_seen_timer = evtimer_new(base, last_seen_due, ss);
	if (ss->by_id == NULL || ss->last_seen_timer == NULL)
		log_fatal("out of memory for sessions");
	/* Those whom this slot's former worker left behind were last seen now. */
	presence_each_orphan(h->presence, h->slot, last_seen_add, ss);
	return ss;
}

void sessions_free(struct sessions *ss)
{
	for (size_t i = 0; i < ss->n_buckets; i++)
		for (struct session *s = ss->by_id[i]; s != NULL; s = s->next_by_id)
			conn_drop(&s->ws.conn);
	ws_loop_flush(ss->loop);
	ws_loop_free(ss->loop);
	frame_unref(ss->resync);
	ratelimit_free(ss->frames);
	event_free(ss->last_seen_timer);
	free(ss->gone);
	free(ss->by_id);
	free(ss);
}
