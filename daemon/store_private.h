/*
 * store_private: what the files of store share.
 *
 * Owns: nothing. Knows nothing of: anything above store.
 */
#ifndef PARLEY_STORE_PRIVATE_H
#define PARLEY_STORE_PRIVATE_H

#include "db.h"
#include "store.h"

#define LANE_BATCH_MAX 128 /* items of one statement */
#define LANE_BATCH_BYTES (256u << 10)
#define LANE_WAITING_MAX 16384 /* items; beyond it the answer is unavailable */

/* Something that waits to be asked together with others of its kind. The head of each lane's own
 * item. */
struct lane_item {
	struct lane_item *next;
	size_t bytes;
};

/* Questions of one kind: while one batch is in flight, the next one gathers. */
struct lane {
	struct store *store;
	struct lane_item *waiting, **waiting_end;
	size_t n_waiting;
	struct lane_item *batch; /* in flight */
	size_t n_batch;
	size_t batch_max, waiting_max;
	struct lane_item *refused; /* to be answered from the loop */
	/* Asks for the batch; false where the database is away. */
	bool (*ask)(struct lane *l);
	/* Answers and frees one item that is not asked; called from the loop. */
	void (*refuse)(struct lane *l, struct lane_item *item);
	/* May the item stand in one batch with those from first on? NULL: always. */
	bool (*joins)(const struct lane_item *first, const struct lane_item *item);
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
	struct lane posts, reads, tokens, loads;
	int64_t tokens_asked_ms; /* clock_mono_ms, of the batch in flight */
};

void lane_init(struct lane *l, struct store *s, bool (*ask)(struct lane *),
	void (*refuse)(struct lane *, struct lane_item *));
/* Adds the item, or refuses it where too many wait or the database is away. */
void lane_add(struct lane *l, struct lane_item *item, size_t bytes);
/* Answers the item from the loop, by l->refuse. */
void lane_refuse(struct lane *l, struct lane_item *item);
/* The same for the whole batch in flight, and for all that wait behind it. */
void lane_refuse_all(struct lane *l);
/* The batch was answered (its items are gone): asks for what gathered. */
void lane_done(struct lane *l);
/* Refuses all that wait; a batch in flight is its own lane's affair. */
void lane_refuse_waiting(struct lane *l);
/* Called from the loop: calls l->refuse for what was refused. */
void lane_answer_refused(struct lane *l);

void store_posts_init(struct store *s);
void store_posts_writer_state(struct store *s, bool ready);
void store_batches_init(struct store *s);

/* Runs a statement that answers with rows; args are taken over. */
void store_ask(struct store *s, struct db *db, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg);

/* Calls cb(arg, ERROR_unavailable, NULL) from the loop. */
void store_refuse(struct store *s, store_cb *cb, void *arg);

/* What a result says: ERROR_NONE for rows; an unexpected error is logged and is ERROR_internal;
 * NULL is ERROR_unavailable. */
enum error store_verdict(const struct db_statement *statement, const PGresult *r);

/* Columns status … deleted of the SQL type change, from column on. Returns what status says. */
enum error store_change_at(const PGresult *r, int row, int column, struct change *c);

#endif
