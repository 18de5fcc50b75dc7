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
#include <sys/stat.h>

#include "common/ratelimit.h"
#include "common/stats.h"
#include "http/http.h"
#include "http/http_head.h"
#include "http/http_origin.h"
#include "http/http_proxy.h"
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

#define HTTP_SEGMENTS_MAX 8
#define HTTP_QUERY_MAX 16 /* parameters; more are ignored */

/* A part of a path or a query, percent-decoded and NUL-terminated; it may contain NULs too. */
struct http_piece {
	char *at;
	size_t len;
};

struct http_target {
	struct http_piece segments[HTTP_SEGMENTS_MAX];
	size_t n_segments; /* HTTP_SEGMENTS_MAX + 1: too many for any route */
	struct http_piece names[HTTP_QUERY_MAX], values[HTTP_QUERY_MAX];
	size_t n_query;
	char *memory;
};

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
	bool https;
	char address[HTTP_ADDRESS_MAX];
};

/* http.c */

/* Before an answer: what evhttp writes from now on is ours. */
void http_conn_write(struct http_conn *c);

void http_call_free(struct http_call *call);

/* http_reject.c */

/*
 * Looks at a connection that is READING. If evhttp has written an error, our own replaces it and the connection ends; 100
 * Continue is left. If the request is malformed and evhttp has not noticed, the connection ends, too.
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

/* http_fields.c */

/* The value of the first line of this name, NULL: there is none; http_field_lines: how many there are. */
const char *http_field(const struct http_call *call, const char *name);
unsigned http_field_lines(const struct http_call *call, const char *name);

/* Appends the values of all lines of this name as one list (RFC 9110 5.3). */
void http_field_join(const struct http_call *call, const char *name, struct buf *list);

/* The elements of such a list; start with call and name alone. The text is valid as long as the call. */
struct http_list {
	const struct http_call *call;
	const char *name;
	const struct evkeyval *line;
	const char *at;
};
/* The next element without white space around it; empty ones are skipped. False at the end. */
bool http_list_next(struct http_list *list, struct text *element);

/* True if such a list has this element, in any case. */
bool http_field_has(const struct http_call *call, const char *name, const char *token);

/* True if Accept has this media type, whatever its parameters. */
bool http_accepts(const struct http_call *call, const char *type);

/* The credentials of Authorization with the scheme Bearer, the session cookie; data NULL if there is none. */
struct text http_bearer(const struct http_call *call);
struct text http_cookie(const struct http_call *call);

/* True if there is one Origin, and it is the server's own or in the setting allowed_origins. */
bool http_origin_allowed(const struct http_call *call);

/* Removes trailer fields, which evhttp has appended to those of the head (RFC 9112 7.1.2). */
void http_drop_trailers(struct http_call *call);

/* A sentence on what evhttp accepts and RFC 9112 does not: anything by which two servers could disagree on where a
 * request ends (6.3) or on its host (3.2). NULL if the request is fine. */
const char *http_fields_problem(const struct http_call *call);

/* http_route.c */

/*
 * Parses a target.
 *   path, query  of an evhttp_uri; NULL: none
 * To be freed by http_target_fini.
 */
void http_target_init(struct http_target *t, const char *path, const char *query);
void http_target_fini(struct http_target *t);

/* The value of a parameter of the query, the first of that name; NULL if there is none. */
const struct http_piece *http_target_query(const struct http_target *t, const char *name);

/* The segment of the path for a route's {name}; NULL if the route has no such name. */
const struct http_piece *http_target_path(
	const struct http_target *t, const struct http_route *route, const char *name);

/*
 * The route for this path and method. A literal segment wins over another route's {name}, for all methods: PUT
 * /messages/read leaves no GET /messages/{chat_id} for "read".
 *   method   HTTP_METHOD_N for another one
 *   allowed  out, if the result is NULL: the methods of the path, bits by enum http_method; 0 for an unknown path
 */
const struct http_route *http_route_find(const struct http *http, const struct http_target *t,
	enum http_method method, unsigned *allowed);

/* http_ws.c */

/* GET /ws: takes the steps of http.h from the handshake on. */
void http_ws_request(struct http_call *call);

/* http_static.c */

/* GET or HEAD of a path without a route: a file of the page, or 404. */
void http_static_request(struct http_call *call);

/*
 * Opens a regular file below a directory. No segment may start with a dot or contain a slash or NUL, and none may be a
 * symbolic link.
 *   segments  n of them, decoded
 *   st        out: the state of the file
 * Returns the fd, or -1.
 */
int http_static_open(
	const char *root, const struct http_piece *segments, size_t n, struct stat *st);

/* The media type by the suffix of a file's name. */
const char *http_static_type(const char *name);

/* http_reply.c */

/* The reason phrase of a status (RFC 9110 15). */
const char *http_reason(int status);

/*
 * Appends a problem (RFC 9457).
 *   detail  NULL for the error's own sentence
 *   errors  the members of its array "errors"; NULL for no such array
 */
void http_put_problem(
	struct buf *b, enum error error, const char *detail, const char *errors, size_t errors_len);

/* Sends the answer, with the headers added so far, and ends the call. Empties body. */
void http_send(struct http_call *call, int status, struct evbuffer *body);

/* Answers an error and closes the connection, because the end of the request is not known. */
void http_reply_close(struct http_call *call, enum error error, const char *detail);

#endif
