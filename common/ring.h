/*
 * ring: broadcasts short records between the workers of one host through shared memory.
 *
 * Owns: the mapping, its lock, and the sleeping flag and the eventfd of each slot.
 * Knows nothing of: the content of a record, who reads it, libevent.
 *
 * Delivery is not guaranteed: a reader that falls a whole lap behind is overrun and continues at the tail. The records
 * that it does read are complete, in order, and not repeated. Their bytes are written by another process: decode them
 * like those of a peer.
 *
 * The master creates the ring and forks; children inherit the handle and the mapping. Each worker has a ring_reader.
 * A pass of its event loop, in this order:
 *
 *	ring_awake(&reader);
 *	while ((got = ring_read(&reader, buf, cap, &len)) != RING_EMPTY)
 *		...                             (at most so many a pass; RING_OVERRUN: query the database)
 *	... the rest of the pass, which may publish ...
 *	wait = ring_sleep(&reader) ? until the next timer : 0
 *	epoll_wait(wait)                        (with ring_wake_fd, EPOLLIN | EPOLLET)
 *
 * The top of ring.c explains the algorithm.
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
#define RING_BLOCK_MAX_MS 2 /* maximum wait of a publisher for the lock */

struct ring; /* the handle of a process on the mapping */

/*
 * Creates a ring and its eventfds; call it before the workers are forked. All memory is allocated here, so that an
 * access cannot fail later.
 *   capacity_bytes  RING_CAPACITY_MIN..RING_CAPACITY_MAX; rounded up to a power of two, at least 128 KiB
 *   n_slots         number of readers, 1..RING_SLOTS_MAX
 * Returns the handle, to be freed with ring_free; NULL with errno: EINVAL (out of range), EMFILE, ENFILE, ENOMEM,
 * ENOSPC, or ENOSYS (no robust futexes).
 */
struct ring *ring_create(size_t capacity_bytes, unsigned n_slots);

/* Unmaps the ring and closes its descriptors, in this process only. ring may be NULL. */
void ring_free(struct ring *ring);

/*
 * Returns the eventfd of a slot (0..n_slots-1), which the ring owns. It is non-blocking and its counter is never read:
 * each write is a new edge (eventfd(2), epoll(7)). Watch it with EPOLLIN | EPOLLET (libevent: EV_READ | EV_ET |
 * EV_PERSIST), in the worker of the slot only.
 */
int ring_wake_fd(const struct ring *ring, unsigned slot);

/* Returns the maximum size of a record in bytes: a quarter of the ring, at most 64 KiB, at least 20 KiB. */
size_t ring_max_record(const struct ring *ring);

enum ring_publish {
	RING_PUBLISHED, /* all readers can read it; sleeping slots are woken */
	RING_BUSY, /* nothing was written: the lock was held for RING_BLOCK_MAX_MS */
	RING_TOO_BIG /* nothing was written: longer than ring_max_record() */
};

/*
 * Appends a record. Any thread of a process that has the handle may publish, but not a signal handler. Waits up to
 * RING_BLOCK_MAX_MS if another publisher is stopped or descheduled while it holds the lock.
 *   iov  the parts of the record; may be empty; not kept
 * After RING_BUSY the caller keeps this record and later ones in order, and retries from a timer.
 */
enum ring_publish ring_publish(struct ring *ring, const struct iovec *iov, int n_iov);

/* The position of a worker in the ring. Private to its process; embed it. */
struct ring_reader {
	struct ring *ring;
	uint64_t pos; /* of the next record */
	uint64_t overruns; /* number of times RING_OVERRUN was returned */
	unsigned slot;
};

/* Starts at the tail: only later records are read. slot: 0..n_slots-1. */
void ring_reader_init(struct ring_reader *reader, struct ring *ring, unsigned slot);

enum ring_read {
	RING_RECORD, /* buf has a record of *len bytes */
	RING_EMPTY, /* no further record */
	RING_OVERRUN /* records were missed; the reader is at the tail now */
};

/*
 * Reads the next record. Does not block and takes no lock. Whatever the mapping contains, only buf and the mapping are
 * accessed.
 *   buf  cap bytes, at least ring_max_record(); undefined unless RING_RECORD is returned
 *   len  set with RING_RECORD only
 */
enum ring_read ring_read(struct ring_reader *reader, void *buf, size_t cap, size_t *len);

/*
 * Announces that this worker is about to wait for its eventfd, then checks the ring again. Returns true if there is no
 * record: each later publish makes the eventfd ready. Poll with a timeout of 200 ms, in case a publisher dies or is
 * stopped between tail and wake-up. Returns false if there is a record to read.
 */
bool ring_sleep(struct ring_reader *reader);

/* Withdraws the announcement. Cheap; call it in each pass, whatever ended the poll. */
void ring_awake(struct ring_reader *reader);

/* Wakes all slots. For the master after a death: the worker may have published without waking. Does not block. */
void ring_poke_all(struct ring *ring);

/*
 * Resets the slot of a dead worker. For the master, after it has reaped the worker and before it forks the next. The
 * records are not changed: the next publisher repairs an incomplete one.
 */
void ring_slot_reset(struct ring *ring, unsigned slot);

/*
 * Totals since ring_create, over all processes; read without a lock, for metrics. published and bytes lack one record
 * for each publisher that was killed after it set the tail.
 */
struct ring_stats {
	uint64_t published; /* records */
	uint64_t bytes; /* of their content */
	uint64_t repairs; /* incomplete records of dead publishers, replaced by padding */
	uint64_t busy; /* times RING_BUSY was returned */
};
void ring_stats(const struct ring *ring, struct ring_stats *stats);

#endif
