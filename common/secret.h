/*
 * secret: overwrites memory that held a secret before it is freed.
 *
 * Owns: nothing. Knows nothing of: what is secret.
 *
 * On its way from the socket to its hash, a password or a token is copied by several libraries. What they free is
 * overwritten here, so that a secret does not remain in memory after its request. Not covered: a first WebSocket frame
 * that arrives in fragments, which are kept in buffers of our own.
 */
#ifndef PARLEY_SECRET_H
#define PARLEY_SECRET_H

#include <stddef.h>

/* Overwrites len bytes; the compiler does not optimize the call away. bytes may be NULL if len is 0. */
void secret_wipe(void *bytes, size_t len);

/*
 * Replacements of free(3) and realloc(3) for a library that accepts an allocator. They overwrite what they free.
 *   memory  from malloc, calloc, realloc or secret_realloc; may be NULL
 *   size    in bytes; memory is returned unchanged if it is not smaller than that
 * secret_realloc returns NULL if memory is exhausted; memory is then still valid.
 */
void secret_free(void *memory);
void *secret_realloc(void *memory, size_t size);

#endif
