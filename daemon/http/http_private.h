/*
 * http_private: what the files of http share.
 *
 *   http.c          life: evhttp, its connections, the limit in time, the end of a loop pass
 *   http_reject.c   what evhttp refuses by itself, answered our way; the lingering close
 *   http_head.c     a head as it comes in, for what evhttp would wait for in vain
 *   http_request.c  the steps from a request to its handler
 *   http_route.c    paths and queries
 *   http_ws.c       GET /ws
 *   http_static.c   the page's files
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

#define HTTP_HEADERS_MAX \
	(16u << 10) /* of the request line and all header lines, without their line ends */
#define HTTP_BODY_MAX (1u << 20)
/* What evhttp takes; between the two the refusal has its place in the order of checks, beyond it
 * comes at once. */
#define HTTP_BODY_READ_MAX (HTTP_BODY_MAX + (64u << 10))
/* More than evhttp needs to have at once, a body and some: what a peer can make us buffer. */
#define HTTP_BUFFER_MAX (HTTP_BODY_READ_MAX + (32u << 10))
#define HTTP_REQUEST_MS 30000 /* for a whole request, from its first byte */
#define HTTP_IDLE_S 60

/* Requests of a user, or of an address on open routes, on this worker. */
#define HTTP_REQUESTS_PER_S 50
#define HTTP_REQUESTS_BURST 200

#define HTTP_SEGMENTS_MAX 8
#define HTTP_QUERY_MAX 16 /* parameters looked at */

/* A piece of a path or a query, percent-decoded and NUL-terminated; it may hold NULs itself. */
struct http_piece {
	char *at;
	size_t len;
};

struct http_target {
	struct http_piece segments[HTTP_SEGMENTS_MAX];
	size_t n_segments; /* HTTP_SEGMENTS_MAX + 1: too many, so no route's */
	struct http_piece names[HTTP_QUERY_MAX], values[HTTP_QUERY_MAX];
	size_t n_query;
	char *memory;
};

/*
 * A connection while it is evhttp's.
 *
 *   FRESH ── end of the pass ─► READING ── request whole ─► IN_HAND ── answer given ─► WRITING ──
 * sent ─► READING …
 */
enum http_conn_state { HTTP_FRESH, HTTP_READING, HTTP_IN_FLIGHT, HTTP_WRITING };

struct http_conn {
	struct http *http;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL while FRESH */
	struct http_call *call; /* IN_HAND */
	enum http_conn_state state;
	int fd;
	struct http_head head; /* of the request being read */
	int64_t begun_ms; /* its first byte; 0: none yet */
	TAILQ_ENTRY(http_conn) begun; /* in http->begun while begun_ms is not 0 */
	TAILQ_ENTRY(http_conn) settle; /* in http->settle where `settles` */
	bool settles;
	bool taken; /* out of evhttp: it goes on and still counts */
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
	TAILQ_HEAD(, http_conn) begun; /* oldest first */
	TAILQ_HEAD(, http_conn) settle;
	struct event *begun_timer;
	struct event *settle_event; /* made active: runs at the end of this loop pass */
	TAILQ_HEAD(, http_call) calls;
	LIST_HEAD(, http_linger) lingering;
	size_t n_writing; /* answers not yet sent */
	int placeholder_fd; /* takeover's */
	int64_t request_ms; /* HTTP_REQUEST_MS; tests are less patient */
	bool stopped;
};

/* What a WebSocket handshake asks for; texts point into the request. */
struct http_handshake {
	const char *key;
	const char *subprotocol;
};

struct http_call {
	struct http *http; /* NULL once it is closed: nothing can be answered */
	struct http_conn *conn; /* NULL once the client has gone */
	struct evhttp_request *req;
	TAILQ_ENTRY(http_call) link;
	const struct http_route *route; /* NULL: none of the table's */
	struct http_target target;
	struct http_handshake handshake;
	cJSON *body;
	struct params params;
	struct token token;
	bool by_cookie;
	bool https;
	char address[HTTP_ADDRESS_MAX];
};

/* http.c */

/* Begins to answer: what is written from here on is ours, and the request is over for the clock. */
void http_conn_write(struct http_conn *c);
void http_call_free(struct http_call *call);

/* http_reject.c */

/* What has been written on c is evhttp's own: 100 Continue stays, a refusal is replaced by ours and
 * c ends. So does a request whose head is ambiguous, if evhttp has not shown it. */
void http_reject(struct http_conn *c);
/* Ends a connection that is still READING with this answer. */
void http_reject_with(struct http_conn *c, enum error error, const char *detail);
void http_linger_free_all(struct http *http);

/* http_request.c */

/* A whole request is here: takes the steps; ends with its answer, now or later. */
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

/* Reads an evhttp URI's path and query (NULL: none); to be ended with http_target_fini. */
void http_target_init(struct http_target *t, const char *path, const char *query);
void http_target_fini(struct http_target *t);
/* Value of a query's parameter, the first of that name; NULL. */
const struct http_piece *http_target_query(const struct http_target *t, const char *name);
/* The segment of the path that a route's {name} stands for; NULL where the route has none of that
 * name. */
const struct http_piece *http_target_path(
	const struct http_target *t, const struct http_route *route, const char *name);
/*
 * The route for this path and method. NULL and *allowed (bits by enum http_method) where the path
 * has routes, but not for the method; NULL and 0 where it has none. A path that a route spells out
 * belongs to it alone, also where another's {name} would match: PUT /messages/read leaves no GET
 * /messages/{chat_id} for "read".
 */
const struct http_route *http_route_find(const struct http *http, const struct http_target *t,
	enum http_method method, unsigned *allowed);

/* http_ws.c */

/* The path is /ws, the method GET: checks the handshake, then the token, then hands the socket up.
 * */
void http_ws_request(struct http_call *call);

/* http_static.c */

/* The path has no route, the method is GET or HEAD: a file of the page, or 404. */
void http_static_request(struct http_call *call);
/*
 * Opens a regular file below root, by segments that have been decoded: nothing that begins with a
 * dot, nothing with a slash or NUL in it, and no symbolic link on the way. Returns the fd and its
 * state in *st, or -1.
 */
int http_static_open(
	const char *root, const struct http_piece *segments, size_t n, struct stat *st);
/* By the file's ending. */
const char *http_static_type(const char *name);

/* http_reply.c */

/* RFC 9110's name of a status. */
const char *http_reason(int status);
/* Appends a problem (RFC 9457). detail: NULL for the error's own sentence; errors: members of its
 * array, NULL for none. */
void http_put_problem(
	struct buf *b, enum error error, const char *detail, const char *errors, size_t errors_len);
/* Sends the answer with the headers added so far; takes the body's content. Ends the call. */
void http_send(struct http_call *call, int status, struct evbuffer *body);
/* A refusal after which the rest of what came cannot be told apart: closes. */
void http_reply_close(struct http_call *call, enum error error, const char *detail);

#endif
