/*
 * worker_harness: a complete worker in this process (worker_run and everything that it creates), without
 * a master, a hasher, other workers or a database.
 *
 * Owns: the worker's heritage, the iterations of its event loop. Knows nothing of: its input.
 *
 * worker_run is called on a thread, which blocks where it would start the event loop. The caller runs the
 * loop instead, so that the same input causes the same steps. The store is the real one without a
 * database, except for the queries without which little code would be reached: tokens, the chats of a
 * user, sends, changes, watermarks (the linker's --wrap). Their replacements check that their arguments
 * are within the limits of docs/api.md.
 *
 * There are the users 1 and 2, with a direct chat and the group 3.
 */
#ifndef PARLEY_FUZZ_WORKER_HARNESS_H
#define PARLEY_FUZZ_WORKER_HARNESS_H

#include <stdbool.h>

#include "common/buf.h"

#define HARNESS_TOKEN_1 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* of user 1 */
#define HARNESS_TOKEN_2 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" /* of user 2 */
#define HARNESS_TOKEN_UNAVAILABLE \
	"ddddddddddddddddddddddddddddddddddddddddddd" /* its lookup fails: no database */

/*
 * Starts the worker; called once.
 * settings: additional settings, in the syntax of the config file.
 */
void harness_start(const char *settings);

/* Connects to the worker. Returns a socket that the caller closes by harness_close. */
int harness_connect(void);

/* Sends all bytes, unless the worker has closed the connection. */
void harness_send(int fd, const void *bytes, size_t len);

/* Runs the loop until it is idle, and appends what this client receives to in. Returns false at the end
 * of the stream. */
bool harness_receive(int fd, struct buf *in);

/* Ends the client's side of the stream; it can still receive. */
void harness_shutdown(int fd);

/* Closes the client's socket. */
void harness_close(int fd);

/* Called after all clients are closed: checks that the worker has closed them too, and discards all
 * messages. */
void harness_reset(void);

#endif
