/*
 * record: the records of the ring, which carry events from one worker to all workers.
 *
 *   ┌ fixed part, by type ┬ content ┬ client_id ┬ forwarded_name ┬ reply's content ┐   the texts: RECORD_CHANGE only
 *
 * Owns: nothing. Knows nothing of: the ring, rooms, sessions.
 *
 * The layout has no version: a ring lives no longer than its daemon.
 */
#ifndef PARLEY_RECORD_H
#define PARLEY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/proto.h"

enum record_type {
	RECORD_CHANGE = 1, /* a message was stored or changed */
	RECORD_ERASED, /* a deleted user's membership has ended, or messages of theirs were erased */
	RECORD_GROUP_GONE, /* a group went with its last member */
	RECORD_CHAT, /* the `chat` objects of a conversation have changed, without a mod */
	RECORD_READ, /* a watermark moved */
	RECORD_TYPING, /* a hint: dropped if the ring is busy */
	RECORD_PRESENCE, /* a user's level may have changed */
	RECORD_RECONCILE, /* changes may be committed and unpublished: compare with the database */
	RECORD_TOKEN_REVOKED, /* tokens are no longer good */
	RECORD_TYPE_MAX
};

enum record_event {
	RECORD_NEW = 1,
	RECORD_EDITED,
	RECORD_DELETED,
	/* Of these the message has only its id, its positions and its kind. */
	RECORD_REACTED,
	RECORD_UNREACTED,
	RECORD_PINNED,
	RECORD_UNPINNED,
	RECORD_EVENT_MAX
};

struct record_change {
	struct conv conv;
	struct message message;
	int64_t user_id; /* who reacted or pinned; else 0 */
	struct text emoji; /* of a reaction; else NULL */
	uint64_t origin; /* the session that made the change and is not notified; 0: none */
	uint8_t event; /* enum record_event */
};

/* The erasures took the mods from from_mod + 1 to mod. */
struct record_erased {
	struct conv conv;
	int64_t from_mod;
	int64_t mod; /* of the conversation after it */
	int64_t seq; /* likewise */
	bool left; /* True if the membership has ended. */
};

struct record_group_gone {
	struct conv conv;
	int64_t user_id; /* the last member */
};

struct record_chat {
	struct conv conv;
	int64_t revision; /* after the change */
};

struct record_read {
	struct conv conv;
	int64_t user_id; /* the reader */
	int64_t seq; /* read up to here */
	uint64_t origin; /* as in record_change */
	bool own_only; /* true if only the reader's own sockets are notified */
};

struct record_typing {
	struct conv conv;
	int64_t user_id;
	bool on;
};

struct record_presence {
	int64_t user_id;
};

/* Either one token, or all tokens of a user but one. */
struct record_token_revoked {
	int64_t token_id; /* 0: those of user_id */
	int64_t user_id; /* 0: token_id */
	int64_t keep_token_id; /* of user_id's; 0: none is kept */
};

struct record {
	uint8_t type; /* enum record_type; selects the member below, RECORD_RECONCILE has none */
	uint16_t generation; /* of the epoch of the database; set by bus_publish */
	union {
		struct record_change change;
		struct record_erased erased;
		struct record_group_gone group_gone;
		struct record_chat chat;
		struct record_read read;
		struct record_typing typing;
		struct record_presence presence;
		struct record_token_revoked token_revoked;
	};
};

#define RECORD_FIXED_SIZE 176 /* of the longest fixed part, in bytes */
#define RECORD_IOV 5

/*
 * Encodes a record as pieces for ring_publish. Nothing is allocated.
 *   r      with valid fields: record_decode rejects others
 *   fixed  receives the fixed part
 *   iov    receives the pieces; they are valid as long as r, its texts and fixed are
 */
void record_encode(
	const struct record *r, uint8_t fixed[RECORD_FIXED_SIZE], struct iovec iov[RECORD_IOV]);

/*
 * Decodes a record. The bytes come from shared memory, so every field is checked: ids and positions
 * are in range, kinds exist, texts are UTF-8 within their limits and present exactly if the kind
 * has them.
 *   r      receives it; its texts point into bytes
 *   bytes  len of them
 * Returns false if they are not a record; r is undefined then.
 */
bool record_decode(struct record *r, const uint8_t *bytes, size_t len);

#endif
