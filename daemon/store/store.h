/*
 * store: everything the daemon asks of the database, as typed questions and answers. All SQL stands
 * here and in migrations/.
 *
 * Owns: one connection to write and one to read; the batches that gather while another is in
 * flight.
 * Knows nothing of: sockets, HTTP, who is connected.
 *
 *   store_send ──► waiting ──► one batch in flight (≤ 128 sends, 256 KiB), one commit ──► answers
 *
 * What arrives while a batch is in flight becomes the next one: an idle server answers after one
 * commit, a busy one shares its commits. Log-ins, loads and watermarks are gathered the same way.
 *
 * Every answer comes later, never from inside the asking call, exactly once. error is ERROR_NONE,
 * the contract's refusal, or ERROR_unavailable (the database is away: nothing is known to have been
 * stored). Rows and texts live until the callback returns.
 */
#ifndef PARLEY_STORE_H
#define PARLEY_STORE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/proto.h"
#include "heritage.h"

struct store;

struct store_events {
	/* The database is there (both connections) or away. A connection that came back after a
	 * loss may have left changes that nobody published. */
	void (*state)(void *arg, bool ready, bool after_loss);
	/* A watermark moved, asked for by this origin. */
	void (*read_moved)(
		void *arg, const struct conv *conv, int64_t user_id, int64_t seq, uint64_t origin);
};

struct store *store_open(struct event_base *base, const struct heritage *h,
	const struct store_events *events, void *arg);
void store_close(struct store *s);
bool store_ready(const struct store *s);
/* Nothing is waiting or in flight: a stopping worker may go. */
bool store_idle(const struct store *s);

/* Rows of an answer, read by the *_at functions below. */
typedef struct pg_result store_rows;
int store_n(const store_rows *rows);
typedef void store_cb(void *arg, enum error error, const store_rows *rows);

/* Changes: everything that takes a mod. */

struct change {
	struct conv conv;
	struct message message; /* mod 0: a group went with its last member, who is target_id */
	bool duplicate; /* it was so before: nothing changed */
};

typedef void store_change_cb(void *arg, enum error error, const struct change *c);

struct send {
	int64_t sender;
	int64_t receiver;
	struct text content;
	struct text client_id; /* NULL data: not tried again when its fate is unknown */
};

/* Errors: no_such_chat, unavailable (also where too many wait). The texts are copied. */
void store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg);

/* Each one transaction; arguments that an operation has no use for are 0 and empty. */
enum store_op {
	STORE_EDIT, /* actor, message id, text: no_such_message, not_sender, not_text */
	STORE_DELETE, /* actor, message id: the same; duplicate where deleted before */
	STORE_CREATE_GROUP, /* actor, -, name */
	STORE_ADD, /* actor, group, user: no_such_group, no_such_user; duplicate where in already */
	STORE_REMOVE, /* the same; no_such_group, not_owner, no_such_member; oneself: a leave */
	STORE_RENAME, /* actor, group, name: no_such_group, not_owner */
	STORE_OP_N
};
void store_change(struct store *s, enum store_op op, int64_t actor, int64_t object, int64_t user,
	struct text text, store_change_cb *cb, void *arg);

/* Erases a person. Rows: the conversations that others still see, store_erased_at. */
void store_delete_user(struct store *s, int64_t user_id, store_cb *cb, void *arg);
struct erased {
	struct conv conv;
	int64_t seq; /* of the conversation after it */
	int64_t mod; /* likewise */
	int64_t from_mod; /* its mod before it */
};
void store_erased_at(const store_rows *rows, int i, struct erased *e);

/* Watermarks. By conversation: gathered; what moves is told by events->read_moved. By message ids:
 * rows, one a conversation concerned: store_read_at. */
void store_mark_read(
	struct store *s, const struct conv *conv, int64_t user_id, int64_t seq, uint64_t origin);
void store_mark_messages_read(struct store *s, int64_t user_id, const int64_t *message_ids,
	size_t n, store_cb *cb, void *arg);
struct read_mark {
	struct conv conv;
	int64_t seq;
	int64_t n_messages; /* of those named */
	bool moved;
};
void store_read_at(const store_rows *rows, int i, struct read_mark *m);

/* People. */

struct user {
	int64_t user_id;
	struct text username, full_name, profile_picture, public_key;
	int64_t created_ms;
};
void store_user_at(const store_rows *rows, int i, struct user *u);

struct registration {
	struct text username, full_name, profile_picture, public_key,
		password; /* password: as the hasher stores it */
};
void store_register(
	struct store *s, const struct registration *r, store_cb *cb, void *arg); /* no row: taken */
void store_user(struct store *s, int64_t user_id, store_cb *cb, void *arg);
void store_user_named(struct store *s, struct text username, store_cb *cb, void *arg);
/* The stored password of a row of store_user or store_user_named; NULL data where there is none. */
struct text store_password_at(const store_rows *rows, int i);
struct profile {
	bool has_full_name, has_profile_picture,
		has_public_key; /* which to set; data NULL clears */
	struct text full_name, profile_picture, public_key;
};
void store_update_profile(
	struct store *s, int64_t user_id, const struct profile *p, store_cb *cb, void *arg);
/* Sets it and ends every other token of the user. */
void store_set_password(struct store *s, int64_t user_id, struct text password,
	int64_t keep_token_id, store_cb *cb, void *arg);
void store_search(
	struct store *s, int64_t viewer, struct text q, int64_t limit, store_cb *cb, void *arg);

/* Tokens: only their SHA-256 is known here. */
#define STORE_HASH_SIZE 32
struct token {
	int64_t token_id;
	int64_t user_id;
	int64_t expires_ms; /* as the database's clock has it: what a client is told at log-in */
	/* When that is by clock_mono_ms, so that a wall clock that jumps ends no socket, nor lets one
	 * live on; of store_authenticate only. */
	int64_t ends_ms;
};
typedef void store_token_cb(void *arg, enum error error, const struct token *t);
/* bad_token, unavailable. Gathered. */
void store_authenticate(
	struct store *s, const uint8_t hash[STORE_HASH_SIZE], store_token_cb *cb, void *arg);
/* password: as it was stored when it was found right; no_such_user where it is another by now, or
 * the user is deleted. */
void store_add_token(struct store *s, int64_t user_id, struct text password,
	const uint8_t hash[STORE_HASH_SIZE], int64_t lifetime_s, store_token_cb *cb, void *arg);
void store_end_token(struct store *s, int64_t token_id, store_cb *cb, void *arg);
/* Rows: those of the ids that are no longer good, store_id_at. */
void store_check_tokens(
	struct store *s, const int64_t *token_ids, size_t n, store_cb *cb, void *arg);
int64_t store_id_at(const store_rows *rows, int i);

/* Chats. */

/* The conversations of a user with their heads. Gathered. */
struct head {
	int64_t user_id;
	struct conv conv;
	int64_t seq;
	int64_t mod;
	int64_t read_seq;
	int64_t join_seq; /* of a load: the seq of the join; 0 where there was none (direct chats) */
};
void store_head_at(const store_rows *rows, int i, struct head *h);
typedef void store_load_cb(void *arg, enum error error, const struct head *heads, size_t n);
void store_load(struct store *s, int64_t user_id, store_load_cb *cb, void *arg);

struct chat {
	int64_t viewer;
	struct conv conv;
	struct text name;
	int64_t owner_id, last_seq, last_mod, read_seq, unread, member_count, peer_read_seq;
	bool has_peer;
	struct user peer;
	bool has_last;
	struct message last;
};
/* All chats of one viewer, latest activity first; or one conversation as several viewers see it. */
void store_chats(struct store *s, int64_t viewer, store_cb *cb, void *arg);
void store_chat_views(struct store *s, int64_t conv_id, const int64_t *viewers, size_t n,
	store_cb *cb, void *arg);
void store_chat_at(const store_rows *rows, int i, struct chat *c);

/* What chat_id names for the viewer: no_such_chat; else one row, whose conv.id is 0 for a user one
 * has not talked with. */
void store_conv(struct store *s, int64_t viewer, int64_t chat_id, store_cb *cb, void *arg);
void store_conv_at(const store_rows *rows, int i, struct conv *c);

/* A group and its members, one row each: no row where the viewer is not in it. */
void store_group(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg);
struct member {
	int64_t user_id;
	struct text username, full_name;
	int64_t joined_ms, read_seq;
	struct text group_name;
	int64_t owner_id, group_created_ms;
};
void store_member_at(const store_rows *rows, int i, struct member *m);

/* Messages, as far as the viewer may see them: no row where they are no member (viewer 0: all
 * rows). before: 0 for none; after: -1 for none; rows: limit + 1 at most, newest first but with
 * after. */
void store_history(struct store *s, int64_t viewer, int64_t conv_id, int64_t before, int64_t after,
	int64_t limit, store_cb *cb, void *arg);
/* Rows in the order of mod, above after; after < 0: of the last 50 messages. limit + 1 at most. */
void store_changes(struct store *s, int64_t viewer, int64_t conv_id, int64_t after, int64_t limit,
	store_cb *cb, void *arg);
void store_message_at(const store_rows *rows, int i, struct message *m);

/* Presence: of these ids, those with whom the viewer shares a chat, and when they were last seen.
 * */
void store_contacts(
	struct store *s, int64_t viewer, const int64_t *ids, size_t n, store_cb *cb, void *arg);
int64_t store_last_seen_at(
	const store_rows *rows, int i); /* ms since the epoch, 0 never; store_id_at is the user */
/* Now is when these users were last seen. */
void store_set_last_seen(struct store *s, const int64_t *ids, size_t n);

/* Answers once no database session of a dead worker of this host can commit any more. */
void store_fence_dead_workers(struct store *s, store_cb *cb, void *arg);

#endif
