/*
 * migrate: creates the database if it is missing, and brings its schema up to date.
 *
 * Owns: the schema parley, and its tables schema_identity, schema_migrations and schema_functions. Knows nothing of:
 * what the migrations do, the daemon.
 *
 * The files of this directory are built into the program. The schema is up to date if the highest version in
 * schema_migrations is that of the last numbered file, and the digest in schema_functions is that of functions.sql. If
 * it is not, one transaction drops the functions, applies the numbered files that are missing, in order, applies
 * functions.sql, and folds the names that are not folded yet. An advisory lock lets one program at a time do so. A
 * database with a higher version is refused.
 *
 * All objects are in the schema parley. It is parley's if its table schema_identity has parley's uuid. Versions 1 and 2
 * had their objects in the schema that the search_path named; they are recognized by the columns of all their tables,
 * and moved. Everything else is another program's.
 *
 * Everything here blocks: call it before an event loop runs.
 */
#ifndef PARLEY_MIGRATE_H
#define PARLEY_MIGRATE_H

#include "common/buf.h"
#include "common/embedded.h"

/* The search_path of each connection: a statement. The schema of temporary objects is last, so that none hides a table. */
#define MIGRATE_SET_SEARCH_PATH "set search_path = parley, pg_temp"

/* The files of this directory, in the order of their names. */
extern const struct embedded migration_files[];

enum migrate_result {
	MIGRATE_DONE, /* the schema is the one that this program was built for */
	MIGRATE_UNREACHABLE, /* PostgreSQL does not answer, or not now (starting, too many clients): try again */
	MIGRATE_NEWER, /* the schema is from a newer parleyd; nothing was changed */
	MIGRATE_FAILED /* refused, another program's database, or an error; nothing was changed */
};

/*
 * Creates the database if it is missing and the role may do so, and brings its schema up to date.
 *   conninfo  a connection string or URI of libpq
 *   why       emptied; then one line for people unless the result is MIGRATE_DONE
 */
enum migrate_result migrate_run(const char *conninfo, struct buf *why);

/*
 * Drops parley's objects and makes them again. A missing database is created. Arguments and result as migrate_run;
 * MIGRATE_FAILED also if an object of another program is in the schema or depends on one of parley's: *why names it.
 */
enum migrate_result migrate_reset(const char *conninfo, struct buf *why);

/* The version of the schema that this program was built for. */
int migrate_version(void);

/* Appends a select with one boolean: true if the schema is the one that this program was built for. */
void migrate_put_check(struct buf *sql);

#endif
