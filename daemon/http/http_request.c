#include "http/http_private.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/auth.h"
#include "common/clock.h"
#include "common/json.h"

/* Headers. */

const char *http_header(const struct http_call *call, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(call->req), name);
}

bool http_header_has(const struct http_call *call, const char *name, const char *token)
{
	const struct evkeyval *h;
	size_t token_len = strlen(token);

	TAILQ_FOREACH(h, evhttp_request_get_input_headers(call->req), next)
	{
		const char *p = h->value;

		if (strcasecmp(h->key, name) != 0)
			continue;
		while (*(p += strspn(p, ", \t")) != '\0') {
			size_t len = strcspn(p, ", \t;");

			if (len == token_len && strncasecmp(p, token, len) == 0)
				return true;
			p += strcspn(p, ",");
		}
	}
	return false;
}

bool http_is_head(const struct http_call *call)
{
	return evhttp_request_get_command(call->req) == EVHTTP_REQ_HEAD;
}

/* RFC 9110 5.6.2. A blank before the colon is the one that matters: it hides a header from some and
 * not from others. */
static bool is_token(const char *s)
{
	size_t len = strspn(
		s, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	return len > 0 && s[len] == '\0';
}

/*
 * What evhttp lets pass and RFC 9112 does not: anything by which two servers could disagree where a
 * request ends (6.3), or whom it is for (3.2). NULL where the head is good.
 */
static const char *head_problem(const struct http_call *call)
{
	const struct evhttp_request *req = call->req;
	const struct evkeyval *h;
	unsigned hosts = 0, lengths = 0, encodings = 0;

	if (strchr(evhttp_request_get_uri(call->req), ' ') != NULL)
		return "There is a blank too many in the request line.";
	TAILQ_FOREACH(h, evhttp_request_get_input_headers(call->req), next)
	{
		if (!is_token(h->key))
			return "A header's name is not a token.";
		if (strcasecmp(h->key, "Host") == 0) {
			hosts++;
		} else if (strcasecmp(h->key, "Content-Length") == 0) {
			lengths++;
			if (h->value[0] == '\0' || h->value[strspn(h->value, "0123456789")] != '\0')
				return "Content-Length is not a number.";
		} else if (strcasecmp(h->key, "Transfer-Encoding") == 0) {
			encodings++;
			if (strcasecmp(h->value, "chunked") != 0)
				return "The only transfer encoding that is understood is chunked.";
		}
	}
	if (req->major != 1)
		return "This is not HTTP/1.1.";
	if (hosts > 1 || (hosts == 0 && req->minor >= 1))
		return "There must be one Host header.";
	if (lengths + encodings > 1)
		return "There may be one Content-Length or one Transfer-Encoding.";
	if (encodings != 0 && req->minor == 0)
		return "HTTP/1.0 has no transfer encodings.";
	if (http_is_head(call) &&
		(encodings != 0 ||
			(lengths != 0 &&
				strspn(http_header(call, "Content-Length"), "0") !=
					strlen(http_header(call, "Content-Length")))))
		return "A HEAD has no body.";
	if (call->conn->head.ambiguous || !call->conn->head.whole)
		return "The head or a chunk of the request is not well-formed.";
	return NULL;
}

/* Who asks, as far as it can be known. */
static void find_client(struct http_call *call)
{
	const struct conf *conf = call->http->conf;
	const char *forwarded = NULL, *proto;
	const struct evkeyval *h;
	char *peer;
	uint16_t port;

	evhttp_connection_get_peer(call->conn->evcon, &peer, &port);
	snprintf(call->address, sizeof(call->address), "%s", peer);
	if (!http_proxy_trusted(call->address, &conf->trusted_proxies))
		return;
	/* The last of that name: the nearest proxy's. */
	TAILQ_FOREACH(h, evhttp_request_get_input_headers(call->req), next)
	if (strcasecmp(h->key, "X-Forwarded-For") == 0)
		forwarded = h->value;
	http_proxy_client(call->address, forwarded, &conf->trusted_proxies);
	proto = http_header(call, "X-Forwarded-Proto");
	call->https = proto != NULL && strcasecmp(proto, "https") == 0;
}

/* The route, and whose it is. */

static bool find_method(const struct http_call *call, enum http_method *method)
{
	switch (evhttp_request_get_command(call->req)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_HEAD: /* GET, but evhttp leaves the body out */
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

/* What has a segment of its own here but no entry in the table. */
static bool is_path(const struct http_target *t, const char *only_segment)
{
	return t->n_segments == 1 && strcmp(t->segments[0].at, only_segment) == 0 &&
		t->segments[0].len == strlen(only_segment);
}

static void step_token(struct http_call *call);

static void step_route(struct http_call *call)
{
	enum http_method method = HTTP_METHOD_N;
	bool known = find_method(call, &method);
	unsigned allowed;

	call->route = http_route_find(call->http, &call->target, method, &allowed);
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

void http_request(struct http_call *call)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->req);
	const char *problem = head_problem(call), *path = evhttp_uri_get_path(uri), *expect;

	find_client(call);
	/* evhttp takes an absolute target (RFC 9112 3.2.2) for a proxy's and would end the
	 * connection without a word. */
	call->req->flags &= ~EVHTTP_PROXY_REQUEST;
	/* "//name/path" is a path here, of which no route begins so, and not a host and its path.
	 * */
	if (strncmp(evhttp_request_get_uri(call->req), "//", 2) == 0)
		path = NULL;
	http_target_init(&call->target, path, evhttp_uri_get_query(uri));
	/* evhttp knows "close" only where it stands alone. */
	if (http_header_has(call, "Connection", "close"))
		http_add_header(call, "Connection", "close");
	expect = http_header(call, "Expect");
	if (call->req->major != 1 || call->req->minor != 0)
		call->req->major = call->req->minor = 1; /* of the answer */
	if (problem != NULL)
		http_reply_close(call, ERROR_bad_request, problem);
	else if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
		http_reply_error(call, ERROR_expectation_failed);
	else
		step_route(call);
}

/* The token. */

static void step_body(struct http_call *call);

static void on_token(void *arg, enum error error, const struct token *t)
{
	struct http_call *call = arg;

	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	call->token = *t;
	/* Nobody waits for an answer; and what would be asked for is not known to be wanted. */
	if (call->conn == NULL)
		http_reply_error(call, ERROR_unavailable);
	else
		step_body(call);
}

static void step_token(struct http_call *call)
{
	const char *authorization = http_header(call, "Authorization"),
		   *cookie = http_header(call, "Cookie");
	struct text token = { NULL, 0 };
	uint8_t hash[STORE_HASH_SIZE];

	if (call->route->open) {
		step_body(call);
		return;
	}
	if (authorization != NULL) {
		token = auth_bearer(authorization);
	} else if (cookie != NULL) {
		token = auth_cookie(cookie);
		call->by_cookie = true;
	}
	if (token.data != NULL && auth_hash(hash, token.data, token.len))
		store_authenticate(call->http->store, hash, on_token, call);
	else
		http_reply_error(call, ERROR_bad_token);
}

/* The body. */

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	const size_t len = sizeof(json) - 1;

	return type != NULL && strncasecmp(type, json, len) == 0 &&
		(type[len] == '\0' || strchr("; \t", type[len]) != NULL);
}

/* Reads call->body, which stays NULL where the route takes none or none came and none is needed.
 * False: it is answered. */
static bool read_body(struct http_call *call)
{
	const struct http_route *r = call->route;
	struct evbuffer *in = evhttp_request_get_input_buffer(call->req);
	const char *type = http_header(call, "Content-Type"), *why = NULL;
	size_t len = evbuffer_get_length(in);
	bool takes = false, needs = false;

	for (size_t i = 0; i < r->n_params; i++) {
		takes |= r->params[i].place == PARAM_BODY;
		needs |= r->params[i].place == PARAM_BODY && r->params[i].required;
	}
	if (!takes || (len == 0 && type == NULL && !needs))
		return true;
	if ((len != 0 || type != NULL) && !is_json(type)) {
		http_reply_error(call, ERROR_not_json);
		return false;
	}
	if (len > HTTP_BODY_MAX) {
		http_reply_error(call, ERROR_too_large);
		return false;
	}
	call->body = json_parse(len != 0 ? (const char *)evbuffer_pullup(in, -1) : "", len, &why);
	if (!cJSON_IsObject(call->body)) {
		http_reply_detail(call, ERROR_bad_json, why);
		return false;
	}
	return true;
}

/* Arguments. */

/* An id in the path that is none, or a name that nobody can have. False: it is answered. */
static bool read_path(struct http_call *call)
{
	const struct http_route *r = call->route;

	for (size_t i = 0; i < r->n_params; i++) {
		const struct param_spec *spec = &r->params[i];
		const struct http_piece *p;
		struct buf problems = BUF_EMPTY;

		if (spec->place != PARAM_PATH)
			continue;
		p = http_target_path(&call->target, r, spec->name);
		if (params_read_text(&call->params.at[i], spec, p->at, p->len, &problems))
			continue;
		buf_fini(&problems);
		http_reply_error(call,
			spec->type == PARAM_ID || spec->type == PARAM_INT ? ERROR_bad_path
									  : ERROR_no_such_user);
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

/* A page elsewhere could have the browser send its cookie along, but not lie about the origin. */
static bool origin_good(const struct http_call *call)
{
	const char *origin = http_header(call, "Origin");

	return !call->by_cookie || call->route->method == HTTP_GET ||
		(origin != NULL &&
			http_origin_good(origin, http_header(call, "Host"), call->https,
				&call->http->conf->allowed_origins));
}

static bool within_rate(const struct http_call *call)
{
	uint64_t key = call->token.user_id != 0 ? ratelimit_key_user(call->token.user_id)
						: ratelimit_key_address(call->address);

	return !call->http->conf->rate_limits ||
		ratelimit_take(call->http->limit, key, 1, clock_mono_ms());
}

static void step_body(struct http_call *call)
{
	const struct http_route *r = call->route;
	struct buf problems = BUF_EMPTY;

	if (!read_body(call))
		return;
	params_read_body(&call->params, r->params, r->n_params, call->body, &problems);
	if (read_path(call)) {
		read_query(call, &problems);
		if (problems.len != 0)
			http_reply_invalid(call, problems.data, problems.len);
		else if (!origin_good(call))
			http_reply_error(call, ERROR_bad_origin);
		else if (!within_rate(call))
			http_reply_error(call, ERROR_too_many_requests);
		else
			r->run(call->http->env, call);
	}
	buf_fini(&problems);
}

/* What a handler can ask. */

void *http_env(const struct http_call *call)
{
	return call->http->env;
}

const struct params *http_params(const struct http_call *call)
{
	return &call->params;
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
