/*
 * world: generates people, the members of conversations, and their messages.
 *
 * Owns: people, conversations and their members. Knows nothing of: databases, ids.
 *
 * The result depends on the sizes and the seed only, including all times. The time span is 120 days from 2025-01-06,
 * without the nights.
 *
 *	world_new               creates people and conversations
 *	world_next, until false returns all messages in the order of time, and updates the conversations
 *	world_read_seq          draws the read marks, at the end
 */
#ifndef PARLEY_MOCK_WORLD_H
#define PARLEY_MOCK_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "mock/names.h"

struct world_size {
	uint32_t users; /* at least 2 */
	uint32_t groups;
	uint32_t members; /* of each group, 1..users */
	uint64_t messages; /* texts; the joins of the groups are not counted */
	uint64_t seed;
};

struct member {
	uint32_t user;
	uint32_t last_sent; /* seq of the member's last message, 0 if there is none */
};

struct conversation {
	bool is_group;
	enum language language;
	uint32_t n_members; /* of a direct chat: 2, or 1 for notes to oneself */
	uint32_t last_seq;
	uint64_t activity; /* number of the last message, of those of all conversations; from 1 */
	int64_t started_ms; /* creation of a group, first message of a direct chat; 0 until then */
	struct member *members; /* in the order of joining; the first one is the owner of a group */
	char *name; /* of a group */
};

struct person {
	char *username, *full_name;
	enum language language;
	int64_t created_ms;
	int64_t last_seen_ms;
};

struct world {
	struct world_size size;
	struct person *people; /* size.users */
	/* Groups, then direct chats. Persons 0 and 1 are in the first group and have the first chat. */
	struct conversation *conversations;
	uint32_t n_conversations; /* direct chats without a message are not to be stored */
};

struct message {
	uint32_t conversation;
	uint32_t seq;
	uint32_t sender;
	bool is_join; /* true if `joined` joined the group; false for a text */
	uint32_t joined;
	int64_t sent_ms;
	struct buf content; /* of a text; freed by the caller at the end */
};

struct world *world_new(const struct world_size *size);
void world_free(struct world *w);

/* Fills m with the next message. Returns false after the last one. */
bool world_next(struct world *w, struct message *m);

/* Returns the total number of messages, including joins. */
uint64_t world_n_messages(const struct world *w);

/*
 * Draws the seq up to which the i-th member has read: mostly the last one, and not less than that of the member's own
 * last message. Call it once for each member, in order.
 */
uint32_t world_read_seq(struct world *w, const struct conversation *c, uint32_t i);

#endif
