/*
 * shlock: a lock in memory that processes share. The kernel releases it if its holder dies.
 *
 * Owns: one 32-bit word. Knows nothing of: what it protects.
 *
 * The next holder is not told that the former one died. The protected data must show whether a change is incomplete
 * (in ring.c: intent != tail).
 */
#ifndef PARLEY_SHLOCK_H
#define PARLEY_SHLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embed it in shared memory, 4-byte aligned. All zero means free. Its content is not trusted. */
struct shlock {
	_Atomic uint32_t word; /* the holder's thread id | FUTEX_WAITERS, FUTEX_OWNER_DIED */
};

/*
 * Prepares locks for the threads of this process and of its children. Call it before the first fork. Returns false
 * with errno (ENOSYS) if the kernel or the C library does not support them.
 */
bool shlock_usable(void);

/*
 * Acquires the lock. A thread may hold one shlock at a time, and no robust pthread mutex at the same time, since the
 * kernel knows of both from the same field (list_op_pending; linux, Documentation/locking/robust-futex-ABI.rst).
 *   timeout_ms  maximum wait, 1..999
 * Returns false after the timeout, also if the caller already holds the lock.
 */
bool shlock_acquire(struct shlock *lock, long timeout_ms);

/* Releases the lock and wakes one waiter. Only for the thread that holds it. */
void shlock_release(struct shlock *lock);

#endif
