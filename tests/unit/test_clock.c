/* Tests of common/clock. */
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "suite.h"

static const char *text(int64_t wall_ms)
{
	static char out[CLOCK_RFC3339_SIZE];

	clock_rfc3339(out, wall_ms);
	return out;
}

START_TEST(known_times_are_written_as_rfc_3339)
{
	ck_assert_str_eq(text(0), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(1), "1970-01-01T00:00:00.001Z");
	ck_assert_str_eq(text(951827696789), "2000-02-29T12:34:56.789Z");
	ck_assert_str_eq(text(4107542399999), "2100-02-28T23:59:59.999Z");
	ck_assert_str_eq(text(4107542400000), "2100-03-01T00:00:00.000Z");
}
END_TEST

START_TEST(time_before_the_epoch_rounds_down)
{
	ck_assert_str_eq(text(-1), "1969-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(-1000), "1969-12-31T23:59:59.000Z");
	ck_assert_str_eq(text(-1001), "1969-12-31T23:59:58.999Z");
}
END_TEST

START_TEST(time_beyond_four_digits_is_the_nearest_that_fits)
{
	ck_assert_str_eq(text(INT64_C(-62167219200000)), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_C(-62167219200001)), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_MIN), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_C(253402300799999)), "9999-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(INT64_C(253402300800000)), "9999-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(INT64_MAX), "9999-12-31T23:59:59.999Z");
}
END_TEST

/* Every 37th day over four centuries, against the C library's own formatting. */
START_TEST(dates_agree_with_strftime)
{
	char day[32], want[48];
	time_t end = (time_t)400 * 366 * 86400;

	for (time_t t = 0; t < end; t += 37 * 86400 + 3671) {
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", gmtime(&t));
		snprintf(want, sizeof(want), "%s.%03dZ", day, (int)(t % 1000));
		ck_assert_str_eq(text((int64_t)t * 1000 + t % 1000), want);
	}
}
END_TEST

START_TEST(steady_clock_advances_in_milliseconds)
{
	struct timespec wait = { 0, 30 * 1000000 };
	int64_t before = clock_mono_ms(), after;

	ck_assert_int_eq(nanosleep(&wait, NULL), 0);
	after = clock_mono_ms();
	ck_assert_int_ge(after - before, 29);
	ck_assert_int_lt(after - before, 20000);
}
END_TEST

START_TEST(wall_clock_is_the_time_of_day)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = clock_wall_ms();

	ck_assert_int_ge(now, before - 1000); /* time() may read a coarser clock */
	ck_assert_int_lt(now, before + 20000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, known_times_are_written_as_rfc_3339);
	tcase_add_test(tc, time_before_the_epoch_rounds_down);
	tcase_add_test(tc, time_beyond_four_digits_is_the_nearest_that_fits);
	tcase_add_test(tc, dates_agree_with_strftime);
	tcase_add_test(tc, steady_clock_advances_in_milliseconds);
	tcase_add_test(tc, wall_clock_is_the_time_of_day);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
