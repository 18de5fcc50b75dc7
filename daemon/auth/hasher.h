/*
 * hasher: password hashing in a process of its own, off every event loop.
 *
 * Owns: the workers' questions in flight, the table of who tried how often.
 * Knows nothing of: users, tokens, the database.
 *
 *	worker --question--> SOCK_SEQPACKET pair (one a slot) --> hasher: one by one, in turn
 *	       <--answer----
 *
 * The queue is what the socket pairs hold, at most HASHER_IN_FLIGHT a worker; beyond it the asker
 * is told HASHER_BUSY at once (503). A question leaves its socket when it has been answered, so
 * that a hasher that is killed costs time and nothing else. It names its asker's incarnation, so
 * that none is hashed for a dead worker and no answer to one is taken by its successor.
 */
#ifndef PARLEY_HASHER_H
#define PARLEY_HASHER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/password.h"
#include "heritage.h"

#define HASHER_PASSWORD_MAX PASSWORD_MAX
#define HASHER_STORED_MAX PASSWORD_STORED_MAX
#define HASHER_IN_FLIGHT 64
#define HASHER_TIMEOUT_MS 30000

/* Tries of one key: so many at once, then one in so long. */
#define HASHER_BURST 10
#define HASHER_REFILL_MS 6000

enum hasher_result {
	HASHER_OK, /* hashed: stored is set; verified: the password is right */
	HASHER_WRONG,
	HASHER_BUSY, /* queue full: try again */
	HASHER_LIMITED, /* a key has tried too often: try again later */
	HASHER_FAILED /* no answer within HASHER_TIMEOUT_MS, or the stored text is broken */
};

/* stored: the text to keep after hasher_hash with HASHER_OK, valid during the call; else NULL. */
typedef void hasher_cb(void *arg, enum hasher_result result, const char *stored);

/*
 * The hasher process: serves all slots until the master is gone or SIGTERM comes, answers what has
 * been asked by then, and returns the exit code. Lowers its priority and begins a session of its
 * own. SIGHUP: opens the log anew.
 */
int hasher_run(const struct heritage *h);

/* A worker's side: its end of the pair is h->hasher_fds[h->slot]. */
struct hasher;
struct hasher *hasher_open(struct event_base *base, const struct heritage *h);

/* Answers what is in flight with HASHER_FAILED, which must not ask anew. Closes the worker's end.
 * */
void hasher_close(struct hasher *h);

/*
 * Each asks, and cb is called once, never from inside these; it must not call hasher_close.
 * password: 1..HASHER_PASSWORD_MAX bytes, copied and wiped after use.
 * hasher_hash gives a new text to store.
 * hasher_verify: stored is what hasher_hash once gave, copied; NULL: there is no such user; takes
 * as long as a wrong password and is HASHER_WRONG.
 * limit_keys: n_keys (0..2) numbers that stand for who tries (address, username); if one has no try
 * left the answer is HASHER_LIMITED and the other loses none; 0 keys: no limit. The table is the
 * hasher's, one for all workers, and starts afresh with it.
 */
void hasher_hash(struct hasher *h, const char *password, size_t len, const uint64_t *limit_keys,
	unsigned n_keys, hasher_cb *cb, void *arg);
void hasher_verify(struct hasher *h, const char *password, size_t len, const char *stored,
	const uint64_t *limit_keys, unsigned n_keys, hasher_cb *cb, void *arg);

#endif
