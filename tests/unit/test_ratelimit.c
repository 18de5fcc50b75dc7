#include "net/ratelimit.h"

#include <check.h>
#include <stdio.h>

#define PER_S 50
#define BURST 200

static struct ratelimit *limit;

static void setup(void)
{
	limit = ratelimit_new(PER_S, BURST);
}

static void teardown(void)
{
	ratelimit_free(limit);
}

/* user_id 0: by the address. */
static bool take(int64_t user_id, const char *address, int64_t now_ms)
{
	return ratelimit_take(limit,
		user_id != 0 ? ratelimit_key_user(user_id) : ratelimit_key_address(address), 1,
		now_ms);
}

static int take_all(int64_t user_id, const char *address, int64_t now_ms)
{
	int n = 0;

	while (n < 10000 && take(user_id, address, now_ms))
		n++;
	return n;
}

START_TEST(a_burst_and_then_so_many_a_second)
{
	ck_assert_int_eq(take_all(7, "", 1000), BURST);
	ck_assert_int_eq(take_all(7, "", 1019), 0);
	ck_assert_int_eq(take_all(7, "", 1020), 1);
	ck_assert_int_eq(take_all(7, "", 2020), PER_S);
	ck_assert_int_eq(take_all(7, "", 1000000), BURST);
}
END_TEST

START_TEST(refusals_do_not_put_off_the_next_request)
{
	take_all(7, "", 0);
	for (int64_t ms = 1; ms < 20; ms++)
		ck_assert(!take(7, "", ms));
	ck_assert(take(7, "", 20));
}
END_TEST

START_TEST(what_costs_more_than_is_left_takes_nothing)
{
	ck_assert(ratelimit_take(limit, ratelimit_key_user(7), BURST - 3, 0));
	ck_assert(!ratelimit_take(limit, ratelimit_key_user(7), 4, 0));
	ck_assert(ratelimit_take(limit, ratelimit_key_user(7), 3, 0));
	ck_assert(!ratelimit_take(limit, ratelimit_key_user(7), 1, 0));
}
END_TEST

START_TEST(one_does_not_pay_for_another)
{
	take_all(7, "192.0.2.1", 0);
	ck_assert_int_eq(take_all(8, "192.0.2.1", 0), BURST);
	ck_assert_int_eq(take_all(0, "192.0.2.1", 0), BURST);
	ck_assert_int_eq(take_all(0, "192.0.2.2", 0), BURST);
	ck_assert_int_eq(take_all(0, "192.0.2.1", 0), 0);
}
END_TEST

START_TEST(a_network_of_ipv6_is_one)
{
	ck_assert_int_eq(take_all(0, "2001:db8:1:2::1", 0), BURST);
	ck_assert_int_eq(take_all(0, "2001:db8:1:2:ffff::9", 0), 0);
	ck_assert_int_eq(take_all(0, "2001:db8:1:3::1", 0), BURST);
}
END_TEST

START_TEST(a_crowd_is_served_and_who_is_busy_is_still_remembered)
{
	char address[32];

	for (int i = 0; i < 100000; i++) {
		if (i % 100 == 0)
			take_all(7, "", i);
		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		ck_assert(take(0, address, i));
	}
	ck_assert_int_le(take_all(7, "", 100000), PER_S);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limit");
	TCase *tc = tcase_create("limit");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_burst_and_then_so_many_a_second);
	tcase_add_test(tc, refusals_do_not_put_off_the_next_request);
	tcase_add_test(tc, what_costs_more_than_is_left_takes_nothing);
	tcase_add_test(tc, one_does_not_pay_for_another);
	tcase_add_test(tc, a_network_of_ipv6_is_one);
	tcase_add_test(tc, a_crowd_is_served_and_who_is_busy_is_still_remembered);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
