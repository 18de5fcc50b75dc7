/*
 * The model.
 *
 * 1. Positions are 64-bit byte counts since the ring was made. They only grow; a position modulo
 *    the capacity is an offset into the data. Two of them are shared: `tail`, the end of what is
 *    published, and `intent`, the end of what may have been written to. tail <= intent always,
 *    and tail == intent whenever nobody holds the lock.
 *
 * 2. To publish, under the lock: intent = end; write the bytes; tail = end. Intent is made known
 *    before the first byte is (a release fence), so whoever sees a byte of the new record also
 *    sees the new intent.
 *
 * 3. To read, without a lock: copy the record at `pos` out, then look at intent (an acquire fence
 *    between them). If intent has not gone beyond pos + capacity, nobody had begun to write over
 *    those bytes when they were copied, and they are the record. Else the copy is thrown away:
 *    the reader was overrun. Lengths are checked before they are used, the content only
 *    afterwards.
 *
 * 4. A publisher killed between (2)'s first and last step leaves tail < intent. The next one to
 *    get the lock sees that, writes padding over [tail, intent) and sets tail = intent. It must
 *    not set intent back instead: a slow reader would measure itself against the lowered intent
 *    and accept a record of the last lap that the dead process had scribbled on. A repairer
 *    killed in the middle leaves tail < intent again, and the next one repairs the same.
 *
 * 5. Claiming space by an atomic addition instead of under a lock is four times as fast and
 *    wrong: a claimer that dies leaves a hole that nobody can attribute, and one that is stopped
 *    writes, a lap later, over records that are newer than its own. A lock holder that is stopped
 *    only makes the others answer RING_BUSY.
 *
 * 6. The lock is common/shlock, which the kernel frees when its holder dies, and not the C
 *    library's robust mutex: that keeps the links of a list in the mutex itself, here in memory
 *    that every worker can write to, and follows them. One worker's stray write would crash the
 *    others.
 *
 * 7. To sleep: set the slot's flag, full fence, look at the tail once more. To wake: set the
 *    tail, full fence, look at the flags. One of the two sees the other. A waker takes the flag
 *    before it writes to the eventfd, so that a burst pays for one write a sleeper. If it dies in
 *    between, the master's ring_poke_all does the rest; if it is stopped there, the sleeper's own
 *    timeout does.
 *
 * 8. Nothing in the mapping is trusted. Handles (addresses, sizes, descriptors) are private
 *    memory, every offset is masked and every length bounded by private values, and each shared
 *    value is loaded once before it is checked and used. Nonsense makes a reader lap and a
 *    publisher answer RING_BUSY; it never leads outside the mapping.
 *
 * 9. All shared words, the data too, are accessed by relaxed atomics, which compile to plain
 *    moves: the races of (3) are then defined behaviour, and ThreadSanitizer runs on the code as
 *    shipped.
 *
 * tests/model/ has (2)-(4) and (7) for a model checker, with the mistakes named here as seeded
 * bugs.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"
#include "common/fault.h"
#include "common/shlock.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define CACHE_LINE 64
#define WORD sizeof(uint64_t)
#define CAPACITY_LEAST ((size_t)128 << 10)
#define RECORD_MOST ((uint64_t)64 << 10)

/*
 *	the mapping (one memfd, MAP_SHARED)
 *	+-------------------------+  page 0
 *	| lock, busy              |  a cache line
 *	| intent, tail, counters  |  a cache line, written under the lock
 *	| slot 0: sleeping        |  a cache line each: a sleeper does not disturb the others
 *	| slot 1: sleeping        |
 *	| ...                     |
 *	+-------------------------+  the next page
 *	| data, `capacity` bytes  |
 *	+-------------------------+
 *
 *	the data while somebody publishes (offsets are positions & (capacity - 1))
 *
 *	      reader's pos                    tail            intent
 *	           v                           v                v
 *	+-------+-----+-----+------+---+-------+----------------+--------+-------+----+
 *	|  new  | rec | rec | rec  |pad|  rec  | being written  |   last lap's      ... |
 *	+-------+-----+-----+------+---+-------+----------------+--------+-------+----+
 *	        |<------------- to be read --->|                |<- intact: a reader there
 *	                                                            is just not overrun yet
 *
 *	a record: 8-byte aligned, never across the end of the data
 *	+---------------+---------------+-----------------------------------+
 *	| mark, 32 bits | size, 32 bits | content, `size` bytes, then 0..7  |
 *	+---------------+---------------+-----------------------------------+
 *	mark: bits 0-30 the position / 8, so that bytes of another place or lap do
 *	      not pass for a header;
 *	      bit 31 set for padding.
 *	size: of the content in bytes; both numbers little-endian.
 */
struct ring_slot {
	_Alignas(CACHE_LINE) _Atomic uint32_t sleeping;
};

struct ring_shared {
	_Alignas(CACHE_LINE) struct shlock lock;
	_Atomic uint64_t busy;
	_Alignas(CACHE_LINE) _Atomic uint64_t intent;
	_Atomic uint64_t tail;
	_Atomic uint64_t published, bytes, repairs;
	struct ring_slot slots[];
};

struct ring {
	struct ring_shared *shared;
	_Atomic uint64_t *data;
	uint64_t capacity;
	uint64_t max_record;
	size_t mapped; /* bytes */
	unsigned n_slots;
	int wake_fds[]; /* by slot */
};

#define MARK_PAD 0x80000000u
#define HEADER_SIZE WORD

struct header {
	uint32_t mark;
	uint32_t size;
};

/* The bytes a record takes: header, content, and up to the next multiple of eight. */
static uint64_t record_span(uint64_t size)
{
	return HEADER_SIZE + ((size + WORD - 1) & ~(uint64_t)(WORD - 1));
}

static uint32_t record_mark(uint64_t pos)
{
	return (uint32_t)(pos / WORD) & ~MARK_PAD;
}

static uint64_t ring_offset(const struct ring *ring, uint64_t pos)
{
	return pos & (ring->capacity - 1);
}

static uint64_t to_end(const struct ring *ring, uint64_t pos)
{
	return ring->capacity - ring_offset(ring, pos);
}

static void word_put(struct ring *ring, uint64_t pos, uint64_t word)
{
	atomic_store_explicit(
		&ring->data[ring_offset(ring, pos) / WORD], htole64(word), memory_order_relaxed);
}

static uint64_t word_get(const struct ring *ring, uint64_t pos)
{
	return le64toh(atomic_load_explicit(
		&ring->data[ring_offset(ring, pos) / WORD], memory_order_relaxed));
}

static void header_put(struct ring *ring, uint64_t pos, uint32_t flag, uint64_t size)
{
	word_put(ring, pos, (uint64_t)size << 32 | flag | record_mark(pos));
}

static struct header header_get(const struct ring *ring, uint64_t pos)
{
	uint64_t word = word_get(ring, pos);

	return (struct header){ .mark = (uint32_t)word, .size = (uint32_t)(word >> 32) };
}

/* A shared position, forced to where a record can begin: see (8). */
static uint64_t position(const _Atomic uint64_t *shared)
{
	return atomic_load_explicit(shared, memory_order_acquire) & ~(uint64_t)(WORD - 1);
}

/* ---- publishing (2), repairing (4), waking (7) ---- */

/* Only the holder of the lock counts here, so that load and store do. */
static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

static void intent_set(struct ring *ring, uint64_t intent)
{
	atomic_store_explicit(&ring->shared->intent, intent, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void tail_set(struct ring *ring, uint64_t tail)
{
	atomic_store_explicit(&ring->shared->tail, tail, memory_order_release);
}

static void pad_put(struct ring *ring, uint64_t pos, uint64_t span)
{
	header_put(ring, pos, MARK_PAD, span - HEADER_SIZE);
}

/*
 * Where the next record begins: the tail, after a dead publisher's leavings are made padding. Two
 * pieces if they go across the end of the data. More than two records' worth was not left by a
 * publisher but by a stray write: then there is nothing to save and readers will find themselves
 * overrun.
 */
static uint64_t repaired_tail(struct ring *ring)
{
	uint64_t tail = position(&ring->shared->tail);
	uint64_t intent = position(&ring->shared->intent);
	uint64_t span = intent - tail;

	if (span == 0)
		return tail;
	FAULT("repair.begun");
	if (span <= 2 * record_span(ring->max_record)) {
		uint64_t first = span < to_end(ring, tail) ? span : to_end(ring, tail);

		pad_put(ring, tail, first);
		FAULT("repair.half");
		if (first < span)
			pad_put(ring, tail + first, span - first);
	}
	FAULT("repair.padded");
	tail_set(ring, intent);
	FAULT("repair.done");
	count(&ring->shared->repairs, 1);
	return intent;
}

/* Lays the pieces end to end from pos on, in whole words whatever the pieces' lengths. */
static void content_put(struct ring *ring, uint64_t pos, const struct iovec *iov, int n_iov)
{
	uint64_t word = 0;
	unsigned bits = 0; /* of `word` already filled, 0..56 */

	for (int i = 0; i < n_iov; i++) {
		const unsigned char *from = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		for (; left >= WORD; from += WORD, left -= WORD, pos += WORD) {
			uint64_t next;

			memcpy(&next, from, WORD);
			next = le64toh(next);
			word_put(ring, pos, word | next << bits);
			word = bits ? next >> (64 - bits) : 0;
		}
		for (; left > 0; left--) {
			word |= (uint64_t)*from++ << bits;
			bits += 8;
			if (bits == 64) {
				word_put(ring, pos, word);
				pos += WORD;
				word = 0;
				bits = 0;
			}
		}
		FAULT("publish.piece");
	}
	if (bits)
		word_put(ring, pos, word);
}

static void wake_fd_write(int fd)
{
	/* EAGAIN, the only failure, means a count of 2^64 - 2: ready all the same. */
	(void)!eventfd_write(fd, 1);
}

static void wake_sleepers(struct ring *ring)
{
	for (unsigned i = 0; i < ring->n_slots; i++) {
		_Atomic uint32_t *sleeping = &ring->shared->slots[i].sleeping;

		if (!atomic_load_explicit(sleeping, memory_order_relaxed) ||
			!atomic_exchange_explicit(sleeping, 0, memory_order_relaxed))
			continue;
		FAULT("wake.claimed");
		wake_fd_write(ring->wake_fds[i]);
		FAULT("wake.written");
	}
}

static void record_append(struct ring *ring, const struct iovec *iov, int n_iov, uint64_t size)
{
	uint64_t begin = repaired_tail(ring);
	uint64_t room = to_end(ring, begin);
	uint64_t pad = record_span(size) <= room ? 0 : room;
	uint64_t end = begin + pad + record_span(size);

	intent_set(ring, end);
	FAULT("publish.claimed");
	if (pad)
		pad_put(ring, begin, pad);
	header_put(ring, begin + pad, 0, size);
	FAULT("publish.header");
	content_put(ring, begin + pad + HEADER_SIZE, iov, n_iov);
	FAULT("publish.copied");
	tail_set(ring, end);
	FAULT("publish.tail");
	count(&ring->shared->published, 1);
	count(&ring->shared->bytes, size);
}

enum ring_publish ring_publish(struct ring *ring, const struct iovec *iov, int n_iov)
{
	struct ring_shared *shared = ring->shared;
	uint64_t size = 0;

	for (int i = 0; i < n_iov; i++) {
		if (iov[i].iov_len > ring->max_record - size)
			return RING_TOO_BIG;
		size += iov[i].iov_len;
	}
	if (!shlock_acquire(&shared->lock, RING_BLOCK_MAX_MS)) {
		atomic_fetch_add_explicit(&shared->busy, 1, memory_order_relaxed);
		return RING_BUSY;
	}
	FAULT("publish.locked");
	record_append(ring, iov, n_iov, size);
	shlock_release(&shared->lock);
	FAULT("publish.unlocked");
	atomic_thread_fence(memory_order_seq_cst);
	FAULT("publish.fenced");
	wake_sleepers(ring);
	return RING_PUBLISHED;
}

/* ---- reading (3), sleeping (7) ---- */

void ring_reader_init(struct ring_reader *reader, struct ring *ring, unsigned slot)
{
	assert(slot < ring->n_slots);
	*reader = (struct ring_reader){
		.ring = ring, .pos = position(&ring->shared->tail), .slot = slot
	};
}

static enum ring_read reader_lap(struct ring_reader *reader)
{
	FAULT("read.overrun");
	reader->pos = position(&reader->ring->shared->tail);
	reader->overruns++;
	return RING_OVERRUN;
}

static void content_get(const struct ring *ring, uint64_t pos, unsigned char *to, size_t size)
{
	uint64_t word;

	for (; size > 0; pos += WORD) {
		size_t n = size < WORD ? size : WORD;

		word = htole64(word_get(ring, pos));
		if (n == WORD)
			memcpy(to, &word, WORD);
		else
			memcpy(to, &word, n);
		to += n;
		size -= n;
	}
}

/* Whether nobody had begun to write over what was copied from the reader's position. */
static bool copy_holds(const struct ring_reader *reader)
{
	atomic_thread_fence(memory_order_acquire);
	return position(&reader->ring->shared->intent) - reader->pos <= reader->ring->capacity;
}

enum ring_read ring_read(struct ring_reader *reader, void *buf, size_t cap, size_t *len)
{
	const struct ring *ring = reader->ring;

	assert(cap >= ring->max_record);
	for (;;) {
		uint64_t unread = position(&ring->shared->tail) - reader->pos;
		uint64_t room = to_end(ring, reader->pos);
		struct header head;
		uint64_t span;
		bool is_pad;

		if (unread == 0)
			return RING_EMPTY;
		head = header_get(ring, reader->pos);
		span = record_span(head.size);
		is_pad = head.mark & MARK_PAD;
		if (unread > ring->capacity ||
			(head.mark & ~MARK_PAD) != record_mark(reader->pos) || span > unread ||
			span > room || (!is_pad && head.size > ring->max_record))
			return reader_lap(reader);
		FAULT("read.header");
		if (!is_pad)
			content_get(ring, reader->pos + HEADER_SIZE, buf, head.size);
		FAULT("read.copied");
		if (!copy_holds(reader))
			return reader_lap(reader);
		FAULT("read.checked");
		reader->pos += span;
		if (!is_pad) {
			*len = head.size;
			return RING_RECORD;
		}
	}
}

bool ring_sleep(struct ring_reader *reader)
{
	struct ring_shared *shared = reader->ring->shared;

	atomic_store_explicit(&shared->slots[reader->slot].sleeping, 1, memory_order_relaxed);
	FAULT("sleep.flagged");
	atomic_thread_fence(memory_order_seq_cst);
	FAULT("sleep.fenced");
	if (position(&shared->tail) == reader->pos)
		return true;
	ring_awake(reader);
	return false;
}

void ring_awake(struct ring_reader *reader)
{
	_Atomic uint32_t *sleeping = &reader->ring->shared->slots[reader->slot].sleeping;

	if (atomic_load_explicit(sleeping, memory_order_relaxed))
		atomic_store_explicit(sleeping, 0, memory_order_relaxed);
}

/* ---- making it, and the master's part ---- */

/* A sealed memory file of `size` bytes, allocated and mapped; NULL and errno. */
static void *shared_map(size_t size)
{
	int fd = memfd_create("parley-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *map = MAP_FAILED;
	int error;

	if (fd < 0)
		return NULL;
	/* posix_fallocate answers ENOSPC now where a later touch would answer SIGBUS. */
	error = posix_fallocate(fd, 0, (off_t)size);
	if (error)
		errno = error;
	else
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map != MAP_FAILED && fcntl(fd, F_ADD_SEALS, seals) < 0) {
		error = errno;
		munmap(map, size);
		map = MAP_FAILED;
		errno = error;
	}
	error = errno;
	close(fd); /* the mapping holds the file */
	errno = error;
	return map == MAP_FAILED ? NULL : map;
}

static bool wake_fds_open(struct ring *ring, unsigned n_slots)
{
	for (; ring->n_slots < n_slots; ring->n_slots++) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (fd < 0)
			return false;
		ring->wake_fds[ring->n_slots] = fd;
	}
	return true;
}

static size_t capacity_rounded(size_t bytes)
{
	size_t capacity = CAPACITY_LEAST;

	while (capacity < bytes)
		capacity *= 2;
	return capacity;
}

struct ring *ring_create(size_t capacity_bytes, unsigned n_slots)
{
	size_t control = sizeof(struct ring_shared) + n_slots * sizeof(struct ring_slot);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct ring *ring;

	if (capacity_bytes < RING_CAPACITY_MIN || capacity_bytes > RING_CAPACITY_MAX || !n_slots ||
		n_slots > RING_SLOTS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	if (!shlock_usable())
		return NULL;
	ring = calloc(1, sizeof(*ring) + n_slots * sizeof(ring->wake_fds[0]));
	if (!ring)
		return NULL;
	control = (control + page - 1) / page * page;
	ring->capacity = capacity_rounded(capacity_bytes);
	ring->max_record =
		(ring->capacity / 4 < RECORD_MOST ? ring->capacity / 4 : RECORD_MOST) - HEADER_SIZE;
	ring->mapped = control + ring->capacity;
	if (wake_fds_open(ring, n_slots))
		ring->shared = shared_map(ring->mapped);
	if (!ring->shared) {
		int error = errno;

		ring_free(ring);
		errno = error;
		return NULL;
	}
	ring->data = (_Atomic uint64_t *)(void *)((char *)ring->shared + control);
	return ring;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->shared)
		munmap(ring->shared, ring->mapped);
	for (unsigned i = 0; i < ring->n_slots; i++)
		close(ring->wake_fds[i]);
	free(ring);
}

int ring_wake_fd(const struct ring *ring, unsigned slot)
{
	assert(slot < ring->n_slots);
	return ring->wake_fds[slot];
}

size_t ring_max_record(const struct ring *ring)
{
	return ring->max_record;
}

void ring_poke_all(struct ring *ring)
{
	for (unsigned i = 0; i < ring->n_slots; i++)
		wake_fd_write(ring->wake_fds[i]);
}

void ring_slot_reset(struct ring *ring, unsigned slot)
{
	eventfd_t count_read;

	assert(slot < ring->n_slots);
	atomic_store_explicit(&ring->shared->slots[slot].sleeping, 0, memory_order_relaxed);
	(void)!eventfd_read(ring->wake_fds[slot], &count_read);
}

void ring_stats(const struct ring *ring, struct ring_stats *stats)
{
	const struct ring_shared *shared = ring->shared;

	*stats = (struct ring_stats){
		.published = atomic_load_explicit(&shared->published, memory_order_relaxed),
		.bytes = atomic_load_explicit(&shared->bytes, memory_order_relaxed),
		.repairs = atomic_load_explicit(&shared->repairs, memory_order_relaxed),
		.busy = atomic_load_explicit(&shared->busy, memory_order_relaxed),
	};
}
