/*
 * fuzz: what all targets share.
 *
 * Owns: nothing. Knows nothing of: any target.
 *
 * A target is one LLVMFuzzerTestOneInput. libFuzzer calls it in the build of `make fuzz`
 * (campaign.py), replay.c in `make check`.
 */
#ifndef PARLEY_FUZZ_H
#define PARLEY_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Called once before the first input, where a target has it. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What must hold, in every build. */
#define MUST(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

#endif
