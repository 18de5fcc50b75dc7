/*
 * store: the database, as typed operations. All SQL is in queries.sql and in migrations/.
 *
 * Owns: the connections; the batches that gather while another one is in flight.
 * Knows nothing of: sockets, HTTP, who is connected.
 *
 *   store_send ──► waiting ──► one batch in flight (≤ 128 sends, 256 KiB), one commit ──► callbacks
 *
 * What arrives while a batch is in flight becomes the next batch: an idle server answers after one commit, a busy one
 * shares its commits. Log-ins, loads and read marks are batched the same way.
 *
 * Each callback is called exactly once, later, never inside the call that queues the query. Its error is ERROR_NONE, one
 * that the function lists, or ERROR_unavailable: the database is away or rejected the statement, and nothing is known to
 * be stored. Arguments are copied. Rows and their texts are valid until the callback returns.
 */
#ifndef PARLEY_STORE_H
#define PARLEY_STORE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/record.h"
#include "common/search_text.h"
#include "heritage.h"
#include "store/store_rows.h"

#define STORE_EPOCH_MAX 64

struct store;

struct store_events {
	/* ready: as store_ready. after_loss: True if a connection was lost before, or the epoch has changed; then another
	 * worker's or our own commit may not have been published. Called when ready has changed, and when a loss in the
	 * background is over. */
	void (*state)(void *arg, bool ready, bool after_loss);
	/* A read mark has moved. Its origin is the one given to store_mark_read, 0 for several. */
	void (*read_moved)(void *arg, const struct record_read *read);
	/* A membership of a deleted user has ended, or messages of theirs were erased. */
	void (*erased)(void *arg, const struct erased *e);
	/* The database has another history than before, or this is the first connection. Ids, seq and mod that were read
	 * before mean nothing any more, and no query is answered with them from now on. Tokens are valid by their hash
	 * only. state follows when the connections are usable.
	 *   generation  of the new epoch, from 1; it wraps */
	void (*epoch)(void *arg, uint16_t generation);
};

/* Creates a store that is not connected; events are called with arg. Both they and the heritage must outlive the store. */
struct store *store_open(struct event_base *base, const struct heritage *h,
	const struct store_events *events, void *arg);
/* Begins to connect. Called once, when the migrator has approved the database: a pooler that shares sessions must be
 * detected before anything relies on one. */
void store_connect(struct store *s);
/* Calls all outstanding callbacks, then frees everything. */
void store_close(struct store *s);
/* Returns true if all connections that a client may wait for are usable. */
bool store_ready(const struct store *s);
/* The name of the database's history, at most STORE_EPOCH_MAX characters; "" before the first connection. */
const char *store_epoch(const struct store *s);
/* Another worker has found this generation of the epoch: connects again, to find it too. */
void store_follow_epoch(struct store *s, uint16_t generation);
/* Returns false while it is known that the server cannot store: its disk is full, or commits do not end. */
bool store_takes_writes(const struct store *s);
/* Returns true if nothing that a client may wait for is queued or in flight. */
bool store_idle(const struct store *s);

/* rows: NULL with an error. */
typedef void store_cb(void *arg, enum error error, const store_rows *rows);
typedef void store_done_cb(void *arg, enum error error);

/* Changes: everything that takes a mod. actor: the user who makes the change. c: NULL with an error. */
typedef void store_change_cb(void *arg, enum error error, const struct change *c);

struct send {
	int64_t sender;
	int64_t receiver;
	struct text content; /* NULL data: forward is given */
	struct text client_id; /* NULL data: the send is not retried when its outcome is unknown */
	int64_t reply_to; /* message_id; 0: none */
	int64_t forward; /* message_id of the text to copy; 0: none */
};

/* Errors: no_such_chat, invalid (reply_to), no_such_message and not_text (forward), unavailable (also if too many sends
 * wait). */
void store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg);

/* Errors: no_such_message, not_sender, not_text (also of a forward). */
void store_edit_message(struct store *s, int64_t actor, int64_t message_id, struct text content,
	store_change_cb *cb, void *arg);
/* Errors: as store_edit_message. A duplicate if it was deleted before. */
void store_delete_message(
	struct store *s, int64_t actor, int64_t message_id, store_change_cb *cb, void *arg);
struct reaction {
	int64_t user_id;
	int64_t message_id;
	struct text emoji; /* as of emoji_read */
	bool on; /* True to add it, false to remove it */
};
/* Errors: no_such_message, not_text, too_many (different ones of the message). A duplicate if it is so already. Batched. The
 * message has no texts. */
void store_react(struct store *s, const struct reaction *r, store_change_cb *cb, void *arg);
/* Pins a message, or ends its pin. Errors: no_such_message, not_text, not_allowed, too_many (pins of the chat). A duplicate if
 * it is so already. */
void store_pin(struct store *s, int64_t actor, int64_t message_id, bool on, store_change_cb *cb,
	void *arg);
/* Errors: no_such_user (the owner is deleted), too_many (groups of the owner). */
void store_create_group(
	struct store *s, int64_t owner, struct text name, store_change_cb *cb, void *arg);
/* Errors: no_such_group, not_allowed, no_such_user, banned, too_many (groups of the user). A duplicate if the user is a
 * member already. */
void store_add_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg);
/* Errors: no_such_group, not_admin, no_such_member, not_owner (to remove an admin). user_id = actor: a leave. */
void store_remove_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg);
struct group_change {
	struct text name; /* NULL data: unchanged */
	struct text description, picture; /* NULL data: unchanged; empty: none */
	bool has_posting, has_adding; /* True if the member below is to be set. */
	bool posting_admins, adding_admins; /* as in struct profile_of_group */
};
/* Errors: no_such_group, not_admin. A duplicate if it is so already. */
void store_change_group(struct store *s, int64_t actor, int64_t group_id,
	const struct group_change *g, store_change_cb *cb, void *arg);
/* role: owner, admin or member; of the actor only owner. Errors: no_such_group, not_owner, no_such_member. A duplicate if
 * the user has this role. */
void store_set_role(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	struct text role, store_change_cb *cb, void *arg);
/* user_id: not the actor. Errors: no_such_group, not_admin, no_such_user, not_owner (to ban an admin), too_many (bans of the
 * group; not of store_unban). A duplicate unless a member was removed. */
void store_ban(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg);
void store_unban(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg);
/* Errors: no_such_invite, banned, too_many (groups of the user). A duplicate if the user is a member already. */
void store_join(struct store *s, int64_t user_id, struct text code, store_change_cb *cb, void *arg);

/* Deletes a user: the profile and the tokens. store_erase_user must follow. No rows are of use. */
void store_delete_user(struct store *s, int64_t user_id, store_cb *cb, void *arg);
/* Ends the memberships of a deleted user and erases their messages, in slices; events->erased
 * reports each one. After an error, another worker goes on. */
void store_erase_user(struct store *s, int64_t user_id, store_done_cb *cb, void *arg);

/* Read marks. The first moves one up to seq, if it is behind; events->read_moved reports that, and cb only whether it is
 * stored. The second moves them up to the given messages; rows: one per conversation, store_read_at. */
typedef void store_mark_cb(void *arg, enum error error);
void store_mark_read(struct store *s, const struct conv *conv, int64_t user_id, int64_t seq,
	uint64_t origin, store_mark_cb *cb, void *arg);
void store_mark_messages_read(struct store *s, int64_t user_id, const int64_t *message_ids,
	size_t n, store_cb *cb, void *arg);

/* Users. */

struct registration {
	struct text username, full_name, profile_picture, public_key;
	struct text password; /* as the hasher stores it */
};
/* Row: the user, store_user_at; none: the username is taken. */
void store_register(struct store *s, const struct registration *r, store_cb *cb, void *arg);
/* One row, or none; store_user_at, store_password_at. */
void store_user(struct store *s, int64_t user_id, store_cb *cb, void *arg);
void store_user_named(struct store *s, struct text username, store_cb *cb, void *arg);

struct profile {
	bool has_full_name, has_profile_picture, has_public_key; /* which to set */
	struct text full_name, profile_picture, public_key; /* NULL data clears one */
};
void store_update_profile(
	struct store *s, int64_t user_id, const struct profile *p, store_cb *cb, void *arg);
struct password_change {
	int64_t user_id;
	int64_t token_id; /* of the request */
	struct text old; /* the stored one that was verified */
	struct text new; /* to be stored */
};
/* Sets the stored password and revokes every other token of the user. Errors: bad_token (it was revoked meanwhile),
 * wrong_password (another one has been set meanwhile). */
void store_set_password(
	struct store *s, const struct password_change *p, store_done_cb *cb, void *arg);
/* Users other than the viewer whose name has a word beginning with each word of q; at most limit. Those whose names are many
 * are not all found: see search_users in functions.sql. */
void store_search(
	struct store *s, int64_t viewer, struct text q, int64_t limit, store_cb *cb, void *arg);

/* Tokens. Only their SHA-256 is stored. */
typedef void store_token_cb(void *arg, enum error error, const struct token *t);
/* Errors: bad_token. Batched. */
void store_authenticate(
	struct store *s, const uint8_t hash[STORE_HASH_SIZE], store_token_cb *cb, void *arg);
/* password: the stored one that was verified. Errors: no_such_user (it has changed, or the user is deleted). */
void store_add_token(struct store *s, int64_t user_id, struct text password,
	const uint8_t hash[STORE_HASH_SIZE], int64_t lifetime_s, store_token_cb *cb, void *arg);
void store_end_token(struct store *s, int64_t token_id, store_cb *cb, void *arg);
/* Rows: those of the tokens that are revoked or expired, store_id_at. */
void store_check_tokens(
	struct store *s, const int64_t *token_ids, size_t n, store_cb *cb, void *arg);

/* Chats. */

typedef void store_load_cb(void *arg, enum error error, const struct head *heads, size_t n);
/* The conversations of a user. Batched. */
void store_load(struct store *s, int64_t user_id, store_load_cb *cb, void *arg);

/*
 * A page of the chats of a viewer, latest activity first, at most limit + 1. Rows: store_chat_at.
 *   after  the cursor of the last chat before the page; NULL for the first page
 */
void store_chats(struct store *s, int64_t viewer, const struct cursor *after, int64_t limit,
	store_cb *cb, void *arg);
/* One conversation as several viewers see it. Rows: store_chat_at. */
void store_chat_views(struct store *s, int64_t conv_id, const int64_t *viewers, size_t n,
	store_cb *cb, void *arg);
/* As store_chat_views, of a group: what all viewers share is read once. */
void store_group_views(struct store *s, int64_t group_id, const int64_t *viewers, size_t n,
	store_cb *cb, void *arg);

/* The conversation of a chat_id. Errors: no_such_chat. Else one row, store_conv_at, whose id is 0 for a user without
 * a direct chat with the viewer; store_may_post_at. */
void store_conv(struct store *s, int64_t viewer, int64_t chat_id, store_cb *cb, void *arg);

/*
 * A group, and a page of its members by standing, at most limit + 1. Rows: store_member_at; none if the viewer is not a
 * member. If no member follows, there is one row, whose user_id is 0.
 *   after  the cursor of the last member before the page; NULL for the first page
 */
void store_group(struct store *s, int64_t viewer, int64_t group_id, const struct cursor *after,
	int64_t limit, store_cb *cb, void *arg);

/* The users who are banned from a group, the latest first. Errors: no_such_group, not_admin. Rows: store_user_at; if there
 * are none, one row, whose user_id is 0. */
void store_bans(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg);

/* Invites to groups. */

struct new_invite {
	struct text code;
	int64_t expires_in_s; /* 0: never */
	int64_t max_uses; /* 0: any number */
};
/* Errors: no_such_group, not_admin, too_many (live invites of the group). Row: store_invite_at. */
void store_create_invite(struct store *s, int64_t actor, int64_t group_id,
	const struct new_invite *i, store_cb *cb, void *arg);
/* Errors: no_such_group, not_admin, no_such_invite. No rows are of use. */
void store_end_invite(struct store *s, int64_t actor, int64_t group_id, struct text code,
	store_cb *cb, void *arg);
/* The live ones of a group, the newest first. Errors: no_such_group, not_admin. Rows: store_invite_at; if there are none, one
 * row without a code. */
void store_invites(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg);
/* The group of a live invite. Errors: no_such_invite, banned. Row: store_invited_group_at. */
void store_invited_group(
	struct store *s, int64_t viewer, struct text code, store_cb *cb, void *arg);

/* A page in one direction. */
struct page {
	int64_t before; /* the seq that the newest precedes, 0 for none */
	int64_t after; /* -1: the newest first; else the oldest first, from the one after this seq */
	int64_t limit;
};

/* Messages of a conversation, at most limit + 1; store_message_at. No row if the viewer is not a member; viewer 0 sees all. */
void store_history(struct store *s, int64_t viewer, int64_t conv_id, const struct page *p,
	store_cb *cb, void *arg);
/* As store_history, of one thread: its first message and its replies. */
void store_thread(struct store *s, int64_t viewer, int64_t conv_id, int64_t thread_id,
	const struct page *p, store_cb *cb, void *arg);
/* At most n_before + 1 messages before this seq and n_from + 1 from it on, the oldest first; otherwise as store_history. */
void store_history_around(struct store *s, int64_t viewer, int64_t conv_id, int64_t seq,
	int64_t n_before, int64_t n_from, store_cb *cb, void *arg);
/* A message of any conversation of the viewer: one row, store_conv_at and store_message_at, or none. */
void store_message(struct store *s, int64_t viewer, int64_t message_id, store_cb *cb, void *arg);
/* The pinned messages of a conversation, latest pinned first; store_message_at. No row if the viewer is not a member. */
void store_pins(struct store *s, int64_t viewer, int64_t conv_id, store_cb *cb, void *arg);
/* As store_history in the order of mod, from the one after this mod; after < 0: those of the last 50 messages. */
void store_changes(struct store *s, int64_t viewer, int64_t conv_id, int64_t after, int64_t limit,
	store_cb *cb, void *arg);

struct search {
	int64_t user_id;
	int64_t conv_id; /* 0: all conversations of the user */
	int64_t sender; /* 0: any */
	const struct search_query *query;
	bool link, file; /* True if a text must have one. */
	int64_t before_ms, before_id; /* the position that the texts precede; INT64_MAX: none */
	int64_t after_ms; /* INT64_MIN: none */
	int64_t limit;
};
/*
 * The texts that match, the newest first, at most limit. Rows: store_found_at; the last one has no message.
 * One search at a time is executed, and at most 16 wait, one of each user: a newer one replaces it. Errors:
 * too_many_requests (replaced), unavailable (also if too many wait, or after 2 s).
 */
void store_search_messages(struct store *s, const struct search *p, store_cb *cb, void *arg);

/* Presence. Rows: those of the ids that share a chat with the viewer, in their order; store_id_at, store_last_seen_at. */
void store_contacts(
	struct store *s, int64_t viewer, const int64_t *ids, size_t n, store_cb *cb, void *arg);
/* Sets the time at which these users were last seen to now. */
void store_set_last_seen(struct store *s, const int64_t *ids, size_t n);

/* Calls back once no database session of a dead worker of this host can commit, and all reads of tokens and messages that
 * were in flight at the call are answered. */
void store_fence_dead_workers(struct store *s, store_cb *cb, void *arg);

#endif
