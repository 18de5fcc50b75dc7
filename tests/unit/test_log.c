/* Tests of common/log. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "suite.h"

#define LINE_MAX_BYTES 2048

static char dir[] = "test_log_XXXXXX";
static struct buf path_text, moved_text;
static const char *path, *moved;
static char content[1 << 20];

static void setup(void)
{
	char *absolute;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	absolute = realpath(dir, NULL);
	ck_assert_ptr_nonnull(absolute);
	buf_addf(&path_text, "%s/log", absolute);
	buf_addf(&moved_text, "%s/log.1", absolute);
	path = buf_cstr(&path_text);
	moved = buf_cstr(&moved_text);
	free(absolute);
	ck_assert_int_eq(log_open(path, LOG_LEVEL_DEBUG), 0);
	log_set_context("");
}

static void teardown(void)
{
	log_open("stderr", LOG_LEVEL_INFO);
	unlink(path);
	unlink(moved);
	rmdir(dir);
	buf_fini(&path_text);
	buf_fini(&moved_text);
}

/*
 * What log passes to syslog(3) lands here: the linker takes a program's own function before the
 * C library's, whether log was compiled with _FORTIFY_SOURCE (the second name) or without.
 */
static int caught_priority;
static char caught[LINE_MAX_BYTES + 1];

void syslog(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void __syslog_chk(int priority, int flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	caught_priority = priority;
	va_start(ap, fmt);
	vsnprintf(caught, sizeof(caught), fmt, ap);
	va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	caught_priority = priority;
	va_start(ap, fmt);
	vsnprintf(caught, sizeof(caught), fmt, ap);
	va_end(ap);
}

static const char *read_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, content, sizeof(content) - 1);
	ck_assert_int_ge(n, 0);
	ck_assert_int_lt(n, (ssize_t)sizeof(content) - 1);
	content[n] = '\0';
	close(fd);
	return content;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool match;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return match;
}

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"

START_TEST(line_is_time_level_context_and_words)
{
	log_set_context("worker=2");
	log_info("conn=%x closed reason=%s", 0x9f3a, "slow_reader");
	ck_assert(matches(
		read_file(path), "^" TIME " info worker=2 conn=9f3a closed reason=slow_reader\n$"));
}
END_TEST

START_TEST(line_without_context_has_no_gap)
{
	log_warn("word");
	ck_assert(matches(read_file(path), "^" TIME " warn word\n$"));
}
END_TEST

START_TEST(levels_below_the_least_are_silent)
{
	log_set_level(LOG_LEVEL_WARN);
	log_debug("a");
	log_info("b");
	log_warn("c");
	log_error("d");
	ck_assert(matches(read_file(path), "^" TIME " warn c\n" TIME " error d\n$"));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("e");
	ck_assert(matches(read_file(path), "error d\n" TIME " debug e\n$"));
}
END_TEST

START_TEST(logging_never_changes_errno)
{
	errno = EXDEV;
	log_info("x");
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(log_open("/dev/full", LOG_LEVEL_DEBUG), 0);
	errno = EXDEV;
	log_info("x"); /* its write fails */
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(percent_m_is_the_callers_errno)
{
	char want[128];

	errno = ENOENT;
	log_info("why=%m");
	snprintf(want, sizeof(want), "why=%s\n", strerror(ENOENT));
	ck_assert_ptr_nonnull(strstr(read_file(path), want));
}
END_TEST

START_TEST(long_line_is_cut_at_two_kib_and_says_so)
{
	static char word[3 * LINE_MAX_BYTES];
	const char *text;

	memset(word, 'w', sizeof(word) - 1);
	log_info("%s", word);
	log_info("next");
	text = read_file(path);
	ck_assert_uint_eq((size_t)(strchr(text, '\n') - text) + 1, LINE_MAX_BYTES);
	ck_assert(matches(text, "www\\.\\.\\.\n" TIME " info next\n$"));
}
END_TEST

START_TEST(longest_line_that_fits_is_whole)
{
	char word[LINE_MAX_BYTES];
	size_t head = strlen("2026-11-22T10:15:00.123Z info "), fits = LINE_MAX_BYTES - head - 1;

	memset(word, 'w', sizeof(word));
	word[fits] = '\0';
	log_info("%s", word);
	ck_assert(matches(read_file(path), "^" TIME " info w+\n$"));
	ck_assert_uint_eq(strlen(content), LINE_MAX_BYTES);
}
END_TEST

START_TEST(one_call_is_one_line_whatever_is_passed)
{
	log_info("a\nb\rc\x1B[31m\x7F"
		 "d");
	ck_assert(matches(read_file(path), "^" TIME " info a b c \\[31m d\n$"));
}
END_TEST

START_TEST(long_context_is_cut)
{
	char context[100];

	memset(context, 'c', sizeof(context));
	context[sizeof(context) - 1] = '\0';
	log_set_context(context);
	log_info("word");
	ck_assert(matches(read_file(path), " info c{63} word\n$"));
}
END_TEST

START_TEST(reopen_follows_a_moved_file)
{
	log_info("one");
	ck_assert_int_eq(rename(path, moved), 0);
	log_info("two");
	ck_assert_int_eq(log_reopen(), 0);
	log_info("three");
	ck_assert(matches(read_file(moved), " one\n.* two\n$"));
	ck_assert(matches(read_file(path), "^" TIME " info three\n$"));
}
END_TEST

START_TEST(reopen_that_fails_keeps_the_file)
{
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(log_reopen(), -1);
	ck_assert_int_eq(errno, EISDIR);
	log_info("still");
	ck_assert_ptr_nonnull(strstr(read_file(moved), "still"));
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(open_that_fails_keeps_the_former_target)
{
	struct buf nowhere = BUF_EMPTY;

	buf_addf(&nowhere, "%s/none/log", path);
	ck_assert_int_eq(log_open(buf_cstr(&nowhere), LOG_LEVEL_ERROR), -1);
	ck_assert_int_eq(errno, ENOTDIR);
	buf_fini(&nowhere);
	ck_assert_int_eq(log_open("relative", LOG_LEVEL_ERROR), -1);
	ck_assert_int_eq(errno, EINVAL);
	log_info("still");
	ck_assert_ptr_nonnull(strstr(read_file(path), "still"));
}
END_TEST

START_TEST(file_is_not_for_others_to_read)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0137, 0);
}
END_TEST

/* syslog(3) numbers the levels: 3 is LOG_ERR, 6 LOG_INFO (RFC 5424 6.2.1). */
START_TEST(syslog_gets_context_and_words_alone)
{
	ck_assert_int_eq(log_open("syslog", LOG_LEVEL_INFO), 0);
	log_set_context("worker=2");
	log_info("conn=9f3a closed");
	ck_assert_str_eq(caught, "worker=2 conn=9f3a closed");
	ck_assert_int_eq(caught_priority, 6);
	log_error("100%%");
	ck_assert_str_eq(caught, "worker=2 100%");
	ck_assert_int_eq(caught_priority, 3);
	log_debug("silent");
	ck_assert_str_eq(caught, "worker=2 100%");
	ck_assert_int_eq(log_reopen(), 0);
}
END_TEST

/* Four processes, 200 lines each: no line is torn by another. */
START_TEST(processes_share_a_file_line_by_line)
{
	char word[200], *line, *rest;
	int lines = 0;

	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			for (int k = 0; k < 200; k++)
				log_info("%s end", word);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_gt(wait(NULL), 0);
	read_file(path);
	for (line = strtok_r(content, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		ck_assert(matches(line, "^" TIME " info w{199} end$"));
		lines++;
	}
	ck_assert_int_eq(lines, 800);
}
END_TEST

START_TEST(fatal_exits_with_one)
{
	log_fatal("broken");
}
END_TEST

static const char *quoted(size_t cap, const char *s, size_t len)
{
	static char *out;

	free(out);
	out = malloc(cap); /* of just that size, for a sanitizer to watch */
	ck_assert_ptr_nonnull(out);
	return log_quote(out, cap, s, len);
}

START_TEST(quote_escapes_all_that_could_forge_a_line)
{
	ck_assert_str_eq(quoted(100, "plain words/1.0", 15), "\"plain words/1.0\"");
	ck_assert_str_eq(quoted(100, "", 0), "\"\"");
	ck_assert_str_eq(
		quoted(100, "a\"b\\c\nd\0e\x7F", 10), "\"a\\x22b\\x5cc\\x0ad\\x00e\\x7f\"");
	ck_assert_str_eq(quoted(100, "\xE2\x80\xAE\xFF", 4), "\"\\xe2\\x80\\xae\\xff\"");
}
END_TEST

START_TEST(quote_is_cut_where_the_room_ends)
{
	ck_assert_str_eq(quoted(8, "abcde", 5), "\"abcde\"");
	ck_assert_str_eq(quoted(8, "abcdef", 6), "\"ab\"...");
	ck_assert_str_eq(quoted(8, "\n\n", 2), "\"\"...");
	ck_assert_str_eq(quoted(8, "\n", 1), "\"\\x0a\"");
	ck_assert_str_eq(quoted(10, "\nabcdef", 7), "\"\\x0a\"...");
	ck_assert_str_eq(quoted(11, "\nabcdef", 7), "\"\\x0aa\"...");
	ck_assert_str_eq(quoted(13, "\n\n\n", 3), "\"\\x0a\"...");
}
END_TEST

START_TEST(quote_stays_in_its_room_at_every_length)
{
	char text[40];

	for (size_t cap = 8; cap < 60; cap++)
		for (size_t len = 0; len <= sizeof(text); len++) {
			const char *word;

			for (size_t i = 0; i < len; i++)
				text[i] = i % 3 ? 'a' : '\n';
			word = quoted(cap, text, len);
			ck_assert_uint_lt(strlen(word), cap);
			ck_assert(matches(word, "^\"(a|\\\\x0a)*\"(\\.\\.\\.)?$"));
		}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log"), *end = tcase_create("end");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, line_is_time_level_context_and_words);
	tcase_add_test(tc, line_without_context_has_no_gap);
	tcase_add_test(tc, levels_below_the_least_are_silent);
	tcase_add_test(tc, logging_never_changes_errno);
	tcase_add_test(tc, percent_m_is_the_callers_errno);
	tcase_add_test(tc, long_line_is_cut_at_two_kib_and_says_so);
	tcase_add_test(tc, longest_line_that_fits_is_whole);
	tcase_add_test(tc, one_call_is_one_line_whatever_is_passed);
	tcase_add_test(tc, long_context_is_cut);
	tcase_add_test(tc, reopen_follows_a_moved_file);
	tcase_add_test(tc, reopen_that_fails_keeps_the_file);
	tcase_add_test(tc, open_that_fails_keeps_the_former_target);
	tcase_add_test(tc, file_is_not_for_others_to_read);
	tcase_add_test(tc, processes_share_a_file_line_by_line);
	tcase_add_test(tc, syslog_gets_context_and_words_alone);
	tcase_add_test(tc, quote_escapes_all_that_could_forge_a_line);
	tcase_add_test(tc, quote_is_cut_where_the_room_ends);
	tcase_add_test(tc, quote_stays_in_its_room_at_every_length);
	suite_add_tcase(suite, tc);
	/* By itself, because what exits leaves no chance to remove the fixture's files. */
	tcase_add_exit_test(end, fatal_exits_with_one, 1);
	suite_add_tcase(suite, end);
	return suite_run(suite);
}
