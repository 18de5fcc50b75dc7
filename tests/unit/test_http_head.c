#include "http/http_head.h"

#include <check.h>
#include <string.h>

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"

static struct http_head whole(const char *text)
{
	struct http_head h = { 0 }, by_byte = { 0 };
	size_t len = strlen(text);

	http_head_feed(&h, text, len);
	for (size_t i = 0; i < len; i++)
		http_head_feed(&by_byte, text + i, 1);
	ck_assert_uint_eq(h.bytes, by_byte.bytes);
	ck_assert_int_eq(h.ended, by_byte.ended);
	ck_assert_int_eq(h.whole, by_byte.whole);
	ck_assert_int_eq(h.ambiguous, by_byte.ambiguous);
	ck_assert_int_eq(h.length, by_byte.length);
	ck_assert_int_eq(h.chunked, by_byte.chunked);
	return h;
}

START_TEST(a_head_ends_with_its_empty_line)
{
	struct http_head h = whole(GET "\r\nTransfer-Encoding: gzip\r\n");

	ck_assert(h.ended);
	ck_assert(!h.ambiguous);
	ck_assert_uint_eq(h.bytes, strlen(GET "\r\n"));
	ck_assert(!whole(GET).ended);
	ck_assert(whole("GET / HTTP/1.1\n\n").ended);
	ck_assert(whole("HEAD / HTTP/1.1\r\n").no_body);
	ck_assert(!h.no_body && !whole("HEADS / HTTP/1.1\r\n").no_body);
	ck_assert(!whole("\r\n").ended);
}
END_TEST

START_TEST(one_length_or_one_chunked_is_clear)
{
	struct http_head h = whole(GET "cONTENT-lENGTH: 5\r\n\r\n");

	ck_assert(h.length && !h.chunked && !h.ambiguous);
	h = whole(GET "Transfer-Encoding: \t Chunked \r\n\r\n");
	ck_assert(h.chunked && !h.length && !h.ambiguous);
	h = whole(GET "\r\n");
	ck_assert(!h.chunked && !h.length && !h.ambiguous);
}
END_TEST

static const char *const ambiguous[] = { "Transfer-Encoding: gzip",
	"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
	"Transfer-Encoding: chunkedx", "Transfer-Encoding: chunke",
	"Transfer-Encoding:", "Transfer-Encoding: \r\n chunked",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
	"Content-Length: 1\r\nContent-Length: 1",
	"Content-Length: 1\r\nX: y\r\nTransfer-Encoding: chunked",
	"transfer-encoding: chunked\r\ncontent-length: 1", "X: y\r\n z", "\tX: y", "X: y\rz" };

START_TEST(anything_else_is_ambiguous)
{
	char text[200] = GET;

	strcat(strcat(text, ambiguous[_i]), "\r\n\r\n");
	ck_assert_msg(whole(text).ambiguous, "%s", ambiguous[_i]);
}
END_TEST

static const char *const others[] = { "X-Transfer-Encoding: gzip", "Transfer-Encodin: gzip",
	"Transfer-Encodings: gzip", "X: Transfer-Encoding: gzip",
	"Content-Lengt: 1\r\nContent-Lengthy: 1\r\nContent-Type: y", "TE: gzip", "T", "C", ":",
	"Accept-Encoding: gzip, chunked" };

START_TEST(other_headers_do_not_matter)
{
	char text[200] = "TRANSFER-ENCODING: gzip HTTP/1.1\r\n"; /* a request line */
	struct http_head h;

	strcat(strcat(text, others[_i]), "\r\n\r\n");
	h = whole(text);
	ck_assert_msg(h.ended && !h.ambiguous && !h.length && !h.chunked, "%s", others[_i]);
}
END_TEST

/* RFC 9112 2.3; evhttp takes all but the last. */
static const char *const versions[] = { "GET / HTTP/1.10", "GET / HTTP/01.1", "GET / HTTP/1.257",
	"GET / HTTP/+1.1", "GET / HTTP/1.-1", "GET / HTTP/0.9", "GET /" };

START_TEST(a_version_that_is_none_is_ambiguous)
{
	char text[200] = "";

	strcat(strcat(text, versions[_i]), "\r\nHost: x\r\n\r\n");
	ck_assert_msg(whole(text).ambiguous, "%s", versions[_i]);
}
END_TEST

#define CHUNKED GET "Transfer-Encoding: chunked\r\n\r\n"

START_TEST(a_chunked_body_ends_with_its_empty_chunk)
{
	struct http_head h = whole(CHUNKED "2\r\n{}\r\n00\r\n\r\nGET");

	ck_assert(h.whole && !h.ambiguous);
	h = whole(CHUNKED "0a;x=\"y\"\n0123456789\n1\r\n\n\r\n0\n\n");
	ck_assert(h.whole && !h.ambiguous);
	h = whole(CHUNKED "2\r\n{}\r\n0\r\n");
	ck_assert(!h.whole && !h.ambiguous);
	ck_assert_uint_eq(h.bytes, strlen(CHUNKED));
	ck_assert(whole(GET "\r\n").whole);
}
END_TEST

/* RFC 9112 7.1; evhttp takes all of these. */
static const char *const broken_chunks[] = { "0x2\r\n", "+2\r\n", " 2\r\n", "2 \r\n", "2 2\r\n",
	"\r\n", "2\r\n{}0\r\n", "2\r\n{}\r\r\n", "2\r\n{} \r\n", "2;\rx\r\n",
	"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n", "2\r\n{}\r\n0\r\n0\r\n" };

START_TEST(a_broken_chunk_is_ambiguous)
{
	char text[200] = CHUNKED;

	ck_assert_msg(whole(strcat(text, broken_chunks[_i])).ambiguous, "%s", broken_chunks[_i]);
}
END_TEST

/* RFC 9110 5.5; a C string ends there, another server's does not. */
START_TEST(a_nul_is_ambiguous_in_a_line_and_nothing_in_a_body)
{
	static const char head[] = GET "Content-Length: 5\0 6\r\n\r\n";
	static const char body[] = CHUNKED "2\r\n\0\0\r\n";
	struct http_head h = { 0 };

	http_head_feed(&h, head, sizeof(head) - 1);
	ck_assert(h.ended && h.ambiguous);
	h = (struct http_head){ 0 };
	http_head_feed(&h, body, sizeof(body) - 1);
	ck_assert(!h.ambiguous);
	http_head_feed(&h, "\0", 1);
	ck_assert(h.ambiguous);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_head");
	TCase *tc = tcase_create("http_head");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_head_ends_with_its_empty_line);
	tcase_add_test(tc, one_length_or_one_chunked_is_clear);
	tcase_add_loop_test(
		tc, anything_else_is_ambiguous, 0, sizeof(ambiguous) / sizeof(ambiguous[0]));
	tcase_add_loop_test(tc, other_headers_do_not_matter, 0, sizeof(others) / sizeof(others[0]));
	tcase_add_loop_test(
		tc, a_version_that_is_none_is_ambiguous, 0, sizeof(versions) / sizeof(versions[0]));
	tcase_add_test(tc, a_chunked_body_ends_with_its_empty_chunk);
	tcase_add_loop_test(tc, a_broken_chunk_is_ambiguous, 0,
		sizeof(broken_chunks) / sizeof(broken_chunks[0]));
	tcase_add_test(tc, a_nul_is_ambiguous_in_a_line_and_nothing_in_a_body);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
