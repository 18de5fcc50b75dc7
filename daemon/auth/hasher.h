/*
 * hasher: password hashing in a process of its own, outside every event loop.
 *
 * Owns: the requests of a worker in flight, the table of tries.
 * Knows nothing of: users, tokens, the database.
 *
 *	worker: queue --request--> SOCK_SEQPACKET pair (one per slot) --> hasher: one at a time, slots in turn
 *	              <--reply----
 *
 * Each worker queues its requests, at most HASHER_IN_FLIGHT, and sends one at a time; beyond it a request fails at once
 * with HASHER_BUSY. A client's second request waits for the first ones of all others, its third for the second ones, and
 * so on: many requests of a few addresses do not delay another's log-in.
 *
 * A request leaves its socket only when it has been answered, so that a killed hasher costs time and nothing else. It
 * has the incarnation of its worker: none is hashed for a dead worker, and a worker ignores replies to its predecessor.
 */
#ifndef PARLEY_HASHER_H
#define PARLEY_HASHER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/password.h"
#include "common/proto.h"
#include "common/ratelimit.h"
#include "heritage.h"

#define HASHER_PASSWORD_MAX PASSWORD_MAX
#define HASHER_STORED_MAX PASSWORD_STORED_MAX
#define HASHER_IN_FLIGHT 64
#define HASHER_TIMEOUT_MS 30000
#define HASHER_KEYS_MAX 2

/* Tries per key: a burst, then one each HASHER_REFILL_MS. */
#define HASHER_BURST 10
#define HASHER_REFILL_MS 6000

enum hasher_result {
	HASHER_OK, /* hashed, or verified: the password is right */
	HASHER_WRONG,
	HASHER_BUSY, /* the queue is full: try again */
	HASHER_LIMITED, /* a key has no try left: try again later */
	HASHER_FAILED /* no reply within HASHER_TIMEOUT_MS, or the stored text is malformed */
};

/*
 *   stored  the text to keep after hasher_hash with HASHER_OK, valid during the call; else NULL
 */
typedef void hasher_cb(void *arg, enum hasher_result result, const char *stored);

/*
 * The hasher process: serves all slots until the master is gone or SIGTERM comes, then answers the requests that are
 * queued, and returns the exit code. Lowers its priority and starts a session of its own. SIGHUP reopens the log.
 */
int hasher_run(const struct heritage *h);

/* The worker's side; its end of the pair is h->hasher_fds[h->slot]. */
struct hasher;
struct hasher *hasher_open(struct event_base *base, const struct heritage *h);

/* Answers what is in flight with HASHER_FAILED; those callbacks must make no new request. Closes the worker's end. */
void hasher_close(struct hasher *h);

/*
 * A password, and who tries it. All is copied; the copy of the password is wiped after use.
 *   password  1..HASHER_PASSWORD_MAX bytes
 *   keys      n_keys of them, the first one is that of the client in the queue. If one has no try left the result is
 *             HASHER_LIMITED, and the others lose none. The table of tries is shared by all workers and lives as long as
 *             the hasher process. n_keys 0: no limit
 *   cb        called once, never from inside the functions below; it must not call hasher_close
 */
struct hasher_request {
	struct text password;
	struct ratelimit_key keys[HASHER_KEYS_MAX];
	unsigned n_keys;
	hasher_cb *cb;
	void *arg;
};

/* Hashes the password to a new text to store. */
void hasher_hash(struct hasher *h, const struct hasher_request *r);

/*
 * Compares the password with a stored one.
 *   stored  a text that hasher_hash returned; NULL if there is no such user: takes as long, and is HASHER_WRONG
 */
void hasher_verify(struct hasher *h, const struct hasher_request *r, const char *stored);

#endif
