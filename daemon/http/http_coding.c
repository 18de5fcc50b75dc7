#define ZLIB_CONST
#include "http/http_coding.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "common/log.h"
#include "http/http_fields.h"

#define WEIGHT_MAX 1000 /* of 1.000 */
#define GZIP_LEVEL 1
#define GZIP_WINDOW (15 + 16) /* 32 KiB, with a gzip header */
#define GZIP_MEMORY 8 /* zlib's default: 256 KiB together with the window */

static const char *const names[HTTP_CODING_N] = {
	[HTTP_IDENTITY] = "identity",
	[HTTP_GZIP] = "gzip",
	[HTTP_BR] = "br",
};

const char *http_coding_name(enum http_coding coding)
{
	return names[coding];
}

/* RFC 9110 12.4.2: 0 to 1 with at most three decimals. A malformed weight accepts nothing. */
static int weight_value(struct text t)
{
	int weight = 0, scale = WEIGHT_MAX;

	if (t.len == 0 || t.len > 5 || t.data[0] > '1' || (t.len > 1 && t.data[1] != '.'))
		return 0;
	for (size_t i = 0; i < t.len; i++) {
		if (i == 1)
			continue;
		if (t.data[i] < '0' || t.data[i] > '9')
			return 0;
		weight += (t.data[i] - '0') * scale;
		scale /= 10;
	}
	return weight <= WEIGHT_MAX ? weight : 0;
}

/* The weight of an element from its semicolon on; "" is 1. */
static int weight_of(struct text parameter)
{
	if (parameter.len == 0)
		return WEIGHT_MAX;
	parameter = http_trim((struct text){ parameter.data + 1, parameter.len - 1 });
	if (parameter.len < 2 || strncasecmp(parameter.data, "q=", 2) != 0)
		return 0;
	return weight_value((struct text){ parameter.data + 2, parameter.len - 2 });
}

static int *place_of(struct http_weights *w, struct text name)
{
	for (int c = 0; c < HTTP_CODING_N; c++)
		if (http_is_word(name, names[c]))
			return &w->of[c];
	if (http_is_word(name, "x-gzip")) /* RFC 9110 8.4.1.3 */
		return &w->of[HTTP_GZIP];
	return http_is_word(name, "*") ? &w->others : NULL;
}

/* The first mention of a coding counts. */
static void read_element(struct http_weights *w, struct text element)
{
	const char *semicolon = memchr(element.data, ';', element.len);
	size_t len = semicolon != NULL ? (size_t)(semicolon - element.data) : element.len;
	int *place = place_of(w, http_trim((struct text){ element.data, len }));

	if (place != NULL && *place < 0)
		*place = weight_of((struct text){ element.data + len, element.len - len });
}

static int weight_in(const struct http_weights *w, enum http_coding coding)
{
	return w->of[coding] >= 0 ? w->of[coding] : w->others;
}

struct http_weights http_coding_read(const char *accept)
{
	struct http_weights w = { { -1, -1, -1 }, -1 };
	struct text e;

	while (http_element_next(&accept, &e))
		read_element(&w, e);
	return w;
}

enum http_coding http_coding_choose(const struct http_weights *w, unsigned available)
{
	enum http_coding best = HTTP_IDENTITY;

	for (enum http_coding c = HTTP_IDENTITY + 1; c < HTTP_CODING_N; c++)
		if ((available & 1u << c) != 0 && weight_in(w, c) > 0 &&
			weight_in(w, c) >= weight_in(w, best))
			best = c;
	return best;
}

void http_coding_gzip(struct buf *out, const char *bytes, size_t len)
{
	z_stream z = { .next_in = (const Bytef *)bytes, .avail_in = (uInt)len };
	size_t bound;

	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		log_fatal("out_of_memory what=gzip");
	bound = deflateBound(&z, len);
	z.next_out = (Bytef *)buf_reserve(out, bound);
	z.avail_out = (uInt)bound;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		log_fatal("gzip_failed len=%zu", len);
	out->len += z.total_out;
	deflateEnd(&z);
}
