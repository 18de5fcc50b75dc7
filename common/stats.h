/*
 * stats: the status file. It has the counters and the state of each worker and of the last reload, and is mapped by the
 * master, the workers and the programs that read it.
 *
 * Owns: the mapping. Knows nothing of: who counts what.
 *
 * The file is beside the pid file, with the suffix .status instead of .pid. A reader needs no answer from the daemon
 * (as varnishstat reads Varnish's shared memory). Each slot is written by its own worker, except for alive, pid and
 * incarnation, which the master writes. The master also sets connections, sockets and serving to 0 when a worker starts
 * or dies.
 */
#ifndef PARLEY_STATS_H
#define PARLEY_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define STATS_MAGIC 0x346c7270u /* change it with the layout below */
#define STATS_ERROR_SIZE 512

struct stats_slot {
	_Atomic uint32_t alive; /* 1 from the fork until the worker is reaped */
	_Atomic uint32_t pid;
	_Atomic uint32_t incarnation;
	_Atomic uint32_t serving; /* 1 if it accepts connections */
	_Atomic uint32_t connections; /* open now, HTTP and WebSocket */
	_Atomic uint32_t sockets; /* authenticated WebSockets, open now */
#define COUNTER(name, help) _Atomic uint64_t name;
#include "common/stats.def"
#undef COUNTER
} __attribute__((aligned(64)));

struct stats {
	uint32_t magic;
	uint32_t n_slots;
	_Atomic uint32_t master_pid;
	_Atomic uint32_t hasher_pid, indexer_pid; /* 0 if it is not running */
	int64_t started_wall_ms;
	_Atomic uint32_t reloads_started,
		reloads_finished; /* totals; they differ during a reload */
	/* The index of search, as the indexer has measured it last. */
	_Atomic uint32_t search_ready; /* 1 if searches are answered */
	_Atomic uint32_t search_percent; /* of the messages that are indexed */
	_Atomic uint64_t search_behind; /* changes that are not indexed */
	/* The epoch of the database, and the last transaction that was committed in it: see store_epoch.c. */
	_Atomic uint64_t epoch, epoch_xid;
	char reload_error
		[STATS_ERROR_SIZE]; /* of the last finished reload; "" if it was accepted */
	struct stats_slot slots[];
};

/* Adds n to a counter of the caller's own slot. It has one writer, so that no locked instruction is needed. */
#define STATS_ADD(slot, name, n)                                                 \
	atomic_store_explicit(&(slot)->name,                                     \
		atomic_load_explicit(&(slot)->name, memory_order_relaxed) + (n), \
		memory_order_relaxed)

/* Appends the path of the status file that belongs to a pid file. */
void stats_path(struct buf *out, const char *pid_file);

/*
 * Creates the file (mode 0644) and maps it until the process ends. An existing file is replaced by a new one, so that
 * a reader of the former is not disturbed. The blocks are allocated here: a full disk is an error of this call and not
 * a SIGBUS in a worker.
 *   path     of the status file
 *   n_slots  number of workers, from 1
 * Returns the mapping, all zero except magic, n_slots, master_pid (the caller) and started_wall_ms; NULL with errno of
 * open(2), posix_fallocate(3), mmap(2) or rename(2).
 */
struct stats *stats_create(const char *path, unsigned n_slots);

/* Maps an existing file for reading. Returns NULL with errno of open(2) or mmap(2); EPROTO if its layout differs. */
const struct stats *stats_open(const char *path);

/*
 * The master calls these at the start and the end of each reload.
 *   error  why the reload was rejected, "" if it was accepted; copied, cut at STATS_ERROR_SIZE - 1 bytes
 */
void stats_reload_start(struct stats *s);
void stats_reload_finish(struct stats *s, const char *error);

/*
 * Appends the JSON of `parleyctl status --json`: {"master_pid":N,"uptime_seconds":N,"hasher_pid":N,
 * "indexer_pid":N,"search":{"ready":bool,"percent":N,"behind":N},"workers":[{"slot","pid","alive":bool,"incarnation","connections","sockets", every counter}]}.
 */
void stats_put_json(struct buf *out, const struct stats *s);

#endif
