#include "http_head.h"

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
	"transfer-encoding: chunked\r\ncontent-length: 1" };

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
	char text[200] = "TRANSFER-ENCODING: gzip\r\n"; /* a request line */
	struct http_head h;

	strcat(strcat(text, others[_i]), "\r\n\r\n");
	h = whole(text);
	ck_assert_msg(h.ended && !h.ambiguous && !h.length && !h.chunked, "%s", others[_i]);
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
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
