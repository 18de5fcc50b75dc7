/*
 * Tests of common/close_reason: codes are in the ranges of the API, and sentences fit into a close frame.
 */
#include "common/close_reason.h"

#include <stdlib.h>
#include <string.h>

#include "common/wsframe.h"
#include "suite.h"

START_TEST(every_reason_has_a_unique_word)
{
	for (int r = 0; r < CLOSE_N; r++)
		for (int other = 0; other < r; other++)
			ck_assert_str_ne(close_reason_word((enum close_reason)r),
				close_reason_word((enum close_reason)other));
}
END_TEST

START_TEST(every_code_is_valid_and_every_sentence_fits)
{
	for (int r = 0; r < CLOSE_N; r++) {
		uint16_t code = close_reason_code((enum close_reason)r);

		ck_assert(code == 0 || wsframe_close_code_valid(code));
		ck_assert_uint_le(strlen(close_reason_sentence((enum close_reason)r)),
			WSFRAME_CONTROL_MAX - 2);
		ck_assert((code == 0) == (close_reason_sentence((enum close_reason)r)[0] == '\0'));
	}
}
END_TEST

/* docs/api.md: after 4000-4499 a client reconnects, after 4500-4999 it does not. */
START_TEST(the_code_tells_whether_to_reconnect)
{
	ck_assert_uint_eq(close_reason_code(CLOSE_server_stops), 1001);
	ck_assert_uint_eq(close_reason_code(CLOSE_slow_reader), 4008);
	ck_assert_uint_eq(close_reason_code(CLOSE_too_many_frames), 4029);
	ck_assert_uint_eq(close_reason_code(CLOSE_ping_timeout) / 500, 8);
	ck_assert_uint_eq(close_reason_code(CLOSE_unavailable) / 500, 8);
	ck_assert_uint_eq(close_reason_code(CLOSE_auth_missing), 4501);
	ck_assert_uint_eq(close_reason_code(CLOSE_auth_bad), 4501);
	ck_assert_uint_eq(close_reason_code(CLOSE_token_ended), 4501);
}
END_TEST

START_TEST(an_error_of_the_codec_keeps_its_code)
{
	static const uint16_t codes[] = { 1002, 1003, 1007, 1009 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		ck_assert_uint_eq(close_reason_code(close_reason_of_codec(codes[i])), codes[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("close_reason");
	TCase *tc = tcase_create("close_reason");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_reason_has_a_unique_word);
	tcase_add_test(tc, every_code_is_valid_and_every_sentence_fits);
	tcase_add_test(tc, the_code_tells_whether_to_reconnect);
	tcase_add_test(tc, an_error_of_the_codec_keeps_its_code);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
