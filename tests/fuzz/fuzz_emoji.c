/*
 * Fuzz target: emoji_read with any text. What it accepts has no U+FE0F any more, is accepted again as it is, and is not
 * accepted twice in a row.
 */
#include <string.h>

#include "common/emoji.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char emoji[EMOJI_MAX], again[EMOJI_MAX], twice[2 * EMOJI_MAX];
	size_t n;

	if (!utf8_valid(bytes, len))
		return 0;
	n = emoji_read((const char *)bytes, len, emoji);
	MUST(n <= len && n <= EMOJI_MAX);
	if (n == 0)
		return 0;
	MUST(utf8_valid(emoji, n));
	MUST(emoji_read(emoji, n, again) == n && memcmp(emoji, again, n) == 0);
	memcpy(twice, emoji, n);
	memcpy(twice + n, emoji, n);
	MUST(emoji_read(twice, 2 * n, again) == 0);
	return 0;
}
