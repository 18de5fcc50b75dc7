/*
 * load: a world into the tables, by COPY in one transaction.
 *
 * Owns: the transaction. Knows nothing of: how the world is made, terminals.
 */
#ifndef PARLEY_MOCK_LOAD_H
#define PARLEY_MOCK_LOAD_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "mock/world.h"

struct load {
	PGconn *db;
	struct world *world;
	const char *password; /* as it is stored, the same for everybody */
	long token_lifetime_s;
	FILE *tokens; /* where to write user_id,token,group_id; NULL makes no tokens */
	void (*progress)(uint64_t done, uint64_t all); /* called every few thousand messages */
};

/*
 * Stores the world in a database that has the schema and no users. All or nothing; blocks.
 * False with one line in *why: not empty, or what PostgreSQL says.
 */
bool load_world(const struct load *load, struct buf *why);

#endif
