/*
 * store_fence: makes sure that dead workers of this daemon can no longer commit.
 *
 * Each session that writes holds an advisory lock that identifies its daemon (by its pid file), its worker's incarnation
 * and its connection. The session of a dead worker may still be committing. The fence waits until all locks of dead
 * workers are released, and terminates the sessions that hold theirs longer than SESSION_WAIT_MS. The SQL function
 * fence_dead_workers waits.
 *
 * Before that, claim_database rejects the session if another daemon uses the database.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "store/store_private.h"

#define SESSION_WAIT_MS 3000 /* before a dead worker's session is terminated */
#define CLAIM_WAIT_MS 1000 /* for the last sessions of a daemon that has just ended */
#define LIVE_MAX (2 * (HERITAGE_SLOTS_MAX + 1) + 1)

static int32_t lock_class(const struct heritage *h)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *p = h->conf->pid_file; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return (int32_t)(hash & 0x7fffffff);
}

/* The upper bits are the boot, since incarnations restart from 1 with the daemon. The lowest bit is the connection. */
static int32_t lock_object(
	const struct heritage *h, uint32_t incarnation, enum store_connection connection)
{
	uint32_t boot = (uint32_t)h->stats->started_wall_ms & 0x7ff;

	return (int32_t)(boot << 20 | (incarnation & 0x7ffff) << 1 |
		(connection == STORE_BACKGROUND ? 1 : 0));
}

/*
 * The locks that the fence does not wait for: those of live workers, and that of the next worker to be forked. It does
 * not wait for larger ones either: they belong to workers forked after this call. The next worker is listed so that the
 * newest worker, if it is dead, is not larger than all that are listed.
 *   lost  without this worker's lock of that connection; -1: with both
 * Returns the number of locks.
 */
static size_t live_locks(const struct heritage *h, int lost, int32_t locks[LIVE_MAX])
{
	uint32_t newest = h->incarnation;
	size_t n = 0;

	if (lost != STORE_WRITER)
		locks[n++] = lock_object(h, h->incarnation, STORE_WRITER);
	if (lost != STORE_BACKGROUND)
		locks[n++] = lock_object(h, h->incarnation, STORE_BACKGROUND);
	for (unsigned i = 0; i < h->n_slots; i++) {
		const struct stats_slot *slot = &h->stats->slots[i];
		/* In this order: a worker forked between the two loads may be taken for dead, which at worst costs
		 * it a connection; a dead one is never taken for live. */
		bool alive = atomic_load(&slot->alive);
		uint32_t incarnation = atomic_load(&slot->incarnation);

		if (alive && incarnation != h->incarnation) {
			locks[n++] = lock_object(h, incarnation, STORE_WRITER);
			locks[n++] = lock_object(h, incarnation, STORE_BACKGROUND);
		}
		if (newest < incarnation)
			newest = incarnation;
	}
	locks[n++] = lock_object(h, newest + 1, STORE_WRITER);
	return n;
}

void store_fence_put_setup(
	const struct heritage *h, enum store_connection connection, struct buf *sql)
{
	int32_t live[LIVE_MAX];
	/* A session that holds our own lock is the one before this one. If its connection died in silence, PostgreSQL
	 * does not know, and the session would hold the lock without end. */
	size_t n = live_locks(h, (int)connection, live);

	buf_addf(sql, "select claim_database(%d, %d, %d); ", lock_class(h), live[0], CLAIM_WAIT_MS);
	buf_addf(sql, "select fence_dead_workers(%d, array[%d", lock_class(h), live[0]);
	for (size_t i = 1; i < n; i++)
		buf_addf(sql, ",%d", live[i]);
	buf_addf(sql, "], %d); ", SESSION_WAIT_MS);
	buf_addf(sql, "select pg_advisory_lock(%d, %d); ", lock_class(h),
		lock_object(h, h->incarnation, connection));
}

/* The fence, in the order of its steps. */

struct fence {
	struct fence *next; /* that waits for the connection */
	struct store *store;
	store_cb *cb;
	void *arg;
};

static void fence_send(struct fence *f);
static void dead_workers_fenced(void *arg, enum error error, const store_rows *rows);
static void reads_answered(void *arg, enum error error, const store_rows *rows);

void store_fence_dead_workers(struct store *s, store_cb *cb, void *arg)
{
	struct fence *f = xmalloc(sizeof(*f));

	*f = (struct fence){ s->fences, s, cb, arg };
	s->fences = f;
	if (db_ready(s->db[STORE_BACKGROUND]))
		store_fences_send(s);
}

void store_fences_send(struct store *s)
{
	while (s->fences != NULL) {
		struct fence *f = s->fences;

		s->fences = f->next;
		fence_send(f);
	}
}

static void fence_send(struct fence *f)
{
	DECLARE_QUERY(fence_dead_workers);
	struct store *s = f->store;
	const struct heritage *h = s->heritage;
	struct db_args args = DB_ARGS_EMPTY;
	int32_t live[LIVE_MAX];
	size_t n = live_locks(h, -1, live);

	args.urgent = true; /* a user's many erasures may wait */
	db_arg_i64(&args, lock_class(h));
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, live[i]);
	db_arg_i64(&args, SESSION_WAIT_MS);
	store_query(s, STORE_BACKGROUND, &query_fence_dead_workers, &args, dead_workers_fenced, f);
}

static void dead_workers_fenced(void *arg, enum error error, const store_rows *rows)
{
	DECLARE_QUERY(nothing);
	struct db_args args = DB_ARGS_EMPTY;
	struct fence *f = arg;

	if (error == ERROR_NONE)
		store_query(f->store, STORE_READER, &query_nothing, &args, reads_answered, f);
	else
		reads_answered(f, error, rows);
}

static void reads_answered(void *arg, enum error error, const store_rows *rows)
{
	struct fence *f = arg;

	f->cb(f->arg, error, rows);
	free(f);
}
