/*
 * Files of the page over real sockets (http_peer.c).
 */
#include "tests/unit/http_peer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/http_static.h"
#include "tests/unit/suite.h"

#define CLOSE "Connection: close\r\n"
#define HTML "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

static char directory[] = "/tmp/test_http_static.XXXXXX";
static const char *const files[][2] = {
	{ "root/index.html", "<!doctype html>the page" },
	{ "root/favicon.svg", "<svg/>" },
	{ "root/empty.txt", "" },
	{ "root/.secret", "outside" },
	{ "root/assets/app-1f.js", "export {}" },
	{ "root/assets/.hidden.js", "outside" },
	{ "outside.html", "outside" },
};
static const char *const links[][2] = {
	{ "root/link.html", "../outside.html" },
	{ "root/up", ".." },
	{ "root/assets/link.js", "app-1f.js" },
};

static char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void setup(void)
{
	char conf[300];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	mkdir(path_of("root"), 0755);
	mkdir(path_of("root/assets"), 0755);
	mkdir(path_of("root/dir.js"), 0755);
	ck_assert_int_eq(mkfifo(path_of("root/fifo"), 0644), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *f = fopen(path_of(files[i][0]), "w");

		ck_assert_ptr_nonnull(f);
		fputs(files[i][1], f);
		fclose(f);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		ck_assert_int_eq(symlink(links[i][1], path_of(links[i][0])), 0);
	snprintf(conf, sizeof(conf), "rate_limits = false\nweb_root = \"%s/root\"\n", directory);
	peer_start(conf);
}

static void teardown(void)
{
	peer_stop();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(files[i][0]));
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		unlink(path_of(links[i][0]));
	unlink(path_of("root/fifo"));
	rmdir(path_of("root/dir.js"));
	rmdir(path_of("root/assets"));
	rmdir(path_of("root"));
	rmdir(directory);
}

static const char *get(const char *path, const char *headers)
{
	char request[512];

	snprintf(
		request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST CLOSE "%s\r\n", path, headers);
	return peer_talk(request);
}

static void check_has(const char *answer, const char *part)
{
	ck_assert_msg(strstr(answer, part) != NULL, "no %s in: %s", part, answer);
}

static void check_is_page(const char *answer)
{
	ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%s", answer);
	check_has(answer, "\r\n\r\n<!doctype html>the page");
	check_has(answer, "\r\nContent-Type: text/html; charset=utf-8\r\n");
	check_has(answer, "\r\nCache-Control: no-cache\r\n");
}

static void check_is_404(const char *answer)
{
	ck_assert_msg(strncmp(answer, "HTTP/1.1 404 ", 13) == 0, "%s", answer);
	check_has(answer, "\"code\":\"no_such_route\"");
}

START_TEST(unknown_paths_are_the_page_for_clients_that_accept_html)
{
	check_is_page(get("/", HTML));
	check_is_page(get("/", "Accept: */*\r\n"));
	check_is_page(get("/?from=mail", ""));
	check_is_page(get("/index.html", "Accept: */*\r\n"));
	check_is_page(get("/chat/17", HTML));
	check_is_page(get("/assets/", HTML));
	check_is_404(get("/chat/17", "Accept: */*\r\n"));
	check_is_404(get("/chat/17", ""));
	check_is_404(get("/", "Accept: application/json\r\n"));
	check_is_404(get("/nothing.js", HTML));
	check_is_404(get("/chat/nothing.png", HTML));
}
END_TEST

START_TEST(each_file_has_a_type_and_a_cache_lifetime)
{
	const char *a = get("/assets/app-1f.js", "");

	check_has(a, "\r\nContent-Type: text/javascript; charset=utf-8\r\n");
	check_has(a, "\r\nCache-Control: public, max-age=31536000, immutable\r\n");
	check_has(a, "\r\n\r\nexport {}");
	a = get("/favicon.svg", "");
	check_has(a, "\r\nContent-Type: image/svg+xml\r\n");
	check_has(a, "\r\nCache-Control: no-cache\r\n");
	a = get("/empty.txt", "");
	check_has(a, "HTTP/1.1 200 OK\r\n");
	check_has(a, "\r\nContent-Length: 0\r\n");
	ck_assert_str_eq(http_static_type("a.b/c"), "application/octet-stream");
	ck_assert_str_eq(http_static_type("noending"), "application/octet-stream");
	ck_assert_str_eq(http_static_type("A.PNG"), "image/png");
}
END_TEST

START_TEST(the_page_has_security_headers)
{
	static const char *const headers[] = { "\r\nContent-Security-Policy: default-src 'self'; ",
		"object-src 'none'; ", "frame-ancestors 'none'\r\n",
		"\r\nX-Content-Type-Options: nosniff\r\n", "\r\nReferrer-Policy: no-referrer\r\n",
		"\r\nCross-Origin-Opener-Policy: same-origin\r\n" };

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		check_has(get("/", HTML), headers[i]);
		check_has(get("/favicon.svg", ""), headers[i]);
	}
	ck_assert_ptr_null(strstr(get("/", HTML), "unsafe-inline"));
}
END_TEST

START_TEST(an_unchanged_file_is_304)
{
	const char *a = get("/index.html", "");
	char etag[80], headers[200];

	ck_assert_int_eq(sscanf(strstr(a, "\r\nETag: ") + 8, "%79[^\r]", etag), 1);
	snprintf(headers, sizeof(headers), "If-None-Match: \"other\", W/%s\r\n", etag);
	a = get("/index.html", headers);
	ck_assert_msg(strncmp(a, "HTTP/1.1 304 ", 13) == 0, "%s", a);
	check_has(a, etag);
	ck_assert_str_eq(strstr(a, "\r\n\r\n"), "\r\n\r\n");
	check_is_page(get("/index.html", "If-None-Match: \"other\"\r\n"));
	snprintf(headers, sizeof(headers), "If-None-Match: \"other\"\r\nIf-None-Match:\t%s\r\n",
		etag);
	ck_assert(strncmp(get("/index.html", headers), "HTTP/1.1 304 ", 13) == 0);
	ck_assert_int_eq(truncate(path_of("root/index.html"), 5), 0);
	ck_assert(strncmp(get("/index.html", headers), "HTTP/1.1 200 ", 13) == 0);
}
END_TEST

START_TEST(a_head_of_a_file_has_no_body)
{
	const char *a = peer_talk("HEAD /index.html HTTP/1.1\r\n" HOST CLOSE "\r\n");

	check_has(a, "HTTP/1.1 200 OK\r\n");
	check_has(a, "\r\nContent-Length: 23\r\n");
	check_has(a, "\r\nContent-Type: text/html");
	ck_assert_str_eq(strstr(a, "\r\n\r\n"), "\r\n\r\n");
	check_has(peer_talk("HEAD /nothing.js HTTP/1.1\r\n" HOST CLOSE "\r\n"), "HTTP/1.1 404 ");
}
END_TEST

static const char *const outside[] = { "/../outside.html", "/%2e%2e/outside.html",
	"/assets/../../outside.html", "/..%2foutside.html", "/assets/..%2f..%2foutside.html",
	"/.%2e/outside.html", "/link.html", "/up/outside.html", "/up", "/assets/link.js",
	"/.secret", "/%2esecret", "/assets/.hidden.js", "//etc/passwd", "///etc/passwd",
	"/assets//app-1f.js", "/%00", "/index.html%00", "/index.html%00.js", "/..\\outside.html",
	"/assets", "/dir.js", "/fifo", "/index.html/", "/index.html/x", "/assets%2fapp-1f.js",
	"/a/b/c/d/e/f/g/h/i/j/k", "/%", "/%zz", "/%2" };

START_TEST(no_other_file_is_served)
{
	const char *a = get(outside[_i], "Accept: */*\r\n");

	ck_assert_msg(strncmp(a, "HTTP/1.1 404 ", 13) == 0 || strncmp(a, "HTTP/1.1 400 ", 13) == 0,
		"%s: %s", outside[_i], a);
	ck_assert_ptr_null(strstr(a, "\r\n\r\noutside"));
}
END_TEST

START_TEST(only_get_and_head_serve_files)
{
	check_has(peer_talk("POST / HTTP/1.1\r\n" HOST CLOSE "\r\n"), "HTTP/1.1 405 ");
	check_is_404(peer_talk("POST /index.html HTTP/1.1\r\n" HOST CLOSE "\r\n"));
	check_is_404(peer_talk("DELETE /chat/17 HTTP/1.1\r\n" HOST CLOSE HTML "\r\n"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_static");
	TCase *tc = tcase_create("http_static");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, unknown_paths_are_the_page_for_clients_that_accept_html);
	tcase_add_test(tc, each_file_has_a_type_and_a_cache_lifetime);
	tcase_add_test(tc, the_page_has_security_headers);
	tcase_add_test(tc, an_unchanged_file_is_304);
	tcase_add_test(tc, a_head_of_a_file_has_no_body);
	tcase_add_loop_test(tc, no_other_file_is_served, 0, sizeof(outside) / sizeof(outside[0]));
	tcase_add_test(tc, only_get_and_head_serve_files);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
