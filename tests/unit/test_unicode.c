/* Tests of common/unicode against Unicode's examples and data. */
#include "common/unicode.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct pair {
	const char *text, *form;
};

static void form_is(char *form, size_t len, const struct pair *p)
{
	ck_assert_msg(form != NULL, "%s", p->text);
	ck_assert_uint_eq(len, strlen(p->form));
	ck_assert_str_eq(form, p->form);
	free(form);
}

/* UAX #15, figures 3 to 5 and table 4; NormalizationTest.txt. */
START_TEST(nfc_is_as_in_uax_15)
{
	static const struct pair pairs[] = {
		{ "", "" },
		{ "plain ascii", "plain ascii" },
		{ "a\xCC\x88", "\xC3\xA4" }, /* a, combining diaeresis: U+00E4 */
		{ "\xC3\xA4", "\xC3\xA4" },
		{ "\xE2\x84\xAB", "\xC3\x85" }, /* angstrom sign: U+00C5 */
		{ "\xE2\x84\xA6", "\xCE\xA9" }, /* ohm sign: omega */
		{ "d\xCC\xA3\xCC\x87", "\xE1\xB8\x8D\xCC\x87" }, /* U+1E0D U+0307 */
		{ "d\xCC\x87\xCC\xA3", "\xE1\xB8\x8D\xCC\x87" }, /* the marks in the other order */
		{ "\xEF\xAC\x81", "\xEF\xAC\x81" }, /* the ligature fi: compatibility only */
		{ "\xE0\xA5\x98",
			"\xE0\xA4\x95\xE0\xA4\xBC" }, /* U+0958 is excluded from composition */
		{ "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C" }, /* jamo: U+D55C */
		{ "\xE1\xBE\x82", "\xE1\xBE\x82" }, /* U+1F82, four code points in NFD */
		{ "\xCE\xB1\xCC\x93\xCC\x80\xCD\x85", "\xE1\xBE\x82" },
		{ "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t len;
		char *form = unicode_nfc(pairs[i].text, strlen(pairs[i].text), &len);

		form_is(form, len, &pairs[i]);
	}
}
END_TEST

/* NFKC_Casefold of DerivedNormalizationProps.txt, then words. */
START_TEST(words_are_folded_and_separated_by_one_space)
{
	static const struct pair pairs[] = {
		{ "", "" }, { " \t\n", "" }, { "Ada  LOVELACE ", "ada lovelace" },
		{ "\xC3\x89milie", "\xC3\xA9milie" }, { "E\xCC\x81milie", "\xC3\xA9milie" },
		{ "\xCE\xA3\xCE\x91\xCF\x82", "\xCF\x83\xCE\xB1\xCF\x83" }, /* final sigma */
		{ "Stra\xC3\x9F"
		  "e",
			"strasse" },
		{ "\xC4\xB0I", "i\xCC\x87i" }, /* not as in Turkish */
		{ "\xEF\xBC\xA1\xE3\x80\x80\xEF\xBC\xA2", "a b" }, /* fullwidth */
		{ "a\xC2\x85"
		  "b\xE2\x80\xA8"
		  "c\xC2\xA0"
		  "d",
			"a b c d" },
		{ "zero\xE2\x80\x8B width", "zero width" },
		{ "\xC2\xB4x", "\xCC\x81x" }, /* its compatibility form begins with a space */
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buf words = BUF_EMPTY;

		unicode_put_words(&words, pairs[i].text, strlen(pairs[i].text));
		ck_assert_str_eq(buf_cstr(&words), pairs[i].form);
		unicode_put_words(&words, "Z", 1);
		ck_assert_uint_eq(words.len, strlen(pairs[i].form) + (i > 1 ? 2 : 1));
		buf_fini(&words);
	}
}
END_TEST

START_TEST(invalid_utf8_has_no_words)
{
	struct buf words = BUF_EMPTY;

	unicode_put_words(&words, "a\xC3", 2);
	ck_assert_uint_eq(words.len, 0);
	buf_fini(&words);
}
END_TEST

START_TEST(nul_is_kept_and_invalid_utf8_has_no_form)
{
	size_t len;
	char *form = unicode_nfc("a\0a\xCC\x88", 5, &len);

	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(form, "a\0\xC3\xA4", 5);
	free(form);
	ck_assert_ptr_null(unicode_nfc("a\xC3", 2, &len));
	ck_assert_ptr_null(unicode_nfc("\xED\xA0\x80", 3, &len));
	ck_assert_ptr_null(unicode_opaque("\xFF", 1, &len));
}
END_TEST

/* RFC 8265, section 4.2.2: spaces are mapped, case and width are kept, then NFC. */
START_TEST(an_opaque_string_has_ascii_spaces_and_its_case)
{
	static const struct pair pairs[] = {
		{ "Correct Horse", "Correct Horse" },
		{ "a\xC2\xA0"
		  "b\xE3\x80\x80"
		  "c\xE2\x80\x83"
		  "d\xE1\x9A\x80",
			"a b c d " }, /* U+00A0, U+3000, U+2003, U+1680 */
		{ "\t\n", "\t\n" },
		{ "\xE2\x80\x8B", "\xE2\x80\x8B" }, /* the zero width space is no space */
		{ "pa\xCC\x88ss", "p\xC3\xA4ss" },
		{ "\xEF\xBC\xA1", "\xEF\xBC\xA1" }, /* fullwidth A */
		{ "\xE2\x80\x80", " " }, /* U+2000, canonically U+2002 */
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t len;
		char *form = unicode_opaque(pairs[i].text, strlen(pairs[i].text), &len);

		form_is(form, len, &pairs[i]);
	}
}
END_TEST

START_TEST(a_visible_code_point_makes_a_text_visible)
{
	static const char *const visible[] = {
		"a", " . ", "\xC3\xA9", "\xE3\x85\xA4x", /* U+3164 and a letter */
		"\xF0\x9F\x98\x80", "\xE2\xA0\x81", /* U+2801, a Braille pattern with a dot */
		"\xCC\x88", /* a combining mark alone has a glyph */
		"\xE1\x84\x80", /* U+1100, a Hangul jamo */
		"\xEF\xBF\xBD", /* U+FFFD, the replacement character */
	};
	static const char *const invisible[] = {
		"",
		" ",
		"\t\n\x01\x7F",
		"\xC2\x85", /* U+0085 */
		"\xC2\xA0", /* U+00A0 */
		"\xC2\xAD", /* U+00AD soft hyphen */
		"\xCD\x8F", /* U+034F combining grapheme joiner */
		"\xD8\x9C", /* U+061C */
		"\xE1\x85\x9F\xE1\x85\xA0", /* U+115F, U+1160 Hangul fillers */
		"\xE1\x9A\x80", /* U+1680 */
		"\xE1\x9E\xB4", /* U+17B4 */
		"\xE1\xA0\x8B\xE1\xA0\x8E", /* U+180B, U+180E */
		"\xE2\x80\x8B\xE2\x80\xAE", /* U+200B, U+202E */
		"\xE2\x80\xA8\xE2\x80\xA9", /* U+2028, U+2029 */
		"\xE2\x81\xA0\xE2\x81\xA5", /* U+2060, U+2065 (unassigned, ignorable) */
		"\xE2\xA0\x80", /* U+2800 */
		"\xE3\x80\x80", /* U+3000 */
		"\xE3\x85\xA4", /* U+3164 Hangul filler */
		"\xEE\x80\x80", /* U+E000 private use */
		"\xEF\xB8\x8F", /* U+FE0F variation selector */
		"\xEF\xBB\xBF", /* U+FEFF */
		"\xEF\xBE\xA0", /* U+FFA0 halfwidth Hangul filler */
		"\xEF\xBF\xBE", /* U+FFFE noncharacter */
		"\xF0\x9D\x85\xB3", /* U+1D173 */
		"\xF0\x9B\xB2\xA0", /* U+1BCA0 shorthand format control */
		"\xF3\xA0\x81\x81\xF3\xA0\x87\xAF", /* U+E0041 tag, U+E01EF variation selector */
		"\xF3\xB0\x80\x80", /* U+F0000 private use */
		"\xCD\xB8", /* U+0378 unassigned */
		"\xE3\x85\xA4\xE2\xA0\x80 \xEF\xB8\x8F",
	};

	for (size_t i = 0; i < sizeof(visible) / sizeof(visible[0]); i++)
		ck_assert_msg(unicode_visible(visible[i], strlen(visible[i])), "visible %zu", i);
	for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++)
		ck_assert_msg(
			!unicode_visible(invisible[i], strlen(invisible[i])), "invisible %zu", i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unicode");
	TCase *tc = tcase_create("unicode");

	tcase_add_test(tc, nfc_is_as_in_uax_15);
	tcase_add_test(tc, nul_is_kept_and_invalid_utf8_has_no_form);
	tcase_add_test(tc, words_are_folded_and_separated_by_one_space);
	tcase_add_test(tc, invalid_utf8_has_no_words);
	tcase_add_test(tc, an_opaque_string_has_ascii_spaces_and_its_case);
	tcase_add_test(tc, a_visible_code_point_makes_a_text_visible);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
