/*
 * indexer: keeps the index of search up to date, in a process of its own.
 *
 * Owns: a connection to the database. Knows nothing of: the workers; searches.
 *
 * The index is built from what is stored (search_index in migrations/functions.sql), in steps of a quarter of a second. After
 * each step it pauses, so that its share of the time is search_share. A step is one transaction: the process may be killed
 * at any time. In an existing database, the GIN index is created when all blocks are built.
 *
 * An advisory lock lets one indexer at a time work on a database.
 */
#ifndef PARLEY_INDEXER_H
#define PARLEY_INDEXER_H

#include "heritage.h"

/*
 * The indexer process: works until the master is gone or SIGTERM comes, and returns the exit code. Lowers its priority. SIGHUP
 * reopens the log and reads the settings.
 */
int indexer_run(const struct heritage *h);

#endif
