/*
 * A futex whose holder's thread id stands in the word. Before it tries for the lock a thread
 * notes the word's address in its robust list head's list_op_pending, and takes the note away
 * after it has let go. When the thread dies, however it dies, the kernel looks there; if the word
 * holds the dead thread's id, that is replaced by FUTEX_OWNER_DIED and a waiter is woken. If the
 * word is free, a waiter is woken too: the thread may have died between letting go and waking.
 *
 * It is the C library's robust mutex without the list of all that are held. It uses the library's
 * own list head, which is the one the kernel knows of; the library touches that field only while
 * it takes or releases a robust mutex itself.
 */
#define _GNU_SOURCE 1
#include "common/shlock.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 100 /* pauses: longer than a holder that runs needs, shorter than a sleep costs */

/* What the kernel knows of this thread; asked for once, and again in a forked child. */
static _Thread_local struct {
	struct robust_list_head *robust;
	uint32_t tid; /* 0: not asked yet */
} self;

static void self_forget(void)
{
	self.tid = 0;
}

static bool self_ask(void)
{
	struct robust_list_head *head = NULL;
	size_t len = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &len) != 0)
		return false;
	if (!head || len != sizeof(*head)) {
		errno = ENOSYS;
		return false;
	}
	self.robust = head;
	self.tid = (uint32_t)gettid();
	return true;
}

static void fork_watch(void)
{
	pthread_atfork(NULL, NULL, self_forget);
}

/* The lock the kernel frees if this thread dies. Volatile, as only the kernel reads it. */
static void pending_set(struct shlock *lock)
{
	struct robust_list *volatile *pending = &self.robust->list_op_pending;

	atomic_signal_fence(memory_order_seq_cst);
	*pending = lock ? (struct robust_list *)((char *)lock - self.robust->futex_offset) : NULL;
	atomic_signal_fence(memory_order_seq_cst);
}

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static struct timespec deadline_in_ms(long ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ms * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static bool is_past(const struct timespec *at)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec != at->tv_sec ? now.tv_sec > at->tv_sec : now.tv_nsec >= at->tv_nsec;
}

/*
 * One try. keep: bits to be set beside our id. A dead holder's FUTEX_OWNER_DIED is dropped, as
 * the header explains.
 */
static bool lock_try(struct shlock *lock, uint32_t *seen, uint32_t keep)
{
	uint32_t mine;

	*seen = atomic_load_explicit(&lock->word, memory_order_relaxed);
	if (*seen & FUTEX_TID_MASK)
		return false;
	mine = self.tid | keep | (*seen & FUTEX_WAITERS);
	return atomic_compare_exchange_strong_explicit(
		&lock->word, seen, mine, memory_order_acquire, memory_order_relaxed);
}

/* Asks to be woken by the holder seen. false: the word has changed since. */
static bool waiters_set(struct shlock *lock, uint32_t seen)
{
	if (!(seen & FUTEX_TID_MASK))
		return false;
	if (seen & FUTEX_WAITERS)
		return true;
	return atomic_compare_exchange_strong_explicit(&lock->word, &seen, seen | FUTEX_WAITERS,
		memory_order_relaxed, memory_order_relaxed);
}

/* Who has slept takes the lock with FUTEX_WAITERS set: there may be other sleepers to wake. */
static bool lock_wait(struct shlock *lock, long timeout_ms)
{
	struct timespec until = deadline_in_ms(timeout_ms);
	uint32_t seen;

	while (!lock_try(lock, &seen, FUTEX_WAITERS)) {
		if (is_past(&until))
			return false;
		if (waiters_set(lock, seen))
			syscall(SYS_futex, &lock->word, FUTEX_WAIT_BITSET, seen | FUTEX_WAITERS,
				&until, NULL, FUTEX_BITSET_MATCH_ANY);
	}
	return true;
}

bool shlock_usable(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fork_watch);
	return self.tid || self_ask();
}

bool shlock_acquire(struct shlock *lock, long timeout_ms)
{
	uint32_t seen;

	if (!self.tid && !self_ask())
		return false;
	pending_set(lock);
	for (int i = 0; i < SPINS; i++) {
		if (lock_try(lock, &seen, 0))
			return true;
		cpu_relax();
	}
	if (lock_wait(lock, timeout_ms))
		return true;
	pending_set(NULL);
	return false;
}

void shlock_release(struct shlock *lock)
{
	uint32_t was = atomic_exchange_explicit(&lock->word, 0, memory_order_release);

	if (was & FUTEX_WAITERS)
		syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	pending_set(NULL);
}
