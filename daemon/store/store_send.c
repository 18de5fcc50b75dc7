/*
 * store_send: stores messages, in batches of one commit each.
 *
 *   waiting ─gather─► in flight ─rows────────────────────────► answered
 *                      │  ├─deadlock, client_id just stored──► retried, in the end one by one
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

DECLARE_QUERY(send_messages);

struct send_item {
	struct batch_item item;
	int64_t sender;
	int64_t receiver;
	struct text content;
	struct text client_id;
	store_change_cb *cb;
	void *arg;
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

static bool sends_begin(struct batcher *b);
static bool sends_flush(struct batcher *b);
static void sends_done(void *arg, const struct db_result *r);
static void sends_try_again(struct batcher *b);
static void sends_lost(struct batcher *b);

void store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg)
{
	struct send_item *send = xmalloc(sizeof(*send) + p->content.len + p->client_id.len);
	char *bytes = send->bytes;

	*send = (struct send_item){
		.sender = p->sender, .receiver = p->receiver, .cb = cb, .arg = arg
	};
	memcpy(bytes, p->content.data, p->content.len);
	send->content = (struct text){ bytes, p->content.len };
	if (p->client_id.data != NULL) {
		bytes += p->content.len;
		memcpy(bytes, p->client_id.data, p->client_id.len);
		send->client_id = (struct text){ bytes, p->client_id.len };
	}
	if (db_ready(s->db[STORE_WRITER]))
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
	return sends_flush(b);
}

static bool sends_flush(struct batcher *b)
{
	struct store *s = b->owner;
	struct db_args args = DB_ARGS_EMPTY;
	int64_t left_s = (sends_time_left_ms(s) + 999) / 1000;

	args.deadline_s = left_s < DB_DEADLINE_S ? (unsigned)left_s : DB_DEADLINE_S;
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
	return db_query(s->db[STORE_WRITER], &query_send_messages, &args, sends_done, b);
}

static bool may_succeed_again(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	/* serialization_failure, deadlock_detected, unique_violation (PostgreSQL manual, appendix A) */
	return sqlstate != NULL &&
		(strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 ||
			strcmp(sqlstate, "23505") == 0);
}

/* Ends each send by the row with its number; one without a row, which should not be, is unavailable. */
static void sends_answer(struct batcher *b, const store_rows *rows)
{
	struct send_item *sends[BATCHER_BATCH_MAX];
	size_t n = 0;

	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		sends[n++] = send_of(i);
	for (int row = 0; row < store_n(rows); row++) {
		int64_t i = db_i64(rows, row, "n") - 1;
		struct change c;
		enum error error = store_change_at(rows, row, &c);

		if (i < 0 || i >= (int64_t)n || sends[i] == NULL)
			continue;
		send_end(sends[i], error, error == ERROR_NONE ? &c : NULL);
		sends[i] = NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (sends[i] != NULL)
			send_end(sends[i], ERROR_unavailable, NULL);
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
	if (PQresultStatus(r->pg) != PGRES_TUPLES_OK && may_succeed_again(r->pg) &&
		s->send_tries < 2 * TRIES_TOGETHER) {
		sends_try_again(b);
		return;
	}
	s->send_tries = 0;
	FAULT("batch.stored");
	if (store_result_error(r) == ERROR_NONE) {
		STATS_ADD(s->stats, messages_stored, b->n_batch);
		STATS_ADD(s->stats, send_batches, 1);
		store_epoch_note_xid(s, r);
		sends_answer(b, r);
	} else {
		sends_fail(b);
	}
	if (s->n_sends_alone > 0 && --s->n_sends_alone == 0)
		b->batch_max = BATCHER_BATCH_MAX;
	batcher_done(b);
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
	if (!sends_flush(b))
		sends_lost(b);
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
	if (!sends_flush(b))
		sends_lost(b);
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
	s->send_deadline = evtimer_new(s->base, on_send_deadline, s);
	if (s->send_deadline == NULL)
		log_fatal("out_of_memory");
}
