/*
 * db: one connection to PostgreSQL on the event loop: queue of statements, reconnecting.
 *
 * Owns: the PGconn and the statements that wait. Knows nothing of: which SQL, what rows mean.
 *
 * One statement is in flight at a time; each is its own transaction; all are prepared, at first use
 * on each connection, and speak binary both ways. While the database is away nothing is queued: the
 * asker is told at once.
 *
 *   AWAY ──connect, set-up──► READY ──connection lost──► AWAY   (a try after 50 ms, doubling to 1
 * s)
 */
#ifndef PARLEY_DB_H
#define PARLEY_DB_H

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/stats.h"

struct db;

/* A statement, known by its address; sql with $1… */
struct db_statement {
	const char *name;
	const char *sql;
};

/* Arguments of one execution, in order; binary. Filled by db_arg_*, taken over by db_query. */
#define DB_ARGS_MAX 8
struct db_args {
	struct buf bytes;
	int n;
	struct {
		size_t offset;
		int len; /* -1: null */
	} at[DB_ARGS_MAX];
};
#define DB_ARGS_EMPTY              \
	{                          \
		.bytes = BUF_EMPTY \
	}

void db_arg_i64(struct db_args *a, int64_t n);
void db_arg_bool(struct db_args *a, bool b);
void db_arg_bytes(
	struct db_args *a, const void *bytes, size_t len); /* text and bytea alike; NULL is null */

/* An array argument: begin with the number of elements, then so many elements. */
enum db_element { DB_INT8 = 20, DB_BYTEA = 17, DB_TEXT = 25 }; /* pg_type.dat's OIDs */
void db_arg_array(struct db_args *a, enum db_element type, size_t n);
void db_element_i64(struct db_args *a, int64_t n);
void db_element_bytes(struct db_args *a, const void *bytes, size_t len); /* NULL is null */

/*
 * What became of a statement. result: PGRES_TUPLES_OK, PGRES_COMMAND_OK, or an error whose SQLSTATE
 * says why nothing was done; NULL where the connection was lost and nobody knows whether it was
 * done. Freed by db after the call.
 */
typedef void db_cb(void *arg, PGresult *result);

struct db_events {
	void (*setup)(void *arg,
		struct buf *
			sql); /* appends what to run first on a new connection; its last row's first
							 * column must be true, else the connection
							 * is not used */
	void (*state)(void *arg, bool ready); /* READY or AWAY again */
};

/* conninfo: libpq's; application_name is set to name. Connecting begins at once. */
struct db *db_open(struct event_base *base, const char *conninfo, const char *name,
	const struct db_events *events, void *arg, struct stats_slot *stats);

/* Statements that wait get NULL; from now on it is away, and stays so. */
void db_stop(struct db *db);

/* Ends the connection; db_stop comes first where it was not called. */
void db_close(struct db *db);

bool db_ready(const struct db *db);

/* Statements queued or in flight. */
size_t db_pending(const struct db *db);

/*
 * Runs a statement after those before it; cb is called once, later. False (and args freed, cb not
 * called) while away. Source: libpq's asynchronous command processing (PostgreSQL 15 manual, 34.4).
 */
bool db_query(
	struct db *db, const struct db_statement *s, struct db_args *args, db_cb *cb, void *arg);

/* Columns of a binary result. Null reads as 0, false, or a NULL text. */
int64_t db_i64(const PGresult *r, int row, int column);
int32_t db_i32(const PGresult *r, int row, int column);
bool db_bool(const PGresult *r, int row, int column);
char db_char(const PGresult *r, int row, int column);
int64_t db_time_ms(const PGresult *r, int row,
	int column); /* timestamptz as ms since the Unix epoch, 0 for null */
const char *db_text(const PGresult *r, int row, int column, size_t *len);

#endif
