#include "http/http_private.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"

/* Connections. */

static void conn_settle(struct http_conn *c)
{
	if (c->settles)
		return;
	c->settles = true;
	TAILQ_INSERT_TAIL(&c->http->settle, c, settle);
	event_active(c->http->settle_event, EV_TIMEOUT, 0);
}

static void conn_unsettle(struct http_conn *c)
{
	if (!c->settles)
		return;
	c->settles = false;
	TAILQ_REMOVE(&c->http->settle, c, settle);
}

static void begun_timer_set(struct http *http, int64_t now_ms)
{
	const struct http_conn *oldest = TAILQ_FIRST(&http->begun);
	int64_t left_ms;
	struct timeval after;

	if (oldest == NULL) {
		event_del(http->begun_timer);
		return;
	}
	left_ms = oldest->begun_ms + http->request_ms - now_ms;
	if (left_ms < 1)
		left_ms = 1;
	after = (struct timeval){ left_ms / 1000, left_ms % 1000 * 1000 };
	event_add(http->begun_timer, &after);
}

/* A request's first byte is here. */
static void conn_begin(struct http_conn *c)
{
	struct http *http = c->http;

	c->head = (struct http_head){ 0 };
	c->begun_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&http->begun, c, begun);
	if (!event_pending(http->begun_timer, EV_TIMEOUT, NULL))
		begun_timer_set(http, c->begun_ms);
}

/* It is whole, or will never be. The timer stays: it looks for itself whether there is something to
 * do. */
static void conn_end(struct http_conn *c)
{
	if (c->begun_ms == 0)
		return;
	TAILQ_REMOVE(&c->http->begun, c, begun);
	c->begun_ms = 0;
}

static void on_begun_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	int64_t now_ms = clock_mono_ms();
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&http->begun)) != NULL && c->begun_ms + http->request_ms <= now_ms)
		http_reject_with(c, ERROR_bad_request, "The request did not come whole in time.");
	begun_timer_set(http, now_ms);
}

/* The last n bytes of input have come. */
static void conn_read(struct http_conn *c, struct evbuffer *input, size_t n)
{
	struct evbuffer_ptr from;
	struct evbuffer_iovec pieces[8];
	int n_pieces;

	if (c->begun_ms == 0)
		conn_begin(c);
	while (n > 0 && !c->head.complete) {
		evbuffer_ptr_set(input, &from, evbuffer_get_length(input) - n, EVBUFFER_PTR_SET);
		n_pieces = evbuffer_peek(input, (ev_ssize_t)n, &from, pieces, 8);
		for (int i = 0; i < n_pieces && i < 8; i++) {
			http_head_feed(&c->head, pieces[i].iov_base, pieces[i].iov_len);
			n -= pieces[i].iov_len < n ? pieces[i].iov_len : n;
		}
	}
	if (c->head.ended && c->head.is_malformed)
		conn_settle(c);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	if (info->n_added != 0 && c->state == HTTP_READING && !c->head.complete)
		conn_read(c, input, info->n_added);
}

/*
 * What is written while no answer of ours is under way is evhttp's own. A bufferevent writes to its
 * socket from the loop alone, so nothing of it is out before this pass ends.
 */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;

	(void)output;
	if (info->n_added != 0 && c->state != HTTP_WRITING)
		conn_settle(c);
}

static void conn_unwatch(struct http_conn *c)
{
	evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
	evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
}

static void conn_free(struct http_conn *c)
{
	conn_unwatch(c);
	conn_unsettle(c);
	conn_end(c);
	if (c->state == HTTP_WRITING)
		c->http->n_writing--;
	if (!c->taken)
		listen_connection_closed(c->http->listen);
	free(c);
}

static void on_conn_closed(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *c = arg;
	struct http *http = c->http;

	(void)evcon;
	http->conns[c->fd] = NULL;
	if (c->call != NULL)
		c->call->conn = NULL;
	conn_free(c);
}

/*
 * evhttp has taken the new connection in. It tells nobody of it, but is its bufferevent's callback
 * argument, and nothing else tells of connections that end without a whole request.
 */
static void conn_adopt(struct http_conn *c)
{
	struct http *http = c->http;
	struct bufferevent *bev = c->bev;
	void *evcon = NULL;

	bufferevent_getcb(bev, NULL, NULL, NULL, &evcon);
	if (evcon == NULL) { /* given up at once, for want of memory */
		conn_free(c);
		bufferevent_decref(bev);
		return;
	}
	bufferevent_decref(bev);
	c->evcon = evcon;
	c->fd = bufferevent_getfd(bev);
	c->state = HTTP_READING;
	evhttp_connection_set_closecb(c->evcon, on_conn_closed, c);
	if ((size_t)c->fd >= http->conns_cap) {
		size_t cap = (size_t)c->fd * 2 + 64;

		http->conns = realloc(http->conns, cap * sizeof(struct http_conn *));
		if (http->conns == NULL)
			log_fatal("out_of_memory connections=%zu", cap);
		memset(http->conns + http->conns_cap, 0,
			(cap - http->conns_cap) * sizeof(struct http_conn *));
		http->conns_cap = cap;
	}
	http->conns[c->fd] = c;
}

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	struct http_conn *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&http->settle)) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is off the list */
		conn_unsettle(c);
		if (c->state == HTTP_FRESH)
			conn_adopt(c);
		else
			http_reject(c);
	}
}

/* evhttp asks for a new connection's bufferevent: the one thing that it tells us of an accept. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct http *http = arg;
	struct http_conn *c = calloc(1, sizeof(*c));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

	if (c == NULL || bev == NULL)
		log_fatal("out_of_memory for a connection");
	c->http = http;
	c->bev = bev;
	c->state = HTTP_FRESH;
	bufferevent_incref(bev); /* until it is adopted */
	bufferevent_setwatermark(bev, EV_READ, 0, HTTP_BUFFER_MAX);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	listen_accepted(http->listen);
	conn_settle(c);
	return bev;
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct http_conn *c = arg;
	size_t len = evbuffer_get_length(bufferevent_get_input(c->bev));

	(void)req;
	c->http->n_writing--;
	c->state = HTTP_READING;
	c->head.complete = false;
	/* The next request may have come meanwhile. */
	if (len != 0)
		conn_read(c, bufferevent_get_input(c->bev), len);
}

void http_conn_write(struct http_conn *c)
{
	c->state = HTTP_WRITING;
	c->http->n_writing++;
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
	struct http_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		log_fatal("out_of_memory for a request");
	conn_end(c);
	c->state = HTTP_IN_FLIGHT;
	c->call = call;
	call->http = http;
	call->conn = c;
	call->req = req;
	TAILQ_INSERT_TAIL(&http->calls, call, link);
	http_request(call);
}

void http_call_free(struct http_call *call)
{
	if (call->http != NULL)
		TAILQ_REMOVE(&call->http->calls, call, link);
	if (call->conn != NULL)
		call->conn->call = NULL;
	cJSON_Delete(call->body);
	params_fini(&call->params);
	http_target_fini(&call->target);
	free(call);
}

/* The whole. */

static struct evhttp *evhttp_make(struct http *http)
{
	struct evhttp *evhttp = evhttp_new(http->base);
	struct evconnlistener *listener;

	if (evhttp == NULL)
		log_fatal("out_of_memory for evhttp");
	evhttp_set_max_headers_size(evhttp, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(evhttp, HTTP_BODY_READ_MAX);
	evhttp_set_timeout(evhttp, HTTP_IDLE_S);
	evhttp_set_default_content_type(evhttp, NULL);
	/* All that routes can have, and OPTIONS for a proper 405. It answers 501 to the others. */
	evhttp_set_allowed_methods(evhttp,
		EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
			EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS);
	evhttp_set_gencb(evhttp, on_request, http);
	evhttp_set_bevcb(evhttp, on_accept, http);
	for (size_t i = 0; (listener = listen_at(http->listen, i)) != NULL; i++)
		if (evhttp_bind_listener(evhttp, listener) == NULL)
			log_fatal("out_of_memory for a listener");
	return evhttp;
}

/* This worker's part of what all may have. */
static unsigned max_connections(const struct heritage *h)
{
	return ((unsigned)h->conf->max_connections + h->n_slots - 1) / h->n_slots;
}

struct http *http_open(struct event_base *base, const struct heritage *h, struct store *store,
	const struct http_route *routes, size_t n, void *env, const struct http_events *events,
	void *arg)
{
	struct http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		log_fatal("out_of_memory for HTTP");
	http->base = base;
	http->heritage = h;
	http->conf = h->conf;
	http->stats = &h->stats->slots[h->slot];
	http->store = store;
	http->routes = routes;
	http->n_routes = n;
	http->env = env;
	http->events = events;
	http->arg = arg;
	http->request_ms = HTTP_REQUEST_MS;
	TAILQ_INIT(&http->begun);
	TAILQ_INIT(&http->settle);
	TAILQ_INIT(&http->calls);
	LIST_INIT(&http->lingering);
	http->ratelimit = ratelimit_new(HTTP_REQUESTS_PER_S, HTTP_REQUESTS_BURST);
	http->placeholder_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	http->begun_timer = evtimer_new(base, on_begun_timer, http);
	http->settle_event = event_new(base, -1, 0, on_settle, http);
	if (http->placeholder_fd < 0 || http->begun_timer == NULL || http->settle_event == NULL)
		log_fatal("cannot_open HTTP error=\"%m\"");
	http->listen = listen_open(base, h, max_connections(h));
	http->evhttp = evhttp_make(http);
	return http;
}

void http_set_conf(struct http *http, const struct conf *conf)
{
	http->conf = conf;
}

void http_socket_closed(struct http *http)
{
	listen_connection_closed(http->listen);
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
	/* Requests still in hand are freed with evhttp; their calls by whoever answers them in
	 * vain. */
	while ((call = TAILQ_FIRST(&http->calls)) != NULL) {
		TAILQ_REMOVE(&http->calls, call, link);
		call->http = NULL;
	}
	while ((c = TAILQ_FIRST(&http->settle)) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is off the list */
		conn_unsettle(c);
		if (c->state == HTTP_FRESH)
			conn_adopt(c);
	}
	evhttp_free(http->evhttp);
	http_linger_free_all(http);
	listen_close(http->listen);
	event_free(http->settle_event);
	event_free(http->begun_timer);
	close(http->placeholder_fd);
	ratelimit_free(http->ratelimit);
	free(http->conns);
	free(http);
}
