/*
 * store_send: stores messages, in batches of one commit each.
 *
 *   waiting ─gather─► in flight ─rows────────────────────────► answered
 *      ▲               │  ├─deadlock, client_id just stored──► retried, in the end one by one
 *      │               │  ├─a lock is not free in time───────► retried without waiting for locks:
 *      └─after 50 ms─── blocked ◄─those whose conversation is locked, and all later ones from the same sender to it
 *                      │  └─any other error──────────────────► unavailable: nothing was stored
 *                      └─connection lost: outcome unknown────► retried when the database is back; the client_id prevents
 *                                                              a second copy, so a send without one is rejected
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "store/store_private.h"

#define TRIES_TOGETHER 3 /* then each send of the batch goes alone: a single send cannot deadlock */
#define ANSWER_MAX_MS 10000 /* from the first flush of a batch, whatever is lost or repeated */
#define BLOCKED_RETRY_MS 50
#define BLOCKED_MAX_MS 8000 /* then a send whose conversation is locked is rejected */
#define BLOCKED_MAX 1024

DECLARE_QUERY(send_messages);

struct send_item {
	struct batch_item item;
	int64_t sender;
	int64_t receiver;
	struct text content;
	struct text client_id;
	int64_t reply_to;
	int64_t forward;
	store_change_cb *cb;
	void *arg;
	int64_t since_ms; /* clock_mono_ms */
	bool was_blocked;
	char bytes[]; /* content, client_id */
};

static struct send_item *send_of(struct batch_item *item)
{
	return (struct send_item *)item;
}

static void send_end(struct send_item *send, enum error error, const struct change *c)
{
	send->cb(send->arg, error, c);
	free(send);
}

static void send_reject(struct batcher *b, struct batch_item *item)
{
	(void)b;
	send_end(send_of(item), ERROR_unavailable, NULL);
}

/* A batch holds a client_id once per sender: a second send with it waits for the next batch, which finds a duplicate. */
static bool send_joins(const struct batch_item *first, const struct batch_item *item)
{
	const struct send_item *p = (const struct send_item *)item;

	for (; p->client_id.data != NULL && first != NULL; first = first->next) {
		const struct send_item *q = (const struct send_item *)first;

		if (q->sender == p->sender && q->client_id.len == p->client_id.len &&
			q->client_id.data != NULL &&
			memcmp(q->client_id.data, p->client_id.data, p->client_id.len) == 0)
			return false;
	}
	return true;
}

/* Blocked sends. */

static struct store *store_of(const struct batcher *b)
{
	return b->owner;
}

/* Returns true if an earlier send from the same sender to the same chat is blocked. */
static bool send_follows_blocked(const struct batcher *b, const struct batch_item *item)
{
	const struct send_item *send = (const struct send_item *)item;

	for (const struct batch_item *i = store_of(b)->blocked; i != NULL; i = i->next) {
		const struct send_item *p = (const struct send_item *)i;

		if (p->sender == send->sender && p->receiver == send->receiver)
			return true;
	}
	return false;
}

static void send_block(struct store *s, struct send_item *send)
{
	const struct timeval tv = { 0, BLOCKED_RETRY_MS * 1000 };

	if (s->n_blocked == BLOCKED_MAX) {
		batcher_reject(&s->sends, &send->item);
		return;
	}
	send->was_blocked = true;
	send->item.next = NULL;
	*s->blocked_end = &send->item;
	s->blocked_end = &send->item.next;
	s->n_blocked++;
	if (!evtimer_pending(s->unblock, NULL))
		event_add(s->unblock, &tv);
}

/* So that sends from one sender to one chat are stored in their order. */
static void sends_block_followers(struct store *s)
{
	struct batch_item *followers = batcher_take(&s->sends, send_follows_blocked);

	while (followers != NULL) {
		struct batch_item *item = followers;

		followers = item->next;
		send_block(s, send_of(item));
	}
}

/* All blocked sends return to the queue, but those that have waited too long. */
static void on_unblock(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;
	struct batch_item *todo = s->blocked, *first = NULL, **end = &first, *last = NULL;
	int64_t since_ms = clock_mono_ms() - BLOCKED_MAX_MS;
	size_t n = 0;

	(void)fd;
	(void)what;
	s->blocked = NULL;
	s->blocked_end = &s->blocked;
	s->n_blocked = 0;
	while (todo != NULL) {
		struct batch_item *item = todo;

		todo = item->next;
		if (send_of(item)->since_ms < since_ms) {
			batcher_reject(&s->sends, item);
			continue;
		}
		*end = last = item;
		end = &item->next;
		n++;
	}
	if (last != NULL)
		batcher_put_first(&s->sends, first, last, n);
}

/* Sends. */

static bool sends_begin(struct batcher *b);
static bool sends_flush(struct batcher *b);
static void sends_done(void *arg, const struct db_result *r);
static void sends_repeat(struct batcher *b);
static void sends_try_again(struct batcher *b);
static void sends_lost(struct batcher *b);

void store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg)
{
	struct send_item *send = xmalloc(sizeof(*send) + p->content.len + p->client_id.len);
	char *bytes = send->bytes;

	*send = (struct send_item){
		.sender = p->sender,
		.receiver = p->receiver,
		.reply_to = p->reply_to,
		.forward = p->forward,
		.cb = cb,
		.arg = arg,
		.since_ms = clock_mono_ms(),
	};
	if (p->content.data != NULL) {
		memcpy(bytes, p->content.data, p->content.len);
		send->content = (struct text){ bytes, p->content.len };
	}
	if (p->client_id.data != NULL) {
		bytes += p->content.len;
		memcpy(bytes, p->client_id.data, p->client_id.len);
		send->client_id = (struct text){ bytes, p->client_id.len };
	}
	if (send_follows_blocked(&s->sends, &send->item))
		send_block(s, send);
	else if (db_ready(s->db[STORE_WRITER]))
		batcher_add(&s->sends, &send->item, p->content.len + p->client_id.len);
	else
		batcher_reject(&s->sends, &send->item);
}

/* The rest of the time in which the batch in flight must be answered, at least 1 ms. */
static int64_t sends_time_left_ms(const struct store *s)
{
	int64_t left_ms = s->sends_begun_ms + ANSWER_MAX_MS - clock_mono_ms();

	return left_ms > 0 ? left_ms : 1;
}

static bool sends_begin(struct batcher *b)
{
	struct store *s = b->owner;

	s->sends_begun_ms = clock_mono_ms();
	/* While one conversation is known to be locked, no batch waits for it. */
	s->sends_without_waiting = s->blocked != NULL;
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		s->sends_without_waiting |= send_of(i)->was_blocked;
	return sends_flush(b);
}

/* An id; null for 0. */
static void element_id(struct db_args *args, int64_t id)
{
	if (id != 0)
		db_element_i64(args, id);
	else
		db_element_bytes(args, NULL, 0);
}

static bool sends_flush(struct batcher *b)
{
	struct store *s = b->owner;
	struct db_args args = DB_ARGS_EMPTY;
	int64_t left_s = (sends_time_left_ms(s) + 999) / 1000;

	args.deadline_s = left_s < DB_DEADLINE_S ? (unsigned)left_s : DB_DEADLINE_S;
	args.fails_if_locked = true;
	FAULT("batch.gathered");
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, send_of(i)->sender);
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, send_of(i)->receiver);
	db_arg_array(&args, DB_TEXT, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_bytes(&args, send_of(i)->content.data, send_of(i)->content.len);
	db_arg_array(&args, DB_TEXT, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_bytes(&args, send_of(i)->client_id.data, send_of(i)->client_id.len);
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		element_id(&args, send_of(i)->reply_to);
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		element_id(&args, send_of(i)->forward);
	db_arg_bool(&args, !s->sends_without_waiting);
	return db_query(s->db[STORE_WRITER], &query_send_messages, &args, sends_done, b);
}

static bool may_succeed_again(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	/* serialization_failure, deadlock_detected, unique_violation (PostgreSQL manual, appendix A). A lock is that of
	 * a user who is being deleted. */
	return db_locked(r) ||
		(sqlstate != NULL &&
			(strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 ||
				strcmp(sqlstate, "23505") == 0));
}

/* Ends each send by the row with its number, or blocks it; one without a row, which should not be, is unavailable.
 * Returns the number of those that ended. */
static size_t sends_answer(struct batcher *b, const store_rows *rows)
{
	struct send_item *sends[BATCHER_BATCH_MAX], *locked[BATCHER_BATCH_MAX] = { NULL };
	struct store *s = b->owner;
	size_t n = 0, n_ended;

	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		sends[n++] = send_of(i);
	for (int row = 0; row < store_n(rows); row++) {
		int64_t i = db_i64(rows, row, "n") - 1;
		struct change c;
		enum error error = store_change_at(rows, row, &c);

		if (i < 0 || i >= (int64_t)n || sends[i] == NULL)
			continue;
		if (store_status_is(rows, row, "locked"))
			locked[i] = sends[i];
		else
			send_end(sends[i], error, error == ERROR_NONE ? &c : NULL);
		sends[i] = NULL;
	}
	n_ended = n;
	for (size_t i = 0; i < n; i++) {
		if (locked[i] == NULL)
			continue;
		send_block(s, locked[i]);
		n_ended--;
	}
	if (n_ended < n)
		sends_block_followers(s);
	for (size_t i = 0; i < n; i++)
		if (sends[i] != NULL)
			send_end(sends[i], ERROR_unavailable, NULL);
	return n_ended;
}

static void sends_fail(struct batcher *b)
{
	while (b->batch != NULL) {
		struct batch_item *item = b->batch;

		b->batch = item->next;
		send_end(send_of(item), ERROR_unavailable, NULL);
	}
}

static void sends_done(void *arg, const struct db_result *r)
{
	struct batcher *b = arg;
	struct store *s = b->owner;

	if (r == NULL) {
		sends_lost(b);
		return;
	}
	if (db_locked(r->pg) && !s->sends_without_waiting) {
		s->sends_without_waiting = true;
		sends_repeat(b);
		return;
	}
	if (PQresultStatus(r->pg) != PGRES_TUPLES_OK && may_succeed_again(r->pg) &&
		s->send_tries < 2 * TRIES_TOGETHER) {
		sends_try_again(b);
		return;
	}
	s->send_tries = 0;
	FAULT("batch.stored");
	if (store_result_error(r) == ERROR_NONE) {
		STATS_ADD(s->stats, send_batches, 1);
		store_epoch_note_xid(s, r);
		STATS_ADD(s->stats, messages_stored, sends_answer(b, r));
	} else {
		sends_fail(b);
	}
	if (s->n_sends_alone > 0 && --s->n_sends_alone == 0)
		b->batch_max = BATCHER_BATCH_MAX;
	batcher_done(b);
}

static void sends_repeat(struct batcher *b)
{
	if (!sends_flush(b))
		sends_lost(b);
}

static void sends_split(struct batcher *b)
{
	struct store *s = b->owner;

	s->n_sends_alone = b->n_batch;
	batcher_split(b);
}

static void sends_try_again(struct batcher *b)
{
	struct store *s = b->owner;

	if (++s->send_tries == TRIES_TOGETHER && b->n_batch > 1)
		sends_split(b);
	sends_repeat(b);
}

/* Rejects those sends of the batch in flight that have no client_id. */
static void sends_keep_retriable(struct batcher *b)
{
	struct batch_item **at = &b->batch;

	while (*at != NULL) {
		struct batch_item *item = *at;

		if (send_of(item)->client_id.data != NULL) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		b->n_batch--;
		batcher_reject(b, item);
	}
}

static void sends_lost(struct batcher *b)
{
	struct store *s = b->owner;
	int64_t left_ms = sends_time_left_ms(s);
	const struct timeval tv = { left_ms / 1000, left_ms % 1000 * 1000 };

	sends_keep_retriable(b);
	batcher_reject_waiting(b);
	if (b->batch == NULL)
		batcher_done(b);
	else
		event_add(s->send_deadline, &tv);
}

void store_sends_retry(struct store *s)
{
	struct batcher *b = &s->sends;

	if (b->n_batch == 0)
		return;
	event_del(s->send_deadline);
	log_info("sends_retried n=%zu", b->n_batch);
	sends_repeat(b);
}

static void on_send_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;

	(void)fd;
	(void)what;
	s->send_tries = 0;
	batcher_reject_all(&s->sends);
}

void store_sends_init(struct store *s)
{
	static const struct batcher_events events = { sends_begin, send_reject, send_joins };

	batcher_init(&s->sends, s->base, &events, s);
	s->blocked_end = &s->blocked;
	s->unblock = evtimer_new(s->base, on_unblock, s);
	s->send_deadline = evtimer_new(s->base, on_send_deadline, s);
	if (s->send_deadline == NULL || s->unblock == NULL)
		log_fatal("out_of_memory");
}

void store_sends_stop(struct store *s)
{
	while (s->blocked != NULL) {
		struct batch_item *item = s->blocked;

		s->blocked = item->next;
		batcher_reject(&s->sends, item);
	}
	s->blocked_end = &s->blocked;
	batcher_reject_all(&s->sends);
}

void store_sends_fini(struct store *s)
{
	event_free(s->send_deadline);
	event_free(s->unblock);
}
