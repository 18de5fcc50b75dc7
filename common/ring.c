/*
 * The model.
 *
 * 1. Positions are 64-bit byte counts since the ring was created. They only grow; a position modulo the capacity is an
 *    offset into the data. Two of them are shared: `tail`, the end of what is published, and `intent`, the end of what
 *    may have been written. tail <= intent always, and tail == intent while no process holds the lock.
 *
 * 2. To publish, under the lock: intent = end; write the bytes; tail = end. A release fence orders the intent before
 *    the first byte: a process that reads a byte of the new record also reads the new intent.
 *
 * 3. To read, without a lock: copy the record at `pos`, then, after an acquire fence, load the intent. If it is at most
 *    pos + capacity, no publisher had started to overwrite the bytes when they were copied, and the copy is the record.
 *    Otherwise the reader was overrun and the copy is discarded. Lengths are checked before they are used; the content
 *    is checked only afterwards.
 *
 * 4. A publisher that is killed between the first and the last step of (2) leaves tail < intent. The next process to
 *    acquire the lock writes padding over [tail, intent) and sets tail = intent. It must not lower the intent instead:
 *    a slow reader would compare itself with the lowered intent and accept a record of the last lap that the dead
 *    process had partly overwritten. A repairer that is killed leaves tail < intent, which the next one repairs.
 *
 * 5. To claim space by an atomic addition, without a lock, is four times as fast and wrong: a claimer that dies leaves
 *    a hole without an owner, and one that is stopped overwrites, a lap later, records that are newer than its own. A
 *    stopped holder of the lock only makes the others return RING_BUSY.
 *
 * 6. The lock is common/shlock, which the kernel releases if its holder dies, and not the C library's robust mutex. That
 *    one stores the links of a list in the mutex, in memory that every worker can write, and follows them: a stray write
 *    of one worker would crash the others.
 *
 * 7. To sleep: set the slot's flag, full fence, load the tail again. To wake: set the tail, full fence, load the flags.
 *    At least one of the two sees the other's store. A waker clears the flag before it writes the eventfd, so that a
 *    burst costs one write per sleeper. If it dies in between, the master's ring_poke_all wakes the sleeper; if it is
 *    stopped there, the sleeper's timeout does.
 *
 * 8. The mapping is not trusted. Addresses, sizes and descriptors are in private memory, each offset is masked, each
 *    length is bounded by private values, and each shared value is loaded once before it is checked and used. Invalid
 *    content makes a reader overrun and a publisher return RING_BUSY; it does not lead outside of the mapping.
 *
 * 9. All shared words, including the data, are accessed by relaxed atomics, which compile to plain moves. The races of
 *    (3) are thus defined behaviour, and ThreadSanitizer checks the code as shipped.
 *
 * tests/model/ checks (2)-(4) and (7) with a model checker, and seeds the errors named here.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"

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

#include "common/fault.h"
#include "common/shlock.h"
#include "common/xalloc.h"

#define CACHE_LINE 64
#define WORD sizeof(uint64_t)
#define CAPACITY_ROUNDED_MIN ((size_t)128 << 10)
#define RECORD_MAX ((uint64_t)64 << 10)

/*
 *	the mapping (one memfd, MAP_SHARED)
 *	+-------------------------+  page 0
 *	| lock, busy              |  a cache line
 *	| intent, tail, counters  |  a cache line, written under the lock
 *	| slot 0: sleeping        |  a cache line each, so that sleepers do not disturb each other
 *	| slot 1: sleeping        |
 *	| ...                     |
 *	+-------------------------+  the next page
 *	| data, `capacity` bytes  |
 *	+-------------------------+
 *
 *	the data during a publish (offsets are positions & (capacity - 1))
 *
 *	      reader's pos                    tail            intent
 *	           v                           v                v
 *	+-------+-----+-----+------+---+-------+----------------+--------+-------+----+
 *	|  new  | rec | rec | rec  |pad|  rec  | being written  |   last lap's      ... |
 *	+-------+-----+-----+------+---+-------+----------------+--------+-------+----+
 *	        |<------------- to be read --->|                |<- intact: a reader here is
 *	                                                            not overrun yet
 *
 *	a record: 8-byte aligned, not across the end of the data
 *	+---------------+---------------+-----------------------------------+
 *	| mark, 32 bits | size, 32 bits | content, `size` bytes, then 0..7  |
 *	+---------------+---------------+-----------------------------------+
 *	mark: bits 0-30 are the position / 8, so that bytes of another position or lap
 *	      are not taken for a header;
 *	      bit 31 is set for padding.
 *	size: of the content in bytes; both numbers are little-endian.
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

/* The bytes of a record in the ring: header and content, rounded up to a multiple of eight. */
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

/* Loads a shared position, aligned to where a record can start: see (8). */
static uint64_t position(const _Atomic uint64_t *shared)
{
	return atomic_load_explicit(shared, memory_order_acquire) & ~(uint64_t)(WORD - 1);
}

/* ---- publishing (2), repairing (4), waking (7) ---- */

/* Only for the holder of the lock: not an atomic addition. */
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
 * Returns the position of the next record: the tail, after what a dead publisher left incomplete was replaced by
 * padding, in two records if it wraps around. A publisher leaves at most the span of two records. More is the result of
 * a stray write: then the data is lost, and readers find themselves overrun.
 */
static uint64_t repaired_tail(struct ring *ring)
{
	uint64_t tail = position(&ring->shared->tail);
	uint64_t intent = position(&ring->shared->intent);
	uint64_t span = intent - tail;

	if (span == 0)
		return tail;
	FAULT("repair.started");
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

/* Copies the parts to pos without gaps, in whole words. */
static void content_put(struct ring *ring, uint64_t pos, const struct iovec *iov, int n_iov)
{
	uint64_t word = 0;
	unsigned bits = 0; /* number of bits of `word` that are filled, 0..56 */

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
	/* The only failure is EAGAIN at a count of 2^64 - 2: the fd is ready in this case, too. */
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

static enum ring_read reader_overrun(struct ring_reader *reader)
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

/* True if no publisher had started to overwrite the bytes that were copied from the reader's position. */
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
			return reader_overrun(reader);
		FAULT("read.header");
		if (!is_pad)
			content_get(ring, reader->pos + HEADER_SIZE, buf, head.size);
		FAULT("read.copied");
		if (!copy_holds(reader))
			return reader_overrun(reader);
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

/* ---- creating, and the master's part ---- */

/* Maps a sealed memory file of `size` bytes. Returns NULL with errno. */
static void *shared_map(size_t size)
{
	int fd = memfd_create("parley-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *map = MAP_FAILED;
	int error;

	if (fd < 0)
		return NULL;
	/* Without it, a later access could raise SIGBUS. */
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
	size_t capacity = CAPACITY_ROUNDED_MIN;

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
	ring = xcalloc(1, sizeof(*ring) + n_slots * sizeof(ring->wake_fds[0]));
	control = (control + page - 1) / page * page;
	ring->capacity = capacity_rounded(capacity_bytes);
	ring->max_record =
		(ring->capacity / 4 < RECORD_MAX ? ring->capacity / 4 : RECORD_MAX) - HEADER_SIZE;
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
