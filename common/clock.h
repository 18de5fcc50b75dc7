/*
 * clock: the time of day, the steady clock, and RFC 3339.
 *
 * Owns: nothing. Knows nothing of: events, timers.
 */
#ifndef PARLEY_CLOCK_H
#define PARLEY_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Milliseconds of CLOCK_MONOTONIC: the same in all processes of this boot; never jumps with the
 * wall clock.
 */
int64_t clock_mono_ms(void);

/* Milliseconds since the Unix epoch, CLOCK_REALTIME. */
int64_t clock_wall_ms(void);

/*
 * Writes `2026-11-22T10:15:00.123Z` (RFC 3339, UTC, ms), NUL-terminated. Years 0000..9999, all that
 * the format can write; a time beyond is written as the nearest that it can.
 */
#define CLOCK_RFC3339_SIZE 25
void clock_rfc3339(char out[CLOCK_RFC3339_SIZE], int64_t wall_ms);

#endif
