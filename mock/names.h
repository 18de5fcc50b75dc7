/*
 * names: draws names of people from several cultures and scripts, and names of groups.
 *
 * Owns: its word lists. Knows nothing of: databases, conversations.
 */
#ifndef PARLEY_MOCK_NAMES_H
#define PARLEY_MOCK_NAMES_H

#include "common/buf.h"
#include "mock/rng.h"

/* The languages of talk. A culture whose language is not among them uses English. */
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

/* The number of times each pair of names was drawn. Two people may have the same full name, but not the same username. */
struct names;
struct names *names_new(void);
void names_free(struct names *n);

/*
 * Draws a person.
 *   full_name, username  empty; receive the names
 * Returns the language of the person.
 */
enum language names_person(
	struct names *n, struct rng *r, struct buf *full_name, struct buf *username);

/*
 * Draws the name of a group, 1..100 characters.
 *   number  of the group, from 0; appended to names that repeat
 *   name    receives the name
 */
void names_group(struct rng *r, size_t number, struct buf *name);

#endif
