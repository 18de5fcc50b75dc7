/*
 * fault: named points in the code at which a test can kill or stop the process.
 *
 * Owns: nothing. Knows nothing of: the tests.
 *
 * FAULT("publish.copied") is empty unless compiled with -DPARLEY_FAULTS, as the program parleyd-faults and builds with
 * --enable-faults are. Then the environment variable PARLEY_FAULTS names a file with at most one order:
 *
 *	publish.copied kill 3     SIGKILL to the third process that reaches the point
 *	publish.copied stop 1     SIGSTOP to the first one
 *
 * The order is executed once; the process replaces it by "struck PID". The file is read at each point, so that a test
 * can write an order at any time, while it holds the file's flock(2).
 */
#ifndef PARLEY_FAULT_H
#define PARLEY_FAULT_H

#ifndef PARLEY_FAULTS
#define FAULT(name) ((void)0)
#else
#define FAULT(name) fault_point(name)

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Returns the signal of an order for this point and sets *nth to its count; 0 if there is none. */
static inline int fault_order(int fd, const char *name, unsigned long *nth)
{
	char text[128], point[64], how[8];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	if (sscanf(text, "%63s %7s %lu", point, how, nth) != 3 || strcmp(point, name) != 0)
		return 0;
	return strcmp(how, "stop") == 0 ? SIGSTOP : SIGKILL;
}

/* Counts this process down. Returns the signal if its count is reached, else 0. */
static inline int fault_take(int fd, const char *name)
{
	char text[128];
	unsigned long nth;
	int number, len;

	if (!fault_order(fd, name, &nth) || flock(fd, LOCK_EX) != 0)
		return 0;
	number = fault_order(fd, name, &nth); /* another process may have changed it */
	if (number && nth > 1)
		len = snprintf(text, sizeof(text), "%s %s %lu\n", name,
			number == SIGSTOP ? "stop" : "kill", nth - 1);
	else
		len = snprintf(text, sizeof(text), "struck %ld\n", (long)getpid());
	if (number && (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len))
		abort();
	flock(fd, LOCK_UN);
	return number && nth <= 1 ? number : 0;
}

static inline void fault_point(const char *name)
{
	const char *path = getenv("PARLEY_FAULTS");
	int error = errno, number = 0;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd >= 0) {
		number = fault_take(fd, name);
		close(fd);
	}
	if (number)
		kill(getpid(), number);
	errno = error;
}
#endif

#endif
