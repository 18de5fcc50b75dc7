/*
 * http_private: shared by the files of http.
 *
 *   http.c          evhttp and its connections, the time limit, the end of a loop pass
 *   http_head.c     a scanner of a request's framing, before evhttp
 *   http_body.c     the body of a request
 *   http_share.c    bounds of what one client, and all of them, may cost
 *   http_reject.c   connections that end with an error, also evhttp's own; the lingering close
 *   http_fields.c   header fields: lists, tokens, origins, framing
 *   http_proxy.c    the client behind reverse proxies
 *   http_origin.c   allowed origins
 *   http_coding.c   content codings
 *   http_costly.c   a user's share of costly requests
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

#include "common/hash.h"
#include "common/ratelimit.h"
#include "common/stats.h"
#include "http/http.h"
#include "http/http_body.h"
#include "http/http_head.h"
#include "http/http_proxy.h"
#include "http/http_route.h"
#include "http/http_share.h"
#include "net/listen.h"

/* Bytes of the request line and all header and trailer lines, without line ends. */
#define HTTP_HEADERS_MAX (16u << 10)
#define HTTP_BODY_MAX (1u << 20)
/* A body between the two is rejected by the step of its size, a larger one at once. */
#define HTTP_BODY_READ_MAX (HTTP_BODY_MAX + (64u << 10))
/* Of unread bytes per connection: evhttp needs a whole line, of HTTP_HEADERS_MAX. */
#define HTTP_BUFFER_MAX (32u << 10)
#define HTTP_REQUEST_MS 30000 /* for a head, and for a body, to come completely */
#define HTTP_IDLE_S 60
#define HTTP_STALLED_S 30 /* until a connection whose peer does not read is closed */

/* Requests of a user, or of an address on open routes, on this worker. */
#define HTTP_REQUESTS_PER_S 50
#define HTTP_REQUESTS_BURST 200

/*
 * A connection of evhttp.
 *
 *   NEW ── end of the pass ─► READING ── head complete ─► IN_FLIGHT ── answered ─► WRITING ── sent ─► READING …
 *                                                          │     ▲
 *                                     the body is needed,  ▼     │ complete
 *                                     or to be skipped     BODY ─┘
 */
enum http_conn_state { HTTP_NEW, HTTP_READING, HTTP_IN_FLIGHT, HTTP_BODY, HTTP_WRITING };

struct http_conn {
	struct http *http;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL while NEW */
	struct http_call *call; /* IN_FLIGHT, BODY */
	enum http_conn_state state;
	int fd;
	struct http_head head; /* of the current request */
	struct http_share *peer; /* of the peer's address, unless it is a trusted proxy */
	struct http_share *reader; /* WRITING, except for files: the client that is answered */
	size_t unsent; /* bytes for it */
	int64_t started_ms; /* when the head or the body began to arrive; 0: neither is arriving */
	TAILQ_ENTRY(http_conn) by_age; /* in http->by_age while started_ms is not 0 */
	TAILQ_ENTRY(http_conn) deferred; /* in http->deferred while is_deferred */
	bool is_deferred;
	bool hijacked; /* the socket is no longer evhttp's, and is still counted */
};

struct http_linger;
struct http_costly;

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
	struct http_shares shares;
	struct http_conn **conns; /* by fd */
	size_t conns_cap;
	TAILQ_HEAD(, http_conn) by_age; /* with an incomplete request, the oldest first */
	TAILQ_HEAD(, http_conn) deferred; /* to be looked at after this loop pass */
	struct event *request_timer; /* for the first of by_age */
	struct event *end_of_pass; /* active while deferred is not empty */
	TAILQ_HEAD(, http_call) calls;
	struct hash costly; /* struct http_costly */
	LIST_HEAD(, http_linger) lingering;
	size_t n_writing; /* answers that are not sent completely */
	int placeholder_fd; /* for hijack_fd */
	int64_t request_ms; /* HTTP_REQUEST_MS; shorter in tests */
	int stalled_s; /* HTTP_STALLED_S; shorter in tests */
	bool stopped;
};

struct http_call {
	struct http *http; /* NULL after http_close: it cannot be answered */
	void *env; /* of http_options */
	struct http_conn *conn; /* NULL once the client has closed the connection */
	struct evhttp_request *req;
	TAILQ_ENTRY(http_call) link;
	TAILQ_ENTRY(http_call) waiting; /* see http_costly_run */
	struct http_costly *costly; /* the running requests that it is one of, or NULL */
	const struct http_route *route; /* NULL: none of the table */
	struct http_target target;
	struct ws_handshake handshake; /* of GET /ws; its texts point into the request */
	struct http_share *share; /* of the client; NULL before it is known, and after http_close */
	bool keeps_body;
	struct buf body;
	void (*body_read)(struct http_call *call); /* the step after the body */
	bool is_file; /* the answer */
	struct evbuffer *held; /* an answer that waits until the body has come */
	int held_status;
	cJSON *json; /* of the body */
	struct params params;
	struct token token;
	bool by_cookie;
	bool stale;
	bool https;
	char address[HTTP_ADDRESS_MAX];
};

/* http.c */

/*
 * Before an answer: what evhttp writes from now on is ours.
 *   counted  true if it is counted as unsent bytes of the client
 */
void http_conn_write(struct http_conn *c, bool counted);

/* A head or a body begins to arrive; it has come, or is given up. */
void http_request_started(struct http_conn *c);
void http_request_ended(struct http_conn *c);

void http_call_free(struct http_call *call);

/* http_reject.c */

/*
 * Looks at a connection that is READING. If evhttp has written an error, our own replaces it and the connection ends.
 * If the request is malformed and evhttp has not noticed, the connection ends, too.
 */
void http_reject(struct http_conn *c);

/*
 * Answers an incomplete request and ends its connection; frees its call.
 *   detail  NULL for the error's own sentence
 */
void http_reject_with(struct http_conn *c, enum error error, const char *detail);

void http_linger_free_all(struct http *http);

/* http_request.c */

/* Takes the steps of http.h with a request whose head is complete; ends with an answer, now or later. */
void http_request(struct http_call *call);

/* Takes one request from the allowance of the user, or of the address if there is no token. Returns false if it is
 * exhausted. */
bool http_within_rate(const struct http_call *call);
bool http_is_head(const struct http_call *call);

/* http_costly.c */

/* Runs the handler of a costly route, now or when others of the user have ended. If too many wait, answers 429. */
void http_costly_run(struct http_call *call);
/* A call with this member has ended and is freed. Starts the next one of the user. */
void http_costly_ended(struct http_costly *u);
/* Frees the waiting calls. */
void http_costly_close(struct http *http);

/* http_reply.c */

/* The body has been skipped: sends the answer. */
void http_send_held(struct http_call *call);

/* http_ws.c */

/* GET /ws: takes the steps of http.h from the handshake on. */
void http_ws_request(struct http_call *call);

/* http_static.c */

/* GET or HEAD of a path without a route: a file of the page, or 404. */
void http_static_request(struct http_call *call);

#endif
