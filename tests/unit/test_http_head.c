#include "http/http_head.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"

static char scanned[256]; /* the last text, as the scanner left it */
static struct buf body; /* of the last text */

static void feed(struct http_head *h, char *bytes, size_t len, struct buf *to)
{
	size_t at = 0, n = 1;

	while (n > 0)
		at += n = http_head_feed(h, bytes + at, len - at, to);
}

/* The result for a text, which is the same byte by byte. */
static struct http_head scan(const char *text)
{
	struct http_head h = { 0 }, by_byte = { 0 };
	size_t len = strlen(text);
	char copy[sizeof(scanned)];

	ck_assert_uint_lt(len, sizeof(scanned));
	memcpy(scanned, text, len + 1);
	memcpy(copy, text, len + 1);
	buf_reset(&body, 0);
	feed(&h, scanned, len, &body);
	for (size_t i = 0; i < len; i++)
		feed(&by_byte, copy + i, 1, NULL);
	ck_assert_str_eq(copy, scanned);
	ck_assert_uint_eq(h.bytes, by_byte.bytes);
	ck_assert_uint_eq(h.body, by_byte.body);
	ck_assert_uint_eq(h.body, body.len);
	ck_assert_uint_eq(h.left, by_byte.left);
	ck_assert_int_eq(h.ended, by_byte.ended);
	ck_assert_int_eq(h.in_trailers, by_byte.in_trailers);
	ck_assert_int_eq(h.complete, by_byte.complete);
	ck_assert_int_eq(h.is_malformed, by_byte.is_malformed);
	ck_assert_int_eq(h.has_length, by_byte.has_length);
	ck_assert_int_eq(h.is_chunked, by_byte.is_chunked);
	ck_assert_int_eq(http_head_problem(&h) != NULL, h.is_malformed);
	return h;
}

START_TEST(a_head_ends_with_an_empty_line)
{
	struct http_head h = scan(GET "\r\nTransfer-Encoding: gzip\r\n");

	ck_assert(h.ended);
	ck_assert(!h.is_malformed);
	ck_assert_uint_eq(h.bytes, strlen(GET "\r\n"));
	ck_assert(!scan(GET).ended);
	ck_assert(scan("GET / HTTP/1.1\n\n").ended);
	ck_assert(scan("HEAD / HTTP/1.1\r\n").is_head);
	ck_assert(!h.is_head && !scan("HEADS / HTTP/1.1\r\n").is_head);
	ck_assert(!scan("\r\n").ended);
}
END_TEST

START_TEST(one_length_or_one_chunked_is_well_formed)
{
	struct http_head h = scan(GET "cONTENT-lENGTH: 5\r\n\r\n");

	ck_assert(h.has_length && !h.is_chunked && !h.is_malformed);
	h = scan(GET "Transfer-Encoding: \t Chunked \r\n\r\n");
	ck_assert(h.is_chunked && !h.has_length && !h.is_malformed);
	h = scan(GET "\r\n");
	ck_assert(!h.is_chunked && !h.has_length && !h.is_malformed);
}
END_TEST

static const char *const malformed[] = { "Transfer-Encoding: gzip",
	"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
	"Transfer-Encoding: chunkedx", "Transfer-Encoding: chunke",
	"Transfer-Encoding:", "Transfer-Encoding: \r\n chunked",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
	"Content-Length: 1\r\nContent-Length: 1",
	"Content-Length: 1\r\nX: y\r\nTransfer-Encoding: chunked",
	"transfer-encoding: chunked\r\ncontent-length: 1", "X: y\r\n z", "\tX: y", "X: y\rz",
	"X: a\tb\r\n\tc" };

START_TEST(other_framing_is_malformed)
{
	char text[200] = GET;

	strcat(strcat(text, malformed[_i]), "\r\n\r\n");
	ck_assert_msg(scan(text).is_malformed, "%s", malformed[_i]);
}
END_TEST

static const char *const others[] = { "X-Transfer-Encoding: gzip", "Transfer-Encodin: gzip",
	"Transfer-Encodings: gzip", "X: Transfer-Encoding: gzip",
	"Content-Lengt: 1\r\nContent-Lengthy: 1\r\nContent-Type: y", "TE: gzip", "T", "C", ":",
	"Accept-Encoding: gzip, chunked" };

START_TEST(other_fields_do_not_frame_the_body)
{
	char text[200] = "TRANSFER-ENCODING: gzip HTTP/1.1\r\n"; /* a request line */
	struct http_head h;

	strcat(strcat(text, others[_i]), "\r\n\r\n");
	h = scan(text);
	ck_assert_msg(
		h.ended && !h.is_malformed && !h.has_length && !h.is_chunked, "%s", others[_i]);
}
END_TEST

/* RFC 9112 2.3; evhttp accepts all but the last. */
static const char *const versions[] = { "GET / HTTP/1.10", "GET / HTTP/01.1", "GET / HTTP/1.257",
	"GET / HTTP/+1.1", "GET / HTTP/1.-1", "GET / HTTP/0.9", "GET /" };

START_TEST(a_bad_version_is_malformed)
{
	char text[200] = "";

	strcat(strcat(text, versions[_i]), "\r\nHost: x\r\n\r\n");
	ck_assert_msg(scan(text).is_malformed, "%s", versions[_i]);
}
END_TEST

#define CHUNKED GET "Transfer-Encoding: chunked\r\n\r\n"

START_TEST(a_chunked_body_ends_with_its_empty_chunk)
{
	struct http_head h = scan(CHUNKED "2\r\n{}\r\n00\r\n\r\nGET");

	ck_assert(h.complete && !h.is_malformed);
	h = scan(CHUNKED "0a;x=\"y\"\n0123456789\n1\r\n\n\r\n0\n\n");
	ck_assert(h.complete && !h.is_malformed);
	h = scan(CHUNKED "2\r\n{}\r\n0\r\n");
	ck_assert(!h.complete && !h.is_malformed);
	ck_assert_uint_eq(h.bytes, strlen(CHUNKED));
	ck_assert(scan(GET "\r\n").complete);
}
END_TEST

/* RFC 9112 7.1; evhttp accepts the lines of chunks. */
static const char *const broken_chunks[] = { "0x2\r\n", "+2\r\n", " 2\r\n", "2 \r\n", "2 2\r\n",
	"\r\n", "2\r\n{}0\r\n", "2\r\n{}\r\r\n", "2\r\n{} \r\n", "2;\rx\r\n",
	"2\r\n{}\r\n0\r\n0\r\n", "2\r\n{}\r\n0\r\n: x\r\n", "2\r\n{}\r\n0\r\n x: y\r\n",
	"2\r\n{}\r\n0\r\nx : y\r\n", "2\r\n{}\r\n0\r\nx: y\rz\r\n",
	"2\r\n{}\r\n0\r\nx: y\r\n\tz\r\n" };

START_TEST(a_broken_chunk_is_malformed)
{
	char text[200] = CHUNKED;

	ck_assert_msg(scan(strcat(text, broken_chunks[_i])).is_malformed, "%s", broken_chunks[_i]);
}
END_TEST

/* RFC 9112 7.1.2 */
START_TEST(trailer_fields_end_the_body)
{
	struct http_head h =
		scan(CHUNKED "2\r\n{}\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\nGET");

	ck_assert(h.complete && h.in_trailers && !h.is_malformed && !h.has_length);
	ck_assert_uint_eq(h.bytes, strlen(CHUNKED "X-Sum: 1\r\nContent-Length: 5\r\n\r\n"));
	h = scan(CHUNKED "0\r\nX:\r\n");
	ck_assert(!h.complete && !h.is_malformed);
}
END_TEST

/* RFC 9112 5: blanks and tabs around a value are not part of it. evhttp keeps tabs before it. */
START_TEST(tabs_before_a_value_become_blanks)
{
	ck_assert(scan("GET /\t HTTP/1.1\r\nHost:\t x\r\nA: \t\tb\tc\t\r\nD:\t\r\n\r\n").ended);
	ck_assert_str_eq(scanned, "GET /\t HTTP/1.1\r\nHost:  x\r\nA:   b\tc\t\r\nD: \r\n\r\n");
	ck_assert(scan(GET "CONTENT-length:\t57 \r\n\r\n").has_length);
	ck_assert_str_eq(scanned, GET "CONTENT-length: 00 \r\n\r\n");
	ck_assert(scan(GET "Transfer-Encoding:\t chunked\t\r\n\r\n").is_chunked);
	ck_assert_str_eq(scanned, GET "Transfer-Encoding:  xhunked\t\r\n\r\n");
}
END_TEST

START_TEST(a_body_has_the_bytes_of_its_length_or_chunks)
{
	struct http_head h = scan(GET "Content-Length: 12\r\n\r\n0123456789abGET");

	ck_assert(h.complete);
	ck_assert_str_eq(buf_cstr(&body), "0123456789ab");
	h = scan(GET "Content-Length: 12\r\n\r\n012");
	ck_assert(h.ended && !h.complete);
	ck_assert_uint_eq(h.left, 9);
	ck_assert(scan(GET "Content-Length: 00\r\n\r\n").complete);
	ck_assert_uint_gt(scan(GET "Content-Length: 99999999999999999999\r\n\r\n").left, 1 << 30);
	ck_assert(scan(CHUNKED "2\r\n{\"\r\n3;x=y\r\na\":\r\n0\r\n\r\nGET").complete);
	ck_assert_str_eq(buf_cstr(&body), "{\"a\":");
}
END_TEST

/* evhttp would wait for the body. */
START_TEST(the_framing_of_a_body_is_hidden)
{
	scan(GET "X: chunked 12\r\nContent-Length: 12\r\nContent-Lengths: 34\r\n\r\n");
	ck_assert_str_eq(
		scanned, GET "X: chunked 12\r\nContent-Length: 00\r\nContent-Lengths: 34\r\n\r\n");
	scan(GET "Transfer-Encoding: Chunked\r\n\r\n4\r\nbody\r\n");
	ck_assert_str_eq(scanned, GET "Transfer-Encoding: xhunked\r\n\r\n4\r\nbody\r\n");
	scan(GET "Content-Length: 4\r\n\r\n1234");
	ck_assert_str_eq(scanned, GET "Content-Length: 0\r\n\r\n1234");
}
END_TEST

/* RFC 9110 5.5. A C string ends at a NUL; another server may read on. */
START_TEST(a_nul_is_malformed_in_a_line_and_allowed_in_a_body)
{
	char head[] = GET "Content-Length: 5\0 6\r\n\r\n", chunks[] = CHUNKED "2\r\n\0\0\r\n",
	     nul[] = "";
	struct http_head h = { 0 };

	feed(&h, head, sizeof(head) - 1, NULL);
	ck_assert(h.ended && h.is_malformed);
	h = (struct http_head){ 0 };
	feed(&h, chunks, sizeof(chunks) - 1, NULL);
	ck_assert(!h.is_malformed);
	feed(&h, nul, 1, NULL);
	ck_assert(h.is_malformed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_head");
	TCase *tc = tcase_create("http_head");

	tcase_add_test(tc, a_head_ends_with_an_empty_line);
	tcase_add_test(tc, one_length_or_one_chunked_is_well_formed);
	tcase_add_loop_test(
		tc, other_framing_is_malformed, 0, sizeof(malformed) / sizeof(malformed[0]));
	tcase_add_loop_test(
		tc, other_fields_do_not_frame_the_body, 0, sizeof(others) / sizeof(others[0]));
	tcase_add_loop_test(
		tc, a_bad_version_is_malformed, 0, sizeof(versions) / sizeof(versions[0]));
	tcase_add_test(tc, a_chunked_body_ends_with_its_empty_chunk);
	tcase_add_loop_test(tc, a_broken_chunk_is_malformed, 0,
		sizeof(broken_chunks) / sizeof(broken_chunks[0]));
	tcase_add_test(tc, trailer_fields_end_the_body);
	tcase_add_test(tc, a_body_has_the_bytes_of_its_length_or_chunks);
	tcase_add_test(tc, the_framing_of_a_body_is_hidden);
	tcase_add_test(tc, tabs_before_a_value_become_blanks);
	tcase_add_test(tc, a_nul_is_malformed_in_a_line_and_allowed_in_a_body);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
