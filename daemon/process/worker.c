#include "process/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "command/command.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stats.h"

#define SERVE_WAIT_MS 2000 /* for the database; then a new worker accepts connections without it */
#define STOP_POLL_MS 20
#define DRAIN_MAX_MS 2000 /* for what is in flight */
#define CLOSE_MAX_MS 1500 /* for the peers' close frames */

enum worker_stage { WORKER_RUNNING, WORKER_DRAINING, WORKER_CLOSING };

struct worker {
	const struct heritage *heritage;
	struct conf *conf; /* of the last reload; NULL if the inherited one is in force */
	struct event_base *base;
	struct store *store;
	struct bus *bus;
	struct rooms *rooms;
	struct watch *watch;
	struct watch_checks *watch_checks;
	struct sessions *sessions;
	struct hasher *hasher;
	struct http *http; /* NULL until this worker accepts connections */
	struct api api;
	struct cmd_env commands;
	struct event *signals[3];
	struct event *master_gone;
	struct event *serve_timer;
	struct event *schema; /* h->schema_fd */
	struct event *stop_timer;
	enum worker_stage stage;
	int64_t stage_ms; /* when the stage began */
};

/* --- events of the store --- */

static void worker_reconcile(struct worker *w)
{
	rooms_reconcile(w->rooms, true);
	watch_refresh_all(w->watch);
}

static void on_reconcile(void *arg, rooms_done_cb *done, void *done_arg)
{
	struct worker *w = arg;

	watch_check_all(w->watch_checks);
	sessions_reconcile_tokens(w->sessions, done, done_arg);
}

static void worker_serve(struct worker *w);

static void on_store_state(void *arg, bool ready, bool after_loss)
{
	struct worker *w = arg;
	const struct record r = { .type = RECORD_RECONCILE };

	log_info(ready ? "store_ready" : "store_unavailable");
	if (ready) {
		worker_serve(w);
		sessions_check_stale(w->sessions);
	}
	/* A statement that was in flight when the connection failed may be committed, but was not published. */
	if (ready && after_loss)
		bus_publish(w->bus, &r);
}

static void on_read_moved(void *arg, const struct record_read *read)
{
	struct worker *w = arg;
	const struct record r = { .type = RECORD_READ, .read = *read };

	bus_publish(w->bus, &r);
}

static void on_erased(void *arg, const struct erased *e)
{
	struct worker *w = arg;
	const struct record r = {
		.type = RECORD_ERASED,
		.erased = { e->conv, e->from_mod, e->mod, e->seq, e->left },
	};

	bus_publish(w->bus, &r);
}

/* Sockets get what was known of the former epoch first: that typing has ended. Then nothing, until their tokens are
 * checked again in on_store_state. */
static void on_epoch(void *arg, uint16_t generation)
{
	struct worker *w = arg;

	rooms_restart(w->rooms);
	sessions_epoch_changed(w->sessions);
	if (w->http != NULL)
		http_epoch_changed(w->http);
	bus_set_generation(w->bus, generation);
}

/* --- events of the ring --- */

static void on_record(void *arg, const struct record *r)
{
	struct worker *w = arg;

	switch (r->type) {
	case RECORD_PRESENCE:
		watch_refresh(w->watch, r->presence.user_id);
		break;
	case RECORD_TOKEN_REVOKED:
		sessions_token_revoked(w->sessions, &r->token_revoked);
		/* Perhaps the account was deleted, and its memberships with it. */
		if (r->token_revoked.user_id != 0)
			watch_check(w->watch_checks, r->token_revoked.user_id);
		break;
	case RECORD_RECONCILE:
		worker_reconcile(w);
		break;
	default:
		rooms_apply(w->rooms, r);
		break;
	}
}

/*
 * The fence ends after all look-ups of tokens that were in flight at the overrun. So the reconcile checks their sessions
 * as well.
 */
static void on_overrun(void *arg)
{
	worker_reconcile(arg);
}

static void on_newer(void *arg, uint16_t generation)
{
	store_follow_epoch(((struct worker *)arg)->store, generation);
}

/* --- events of rooms and of watched users, for sockets --- */

static void on_push(
	void *arg, struct room_user *u, struct frame *f, uint64_t origin, enum room_push kind)
{
	sessions_push(((struct worker *)arg)->sessions, u, f, origin, kind);
}

static void on_resync(void *arg, struct room_user *u)
{
	sessions_resync(((struct worker *)arg)->sessions, u);
}

static void on_left(void *arg, int64_t user_id)
{
	watch_check(((struct worker *)arg)->watch_checks, user_id);
}

static void on_presence(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms)
{
	(void)arg;
	session_push_presence(owner, user_id, online, last_seen_ms);
}

/* --- events of sockets --- */

static void on_message(void *arg, struct session *s, char *text, size_t len)
{
	command_run(&((struct worker *)arg)->commands, s, text, len);
}

static void on_drained(void *arg, struct session *s)
{
	(void)arg;
	cmd_sync_resume(s);
}

static void on_stale(void *arg, struct session *s)
{
	(void)arg;
	cmd_sync_fail(s);
	watch_hold(*session_watcher(s));
}

static void on_presence_lost(void *arg, struct session *s)
{
	cmd_presence_again(&((struct worker *)arg)->commands, s);
}

static void on_closed(void *arg, struct session *s)
{
	cmd_sync_cancel(s);
	watch_clear(((struct worker *)arg)->watch, session_watcher(s));
}

/* --- events of HTTP --- */

static void on_upgraded(void *arg, const struct http_upgrade *u)
{
	sessions_upgraded(((struct worker *)arg)->sessions, u);
}

static bool on_may_upgrade(void *arg, int64_t user_id)
{
	return sessions_may_open(((struct worker *)arg)->sessions, user_id);
}

/* Creates and connects all parts: calls go down by name, events come up through the callbacks above. */
static void worker_wire(struct worker *w)
{
	static const struct store_events store_events = { on_store_state, on_read_moved, on_erased,
		on_epoch };
	static const struct bus_events bus_events = { on_record, on_overrun, on_newer };
	static const struct room_events room_events = { on_push, on_resync, on_left, on_reconcile };
	static const struct sessions_events sessions_events = { on_message, on_drained, on_stale,
		on_presence_lost, on_closed };
	const struct heritage *h = w->heritage;

	w->store = store_open(w->base, h, &store_events, w);
	w->bus = bus_open(w->base, h, &bus_events, w);
	w->rooms = rooms_open(w->base, w->store, &room_events, w, &h->stats->slots[h->slot]);
	w->watch = watch_open(w->base, h->presence, on_presence, w);
	w->watch_checks = watch_checks_open(w->base, w->watch, w->store);
	w->sessions = sessions_open(w->base, h, w->store, w->bus, &sessions_events, w);
	w->hasher = hasher_open(w->base, h);
	w->api = (struct api){ h->conf, w->store, w->hasher, w->bus, h->presence,
		ratelimit_new(API_INVITES_PER_S, API_INVITES_BURST),
		ratelimit_new(API_SEARCHES_PER_S, API_SEARCHES_BURST) };
	w->commands = (struct cmd_env){ w->sessions, w->store, w->rooms, w->bus, w->watch,
		w->watch_checks };
}

/*
 * Starts to accept connections: when the database is ready, so that until then other workers accept them, or after
 * SERVE_WAIT_MS, to answer 503.
 */
static void worker_serve(struct worker *w)
{
	static const struct http_events http_events = { on_upgraded, on_may_upgrade };
	const struct http_route *routes;
	size_t n_routes;

	if (w->http != NULL || w->stage != WORKER_RUNNING)
		return;
	event_del(w->serve_timer);
	routes = api_routes(&n_routes);
	w->http = http_open(&(struct http_options){
		.base = w->base,
		.heritage = w->heritage,
		.store = w->store,
		.routes = routes,
		.n_routes = n_routes,
		.env = &w->api,
		.events = &http_events,
		.arg = w,
	});
	http_set_conf(w->http, w->api.conf);
	sessions_set_rooms(w->sessions, w->rooms, w->http);
	w->heritage->stats->slots[w->heritage->slot].serving = 1;
}

static void on_schema(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	store_connect(w->store);
}

static void on_serve_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	worker_serve(arg);
}

static void worker_unwire(struct worker *w)
{
	/* First: pending answers refer to requests, which are freed here. */
	if (w->http != NULL)
		http_close(w->http);
	ratelimit_free(w->api.invite_limits);
	hasher_close(w->hasher);
	store_close(w->store);
	rooms_end_loads(w->rooms);
	sessions_free(w->sessions);
	rooms_close(w->rooms);
	watch_checks_close(w->watch_checks);
	watch_close(w->watch);
	bus_close(w->bus);
	ratelimit_free(w->api.searches);
}

/* --- stopping --- */

static void stage_begin(struct worker *w, enum worker_stage stage)
{
	w->stage = stage;
	w->stage_ms = clock_mono_ms();
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	int64_t age = clock_mono_ms() - w->stage_ms;

	(void)fd;
	(void)what;
	if (w->stage == WORKER_DRAINING &&
		((store_idle(w->store) && bus_idle(w->bus) &&
			 (w->http == NULL || http_idle(w->http))) ||
			age > DRAIN_MAX_MS)) {
		stage_begin(w, WORKER_CLOSING);
		sessions_close_all(w->sessions, CLOSE_server_stops);
	} else if (w->stage == WORKER_CLOSING &&
		(sessions_n(w->sessions) == 0 || age > CLOSE_MAX_MS)) {
		event_base_loopbreak(w->base);
	}
}

/* Accepts and reads nothing more. on_stop_timer waits until what is in flight is answered, then closes all sockets. */
static void worker_stop(struct worker *w, const char *why)
{
	if (w->stage != WORKER_RUNNING)
		return;
	log_info("stopping reason=%s sockets=%zu", why, sessions_n(w->sessions));
	if (w->http != NULL)
		http_stop(w->http);
	sessions_pause(w->sessions);
	stage_begin(w, WORKER_DRAINING);
	event_add(w->stop_timer, &(const struct timeval){ 0, STOP_POLL_MS * 1000 });
}

static void on_master_gone(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	event_del(w->master_gone);
	worker_stop(w, "master_gone");
}

/* The master has checked the settings and written them to conf_fd. */
static void worker_reload(struct worker *w)
{
	struct buf error = BUF_EMPTY;
	struct conf *conf = conf_read(w->heritage->conf_fd, &error);

	if (log_reopen() != 0)
		log_error("log_reopen_failed error=\"%m\"");
	if (conf != NULL) {
		w->api.conf = conf;
		if (w->http != NULL)
			http_set_conf(w->http, conf);
		sessions_set_conf(w->sessions, conf);
		conf_free(w->conf);
		w->conf = conf;
		log_info("reloaded");
	} else {
		log_error("reload_failed why=\"%s\"", buf_cstr(&error));
	}
	buf_fini(&error);
}

static void on_signal(evutil_socket_t signal, short what, void *arg)
{
	struct worker *w = arg;

	(void)what;
	switch (signal) {
	case SIGHUP:
		worker_reload(w);
		break;
	case SIGUSR1:
		bus_poke(w->bus);
		worker_reconcile(w);
		break;
	default:
		worker_stop(w, "signal");
		break;
	}
}

static void watch_signals(struct worker *w)
{
	static const int numbers[] = { SIGTERM, SIGHUP, SIGUSR1 };
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		w->signals[i] = evsignal_new(w->base, numbers[i], on_signal, w);
		if (w->signals[i] == NULL || event_add(w->signals[i], NULL) != 0)
			log_fatal("event_failed event=signal");
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void worker_events(struct worker *w)
{
	watch_signals(w);
	w->master_gone = event_new(w->base, w->heritage->master_fd, EV_READ, on_master_gone, w);
	w->stop_timer = event_new(w->base, -1, EV_PERSIST, on_stop_timer, w);
	w->serve_timer = evtimer_new(w->base, on_serve_timer, w);
	w->schema = event_new(w->base, w->heritage->schema_fd, EV_READ, on_schema, w);
	if (w->master_gone == NULL || w->stop_timer == NULL || w->serve_timer == NULL ||
		w->schema == NULL || event_add(w->schema, NULL) != 0 ||
		event_add(w->master_gone, NULL) != 0 ||
		event_add(w->serve_timer, &(const struct timeval){ SERVE_WAIT_MS / 1000, 0 }) != 0)
		log_fatal("event_failed event=timer");
}

static void worker_events_free(struct worker *w)
{
	for (size_t i = 0; i < sizeof(w->signals) / sizeof(w->signals[0]); i++)
		event_free(w->signals[i]);
	event_free(w->master_gone);
	event_free(w->stop_timer);
	event_free(w->serve_timer);
	event_free(w->schema);
}

int worker_run(const struct heritage *h)
{
	struct worker w = { .heritage = h };
	char context[32];

	snprintf(context, sizeof(context), "worker=%u", h->slot);
	log_set_context(context);
	w.base = event_base_new();
	if (w.base == NULL)
		log_fatal("event_failed event=base");
	worker_events(&w);
	worker_wire(&w);
	log_info("started pid=%d incarnation=%u", (int)getpid(), h->incarnation);

	event_base_dispatch(w.base);

	worker_unwire(&w);
	worker_events_free(&w);
	event_base_free(w.base);
	conf_free(w.conf);
	log_info("stopped");
	return 0;
}
