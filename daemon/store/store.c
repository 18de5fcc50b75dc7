/*
 * store: the connections, what a new one executes first, and their state.
 *
 * The others: batcher.c (natural batching), store_send.c (sends), store_change.c (other changes of conversations),
 * store_erase.c (what deleted users and ended groups leave), store_batch.c (read marks, tokens, loads), store_query.c (single
 * queries), store_search.c (searches of messages), store_rows.c (rows to structs), store_fence.c (sessions of dead workers), store_writes.c (a full disk),
 * store_epoch.c (the database's history), queries.sql (the SQL).
 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "migrations/migrate.h"
#include "store/store_private.h"

/* These end before DB_DEADLINE_S, so that a slow statement does not cost the connection. */
#define READ_TIMEOUT "set statement_timeout = '5s'; "
#define LIST_TIMEOUT "set statement_timeout = '2s'; "
/* A statement that waits for a lock delays all that are queued. Then it is executed again, later. */
#define LOCK_TIMEOUT "set lock_timeout = '300ms'; "

struct rejection {
	struct rejection *next;
	enum error error;
	store_cb *cb;
	void *arg;
};

/* Connections. */

void store_put_settings(struct buf *sql)
{
	DECLARE_QUERY(session_settings);

	buf_add_str(sql, "begin isolation level read committed, read write, not deferrable; ");
	buf_add_str(sql, query_session_settings.sql);
	buf_add_str(sql, "; commit; ");
}

void store_put_check(const struct store *s, struct buf *sql)
{
	buf_add_str(sql,
		"select w.ok and s.ok, case when not w.ok then 'the server takes no writes' "
		"else 'the schema is not the one of this program' end, case when w.ok and s.ok "
		"then ");
	if (s != NULL)
		store_epoch_put(s, sql);
	else
		buf_add_str(sql, "''");
	buf_add_str(sql,
		" end from (select not pg_is_in_recovery() and "
		"current_setting('transaction_read_only') = 'off') w (ok), (");
	migrate_put_check(sql);
	buf_add_str(sql, ") s (ok)");
}

static void put_writing_setup(struct store *s, enum store_connection connection, struct buf *sql)
{
	store_put_settings(sql);
	store_fence_put_setup(s->heritage, connection, sql);
	buf_add_str(sql, LOCK_TIMEOUT);
	store_put_check(s, sql);
}

static void writer_setup(void *arg, struct buf *sql)
{
	put_writing_setup(arg, STORE_WRITER, sql);
}

static void background_setup(void *arg, struct buf *sql)
{
	put_writing_setup(arg, STORE_BACKGROUND, sql);
}

static void reader_setup(void *arg, struct buf *sql)
{
	store_put_settings(sql);
	buf_add_str(sql, READ_TIMEOUT);
	store_put_check(arg, sql);
}

static void lister_setup(void *arg, struct buf *sql)
{
	store_put_settings(sql);
	buf_add_str(sql, LIST_TIMEOUT);
	store_put_check(arg, sql);
}

/* A connection has become READY or AWAY. */
static void state_changed(struct store *s, bool connection_ready)
{
	bool ready = store_ready(s), changed = ready != s->ready;

	s->ready = ready;
	s->was_lost |= !connection_ready;
	if (changed)
		s->events->state(s->arg, ready, ready && s->was_lost);
}

static void writer_state(void *arg, bool ready)
{
	struct store *s = arg;

	if (ready)
		store_sends_retry(s);
	else
		batcher_reject_waiting(&s->reads);
	state_changed(s, ready);
}

static void reader_state(void *arg, bool ready)
{
	struct store *s = arg;

	if (!ready) {
		batcher_reject_waiting(&s->tokens);
		batcher_reject_waiting(&s->loads);
	}
	state_changed(s, ready);
}

static void lister_state(void *arg, bool ready)
{
	state_changed(arg, ready);
}

static void searcher_state(void *arg, bool ready)
{
	if (ready)
		store_searches_send(arg);
}

static void background_state(void *arg, bool ready)
{
	struct store *s = arg;

	if (ready)
		store_fences_send(s);
	/* A change that was in flight when the session before this one was lost may be committed. */
	if (ready && s->ready && s->was_lost)
		s->events->state(s->arg, true, true);
	state_changed(s, ready);
}

static const struct connection {
	const char *name;
	struct db_events events;
} connections[STORE_CONNECTIONS] = {
	[STORE_WRITER] = { "write",
		{ writer_setup, store_epoch_opened, writer_state, store_writes_fail } },
	[STORE_READER] = { "read", { reader_setup, store_epoch_opened, reader_state, NULL } },
	[STORE_LISTER] = { "list", { lister_setup, store_epoch_opened, lister_state, NULL } },
	[STORE_BACKGROUND] = { "background",
		{ background_setup, store_epoch_opened, background_state, NULL } },
	[STORE_SEARCHER] = { "search", { lister_setup, store_epoch_opened, searcher_state, NULL } },
};

bool store_ready(const struct store *s)
{
	return db_ready(s->db[STORE_WRITER]) && db_ready(s->db[STORE_READER]) &&
		db_ready(s->db[STORE_LISTER]);
}

bool store_idle(const struct store *s)
{
	return db_pending(s->db[STORE_WRITER]) == 0 && db_pending(s->db[STORE_READER]) == 0 &&
		db_pending(s->db[STORE_LISTER]) == 0 && s->sends.n_waiting == 0 &&
		s->sends.n_batch == 0 && s->blocked == NULL && s->changes.actors.n == 0 &&
		s->searches.n == 0 && s->rejections == NULL;
}

/* Queries. */

bool store_result_locked(const struct db_result *r)
{
	return r != NULL && db_locked(r->pg);
}

enum error store_result_error(const struct db_result *r)
{
	ExecStatusType status;
	char why[256];
	const char *message;

	if (r == NULL)
		return ERROR_unavailable;
	status = PQresultStatus(r->pg);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return ERROR_NONE;
	message = PQresultErrorField(r->pg, PG_DIAG_MESSAGE_PRIMARY);
	if (message == NULL)
		message = "";
	log_error("statement_failed name=%s sqlstate=%s why=%s", r->statement->name,
		PQresultErrorField(r->pg, PG_DIAG_SQLSTATE),
		log_quote(why, sizeof(why), message, strlen(message)));
	return ERROR_unavailable;
}

struct pending_query {
	store_cb *cb;
	void *arg;
};

static void query_done(void *arg, const struct db_result *r);

/* Returns true if there was a rejection. */
static bool run_rejections(struct store *s)
{
	struct rejection *todo = s->rejections;
	bool any = todo != NULL;

	s->rejections = NULL;
	while (todo != NULL) {
		struct rejection *r = todo;

		todo = r->next;
		r->cb(r->arg, r->error, NULL);
		free(r);
	}
	return any;
}

static void on_rejecting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_rejections(arg);
}

void store_reject_with(struct store *s, enum error error, store_cb *cb, void *arg)
{
	struct rejection *r = xmalloc(sizeof(*r));

	*r = (struct rejection){ s->rejections, error, cb, arg };
	s->rejections = r;
	event_active(s->rejecting, EV_TIMEOUT, 0);
}

void store_reject(struct store *s, store_cb *cb, void *arg)
{
	store_reject_with(s, ERROR_unavailable, cb, arg);
}

void store_query(struct store *s, enum store_connection connection,
	const struct db_statement *statement, struct db_args *args, store_cb *cb, void *arg)
{
	struct pending_query *q = xmalloc(sizeof(*q));

	*q = (struct pending_query){ cb, arg };
	if (!db_query(s->db[connection], statement, args, query_done, q)) {
		free(q);
		store_reject(s, cb, arg);
	}
}

static void query_done(void *arg, const struct db_result *r)
{
	struct pending_query *q = arg;
	enum error error = store_result_error(r);

	q->cb(q->arg, error, error == ERROR_NONE ? r : NULL);
	free(q);
}

/* Life. */

struct store *store_open(struct event_base *base, const struct heritage *h,
	const struct store_events *events, void *arg)
{
	struct store *s = xcalloc(1, sizeof(*s));
	char name[64];

	s->base = base;
	s->heritage = h;
	s->events = events;
	s->arg = arg;
	s->stats = &h->stats->slots[h->slot];
	s->rejecting = event_new(base, -1, 0, on_rejecting, s);
	if (s->rejecting == NULL)
		log_fatal("out_of_memory");
	store_sends_init(s);
	store_batches_init(s);
	store_changes_init(s);
	store_erase_init(s);
	store_writes_init(s);
	store_searches_init(s);
	for (size_t i = 0; i < STORE_CONNECTIONS; i++) {
		snprintf(name, sizeof(name), "parleyd worker=%u %s", h->slot, connections[i].name);
		s->db[i] =
			db_open(base, h->conf->database, name, &connections[i].events, s, s->stats);
	}
	return s;
}

void store_connect(struct store *s)
{
	for (size_t i = 0; i < STORE_CONNECTIONS; i++)
		if (i != STORE_SEARCHER) /* by the first search */
			db_start(s->db[i]);
}

void store_close(struct store *s)
{
	struct batcher *const batchers[] = { &s->sends, &s->reads, &s->tokens, &s->loads };
	const size_t n = sizeof(batchers) / sizeof(batchers[0]);
	bool any;

	for (size_t i = 0; i < STORE_CONNECTIONS; i++)
		db_stop(s->db[i]);
	store_sends_stop(s);
	store_changes_stop(s);
	store_searches_stop(s);
	store_fences_send(s);
	/* A callback may query again: nothing is freed before the last one has returned. */
	do {
		any = run_rejections(s);
		for (size_t i = 0; i < n; i++)
			any = batcher_run_rejections(batchers[i]) || any;
		any = store_erase_stop(s) || any;
	} while (any);
	for (size_t i = 0; i < STORE_CONNECTIONS; i++)
		db_close(s->db[i]);
	for (size_t i = 0; i < n; i++)
		batcher_fini(batchers[i]);
	store_sends_fini(s);
	store_changes_fini(s);
	store_erase_fini(s);
	store_writes_fini(s);
	store_searches_fini(s);
	event_free(s->rejecting);
	free(s);
}
