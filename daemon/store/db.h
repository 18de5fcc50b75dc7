/*
 * db: one connection to PostgreSQL on the event loop: a queue of statements, and reconnection.
 *
 * Owns: the PGconn and the queued statements. Knows nothing of: which SQL, what rows mean.
 *
 * One statement is in flight at a time. Each is a transaction of its own, prepared at its first use on a connection, and
 * binary in both directions. One that fails by a deadlock or a serialization failure is executed again, a few times. While
 * the connection is away nothing is queued: db_query returns false.
 *
 *   AWAY ──connect, set-up──► READY ──connection lost──► AWAY   (the next try after 50 ms, doubling up to 250 ms)
 *
 * No wait is without end. A look-up of a name and an attempt to connect have
 * db_hosts_timeout_s each, and the next address follows at once. The set-up and
 * each statement have DB_DEADLINE_S; then the connection is given up as lost. An idle connection is probed every
 * 3 s, so that one that died in silence is replaced after 9 s at most.
 *
 * Source: libpq's asynchronous command processing (PostgreSQL 15 manual, 34.4).
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

/* A statement with $1…; identified by its address. */
struct db_statement {
	const char *name;
	const char *sql;
};

/* The statements of queries.sql, made by common/embed; ended by NULL. */
extern const struct db_statement *const queries[];

/* Declares the statement of the block "-- name: X" of queries.sql as query_X. A missing block is a link error. */
#define DECLARE_QUERY(name) extern const struct db_statement query_##name

/* Arguments of one execution, in order, in binary. Filled by db_arg_*, taken over by db_query. */
#define DB_ARGS_MAX 16
#define DB_DEADLINE_S 6
struct db_args {
	struct buf bytes;
	bool urgent; /* True if it is executed before those that wait; these and urgent ones alternate. */
	unsigned deadline_s; /* of this execution, from when it is sent; 0: DB_DEADLINE_S */
	/* True to get the error if the wait for a lock takes longer than the session's lock_timeout. Otherwise the
	 * statement is executed again, after those that are queued. */
	bool fails_if_locked;
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
/* text or bytea; bytes NULL is null */
void db_arg_bytes(struct db_args *a, const void *bytes, size_t len);

/* An array argument: its head with the number n of elements, then n times db_element_*. */
enum db_element { DB_INT8 = 20, DB_TEXT = 25, DB_BYTEA = 17, DB_BOOL = 16 }; /* PostgreSQL's type oids */
void db_arg_array(struct db_args *a, enum db_element type, size_t n);
void db_element_i64(struct db_args *a, int64_t n);
void db_element_bool(struct db_args *a, bool b);
void db_element_bytes(struct db_args *a, const void *bytes, size_t len);
/* A whole array of int8. */
void db_arg_i64s(struct db_args *a, const int64_t *numbers, size_t n);

/* The columns that were read of a prepared statement. Each name is looked up once; the key is its address, which is
 * always the same, since a reader names a column by a literal. All zero: none. */
#define DB_COLUMNS_MAX 128 /* a power of 2 */
struct db_columns {
	const char *name[DB_COLUMNS_MAX];
	int number[DB_COLUMNS_MAX];
	unsigned n;
};

struct db_result {
	const PGresult *
		pg; /* PGRES_TUPLES_OK, PGRES_COMMAND_OK, or an error, whose SQLSTATE says why nothing was done */
	const struct db_statement *statement;
	struct db_columns *columns; /* NULL for an error of the preparation */
};

/* The end of a statement. result: valid during the call; NULL if the connection was lost, and it is unknown whether the
 * statement was executed. */
typedef void db_cb(void *arg, const struct db_result *result);

struct db_events {
	/* Appends the statements that a new connection executes first. It is used only if the first column of their
	 * last row is true; if it is not, a second column is the reason for the log. */
	void (*setup)(void *arg, struct buf *sql);
	/* NULL, or: the new connection is usable, and state follows. row: the last row of the set-up. */
	void (*opened)(void *arg, struct db *db, const PGresult *row);
	/* The connection has become READY or AWAY. */
	void (*state)(void *arg, bool ready);
	/* NULL, or: a statement has failed by a full disk or an I/O error of the server, or had no answer within its
	 * deadline. */
	void (*not_stored)(void *arg);
};

/*
 * Creates a connection, which is away until db_start.
 *   conninfo  a connection string of libpq
 *   name      its application_name
 *   events    called with arg; must outlive the connection
 *   stats     where losses are counted
 */
struct db *db_open(struct event_base *base, const char *conninfo, const char *name,
	const struct db_events *events, void *arg, struct stats_slot *stats);

/* Begins to connect. Called once. */
void db_start(struct db *db);

/* Queued statements end with NULL. From now on the connection is away and does not connect again. */
void db_stop(struct db *db);

/* Closes the connection and frees everything; calls db_stop. */
void db_close(struct db *db);

/* Gives up a connection that is set up or ready, and connects again. Queued statements end with NULL. why: for the
 * log. Not for calls from within events of this db. */
void db_reconnect(struct db *db, const char *why);

bool db_ready(const struct db *db);

/* Returns true if a statement failed because it waited for a lock longer than the session's lock_timeout. */
bool db_locked(const PGresult *r);

/* The number of statements queued or in flight. */
size_t db_pending(const struct db *db);

/*
 * Queues a statement; cb is called once, later. Returns false while the connection is away: then args is freed, and cb
 * is not called.
 */
bool db_query(
	struct db *db, const struct db_statement *s, struct db_args *args, db_cb *cb, void *arg);

/*
 * A value of a binary result. Null reads as 0, false, or a NULL text.
 *   column  its name, always the same literal for one reader; a name that the statement lacks ends the process
 */
int64_t db_i64(const struct db_result *r, int row, const char *column);
int32_t db_i32(const struct db_result *r, int row, const char *column);
bool db_bool(const struct db_result *r, int row, const char *column);
char db_char(const struct db_result *r, int row, const char *column);
/* A timestamptz as ms since the Unix epoch, 0 for null. */
int64_t db_time_ms(const struct db_result *r, int row, const char *column);
const char *db_text(const struct db_result *r, int row, const char *column, size_t *len);
bool db_is_null(const struct db_result *r, int row, const char *column);

#endif
