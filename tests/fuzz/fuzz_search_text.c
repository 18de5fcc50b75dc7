/*
 * Fuzz target: a query and a text, which a NUL separates. For a valid query:
 *   - it has at most 8 terms, each within the query and with a token;
 *   - highlights are ascending, do not overlap, and end within the text.
 */
#include <stdio.h>
#include <string.h>

#include "common/search_text.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_query(const struct search_query *q, const char *s, size_t len)
{
	MUST(q->n <= SEARCH_TEXT_TERMS_MAX);
	for (size_t i = 0; i < q->n; i++) {
		const struct search_term *t = &q->terms[i];

		MUST(t->text >= s && t->text + t->len <= s + len);
		MUST(utf8_valid(t->text, t->len));
		MUST(t->n_tokens > 0);
	}
}

/* The UTF-16 code units of valid UTF-8. */
static size_t utf16_len(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80 ? 1 : 0;
	for (size_t i = 0; i < len; i++)
		n += (unsigned char)s[i] >= 0xf0;
	return n;
}

static void check_highlights(const struct search_query *q, const char *s, size_t len)
{
	struct buf b = BUF_EMPTY;
	unsigned start, length;
	size_t end = 0, n = 0;
	const char *at;
	int used;

	search_text_put_highlights(&b, q, s, len);
	at = buf_cstr(&b);
	MUST(at[0] == '[');
	for (at++; sscanf(at, "[%u,%u]%n", &start, &length, &used) == 2; n++) {
		MUST(start >= end && length > 0);
		end = (size_t)start + length;
		at += used + (at[used] == ',');
	}
	MUST(strcmp(at, "]") == 0 && n <= SEARCH_TEXT_HIGHLIGHTS_MAX);
	MUST(end <= utf16_len(s, len));
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *s = (const char *)bytes;
	size_t query_len = strnlen(s, len);
	const char *text = query_len < len ? s + query_len + 1 : s + len;
	size_t text_len = len - (size_t)(text - s);
	struct search_query q;

	if (!utf8_valid(s, query_len) || !utf8_valid(text, text_len))
		return 0;
	if (search_text_parse(&q, s, query_len) == NULL) {
		check_query(&q, s, query_len);
		check_highlights(&q, text, text_len);
	}
	search_text_fini(&q);
	return 0;
}
