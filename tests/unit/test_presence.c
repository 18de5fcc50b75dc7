/*
 * Presence: levels, grace, the table of a successor, and readers while the writer runs or is
 * killed.
 */
#include "realtime/presence.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

#define NOW 1000000
#define USERS_MAX 100 /* of a table */
#define RESIDENT 7
#define STRANGER 8
#define MOVER 9

static struct presence *p;

static void setup(void)
{
	p = presence_create(3, USERS_MAX);
	ck_assert_ptr_nonnull(p);
	for (unsigned slot = 0; slot < 3; slot++)
		presence_begin(p, slot, NOW);
}

static void teardown(void)
{
	presence_free(p);
}

static void ck_look(int64_t user, int64_t now_ms, enum presence_level level, int64_t gone_ms)
{
	int64_t gone = -1;

	ck_assert_int_eq(presence_lookup(p, user, now_ms, &gone), level);
	ck_assert_int_eq(gone, gone_ms);
	ck_assert_int_eq(presence_lookup(p, user, now_ms, NULL), level);
}

START_TEST(a_user_with_a_socket_in_any_slot_is_online)
{
	ck_look(5, NOW, PRESENCE_OFFLINE, 0);
	ck_assert_int_eq(presence_add(p, 2, 5), 1);
	ck_look(5, NOW, PRESENCE_ONLINE, 0);
	ck_assert_int_eq(presence_add(p, 0, 5), 1);
	ck_assert_int_eq(presence_add(p, 0, 5), 2);
	ck_assert_uint_eq(presence_sockets(p, 5), 3);
	ck_assert_uint_eq(presence_sockets(p, 6), 0);
	ck_assert_int_eq(presence_remove(p, 2, 5, NOW), 0);
	ck_assert_int_eq(presence_remove(p, 0, 5, NOW), 1);
	ck_look(5, NOW + 1, PRESENCE_ONLINE, 0);
	ck_assert_uint_eq(presence_sockets(p, 5), 1);
}
END_TEST

START_TEST(a_user_is_offline_after_the_grace_and_forgotten_later)
{
	presence_add(p, 1, 5);
	presence_remove(p, 1, 5, NOW);
	ck_look(5, NOW, PRESENCE_GRACE, NOW);
	ck_look(5, NOW + PRESENCE_GRACE_MS - 1, PRESENCE_GRACE, NOW);
	ck_look(5, NOW + PRESENCE_GRACE_MS, PRESENCE_OFFLINE, NOW);
	ck_look(5, NOW + PRESENCE_REMEMBER_MS, PRESENCE_OFFLINE, NOW);
	ck_look(5, NOW + PRESENCE_REMEMBER_MS + 1, PRESENCE_OFFLINE, 0);
}
END_TEST

START_TEST(the_latest_disconnect_of_all_slots_counts)
{
	for (unsigned slot = 0; slot < 3; slot++)
		presence_add(p, slot, 5);
	presence_remove(p, 1, 5, NOW);
	presence_remove(p, 0, 5, NOW + 700);
	presence_remove(p, 2, 5, NOW + 300);
	ck_look(5, NOW + 800, PRESENCE_GRACE, NOW + 700);
}
END_TEST

START_TEST(a_user_who_reconnects_within_the_grace_stays_online)
{
	presence_add(p, 1, 5);
	presence_remove(p, 1, 5, NOW);
	presence_add(p, 1, 5);
	ck_look(5, NOW + 20 * PRESENCE_GRACE_MS, PRESENCE_ONLINE, 0);
}
END_TEST

START_TEST(the_users_of_a_dead_worker_are_in_grace)
{
	presence_add(p, 1, 5);
	presence_add(p, 1, 6);
	presence_remove(p, 1, 6, NOW - 4000);
	presence_end(p, 1, NOW);
	ck_look(5, NOW + 1, PRESENCE_GRACE, NOW);
	ck_look(6, NOW + 1, PRESENCE_GRACE, NOW - 4000);
	ck_assert_uint_eq(presence_sockets(p, 5), 0);
	presence_begin(p, 1, NOW);
	ck_look(5, NOW + PRESENCE_GRACE_MS - 1, PRESENCE_GRACE, NOW);
	ck_look(5, NOW + PRESENCE_GRACE_MS, PRESENCE_OFFLINE, NOW);
	ck_assert_int_eq(presence_add(p, 1, 5), 1);
	ck_look(5, NOW + PRESENCE_GRACE_MS, PRESENCE_ONLINE, 0);
}
END_TEST

START_TEST(users_of_a_killed_worker_keep_their_grace_when_its_successor_is_killed_too)
{
	presence_add(p, 1, 5);
	presence_add(p, 1, 6);
	presence_remove(p, 1, 6, NOW - 4000);
	presence_add(p, 1, 7);
	presence_end(p, 1, NOW);
	presence_begin(p, 1, NOW + 1);
	presence_add(p, 1, 7);
	presence_add(p, 1, 8);
	presence_remove(p, 1, 8, NOW + 2);
	presence_end(p, 1, NOW + 3);
	presence_begin(p, 1, NOW + 4);
	ck_look(5, NOW + PRESENCE_GRACE_MS - 1, PRESENCE_GRACE, NOW);
	ck_look(5, NOW + PRESENCE_GRACE_MS, PRESENCE_OFFLINE, NOW);
	ck_look(6, NOW + 4, PRESENCE_GRACE, NOW - 4000);
	ck_look(7, NOW + 4, PRESENCE_GRACE, NOW + 3);
	ck_look(8, NOW + 4, PRESENCE_GRACE, NOW + 2);
	ck_assert_uint_eq(presence_sockets(p, 5) + presence_sockets(p, 7), 0);
	presence_end(p, 1, NOW + 5);
	presence_begin(p, 1, NOW + PRESENCE_GRACE_MS);
	ck_look(5, NOW + PRESENCE_GRACE_MS, PRESENCE_OFFLINE, 0);
	ck_look(7, NOW + PRESENCE_GRACE_MS, PRESENCE_GRACE, NOW + 3);
}
END_TEST

static int64_t orphans[8];
static unsigned n_orphans;

static void note_orphan(void *arg, int64_t user_id)
{
	ck_assert_ptr_eq(arg, &n_orphans);
	ck_assert_uint_lt(n_orphans, 8);
	orphans[n_orphans++] = user_id;
}

START_TEST(a_successor_finds_the_users_whom_its_predecessor_left_with_sockets)
{
	presence_each_orphan(p, 1, note_orphan, &n_orphans);
	ck_assert_uint_eq(n_orphans, 0);
	presence_add(p, 1, 5);
	presence_add(p, 1, 6);
	presence_add(p, 0, 7);
	presence_remove(p, 1, 6, NOW);
	presence_end(p, 1, NOW);
	presence_begin(p, 1, NOW);
	presence_add(p, 1, 8);
	presence_each_orphan(p, 1, note_orphan, &n_orphans);
	ck_assert_uint_eq(n_orphans, 1);
	ck_assert_int_eq(orphans[0], 5);
	presence_end(p, 1, NOW);
	presence_begin(p, 1, NOW);
	n_orphans = 0;
	presence_each_orphan(p, 1, note_orphan, &n_orphans);
	ck_assert_uint_eq(n_orphans, 1); /* the first one's table is used again */
	ck_assert_int_eq(orphans[0], 8);
}
END_TEST

START_TEST(users_max_users_fit_and_a_full_table_rejects_more)
{
	int64_t user;

	for (user = 1; user <= USERS_MAX; user++)
		ck_assert_int_eq(presence_add(p, 0, user), 1);
	while (presence_add(p, 0, user) == 1)
		user++;
	ck_assert_int_le(user, 256 + 1); /* entries of the table */
	ck_look(user, NOW, PRESENCE_OFFLINE, 0);
	ck_assert_int_eq(presence_add(p, 0, 1), 2);
	ck_assert_int_eq(presence_add(p, 1, user), 1);
}
END_TEST

START_TEST(a_user_has_at_most_sockets_max_sockets)
{
	for (int i = 1; i <= PRESENCE_SOCKETS_MAX; i++)
		ck_assert_int_eq(presence_add(p, 0, 5), i);
	ck_assert_int_eq(presence_add(p, 0, 5), -1);
	ck_assert_uint_eq(presence_sockets(p, 5), PRESENCE_SOCKETS_MAX);
}
END_TEST

/*
 * Probe chains do not grow: 200,000 users pass through a table of 256 entries, and some stay.
 */
START_TEST(the_entries_of_users_long_gone_are_freed)
{
	int64_t now_ms = NOW;

	for (int64_t user = 1; user <= 20; user++)
		presence_add(p, 0, user);
	for (int64_t user = 1000; user < 201000; user++) {
		ck_assert_int_eq(presence_add(p, 0, user), 1);
		ck_assert_int_eq(presence_remove(p, 0, user, now_ms), 0);
		ck_look(user, now_ms + 1, PRESENCE_GRACE, now_ms);
		now_ms += 2 * PRESENCE_GRACE_MS;
	}
	for (int64_t user = 1; user <= 20; user++)
		ck_look(user, now_ms, PRESENCE_ONLINE, 0);
	ck_look(1000, now_ms, PRESENCE_OFFLINE, 0);
}
END_TEST

/*
 * A worker that adds and removes users until it is killed. Its clock runs fast, so that entries are
 * swept.
 */
static pid_t writer_fork(unsigned slot, bool is_home)
{
	pid_t pid = fork();
	unsigned sockets[USERS_MAX] = { 0 };
	int64_t now_ms = clock_mono_ms();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	srandom((unsigned)getpid());
	if (is_home)
		presence_add(p, slot, RESIDENT);
	for (;;) {
		unsigned user = (unsigned)random() % 40;

		now_ms += 100; /* much faster than the real clock */
		if (sockets[user] < 3 && random() % 2) {
			presence_add(p, slot, 1000 + user);
			sockets[user]++;
		} else if (sockets[user] > 0) {
			presence_remove(p, slot, 1000 + user, now_ms);
			sockets[user]--;
		}
	}
}

static void writer_kill(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status)); /* no assertion failed before */
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}

static void wait_for_user(int64_t user)
{
	int64_t deadline_ms = clock_mono_ms() + 20000;

	while (presence_lookup(p, user, clock_mono_ms(), NULL) != PRESENCE_ONLINE)
		ck_assert_int_lt(clock_mono_ms(), deadline_ms);
}

START_TEST(readers_during_writes_see_connected_users_and_no_others)
{
	pid_t writers[2] = { writer_fork(0, true), writer_fork(1, false) };
	int64_t until_ms, gone_ms;
	unsigned seen = 0;

	wait_for_user(RESIDENT);
	until_ms = clock_mono_ms() + 1000;
	while (clock_mono_ms() < until_ms) {
		ck_assert_uint_eq(presence_sockets(p, RESIDENT), 1);
		ck_assert_int_eq(
			presence_lookup(p, STRANGER, until_ms, &gone_ms), PRESENCE_OFFLINE);
		ck_assert_int_eq(gone_ms, 0);
		ck_assert_uint_le(presence_sockets(p, 1000 + seen % 40), 6);
		seen++;
	}
	ck_assert_uint_gt(seen, 100);
	writer_kill(writers[0]);
	writer_kill(writers[1]);
}
END_TEST

START_TEST(a_user_who_moves_between_slots_is_never_offline)
{
	int64_t until_ms;
	pid_t pid;

	presence_add(p, 0, MOVER);
	pid = fork();
	if (pid == 0) {
		for (unsigned slot = 0;; slot = !slot) {
			presence_add(p, !slot, MOVER);
			presence_remove(p, slot, MOVER, clock_mono_ms());
		}
	}
	until_ms = clock_mono_ms() + 500;
	while (clock_mono_ms() < until_ms)
		ck_assert_int_ne(
			presence_lookup(p, MOVER, clock_mono_ms(), NULL), PRESENCE_OFFLINE);
	writer_kill(pid);
}
END_TEST

START_TEST(a_writer_may_be_killed_at_any_time_and_its_successor_continues)
{
	for (int round = 0; round < 100; round++) {
		pid_t pid = writer_fork(0, true);

		wait_for_user(RESIDENT);
		usleep((useconds_t)(random() % 2000));
		writer_kill(pid);
		presence_end(p, 0, clock_mono_ms());
		ck_assert_int_eq(
			presence_lookup(p, RESIDENT, clock_mono_ms(), NULL), PRESENCE_GRACE);
		ck_look(STRANGER, clock_mono_ms(), PRESENCE_OFFLINE, 0);
		presence_begin(p, 0, clock_mono_ms());
		ck_assert_uint_eq(presence_sockets(p, RESIDENT), 0);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("presence");
	TCase *tc = tcase_create("presence");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_user_with_a_socket_in_any_slot_is_online);
	tcase_add_test(tc, a_user_is_offline_after_the_grace_and_forgotten_later);
	tcase_add_test(tc, the_latest_disconnect_of_all_slots_counts);
	tcase_add_test(tc, a_user_who_reconnects_within_the_grace_stays_online);
	tcase_add_test(tc, the_users_of_a_dead_worker_are_in_grace);
	tcase_add_test(
		tc, users_of_a_killed_worker_keep_their_grace_when_its_successor_is_killed_too);
	tcase_add_test(tc, a_successor_finds_the_users_whom_its_predecessor_left_with_sockets);
	tcase_add_test(tc, users_max_users_fit_and_a_full_table_rejects_more);
	tcase_add_test(tc, a_user_has_at_most_sockets_max_sockets);
	tcase_add_test(tc, the_entries_of_users_long_gone_are_freed);
	tcase_add_test(tc, readers_during_writes_see_connected_users_and_no_others);
	tcase_add_test(tc, a_user_who_moves_between_slots_is_never_offline);
	tcase_add_test(tc, a_writer_may_be_killed_at_any_time_and_its_successor_continues);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
