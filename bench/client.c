#define _GNU_SOURCE 1 /* memmem */
#include "bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 512
#define MESSAGE_MAX (8u << 20) /* a page of a sync is large */

static int epoll_fd;
static struct sockaddr_in server;
static char scratch[1 << 20];

int64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void bench_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

size_t client_read_tokens(const char *path, struct client *clients, size_t max)
{
	FILE *f = fopen(path, "r");
	char line[256];
	size_t n = 0;

	if (f == NULL)
		bench_fail("%s: %s", path, strerror(errno));
	while (n < max && fgets(line, sizeof(line), f) != NULL) {
		struct client *c = &clients[n];
		long long user_id = 0, group_id = 0;

		/* The group is empty if the user is in none. */
		if (sscanf(line, "%lld,%63[^,],%lld", &user_id, c->token, &group_id) < 2)
			bench_fail("%s: line %zu is not user_id,token,group_id", path, n + 1);
		c->user_id = user_id;
		c->group_id = group_id;
		c->fd = -1;
		n++;
	}
	fclose(f);
	return n;
}

void client_loop_init(const char *address, int port)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (epoll_fd < 0 || inet_pton(AF_INET, address, &server.sin_addr) != 1)
		bench_fail("cannot use address %s", address);
}

static void write_all(struct client *c, const void *bytes, size_t len)
{
	ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

	if (n != (ssize_t)len)
		bench_fail("user %lld: cannot send: %s", (long long)c->user_id,
			n < 0 ? strerror(errno) : "socket full");
}

void client_connect(struct client *c, client_text *on_text)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

	c->on_text = on_text;
	c->state = CLIENT_CONNECTING;
	c->in = (struct buf)BUF_EMPTY;
	wsframe_parser_init(&c->parser, WSFRAME_CLIENT, MESSAGE_MAX, false);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		bench_fail("cannot create a socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
		bench_fail("cannot connect: %s", strerror(errno));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		bench_fail("epoll_ctl: %s", strerror(errno));
}

void client_close(struct client *c)
{
	/* Reset the connection: without TIME_WAIT the next run can use the port. */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	close(c->fd);
	c->fd = -1;
	buf_fini(&c->in);
}

static void client_upgrade(struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	char request[512];
	int len = snprintf(request, sizeof(request),
		"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: "
		"Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n",
		c->token);

	write_all(c, request, (size_t)len);
	c->state = CLIENT_UPGRADING;
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

void client_send(struct client *c, const char *text, size_t len)
{
	static const uint8_t mask[4] = { 0x12, 0x34, 0x56, 0x78 };
	uint8_t frame[WSFRAME_CLIENT_HEADER_MAX + 1024];
	size_t header = wsframe_client_header(frame, WSFRAME_TEXT, true, len, mask);

	if (len > 1024)
		bench_fail("a frame of %zu bytes is too long", len);
	memcpy(frame + header, text, len);
	wsframe_mask((char *)frame + header, len, mask, 0);
	write_all(c, frame, header + len);
}

static void client_pong(struct client *c)
{
	static const uint8_t mask[4] = { 0, 0, 0, 0 };
	uint8_t frame[WSFRAME_CLIENT_HEADER_MAX];

	write_all(c, frame, wsframe_client_header(frame, WSFRAME_PONG, true, 0, mask));
}

static size_t client_frames(struct client *c, char *bytes, size_t len)
{
	size_t used = 0;
	struct wsframe f;

	for (;;) {
		switch (wsframe_parse(&c->parser, bytes + used, len - used, &f)) {
		case WSFRAME_MORE:
			return used;
		case WSFRAME_ERROR:
			bench_fail("user %lld: invalid frame", (long long)c->user_id);
		case WSFRAME_FRAME:
			break;
		}
		used += f.used;
		if (f.opcode == WSFRAME_TEXT)
			c->on_text(c, f.payload, f.len);
		else if (f.opcode == WSFRAME_PING)
			client_pong(c);
		else if (f.opcode == WSFRAME_CLOSE)
			bench_fail("user %lld: closed by the server with %u", (long long)c->user_id,
				f.close_code);
	}
}

static size_t client_bytes(struct client *c, char *bytes, size_t len)
{
	char *end;

	if (c->state == CLIENT_OPEN)
		return client_frames(c, bytes, len);
	end = memmem(bytes, len, "\r\n\r\n", 4);
	if (end == NULL)
		return 0;
	if (strncmp(bytes, "HTTP/1.1 101", 12) != 0)
		bench_fail("user %lld: rejected: %.60s", (long long)c->user_id, bytes);
	c->state = CLIENT_OPEN;
	return (size_t)(end + 4 - bytes) +
		client_frames(c, end + 4, len - (size_t)(end + 4 - bytes));
}

static void client_readable(struct client *c)
{
	size_t kept = c->in.len, used, len;
	ssize_t n;

	if (kept > 0)
		memcpy(scratch, c->in.data, kept);
	n = recv(c->fd, scratch + kept, sizeof(scratch) - kept, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		bench_fail("user %lld: connection lost", (long long)c->user_id);
	len = kept + (size_t)n;
	used = client_bytes(c, scratch, len);
	buf_reset(&c->in, 0);
	if (used < len)
		buf_add(&c->in, scratch + used, len - used);
}

void client_poll(int ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, ms);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (c->fd < 0)
			continue;
		if (c->state == CLIENT_CONNECTING)
			client_upgrade(c);
		else
			client_readable(c);
	}
}
