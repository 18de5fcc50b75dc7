/*
 * names: people of several cultures and scripts, and names for groups.
 *
 * Owns: its word lists. Knows nothing of: databases, conversations.
 */
#ifndef PARLEY_MOCK_NAMES_H
#define PARLEY_MOCK_NAMES_H

#include "common/buf.h"
#include "mock/rng.h"

/* Languages that talk has; a culture whose own it has not speaks English. */
enum language {
	LANGUAGE_ENGLISH,
	LANGUAGE_ARABIC,
	LANGUAGE_CHINESE,
	LANGUAGE_FRENCH,
	LANGUAGE_GERMAN,
	LANGUAGE_HINDI,
	LANGUAGE_JAPANESE,
	LANGUAGE_PORTUGUESE,
	LANGUAGE_RUSSIAN,
	LANGUAGE_SPANISH,
	LANGUAGE_N
};

/* How often each pair of names was given: two people may share a full name, never a username. */
struct names;
struct names *names_new(void);
void names_free(struct names *n);

/*
 * Appends a new person's full name and username (both empty before) and returns the language they
 * speak at home.
 */
enum language names_person(
	struct names *n, struct rng *r, struct buf *full_name, struct buf *username);

/* Appends a group's name (1..100 characters); number tells groups of one name apart, from 0. */
void names_group(struct rng *r, size_t number, struct buf *name);

#endif
