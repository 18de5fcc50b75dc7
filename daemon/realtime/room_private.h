/*
 * room_private: what the files of room share.
 *
 *   room.c            tables, memberships, the dispatch of records
 *   room_load.c       a user's rooms from the database, and the records that arrive meanwhile
 *   room_order.c      the order of a room's changes, and its gaps
 *   room_push.c       frames for members
 *   room_views.c      the chat frames of all members
 *   room_reconcile.c  comparing everything with the database
 *
 * Owns: nothing. Knows nothing of: anything above room.
 */
#ifndef PARLEY_ROOM_PRIVATE_H
#define PARLEY_ROOM_PRIVATE_H

#include "realtime/room.h"
#include "realtime/typing.h"

/* A copy of a change, with its texts, that waits for its turn. */
struct held {
	struct held *next;
	struct record_change change;
	char bytes[];
};

struct held *held_new(const struct record_change *c);

struct membership {
	struct hash_link link; /* in rooms' memberships */
	struct room *room;
	struct room_user *user;
	struct membership *next, **prev; /* of the user */
	size_t at; /* index in the room's members */
	/* rooms' n_events at the join, or at the query of the latest load that found it */
	uint64_t as_of;
	bool may_post; /* as the user's last `chat` frame says, or the load */
};

struct room_member {
	struct room_user *user; /* as in the membership: a push need not read that */
	struct membership *membership;
};

enum room_state {
	ROOM_LIVE,
	ROOM_GAP, /* a mod is missing; the timer runs */
	ROOM_READING, /* the gap is being read from the database */
	ROOM_OPENING /* the chat frames for the first held change are being read */
};

struct room {
	struct hash_link link; /* in rooms' by_id */
	struct rooms *rooms;
	struct conv conv;
	int64_t delivered_mod; /* of the last change delivered */
	int64_t delivered_seq; /* of the newest message delivered: a higher seq is a new message */
	uint64_t delivered_at; /* rooms' n_events then */
	int64_t db_mod; /* a lower bound of the database's mod */
	int64_t revision; /* of the `chat` objects: those of a lower one are out of date */
	int64_t gap_read_mod; /* up to here a gap was read: held changes have none between */
	struct room_member *members;
	size_t n_members, cap_members;
	struct held *held; /* in the order of mod, each mod once */
	struct views *views; /* the chat frames that are being read, or NULL */
	struct event *timer; /* made when first needed */
	uint8_t state; /* enum room_state */
};

struct reconcile;
struct views;

struct rooms {
	struct event_base *base;
	struct store *store;
	const struct room_events *events;
	void *arg;
	struct stats_slot *stats;
	struct hash by_id; /* struct room by conv.id */
	struct hash users; /* struct room_user by user_id */
	struct hash memberships; /* by user and chat_id: see room.c */
	struct typing *typing;
	uint64_t n_events; /* records, joins, gaps and loads so far: orders them */
	unsigned n_loads; /* in progress */
	struct load *slices, **slices_end; /* the loads that have their answer */
	struct event *slice_timer; /* pending while there are some */
	struct hash early_records; /* by conv.id; while loads are in progress */
	struct hash tombstones; /* by user and conv.id; while loads are in progress */
	struct views *views, **views_end; /* in the order of their turns */
	struct reconcile *reconcile; /* in progress, or NULL */
	struct event *reconcile_timer;
	unsigned reconcile_retry_ms;
	bool reconcile_again, reconcile_again_fenced; /* requested while one is in progress */
	struct buf scratch; /* of the frame that is being written */
};

/* room.c */
struct room *rooms_find(const struct rooms *rs, int64_t conv_id);

/* The `chat` objects have this revision: if it is a later one, the members get theirs. */
void room_raise_revision(struct room *r, int64_t revision);

/* Adds the room of a conversation that has none. mod, seq: the last ones delivered. */
struct room *rooms_add(struct rooms *rs, const struct conv *c, int64_t mod, int64_t seq);

/* The key of a pair of ids in a table. Ids are consecutive: the factor keeps the keys of almost all
 * pairs apart, and a search passes over the others. */
static inline uint64_t rooms_pair_key(int64_t a, int64_t b)
{
	return (uint64_t)a * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)b;
}

/* NULL if the user is not a member. */
struct membership *room_membership(const struct room *r, const struct room_user *u);

/* Adds a member, and returns the membership; it may exist already. */
struct membership *room_enter(struct room *r, struct room_user *u);

/* Ends a membership. The room stays even if it is empty: see room_drop_if_empty. */
void room_leave(struct membership *m);

/* The members' sockets must sync. */
void room_resync(struct room *r);

/* Frees a room that has no members and waits for nothing. Returns true if it did. */
bool room_drop_if_empty(struct room *r);

/* room_load.c */

/* As rooms_load, by a query that is younger than this call. */
void rooms_load_again(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg);

/* Keeps a change or an erasure (change NULL) that has no room, for the loads in progress. */
void rooms_keep_early(
	struct rooms *rs, int64_t conv_id, int64_t mod, const struct record_change *c);

/* Records that a user left at this mod, for the loads in progress: their rows may be older. */
void rooms_add_tombstone(struct rooms *rs, int64_t user_id, int64_t conv_id, int64_t mod);

/* The loads that were answered end with ERROR_unavailable, and what was kept for loads is freed. */
void rooms_drop_loads(struct rooms *rs);

void rooms_loads_init(struct rooms *rs);
void rooms_loads_fini(struct rooms *rs);

/* room_order.c */
void room_change(struct room *r, const struct record_change *c);

/* The database has reached this mod: if it is not delivered soon, the gap is read. */
void room_raise_db_mod(struct room *r, int64_t mod);
void room_clear_held(struct room *r);

/* The database has lost changes that were delivered: goes back to this mod and seq, and has the members resync. While
 * the room waits for the database, a reconcile repeats the check instead. */
void room_go_back(struct room *r, int64_t mod, int64_t seq);

/* room_push.c: to the members of the room */
void room_push_change(struct room *r, const struct record_change *c);
void room_push_read(struct room *r, const struct record_read *read);
void room_push_typing(struct room *r, int64_t user_id, bool on); /* not to user_id */

/* room_push.c: to one user */
void room_push_removed(struct rooms *rs, const struct conv *c, struct room_user *u);

/* room_push.c: to the viewer of each row, if they are a local member; keeps their may_post */
void room_push_chats(struct rooms *rs, const store_rows *rows);

/* room_views.c: a chat frame to every member. If it cannot be read, they resync. */
void room_push_views(struct room *r);

/* room_reconcile.c */
void rooms_reconcile_init(struct rooms *rs);
void rooms_reconcile_fini(struct rooms *rs);

#endif
