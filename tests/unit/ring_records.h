/*
 * ring_records: records that testify. Each says who wrote it, as which number, and fills the rest
 * with bytes that follow from that, so that a reader can tell a torn, lost or repeated one.
 *
 * Owns: nothing. Knows nothing of: processes, threads, how the records travel.
 *
 * A writer numbers its records 1, 2, 3 ... A life (incarnation) that takes over from a dead one
 * goes on after the last number the dead one was told RING_PUBLISHED for, its `base`; the dead
 * one may have published one more, which it did not live to hear of.
 */
#ifndef PARLEY_TESTS_RING_RECORDS_H
#define PARLEY_TESTS_RING_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_WRITERS 8u
#define RECORD_LONGEST 6144u

struct record {
	uint32_t writer;
	uint32_t life;
	uint64_t n;
	uint64_t base;
	uint32_t len; /* of all, with this head */
	uint32_t seed;
};

struct record_buf {
	struct record head;
	uint32_t rest[(RECORD_LONGEST - sizeof(struct record)) / 4];
};

static inline uint32_t record_mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

/* Fills `buf` with record number n; returns its length, from the head's up to RECORD_LONGEST. */
static inline size_t record_fill(
	struct record_buf *buf, uint32_t writer, uint32_t life, uint64_t n, uint64_t base)
{
	uint32_t seed = record_mix(writer * 0x9e3779b9u ^ life * 0x85ebca6bu ^ (uint32_t)n);
	uint32_t len = (uint32_t)sizeof(struct record) +
		seed % (RECORD_LONGEST - (uint32_t)sizeof(struct record));

	buf->head = (struct record){ writer, life, n, base, len, seed };
	for (uint32_t i = 0; i < (len - sizeof(struct record) + 3) / 4; i++)
		buf->rest[i] = seed + i * 0x9e3779b1u;
	return len;
}

/* Whether these are the bytes of one whole record (R1). */
static inline bool record_is_whole(const struct record_buf *got, size_t len)
{
	struct record_buf want;

	return len >= sizeof(struct record) && len <= RECORD_LONGEST && got->head.len == len &&
		got->head.writer < RECORD_WRITERS &&
		record_fill(&want, got->head.writer, got->head.life, got->head.n, got->head.base) ==
		len &&
		memcmp(&want, got, len) == 0;
}

/* What one reader has seen of one writer. */
struct record_trail {
	uint64_t last;
	uint32_t life;
	bool lost_sight; /* overrun since: any later number may be next */
};

/* Whether this record may follow what was seen: each once, in order, none missing (R2). */
static inline bool record_follows(struct record_trail *trail, const struct record *head)
{
	bool ok;

	if (head->life == trail->life)
		ok = trail->lost_sight ? head->n > trail->last : head->n == trail->last + 1;
	else if (trail->lost_sight)
		ok = head->life > trail->life && head->n > head->base &&
			head->base + 1 >= trail->last;
	else
		ok = head->life > trail->life && head->n == head->base + 1 &&
			(trail->last == head->base || trail->last == head->base + 1);
	*trail = (struct record_trail){ .last = head->n, .life = head->life };
	return ok;
}

#endif
