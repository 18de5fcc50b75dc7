/*
 * http_origin: who asks, by headers that others may have forged: origins and proxies.
 *
 * Owns: nothing. Knows nothing of: requests, connections.
 */
#ifndef PARLEY_HTTP_ORIGIN_H
#define PARLEY_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"

/*
 * Is an Origin header's value (RFC 6454 7) that of the server itself, or one of `allowed`? host:
 * the Host header, NULL where there is none; https: the client came over TLS. Names are compared
 * without case, a scheme's own port is as good as none.
 */
bool http_origin_good(
	const char *origin, const char *host, bool https, const struct conf_list *allowed);

#endif
