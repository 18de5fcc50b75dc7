/*
 * store_private: what the files of store share.
 *
 * Owns: nothing. Knows nothing of: anything above store.
 */
#ifndef PARLEY_STORE_PRIVATE_H
#define PARLEY_STORE_PRIVATE_H

#include "store/batcher.h"
#include "store/db.h"
#include "store/store.h"

struct store {
	struct event_base *base;
	const struct heritage *heritage;
	const struct store_events *events;
	void *arg;
	struct stats_slot *stats;
	struct db *writer, *reader;
	bool writer_ready, reader_ready, was_lost;
	char epoch[STORE_EPOCH_MAX + 1]; /* the name; "" before the first connection */
	uint16_t generation; /* of the epoch; 0 before the first connection */
	uint16_t
		followed; /* the last one of another worker for which the connections were closed */
	struct rejection *rejections; /* queries to end from the loop */
	struct event *rejecting;
	struct batcher sends, reads, tokens, loads;
	/* Of the sends in flight. */
	struct event *send_deadline; /* of a batch whose outcome is unknown */
	int64_t sends_begun_ms; /* clock_mono_ms, of the first flush */
	unsigned send_tries;
	size_t n_sends_alone; /* to be sent one by one, after repeated failures of their batch */
	int64_t tokens_sent_ms; /* clock_mono_ms, of the batch in flight */
};

/* The parts of store_open and of writer_state that belong to store_send.c; the latter when the connection is ready. */
void store_sends_init(struct store *s);
void store_sends_retry(struct store *s);
/* The part of store_open that belongs to store_batch.c. */
void store_batches_init(struct store *s);

/* Appends the first statements of a writing session: it waits for the fence of dead workers and takes its own lock. */
void store_fence_put_setup(const struct heritage *h, struct buf *sql);

/* Appends a call of current_epoch. */
void store_epoch_put(const struct store *s, struct buf *sql);
/* A connection is set up; column 2 of the row is the epoch. */
void store_epoch_opened(struct store *s, struct db *opened, const PGresult *row);
/* A transaction of this epoch was committed: column "xid" of the first row, if there is one. */
void store_epoch_note_xid(struct store *s, const store_rows *rows);

/*
 * Executes a statement.
 *   db    s->reader or s->writer
 *   args  taken over
 *   cb    called once, from the loop, with the rows; ERROR_unavailable on any error
 */
void store_query(struct store *s, struct db *db, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg);

/* Returns ERROR_NONE, or ERROR_unavailable if the connection was lost (NULL) or for an error, which is logged. */
enum error store_result_error(const struct db_result *r);

/* Reads a row of a change. Returns the error that its status says. */
enum error store_change_at(const store_rows *rows, int i, struct change *c);
void store_head_at(const store_rows *rows, int i, struct head *h);
/* All but ends_ms. */
void store_token_at(const store_rows *rows, int i, struct token *t);

#endif
