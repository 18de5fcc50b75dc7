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

#define HTTP_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */

/*
 * Is an Origin header's value (RFC 6454 7) that of the server itself, or one of `allowed`? host:
 * the Host header, NULL where there is none; https: the client came over TLS. Names are compared
 * without case, a scheme's own port is as good as none.
 */
bool http_origin_good(
	const char *origin, const char *host, bool https, const struct conf_list *allowed);

/* Is this numeric address one of `trusted`, however it is written? */
bool http_proxy_trusted(const char *address, const struct conf_list *trusted);

/*
 * The client's address behind proxies: the last entry of X-Forwarded-For that is not a trusted
 * proxy's, or its first where all are. address: in, the peer's; out, the client's. forwarded: the
 * header's value, NULL where it is not there. What is not an address ends the search: only a
 * trusted proxy's word counts.
 */
void http_proxy_client(
	char address[HTTP_ADDRESS_MAX], const char *forwarded, const struct conf_list *trusted);

#endif
