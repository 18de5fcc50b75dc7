/*
 * daemonize: moves the daemon to the background and reports to the starting command whether it came up.
 *
 * Owns: the pipe between the two processes. Knows nothing of: what the daemon does.
 */
#ifndef PARLEY_DAEMONIZE_H
#define PARLEY_DAEMONIZE_H

#include <stdbool.h>

/*
 * Forks. The child starts a new session and keeps stderr for errors of its start-up. The parent waits until the child
 * has called daemonize_finish or has exited.
 *   exit_code  set in the parent: 0 if the child came up, else the child's exit status, or 1
 * Returns an fd for daemonize_finish in the child; -1 in the parent, and if there is no child.
 */
int daemonize_begin(int *exit_code);

/*
 * Lets the parent exit with 0 and redirects stdin, stdout and stderr to /dev/null. The working directory stays the
 * same, since paths in the configuration may be relative to it.
 *   fd           from daemonize_begin; closed
 *   keep_stderr  true if stderr is the log target
 */
void daemonize_finish(int fd, bool keep_stderr);

#endif
