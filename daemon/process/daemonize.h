/*
 * detach: leaving the terminal and the shell that started the daemon.
 *
 * Owns: the pipe between the two processes. Knows nothing of: what the daemon is.
 */
#ifndef PARLEY_DAEMONIZE_H
#define PARLEY_DAEMONIZE_H

#include <stdbool.h>

/*
 * Forks. In the child: starts a session of its own and returns an fd for daemonize_finish; errors may
 * still be said on stderr. In the parent: waits until the child has called daemonize_finish or has
 * exited, and returns -1 with *exit_code, 0 or the child's. -1 with 1 too where there is no
 * process.
 */
int daemonize_begin(int *exit_code);

/*
 * The child is up: stdin, stdout and, unless keep_stderr, stderr become /dev/null, and the parent
 * is let go. The working directory stays, as paths in the config may start there.
 */
void daemonize_finish(int fd, bool keep_stderr);

#endif
