/*
 * http_origin: which web origins may use the cookie or open a WebSocket.
 *
 * Owns: nothing. Knows nothing of: requests, connections.
 */
#ifndef PARLEY_HTTP_ORIGIN_H
#define PARLEY_HTTP_ORIGIN_H

#include <stdbool.h>

#include "common/conf.h"

/*
 * True if an origin (RFC 6454 7) is that of the server itself or one of `allowed`. Names are compared without case, and
 * the default port of a scheme may be left out.
 *   origin  the value of Origin
 *   host    the value of Host, NULL if there is none
 *   https   True if the client came over TLS
 */
bool http_origin_good(
	const char *origin, const char *host, bool https, const struct conf_list *allowed);

#endif
