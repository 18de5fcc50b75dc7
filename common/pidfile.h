/*
 * pidfile: one master at a time for each pid file.
 *
 * Owns: the file and the lock on it. Knows nothing of: what the process does.
 *
 * The lock is a POSIX record lock (fcntl(2), F_SETLK), since children inherit those of flock(2) and
 * would keep a dead master's.
 */
#ifndef PARLEY_PIDFILE_H
#define PARLEY_PIDFILE_H

#include <sys/types.h>

/*
 * Creates path (0644) or takes over what a dead process left, locks it and writes this process's id
 * into it. To be called by the process that stays, as a fork loses the lock. Returns the fd, which
 * must stay open and path not be opened a second time; or -1 with errno: EAGAIN with *owner, the
 * process that runs, or those of open(2), fcntl(2) and write(2).
 */
int pidfile_open(const char *path, pid_t *owner);

/* Removes the file and lets the lock go. */
void pidfile_close(const char *path, int fd);

/*
 * For other programs: the process that holds path's lock now, or 0 where none does or there is no
 * such file. What is written in the file is not asked, so one that a crash left behind deceives
 * nobody.
 */
pid_t pidfile_owner(const char *path);

#endif
