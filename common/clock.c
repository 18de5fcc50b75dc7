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

/* Reads exactly n digits at s. Returns -1 if there are others. */
static int digits(const char *s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

static bool parse_date(const char *s, struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = digits(s, 4), month = digits(s + 5, 2), day = digits(s + 8, 2);
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (year < 0 || s[4] != '-' || s[7] != '-' || month < 1 || month > 12 || day < 1 ||
		day > days[month - 1] + (month == 2 && leap))
		return false;
	*tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	return true;
}

static bool parse_time(const char *s, struct tm *tm)
{
	int hour = digits(s, 2), minute = digits(s + 3, 2), second = digits(s + 6, 2);

	tm->tm_hour = hour;
	tm->tm_min = minute;
	tm->tm_sec = second;
	return s[2] == ':' && s[5] == ':' && hour >= 0 && hour <= 23 && minute >= 0 &&
		minute <= 59 && second >= 0 && second <= 60;
}

/* Reads ".123…" up to end, if it is there. Returns the end of it, and its milliseconds, rounded up. */
static const char *parse_fraction(const char *s, const char *end, int *ms)
{
	int scale = 100;
	bool rest = false;

	*ms = 0;
	if (s == end || *s != '.')
		return s;
	for (s++; s < end && *s >= '0' && *s <= '9'; s++) {
		*ms += (*s - '0') * scale;
		rest |= scale == 0 && *s != '0';
		scale /= 10;
	}
	*ms += rest;
	return s;
}

/* Reads "Z" or "+01:00". Returns false if it is neither. */
static bool parse_zone(const char *s, size_t len, int *minutes)
{
	int hour, minute;

	*minutes = 0;
	if (len == 1)
		return *s == 'Z' || *s == 'z';
	if (len != 6 || (*s != '+' && *s != '-') || s[3] != ':')
		return false;
	hour = digits(s + 1, 2);
	minute = digits(s + 4, 2);
	*minutes = (*s == '-' ? -1 : 1) * (hour * 60 + minute);
	return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

bool clock_parse_rfc3339(const char *s, size_t len, int64_t *wall_ms)
{
	const char *end = s + len, *zone;
	int ms = 0, minutes = 0;
	struct tm tm;

	if (len < 10 || !parse_date(s, &tm))
		return false;
	if (len > 10) {
		if (len < 20 || (s[10] != 'T' && s[10] != 't') || !parse_time(s + 11, &tm))
			return false;
		zone = parse_fraction(s + 19, end, &ms);
		if (zone == s + 20 || !parse_zone(zone, (size_t)(end - zone), &minutes))
			return false;
	}
	*wall_ms = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + ms;
	return true;
}
