/*
 * store_search: searches of messages, one at a time on a connection of their own, so that no other statement waits for one.
 *
 *	store_search_messages ──► waiting (≤ 16, one of each user) ──► running (≤ 2 s) ──► callback
 *
 * The connection is opened by the first search. A search that waits longer than WAIT_MS is rejected.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "store/store_private.h"

#define WAITING_MAX 16
#define WAIT_MS 5000

struct searching {
	struct searching *next; /* that waits */
	struct store *store;
	int64_t user_id;
	int64_t deadline_ms; /* of clock_mono_ms */
	struct db_args args;
	store_cb *cb;
	void *arg;
};

static void search_next(struct store *s);
static void search_done(void *arg, enum error error, const store_rows *rows);

static void searching_free(struct searching *w)
{
	buf_fini(&w->args.bytes);
	free(w);
}

/* Takes one that waits out of the list. */
static struct searching *take(struct store_searches *q, struct searching **at)
{
	struct searching *w = *at;

	*at = w->next;
	if (*at == NULL)
		q->waiting_end = at;
	q->n--;
	return w;
}

static void reject(struct store *s, struct searching **at, enum error error)
{
	struct searching *w = take(&s->searches, at);

	store_reject_with(s, error, w->cb, w->arg);
	searching_free(w);
}

static void await_overdue(struct store_searches *q)
{
	int64_t left_ms;

	if (q->waiting == NULL) {
		event_del(q->overdue);
		return;
	}
	left_ms = q->waiting->deadline_ms - clock_mono_ms();
	if (left_ms < 0)
		left_ms = 0;
	event_add(q->overdue, &(const struct timeval){ left_ms / 1000, left_ms % 1000 * 1000 });
}

static void on_overdue(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;

	(void)fd;
	(void)what;
	while (s->searches.waiting != NULL && s->searches.waiting->deadline_ms <= clock_mono_ms())
		reject(s, &s->searches.waiting, ERROR_unavailable);
	await_overdue(&s->searches);
}

/* Rejects the search of this user that waits, if there is one. */
static void replace(struct store *s, int64_t user_id)
{
	for (struct searching **at = &s->searches.waiting; *at != NULL; at = &(*at)->next)
		if ((*at)->user_id == user_id) {
			reject(s, at, ERROR_too_many_requests);
			return;
		}
}

static void put_args(struct db_args *args, const struct search *p)
{
	const struct search_query *q = p->query;

	db_arg_i64(args, p->user_id);
	db_arg_i64(args, p->conv_id);
	db_arg_array(args, DB_TEXT, q->n);
	for (size_t i = 0; i < q->n; i++) {
		const char *kind = search_text_kind(q->terms[i].kind);

		db_element_bytes(args, kind, strlen(kind));
	}
	db_arg_array(args, DB_TEXT, q->n);
	for (size_t i = 0; i < q->n; i++)
		db_element_bytes(args, q->terms[i].text, q->terms[i].len);
	db_arg_i64(args, p->sender);
	db_arg_bool(args, p->link);
	db_arg_bool(args, p->file);
	db_arg_i64(args, p->before_ms);
	db_arg_i64(args, p->before_id);
	db_arg_i64(args, p->after_ms);
	db_arg_i64(args, p->limit);
}

void store_search_messages(struct store *s, const struct search *p, store_cb *cb, void *arg)
{
	struct store_searches *q = &s->searches;
	struct searching *w;

	replace(s, p->user_id);
	if (!store_ready(s) || q->n >= WAITING_MAX + (q->running != NULL)) {
		store_reject(s, cb, arg);
		return;
	}
	w = xmalloc(sizeof(*w));
	*w = (struct searching){ NULL, s, p->user_id, clock_mono_ms() + WAIT_MS, DB_ARGS_EMPTY, cb,
		arg };
	put_args(&w->args, p);
	*q->waiting_end = w;
	q->waiting_end = &w->next;
	q->n++;
	if (!q->connected)
		db_start(s->db[STORE_SEARCHER]);
	q->connected = true;
	search_next(s);
}

void store_searches_send(struct store *s)
{
	search_next(s);
}

static void search_next(struct store *s)
{
	DECLARE_QUERY(search_messages);
	struct store_searches *q = &s->searches;

	if (q->running == NULL && q->waiting != NULL && db_ready(s->db[STORE_SEARCHER])) {
		q->running = take(q, &q->waiting);
		q->n++;
		store_query(s, STORE_SEARCHER, &query_search_messages, &q->running->args,
			search_done, q->running);
	}
	await_overdue(q);
}

static void search_done(void *arg, enum error error, const store_rows *rows)
{
	struct searching *w = arg;
	struct store *s = w->store;

	s->searches.running = NULL;
	s->searches.n--;
	if (error == ERROR_NONE)
		STATS_ADD(s->stats, searches, 1);
	w->cb(w->arg, error, rows);
	searching_free(w);
	search_next(s);
}

void store_searches_stop(struct store *s)
{
	while (s->searches.waiting != NULL)
		reject(s, &s->searches.waiting, ERROR_unavailable);
}

void store_searches_init(struct store *s)
{
	s->searches.waiting_end = &s->searches.waiting;
	s->searches.overdue = evtimer_new(s->base, on_overdue, s);
	if (s->searches.overdue == NULL)
		log_fatal("out_of_memory");
}

void store_searches_fini(struct store *s)
{
	event_free(s->searches.overdue);
}
