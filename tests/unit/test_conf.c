#include "common/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static struct buf error;

static void setup(void)
{
	error = (struct buf)BUF_EMPTY;
}

static void teardown(void)
{
	buf_fini(&error);
}

static struct conf *parse(const char *text)
{
	return conf_parse("f.conf", text, &error);
}

static void refuse(const char *text, const char *why)
{
	struct conf *c = parse(text);

	ck_assert_msg(c == NULL, "accepted: %s", text);
	ck_assert_str_eq(buf_cstr(&error), why);
}

static void accept(const char *text)
{
	struct conf *c = parse(text);

	ck_assert_msg(c != NULL, "%s: %s", text, buf_cstr(&error));
	conf_free(c);
}

START_TEST(an_empty_file_gives_every_default)
{
	struct conf *c = parse("");

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->listen.n, 1);
	ck_assert_str_eq(c->listen.items[0], "127.0.0.1:8080");
	ck_assert_int_eq(c->workers, 0);
	ck_assert_str_eq(c->database, "dbname=parley");
	ck_assert_int_eq(c->ring_size, 16 << 20);
	ck_assert_str_eq(c->web_root, "");
	ck_assert_uint_eq(c->allowed_origins.n, 0);
	ck_assert_uint_eq(c->trusted_proxies.n, 2);
	ck_assert_str_eq(c->trusted_proxies.items[1], "::1");
	ck_assert(c->rate_limits);
	ck_assert_int_eq(c->token_lifetime, 30L * 24 * 3600);
	ck_assert_str_eq(c->log_level, "info");
	conf_free(c);
}
END_TEST

START_TEST(settings_are_read)
{
	struct conf *c = parse("# a comment\n"
			       "listen = {\"[::1]:0\", 0.0.0.0:65535}\n"
			       "workers = 3\n"
			       "database = 'host=/tmp dbname=x'\n"
			       "rate_limits = off\n"
			       "allowed_origins = {\"https://chat.example\"}\n");

	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	ck_assert_uint_eq(c->listen.n, 2);
	ck_assert_str_eq(c->listen.items[0], "[::1]:0");
	ck_assert_str_eq(c->listen.items[1], "0.0.0.0:65535");
	ck_assert_int_eq(c->workers, 3);
	ck_assert_str_eq(c->database, "host=/tmp dbname=x");
	ck_assert(!c->rate_limits);
	ck_assert_str_eq(c->allowed_origins.items[0], "https://chat.example");
	conf_free(c);
}
END_TEST

START_TEST(an_unknown_setting_is_refused_with_its_line)
{
	refuse("workers = 1\n\ncolour = blue\n", "f.conf:3: no such setting 'colour'");
}
END_TEST

START_TEST(a_number_out_of_its_range_is_refused_with_its_line)
{
	refuse("\nworkers = 99\n", "f.conf:2: workers: 99 is not between 0 and 64");
	refuse("workers = -1\n", "f.conf:1: workers: -1 is not between 0 and 64");
	refuse("ring_size = 1024",
		"f.conf:1: ring_size: 1024 is not between 1048576 and 1073741824");
	accept("workers = 64\n");
}
END_TEST

START_TEST(what_is_no_number_is_refused)
{
	ck_assert_ptr_null(parse("workers = many\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "f.conf:1: "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "workers"));
	ck_assert_ptr_null(parse("workers = 99999999999999999999999\n"));
	ck_assert_ptr_null(parse("rate_limits = perhaps\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "rate_limits"));
}
END_TEST

START_TEST(broken_syntax_is_refused)
{
	static const char *const broken[] = {
		"workers",
		"workers =",
		"listen = {127.0.0.1:80",
		"= 3",
		"database = \"dbname=x\n",
		"workers 3",
		"}",
	};
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct conf *c = parse(broken[i]);

		ck_assert_msg(c == NULL, "accepted: %s", broken[i]);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "f.conf:"));
	}
}
END_TEST

/* What the file says is quoted, and may be anything. */
START_TEST(a_refusal_is_one_line_without_control_characters)
{
	refuse("'\n\x1b[31m' = 1\n", "f.conf:2: no such setting '  [31m'");
}
END_TEST

START_TEST(a_listen_address_is_numeric_and_has_a_port)
{
	static const char *const wrong[] = { "8080", "localhost:80", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8o", "1.2.3:80", "::1:80", "[::1]",
		"[::1", "[127.0.0.1]:80", "[]:80", ":80", "127.0.0.1:+80", "127.0.0.1:000080", "" };
	struct buf text = BUF_EMPTY;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct conf *c;

		buf_reset(&text, 0);
		buf_addf(&text, "listen = {\"127.0.0.1:1\",\n\"%s\"}\n", wrong[i]);
		c = parse(buf_cstr(&text));
		ck_assert_msg(c == NULL, "accepted: %s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "f.conf:2: listen: "));
	}
	buf_fini(&text);
	accept("listen = {\"[2001:db8::7]:443\"}");
	ck_assert_ptr_null(parse("listen = {}"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "at least one"));
}
END_TEST

START_TEST(an_origin_is_a_scheme_and_a_host)
{
	static const char *const wrong[] = { "chat.example", "https://", "https://chat.example/",
		"https://a b", "https://chat.example:x", "://chat.example",
		"https://chat.example?q", "https://u@chat.example", "*", "https://[::1", "9p://h" };
	static const char *const right[] = { "https://chat.example", "http://localhost:3000",
		"https://[::1]:8443", "app+x://y" };
	struct buf text = BUF_EMPTY;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf_reset(&text, 0);
		buf_addf(&text, "allowed_origins = {\"%s\"}", wrong[i]);
		ck_assert_msg(parse(buf_cstr(&text)) == NULL, "accepted: %s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "f.conf:1: allowed_origins: "));
	}
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		buf_reset(&text, 0);
		buf_addf(&text, "allowed_origins = {\"%s\"}", right[i]);
		accept(buf_cstr(&text));
	}
	buf_fini(&text);
}
END_TEST

START_TEST(proxies_levels_and_targets_are_checked)
{
	ck_assert_ptr_null(parse("trusted_proxies = {10.0.0.0/8}"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "trusted_proxies"));
	ck_assert_ptr_null(parse("log_level = loud"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "log_level"));
	ck_assert_ptr_null(parse("log_target = parley.log"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "log_target"));
	accept("trusted_proxies = {}\nlog_level = debug\nlog_target = /var/log/parley.log");
}
END_TEST

START_TEST(comments_stand_anywhere_and_do_not_move_the_lines)
{
	struct conf *c =
		parse("# one\n// two\n/* three\n four */ workers = 2 # five\n"
		      "listen = { # six\n127.0.0.1:1, // seven\n/* eight */ \"[::1]:2\"\n}\n"
		      "allowed_origins = {https://a.example, http://b}#\n"
		      "web_root = \"/a#b//c/*d*/\" database = 'x=\\'#\\''\n");

	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	ck_assert_int_eq(c->workers, 2);
	ck_assert_uint_eq(c->listen.n, 2);
	ck_assert_str_eq(c->listen.items[1], "[::1]:2");
	ck_assert_str_eq(c->allowed_origins.items[0], "https://a.example");
	ck_assert_uint_eq(c->allowed_origins.n, 2);
	ck_assert_str_eq(c->web_root, "/a#b//c/*d*/");
	ck_assert_str_eq(c->database, "x='#'");
	conf_free(c);
	refuse("# one\n// two\n/* three\n four */\nx = 1\n", "f.conf:5: no such setting 'x'");
	refuse("workers = 1 # one\nworkers = 99\n",
		"f.conf:2: workers: 99 is not between 0 and 64");
	refuse("workers = 1 /* one\n", "f.conf: a comment has no end");
}
END_TEST

START_TEST(a_byte_order_mark_at_the_start_is_skipped)
{
	struct conf *c = parse("\xef\xbb\xbfworkers = 2\n");

	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	ck_assert_int_eq(c->workers, 2);
	conf_free(c);
	accept("\xef\xbb\xbf");
	accept("\xef\xbb\xbf# a comment\n");
	refuse("\xef\xbb\xbfworkers = 2\nx = 1\n", "f.conf:2: no such setting 'x'");
	ck_assert_ptr_null(parse("workers = 2\n\xef\xbb\xbfworkers = 3\n"));
	ck_assert_ptr_null(parse("\xef\xbb\xbf\xef\xbb\xbfworkers = 2\n"));
}
END_TEST

START_TEST(the_first_error_is_the_one_told)
{
	refuse("workers = 99\nworkers = 98\nx = 1\n",
		"f.conf:1: workers: 99 is not between 0 and 64");
}
END_TEST

START_TEST(a_dump_reads_back_as_the_same)
{
	struct conf *c = parse(
		"listen = {\"[::1]:1\", 127.0.0.1:2}\nworkers = 7\nrate_limits = false\n"
		"database = 'password=a\"b${HOME}\\\\c$d # no comment'\n"
		"allowed_origins = {\"https://a\", \"https://b\"}\nweb_root = \"/srv/\\tpage\"\n");
	struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	struct conf *again;

	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	ck_assert_str_eq(c->database, "password=a\"b${HOME}\\c$d # no comment");
	conf_dump(c, &first);
	again = parse(buf_cstr(&first));
	ck_assert_msg(again != NULL, "%s", buf_cstr(&error));
	ck_assert_str_eq(again->database, c->database);
	ck_assert_str_eq(again->web_root, c->web_root);
	ck_assert_ptr_null(conf_needs_restart(c, again));
	conf_dump(again, &second);
	ck_assert_str_eq(buf_cstr(&first), buf_cstr(&second));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&first), "workers = 7\n"));
	conf_free(c);
	conf_free(again);
	buf_fini(&first);
	buf_fini(&second);
}
END_TEST

START_TEST(only_settings_that_are_not_live_need_a_restart)
{
	struct conf *a = parse("");
	struct conf *live =
		parse("log_level = debug\nping_interval = 3\nallowed_origins = {\"https://x\"}\n"
		      "rate_limits = off\nweb_root = /srv");
	struct conf *fixed = parse("listen = {127.0.0.1:1}\nlog_level = debug");
	struct conf *number = parse("ring_size = 1048576");
	struct conf *text = parse("database = 'dbname=other'");

	ck_assert_ptr_null(conf_needs_restart(a, a));
	ck_assert_ptr_null(conf_needs_restart(a, live));
	ck_assert_str_eq(conf_needs_restart(a, fixed), "listen");
	ck_assert_str_eq(conf_needs_restart(a, number), "ring_size");
	ck_assert_str_eq(conf_needs_restart(a, text), "database");
	conf_free(a);
	conf_free(live);
	conf_free(fixed);
	conf_free(number);
	conf_free(text);
}
END_TEST

/*
 * Without the leading # of the settings' lines, the sample is a file that says what holds anyway.
 */
START_TEST(the_sample_is_all_comments_and_its_settings_are_the_defaults)
{
	struct buf sample = BUF_EMPTY, bare = BUF_EMPTY;
	struct conf *defaults = parse("");
	struct buf expected = BUF_EMPTY, got = BUF_EMPTY;
	struct conf *c;
	char *line, *rest;

	conf_doc_sample(&sample);
	accept(buf_cstr(&sample));
	for (rest = sample.data; (line = strsep(&rest, "\n"));) {
		ck_assert_msg(line[0] == '#' || line[0] == '\0', "not a comment: %s", line);
		if (line[0] == '#' && line[1] != ' ')
			buf_addf(&bare, "%s\n", line + 1);
	}
	c = parse(buf_cstr(&bare));
	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	conf_dump(defaults, &expected);
	conf_dump(c, &got);
	ck_assert_str_eq(buf_cstr(&got), buf_cstr(&expected));
	conf_free(c);
	conf_free(defaults);
	buf_fini(&sample);
	buf_fini(&bare);
	buf_fini(&expected);
	buf_fini(&got);
}
END_TEST

START_TEST(the_manual_names_every_setting)
{
	static const char *const some[] = { ".B listen\n", ".B ring_size\n", ".B log_target\n",
		"0 to 64" };
	struct buf man = BUF_EMPTY;
	size_t i;

	conf_doc_man(&man);
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		ck_assert_msg(strstr(buf_cstr(&man), some[i]) != NULL, "missing: %s", some[i]);
	buf_fini(&man);
}
END_TEST

START_TEST(a_file_is_read_and_named_in_its_errors)
{
	char path[] = "/tmp/test_conf_XXXXXX";
	int fd = mkstemp(path);
	struct buf expected = BUF_EMPTY;
	struct conf *c;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "workers = 5\n", 12), 12);
	c = conf_load(path, &error);
	ck_assert_msg(c != NULL, "%s", buf_cstr(&error));
	ck_assert_int_eq(c->workers, 5);
	conf_free(c);

	ck_assert_int_eq(write(fd, "x = 5\n", 6), 6);
	buf_addf(&expected, "%s:2: no such setting 'x'", path);
	ck_assert_ptr_null(conf_load(path, &error));
	ck_assert_str_eq(buf_cstr(&error), buf_cstr(&expected));

	ck_assert_int_eq(write(fd, "\0", 1), 1);
	ck_assert_ptr_null(conf_load(path, &error));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "NUL"));
	close(fd);
	unlink(path);

	ck_assert_ptr_null(conf_load(path, &error));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "No such file"));
	ck_assert_ptr_null(conf_load("/tmp", &error));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&error), "directory"));
	buf_fini(&expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tc = tcase_create("conf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_empty_file_gives_every_default);
	tcase_add_test(tc, settings_are_read);
	tcase_add_test(tc, an_unknown_setting_is_refused_with_its_line);
	tcase_add_test(tc, a_number_out_of_its_range_is_refused_with_its_line);
	tcase_add_test(tc, what_is_no_number_is_refused);
	tcase_add_test(tc, a_refusal_is_one_line_without_control_characters);
	tcase_add_test(tc, broken_syntax_is_refused);
	tcase_add_test(tc, a_listen_address_is_numeric_and_has_a_port);
	tcase_add_test(tc, an_origin_is_a_scheme_and_a_host);
	tcase_add_test(tc, proxies_levels_and_targets_are_checked);
	tcase_add_test(tc, comments_stand_anywhere_and_do_not_move_the_lines);
	tcase_add_test(tc, a_byte_order_mark_at_the_start_is_skipped);
	tcase_add_test(tc, the_first_error_is_the_one_told);
	tcase_add_test(tc, a_dump_reads_back_as_the_same);
	tcase_add_test(tc, only_settings_that_are_not_live_need_a_restart);
	tcase_add_test(tc, the_sample_is_all_comments_and_its_settings_are_the_defaults);
	tcase_add_test(tc, the_manual_names_every_setting);
	tcase_add_test(tc, a_file_is_read_and_named_in_its_errors);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
