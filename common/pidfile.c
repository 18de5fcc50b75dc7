#include "common/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* True if path still names the open file, which its former owner may have removed since. */
static bool is_current(const char *path, int fd)
{
	struct stat named, opened;

	return stat(path, &named) == 0 && fstat(fd, &opened) == 0 &&
		named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

/* Returns the process that holds a lock, 0 if there is none. *exclusive: whether it is the lock of pidfile_open. */
static pid_t owner_of(int fd, bool *exclusive)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool locked = fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;

	*exclusive = whole.l_type == F_WRLCK;
	return locked ? whole.l_pid : 0;
}

/* Locks the whole file. Returns false with errno; with EAGAIN, *owner is the process that holds the lock. */
static bool lock(int fd, pid_t *owner)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool exclusive;

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return true;
	if (errno != EAGAIN && errno != EACCES)
		return false;
	*owner = owner_of(fd, &exclusive);
	errno = EAGAIN;
	return false;
}

int pidfile_open(const char *path, pid_t *owner)
{
	int fd, error;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -1;
		if (!lock(fd, owner))
			break;
		if (is_current(path, fd)) {
			if (fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 &&
				dprintf(fd, "%ld\n", (long)getpid()) > 0)
				return fd;
			break;
		}
		close(fd);
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

void pidfile_close(const char *path, int fd)
{
	unlink(path); /* while it is locked; afterwards it could be a successor's */
	close(fd);
}

pid_t pidfile_owner(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool exclusive;
	pid_t owner;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	owner = owner_of(fd, &exclusive);
	close(fd);
	return exclusive ? owner : 0;
}
