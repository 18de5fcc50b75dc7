/*
 * proto: conversations and messages, their limits, and their JSON.
 *
 * Owns: nothing. Knows nothing of: sockets, the database, connected users.
 */
#ifndef PARLEY_PROTO_H
#define PARLEY_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Limits of the contract, in bytes unless stated otherwise. */
#define PROTO_CONTENT_MAX 16384
#define PROTO_CLIENT_ID_MAX 64
#define PROTO_HISTORY_MAX 200 /* messages in a page */
#define PROTO_CUT_MAX 200 /* code points of a text that is shown in part */
#define PROTO_NAME_MAX 100 /* code points of a person's or a group's name */
#define PROTO_ID_MAX ((INT64_C(1) << 53) - 1)

/* A text and its length. data is NULL for JSON's null. Borrowed unless stated otherwise. */
struct text {
	const char *data;
	size_t len;
};

/* A position in an ordered list: the next page begins after it. */
struct cursor {
	int64_t at; /* what orders the list, 0 or more */
	int64_t id; /* orders what has the same `at`, 0 or more */
};

enum conv_kind { CONV_DIRECT = 'd', CONV_GROUP = 'g' };

/* The identity of a conversation. */
struct conv {
	int64_t id; /* of a group: its chat_id; of a direct conversation: never shown to clients */
	int64_t user_lo; /* direct: the two users, equal for notes to self */
	int64_t user_hi;
	uint8_t kind; /* enum conv_kind */
};

/* Returns the chat_id of the conversation for a viewer: the peer's id, or the group's. */
int64_t conv_chat_id(const struct conv *c, int64_t viewer);

enum message_kind {
	MESSAGE_TEXT = 't',
	MESSAGE_JOIN = 'j',
	MESSAGE_LEAVE = 'l',
	MESSAGE_RENAME = 'r'
};

/* A message that another one replies to, as it is now. */
struct quote {
	int64_t message_id; /* 0: no reply; then the rest is 0 as well */
	int64_t seq;
	int64_t sender_id; /* 0: a deleted user */
	struct text content; /* the first PROTO_CUT_MAX code points; NULL once deleted */
	bool deleted;
};

struct message {
	int64_t message_id;
	int64_t seq;
	int64_t mod;
	int64_t sender_id; /* 0: a deleted user */
	int64_t target_id; /* join, leave: the member; else 0 */
	int64_t sent_ms; /* wall clock */
	int64_t edited_ms; /* 0: never */
	int64_t thread_id; /* the first message of the thread; 0: no reply */
	int64_t forwarded_from; /* the first author; 0: a deleted user, or not forwarded */
	int64_t replies; /* how many messages reply to it; only if served */
	int64_t reacted; /* the mod of the newest change of its reactions; 0: none; only of a row */
	struct text content; /* of a text, NULL once deleted; of a rename: the new name */
	struct text client_id;
	struct text forwarded_name; /* of the first author, "" if deleted; NULL: not forwarded */
	struct text reactions; /* the members of the JSON array; NULL: none; only if served */
	struct text mentions; /* ids, separated by commas; NULL: none */
	struct quote reply;
	uint8_t kind; /* enum message_kind */
	bool deleted;
	bool mentions_all;
	bool pinned;
};

enum message_form {
	MESSAGE_PUSHED, /* without replies and reactions: a push, or the last message of a chat */
	MESSAGE_SERVED
};

/* Appends the fields of a message object, without its braces, as the viewer sees them. */
void proto_put_message(struct buf *b, const struct message *m, const struct conv *c, int64_t viewer,
	enum message_form form);

/* Appends "name":"2026-…Z"; null for 0. */
void proto_put_time(struct buf *b, const char *name, int64_t wall_ms);

/* Appends "name":N; null for 0. */
void proto_put_id(struct buf *b, const char *name, int64_t id);

/* Appends "name":"N.N", which PARAM_CURSOR reads; null for NULL. */
void proto_put_cursor(struct buf *b, const char *name, const struct cursor *c);

/* Appends "name":"text"; null for NULL data. */
void proto_put_text(struct buf *b, const char *name, struct text t);

#endif
