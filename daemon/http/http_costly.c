#include "http/http_private.h"

#include <stdlib.h>

#include "common/xalloc.h"

/* Of one user on this worker. */
#define RUNNING_MAX 2
#define WAITING_MAX 8 /* with rate_limits */

/* The costly requests of a user. It exists while one of them runs. */
struct http_costly {
	struct hash_link link; /* in http->costly, by user_id */
	struct http *http; /* NULL after http_close */
	unsigned n_running, n_waiting;
	TAILQ_HEAD(, http_call) waiting;
};

static struct http_costly *costly_of(struct http *http, int64_t user_id)
{
	struct http_costly *u =
		HASH_ENTRY(hash_find(&http->costly, (uint64_t)user_id), struct http_costly, link);

	if (u != NULL)
		return u;
	u = xcalloc(1, sizeof(*u));
	u->http = http;
	TAILQ_INIT(&u->waiting);
	hash_insert(&http->costly, &u->link, (uint64_t)user_id);
	return u;
}

/* Afterwards u may be freed: a handler may answer at once. */
static void costly_start(struct http_costly *u, struct http_call *call)
{
	u->n_running++;
	call->costly = u;
	call->route->run(call->env, call);
}

void http_costly_run(struct http_call *call)
{
	struct http_costly *u = costly_of(call->http, call->token.user_id);

	if (u->n_running < RUNNING_MAX) {
		costly_start(u, call);
	} else if (u->n_waiting >= WAITING_MAX && call->http->conf->rate_limits) {
		http_reply_error(call, ERROR_too_many_requests);
	} else {
		TAILQ_INSERT_TAIL(&u->waiting, call, waiting);
		u->n_waiting++;
	}
}

void http_costly_ended(struct http_costly *u)
{
	struct http_call *next = TAILQ_FIRST(&u->waiting);

	u->n_running--;
	if (next != NULL) {
		TAILQ_REMOVE(&u->waiting, next, waiting);
		u->n_waiting--;
		costly_start(u, next);
	} else if (u->n_running == 0) {
		if (u->http != NULL)
			hash_remove(&u->http->costly, &u->link);
		free(u);
	}
}

void http_costly_close(struct http *http)
{
	for (struct hash_link *l = hash_first(&http->costly); l != NULL;
		l = hash_next(&http->costly, l)) {
		struct http_costly *u = HASH_ENTRY(l, struct http_costly, link);
		struct http_call *call;

		u->http = NULL;
		while ((call = TAILQ_FIRST(&u->waiting)) != NULL) {
			TAILQ_REMOVE(&u->waiting, call, waiting);
			http_call_free(call);
		}
	}
	hash_fini(&http->costly);
}
