/*
 * http_private: shared by the files of http.
 *
 *   http.c          evhttp and its connections, the time limit, the end of a loop pass
 *   http_head.c     a scanner of a request's framing, before evhttp
 *   http_reject.c   connections that end with an error, also evhttp's own; the lingering close
 *   http_fields.c   header fields: lists, tokens, origins, framing
 *   http_proxy.c    the client behind reverse proxies
 *   http_origin.c   allowed origins
 *   http_request.c  the steps from a request to its handler
 *   http_route.c    paths and queries
 *   http_ws.c       GET /ws
 *   http_static.c   files of the page
 *   http_reply.c    answers
 */
#ifndef PARLEY_HTTP_PRIVATE_H
#define PARLEY_HTTP_PRIVATE_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <sys/queue.h>

#include "common/ratelimit.h"
#include "common/stats.h"
#include "http/http.h"
#include "http/http_head.h"
#include "http/http_proxy.h"
#include "http/http_route.h"
#include "net/listen.h"

/* Bytes of the request line and all header and trailer lines, without line ends. */
#define HTTP_HEADERS_MAX (16u << 10)
#define HTTP_BODY_MAX (1u << 20)
/* The limit of evhttp. A body between the two is rejected by the step of its size, a larger one at once. */
#define HTTP_BODY_READ_MAX (HTTP_BODY_MAX + (64u << 10))
/* Of unread bytes per connection: evhttp needs a whole body and a little. */
#define HTTP_BUFFER_MAX (HTTP_BODY_READ_MAX + (32u << 10))
#define HTTP_REQUEST_MS 30000 /* for a request to come completely, from its first byte */
#define HTTP_IDLE_S 60

/* Requests of a user, or of an address on open routes, on this worker. */
#define HTTP_REQUESTS_PER_S 50
#define HTTP_REQUESTS_BURST 200

/*
 * A connection of evhttp.
 *
 *   NEW ── end of the pass ─► READING ── request complete ─► IN_FLIGHT ── answered ─► WRITING ── sent ─► READING …
 */
enum http_conn_state { HTTP_NEW, HTTP_READING, HTTP_IN_FLIGHT, HTTP_WRITING };

struct http_conn {
	struct http *http;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL while NEW */
	struct http_call *call; /* IN_FLIGHT */
	enum http_conn_state state;
	int fd;
	struct http_head head; /* of the current request */
	int64_t started_ms; /* when the first byte of an incomplete request came; 0: there is none */
	TAILQ_ENTRY(http_conn) by_age; /* in http->by_age while started_ms is not 0 */
	TAILQ_ENTRY(http_conn) deferred; /* in http->deferred while is_deferred */
	bool is_deferred;
	bool hijacked; /* the socket is no longer evhttp's, and is still counted */
};

struct http_linger;

struct http {
	struct event_base *base;
	const struct heritage *heritage;
	const struct conf *conf;
	struct stats_slot *stats;
	struct store *store;
	const struct http_route *routes;
	size_t n_routes;
	void *env;
	const struct http_events *events;
	void *arg;
	struct evhttp *evhttp;
	struct listen *listen;
	struct ratelimit *ratelimit;
	struct http_conn **conns; /* by fd */
	size_t conns_cap;
	TAILQ_HEAD(, http_conn) by_age; /* with an incomplete request, the oldest first */
	TAILQ_HEAD(, http_conn) deferred; /* to be looked at after this loop pass */
	struct event *request_timer; /* for the first of by_age */
	struct event *end_of_pass; /* active while deferred is not empty */
	TAILQ_HEAD(, http_call) calls;
	LIST_HEAD(, http_linger) lingering;
	size_t n_writing; /* answers that are not sent completely */
	int placeholder_fd; /* for hijack_fd */
	int64_t request_ms; /* HTTP_REQUEST_MS; shorter in tests */
	bool stopped;
};

struct http_call {
	struct http *http; /* NULL after http_close: it cannot be answered */
	void *env; /* of http_options */
	struct http_conn *conn; /* NULL once the client has closed the connection */
	struct evhttp_request *req;
	TAILQ_ENTRY(http_call) link;
	const struct http_route *route; /* NULL: none of the table */
	struct http_target target;
	struct ws_handshake handshake; /* of GET /ws; its texts point into the request */
	cJSON *body;
	struct params params;
	struct token token;
	bool by_cookie;
	bool stale;
	bool https;
	char address[HTTP_ADDRESS_MAX];
};

/* http.c */

/* Before an answer: what evhttp writes from now on is ours. */
void http_conn_write(struct http_conn *c);

void http_call_free(struct http_call *call);

/* http_reject.c */

/*
 * Looks at a connection that is READING. If evhttp has written an error, our own replaces it and the connection ends;
 * 100 Continue is left. If the request is malformed and evhttp has not noticed, the connection ends, too.
 */
void http_reject(struct http_conn *c);

/*
 * Answers an incomplete request and ends its connection.
 *   detail  NULL for the error's own sentence
 */
void http_reject_with(struct http_conn *c, enum error error, const char *detail);

void http_linger_free_all(struct http *http);

/* http_request.c */

/* Takes the steps of http.h with a complete request; ends with an answer, now or later. */
void http_request(struct http_call *call);
bool http_is_head(const struct http_call *call);

/* http_ws.c */

/* GET /ws: takes the steps of http.h from the handshake on. */
void http_ws_request(struct http_call *call);

/* http_static.c */

/* GET or HEAD of a path without a route: a file of the page, or 404. */
void http_static_request(struct http_call *call);

#endif
