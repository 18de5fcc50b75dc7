/*
 * migrator: the child that brings the database up to date.
 *
 * Owns: nothing. Knows nothing of: SQL, the workers.
 */
#ifndef PARLEY_MIGRATOR_H
#define PARLEY_MIGRATOR_H

#include "heritage.h"

#define MIGRATOR_REJECTED 3 /* exit status: the database cannot be used by this program */

/*
 * Runs the migrations, and retries while the database is unreachable. When the schema is up to date, makes h->schema_fd
 * readable. Returns the exit status: 0 if the schema is up to date or the master is dead, MIGRATOR_REJECTED otherwise.
 */
int migrator_run(const struct heritage *h);

#endif
