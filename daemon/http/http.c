#include "http/http_private.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"

/* Connections. */

/* Looks at c again at the end of this loop pass. */
static void conn_defer(struct http_conn *c)
{
	if (c->is_deferred)
		return;
	c->is_deferred = true;
	TAILQ_INSERT_TAIL(&c->http->deferred, c, deferred);
	event_active(c->http->end_of_pass, EV_TIMEOUT, 0);
}

static void conn_undefer(struct http_conn *c)
{
	if (!c->is_deferred)
		return;
	c->is_deferred = false;
	TAILQ_REMOVE(&c->http->deferred, c, deferred);
}

static void request_timer_set(struct http *http, int64_t now_ms)
{
	const struct http_conn *oldest = TAILQ_FIRST(&http->by_age);
	int64_t left_ms;
	struct timeval after;

	if (oldest == NULL) {
		event_del(http->request_timer);
		return;
	}
	left_ms = oldest->started_ms + http->request_ms - now_ms;
	if (left_ms < 1)
		left_ms = 1;
	after = (struct timeval){ left_ms / 1000, left_ms % 1000 * 1000 };
	event_add(http->request_timer, &after);
}

void http_request_started(struct http_conn *c)
{
	struct http *http = c->http;

	c->started_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&http->by_age, c, by_age);
	if (!event_pending(http->request_timer, EV_TIMEOUT, NULL))
		request_timer_set(http, c->started_ms);
}

/* The timer is left: its callback sets it for the next one. */
void http_request_ended(struct http_conn *c)
{
	if (c->started_ms == 0)
		return;
	TAILQ_REMOVE(&c->http->by_age, c, by_age);
	c->started_ms = 0;
}

static void on_request_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	int64_t now_ms = clock_mono_ms();
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&http->by_age)) != NULL &&
		c->started_ms + http->request_ms <= now_ms)
		http_reject_with(c, ERROR_bad_request, "The request did not arrive in time.");
	request_timer_set(http, now_ms);
}

/* Scans the last n bytes of input, up to the end of the head, before evhttp reads them. */
static void scan_input(struct http_conn *c, struct evbuffer *input, size_t n)
{
	struct evbuffer_ptr from;
	struct evbuffer_iovec pieces[8];
	int n_pieces;

	if (c->started_ms == 0)
		http_request_started(c);
	while (n > 0 && !c->head.ended) {
		evbuffer_ptr_set(input, &from, evbuffer_get_length(input) - n, EVBUFFER_PTR_SET);
		n_pieces = evbuffer_peek(input, (ev_ssize_t)n, &from, pieces, 8);
		for (int i = 0; i < n_pieces && i < 8 && !c->head.ended; i++) {
			http_head_feed(&c->head, pieces[i].iov_base, pieces[i].iov_len, NULL);
			n -= pieces[i].iov_len < n ? pieces[i].iov_len : n;
		}
	}
	if (c->head.ended && c->head.is_malformed)
		conn_defer(c);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	if (info->n_added != 0 && c->state == HTTP_READING && !c->head.ended)
		scan_input(c, input, info->n_added);
	else if (info->n_added != 0 && c->state == HTTP_BODY)
		conn_defer(c);
}

static void unsent_set(struct http_conn *c, size_t unsent)
{
	if (c->reader != NULL)
		http_share_unsent(&c->http->shares, c->reader, c->unsent, unsent);
	c->unsent = unsent;
}

/* The answer is sent, or is given up. */
static void writing_ended(struct http_conn *c)
{
	unsent_set(c, 0);
	http_share_unref(&c->http->shares, c->reader);
	c->reader = NULL;
	c->http->n_writing--;
}

/*
 * Output while we are not WRITING is evhttp's own. A bufferevent writes to its socket only from the loop, so it can
 * still be replaced at the end of this pass.
 */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	if (c->state == HTTP_WRITING)
		unsent_set(c, evbuffer_get_length(output));
	else if (info->n_added != 0)
		conn_defer(c);
}

static void conn_unwatch(struct http_conn *c)
{
	evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
	evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
}

static void connection_closed(struct http *http, struct http_share *peer)
{
	if (peer != NULL)
		peer->connections--;
	http_share_unref(&http->shares, peer);
	listen_connection_closed(http->listen);
}

static void conn_free(struct http_conn *c)
{
	conn_unwatch(c);
	conn_undefer(c);
	http_request_ended(c);
	if (c->state == HTTP_WRITING)
		writing_ended(c);
	if (!c->hijacked)
		connection_closed(c->http, c->peer);
	free(c);
}

static void on_conn_closed(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *c = arg;
	struct http *http = c->http;
	struct http_call *call = c->call;
	bool in_body = c->state == HTTP_BODY;

	(void)evcon;
	http->conns[c->fd] = NULL;
	if (call != NULL)
		call->conn = NULL;
	conn_free(c);
	if (call != NULL && in_body) /* no later step ends it */
		http_reply_error(call, ERROR_bad_request);
}

/* Counts the connection for its peer's address; closes it if there are too many. */
static void count_peer(struct http_conn *c)
{
	const struct conf *conf = c->http->conf;
	struct ratelimit_key key;
	char *address;
	uint16_t port;

	evhttp_connection_get_peer(c->evcon, &address, &port);
	if (http_proxy_trusted(address, &conf->trusted_proxies))
		return;
	key = ratelimit_key_address(address);
	c->peer = http_share_ref(&c->http->shares, &key);
	if (c->peer->connections++ < (unsigned)conf->max_connections_per_address)
		return;
	if (!c->peer->is_full_logged)
		log_warn("address_full address=%s connections=%u", address,
			c->peer->connections - 1);
	c->peer->is_full_logged = true;
	evhttp_connection_free(c->evcon);
}

/*
 * evhttp has set up a new connection. It has no callback for that, but it is the callback argument of the connection's
 * bufferevent; and only a close callback reports connections that end without a complete request.
 */
static void conn_register(struct http_conn *c)
{
	struct http *http = c->http;
	struct bufferevent *bev = c->bev;
	void *evcon = NULL;

	bufferevent_getcb(bev, NULL, NULL, NULL, &evcon);
	if (evcon == NULL) { /* evhttp was out of memory */
		conn_free(c);
		bufferevent_decref(bev);
		return;
	}
	bufferevent_decref(bev);
	c->evcon = evcon;
	c->fd = bufferevent_getfd(bev);
	c->state = HTTP_READING;
	bufferevent_set_timeouts(
		bev, &(struct timeval){ HTTP_IDLE_S, 0 }, &(struct timeval){ http->stalled_s, 0 });
	evhttp_connection_set_closecb(c->evcon, on_conn_closed, c);
	if ((size_t)c->fd >= http->conns_cap) {
		size_t cap = (size_t)c->fd * 2 + 64;

		http->conns = xreallocarray(http->conns, cap, sizeof(struct http_conn *));
		memset(http->conns + http->conns_cap, 0,
			(cap - http->conns_cap) * sizeof(struct http_conn *));
		http->conns_cap = cap;
	}
	http->conns[c->fd] = c;
	count_peer(c);
}

static void on_end_of_pass(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&http->deferred)) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a freed one is off the list */
		conn_undefer(c);
		if (c->state == HTTP_NEW)
			conn_register(c);
		else if (c->state == HTTP_BODY)
			http_body_take(c);
		else
			http_reject(c);
	}
}

/* evhttp requests a bufferevent for a new connection, its only callback at an accept. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct http *http = arg;
	struct http_conn *c = xcalloc(1, sizeof(*c));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

	if (bev == NULL)
		log_fatal("out_of_memory what=connection");
	c->http = http;
	c->bev = bev;
	c->state = HTTP_NEW;
	bufferevent_incref(bev); /* until conn_register */
	bufferevent_setwatermark(bev, EV_READ, 0, HTTP_BUFFER_MAX);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	listen_accepted(http->listen);
	conn_defer(c);
	return bev;
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct http_conn *c = arg;
	size_t len = evbuffer_get_length(bufferevent_get_input(c->bev));

	(void)req;
	writing_ended(c);
	c->state = HTTP_READING;
	c->head = (struct http_head){ 0 };
	/* The next request may be in the buffer already. */
	if (len != 0)
		scan_input(c, bufferevent_get_input(c->bev), len);
}

void http_conn_write(struct http_conn *c, bool counted)
{
	c->state = HTTP_WRITING;
	c->http->n_writing++;
	if (counted && c->call->share != NULL)
		c->reader = http_share_ref(&c->http->shares, &c->call->share->key);
	evhttp_request_set_on_complete_cb(c->call->req, on_sent, c);
	c->call->conn = NULL;
	c->call = NULL;
}

/* Requests. */

static void on_request(struct evhttp_request *req, void *arg)
{
	struct http *http = arg;
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	struct http_conn *c =
		http->conns[bufferevent_getfd(evhttp_connection_get_bufferevent(evcon))];
	struct http_call *call = xcalloc(1, sizeof(*call));

	http_request_ended(c);
	c->state = HTTP_IN_FLIGHT;
	c->call = call;
	call->http = http;
	call->env = http->env;
	call->conn = c;
	call->req = req;
	TAILQ_INSERT_TAIL(&http->calls, call, link);
	http_request(call);
}

void http_call_free(struct http_call *call)
{
	struct http_costly *costly = call->costly;

	http_body_fini(call);
	if (call->http != NULL) {
		http_share_unref(&call->http->shares, call->share);
		TAILQ_REMOVE(&call->http->calls, call, link);
	}
	if (call->conn != NULL)
		call->conn->call = NULL;
	if (call->held != NULL)
		evbuffer_free(call->held);
	cJSON_Delete(call->json);
	params_fini(&call->params);
	http_target_fini(&call->target);
	free(call);
	if (costly != NULL)
		http_costly_ended(costly);
}

/* Opening and closing. */

static struct evhttp *evhttp_make(struct http *http)
{
	struct evhttp *evhttp = evhttp_new(http->base);
	struct evconnlistener *listener;

	if (evhttp == NULL)
		log_fatal("out_of_memory what=evhttp");
	evhttp_set_max_headers_size(evhttp, HTTP_HEADERS_MAX);
	evhttp_set_timeout(evhttp, HTTP_IDLE_S);
	evhttp_set_default_content_type(evhttp, NULL);
	/* The methods of routes, and OPTIONS for a 405. evhttp answers 501 to all others. */
	evhttp_set_allowed_methods(evhttp,
		EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
			EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS);
	evhttp_set_gencb(evhttp, on_request, http);
	evhttp_set_bevcb(evhttp, on_accept, http);
	for (size_t i = 0; (listener = listen_at(http->listen, i)) != NULL; i++)
		if (evhttp_bind_listener(evhttp, listener) == NULL)
			log_fatal("out_of_memory what=listener");
	return evhttp;
}

/* This worker's part of max_connections. */
static unsigned max_connections(const struct heritage *h)
{
	return ((unsigned)h->conf->max_connections + h->n_slots - 1) / h->n_slots;
}

struct http *http_open(const struct http_options *o)
{
	struct http *http = xcalloc(1, sizeof(*http));

	http->base = o->base;
	http->heritage = o->heritage;
	http->conf = o->heritage->conf;
	http->stats = &o->heritage->stats->slots[o->heritage->slot];
	http->store = o->store;
	http->routes = o->routes;
	http->n_routes = o->n_routes;
	http->env = o->env;
	http->events = o->events;
	http->arg = o->arg;
	http->request_ms = HTTP_REQUEST_MS;
	http->stalled_s = HTTP_STALLED_S;
	TAILQ_INIT(&http->by_age);
	TAILQ_INIT(&http->deferred);
	TAILQ_INIT(&http->calls);
	LIST_INIT(&http->lingering);
	http->ratelimit = ratelimit_new(HTTP_REQUESTS_PER_S, HTTP_REQUESTS_BURST);
	http->placeholder_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	http->request_timer = evtimer_new(o->base, on_request_timer, http);
	http->end_of_pass = event_new(o->base, -1, 0, on_end_of_pass, http);
	if (http->placeholder_fd < 0 || http->request_timer == NULL || http->end_of_pass == NULL)
		log_fatal("http_open_failed error=\"%m\"");
	http->listen = listen_open(o->base, o->heritage, max_connections(o->heritage));
	http->evhttp = evhttp_make(http);
	return http;
}

void http_set_conf(struct http *http, const struct conf *conf)
{
	http->conf = conf;
}

void http_socket_closed(struct http *http, struct http_share *peer)
{
	connection_closed(http, peer);
}

void http_epoch_changed(struct http *http)
{
	struct http_call *call;

	TAILQ_FOREACH(call, &http->calls, link)
	call->stale = true;
}

void http_stop(struct http *http)
{
	http->stopped = true;
	listen_stop(http->listen);
}

bool http_idle(const struct http *http)
{
	return TAILQ_EMPTY(&http->calls) && http->n_writing == 0;
}

void http_close(struct http *http)
{
	struct http_call *call;
	struct http_conn *c;

	http_stop(http);
	/* Requests in flight are freed with evhttp, their calls by their answers, which are not sent. */
	while ((call = TAILQ_FIRST(&http->calls)) != NULL) {
		if (call->conn != NULL && call->conn->state == HTTP_BODY) {
			http_call_free(call);
			continue;
		}
		http_body_fini(call);
		http_share_unref(&http->shares, call->share);
		call->share = NULL;
		TAILQ_REMOVE(&http->calls, call, link);
		call->http = NULL;
	}
	http_costly_close(http);
	while ((c = TAILQ_FIRST(&http->deferred)) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a freed one is off the list */
		conn_undefer(c);
		if (c->state == HTTP_NEW)
			conn_register(c);
	}
	evhttp_free(http->evhttp);
	http_linger_free_all(http);
	listen_close(http->listen);
	event_free(http->end_of_pass);
	event_free(http->request_timer);
	close(http->placeholder_fd);
	ratelimit_free(http->ratelimit);
	http_shares_fini(&http->shares);
	free(http->conns);
	free(http);
}
