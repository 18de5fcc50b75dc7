/*
 * rng: a pseudo-random generator that is deterministic for a seed (splitmix64, Steele et al. 2014). Not for secrets.
 *
 * Owns: nothing. Knows nothing of: what is drawn.
 */
#ifndef PARLEY_MOCK_RNG_H
#define PARLEY_MOCK_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state; /* initially the seed */
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Returns 0..n-1. n > 0 and far below 2^64, so that the bias of the remainder is negligible. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): n > 0, since no list is empty */
	return rng_next(r) % n;
}

/* True in `percent` of 100 cases. */
static inline bool rng_chance(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

#endif
