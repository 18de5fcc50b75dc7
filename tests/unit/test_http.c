/*
 * HTTP over real sockets, with the routes of http_peer.c.
 */
#include "tests/unit/http_peer.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "tests/unit/suite.h"

#define CLOSE "Connection: close\r\n"
#define BODY(json_len) JSON "Content-Length: " #json_len "\r\n\r\n"

static void setup(void)
{
	peer_start("rate_limits = false\nallowed_origins = {\"https://ally.example\"}\n");
}

static void setup_limited(void)
{
	peer_start("rate_limits = true\n");
}

static void teardown(void)
{
	peer_stop();
}

/* Checks the status, and if code is not NULL that the answer is a problem with it (RFC 9457). */
static void check_answer(const char *answer, int status, const char *code)
{
	char start[32], member[80];

	/* evhttp answers with the version of the request. */
	snprintf(
		start, sizeof(start), "HTTP/1.%c %d ", answer[0] != '\0' ? answer[7] : '1', status);
	ck_assert_msg(strncmp(answer, start, strlen(start)) == 0, "not %d %s: %.500s", status, code,
		answer);
	if (code == NULL)
		return;
	snprintf(member, sizeof(member), "\"status\":%d,\"code\":\"%s\",\"detail\":\"", status,
		code);
	ck_assert_msg(strstr(answer, member) != NULL, "not %s: %.500s", member, answer);
	ck_assert_ptr_nonnull(strstr(answer, "{\"type\":\"about:blank\",\"title\":\""));
	ck_assert_ptr_nonnull(strstr(answer, "\r\nContent-Type: application/problem+json\r\n"));
	ck_assert_ptr_nonnull(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
	ck_assert_ptr_nonnull(strstr(answer, "\r\nCache-Control: no-store\r\n"));
	ck_assert_ptr_null(strstr(answer, "<HTML>"));
}

static void check_has(const char *answer, const char *text)
{
	ck_assert_msg(strstr(answer, text) != NULL, "no %s in: %.600s", text, answer);
}

/* Each request fails in one step and, if possible, in the later ones too. */
static const struct {
	const char *request;
	int status;
	const char *code;
} steps[] = {
	{ "POST /nowhere HTTP/1.1\r\n" HOST CLOSE
	  "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n{",
		404, "no_such_route" },
	{ "GET /things HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "GET /things/1/2 HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "GET /things/ HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "GET //x/open HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "GET /1/2/3/4/5/6/7/8/9/10 HTTP/1.1\r\n" HOST CLOSE "\r\n", 404, "no_such_route" },
	{ "DELETE /things/x HTTP/1.1\r\n" HOST CLOSE "\r\n", 405, "method_not_allowed" },
	{ "OPTIONS /open HTTP/1.1\r\n" HOST CLOSE "\r\n", 405, "method_not_allowed" },
	{ "GET /things/special HTTP/1.1\r\n" HOST CLOSE "\r\n", 405, "method_not_allowed" },
	{ "POST / HTTP/1.1\r\n" HOST CLOSE "\r\n", 405, "method_not_allowed" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE
	  "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n{",
		401, "bad_token" },
	{ "GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Authorization: Basic eDp5\r\n\r\n", 401,
		"bad_token" },
	{ "GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Authorization: Bearer " BAD_TOKEN "\r\n\r\n",
		401, "bad_token" },
	{ "GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Authorization: Bearer " GOOD_TOKEN "a\r\n\r\n",
		401, "bad_token" },
	{ "GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Authorization: Bearer " AWAY_TOKEN "\r\n\r\n",
		503, "unavailable" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER
	  "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n{",
		415, "not_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER "Content-Length: 1\r\n\r\n{", 415,
		"not_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER
	  "Content-Type: application/jsonx\r\nContent-Length: 1\r\n\r\n{",
		415, "not_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER BODY(1) "{", 400, "bad_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER BODY(2) "[]", 400, "bad_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER BODY(4) "null", 400, "bad_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 400, "bad_json" },
	{ "POST /things/special HTTP/1.1\r\n" HOST CLOSE BEARER BODY(0), 400, "bad_json" },
	{ "PUT /things/x HTTP/1.1\r\n" HOST CLOSE BEARER BODY(2) "{}", 400, "bad_path" },
	{ "GET /things/0 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 400, "bad_path" },
	{ "GET /things/-1 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 400, "bad_path" },
	{ "GET /things/1%00 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 400, "bad_path" },
	{ "GET /things/9007199254740992 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 400, "bad_path" },
	{ "PUT /things/1 HTTP/1.1\r\n" HOST CLOSE BEARER BODY(2) "{}", 422, "invalid" },
	{ "GET /search HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 422, "invalid" },
	{ "GET /search?q=a&limit=0 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 422, "invalid" },
	{ "GET /search?q=a%00b HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 422, "invalid" },
	{ "GET /search?q=%ff HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 422, "invalid" },
	{ "GET /names/a%27b HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n", 404, "no_such_user" },
	{ "GET /open HTTP/1.1\r\n" HOST CLOSE "Expect: the impossible\r\n\r\n", 417,
		"expectation_failed" },
};

START_TEST(the_first_failed_step_determines_the_answer)
{
	check_answer(peer_talk(steps[_i].request), steps[_i].status, steps[_i].code);
}
END_TEST

/* Requests that evhttp rejects by itself, and others that it accepts against RFC 9112. */
static const struct {
	const char *request;
	int status;
	const char *code;
} malformed[] = {
	{ "NONSENSE\r\n\r\n", 400, "bad_request" },
	{ "GET\r\n\r\n", 400, "bad_request" },
	{ "\x16\x03\x01\x02 and so on and so on\r\n", 400, "bad_request" },
	{ "GET  /open HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
	{ "GET /open /open HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
	{ "GET /open HTTP/9.9\r\n" HOST "\r\n", 400, "bad_request" },
	{ "GET /open HTTP/0.9\r\n" HOST "\r\n", 400, "bad_request" },
	{ "GET /open FTP/1.1\r\n" HOST "\r\n", 400, "bad_request" },
	{ "GET /open HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400, "bad_request" },
	{ "BREW /open HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented" },
	{ "get /open HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented" },
	{ "TRACE /open HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented" },
	{ "CONNECT open:80 HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented" },
	{ "POST /open HTTP/1.1\r\n" HOST "Expect: the impossible\r\n" JSON
	  "Content-Length: 2\r\n\r\n{}",
		417, "expectation_failed" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 2000000\r\n\r\n{", 413,
		"too_large" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 99999999999999999999\r\n\r\n{", 413,
		"too_large" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON
	  "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n",
		413, "too_large" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n1f0000\r\n{", 413,
		"too_large" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400,
		"bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: -1\r\n\r\n{}", 400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 1x\r\n\r\n{}", 400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: +2\r\n\r\n{}", 400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON
	  "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON
	  "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n", 400,
		"bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n{}   ", 400,
		"bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON
	  "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nabc",
		400, "bad_request" },
	{ "GET /open HTTP/1.1\r\n" HOST "\r\nPOST /open HTTP/1.1\r\n" HOST JSON
	  "Transfer-Encoding:chunked,chunked\r\n\r\n",
		200, NULL },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: identity\r\n\r\n", 400,
		"bad_request" },
	{ "POST /open HTTP/1.0\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		400, "bad_request" },
	{ "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length : 2\r\n\r\n{}", 400, "bad_request" },
	{ "HEAD /open HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 400, "bad_request" },
	{ "GET /open HTTP/1.1\r\n\r\n", 400, "bad_request" },
	{ "GET /open HTTP/1.1\r\n" HOST HOST "\r\n", 400, "bad_request" },
};

START_TEST(a_malformed_request_gets_a_problem_and_the_connection_ends)
{
	const char *answer =
		peer_talk(malformed[_i].request); /* reads up to the end of the stream */

	ck_assert_ptr_null(strstr(answer, "in time")); /* not by the time limit */
	/* The answer to a HEAD has no body. */
	check_answer(answer, malformed[_i].status,
		strncmp(malformed[_i].request, "HEAD", 4) != 0 ? malformed[_i].code : NULL);
	check_has(answer, "\r\nConnection: close\r\n");
}
END_TEST

START_TEST(a_405_has_allow_and_a_401_has_www_authenticate)
{
	check_has(peer_talk("DELETE /things/1 HTTP/1.1\r\n" HOST CLOSE "\r\n"),
		"\r\nAllow: GET, HEAD, PUT\r\n");
	check_has(peer_talk("DELETE /open HTTP/1.1\r\n" HOST CLOSE "\r\n"),
		"\r\nAllow: GET, HEAD, POST\r\n");
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE "\r\n"),
		"\r\nWWW-Authenticate: Bearer\r\n");
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE
			    "Authorization: Bearer " AWAY_TOKEN "\r\n\r\n"),
		"\r\nRetry-After: 1\r\n");
}
END_TEST

START_TEST(a_422_lists_each_bad_field)
{
	check_has(peer_talk("GET /search?limit=51 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n"),
		"\"errors\":[{\"field\":\"limit\",\"detail\":\"must be a whole number from 1 to "
		"50\"},"
		"{\"field\":\"q\",\"detail\":\"is missing\"}]}");
}
END_TEST

START_TEST(path_query_and_body_reach_the_handler)
{
	const char *a = peer_talk("PUT /things/%31%32 HTTP/1.1\r\n" HOST CLOSE BEARER BODY(
		16) "{\"name\":\"b\\\"ob\"}");

	check_answer(a, 200, NULL);
	check_has(a, "\r\nContent-Type: application/json\r\n");
	check_has(a, "\r\nCache-Control: no-store\r\n");
	check_has(a,
		"{\"user\":7,\"address\":\"127.0.0.1\",\"https\":false,\"number\":12,\"text\":"
		"\"b\\\"ob\"}");
	check_has(
		peer_talk("GET /search?limit=5&x=%&q=a%20b+c%26&q=d HTTP/1.1\r\n" HOST CLOSE BEARER
			  "\r\n"),
		"\"number\":5,\"text\":\"a b c&\"}");
	check_has(peer_talk("GET /names/Bob_1 HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n"),
		"\"text\":\"bob_1\"}");
	check_has(peer_talk("POST /things/special HTTP/1.1\r\n" HOST CLOSE BEARER "\r\n"),
		"\"number\":0,\"text\":\"\"}");
	check_answer(peer_talk("POST /nothing HTTP/1.1\r\n" HOST CLOSE BEARER
			       "Content-Length: 5\r\n\r\nwhat?"),
		204, NULL);
	check_answer(peer_talk("POST /open HTTP/1.1\r\n" HOST CLOSE
			       "Content-Type: Application/JSON;charset=utf-8\r\nTransfer-Encoding: "
			       "chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
		200, NULL);
}
END_TEST

START_TEST(a_head_is_answered_with_the_length_and_no_body)
{
	const char *a = peer_talk("HEAD /open HTTP/1.1\r\n" HOST CLOSE "\r\n");

	check_answer(a, 200, NULL);
	check_has(a, "\r\nContent-Length: 67\r\n");
	ck_assert_str_eq(strstr(a, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

/* Sends a head and a JSON body of len bytes. */
static const char *talk_with_body(const char *head, size_t len)
{
	struct buf b = BUF_EMPTY;
	int fd = peer_connect();
	const char *answer;

	buf_add_str(&b, head);
	buf_addf(&b, "Content-Length: %zu\r\n\r\n{\"text\":\"", len);
	memset(buf_reserve(&b, len), 'x', len);
	b.len += len - 11;
	buf_add_str(&b, "\"}");
	peer_send(fd, b.data, b.len);
	buf_fini(&b);
	answer = peer_read_all(fd);
	close(fd);
	return answer;
}

START_TEST(a_body_may_have_1_mib)
{
	check_answer(talk_with_body("POST /open HTTP/1.1\r\n" HOST CLOSE JSON, 1 << 20), 200, NULL);
	check_answer(talk_with_body("POST /open HTTP/1.1\r\n" HOST CLOSE JSON, (1 << 20) + 1), 413,
		"too_large");
	/* Just above the limit the earlier steps still come first. */
	check_answer(talk_with_body("POST /open HTTP/1.1\r\n" HOST CLOSE, (1 << 20) + 1), 415,
		"not_json");
	check_answer(talk_with_body("POST /nowhere HTTP/1.1\r\n" HOST CLOSE JSON, (1 << 20) + 1),
		404, "no_such_route");
	check_answer(talk_with_body("POST /open HTTP/1.1\r\n" HOST CLOSE JSON, 3 << 20), 413,
		"too_large");
}
END_TEST

START_TEST(an_endless_chunked_body_is_413)
{
	static char chunk[65536 + 9];
	int fd = peer_connect();

	peer_send_str(fd, "POST /open HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	memcpy(chunk, "10000\r\n", 7);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	for (int i = 0; i < 64; i++)
		peer_send(fd, chunk, sizeof(chunk));
	check_answer(peer_read_all(fd), 413, "too_large");
	close(fd);
}
END_TEST

static const char *talk_with_head(const char *start, const char *line, int n)
{
	struct buf b = BUF_EMPTY;
	const char *answer;

	buf_add_str(&b, start);
	for (int i = 0; i < n; i++)
		buf_add_str(&b, line);
	buf_add_str(&b, "\r\n\r\n");
	answer = peer_talk(buf_cstr(&b));
	buf_fini(&b);
	return answer;
}

START_TEST(a_head_may_have_16_kib)
{
	static char line[1024];

	memset(line, 'x', sizeof(line) - 1);
	check_answer(
		talk_with_head("GET /open HTTP/1.1\r\n" HOST CLOSE "X-Pad: ", line, 15), 200, NULL);
	check_answer(talk_with_head("GET /open HTTP/1.1\r\n" HOST "X-Pad: ", line, 17), 431,
		"headers_too_large");
	check_answer(talk_with_head("GET /", line, 17), 431, "headers_too_large");
	check_answer(talk_with_head("GET /open HTTP/1.1\r\n" HOST,
			     "X-Pad: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", 1000),
		431, "headers_too_large");
	/* A malformed head is 400, however much follows. */
	check_answer(
		talk_with_head("GET /open HTTP/1.1\r\nno colon\r\n", line, 40), 400, "bad_request");
}
END_TEST

START_TEST(an_incomplete_request_times_out_and_an_idle_connection_stays)
{
	int idle = peer_connect(), used = peer_connect(), slow = peer_connect(),
	    body = peer_connect(), after = peer_connect();

	peer_send_str(used, "GET /open HTTP/1.1\r\n" HOST "\r\n");
	check_answer(peer_read_answer(used), 200, NULL);
	peer_send_str(body, "POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 10\r\n\r\n{");
	peer_send_str(after, "GET /open HTTP/1.1\r\n" HOST "\r\nGET /op");
	check_answer(peer_read_answer(after), 200, NULL);
	/* Byte by byte; each byte comes within the time limit. */
	for (int i = 0; i < 12; i++) {
		peer_send(slow, &"GET /open HTTP/1.1\r\n"[i], 1);
		usleep(PEER_REQUEST_MS * 1000 / 10);
	}
	check_answer(peer_read_all(slow), 400, "bad_request");
	check_answer(peer_read_all(body), 400, "bad_request");
	check_answer(peer_read_all(after), 400, "bad_request");
	peer_send_str(used, "GET /open HTTP/1.1\r\n" HOST "\r\n");
	check_answer(peer_read_answer(used), 200, NULL);
	peer_send_str(idle, "GET /open HTTP/1.1\r\n" HOST "\r\n");
	check_answer(peer_read_answer(idle), 200, NULL);
	close(slow);
	close(body);
	close(after);
	ck_assert(peer_has_connections(2));
	close(idle);
	close(used);
}
END_TEST

START_TEST(the_time_limit_of_a_request_does_not_cover_its_answer)
{
	int fd = peer_connect();

	for (int i = 0; i < 3; i++) { /* 200 ms each */
		peer_send_str(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n");
		check_has(peer_read_answer(fd), "{\"late\":true}");
	}
	close(fd);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	int fd = peer_connect();

	peer_send_str(fd,
		"GET /late HTTP/1.1\r\n" HOST "\r\n"
		"GET /things/1 HTTP/1.1\r\n" HOST "Authorization: Bearer " SLOW_TOKEN "\r\n\r\n"
		"POST /open HTTP/1.1\r\n" HOST BODY(
			2) "{}GET /nowhere HTTP/1.1\r\n" HOST
			   "\r\nGET /things/2 HTTP/1.1\r\n" HOST BEARER CLOSE
			   "\r\nGET /things/3 HTTP/1.1\r\n" HOST BEARER "\r\n");
	check_has(peer_read_answer(fd), "{\"late\":true}");
	check_has(peer_read_answer(fd), "\"number\":1,");
	check_has(peer_read_answer(fd), "\"number\":0,");
	check_answer(peer_read_answer(fd), 404, "no_such_route");
	check_has(peer_read_answer(fd), "\"number\":2,");
	ck_assert_str_eq(
		peer_read_all(fd), ""); /* nothing after the close that the client requested */
	close(fd);
}
END_TEST

START_TEST(close_is_found_in_a_list_and_http_1_0_closes_by_default)
{
	check_answer(peer_talk("GET /open HTTP/1.1\r\n" HOST "Connection: TE, close\r\n\r\n"), 200,
		NULL);
	ck_assert_ptr_nonnull(strstr(peer_talk("GET /open HTTP/1.0\r\n\r\n"), "\"number\":0"));
}
END_TEST

/* RFC 9110 10.1.1 */
START_TEST(an_expectation_is_answered_with_100_continue)
{
	int fd = peer_connect();

	peer_send_str(fd,
		"POST /open HTTP/1.1\r\n" HOST JSON
		"Expect: 100-continue\r\nContent-Length: 12\r\n\r\n");
	ck_assert_str_eq(peer_read_answer(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	peer_send_str(fd, "{\"number\":3}");
	check_has(peer_read_answer(fd), "\"number\":3,");
	peer_send_str(fd,
		"POST /open HTTP/1.1\r\n" HOST JSON
		"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
	ck_assert_str_eq(peer_read_answer(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	peer_send_str(fd, "not a length\r\n");
	check_answer(peer_read_all(fd), 400, "bad_request");
	close(fd);
}
END_TEST

START_TEST(clients_may_disconnect_in_any_state_and_are_counted_correctly)
{
	static const char *const pieces[] = { "", "G", "GET /open HTTP/1.1\r\n",
		"GET /late HTTP/1.1\r\n" HOST "\r\n",
		"GET /things/1 HTTP/1.1\r\n" HOST "Authorization: Bearer " SLOW_TOKEN "\r\n\r\n",
		"GET /large HTTP/1.1\r\n" HOST "\r\n", "NONSENSE\r\n\r\n",
		"POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 100\r\n\r\n{",
		"POST /open HTTP/1.1\r\n" HOST JSON
		"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
		"GET /large HTTP/1.1\r\n" HOST "\r\nGET /large HTTP/1.1\r\n" HOST
		"\r\nGET /late HTTP/1.1\r\n" HOST "\r\n",
		"GET /ws HTTP/1.1\r\n" HOST
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer " SLOW_TOKEN
		"\r\n\r\n" };
	const struct linger reset = { 1, 0 };

	for (size_t i = 0; i < 4 * sizeof(pieces) / sizeof(pieces[0]); i++) {
		int fd = peer_connect();

		peer_send_str(fd, pieces[i / 4]);
		if (i % 2 == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		usleep(i % 4 < 2 ? 5000 : 0);
		close(fd);
	}
	ck_assert(peer_has_connections(0));
	check_answer(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "\r\n"), 200, NULL);
}
END_TEST

START_TEST(a_large_answer_reaches_a_slow_reader_completely)
{
	int fd = peer_connect();
	const char *a;

	peer_send_str(
		fd, "GET /large HTTP/1.1\r\n" HOST "\r\nGET /open HTTP/1.1\r\n" HOST CLOSE "\r\n");
	usleep(2 * PEER_REQUEST_MS * 1000);
	a = peer_read_answer(fd);
	ck_assert_uint_ge(strlen(a), 4 << 20);
	ck_assert_str_eq(a + strlen(a) - 2, "x\"");
	check_answer(peer_read_all(fd), 200, NULL);
	close(fd);
}
END_TEST

START_TEST(a_change_by_the_cookie_requires_an_allowed_origin)
{
#define COOKIE "Cookie: a=b; parley_session=" GOOD_TOKEN "; c=d\r\n"
#define NOTHING "POST /nothing HTTP/1.1\r\n" HOST CLOSE COOKIE
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE COOKIE
			    "Origin: https://evil.example\r\n\r\n"),
		"\"user\":7,");
	check_answer(peer_talk(NOTHING "\r\n"), 403, "bad_origin");
	check_answer(peer_talk(NOTHING "Origin: https://evil.example\r\n\r\n"), 403, "bad_origin");
	check_answer(peer_talk(NOTHING "Origin: null\r\n\r\n"), 403, "bad_origin");
	check_answer(peer_talk(NOTHING "Origin: https://chat.example\r\n\r\n"), 403, "bad_origin");
	check_answer(peer_talk(NOTHING "Origin: http://chat.example\r\n\r\n"), 204, NULL);
	check_answer(peer_talk(NOTHING "Origin: https://ally.example\r\n\r\n"), 204, NULL);
	check_answer(peer_talk(NOTHING
			     "Origin: https://chat.example\r\nX-Forwarded-Proto: https\r\n\r\n"),
		204, NULL);
	/* With the header the origin does not matter: no page of another origin can send it. */
	check_answer(peer_talk("POST /nothing HTTP/1.1\r\n" HOST CLOSE BEARER
			       "Origin: https://evil.example\r\n\r\n"),
		204, NULL);
	check_answer(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE
			       "Cookie: parley_session=x\r\n\r\n"),
		401, "bad_token");
	check_answer(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE COOKIE
			       "Authorization: Bearer " BAD_TOKEN "\r\n\r\n"),
		401, "bad_token");
	check_answer(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE COOKIE
			       "Authorization: Bearer\r\n\r\n"),
		401, "bad_token");
}
END_TEST

#define BASIC "Authorization: Basic eDp5\r\n"

START_TEST(other_schemes_than_bearer_are_ignored)
{
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE BASIC COOKIE "\r\n"),
		"\"user\":7,");
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Authorization:\r\n" COOKIE
			    "\r\n"),
		"\"user\":7,");
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE BASIC BEARER "\r\n"),
		"\"user\":7,");
	check_answer(
		peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE BASIC "\r\n"), 401, "bad_token");
	/* The cookie is used, so the origin must be allowed. */
	check_answer(peer_talk(NOTHING BASIC "\r\n"), 403, "bad_origin");
	check_answer(
		peer_talk(NOTHING BASIC "Origin: https://evil.example\r\n\r\n"), 403, "bad_origin");
	check_answer(peer_talk(NOTHING BASIC "Origin: http://chat.example\r\n\r\n"), 204, NULL);
}
END_TEST

START_TEST(several_cookie_lines_are_read_and_two_origins_are_rejected)
{
	check_has(
		peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE "Cookie: a=b\r\n" COOKIE "\r\n"),
		"\"user\":7,");
	check_answer(peer_talk(NOTHING
			     "Origin: http://chat.example\r\nOrigin: https://evil.example\r\n\r\n"),
		403, "bad_origin");
}
END_TEST

/* RFC 9112 5 */
START_TEST(white_space_around_a_value_is_no_part_of_it)
{
	int fd = peer_connect();

	check_has(
		peer_talk(
			"POST /open HTTP/1.1\r\nHost:\t chat.example \t\r\nConnection:\tclose\t\r\n"
			"Content-Type: \tapplication/json\t \r\nCONTENT-length:\t12 "
			"\r\n\r\n{\"number\":3}"),
		"\"number\":3,");
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST CLOSE
			    "Authorization:\tBearer " GOOD_TOKEN "\t\r\n\r\n"),
		"\"user\":7,");
	check_answer(peer_talk(NOTHING "Origin:\thttp://chat.example\r\n\r\n"), 204, NULL);
	/* evhttp must see the same end of the request. */
	peer_send_str(fd,
		"POST /open HTTP/1.1\r\n" HOST JSON
		"Transfer-Encoding:\t chunked \t\r\n\r\nc\r\n{\"number\":4}\r\n0\r\n\r\n"
		"GET /things/2 HTTP/1.1\r\n" HOST BEARER "\r\n");
	check_has(peer_read_answer(fd), "\"number\":4,");
	check_has(peer_read_answer(fd), "\"number\":2,");
	close(fd);
}
END_TEST

#define CHUNKS JSON "Transfer-Encoding: chunked\r\n\r\nc\r\n{\"number\":4}\r\n0\r\n"

/* RFC 9112 7.1.2: they are not merged into the header fields. */
START_TEST(trailer_fields_are_ignored)
{
	static const char *const parts[] = { "POST /open HTTP/1.1\r\n" HOST CHUNKS,
		"X-Forwarded-For: 192", ".0.2.66\r\nX-Forwarded-Proto: https\r",
		"\nConnection: close\r\n", "\r\n" };
	int fd = peer_connect();
	const char *a;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		peer_send_str(fd, parts[i]);
		usleep(20000);
	}
	a = peer_read_answer(fd);
	check_answer(a, 200, NULL);
	check_has(a, "\"address\":\"127.0.0.1\",\"https\":false,\"number\":4,");
	peer_send_str(fd, "POST /things/special HTTP/1.1\r\n" HOST CHUNKS BEARER "\r\n");
	check_answer(peer_read_answer(fd), 401, "bad_token");
	peer_send_str(fd,
		"POST /open HTTP/1.1\r\n" HOST CHUNKS "Transfer-Encoding: gzip\r\nHost: x\r\n\r\n");
	check_has(peer_read_answer(fd), "\"number\":4,");
	peer_send_str(fd, "GET /open HTTP/1.1\r\n" HOST CLOSE "\r\n");
	check_answer(peer_read_all(fd), 200, NULL);
	close(fd);
}
END_TEST

static const char *const bad_trailers[] = { "no colon\r\n\r\n", "X : y\r\n\r\n", " X: y\r\n\r\n",
	"X: y\r\n z\r\n\r\n", ": y\r\n\r\n", "X: y\rz\r\n\r\n" };

START_TEST(a_trailer_field_that_is_not_well_formed_is_400)
{
	int fd = peer_connect();
	const char *a;

	peer_send_str(fd, "POST /open HTTP/1.1\r\n" HOST CHUNKS);
	if (_i % 2 == 1)
		usleep(20000);
	peer_send_str(fd, bad_trailers[_i / 2]);
	a = peer_read_all(fd);
	check_answer(a, 400, "bad_request");
	check_has(a, "trailer");
	close(fd);
}
END_TEST

START_TEST(trailer_fields_may_have_16_kib_with_the_head)
{
	struct buf b = BUF_EMPTY;
	int fd = peer_connect();

	buf_add_str(&b, "POST /open HTTP/1.1\r\n" HOST CHUNKS);
	for (int i = 0; i < 1000; i++)
		buf_add_str(&b, "X-Pad: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
	peer_send(fd, b.data, b.len);
	check_answer(peer_read_all(fd), 431, "headers_too_large");
	buf_fini(&b);
	close(fd);
}
END_TEST

START_TEST(the_client_behind_a_trusted_proxy_is_found)
{
	const char *a = peer_talk(
		"GET /open HTTP/1.1\r\n" HOST CLOSE
		"X-Forwarded-For: 192.0.2.66, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n");

	check_has(a, "\"address\":\"203.0.113.9\",\"https\":true,");
}
END_TEST

/* RFC 9110 5.3; haproxy adds a line of its own to X-Forwarded-For. */
START_TEST(several_lines_of_a_field_are_one_list)
{
	check_has(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "X-Forwarded-For: 192.0.2.66,\r\n"
			    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\n"
			    "x-forwarded-for: 127.0.0.1\r\nX-Forwarded-Proto: https, http\r\n\r\n"),
		"\"address\":\"203.0.113.9\",\"https\":true,");
	check_has(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "X-Forwarded-For: 203.0.113.9\r\n"
			    "X-Forwarded-For: unknown\r\n\r\n"),
		"\"address\":\"127.0.0.1\",");
	check_answer(peer_talk("GET /open HTTP/1.1\r\n" HOST
			       "Connection: TE\r\nConnection: x, Close\r\n\r\n"),
		200, NULL);
	check_answer(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE
			       "Expect: 100-continue\r\nExpect: the impossible\r\n\r\n"),
		417, "expectation_failed");
}
END_TEST

/* Traefik reports wss for an upgrade. */
START_TEST(wss_from_a_trusted_proxy_is_https)
{
	check_has(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "X-Forwarded-Proto: wss\r\n\r\n"),
		"\"https\":true,");
	check_has(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "X-Forwarded-Proto: ws\r\n\r\n"),
		"\"https\":false,");
}
END_TEST

/* The upgrade. */

#define WS_HEAD \
	"GET /ws HTTP/1.1\r\n" HOST "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
#define WS_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define WS WS_HEAD "Sec-WebSocket-Version: 13\r\n" WS_KEY

static const struct {
	const char *request;
	int status;
	const char *code;
} handshakes[] = {
	{ "GET /ws HTTP/1.1\r\n" HOST CLOSE "\r\n", 426, "upgrade_required" },
	{ "GET /ws HTTP/1.1\r\n" HOST
	  "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n" WS_KEY "\r\n",
		426, "upgrade_required" },
	{ "GET /ws HTTP/1.0\r\n" HOST
	  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" WS_KEY
	  "\r\n",
		426, "upgrade_required" },
	{ WS_HEAD CLOSE "Sec-WebSocket-Version: 8\r\n" WS_KEY "\r\n", 426, "upgrade_required" },
	/* RFC 6455 11.3.1, 11.3.5: these two occur once. */
	{ WS CLOSE "Sec-WebSocket-Version: 8\r\n\r\n", 426, "upgrade_required" },
	{ WS CLOSE WS_KEY "\r\n", 400, "bad_request" },
	{ "GET /ws HTTP/1.1\r\n" HOST CLOSE
	  "Upgrade: websocket;q=1\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" WS_KEY
	  "\r\n",
		426, "upgrade_required" },
	{ WS CLOSE "X-Forwarded-Proto: wss\r\nOrigin: http://chat.example\r\n\r\n", 403,
		"bad_origin" },
	{ WS CLOSE "Origin: http://chat.example\r\nOrigin: http://evil.example\r\n\r\n", 403,
		"bad_origin" },
	{ WS CLOSE BASIC "Sec-WebSocket-Protocol: bearer." BAD_TOKEN "\r\n\r\n", 401, "bad_token" },
	{ WS_HEAD CLOSE "Sec-WebSocket-Version: 13\r\n\r\n", 400, "bad_request" },
	{ WS_HEAD CLOSE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400,
		"bad_request" },
	{ "POST /ws HTTP/1.1\r\n" HOST CLOSE "\r\n", 405, "method_not_allowed" },
	{ WS CLOSE "Origin: http://evil.example\r\n" BEARER "\r\n", 403, "bad_origin" },
	{ WS CLOSE "Authorization: Bearer " BAD_TOKEN "\r\n\r\n", 401, "bad_token" },
	{ WS CLOSE "Authorization: Bearer short\r\nCookie: parley_session=" GOOD_TOKEN "\r\n\r\n",
		401, "bad_token" },
	{ WS CLOSE "Sec-WebSocket-Protocol: parley.v1, bearer." BAD_TOKEN "\r\n\r\n", 401,
		"bad_token" },
	{ WS CLOSE "Cookie: parley_session=" BAD_TOKEN "\r\n\r\n", 401, "bad_token" },
	{ WS CLOSE "Authorization: Bearer " AWAY_TOKEN "\r\n\r\n", 503, "unavailable" },
	{ WS CLOSE "Authorization: Bearer " FULL_TOKEN "\r\n\r\n", 429, "too_many_sockets" },
};

START_TEST(a_bad_handshake_is_rejected)
{
	const char *a = peer_talk(handshakes[_i].request);

	check_answer(a, handshakes[_i].status, handshakes[_i].code);
	if (handshakes[_i].status == 426) {
		check_has(a, "\r\nSec-WebSocket-Version: 13\r\n");
		check_has(a, "\r\nUpgrade: websocket\r\n");
	}
}
END_TEST

static const struct {
	const char *request;
	const char *upgraded;
} upgrades[] = {
	{ WS "\r\n", "subprotocol=none token=0 user=0 address=127.0.0.1 bytes=" },
	{ WS "\r\nthese came behind",
		"subprotocol=none token=0 user=0 address=127.0.0.1 bytes=these came behind" },
	{ WS BEARER "Origin: http://chat.example\r\n\r\nso did these",
		"subprotocol=none token=70 user=7 address=127.0.0.1 bytes=so did these" },
	{ WS "Sec-WebSocket-Protocol: parley.v1\r\n\r\n",
		"subprotocol=parley.v1 token=0 user=0 address=127.0.0.1 bytes=" },
	{ WS "Sec-WebSocket-Protocol: chat, parley.v1 , bearer." GOOD_TOKEN "\r\n\r\n",
		"subprotocol=parley.v1 token=70 user=7 address=127.0.0.1 bytes=" },
	{ WS "Sec-WebSocket-Protocol: parley.v1\r\nSec-WebSocket-Protocol: bearer." SLOW_TOKEN
	     "\r\n\r\n",
		"subprotocol=parley.v1 token=70 user=7 address=127.0.0.1 bytes=" },
	{ WS "Cookie: parley_session=" GOOD_TOKEN "\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n",
		"subprotocol=none token=70 user=7 address=203.0.113.9 bytes=" },
	{ WS "X-Forwarded-Proto: wss\r\nOrigin: https://chat.example\r\n\r\n",
		"subprotocol=none token=0 user=0 address=127.0.0.1 bytes=" },
	{ "GET /ws HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nUpgrade:\tWebSocket\r\nConnection: TE\r\n"
	  "Connection: x,Upgrade\r\nSec-WebSocket-Version:\t13\r\n" WS_KEY "\r\n",
		"subprotocol=none token=0 user=0 address=127.0.0.1 bytes=" },
	/* RFC 6455 4.2.2: compared exactly. */
	{ WS "Sec-WebSocket-Protocol: PARLEY.V1, bearer." GOOD_TOKEN "\r\n\r\n",
		"subprotocol=none token=70 user=7 address=127.0.0.1 bytes=" },
	{ WS "Sec-WebSocket-Protocol: parley.v1;x, parley.v1 x, parley.v10, Bearer." GOOD_TOKEN
	     "\r\n\r\n",
		"subprotocol=none token=0 user=0 address=127.0.0.1 bytes=" },
	{ WS BASIC "Sec-WebSocket-Protocol: parley.v1, bearer." GOOD_TOKEN "\r\n\r\n",
		"subprotocol=parley.v1 token=70 user=7 address=127.0.0.1 bytes=" },
	{ WS BASIC COOKIE "Origin: http://chat.example\r\n\r\n",
		"subprotocol=none token=70 user=7 address=127.0.0.1 bytes=" },
	{ WS "Authorization: Bearer " SLOW_TOKEN "\r\n\r\nlate",
		"subprotocol=none token=70 user=7 address=127.0.0.1 bytes=late" },
};

START_TEST(an_upgrade_passes_on_the_socket_and_the_bytes_behind_the_request)
{
	const char *a = peer_talk(upgrades[_i].request);

	check_has(a, "upgraded key=dGhlIHNhbXBsZSBub25jZQ== ");
	ck_assert_str_eq(strstr(a, "subprotocol="), upgrades[_i].upgraded);
	ck_assert(peer_has_connections(0));
}
END_TEST

START_TEST(an_upgrade_may_follow_other_requests_on_its_connection)
{
	int fd = peer_connect();

	peer_send_str(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n" WS "\r\nbehind");
	check_has(peer_read_answer(fd), "{\"late\":true}");
	check_has(peer_read_all(fd), "token=0 user=0 address=127.0.0.1 bytes=behind");
	close(fd);
}
END_TEST

/* Limits and stopping. */

START_TEST(too_many_requests_of_a_user_or_address_are_429)
{
	int fd = peer_connect();
	int good = 0;

	/* The bucket refills meanwhile, the more the slower the machine is. */
	while (good < 10000) {
		const char *a;

		peer_send_str(fd, "GET /things/1 HTTP/1.1\r\n" HOST BEARER "\r\n");
		a = peer_read_answer(fd);
		if (strncmp(a, "HTTP/1.1 429 ", 13) == 0) {
			check_answer(a, 429, "too_many_requests");
			check_has(a, "\r\nRetry-After: 1\r\n");
			break;
		}
		check_answer(a, 200, NULL);
		good++;
	}
	ck_assert_int_ge(good, 200);
	ck_assert_int_lt(good, 10000);
	check_answer(peer_talk("GET /open HTTP/1.1\r\n" HOST CLOSE "\r\n"), 200,
		NULL); /* the bucket of the address */
	close(fd);
}
END_TEST

#define HELD "GET /held HTTP/1.1\r\n" HOST BEARER CLOSE "\r\n"
#define HELD_OF_OTHER \
	"GET /held HTTP/1.1\r\n" HOST "Authorization: Bearer " FULL_TOKEN "\r\n" CLOSE "\r\n"

/* Answers the costly requests that run. Returns how many they were. */
static int release(void)
{
	const char *a = peer_talk("GET /release HTTP/1.1\r\n" HOST CLOSE "\r\n");
	int n = -1;

	check_answer(a, 200, NULL);
	ck_assert_int_eq(sscanf(strstr(a, "{\"n\":"), "{\"n\":%d}", &n), 1);
	return n;
}

/* Releases until so many have been answered; never more than `at_once` run. */
static void release_all(int n, int at_once)
{
	for (int tries = 0; n > 0 && tries < 500; tries++) {
		int released = release();

		ck_assert_int_le(released, at_once);
		n -= released;
		usleep(released == 0 ? 10000 : 0);
	}
	ck_assert_int_eq(n, 0);
}

/* Opens n connections with a costly request each, of which at least n_rejected are 429 at once. */
static void costly_begin(struct pollfd *p, int n, int n_rejected)
{
	int n_answered = 0;

	for (int i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = peer_connect(), .events = POLLIN };
		peer_send_str(p[i].fd, HELD);
	}
	for (int tries = 0; n_answered < n_rejected && tries < 500; tries++) {
		ck_assert_int_ge(n_answered = poll(p, (nfds_t)n, 10), 0);
		usleep(10000);
	}
	ck_assert_int_eq(n_answered, n_rejected);
}

START_TEST(two_costly_requests_of_a_user_run_and_eight_wait)
{
	struct pollfd p[13];
	int other, n_429 = 0;

	costly_begin(p, 13, 3);
	/* Another user has a share of their own. */
	other = peer_connect();
	peer_send_str(other, HELD_OF_OTHER);
	release_all(11, 3);
	check_answer(peer_read_all(other), 200, NULL);
	close(other);
	for (int i = 0; i < 13; i++) {
		const char *a = peer_read_all(p[i].fd);

		if (strncmp(a, "HTTP/1.1 429 ", 13) != 0) {
			check_answer(a, 200, NULL);
		} else {
			check_answer(a, 429, "too_many_requests");
			check_has(a, "\r\nRetry-After: 1\r\n");
			n_429++;
		}
		close(p[i].fd);
	}
	ck_assert_int_eq(n_429, 3);
}
END_TEST

START_TEST(costly_requests_of_clients_that_disconnect_do_not_stay)
{
	struct pollfd p[10];
	int last;

	costly_begin(p, 10, 0);
	ck_assert(peer_has_connections(10));
	for (int i = 0; i < 10; i++)
		close(p[i].fd);
	release_all(10, 2);
	ck_assert(peer_has_connections(0));
	last = peer_connect();
	peer_send_str(last, HELD);
	release_all(1, 1);
	check_answer(peer_read_all(last), 200, NULL);
	close(last);
}
END_TEST

START_TEST(requests_in_flight_are_answered_after_http_stop)
{
	int fd = peer_connect();

	peer_send_str(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(peer_has_connections(1));
	peer_accept_no_more();
	check_has(peer_read_all(fd), "{\"late\":true}"); /* and closes */
	close(fd);
	ck_assert_uint_eq(peer_accepted(), 1);
}
END_TEST

START_TEST(http_close_with_requests_in_every_state_is_clean)
{
	static const char costly[] = "GET /costly HTTP/1.1\r\n" HOST BEARER "\r\n";
	static const char *const pieces[] = { "", "GET", "GET /late HTTP/1.1\r\n" HOST "\r\n",
		"GET /large HTTP/1.1\r\n" HOST "\r\n", "NONSENSE\r\n\r\n",
		"POST /open HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{",
		"POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{", costly, costly,
		costly, costly };
	const int n = sizeof(pieces) / sizeof(pieces[0]);
	int fd[sizeof(pieces) / sizeof(pieces[0])];

	for (int i = 0; i < n; i++) {
		fd[i] = peer_connect();
		peer_send_str(fd[i], pieces[i]);
	}
	usleep(100000);
	ck_assert(peer_has_connections(n));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http"), *limited = tcase_create("limited");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_first_failed_step_determines_the_answer, 0,
		sizeof(steps) / sizeof(steps[0]));
	tcase_add_loop_test(tc, a_malformed_request_gets_a_problem_and_the_connection_ends, 0,
		sizeof(malformed) / sizeof(malformed[0]));
	tcase_add_test(tc, a_405_has_allow_and_a_401_has_www_authenticate);
	tcase_add_test(tc, a_422_lists_each_bad_field);
	tcase_add_test(tc, path_query_and_body_reach_the_handler);
	tcase_add_test(tc, a_head_is_answered_with_the_length_and_no_body);
	tcase_add_test(tc, a_body_may_have_1_mib);
	tcase_add_test(tc, an_endless_chunked_body_is_413);
	tcase_add_test(tc, a_head_may_have_16_kib);
	tcase_add_test(tc, an_incomplete_request_times_out_and_an_idle_connection_stays);
	tcase_add_test(tc, the_time_limit_of_a_request_does_not_cover_its_answer);
	tcase_add_test(tc, pipelined_requests_are_answered_in_order);
	tcase_add_test(tc, close_is_found_in_a_list_and_http_1_0_closes_by_default);
	tcase_add_test(tc, an_expectation_is_answered_with_100_continue);
	tcase_add_test(tc, clients_may_disconnect_in_any_state_and_are_counted_correctly);
	tcase_add_test(tc, a_large_answer_reaches_a_slow_reader_completely);
	tcase_add_test(tc, a_change_by_the_cookie_requires_an_allowed_origin);
	tcase_add_test(tc, other_schemes_than_bearer_are_ignored);
	tcase_add_test(tc, several_cookie_lines_are_read_and_two_origins_are_rejected);
	tcase_add_test(tc, white_space_around_a_value_is_no_part_of_it);
	tcase_add_test(tc, trailer_fields_are_ignored);
	tcase_add_loop_test(tc, a_trailer_field_that_is_not_well_formed_is_400, 0,
		2 * sizeof(bad_trailers) / sizeof(bad_trailers[0]));
	tcase_add_test(tc, trailer_fields_may_have_16_kib_with_the_head);
	tcase_add_test(tc, the_client_behind_a_trusted_proxy_is_found);
	tcase_add_test(tc, several_lines_of_a_field_are_one_list);
	tcase_add_test(tc, wss_from_a_trusted_proxy_is_https);
	tcase_add_loop_test(
		tc, a_bad_handshake_is_rejected, 0, sizeof(handshakes) / sizeof(handshakes[0]));
	tcase_add_loop_test(tc, an_upgrade_passes_on_the_socket_and_the_bytes_behind_the_request, 0,
		sizeof(upgrades) / sizeof(upgrades[0]));
	tcase_add_test(tc, an_upgrade_may_follow_other_requests_on_its_connection);
	tcase_add_test(tc, requests_in_flight_are_answered_after_http_stop);
	tcase_add_test(tc, http_close_with_requests_in_every_state_is_clean);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(limited, 60);
	tcase_add_checked_fixture(limited, setup_limited, teardown);
	tcase_add_test(limited, too_many_requests_of_a_user_or_address_are_429);
	tcase_add_test(limited, two_costly_requests_of_a_user_run_and_eight_wait);
	tcase_add_test(limited, costly_requests_of_clients_that_disconnect_do_not_stay);
	suite_add_tcase(suite, limited);
	return suite_run(suite);
}
