/*
 * fault_give: gives orders to the fault points (common/fault.h) of this process and its later children.
 *
 * Owns: the memfd of the last order.
 */
#ifndef PARLEY_FAULT_GIVE_H
#define PARLEY_FAULT_GIVE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h> /* memfd_create: with _GNU_SOURCE */
#include <unistd.h>

/* The nth process that reaches the point from now on is killed or stopped. how: "kill" or "stop". */
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
