/*
 * room: the conversations that users of this worker are in: who gets what, in which order, and how
 * a gap is mended.
 *
 * Owns: rooms, local users, what waits for its turn. Knows nothing of: sockets, tokens, HTTP.
 *
 *   record ─► room ─► mod ≤ head: known, dropped
 *                  ├► mod = head + 1: delivered, head moves
 *                  └► later: held; after 20 ms the gap is read from the database
 *
 * There is a room for each conversation in which a user with a socket here is a member. Its head is
 * the mod that was delivered last; the database gave its start when the first such user came. Ring
 * records are hints: they may come late, in the wrong order, twice or never. All that is needed to
 * be right is the head and the database.
 *
 * A membership changes only with a record (join, leave) at its place in the order, so nothing of a
 * chat is pushed to one who was not in it at that moment. While a room waits for the database (a
 * gap, or the `chat` frames that come before a join), what arrives is held.
 */
#ifndef PARLEY_ROOM_H
#define PARLEY_ROOM_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/stats.h"
#include "net/frame.h"
#include "realtime/bus.h"
#include "store/store.h"

struct rooms;
struct room;
struct session;

struct membership {
	struct room *room;
	uint32_t at; /* index of this user in the room's members */
	/* rooms' event count when they entered, or when the load that brought them was asked for */
	uint32_t since;
};

/* A user with at least one authenticated socket on this worker. */
struct room_user {
	struct room_user *next; /* in the hash */
	int64_t user_id;
	struct session *sessions; /* the session layer's list */
	struct membership *in;
	uint32_t n_in, cap_in;
	bool loaded; /* the rooms are known */
};

typedef void rooms_done_cb(void *arg, enum error error);

enum room_push {
	ROOM_EVENT, /* a change: a socket that cannot take it must be told to sync */
	ROOM_HINT /* typing, watermarks: may be left out */
};

struct room_events {
	/* To every socket of u but the one whose session is origin. */
	void (*push)(void *arg, struct room_user *u, struct frame *f, uint64_t origin,
		enum room_push kind);
	/* Sockets of u may have missed something. */
	void (*resync)(void *arg, struct room_user *u);
	/* A check is under way: compare what is not the rooms' own with the database too, then call
	 * done(done_arg, error), once. */
	void (*check)(void *arg, rooms_done_cb *done, void *done_arg);
};

struct rooms *rooms_open(struct event_base *base, struct store *store,
	const struct room_events *events, void *arg, struct stats_slot *stats);
void rooms_close(struct rooms *rs);

/* The local user of this id, made if make is set and there is none. */
struct room_user *rooms_user(struct rooms *rs, int64_t user_id, bool make);

/* The last socket is gone: leaves all rooms; u is freed. */
void rooms_user_gone(struct rooms *rs, struct room_user *u);

/* Reads the user's conversations; cb once they are known and every event after that is pushed, or
 * with unavailable.
 * The user may be gone by then. */
void rooms_load(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg);

/* A record of the ring that speaks of a conversation. */
void rooms_apply(struct rooms *rs, const struct record *r);

/* Compares all that is known here with the database, until that has succeeded: after a lap, after
 * the death of a worker, after the database was away. With fence_dead_workers, only once no dead
 * worker can commit any more. Calls during a check make one more follow it. */
void rooms_reconcile(struct rooms *rs, bool fence_dead_workers);

/* The conversation that chat_id names for this local user; false where they are in none such. */
bool rooms_conv(struct rooms *rs, const struct room_user *u, int64_t chat_id, struct conv *c);

size_t rooms_n(const struct rooms *rs);

#endif
