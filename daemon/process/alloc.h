/*
 * alloc: the allocators of the libraries. If memory is exhausted, the process exits, as with our own small
 * allocations (common/xalloc), and the master starts another.
 *
 * Owns: nothing. Knows nothing of: what is allocated.
 *
 * The libraries do not all report a failed allocation: libevent drops a header, the rest of a body or an event, or
 * answers 400 to a valid request; cJSON does not distinguish it from invalid JSON; OpenSSL 3.0 may dereference NULL.
 * libpq needs no hook: it fails the statement or the connection, which store/db handles.
 *
 * Tokens and passwords pass through the buffers of libevent and the texts of cJSON, so what these free is overwritten
 * first (common/secret). OpenSSL overwrites its own secrets.
 */
#ifndef PARLEY_ALLOC_H
#define PARLEY_ALLOC_H

/* Sets the allocators of libevent, cJSON and OpenSSL. Call once, before any other function of theirs. */
void alloc_install_hooks(void);

#endif
