#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define SCRATCH_SIZE (160u << 10) /* a frame of 64 KiB with its header, and as much behind it */
#define IOV_MAX_PIECES 64
#define WHEEL_SLOTS 128 /* seconds; a timer further away goes round */

struct conn_loop {
	struct event_base *base;
	const struct conn_events *events;
	struct stats_slot *stats;
	struct event *flush; /* active: some connection is dirty */
	struct event *tick;
	struct conn *dirty;
	struct conn *wheel[WHEEL_SLOTS];
	uint32_t now_s;
	char scratch[SCRATCH_SIZE];
};

static void conn_ready(evutil_socket_t fd, short what, void *arg);
static void conn_kill(struct conn *c);

/* The wheel. */

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

static void wheel_insert(struct conn *c, uint32_t due_s)
{
	struct conn **slot = &c->loop->wheel[due_s % WHEEL_SLOTS];

	wheel_remove(c);
	c->due_s = due_s;
	c->wheel_next = *slot;
	if (c->wheel_next != NULL)
		c->wheel_next->wheel_prev = &c->wheel_next;
	c->wheel_prev = slot;
	*slot = c;
}

static void conn_due(struct conn *c)
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
	struct conn *todo = l->wheel[second % WHEEL_SLOTS];

	/* The slot's list is taken off first: a timer set again meanwhile may land in the same
	 * slot. It hangs on a local head, so that a callback that removes any of its connections
	 * finds its links in order. */
	l->wheel[second % WHEEL_SLOTS] = NULL;
	if (todo != NULL)
		todo->wheel_prev = &todo;
	while (todo != NULL) {
		struct conn *c = todo;
		uint32_t due = c->due_s;

		wheel_remove(c);
		if (due > second)
			wheel_insert(c, due);
		else
			conn_due(c);
	}
}

static void loop_tick(evutil_socket_t fd, short what, void *arg)
{
	struct conn_loop *l = arg;
	uint32_t now = (uint32_t)(clock_mono_ms() / 1000);

	(void)fd;
	(void)what;
	/* After a long stop (SIGSTOP, a suspended machine) one round meets every timer. */
	if (now - l->now_s > WHEEL_SLOTS)
		l->now_s = now - WHEEL_SLOTS;
	while (l->now_s < now)
		wheel_turn(l, ++l->now_s);
}

/* Writing. */

static void conn_set_events(struct conn *c)
{
	bool reads = c->reads && !c->congested;
	short what = EV_PERSIST;

	if (reads)
		what |= EV_READ;
	if (c->wants_write)
		what |= EV_WRITE;
	event_del(&c->event);
	if (what == EV_PERSIST)
		return;
	event_assign(&c->event, c->loop->base, c->fd, what, conn_ready, c);
	event_add(&c->event, NULL);
	/* No edge of the socket tells of bytes that are here already; and what was active a moment
	 * ago no longer is. */
	if (reads && c->in.len > 0)
		event_active(&c->event, EV_READ, 0);
}

static void conn_mark_dirty(struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = c->loop->dirty;
	c->loop->dirty = c;
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
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what it holds */
		struct frame **queue = malloc(cap * sizeof(*queue));

		if (queue == NULL)
			log_fatal("out of memory for a queue of %u frames", cap);
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

/* Takes n written bytes off the queue. */
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

/* One sendmsg; false where the socket takes no more now or is dead. */
static bool conn_write_once(struct conn *c)
{
	struct iovec iov[IOV_MAX_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	size_t asked = 0;
	ssize_t n;

	for (uint32_t i = 0; i < c->queue_n && i < IOV_MAX_PIECES; i++) {
		struct frame *f = c->queue[(c->queue_head + i) % c->queue_cap];
		size_t skip = i == 0 ? c->head_written : 0;

		iov[i] = (struct iovec){ f->bytes + skip, f->len - skip };
		asked += iov[i].iov_len;
		msg.msg_iovlen++;
	}
	/* The usual one frame goes without the kernel's copying of a message header. */
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
	return n > 0 && (size_t)n == asked;
}

/* All that the socket takes; what follows from an empty or shorter queue. */
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
	/* The peer sees our close frame and then the end of the stream, and ends its side; closing
	 * at once could reset the connection and take the frame back. */
	if (c->state == CONN_CLOSING && c->queue_n == 0)
		shutdown(c->fd, SHUT_WR);
}

static void conn_die(struct conn *c)
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
	struct conn *todo = l->dirty;

	(void)fd;
	(void)what;
	/* What becomes dirty while we write is the next pass's work. */
	l->dirty = NULL;
	while (todo != NULL) {
		struct conn *c = todo;

		todo = c->next_dirty;
		c->dirty = false;
		if (c->state == CONN_DEAD)
			conn_die(c);
		else
			conn_flush(c);
	}
}

void conn_loop_flush(struct conn_loop *l)
{
	while (l->dirty != NULL)
		loop_flush(-1, 0, l);
}

void conn_send(struct conn *c, struct frame *f)
{
	if (c->state != CONN_OPEN)
		return;
	queue_push(c, f);
	conn_mark_dirty(c);
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
	conn_mark_dirty(c);
}

/* Hands len bytes of the scratch buffer up and keeps what was not taken. */
static void conn_take(struct conn *c, char *bytes, size_t len)
{
	size_t used = c->loop->events->on_bytes(c, bytes, len);

	if (c->state != CONN_OPEN)
		return;
	buf_reset(&c->in, 0);
	if (used < len)
		buf_add(&c->in, bytes + used, len - used);
}

/* More was fed than the scratch buffer holds: a part of it now (a whole frame is in it), the rest
 * when it is our turn again. */
static void conn_take_part(struct conn *c)
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
		conn_take_part(c);
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
	/* A closed connection is only read to see its end. */
	if (c->state != CONN_OPEN)
		return;
	if (n > 0 || kept > 0)
		conn_take(c, scratch, kept + (n > 0 ? (size_t)n : 0));
}

static void conn_ready(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (c->state == CONN_DEAD)
		return;
	if (what & EV_WRITE)
		conn_mark_dirty(c);
	if ((what & EV_READ) && c->reads && !c->congested)
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
	if (c->state != CONN_OPEN || c->reads == on)
		return;
	c->reads = on;
	conn_set_events(c);
}

/* Life. */

void conn_init(struct conn *c, struct conn_loop *l, int fd)
{
	*c = (struct conn){ .loop = l, .fd = fd, .state = CONN_OPEN, .reads = true };
	event_assign(&c->event, l->base, fd, EV_READ | EV_PERSIST, conn_ready, c);
	event_add(&c->event, NULL);
}

void conn_timer(struct conn *c, unsigned seconds)
{
	uint32_t due = c->loop->now_s + (seconds > 0 ? seconds : 1);

	if (c->wheel_prev == NULL || due < c->due_s)
		wheel_insert(c, due);
}

/* What waits behind a frame that is half out may be dropped; the half frame may not. */
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
	c->reads = true;
	buf_fini(&c->in);
	conn_set_events(c);
	wheel_remove(c);
	conn_timer(c, CONN_LINGER_S);
	conn_mark_dirty(c);
}

void conn_drop(struct conn *c)
{
	assert(c->state != CONN_OPEN);
	conn_kill(c);
}

struct conn_loop *conn_loop_new(
	struct event_base *base, const struct conn_events *events, struct stats_slot *stats)
{
	struct conn_loop *l = calloc(1, sizeof(*l));
	const struct timeval second = { 1, 0 };

	if (l == NULL)
		log_fatal("out of memory for a connection loop");
	l->base = base;
	l->events = events;
	l->stats = stats;
	l->now_s = (uint32_t)(clock_mono_ms() / 1000);
	l->flush = event_new(base, -1, 0, loop_flush, l);
	l->tick = event_new(base, -1, EV_PERSIST, loop_tick, l);
	if (l->flush == NULL || l->tick == NULL || event_add(l->tick, &second) != 0)
		log_fatal("cannot make the events of a connection loop");
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
