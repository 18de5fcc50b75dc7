/*
 * xalloc: allocation of what is small and of a fixed or bounded size. A failure ends the process with a log line;
 * the master starts another.
 *
 * Owns: nothing. Knows nothing of: who allocates.
 *
 * What a peer can size is checked against a limit of the contract before it is allocated.
 */
#ifndef PARLEY_XALLOC_H
#define PARLEY_XALLOC_H

#include <stddef.h>

/* As malloc(3), calloc(3) and reallocarray(3); never NULL, not for 0 bytes either. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/* A copy of text, or of len bytes; the caller frees it. */
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *bytes, size_t len) __attribute__((malloc, returns_nonnull));

/*
 * Makes room for one more element in an array of n elements that has room for *cap, by doubling it.
 *   array  the array, of elements of this size in bytes; NULL if *cap is 0
 * Returns the array, which may have moved.
 */
void *xgrow(void *array, size_t n, size_t *cap, size_t size) __attribute__((returns_nonnull));

#endif
