#include "http/http_proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "http/http_fields.h"

struct address {
	int family; /* 0: none */
	unsigned char bytes[16];
};

static struct address parse(const char *text)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address a = { 0, { 0 } };

	if (inet_pton(AF_INET, text, a.bytes) == 1) {
		a.family = AF_INET;
	} else if (inet_pton(AF_INET6, text, a.bytes) == 1) {
		a.family = AF_INET6;
		if (memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
			a.family = AF_INET;
			memmove(a.bytes, a.bytes + sizeof(mapped), 4);
			memset(a.bytes + 4, 0, sizeof(a.bytes) - 4);
		}
	}
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

/* Takes the last element off a list of *len bytes, without white space; false if there is none. Empty elements are
 * skipped (RFC 9110 5.6.1). */
static bool last_element(const char *list, size_t *len, struct text *element)
{
	size_t start, end;

	while (*len > 0 && strchr(", \t", list[*len - 1]) != NULL)
		--*len;
	for (end = start = *len; start > 0 && list[start - 1] != ',';)
		start--;
	*len = start;
	while (start < end && strchr(" \t", list[start]) != NULL)
		start++;
	*element = (struct text){ list + start, end - start };
	return element->len > 0;
}

unsigned http_proxy_client(
	char address[HTTP_ADDRESS_MAX], const char *forwarded, const struct conf_list *trusted)
{
	size_t len = strlen(forwarded);
	struct text e;
	unsigned n = 0;

	while (http_proxy_trusted(address, trusted) && last_element(forwarded, &len, &e)) {
		char entry[HTTP_ADDRESS_MAX];

		if (e.len >= sizeof(entry))
			break;
		memcpy(entry, e.data, e.len);
		entry[e.len] = '\0';
		if (parse(entry).family == 0)
			break;
		memcpy(address, entry, e.len + 1);
		n++;
	}
	return n;
}

bool http_proxy_https(const char *protos, unsigned hops)
{
	size_t len = strlen(protos);
	struct text e, proto = { "", 0 };

	do {
		if (!last_element(protos, &len, &e))
			break;
		proto = e;
	} while (hops-- > 1);
	return http_is_word(proto, "https") || http_is_word(proto, "wss");
}
