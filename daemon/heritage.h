/*
 * heritage: everything a worker or the hasher inherits over the fork.
 *
 * Owns: nothing; the master fills it, a child only reads it. Knows nothing of: what the parts do.
 *
 *	master -- fork --> worker 0..n-1   slot = index, stable; incarnation new at each fork
 *	       `- fork --> hasher          slot = n
 *
 * Whatever is shared between processes is keyed by slot and incarnation.
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

struct heritage {
	const struct conf *conf; /* as it was at the fork */
	/* memfd with the config as last reloaded, read at SIGHUP; all share its offset: pread(2) */
	int conf_fd;
	const int *listen_fds; /* non-blocking, shared by all workers */
	size_t n_listen;
	struct ring *ring;
	struct stats *stats;
	struct presence *presence;
	int master_fd; /* end of a pipe nobody writes to: readable (EOF) once the master is dead */
	const int *hasher_fds; /* the workers' ends, SOCK_SEQPACKET, by slot; others' are closed */
	const int *hasher_ends; /* the hasher's ends, by slot; closed in a worker */
	unsigned n_slots; /* workers */
	unsigned slot;
	uint32_t incarnation; /* counts forks of the whole daemon, from 1 */
};

#endif
