#include "http/http_share.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

/* Users, IPv4 addresses and IPv6 networks have at most 8 bytes. */
static uint64_t hash_key(const struct ratelimit_key *key)
{
	uint64_t first;

	memcpy(&first, key->bytes, sizeof(first));
	return first ^ (uint64_t)key->kind << 56;
}

struct http_share *http_share_ref(struct http_shares *all, const struct ratelimit_key *key)
{
	struct hash_link *link = hash_find(&all->by_key, hash_key(key));
	struct http_share *s;

	while ((s = HASH_ENTRY(link, struct http_share, link)) != NULL &&
		!ratelimit_key_equal(&s->key, key))
		link = hash_find_next(link);
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->key = *key;
		hash_insert(&all->by_key, &s->link, hash_key(key));
	}
	s->refs++;
	return s;
}

void http_share_unref(struct http_shares *all, struct http_share *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	hash_remove(&all->by_key, &s->link);
	free(s);
}

void http_shares_fini(struct http_shares *all)
{
	struct hash_link *link;

	while ((link = hash_first(&all->by_key)) != NULL) {
		hash_remove(&all->by_key, link);
		free(HASH_ENTRY(link, struct http_share, link));
	}
	hash_fini(&all->by_key);
}

void http_share_bodies(struct http_shares *all, struct http_share *s, size_t from, size_t to)
{
	s->bodies += to - from;
	all->bodies += to - from;
}

void http_share_unsent(struct http_shares *all, struct http_share *s, size_t from, size_t to)
{
	s->unsent += to - from;
	all->unsent += to - from;
}

enum error http_share_bodies_fit(
	const struct http_shares *all, const struct http_share *s, size_t len)
{
	if (s->bodies + len > HTTP_BODIES_CLIENT_MAX)
		return ERROR_too_many_requests;
	return all->bodies + len > HTTP_BODIES_MAX ? ERROR_unavailable : ERROR_NONE;
}

enum error http_share_unsent_fits(
	const struct http_shares *all, const struct http_share *s, size_t len)
{
	if (s->unsent > 0 && s->unsent + len > HTTP_UNSENT_CLIENT_MAX)
		return ERROR_too_many_requests;
	return all->unsent > 0 && all->unsent + len > HTTP_UNSENT_MAX ? ERROR_unavailable
								      : ERROR_NONE;
}
