/*
 * load: stores a generated world in the database, by COPY in one transaction.
 *
 * Owns: the transaction. Knows nothing of: how the world is generated, terminals.
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
	const char *password; /* of all users, in its stored form */
	long token_lifetime_s;
	FILE *tokens; /* receives lines of user_id,token,group_id; NULL to create no tokens */
	void (*progress)(uint64_t done, uint64_t all); /* called every few thousand messages */
};

/*
 * Stores the world in a database that has the schema and no users. Blocks. Returns false, with nothing stored and the
 * reason in *why, if the database has users or PostgreSQL reports an error.
 */
bool load_world(const struct load *load, struct buf *why);

#endif
