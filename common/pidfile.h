/*
 * pidfile: a pid file with a lock, so that one master runs per pid file.
 *
 * Owns: the file and its lock. Knows nothing of: what the process does.
 *
 * The lock is a POSIX record lock (fcntl(2), F_SETLK): children inherit locks of flock(2), and would keep that of a
 * dead master. Only the file's owner may open it: everyone who may read a file may hold a shared lock on it, which would
 * prevent a start.
 */
#ifndef PARLEY_PIDFILE_H
#define PARLEY_PIDFILE_H

#include <sys/types.h>

/*
 * Creates and locks the file, and writes this process's id into it. A file of a dead process is reused. Call it in the
 * process that keeps running, since fork(2) does not inherit the lock.
 *   path   created with mode 0600; must not be opened again by this process, which would release the lock on close
 *   owner  set if another process runs (EAGAIN)
 * Returns the fd, which stays open; or -1 with errno: EAGAIN, or those of open(2), fcntl(2) and write(2).
 */
int pidfile_open(const char *path, pid_t *owner);

/* Removes the file and releases the lock. */
void pidfile_close(const char *path, int fd);

/*
 * Returns the process that holds the lock of pidfile_open on path, 0 if there is none or no such file, -1 with errno of
 * open(2) otherwise. The content of the file is not used, since a crashed process leaves its file behind; nor is the
 * holder of a shared lock, which needs only permission to read.
 */
pid_t pidfile_owner(const char *path);

#endif
