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

/* Returns the process that holds the lock, 0 if there is none. */
static pid_t owner_of(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK ? whole.l_pid : 0;
}

/* Locks the whole file. Returns false with errno; with EAGAIN, *owner is the process that holds the lock. */
static bool lock(int fd, pid_t *owner)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return true;
	if (errno != EAGAIN && errno != EACCES)
		return false;
	*owner = owner_of(fd);
	errno = EAGAIN;
	return false;
}

int pidfile_open(const char *path, pid_t *owner)
{
	int fd, error;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return -1;
		if (!lock(fd, owner))
			break;
		if (is_current(path, fd)) {
			if (fchmod(fd, 0644) == 0 && ftruncate(fd, 0) == 0 &&
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
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t owner;

	if (fd < 0)
		return 0;
	owner = owner_of(fd);
	close(fd);
	return owner;
}
