#include "http/http_private.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/auth.h"
#include "common/clock.h"
#include "common/json.h"
#include "http/http_fields.h"
#include "http/http_reply.h"

static void step_route(struct http_call *call);
static void step_token(struct http_call *call);
static void step_limits(struct http_call *call);
static void step_body(struct http_call *call);
static void step_json(struct http_call *call);

bool http_is_head(const struct http_call *call)
{
	return evhttp_request_get_command(call->req) == EVHTTP_REQ_HEAD;
}

/* The client's address and scheme. */
static void find_client(struct http_call *call)
{
	const struct conf_list *trusted = &call->http->conf->trusted_proxies;
	struct buf forwarded = BUF_EMPTY, protos = BUF_EMPTY;
	unsigned hops;
	char *peer;
	uint16_t port;

	evhttp_connection_get_peer(call->conn->evcon, &peer, &port);
	snprintf(call->address, sizeof(call->address), "%s", peer);
	if (!http_proxy_trusted(call->address, trusted))
		return;
	http_field_join(call, "X-Forwarded-For", &forwarded);
	http_field_join(call, "X-Forwarded-Proto", &protos);
	hops = http_proxy_client(call->address, buf_cstr(&forwarded), trusted);
	call->https = http_proxy_https(buf_cstr(&protos), hops);
	buf_fini(&forwarded);
	buf_fini(&protos);
}

/* RFC 9110 10.1.1 */
static bool expects_other(const struct http_call *call)
{
	struct http_list list = { .call = call, .name = "Expect" };
	struct text e;

	while (http_list_next(&list, &e))
		if (!http_is_word(e, "100-continue"))
			return true;
	return false;
}

/* Reads the target into call->target. */
static void read_target(struct http_call *call)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->req);
	const char *path = evhttp_uri_get_path(uri);

	/* Without this evhttp takes an absolute target (RFC 9112 3.2.2) for a proxy request and
	 * closes the connection without an answer. */
	call->req->flags &= ~EVHTTP_PROXY_REQUEST;
	/* evhttp reads "//name/path" as a host and its path. Here it is a path, and no route starts with it. */
	if (strncmp(evhttp_request_get_uri(call->req), "//", 2) == 0)
		path = NULL;
	http_target_init(&call->target, path, evhttp_uri_get_query(uri));
}

void http_request(struct http_call *call)
{
	const char *problem;

	problem = http_fields_problem(call);
	find_client(call);
	read_target(call);
	/* evhttp recognises "close" only if it is alone. */
	if (http_field_has(call, "Connection", "close"))
		http_add_header(call, "Connection", "close");
	if (call->req->major != 1 || call->req->minor != 0)
		call->req->major = call->req->minor = 1; /* of the answer */
	if (problem != NULL)
		http_reject_with(call->conn, ERROR_bad_request, problem);
	else if (call->conn->head.left > HTTP_BODY_READ_MAX)
		http_reject_with(call->conn, ERROR_too_large, NULL);
	else if (expects_other(call))
		http_reject_with(call->conn, ERROR_expectation_failed, NULL);
	else
		step_route(call);
}

/* The route. */

static bool find_method(const struct http_call *call, enum http_method *method)
{
	switch (evhttp_request_get_command(call->req)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_HEAD: /* as GET; evhttp omits the body */
		*method = HTTP_GET;
		return true;
	case EVHTTP_REQ_POST:
		*method = HTTP_POST;
		return true;
	case EVHTTP_REQ_PUT:
		*method = HTTP_PUT;
		return true;
	case EVHTTP_REQ_PATCH:
		*method = HTTP_PATCH;
		return true;
	case EVHTTP_REQ_DELETE:
		*method = HTTP_DELETE;
		return true;
	default:
		return false;
	}
}

static void reply_not_allowed(struct http_call *call, unsigned allowed)
{
	static const char *const names[HTTP_METHOD_N] = { "GET, HEAD", "POST", "PUT", "PATCH",
		"DELETE" };
	struct buf list = BUF_EMPTY;

	for (unsigned i = 0; i < HTTP_METHOD_N; i++)
		if (allowed & 1u << i)
			buf_addf(&list, "%s%s", list.len != 0 ? ", " : "", names[i]);
	http_add_header(call, "Allow", buf_cstr(&list));
	buf_fini(&list);
	http_reply_error(call, ERROR_method_not_allowed);
}

/* True if the path has this one segment; for paths without an entry in the table. */
static bool is_path(const struct http_target *t, const char *only_segment)
{
	return t->n_segments == 1 && strcmp(t->segments[0].at, only_segment) == 0 &&
		t->segments[0].len == strlen(only_segment);
}

static void step_route(struct http_call *call)
{
	enum http_method method = HTTP_METHOD_N;
	bool known = find_method(call, &method);
	unsigned allowed;

	call->route = http_route_find(
		call->http->routes, call->http->n_routes, &call->target, method, &allowed);
	if (call->route != NULL) {
		step_token(call);
	} else if (is_path(&call->target, "ws")) {
		if (known && method == HTTP_GET && !http_is_head(call))
			http_ws_request(call);
		else
			reply_not_allowed(call, 1u << HTTP_GET);
	} else if (allowed != 0 || (method != HTTP_GET && is_path(&call->target, ""))) {
		reply_not_allowed(call, allowed != 0 ? allowed : 1u << HTTP_GET);
	} else if (known && method == HTTP_GET) {
		http_static_request(call);
	} else {
		http_reply_error(call, ERROR_no_such_route);
	}
}

/* The token. */

static void on_token(void *arg, enum error error, const struct token *t)
{
	struct http_call *call = arg;

	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	call->token = *t;
	/* The client has closed the connection and may have given up the request. */
	if (call->conn == NULL)
		http_reply_error(call, ERROR_unavailable);
	else
		step_limits(call);
}

static void step_token(struct http_call *call)
{
	struct text token;
	uint8_t hash[STORE_HASH_SIZE];

	if (call->route->open) {
		step_limits(call);
		return;
	}
	token = http_bearer(call);
	if (token.data == NULL) {
		token = http_cookie(call);
		call->by_cookie = token.data != NULL;
	}
	if (token.data != NULL && auth_hash(hash, token.data, token.len))
		store_authenticate(call->http->store, hash, on_token, call);
	else
		http_reply_error(call, ERROR_bad_token);
}

/* The limits. */

static struct ratelimit_key limit_key(const struct http_call *call)
{
	return call->token.user_id != 0 ? ratelimit_key_user(call->token.user_id)
					: ratelimit_key_address(call->address);
}

bool http_within_rate(const struct http_call *call)
{
	struct ratelimit_key key = limit_key(call);

	return !call->http->conf->rate_limits ||
		ratelimit_take(call->http->ratelimit, &key, 1, clock_mono_ms());
}

static void step_limits(struct http_call *call)
{
	struct http *http = call->http;
	struct ratelimit_key key = limit_key(call);
	enum error error;

	call->share = http_share_ref(&http->shares, &key);
	error = http_share_unsent_fits(&http->shares, call->share, 0);
	if (!http_within_rate(call))
		error = ERROR_too_many_requests;
	if (error != ERROR_NONE)
		http_reply_error(call, error);
	else
		step_body(call);
}

/* The body. */

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	const size_t len = sizeof(json) - 1;

	return type != NULL && strncasecmp(type, json, len) == 0 &&
		(type[len] == '\0' || strchr("; \t", type[len]) != NULL);
}

/* True if the route has parameters in the body. */
static bool takes_body(const struct http_route *r, bool *needs)
{
	bool takes = false;

	*needs = false;
	for (size_t i = 0; i < r->n_params; i++) {
		takes |= r->params[i].place == PARAM_BODY;
		*needs |= r->params[i].place == PARAM_BODY && r->params[i].required;
	}
	return takes;
}

static void step_body(struct http_call *call)
{
	const char *type = http_field(call, "Content-Type");
	bool needs, takes = takes_body(call->route, &needs);

	if (takes && (type != NULL || !call->conn->head.complete) && !is_json(type))
		http_reply_error(call, ERROR_not_json);
	else
		http_body_read(call, takes, step_json);
}

/* Parses call->json, which stays NULL if the route takes no body, or needs none and none came. Returns false if it has
 * answered. */
static bool read_json(struct http_call *call)
{
	const struct buf *body = &call->body;
	const char *why = NULL;
	bool needs;

	if (!takes_body(call->route, &needs) ||
		(body->len == 0 && http_field(call, "Content-Type") == NULL && !needs))
		return true;
	if (body->len > HTTP_BODY_MAX) {
		http_reply_error(call, ERROR_too_large);
		return false;
	}
	call->json = json_parse(body->len != 0 ? body->data : "", body->len, &why);
	if (!cJSON_IsObject(call->json)) {
		http_reply_detail(call, ERROR_bad_json, why);
		return false;
	}
	return true;
}

/* Parameters. */

/* Reads the parameters of the path. Returns false if it has answered: an id that is no number, a username that cannot
 * exist. A bad emoji is one of the problems. */
static bool read_path(struct http_call *call, struct buf *problems)
{
	const struct http_route *r = call->route;

	for (size_t i = 0; i < r->n_params; i++) {
		const struct param_spec *spec = &r->params[i];
		const struct http_piece *p;

		if (spec->place != PARAM_PATH)
			continue;
		p = http_target_path(&call->target, r, spec->name);
		if (params_read_text(&call->params.at[i], spec, p->at, p->len, problems) ||
			spec->type == PARAM_EMOJI)
			continue;
		http_reply_error(call,
			spec->type == PARAM_USERNAME       ? ERROR_no_such_user
				: spec->type == PARAM_CODE ? ERROR_no_such_invite
							   : ERROR_bad_path);
		return false;
	}
	return true;
}

static void read_query(struct http_call *call, struct buf *problems)
{
	const struct http_route *r = call->route;

	for (size_t i = 0; i < r->n_params; i++) {
		const struct http_piece *p;

		if (r->params[i].place != PARAM_QUERY)
			continue;
		p = http_target_query(&call->target, r->params[i].name);
		params_read_text(&call->params.at[i], &r->params[i], p != NULL ? p->at : NULL,
			p != NULL ? p->len : 0, problems);
	}
}

/* A page of another origin can make the browser send the cookie, but cannot forge Origin. */
static bool origin_good(const struct http_call *call)
{
	return !call->by_cookie || call->route->method == HTTP_GET || http_origin_allowed(call);
}

static void step_json(struct http_call *call)
{
	const struct http_route *r = call->route;
	struct buf problems = BUF_EMPTY;

	/* The user may be another now; a handler compares only the answer of its query. */
	if (call->stale) {
		http_reply_error(call, ERROR_unavailable);
		return;
	}
	if (!read_json(call))
		return;
	params_read_body(&call->params, r->params, r->n_params, call->json, &problems);
	if (read_path(call, &problems)) {
		read_query(call, &problems);
		if (problems.len != 0)
			http_reply_invalid(call, problems.data, problems.len);
		else if (!origin_good(call))
			http_reply_error(call, ERROR_bad_origin);
		else if (r->costly)
			http_costly_run(call);
		else
			r->run(call->http->env, call);
	}
	buf_fini(&problems);
}

/* For the handler. */

void *http_env(const struct http_call *call)
{
	return call->env;
}

const struct params *http_params(const struct http_call *call)
{
	return &call->params;
}

bool http_is_stale(const struct http_call *call)
{
	return call->stale;
}

int64_t http_user(const struct http_call *call)
{
	return call->token.user_id;
}

const struct token *http_token(const struct http_call *call)
{
	return &call->token;
}

const char *http_address(const struct http_call *call)
{
	return call->address;
}

bool http_is_https(const struct http_call *call)
{
	return call->https;
}
