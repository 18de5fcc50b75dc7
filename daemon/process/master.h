/*
 * master: opens what the processes share, forks the children, reaps and replaces them, forwards signals.
 *
 * Owns: pid file, status file, listeners, shared memory, children. Knows nothing of: HTTP, SQL.
 *
 * SIGTERM, SIGINT: stop; children that have not exited after 15 s are killed.
 * SIGHUP: reopen the log and read the configuration again. It is rejected as a whole if it has an error or changes a
 * setting that needs a restart. The status file has the outcome (common/stats).
 *
 * If $NOTIFY_SOCKET is set, the service manager is notified: READY=1 when the first worker accepts connections,
 * RELOADING=1, STOPPING=1 (sd_notify(3)).
 */
#ifndef PARLEY_MASTER_H
#define PARLEY_MASTER_H

#include <stdbool.h>

#include "common/conf.h"

/*
 * Runs the daemon until it is stopped. main() blocks SIGHUP before it reads the configuration, so that a reload does
 * not end a daemon that is starting.
 *   conf_path   file that conf was read from; read again at SIGHUP
 *   conf        settings in force; freed here
 *   foreground  false to continue in a background process: the caller's process returns when that has opened
 *               everything, or has failed; errors until then go to stderr
 * Returns the exit code: 0 if it was stopped or now runs in the background, 1 if it could not start or the database
 * cannot be used.
 */
int master_run(const char *conf_path, struct conf *conf, bool foreground);

#endif
