/*
 * fuzz: the interface of fuzz targets, and their assertion.
 *
 * Owns: nothing. Knows nothing of: any target.
 *
 * A target is one function LLVMFuzzerTestOneInput. It is called by libFuzzer in the build of
 * `make fuzz` (campaign.py), and by replay.c in `make check`.
 */
#ifndef PARLEY_FUZZ_H
#define PARLEY_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Optional: called once before the first input. Returns 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* An assertion that is active in every build. */
#define MUST(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

#endif
