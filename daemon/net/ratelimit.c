#include "net/ratelimit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define SETS_LOG2 11
#define WAYS 4

struct bucket {
	uint64_t key; /* 0: unused */
	int64_t last_ms;
	int64_t milli; /* left, in thousandths */
};

struct ratelimit {
	int64_t per_s, burst;
	struct bucket sets[1 << SETS_LOG2][WAYS];
};

struct ratelimit *ratelimit_new(unsigned per_s, unsigned burst)
{
	struct ratelimit *l = calloc(1, sizeof(*l));

	if (l == NULL)
		log_fatal("out_of_memory for a table of limits");
	l->per_s = per_s;
	l->burst = burst;
	return l;
}

void ratelimit_free(struct ratelimit *l)
{
	free(l);
}

/* Spreads what is close together over the upper bits: 2^64 divided by the golden ratio. */
static uint64_t mix(uint64_t x)
{
	return x * UINT64_C(0x9e3779b97f4a7c15);
}

/* Users are even, addresses odd, none is 0. */
uint64_t ratelimit_key_user(int64_t user_id)
{
	return (uint64_t)user_id << 1;
}

/* A user's id does not reach so far. */
uint64_t ratelimit_key_socket(uint64_t id)
{
	return id << 1 | UINT64_C(1) << 63;
}

uint64_t ratelimit_key_address(const char *address)
{
	unsigned char bytes[16] = { 0 };
	uint64_t net;

	if (inet_pton(AF_INET, address, bytes) != 1)
		inet_pton(AF_INET6, address, bytes);
	memcpy(&net, bytes, sizeof(net));
	return net | 1;
}

static struct bucket *find(struct ratelimit *l, uint64_t key, int64_t now_ms)
{
	struct bucket *set = l->sets[mix(key) >> (64 - SETS_LOG2)], *oldest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].key == 0 || (oldest->key != 0 && set[i].last_ms < oldest->last_ms))
			oldest = &set[i];
	}
	*oldest = (struct bucket){ key, now_ms, l->burst * 1000 };
	return oldest;
}

bool ratelimit_take(struct ratelimit *l, uint64_t key, unsigned cost, int64_t now_ms)
{
	struct bucket *b = find(l, key, now_ms);

	/* So many thousandths a millisecond. */
	b->milli += (now_ms - b->last_ms) * l->per_s;
	if (b->milli > l->burst * 1000)
		b->milli = l->burst * 1000;
	b->last_ms = now_ms;
	if (b->milli < (int64_t)cost * 1000)
		return false;
	b->milli -= (int64_t)cost * 1000;
	return true;
}
