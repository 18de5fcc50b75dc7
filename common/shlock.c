/*
 * A futex whose word is the thread id of the holder. Before a thread tries to acquire it, it stores the address of the
 * word in list_op_pending of its robust list head, and clears that field after the release. When a thread dies, the
 * kernel reads the field. If the word is the dead thread's id, the kernel replaces it by FUTEX_OWNER_DIED and wakes a
 * waiter. If the word is free, it also wakes a waiter, since the thread may have died between release and wake-up.
 *
 * This is the C library's robust mutex without its list of held locks. It uses the library's own list head, which is
 * registered with the kernel. The library accesses the field only while it locks or unlocks a robust mutex.
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

#define SPINS 100 /* pauses: longer than a running holder needs, shorter than a sleep */

/* This thread, as the kernel knows it; queried once per thread, and again after a fork. */
static _Thread_local struct {
	struct robust_list_head *robust;
	uint32_t tid; /* 0 if not queried yet */
} self;

static void self_forget(void)
{
	self.tid = 0;
}

static bool self_query(void)
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

static void register_fork_handler(void)
{
	pthread_atfork(NULL, NULL, self_forget);
}

/* Sets the lock that the kernel releases if this thread dies. Volatile, since only the kernel reads the field. */
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
 * Tries once to acquire the lock. FUTEX_OWNER_DIED of a dead holder is cleared, as the header explains.
 *   value  receives the word as it was read
 *   flags  set in addition to this thread's id
 */
static bool lock_try(struct shlock *lock, uint32_t *value, uint32_t flags)
{
	uint32_t mine;

	*value = atomic_load_explicit(&lock->word, memory_order_relaxed);
	if (*value & FUTEX_TID_MASK)
		return false;
	mine = self.tid | flags | (*value & FUTEX_WAITERS);
	return atomic_compare_exchange_strong_explicit(
		&lock->word, value, mine, memory_order_acquire, memory_order_relaxed);
}

/* Requests a wake-up by the holder in `value`. Returns false if the word has changed since. */
static bool waiters_set(struct shlock *lock, uint32_t value)
{
	if (!(value & FUTEX_TID_MASK))
		return false;
	if (value & FUTEX_WAITERS)
		return true;
	return atomic_compare_exchange_strong_explicit(&lock->word, &value, value | FUTEX_WAITERS,
		memory_order_relaxed, memory_order_relaxed);
}

/* Acquires the lock with FUTEX_WAITERS set, since other threads may be waiting, too. */
static bool lock_wait(struct shlock *lock, long timeout_ms)
{
	struct timespec until = deadline_in_ms(timeout_ms);
	uint32_t value;

	while (!lock_try(lock, &value, FUTEX_WAITERS)) {
		if (is_past(&until))
			return false;
		if (waiters_set(lock, value))
			syscall(SYS_futex, &lock->word, FUTEX_WAIT_BITSET, value | FUTEX_WAITERS,
				&until, NULL, FUTEX_BITSET_MATCH_ANY);
	}
	return true;
}

bool shlock_usable(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_fork_handler);
	return self.tid || self_query();
}

bool shlock_acquire(struct shlock *lock, long timeout_ms)
{
	uint32_t value;

	if (!self.tid && !self_query())
		return false;
	pending_set(lock);
	for (int i = 0; i < SPINS; i++) {
		if (lock_try(lock, &value, 0))
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
	uint32_t former = atomic_exchange_explicit(&lock->word, 0, memory_order_release);

	if (former & FUTEX_WAITERS)
		syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	pending_set(NULL);
}
