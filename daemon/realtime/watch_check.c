#include "realtime/watch_check.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/log.h"
#include "common/xalloc.h"

#define LOG_MAX 512 /* users whose memberships ended, the latest ones */
#define RETRY_MS 1000

struct check {
	struct hash_link link; /* in the checks' waiting, until it starts */
	struct check *next;
	int64_t user_id;
	int64_t *ids; /* those who watch the user or are watched */
	size_t n, at;
	int64_t *strangers; /* those of the ids up to at who share no chat with the user */
	size_t n_strangers;
};

struct watch_checks {
	struct watch *watch;
	struct store *store;
	struct event *retry;
	struct check *first, **end; /* the first one is running, unless retry is pending */
	struct hash waiting; /* by user_id */
	int64_t log[LOG_MAX];
	uint64_t n_logged;
};

static void checks_run(struct watch_checks *c);
static void check_query(struct watch_checks *c);
static void contacts_read(void *arg, enum error error, const store_rows *rows);

static void check_add(void *arg, int64_t user_id)
{
	struct watch_checks *c = arg;
	bool idle = c->first == NULL;
	struct check *k;

	if (hash_find(&c->waiting, (uint64_t)user_id) != NULL)
		return;
	k = xcalloc(1, sizeof(*k));
	k->user_id = user_id;
	hash_insert(&c->waiting, &k->link, (uint64_t)user_id);
	*c->end = k;
	c->end = &k->next;
	if (idle)
		checks_run(c);
}

void watch_check(struct watch_checks *c, int64_t user_id)
{
	c->log[c->n_logged++ % LOG_MAX] = user_id;
	check_add(c, user_id);
}

void watch_check_all(struct watch_checks *c)
{
	c->n_logged += LOG_MAX + 1;
	watch_each_viewer(c->watch, check_add, c);
}

static void check_clear(struct check *k)
{
	free(k->ids);
	free(k->strangers);
	k->ids = k->strangers = NULL;
	k->n = k->at = k->n_strangers = 0;
}

static void check_pop(struct watch_checks *c)
{
	struct check *k = c->first;

	c->first = k->next;
	if (c->first == NULL)
		c->end = &c->first;
	check_clear(k);
	free(k);
}

/* Starts the first check that has something to compare. A membership of its user that ends after
 * this is another check. */
static void checks_run(struct watch_checks *c)
{
	while (c->first != NULL) {
		struct check *k = c->first;

		hash_remove(&c->waiting, &k->link);
		k->n = watch_others(c->watch, k->user_id, &k->ids);
		if (k->n > 0) {
			k->strangers = xreallocarray(NULL, k->n, sizeof(*k->strangers));
			check_query(c);
			return;
		}
		check_pop(c);
	}
}

static size_t check_piece(const struct check *k)
{
	return k->n - k->at < WATCH_MAX ? k->n - k->at : WATCH_MAX;
}

static void check_query(struct watch_checks *c)
{
	const struct check *k = c->first;

	store_contacts(c->store, k->user_id, k->ids + k->at, check_piece(k), contacts_read, c);
}

/* The first check begins again after a while. */
static void check_retry(struct watch_checks *c)
{
	check_clear(c->first);
	hash_insert(&c->waiting, &c->first->link, (uint64_t)c->first->user_id);
	event_add(c->retry, &(const struct timeval){ RETRY_MS / 1000, RETRY_MS % 1000 * 1000 });
}

/* The rows are in the order of the ids. */
static void contacts_read(void *arg, enum error error, const store_rows *rows)
{
	struct watch_checks *c = arg;
	struct check *k = c->first;
	int row = 0;

	if (error != ERROR_NONE) {
		check_retry(c);
		return;
	}
	for (size_t to = k->at + check_piece(k); k->at < to; k->at++) {
		if (row < store_n(rows) && store_id_at(rows, row) == k->ids[k->at])
			row++;
		else
			k->strangers[k->n_strangers++] = k->ids[k->at];
	}
	if (k->at < k->n) {
		check_query(c);
		return;
	}
	watch_end(c->watch, k->user_id, k->strangers, k->n_strangers);
	check_pop(c);
	checks_run(c);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	checks_run(arg);
}

/* Queries in progress. */

uint64_t watch_checks_now(const struct watch_checks *c)
{
	return c->n_logged;
}

static bool is_one_of(int64_t user_id, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == user_id)
			return true;
	return false;
}

bool watch_checks_since(const struct watch_checks *c, uint64_t since, int64_t viewer_id,
	const int64_t *ids, size_t n)
{
	if (c->n_logged - since > LOG_MAX)
		return true;
	for (; since < c->n_logged; since++) {
		int64_t user_id = c->log[since % LOG_MAX];

		if (user_id == viewer_id || is_one_of(user_id, ids, n))
			return true;
	}
	return false;
}

struct watch_checks *watch_checks_open(
	struct event_base *base, struct watch *w, struct store *store)
{
	struct watch_checks *c = xcalloc(1, sizeof(*c));

	c->watch = w;
	c->store = store;
	c->end = &c->first;
	c->retry = evtimer_new(base, on_retry, c);
	if (c->retry == NULL)
		log_fatal("event_new_failed module=watch_check");
	return c;
}

void watch_checks_close(struct watch_checks *c)
{
	while (c->first != NULL)
		check_pop(c);
	hash_fini(&c->waiting);
	event_free(c->retry);
	free(c);
}
