/*
 * xalloc: allocation of small objects. If memory is exhausted, the process logs it and exits, and the master starts
 * another.
 *
 * Owns: nothing. Knows nothing of: what is allocated.
 *
 * The caller checks a size that a peer chooses against a limit before it allocates.
 */
#ifndef PARLEY_XALLOC_H
#define PARLEY_XALLOC_H

#include <stddef.h>

/* As malloc(3), calloc(3) and reallocarray(3), but never return NULL, also for 0 bytes. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/* Return a copy of text, or of len bytes, to be freed by the caller. */
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *bytes, size_t len) __attribute__((malloc, returns_nonnull));

/*
 * Makes room for one more element in an array, by doubling it.
 *   array  NULL if *cap is 0
 *   n      elements in use
 *   cap    elements allocated; updated
 *   size   of an element, in bytes
 * Returns the array, which may have moved.
 */
void *xgrow(void *array, size_t n, size_t *cap, size_t size) __attribute__((returns_nonnull));

#endif
