/*
 * log: one event per line to stderr, a file or syslog: `worker=2 conn=9f3a closed reason=slow_reader age=812s`.
 *
 * Owns: the process-wide target, level and context. Knows nothing of: what is logged.
 *
 * An event is one greppable word followed by key=value pairs. Message texts, tokens and passwords are never logged;
 * other text from outside passes through log_quote.
 *
 * A line starts with the time and the level, except in syslog, which adds its own. It is cut at 2 KiB, and control
 * characters are replaced by blanks. Each line is one write(2) to a file opened with O_APPEND, so that processes can
 * share the file. Before log_open, lines of level info and above go to stderr. Logging does not change errno.
 */
#ifndef PARLEY_LOG_H
#define PARLEY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/*
 * Sets the target and the level.
 *   target     "stderr", "syslog", or the absolute path of a file, which is created with mode 0640; copied. A symbolic
 *              link is not followed (ELOOP): the directory may be writable for another account than root
 *   level_min  lowest level that is logged
 * Returns 0, or -1 with errno if the former target stays: EINVAL for another word, ENOMEM, or those of open(2).
 */
int log_open(const char *target, enum log_level level_min);

/*
 * Opens the file again after it was renamed (logrotate). Does nothing for stderr and syslog. Returns 0, or -1 with
 * errno of open(2) if the former file stays.
 */
int log_reopen(void);

/* Gives the open file to an account. Does nothing for stderr and syslog. Returns 0, or -1 with errno of fchown(2). */
int log_chown(uid_t uid, gid_t gid);

void log_set_level(enum log_level level_min);

/* Returns the level of a word of the configuration: debug, info, warn, or error for any other word. */
enum log_level log_level_named(const char *word);

/* Sets what precedes each line of this process, such as "worker=2"; copied, cut at 63 bytes. */
void log_set_context(const char *context);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Logs with level error and exits with status 1. For exhausted memory and failures at the start. */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Quotes text from outside for a log line, so that it can neither forge a line nor control a terminal: quotes,
 * backslashes, control characters and non-ASCII bytes become \xNN.
 *   out  receives the quoted word, NUL-terminated; "..." follows its closing quote if it was cut
 *   cap  size of out in bytes, at least 8
 *   s    len bytes
 * Returns out.
 */
const char *log_quote(char *out, size_t cap, const char *s, size_t len);

#endif
