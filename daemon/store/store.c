/*
 * store: the two connections, what each new one must find, and the lanes. The questions themselves:
 * store_send.c (sends), store_batch.c (gathered questions), store_query.c (the others), store_rows.c
 * (reading answers).
 */
#include "store/store.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/stats.h"
#include "migrations/migrate.h"
#include "store/db.h"
#include "store/store_private.h"

#define DEAD_WAIT_MS 3000 /* then a dead worker's session is ended */
#define LIVE_MAX (HERITAGE_SLOTS_MAX + 2)
#define NO_JIT "set jit = off; " /* compiling takes longer than any statement here runs */

struct refusal {
	struct refusal *next;
	store_cb *cb;
	void *arg;
};

/*
 * Each writing session holds an advisory lock that names this daemon (by its pid file) and the
 * worker's incarnation. A session whose worker is dead may still be committing; whoever needs to
 * know that it no longer can waits until its lock is gone.
 */
static int32_t lock_class(const struct heritage *h)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *p = h->conf->pid_file; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return (int32_t)(hash & 0x7fffffff);
}

/* The boot in the upper bits: incarnations count from 1 again after a restart. */
static int32_t lock_object(const struct heritage *h, uint32_t incarnation)
{
	uint32_t boot = (uint32_t)h->stats->started_wall_ms & 0x7ff;

	return (int32_t)(boot << 20 | (incarnation & 0xfffff));
}

/*
 * The locks that nobody waits for: our own, those of the living, and that of the next to be forked.
 * What is beyond the highest of these is not waited for either: it was forked after this look. That
 * is why the next one is among them: without it a dead worker that was the newest of all would pass
 * for one of those.
 */
static size_t live_locks(const struct heritage *h, int32_t locks[LIVE_MAX])
{
	uint32_t newest = h->incarnation;
	size_t n = 0;

	locks[n++] = lock_object(h, h->incarnation);
	for (unsigned i = 0; i < h->n_slots; i++) {
		const struct stats_slot *slot = &h->stats->slots[i];
		/* In this order: what is forked between the two looks may be taken for dead,
		 * which costs it a connection at worst, but none that died for alive. */
		bool alive = atomic_load(&slot->alive);
		uint32_t incarnation = atomic_load(&slot->incarnation);

		if (alive)
			locks[n++] = lock_object(h, incarnation);
		if (newest < incarnation)
			newest = incarnation;
	}
	locks[n++] = lock_object(h, newest + 1);
	return n;
}

static void put_fence(const struct heritage *h, struct buf *sql)
{
	int32_t live[LIVE_MAX];
	size_t n = live_locks(h, live);

	buf_addf(sql, "select wait_for_dead_sessions(%d, array[%d", lock_class(h), live[0]);
	for (size_t i = 1; i < n; i++)
		buf_addf(sql, ",%d", live[i]);
	buf_addf(sql, "], %d)", DEAD_WAIT_MS);
}

static void put_version_check(struct buf *sql)
{
	buf_addf(sql, "select max(version) = %d from schema_migrations", migrate_version());
}

static void writer_setup(void *arg, struct buf *sql)
{
	struct store *s = arg;

	buf_add_str(sql, NO_JIT);
	put_fence(s->heritage, sql);
	buf_addf(sql, "; select pg_advisory_lock(%d, %d); ", lock_class(s->heritage),
		lock_object(s->heritage, s->heritage->incarnation));
	put_version_check(sql);
}

static void reader_setup(void *arg, struct buf *sql)
{
	(void)arg;
	buf_add_str(sql, NO_JIT "set statement_timeout = '20s'; ");
	put_version_check(sql);
}

static void state_changed(struct store *s, bool was_ready)
{
	bool ready = store_ready(s);

	if (ready == was_ready)
		return;
	if (!ready)
		s->was_lost = true;
	s->events->state(s->arg, ready, ready && s->was_lost);
}

static void writer_state(void *arg, bool ready)
{
	struct store *s = arg;
	bool was_ready = store_ready(s);

	s->writer_ready = ready;
	store_sends_writer_state(s, ready);
	if (!ready)
		batcher_refuse_waiting(&s->reads);
	state_changed(s, was_ready);
}

static void reader_state(void *arg, bool ready)
{
	struct store *s = arg;
	bool was_ready = store_ready(s);

	s->reader_ready = ready;
	if (!ready) {
		batcher_refuse_waiting(&s->tokens);
		batcher_refuse_waiting(&s->loads);
	}
	state_changed(s, was_ready);
}

bool store_ready(const struct store *s)
{
	return s->writer_ready && s->reader_ready;
}

bool store_idle(const struct store *s)
{
	return db_pending(s->writer) == 0 && db_pending(s->reader) == 0 &&
		s->posts.n_waiting == 0 && s->posts.n_batch == 0 && s->refusals == NULL;
}

/* Refusals. */

static void refusals_answer(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;
	struct refusal *todo = s->refusals;

	(void)fd;
	(void)what;
	s->refusals = NULL;
	while (todo != NULL) {
		struct refusal *r = todo;

		todo = r->next;
		r->cb(r->arg, ERROR_unavailable, NULL);
		free(r);
	}
	batcher_answer_refused(&s->posts);
	batcher_answer_refused(&s->reads);
	batcher_answer_refused(&s->tokens);
	batcher_answer_refused(&s->loads);
}

void store_reject(struct store *s, store_cb *cb, void *arg)
{
	struct refusal *r = malloc(sizeof(*r));

	if (r == NULL)
		log_fatal("out of memory for a refusal");
	*r = (struct refusal){ s->refusals, cb, arg };
	s->refusals = r;
	event_active(s->deferred, EV_TIMEOUT, 0);
}

/* Lanes. */

void batcher_init(struct batcher *l, struct store *s, bool (*ask)(struct batcher *),
	void (*refuse)(struct batcher *, struct batch_item *))
{
	*l = (struct batcher){ .store = s,
		.batch_max = BATCHER_BATCH_MAX,
		.waiting_max = BATCHER_WAITING_MAX,
		.ask = ask,
		.refuse = refuse };
	l->waiting_end = &l->waiting;
}

static void batcher_pop(struct batcher *l)
{
	l->waiting = l->waiting->next;
	if (l->waiting == NULL)
		l->waiting_end = &l->waiting;
	l->n_waiting--;
}

/* Moves from the waiting ones as many as one batch takes. */
static void batcher_gather(struct batcher *l)
{
	struct batch_item **end = &l->batch;
	size_t bytes = 0;

	while (l->waiting != NULL && l->n_batch < l->batch_max) {
		struct batch_item *item = l->waiting;

		bytes += item->bytes;
		if (l->n_batch > 0 &&
			(bytes > BATCHER_BATCH_BYTES ||
				(l->joins != NULL && !l->joins(l->batch, item))))
			break;
		batcher_pop(l);
		item->next = NULL;
		*end = item;
		end = &item->next;
		l->n_batch++;
	}
}

static void batcher_next(struct batcher *l)
{
	if (l->n_batch > 0 || l->waiting == NULL)
		return;
	batcher_gather(l);
	if (!l->ask(l))
		batcher_refuse_all(l);
}

void batcher_add(struct batcher *l, struct batch_item *item, size_t bytes)
{
	item->bytes = bytes;
	item->next = NULL;
	if (l->n_waiting >= l->waiting_max) {
		batcher_refuse(l, item);
		return;
	}
	*l->waiting_end = item;
	l->waiting_end = &item->next;
	l->n_waiting++;
	batcher_next(l);
}

void batcher_done(struct batcher *l)
{
	l->batch = NULL;
	l->n_batch = 0;
	batcher_next(l);
}

void batcher_refuse(struct batcher *l, struct batch_item *item)
{
	item->next = l->refused;
	l->refused = item;
	event_active(l->store->deferred, EV_TIMEOUT, 0);
}

void batcher_refuse_waiting(struct batcher *l)
{
	while (l->waiting != NULL) {
		struct batch_item *item = l->waiting;

		batcher_pop(l);
		batcher_refuse(l, item);
	}
}

void batcher_refuse_all(struct batcher *l)
{
	while (l->batch != NULL) {
		struct batch_item *item = l->batch;

		l->batch = item->next;
		batcher_refuse(l, item);
	}
	l->n_batch = 0;
	batcher_refuse_waiting(l);
}

void batcher_answer_refused(struct batcher *l)
{
	struct batch_item *todo = l->refused;

	l->refused = NULL;
	while (todo != NULL) {
		struct batch_item *item = todo;

		todo = item->next;
		l->refuse(l, item);
	}
}

/* Life. */

struct store *store_open(struct event_base *base, const struct heritage *h,
	const struct store_events *events, void *arg)
{
	static const struct db_events writer_events = { writer_setup, writer_state };
	static const struct db_events reader_events = { reader_setup, reader_state };
	struct store *s = calloc(1, sizeof(*s));
	char name[64];

	if (s == NULL)
		log_fatal("out of memory for the store");
	s->base = base;
	s->heritage = h;
	s->events = events;
	s->arg = arg;
	s->stats = &h->stats->slots[h->slot];
	s->deferred = event_new(base, -1, 0, refusals_answer, s);
	if (s->deferred == NULL)
		log_fatal("cannot make the events of the store");
	store_sends_init(s);
	store_batches_init(s);
	snprintf(name, sizeof(name), "parleyd worker=%u write", h->slot);
	s->writer = db_open(base, h->conf->database, name, &writer_events, s, s->stats);
	snprintf(name, sizeof(name), "parleyd worker=%u read", h->slot);
	s->reader = db_open(base, h->conf->database, name, &reader_events, s, s->stats);
	return s;
}

void store_close(struct store *s)
{
	/* Who is answered may ask again: nothing is freed before the last answer. */
	db_stop(s->writer);
	db_stop(s->reader);
	batcher_refuse_all(&s->posts);
	while (s->refusals != NULL || s->posts.refused != NULL || s->reads.refused != NULL ||
		s->tokens.refused != NULL || s->loads.refused != NULL)
		refusals_answer(-1, 0, s);
	db_close(s->writer);
	db_close(s->reader);
	event_free(s->deferred);
	event_free(s->post_deadline);
	free(s);
}

/* Questions with one statement each. */

enum error store_result_error(const struct db_statement *statement, const PGresult *r)
{
	ExecStatusType status;
	char why[256];
	const char *message;

	if (r == NULL)
		return ERROR_unavailable;
	status = PQresultStatus(r);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return ERROR_NONE;
	message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	if (message == NULL)
		message = "";
	log_error("statement failed name=%s sqlstate=%s why=%s", statement->name,
		PQresultErrorField(r, PG_DIAG_SQLSTATE),
		log_quote(why, sizeof(why), message, strlen(message)));
	return ERROR_unavailable;
}

struct question {
	const struct db_statement *statement;
	store_cb *cb;
	void *arg;
};

static void question_answered(void *arg, PGresult *r)
{
	struct question *q = arg;
	enum error error = store_result_error(q->statement, r);

	q->cb(q->arg, error, error == ERROR_NONE ? r : NULL);
	free(q);
}

void store_query(struct store *s, struct db *db, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg)
{
	struct question *q = malloc(sizeof(*q));

	if (q == NULL)
		log_fatal("out of memory for a question");
	*q = (struct question){ statement, cb, arg };
	if (!db_query(db, statement, args, question_answered, q)) {
		free(q);
		store_reject(s, cb, arg);
	}
}

void store_fence_dead_workers(struct store *s, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "fence_dead_workers",
		"select wait_for_dead_sessions($1::int8::int, $2::int8[]::int[], $3::int8::int)" };
	const struct heritage *h = s->heritage;
	struct db_args args = DB_ARGS_EMPTY;
	int32_t live[LIVE_MAX];
	size_t n = live_locks(h, live);

	db_arg_i64(&args, lock_class(h));
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, live[i]);
	db_arg_i64(&args, DEAD_WAIT_MS);
	store_query(s, s->reader, &statement, &args, cb, arg);
}
