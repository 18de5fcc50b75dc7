#include "http/http_private.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "http/http_reply.h"
#include "net/hijack.h"

#define LINGER_S 3
#define LINGER_MAX (16u << 20) /* bytes that are read and discarded */
#define STATUS_AT (sizeof("HTTP/1.1 ") - 1)

/*
 * A connection after its last answer. A close(2) with unread bytes of the peer resets the connection, and the peer may
 * lose the answer (RFC 9112 9.6). So our side of the stream ends first, and for a while the peer's bytes are discarded.
 */
struct http_linger {
	struct http *http;
	struct http_share *peer;
	struct event *event;
	int64_t until_ms;
	size_t bytes;
	LIST_ENTRY(http_linger) link;
};

static void linger_free(struct http_linger *l)
{
	int fd = event_get_fd(l->event);

	LIST_REMOVE(l, link);
	event_free(l->event);
	close(fd);
	http_socket_closed(l->http, l->peer);
	free(l);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_linger *l = arg;
	char bytes[16384];
	ssize_t n = what & EV_TIMEOUT ? 0 : recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		l->bytes += (size_t)n;
	if (n <= 0 || l->bytes > LINGER_MAX || clock_mono_ms() >= l->until_ms)
		linger_free(l);
}

static void linger_new(struct http *http, int fd, struct http_share *peer)
{
	static const struct timeval timeout = { LINGER_S, 0 };
	struct http_linger *l = xcalloc(1, sizeof(*l));

	l->http = http;
	l->peer = peer;
	l->until_ms = clock_mono_ms() + LINGER_S * 1000;
	l->event = event_new(http->base, fd, EV_READ | EV_PERSIST, on_readable, l);
	if (l->event == NULL || event_add(l->event, &timeout) != 0)
		log_fatal("out_of_memory what=linger");
	LIST_INSERT_HEAD(&http->lingering, l, link);
}

void http_linger_free_all(struct http *http)
{
	struct http_linger *l;

	while ((l = LIST_FIRST(&http->lingering)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): taken off the list before it is freed */
		linger_free(l);
}

static void put_answer(struct buf *answer, enum error error, const char *detail, bool no_body)
{
	struct buf body = BUF_EMPTY;
	int status = error_status(error);

	http_put_problem(&body, error, detail, NULL, 0);
	buf_addf(answer,
		"HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: "
		"%zu\r\n"
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%sConnection: "
		"close\r\n\r\n",
		status, http_reason(status), body.len,
		status == 429 || status == 503 ? "Retry-After: 1\r\n" : "");
	if (!no_body)
		buf_add(answer, body.data, body.len);
	buf_fini(&body);
}

/* Takes the connection out of evhttp, which would close it at once, and answers. Returns false if no descriptor is
 * left. */
static bool reject(struct http_conn *c, enum error error, const char *detail)
{
	struct http *http = c->http;
	struct buf rest = BUF_EMPTY, answer = BUF_EMPTY;
	bool no_body = c->head.is_head; /* before c is freed with its evhttp connection */
	struct http_share *peer = c->peer;
	int fd;

	if (c->call != NULL)
		http_call_free(c->call);
	c->hijacked = true;
	fd = hijack_fd(c->evcon, http->placeholder_fd, &rest);
	if (fd < 0) {
		c->hijacked = false;
		return false;
	}
	buf_fini(&rest);
	STATS_ADD(http->stats, http_requests, 1);
	put_answer(&answer, error, detail, no_body);
	/* Earlier answers are sent, so the socket has room. A peer that has closed needs no answer. */
	if (send(fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("rejection_not_sent code=%s error=\"%m\"", error_code(error));
	buf_fini(&answer);
	shutdown(fd, SHUT_WR);
	linger_new(http, fd, peer);
	return true;
}

void http_reject(struct http_conn *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	char page[STATUS_AT + 4] = "";

	if (c->state != HTTP_READING)
		return;
	evbuffer_unfreeze(
		output, 1); /* a bufferevent freezes it after a write; then copyout fails */
	evbuffer_copyout(output, page, sizeof(page) - 1);
	evbuffer_freeze(output, 1);
	if (page[0] == '\0') {
		if (c->head.ended && c->head.is_malformed)
			reject(c, ERROR_bad_request, http_head_problem(&c->head));
		return;
	}
	if (atoi(page + STATUS_AT) == 501)
		reject(c, ERROR_not_implemented, NULL);
	else /* evhttp answers 400 to a head that is too long and to one that is malformed */
		reject(c,
			c->head.bytes > HTTP_HEADERS_MAX ? ERROR_headers_too_large
							 : ERROR_bad_request,
			NULL);
}

void http_reject_with(struct http_conn *c, enum error error, const char *detail)
{
	if (!reject(c, error, detail))
		evhttp_connection_free(c->evcon);
}
