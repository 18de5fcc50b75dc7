#include "realtime/last_seen.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"

#define DELAY_S 1
#define BATCH_USERS 1000 /* in one statement */

struct last_seen {
	struct store *store;
	struct event *timer;
	int64_t *user_ids;
	size_t n, cap;
};

void last_seen_add(struct last_seen *l, int64_t user_id)
{
	if (l->n == 0)
		event_add(l->timer, &(const struct timeval){ DELAY_S, 0 });
	l->user_ids = xgrow(l->user_ids, l->n, &l->cap, sizeof(*l->user_ids));
	l->user_ids[l->n++] = user_id;
}

void last_seen_flush(struct last_seen *l)
{
	for (size_t i = 0; i < l->n; i += BATCH_USERS) {
		size_t left = l->n - i;

		store_set_last_seen(
			l->store, l->user_ids + i, left < BATCH_USERS ? left : BATCH_USERS);
	}
	l->n = 0;
}

void last_seen_clear(struct last_seen *l)
{
	l->n = 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	last_seen_flush(arg);
}

struct last_seen *last_seen_new(struct event_base *base, struct store *store)
{
	struct last_seen *l = xcalloc(1, sizeof(*l));

	l->store = store;
	l->timer = evtimer_new(base, on_timer, l);
	if (l->timer == NULL)
		log_fatal("event_new_failed module=last_seen");
	return l;
}

void last_seen_free(struct last_seen *l)
{
	event_free(l->timer);
	free(l->user_ids);
	free(l);
}
