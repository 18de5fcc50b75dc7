#include "common/ratelimit.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdio.h>

#define PER_S 50
#define BURST 200

static struct ratelimit *ratelimit;

static void setup(void)
{
	ratelimit = ratelimit_new(PER_S, BURST);
}

static void teardown(void)
{
	ratelimit_free(ratelimit);
}

static bool take(struct ratelimit_key key, unsigned cost, int64_t now_ms)
{
	return ratelimit_take(ratelimit, &key, cost, now_ms);
}

/* Empties the bucket; returns how many tokens it held. */
static int take_all(struct ratelimit_key key, int64_t now_ms)
{
	int n = 0;

	while (n < 10000 && take(key, 1, now_ms))
		n++;
	return n;
}

START_TEST(a_full_bucket_holds_a_burst_and_refills_by_the_second)
{
	struct ratelimit_key user = ratelimit_key_user(7);

	ck_assert_int_eq(take_all(user, 1000), BURST);
	ck_assert_int_eq(take_all(user, 1019), 0);
	ck_assert_int_eq(take_all(user, 1020), 1);
	ck_assert_int_eq(take_all(user, 2020), PER_S);
	ck_assert_int_eq(take_all(user, 1000000), BURST);
}
END_TEST

START_TEST(a_rejected_request_does_not_delay_the_next)
{
	struct ratelimit_key user = ratelimit_key_user(7);

	take_all(user, 0);
	for (int64_t ms = 1; ms < 20; ms++)
		ck_assert(!take(user, 1, ms));
	ck_assert(take(user, 1, 20));
}
END_TEST

START_TEST(a_cost_above_the_content_takes_nothing)
{
	struct ratelimit_key user = ratelimit_key_user(7);

	ck_assert(take(user, BURST - 3, 0));
	ck_assert(!take(user, 4, 0));
	ck_assert(take(user, 3, 0));
	ck_assert(!take(user, 1, 0));
}
END_TEST

/* All keys that differ in what counts; some have the same bytes, as another kind. */
START_TEST(each_key_has_its_own_bucket)
{
	const struct ratelimit_key keys[] = {
		ratelimit_key_address("10.0.0.1"),
		ratelimit_key_address("11.0.0.1"),
		ratelimit_key_address("192.0.2.1"),
		ratelimit_key_address("193.0.2.1"),
		ratelimit_key_address("192.0.2.2"),
		ratelimit_key_address("0.0.0.0"),
		ratelimit_key_address("::"),
		ratelimit_key_address("a00:1::"),
		ratelimit_key_address("700:0:0:0::"),
		ratelimit_key_address("2001:db8:1:2::1"),
		ratelimit_key_address("2001:db8:1:3::1"),
		ratelimit_key_address("::ffff:10.0.0.2"),
		ratelimit_key_address("::ffff:10.0.0.3"),
		ratelimit_key_address("no address"),
		ratelimit_key_user(0),
		ratelimit_key_user(7),
		ratelimit_key_user(7 + (INT64_C(1) << 62)),
		ratelimit_key_socket(0),
		ratelimit_key_socket(7),
		ratelimit_key_socket(7 | UINT64_C(1) << 63),
		ratelimit_key_username("", 0),
		ratelimit_key_username("\a\0\0\0\0\0\0", 8),
		ratelimit_key_username("ada", 3),
		ratelimit_key_username("adam", 4),
		ratelimit_key_username("ada\0", 4),
		ratelimit_key_username("a23456789_123456789_123456789_12", 32),
		ratelimit_key_username("a23456789_123456789_123456789_13", 32),
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(take_all(keys[i], 0) == BURST, "key %zu", i);
}
END_TEST

START_TEST(an_ipv6_network_of_64_bits_has_one_bucket)
{
	ck_assert_int_eq(take_all(ratelimit_key_address("2001:db8:1:2::1"), 0), BURST);
	ck_assert_int_eq(take_all(ratelimit_key_address("2001:db8:1:2:ffff::9"), 0), 0);
	ck_assert_int_eq(take_all(ratelimit_key_address("2001:DB8:1:2::1"), 0), 0);
}
END_TEST

START_TEST(an_ipv4_mapped_address_is_its_ipv4_address)
{
	ck_assert_int_eq(take_all(ratelimit_key_address("203.0.113.9"), 0), BURST);
	ck_assert_int_eq(take_all(ratelimit_key_address("::ffff:203.0.113.9"), 0), 0);
	ck_assert_int_eq(take_all(ratelimit_key_address("::ffff:cb00:7109"), 0), 0);
}
END_TEST

START_TEST(many_quiet_buckets_do_not_replace_a_busy_one)
{
	struct ratelimit_key user = ratelimit_key_user(7);
	char address[32];

	for (int i = 0; i < 100000; i++) {
		if (i % 100 == 0)
			take_all(user, i);
		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		ck_assert(take(ratelimit_key_address(address), 1, i));
	}
	ck_assert_int_le(take_all(user, 100000), PER_S);
}
END_TEST

/* How many addresses, always the same in the same order, it takes to displace the bucket of a quiet user. */
static int n_until_displaced(void)
{
	struct ratelimit_key user = ratelimit_key_user(7);
	char address[32];

	ck_assert(take(user, BURST, 0));
	for (int i = 1;; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		take(ratelimit_key_address(address), 1, 1);
		if (i % 64 == 0 && take(user, BURST, 0))
			return i;
	}
}

START_TEST(the_place_of_a_bucket_cannot_be_predicted)
{
	int first = n_until_displaced(), n_other = 0;

	for (int i = 0; i < 20; i++) {
		teardown();
		setup();
		n_other += n_until_displaced() != first;
	}
	ck_assert_int_gt(n_other, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ratelimit");
	TCase *tc = tcase_create("ratelimit");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_full_bucket_holds_a_burst_and_refills_by_the_second);
	tcase_add_test(tc, a_rejected_request_does_not_delay_the_next);
	tcase_add_test(tc, a_cost_above_the_content_takes_nothing);
	tcase_add_test(tc, each_key_has_its_own_bucket);
	tcase_add_test(tc, an_ipv6_network_of_64_bits_has_one_bucket);
	tcase_add_test(tc, an_ipv4_mapped_address_is_its_ipv4_address);
	tcase_add_test(tc, many_quiet_buckets_do_not_replace_a_busy_one);
	tcase_add_test(tc, the_place_of_a_bucket_cannot_be_predicted);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
