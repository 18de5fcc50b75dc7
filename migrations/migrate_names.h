/*
 * migrate_names: folds the names that are not folded yet, for the search.
 *
 * Owns: nothing. Knows nothing of: versions of the schema.
 */
#ifndef PARLEY_MIGRATE_NAMES_H
#define PARLEY_MIGRATE_NAMES_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/buf.h"

/*
 * Sets users.folded_name wherever it is null, in slices. The trigger of users then replaces the words.
 *   db   a session whose search_path is the schema, in a transaction
 *   why  set on an error
 * Returns false on an error.
 */
bool migrate_names(PGconn *db, struct buf *why);

#endif
