/*
 * master_private: what the files of the master share.
 *
 *	master.c            the loop: signals, reload, stop
 *	master_open.c       opens and closes what the processes share
 *	master_children.c   forks, reaps and replaces the children
 */
#ifndef PARLEY_MASTER_PRIVATE_H
#define PARLEY_MASTER_PRIVATE_H

#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/conf.h"
#include "heritage.h"

#define MASTER_NEVER INT64_MAX

/* Ordered: children_signal reaches a kind and those after it. */
enum child_kind { CHILD_MIGRATOR, CHILD_HASHER, CHILD_INDEXER, CHILD_WORKER };

/* Times are those of clock_mono_ms. */
struct child {
	enum child_kind kind;
	unsigned slot; /* of a worker */
	pid_t pid; /* 0 if it is not running */
	int64_t started_ms;
	int64_t start_at_ms; /* when to fork it; MASTER_NEVER */
	int64_t delay_ms; /* before its next start; doubled each time it dies early */
};

struct master {
	char *conf_path;
	struct conf *conf;
	struct heritage heritage;
	int *listen_fds;
	int hasher_fds[HERITAGE_SLOTS_MAX], hasher_ends[HERITAGE_SLOTS_MAX];
	int life_fd; /* write end of heritage.master_fd; closed in every child */
	int pid_fd; /* -1 until it is open */
	struct buf status_path;
	struct passwd *user; /* account of the children; NULL: the master's own */
	struct child children[HERITAGE_SLOTS_MAX + 3];
	unsigned n_children;
	bool notified_ready; /* true if READY=1 was sent or is not wanted */
	bool stopping;
	int64_t kill_at_ms; /* when children that have not stopped are killed */
	int exit_code;
};

/* --- master_open.c --- */

/*
 * Opens the pid file, listeners, shared memory, channels and the log, and fills in the heritage. Returns false if
 * one of them fails; the reason is logged.
 */
bool master_open(struct master *m);

/* Removes the pid file and the status file and frees memory, also after a failed master_open. */
void master_close(struct master *m);

/* Writes the settings in force to the memfd of which the workers read them. Returns false with errno. */
bool master_publish_conf(struct master *m);

/* Gives the log file to the account of the children, which reopen it. */
void master_chown_log(const struct master *m);

/* Allows or forbids core dumps and tracing of this process by the setting core_dumps. */
void master_set_dumpable(const struct conf *conf);

/* --- master_children.c --- */

/* Adds the migrator, the hasher, the indexer and the workers, to be started by children_start_due. */
void children_init(struct master *m);

/* Forks the children whose time has come. */
void children_start_due(struct master *m);

/* Reaps children and schedules their replacement. Returns false if the migrator has rejected the database. */
bool children_reap(struct master *m);

/* Sends a signal to all running children of a kind and of those after it. */
void children_signal(const struct master *m, enum child_kind first, int number);

/* Asks all children to stop. */
void children_stop(struct master *m);

/* True if a child is running. */
bool children_any(const struct master *m);

/* True if a worker accepts connections. */
bool children_serving(const struct master *m);

/* The time at which the next child is to be started; MASTER_NEVER. */
int64_t children_next_start_ms(const struct master *m);

#endif
