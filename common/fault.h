/*
 * fault: named points in the code at which a test may have the process killed or stopped.
 *
 * Owns: nothing. Knows nothing of: what is being tested.
 *
 * FAULT("publish.copied") costs nothing unless built with -DPARLEY_FAULTS (configure
 * --enable-faults). Then the environment says where to strike:
 *	PARLEY_FAULT=NAME:kill[:NTH]    SIGKILL to this process at the NTH time (1) it gets there
 *	PARLEY_FAULT=NAME:stop[:NTH]    SIGSTOP likewise
 *	PARLEY_FAULT_LATCH=FILE         strike only who can create FILE: one process, once, and not
 *	                                also every successor of the one that was struck
 * The environment is read anew at each point, so a test may set it after a fork. Times are
 * counted in each source file of each process.
 */
#ifndef PARLEY_FAULT_H
#define PARLEY_FAULT_H

#ifndef PARLEY_FAULTS
#define FAULT(name) ((void)0)
#else
#define FAULT(name) fault_hit(name)

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether this process is the one to be struck. */
static inline int fault_latch(void)
{
	const char *latch = getenv("PARLEY_FAULT_LATCH");
	int fd;

	if (!latch)
		return 1;
	fd = open(latch, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

/* The point `name` is reached: counts, and strikes if the environment says so. */
static inline void fault_hit(const char *name)
{
	static unsigned long hits;
	const char *spec = getenv("PARLEY_FAULT");
	size_t len = strlen(name);
	const char *nth;

	if (!spec || strncmp(spec, name, len) != 0 || spec[len] != ':')
		return;
	spec += len + 1;
	nth = strchr(spec, ':');
	if (++hits != (nth ? strtoul(nth + 1, NULL, 10) : 1) || !fault_latch())
		return;
	kill(getpid(), strncmp(spec, "stop", 4) == 0 ? SIGSTOP : SIGKILL);
}
#endif

#endif
