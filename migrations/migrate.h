/*
 * migrate: makes the database, if it is missing, and brings its schema up to date.
 *
 * Owns: the table schema_migrations. Knows nothing of: what the migrations do, the running daemon.
 *
 * A migration is a file of migrations/, built into the program. They only go forward, each in one
 * transaction, one starter at a time (a session advisory lock), so any number of programs may
 * start at once. Everything here waits for PostgreSQL: call it before an event loop runs.
 */
#ifndef PARLEY_MIGRATE_H
#define PARLEY_MIGRATE_H

#include <stddef.h>

#include "common/buf.h"

struct migration {
	int version; /* 1, 2, 3, ... */
	const char *name; /* the file's, without .sql */
	const char *sql;
};

/* Made from migrations/ when building; in the order of version. */
extern const struct migration migrations[];
extern const size_t n_migrations;

enum migrate_result {
	MIGRATE_DONE, /* the schema is what this program was built for */
	MIGRATE_UNREACHABLE, /* no answer, or not now (starting, full): try again */
	MIGRATE_NEWER, /* a newer parleyd has been here: nothing was touched */
	MIGRATE_FAILED /* refused, not ours, or a migration failed (and left nothing) */
};

/*
 * Creates the database that conninfo (a libpq string or URI) names, where it is missing and the
 * role may do so, and applies the migrations it lacks.
 * why: emptied, then one line for people unless the result is MIGRATE_DONE. Blocks.
 */
enum migrate_result migrate_run(const char *conninfo, struct buf *why);

/*
 * Drops everything in the schema public of parley's database and applies all migrations anew.
 * MIGRATE_FAILED where the database has something in it, but no schema_migrations: then it is not
 * ours. A missing database is created. Blocks; why as in migrate_run.
 */
enum migrate_result migrate_reset(const char *conninfo, struct buf *why);

/* The newest version this program has. */
int migrate_version(void);

#endif
