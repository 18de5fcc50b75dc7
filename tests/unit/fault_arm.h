/*
 * fault_arm: arms a fault point (fault.h) of this process and of children that it forks later.
 *
 * Owns: the file of the newest order. It has no name and ends with the process.
 */
#ifndef PARLEY_FAULT_ARM_H
#define PARLEY_FAULT_ARM_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Replaces the order before it.
 *   how  the signal to the process that is the nth to reach the point from now on: "kill" or "stop"
 */
static inline void fault_arm(const char *point, const char *how, unsigned nth)
{
	static int fd = -1;
	char path[64];

	if (fd >= 0)
		close(fd);
	fd = memfd_create("parley-faults", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(dprintf(fd, "%s %s %u\n", point, how, nth), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	setenv("PARLEY_FAULTS", path, 1);
}

#endif
