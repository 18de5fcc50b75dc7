/*
 * pg_session: a blocking session with the database, which is created if it is missing.
 *
 * Owns: nothing. Knows nothing of: the schema.
 *
 * A step that fails leaves its reason in *why, as one line.
 */
#ifndef PARLEY_PG_SESSION_H
#define PARLEY_PG_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/buf.h"

/*
 * Connects to the database. Creates it if it is missing and the role may do so. Refuses a database whose encoding is
 * not UTF8, and a pooler that does not keep a session on one server connection.
 *   conninfo   a connection string or URI of libpq
 *   try_again  set if NULL is returned: true if PostgreSQL does not answer, or not now
 *   why        emptied; then the reason, if NULL is returned
 * Returns the session, which the caller ends with PQfinish; NULL on an error.
 */
PGconn *pg_session_open(const char *conninfo, bool *try_again, struct buf *why);

/*
 * Executes several statements, or one with parameters.
 *   n       number of parameters
 *   values  n texts; unused if n is 0
 * Returns the last result, for the caller to clear; NULL on an error.
 */
PGresult *pg_session_query(
	PGconn *db, const char *sql, int n, const char *const *values, struct buf *why);

/* As pg_session_query without parameters, for statements whose result does not matter. Returns false on an error. */
bool pg_session_run(PGconn *db, const char *sql, struct buf *why);

/* Returns the number that sql selects, which is not negative; -1 on an error. */
long pg_session_number(PGconn *db, const char *sql, struct buf *why);

/* Sets *why to "what: message", as one line. */
void pg_session_explain(struct buf *why, const char *what, const char *message);

#endif
