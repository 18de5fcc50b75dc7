/*
 * fault_give: orders for this process' own fault points (fault.h), and those of its children to come.
 *
 * Owns: the file of the newest order, which has no name and ends with the process.
 */
#ifndef PARLEY_FAULT_GIVE_H
#define PARLEY_FAULT_GIVE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whoever is the nth to get to the point from now on is struck; how: "kill" or "stop". */
static inline void fault_give(const char *point, const char *how, unsigned nth)
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
