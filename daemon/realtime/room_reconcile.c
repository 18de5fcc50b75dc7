/*
 * room_reconcile: comparing the state of this worker with the database: every local user is loaded
 * again, and the layer above compares its own state (events->reconcile).
 *
 *   rooms_reconcile ─► [fence dead workers] ─► loads, events->reconcile ─► succeeded
 *                                                                      └► failed: again later
 *
 * One runs at a time. Requests that arrive meanwhile are answered by one more: its queries are
 * younger than they are.
 */
#include <stdlib.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "realtime/room_private.h"

#define RETRY_MS 500 /* after the first failure */
#define RETRY_MAX_MS 8000

struct reconcile {
	struct rooms *rooms;
	size_t n_pending; /* answers outstanding, and one for the start itself */
	bool fenced, failed;
};

static void reconcile_start(struct rooms *rs);
static void reconcile_fenced(void *arg, enum error error, const store_rows *rows);
static void reconcile_answered(void *arg, enum error error);
static void reconcile_step_done(struct reconcile *c);
static void reconcile_succeeded(struct rooms *rs);
static void reconcile_failed(const struct reconcile *c);

static void reconcile_request(struct rooms *rs, bool fence_dead_workers)
{
	rs->reconcile_again = true;
	rs->reconcile_again_fenced |= fence_dead_workers;
}

void rooms_reconcile(struct rooms *rs, bool fence_dead_workers)
{
	reconcile_request(rs, fence_dead_workers);
	if (rs->reconcile == NULL)
		reconcile_start(rs);
}

static void reconcile_start(struct rooms *rs)
{
	struct reconcile *c = xmalloc(sizeof(*c));

	*c = (struct reconcile){ rs, 1, rs->reconcile_again_fenced, false };
	rs->reconcile_again = rs->reconcile_again_fenced = false;
	rs->reconcile = c;
	FAULT("reconcile.started");
	if (c->fenced)
		store_fence_dead_workers(rs->store, reconcile_fenced, c);
	else
		reconcile_fenced(c, ERROR_NONE, NULL);
}

static void reconcile_users(struct reconcile *c)
{
	struct rooms *rs = c->rooms;

	for (struct hash_link *l = hash_first(&rs->users); l != NULL;
		l = hash_next(&rs->users, l)) {
		c->n_pending++;
		rooms_load_again(rs, HASH_ENTRY(l, struct room_user, link), reconcile_answered, c);
	}
}

static void reconcile_fenced(void *arg, enum error error, const store_rows *rows)
{
	struct reconcile *c = arg;

	(void)rows;
	/* The fence needs only some of the connections; the loads, all of them. */
	c->failed |= error != ERROR_NONE || !store_ready(c->rooms->store);
	FAULT("reconcile.fenced");
	if (!c->failed) {
		c->n_pending++;
		c->rooms->events->reconcile(c->rooms->arg, reconcile_answered, c);
		reconcile_users(c);
	}
	reconcile_step_done(c);
}

static void reconcile_answered(void *arg, enum error error)
{
	struct reconcile *c = arg;

	c->failed |= error != ERROR_NONE;
	reconcile_step_done(c);
}

static void reconcile_step_done(struct reconcile *c)
{
	struct rooms *rs = c->rooms;

	if (--c->n_pending > 0)
		return;
	FAULT("reconcile.done");
	rs->reconcile = NULL;
	if (c->failed)
		reconcile_failed(c);
	else
		reconcile_succeeded(rs);
	free(c);
}

static void reconcile_succeeded(struct rooms *rs)
{
	if (rs->reconcile_retry_ms != RETRY_MS)
		log_info("reconciled");
	rs->reconcile_retry_ms = RETRY_MS;
	if (rs->reconcile_again)
		reconcile_start(rs);
}

/* The delay doubles because the reconcile itself may be what overloads the database. */
static void reconcile_failed(const struct reconcile *c)
{
	struct rooms *rs = c->rooms;
	unsigned ms = rs->reconcile_retry_ms;

	if (ms == RETRY_MS)
		log_warn("reconcile_failed retry_ms=%u", ms);
	reconcile_request(rs, c->fenced);
	event_add(rs->reconcile_timer, &(const struct timeval){ ms / 1000, ms % 1000 * 1000 });
	rs->reconcile_retry_ms = ms * 2 < RETRY_MAX_MS ? ms * 2 : RETRY_MAX_MS;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct rooms *rs = arg;

	(void)fd;
	(void)what;
	if (rs->reconcile == NULL && rs->reconcile_again)
		reconcile_start(rs);
}

void rooms_reconcile_init(struct rooms *rs)
{
	rs->reconcile_retry_ms = RETRY_MS;
	rs->reconcile_timer = evtimer_new(rs->base, on_retry, rs);
	if (rs->reconcile_timer == NULL)
		log_fatal("event_new_failed module=room");
}

void rooms_reconcile_fini(struct rooms *rs)
{
	event_free(rs->reconcile_timer);
}
