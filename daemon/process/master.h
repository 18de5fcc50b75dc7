/*
 * master: opens what is shared, forks, reaps, passes signals on. Serves nobody, knows no database.
 *
 * Owns: pid file, status file, listeners, ring, tables, children. Knows nothing of: HTTP, SQL.
 *
 * SIGTERM, SIGINT: stop; the children have 15 s to finish what is in flight. SIGHUP: open the log
 * anew and read the config anew: one with an error, or with another value for a setting that needs
 * a restart, is refused as a whole and the old one stays.
 */
#ifndef PARLEY_MASTER_H
#define PARLEY_MASTER_H

#include <stdbool.h>

#include "common/conf.h"

/*
 * Runs until it is told to stop. conf_path: what conf was read from, read again at SIGHUP; conf:
 * handed over. foreground false: the caller's process only waits until another, which leaves the
 * terminal, has opened all it needs; errors up to then are said on stderr, which stays open where
 * it is log_target. Returns the exit code: 0 stopped (or, not in the foreground, started), 1 could
 * not start or the database is not for this program (said on the log).
 */
int master_run(const char *conf_path, struct conf *conf, bool foreground);

#endif
