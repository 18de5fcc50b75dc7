#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"

#define LINE_MAX_BYTES 2048
#define CONTEXT_SIZE 64

static struct {
	int fd; /* -1 for syslog */
	char *path; /* of the file; NULL for stderr and syslog */
	enum log_level level_min;
	char context[CONTEXT_SIZE];
} out = { STDERR_FILENO, NULL, LOG_LEVEL_INFO, "" };

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
};

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
}

/* Replaces the target. Owns fd and path from now on. */
static void set_target(int fd, char *path)
{
	if (out.path != NULL) {
		close(out.fd);
		free(out.path);
	}
	out.fd = fd;
	out.path = path;
}

int log_open(const char *target, enum log_level level_min)
{
	if (strcmp(target, "stderr") == 0) {
		set_target(STDERR_FILENO, NULL);
	} else if (strcmp(target, "syslog") == 0) {
		openlog(NULL, LOG_PID, LOG_DAEMON); /* NULL: the program's name */
		set_target(-1, NULL);
	} else if (target[0] == '/') {
		char *path = strdup(target);
		int fd;

		if (path == NULL)
			return -1;
		fd = open_file(path);
		if (fd < 0) {
			int error = errno;

			free(path);
			errno = error;
			return -1;
		}
		set_target(fd, path);
	} else {
		errno = EINVAL;
		return -1;
	}
	out.level_min = level_min;
	return 0;
}

int log_reopen(void)
{
	int fd;

	if (out.path == NULL)
		return 0;
	fd = open_file(out.path);
	if (fd < 0)
		return -1;
	close(out.fd);
	out.fd = fd;
	return 0;
}

int log_chown(uid_t uid, gid_t gid)
{
	return out.path == NULL ? 0 : fchown(out.fd, uid, gid);
}

void log_set_level(enum log_level level_min)
{
	out.level_min = level_min;
}

enum log_level log_level_named(const char *word)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	while (level < LOG_LEVEL_ERROR && strcmp(word, levels[level].word) != 0)
		level++;
	return level;
}

void log_set_context(const char *context)
{
	snprintf(out.context, sizeof(out.context), "%s", context);
}

/* Appends to line[*len..size) except its last byte, which is for the newline. A line that is cut ends with "...". */
static void __attribute__((format(printf, 4, 0)))
line_addv(char *line, size_t size, size_t *len, const char *fmt, va_list ap)
{
	int n = vsnprintf(line + *len, size - *len, fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n < size - *len) {
		*len += (size_t)n;
	} else {
		*len = size - 1;
		memcpy(line + *len - 3, "...", 3);
	}
}

static void __attribute__((format(printf, 4, 5)))
line_add(char *line, size_t size, size_t *len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_addv(line, size, len, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES], now[CLOCK_RFC3339_SIZE];
	size_t len = 0;
	int error = errno;

	if (out.fd >= 0) {
		clock_rfc3339(now, clock_wall_ms());
		line_add(line, sizeof(line), &len, "%s %s ", now, levels[level].word);
	}
	if (out.context[0] != '\0')
		line_add(line, sizeof(line), &len, "%s ", out.context);
	errno = error; /* for %m in fmt */
	line_addv(line, sizeof(line), &len, fmt, ap);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
			line[i] = ' ';
	if (out.fd >= 0) {
		ssize_t n;

		line[len++] = '\n';
		do
			n = write(out.fd, line, len);
		while (n < 0 && errno == EINTR);
	} else {
		syslog(levels[level].priority, "%.*s", (int)len, line);
	}
	errno = error;
}

#define LOG_AT(level, fmt)                          \
	do {                                        \
		if ((level) >= out.level_min) {     \
			va_list ap;                 \
			va_start(ap, fmt);          \
			write_line(level, fmt, ap); \
			va_end(ap);                 \
		}                                   \
	} while (0)

void log_debug(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_DEBUG, fmt);
}

void log_info(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_INFO, fmt);
}

void log_warn(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_WARN, fmt);
}

void log_error(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_ERROR, fmt);
}

void log_fatal(const char *fmt, ...)
{
	LOG_AT(LOG_LEVEL_ERROR, fmt);
	exit(1);
}

/* True if a byte is copied as it is. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

const char *log_quote(char *word, size_t cap, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0, cut = 0, i;

	assert(cap >= 8);
	word[at++] = '"';
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		bool plain = is_plain(c);

		if (at + sizeof("\"...") <= cap)
			cut = at; /* the last position at which the suffix fits */
		if (at + (plain ? 1 : 4) + sizeof("\"") > cap)
			break;
		if (plain) {
			word[at++] = (char)c;
		} else {
			word[at++] = '\\';
			word[at++] = 'x';
			word[at++] = hex[c >> 4];
			word[at++] = hex[c & 15];
		}
	}
	if (i == len)
		strcpy(word + at, "\"");
	else
		strcpy(word + cut, "\"...");
	return word;
}
