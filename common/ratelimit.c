#define _DEFAULT_SOURCE 1
#include "common/ratelimit.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"

#define SETS_LOG2 11
#define WAYS 4

enum kind { KIND_NONE, KIND_ADDRESS, KIND_NETWORK, KIND_USER, KIND_SOCKET, KIND_USERNAME };

struct bucket {
	struct ratelimit_key key; /* KIND_NONE: unused */
	int64_t last_ms;
	int64_t milli; /* thousandths of a token */
};

struct ratelimit {
	uint64_t seed;
	int64_t per_s, burst;
	struct bucket sets[1 << SETS_LOG2][WAYS];
};

_Static_assert(sizeof(struct ratelimit_key) % sizeof(uint64_t) == 0, "it is hashed by words");

static struct ratelimit_key make_key(enum kind kind, const void *bytes, size_t len)
{
	struct ratelimit_key key = { .kind = (uint8_t)kind, .len = (uint8_t)len };

	assert(len <= sizeof(key.bytes));
	memcpy(key.bytes, bytes, len);
	return key;
}

struct ratelimit_key ratelimit_key_address(const char *address)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return make_key(KIND_ADDRESS, bytes, 4);
	if (inet_pton(AF_INET6, address, bytes) != 1)
		return make_key(KIND_ADDRESS, "", 0);
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
		return make_key(KIND_ADDRESS, bytes + sizeof(mapped), 4);
	return make_key(KIND_NETWORK, bytes, 8);
}

struct ratelimit_key ratelimit_key_user(int64_t user_id)
{
	return make_key(KIND_USER, &user_id, sizeof(user_id));
}

struct ratelimit_key ratelimit_key_socket(uint64_t id)
{
	return make_key(KIND_SOCKET, &id, sizeof(id));
}

struct ratelimit_key ratelimit_key_username(const char *username, size_t len)
{
	assert(len <= RATELIMIT_USERNAME_MAX);
	return make_key(KIND_USERNAME, username, len);
}

bool ratelimit_key_is_address(const struct ratelimit_key *key)
{
	return key->kind == KIND_ADDRESS || key->kind == KIND_NETWORK;
}

bool ratelimit_key_equal(const struct ratelimit_key *a, const struct ratelimit_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct ratelimit *ratelimit_new(unsigned per_s, unsigned burst)
{
	struct ratelimit *l = xcalloc(1, sizeof(*l));

	if (getentropy(&l->seed, sizeof(l->seed)) != 0)
		log_fatal("random_failed error=\"%m\"");
	l->per_s = per_s;
	l->burst = burst;
	return l;
}

void ratelimit_free(struct ratelimit *l)
{
	free(l);
}

/* The finalizer of MurmurHash3, a bijection in which each input bit changes each output bit with a probability of
 * about one half. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static uint64_t hash(const struct ratelimit *l, const struct ratelimit_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)], h = l->seed;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = mix(h ^ words[i]) + l->seed;
	return h;
}

static struct bucket *find(struct ratelimit *l, const struct ratelimit_key *key, int64_t now_ms)
{
	struct bucket *set = l->sets[mix(hash(l, key)) >> (64 - SETS_LOG2)], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (ratelimit_key_equal(&set[i].key, key))
			return &set[i];
		if (set[i].key.kind == KIND_NONE ||
			(oldest->key.kind != KIND_NONE && set[i].last_ms < oldest->last_ms))
			oldest = &set[i];
	}
	*oldest = (struct bucket){ *key, now_ms, l->burst * 1000 };
	return oldest;
}

bool ratelimit_take(
	struct ratelimit *l, const struct ratelimit_key *key, unsigned cost, int64_t now_ms)
{
	struct bucket *b = find(l, key, now_ms);

	/* per_s tokens a second are per_s thousandths a millisecond. */
	b->milli += (now_ms - b->last_ms) * l->per_s;
	if (b->milli > l->burst * 1000)
		b->milli = l->burst * 1000;
	b->last_ms = now_ms;
	if (b->milli < (int64_t)cost * 1000)
		return false;
	b->milli -= (int64_t)cost * 1000;
	return true;
}
