/* Tests of common/utf8 against RFC 3629. */
#include "common/utf8.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/*
 * A decoder after RFC 3629, section 3, unlike the module: it computes the value, then checks it against the range of its
 * length. Returns the length of a valid character in bytes, or 0.
 */
static size_t reference_length(const uint8_t *at, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = at[0] < 0x80    ? 1
		: at[0] >> 5 == 6  ? 2
		: at[0] >> 4 == 14 ? 3
		: at[0] >> 3 == 30 ? 4
				   : 0;
	uint32_t value;

	if (n == 0 || n > len)
		return 0;
	value = n == 1 ? at[0] : at[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		value = value << 6 | (at[i] & 0x3F);
	}
	if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
		return 0;
	return n;
}

static bool reference_valid(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = reference_length(bytes + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

START_TEST(every_sequence_of_up_to_three_bytes_is_checked_as_in_rfc_3629)
{
	uint8_t bytes[3];

	for (uint32_t v = 0; v < 1u << 24; v++) {
		bytes[0] = (uint8_t)(v >> 16);
		bytes[1] = (uint8_t)(v >> 8);
		bytes[2] = (uint8_t)v;
		for (size_t len = 1; len <= 3; len++) {
			if (len < 3 && bytes[2] != 0)
				continue; /* each shorter sequence once */
			if (utf8_valid(bytes, len) != reference_valid(bytes, len))
				ck_abort_msg("%06x, %zu bytes", v, len);
		}
	}
}
END_TEST

/* Every first byte, with each other byte at the limits of its ranges. */
START_TEST(four_byte_sequences_are_checked_as_in_rfc_3629)
{
	static const uint8_t edge[] = { 0x00, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBE, 0xBF,
		0xC0, 0xE0, 0xFF };
	uint8_t bytes[4];
	int valid = 0;

	for (int first = 0; first < 256; first++)
		for (size_t v = 0; v < sizeof(edge) * sizeof(edge) * sizeof(edge); v++) {
			bytes[0] = (uint8_t)first;
			bytes[1] = edge[v % sizeof(edge)];
			bytes[2] = edge[v / sizeof(edge) % sizeof(edge)];
			bytes[3] = edge[v / sizeof(edge) / sizeof(edge)];
			ck_assert_int_eq(utf8_valid(bytes, 4), reference_valid(bytes, 4));
			valid += first >= 0xF0 && utf8_valid(bytes, 4);
		}
	ck_assert_int_gt(valid, 0);
}
END_TEST

START_TEST(the_empty_text_is_valid)
{
	ck_assert(utf8_valid("", 0));
	ck_assert_uint_eq(utf8_count("", 0), 0);
	ck_assert_uint_eq(utf8_feed(UTF8_START, "", 0), UTF8_START);
}
END_TEST

START_TEST(nul_is_a_valid_character)
{
	ck_assert(utf8_valid("a\0b", 3));
	ck_assert_uint_eq(utf8_count("a\0b", 3), 3);
}
END_TEST

/* RFC 6455, section 8.1: a text arrives in pieces, which may split a character. */
START_TEST(a_text_in_pieces_gives_the_same_result)
{
	static const char text[] = "plain ascii, \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and more";
	size_t len = sizeof(text) - 1;

	for (size_t first = 0; first <= len; first++)
		for (size_t second = first; second <= len; second++) {
			utf8_state state = utf8_feed(UTF8_START, text, first);

			state = utf8_feed(state, text + first, second - first);
			state = utf8_feed(state, text + second, len - second);
			ck_assert_uint_eq(state, UTF8_START);
		}
}
END_TEST

START_TEST(an_incomplete_character_is_neither_broken_nor_valid)
{
	utf8_state state = utf8_feed(UTF8_START, "\xF0\x9F\x98", 3);

	ck_assert_uint_ne(state, UTF8_START);
	ck_assert_uint_ne(state, UTF8_BROKEN);
	ck_assert(!utf8_valid("\xF0\x9F\x98", 3));
	ck_assert_uint_eq(utf8_feed(state, "\x80", 1), UTF8_START);
	ck_assert_uint_eq(utf8_feed(state, "a", 1), UTF8_BROKEN);
}
END_TEST

/* "Fail fast": the second byte decides. */
START_TEST(a_text_is_broken_at_its_first_invalid_byte)
{
	static const char *const beginnings[] = {
		"\x80",
		"\xBF",
		"\xC0",
		"\xC1",
		"\xF5",
		"\xFE",
		"\xFF",
		"\xE0\x9F",
		"\xED\xA0",
		"\xF0\x8F",
		"\xF4\x90",
		"\xC3\x28",
		"\xE2\x82\x28",
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		const char *bytes = beginnings[i];
		size_t len = strlen(bytes);
		utf8_state before = utf8_feed(UTF8_START, bytes, len - 1);

		ck_assert_uint_ne(before, UTF8_BROKEN);
		ck_assert_uint_eq(utf8_feed(before, bytes + len - 1, 1), UTF8_BROKEN);
	}
}
END_TEST

START_TEST(a_broken_text_stays_broken)
{
	ck_assert_uint_eq(utf8_feed(UTF8_BROKEN, "good", 4), UTF8_BROKEN);
	ck_assert_uint_eq(utf8_feed(UTF8_BROKEN, "", 0), UTF8_BROKEN);
}
END_TEST

/* Eight bytes are checked at a time: the bad one may be at any place among them. */
START_TEST(a_bad_byte_is_found_at_every_place)
{
	char text[41];

	for (size_t start = 0; start < 8; start++)
		for (size_t at = start; at < sizeof(text); at++) {
			memset(text, 'a', sizeof(text));
			ck_assert(utf8_valid(text + start, sizeof(text) - start));
			text[at] = (char)0x80;
			ck_assert(!utf8_valid(text + start, sizeof(text) - start));
			text[at] = (char)0xFF;
			ck_assert(!utf8_valid(text + start, sizeof(text) - start));
		}
}
END_TEST

START_TEST(code_points_are_counted)
{
	ck_assert_uint_eq(utf8_count("abc", 3), 3);
	ck_assert_uint_eq(utf8_count("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z", 10), 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tc = tcase_create("utf8");

	tcase_set_timeout(tc, 60); /* 2^24 sequences under a sanitizer */
	tcase_add_test(tc, every_sequence_of_up_to_three_bytes_is_checked_as_in_rfc_3629);
	tcase_add_test(tc, four_byte_sequences_are_checked_as_in_rfc_3629);
	tcase_add_test(tc, the_empty_text_is_valid);
	tcase_add_test(tc, nul_is_a_valid_character);
	tcase_add_test(tc, a_text_in_pieces_gives_the_same_result);
	tcase_add_test(tc, an_incomplete_character_is_neither_broken_nor_valid);
	tcase_add_test(tc, a_text_is_broken_at_its_first_invalid_byte);
	tcase_add_test(tc, a_broken_text_stays_broken);
	tcase_add_test(tc, a_bad_byte_is_found_at_every_place);
	tcase_add_test(tc, code_points_are_counted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
