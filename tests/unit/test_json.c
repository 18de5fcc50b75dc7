/* Tests of common/json against RFC 8259 and the contract's limits. */
#include "common/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static cJSON *parse(const char *text)
{
	const char *why;
	/* A block of its own without a NUL, so that a sanitizer sees a byte read too far. */
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1);
	cJSON *document;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, len);
	document = json_parse(exact, len, &why);
	free(exact);
	return document;
}

static bool accepts(const char *text)
{
	cJSON *document = parse(text);

	cJSON_Delete(document);
	return document != NULL;
}

START_TEST(grammar_of_rfc_8259_is_accepted)
{
	static const char *const good[] = {
		"{}",
		"[]",
		"\"\"",
		"0",
		"-0",
		"null",
		"true",
		"false",
		"1.5",
		"1e3",
		"1E+3",
		"-1.5e-10",
		" \t\r\n{ \"a\" : [ 1 , 2 ] }\n",
		"[[],{},\"\",0]",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
		"\"\\ud83d\\ude00\"",
		"\"\\uD83D\\uDE00\"",
		"\"\x7F\"",
		"{\"\":0}",
		"{\"a\":1,\"a\":2}",
		"\"\xC3\xA9\xF0\x9F\x98\x80\"",
		"0.0",
		"0e0",
		"123456789012345678901234567890",
		"1e999",
		"-1e-999",
	};

	for (size_t i = 0; i < N(good); i++)
		if (!accepts(good[i]))
			ck_abort_msg("refused: %s", good[i]);
}
END_TEST

START_TEST(everything_else_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"[",
		"]",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{'a':1}",
		"{1:1}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"01",
		"-01",
		"00",
		"+1",
		".5",
		"1.",
		"1.e3",
		"1e",
		"1e+",
		"-",
		"--1",
		"0x10",
		"1a",
		"Infinity",
		"NaN",
		"-Infinity",
		"nul",
		"nulll",
		"True",
		"tru",
		"fals",
		"\"",
		"\"abc",
		"\"\t\"",
		"\"\n\"",
		"\"\x01\"",
		"\"\x1F\"",
		"\"\\\"",
		"\"\\x41\"",
		"\"\\a\"",
		"\"\\u\"",
		"\"\\u12\"",
		"\"\\u123\"",
		"\"\\u123g\"",
		"\"\\u 123\"",
		"\"\\U0041\"",
		"'a'",
		"\"a\" \"b\"",
		"{} {}",
		"[] x",
		"1 1",
		"[1]]",
		"{}}",
		"\xEF\xBB\xBF{}",
		"\f1",
		"\v1",
		"\xC2\xA0"
		"1",
		"[1}",
		"{\"a\":1]",
		"/**/1",
		"[1,//\n2]",
		"\"\\ud83d\\ude0\"",
		"\"\\ud83d\\u",
		"\"\\ud83d\\",
		"[\"a",
		"{\"a\":",
		"{\"a\"",
		"[1",
	};

	for (size_t i = 0; i < N(bad); i++)
		if (accepts(bad[i]))
			ck_abort_msg("accepted: %s", bad[i]);
}
END_TEST

START_TEST(nul_byte_in_the_text_is_refused)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ "{}\0", 3 },
		{ "\0{}", 3 },
		{ "\"a\0b\"", 5 },
		{ "\"\\\0\"", 4 },
		{ "1\0", 2 },
	};
	const char *why;

	for (size_t i = 0; i < N(bad); i++)
		ck_assert_ptr_null(json_parse(bad[i].text, bad[i].len, &why));
}
END_TEST

START_TEST(broken_utf_8_is_refused_wherever_it_stands)
{
	static const char *const bad[] = {
		"\"\x80\"",
		"\"\xFF\"",
		"\"\xC0\x80\"",
		"\"\xED\xA0\x80\"",
		"\"\xF4\x90\x80\x80\"",
		"\"\xE2\x82\"",
		"{\"\xFF\":1}",
		"\xFF",
		"{}\x80",
	};
	const char *why = NULL;

	for (size_t i = 0; i < N(bad); i++)
		ck_assert_ptr_null(json_parse(bad[i], strlen(bad[i]), &why));
	ck_assert_str_eq(why, "This is not valid UTF-8.");
}
END_TEST

START_TEST(reason_names_what_is_wrong)
{
	const char *why = NULL;
	struct buf deep = BUF_EMPTY;

	ck_assert_ptr_null(json_parse("{", 1, &why));
	ck_assert_str_eq(why, "This is not valid JSON.");
	for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
		buf_add_char(&deep, '[');
	ck_assert_ptr_null(json_parse(deep.data, deep.len, &why));
	ck_assert_str_eq(why, "This JSON is nested too deeply.");
	buf_fini(&deep);
}
END_TEST

/* A document of arrays and objects in turn, depth of them around one null. */
static bool accepts_depth(int depth)
{
	struct buf text = BUF_EMPTY;
	bool accepted;

	for (int i = 0; i < depth; i++)
		buf_add_str(&text, i % 2 ? "{\"a\":" : "[");
	buf_add_str(&text, "null");
	for (int i = depth; i-- > 0;)
		buf_add_char(&text, i % 2 ? '}' : ']');
	accepted = accepts(buf_cstr(&text));
	buf_fini(&text);
	return accepted;
}

START_TEST(nesting_ends_at_thirty_two)
{
	ck_assert(accepts_depth(JSON_DEPTH_MAX));
	ck_assert(!accepts_depth(JSON_DEPTH_MAX + 1));
	ck_assert(!accepts_depth(50000));
}
END_TEST

START_TEST(depth_counts_what_is_open_and_not_what_was)
{
	struct buf text = BUF_EMPTY;

	buf_add_char(&text, '[');
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text, "[{}],");
	buf_add_str(&text, "0]");
	ck_assert(accepts(buf_cstr(&text)));
	buf_fini(&text);
}
END_TEST

START_TEST(typed_values_are_found_by_exact_name)
{
	cJSON *o = parse("{\"s\":\"text\",\"n\":42,\"t\":true,\"f\":false,\"z\":null}");
	const char *s;
	size_t len;
	int64_t n;
	bool b;

	ck_assert_int_eq(json_get_str(o, "s", &s, &len), JSON_OK);
	ck_assert_uint_eq(len, 4);
	ck_assert_str_eq(s, "text");
	ck_assert_int_eq(json_get_int(o, "n", &n), JSON_OK);
	ck_assert_int_eq(n, 42);
	ck_assert_int_eq(json_get_bool(o, "t", &b), JSON_OK);
	ck_assert(b);
	ck_assert_int_eq(json_get_bool(o, "f", &b), JSON_OK);
	ck_assert(!b);
	ck_assert_int_eq(json_get_str(o, "S", &s, &len), JSON_MISSING);
	ck_assert_int_eq(json_get_str(o, "z", &s, &len), JSON_MISSING);
	ck_assert_int_eq(json_get_int(o, "absent", &n), JSON_MISSING);
	ck_assert_int_eq(json_get_bool(o, "z", &b), JSON_MISSING);
	cJSON_Delete(o);
}
END_TEST

START_TEST(wrong_types_are_told_from_missing_ones)
{
	cJSON *o = parse("{\"s\":\"1\",\"n\":1,\"b\":true,\"a\":[],\"o\":{}}");
	const char *s, *const names[] = { "s", "n", "b", "a", "o" };
	size_t len;
	int64_t n;
	bool b;

	for (size_t i = 0; i < N(names); i++) {
		ck_assert_int_eq(
			json_get_str(o, names[i], &s, &len), i == 0 ? JSON_OK : JSON_BAD_TYPE);
		ck_assert_int_eq(json_get_int(o, names[i], &n), i == 1 ? JSON_OK : JSON_BAD_TYPE);
		ck_assert_int_eq(json_get_bool(o, names[i], &b), i == 2 ? JSON_OK : JSON_BAD_TYPE);
	}
	cJSON_Delete(o);
}
END_TEST

START_TEST(what_is_no_object_has_no_members)
{
	static const char *const texts[] = { "[1]", "\"x\"", "1", "null", "[\"x\",null]" };
	int64_t n;

	ck_assert_int_eq(json_get_int(NULL, "x", &n), JSON_MISSING);
	for (size_t i = 0; i < N(texts); i++) {
		cJSON *document = parse(texts[i]);

		ck_assert_ptr_nonnull(document);
		ck_assert_int_eq(json_get_int(document, "x", &n), JSON_MISSING);
		cJSON_Delete(document);
	}
}
END_TEST

static enum json_get number(const char *literal, int64_t *n)
{
	struct buf text = BUF_EMPTY;
	enum json_get got;
	cJSON *o;

	buf_addf(&text, "{\"n\":%s,\"after\":7}", literal);
	o = parse(buf_cstr(&text));
	if (o == NULL)
		ck_abort_msg("refused: %s", literal);
	ck_assert_int_eq(json_get_int(o, "after", n), JSON_OK);
	ck_assert_int_eq(*n, 7);
	got = json_get_int(o, "n", n);
	cJSON_Delete(o);
	buf_fini(&text);
	return got;
}

START_TEST(integers_are_exact_up_to_two_to_the_53rd_less_one)
{
	static const struct {
		const char *literal;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "1", 1 },
		{ "-1", -1 },
		{ "4294967296", INT64_C(4294967296) },
		{ "9007199254740991", JSON_INT_MAX },
		{ "-9007199254740991", -JSON_INT_MAX },
		{ "9007199254740990", JSON_INT_MAX - 1 },
		{ "1.0", 1 },
		{ "1e3", 1000 },
		{ "1.5e1", 15 },
		{ "1200e-2", 12 },
	};
	int64_t n;

	for (size_t i = 0; i < N(good); i++) {
		ck_assert_int_eq(number(good[i].literal, &n), JSON_OK);
		ck_assert_int_eq(n, good[i].value);
	}
}
END_TEST

/* None of these may become an integer by rounding, overflow or underflow. */
START_TEST(other_numbers_are_bad_values)
{
	static const char *const bad[] = {
		"9007199254740992",
		"9007199254740993",
		"-9007199254740992",
		"-9007199254740993",
		"9007199254740991.4",
		"9007199254740990.6",
		"0.99999999999999999999",
		"0.5",
		"-0.1",
		"1.0000000000000001",
		"4503599627370495.75",
		"18446744073709551617",
		"9223372036854775807",
		"-9223372036854775808",
		"1e16",
		"1e999",
		"-1e999",
		"1e-400",
		"1e-99",
		"5e-324",
		"1E400",
		"999999999999999.9",
		"100000000000000000000000000000000000000000000000000000000000000000000000000000",
		"0.00000000000000000000000000000000000000000000000000000000000000000000000000001",
	};
	int64_t n;

	for (size_t i = 0; i < N(bad); i++)
		if (number(bad[i], &n) != JSON_BAD_VALUE)
			ck_abort_msg("taken for an integer: %s", bad[i]);
}
END_TEST

START_TEST(lone_value_may_be_an_integer)
{
	cJSON *a = parse("[5,5.5,\"5\",null]");
	int64_t n = 0;

	ck_assert(json_int(cJSON_GetArrayItem(a, 0), &n));
	ck_assert_int_eq(n, 5);
	for (int i = 1; i < 4; i++)
		ck_assert(!json_int(cJSON_GetArrayItem(a, i), &n));
	ck_assert(!json_int(NULL, &n));
	cJSON_Delete(a);
}
END_TEST

static enum json_get string(const char *literal, const char **s, size_t *len)
{
	static cJSON *o;
	struct buf text = BUF_EMPTY;

	cJSON_Delete(o); /* the one before: what s points to lives until the next call */
	buf_addf(&text, "{\"s\":%s,\"after\":\"x\"}", literal);
	o = parse(buf_cstr(&text));
	if (o == NULL)
		ck_abort_msg("refused: %s", literal);
	ck_assert_int_eq(json_get_str(o, "after", s, len), JSON_OK);
	buf_fini(&text);
	return json_get_str(o, "s", s, len);
}

START_TEST(escapes_are_decoded)
{
	const char *s;
	size_t len;

	ck_assert_int_eq(string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"",
				 &s, &len),
		JSON_OK);
	ck_assert_str_eq(s, "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
	ck_assert_uint_eq(len, strlen(s));
	ck_assert_int_eq(
		string("\"\\uDBFF\\uDFFF\\uD800\\uDC00\\uD7FF\\uE000\\uFFFF\"", &s, &len), JSON_OK);
	ck_assert_str_eq(s, "\xF4\x8F\xBF\xBF\xF0\x90\x80\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF");
}
END_TEST

/* The contract: "NUL and lone surrogates in any text are 422", not 400. */
START_TEST(nul_and_lone_surrogates_are_bad_values_of_their_field_only)
{
	static const char *const bad[] = {
		"\"\\u0000\"",
		"\"a\\u0000b\"",
		"\"\\ud83d\"",
		"\"\\ude00\"",
		"\"\\ude00\\ud83d\"",
		"\"\\ud83d\\ud83d\\ude00\"",
		"\"\\ud83d\\n\"",
		"\"\\ud83dx\"",
		"\"\\ud83d\\u0041\"",
		"\"\\ud83d\\ude00\\ude00\"",
		"\"\\uDBFF\"",
		"\"\\uDC00\"",
		"\"\\uD800\\uE000\"",
		"\"\\\\\\u0000\"",
	};
	static const char *const good[] = {
		"\"\\\\u0000\"",
		"\"\\\\ud83d\"",
		"\"\\u0001\"",
		"\"0000\"",
	};
	const char *s;
	size_t len;

	for (size_t i = 0; i < N(bad); i++)
		if (string(bad[i], &s, &len) != JSON_BAD_VALUE)
			ck_abort_msg("taken for text: %s", bad[i]);
	for (size_t i = 0; i < N(good); i++)
		if (string(good[i], &s, &len) != JSON_OK)
			ck_abort_msg("not taken: %s", good[i]);
}
END_TEST

/* A key must not be cut at an escaped NUL and so become the name that is looked for. */
START_TEST(marked_key_is_no_known_name)
{
	cJSON *o = parse("{\"id\\u0000x\":1,\"\\u0000\":2,\"id\\ud800\":3,\"\\u0069d\":4}");
	int64_t n;

	ck_assert_int_eq(json_get_int(o, "", &n), JSON_MISSING);
	ck_assert_int_eq(json_get_int(o, "id", &n), JSON_OK);
	ck_assert_int_eq(n, 4);
	cJSON_Delete(o);
}
END_TEST

START_TEST(first_of_doubled_members_counts)
{
	cJSON *o = parse("{\"n\":1,\"n\":2}");
	int64_t n;

	ck_assert_int_eq(json_get_int(o, "n", &n), JSON_OK);
	ck_assert_int_eq(n, 1);
	cJSON_Delete(o);
}
END_TEST

START_TEST(callers_text_is_left_as_it_was)
{
	const char text[] = "{\"a\":\"\\u0000\",\"b\":9007199254740991.4}";
	char copy[sizeof(text)];
	const char *why;
	cJSON *o;

	memcpy(copy, text, sizeof(text));
	o = json_parse(copy, sizeof(text) - 1, &why);
	ck_assert_ptr_nonnull(o);
	ck_assert_mem_eq(copy, text, sizeof(text));
	cJSON_Delete(o);
}
END_TEST

static const char *written(const char *s, size_t len)
{
	static struct buf b;

	buf_reset(&b, 0);
	json_put_str(&b, s, len);
	return buf_cstr(&b);
}

START_TEST(strings_are_escaped_as_rfc_8259_asks_and_no_further)
{
	ck_assert_str_eq(written("", 0), "\"\"");
	ck_assert_str_eq(written("plain/text", 10), "\"plain/text\"");
	ck_assert_str_eq(written("a\"b\\c", 5), "\"a\\\"b\\\\c\"");
	ck_assert_str_eq(written("\b\f\n\r\t", 5), "\"\\b\\f\\n\\r\\t\"");
	ck_assert_str_eq(written("\0\x01\x1F\x7F", 4), "\"\\u0000\\u0001\\u001f\x7F\"");
	ck_assert_str_eq(written("\xC3\xA9\xF0\x9F\x98\x80", 6), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
}
END_TEST

/* Eight bytes are looked at together: every ASCII byte at every place among two eights. */
START_TEST(what_is_written_is_read_back_the_same)
{
	char text[17], shown[32];
	const char *s, *literal;
	size_t len;

	for (int c = 1; c < 0x80; c++)
		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, c == 'x' ? 'y' : 'x', sizeof(text));
			text[at] = (char)c;
			literal = written(text, sizeof(text));
			snprintf(shown, sizeof(shown), "%02x at %zu", (unsigned)c, at);
			ck_assert_msg(string(literal, &s, &len) == JSON_OK, "%s", shown);
			ck_assert_uint_eq(len, sizeof(text));
			ck_assert_msg(memcmp(s, text, len) == 0, "%s", shown);
		}
}
END_TEST

START_TEST(bytes_beyond_ascii_hide_no_neighbour)
{
	char text[8];

	for (int c = 0x80; c < 0x100; c++)
		for (size_t at = 0; at + 1 < sizeof(text); at++) {
			memset(text, c, sizeof(text));
			text[at] = '"';
			ck_assert_uint_eq(strlen(written(text, sizeof(text))), sizeof(text) + 3);
			text[at] = '!';
			ck_assert_uint_eq(strlen(written(text, sizeof(text))), sizeof(text) + 2);
		}
}
END_TEST

START_TEST(cstr_writes_null_for_no_string)
{
	struct buf b = BUF_EMPTY;

	json_put_cstr(&b, "a\n");
	json_put_cstr(&b, NULL);
	ck_assert_str_eq(buf_cstr(&b), "\"a\\n\"null");
	buf_fini(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, grammar_of_rfc_8259_is_accepted);
	tcase_add_test(tc, everything_else_is_refused);
	tcase_add_test(tc, nul_byte_in_the_text_is_refused);
	tcase_add_test(tc, broken_utf_8_is_refused_wherever_it_stands);
	tcase_add_test(tc, reason_names_what_is_wrong);
	tcase_add_test(tc, nesting_ends_at_thirty_two);
	tcase_add_test(tc, depth_counts_what_is_open_and_not_what_was);
	tcase_add_test(tc, typed_values_are_found_by_exact_name);
	tcase_add_test(tc, wrong_types_are_told_from_missing_ones);
	tcase_add_test(tc, what_is_no_object_has_no_members);
	tcase_add_test(tc, integers_are_exact_up_to_two_to_the_53rd_less_one);
	tcase_add_test(tc, other_numbers_are_bad_values);
	tcase_add_test(tc, lone_value_may_be_an_integer);
	tcase_add_test(tc, escapes_are_decoded);
	tcase_add_test(tc, nul_and_lone_surrogates_are_bad_values_of_their_field_only);
	tcase_add_test(tc, marked_key_is_no_known_name);
	tcase_add_test(tc, first_of_doubled_members_counts);
	tcase_add_test(tc, callers_text_is_left_as_it_was);
	tcase_add_test(tc, strings_are_escaped_as_rfc_8259_asks_and_no_further);
	tcase_add_test(tc, what_is_written_is_read_back_the_same);
	tcase_add_test(tc, bytes_beyond_ascii_hide_no_neighbour);
	tcase_add_test(tc, cstr_writes_null_for_no_string);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
