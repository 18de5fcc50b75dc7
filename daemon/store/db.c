#include "store/db.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"

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

struct prepared {
	const struct db_statement *statement;
	struct db_columns columns;
};

struct db {
	struct event_base *base;
	const struct db_events *events;
	void *arg;
	struct stats_slot *stats;
	char *conninfo;
	char *name;
	PGconn *pg;
	/* Of the socket: always EV_READ, and EV_WRITE while libpq has something to flush. */
	struct event *io;
	/* AWAY: the next try. CONNECTING, SETTING_UP: the time limit. READY: a loss found inside a call. */
	struct event *retry;
	struct job *first, **last;
	size_t n_jobs;
	PGresult *result; /* of the statement in flight, once it has arrived */
	struct prepared prepared[STATEMENTS_MAX]; /* on this connection */
	size_t n_prepared;
	unsigned retry_ms;
	enum db_state state;
	bool sent; /* True if the first job is in flight. */
	bool preparing; /* True if what is in flight is its preparation. */
	bool loss_logged; /* one log line per change of state */
};

/* Arguments. */

static void arg_begin(struct db_args *a)
{
	if (a->n == DB_ARGS_MAX)
		log_fatal("arguments_too_many max=%d", DB_ARGS_MAX);
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

/* As PostgreSQL's array_send(): the number of dimensions, a flag for nulls, the type of the elements, and for each
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

/* The elements belong to the last argument. */
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

void db_arg_i64s(struct db_args *a, const int64_t *numbers, size_t n)
{
	db_arg_array(a, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(a, numbers[i]);
}

/* Columns. */

static int find_column(const struct db_result *r, const char *name)
{
	int number = PQfnumber(r->pg, name);

	if (number < 0)
		log_fatal("column_missing statement=%s column=%s", r->statement->name, name);
	return number;
}

static int column_number(const struct db_result *r, const char *name)
{
	struct db_columns *c = r->columns;
	size_t i = ((uintptr_t)name >> 2) % DB_COLUMNS_MAX;

	while (c->name[i] != name) {
		if (c->name[i] == NULL) {
			/* One place stays free, so that a search ends. */
			if (c->n == DB_COLUMNS_MAX - 1)
				return find_column(r, name);
			c->number[i] = find_column(r, name);
			c->name[i] = name;
			c->n++;
			break;
		}
		i = (i + 1) % DB_COLUMNS_MAX;
	}
	return c->number[i];
}

/* The bytes of a value; NULL if it is null. */
static const char *value_of(const struct db_result *r, int row, const char *column, size_t *len)
{
	int number = column_number(r, column);

	*len = 0;
	if (PQgetisnull(r->pg, row, number))
		return NULL;
	*len = (size_t)PQgetlength(r->pg, row, number);
	return PQgetvalue(r->pg, row, number);
}

int64_t db_i64(const struct db_result *r, int row, const char *column)
{
	uint64_t wire;
	size_t len;
	const char *value = value_of(r, row, column, &len);

	if (len != sizeof(wire))
		return 0;
	memcpy(&wire, value, sizeof(wire));
	return (int64_t)be64toh(wire);
}

int32_t db_i32(const struct db_result *r, int row, const char *column)
{
	uint32_t wire;
	size_t len;
	const char *value = value_of(r, row, column, &len);

	if (len != sizeof(wire))
		return 0;
	memcpy(&wire, value, sizeof(wire));
	return (int32_t)be32toh(wire);
}

bool db_bool(const struct db_result *r, int row, const char *column)
{
	return db_char(r, row, column) != 0;
}

char db_char(const struct db_result *r, int row, const char *column)
{
	size_t len;
	const char *value = value_of(r, row, column, &len);

	return len > 0 ? value[0] : 0;
}

int64_t db_time_ms(const struct db_result *r, int row, const char *column)
{
	uint64_t wire;
	size_t len;
	const char *value = value_of(r, row, column, &len);

	if (len != sizeof(wire))
		return 0;
	memcpy(&wire, value, sizeof(wire));
	return ((int64_t)be64toh(wire) + POSTGRES_EPOCH_US) / 1000;
}

const char *db_text(const struct db_result *r, int row, const char *column, size_t *len)
{
	return value_of(r, row, column, len);
}

bool db_is_null(const struct db_result *r, int row, const char *column)
{
	size_t len;

	return value_of(r, row, column, &len) == NULL;
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

/* The first line of libpq's message, quoted for the log. */
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

	if (!db->loss_logged)
		log_warn("database_lost connection=\"%s\" why=%s", db->name, db_why(db, why));
	db->loss_logged = true;
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

/* Handles a loss from the loop, since db_query may be running: no callback is called inside it. */
static void db_lose_later(struct db *db)
{
	event_active(db->retry, EV_TIMEOUT, 0);
}

/* Sends what libpq has buffered. While more is left, both directions are watched: the server may not read more before
 * we read (libpq manual, PQflush). */
static void db_flush(struct db *db)
{
	int rest = PQflush(db->pg);

	if (rest < 0)
		db_lose_later(db);
	else
		db_watch(db, rest == 1 ? EV_READ | EV_WRITE : EV_READ);
}

static struct prepared *prepared_find(struct db *db, const struct db_statement *s)
{
	for (size_t i = 0; i < db->n_prepared; i++)
		if (db->prepared[i].statement == s)
			return &db->prepared[i];
	return NULL;
}

static int job_send(struct db *db, struct job *j)
{
	const char *values[DB_ARGS_MAX];
	int lengths[DB_ARGS_MAX];
	int formats[DB_ARGS_MAX];

	if (prepared_find(db, j->statement) == NULL) {
		db->preparing = true;
		return PQsendPrepare(db->pg, j->statement->name, j->statement->sql, 0, NULL);
	}
	/* libpq takes a NULL pointer for null, so an empty value needs another one. */
	for (int i = 0; i < j->args.n; i++) {
		bool null = j->args.at[i].len < 0;

		values[i] = null                ? NULL
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
 * True for an error after which the connection is of no use.
 *
 * - libpq raised it itself, when it was out of memory or did not understand the server: it has no SQLSTATE. The
 *   statement may have been executed, and even committed, as when the connection is lost.
 * - A column was added to a table, so that a prepared statement would have another result type (0A000,
 *   feature_not_supported). The set-up of the next connection decides whether this program fits the new schema.
 */
static bool is_fatal(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return PQresultStatus(r) == PGRES_FATAL_ERROR &&
		(sqlstate == NULL || strcmp(sqlstate, "0A000") == 0);
}

static void db_prepared(struct db *db)
{
	if (db->n_prepared == STATEMENTS_MAX)
		log_fatal("statements_too_many max=%d", STATEMENTS_MAX);
	db->prepared[db->n_prepared++] = (struct prepared){ .statement = db->first->statement };
}

/* The command in flight has ended: its result has arrived. */
static void db_command_done(struct db *db)
{
	PGresult *pg = db->result;
	struct prepared *prepared = prepared_find(db, db->first->statement);
	const struct db_result result = { .pg = pg,
		.statement = db->first->statement,
		.columns = prepared != NULL ? &prepared->columns : NULL };
	bool is_preparation = db->preparing && PQresultStatus(pg) == PGRES_COMMAND_OK;

	db->result = NULL;
	db->sent = db->preparing = false;
	if (is_preparation) {
		db_prepared(db);
	} else {
		struct job *j = job_take(db);

		FAULT("db.result");
		j->cb(j->arg, &result);
		job_free(j);
	}
	PQclear(pg);
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
	log_info("database_ready connection=\"%s\" backend=%d", db->name, PQbackendPID(db->pg));
	db->loss_logged = false;
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
	/* A callback may lose the connection or queue more. */
	while (db->pg == pg && !PQisBusy(pg)) {
		PGresult *r = PQgetResult(pg);

		if (r != NULL) {
			/* Of the results of the set-up the last one counts, but an error is kept. */
			if (db->result != NULL && PQresultStatus(db->result) == PGRES_FATAL_ERROR) {
				PQclear(r);
			} else {
				PQclear(db->result);
				db->result = r;
			}
			continue;
		}
		if (PQstatus(pg) != CONNECTION_OK || (db->result != NULL && is_fatal(db->result))) {
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

/* Notices are not logged; errors are, by those who queued the statement. */
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
		log_fatal("out_of_memory");
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
	struct db *db = xcalloc(1, sizeof(*db));

	db->conninfo = xstrdup(conninfo);
	db->name = xstrdup(name);
	db->base = base;
	db->events = events;
	db->arg = arg;
	db->stats = stats;
	db->last = &db->first;
	db->retry_ms = RETRY_MIN_MS;
	db->io = event_new(base, -1, 0, db_io, db);
	db->retry = evtimer_new(base, db_retry, db);
	if (db->io == NULL || db->retry == NULL)
		log_fatal("out_of_memory");
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
	j = xmalloc(sizeof(*j));
	*j = (struct job){ .statement = s, .args = *args, .cb = cb, .arg = arg };
	*args = (struct db_args)DB_ARGS_EMPTY;
	*db->last = j;
	db->last = &j->next;
	db->n_jobs++;
	db_next(db);
	return true;
}
