/*
 * clock: the monotonic and the wall clock in milliseconds, and RFC 3339.
 *
 * Owns: nothing. Knows nothing of: events, timers.
 */
#ifndef PARLEY_CLOCK_H
#define PARLEY_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC, which is the same in all processes and does not jump with the wall clock. */
int64_t clock_mono_ms(void);

/* Milliseconds of CLOCK_REALTIME since the Unix epoch. */
int64_t clock_wall_ms(void);

/*
 * Formats a time as `2026-11-22T10:15:00.123Z` (RFC 3339, UTC), NUL-terminated.
 *   wall_ms  clamped to the years 0000 to 9999
 */
#define CLOCK_RFC3339_SIZE 25
void clock_rfc3339(char out[CLOCK_RFC3339_SIZE], int64_t wall_ms);

/*
 * Reads a time of RFC 3339, or a date, which is its beginning in UTC.
 *   s, len   of the years 0000 to 9999; a leap second is the second after it
 *   wall_ms  set to the time, rounded up to milliseconds
 * Returns false if it is neither.
 */
bool clock_parse_rfc3339(const char *s, size_t len, int64_t *wall_ms);

#endif
