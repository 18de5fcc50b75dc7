/*
 * lone: one real worker, alone in this process: worker_run with all that it makes and wires, without a
 * master, a hasher, other workers or a database.
 *
 * Owns: what a worker inherits, the turns of its loop. Knows nothing of: what is said to it.
 *
 * worker_run is entered on a thread of its own and stays where it would begin its loop; the caller turns
 * the loop, so that the same input meets the same steps. The store is the real one with its database away,
 * but for the questions without which nothing could be reached behind them: tokens, the chats of a user,
 * sends, changes, watermarks (the linker's --wrap). Those first see that what reaches the store is what
 * the contract allows.
 *
 * The world: users 1 and 2, who talk directly and in the group 3.
 */
#ifndef PARLEY_FUZZ_LONE_H
#define PARLEY_FUZZ_LONE_H

#include <stdbool.h>

#include "common/buf.h"

#define LONE_TOKEN_1 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* of user 1 */
#define LONE_TOKEN_2 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" /* of user 2 */
#define LONE_TOKEN_AWAY "ddddddddddddddddddddddddddddddddddddddddddd" /* the database is away */

/* Starts it, with these settings besides its own (the config file's syntax). Once. */
void lone_start(const char *settings);

/* A client's socket. */
int lone_connect(void);
void lone_send(int fd, const void *bytes, size_t len);

/* Turns the loop until nothing more comes of it, and appends what has come to this client. False: the
 * stream has ended. */
bool lone_hear(int fd, struct buf *in);

/* The client says no more, but hears. */
void lone_end(int fd);

/* Closes a client's end. */
void lone_close(int fd);

/* All clients are gone: sees that the worker has let go of them, and takes back what was said. */
void lone_forget(void);

#endif
