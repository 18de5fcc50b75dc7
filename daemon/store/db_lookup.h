/*
 * db_lookup: the look-up of a host name, in a thread, so that the event loop does not wait for a name server.
 *
 * Owns: the thread and its result. Knows nothing of: libpq, hosts and ports.
 *
 * getaddrinfo(3) blocks, and cannot be cancelled. It is called all the same, because only it follows nsswitch.conf(5) as
 * every other program on the host does. A look-up that is given up is freed by its thread.
 */
#ifndef PARLEY_DB_LOOKUP_H
#define PARLEY_DB_LOOKUP_H

#include <stddef.h>

#define DB_LOOKUP_ADDRESSES_MAX 16
#define DB_LOOKUP_ADDRESS_SIZE 64 /* an IPv6 address with its scope */

struct db_lookup;

/* The addresses of a name as text, in the order of getaddrinfo. */
struct db_lookup_result {
	int error; /* EAI_…; 0 if there is an address */
	size_t n;
	char address[DB_LOOKUP_ADDRESSES_MAX][DB_LOOKUP_ADDRESS_SIZE];
};

/* Starts to look up a name, which is copied. Returns NULL with errno of eventfd(2) or pthread_create(3). */
struct db_lookup *db_lookup_start(const char *name);

/* Returns a descriptor that is readable when the result is there; it is closed by db_lookup_free. */
int db_lookup_fd(const struct db_lookup *l);

/* Returns the result, valid until db_lookup_free; NULL while it is not there. Does not block. */
const struct db_lookup_result *db_lookup_result(const struct db_lookup *l);

/* Gives up the look-up, or frees its result. l: may be NULL. */
void db_lookup_free(struct db_lookup *l);

#endif
