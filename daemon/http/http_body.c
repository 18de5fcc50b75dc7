#include "http/http_body.h"

#include "common/secret.h"
#include "http/http_fields.h"
#include "http/http_private.h"

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

bool http_body_awaits_continue(const struct http_call *call)
{
	return http_field_has(call, "Expect", "100-continue") &&
		call->conn->state == HTTP_IN_FLIGHT &&
		evbuffer_get_length(bufferevent_get_input(call->conn->bev)) == 0;
}

bool http_body_incomplete(const struct http_call *call)
{
	return call->conn != NULL && !call->conn->head.complete;
}

void http_body_fini(struct http_call *call)
{
	if (call->share != NULL)
		http_share_bodies(&call->http->shares, call->share, call->body.len, 0);
	secret_wipe(call->body.data, call->body.len);
	buf_fini(&call->body);
}

static void ended(struct http_call *call)
{
	struct http_conn *c = call->conn;

	bufferevent_disable(c->bev, EV_READ);
	http_request_ended(c);
	c->state = HTTP_IN_FLIGHT;
	if (call->held != NULL)
		http_send_held(call);
	else
		call->body_read(call);
}

/* Makes room for n more bytes. Unlike buf_reserve it leaves no copy of a password in freed memory. */
static void make_room(struct buf *b, size_t n)
{
	struct buf larger = BUF_EMPTY;

	if (n <= b->cap - b->len)
		return;
	buf_reserve(&larger, b->len + n);
	buf_add(&larger, b->data, b->len);
	secret_wipe(b->data, b->len);
	buf_fini(b);
	*b = larger;
}

/* The next bytes, of one piece of the input. */
static void take_piece(struct http_conn *c, struct evbuffer *input, size_t len)
{
	struct http_call *call = c->call;
	struct buf *keep = call->held == NULL && call->keeps_body ? &call->body : NULL;
	unsigned char *bytes = evbuffer_pullup(input, (ev_ssize_t)len);
	size_t had = call->body.len, n;

	if (keep != NULL)
		make_room(keep, len);
	n = http_head_feed(&c->head, (char *)bytes, len, keep);
	secret_wipe(bytes, n);
	evbuffer_drain(input, n);
	if (call->share != NULL)
		http_share_bodies(&c->http->shares, call->share, had, call->body.len);
}

/* The error of what has come of the body, ERROR_NONE if it is fine. */
static enum error problem(const struct http_conn *c)
{
	const struct http_call *call = c->call;

	if (c->head.is_malformed)
		return ERROR_bad_request;
	if (c->head.bytes > HTTP_HEADERS_MAX)
		return ERROR_headers_too_large;
	if (c->head.body + c->head.left > HTTP_BODY_READ_MAX)
		return ERROR_too_large;
	return call->share != NULL ? http_share_bodies_fit(&c->http->shares, call->share, 0)
				   : ERROR_NONE;
}

void http_body_take(struct http_conn *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	enum error error = ERROR_NONE;
	size_t len;

	while (error == ERROR_NONE && !c->head.complete &&
		(len = evbuffer_get_contiguous_space(input)) > 0) {
		take_piece(c, input, len);
		error = problem(c);
	}
	if (error != ERROR_NONE)
		http_reject_with(
			c, error, error == ERROR_bad_request ? http_head_problem(&c->head) : NULL);
	else if (c->head.complete)
		ended(c->call);
}

/* Waits for the body, with evhttp's own callback for the end of the stream only. */
static void start(struct http_call *call)
{
	struct http_conn *c = call->conn;
	bufferevent_event_cb event_cb;
	void *arg;

	bufferevent_getcb(c->bev, NULL, NULL, &event_cb, &arg);
	bufferevent_setcb(c->bev, NULL, NULL, event_cb, arg);
	if (call->held == NULL && http_body_awaits_continue(call)) {
		bufferevent_write(c->bev, CONTINUE, sizeof(CONTINUE) - 1);
		bufferevent_enable(c->bev, EV_WRITE);
	}
	c->state = HTTP_BODY;
	http_request_started(c);
	bufferevent_enable(c->bev, EV_READ);
	http_body_take(c);
}

void http_body_read(struct http_call *call, bool keep, void (*then)(struct http_call *call))
{
	call->keeps_body = keep;
	call->body_read = then;
	if (http_body_incomplete(call))
		start(call);
	else
		then(call);
}

void http_body_skip(struct http_call *call)
{
	start(call);
}
