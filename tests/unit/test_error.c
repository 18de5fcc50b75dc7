/*
 * The table of errors: codes are stable, unique and fit the statuses of the contract.
 */
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

START_TEST(every_code_is_one_word_of_its_own_and_is_found_by_it)
{
	for (int e = ERROR_NONE + 1; e < ERROR_N; e++) {
		const char *code = error_code((enum error)e);

		ck_assert_uint_gt(strlen(code), 0);
		ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
		ck_assert_int_eq(error_by_code(code), e);
	}
}
END_TEST

START_TEST(every_error_has_a_status_and_a_sentence)
{
	for (int e = ERROR_NONE + 1; e < ERROR_N; e++) {
		const char *sentence = error_sentence((enum error)e);

		ck_assert_int_ge(error_status((enum error)e), 400);
		ck_assert_int_le(error_status((enum error)e), 599);
		ck_assert_uint_gt(strlen(sentence), 10);
		ck_assert_int_eq(sentence[strlen(sentence) - 1], '.');
	}
}
END_TEST

START_TEST(the_contracts_statuses_are_kept)
{
	static const struct {
		enum error e;
		int status;
		const char *code;
	} rows[] = {
		{ ERROR_NONE, 200, "none" },
		{ ERROR_bad_json, 400, "bad_json" },
		{ ERROR_bad_token, 401, "bad_token" },
		{ ERROR_not_owner, 403, "not_owner" },
		{ ERROR_no_such_chat, 404, "no_such_chat" },
		{ ERROR_method_not_allowed, 405, "method_not_allowed" },
		{ ERROR_username_taken, 409, "username_taken" },
		{ ERROR_too_large, 413, "too_large" },
		{ ERROR_not_json, 415, "not_json" },
		{ ERROR_invalid, 422, "invalid" },
		{ ERROR_too_many_requests, 429, "too_many_requests" },
		{ ERROR_headers_too_large, 431, "headers_too_large" },
		{ ERROR_unavailable, 503, "unavailable" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(error_status(rows[i].e), rows[i].status);
		ck_assert_str_eq(error_code(rows[i].e), rows[i].code);
	}
}
END_TEST

START_TEST(a_status_that_the_table_lacks_is_an_internal_error)
{
	ck_assert_int_eq(error_by_code("no_such_code"), ERROR_internal);
	ck_assert_int_eq(error_by_code(""), ERROR_internal);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("error");
	TCase *tc = tcase_create("error");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_code_is_one_word_of_its_own_and_is_found_by_it);
	tcase_add_test(tc, every_error_has_a_status_and_a_sentence);
	tcase_add_test(tc, the_contracts_statuses_are_kept);
	tcase_add_test(tc, a_status_that_the_table_lacks_is_an_internal_error);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
