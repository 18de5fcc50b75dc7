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
#include "net/hijack.h"

#define LINGER_S 3
#define LINGER_MAX (16u << 20) /* bytes of a refused request that are read to no end */
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define STATUS_AT (sizeof("HTTP/1.1 ") - 1)

/*
 * A connection that has been answered for the last time. Were it closed now, with bytes of the peer
 * unread, the peer would be told so by a reset, which may take the answer with it (RFC 9112 9.6):
 * so our side ends first, and what still comes is read for a while.
 */
struct http_linger {
	struct http *http;
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
	listen_connection_closed(l->http->listen);
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

static void linger_new(struct http *http, int fd)
{
	static const struct timeval patience = { LINGER_S, 0 };
	struct http_linger *l = calloc(1, sizeof(*l));

	if (l == NULL)
		log_fatal("out_of_memory for a connection");
	l->http = http;
	l->until_ms = clock_mono_ms() + LINGER_S * 1000;
	l->event = event_new(http->base, fd, EV_READ | EV_PERSIST, on_readable, l);
	if (l->event == NULL || event_add(l->event, &patience) != 0)
		log_fatal("out_of_memory for a connection");
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
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: "
		"close\r\n\r\n",
		status, http_reason(status), body.len);
	if (!no_body)
		buf_add(answer, body.data, body.len);
	buf_fini(&body);
}

/* Out of evhttp, which would close at once and without a word. False where there is no descriptor
 * left for it. */
static bool refuse(struct http_conn *c, enum error error, const char *detail)
{
	struct http *http = c->http;
	struct buf rest = BUF_EMPTY, answer = BUF_EMPTY;
	bool no_body = c->head.is_head; /* c goes with its evhttp connection */
	int fd;

	c->taken = true;
	fd = hijack_fd(c->evcon, http->placeholder_fd, &rest);
	if (fd < 0) {
		c->taken = false;
		return false;
	}
	buf_fini(&rest);
	STATS_ADD(http->stats, http_requests, 1);
	put_answer(&answer, error, detail, no_body);
	/* All earlier answers are out, so there is room for this one; a peer that has closed
	 * already needs none. */
	if (send(fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("refusal_not_sent code=%s error=\"%m\"", error_code(error));
	buf_fini(&answer);
	shutdown(fd, SHUT_WR);
	linger_new(http, fd);
	return true;
}

void http_reject(struct http_conn *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	char page[sizeof(CONTINUE) + STATUS_AT + 3] = "";
	const char *status = page;

	if (c->state != HTTP_READING)
		return;
	evbuffer_unfreeze(
		output, 1); /* or a bufferevent that has written before lets nobody look */
	evbuffer_copyout(output, page, sizeof(page) - 1);
	evbuffer_freeze(output, 1);
	if (strncmp(page, CONTINUE, sizeof(CONTINUE) - 1) == 0)
		status = page + sizeof(CONTINUE) - 1;
	if (strlen(status) < STATUS_AT + 3) { /* nothing, or 100 Continue alone */
		if (c->head.ended && c->head.is_malformed)
			refuse(c, ERROR_bad_request, http_head_problem(&c->head));
		return;
	}
	switch (atoi(status + STATUS_AT)) {
	case 413:
		/* evhttp answers so to trailer fields that it cannot read, too. */
		if (c->head.in_trailers && c->head.bytes > HTTP_HEADERS_MAX)
			refuse(c, ERROR_headers_too_large, NULL);
		else if (c->head.in_trailers)
			refuse(c, ERROR_bad_request, http_head_problem(&c->head));
		else
			refuse(c, ERROR_too_large,
				"The body is larger than 1 MiB, or its chunks are broken.");
		break;
	case 417:
		refuse(c, ERROR_expectation_failed, NULL);
		break;
	case 501:
		refuse(c, ERROR_not_implemented, NULL);
		break;
	default:
		/* evhttp says so to a head that is too long as to one that is broken. */
		refuse(c,
			c->head.bytes > HTTP_HEADERS_MAX ? ERROR_headers_too_large
							 : ERROR_bad_request,
			NULL);
		break;
	}
}

void http_reject_with(struct http_conn *c, enum error error, const char *detail)
{
	if (!refuse(c, error, detail))
		evhttp_connection_free(c->evcon);
}
