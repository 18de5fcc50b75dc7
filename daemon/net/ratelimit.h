/*
 * limit: how much one user or address may ask for: a token bucket each, in a table of fixed size.
 *
 * Owns: the table. Knows nothing of: requests, frames, clocks.
 */
#ifndef PARLEY_RATELIMIT_H
#define PARLEY_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct ratelimit;

/* burst: what a bucket holds, and is full of at first; per_s: what comes back in a second. */
struct ratelimit *ratelimit_new(unsigned per_s, unsigned burst);
void ratelimit_free(struct ratelimit *l);

/* Whose bucket. Of different kinds no two are the same. */
uint64_t ratelimit_key_user(int64_t user_id);
/* A socket whose user is not known yet; id: any but 0. */
uint64_t ratelimit_key_socket(uint64_t id);
/* Numeric; of IPv6 the upper half, all that a network leaves to its user. */
uint64_t ratelimit_key_address(const char *address);

/*
 * Takes cost from key's bucket; false, and nothing is taken, where it holds less. now_ms: any clock
 * that does not go back. Where the table is full of busy ones, the one that was quiet for longest is
 * forgotten: it gets a new burst, nobody is refused for another.
 */
bool ratelimit_take(struct ratelimit *l, uint64_t key, unsigned cost, int64_t now_ms);

#endif
