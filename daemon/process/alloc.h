/*
 * memory: what the libraries allocate. Where there is none the process ends, as it does where our
 * own small allocations fail, and the master starts another.
 *
 * Owns: nothing. Knows nothing of: who allocates.
 *
 * libevent goes on without: it drops a header or the rest of a body, leaves an event out, or answers
 * 400 to a good request. cJSON cannot tell want of memory from bad JSON. OpenSSL 3.0 may go by a
 * NULL. In each case somebody is told what is not so, or waits for ever. libpq takes no allocator
 * and needs none: it fails the statement or the connection, and db looks at that.
 *
 * Tokens and passwords come in through libevent's buffers and cJSON's texts: what these two free is
 * overwritten first (secret.h). OpenSSL does so by itself where it matters.
 */
#ifndef PARLEY_ALLOC_H
#define PARLEY_ALLOC_H

/* Gives libevent, cJSON and OpenSSL their allocator: before anything of theirs is used, once. */
void alloc_install_hooks(void);

#endif
