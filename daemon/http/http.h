/*
 * http: the HTTP side: evhttp, routes, the steps from a request to its handler, answers, the
 * upgrade of /ws.
 *
 * Owns: evhttp and its connections, requests in hand. Knows nothing of: what a route does, chats,
 * sessions.
 *
 * A request's life, each step with its own error, in the contract's order:
 *   route (404) → method (405) → token (401) → content type (415) → size (413) → JSON (400) →
 * fields (422) → rate (429)
 *   → the handler, which answers now or later
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
#include "store/store.h"

struct http;

/* One request, from its arrival to its answer. Stays valid until http_reply* is called, also when
 * the client has gone. */
struct http_call;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_N };

/* A route, as data: dispatch, checks and the OpenAPI description come from it. */
struct http_route {
	enum http_method method;
	const char *path; /* "/users/user_id/{username}": a name in braces is an PARAM_PATH spec */
	bool open; /* no token needed */
	const char *summary; /* for the description */
	const struct param_spec *params;
	size_t n_params;
	int status; /* of success: 200, 201, 204 */
	int also; /* another one with the same answer (200 of a repeated send), or 0 */
	const char *answer; /* name of its schema in the description, NULL for none */
	const char *errors; /* codes besides the general ones: "not_owner no_such_group"; may be NULL */
	void (*run)(void *env, struct http_call *call);
};

/* What comes out of a finished WebSocket handshake. */
struct http_upgrade {
	int fd; /* the callback's now; non-blocking, TCP_NODELAY */
	const char *key; /* Sec-WebSocket-Key */
	const char *subprotocol; /* to be answered, or NULL */
	const char *bytes; /* what came behind the request */
	size_t len;
	struct token token; /* token_id 0: to be authenticated by a first frame */
	const char *address; /* of the client, for the log */
};

struct http_events {
	void (*upgraded)(void *arg, const struct http_upgrade *u);
	/* May this user open one more socket? False answers 429. */
	bool (*may_upgrade)(void *arg, int64_t user_id);
};

/* routes: n, terminated by nothing; env is handed to their run. listens with listen.h's gate on h's
 * listeners. */
struct http *http_open(struct event_base *base, const struct heritage *h, struct store *store,
	const struct http_route *routes, size_t n, void *env, const struct http_events *events,
	void *arg);

/* New settings (allowed_origins, trusted_proxies, web_root, rate_limits) after a reload; borrowed.
 * */
void http_set_conf(struct http *http, const struct conf *conf);

/* A WebSocket that came from an upgrade is closed: one connection less in the worker's count. */
void http_socket_closed(struct http *http);

/* Stops accepting; requests in hand are still answered. */
void http_stop(struct http *http);
bool http_idle(const struct http *http); /* none in hand */
void http_close(struct http *http);

/* What a handler can ask of its call. */
void *http_env(const struct http_call *call); /* of http_open */
const struct params *http_params(const struct http_call *call);
int64_t http_user(const struct http_call *call); /* 0 on an open route */
const struct token *http_token(const struct http_call *call);
/* The client's; X-Forwarded-For is believed of trusted proxies. */
const char *http_address(const struct http_call *call);
bool http_is_https(const struct http_call *call); /* X-Forwarded-Proto likewise */

/* Answers; each ends the call. */
void http_reply(struct http_call *call, int status, const char *json,
	size_t len); /* json is copied; 204: NULL, 0 */
void http_reply_error(struct http_call *call, enum error error);
void http_reply_detail(struct http_call *call, enum error error, const char *detail);
/* 422 with these members of "errors" (as params_read_body writes them). */
void http_reply_invalid(struct http_call *call, const char *errors, size_t len);
/* Adds a header to the answer before it is sent. */
void http_add_header(struct http_call *call, const char *name, const char *value);

#endif
