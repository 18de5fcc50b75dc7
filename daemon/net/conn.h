/*
 * conn: one lean connection: a socket, a bounded queue of shared frames, one timer.
 *
 * Owns: the fd, the queue, the bytes of an unfinished frame. Knows nothing of: WebSocket, users,
 * chats.
 *
 *   readable ──► scratch buffer (one a worker) ──► on_bytes; what it does not take is kept in `in`
 *   conn_send ──► queue ──► at the end of the loop pass one sendmsg for each socket with something
 *
 * A send costs the same for 1 and for 16 frames, so nothing is written before the pass is over.
 * Past the soft limit the connection is congested: whoever pushes to it stops and is called back
 * when it has drained; nothing is read from it meanwhile. So the memory of a peer that does not
 * read is bounded, whatever it asks for.
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

#define CONN_SOFT_LIMIT (64u << 10) /* queued bytes from which a connection is congested */
#define CONN_DRAINED (16u << 10) /* and below which it no longer is */
#define CONN_STALL_S 30 /* something queued and no byte taken for so long: closed */
#define CONN_LINGER_S 3 /* for the peer's end of the stream after ours */

struct conn;

/* What the layer above is told. All may call conn_close. */
struct conn_events {
	/* Bytes have come; takes a part of them (it may change them) and returns how many; the rest
	 * comes again with more behind it. Not called any more once the connection is closed. */
	size_t (*on_bytes)(struct conn *c, char *bytes, size_t len);
	/* The queue has drained after conn_congested was true. */
	void (*on_drained)(struct conn *c);
	/* conn_timer is due. */
	void (*on_timer)(struct conn *c);
	/* The connection is over for the layer above: called once, at the first conn_close. */
	void (*on_closed)(struct conn *c, enum close_reason reason);
	/* The memory may be freed now: after on_closed, at the end of a loop pass. */
	void (*on_free)(struct conn *c);
};

/* One a worker: the loop, the scratch buffer, the list of what is to be flushed, the timer wheel.
 * */
struct conn_loop;
struct conn_loop *conn_loop_new(
	struct event_base *base, const struct conn_events *events, struct stats_slot *stats);
void conn_loop_free(struct conn_loop *l); /* after all its connections */

enum conn_state { CONN_OPEN, CONN_CLOSING, CONN_DEAD };

/* Embedded in the layer above; all of it is conn's own. */
struct conn {
	struct event event;
	struct conn_loop *loop;
	struct conn *next_dirty;
	struct conn *wheel_next;
	struct conn **wheel_prev; /* NULL: no timer */
	struct frame **queue; /* ring of queue_cap */
	uint32_t queue_head, queue_n, queue_cap;
	uint32_t queue_bytes;
	uint32_t head_written; /* bytes of the first frame that are out */
	uint32_t due_s; /* of the timer, in seconds of the steady clock */
	uint32_t stalled_s; /* since when no byte was taken while some wait; 0: not stalled */
	struct buf in;
	int fd;
	uint8_t state; /* enum conn_state */
	bool dirty, congested, wants_write, reads;
};

/* Takes over fd (non-blocking) and starts to read. */
void conn_init(struct conn *c, struct conn_loop *l, int fd);

/* Bytes that were read before the fd was taken over; handed up like others. */
void conn_feed(struct conn *c, const char *bytes, size_t len);

/* Queues the frame (its own reference is taken; the caller keeps the one it has). Ignored once
 * closed. */
void conn_send(struct conn *c, struct frame *f);

/* Is the queue past its soft limit, or was it and has not drained yet? */
bool conn_congested(const struct conn *c);

/* Calls on_timer after so many seconds or sooner: a timer that is due earlier stays, and the clock
 * of the wheel is up to a second old. So on_timer looks whether its time has come, and asks again.
 * 0 counts as 1. */
void conn_timer(struct conn *c, unsigned seconds);

/* Stops or resumes reading, for a layer above with too much in hand. */
void conn_read(struct conn *c, bool on);

/*
 * Ends the connection: on_closed at once; what is queued and the reason's close frame are written,
 * then our side of the stream ends; once the peer's has too (or CONN_LINGER_S later) on_free
 * follows at the end of a loop pass. Idempotent; the first reason counts. Where the peer closed
 * first the layer above queues its answer before it calls this.
 */
void conn_close(struct conn *c, enum close_reason reason);

/* Waits no longer for the peer's end: for one that is closed. */
void conn_drop(struct conn *c);

/* The steady clock of the wheel, whole seconds. */
uint32_t conn_now_s(const struct conn_loop *l);

/* Writes all queues now and frees what is dead: before the loop is left for good. */
void conn_loop_flush(struct conn_loop *l);

#endif
