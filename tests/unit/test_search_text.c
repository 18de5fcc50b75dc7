/* search_text: see common/search_text.h. */
#include "common/search_text.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static const char *parse(struct search_query *q, const char *s)
{
	return search_text_parse(q, s, strlen(s));
}

static char *highlights(const char *query, const char *text)
{
	struct search_query q;
	struct buf b = BUF_EMPTY;
	char *result;

	ck_assert_msg(parse(&q, query) == NULL, "%s", query);
	search_text_put_highlights(&b, &q, text, strlen(text));
	result = strdup(buf_cstr(&b));
	buf_fini(&b);
	search_text_fini(&q);
	return result;
}

static void check(const char *query, const char *text, const char *expected)
{
	char *found = highlights(query, text);

	ck_assert_msg(
		strcmp(found, expected) == 0, "%s in %s: %s, not %s", query, text, found, expected);
	free(found);
}

START_TEST(a_query_is_words_phrases_and_parts)
{
	struct search_query q;

	ck_assert_ptr_null(parse(&q, "  Foo \"go home\" *art & x\"y z"));
	ck_assert_uint_eq(q.n, 5);
	ck_assert_int_eq(q.terms[0].kind, SEARCH_WORD);
	ck_assert_int_eq(q.terms[1].kind, SEARCH_PHRASE);
	ck_assert_uint_eq(q.terms[1].n_tokens, 2);
	ck_assert_int_eq(q.terms[2].kind, SEARCH_PART);
	ck_assert(q.terms[2].len == 3 && memcmp(q.terms[2].text, "art", 3) == 0);
	ck_assert_int_eq(q.terms[3].kind, SEARCH_WORD);
	ck_assert_int_eq(q.terms[4].kind, SEARCH_PHRASE);
	search_text_fini(&q);
	ck_assert_ptr_null(parse(&q, "\xE2\x80\x9Cgo home\xE2\x80\x9D")); /* U+201C, U+201D */
	ck_assert(q.n == 1 && q.terms[0].kind == SEARCH_PHRASE);
	search_text_fini(&q);
	ck_assert_ptr_null(parse(&q, ""));
	ck_assert_uint_eq(q.n, 0);
	search_text_fini(&q);
}
END_TEST

START_TEST(a_query_that_is_too_long_or_has_no_letters_is_not_valid)
{
	static const char *const bad[] = { "*ab", "...", "\"\"", "*", "a b c d e f g h i", " ",
		"*\xC3\xA9\xC3\xA9" /* éé */, "\xE2\x80\xA6" /* … */ };
	static const char *const good[] = { "a b c d e f g h", "*abc", "*\xE4\xBD\xA0" /* 你 */,
		"... a", "\xF0\x9F\x98\x80" /* emoji */ };
	char longest[257];
	struct search_query q;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(parse(&q, bad[i]) != NULL, "%s", bad[i]);
		search_text_fini(&q);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(parse(&q, good[i]) == NULL, "%s", good[i]);
		search_text_fini(&q);
	}
	memset(longest, 'x', sizeof(longest));
	ck_assert_ptr_nonnull(search_text_parse(&q, longest, 257));
	search_text_fini(&q);
	ck_assert_ptr_null(search_text_parse(&q, longest, 256));
	search_text_fini(&q);
}
END_TEST

START_TEST(terms_are_found_by_the_rules_of_their_kind)
{
	check("foo", "foo foobar xfoo (foo) FOO", "[[0,3],[4,3],[17,3],[22,3]]");
	check("a", "a ab b-a", "[[0,1],[7,1]]");
	check("*foo", "xfoo foo", "[[1,3],[5,3]]");
	check("\"go home\"", "go homeward; Go,  home!", "[[13,9]]");
	check("go-ho", "go home gone", "[[0,5]]");
	check("foo foobar", "foobar", "[[0,6]]");
	check("100%", "1000 100% 5100", "[[0,3],[5,3]]");
}
END_TEST

START_TEST(case_accents_and_compatible_forms_do_not_matter)
{
	check("angstrom", "\xC3\x85ngstr\xC3\xB6m A\xCC\x8Angstro\xCC\x88m", "[[0,8],[9,10]]");
	check("fi", "\xEF\xAC\x81ne", "[[0,1]]"); /* ﬁ */
	check("abc", "\xEF\xBC\xA1\xEF\xBC\xA2\xEF\xBC\xA3", "[[0,3]]"); /* ＡＢＣ */
	check("istanbul", "\xC4\xB0stanbul", "[[0,8]]"); /* İ */
	check("\xD0\xB5", "\xD1\x91", "[[0,1]]"); /* е, ё */
	check("strasse",
		"stra\xC3\x9F"
		"e",
		"[]");
	check("\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82", "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", "[[0,4]]");
}
END_TEST

START_TEST(ideographs_kana_hangul_and_emoji_are_found_anywhere)
{
	check("\xE4\xBD\xA0\xE5\xA5\xBD", "x\xE4\xBD\xA0\xE5\xA5\xBD\xE5\x90\x97", "[[1,2]]");
	check("\xED\x95\x98", "\xED\x95\x9C\xED\x95\x98", "[[1,1]]"); /* 하 is not in 한 */
	check("\xE3\x81\x8B", "\xE3\x81\x8B\xE3\x82\x99\xE3\x81\x8B",
		"[[2,1]]"); /* か + U+3099 is が */
	check("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80great\xF0\x9F\x98\x80", "[[0,2],[7,2]]");
	check("great", "\xF0\x9F\x98\x80great\xF0\x9F\x98\x80", "[[2,5]]");
	check("\xE2\x9D\xA4\xEF\xB8\x8F", "\xE2\x9D\xA4", "[[0,1]]"); /* with and without U+FE0F */
}
END_TEST

START_TEST(highlights_are_ascending_bounded_and_do_not_overlap)
{
	static char text[16384];
	char *found;

	check("*aaa", "aaaaaaa", "[[0,3],[3,3]]");
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 == 0 ? 'a' : ' ';
	found = highlights("a", text);
	ck_assert_ptr_nonnull(strstr(found, ",[198,1]]"));
	free(found);
	/* A long run of marks. */
	for (size_t i = 1; i < sizeof(text) - 1; i++)
		text[i] = i % 2 == 1 ? '\xCC' : '\x81';
	found = highlights("a", text);
	ck_assert_ptr_nonnull(strstr(found, "[[0,"));
	free(found);
	check("foo", "", "[]");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("search_text");
	TCase *tc = tcase_create("search_text");

	tcase_add_test(tc, a_query_is_words_phrases_and_parts);
	tcase_add_test(tc, a_query_that_is_too_long_or_has_no_letters_is_not_valid);
	tcase_add_test(tc, terms_are_found_by_the_rules_of_their_kind);
	tcase_add_test(tc, case_accents_and_compatible_forms_do_not_matter);
	tcase_add_test(tc, ideographs_kana_hangul_and_emoji_are_found_anywhere);
	tcase_add_test(tc, highlights_are_ascending_bounded_and_do_not_overlap);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
