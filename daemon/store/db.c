#include "store/db.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "store/db_hosts.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 250
#define STATEMENTS_MAX 64
#define FAILURES_MAX 5 /* of a statement, by deadlocks */
#define PROBE_S 3 /* of silence, until an idle connection is probed */
#define LOCKED_MAX 15 /* waits for a lock of one statement */

struct job {
	struct job *next;
	const struct db_statement *statement;
	struct db_args args;
	db_cb *cb;
	void *arg;
	unsigned n_failures; /* by a deadlock */
	unsigned n_locked; /* waits for a lock that took too long */
	bool timed; /* True if the deadline runs, which includes the preparation and all tries. */
};

enum db_state { DB_AWAY, DB_RESOLVING, DB_CONNECTING, DB_SETTING_UP, DB_READY };

struct prepared {
	const struct db_statement *statement;
	struct db_columns columns;
};

struct db {
	struct event_base *base;
	const struct db_events *events;
	void *arg;
	struct stats_slot *stats;
	struct db_hosts *hosts;
	uint64_t failures_logged; /* since the connection was READY: one bit per host */
	char *name;
	PGconn *pg;
	char farewell[160]; /* PostgreSQL's reason for ending the session, empty if it gave none */
	/* RESOLVING: the end of the look-up. Else of the socket: always EV_READ, and EV_WRITE while libpq has something
	 * to flush. */
	struct event *io;
	/* AWAY: the next try. RESOLVING, CONNECTING, SETTING_UP: the time limit. READY: the deadline of the statement in
	 * flight, or the probe of an idle connection; also a loss found inside a call. */
	struct event *timer;
	struct job *first, **last; /* The first one is in flight, if any is. */
	struct job *urgent, **urgent_last;
	size_t n_jobs; /* of both queues */
	bool was_urgent; /* True if the job begun last was. */
	PGresult *result; /* of the statement in flight, once it has arrived */
	struct prepared prepared[STATEMENTS_MAX]; /* on this connection */
	size_t n_prepared;
	unsigned retry_ms;
	enum db_state state;
	bool sent; /* True if the first job is in flight. */
	bool preparing; /* True if what is in flight is its preparation. */
	bool broken; /* True if a loss was found inside a call. */
};

static void db_io(evutil_socket_t fd, short what, void *arg);
static void db_resolved(struct db *db);
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

static void job_add(struct db *db, struct job *j)
{
	j->next = NULL;
	*db->last = j;
	db->last = &j->next;
	db->n_jobs++;
}

/* Puts the job whose turn it is first: urgent ones and others alternate, so that neither waits for a queue of the
 * others. */
static void job_choose(struct db *db)
{
	struct job *j = db->urgent;

	if (db->first != NULL && db->first->timed)
		return;
	db->was_urgent = j != NULL && (db->first == NULL || !db->was_urgent);
	if (!db->was_urgent)
		return;
	db->urgent = j->next;
	if (db->urgent == NULL)
		db->urgent_last = &db->urgent;
	j->next = db->first;
	if (db->first == NULL)
		db->last = &j->next;
	db->first = j;
}

/* Empties both queues. Returns the jobs. */
static struct job *jobs_take(struct db *db)
{
	struct job *jobs;

	*db->last = db->urgent;
	jobs = db->first;
	db->first = db->urgent = NULL;
	db->last = &db->first;
	db->urgent_last = &db->urgent;
	db->n_jobs = 0;
	return jobs;
}

/* Ends jobs of which it is unknown whether they were executed. */
static void jobs_end(struct job *jobs)
{
	while (jobs != NULL) {
		struct job *j = jobs;

		jobs = j->next;
		j->cb(j->arg, NULL);
		job_free(j);
	}
}

static void db_watch_fd(struct db *db, int fd, short what)
{
	event_del(db->io);
	event_assign(db->io, db->base, fd, what | EV_PERSIST, db_io, db);
	event_add(db->io, NULL);
}

static void db_watch(struct db *db, short what)
{
	db_watch_fd(db, PQsocket(db->pg), what);
}

static void db_wake_in(struct db *db, unsigned ms)
{
	const struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(db->timer, &tv);
}

/* One line per loss, and one per host that fails until the connection is back. why: NULL for the first line of libpq's
 * message. */
static void db_log_loss(struct db *db, const char *why)
{
	uint64_t bit = UINT64_C(1) << (db_hosts_current(db->hosts) % 64);
	char quoted[256];

	if (why == NULL)
		why = db->farewell[0] != '\0' ? db->farewell : PQerrorMessage(db->pg);
	log_quote(quoted, sizeof(quoted), why, strcspn(why, "\n"));
	if (db->state == DB_READY)
		log_warn("database_lost connection=\"%s\" why=%s", db->name, quoted);
	else if (!(db->failures_logged & bit))
		log_warn("database_connect_failed connection=\"%s\" why=%s", db->name, quoted);
	if (db->state != DB_READY)
		db->failures_logged |= bit;
}

/* Chooses the address of the next attempt and its time: the next one at once, the first one after a pause. */
static void db_try_next(struct db *db, bool was_ready)
{
	if (!was_ready && db_hosts_next(db->hosts)) {
		db_wake_in(db, 0);
		return;
	}
	db_hosts_first(db->hosts);
	db_wake_in(db, db->retry_ms);
	db->retry_ms = db->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : db->retry_ms * 2;
}

/* The connection, or the attempt to connect, has failed. why: for the log; NULL for libpq's reason. */
static void db_lost(struct db *db, const char *why)
{
	bool was_ready = db->state == DB_READY;
	struct job *jobs = jobs_take(db);

	db_log_loss(db, why);
	event_del(db->io);
	PQclear(db->result);
	PQfinish(db->pg);
	db->pg = NULL;
	db->result = NULL;
	db->n_prepared = 0;
	db->sent = db->preparing = db->broken = false;
	db->state = DB_AWAY;
	db_try_next(db, was_ready);
	if (was_ready) {
		STATS_ADD(db->stats, db_failures, 1);
		db->events->state(db->arg, false);
	}
	jobs_end(jobs);
}

/* Handles a loss from the loop, since db_query may be running: no callback is called inside it. */
static void db_lose_later(struct db *db)
{
	db->broken = true;
	event_active(db->timer, EV_TIMEOUT, 0);
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
	struct job *j;

	if (db->state != DB_READY || db->sent || db->broken)
		return;
	if (db->n_jobs == 0) {
		db_wake_in(db, PROBE_S * 1000);
		return;
	}
	job_choose(db);
	j = db->first;
	db->sent = true;
	if (!j->timed)
		db_wake_in(
			db, (j->args.deadline_s > 0 ? j->args.deadline_s : DB_DEADLINE_S) * 1000);
	j->timed = true;
	if (job_send(db, j) == 0) {
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
 * - The server takes no writes (25006, read_only_sql_transaction). Another host may.
 */
static bool is_fatal(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return PQresultStatus(r) == PGRES_FATAL_ERROR &&
		(sqlstate == NULL || strcmp(sqlstate, "0A000") == 0 ||
			strcmp(sqlstate, "25006") == 0);
}

/* True for serialization_failure and deadlock_detected: the transaction was rolled back and may succeed if repeated. */
static bool is_transient(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return sqlstate != NULL &&
		(strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0);
}

bool db_locked(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return sqlstate != NULL && strcmp(sqlstate, "55P03") == 0; /* lock_not_available */
}

/* Moves the first job behind the others; its time begins again. */
static void db_defer(struct db *db)
{
	struct job *j = job_take(db);

	j->timed = false;
	job_add(db, j);
}

/* True for disk_full and the class system_error, which has io_error. */
static bool is_storage_error(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return sqlstate != NULL &&
		(strcmp(sqlstate, "53100") == 0 || strncmp(sqlstate, "58", 2) == 0);
}

static void db_not_stored(struct db *db)
{
	if (db->events->not_stored != NULL)
		db->events->not_stored(db->arg);
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
	} else if (is_transient(pg) && ++db->first->n_failures < FAILURES_MAX) {
		log_info("statement_repeated name=%s sqlstate=%s", db->first->statement->name,
			PQresultErrorField(pg, PG_DIAG_SQLSTATE));
	} else if (db_locked(pg) && !db->first->args.fails_if_locked &&
		++db->first->n_locked < LOCKED_MAX) {
		db_defer(db);
	} else {
		struct job *j = job_take(db);

		FAULT("db.result");
		if (is_storage_error(pg))
			db_not_stored(db);
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
		char why[128] = "";

		if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) > 0 && PQnfields(r) > 1)
			snprintf(why, sizeof(why), "%s", PQgetvalue(r, 0, 1));
		db_lost(db, why[0] != '\0' ? why : NULL);
		return;
	}
	if (db->events->opened != NULL)
		db->events->opened(db->arg, db, r);
	PQclear(db->result);
	db->result = NULL;
	db->state = DB_READY;
	db->retry_ms = RETRY_MIN_MS;
	db->failures_logged = 0;
	db_wake_in(db, PROBE_S * 1000);
	log_info("database_ready connection=\"%s\" backend=%d", db->name, PQbackendPID(db->pg));
	db->events->state(db->arg, true);
	db_next(db);
}

static void db_read(struct db *db)
{
	PGconn *pg = db->pg;

	if (PQconsumeInput(pg) == 0) {
		PQisBusy(pg); /* Parses the server's last words. */
		db_lost(db, NULL);
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
			db_lost(db, NULL);
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
	db_wake_in(db, DB_DEADLINE_S * 1000);
	PQsetnonblocking(db->pg, 1);
	db->events->setup(db->arg, &sql);
	if (PQsendQuery(db->pg, buf_cstr(&sql)) == 0)
		db_lost(db, NULL);
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
		db_lost(db, NULL);
		break;
	}
}

static void db_io(evutil_socket_t fd, short what, void *arg)
{
	struct db *db = arg;
	PGconn *pg = db->pg;

	(void)fd;
	if (db->state == DB_RESOLVING) {
		db_resolved(db);
		return;
	}
	if (db->state == DB_CONNECTING) {
		db_connect_step(db);
		return;
	}
	if (what & EV_READ)
		db_read(db);
	if ((what & EV_WRITE) && db->pg == pg)
		db_flush(db);
}

/* Notices are not logged, and errors are by those who queued the statement. The reason for the end of a session is kept: it
 * comes as an error, or a warning of the class operator_intervention, before PostgreSQL closes the connection. */
static void db_notice(void *arg, const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	struct db *db = arg;

	if (message != NULL && severity != NULL && sqlstate != NULL &&
		(strcmp(severity, "FATAL") == 0 || strncmp(sqlstate, "57P", 3) == 0))
		snprintf(db->farewell, sizeof(db->farewell), "%s", message);
}

static void db_connect(struct db *db)
{
	int lookup = db_hosts_resolve(db->hosts);

	db->farewell[0] = '\0';
	db->state = DB_RESOLVING;
	if (lookup < 0) {
		db_resolved(db);
		return;
	}
	db_wake_in(db, db_hosts_timeout_s(db->hosts) * 1000);
	db_watch_fd(db, lookup, EV_READ);
}

/* The look-up has ended, or its time is up. */
static void db_resolved(struct db *db)
{
	char why[256];

	event_del(db->io);
	if (!db_hosts_resolved(db->hosts, why, sizeof(why))) {
		db_lost(db, why);
		return;
	}
	db->pg = db_hosts_connect(db->hosts);
	PQsetNoticeReceiver(db->pg, db_notice, db);
	db->state = DB_CONNECTING;
	if (PQstatus(db->pg) == CONNECTION_BAD) {
		db_lost(db, NULL);
		return;
	}
	db_wake_in(db, db_hosts_timeout_s(db->hosts) * 1000);
	db_watch(db, EV_WRITE);
}

/* The time of an attempt is up: libpq's message names the host and gives no reason yet. */
static void db_timed_out(struct db *db)
{
	const char *message = PQerrorMessage(db->pg);
	char why[256];

	snprintf(why, sizeof(why), "%.*stimeout expired", (int)strcspn(message, "\n"), message);
	db_lost(db, why);
}

static void probed(void *arg, const struct db_result *r)
{
	(void)arg;
	(void)r;
}

/* Makes a connection that is dead be noticed while nothing else is sent. */
static void db_probe(struct db *db)
{
	static const struct db_statement probe = { "probe", "select 1" };
	struct db_args args = DB_ARGS_EMPTY;

	db_query(db, &probe, &args, probed, NULL);
}

/* The deadline of the statement in flight has passed. */
static void db_overdue(struct db *db)
{
	db_not_stored(db);
	db_lost(db, "no answer within the deadline");
}

static void db_wake(evutil_socket_t fd, short what, void *arg)
{
	struct db *db = arg;

	(void)fd;
	(void)what;
	if (db->state == DB_AWAY)
		db_connect(db);
	else if (db->state == DB_RESOLVING)
		db_resolved(db);
	else if (db->state != DB_READY)
		db_timed_out(db);
	else if (db->broken)
		db_lost(db, NULL);
	else if (db->first != NULL)
		db_overdue(db);
	else
		db_probe(db);
}

struct db *db_open(struct event_base *base, const char *conninfo, const char *name,
	const struct db_events *events, void *arg, struct stats_slot *stats)
{
	struct db *db = xcalloc(1, sizeof(*db));

	db->hosts = db_hosts_new(conninfo, name);
	db->name = xstrdup(name);
	db->base = base;
	db->events = events;
	db->arg = arg;
	db->stats = stats;
	db->last = &db->first;
	db->urgent_last = &db->urgent;
	db->retry_ms = RETRY_MIN_MS;
	db->io = event_new(base, -1, 0, db_io, db);
	db->timer = evtimer_new(base, db_wake, db);
	if (db->io == NULL || db->timer == NULL)
		log_fatal("out_of_memory");
	return db;
}

void db_start(struct db *db)
{
	db_connect(db);
}

void db_stop(struct db *db)
{
	event_del(db->io);
	event_del(db->timer);
	db->state = DB_AWAY;
	jobs_end(jobs_take(db));
}

void db_close(struct db *db)
{
	db_stop(db);
	event_free(db->io);
	event_free(db->timer);
	PQclear(db->result);
	PQfinish(db->pg);
	db_hosts_free(db->hosts);
	free(db->name);
	free(db);
}

void db_reconnect(struct db *db, const char *why)
{
	if (db->state != DB_SETTING_UP && db->state != DB_READY)
		return;
	db_lost(db, why);
	db->failures_logged = 0; /* This was none: the next one is logged. */
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
	if (j->args.urgent) {
		*db->urgent_last = j;
		db->urgent_last = &j->next;
		db->n_jobs++;
	} else {
		job_add(db, j);
	}
	db_next(db);
	return true;
}
