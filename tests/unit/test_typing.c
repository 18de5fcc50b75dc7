/*
 * Typing by the real clock: pushed at most once in 2 s, shown for 6 s, and always ended.
 */
#include "realtime/typing.h"

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

#define PUSHED_MAX 2000

static struct event_base *base;
static struct typing *typing;
static struct pushed {
	int64_t conv_id, user_id, at_ms;
	bool on;
} pushed[PUSHED_MAX];
static unsigned n_pushed;
static int64_t began;

static const struct conv here = { 7, 0, 0, CONV_GROUP }, there = { 8, 0, 0, CONV_GROUP };

static void on_typing(void *arg, const struct conv *c, int64_t user_id, bool on)
{
	ck_assert_ptr_eq(arg, &pushed);
	ck_assert_uint_lt(n_pushed, PUSHED_MAX);
	pushed[n_pushed++] = (struct pushed){ c->id, user_id, clock_mono_ms() - began, on };
}

static void setup(void)
{
	base = event_base_new();
	typing = typing_open(base, on_typing, &pushed);
	began = clock_mono_ms();
}

static void teardown(void)
{
	typing_close(typing);
	event_base_free(base);
}

static void until_ms(int64_t ms)
{
	for (int64_t left; (left = began + ms - clock_mono_ms()) > 0;) {
		const struct timeval tv = { left / 1000, left % 1000 * 1000 };

		event_base_loopexit(base, &tv);
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
	}
}

static void ck_pushed(unsigned i, const struct conv *c, int64_t user_id, bool on)
{
	ck_assert_uint_lt(i, n_pushed);
	ck_assert_int_eq(pushed[i].conv_id, c->id);
	ck_assert_int_eq(pushed[i].user_id, user_id);
	ck_assert(pushed[i].on == on);
}

START_TEST(the_first_true_is_pushed_at_once_and_the_next_not_within_2_s)
{
	for (int i = 0; i < 10; i++)
		typing_set(typing, &here, 1, true);
	ck_assert_uint_eq(n_pushed, 1);
	ck_pushed(0, &here, 1, true);
	/* Other users and other chats are independent. */
	typing_set(typing, &here, 2, true);
	typing_set(typing, &there, 1, true);
	ck_assert_uint_eq(n_pushed, 3);
}
END_TEST

START_TEST(an_end_is_pushed_once_and_only_if_a_start_was)
{
	typing_set(typing, &here, 1, false);
	ck_assert_uint_eq(n_pushed, 0);
	typing_set(typing, &here, 1, true);
	typing_set(typing, &here, 1, false);
	typing_set(typing, &here, 1, false);
	ck_assert_uint_eq(n_pushed, 2);
	ck_pushed(1, &here, 1, false);
	/* Within the 2 s: the start is not pushed, so its end is not either. */
	typing_set(typing, &here, 1, true);
	typing_set(typing, &here, 1, false);
	ck_assert_uint_eq(n_pushed, 2);
}
END_TEST

START_TEST(typing_expires_6_s_after_the_last_true_which_may_be_repeated_every_2_s)
{
	typing_set(typing, &here, 1, true);
	typing_set(typing, &here, 2, true);
	until_ms(1000);
	typing_set(typing, &here, 1, true); /* prolongs it, and is not pushed */
	ck_assert_uint_eq(n_pushed, 2);
	until_ms(2100);
	typing_set(typing, &here, 2, true);
	typing_set(typing, &there, 3, true);
	typing_set(typing, &there, 3, false);
	ck_assert_uint_eq(n_pushed, 5);
	ck_pushed(2, &here, 2, true);
	until_ms(6500);
	ck_assert_uint_eq(n_pushed, 5);
	until_ms(8600);
	ck_assert_uint_eq(n_pushed, 7);
	ck_pushed(5, &here, 1, false);
	ck_assert_int_ge(pushed[5].at_ms, 6990);
	ck_assert_int_le(pushed[5].at_ms, 7500);
	ck_pushed(6, &here, 2, false);
	ck_assert_int_ge(pushed[6].at_ms, 8090);
	ck_assert_int_le(pushed[6].at_ms, 8600);
}
END_TEST

START_TEST(many_users_may_type_at_once_and_each_ends_separately)
{
	for (int64_t user = 1; user <= 1000; user++)
		typing_set(typing, &here, user, true);
	ck_assert_uint_eq(n_pushed, 1000);
	for (int64_t user = 1000; user >= 1; user -= 2)
		typing_set(typing, &here, user, false);
	ck_assert_uint_eq(n_pushed, 1500);
	ck_pushed(1000, &here, 1000, false);
	ck_pushed(1499, &here, 2, false);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("typing");
	TCase *tc = tcase_create("typing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_first_true_is_pushed_at_once_and_the_next_not_within_2_s);
	tcase_add_test(tc, an_end_is_pushed_once_and_only_if_a_start_was);
	tcase_add_test(tc, typing_expires_6_s_after_the_last_true_which_may_be_repeated_every_2_s);
	tcase_add_test(tc, many_users_may_type_at_once_and_each_ends_separately);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
