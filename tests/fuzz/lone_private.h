/*
 * lone_private: what the files of lone share.
 *
 *   lone.c         the worker, and a client's side
 *   lone_store.c   what it asks of others
 */
#ifndef PARLEY_FUZZ_LONE_PRIVATE_H
#define PARLEY_FUZZ_LONE_PRIVATE_H

#include <event2/event.h>

extern struct event_base *lone_base; /* the worker's loop */

/* The worker hears that the database is there, and begins to serve. */
void lone_store_ready(void);

/* Nothing has been said. */
void lone_store_forget(void);

#endif
