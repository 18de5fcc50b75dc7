/*
 * store_rows: what the store hands out: rows, and the structs that they are read into.
 *
 * Owns: nothing; texts are those of the rows. Knows nothing of: queries, connections.
 *
 * Each store_*_at reads row i, from 0 to store_n - 1, of a result of the functions that name it in store.h.
 */
#ifndef PARLEY_STORE_ROWS_H
#define PARLEY_STORE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

typedef struct db_result store_rows;
int store_n(const store_rows *rows);

/* Conversations and messages. */

/* A row of a search. The last one has no message. */
struct found {
	struct conv conv;
	struct message message;
	int64_t searched_ms; /* of the last row: down to when everything was searched; 0: to the end */
	bool incomplete; /* True if older messages are not indexed yet. */
	bool ready; /* False if search cannot be used yet. */
	int64_t percent; /* then: how much is indexed */
};
void store_found_at(const store_rows *rows, int i, struct found *f);

struct change {
	struct conv conv;
	/* kind 0: none, only the `chat` objects have changed. A leave with mod 0: the group is gone with its last member,
	 * target_id. */
	struct message message;
	int64_t revision; /* of the `chat` objects, if message.kind is 0 */
	int64_t user_id; /* who made it */
	struct text emoji; /* of a reaction */
	bool duplicate; /* True if it was done before: nothing changed. */
};

static inline bool change_ends_group(const struct change *c)
{
	return c->message.kind == MESSAGE_LEAVE && c->message.mod == 0;
}

void store_conv_at(const store_rows *rows, int i, struct conv *c);
void store_message_at(const store_rows *rows, int i, struct message *m);

/* A conversation of a user, with its counters. */
struct head {
	int64_t user_id;
	struct conv conv;
	int64_t seq;
	int64_t mod;
	int64_t read_seq;
	int64_t join_seq; /* seq of the join; 0 in a direct chat */
	int64_t revision; /* as in struct change */
	bool may_post;
};

/* A conversation of a deleted user. */
struct erased {
	struct conv conv;
	int64_t seq, mod; /* its last ones; 0: unchanged */
	int64_t from_mod; /* its last mod before */
	bool left; /* True if this reports the end of the membership; else messages were erased. */
};
void store_erased_at(const store_rows *rows, int i, struct erased *e);

struct read_mark {
	struct conv conv;
	int64_t seq;
	int64_t n_messages; /* how many of those given are in it */
	bool moved;
	bool own_only; /* as in struct record_read */
};
void store_read_at(const store_rows *rows, int i, struct read_mark *m);

/* Users and their chats. */

struct user {
	int64_t user_id;
	struct text username, full_name, profile_picture, public_key;
	int64_t created_ms;
};
void store_user_at(const store_rows *rows, int i, struct user *u);
/* The stored password; NULL data if there is none. */
struct text store_password_at(const store_rows *rows, int i);

#define STORE_HASH_SIZE 32

struct token {
	int64_t token_id;
	int64_t user_id;
	int64_t expires_ms; /* by the database's clock, since the Unix epoch */
	/* The same by clock_mono_ms, so that a step of the wall clock ends no socket and keeps none; only of
	 * store_authenticate. */
	int64_t ends_ms;
	uint8_t hash[STORE_HASH_SIZE]; /* only of store_authenticate */
};

/* What a group has beside its name. */
struct profile_of_group {
	struct text description, picture; /* NULL data: none */
	bool posting_admins; /* True if only the owner and admins may post. */
	bool adding_admins; /* True if only the owner and admins may add members. */
};

struct chat {
	int64_t viewer;
	struct conv conv;
	struct text name;
	int64_t owner_id, last_seq, last_mod, read_seq, unread, member_count, peer_read_seq;
	bool has_peer;
	struct user peer;
	bool has_last;
	struct message last;
	bool last_cut; /* True if last.content is only its beginning. */
	struct text last_sender_name; /* of a group; "" if deleted */
	struct text role; /* the viewer's in a group: owner, admin or member */
	bool may_post;
	struct profile_of_group profile;
	struct cursor cursor;
};
void store_chat_at(const store_rows *rows, int i, struct chat *c);

struct member {
	int64_t user_id;
	struct text username, full_name;
	int64_t joined_ms, read_seq;
	struct text role;
	struct cursor cursor;
	struct text group_name;
	int64_t owner_id, group_created_ms, member_count;
	struct profile_of_group profile;
};
void store_member_at(const store_rows *rows, int i, struct member *m);

struct invite {
	struct text code; /* NULL data: the row has no invite */
	int64_t expires_ms; /* 0: never */
	int64_t max_uses; /* 0: any number */
	int64_t uses;
	int64_t created_by; /* 0: a deleted user */
};
void store_invite_at(const store_rows *rows, int i, struct invite *v);

struct invited_group {
	int64_t group_id, member_count;
	struct text name, picture;
	bool joined; /* True if the viewer is a member. */
};
void store_invited_group_at(const store_rows *rows, int i, struct invited_group *g);

/* True if the viewer may post in the conversation. */
bool store_may_post_at(const store_rows *rows, int i);

/* An id, and when this user was last seen: ms since the Unix epoch, 0 for never. */
int64_t store_id_at(const store_rows *rows, int i);
int64_t store_last_seen_at(const store_rows *rows, int i);

#endif
