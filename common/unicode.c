#include "common/unicode.h"

#include <stdint.h>
#include <utf8proc.h>

#include "common/secret.h"
#include "common/xalloc.h"

#define BRAILLE_BLANK 0x2800
#define NFC (UTF8PROC_STABLE | UTF8PROC_COMPOSE)

/* The text is decomposed into an array of code points, which is then composed and encoded in place. */
static char *normalize(const char *s, size_t len, size_t *nfc_len, utf8proc_custom_func map)
{
	const uint8_t *bytes = (const uint8_t *)s;
	utf8proc_ssize_t n =
		utf8proc_decompose_custom(bytes, (utf8proc_ssize_t)len, NULL, 0, NFC, map, NULL);
	int32_t *points;

	if (n < 0)
		return NULL;
	points = xmalloc((size_t)n * sizeof(*points) + 1);
	utf8proc_decompose_custom(bytes, (utf8proc_ssize_t)len, points, n, NFC, map, NULL);
	n = utf8proc_reencode(points, n, NFC);
	if (n < 0) {
		secret_free(points);
		return NULL;
	}
	*nfc_len = (size_t)n;
	return (char *)points;
}

char *unicode_nfc(const char *s, size_t len, size_t *nfc_len)
{
	return normalize(s, len, nfc_len, NULL);
}

static int32_t map_space(int32_t c, void *unused)
{
	(void)unused;
	return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ? ' ' : c;
}

char *unicode_opaque(const char *s, size_t len, size_t *opaque_len)
{
	return normalize(s, len, opaque_len, map_space);
}

static bool is_visible(int32_t c)
{
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	default:
		return !utf8proc_get_property(c)->ignorable && c != BRAILLE_BLANK;
	}
}

bool unicode_visible(const char *s, size_t len)
{
	const uint8_t *at = (const uint8_t *)s;
	int32_t c;

	while (len > 0) {
		utf8proc_ssize_t n = utf8proc_iterate(at, (utf8proc_ssize_t)len, &c);

		if (n <= 0)
			return false;
		if (is_visible(c))
			return true;
		at += n;
		len -= (size_t)n;
	}
	return false;
}
