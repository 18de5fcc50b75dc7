#include "http/http_origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* "host:80" is as good as "host" over http, "host:443" over https. */
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

/* What follows the scheme, NULL where it is another one. */
static const char *behind_scheme(const char *origin, bool https)
{
	const char *scheme = https ? "https://" : "http://";
	size_t len = strlen(scheme);

	return strncasecmp(origin, scheme, len) == 0 ? origin + len : NULL;
}

static bool same_origin(const char *a, const char *b)
{
	for (int https = 0; https <= 1; https++) {
		const char *host_a = behind_scheme(a, https), *host_b = behind_scheme(b, https);

		if (host_a != NULL && host_b != NULL)
			return same_host(host_a, host_b, https);
	}
	return strcasecmp(a, b) == 0;
}

bool http_origin_good(
	const char *origin, const char *host, bool https, const struct conf_list *allowed)
{
	const char *own = behind_scheme(origin, https);

	if (own != NULL && host != NULL && same_host(own, host, https))
		return true;
	for (size_t i = 0; i < allowed->n; i++)
		if (same_origin(origin, allowed->items[i]))
			return true;
	return false;
}

struct address {
	int family; /* 0: none */
	unsigned char bytes[16];
};

static struct address parse(const char *text)
{
	struct address a = { 0, { 0 } };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	return a;
}

bool http_proxy_trusted(const char *address, const struct conf_list *trusted)
{
	struct address a = parse(address);

	for (size_t i = 0; a.family != 0 && i < trusted->n; i++) {
		struct address b = parse(trusted->items[i]);

		if (a.family == b.family && memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0)
			return true;
	}
	return false;
}

void http_proxy_client(
	char address[HTTP_ADDRESS_MAX], const char *forwarded, const struct conf_list *trusted)
{
	const char *end = forwarded != NULL ? forwarded + strlen(forwarded) : NULL;

	while (end != NULL && http_proxy_trusted(address, trusted)) {
		char entry[HTTP_ADDRESS_MAX];
		const char *start = end;
		size_t len;

		while (start > forwarded && start[-1] != ',')
			start--;
		len = (size_t)(end - start);
		end = start > forwarded ? start - 1 : NULL;
		while (len > 0 && (*start == ' ' || *start == '\t')) {
			start++;
			len--;
		}
		while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
			len--;
		if (len >= sizeof(entry))
			return;
		memcpy(entry, start, len);
		entry[len] = '\0';
		if (parse(entry).family == 0)
			return;
		memcpy(address, entry, len + 1);
	}
}
