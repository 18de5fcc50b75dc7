#include "http/http_origin.h"

#include <string.h>
#include <strings.h>

/* Without the default port: "host:80" is "host" over http, "host:443" over https. */
static size_t host_len(const char *host, bool https)
{
	const char *port = https ? ":443" : ":80";
	size_t len = strlen(host), port_len = strlen(port);

	return len > port_len && strcmp(host + len - port_len, port) == 0 ? len - port_len : len;
}

static bool same_host(const char *a, const char *b, bool https)
{
	size_t len = host_len(a, https);

	return len > 0 && len == host_len(b, https) && strncasecmp(a, b, len) == 0;
}

/* The part after the scheme, NULL if it is another scheme. */
static const char *after_scheme(const char *origin, bool https)
{
	const char *scheme = https ? "https://" : "http://";
	size_t len = strlen(scheme);

	return strncasecmp(origin, scheme, len) == 0 ? origin + len : NULL;
}

static bool same_origin(const char *a, const char *b)
{
	for (int https = 0; https <= 1; https++) {
		const char *host_a = after_scheme(a, https), *host_b = after_scheme(b, https);

		if (host_a != NULL && host_b != NULL)
			return same_host(host_a, host_b, https);
	}
	return strcasecmp(a, b) == 0;
}

bool http_origin_good(
	const char *origin, const char *host, bool https, const struct conf_list *allowed)
{
	const char *own = after_scheme(origin, https);

	if (own != NULL && host != NULL && same_host(own, host, https))
		return true;
	for (size_t i = 0; i < allowed->n; i++)
		if (same_origin(origin, allowed->items[i]))
			return true;
	return false;
}
