/*
 * room_private: what the files of room share.
 *
 * Owns: nothing. Knows nothing of: anything above room.
 */
#ifndef PARLEY_ROOM_PRIVATE_H
#define PARLEY_ROOM_PRIVATE_H

#include "realtime/room.h"
#include "realtime/typing.h"

#define EARLY_BUCKETS 256

/* A record that waits for its turn: a copy with its own texts. */
struct held {
	struct held *next;
	struct record record;
	char bytes[];
};

struct held *held_new(const struct record *r);

struct room_member {
	struct room_user *user;
	uint32_t at; /* index of this room in the user's `in` */
};

enum room_state {
	ROOM_LIVE,
	ROOM_GAP, /* something is held; the timer runs */
	ROOM_READING, /* the gap is being read from the database */
	ROOM_OPENING /* the chat frames for the first one held are being read */
};

struct room {
	struct room *next; /* in the hash */
	struct rooms *rooms;
	struct conv conv;
	int64_t head; /* mod delivered last */
	int64_t seq; /* of the newest message delivered: a later one is new to everybody here */
	int64_t known; /* the database has got to this mod at least */
	int64_t complete; /* up to here a gap was read: what is held has no others between */
	struct room_member *members;
	uint32_t n_members, cap_members;
	struct held *held; /* changes in the order of mod, each mod once */
	struct event *timer; /* made when first needed */
	uint8_t state; /* enum room_state */
};

/* One who left while loads were under way: rows read before that must not bring them back. */
struct tombstone {
	struct tombstone *next;
	int64_t user_id, conv_id, mod;
};

struct rooms {
	struct event_base *base;
	struct store *store;
	const struct room_events *events;
	void *arg;
	struct stats_slot *stats;
	struct room **by_id; /* hash of a power of two */
	size_t n_rooms, n_room_buckets;
	struct room_user **users;
	size_t n_users, n_user_buckets;
	struct typing *typing;
	uint32_t clock; /* events so far: orders memberships and loads */
	unsigned n_loads; /* under way */
	/* Records without a room, while loads are under way; by conversation. */
	struct held *early_records[EARLY_BUCKETS];
	size_t n_early_records;
	struct tombstone *tombstones;
	struct check *check;
	struct event *check_retry;
	unsigned check_retry_ms;
	bool check_again, check_again_waits;
	struct buf scratch;
};

/* room.c: tables and memberships */
struct room *rooms_find(struct rooms *rs, int64_t conv_id);
struct room *rooms_make(struct rooms *rs, const struct conv *c, int64_t head, int64_t seq);
struct membership *room_membership(const struct room *r, const struct room_user *u);
void room_enter(struct room *r, struct room_user *u);
void room_leave(struct room *r,
	struct room_user *u); /* the room stays, even when empty: see room_drop_if_empty */
bool room_drop_if_empty(struct room *r);
void rooms_add_tombstone(struct rooms *rs, int64_t user_id, int64_t conv_id, int64_t mod);

/* room_order.c: the order of changes */
void room_change(struct room *r, const struct record *rec);
void room_known(
	struct room *r, int64_t mod); /* the database is at this mod: a gap if nothing comes */
void room_forget_held(struct room *r);

/* room_push.c: frames to members */
void room_push_change(
	struct room *r, const struct message *m, enum record_event event, uint64_t origin);
void room_push_read(struct room *r, const struct record *rec);
void room_push_removed(struct rooms *rs, const struct conv *c, struct room_user *u);
void room_push_chats(struct rooms *rs, const store_rows *rows);
void room_push_typing(struct rooms *rs, const struct conv *c, int64_t user_id, bool on);

#endif
