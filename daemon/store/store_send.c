/*
 * store_send: messages into the database, in batches of one commit each.
 *
 *   waiting ─gather─► asked ─rows──────────────────────► answered
 *                      │  ├─deadlock, a client_id taken just now─► asked again, at last one by one
 *                      │  └─any other error────────────► unavailable (nothing was stored)
 *                      └─connection lost: nobody knows ─► asked again when the database is back,
 *                                                         which client_id makes safe; a send
 *                                                         without one is answered unavailable
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "store/store_private.h"

#define TRIES_TOGETHER 3 /* then each send of the batch goes alone: alone nothing can deadlock */
#define UNKNOWN_FATE_MAX_S \
	10 /* how long a send waits for a database that went away in the middle of it */

struct post_item {
	struct batch_item lane;
	int64_t sender;
	int64_t receiver;
	struct text content;
	struct text client_id;
	store_change_cb *cb;
	void *arg;
	char bytes[]; /* content, client_id */
};

static const struct db_statement statement = { "post_messages",
	"select status, conv_id, conv_kind, user_lo, user_hi, message_id, seq, mod, sender_id, "
	"kind, content, target_id, client_id, "
	"sent_at, edited_at, deleted, n from post_messages($1::int8[], $2::int8[], $3::text[], "
	"$4::text[])" };
#define COLUMN_N 16

static struct post_item *post_of(struct batch_item *item)
{
	return (struct post_item *)item;
}

static void post_answer(struct post_item *p, enum error error, const struct change *c)
{
	p->cb(p->arg, error, c);
	free(p);
}

static void post_refuse(struct batcher *l, struct batch_item *item)
{
	(void)l;
	post_answer(post_of(item), ERROR_unavailable, NULL);
}

/* A client_id stands once in a batch: its second send waits for the next one, and is then found to
 * be a repeat. */
static bool post_joins(const struct batch_item *first, const struct batch_item *item)
{
	const struct post_item *p = (const struct post_item *)item;

	for (; p->client_id.data != NULL && first != NULL; first = first->next) {
		const struct post_item *q = (const struct post_item *)first;

		if (q->sender == p->sender && q->client_id.len == p->client_id.len &&
			q->client_id.data != NULL &&
			memcmp(q->client_id.data, p->client_id.data, p->client_id.len) == 0)
			return false;
	}
	return true;
}

/* The rows of a batch answer its items by number. An item without a row would wait for ever, so it
 * is refused. */
static void posts_answer(struct batcher *l, const PGresult *r)
{
	struct post_item *items[BATCHER_BATCH_MAX];
	size_t n = 0;

	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		items[n++] = post_of(i);
	for (int row = 0; row < PQntuples(r); row++) {
		int64_t i = db_i64(r, row, COLUMN_N) - 1;
		struct change c;
		enum error error = store_change_at(r, row, 0, &c);

		if (i < 0 || i >= (int64_t)n || items[i] == NULL)
			continue;
		post_answer(items[i], error, error == ERROR_NONE ? &c : NULL);
		items[i] = NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (items[i] != NULL)
			post_answer(items[i], ERROR_unavailable, NULL);
}

/* All of the batch but its first go back to the front of those that wait, in their order. */
static void posts_go_alone(struct batcher *l)
{
	struct batch_item *rest = l->batch->next, *last = rest;

	l->store->posts_alone = l->n_batch;
	l->batch_max = 1;
	l->batch->next = NULL;
	if (rest != NULL) {
		while (last->next != NULL)
			last = last->next;
		last->next = l->waiting;
		if (l->waiting == NULL)
			l->waiting_end = &last->next;
		l->waiting = rest;
		l->n_waiting += l->n_batch - 1;
	}
	l->n_batch = 1;
}

/* Keeps of the batch what can be asked again without harm. */
static void posts_keep_repeatable(struct batcher *l)
{
	struct batch_item **at = &l->batch;

	while (*at != NULL) {
		struct batch_item *item = *at;

		if (post_of(item)->client_id.data != NULL) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		l->n_batch--;
		batcher_refuse(l, item);
	}
}

static void posts_fate_unknown(struct batcher *l)
{
	const struct timeval tv = { UNKNOWN_FATE_MAX_S, 0 };

	posts_keep_repeatable(l);
	batcher_refuse_waiting(l);
	if (l->batch == NULL)
		batcher_done(l);
	else
		event_add(l->store->post_deadline, &tv);
}

static void posts_ask_again(struct batcher *l)
{
	if (++l->store->post_tries == TRIES_TOGETHER && l->n_batch > 1)
		posts_go_alone(l);
	if (!l->ask(l))
		posts_fate_unknown(l);
}

static bool may_succeed_again(const PGresult *r)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	/* serialization_failure, deadlock_detected, unique_violation (PostgreSQL manual, appendix
	 * A) */
	return sqlstate != NULL &&
		(strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 ||
			strcmp(sqlstate, "23505") == 0);
}

static void posts_answered(void *arg, PGresult *r)
{
	struct batcher *l = arg;
	struct store *s = l->store;

	if (r == NULL) {
		posts_fate_unknown(l);
		return;
	}
	if (PQresultStatus(r) != PGRES_TUPLES_OK && may_succeed_again(r) &&
		s->post_tries < 2 * TRIES_TOGETHER) {
		posts_ask_again(l);
		return;
	}
	s->post_tries = 0;
	FAULT("batch.stored");
	if (store_result_error(&statement, r) == ERROR_NONE) {
		STATS_ADD(s->stats, posts, l->n_batch);
		STATS_ADD(s->stats, post_batches, 1);
		posts_answer(l, r);
	} else {
		while (l->batch != NULL) {
			struct batch_item *item = l->batch;

			l->batch = item->next;
			post_answer(post_of(item), ERROR_unavailable, NULL);
		}
	}
	if (s->posts_alone > 0 && --s->posts_alone == 0)
		l->batch_max = BATCHER_BATCH_MAX;
	batcher_done(l);
}

static bool posts_ask(struct batcher *l)
{
	struct db_args args = DB_ARGS_EMPTY;

	FAULT("batch.gathered");
	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, post_of(i)->sender);
	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, post_of(i)->receiver);
	db_arg_array(&args, DB_TEXT, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_bytes(&args, post_of(i)->content.data, post_of(i)->content.len);
	db_arg_array(&args, DB_TEXT, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_bytes(&args, post_of(i)->client_id.data, post_of(i)->client_id.len);
	return db_query(l->store->writer, &statement, &args, posts_answered, l);
}

void store_sends_writer_state(struct store *s, bool ready)
{
	struct batcher *l = &s->posts;

	if (!ready || l->n_batch == 0)
		return;
	event_del(s->post_deadline);
	log_info("asking again for sends=%zu whose fate is unknown", l->n_batch);
	if (!l->ask(l))
		posts_fate_unknown(l);
}

static void posts_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;

	(void)fd;
	(void)what;
	s->post_tries = 0;
	batcher_refuse_all(&s->posts);
}

void store_sends_init(struct store *s)
{
	batcher_init(&s->posts, s, posts_ask, post_refuse);
	s->posts.joins = post_joins;
	s->post_deadline = evtimer_new(s->base, posts_deadline, s);
	if (s->post_deadline == NULL)
		log_fatal("cannot make the events of the store");
}

void store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg)
{
	struct post_item *item = malloc(sizeof(*item) + p->content.len + p->client_id.len);
	char *bytes;

	if (item == NULL)
		log_fatal("out of memory for a message");
	bytes = item->bytes;
	*item = (struct post_item){
		.sender = p->sender, .receiver = p->receiver, .cb = cb, .arg = arg
	};
	memcpy(bytes, p->content.data, p->content.len);
	item->content = (struct text){ bytes, p->content.len };
	if (p->client_id.data != NULL) {
		bytes += p->content.len;
		memcpy(bytes, p->client_id.data, p->client_id.len);
		item->client_id = (struct text){ bytes, p->client_id.len };
	}
	if (db_ready(s->writer))
		batcher_add(&s->posts, &item->lane, p->content.len + p->client_id.len);
	else
		batcher_refuse(&s->posts, &item->lane);
}
