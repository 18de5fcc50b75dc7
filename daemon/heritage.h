/*
 * heritage: everything that a worker, the hasher and the indexer inherit from the master over fork(2).
 *
 * Owns: nothing. The master fills it in; a child only reads it. Knows nothing of: how the parts work.
 *
 *	master -- fork --> worker 0..n-1   slot = index, the same for its replacement
 *	       |- fork --> hasher          slot = n
 *	       `- fork --> indexer         slot = n + 1
 *
 * What the processes share is keyed by slot and incarnation; an incarnation is never used twice.
 */
#ifndef PARLEY_HERITAGE_H
#define PARLEY_HERITAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"

struct presence;
struct ring;
struct stats;

#define HERITAGE_SLOTS_MAX 64

/* clang-format off */
struct heritage {
	const struct conf *conf; /* in force at the fork */
	int conf_fd;             /* memfd with the settings of the last reload; its offset is shared: use pread(2) */
	const int *listen_fds;   /* non-blocking, shared by all workers */
	size_t n_listen;
	struct ring *ring;
	struct stats *stats;
	struct presence *presence;
	int master_fd;           /* read end of a pipe without writers but the master: EOF means that it is dead */
	int schema_fd;           /* eventfd: readable once the migrator has brought the schema up to date */
	const int *hasher_fds;   /* SOCK_SEQPACKET to the hasher, by slot; a worker has only its own open */
	const int *hasher_ends;  /* the hasher's ends, by slot; open in the hasher only */
	unsigned n_slots;        /* number of workers */
	unsigned slot;
	uint32_t incarnation;    /* number of forks of this daemon up to this one, from 1 */
};
/* clang-format on */

#endif
