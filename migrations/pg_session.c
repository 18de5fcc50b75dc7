/* pg_session: see pg_session.h. */
#include "migrations/pg_session.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"

#define CONNECT_TIMEOUT_S "10"
#define POOLER_WAIT_MS 3000
#define POOLER_ROUNDS 3 /* other clients of the pooler may take part in one */
#define SQLSTATE_PROTOCOL_VIOLATION "08P01" /* PgBouncer's for `begin` in statement pooling */
#define SQLSTATE_DUPLICATE_DATABASE "42P04"
#define SQLSTATE_UNIQUE_VIOLATION "23505"

void pg_session_explain(struct buf *why, const char *what, const char *message)
{
	size_t start, i;

	buf_reset(why, 0);
	buf_addf(why, "%s: ", what);
	start = why->len;
	buf_add_str(why, message);
	while (why->len > start && strchr("\n ", why->data[why->len - 1]))
		why->len--;
	for (i = start; i < why->len; i++)
		if (why->data[i] == '\n')
			why->data[i] = ' ';
}

/*
 * Connects.
 *   dbname  the database, NULL for that of conninfo
 * Returns a connection, whose status may be bad, for the caller to finish; NULL if conninfo is malformed.
 */
static PGconn *connect_to(const char *conninfo, const char *dbname, struct buf *why)
{
	const char **keywords, **values;
	PQconninfoOption *options, *o;
	char *error = NULL;
	PGconn *db;
	bool has_service = false; /* its file may have any setting */
	size_t n = 0;

	options = PQconninfoParse(conninfo, &error);
	if (!options) {
		pg_session_explain(why, "database", error ? error : "out of memory");
		PQfreemem(error);
		return NULL;
	}
	for (o = options; o->keyword; o++) {
		n++;
		has_service = has_service || (strcmp(o->keyword, "service") == 0 && o->val);
	}
	keywords = xcalloc(n + 5, sizeof(*keywords));
	values = xcalloc(n + 5, sizeof(*values));
	/* The last value of a keyword wins: a default comes before the user's, an override after. */
	n = 0;
	keywords[n] = "connect_timeout";
	values[n++] = CONNECT_TIMEOUT_S;
	if (!has_service) {
		keywords[n] = "target_session_attrs";
		values[n++] = "primary";
	}
	for (o = options; o->keyword; o++) {
		if (!o->val)
			continue;
		keywords[n] = o->keyword;
		values[n++] = o->val;
	}
	keywords[n] = "client_encoding";
	values[n++] = "UTF8";
	if (dbname) {
		keywords[n] = "dbname";
		values[n++] = dbname;
	}
	db = PQconnectdbParams(keywords, values, 0);
	if (!db)
		log_fatal("out_of_memory");
	PQconninfoFree(options);
	free(keywords);
	free(values);
	return db;
}

/* PostgreSQL's hint is left out: for an object that another one depends on it is to drop both. */
static void explain_result(struct buf *why, const PGresult *r)
{
	const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	struct buf message = BUF_EMPTY;

	buf_add_str(&message, primary ? primary : PQresultErrorMessage(r));
	if (detail)
		buf_addf(&message, ": %s", detail);
	pg_session_explain(why, "PostgreSQL", buf_cstr(&message));
	buf_fini(&message);
}

PGresult *pg_session_query(
	PGconn *db, const char *sql, int n, const char *const *values, struct buf *why)
{
	PGresult *r;

	if (n > 0)
		r = PQexecParams(db, sql, n, NULL, values, NULL, NULL, 0);
	else
		r = PQexec(db, sql);
	if (PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK)
		return r;
	explain_result(why, r);
	PQclear(r);
	return NULL;
}

bool pg_session_run(PGconn *db, const char *sql, struct buf *why)
{
	PGresult *r = pg_session_query(db, sql, 0, NULL, why);

	PQclear(r);
	return r != NULL;
}

long pg_session_number(PGconn *db, const char *sql, struct buf *why)
{
	PGresult *r = pg_session_query(db, sql, 0, NULL, why);
	long number = -1;

	if (r)
		number = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return number;
}

/* Creates the database. Succeeds also if another program has just created it. */
static bool create_database(PGconn *db, const char *dbname, struct buf *why)
{
	struct buf sql = BUF_EMPTY;
	char *name = PQescapeIdentifier(db, dbname, strlen(dbname));
	const char *state;
	PGresult *r;
	bool made;

	if (!name)
		log_fatal("out_of_memory");
	buf_addf(&sql,
		"create database %s encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8' "
		"template template0",
		name);
	PQfreemem(name);
	r = PQexec(db, buf_cstr(&sql));
	state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	made = PQresultStatus(r) == PGRES_COMMAND_OK ||
		(state &&
			(strcmp(state, SQLSTATE_DUPLICATE_DATABASE) == 0 ||
				strcmp(state, SQLSTATE_UNIQUE_VIOLATION) == 0));
	if (!made)
		pg_session_explain(why, "the database is missing and cannot be created",
			PQresultErrorMessage(r));
	PQclear(r);
	buf_fini(&sql);
	return made;
}

/*
 * Creates the database, if that is what kept pg_session_open from connecting, through one that every cluster has.
 * Returns true if it exists now. *why keeps the first connection's error if no other database lets us in.
 */
static bool create_missing(
	const char *conninfo, const char *dbname, bool *try_again, struct buf *why)
{
	static const char *const others[] = { "postgres", "template1" };
	bool made = false;
	size_t i;

	*try_again = true;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		PGconn *db = connect_to(conninfo, others[i], why);
		struct buf ignored = BUF_EMPTY;
		PGresult *r = NULL;

		if (PQstatus(db) == CONNECTION_OK)
			r = pg_session_query(db, "select 1 from pg_database where datname = $1", 1,
				&dbname, &ignored);
		buf_fini(&ignored);
		if (r && PQntuples(r) == 0) {
			made = create_database(db, dbname, why);
			*try_again = PQstatus(db) != CONNECTION_OK;
		}
		PQclear(r);
		PQfinish(db);
		if (r)
			break;
	}
	return made;
}

/* Connects to the database, which is created if it is missing. Returns NULL on an error. */
static PGconn *connect_or_create(const char *conninfo, bool *try_again, struct buf *why)
{
	PGconn *db = connect_to(conninfo, NULL, why);

	*try_again = false;
	if (!db || PQstatus(db) == CONNECTION_OK)
		return db;
	pg_session_explain(why, "PostgreSQL", PQerrorMessage(db));
	if (create_missing(conninfo, PQdb(db), try_again, why)) {
		PQfinish(db);
		db = connect_to(conninfo, NULL, why);
		if (PQstatus(db) == CONNECTION_OK)
			return db;
		pg_session_explain(why, "PostgreSQL", PQerrorMessage(db));
		*try_again = true;
	}
	PQfinish(db);
	return NULL;
}

/*
 * Poolers.
 *
 * In transaction pooling, two clients that are connected at the same time take turns on one server connection, and one
 * client's transactions may run on different ones. In session pooling neither happens. A pooler invents the process id
 * of the cancel key (PostgreSQL manual, Message Formats, BackendKeyData); without a pooler it is the backend's.
 */

#define BACKEND "select pg_backend_pid()"

/*
 * Executes `begin` and BACKEND on another session, for at most POOLER_WAIT_MS: in session pooling, a pool of one server
 * connection has none for it.
 *   backend  set to the backend; 0 if there was no answer
 * Returns false if the pooler refuses transactions.
 */
static bool begin_beside(PGconn *beside, long *backend)
{
	int64_t deadline_ms = clock_mono_ms() + POOLER_WAIT_MS;
	bool refused = false;
	PGresult *r;

	*backend = 0;
	if (PQsendQuery(beside, "begin; " BACKEND) == 0)
		return true;
	while (PQisBusy(beside)) {
		struct pollfd fd = { .fd = PQsocket(beside), .events = POLLIN };
		int64_t left_ms = deadline_ms - clock_mono_ms();

		if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) == 0 || PQconsumeInput(beside) == 0)
			return true;
	}
	while ((r = PQgetResult(beside)) != NULL) {
		const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

		if (PQresultStatus(r) == PGRES_TUPLES_OK)
			*backend = strtol(PQgetvalue(r, 0, 0), NULL, 10);
		refused = refused || (state && strcmp(state, SQLSTATE_PROTOCOL_VIOLATION) == 0);
		PQclear(r);
	}
	return !refused;
}

/* Returns true if db keeps its server connection between transactions. */
static bool is_session(PGconn *db, const char *conninfo, bool *try_again, struct buf *why)
{
	long backend = pg_session_number(db, BACKEND, why);
	bool good = true;

	if (backend == PQbackendPID(db))
		return true;
	for (int i = 0; backend > 0 && good && i < POOLER_ROUNDS; i++) {
		PGconn *beside;
		long other = 0, again;

		/* Its transaction is open while db executes the next one. */
		beside = connect_to(conninfo, NULL, why);
		good = PQstatus(beside) != CONNECTION_OK || begin_beside(beside, &other);
		again = good ? pg_session_number(db, BACKEND, why) : 0;
		PQfinish(beside);
		if (again < 0 || (good && other == 0))
			break;
		good = good && again == backend && other != backend;
	}
	*try_again = PQstatus(db) != CONNECTION_OK;
	if (backend < 0 || *try_again)
		return false;
	if (good)
		return true;
	buf_reset(why, 0);
	buf_add_str(why,
		"the connection pooler does not keep a session on one server connection "
		"(transaction pooling): parleyd needs session pooling");
	return false;
}

static bool is_utf8(PGconn *db, struct buf *why)
{
	const char *encoding = PQparameterStatus(db, "server_encoding");

	if (strcmp(encoding, "UTF8") == 0)
		return true;
	buf_reset(why, 0);
	buf_addf(why, "database %s has the encoding %s: it must be UTF8", PQdb(db), encoding);
	return false;
}

PGconn *pg_session_open(const char *conninfo, bool *try_again, struct buf *why)
{
	PGconn *db;

	buf_reset(why, 0);
	db = connect_or_create(conninfo, try_again, why);
	if (db && is_utf8(db, why) && is_session(db, conninfo, try_again, why))
		return db;
	PQfinish(db);
	return NULL;
}
