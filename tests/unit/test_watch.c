/*
 * Who is told of whose presence, on a real table.
 */
#include "realtime/watch.h"

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"

#define TOLD_MAX 2000
#define ANNA 11
#define BERT 12

static struct event_base *base;
static struct presence *p;
static struct watch *w;
static struct told {
	void *owner;
	int64_t user_id, last_seen_ms;
	bool online;
} told[TOLD_MAX];
static unsigned n_told;
static struct watcher *one, *two;
static int owner_one, owner_two;

static void on_presence(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms)
{
	ck_assert_ptr_eq(arg, &told);
	ck_assert_uint_lt(n_told, TOLD_MAX);
	told[n_told++] = (struct told){ owner, user_id, last_seen_ms, online };
}

static void setup(void)
{
	base = event_base_new();
	p = presence_create(2, 1000);
	presence_begin(p, 0, clock_mono_ms());
	presence_begin(p, 1, clock_mono_ms());
	w = watch_open(base, p, on_presence, &told);
}

static void teardown(void)
{
	watch_clear(w, &one);
	watch_clear(w, &two);
	ck_assert_ptr_null(one);
	watch_close(w);
	presence_free(p);
	event_base_free(base);
}

static void turn_for(int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms, left; (left = until - clock_mono_ms()) > 0;) {
		const struct timeval tv = { left / 1000, left % 1000 * 1000 };

		event_base_loopexit(base, &tv);
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
	}
}

static void set_one(const struct watch_user *users, size_t n)
{
	watch_set(w, &one, &owner_one, users, n);
}

static void ck_told(unsigned i, void *owner, int64_t user_id, bool online)
{
	ck_assert_uint_lt(i, n_told);
	ck_assert_ptr_eq(told[i].owner, owner);
	ck_assert_int_eq(told[i].user_id, user_id);
	ck_assert(told[i].online == online);
}

START_TEST(each_watched_user_is_told_at_once)
{
	presence_add(p, 1, ANNA);
	set_one((struct watch_user[]){ { ANNA, 500 }, { BERT, 600 }, { 13, 0 } }, 3);
	ck_assert_uint_eq(n_told, 3);
	ck_told(0, &owner_one, ANNA, true);
	ck_assert_int_eq(told[0].last_seen_ms, 0); /* online: null */
	ck_told(1, &owner_one, BERT, false);
	ck_assert_int_eq(told[1].last_seen_ms, 600);
	ck_assert_int_eq(told[2].last_seen_ms, 0);
	presence_remove(p, 1, ANNA, clock_mono_ms());
}
END_TEST

START_TEST(a_change_is_told_to_all_who_watch_and_to_nobody_twice)
{
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 } }, 2);
	watch_set(w, &two, &owner_two, (struct watch_user[]){ { ANNA, 0 } }, 1);
	ck_assert_uint_eq(n_told, 3);
	presence_add(p, 0, ANNA);
	watch_look(w, ANNA);
	ck_assert_uint_eq(n_told, 5);
	ck_told(3, told[3].owner, ANNA, true);
	ck_told(4, told[4].owner, ANNA, true);
	ck_assert_ptr_ne(told[3].owner, told[4].owner);
	presence_add(p, 1, ANNA);
	watch_look(w, ANNA);
	watch_look_all(w);
	watch_look(w, 99); /* whom nobody watches */
	ck_assert_uint_eq(n_told, 5);
	presence_add(p, 1, BERT);
	watch_look_all(w);
	ck_assert_uint_eq(n_told, 6);
	ck_told(5, &owner_one, BERT, true);
}
END_TEST

START_TEST(offline_is_told_when_the_grace_is_over_and_with_the_time_they_went)
{
	int64_t went = clock_mono_ms() - PRESENCE_GRACE_MS + 700, wall;

	presence_add(p, 0, ANNA);
	presence_add(p, 0, BERT);
	set_one((struct watch_user[]){ { ANNA, 1 }, { BERT, 1 } }, 2);
	presence_remove(p, 0, ANNA, went);
	presence_remove(p, 0, BERT, went);
	watch_look(w, ANNA);
	watch_look(w, BERT);
	ck_assert_uint_eq(n_told, 2);
	turn_for(300);
	ck_assert_uint_eq(n_told, 2);
	/* Who comes back within the grace was never gone. */
	presence_add(p, 1, BERT);
	watch_look(w, BERT);
	turn_for(1300);
	ck_assert_uint_eq(n_told, 3);
	ck_told(2, &owner_one, ANNA, false);
	wall = clock_wall_ms() - (clock_mono_ms() - went);
	ck_assert_int_le(llabs(told[2].last_seen_ms - wall), 50);
	presence_remove(p, 1, BERT, clock_mono_ms());
}
END_TEST

START_TEST(one_in_grace_is_shown_online_to_who_begins_to_watch_and_then_goes)
{
	presence_add(p, 0, ANNA);
	presence_remove(p, 0, ANNA, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	set_one((struct watch_user[]){ { ANNA, 1 } }, 1);
	ck_told(0, &owner_one, ANNA, true);
	turn_for(1200);
	ck_assert_uint_eq(n_told, 2);
	ck_told(1, &owner_one, ANNA, false);
}
END_TEST

START_TEST(the_users_of_a_dead_worker_go_when_their_grace_is_over)
{
	presence_add(p, 1, ANNA);
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	presence_end(p, 1, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	watch_look_all(w);
	ck_assert_uint_eq(n_told, 1);
	turn_for(1200);
	ck_assert_uint_eq(n_told, 2);
	ck_told(1, &owner_one, ANNA, false);
}
END_TEST

START_TEST(a_new_set_replaces_the_old_and_an_empty_one_ends_it)
{
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 } }, 2);
	set_one((struct watch_user[]){ { BERT, 0 } }, 1);
	ck_assert_uint_eq(n_told, 3);
	presence_add(p, 0, ANNA);
	presence_add(p, 0, BERT);
	watch_look_all(w);
	ck_assert_uint_eq(n_told, 4);
	ck_told(3, &owner_one, BERT, true);
	set_one(NULL, 0);
	ck_assert_ptr_null(one);
	presence_remove(p, 0, BERT, clock_mono_ms() - 2 * PRESENCE_GRACE_MS);
	watch_look_all(w);
	ck_assert_uint_eq(n_told, 4);
}
END_TEST

START_TEST(a_watcher_may_go_while_those_they_watch_are_in_grace)
{
	presence_add(p, 0, ANNA);
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	watch_set(w, &two, &owner_two, (struct watch_user[]){ { ANNA, 0 } }, 1);
	presence_remove(p, 0, ANNA, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	watch_look(w, ANNA);
	watch_clear(w, &two);
	watch_clear(w, &one);
	turn_for(900);
	ck_assert_uint_eq(n_told, 2);
	/* And is known afresh. */
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	ck_told(2, &owner_one, ANNA, false);
}
END_TEST

START_TEST(a_set_of_the_largest_size_is_told_whole)
{
	struct watch_user users[WATCH_MAX];

	for (int i = 0; i < WATCH_MAX; i++)
		users[i] = (struct watch_user){ 1000 + i, 0 };
	set_one(users, WATCH_MAX);
	watch_set(w, &two, &owner_two, users, WATCH_MAX);
	ck_assert_uint_eq(n_told, 2 * WATCH_MAX);
	for (int i = 0; i < WATCH_MAX; i += 2)
		presence_add(p, 0, 1000 + i);
	watch_look_all(w);
	ck_assert_uint_eq(n_told, 3 * WATCH_MAX);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("watch");
	TCase *tc = tcase_create("watch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, each_watched_user_is_told_at_once);
	tcase_add_test(tc, a_change_is_told_to_all_who_watch_and_to_nobody_twice);
	tcase_add_test(tc, offline_is_told_when_the_grace_is_over_and_with_the_time_they_went);
	tcase_add_test(tc, one_in_grace_is_shown_online_to_who_begins_to_watch_and_then_goes);
	tcase_add_test(tc, the_users_of_a_dead_worker_go_when_their_grace_is_over);
	tcase_add_test(tc, a_new_set_replaces_the_old_and_an_empty_one_ends_it);
	tcase_add_test(tc, a_watcher_may_go_while_those_they_watch_are_in_grace);
	tcase_add_test(tc, a_set_of_the_largest_size_is_told_whole);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
