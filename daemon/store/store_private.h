/*
 * store_private: what the files of store share.
 *
 * Owns: nothing. Knows nothing of: anything above store.
 */
#ifndef PARLEY_STORE_PRIVATE_H
#define PARLEY_STORE_PRIVATE_H

#include "store/db.h"
#include "store/store.h"

#define BATCHER_BATCH_MAX 128 /* items of one statement */
#define BATCHER_BATCH_BYTES (256u << 10)
#define BATCHER_WAITING_MAX 16384 /* items; beyond it the answer is unavailable */

/* Something that waits to be asked together with others of its kind. The head of each lane's own
 * item. */
struct batch_item {
	struct batch_item *next;
	size_t bytes;
};

/* Questions of one kind: while one batch is in flight, the next one gathers. */
struct batcher {
	struct store *store;
	struct batch_item *waiting, **waiting_end;
	size_t n_waiting;
	struct batch_item *batch; /* in flight */
	size_t n_batch;
	size_t batch_max, waiting_max;
	struct batch_item *refused; /* to be answered from the loop */
	/* Asks for the batch; false where the database is away. */
	bool (*ask)(struct batcher *l);
	/* Answers and frees one item that is not asked; called from the loop. */
	void (*refuse)(struct batcher *l, struct batch_item *item);
	/* May the item stand in one batch with those from first on? NULL: always. */
	bool (*joins)(const struct batch_item *first, const struct batch_item *item);
};

struct store {
	struct event_base *base;
	const struct heritage *heritage;
	const struct store_events *events;
	void *arg;
	struct stats_slot *stats;
	struct db *writer, *reader;
	struct event *deferred; /* refusals are answered from the loop */
	struct refusal *refusals;
	struct event *post_deadline; /* how long posts with an unknown fate wait for the database */
	bool writer_ready, reader_ready, was_lost;
	unsigned post_tries; /* of the batch in flight */
	size_t posts_alone; /* sends that go one by one, after a batch failed again and again */
	struct batcher posts, reads, tokens, loads;
	int64_t tokens_asked_ms; /* clock_mono_ms, of the batch in flight */
};

void batcher_init(struct batcher *l, struct store *s, bool (*ask)(struct batcher *),
	void (*refuse)(struct batcher *, struct batch_item *));
/* Adds the item, or refuses it where too many wait or the database is away. */
void batcher_add(struct batcher *l, struct batch_item *item, size_t bytes);
/* Answers the item from the loop, by l->refuse. */
void batcher_refuse(struct batcher *l, struct batch_item *item);
/* The same for the whole batch in flight, and for all that wait behind it. */
void batcher_refuse_all(struct batcher *l);
/* The batch was answered (its items are gone): asks for what gathered. */
void batcher_done(struct batcher *l);
/* Refuses all that wait; a batch in flight is its own lane's affair. */
void batcher_refuse_waiting(struct batcher *l);
/* Called from the loop: calls l->refuse for what was refused. */
void batcher_answer_refused(struct batcher *l);

void store_sends_init(struct store *s);
void store_sends_writer_state(struct store *s, bool ready);
void store_batches_init(struct store *s);

/* Runs a statement that answers with rows; args are taken over. */
void store_query(struct store *s, struct db *db, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg);

/* Calls cb(arg, ERROR_unavailable, NULL) from the loop. */
void store_reject(struct store *s, store_cb *cb, void *arg);

/* What a result says: ERROR_NONE for rows; an unexpected error is logged and is ERROR_internal;
 * NULL is ERROR_unavailable. */
enum error store_result_error(const struct db_statement *statement, const PGresult *r);

/* Columns status … deleted of the SQL type change, from column on. Returns what status says. */
enum error store_change_at(const PGresult *r, int row, int column, struct change *c);

#endif
