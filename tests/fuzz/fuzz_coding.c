/*
 * Fuzz target: http_coding_read and http_coding_choose with any Accept-Encoding. The first byte is the set of available
 * codings. Of two mentions of a coding the first one counts, so a list before the input decides:
 *   - only an available coding is chosen, and the same one if the input comes twice;
 *   - codings that are forbidden before it are not chosen;
 *   - a coding of weight 1 before it is chosen, unless a preferred one has the same weight.
 */
#include <string.h>

#include "common/buf.h"
#include "http/http_coding.h"
#include "tests/fuzz/fuzz.h"

static enum http_coding choose(
	const char *before, const char *bytes, size_t len, const char *after, unsigned available)
{
	struct buf accept = BUF_EMPTY;
	struct http_weights weights;

	buf_add_str(&accept, before);
	buf_add(&accept, bytes, len);
	buf_add_str(&accept, after);
	weights = http_coding_read(buf_cstr(&accept));
	buf_fini(&accept);
	return http_coding_choose(&weights, available);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes + 1;
	unsigned available;
	enum http_coding chosen;
	struct buf twice = BUF_EMPTY;

	if (len == 0)
		return 0;
	available = bytes[0] & (1u << HTTP_GZIP | 1u << HTTP_BR);
	len = strnlen(text, len - 1);
	chosen = choose("", text, len, "", available);
	MUST(chosen == HTTP_IDENTITY || (available & 1u << chosen) != 0);
	buf_add_char(&twice, ',');
	buf_add(&twice, text, len);
	MUST(choose("", text, len, buf_cstr(&twice), available) == chosen);
	buf_fini(&twice);
	MUST(choose("gzip;q=0,br;q=0,", text, len, "", available) == HTTP_IDENTITY);
	MUST(choose("br;q=0,gzip,", text, len, "", available) ==
		(available & 1u << HTTP_GZIP ? HTTP_GZIP : HTTP_IDENTITY));
	if (available & 1u << HTTP_BR)
		MUST(choose("br,", text, len, "", available) == HTTP_BR);
	MUST(choose("identity,gzip;q=0.9,br;q=0.9,", text, len, "", available) == HTTP_IDENTITY);
	return 0;
}
