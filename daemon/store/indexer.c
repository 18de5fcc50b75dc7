#include "store/indexer.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "store/store_private.h"

#define NICENESS 10
#define IDLE_MS 2000 /* after a step that found nothing to do, or failed */
#define PAUSE_MAX_MS 10000
#define STATE_MS 5000 /* between two measurements of the lag */
#define STEP_DEADLINE_S \
	20 /* A step takes 250 ms and ends after the blocks that it is at, at most 1,024 messages. */
#define CREATE_DEADLINE_S 86400
#define LOCK_KEY "7020952022" /* of the advisory lock; an arbitrary number */
#define LOCK_STALE "30 s" /* more than any pause */

struct indexer {
	const struct heritage *heritage;
	const struct conf *conf;
	struct conf *reloaded; /* NULL if the inherited one is in force */
	struct event_base *base;
	struct db *db;
	struct stats_slot stats; /* no one reads them */
	struct event *signals[2];
	struct event *master_gone;
	struct event *schema; /* h->schema_fd */
	struct event *next; /* the next step */
	int64_t step_ms, state_ms; /* clock_mono_ms: when the last one began */
	bool failing; /* True if the last statement failed. */
};

static void send_step(struct indexer *x);
static void create_index(struct indexer *x);
static void step_done(void *arg, const struct db_result *r);
static void state_done(void *arg, const struct db_result *r);
static void index_dropped(void *arg, const struct db_result *r);
static void index_created(void *arg, const struct db_result *r);

/* The connection. */

/* A session that holds the lock and has been idle for longer than a pause is that of an indexer whose connection has died in
 * silence. pg_restore creates the triggers after the data and the indexes: until then, what this process stores would be in
 * its way. */
static void setup(void *arg, struct buf *sql)
{
	(void)arg;
	store_put_settings(sql);
	buf_add_str(sql,
		"select pg_terminate_backend(a.pid) from pg_locks l join pg_stat_activity a using "
		"(pid) where l.locktype = 'advisory' and l.granted and l.objsubid = 1 "
		"and l.classid::bigint << 32 | l.objid::bigint = " LOCK_KEY
		" and l.database = (select oid from pg_database where datname = "
		"current_database()) "
		"and a.state = 'idle' and a.state_change < now() - interval '" LOCK_STALE "'; "
		"do $$ begin if not pg_try_advisory_lock(" LOCK_KEY ") then "
		"raise 'another indexer is connected'; end if; "
		"if not exists (select from pg_trigger "
		"where tgrelid = 'parley.search_blocks'::regclass) then "
		"raise 'the database is being restored'; end if; end $$; ");
	store_put_check(NULL, sql);
}

static void state_changed(void *arg, bool ready)
{
	struct indexer *x = arg;

	if (ready)
		send_step(x);
	else
		event_del(x->next);
}

/* The steps. */

static void wait_ms(struct indexer *x, int64_t ms)
{
	event_add(x->next, &(const struct timeval){ ms / 1000, ms % 1000 * 1000 });
}

/* If the connection is away, state_changed sends the next step. */
static void query(
	struct indexer *x, const struct db_statement *statement, unsigned deadline_s, db_cb *cb)
{
	struct db_args args = DB_ARGS_EMPTY;

	args.deadline_s = deadline_s;
	db_query(x->db, statement, &args, cb, x);
}

/* Returns true if a statement succeeded. If it did not, the next step is sent later. */
static bool succeeded(struct indexer *x, const struct db_result *r)
{
	const char *why;
	char quoted[256];
	bool failed;

	if (r == NULL)
		return false;
	failed = PQresultStatus(r->pg) == PGRES_FATAL_ERROR;
	why = PQresultErrorField(r->pg, PG_DIAG_MESSAGE_PRIMARY);
	if (failed && !x->failing)
		log_error("index_failed name=%s why=%s", r->statement->name,
			log_quote(quoted, sizeof(quoted), why != NULL ? why : "",
				why != NULL ? strlen(why) : 0));
	x->failing = failed;
	if (failed)
		wait_ms(x, IDLE_MS);
	return !failed;
}

static void send_step(struct indexer *x)
{
	DECLARE_QUERY(search_index);
	DECLARE_QUERY(search_state);

	event_del(x->next);
	if (clock_mono_ms() - x->state_ms >= STATE_MS) {
		query(x, &query_search_state, STEP_DEADLINE_S, state_done);
		return;
	}
	x->step_ms = clock_mono_ms();
	query(x, &query_search_index, STEP_DEADLINE_S, step_done);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_step(arg);
}

static void state_done(void *arg, const struct db_result *r)
{
	struct indexer *x = arg;
	struct stats *stats = x->heritage->stats;
	int64_t messages, indexed;

	if (!succeeded(x, r))
		return;
	messages = db_i64(r, 0, "messages");
	indexed = db_i64(r, 0, "indexed_messages");
	stats->search_ready = db_bool(r, 0, "ready");
	stats->search_behind = (uint64_t)db_i64(r, 0, "behind");
	stats->search_percent = messages > 0 ? (uint32_t)(indexed * 100 / messages) : 100;
	x->state_ms = clock_mono_ms();
	/* Where many people write, something is always due. */
	if (!stats->search_ready && indexed == messages)
		create_index(x);
	else
		send_step(x);
}

/* All blocks are built. An invalid index is what is left of an attempt that was interrupted. */
static void create_index(struct indexer *x)
{
	DECLARE_QUERY(search_drop_index);

	log_info("index_creating");
	FAULT("indexer.create");
	query(x, &query_search_drop_index, CREATE_DEADLINE_S, index_dropped);
}

static void step_done(void *arg, const struct db_result *r)
{
	struct indexer *x = arg;
	int64_t share = x->conf->search_share, took_ms, pause_ms;

	if (!succeeded(x, r))
		return;
	FAULT("indexer.stepped");
	took_ms = clock_mono_ms() - x->step_ms;
	pause_ms = took_ms * (100 - share) / share;
	if (db_i32(r, 0, "built") > 0)
		wait_ms(x, pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
	else if (db_bool(r, 0, "ready"))
		wait_ms(x, pause_ms > IDLE_MS ? pause_ms : IDLE_MS);
	else
		create_index(x);
}

static void index_dropped(void *arg, const struct db_result *r)
{
	DECLARE_QUERY(search_create_index);
	struct indexer *x = arg;

	if (succeeded(x, r))
		query(x, &query_search_create_index, CREATE_DEADLINE_S, index_created);
}

static void index_created(void *arg, const struct db_result *r)
{
	struct indexer *x = arg;

	if (!succeeded(x, r))
		return;
	log_info("index_created");
	x->state_ms = 0;
	send_step(x);
}

/* The process. */

static void on_schema(evutil_socket_t fd, short what, void *arg)
{
	struct indexer *x = arg;

	(void)fd;
	(void)what;
	db_start(x->db);
}

static void on_master_gone(evutil_socket_t fd, short what, void *arg)
{
	struct indexer *x = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(x->base);
}

static void reload(struct indexer *x)
{
	struct buf error = BUF_EMPTY;
	struct conf *conf = conf_read(x->heritage->conf_fd, &error);

	if (log_reopen() != 0)
		log_error("log_reopen_failed error=\"%m\"");
	if (conf != NULL) {
		conf_free(x->reloaded);
		x->conf = x->reloaded = conf;
	} else {
		log_error("reload_failed why=\"%s\"", buf_cstr(&error));
	}
	buf_fini(&error);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct indexer *x = arg;

	(void)what;
	if (number == SIGHUP)
		reload(x);
	else
		event_base_loopbreak(x->base);
}

static void watch_events(struct indexer *x)
{
	const struct heritage *h = x->heritage;
	sigset_t none;

	x->signals[0] = evsignal_new(x->base, SIGTERM, on_signal, x);
	x->signals[1] = evsignal_new(x->base, SIGHUP, on_signal, x);
	x->master_gone = event_new(x->base, h->master_fd, EV_READ, on_master_gone, x);
	x->schema = event_new(x->base, h->schema_fd, EV_READ, on_schema, x);
	x->next = evtimer_new(x->base, on_next, x);
	if (x->signals[0] == NULL || x->signals[1] == NULL || x->master_gone == NULL ||
		x->schema == NULL || x->next == NULL || event_add(x->signals[0], NULL) != 0 ||
		event_add(x->signals[1], NULL) != 0 || event_add(x->master_gone, NULL) != 0 ||
		event_add(x->schema, NULL) != 0)
		log_fatal("event_failed event=indexer");
	/* Those that are a worker's have no meaning here. */
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int indexer_run(const struct heritage *h)
{
	static const struct db_events events = { setup, NULL, state_changed, NULL };
	struct indexer x = { .heritage = h, .conf = h->conf, .state_ms = -STATE_MS };

	if (nice(NICENESS) < 0)
		log_warn("nice_failed error=\"%m\"");
	x.base = event_base_new();
	if (x.base == NULL)
		log_fatal("event_failed event=base");
	x.db = db_open(x.base, h->conf->database, "parley-indexer", &events, &x, &x.stats);
	watch_events(&x);

	event_base_dispatch(x.base);

	db_close(x.db);
	for (size_t i = 0; i < sizeof(x.signals) / sizeof(x.signals[0]); i++)
		event_free(x.signals[i]);
	event_free(x.master_gone);
	event_free(x.schema);
	event_free(x.next);
	event_base_free(x.base);
	conf_free(x.reloaded);
	return 0;
}
