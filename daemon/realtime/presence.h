/*
 * presence: who is online, in tables in shared memory, one writer each.
 *
 * Owns: the mapping. Knows nothing of: sockets, chats, who watches whom.
 *
 *	slot 0:	[ user -> sockets, when the last one went ]	worker 0 writes, all read
 *	slot 1:	...
 *
 * There is no count across processes, so nothing leaks when a worker dies: the level is looked up
 * over all slots, without a lock. Each slot has two tables, and an incarnation uses the one its
 * predecessor did not: the users of a worker that was killed stay known, with the time of its
 * death, until they have come back or their grace is over, even if its successor dies too.
 */
#ifndef PARLEY_PRESENCE_H
#define PARLEY_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRESENCE_GRACE_MS 10000 /* offline only after so long without a socket */
#define PRESENCE_REMEMBER_MS 60000 /* when somebody went is forgotten after that; >= the grace */
#define PRESENCE_SOCKETS_MAX 65535 /* of one user in one slot */

struct presence;

/*
 * Maps tables for n_slots workers (from 1) with room for users_max different users each, online
 * or remembered (anonymous, shared; pages are taken as they are touched). NULL and errno of
 * mmap(2). For the master, before the first fork.
 */
struct presence *presence_create(unsigned n_slots, size_t users_max);

/* Unmaps in this process only. NULL is allowed. */
void presence_free(struct presence *p);

/*
 * The master, before it forks into a slot that nobody runs in: the other table is emptied and
 * becomes the slot's own. now_ms (clock_mono_ms): those whose grace is not over are remembered in
 * the table of the last who died.
 */
void presence_begin(struct presence *p, unsigned slot, int64_t now_ms);

/*
 * The master, when a slot's process is gone: from now on (clock_mono_ms) its users live on their
 * grace.
 */
void presence_end(struct presence *p, unsigned slot, int64_t now_ms);

/*
 * The slot's worker: one more socket of this user, or one less (now_ms: clock_mono_ms).
 * user_id: from 1. Both return the user's sockets in this slot after it. presence_add returns -1,
 * and nothing has changed, where the table is full or the user has PRESENCE_SOCKETS_MAX of them;
 * presence_remove is only for a user who has one.
 */
int presence_add(struct presence *p, unsigned slot, int64_t user_id);
int presence_remove(struct presence *p, unsigned slot, int64_t user_id, int64_t now_ms);

/* Sockets of the user in all slots whose process lives. */
unsigned presence_sockets(const struct presence *p, int64_t user_id);

enum presence_level {
	PRESENCE_OFFLINE,
	PRESENCE_GRACE, /* no socket, but for less than PRESENCE_GRACE_MS: shown as online */
	PRESENCE_ONLINE
};

/*
 * The user's level at now_ms (clock_mono_ms). *gone_ms (gone_ms may be NULL): clock_mono_ms of when
 * their last socket went, for GRACE and, up to PRESENCE_REMEMBER_MS, for OFFLINE; else 0. Somebody
 * who moves from one slot to another is never seen as OFFLINE on the way.
 */
enum presence_level presence_look(
	const struct presence *p, int64_t user_id, int64_t now_ms, int64_t *gone_ms);

/*
 * The users whom the slot's former incarnation left with sockets: each called back once, for its
 * successor to write their last_seen and to announce them when their grace is over. If that one
 * dies before it has, the one after it is not told of them. cb must not
 * call presence_begin or presence_end.
 */
void presence_each_orphan(
	const struct presence *p, unsigned slot, void (*cb)(void *arg, int64_t user_id), void *arg);

#endif
