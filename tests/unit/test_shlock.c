/*
 * The lock between processes: holders that die or stop, and a word that says nonsense.
 */
#define _GNU_SOURCE 1
#include "common/shlock.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

#define TICKETS 20000
#define FEW_MS 2
#define MANY_MS 900

static struct board {
	struct shlock lock;
	_Atomic int waiting; /* processes about to wait */
	uint64_t tickets; /* under the lock */
} * board;

static void setup(void)
{
	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(board, MAP_FAILED);
	ck_assert(shlock_usable());
}

static void teardown(void)
{
	munmap(board, sizeof(*board));
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A child that takes the lock and then stops itself with it in hand. */
static pid_t holder_fork(void)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (!shlock_acquire(&board->lock, FEW_MS))
			_exit(1);
		raise(SIGSTOP);
		shlock_release(&board->lock);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
	return pid;
}

static void child_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

static void ck_exits_well(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* A child that waits for the lock and exits with 0 if it got it: still holding it, or not. */
static pid_t waiter_fork(bool lets_go)
{
	pid_t pid;

	board->waiting = 0;
	pid = fork();
	if (pid == 0) {
		board->waiting = 1;
		if (!shlock_acquire(&board->lock, MANY_MS))
			_exit(1);
		if (lets_go)
			shlock_release(&board->lock);
		_exit(0);
	}
	while (!board->waiting || !(board->lock.word & FUTEX_WAITERS))
		usleep(100);
	usleep(2000);
	return pid;
}

START_TEST(a_stopped_holder_is_waited_for_no_longer_than_asked)
{
	pid_t holder = holder_fork();
	double best = 1e9;

	for (int i = 0; i < 10; i++) {
		double from = now_ms(), took;

		ck_assert(!shlock_acquire(&board->lock, FEW_MS));
		took = now_ms() - from;
		ck_assert_double_ge(took, FEW_MS);
		best = took < best ? took : best;
	}
	ck_assert_double_lt(best, 2.0 * FEW_MS); /* the best: this machine may be busy */
	kill(holder, SIGCONT);
	ck_exits_well(holder);
	ck_assert(shlock_acquire(&board->lock, FEW_MS));
	shlock_release(&board->lock);
	ck_assert_uint_eq(board->lock.word & FUTEX_TID_MASK, 0);
}
END_TEST

START_TEST(a_dead_holder_has_let_go)
{
	for (int i = 0; i < 20; i++) {
		child_kill(holder_fork());
		ck_assert(shlock_acquire(&board->lock, FEW_MS));
		shlock_release(&board->lock);
	}
}
END_TEST

START_TEST(a_waiter_gets_the_lock_when_the_holder_dies)
{
	pid_t holder = holder_fork(), waiter = waiter_fork(false);
	double from = now_ms();

	child_kill(holder);
	ck_exits_well(waiter);
	ck_assert_double_lt(now_ms() - from, MANY_MS / 2);
}
END_TEST

START_TEST(a_waiter_gets_the_lock_when_the_holder_lets_go)
{
	pid_t holder = holder_fork(), waiter = waiter_fork(false);
	double from = now_ms();

	kill(holder, SIGCONT);
	ck_exits_well(waiter);
	ck_exits_well(holder);
	ck_assert_double_lt(now_ms() - from, MANY_MS / 2);
}
END_TEST

/* The waiter exits with the lock in hand: its death frees it for the second one. */
START_TEST(each_of_several_waiters_gets_its_turn)
{
	pid_t holder = holder_fork(), first = waiter_fork(false), second = waiter_fork(false);
	double from = now_ms();

	child_kill(holder);
	ck_exits_well(first);
	ck_exits_well(second);
	ck_assert_double_lt(now_ms() - from, MANY_MS / 2);
}
END_TEST

START_TEST(a_waiter_that_lets_go_wakes_the_next)
{
	pid_t holder = holder_fork(), first = waiter_fork(true), second = waiter_fork(true);
	double from = now_ms();

	kill(holder, SIGCONT);
	ck_exits_well(holder);
	ck_exits_well(first);
	ck_exits_well(second);
	ck_assert_double_lt(now_ms() - from, MANY_MS / 2);
}
END_TEST

START_TEST(a_killed_waiter_leaves_the_lock_as_it_was)
{
	pid_t holder = holder_fork(), waiter = waiter_fork(false);

	child_kill(waiter);
	ck_assert(!shlock_acquire(&board->lock, FEW_MS));
	child_kill(holder);
	ck_assert(shlock_acquire(&board->lock, FEW_MS));
}
END_TEST

START_TEST(ones_own_lock_is_not_taken_twice)
{
	ck_assert(shlock_acquire(&board->lock, FEW_MS));
	ck_assert(!shlock_acquire(&board->lock, FEW_MS));
	shlock_release(&board->lock);
	ck_assert(shlock_acquire(&board->lock, FEW_MS));
}
END_TEST

/* A child must not pass for its parent: the id it took over at the fork is not its own. */
START_TEST(a_child_does_not_hold_what_its_parent_holds)
{
	pid_t pid;

	ck_assert(shlock_acquire(&board->lock, FEW_MS));
	pid = fork();
	if (pid == 0)
		_exit(shlock_acquire(&board->lock, FEW_MS) ? 1 : 0);
	ck_exits_well(pid);
	ck_assert_uint_eq(board->lock.word & FUTEX_TID_MASK, (uint32_t)getpid());
	shlock_release(&board->lock);
	pid = fork();
	if (pid == 0) {
		bool mine = shlock_acquire(&board->lock, FEW_MS);

		_exit(mine && (board->lock.word & FUTEX_TID_MASK) == (uint32_t)getpid() ? 0 : 1);
	}
	ck_exits_well(pid);
}
END_TEST

START_TEST(a_word_of_nonsense_costs_time_but_not_more_than_asked)
{
	static const uint32_t nonsense[] = { 1, 0x3fffffff, 0xffffffff, 0x80000001, 0xbfffffff,
		0x40000001 };

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		double from = now_ms();

		board->lock.word = nonsense[i];
		ck_assert(!shlock_acquire(&board->lock, FEW_MS));
		ck_assert_double_lt(now_ms() - from, 500.0);
	}
	board->lock.word = FUTEX_OWNER_DIED | FUTEX_WAITERS;
	ck_assert(shlock_acquire(&board->lock, FEW_MS));
}
END_TEST

/* Also with one that is killed again and again in the midst of it. */
START_TEST(only_one_at_a_time_is_inside)
{
	enum { WORKERS = 3 };
	pid_t pids[WORKERS], victim = 0;

	for (int w = 0; w < WORKERS; w++) {
		pids[w] = fork();
		if (pids[w] == 0) {
			for (int i = 0; i < TICKETS;) {
				if (!shlock_acquire(&board->lock, MANY_MS))
					continue;
				*(volatile uint64_t *)&board->tickets += 1;
				shlock_release(&board->lock);
				i++;
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 50; i++) {
		victim = fork();
		if (victim == 0)
			for (;;)
				if (shlock_acquire(&board->lock, MANY_MS))
					shlock_release(&board->lock);
		usleep(500);
		child_kill(victim);
	}
	for (int w = 0; w < WORKERS; w++)
		ck_exits_well(pids[w]);
	ck_assert_uint_eq(board->tickets, (uint64_t)WORKERS * TICKETS);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("shlock");
	TCase *tc = tcase_create("shlock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_stopped_holder_is_waited_for_no_longer_than_asked);
	tcase_add_test(tc, a_dead_holder_has_let_go);
	tcase_add_test(tc, a_waiter_gets_the_lock_when_the_holder_dies);
	tcase_add_test(tc, a_waiter_gets_the_lock_when_the_holder_lets_go);
	tcase_add_test(tc, each_of_several_waiters_gets_its_turn);
	tcase_add_test(tc, a_waiter_that_lets_go_wakes_the_next);
	tcase_add_test(tc, a_killed_waiter_leaves_the_lock_as_it_was);
	tcase_add_test(tc, ones_own_lock_is_not_taken_twice);
	tcase_add_test(tc, a_child_does_not_hold_what_its_parent_holds);
	tcase_add_test(tc, a_word_of_nonsense_costs_time_but_not_more_than_asked);
	tcase_add_test(tc, only_one_at_a_time_is_inside);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
