/*
 * store_private: what the files of store share.
 *
 * Owns: nothing. Knows nothing of: anything above store.
 */
#ifndef PARLEY_STORE_PRIVATE_H
#define PARLEY_STORE_PRIVATE_H

#include "common/hash.h"
#include "store/batcher.h"
#include "store/db.h"
#include "store/store.h"

struct actor;
struct erasing;
struct searching;

/* Changes that wait for their turn (store_change.c). */
struct store_changes {
	struct hash actors; /* users with changes, by user_id */
	struct actor *turns, **turns_end; /* all but the running one */
	struct actor *running; /* whose first change is in flight; several of reactions; or NULL */
	bool without_waiting; /* True if the reactions in flight do not wait for locks. */
	struct event *resume;
};

/* Searches (store_search.c). */
struct store_searches {
	struct searching *running; /* NULL: none */
	struct searching *waiting, **waiting_end; /* the oldest first */
	size_t n; /* of both */
	struct event *overdue; /* for the oldest that waits */
	bool connected; /* True if the connection was started. */
};

/*
 * Each worker's connections. Statements on one are executed in order, and those on different ones in any order, so
 * what depends on an order uses one connection.
 *
 *   STORE_WRITER      sends and changes. What a batch waits for, all sends of the worker wait for.
 *   STORE_READER      what a client waits for and what is cheap: tokens, loads, messages by seq or mod, one user.
 *                     Tokens and loads are urgent: they wait for one answer with messages, not for a queue of them.
 *   STORE_LISTER      what may be costly: chats, members, search, contacts.
 *   STORE_BACKGROUND  what takes long and no client waits for: the fence, changes in slices.
 *   STORE_SEARCHER    searches of messages. It is opened by the first one.
 */
enum store_connection {
	STORE_WRITER,
	STORE_READER,
	STORE_LISTER,
	STORE_BACKGROUND,
	STORE_SEARCHER
};
#define STORE_CONNECTIONS (STORE_SEARCHER + 1)

struct store {
	struct event_base *base;
	const struct heritage *heritage;
	const struct store_events *events;
	void *arg;
	struct stats_slot *stats;
	struct db *db[STORE_CONNECTIONS];
	bool ready; /* as last reported */
	bool was_lost; /* True if any connection was. */
	char epoch[STORE_EPOCH_MAX + 1]; /* the name; "" before the first connection */
	uint16_t generation; /* of the epoch; 0 before the first connection */
	uint16_t followed; /* the last generation for which the connections were closed */
	bool writes_doubted; /* True until the probe is stored. */
	bool writes_failed; /* True if a change failed since the last probe began. */
	struct event *write_probe;
	struct rejection *rejections; /* queries to end from the loop */
	struct event *rejecting;
	struct fence *fences; /* that wait for the background connection */
	struct batcher sends, reads, tokens, loads;
	/* Of the sends in flight. */
	struct event *send_deadline; /* of a batch whose outcome is unknown */
	int64_t sends_begun_ms; /* clock_mono_ms, of the first flush */
	unsigned send_tries;
	size_t n_sends_alone; /* to be sent one by one, after repeated failures of their batch */
	bool sends_without_waiting; /* True if the batch in flight has waited for a lock too long. */
	struct batch_item *blocked, **blocked_end; /* sends whose conversation was locked */
	size_t n_blocked;
	struct event *unblock;
	int64_t tokens_sent_ms; /* clock_mono_ms, of the batch in flight */
	struct store_changes changes;
	struct erasing *erasings; /* in progress */
	struct event *claim; /* of abandoned erasures */
	struct store_searches searches;
};

/* The parts of store_open, writer_state (when the connection is ready) and store_close that belong to store_send.c.
 * store_sends_stop rejects all sends. */
void store_sends_init(struct store *s);
void store_sends_retry(struct store *s);
void store_sends_stop(struct store *s);
void store_sends_fini(struct store *s);
/* The part of store_open that belongs to store_batch.c. */
void store_batches_init(struct store *s);
/* Those of store_change.c. store_changes_stop rejects all changes that wait. */
void store_changes_init(struct store *s);
void store_changes_stop(struct store *s);
void store_changes_fini(struct store *s);
/* Those of store_erase.c. store_erase_stop ends the erasures that pause; it returns true if there was one. */
void store_erase_init(struct store *s);
bool store_erase_stop(struct store *s);
void store_erase_fini(struct store *s);

/* Those of store_search.c. store_searches_send: the connection is ready. store_searches_stop rejects those that wait. */
void store_searches_init(struct store *s);
void store_searches_send(struct store *s);
void store_searches_stop(struct store *s);
void store_searches_fini(struct store *s);

/* Pins the settings in a transaction of their own: those of a transaction hold from the next one on. A standby rejects
 * "read write". */
void store_put_settings(struct buf *sql);

/*
 * Appends the last statement of a set-up: a row with true, "" and the epoch, or with false and the reason.
 *   s  NULL: without the epoch
 */
void store_put_check(const struct store *s, struct buf *sql);

/* Erases the texts of a group that has ended. */
void store_erase_group(struct store *s, int64_t group_id);

/* Those of store_writes.c, and the writer's event not_stored. */
void store_writes_init(struct store *s);
void store_writes_fini(struct store *s);
void store_writes_fail(void *store);

/*
 * Appends the first statements of a session that writes: it waits for the fence of dead workers, and for the session
 * before it on the same connection, and takes its own lock.
 *   connection  STORE_WRITER or STORE_BACKGROUND
 */
void store_fence_put_setup(
	const struct heritage *h, enum store_connection connection, struct buf *sql);

/* Sends the fences that wait; if the background connection is away, they end with ERROR_unavailable. */
void store_fences_send(struct store *s);

/* Appends a call of current_epoch. */
void store_epoch_put(const struct store *s, struct buf *sql);
/* db_events.opened of each connection; column 2 of the row is the epoch. */
void store_epoch_opened(void *store, struct db *opened, const PGresult *row);
/* A transaction of this epoch was committed: column "xid" of the first row, if there is one. */
void store_epoch_note_xid(struct store *s, const store_rows *rows);

/*
 * Executes a statement.
 *   args  taken over
 *   cb    called once, from the loop, with the rows; ERROR_unavailable on any error
 */
void store_query(struct store *s, enum store_connection connection,
	const struct db_statement *statement, struct db_args *args, store_cb *cb, void *arg);

/* As store_query on STORE_WRITER, when it is the turn of this user (store_change.c). */
void store_change_query(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg);

/* As store_change_query, of a statement that returns a change. */
void store_change(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_change_cb *cb, void *arg);

/* Calls cb with ERROR_unavailable, or another error, from the loop. */
void store_reject(struct store *s, store_cb *cb, void *arg);
void store_reject_with(struct store *s, enum error error, store_cb *cb, void *arg);

/* Returns true if the statement waited for a lock too long. */
bool store_result_locked(const struct db_result *r);

/* Returns ERROR_NONE, or ERROR_unavailable if the connection was lost (NULL) or for an error, which is logged. */
enum error store_result_error(const struct db_result *r);

/* Reads the column status: ERROR_NONE for "ok" and "duplicate", or the error that it names. */
enum error store_status_at(const store_rows *rows, int i);
/* Returns true if the status is this one. */
bool store_status_is(const store_rows *rows, int i, const char *status);
/* Reads a row of a change. Returns the error that its status says. */
enum error store_change_at(const store_rows *rows, int i, struct change *c);
void store_head_at(const store_rows *rows, int i, struct head *h);
/* All but ends_ms. */
void store_token_at(const store_rows *rows, int i, struct token *t);

#endif
