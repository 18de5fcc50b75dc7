/*
 * shlock: a lock between processes, in memory they share, that the kernel frees when its holder
 * dies.
 *
 * Owns: one 32-bit word. Knows nothing of: what it protects.
 *
 * What the dead holder left half done is for the next one to find: the lock does not say that it
 * was taken over, so the data must (see ring.c, where intent != tail says it).
 */
#ifndef PARLEY_SHLOCK_H
#define PARLEY_SHLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: free. Embed it in shared memory, 4-byte aligned. Its content is not trusted. */
struct shlock {
	_Atomic uint32_t word; /* the holder's thread id | FUTEX_WAITERS, FUTEX_OWNER_DIED */
};

/*
 * Whether this kernel and C library can do it. Call it once before the first fork; false with
 * errno (ENOSYS). Every thread of this process and its children may use locks after that.
 */
bool shlock_usable(void);

/*
 * Takes the lock, waiting at most timeout_ms (1..999) of CLOCK_MONOTONIC. true: the caller holds
 * it.
 * false: it was in others' hands all that time, or is in the caller's own. A thread holds one
 * shlock at a time and no robust pthread mutex beside it: both are noted for the kernel in the
 * same place (linux Documentation/locking/robust-futex-ABI.rst, list_op_pending).
 */
bool shlock_acquire(struct shlock *lock, long timeout_ms);

/* Lets go and wakes one waiter. Only by the thread that holds it. */
void shlock_release(struct shlock *lock);

#endif
