#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"

#define SCRATCH_SIZE (160u << 10) /* more than two frames of 64 KiB with their headers */
#define IOV_MAX_PIECES 64
#define WHEEL_SLOTS 128 /* of a second; a later timer stays for another round */

struct conn_loop {
	struct event_base *base;
	const struct conn_events *events;
	struct stats_slot *stats;
	struct event *flush; /* active while to_flush is not empty */
	struct event *tick;
	struct conn *to_flush; /* linked by flush_next */
	struct conn *wheel[WHEEL_SLOTS];
	uint32_t now_s;
	char scratch[SCRATCH_SIZE];
};

static void conn_ready(evutil_socket_t fd, short what, void *arg);
static void conn_kill(struct conn *c);

/* The timer wheel. */

static void wheel_remove(struct conn *c)
{
	if (c->wheel_prev == NULL)
		return;
	*c->wheel_prev = c->wheel_next;
	if (c->wheel_next != NULL)
		c->wheel_next->wheel_prev = c->wheel_prev;
	c->wheel_prev = NULL;
	c->wheel_next = NULL;
}

static void wheel_insert(struct conn *c, uint32_t expires_s)
{
	struct conn **slot = &c->loop->wheel[expires_s % WHEEL_SLOTS];

	wheel_remove(c);
	c->expires_s = expires_s;
	c->wheel_next = *slot;
	if (c->wheel_next != NULL)
		c->wheel_next->wheel_prev = &c->wheel_next;
	c->wheel_prev = slot;
	*slot = c;
}

static void conn_expired(struct conn *c)
{
	uint32_t now = c->loop->now_s;

	if (c->state == CONN_CLOSING)
		conn_kill(c);
	if (c->state != CONN_OPEN)
		return;
	if (c->stalled_s != 0 && now - c->stalled_s >= CONN_STALL_S)
		conn_close(c, CLOSE_slow_reader);
	else if (c->stalled_s != 0)
		conn_timer(c, CONN_STALL_S - (now - c->stalled_s));
	if (c->state == CONN_OPEN)
		c->loop->events->on_timer(c);
}

static void wheel_turn(struct conn_loop *l, uint32_t second)
{
	struct conn *list = l->wheel[second % WHEEL_SLOTS];

	/* The list is moved to a local head first: a callback may set a timer in the same slot, or
	 * remove any connection of the list. */
	l->wheel[second % WHEEL_SLOTS] = NULL;
	if (list != NULL)
		list->wheel_prev = &list;
	while (list != NULL) {
		struct conn *c = list;
		uint32_t expires_s = c->expires_s;

		wheel_remove(c);
		if (expires_s > second)
			wheel_insert(c, expires_s);
		else
			conn_expired(c);
	}
}

static void loop_tick(evutil_socket_t fd, short what, void *arg)
{
	struct conn_loop *l = arg;
	uint32_t now = (uint32_t)(clock_mono_ms() / 1000);

	(void)fd;
	(void)what;
	/* After a long stop (SIGSTOP, a suspended machine) one round of the wheel runs every timer. */
	if (now - l->now_s > WHEEL_SLOTS)
		l->now_s = now - WHEEL_SLOTS;
	while (l->now_s < now)
		wheel_turn(l, ++l->now_s);
}

/* Writing. */

static void conn_set_events(struct conn *c)
{
	bool reading = c->reading && !c->congested;
	short what = EV_PERSIST;

	if (reading)
		what |= EV_READ;
	if (c->wants_write)
		what |= EV_WRITE;
	event_del(&c->event);
	if (what == EV_PERSIST)
		return;
	event_assign(&c->event, c->loop->base, c->fd, what, conn_ready, c);
	event_add(&c->event, NULL);
	/* Bytes in `in` cause no event of the socket, and event_del has cancelled one that was active. */
	if (reading && c->in.len > 0)
		event_active(&c->event, EV_READ, 0);
}

static void conn_flush_later(struct conn *c)
{
	if (c->to_flush)
		return;
	c->to_flush = true;
	c->flush_next = c->loop->to_flush;
	c->loop->to_flush = c;
	event_active(c->loop->flush, EV_TIMEOUT, 0);
}

static void queue_pop(struct conn *c)
{
	struct frame *f = c->queue[c->queue_head];

	c->queue_head = (c->queue_head + 1) % c->queue_cap;
	c->queue_n--;
	c->queue_bytes -= f->len;
	c->head_written = 0;
	frame_unref(f);
}

static void queue_clear(struct conn *c)
{
	while (c->queue_n > 0)
		queue_pop(c);
	free(c->queue);
	c->queue = NULL;
	c->queue_cap = c->queue_head = 0;
}

static void queue_push(struct conn *c, struct frame *f)
{
	if (c->queue_n == c->queue_cap) {
		uint32_t cap = c->queue_cap == 0 ? 4 : c->queue_cap * 2;
		struct frame **queue = xcalloc(cap, sizeof(struct frame *));

		for (uint32_t i = 0; i < c->queue_n; i++)
			queue[i] = c->queue[(c->queue_head + i) % c->queue_cap];
		free(c->queue);
		c->queue = queue;
		c->queue_cap = cap;
		c->queue_head = 0;
	}
	c->queue[(c->queue_head + c->queue_n++) % c->queue_cap] = frame_ref(f);
	c->queue_bytes += f->len;
}

/* Removes n written bytes from the queue. */
static void queue_written(struct conn *c, size_t n)
{
	while (c->queue_n > 0) {
		size_t rest = c->queue[c->queue_head]->len - c->head_written;

		if (n < rest) {
			c->head_written += (uint32_t)n;
			return;
		}
		n -= rest;
		queue_pop(c);
		STATS_ADD(c->loop->stats, frames_out, 1);
	}
}

/* One system call. Returns false if the socket takes no more now, or is dead. */
static bool conn_write_once(struct conn *c)
{
	struct iovec iov[IOV_MAX_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	size_t total = 0;
	ssize_t n;

	for (uint32_t i = 0; i < c->queue_n && i < IOV_MAX_PIECES; i++) {
		struct frame *f = c->queue[(c->queue_head + i) % c->queue_cap];
		size_t skip = i == 0 ? c->head_written : 0;

		iov[i] = (struct iovec){ f->bytes + skip, f->len - skip };
		total += iov[i].iov_len;
		msg.msg_iovlen++;
	}
	/* For the usual single frame send(2) saves the copy of a message header. */
	do {
		n = msg.msg_iovlen == 1
			? send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
			: sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	STATS_ADD(c->loop->stats, sends, 1);
	if (n < 0 && errno != EAGAIN) {
		conn_close(c, CLOSE_peer_gone);
		conn_kill(c);
		return false;
	}
	if (n > 0) {
		queue_written(c, (size_t)n);
		c->stalled_s = 0;
	}
	return n > 0 && (size_t)n == total;
}

/* Writes what the socket takes, and updates what depends on the length of the queue. */
static void conn_flush(struct conn *c)
{
	bool wants_write;

	while (c->queue_n > 0 && conn_write_once(c))
		;
	if (c->state == CONN_DEAD)
		return;
	wants_write = c->queue_n > 0;
	if (wants_write && c->stalled_s == 0) {
		c->stalled_s = c->loop->now_s;
		conn_timer(c, CONN_STALL_S);
	}
	if (wants_write != c->wants_write) {
		c->wants_write = wants_write;
		conn_set_events(c);
	}
	if (!wants_write && c->queue_cap > 16)
		queue_clear(c);
	if (c->congested && c->queue_bytes < CONN_DRAINED) {
		c->congested = false;
		conn_set_events(c);
		c->loop->events->on_drained(c);
	}
	/* The peer reads the close frame and then the end of the stream, and ends its side. A close(2)
	 * now could reset the connection before the peer has read the frame. */
	if (c->state == CONN_CLOSING && c->queue_n == 0)
		shutdown(c->fd, SHUT_WR);
}

static void conn_destroy(struct conn *c)
{
	event_del(&c->event);
	wheel_remove(c);
	queue_clear(c);
	buf_fini(&c->in);
	close(c->fd);
	c->loop->events->on_free(c);
}

static void loop_flush(evutil_socket_t fd, short what, void *arg)
{
	struct conn_loop *l = arg;
	struct conn *list = l->to_flush;

	(void)fd;
	(void)what;
	/* Connections that are added meanwhile are flushed in the next pass. */
	l->to_flush = NULL;
	while (list != NULL) {
		struct conn *c = list;

		list = c->flush_next;
		c->to_flush = false;
		if (c->state == CONN_DEAD)
			conn_destroy(c);
		else
			conn_flush(c);
	}
}

void conn_loop_flush(struct conn_loop *l)
{
	while (l->to_flush != NULL)
		loop_flush(-1, 0, l);
}

void conn_send(struct conn *c, struct frame *f)
{
	if (c->state != CONN_OPEN)
		return;
	queue_push(c, f);
	conn_flush_later(c);
	if (c->queue_bytes > CONN_SOFT_LIMIT && !c->congested) {
		c->congested = true;
		conn_set_events(c);
	}
}

bool conn_congested(const struct conn *c)
{
	return c->congested;
}

/* Reading. */

static void conn_kill(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	conn_flush_later(c);
}

/* Passes len bytes of the scratch buffer up, and keeps what was not consumed. */
static void conn_deliver(struct conn *c, char *bytes, size_t len)
{
	size_t used = c->loop->events->on_bytes(c, bytes, len);

	if (c->state != CONN_OPEN)
		return;
	buf_reset(&c->in, 0);
	if (used < len)
		buf_add(&c->in, bytes + used, len - used);
}

/* If conn_feed got more than the scratch buffer holds: passes a part up, which has at least one complete frame, and the
 * rest in the next pass. */
static void conn_deliver_part(struct conn *c)
{
	size_t used;

	memcpy(c->loop->scratch, c->in.data, SCRATCH_SIZE);
	used = c->loop->events->on_bytes(c, c->loop->scratch, SCRATCH_SIZE);
	if (c->state != CONN_OPEN)
		return;
	buf_drain(&c->in, used);
	conn_set_events(c);
}

static void conn_readable(struct conn *c)
{
	char *scratch = c->loop->scratch;
	size_t kept = c->in.len;
	ssize_t n;

	if (kept >= SCRATCH_SIZE) {
		conn_deliver_part(c);
		return;
	}
	if (kept > 0)
		memcpy(scratch, c->in.data, kept);
	do {
		n = recv(c->fd, scratch + kept, SCRATCH_SIZE - kept, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		conn_close(c, CLOSE_peer_gone);
		conn_kill(c);
		return;
	}
	/* A closed connection is read only to find the end of the stream. */
	if (c->state != CONN_OPEN)
		return;
	if (n > 0 || kept > 0)
		conn_deliver(c, scratch, kept + (n > 0 ? (size_t)n : 0));
}

static void conn_ready(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (c->state == CONN_DEAD)
		return;
	if (what & EV_WRITE)
		conn_flush_later(c);
	if ((what & EV_READ) && c->reading && !c->congested)
		conn_readable(c);
}

void conn_feed(struct conn *c, const char *bytes, size_t len)
{
	if (c->state != CONN_OPEN || len == 0)
		return;
	buf_add(&c->in, bytes, len);
	event_active(&c->event, EV_READ, 0);
}

void conn_read(struct conn *c, bool on)
{
	if (c->state != CONN_OPEN || c->reading == on)
		return;
	c->reading = on;
	conn_set_events(c);
}

/* Opening and closing. */

void conn_init(struct conn *c, struct conn_loop *l, int fd)
{
	*c = (struct conn){ .loop = l, .fd = fd, .state = CONN_OPEN, .reading = true };
	event_assign(&c->event, l->base, fd, EV_READ | EV_PERSIST, conn_ready, c);
	event_add(&c->event, NULL);
}

void conn_timer(struct conn *c, unsigned seconds)
{
	uint32_t expires_s = c->loop->now_s + (seconds > 0 ? seconds : 1);

	if (c->wheel_prev == NULL || expires_s < c->expires_s)
		wheel_insert(c, expires_s);
}

/* Drops the queue, but not a frame that is partly written. */
static void queue_cut(struct conn *c)
{
	uint32_t keep = c->head_written > 0 ? 1 : 0;

	while (c->queue_n > keep) {
		struct frame *last = c->queue[(c->queue_head + --c->queue_n) % c->queue_cap];

		c->queue_bytes -= last->len;
		frame_unref(last);
	}
}

void conn_close(struct conn *c, enum close_reason reason)
{
	uint16_t code = close_reason_code(reason);

	if (c->state != CONN_OPEN)
		return;
	c->loop->events->on_closed(c, reason);
	if (c->congested)
		queue_cut(c);
	if (code != 0) {
		struct frame *f = frame_close(code, close_reason_sentence(reason));

		queue_push(c, f);
		frame_unref(f);
	}
	c->state = CONN_CLOSING;
	c->congested = false;
	c->reading = true;
	buf_fini(&c->in);
	conn_set_events(c);
	wheel_remove(c);
	conn_timer(c, CONN_LINGER_S);
	conn_flush_later(c);
}

void conn_drop(struct conn *c)
{
	assert(c->state != CONN_OPEN);
	conn_kill(c);
}

struct conn_loop *conn_loop_new(
	struct event_base *base, const struct conn_events *events, struct stats_slot *stats)
{
	struct conn_loop *l = xcalloc(1, sizeof(*l));
	const struct timeval second = { 1, 0 };

	l->base = base;
	l->events = events;
	l->stats = stats;
	l->now_s = (uint32_t)(clock_mono_ms() / 1000);
	l->flush = event_new(base, -1, 0, loop_flush, l);
	l->tick = event_new(base, -1, EV_PERSIST, loop_tick, l);
	if (l->flush == NULL || l->tick == NULL || event_add(l->tick, &second) != 0)
		log_fatal("out_of_memory what=conn_loop");
	return l;
}

void conn_loop_free(struct conn_loop *l)
{
	event_free(l->flush);
	event_free(l->tick);
	free(l);
}

uint32_t conn_now_s(const struct conn_loop *l)
{
	return l->now_s;
}
