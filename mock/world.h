/*
 * world: who there is, who is in which conversation, and who says what when.
 *
 * Owns: people, conversations and their members. Knows nothing of: databases, ids.
 *
 * The same numbers and the same seed make the same world, to the millisecond. Time in it begins
 * on the
 * 6th of January 2025 and lasts 120 days, of which the nights are slept through.
 *
 *	world_new -> people and members stand
 *	world_next, until false -> every message, in the order of time; counts each conversation up
 *	world_read_seq -> who has read how far, at the end
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
	uint64_t messages; /* besides the joins that groups begin with */
	uint64_t seed;
};

struct member {
	uint32_t user;
	uint32_t last_said; /* seq of their last message, 0 where there is none */
};

struct conversation {
	bool is_group;
	enum language language;
	uint32_t n_members; /* direct: 2, or 1 for notes to self */
	uint32_t last_seq;
	int64_t began_ms; /* a group's making, a direct chat's first message; 0 before */
	struct member *members; /* in the order of joining; a group's first is its owner */
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
	/* The groups first; persons 0 and 1 are in the first group and have the first chat. */
	struct conversation *conversations;
	uint32_t n_conversations; /* a direct one without a message is to be left out */
};

struct message {
	uint32_t conversation;
	uint32_t seq;
	uint32_t sender;
	bool is_join; /* of joined; else a text */
	uint32_t joined;
	int64_t sent_ms;
	struct buf content; /* the receiver's, to be freed at the end */
};

struct world *world_new(const struct world_size *size);
void world_free(struct world *w);

/* Fills m with what happens next; false where nothing does any more. */
bool world_next(struct world *w, struct message *m);

/* How many times world_next will be true. */
uint64_t world_n_messages(const struct world *w);

/*
 * The seq up to which the i-th member has read: to the end mostly, never less than what they
 * said. Draws: call it once for each, in order.
 */
uint32_t world_read_seq(struct world *w, const struct conversation *c, uint32_t i);

#endif
