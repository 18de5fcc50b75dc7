/*
 * ratelimit: token buckets by user, address, socket or username, in a table of fixed size.
 *
 * Owns: the table. Knows nothing of: requests, frames, clocks.
 *
 * A key holds its kind and its whole content, so two keys never share a bucket. The place of a bucket in the table
 * depends on a random number of the process, so a client cannot choose keys that displace another's bucket.
 */
#ifndef PARLEY_RATELIMIT_H
#define PARLEY_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATELIMIT_USERNAME_MAX 32 /* bytes */

struct ratelimit_key {
	uint8_t kind;
	uint8_t len; /* of bytes; the rest of them is 0 */
	char bytes[38];
};

/*
 * An IPv4 address, or the /64 network of an IPv6 address, since one user has as many addresses as that. An IPv4-mapped
 * IPv6 address (RFC 4291 2.5.5.2) is its IPv4 address.
 *   address  numeric; all other texts share one key
 */
struct ratelimit_key ratelimit_key_address(const char *address);

struct ratelimit_key ratelimit_key_user(int64_t user_id);

/* A socket before it is authenticated. */
struct ratelimit_key ratelimit_key_socket(uint64_t id);

/*
 * A username, which need not exist.
 *   len  bytes, at most RATELIMIT_USERNAME_MAX
 */
struct ratelimit_key ratelimit_key_username(const char *username, size_t len);

/* True for a key of ratelimit_key_address. */
bool ratelimit_key_is_address(const struct ratelimit_key *key);

bool ratelimit_key_equal(const struct ratelimit_key *a, const struct ratelimit_key *b);

struct ratelimit;

/*
 *   per_s  tokens that a bucket gains per second
 *   burst  tokens in a full bucket; a new one is full
 */
struct ratelimit *ratelimit_new(unsigned per_s, unsigned burst);
void ratelimit_free(struct ratelimit *l);

/*
 * Takes tokens from a bucket. If the table has no room for a new bucket, it replaces the one that was not used for the
 * longest time.
 *   now_ms  of any clock that does not go back
 * Returns false, and takes nothing, if the bucket holds fewer than cost.
 */
bool ratelimit_take(
	struct ratelimit *l, const struct ratelimit_key *key, unsigned cost, int64_t now_ms);

#endif
