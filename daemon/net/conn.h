/*
 * conn: a connection with little memory: a socket, a bounded queue of shared frames, one timer.
 *
 * Owns: the fd, the queue, the bytes of an incomplete frame.
 * Knows of WebSocket: the close frame that ends a connection (close_reason.h, frame.h). Knows nothing of: the
 * handshake and other frames (ws), users, chats.
 *
 *   readable ──► scratch buffer (one per worker) ──► on_bytes; what it does not consume is kept in `in`
 *   conn_send ──► queue ──► at the end of the loop pass one sendmsg for each socket with a queue
 *
 * A system call costs the same for 1 and for 16 frames, so nothing is written before the pass is over. Past the soft
 * limit a connection is congested: it is not read, the layer above sends no more, and on_drained follows when the queue
 * is short again. So a peer that does not read cannot make the queue grow without bound.
 */
#ifndef PARLEY_CONN_H
#define PARLEY_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/close_reason.h"
#include "common/stats.h"
#include "net/frame.h"

#define CONN_SOFT_LIMIT (64u << 10) /* queued bytes above which a connection becomes congested */
#define CONN_DRAINED (16u << 10) /* queued bytes below which it no longer is */
#define CONN_STALL_S 30 /* it is closed if the peer takes no byte of a queue for this long */
#define CONN_LINGER_S 3 /* the wait for the peer's end of the stream after ours */

struct conn;

/* Callbacks of the layer above. All may call conn_close. */
struct conn_events {
	/*
	 * len bytes have come, which the callback may change. Returns how many it consumed; the rest comes again, with
	 * more behind it. Not called after conn_close.
	 */
	size_t (*on_bytes)(struct conn *c, char *bytes, size_t len);
	/* The connection is no longer congested. */
	void (*on_drained)(struct conn *c);
	/* See conn_timer. */
	void (*on_timer)(struct conn *c);
	/* Called once, by the first conn_close. */
	void (*on_closed)(struct conn *c, enum close_reason reason);
	/* The memory may be freed: after on_closed, at the end of a loop pass. */
	void (*on_free)(struct conn *c);
};

/* Shared by the connections of a worker: the event base, the scratch buffer, the list to flush, the timer wheel. */
struct conn_loop;
struct conn_loop *conn_loop_new(
	struct event_base *base, const struct conn_events *events, struct stats_slot *stats);
void conn_loop_free(struct conn_loop *l); /* after all its connections */

enum conn_state { CONN_OPEN, CONN_CLOSING, CONN_DEAD };

/* Embedded in the layer above; all fields are private to conn. */
struct conn {
	struct event event;
	struct conn_loop *loop;
	struct conn *flush_next;
	struct conn *wheel_next;
	struct conn **wheel_prev; /* NULL: no timer */
	struct frame **queue; /* ring of queue_cap */
	uint32_t queue_head, queue_n, queue_cap;
	uint32_t queue_bytes;
	uint32_t head_written; /* bytes of the first frame that are written */
	uint32_t expires_s; /* the timer, by the clock of the wheel */
	uint32_t stalled_s; /* since when the socket takes no byte of the queue; 0: not stalled */
	struct buf in;
	int fd;
	uint8_t state; /* enum conn_state */
	bool to_flush, congested, wants_write, reading;
};

/* Starts to read. Owns fd (non-blocking) from now on. */
void conn_init(struct conn *c, struct conn_loop *l, int fd);

/* Adds bytes that were read from fd before conn_init; on_bytes gets them first. */
void conn_feed(struct conn *c, const char *bytes, size_t len);

/* Queues a frame, with a reference of its own. Does nothing after conn_close. */
void conn_send(struct conn *c, struct frame *f);

/* True from when the queue exceeds CONN_SOFT_LIMIT until it is below CONN_DRAINED. */
bool conn_congested(const struct conn *c);

/*
 * Calls on_timer after this many seconds or sooner: an earlier timer stays, and the clock of the wheel is up to a second
 * late. So on_timer checks its own deadlines and sets the timer again.
 *   seconds  0 counts as 1
 */
void conn_timer(struct conn *c, unsigned seconds);

/* Stops or resumes reading, for a layer above with too many requests in flight. */
void conn_read(struct conn *c, bool on);

/*
 * Ends the connection. Calls on_closed at once, then writes the queue and the reason's close frame, then ends our side of
 * the stream. When the peer has ended its side, or after CONN_LINGER_S, on_free follows at the end of a loop pass. Only
 * the first call has an effect. If the peer sent a close frame, the layer above queues the answer before this call.
 */
void conn_close(struct conn *c, enum close_reason reason);

/* After conn_close: does not wait for the peer's end of the stream. */
void conn_drop(struct conn *c);

/* The clock of the wheel: whole seconds, monotonic. */
uint32_t conn_now_s(const struct conn_loop *l);

/* Writes all queues and frees what is dead, before the loop is left for the last time. */
void conn_loop_flush(struct conn_loop *l);

#endif
