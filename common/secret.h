/*
 * secret: memory that held a secret is wiped before it is given back.
 *
 * Owns: nothing. Knows nothing of: what is secret.
 *
 * A password or a token passes through many hands on its way from the socket to its hash, and most
 * of them are libraries'. What they free is overwritten here, so that hardly a secret outlives its
 * request in this process: not in a core, not for whoever finds a way to read freed memory. Not
 * covered: a first frame that comes in pieces, whose parts lie in buffers of our own.
 */
#ifndef PARLEY_SECRET_H
#define PARLEY_SECRET_H

#include <stddef.h>

/* Overwrites len bytes, which no compiler takes for useless. bytes may be NULL where len is 0. */
void secret_wipe(void *bytes, size_t len);

/*
 * For a library that can be told how to allocate (event_set_mem_functions): with malloc(3), these
 * are free(3) and realloc(3), but what is given back is overwritten, all of it, and a smaller size
 * than there is changes nothing. memory may be NULL, and may come from plain malloc, calloc or
 * realloc. secret_realloc returns NULL, and leaves memory as it was, where there is none left.
 */
void secret_free(void *memory);
void *secret_realloc(void *memory, size_t size);

#endif
