/*
 * The table of ways a WebSocket ends: codes within the contract's ranges, sentences that fit a
 * close frame.
 */
#include "common/close_reason.h"

#include <stdlib.h>
#include <string.h>

#include "common/wsframe.h"
#include "suite.h"

START_TEST(every_reason_has_a_word_of_its_own)
{
	for (int r = 0; r < CLOSE_N; r++)
		for (int other = 0; other < r; other++)
			ck_assert_str_ne(close_reason_word((enum close_reason)r),
				close_reason_word((enum close_reason)other));
}
END_TEST

START_TEST(every_code_may_stand_on_the_wire_and_every_sentence_fits)
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

/* 4000-4499: come back; 4500-4999: do not come back as you are. */
START_TEST(who_may_come_back_is_told_so_by_the_code)
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

START_TEST(what_the_codec_finds_is_closed_with_the_code_it_found)
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
	tcase_add_test(tc, every_reason_has_a_word_of_its_own);
	tcase_add_test(tc, every_code_may_stand_on_the_wire_and_every_sentence_fits);
	tcase_add_test(tc, who_may_come_back_is_told_so_by_the_code);
	tcase_add_test(tc, what_the_codec_finds_is_closed_with_the_code_it_found);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
