/*
 * pg: a private PostgreSQL for a test program, reached by a unix socket only.
 *
 * Owns: its directory and the server process. Knows nothing of: parley's schema, but that
 * migrations make it.
 *
 * PostgreSQL refuses to run as root; then it runs as an unprivileged account. It dies with the
 * program that started it.
 */
#ifndef PARLEY_TEST_PG_H
#define PARLEY_TEST_PG_H

#include <stdint.h>

/* Makes a cluster, starts it and applies the migrations; ends the program where that fails. Once a
 * program. */
void pg_start(void);

/* Ends the server by its pid and removes the directory. */
void pg_stop(void);

/* Ends it as a crash would, and starts it again. */
void pg_crash(void);
void pg_restart(void);

/* libpq's, of the migrated database. */
const char *pg_conninfo(void);

/* A directory of the test's own, beside the server's. */
const char *pg_directory(void);

/*
 * Runs sql (printf-like) on a connection of its own and returns the first column of the first row
 * as a number, 0 where there is none. Fails the test on an error.
 */
int64_t pg_number(const char *sql, ...) __attribute__((format(printf, 1, 2)));

#endif
