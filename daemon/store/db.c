#include "store/db.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 250
#define CONNECT_TIMEOUT_S 5
#define STATEMENTS_MAX 64
#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */

struct job {
	struct job *next;
	const struct db_statement *statement;
	struct db_args args;
	db_cb *cb;
	void *arg;
};

enum db_state { DB_AWAY, DB_CONNECTING, DB_SETTING_UP, DB_READY };

struct db {
	struct event_base *base;
	const struct db_events *events;
	void *arg;
	struct stats_slot *stats;
	char *conninfo;
	char *name;
	PGconn *pg;
	struct event *io; /* on the socket; read always, write while libpq has something to flush */
	struct event
		*retry; /* AWAY: the next try; before READY: how long it may take; READY: lost */
	struct job *first, **last; /* first is in flight where sent */
	size_t n_jobs;
	PGresult *result; /* of the statement in flight, once it has come */
	const struct db_statement *prepared[STATEMENTS_MAX];
	size_t n_prepared;
	unsigned retry_ms;
	enum db_state state;
	bool sent; /* the first job was sent */
	bool preparing; /* and what is in flight is its preparation */
	bool said_away; /* one log line a change of state */
};

/* Arguments. */

static void arg_begin(struct db_args *a)
{
	if (a->n == DB_ARGS_MAX)
		log_fatal("a statement has more than %d arguments", DB_ARGS_MAX);
	a->at[a->n].offset = a->bytes.len;
}

static void arg_end(struct db_args *a)
{
	a->at[a->n].len = (int)(a->bytes.len - a->at[a->n].offset);
	a->n++;
}

static void add_i32(struct buf *b, int32_t n)
{
	uint32_t wire = htobe32((uint32_t)n);

	buf_add(b, &wire, sizeof(wire));
}

static void add_i64(struct buf *b, int64_t n)
{
	uint64_t wire = htobe64((uint64_t)n);

	buf_add(b, &wire, sizeof(wire));
}

void db_arg_i64(struct db_args *a, int64_t n)
{
	arg_begin(a);
	add_i64(&a->bytes, n);
	arg_end(a);
}

void db_arg_bool(struct db_args *a, bool b)
{
	arg_begin(a);
	buf_add_char(&a->bytes, b);
	arg_end(a);
}

void db_arg_bytes(struct db_args *a, const void *bytes, size_t len)
{
	arg_begin(a);
	if (len > 0)
		buf_add(&a->bytes, bytes, len);
	arg_end(a);
	if (bytes == NULL)
		a->at[a->n - 1].len = -1;
}

/* array_send() of PostgreSQL: dimensions, a flag for nulls, the element type, then for each
 * dimension its size and lower bound. */
void db_arg_array(struct db_args *a, enum db_element type, size_t n)
{
	arg_begin(a);
	add_i32(&a->bytes, n > 0 ? 1 : 0);
	add_i32(&a->bytes, 1);
	add_i32(&a->bytes, (int32_t)type);
	if (n > 0) {
		add_i32(&a->bytes, (int32_t)n);
		add_i32(&a->bytes, 1);
	}
	arg_end(a);
}

/* The elements follow their array's head: the argument grows. */
static void element_added(struct db_args *a)
{
	a->at[a->n - 1].len = (int)(a->bytes.len - a->at[a->n - 1].offset);
}

void db_element_i64(struct db_args *a, int64_t n)
{
	add_i32(&a->bytes, sizeof(n));
	add_i64(&a->bytes, n);
	element_added(a);
}

void db_element_bytes(struct db_args *a, const void *bytes, size_t len)
{
	add_i32(&a->bytes, bytes == NULL ? -1 : (int32_t)len);
	if (bytes != NULL && len > 0)
		buf_add(&a->bytes, bytes, len);
	element_added(a);
}

/* Columns. */

int64_t db_i64(const PGresult *r, int row, int column)
{
	uint64_t wire;

	if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != sizeof(wire))
		return 0;
	memcpy(&wire, PQgetvalue(r, row, column), sizeof(wire));
	return (int64_t)be64toh(wire);
}

int32_t db_i32(const PGresult *r, int row, int column)
{
	uint32_t wire;

	if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != sizeof(wire))
		return 0;
	memcpy(&wire, PQgetvalue(r, row, column), sizeof(wire));
	return (int32_t)be32toh(wire);
}

bool db_bool(const PGresult *r, int row, int column)
{
	return db_char(r, row, column) != 0;
}

char db_char(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? 0 : PQgetvalue(r, row, column)[0];
}

int64_t db_time_ms(const PGresult *r, int row, int column)
{
	if (PQgetisnull(r, row, column))
		return 0;
	return (db_i64(r, row, column) + POSTGRES_EPOCH_US) / 1000;
}

const char *db_text(const PGresult *r, int row, int column, size_t *len)
{
	*len = 0;
	if (PQgetisnull(r, row, column))
		return NULL;
	*len = (size_t)PQgetlength(r, row, column);
	return PQgetvalue(r, row, column);
}

/* The connection. */

static void db_io(evutil_socket_t fd, short what, void *arg);
static void db_next(struct db *db);

static void job_free(struct job *j)
{
	buf_fini(&j->args.bytes);
	free(j);
}

static struct job *job_take(struct db *db)
{
	struct job *j = db->first;

	db->first = j->next;
	if (db->first == NULL)
		db->last = &db->first;
	db->n_jobs--;
	return j;
}

static void db_watch(struct db *db, short what)
{
	event_del(db->io);
	event_assign(db->io, db->base, PQsocket(db->pg), what | EV_PERSIST, db_io, db);
	event_add(db->io, NULL);
}

static void db_retry_in(struct db *db, unsigned ms)
{
	const struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(db->retry, &tv);
}

/* The first line of libpq's message, for the log. */
static const char *db_why(struct db *db, char out[256])
{
	const char *why = PQerrorMessage(db->pg);

	return log_quote(out, 256, why, strcspn(why, "\n"));
}

static void db_lost(struct db *db)
{
	bool was_ready = db->state == DB_READY;
	struct job *jobs = db->first;
	char why[256];

	if (!db->said_away)
		log_warn("database away connection=%s why=%s", db->name, db_why(db, why));
	db->said_away = true;
	event_del(db->io);
	PQclear(db->result);
	PQfinish(db->pg);
	db->pg = NULL;
	db->result = NULL;
	db->n_prepared = 0;
	db->sent = db->preparing = false;
	db->state = DB_AWAY;
	db->first = NULL;
	db->last = &db->first;
	db->n_jobs = 0;
	db_retry_in(db, db->retry_ms);
	db->retry_ms = db->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : db->retry_ms * 2;
	if (was_ready) {
		STATS_ADD(db->stats, db_failures, 1);
		db->events->state(db->arg, false);
	}
	while (jobs != NULL) {
		struct job *j = jobs;

		jobs = j->next;
		j->cb(j->arg, NULL);
		job_free(j);
	}
}

/* For where a caller may be asking: the loss is met from the loop, so that no answer comes from
 * inside a question. */
static void db_lose_later(struct db *db)
{
	event_active(db->retry, EV_TIMEOUT, 0);
}

/* Sends what libpq has buffered. While it has more, both directions must be watched: the server may
 * be waiting for us to read before it takes more (libpq manual, PQflush). */
static void db_flush(struct db *db)
{
	int rest = PQflush(db->pg);

	if (rest < 0)
		db_lose_later(db);
	else
		db_watch(db, rest == 1 ? EV_READ | EV_WRITE : EV_READ);
}

static bool db_is_prepared(const struct db *db, const struct db_statement *s)
{
	for (size_t i = 0; i < db->n_prepared; i++)
		if (db->prepared[i] == s)
			return true;
	return false;
}

static int job_send(struct db *db, struct job *j)
{
	const char *values[DB_ARGS_MAX];
	int lengths[DB_ARGS_MAX];
	int formats[DB_ARGS_MAX];

	if (!db_is_prepared(db, j->statement)) {
		db->preparing = true;
		return PQsendPrepare(db->pg, j->statement->name, j->statement->sql, 0, NULL);
	}
	/* An empty text has no bytes, but must not be a null pointer, which is null. */
	for (int i = 0; i < j->args.n; i++) {
		bool null = j->args.at[i].len < 0;

		values[i] = null                  ? NULL
			: j->args.bytes.len > 0 ? j->args.bytes.data + j->args.at[i].offset
						  : "";
		lengths[i] = null ? 0 : j->args.at[i].len;
		formats[i] = 1;
	}
	return PQsendQueryPrepared(
		db->pg, j->statement->name, j->args.n, values, lengths, formats, 1);
}

static void db_next(struct db *db)
{
	if (db->state != DB_READY || db->sent || db->first == NULL)
		return;
	db->sent = true;
	if (job_send(db, db->first) == 0) {
		db_lose_later(db);
		return;
	}
	FAULT("db.sent");
	db_flush(db);
	FAULT("db.flushed");
}

/*
 * An error that libpq made itself, for want of memory or because it did not understand the server:
 * it has no SQLSTATE. What was asked may have been done all the same, even committed, so its fate
 * is as unknown as when the connection is lost.
 */
static bool is_of_libpq(const PGresult *r)
{
	return PQresultStatus(r) == PGRES_FATAL_ERROR &&
		PQresultErrorField(r, PG_DIAG_SQLSTATE) == NULL;
}

/* The command in flight is over: its result has come. */
static void db_command_done(struct db *db)
{
	PGresult *result = db->result;
	struct job *j;

	db->result = NULL;
	db->sent = false;
	if (db->preparing && PQresultStatus(result) == PGRES_COMMAND_OK) {
		db->preparing = false;
		if (db->n_prepared == STATEMENTS_MAX)
			log_fatal("more than %d statements on one connection", STATEMENTS_MAX);
		db->prepared[db->n_prepared++] = db->first->statement;
		PQclear(result);
		db_next(db);
		return;
	}
	db->preparing = false;
	FAULT("db.result");
	j = job_take(db);
	j->cb(j->arg, result);
	job_free(j);
	PQclear(result);
	db_next(db);
}

static void db_setup_done(struct db *db)
{
	const PGresult *r = db->result;
	bool usable = PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0 &&
		strcmp(PQgetvalue(r, 0, 0), "t") == 0;

	if (!usable) {
		db_lost(db);
		return;
	}
	PQclear(db->result);
	db->result = NULL;
	db->state = DB_READY;
	db->retry_ms = RETRY_MIN_MS;
	event_del(db->retry);
	log_info("database ready connection=%s backend=%d", db->name, PQbackendPID(db->pg));
	db->said_away = false;
	db->events->state(db->arg, true);
	db_next(db);
}

static void db_read(struct db *db)
{
	PGconn *pg = db->pg;

	if (PQconsumeInput(pg) == 0) {
		db_lost(db);
		return;
	}
	/* A callback may lose the connection or queue more; look at the state afresh each time. */
	while (db->pg == pg && !PQisBusy(pg)) {
		PGresult *r = PQgetResult(pg);

		if (r != NULL) {
			/* The last result of the set-up's several statements counts; but an error
			 * is never overwritten. */
			if (db->result != NULL && PQresultStatus(db->result) == PGRES_FATAL_ERROR) {
				PQclear(r);
			} else {
				PQclear(db->result);
				db->result = r;
			}
			continue;
		}
		if (PQstatus(pg) != CONNECTION_OK ||
			(db->result != NULL && is_of_libpq(db->result))) {
			db_lost(db);
			return;
		}
		if (db->result == NULL)
			return;
		if (db->state == DB_SETTING_UP)
			db_setup_done(db);
		else
			db_command_done(db);
	}
}

static void db_set_up(struct db *db)
{
	struct buf sql = BUF_EMPTY;

	db->state = DB_SETTING_UP;
	PQsetnonblocking(db->pg, 1);
	db->events->setup(db->arg, &sql);
	if (PQsendQuery(db->pg, buf_cstr(&sql)) == 0)
		db_lost(db);
	else
		db_flush(db);
	buf_fini(&sql);
}

static void db_connect_step(struct db *db)
{
	switch (PQconnectPoll(db->pg)) {
	case PGRES_POLLING_READING:
		db_watch(db, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		db_watch(db, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		db_set_up(db);
		break;
	default:
		db_lost(db);
		break;
	}
}

static void db_io(evutil_socket_t fd, short what, void *arg)
{
	struct db *db = arg;
	PGconn *pg = db->pg;

	(void)fd;
	if (db->state == DB_CONNECTING) {
		db_connect_step(db);
		return;
	}
	if (what & EV_READ)
		db_read(db);
	if ((what & EV_WRITE) && db->pg == pg)
		db_flush(db);
}

/* A server error is told in the server's own words; notices are not our log's business. */
static void db_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static void db_connect(struct db *db)
{
	const char *keys[] = { "dbname", "application_name", "client_encoding", "gssencmode",
		NULL };
	const char *values[] = { db->conninfo, db->name, "UTF8", "disable", NULL };

	db->pg = PQconnectStartParams(keys, values, 1);
	if (db->pg == NULL)
		log_fatal("out of memory for a database connection");
	PQsetNoticeReceiver(db->pg, db_notice, NULL);
	db->state = DB_CONNECTING;
	if (PQstatus(db->pg) == CONNECTION_BAD) {
		db_lost(db);
		return;
	}
	db_retry_in(db, CONNECT_TIMEOUT_S * 1000);
	db_watch(db, EV_WRITE);
}

static void db_retry(evutil_socket_t fd, short what, void *arg)
{
	struct db *db = arg;

	(void)fd;
	(void)what;
	if (db->state == DB_AWAY)
		db_connect(db);
	else
		db_lost(db);
}

struct db *db_open(struct event_base *base, const char *conninfo, const char *name,
	const struct db_events *events, void *arg, struct stats_slot *stats)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db == NULL || (db->conninfo = strdup(conninfo)) == NULL ||
		(db->name = strdup(name)) == NULL)
		log_fatal("out of memory for a database connection");
	db->base = base;
	db->events = events;
	db->arg = arg;
	db->stats = stats;
	db->last = &db->first;
	db->retry_ms = RETRY_MIN_MS;
	db->io = event_new(base, -1, 0, db_io, db);
	db->retry = evtimer_new(base, db_retry, db);
	if (db->io == NULL || db->retry == NULL)
		log_fatal("cannot make the events of a database connection");
	db_connect(db);
	return db;
}

void db_stop(struct db *db)
{
	event_del(db->io);
	event_del(db->retry);
	db->state = DB_AWAY;
	while (db->first != NULL) {
		struct job *j = job_take(db);

		j->cb(j->arg, NULL);
		job_free(j);
	}
}

void db_close(struct db *db)
{
	db_stop(db);
	event_free(db->io);
	event_free(db->retry);
	PQclear(db->result);
	PQfinish(db->pg);
	free(db->conninfo);
	free(db->name);
	free(db);
}

bool db_ready(const struct db *db)
{
	return db->state == DB_READY;
}

size_t db_pending(const struct db *db)
{
	return db->n_jobs;
}

bool db_query(
	struct db *db, const struct db_statement *s, struct db_args *args, db_cb *cb, void *arg)
{
	struct job *j;

	if (db->state != DB_READY) {
		buf_fini(&args->bytes);
		return false;
	}
	j = malloc(sizeof(*j));
	if (j == NULL)
		log_fatal("out of memory for a statement");
	*j = (struct job){ .statement = s, .args = *args, .cb = cb, .arg = arg };
	*args = (struct db_args)DB_ARGS_EMPTY;
	*db->last = j;
	db->last = &j->next;
	db->n_jobs++;
	db_next(db);
	return true;
}
