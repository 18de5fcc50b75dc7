/*
 * store_fence: makes sure that dead workers of this daemon can no longer commit.
 *
 * Each writing session holds an advisory lock that identifies its daemon (by its pid file) and its worker's incarnation.
 * The session of a dead worker may still be committing. The fence waits until all locks of dead workers are released,
 * and terminates the sessions that hold theirs longer than SESSION_WAIT_MS. The SQL function fence_dead_workers waits.
 *
 * Before that, claim_database rejects the session if another daemon uses the database.
 */
#include "store/store_private.h"

#define SESSION_WAIT_MS 3000 /* before a dead worker's session is terminated */
#define CLAIM_WAIT_MS 1000 /* for the last sessions of a daemon that has just ended */
#define LIVE_MAX (HERITAGE_SLOTS_MAX + 2)

static int32_t lock_class(const struct heritage *h)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *p = h->conf->pid_file; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return (int32_t)(hash & 0x7fffffff);
}

/* The upper bits are the boot, since incarnations restart from 1 with the daemon. */
static int32_t lock_object(const struct heritage *h, uint32_t incarnation)
{
	uint32_t boot = (uint32_t)h->stats->started_wall_ms & 0x7ff;

	return (int32_t)(boot << 20 | (incarnation & 0xfffff));
}

/*
 * The locks that the fence does not wait for: those of live workers, and that of the next worker to be forked. It does
 * not wait for larger ones either: they belong to workers forked after this call. The next worker is listed so that the
 * newest worker, if it is dead, is not larger than all that are listed.
 *   own  false: without this worker's own lock
 * Returns the number of locks.
 */
static size_t live_locks(const struct heritage *h, bool own, int32_t locks[LIVE_MAX])
{
	uint32_t newest = h->incarnation;
	size_t n = 0;

	if (own)
		locks[n++] = lock_object(h, h->incarnation);
	for (unsigned i = 0; i < h->n_slots; i++) {
		const struct stats_slot *slot = &h->stats->slots[i];
		/* In this order: a worker forked between the two loads may be taken for dead, which at worst costs
		 * it a connection; a dead one is never taken for live. */
		bool alive = atomic_load(&slot->alive);
		uint32_t incarnation = atomic_load(&slot->incarnation);

		if (alive && incarnation != h->incarnation)
			locks[n++] = lock_object(h, incarnation);
		if (newest < incarnation)
			newest = incarnation;
	}
	locks[n++] = lock_object(h, newest + 1);
	return n;
}

void store_fence_put_setup(const struct heritage *h, struct buf *sql)
{
	int32_t live[LIVE_MAX];
	/* A session that holds our own lock is the one before this one. If its connection died in silence, PostgreSQL
	 * does not know, and the session would hold the lock without end. */
	size_t n = live_locks(h, false, live);

	buf_addf(sql, "select claim_database(%d, %d, %d); ", lock_class(h), live[0], CLAIM_WAIT_MS);
	buf_addf(sql, "select fence_dead_workers(%d, array[%d", lock_class(h), live[0]);
	for (size_t i = 1; i < n; i++)
		buf_addf(sql, ",%d", live[i]);
	buf_addf(sql, "], %d); ", SESSION_WAIT_MS);
	buf_addf(sql, "select pg_advisory_lock(%d, %d); ", lock_class(h),
		lock_object(h, h->incarnation));
}

void store_fence_dead_workers(struct store *s, store_cb *cb, void *arg)
{
	DECLARE_QUERY(fence_dead_workers);
	const struct heritage *h = s->heritage;
	struct db_args args = DB_ARGS_EMPTY;
	int32_t live[LIVE_MAX];
	size_t n = live_locks(h, true, live);

	db_arg_i64(&args, lock_class(h));
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, live[i]);
	db_arg_i64(&args, SESSION_WAIT_MS);
	store_query(s, s->reader, &query_fence_dead_workers, &args, cb, arg);
}
