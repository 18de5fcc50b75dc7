/*
 * http_share: the resources of a worker that one client uses: bytes of request bodies, bytes of unsent answers,
 * connections.
 *
 * Owns: the shares, one for each user or address that uses any of them. Knows nothing of: routes, how a client is
 * identified.
 *
 * Each client has bounds of its own, so that it cannot use up the resources of the others. The sums over all clients
 * have bounds too.
 */
#ifndef PARLEY_HTTP_SHARE_H
#define PARLEY_HTTP_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/ratelimit.h"

/* Of a client, and of all clients of a worker. */
#define HTTP_BODIES_CLIENT_MAX ((size_t)8 << 20)
#define HTTP_BODIES_MAX ((size_t)64 << 20)
#define HTTP_UNSENT_CLIENT_MAX ((size_t)4 << 20)
#define HTTP_UNSENT_MAX ((size_t)64 << 20)

struct http_share {
	struct hash_link link;
	struct ratelimit_key key; /* of a user or an address */
	unsigned refs; /* it is freed with the last one */
	unsigned connections;
	size_t bodies; /* bytes of requests that are not answered */
	size_t unsent; /* bytes of answers */
	bool is_full_logged;
};

struct http_shares {
	struct hash by_key;
	size_t bodies, unsent; /* sums */
};

/* Frees all shares; references are invalid afterwards. */
void http_shares_fini(struct http_shares *all);

/* The share of a client, with one reference more. */
struct http_share *http_share_ref(struct http_shares *all, const struct ratelimit_key *key);

/*
 * Gives a reference back.
 *   s  may be NULL
 */
void http_share_unref(struct http_shares *all, struct http_share *s);

/*
 * Changes the bytes of one request or answer.
 *   s     its client
 *   from  bytes that were counted
 *   to    bytes that are to be counted
 */
void http_share_bodies(struct http_shares *all, struct http_share *s, size_t from, size_t to);
void http_share_unsent(struct http_shares *all, struct http_share *s, size_t from, size_t to);

/*
 * Whether the client may send len more bytes of bodies, or be sent len more bytes of answers. One answer of any size fits
 * if nothing else is unsent.
 * Returns ERROR_NONE, ERROR_too_many_requests for the client's bound, or ERROR_unavailable for that of all.
 */
enum error http_share_bodies_fit(
	const struct http_shares *all, const struct http_share *s, size_t len);
enum error http_share_unsent_fits(
	const struct http_shares *all, const struct http_share *s, size_t len);

#endif
