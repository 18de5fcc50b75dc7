/*
 * worker_harness_private: shared by the files of worker_harness.
 *
 *   worker_harness.c         the worker, and the sockets of its clients
 *   worker_harness_store.c   the replacements for database and hasher
 */
#ifndef PARLEY_FUZZ_WORKER_HARNESS_PRIVATE_H
#define PARLEY_FUZZ_WORKER_HARNESS_PRIVATE_H

#include <event2/event.h>

extern struct event_base *harness_base; /* the worker's loop */

/* Reports a connected database to the worker, which starts to serve. */
void harness_store_connected(void);

/* Discards all messages. */
void harness_store_reset(void);

#endif
