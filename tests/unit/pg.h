/*
 * pg: a private PostgreSQL for a test program, on a Unix socket.
 *
 * Owns: its directory and the server process. Knows nothing of: parley's schema, except that the migrations make it.
 *
 * If the test runs as root, the server runs as another account, since PostgreSQL refuses to run as root. It ends with
 * the program that started it.
 */
#ifndef PARLEY_TEST_PG_H
#define PARLEY_TEST_PG_H

#include <libpq-fe.h>
#include <stdint.h>

/* Makes a cluster, starts it and applies the migrations; exits on an error. Call it once per program. */
void pg_start(void);

/* Ends the server and removes the directory. */
void pg_stop(void);

/* Ends the server without a shutdown, as a crash; starts it again. */
void pg_crash(void);
void pg_restart(void);

/* The connection string of the migrated database. */
const char *pg_conninfo(void);

/* Connects to it with parley's search_path. The caller ends the connection with PQfinish. */
PGconn *pg_connect(void);

/* The directory of the server's socket. */
const char *pg_directory(void);

/*
 * Executes sql (printf-like) on a connection of its own. Returns the first column of the first row as a number, 0 if
 * there is none. An error fails the test.
 */
int64_t pg_number(const char *sql, ...) __attribute__((format(printf, 1, 2)));

/* Returns a connection with a transaction that holds the locks of a query (printf-like), until pg_release. */
PGconn *pg_hold(const char *sql, ...) __attribute__((format(printf, 1, 2)));
void pg_release(PGconn *holder);

#endif
