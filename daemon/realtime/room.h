/*
 * room: the conversations of this worker's users. Records of the ring become frames for the
 * members, each conversation's in the order of mod, and gaps are read from the database.
 *
 * Owns: rooms, local users, records that wait for their turn. Knows nothing of: sockets, tokens,
 * HTTP.
 *
 *   record ─► room ─► mod ≤ delivered_mod: a duplicate, dropped
 *                  ├► mod = delivered_mod + 1: delivered, delivered_mod moves
 *                  └► later: held; after 20 ms the gap is read from the database
 *
 * There is a room for each conversation that has a member with a socket here. delivered_mod is the
 * mod delivered last; the load of the first such member sets it. Records are hints: they may be
 * late, out of order, repeated or lost. delivered_mod and the database are sufficient to be
 * correct.
 *
 * A membership changes only with a record (join, leave) at its place in the order, so nothing of a
 * chat is pushed to a user who was not a member at that position. While a room waits for the
 * database (a gap, or the `chat` frames that precede a join), records for it are held.
 */
#ifndef PARLEY_ROOM_H
#define PARLEY_ROOM_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/hash.h"
#include "common/record.h"
#include "common/stats.h"
#include "net/frame.h"
#include "store/store.h"

struct rooms;
struct room;
struct session;

struct membership;
struct load;

/* A user with at least one authenticated socket on this worker. */
struct room_user {
	struct hash_link link; /* in rooms' users */
	int64_t user_id;
	struct session *sessions; /* the session layer's list */
	struct membership *memberships; /* a list, the newest first */
	struct load *load; /* the youngest one in progress, or NULL */
	/* rooms' n_events when the user was added, or at the query of the youngest load that was applied */
	uint64_t loaded_at;
	bool loaded; /* true once a load was applied */
	bool missed; /* true if a load in progress has found a membership */
};

/* error: ERROR_NONE or ERROR_unavailable. */
typedef void rooms_done_cb(void *arg, enum error error);

enum room_push {
	ROOM_EVENT, /* a change: a socket that cannot take it must sync */
	ROOM_HINT /* typing, watermarks: may be dropped */
};

struct room_events {
	/* Send f to every socket of u but that of the session origin. f is borrowed. */
	void (*push)(void *arg, struct room_user *u, struct frame *f, uint64_t origin,
		enum room_push kind);
	/* Events may have been missed: send `resync` to every socket of u. */
	void (*resync)(void *arg, struct room_user *u);
	/* A membership of this user has ended, here or on another worker. */
	void (*left)(void *arg, int64_t user_id);
	/* A reconcile runs: compare the state outside of rooms with the database too, then call
	 * done(done_arg, error) once. */
	void (*reconcile)(void *arg, rooms_done_cb *done, void *done_arg);
};

/* events, store and stats are borrowed. */
struct rooms *rooms_open(struct event_base *base, struct store *store,
	const struct room_events *events, void *arg, struct stats_slot *stats);

/* Ends the loads in progress with ERROR_unavailable; after the last answer of the store. */
void rooms_end_loads(struct rooms *rs);

/* After rooms_end_loads and the last user. */
void rooms_close(struct rooms *rs);

/* Returns the local user of this id, or NULL. */
struct room_user *rooms_find_user(struct rooms *rs, int64_t user_id);

/* Returns the local user of this id, added if there was none. */
struct room_user *rooms_add_user(struct rooms *rs, int64_t user_id);

/* The user's last socket has closed: leaves all rooms and frees u. */
void rooms_remove_user(struct rooms *rs, struct room_user *u);

/*
 * Reads the user's conversations from the database, unless they are loaded. cb runs once, perhaps
 * before this returns: with ERROR_NONE when they are loaded and every later event is pushed, or
 * with ERROR_unavailable. The user may be removed meanwhile.
 */
void rooms_load(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg);

/* Applies a record that concerns a conversation; ignores other types. */
void rooms_apply(struct rooms *rs, const struct record *r);

/*
 * Compares all state of this worker with the database, and repeats it until it succeeds: after an
 * overrun, the death of a worker, or a lost database connection. A call while one runs starts
 * another after it.
 *   fence_dead_workers  true: wait first until no dead worker can commit any more
 */
void rooms_reconcile(struct rooms *rs, bool fence_dead_workers);

/*
 * The database has another history (store_events.epoch): ends all rooms, and typing in them. Users stay; their next
 * load makes their rooms from the database, and no resync follows it.
 */
void rooms_restart(struct rooms *rs);

/* Finds the conversation that chat_id names for a local user; false if the user is in none of that
 * id. */
bool rooms_find_conv(
	const struct rooms *rs, const struct room_user *u, int64_t chat_id, struct conv *c);

/* Returns true if a local user may post in the chat, which is one of theirs. A change of it is known here when its `chat`
 * frame is sent. */
bool rooms_may_post(const struct rooms *rs, const struct room_user *u, int64_t chat_id);

size_t rooms_n(const struct rooms *rs);

#endif
