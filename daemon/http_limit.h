/*
 * http_limit: how many requests one user or address may make: a token bucket each, in a table of
 * fixed size.
 *
 * Owns: the table. Knows nothing of: requests, clocks.
 */
#ifndef PARLEY_HTTP_LIMIT_H
#define PARLEY_HTTP_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_LIMIT_PER_S 50
#define HTTP_LIMIT_BURST 200

struct http_limit;

struct http_limit *http_limit_new(void);
void http_limit_free(struct http_limit *l);

/*
 * One more request: may it be? user_id: 0 for an open route, which goes by the address (numeric; of
 * IPv6 the upper half, all that a network leaves to its user). now_ms: any clock that does not go
 * back. Where the table is full of busy ones, the one that was quiet for longest is forgotten: it
 * gets a new burst, nobody is refused for another.
 */
bool http_limit_take(struct http_limit *l, int64_t user_id, const char *address, int64_t now_ms);

#endif
