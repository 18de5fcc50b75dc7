/*
 * Pairs of users who watch each other, after their memberships have ended.
 */
#include "realtime/watch_check.h"

#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/room_fixture.h"

static struct watch *w;
static struct watch_checks *checks;
static struct watcher *hers, *his;

static void on_presence(void *arg, void *owner, int64_t user_id, bool online, int64_t last_seen_ms)
{
	(void)arg;
	(void)owner;
	(void)user_id;
	(void)online;
	(void)last_seen_ms;
}

static void open_checks(void)
{
	w = watch_open(fixture_base(), fixture_heritage(0)->presence, on_presence, NULL);
	checks = watch_checks_open(fixture_base(), w, s);
}

static void close_checks(void)
{
	watch_checks_close(checks);
	watch_clear(w, &hers);
	watch_clear(w, &his);
	watch_close(w);
}

static void watch_one(struct watcher **set, int64_t viewer_id, int64_t user_id)
{
	watch_set(w, set, set, viewer_id, (struct watch_user[]){ { user_id, 0 } }, 1);
}

static size_t n_others(int64_t user_id)
{
	int64_t *ids;
	size_t n = watch_others(w, user_id, &ids);

	free(ids);
	return n;
}

static void until_n_others(int64_t user_id, size_t n)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (n_others(user_id) != n) {
		ck_assert_int_lt(clock_mono_ms(), until);
		fixture_for(5);
	}
}

START_TEST(a_pair_ends_with_the_last_chat_that_it_shares)
{
	int64_t first = group_of_alice(), second = group_of_alice();

	open_checks();
	fixture_change(s, STORE_ADD, alice, first, bob, NULL);
	fixture_change(s, STORE_ADD, alice, second, bob, NULL);
	watch_one(&hers, alice, bob);
	watch_one(&his, bob, alice);
	fixture_change(s, STORE_REMOVE, alice, first, bob, NULL);
	watch_check(checks, bob);
	fixture_for(100);
	ck_assert_uint_eq(n_others(alice), 1);
	ck_assert_ptr_nonnull(hers);
	fixture_change(s, STORE_REMOVE, alice, second, bob, NULL);
	watch_check(checks, bob);
	until_n_others(alice, 0);
	ck_assert_uint_eq(n_others(bob), 0);
	close_checks();
}
END_TEST

START_TEST(the_pairs_of_a_deleted_user_end_before_the_memberships_do)
{
	int64_t g = group_of_alice();

	open_checks();
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	watch_one(&hers, alice, bob);
	watch_one(&his, bob, alice);
	pg_number("select count(*) from delete_user(%lld)", (long long)bob);
	watch_check(checks, bob);
	until_n_others(alice, 0);
	close_checks();
}
END_TEST

START_TEST(a_check_of_many_pairs_is_done_in_pieces)
{
	enum { WATCHERS = 1200 };
	static struct watcher *sets[WATCHERS];
	int64_t g = group_of_alice(), first;

	open_checks();
	first = pg_number("with new as (insert into users (username, full_name) "
			  "select 'w.' || i, 'W' from generate_series(1, %d) i returning user_id), "
			  "joined as (insert into members (conv_id, user_id, join_seq) "
			  "select %lld, user_id, 2 from new where user_id %% 3 = 0) "
			  "select min(user_id) from new",
		WATCHERS, (long long)g);
	for (int i = 0; i < WATCHERS; i++)
		watch_one(&sets[i], first + i, alice);
	watch_check(checks, alice);
	until_n_others(alice, WATCHERS / 3);
	for (int i = 0; i < WATCHERS; i++)
		ck_assert_uint_eq(n_others(first + i), (first + i) % 3 == 0);
	for (int i = 0; i < WATCHERS; i++)
		watch_clear(w, &sets[i]);
	close_checks();
}
END_TEST

START_TEST(a_membership_that_ends_during_a_check_is_checked_too)
{
	int64_t g = group_of_alice();

	open_checks();
	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	watch_one(&hers, alice, bob);
	watch_check(checks, bob);
	database_works(); /* its answer is older than the leave */
	remove_bob(g);
	watch_check(checks, bob);
	until_n_others(alice, 0);
	close_checks();
}
END_TEST

START_TEST(a_check_that_fails_is_repeated)
{
	open_checks();
	watch_one(&hers, alice, bob);
	pg_number("alter table members rename to others");
	watch_check(checks, bob);
	fixture_for(200);
	ck_assert_uint_eq(n_others(alice), 1);
	pg_number("alter table others rename to members");
	until_n_others(alice, 0);
	close_checks();
}
END_TEST

START_TEST(all_watchers_are_checked_when_records_were_lost)
{
	open_checks();
	post(alice, carol, "hello");
	watch_one(&hers, alice, bob);
	watch_one(&his, carol, alice);
	watch_check_all(checks);
	until_n_others(bob, 0);
	fixture_for(100);
	ck_assert_uint_eq(n_others(carol), 1);
	close_checks();
}
END_TEST

START_TEST(a_query_is_repeated_only_if_one_of_its_users_has_left_since)
{
	const int64_t ids[] = { bob, carol };
	uint64_t since;

	open_checks();
	watch_check(checks, bob);
	since = watch_checks_now(checks);
	ck_assert(!watch_checks_since(checks, since, alice, ids, 2));
	watch_check(checks, 99);
	ck_assert(!watch_checks_since(checks, since, alice, ids, 2));
	watch_check(checks, carol);
	ck_assert(watch_checks_since(checks, since, alice, ids, 2));
	ck_assert(!watch_checks_since(checks, since, alice, ids, 1));
	ck_assert(watch_checks_since(checks, since, carol, ids, 0));
	since = watch_checks_now(checks);
	for (int i = 0; i < 600; i++)
		watch_check(checks, 99);
	ck_assert(watch_checks_since(checks, since, alice, ids, 2));
	since = watch_checks_now(checks);
	watch_check_all(checks);
	ck_assert(watch_checks_since(checks, since, alice, ids, 2));
	close_checks();
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_pair_ends_with_the_last_chat_that_it_shares);
	tcase_add_test(tc, the_pairs_of_a_deleted_user_end_before_the_memberships_do);
	tcase_add_test(tc, a_check_of_many_pairs_is_done_in_pieces);
	tcase_add_test(tc, a_membership_that_ends_during_a_check_is_checked_too);
	tcase_add_test(tc, a_check_that_fails_is_repeated);
	tcase_add_test(tc, all_watchers_are_checked_when_records_were_lost);
	tcase_add_test(tc, a_query_is_repeated_only_if_one_of_its_users_has_left_since);
	return room_run(tc);
}
