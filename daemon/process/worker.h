/*
 * worker: a process with one event loop. All parts of the daemon that it runs are created and connected here.
 *
 * Owns: the loop and the parts. Knows nothing of: other workers, which it reaches through the ring only.
 */
#ifndef PARLEY_WORKER_H
#define PARLEY_WORKER_H

#include "heritage.h"

/*
 * The life of a worker, in the child process. Ends at SIGTERM or the death of the master, after what is in flight is
 * done. SIGHUP: reopen the log and read the settings from h->conf_fd. SIGUSR1: another worker has died; reconcile with
 * the database. Both are blocked in the caller and unblocked here when their handlers are installed. SIGINT and SIGPIPE
 * are ignored.
 *   h  filled in by the master; read only
 * Returns the exit status.
 */
int worker_run(const struct heritage *h);

#endif
