#include "common/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/secret.h"
#include "common/xalloc.h"

#define BRAILLE_BLANK 0x2800
#define NFC (UTF8PROC_STABLE | UTF8PROC_COMPOSE)
#define NFKC_CASEFOLD (NFC | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE)

/* The text is decomposed into an array of code points, which is then composed and encoded in place. */
static char *normalize(const char *s, size_t len, size_t *form_len, utf8proc_option_t form,
	utf8proc_custom_func map)
{
	const uint8_t *bytes = (const uint8_t *)s;
	utf8proc_ssize_t n =
		utf8proc_decompose_custom(bytes, (utf8proc_ssize_t)len, NULL, 0, form, map, NULL);
	int32_t *points;

	if (n < 0)
		return NULL;
	points = xmalloc((size_t)n * sizeof(*points) + 1);
	utf8proc_decompose_custom(bytes, (utf8proc_ssize_t)len, points, n, form, map, NULL);
	n = utf8proc_reencode(points, n, form);
	if (n < 0) {
		secret_free(points);
		return NULL;
	}
	*form_len = (size_t)n;
	return (char *)points;
}

char *unicode_nfc(const char *s, size_t len, size_t *nfc_len)
{
	return normalize(s, len, nfc_len, NFC, NULL);
}

static int32_t map_space(int32_t c, void *unused)
{
	(void)unused;
	return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ? ' ' : c;
}

char *unicode_opaque(const char *s, size_t len, size_t *opaque_len)
{
	return normalize(s, len, opaque_len, NFC, map_space);
}

/* Line separators and the control characters that are white space (White_Space, PropList.txt) end a word as well. */
static int32_t map_white_space(int32_t c, void *unused)
{
	utf8proc_category_t category = utf8proc_category(c);

	if ((c >= '\t' && c <= '\r') || c == 0x85 || category == UTF8PROC_CATEGORY_ZL ||
		category == UTF8PROC_CATEGORY_ZP)
		return ' ';
	return map_space(c, unused);
}

void unicode_put_words(struct buf *to, const char *s, size_t len)
{
	size_t folded_len;
	char *folded = normalize(s, len, &folded_len, NFKC_CASEFOLD, map_white_space),
	     *rest = folded;
	const char *word;

	if (folded == NULL)
		return;
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		if (to->len > 0)
			buf_add_char(to, ' ');
		buf_add_str(to, word);
	}
	free(folded);
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
