/*
 * ring_records: records that readers can verify. Each has its writer and its number, and is filled with bytes that
 * depend on them, so that a reader detects a torn, lost or repeated record.
 *
 * Owns: nothing. Knows nothing of: processes, threads, the ring.
 *
 * A writer numbers its records 1, 2, 3, ... The replacement of a dead writer (the next life) continues after its `base`:
 * the last number for which the dead one got RING_PUBLISHED. The dead one may have published one more.
 */
#ifndef PARLEY_TESTS_RING_RECORDS_H
#define PARLEY_TESTS_RING_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_WRITERS 8u
#define RECORD_MAX 6144u

struct record {
	uint32_t writer;
	uint32_t life;
	uint64_t n;
	uint64_t base;
	uint32_t len; /* of the record, with this head */
	uint32_t seed;
};

struct record_buf {
	struct record head;
	uint32_t rest[(RECORD_MAX - sizeof(struct record)) / 4];
};

static inline uint32_t record_mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

/* Makes record number n. Returns its length: at least that of the head, at most RECORD_MAX. */
static inline size_t record_fill(
	struct record_buf *buf, uint32_t writer, uint32_t life, uint64_t n, uint64_t base)
{
	uint32_t seed = record_mix(writer * 0x9e3779b9u ^ life * 0x85ebca6bu ^ (uint32_t)n);
	uint32_t len = (uint32_t)sizeof(struct record) +
		seed % (RECORD_MAX - (uint32_t)sizeof(struct record));

	buf->head = (struct record){ writer, life, n, base, len, seed };
	for (uint32_t i = 0; i < (len - sizeof(struct record) + 3) / 4; i++)
		buf->rest[i] = seed + i * 0x9e3779b1u;
	return len;
}

/* True if these are the bytes of one complete record (R1). */
static inline bool record_is_whole(const struct record_buf *got, size_t len)
{
	struct record_buf want;

	return len >= sizeof(struct record) && len <= RECORD_MAX && got->head.len == len &&
		got->head.writer < RECORD_WRITERS &&
		record_fill(&want, got->head.writer, got->head.life, got->head.n, got->head.base) ==
		len &&
		memcmp(&want, got, len) == 0;
}

/* What a reader has read of a writer. */
struct record_trail {
	uint64_t last;
	uint32_t life;
	bool was_overrun; /* true if it was overrun since: any later number may follow */
};

/* True if this record may follow the former ones: each once, in order, none missing (R2). */
static inline bool record_follows(struct record_trail *trail, const struct record *head)
{
	bool ok;

	if (head->life == trail->life)
		ok = trail->was_overrun ? head->n > trail->last : head->n == trail->last + 1;
	else if (trail->was_overrun)
		ok = head->life > trail->life && head->n > head->base &&
			head->base + 1 >= trail->last;
	else
		ok = head->life > trail->life && head->n == head->base + 1 &&
			(trail->last == head->base || trail->last == head->base + 1);
	*trail = (struct record_trail){ .last = head->n, .life = head->life };
	return ok;
}

#endif
