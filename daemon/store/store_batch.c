/*
 * store_batch: the other batched queries: read marks, tokens, and the conversations of users who connect.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "store/store_private.h"

/* Read marks. The event read_moved reports those that move; the callback, whether they are stored. */

DECLARE_QUERY(mark_read);

struct read_item {
	struct batch_item item;
	struct conv conv;
	int64_t user_id;
	int64_t seq;
	uint64_t origin;
	store_mark_cb *cb;
	void *arg;
};

static struct read_item *read_of(struct batch_item *item)
{
	return (struct read_item *)item;
}

static void read_end(struct read_item *read, enum error error)
{
	read->cb(read->arg, error);
	free(read);
}

static void read_reject(struct batcher *b, struct batch_item *item)
{
	(void)b;
	read_end(read_of(item), ERROR_unavailable);
}

void store_mark_read(struct store *s, const struct conv *conv, int64_t user_id, int64_t seq,
	uint64_t origin, store_mark_cb *cb, void *arg)
{
	struct read_item *read = xmalloc(sizeof(*read));

	*read = (struct read_item){ .conv = *conv,
		.user_id = user_id,
		.seq = seq,
		.origin = origin,
		.cb = cb,
		.arg = arg };
	batcher_add(&s->reads, &read->item, sizeof(*read));
}

static void reads_done(void *arg, const struct db_result *r);

static bool reads_flush(struct batcher *b)
{
	struct store *s = b->owner;
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->user_id);
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->conv.id);
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, read_of(i)->seq);
	return db_query(s->db[STORE_WRITER], &query_mark_read, &args, reads_done, b);
}

/* If several sockets of the user marked the conversation in this batch, the origin is 0: all of them are notified. */
static void read_report(struct batcher *b, const store_rows *rows, int row)
{
	struct store *s = b->owner;
	int64_t conv_id = db_i64(rows, row, "conv_id"), user_id = db_i64(rows, row, "user_id");
	const struct read_item *found = NULL;
	uint64_t origin = 0;

	for (struct batch_item *i = b->batch; i != NULL; i = i->next) {
		const struct read_item *read = read_of(i);

		if (read->conv.id != conv_id || read->user_id != user_id)
			continue;
		origin = found == NULL || origin == read->origin ? read->origin : 0;
		found = read;
	}
	if (found != NULL)
		s->events->read_moved(s->arg,
			&(const struct record_read){
				.conv = found->conv,
				.user_id = user_id,
				.seq = db_i64(rows, row, "read_seq"),
				.origin = origin,
				.own_only = db_bool(rows, row, "own_only"),
			});
}

static void reads_done(void *arg, const struct db_result *r)
{
	struct batcher *b = arg;
	enum error error = store_result_error(r);

	for (int row = 0; error == ERROR_NONE && row < store_n(r); row++)
		read_report(b, r, row);
	while (b->batch != NULL) {
		struct batch_item *item = b->batch;

		b->batch = item->next;
		read_end(read_of(item), error);
	}
	batcher_done(b);
}

/* Tokens. */

DECLARE_QUERY(authenticate);

struct token_item {
	struct batch_item item;
	uint8_t hash[STORE_HASH_SIZE];
	store_token_cb *cb;
	void *arg;
};

static struct token_item *token_of(struct batch_item *item)
{
	return (struct token_item *)item;
}

static void token_end(struct token_item *token, enum error error, const struct token *t)
{
	token->cb(token->arg, error, t);
	free(token);
}

static void token_reject(struct batcher *b, struct batch_item *item)
{
	(void)b;
	token_end(token_of(item), ERROR_unavailable, NULL);
}

void store_authenticate(
	struct store *s, const uint8_t hash[STORE_HASH_SIZE], store_token_cb *cb, void *arg)
{
	struct token_item *token = xmalloc(sizeof(*token));

	*token = (struct token_item){ .cb = cb, .arg = arg };
	memcpy(token->hash, hash, STORE_HASH_SIZE);
	batcher_add(&s->tokens, &token->item, sizeof(*token));
}

static void tokens_done(void *arg, const struct db_result *r);

static bool tokens_flush(struct batcher *b)
{
	struct store *s = b->owner;
	struct db_args args = DB_ARGS_EMPTY;

	s->tokens_sent_ms = clock_mono_ms();
	args.urgent = true;
	db_arg_array(&args, DB_BYTEA, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_bytes(&args, token_of(i)->hash, STORE_HASH_SIZE);
	return db_query(s->db[STORE_READER], &query_authenticate, &args, tokens_done, b);
}

static void tokens_done(void *arg, const struct db_result *r)
{
	struct batcher *b = arg;
	const struct store *s = b->owner;
	struct token found[BATCHER_BATCH_MAX] = { { .token_id = 0 } };
	int64_t sent_ms = s->tokens_sent_ms;
	enum error error = store_result_error(r);
	size_t n = 0;

	for (int row = 0; error == ERROR_NONE && row < store_n(r); row++) {
		int64_t i = db_i64(r, row, "n") - 1;

		if (i < 0 || i >= BATCHER_BATCH_MAX)
			continue;
		store_token_at(r, row, &found[i]);
		found[i].ends_ms = sent_ms + db_i64(r, row, "expires_in_ms");
	}
	while (b->batch != NULL) {
		struct token_item *token = token_of(b->batch);
		struct token *t = &found[n++];

		memcpy(t->hash, token->hash, STORE_HASH_SIZE);
		b->batch = b->batch->next;
		if (error != ERROR_NONE)
			token_end(token, error, NULL);
		else if (t->token_id == 0)
			token_end(token, ERROR_bad_token, NULL);
		else
			token_end(token, ERROR_NONE, t);
	}
	batcher_done(b);
}

/* Loads. */

DECLARE_QUERY(load_users);

struct load_item {
	struct batch_item item;
	int64_t user_id;
	store_load_cb *cb;
	void *arg;
};

static struct load_item *load_of(struct batch_item *item)
{
	return (struct load_item *)item;
}

static void load_reject(struct batcher *b, struct batch_item *item)
{
	(void)b;
	load_of(item)->cb(load_of(item)->arg, ERROR_unavailable, NULL, 0);
	free(load_of(item));
}

void store_load(struct store *s, int64_t user_id, store_load_cb *cb, void *arg)
{
	struct load_item *load = xmalloc(sizeof(*load));

	*load = (struct load_item){ .user_id = user_id, .cb = cb, .arg = arg };
	batcher_add(&s->loads, &load->item, sizeof(*load));
}

static void loads_done(void *arg, const struct db_result *r);

static bool loads_flush(struct batcher *b)
{
	struct store *s = b->owner;
	struct db_args args = DB_ARGS_EMPTY;

	/* Until the writing connection has passed the fence, a dead worker may still commit, and these rows would miss
	 * it. */
	if (!store_ready(s))
		return false;
	args.urgent = true;
	db_arg_array(&args, DB_INT8, b->n_batch);
	for (struct batch_item *i = b->batch; i != NULL; i = i->next)
		db_element_i64(&args, load_of(i)->user_id);
	return db_query(s->db[STORE_READER], &query_load_users, &args, loads_done, b);
}

/* Returns the index of the first head of this user or a later one; the heads are in the order of users. */
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

static void loads_done(void *arg, const struct db_result *r)
{
	struct batcher *b = arg;
	enum error error = store_result_error(r);
	size_t n = error == ERROR_NONE ? (size_t)store_n(r) : 0;
	struct head *heads = xcalloc(n + 1, sizeof(*heads));

	for (size_t i = 0; i < n; i++)
		store_head_at(r, (int)i, &heads[i]);
	while (b->batch != NULL) {
		struct load_item *load = load_of(b->batch);
		size_t first = heads_from(heads, n, load->user_id);

		b->batch = b->batch->next;
		load->cb(load->arg, error, heads + first,
			heads_from(heads, n, load->user_id + 1) - first);
		free(load);
	}
	free(heads);
	batcher_done(b);
}

void store_batches_init(struct store *s)
{
	static const struct batcher_events reads = { reads_flush, read_reject, NULL };
	static const struct batcher_events tokens = { tokens_flush, token_reject, NULL };
	static const struct batcher_events loads = { loads_flush, load_reject, NULL };

	batcher_init(&s->reads, s->base, &reads, s);
	batcher_init(&s->tokens, s->base, &tokens, s);
	batcher_init(&s->loads, s->base, &loads, s);
	/* A reconcile loads all users of the worker at once; the limit on sockets bounds them. */
	s->loads.waiting_max = SIZE_MAX;
}
