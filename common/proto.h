/*
 * proto: what a message is, how it looks on the wire (JSON), and how an event travels in the ring
 * (records).
 *
 * Owns: nothing. Knows nothing of: sockets, the database, who is connected.
 */
#ifndef PARLEY_PROTO_H
#define PARLEY_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/buf.h"

/* Limits of the contract, in bytes unless said. */
#define PROTO_CONTENT_MAX 16384
#define PROTO_CLIENT_ID_MAX 64
#define PROTO_HISTORY_MAX 200 /* messages of one page */
#define PROTO_ID_MAX ((INT64_C(1) << 53) - 1)

/* A text of the contract with its length; data is NULL for null. Borrowed unless said otherwise. */
struct text {
	const char *data;
	size_t len;
};

enum conv_kind { CONV_DIRECT = 'd', CONV_GROUP = 'g' };

/* What names a conversation to its members. */
struct conv {
	int64_t id; /* a group's id; a direct conversation's is not shown to anybody */
	int64_t user_lo; /* direct: the two users, equal for notes to self */
	int64_t user_hi;
	uint8_t kind; /* enum conv_kind */
};

/* The chat_id under which viewer sees it: the peer, or the group. */
int64_t conv_chat_id(const struct conv *c, int64_t viewer);

enum message_kind {
	MESSAGE_TEXT = 't',
	MESSAGE_JOIN = 'j',
	MESSAGE_LEAVE = 'l',
	MESSAGE_RENAME = 'r'
};

struct message {
	int64_t message_id;
	int64_t seq;
	int64_t mod;
	int64_t sender_id; /* 0: deleted */
	int64_t target_id; /* join, leave: who */
	int64_t sent_ms; /* since the epoch */
	int64_t edited_ms; /* 0: never */
	struct text content; /* text; rename: the name. NULL once deleted */
	struct text client_id;
	uint8_t kind; /* enum message_kind */
	bool deleted;
};

/* Appends the members of a message object without its braces: "message_id":…,"chat_id":… */
void proto_put_message(
	struct buf *b, const struct message *m, const struct conv *c, int64_t viewer);

/* Appends "name":"2026-…Z", or "name":null for 0. */
void proto_put_time(struct buf *b, const char *name, int64_t wall_ms);

/* Appends "name":N, or "name":null for 0. */
void proto_put_id(struct buf *b, const char *name, int64_t id);

/* Appends "name":"text", or "name":null. */
void proto_put_text(struct buf *b, const char *name, struct text t);

/*
 * A record of the ring: everything the workers tell each other.
 *
 *   ┌ fixed part (struct record up to content) ┬ content ┬ client_id ┐
 *
 * The lengths are in the fixed part.
 *
 * A change of this layout needs no care for old records: a ring lives no longer than its daemon.
 */
enum record_type {
	RECORD_CHANGE = 1, /* stored, edited or deleted: conv, message, event, origin */
	RECORD_RESYNC, /* many changes at once: conv; message.seq and .mod are its new head */
	RECORD_GONE, /* a group lost its last member: conv; message.target_id was it */
	RECORD_READ, /* a watermark moved: conv, user_id, message.seq, origin */
	RECORD_TYPING, /* conv, user_id, on, may be dropped */
	RECORD_PRESENCE, /* look at the level of user_id */
	RECORD_RECONCILE, /* perhaps something was committed and not published: ask the database */
	RECORD_TOKEN_REVOKED, /* token_id; where user_id is not 0, all of theirs but token_id */
	RECORD_TYPE_MAX
};

enum record_event { RECORD_NEW = 1, RECORD_EDITED, RECORD_DELETED, RECORD_EVENT_MAX };

struct record {
	uint8_t type;
	uint8_t event; /* RECORD_CHANGE */
	bool on; /* RECORD_TYPING */
	struct conv conv;
	uint64_t origin; /* the session that is not told, for it asked; 0 for none */
	int64_t user_id;
	int64_t token_id;
	struct message message;
};

/* Pieces of a record for ring_publish; valid as long as r, its texts and fixed are. */
#define RECORD_FIXED_SIZE 144
#define RECORD_IOV 3
void record_encode(
	const struct record *r, uint8_t fixed[RECORD_FIXED_SIZE], struct iovec iov[RECORD_IOV]);

/* Reads one back; texts point into bytes. False where the bytes are no record (they come from
 * shared memory: nothing is trusted). */
bool record_decode(struct record *r, const uint8_t *bytes, size_t len);

#endif
