#include "common/hash.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS_MIN 64

uint64_t hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(1099511628211);
	return hash;
}

/* Fibonacci hashing: keys are mostly consecutive ids, which the multiplier spreads over the upper bits. */
static struct hash_link **bucket(const struct hash *h, uint64_t key)
{
	return &h->buckets[(size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (h->n_buckets - 1)];
}

static void grow(struct hash *h)
{
	struct hash old = *h;

	h->n_buckets = old.n_buckets > 0 ? old.n_buckets * 2 : BUCKETS_MIN;
	h->buckets = xcalloc(h->n_buckets, sizeof(struct hash_link *));
	for (size_t i = 0; i < old.n_buckets; i++)
		while (old.buckets[i] != NULL) {
			struct hash_link *link = old.buckets[i];
			struct hash_link **to = bucket(h, link->key);

			old.buckets[i] = link->next;
			link->next = *to;
			*to = link;
		}
	free(old.buckets);
}

void hash_fini(struct hash *h)
{
	free(h->buckets);
	*h = (struct hash)HASH_EMPTY;
}

static struct hash_link *with_key(struct hash_link *link, uint64_t key)
{
	while (link != NULL && link->key != key)
		link = link->next;
	return link;
}

struct hash_link *hash_find(const struct hash *h, uint64_t key)
{
	return h->n == 0 ? NULL : with_key(*bucket(h, key), key);
}

struct hash_link *hash_find_next(const struct hash_link *link)
{
	return with_key(link->next, link->key);
}

void hash_insert(struct hash *h, struct hash_link *link, uint64_t key)
{
	struct hash_link **to;

	if (h->n >= h->n_buckets)
		grow(h);
	to = bucket(h, key);
	link->key = key;
	link->next = *to;
	*to = link;
	h->n++;
}

void hash_remove(struct hash *h, struct hash_link *link)
{
	struct hash_link **at = bucket(h, link->key);

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	h->n--;
}

static struct hash_link *first_from(const struct hash *h, size_t i)
{
	for (; i < h->n_buckets; i++)
		if (h->buckets[i] != NULL)
			return h->buckets[i];
	return NULL;
}

struct hash_link *hash_first(const struct hash *h)
{
	return first_from(h, 0);
}

struct hash_link *hash_next(const struct hash *h, const struct hash_link *link)
{
	if (link->next != NULL)
		return link->next;
	return first_from(h, (size_t)(bucket(h, link->key) - h->buckets) + 1);
}
