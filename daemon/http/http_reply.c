#include "http/http_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/log.h"
#include "http/http_fields.h"
#include "http/http_reply.h"

/* Bytes of an answer that is compressed. A shorter one is hardly smaller in packets; a longer one would hold up the worker
 * for more than a few milliseconds (docs/design.md). */
#define COMPRESSED_MIN 1024
#define COMPRESSED_MAX ((size_t)192 << 10)

const char *http_reason(int status)
{
	/* RFC 9110 15, RFC 6585 */
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void http_put_problem(
	struct buf *b, enum error error, const char *detail, const char *errors, size_t errors_len)
{
	int status = error_status(error);

	buf_addf(b,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
		"\"detail\":",
		http_reason(status), status, error_code(error));
	json_put_cstr(b, detail != NULL ? detail : error_sentence(error));
	if (errors != NULL) {
		buf_add_str(b, ",\"errors\":[");
		buf_add(b, errors, errors_len);
		buf_add_char(b, ']');
	}
	buf_add_char(b, '}');
}

void http_add_header(struct http_call *call, const char *name, const char *value)
{
	if (call->http == NULL)
		return;
	if (evhttp_add_header(evhttp_request_get_output_headers(call->req), name, value) != 0)
		log_fatal("header_invalid name=%s", name);
}

static struct evbuffer *body_new(const char *bytes, size_t len)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL || (len != 0 && evbuffer_add(body, bytes, len) != 0))
		log_fatal("out_of_memory bytes=%zu", len);
	return body;
}

static void add_length(struct http_call *call, size_t len)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", len);
	http_add_header(call, "Content-Length", text);
}

/* If the answer says close, evhttp would add keep-alive for an HTTP/1.0 client that requested it. */
static void drop_keep_alive(struct http_call *call)
{
	const char *connection =
		evhttp_find_header(evhttp_request_get_output_headers(call->req), "Connection");

	if (connection == NULL || strcasecmp(connection, "close") != 0)
		return;
	while (evhttp_remove_header(evhttp_request_get_input_headers(call->req), "Connection") == 0)
		;
}

/* Keeps the answer until the body of the request has come: only then can the next request follow. */
static void hold(struct http_call *call, int status, struct evbuffer *body)
{
	call->held = evbuffer_new();
	if (call->held == NULL || evbuffer_add_buffer(call->held, body) != 0)
		log_fatal("out_of_memory what=answer");
	call->held_status = status;
	http_body_fini(call);
	http_body_skip(call);
}

void http_send_held(struct http_call *call)
{
	struct evbuffer *body = call->held;

	call->held = NULL;
	http_send(call, call->held_status, body);
	evbuffer_free(body);
}

void http_send(struct http_call *call, int status, struct evbuffer *body)
{
	struct http *http = call->http;

	if (http != NULL && http_body_incomplete(call)) {
		if (!http_body_awaits_continue(call)) {
			hold(call, status, body);
			return;
		}
		http_add_header(call, "Connection", "close"); /* it may send the body, or not */
	}
	if (http != NULL) {
		STATS_ADD(http->stats, http_requests, 1);
		if (status >= 500)
			STATS_ADD(http->stats, http_5xx, 1);
		if (http->stopped)
			http_add_header(call, "Connection", "close");
		drop_keep_alive(call);
		if (call->conn != NULL) {
			/* evhttp adds none for HEAD, and none for HTTP/1.0, whose client could not
			 * detect an incomplete answer. */
			if (status != 204 && status != 304)
				add_length(call, evbuffer_get_length(body));
			if (http_is_head(call))
				evbuffer_drain(body, evbuffer_get_length(body));
			http_conn_write(call->conn, !call->is_file);
		}
		/* If the client has closed the connection this only frees the request. */
		evhttp_send_reply(call->req, status, http_reason(status), body);
	}
	http_call_free(call);
}

/* Compresses an answer of a route that allows it. Returns true if out has it. */
static bool compress(struct http_call *call, const char *json, size_t len, struct buf *out)
{
	struct http_weights accepted;

	if (call->http == NULL || call->conn == NULL || !call->route->compressed)
		return false;
	http_add_header(call, "Vary", "Accept-Encoding");
	if (len < COMPRESSED_MIN || len > COMPRESSED_MAX)
		return false;
	accepted = http_accepted_codings(call);
	if (http_coding_choose(&accepted, 1u << HTTP_GZIP) != HTTP_GZIP)
		return false;
	http_add_header(call, "Content-Encoding", http_coding_name(HTTP_GZIP));
	http_coding_gzip(out, json, len);
	return true;
}

/* An answer that is no file. */
static void send_json(
	struct http_call *call, int status, const char *type, const char *json, size_t len)
{
	struct evbuffer *body = body_new(json, len);

	if (len != 0)
		http_add_header(call, "Content-Type", type);
	http_add_header(call, "Cache-Control", "no-store");
	http_add_header(call, "X-Content-Type-Options", "nosniff");
	http_send(call, status, body);
	evbuffer_free(body);
}

static void send_problem(struct http_call *call, enum error error, const char *detail,
	const char *errors, size_t errors_len)
{
	struct buf b = BUF_EMPTY;
	int status = error_status(error);

	http_put_problem(&b, error, detail, errors, errors_len);
	if (status == 401)
		http_add_header(call, "WWW-Authenticate", "Bearer");
	if (status == 429 || status == 503)
		http_add_header(call, "Retry-After", "1");
	send_json(call, status, "application/problem+json", b.data, b.len);
	buf_fini(&b);
}

void http_reply_error(struct http_call *call, enum error error)
{
	send_problem(call, error, NULL, NULL, 0);
}

void http_reply_detail(struct http_call *call, enum error error, const char *detail)
{
	send_problem(call, error, detail, NULL, 0);
}

void http_reply_invalid(struct http_call *call, const char *errors, size_t len)
{
	send_problem(call, ERROR_invalid, NULL, errors, len);
}

void http_reply_field(struct http_call *call, enum error error, const char *field)
{
	struct buf errors = BUF_EMPTY;

	buf_addf(&errors, "{\"field\":\"%s\",\"detail\":", field);
	json_put_cstr(&errors, error_sentence(error));
	buf_add_char(&errors, '}');
	send_problem(call, error, NULL, errors.data, errors.len);
	buf_fini(&errors);
}

void http_reply(struct http_call *call, int status, const char *json, size_t len)
{
	enum error error = ERROR_NONE;
	struct buf gzip = BUF_EMPTY;

	/* Many answers that were requested at once; a change is made already, and its answer is short. */
	if (call->http != NULL && call->share != NULL && call->route->method == HTTP_GET)
		error = http_share_unsent_fits(&call->http->shares, call->share, len);
	if (error != ERROR_NONE)
		http_reply_error(call, error);
	else if (compress(call, json, len, &gzip))
		send_json(call, status, "application/json", gzip.data, gzip.len);
	else
		send_json(call, status, "application/json", json, len);
	buf_fini(&gzip);
}
