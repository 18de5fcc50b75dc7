/*
 * presence: the users who are online, in tables in shared memory, each with one writer.
 *
 * Owns: the mapping. Knows nothing of: sockets, chats, watchers.
 *
 *	slot 0:	[ user -> sockets, time of the last disconnect ]	worker 0 writes, all read
 *	slot 1:	...
 *
 * No count is shared by processes, so a worker that dies leaks nothing: a level is computed over all
 * slots, without a lock. Each slot has two tables, and an incarnation uses the one that its
 * predecessor did not use: the users of a dead worker remain, with the time of its death, until they
 * have reconnected or their grace is over, even if the successor dies too.
 */
#ifndef PARLEY_PRESENCE_H
#define PARLEY_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRESENCE_GRACE_MS 10000 /* without a socket, before a user is offline */
#define PRESENCE_REMEMBER_MS 60000 /* a disconnect is forgotten after it; >= the grace */
#define PRESENCE_SOCKETS_MAX 65535 /* of a user in one slot */

struct presence;

/*
 * Maps the tables (anonymous, shared; pages are allocated when touched). For the master, before the
 * first fork.
 *   n_slots    workers, from 1
 *   users_max  users in a table, online or remembered
 * Returns NULL with errno of mmap(2).
 */
struct presence *presence_create(unsigned n_slots, size_t users_max);

/* Unmaps in this process only. NULL is allowed. */
void presence_free(struct presence *p);

/*
 * For the master, before it forks into a slot that no process runs in: clears the slot's other table
 * and makes it the slot's own. Users of the former table whose grace is not over are remembered.
 *   now_ms  clock_mono_ms
 */
void presence_begin(struct presence *p, unsigned slot, int64_t now_ms);

/*
 * For the master, when the slot's process is gone: its users are in grace from now on.
 *   now_ms  clock_mono_ms
 */
void presence_end(struct presence *p, unsigned slot, int64_t now_ms);

/*
 * For the slot's worker: adds or removes one socket of a user. presence_remove is only for a user who
 * has one.
 *   user_id  from 1
 *   now_ms   clock_mono_ms
 * Both return the user's sockets in this slot after it. presence_add returns -1 and changes nothing
 * if the table is full or the user has PRESENCE_SOCKETS_MAX sockets.
 */
int presence_add(struct presence *p, unsigned slot, int64_t user_id);
int presence_remove(struct presence *p, unsigned slot, int64_t user_id, int64_t now_ms);

/* Returns the user's sockets in all slots whose process is alive. */
unsigned presence_sockets(const struct presence *p, int64_t user_id);

enum presence_level {
	PRESENCE_OFFLINE,
	PRESENCE_GRACE, /* no socket for less than PRESENCE_GRACE_MS: shown as online */
	PRESENCE_ONLINE
};

/*
 * Returns the user's level. A user who moves between slots is never seen as OFFLINE meanwhile.
 *   now_ms   clock_mono_ms
 *   gone_ms  may be NULL. Receives clock_mono_ms of the last disconnect for GRACE and, up to
 *            PRESENCE_REMEMBER_MS, for OFFLINE; else 0
 */
enum presence_level presence_lookup(
	const struct presence *p, int64_t user_id, int64_t now_ms, int64_t *gone_ms);

/*
 * Calls cb once for each user whom the slot's former incarnation left with sockets: the successor
 * writes their last_seen, and announces them when their grace is over. If it dies before that, its
 * successor does not get them again. cb must not call presence_begin or presence_end.
 */
void presence_each_orphan(
	const struct presence *p, unsigned slot, void (*cb)(void *arg, int64_t user_id), void *arg);

#endif
