/*
 * stats: counters and liveness of each worker, in a small file mapped by all of them.
 *
 * Owns: the mapping. Knows nothing of: who counts what.
 *
 * The file stands beside the pid file (its .pid replaced by .status, else .status appended), so
 * that parleyctl reads a running daemon without asking it anything, as varnishstat does with
 * Varnish's shared memory. Each slot is written by its own worker only, but for alive, pid and
 * incarnation, which are the master's; the master also sets connections and sockets to 0 before it
 * forks.
 */
#ifndef PARLEY_STATS_H
#define PARLEY_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define STATS_MAGIC 0x316c7270u /* changes with the layout below */

struct stats_slot {
	_Atomic uint32_t alive; /* set at the fork, cleared when the child is reaped */
	_Atomic uint32_t pid;
	_Atomic uint32_t incarnation;
	_Atomic uint32_t connections; /* HTTP and WebSocket, now; kept by listen */
	_Atomic uint32_t sockets; /* authenticated WebSockets, now */
#define COUNTER(name, help) _Atomic uint64_t name;
#include "common/stats.def"
#undef COUNTER
} __attribute__((aligned(64)));

struct stats {
	uint32_t magic;
	uint32_t n_slots;
	_Atomic uint32_t master_pid;
	_Atomic uint32_t hasher_pid; /* 0 while there is none */
	int64_t started_wall_ms;
	struct stats_slot slots[];
};

/* Only its owner writes a counter: a plain add without a locked instruction. */
#define STATS_ADD(slot, name, n)                                                 \
	atomic_store_explicit(&(slot)->name,                                     \
		atomic_load_explicit(&(slot)->name, memory_order_relaxed) + (n), \
		memory_order_relaxed)

/* Appends the path of the status file that belongs to a pid file. */
void stats_path(struct buf *out, const char *pid_file);

/*
 * Creates the file afresh (0644, a new inode, so that a reader of the old one is not disturbed) and
 * maps it shared, for the life of the process; all zero but magic, n_slots, master_pid (the
 * caller's) and started_wall_ms (now). Its blocks are allocated now: a full disk is met here and
 * not by a worker. n_slots: from 1. NULL and errno of open(2), posix_fallocate(3), mmap(2),
 * rename(2).
 */
struct stats *stats_create(const char *path, unsigned n_slots);

/*
 * Maps an existing file to read; NULL and errno of open(2), mmap(2), or EPROTO: not of this
 * version.
 */
const struct stats *stats_open(const char *path);

/*
 * Appends the JSON of `parleyctl status --json`: {"master_pid":N,"uptime_seconds":N,"hasher_pid":N,
 * "workers":[{"slot","pid","alive":bool,"incarnation","connections","sockets", every counter}]}.
 */
void stats_put_json(struct buf *out, const struct stats *s);

#endif
