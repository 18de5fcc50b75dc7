/*
 * store_batch: the other gathered questions: watermarks, tokens, and the conversations of users who
 * connect.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "store/store_private.h"

/* Watermarks. What moves is told by an event; nobody waits for an answer. */

struct read_item {
	struct batch_item lane;
	struct conv conv;
	int64_t user_id;
	int64_t seq;
	uint64_t origin;
};

static const struct db_statement reads_statement = { "mark_read",
	"select conv_id, user_id, read_seq from mark_read($1::int8[], $2::int8[], $3::int8[])" };

static struct read_item *read_of(struct batch_item *item)
{
	return (struct read_item *)item;
}

static void read_refuse(struct batcher *l, struct batch_item *item)
{
	(void)l;
	free(read_of(item));
}

static void reads_tell(struct batcher *l, const PGresult *r, int row)
{
	int64_t conv_id = db_i64(r, row, 0), user_id = db_i64(r, row, 1);
	const struct read_item *asked = NULL;
	uint64_t origin = 0;

	/* Where several sockets of the user have asked in one batch, all are told. */
	for (struct batch_item *i = l->batch; i != NULL; i = i->next) {
		const struct read_item *item = read_of(i);

		if (item->conv.id != conv_id || item->user_id != user_id)
			continue;
		origin = asked == NULL || origin == item->origin ? item->origin : 0;
		asked = item;
	}
	if (asked != NULL)
		l->store->events->read_moved(
			l->store->arg, &asked->conv, user_id, db_i64(r, row, 2), origin);
}

static void reads_answered(void *arg, PGresult *r)
{
	struct batcher *l = arg;

	if (store_result_error(&reads_statement, r) == ERROR_NONE)
		for (int row = 0; row < PQntuples(r); row++)
			reads_tell(l, r, row);
	while (l->batch != NULL) {
		struct batch_item *item = l->batch;

		l->batch = item->next;
		free(read_of(item));
	}
	batcher_done(l);
}

static bool reads_ask(struct batcher *l)
{
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->user_id);
	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->conv.id);
	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->seq);
	return db_query(l->store->writer, &reads_statement, &args, reads_answered, l);
}

void store_mark_read(
	struct store *s, const struct conv *conv, int64_t user_id, int64_t seq, uint64_t origin)
{
	struct read_item *item = malloc(sizeof(*item));

	if (item == NULL)
		log_fatal("out of memory for a watermark");
	*item = (struct read_item){
		.conv = *conv, .user_id = user_id, .seq = seq, .origin = origin
	};
	batcher_add(&s->reads, &item->lane, sizeof(*item));
}

/* Tokens. */

struct token_item {
	struct batch_item lane;
	uint8_t hash[STORE_HASH_SIZE];
	store_token_cb *cb;
	void *arg;
};

static const struct db_statement tokens_statement = { "authenticate",
	"select i.n, t.token_id, t.user_id, t.expires_at, "
	"(extract(epoch from t.expires_at - now()) * 1000)::int8 "
	"from unnest($1::bytea[]) with ordinality as i (hash, n) "
	"join tokens t on t.hash = i.hash where t.expires_at > now()" };

static struct token_item *token_of(struct batch_item *item)
{
	return (struct token_item *)item;
}

static void token_answer(struct token_item *item, enum error error, const struct token *t)
{
	item->cb(item->arg, error, t);
	free(item);
}

static void token_refuse(struct batcher *l, struct batch_item *item)
{
	(void)l;
	token_answer(token_of(item), ERROR_unavailable, NULL);
}

static void tokens_answered(void *arg, PGresult *r)
{
	struct batcher *l = arg;
	struct token found[BATCHER_BATCH_MAX] = { { .token_id = 0 } };
	int64_t asked_ms = l->store->tokens_asked_ms;
	enum error error = store_result_error(&tokens_statement, r);
	size_t n = 0;

	for (int row = 0; error == ERROR_NONE && row < PQntuples(r); row++) {
		int64_t i = db_i64(r, row, 0) - 1;

		if (i >= 0 && i < BATCHER_BATCH_MAX)
			found[i] = (struct token){ db_i64(r, row, 1), db_i64(r, row, 2),
				db_time_ms(r, row, 3), asked_ms + db_i64(r, row, 4) };
	}
	while (l->batch != NULL) {
		struct token_item *item = token_of(l->batch);
		const struct token *t = &found[n++];

		l->batch = l->batch->next;
		if (error != ERROR_NONE)
			token_answer(item, error, NULL);
		else if (t->token_id == 0)
			token_answer(item, ERROR_bad_token, NULL);
		else
			token_answer(item, ERROR_NONE, t);
	}
	batcher_done(l);
}

static bool tokens_ask(struct batcher *l)
{
	struct db_args args = DB_ARGS_EMPTY;

	l->store->tokens_asked_ms = clock_mono_ms();
	db_arg_array(&args, DB_BYTEA, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_bytes(&args, token_of(i)->hash, STORE_HASH_SIZE);
	return db_query(l->store->reader, &tokens_statement, &args, tokens_answered, l);
}

void store_authenticate(
	struct store *s, const uint8_t hash[STORE_HASH_SIZE], store_token_cb *cb, void *arg)
{
	struct token_item *item = malloc(sizeof(*item));

	if (item == NULL)
		log_fatal("out of memory for a token");
	*item = (struct token_item){ .cb = cb, .arg = arg };
	memcpy(item->hash, hash, STORE_HASH_SIZE);
	batcher_add(&s->tokens, &item->lane, sizeof(*item));
}

/* Loads. */

struct load_item {
	struct batch_item lane;
	int64_t user_id;
	store_load_cb *cb;
	void *arg;
};

static const struct db_statement loads_statement = { "load",
	"select m.user_id, c.conv_id, c.kind, c.user_lo, c.user_hi, c.last_seq, c.last_mod, "
	"m.read_seq, m.join_seq "
	"from members m join conversations c using (conv_id) where m.user_id = any ($1::int8[]) "
	"order by m.user_id" };

static struct load_item *load_of(struct batch_item *item)
{
	return (struct load_item *)item;
}

static void load_refuse(struct batcher *l, struct batch_item *item)
{
	(void)l;
	load_of(item)->cb(load_of(item)->arg, ERROR_unavailable, NULL, 0);
	free(load_of(item));
}

/* Index of the first row of this user or a later one; the rows are in the order of users. */
static size_t heads_from(const struct head *heads, size_t n, int64_t user_id)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (heads[middle].user_id < user_id)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static void loads_answered(void *arg, PGresult *r)
{
	struct batcher *l = arg;
	enum error error = store_result_error(&loads_statement, r);
	size_t n = error == ERROR_NONE ? (size_t)PQntuples(r) : 0;
	struct head *heads = calloc(n + 1, sizeof(*heads));

	if (heads == NULL)
		log_fatal("out of memory for the conversations of users");
	for (size_t i = 0; i < n; i++) {
		store_head_at(r, (int)i, &heads[i]);
		heads[i].join_seq = db_i64(r, (int)i, 8);
	}
	while (l->batch != NULL) {
		struct load_item *item = load_of(l->batch);
		size_t first = heads_from(heads, n, item->user_id);

		l->batch = l->batch->next;
		item->cb(item->arg, error, heads + first,
			heads_from(heads, n, item->user_id + 1) - first);
		free(item);
	}
	free(heads);
	batcher_done(l);
}

static bool loads_ask(struct batcher *l)
{
	struct db_args args = DB_ARGS_EMPTY;

	/* Until the writing connection is there too, a dead worker may still be committing: what is
	 * read now could miss it. */
	if (!store_ready(l->store))
		return false;
	db_arg_array(&args, DB_INT8, l->n_batch);
	for (struct batch_item *i = l->batch; i != NULL; i = i->next)
		db_element_i64(&args, load_of(i)->user_id);
	return db_query(l->store->reader, &loads_statement, &args, loads_answered, l);
}

void store_load(struct store *s, int64_t user_id, store_load_cb *cb, void *arg)
{
	struct load_item *item = malloc(sizeof(*item));

	if (item == NULL)
		log_fatal("out of memory for a load");
	*item = (struct load_item){ .user_id = user_id, .cb = cb, .arg = arg };
	batcher_add(&s->loads, &item->lane, sizeof(*item));
}

void store_batches_init(struct store *s)
{
	batcher_init(&s->reads, s, reads_ask, read_refuse);
	batcher_init(&s->tokens, s, tokens_ask, token_refuse);
	batcher_init(&s->loads, s, loads_ask, load_refuse);
	/* A check asks for every user here at once; their sockets bound how many that are. */
	s->loads.waiting_max = SIZE_MAX;
}
