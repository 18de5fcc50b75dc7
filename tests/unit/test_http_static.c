/*
 * Files of the page over real sockets (http_peer.c).
 */
#include "tests/unit/http_peer.h"

#include <check.h>
#include <fcntl.h>
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
	{ "root/sw.js", "self" },
	{ "root/.secret", "outside" },
	{ "root/assets/app-1f.js", "export {}" },
	{ "root/assets/.hidden.js", "outside" },
	{ "root/index.html.br", "brotli page" },
	{ "root/index.html.gz", "gzip page" },
	{ "root/assets/app-1f.js.gz", "gzip app" },
	{ "root/assets/alone.js.br", "brotli alone" },
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
	ck_assert_str_eq(http_static_type("favicon.ico"), "image/x-icon");
	ck_assert_str_eq(http_static_type("manifest.webmanifest"), "application/manifest+json");
	check_has(get("/sw.js", ""), "\r\nCache-Control: no-cache\r\n");
}
END_TEST

static void check_coded(const char *answer, const char *coding, const char *body)
{
	char part[80];

	check_has(answer, "HTTP/1.1 200 OK\r\n");
	check_has(answer, "\r\nVary: Accept-Encoding\r\n");
	if (coding != NULL) {
		snprintf(part, sizeof(part), "\r\nContent-Encoding: %s\r\n", coding);
		check_has(answer, part);
	} else {
		ck_assert_ptr_null(strstr(answer, "Content-Encoding"));
	}
	snprintf(part, sizeof(part), "\r\n\r\n%s", body);
	check_has(answer, part);
	snprintf(part, sizeof(part), "\r\nContent-Length: %zu\r\n", strlen(body));
	check_has(answer, part);
}

/* RFC 9110 12.5.3 */
START_TEST(a_precompressed_copy_is_served_to_clients_that_accept_it)
{
	static const char page[] = "<!doctype html>the page", app[] = "export {}";

	check_coded(
		get("/index.html", "Accept-Encoding: gzip, deflate, br\r\n"), "br", "brotli page");
	check_coded(get("/", HTML "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n"), "br",
		"brotli page");
	check_coded(get("/chat/17", HTML "Accept-Encoding: gzip\r\n"), "gzip", "gzip page");
	check_coded(get("/", HTML "Accept-Encoding: gzip, br;q=0.5\r\n"), "gzip", "gzip page");
	check_coded(get("/", HTML "Accept-Encoding: br;q=0, gzip;q=0\r\n"), NULL, page);
	check_coded(get("/index.html", ""), NULL, page);
	/* It keeps the type and the lifetime of the original. */
	check_has(get("/", HTML "Accept-Encoding: br\r\n"),
		"\r\nContent-Type: text/html; charset=utf-8\r\n");
	check_has(get("/assets/app-1f.js", "Accept-Encoding: gzip\r\n"),
		"\r\nContent-Type: text/javascript; charset=utf-8\r\n");
	check_has(get("/assets/app-1f.js", "Accept-Encoding: gzip\r\n"),
		"\r\nCache-Control: public, max-age=31536000, immutable\r\n");
	/* The next best one, if there is no copy in the preferred coding. */
	check_coded(get("/assets/app-1f.js", "Accept-Encoding: br, gzip;q=0.1\r\n"), "gzip",
		"gzip app");
	check_coded(get("/assets/app-1f.js", "Accept-Encoding: br\r\n"), NULL, app);
	check_coded(get("/favicon.svg", "Accept-Encoding: gzip, br\r\n"), NULL, "<svg/>");
}
END_TEST

START_TEST(a_copy_under_its_own_name_is_only_bytes)
{
	const char *a = get("/index.html.br", "Accept-Encoding: gzip, br\r\n");

	check_coded(a, NULL, "brotli page");
	check_has(a, "\r\nContent-Type: application/octet-stream\r\n");
	/* A copy stands for no original that is gone. */
	check_is_404(get("/assets/alone.js", "Accept-Encoding: br\r\n"));
}
END_TEST

static void read_etag(const char *answer, char etag[80])
{
	ck_assert_int_eq(sscanf(strstr(answer, "\r\nETag: ") + 8, "%79[^\r]", etag), 1);
}

/* RFC 9110 8.8.3: a strong tag names one representation. */
START_TEST(each_coding_has_a_strong_tag_of_its_own)
{
	static const char *const codings[] = { "br", "gzip", "identity" };
	char etags[3][80], headers[200];
	const char *a;

	/* As a build whose copies have the size and the time of the original. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "root/index.html.br", "root/index.html.gz",
			"root/index.html" };
		const struct timespec same[2] = { { 1, 0 }, { 1, 0 } };

		ck_assert_int_eq(truncate(path_of(names[i]), 5), 0);
		ck_assert_int_eq(utimensat(AT_FDCWD, path_of(names[i]), same, 0), 0);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(headers, sizeof(headers), "Accept-Encoding: %s\r\n", codings[i]);
		read_etag(get("/index.html", headers), etags[i]);
		ck_assert_int_eq(etags[i][0], '"');
	}
	for (size_t i = 0; i < 3; i++) {
		ck_assert_str_ne(etags[i], etags[(i + 1) % 3]);
		snprintf(headers, sizeof(headers), "Accept-Encoding: %s\r\nIf-None-Match: %s\r\n",
			codings[i], etags[i]);
		a = get("/index.html", headers);
		check_has(a, "HTTP/1.1 304 ");
		check_has(a, "\r\nVary: Accept-Encoding\r\n");
		snprintf(headers, sizeof(headers), "Accept-Encoding: %s\r\nIf-None-Match: %s\r\n",
			codings[i], etags[(i + 1) % 3]);
		check_has(get("/index.html", headers), "HTTP/1.1 200 ");
	}
}
END_TEST

START_TEST(the_page_has_security_headers)
{
	static const char *const headers[] = { "\r\nContent-Security-Policy: default-src 'self'; ",
		"; img-src 'self' blob: data:; ", "object-src 'none'; ",
		"frame-ancestors 'none'\r\n", "\r\nX-Content-Type-Options: nosniff\r\n",
		"\r\nReferrer-Policy: no-referrer\r\n",
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
	a = peer_talk("HEAD /index.html HTTP/1.1\r\n" HOST CLOSE "Accept-Encoding: br\r\n\r\n");
	check_has(a, "\r\nContent-Length: 11\r\n");
	check_has(a, "\r\nContent-Encoding: br\r\n");
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
	tcase_add_test(tc, a_precompressed_copy_is_served_to_clients_that_accept_it);
	tcase_add_test(tc, a_copy_under_its_own_name_is_only_bytes);
	tcase_add_test(tc, each_coding_has_a_strong_tag_of_its_own);
	tcase_add_test(tc, the_page_has_security_headers);
	tcase_add_test(tc, an_unchanged_file_is_304);
	tcase_add_test(tc, a_head_of_a_file_has_no_body);
	tcase_add_loop_test(tc, no_other_file_is_served, 0, sizeof(outside) / sizeof(outside[0]));
	tcase_add_test(tc, only_get_and_head_serve_files);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
