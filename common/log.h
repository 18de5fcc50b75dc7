/*
 * log: lines of one greppable word and key=value, to stderr, a file or syslog.
 *
 * Owns: the process's only global (target, level, context). Knows nothing of: what is logged.
 *
 * A line: `2026-11-22T10:15:00.123Z info worker=2 conn=9f3a closed reason=slow_reader age=812s`.
 * One write(2) a line with O_APPEND, so that several processes share a file; stderr under a
 * service manager that stamps lines itself gets the time all the same. To syslog a line goes
 * without time and level, which syslog has of its own. A line is cut at 2 KiB, and a control
 * byte in it becomes a blank. Before log_open, info and above go to stderr.
 * Logging never changes errno (OpenSMTPD log.c). No message text, token or password is ever
 * passed in; text from outside goes through log_quote.
 */
#ifndef PARLEY_LOG_H
#define PARLEY_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/*
 * target: "stderr", "syslog", or an absolute path (opened for append, created 0640); copied.
 * Returns 0, or -1 with errno where the file cannot be opened (the former target stays):
 * EINVAL for any other word, ENOMEM, those of open(2).
 */
int log_open(const char *target, enum log_level least);

/*
 * Opens the file again, after logrotate moved it; 0, or -1 with errno of open(2) (the former
 * file stays). Does nothing for stderr and syslog.
 */
int log_reopen(void);

void log_set_level(enum log_level least);

/* The level that a word of the config stands for: debug, info, warn or error (any other word). */
enum log_level log_level_named(const char *word);

/* What this process is, put before every line: "worker=2"; copied, at most 63 bytes. */
void log_set_context(const char *context);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Logs at error and exits with 1 (out of memory, a broken surrounding at start). */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Writes len bytes of outside text into out as a quoted word, NUL-terminated: quotes, backslashes
 * and all that is not printable ASCII as \xNN, so that no line can be forged and no terminal be
 * steered. Where cap (>= 8 bytes) is too small the word is cut, and "..." follows its closing
 * quote. Returns out.
 */
const char *log_quote(char *out, size_t cap, const char *s, size_t len);

#endif
