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

START_TEST(known_times_are_formatted_as_rfc_3339)
{
	ck_assert_str_eq(text(0), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(1), "1970-01-01T00:00:00.001Z");
	ck_assert_str_eq(text(951827696789), "2000-02-29T12:34:56.789Z");
	ck_assert_str_eq(text(4107542399999), "2100-02-28T23:59:59.999Z");
	ck_assert_str_eq(text(4107542400000), "2100-03-01T00:00:00.000Z");
}
END_TEST

START_TEST(a_time_before_the_epoch_rounds_down)
{
	ck_assert_str_eq(text(-1), "1969-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(-1000), "1969-12-31T23:59:59.000Z");
	ck_assert_str_eq(text(-1001), "1969-12-31T23:59:58.999Z");
}
END_TEST

START_TEST(a_year_beyond_four_digits_is_clamped)
{
	ck_assert_str_eq(text(INT64_C(-62167219200000)), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_C(-62167219200001)), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_MIN), "0000-01-01T00:00:00.000Z");
	ck_assert_str_eq(text(INT64_C(253402300799999)), "9999-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(INT64_C(253402300800000)), "9999-12-31T23:59:59.999Z");
	ck_assert_str_eq(text(INT64_MAX), "9999-12-31T23:59:59.999Z");
}
END_TEST

/* Every 37th day of four centuries. */
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

START_TEST(the_monotonic_clock_advances_in_milliseconds)
{
	struct timespec wait = { 0, 30 * 1000000 };
	int64_t before = clock_mono_ms(), after;

	ck_assert_int_eq(nanosleep(&wait, NULL), 0);
	after = clock_mono_ms();
	ck_assert_int_ge(after - before, 29);
	ck_assert_int_lt(after - before, 20000);
}
END_TEST

START_TEST(the_wall_clock_is_the_time_of_day)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = clock_wall_ms();

	ck_assert_int_ge(now, before - 1000); /* time(2) may use a coarser clock */
	ck_assert_int_lt(now, before + 20000);
}
END_TEST

START_TEST(dates_and_times_of_rfc_3339_are_read)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01", 0 },
		{ "2026-11-22T10:15:00.123Z", INT64_C(1795342500123) },
		{ "2026-11-22t10:15:00z", INT64_C(1795342500000) },
		{ "2026-11-22T11:15:00+01:00", INT64_C(1795342500000) },
		{ "2026-11-22T00:15:00-10:00", INT64_C(1795342500000) },
		{ "2026-11-22T10:15:00.1230Z", INT64_C(1795342500123) },
		{ "2026-11-22T10:15:00.12301Z", INT64_C(1795342500124) },
		{ "2026-11-22T10:15:00.5Z", INT64_C(1795342500500) },
		{ "2024-02-29", INT64_C(1709164800000) },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
	};
	static const char *const bad[] = { "", "2026", "2026-11-22T", "2026-11-22T10:15:00",
		"2026-13-01", "2026-00-01", "2026-02-29", "2026-11-31", "2026-11-00", "2026/11/22",
		"2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z", "2026-11-22T10:15:61Z",
		"2026-11-22 10:15:00Z", "2026-11-22T10:15:00.Z", "2026-11-22T10:15:00+0100",
		"2026-11-22T10:15:00+24:00", "2026-11-22T10:15:00Zx", "2026-11-22x", "-026-11-22" };
	int64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(clock_parse_rfc3339(good[i].text, strlen(good[i].text), &ms), "%s",
			good[i].text);
		ck_assert_msg(ms == good[i].ms, "%s: %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!clock_parse_rfc3339(bad[i], strlen(bad[i]), &ms), "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, known_times_are_formatted_as_rfc_3339);
	tcase_add_test(tc, a_time_before_the_epoch_rounds_down);
	tcase_add_test(tc, a_year_beyond_four_digits_is_clamped);
	tcase_add_test(tc, dates_agree_with_strftime);
	tcase_add_test(tc, the_monotonic_clock_advances_in_milliseconds);
	tcase_add_test(tc, the_wall_clock_is_the_time_of_day);
	tcase_add_test(tc, dates_and_times_of_rfc_3339_are_read);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
