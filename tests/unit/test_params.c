#include "common/params.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/suite.h"

#define ID_TEXT "must be an id: a whole number above 0"

/* The result of reading {"x":value} by one spec, and its problems. */
static struct params got;
static cJSON *document;
static struct buf errors = BUF_EMPTY;

static void forget(void)
{
	params_fini(&got);
	cJSON_Delete(document);
	document = NULL;
	buf_reset(&errors, 0);
}

static bool reads(struct param_spec spec, const char *value)
{
	char text[70000];
	const char *why;

	forget();
	spec.name = "x";
	snprintf(text, sizeof(text), value != NULL ? "{\"x\":%s}" : "{}", value);
	document = json_parse(text, strlen(text), &why);
	ck_assert_msg(document != NULL, "%s", text);
	return params_read_body(&got, &spec, 1, document, &errors);
}

static bool reads_text(struct param_spec spec, const char *value, size_t len)
{
	static char text[256];

	forget();
	spec.name = "x";
	if (value != NULL) {
		memcpy(text, value, len);
		text[len] = '\0';
	}
	return params_read_text(&got.at[0], &spec, value != NULL ? text : NULL, len, &errors);
}

static void problem_is(const char *detail)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "{\"field\":\"x\",\"detail\":\"%s\"}", detail);
	ck_assert_str_eq(buf_cstr(&errors), whole);
}

static const struct param_spec id = { .type = PARAM_ID, .required = true };
static const struct param_spec number = { .type = PARAM_INT, .min = -5, .max = 50 };
static const struct param_spec flag = { .type = PARAM_BOOL, .required = true };
static const struct param_spec text = { .type = PARAM_TEXT, .min = 1, .max = 8, .required = true };
static const struct param_spec name = { .type = PARAM_NAME, .min = 1, .max = 5, .required = true };
static const struct param_spec username = { .type = PARAM_USERNAME, .required = true };
static const struct param_spec client_id = { .type = PARAM_CLIENT_ID };
static const struct param_spec url = { .type = PARAM_URL, .max = 40, .nullable = true };
static const struct param_spec cursor = { .type = PARAM_CURSOR, .place = PARAM_QUERY };
static const struct param_spec ids = { .type = PARAM_IDS, .min = 1, .max = 3, .required = true };
static const struct param_spec string = { .type = PARAM_STRING, .max = 3, .nullable = true };
static const struct param_spec choice = { .type = PARAM_CHOICE, .choices = "all admins" };
static const struct param_spec code = { .type = PARAM_CODE, .place = PARAM_PATH };
static const struct param_spec object = { .type = PARAM_OBJECT, .required = true };

START_TEST(an_id_is_a_whole_number_from_1_to_2_to_the_53_less_1)
{
	static const char *const bad[] = { "0", "-1", "0.5", "9007199254740992", "1e400", "\"1\"",
		"true", "[]", "{}" };

	ck_assert(reads(id, "1"));
	ck_assert(reads(id, "9007199254740991"));
	ck_assert_int_eq(got.at[0].number, 9007199254740991);
	ck_assert(got.at[0].present);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!reads(id, bad[i]), "%s", bad[i]);
		ck_assert(!got.at[0].present);
		problem_is(ID_TEXT);
	}
}
END_TEST

START_TEST(a_number_is_within_its_range)
{
	ck_assert(reads(number, "-5"));
	ck_assert(reads(number, "50"));
	ck_assert_int_eq(got.at[0].number, 50);
	ck_assert(!reads(number, "51"));
	problem_is("must be a whole number from -5 to 50");
	ck_assert(!reads(number, "-6"));
	ck_assert(reads(flag, "true"));
	ck_assert(got.at[0].flag);
	ck_assert(!reads(flag, "1"));
	problem_is("must be true or false");
}
END_TEST

START_TEST(a_required_field_may_not_be_absent_and_null_counts_as_absent)
{
	ck_assert(!reads(id, NULL));
	problem_is("is missing");
	ck_assert(!reads(id, "null"));
	problem_is("is missing");
	ck_assert(reads(number, NULL));
	ck_assert(!got.at[0].present);
	ck_assert(reads(number, "null"));
	ck_assert(!got.at[0].present);
}
END_TEST

START_TEST(null_is_a_value_of_a_nullable_field)
{
	ck_assert(reads(url, "null"));
	ck_assert(got.at[0].present);
	ck_assert_ptr_null(got.at[0].text.data);
	ck_assert(reads(url, NULL));
	ck_assert(!got.at[0].present);
	ck_assert(reads(url, "\"http://x\""));
	ck_assert_ptr_nonnull(got.at[0].text.data);
	ck_assert(!reads(url, "1"));
	problem_is("must be an http or https address of at most 40 bytes, or null");
}
END_TEST

START_TEST(a_text_has_its_bytes_counted)
{
	ck_assert(reads(text, "\"12345678\""));
	ck_assert_uint_eq(got.at[0].text.len, 8);
	ck_assert(!reads(text, "\"123456789\""));
	problem_is("must be 1 to 8 bytes of UTF-8 without NUL");
	ck_assert(!reads(text, "\"\""));
	ck_assert(reads(text, "\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\""));
	ck_assert(!reads(text, "\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80.\""));
	ck_assert(reads(text, "\" \\n\\t\"")); /* white space is content too */
	ck_assert_mem_eq(got.at[0].text.data, " \n\t", 3);
}
END_TEST

START_TEST(no_text_may_contain_nul_or_a_lone_surrogate)
{
	const struct param_spec *texts[] = { &text, &name, &username, &client_id, &url };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert(!reads(*texts[i], "\"abc\\u0000\""));
		ck_assert(!reads(*texts[i], "\"abc\\ud800\""));
		ck_assert(!reads_text(*texts[i], "abc\0d", 5));
		ck_assert(!reads_text(*texts[i], "abc\xC3", 4));
	}
}
END_TEST

START_TEST(a_name_has_its_characters_counted_and_at_least_one_is_visible)
{
	static const char *const blank[] = { "\" \"", "\"\\t\\n\"", "\"\xC2\xA0\"",
		"\"\xE2\x80\x8B\xE2\x80\xAE\"", "\"\xE3\x80\x80\"", "\"\xEF\xBB\xBF\"",
		"\"\\u0001\"", "\"\\u3164\"", "\"\\u2800\"", "\"\\u115f\\ufe0f\"", "\"\\ue000\"" };

	ck_assert(reads(name, "\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xC3\xB6\xC3\xB6z\""));
	ck_assert(!reads(name, "\"abcdef\""));
	problem_is("must be 1 to 5 characters, at least one of them visible");
	ck_assert(!reads(name, "\"\""));
	ck_assert(reads(name, "\" a \""));
	for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++)
		ck_assert_msg(!reads(name, blank[i]), "%s", blank[i]);
}
END_TEST

START_TEST(a_name_is_normalized_to_nfc_and_counted_in_it)
{
	ck_assert(!reads(name, "\"E\\u0301milie\"")); /* six characters in NFC */
	ck_assert(reads(name, "\"E\\u0301mil\""));
	ck_assert_uint_eq(got.at[0].text.len, 5);
	ck_assert_mem_eq(got.at[0].text.data, "\xC3\x89mil", 6);
	ck_assert(reads(name, "\"a\\u0308a\\u0308a\\u0308a\\u0308a\\u0308\"")); /* ten as sent */
	ck_assert_uint_eq(got.at[0].text.len, 10);
	ck_assert(!reads(name, "\"\\u0958\\u0958\\u0958\"")); /* three as sent, six in NFC */
	ck_assert(reads_text(name, "e\xCC\x81", 3));
	ck_assert_uint_eq(got.at[0].text.len, 2);
	ck_assert_str_eq(got.at[0].text.data, "\xC3\xA9");
}
END_TEST

START_TEST(a_text_is_not_normalized)
{
	ck_assert(reads(text, "\"e\\u0301\""));
	ck_assert_uint_eq(got.at[0].text.len, 3);
	ck_assert_mem_eq(got.at[0].text.data, "e\xCC\x81", 3);
}
END_TEST

/* Normalization is quadratic in consecutive marks: a long name is rejected before it. */
START_TEST(a_name_that_is_too_long_in_any_form_costs_nothing)
{
	static const struct param_spec hundred = {
		.name = "x", .type = PARAM_NAME, .min = 1, .max = 100
	};
	enum { MARKS = 500000 };
	char *marks = malloc(2 * MARKS + 1);
	struct param p;

	ck_assert(marks != NULL);
	for (int i = 0; i < MARKS; i++)
		memcpy(marks + 2 * (size_t)i, i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3", 2);
	marks[2 * MARKS] = '\0';
	ck_assert(!params_read_text(&p, &hundred, marks, 2 * MARKS, &errors));
	ck_assert_ptr_null(p.normal);
	free(marks);
}
END_TEST

START_TEST(a_username_is_folded_and_limited_to_its_alphabet)
{
	ck_assert(reads(username, "\"Bob_-.9Z\""));
	ck_assert_mem_eq(got.at[0].text.data, "bob_-.9z", 8);
	ck_assert(reads(username, "\"abcdefghijklmnopqrstuvwxyz012345\""));
	ck_assert(!reads(username, "\"abcdefghijklmnopqrstuvwxyz0123456\""));
	problem_is("must be 3 to 32 characters of a-z, 0-9, _, . and -");
	ck_assert(!reads(username, "\"ab\""));
	ck_assert(!reads(username, "\"a b\""));
	ck_assert(!reads(username,
		"\"b\xC3\xB6"
		"b\""));
	ck_assert(!reads(username, "7"));
	ck_assert(reads_text(username, "BOB", 3));
	ck_assert_str_eq(got.at[0].text.data, "bob");
}
END_TEST

START_TEST(a_client_id_keeps_its_case)
{
	ck_assert(reads(client_id, "\"aZ09._:-\""));
	ck_assert_mem_eq(got.at[0].text.data, "aZ09._:-", 8);
	ck_assert(!reads(client_id, "\"\""));
	ck_assert(!reads(client_id, "\"a b\""));
	problem_is("must be 1 to 64 characters of A-Z, a-z, 0-9, ., _, : and -");
	ck_assert(reads(
		client_id, "\"0123456789012345678901234567890123456789012345678901234567890123\""));
	ck_assert(!reads(client_id,
		"\"01234567890123456789012345678901234567890123456789012345678901234\""));
}
END_TEST

START_TEST(a_url_has_a_scheme_a_host_and_no_space)
{
	static const char *const bad[] = { "\"\"", "\"http://\"", "\"http:///x\"", "\"ftp://x\"",
		"\"javascript:alert(1)\"", "\"//x\"", "\"http://a b\"", "\"http://x\\n\"",
		"\"http://x\\\"\"", "\"http://<x>\"", "\" http://x\"",
		"\"http://x/34567890123456789012345678901234\"" };

	ck_assert(reads(url, "\"https://pictures.example/a?b=c#d\""));
	ck_assert(reads(url,
		"\"HTTP://x/b\xC3\xB6"
		"b.png\""));
	ck_assert(reads(url, "\"http://x/3456789012345678901234567890123\""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!reads(url, bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(a_string_has_its_characters_counted)
{
	ck_assert(reads(string, "\"\""));
	ck_assert(reads(string, "null") && got.at[0].present);
	ck_assert(reads(string, "\"\xe2\x98\x83\\n \""));
	ck_assert_uint_eq(got.at[0].text.len, 5);
	ck_assert(!reads(string, "\"four\""));
	problem_is("must be 0 to 3 characters without NUL, or null");
	ck_assert(!reads(string, "\"\\u0000\""));
}
END_TEST

START_TEST(a_choice_is_one_of_its_words)
{
	ck_assert(reads(choice, "\"all\""));
	ck_assert(reads(choice, "\"admins\""));
	for (const char *const *bad = (const char *const[]){ "\"\"", "\"a\"", "\"admin\"",
		     "\"all admins\"", "\" \"", "\"All\"", "true", NULL };
		*bad != NULL; bad++)
		ck_assert_msg(!reads(choice, *bad), "%s", *bad);
	problem_is("must be one of: all admins");
}
END_TEST

START_TEST(a_code_is_22_letters_and_digits)
{
	ck_assert(reads_text(code, "0123456789ABCXYZabcxyz", 22));
	ck_assert(!reads_text(code, "0123456789ABCXYZabcxy", 21));
	ck_assert(!reads_text(code, "0123456789ABCXYZabcxyzz", 23));
	ck_assert(!reads_text(code, "0123456789ABCXYZabcxy-", 22));
}
END_TEST

START_TEST(a_list_has_its_ids_counted_and_checked)
{
	ck_assert(reads(ids, "[3,1,2]"));
	ck_assert_uint_eq(got.at[0].n_ids, 3);
	ck_assert_int_eq(got.at[0].ids[0], 3);
	ck_assert_int_eq(got.at[0].ids[2], 2);
	ck_assert(!reads(ids, "[]"));
	problem_is("must be a list of 1 to 3 ids");
	ck_assert(!reads(ids, "[1,2,3,4]"));
	ck_assert(!reads(ids, "[1,0]"));
	ck_assert(!reads(ids, "[1,\"2\"]"));
	ck_assert(!reads(ids, "{\"1\":1}"));
	ck_assert(!reads(ids, "1"));
	ck_assert(reads_text(ids, "3,1,2", 5));
	ck_assert_uint_eq(got.at[0].n_ids, 3);
	ck_assert_int_eq(got.at[0].ids[1], 1);
	ck_assert(reads_text(ids, "3", 1));
	ck_assert(!reads_text(ids, "", 0));
	ck_assert(!reads_text(ids, "1,", 2));
	ck_assert(!reads_text(ids, ",1", 2));
	ck_assert(!reads_text(ids, "1,2,3,4", 7));
	ck_assert(!reads_text(ids, "1,-2", 4));
	ck_assert(!reads_text(ids, "1,9007199254740992", 18));
}
END_TEST

START_TEST(an_object_is_passed_on_as_it_is)
{
	ck_assert(reads(object, "{\"1\":2}"));
	ck_assert_ptr_nonnull(cJSON_GetObjectItem(got.at[0].json, "1"));
	ck_assert(!reads(object, "[]"));
	problem_is("must be an object");
}
END_TEST

START_TEST(a_query_value_is_parsed_strictly)
{
	static const char *const bad[] = { "", "-", "+1", "1x", " 1", "1.0", "0x1",
		"99999999999999999999", "00000000000000000001" };

	ck_assert(reads_text(number, "50", 2));
	ck_assert_int_eq(got.at[0].number, 50);
	ck_assert(reads_text(number, "-5", 2));
	ck_assert_int_eq(got.at[0].number, -5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!reads_text(number, bad[i], strlen(bad[i])), "%s", bad[i]);
	ck_assert(!reads_text(id, "1\0", 2));
	ck_assert(reads_text(number, NULL, 0));
	ck_assert(!reads_text(id, NULL, 0));
	problem_is("is missing");
	ck_assert(reads_text(flag, "true", 4));
	ck_assert(got.at[0].flag);
	ck_assert(reads_text(flag, "false", 5));
	ck_assert(!reads_text(flag, "yes", 3));
}
END_TEST

START_TEST(a_cursor_is_what_a_page_has_as_its_next)
{
	static const char *const bad[] = { "", ".", "1", "1.", ".1", "1.2.3", "1.2 ", " 1.2",
		"-1.2", "1.-2", "1,2", "x.y", "0x1.2", "99999999999999999999.1",
		"1.99999999999999999999" };
	const struct cursor c = { PROTO_ID_MAX, 7 };
	struct buf b = BUF_EMPTY;

	proto_put_cursor(&b, "next", &c);
	ck_assert_str_eq(buf_cstr(&b), "\"next\":\"9007199254740991.7\"");
	ck_assert(reads_text(cursor, "9007199254740991.7", 18));
	ck_assert(got.at[0].present);
	ck_assert_int_eq(got.at[0].cursor.at, c.at);
	ck_assert_int_eq(got.at[0].cursor.id, c.id);
	buf_reset(&b, 0);
	proto_put_cursor(&b, "next", NULL);
	ck_assert_str_eq(buf_cstr(&b), "\"next\":null");
	buf_fini(&b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!reads_text(cursor, bad[i], strlen(bad[i])), "%s", bad[i]);
		problem_is("must be the next of a page");
	}
	ck_assert(!reads_text(cursor, "1.2\0", 4));
	ck_assert(reads_text(cursor, NULL, 0));
	ck_assert(!got.at[0].present);
}
END_TEST

START_TEST(every_bad_field_is_reported_and_other_places_are_not_read)
{
	static const struct param_spec specs[] = {
		{ .name = "a", .type = PARAM_ID, .required = true },
		{ .name = "in_path", .type = PARAM_ID, .required = true, .place = PARAM_PATH },
		{ .name = "b", .type = PARAM_TEXT, .required = true, .min = 1, .max = 2 },
		{ .name = "c", .type = PARAM_BOOL },
	};
	const char *why;
	static const char body[] = "{\"a\":0,\"in_path\":\"x\",\"c\":true,\"d\":1}";

	forget();
	document = json_parse(body, strlen(body), &why);
	ck_assert(!params_read_body(&got, specs, 4, document, &errors));
	ck_assert_str_eq(buf_cstr(&errors),
		"{\"field\":\"a\",\"detail\":\"" ID_TEXT
		"\"},{\"field\":\"b\",\"detail\":\"is missing\"}");
	ck_assert(!got.at[1].present);
	ck_assert(got.at[3].flag);
	buf_reset(&errors, 0);
	ck_assert(!params_read_body(&got, specs, 4, NULL, &errors));
	ck_assert_uint_eq(
		errors.len, strlen("{\"field\":\"a\",\"detail\":\"is missing\"}") * 2 + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("params");
	TCase *tc = tcase_create("params");

	tcase_add_checked_fixture(tc, NULL, forget);
	tcase_add_test(tc, an_id_is_a_whole_number_from_1_to_2_to_the_53_less_1);
	tcase_add_test(tc, a_number_is_within_its_range);
	tcase_add_test(tc, a_required_field_may_not_be_absent_and_null_counts_as_absent);
	tcase_add_test(tc, null_is_a_value_of_a_nullable_field);
	tcase_add_test(tc, a_text_has_its_bytes_counted);
	tcase_add_test(tc, no_text_may_contain_nul_or_a_lone_surrogate);
	tcase_add_test(tc, a_name_has_its_characters_counted_and_at_least_one_is_visible);
	tcase_add_test(tc, a_name_is_normalized_to_nfc_and_counted_in_it);
	tcase_add_test(tc, a_text_is_not_normalized);
	tcase_add_test(tc, a_name_that_is_too_long_in_any_form_costs_nothing);
	tcase_add_test(tc, a_username_is_folded_and_limited_to_its_alphabet);
	tcase_add_test(tc, a_client_id_keeps_its_case);
	tcase_add_test(tc, a_url_has_a_scheme_a_host_and_no_space);
	tcase_add_test(tc, a_string_has_its_characters_counted);
	tcase_add_test(tc, a_choice_is_one_of_its_words);
	tcase_add_test(tc, a_code_is_22_letters_and_digits);
	tcase_add_test(tc, a_list_has_its_ids_counted_and_checked);
	tcase_add_test(tc, an_object_is_passed_on_as_it_is);
	tcase_add_test(tc, a_query_value_is_parsed_strictly);
	tcase_add_test(tc, a_cursor_is_what_a_page_has_as_its_next);
	tcase_add_test(tc, every_bad_field_is_reported_and_other_places_are_not_read);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
