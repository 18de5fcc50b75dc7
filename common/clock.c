#include "common/clock.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define YEAR_0000_MS INT64_C(-62167219200000)
#define YEAR_9999_MS INT64_C(253402300799999) /* the last millisecond of the year */

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;
	int failed = clock_gettime(clock, &now);

	assert(!failed);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
	return now_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

/* printf takes several times as long, and each message has a time. */
static void put_digits(char *out, int width, int n)
{
	while (width > 0) {
		out[--width] = (char)('0' + n % 10);
		n /= 10;
	}
}

void clock_rfc3339(char out[CLOCK_RFC3339_SIZE], int64_t wall_ms)
{
	struct tm tm;
	time_t seconds;
	int ms;

	if (wall_ms < YEAR_0000_MS)
		wall_ms = YEAR_0000_MS;
	if (wall_ms > YEAR_9999_MS)
		wall_ms = YEAR_9999_MS;
	seconds = wall_ms / 1000;
	ms = (int)(wall_ms % 1000);
	if (ms < 0) { /* before 1970: division truncates, a time rounds down */
		ms += 1000;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_RFC3339_SIZE);
	put_digits(out, 4, tm.tm_year + 1900);
	put_digits(out + 5, 2, tm.tm_mon + 1);
	put_digits(out + 8, 2, tm.tm_mday);
	put_digits(out + 11, 2, tm.tm_hour);
	put_digits(out + 14, 2, tm.tm_min);
	put_digits(out + 17, 2, tm.tm_sec);
	put_digits(out + 20, 3, ms);
}
