/*
 * ring: a broadcast of short records between the workers of one host, through shared memory.
 *
 * Owns: the mapping, its lock, every slot's sleeping flag and its eventfd.
 * Knows nothing of: what a record says, who reads it, libevent, processes' names.
 *
 * A record is a hint and may be missed: a reader that falls a whole lap behind is told so and
 * goes on at the tail. What it does see is whole, once and in order. The bytes come from another
 * process: decode them as one decodes a peer's.
 *
 * One process (the master) creates the ring and forks; the handle and the mapping come along.
 * Each worker reads with its own ring_reader. A worker's loop pass, in this order:
 *
 *	ring_awake(&reader);
 *	while ((got = ring_read(&reader, buf, cap, &len)) != RING_EMPTY)
 *		...                             (bounded a pass; RING_OVERRUN: ask the database)
 *	... the rest of the pass, which may publish ...
 *	wait = ring_sleep(&reader) ? until the next timer : 0
 *	epoll_wait(wait)                        (ring_wake_fd watched EPOLLIN | EPOLLET)
 *
 * How it works, and why: the top of ring.c.
 */
#ifndef PARLEY_RING_H
#define PARLEY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define RING_CAPACITY_MIN ((size_t)64 << 10)
#define RING_CAPACITY_MAX ((size_t)1 << 30)
#define RING_SLOTS_MAX 256u
#define RING_BLOCK_MAX_MS 2 /* the longest a publisher waits for another one */

struct ring; /* a process's handle on the mapping */

/*
 * Makes a ring and its eventfds, before the workers are forked. The memory is allocated and
 * touched now: a ring that exists cannot run out of it later.
 * capacity_bytes: RING_CAPACITY_MIN..RING_CAPACITY_MAX, rounded up to a power of two and to 128
 * KiB.
 * n_slots: 1..RING_SLOTS_MAX. Returns the handle (the caller's, for ring_free), or NULL with
 * errno: EINVAL out of range, EMFILE/ENFILE, ENOMEM/ENOSPC, or ENOSYS without robust futexes.
 */
struct ring *ring_create(size_t capacity_bytes, unsigned n_slots);

/* Unmaps and closes in this process only; the others keep theirs. NULL is allowed. */
void ring_free(struct ring *ring);

/*
 * The eventfd of a slot (0..n_slots-1), the ring's own: never close it. It is non-blocking and
 * its count is never read, so it must be watched EPOLLIN | EPOLLET (libevent: EV_READ | EV_ET |
 * EV_PERSIST) and by that slot's worker alone; every write is a new edge (eventfd(2), epoll(7)).
 */
int ring_wake_fd(const struct ring *ring, unsigned slot);

/* The longest record in bytes: a quarter of the ring, at most 64 KiB; never under 20 KiB. */
size_t ring_max_record(const struct ring *ring);

enum ring_publish {
	RING_PUBLISHED, /* in the ring, for every reader; sleeping slots are woken */
	RING_BUSY, /* nothing written: the lock was held for RING_BLOCK_MAX_MS */
	RING_TOO_BIG /* nothing written: longer than ring_max_record() */
};

/*
 * Appends one record, the pieces of iov one after the other (0 bytes in all is a record too).
 * Borrows iov until it returns. Waits at most RING_BLOCK_MAX_MS, and that only while another
 * publisher is stopped or descheduled in the middle. After RING_BUSY keep this record and those
 * that follow it, in order, and try again from a timer rather than at once: each try may wait
 * again. Any process and thread that has the handle may publish. Not from a signal handler.
 */
enum ring_publish ring_publish(struct ring *ring, const struct iovec *iov, int n_iov);

/* A worker's place in the ring. Private to its process; embed it. */
struct ring_reader {
	struct ring *ring;
	uint64_t pos; /* of the next record */
	uint64_t overruns; /* number of times RING_OVERRUN was returned */
	unsigned slot;
};

/* Starts at the tail: what is published from now on will be read. slot: 0..n_slots-1. */
void ring_reader_init(struct ring_reader *reader, struct ring *ring, unsigned slot);

enum ring_read {
	RING_RECORD, /* buf holds one whole record of *len bytes */
	RING_EMPTY, /* nothing more for now */
	RING_OVERRUN /* records were missed; the reader stands at the tail now */
};

/*
 * Takes the next record. Never blocks, takes no lock, never touches memory outside buf and the
 * mapping whatever stands in the latter. buf: the caller's, of cap >= ring_max_record() bytes;
 * its content is undefined unless RING_RECORD is returned. len: set with RING_RECORD only.
 */
enum ring_read ring_read(struct ring_reader *reader, void *buf, size_t cap, size_t *len);

/*
 * Announces that this slot is about to wait for its eventfd, then looks at the ring once more.
 * true: nothing is there; every later publish makes the eventfd ready: go and poll, with a
 * timeout (200 ms) for what dies or stops between tail and wake. false: there is something: read
 * it.
 */
bool ring_sleep(struct ring_reader *reader);

/* Takes the announcement back, for whatever reason the poll returned. Cheap; call it every pass. */
void ring_awake(struct ring_reader *reader);

/*
 * Makes every slot look at its ring. For the master on SIGCHLD: the dead worker may have
 * published without waking anybody. Never blocks.
 */
void ring_poke_all(struct ring *ring);

/*
 * Forgets what a dead worker left in its slot. For the master, after it has reaped that worker
 * and before it forks the next. Does not touch the records: a publish cut short is repaired by
 * the next publisher.
 */
void ring_slot_reset(struct ring *ring, unsigned slot);

/*
 * Totals since ring_create, over all processes. Read without a lock: for /metrics, not for
 * decisions. published and bytes may miss one record for each publisher killed after its tail was
 * set.
 */
struct ring_stats {
	uint64_t published; /* records */
	uint64_t bytes; /* of their content */
	uint64_t repairs; /* publishes cut short by a death, turned into padding */
	uint64_t busy; /* RING_BUSY answers */
};
void ring_stats(const struct ring *ring, struct ring_stats *stats);

#endif
