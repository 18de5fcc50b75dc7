/*
 * http_proxy: the client's address and scheme behind reverse proxies, from fields that a client may have forged.
 *
 * Owns: nothing. Knows nothing of: requests, connections.
 *
 * X-Forwarded-For is a list; each proxy appends the address of its own peer. Only what trusted proxies appended counts.
 *
 *	X-Forwarded-For: forged, client, proxy1     peer: proxy2      trusted: proxy1, proxy2
 *	                         ◄────── read from the end while the address so far is trusted
 */
#ifndef PARLEY_HTTP_PROXY_H
#define PARLEY_HTTP_PROXY_H

#include <stdbool.h>

#include "common/conf.h"

#define HTTP_ADDRESS_MAX 46 /* INET6_ADDRSTRLEN */

/*
 * True if an address is one of `trusted`. The notation does not matter, and an IPv4-mapped IPv6 address
 * (RFC 4291 2.5.5.2) is its IPv4 address.
 *   address  numeric; anything else is not trusted
 */
bool http_proxy_trusted(const char *address, const struct conf_list *trusted);

/*
 * Replaces the peer's address by the client's: the last entry of X-Forwarded-For that is not a trusted proxy, or the
 * first entry if all are. An entry that is no address ends the search.
 *   address    in: the peer's; out: the client's
 *   forwarded  all lines of X-Forwarded-For as one list (RFC 9110 5.3)
 * Returns the number of entries that were used.
 */
unsigned http_proxy_client(
	char address[HTTP_ADDRESS_MAX], const char *forwarded, const struct conf_list *trusted);

/*
 * True if the client came over TLS. The scheme is taken from the proxy that reported the client's address: the entry at
 * the same place from the end, or the first one of a shorter list. wss counts as https (Traefik reports upgrades so).
 *   protos  all lines of X-Forwarded-Proto of a trusted peer, as one list
 *   hops    what http_proxy_client returned
 */
bool http_proxy_https(const char *protos, unsigned hops);

#endif
