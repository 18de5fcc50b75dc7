/* Tests of common/emoji against Unicode's emoji-test.txt and against texts that are not one emoji (UTS #51). */
#include "common/emoji.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#define VS15 "\xEF\xB8\x8E" /* U+FE0E */
#define VS16 "\xEF\xB8\x8F" /* U+FE0F */
#define ZWJ "\xE2\x80\x8D"
#define KEYCAP "\xE2\x83\xA3"
#define HEART "\xE2\x9D\xA4" /* U+2764, text presentation by default */
#define WAVE "\xF0\x9F\x91\x8B" /* U+1F44B, Emoji_Modifier_Base */
#define GRIN "\xF0\x9F\x98\x80" /* U+1F600, not Emoji_Modifier_Base */
#define TONE "\xF0\x9F\x8F\xBF" /* U+1F3FF */
#define RI_D "\xF0\x9F\x87\xA9"
#define RI_E "\xF0\x9F\x87\xAA"
#define BLACK_FLAG "\xF0\x9F\x8F\xB4"
#define TAG_G "\xF3\xA0\x81\xA7"
#define TAG_END "\xF3\xA0\x81\xBF"

static void put_utf8(struct buf *b, unsigned long c)
{
	if (c >= 0x10000)
		buf_add_char(b, (char)(0xF0 | c >> 18));
	else if (c >= 0x800)
		buf_add_char(b, (char)(0xE0 | c >> 12));
	else if (c >= 0x80)
		buf_add_char(b, (char)(0xC0 | c >> 6));
	else
		buf_add_char(b, (char)c);
	for (int shift = c >= 0x10000 ? 12
			: c >= 0x800  ? 6
				      : 0;
		c >= 0x80 && shift >= 0; shift -= 6)
		buf_add_char(b, (char)(0x80 | (c >> shift & 0x3F)));
}

/* Reads the code points of a line of emoji-test.txt. Returns its status, or NULL for a line without one. */
static const char *read_line(const char *line, struct buf *emoji, struct buf *bare)
{
	char *end;

	emoji->len = bare->len = 0;
	while (*line != ';') {
		unsigned long c = strtoul(line, &end, 16);

		if (end == line)
			return NULL;
		put_utf8(emoji, c);
		if (c != 0xFE0F)
			put_utf8(bare, c);
		line = end + strspn(end, " ");
	}
	return line + strspn(line, "; ");
}

static size_t read_all(const char *s, char emoji[EMOJI_MAX])
{
	return emoji_read(s, strlen(s), emoji);
}

/* Components are tones and hair, which are not emoji on their own here. */
START_TEST(each_emoji_of_unicode_is_accepted_and_given_back_without_its_selector)
{
	FILE *file = fopen(UNICODE_DATA "/emoji/emoji-test.txt", "r");
	struct buf sent = BUF_EMPTY, bare = BUF_EMPTY;
	char line[512], emoji[EMOJI_MAX];
	size_t n = 0;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *status = read_line(line, &sent, &bare);

		if (status == NULL || strncmp(status, "component", 9) == 0)
			continue;
		ck_assert_msg(emoji_read(sent.data, sent.len, emoji) == bare.len, "%s", line);
		ck_assert_mem_eq(emoji, bare.data, bare.len);
		ck_assert_msg(emoji_read(bare.data, bare.len, emoji) == bare.len, "%s", line);
		n++;
	}
	ck_assert_uint_gt(n, 4500);
	fclose(file);
	buf_fini(&sent);
	buf_fini(&bare);
}
END_TEST

START_TEST(what_the_grammar_allows_beyond_the_list_is_accepted)
{
	static const char *const texts[] = {
		RI_D RI_D, /* no such country */
		HEART ZWJ GRIN, /* no such sequence */
		BLACK_FLAG TAG_G TAG_END,
		"\xC2\xA9", /* copyright sign: Emoji */
		"*" KEYCAP,
		WAVE TONE ZWJ HEART VS16,
	};
	char emoji[EMOJI_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(read_all(texts[i], emoji) > 0, "%s", texts[i]);
}
END_TEST

START_TEST(what_is_not_one_emoji_is_rejected)
{
	static const char *const texts[] = {
		"", "a", "1", "#", "1" VS16, "12" KEYCAP, "1" TAG_G TAG_END, "#" TAG_G TAG_END, "a" KEYCAP, KEYCAP, GRIN GRIN, GRIN " ",
		" " GRIN, GRIN "a", HEART VS15, HEART VS16 VS16, VS16, VS16 HEART, TONE, GRIN TONE,
		WAVE TONE TONE, WAVE VS16 TONE, WAVE TONE VS16, GRIN ZWJ, ZWJ GRIN, ZWJ,
		GRIN ZWJ ZWJ GRIN, GRIN ZWJ TONE, GRIN ZWJ "a", GRIN ZWJ "1", RI_D, RI_D RI_E RI_D,
		RI_D RI_E RI_D RI_E, RI_D ZWJ RI_E, GRIN ZWJ RI_D RI_E, RI_D RI_E VS16,
		BLACK_FLAG TAG_G, BLACK_FLAG TAG_END, BLACK_FLAG TAG_G TAG_END TAG_END,
		BLACK_FLAG VS16 TAG_G TAG_END, TAG_G TAG_END, "\xE2\x80\x8B", /* zero-width space */
		"\xF0\x9F\x98\x80\xCC\x81", /* with a combining accent */
	};
	char emoji[EMOJI_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(read_all(texts[i], emoji) == 0, "text %zu", i);
	ck_assert_uint_eq(emoji_read(GRIN "\0", 5, emoji), 0);
}
END_TEST

/* The limit counts the bytes as sent, with U+FE0F. */
START_TEST(an_emoji_has_at_most_64_bytes)
{
	struct buf b = BUF_EMPTY;
	char emoji[EMOJI_MAX];

	buf_add_str(&b, GRIN);
	for (int i = 0; i < 8; i++)
		buf_add_str(&b, ZWJ GRIN);
	ck_assert_uint_eq(b.len, 60);
	buf_add_str(&b, VS16);
	ck_assert_uint_eq(emoji_read(b.data, b.len, emoji), 60);
	b.len = 60;
	buf_add_str(&b, ZWJ "\xC2\xA9"); /* 65 */
	ck_assert_uint_eq(emoji_read(b.data, b.len, emoji), 0);
	b.len = 57;
	buf_add_str(&b, HEART VS16); /* not joined */
	ck_assert_uint_eq(emoji_read(b.data, b.len, emoji), 0);
	buf_fini(&b);
}
END_TEST

/* The number that emoji-data.txt gives for the property Emoji, its first one. */
static size_t emoji_total(void)
{
	FILE *file = fopen(UNICODE_DATA "/emoji/emoji-data.txt", "r");
	char line[512];
	size_t total = 0;

	ck_assert_ptr_nonnull(file);
	while (total == 0 && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "# Total elements: ", 18) == 0)
			total = strtoul(line + 18, NULL, 10);
	fclose(file);
	return total;
}

START_TEST(of_single_code_points_only_the_emoji_are_accepted)
{
	struct buf b = BUF_EMPTY;
	char emoji[EMOJI_MAX];
	size_t n = 0;

	for (unsigned long c = 1; c <= 0x10FFFF; c++) {
		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		b.len = 0;
		put_utf8(&b, c);
		n += emoji_read(b.data, b.len, emoji) > 0;
	}
	/* Those with the property Emoji, without 12 in ASCII, 5 tones and 26 regional indicators. */
	ck_assert_uint_eq(n, emoji_total() - 12 - 5 - 26);
	buf_fini(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emoji");
	TCase *tc = tcase_create("emoji");

	tcase_add_test(tc, each_emoji_of_unicode_is_accepted_and_given_back_without_its_selector);
	tcase_add_test(tc, what_the_grammar_allows_beyond_the_list_is_accepted);
	tcase_add_test(tc, what_is_not_one_emoji_is_rejected);
	tcase_add_test(tc, an_emoji_has_at_most_64_bytes);
	tcase_add_test(tc, of_single_code_points_only_the_emoji_are_accepted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
