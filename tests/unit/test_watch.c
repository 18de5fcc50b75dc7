/*
 * The presence levels that watchers are sent, on a real table.
 */
#include "realtime/watch.h"

#include <check.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

#define SENT_MAX 2000
#define ANNA 11 /* users */
#define BERT 12
#define ONE 21 /* watchers */
#define TWO 22

static struct event_base *base;
static struct presence *p;
static struct watch *w;
static struct sent {
	void *owner;
	int64_t user_id, last_seen_ms;
	bool online;
} sent[SENT_MAX];
static unsigned n_sent;
static struct watcher *one, *two;
static int owner_one, owner_two;

static void on_presence(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms)
{
	ck_assert_ptr_eq(arg, &sent);
	ck_assert_uint_lt(n_sent, SENT_MAX);
	sent[n_sent++] = (struct sent){ owner, user_id, last_seen_ms, online };
}

static void setup(void)
{
	base = event_base_new();
	p = presence_create(2, 1000);
	presence_begin(p, 0, clock_mono_ms());
	presence_begin(p, 1, clock_mono_ms());
	w = watch_open(base, p, on_presence, &sent);
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
	watch_set(w, &one, &owner_one, ONE, users, n);
}

static void ck_sent(unsigned i, void *owner, int64_t user_id, bool online)
{
	ck_assert_uint_lt(i, n_sent);
	ck_assert_ptr_eq(sent[i].owner, owner);
	ck_assert_int_eq(sent[i].user_id, user_id);
	ck_assert(sent[i].online == online);
}

START_TEST(the_level_of_each_watched_user_is_sent_at_once)
{
	presence_add(p, 1, ANNA);
	set_one((struct watch_user[]){ { ANNA, 500 }, { BERT, 600 }, { 13, 0 } }, 3);
	ck_assert_uint_eq(n_sent, 3);
	ck_sent(0, &owner_one, ANNA, true);
	ck_assert_int_eq(sent[0].last_seen_ms, 0); /* online: null */
	ck_sent(1, &owner_one, BERT, false);
	ck_assert_int_eq(sent[1].last_seen_ms, 600);
	ck_assert_int_eq(sent[2].last_seen_ms, 0);
	presence_remove(p, 1, ANNA, clock_mono_ms());
}
END_TEST

START_TEST(a_change_is_sent_to_every_watcher_once)
{
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 } }, 2);
	watch_set(w, &two, &owner_two, TWO, (struct watch_user[]){ { ANNA, 0 } }, 1);
	ck_assert_uint_eq(n_sent, 3);
	presence_add(p, 0, ANNA);
	watch_refresh(w, ANNA);
	ck_assert_uint_eq(n_sent, 5);
	ck_sent(3, sent[3].owner, ANNA, true);
	ck_sent(4, sent[4].owner, ANNA, true);
	ck_assert_ptr_ne(sent[3].owner, sent[4].owner);
	presence_add(p, 1, ANNA);
	watch_refresh(w, ANNA);
	watch_refresh_all(w);
	watch_refresh(w, 99); /* not watched */
	ck_assert_uint_eq(n_sent, 5);
	presence_add(p, 1, BERT);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 6);
	ck_sent(5, &owner_one, BERT, true);
}
END_TEST

START_TEST(offline_is_sent_after_the_grace_with_the_time_of_the_disconnect)
{
	int64_t went = clock_mono_ms() - PRESENCE_GRACE_MS + 700, wall;

	presence_add(p, 0, ANNA);
	presence_add(p, 0, BERT);
	set_one((struct watch_user[]){ { ANNA, 1 }, { BERT, 1 } }, 2);
	presence_remove(p, 0, ANNA, went);
	presence_remove(p, 0, BERT, went);
	watch_refresh(w, ANNA);
	watch_refresh(w, BERT);
	ck_assert_uint_eq(n_sent, 2);
	turn_for(300);
	ck_assert_uint_eq(n_sent, 2);
	/* A user who reconnects within the grace stays online. */
	presence_add(p, 1, BERT);
	watch_refresh(w, BERT);
	turn_for(1300);
	ck_assert_uint_eq(n_sent, 3);
	ck_sent(2, &owner_one, ANNA, false);
	wall = clock_wall_ms() - (clock_mono_ms() - went);
	ck_assert_int_le(llabs(sent[2].last_seen_ms - wall), 50);
	presence_remove(p, 1, BERT, clock_mono_ms());
}
END_TEST

START_TEST(a_user_in_grace_is_online_to_a_new_watcher_and_then_offline)
{
	presence_add(p, 0, ANNA);
	presence_remove(p, 0, ANNA, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	set_one((struct watch_user[]){ { ANNA, 1 } }, 1);
	ck_sent(0, &owner_one, ANNA, true);
	turn_for(1200);
	ck_assert_uint_eq(n_sent, 2);
	ck_sent(1, &owner_one, ANNA, false);
}
END_TEST

START_TEST(the_users_of_a_dead_worker_are_offline_after_their_grace)
{
	presence_add(p, 1, ANNA);
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	presence_end(p, 1, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 1);
	turn_for(1200);
	ck_assert_uint_eq(n_sent, 2);
	ck_sent(1, &owner_one, ANNA, false);
}
END_TEST

START_TEST(a_new_set_replaces_the_former_one_and_an_empty_one_ends_it)
{
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 } }, 2);
	set_one((struct watch_user[]){ { BERT, 0 } }, 1);
	ck_assert_uint_eq(n_sent, 3);
	presence_add(p, 0, ANNA);
	presence_add(p, 0, BERT);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 4);
	ck_sent(3, &owner_one, BERT, true);
	set_one(NULL, 0);
	ck_assert_ptr_null(one);
	presence_remove(p, 0, BERT, clock_mono_ms() - 2 * PRESENCE_GRACE_MS);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 4);
}
END_TEST

START_TEST(a_watcher_may_close_while_its_users_are_in_grace)
{
	presence_add(p, 0, ANNA);
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	watch_set(w, &two, &owner_two, TWO, (struct watch_user[]){ { ANNA, 0 } }, 1);
	presence_remove(p, 0, ANNA, clock_mono_ms() - PRESENCE_GRACE_MS + 300);
	watch_refresh(w, ANNA);
	watch_clear(w, &two);
	watch_clear(w, &one);
	turn_for(900);
	ck_assert_uint_eq(n_sent, 2);
	/* A new watcher starts from the table. */
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	ck_sent(2, &owner_one, ANNA, false);
}
END_TEST

START_TEST(a_held_watcher_is_sent_nothing_until_its_set_is_replaced)
{
	int64_t ids[WATCH_MAX];

	watch_hold(NULL);
	ck_assert(!watch_is_held(NULL));
	ck_assert_uint_eq(watch_ids(NULL, ids), 0);
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 } }, 2);
	watch_set(w, &two, &owner_two, TWO, (struct watch_user[]){ { ANNA, 0 } }, 1);
	watch_hold(one);
	ck_assert(watch_is_held(one) && !watch_is_held(two));
	presence_add(p, 0, ANNA);
	watch_refresh(w, ANNA);
	ck_assert_uint_eq(n_sent, 4);
	ck_sent(3, &owner_two, ANNA, true);
	watch_end(w, ONE, (int64_t[]){ BERT }, 1);
	ck_assert_uint_eq(watch_ids(one, ids), 1);
	ck_assert_int_eq(ids[0], ANNA);
	set_one((struct watch_user[]){ { ANNA, 0 } }, 1);
	ck_assert_uint_eq(n_sent, 5);
	ck_sent(4, &owner_one, ANNA, true);
	ck_assert(!watch_is_held(one));
}
END_TEST

START_TEST(the_levels_of_the_largest_set_are_all_sent)
{
	struct watch_user users[WATCH_MAX];

	for (int i = 0; i < WATCH_MAX; i++)
		users[i] = (struct watch_user){ 1000 + i, 0 };
	set_one(users, WATCH_MAX);
	watch_set(w, &two, &owner_two, TWO, users, WATCH_MAX);
	ck_assert_uint_eq(n_sent, 2 * WATCH_MAX);
	for (int i = 0; i < WATCH_MAX; i += 2)
		presence_add(p, 0, 1000 + i);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 3 * WATCH_MAX);
}
END_TEST

START_TEST(the_users_of_all_pairs_are_found_once_each)
{
	int64_t *ids;

	set_one((struct watch_user[]){ { BERT, 0 }, { ANNA, 0 }, { TWO, 0 } }, 3);
	watch_set(w, &two, &owner_two, TWO, (struct watch_user[]){ { ANNA, 0 }, { ONE, 0 } }, 2);
	ck_assert_uint_eq(watch_others(w, ANNA, &ids), 2);
	ck_assert_int_eq(ids[0], ONE);
	ck_assert_int_eq(ids[1], TWO);
	free(ids);
	ck_assert_uint_eq(watch_others(w, ONE, &ids), 3);
	ck_assert_int_eq(ids[0], ANNA);
	ck_assert_int_eq(ids[1], BERT);
	ck_assert_int_eq(ids[2], TWO);
	free(ids);
	ck_assert_uint_eq(watch_others(w, 99, &ids), 0);
	free(ids);
}
END_TEST

START_TEST(a_pair_ends_in_both_directions_and_other_pairs_stay)
{
	set_one((struct watch_user[]){ { ANNA, 0 }, { BERT, 0 }, { TWO, 0 } }, 3);
	watch_set(w, &two, &owner_two, TWO, (struct watch_user[]){ { ANNA, 0 }, { ONE, 0 } }, 2);
	watch_end(w, ONE, (int64_t[]){ ANNA, TWO, 99 }, 3);
	n_sent = 0;
	for (unsigned i = 0; i < 4; i++) {
		const int64_t users[] = { ANNA, BERT, ONE, TWO };

		presence_add(p, 0, users[i]);
		watch_refresh(w, users[i]);
	}
	ck_assert_uint_eq(n_sent, 2);
	ck_sent(0, &owner_two, ANNA, true);
	ck_sent(1, &owner_one, BERT, true);
	watch_end(w, ANNA, (int64_t[]){ TWO }, 1);
	watch_end(w, ANNA, (int64_t[]){ TWO }, 1);
	set_one(NULL, 0);
	presence_remove(p, 0, ANNA, clock_mono_ms() - PRESENCE_GRACE_MS);
	watch_refresh_all(w);
	ck_assert_uint_eq(n_sent, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("watch");
	TCase *tc = tcase_create("watch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_level_of_each_watched_user_is_sent_at_once);
	tcase_add_test(tc, a_change_is_sent_to_every_watcher_once);
	tcase_add_test(tc, offline_is_sent_after_the_grace_with_the_time_of_the_disconnect);
	tcase_add_test(tc, a_user_in_grace_is_online_to_a_new_watcher_and_then_offline);
	tcase_add_test(tc, the_users_of_a_dead_worker_are_offline_after_their_grace);
	tcase_add_test(tc, a_new_set_replaces_the_former_one_and_an_empty_one_ends_it);
	tcase_add_test(tc, a_watcher_may_close_while_its_users_are_in_grace);
	tcase_add_test(tc, a_held_watcher_is_sent_nothing_until_its_set_is_replaced);
	tcase_add_test(tc, the_levels_of_the_largest_set_are_all_sent);
	tcase_add_test(tc, the_users_of_all_pairs_are_found_once_each);
	tcase_add_test(tc, a_pair_ends_in_both_directions_and_other_pairs_stay);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
