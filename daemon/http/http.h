/*
 * http: evhttp, routes, the steps from a request to its handler, answers, the upgrade of /ws.
 *
 * Owns: evhttp and its connections, requests in flight. Knows nothing of: what a route does, chats, sessions.
 *
 * The steps of a request and the errors of each, in the order of the code:
 *
 *   framing (400) → more than can be read (413) → expectation (417) → path (404) → method (405) → token (401, 503)
 *   → rate and unsent answers (429, 503) → content type (415) → the body is read (429, 503) → size (413) → JSON (400)
 *   → values in the path (400, 404) → fields (422) → origin of a cookie (403) → if costly, the user's share (429)
 *   → the handler, which answers now or later
 *
 * An answer waits until the body has been read; if it is an error of an earlier step the body is not kept.
 *
 * /ws instead, after the method: handshake (426, 400) → origin (403) → token (401, 503) → sockets of the user (429) → 101.
 */
#ifndef PARLEY_HTTP_H
#define PARLEY_HTTP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/params.h"
#include "common/proto.h"
#include "heritage.h"
#include "net/ws.h"
#include "store/store.h"

struct http;
struct http_share;

/* A request, from its arrival to its answer. It remains valid until a function answers it, even if the client has closed
 * the connection. */
struct http_call;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_N };

/* A route as data: dispatch, checks and the OpenAPI description are made from it. */
struct http_route {
	enum http_method method;
	const char *
		path; /* "/users/user_id/{username}"; the name in braces is a PARAM_PATH of params */
	bool open; /* True if it needs no token */
	bool compressed; /* True if long answers are compressed. They must not have a secret: docs/security.md */
	bool costly; /* True if it reads much: 2 of a user run at a time, 8 wait, more are 429. Not with open */
	const char *summary; /* for the description */
	const struct param_spec *params;
	size_t n_params;
	int status; /* of success: 200, 201, 204 */
	int also; /* another status of success with the same answer (200 of a repeated send), or 0 */
	const char *answer; /* name of its schema in the description, NULL for none */
	const char *
		errors; /* codes besides the general ones: "not_owner no_such_group"; may be NULL */
	void (*run)(void *env, struct http_call *call);
};

/* A WebSocket handshake that has been checked. All is valid during the callback. */
struct http_upgrade {
	struct ws_handshake handshake; /* fd: the callback owns it */
	struct token token; /* token_id 0: the first frame has the token */
	const char *address; /* of the client, for the log */
	struct http_share *peer; /* for http_socket_closed */
};

struct http_events {
	void (*upgraded)(void *arg, const struct http_upgrade *u);
	/* Returns true if this user may open one more socket; false answers 429. */
	bool (*may_upgrade)(void *arg, int64_t user_id);
};

/* All is borrowed until http_close. */
struct http_options {
	struct event_base *base;
	const struct heritage *heritage;
	struct store *store;
	const struct http_route *routes;
	size_t n_routes;
	void *env; /* first argument of a route's run */
	const struct http_events *events;
	void *arg; /* first argument of events */
};

/* Starts to serve on the heritage's listeners. */
struct http *http_open(const struct http_options *options);

/*
 * New settings (allowed_origins, trusted_proxies, web_root, rate_limits) after a reload.
 *   conf  borrowed until the next call
 */
void http_set_conf(struct http *http, const struct conf *conf);

/*
 * A WebSocket that was a connection of http has ended: subtracts it from the counts of the worker and of its address.
 *   peer  of its http_upgrade
 */
void http_socket_closed(struct http *http, struct http_share *peer);

/* The database has another history (store_events.epoch): the calls in flight are stale. */
void http_epoch_changed(struct http *http);

/* Stops accepting; requests in flight are still answered. */
void http_stop(struct http *http);

/* True if no request is in flight and all answers are sent. */
bool http_idle(const struct http *http);

void http_close(struct http *http);

/* What a handler can ask of its call. */
void *http_env(const struct http_call *call); /* of http_open; also after http_close */
const struct params *http_params(const struct http_call *call);
int64_t http_user(const struct http_call *call); /* 0 on an open route */
const struct token *http_token(const struct http_call *call);
/* True if its token and the rows read for it are of another history of the database. */
bool http_is_stale(const struct http_call *call);
const char *http_address(
	const struct http_call *call); /* the client's, behind trusted proxies too */
bool http_is_https(const struct http_call *call); /* the client's scheme, likewise */

/*
 * Answers of a handler; each ends the call.
 *   json    len bytes, copied; 204: NULL, 0
 *   detail  a sentence in place of the error's own
 */
void http_reply(struct http_call *call, int status, const char *json, size_t len);
void http_reply_error(struct http_call *call, enum error error);
void http_reply_detail(struct http_call *call, enum error error, const char *detail);

/*
 * Answers 422.
 *   errors  len bytes, the members of "errors" as params_read_body writes them
 */
void http_reply_invalid(struct http_call *call, const char *errors, size_t len);

/* Answers an error of status 422 that is due to one field; its sentence is also the detail of the field. */
void http_reply_field(struct http_call *call, enum error error, const char *field);

/* Adds a header to the answer, before it is sent. Does nothing after http_close. */
void http_add_header(struct http_call *call, const char *name, const char *value);

#endif
