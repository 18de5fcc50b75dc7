/*
 * What one client may cost the server over HTTP, with the routes of http_peer.c.
 */
#include "tests/unit/http_peer.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_private.h"
#include "tests/unit/suite.h"

#define BAD_BEARER "Authorization: Bearer " BAD_TOKEN "\r\n"
#define LENGTH(n) JSON "Content-Length: " #n "\r\n\r\n"
#define ONE_MIB ((size_t)1 << 20)

static void setup(void)
{
	peer_request_ms = 30000;
	peer_start("rate_limits = false\n");
}

static void setup_limited(void)
{
	peer_start("rate_limits = true\n");
}

static void setup_addresses(void)
{
	peer_start("trusted_proxies = {192.0.2.1}\nmax_connections_per_address = 16\n");
}

static void teardown(void)
{
	peer_stop();
}

static void check_has(const char *answer, const char *text)
{
	ck_assert_msg(strstr(answer, text) != NULL, "no %s in: %.600s", text, answer);
}

static int connect_and_send(const char *text)
{
	int fd = peer_connect();

	peer_send_str(fd, text);
	return fd;
}

START_TEST(a_bad_token_is_answered_before_the_body_is_sent)
{
	int fd = connect_and_send(
		"PUT /things/1 HTTP/1.1\r\n" HOST BAD_BEARER "Expect: 100-continue\r\n" LENGTH(16));
	const char *a = peer_read_all(fd);

	check_has(a, "HTTP/1.1 401 ");
	check_has(a, "\r\nConnection: close\r\n");
	close(fd);
}
END_TEST

START_TEST(a_connection_is_kept_after_the_body_of_a_rejected_request)
{
	int fd = connect_and_send("PUT /things/1 HTTP/1.1\r\n" HOST BAD_BEARER LENGTH(16) "{\"na");

	usleep(20000);
	peer_send_str(fd, "me\":\"bobby\"}GET /open HTTP/1.1\r\n" HOST "\r\n");
	check_has(peer_read_answer(fd), "HTTP/1.1 401 ");
	check_has(peer_read_answer(fd), "HTTP/1.1 200 ");
	peer_send_str(
		fd, "POST /nowhere HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nwh");
	usleep(20000);
	peer_send_str(fd, "at?\r\n0\r\nX: y\r\n\r\nGET /open HTTP/1.1\r\n" HOST "\r\n");
	check_has(peer_read_answer(fd), "HTTP/1.1 404 ");
	check_has(peer_read_answer(fd), "HTTP/1.1 200 ");
	close(fd);
}
END_TEST

START_TEST(a_body_may_come_in_pieces_while_the_token_is_looked_up)
{
	int fd = connect_and_send("PUT /things/1 HTTP/1.1\r\n" HOST
				  "Authorization: Bearer " SLOW_TOKEN "\r\n" LENGTH(16) "{\"na");

	usleep(20000);
	peer_send_str(fd, "me\":\"bo");
	usleep(150000);
	peer_send_str(fd, "bby\"}");
	check_has(peer_read_answer(fd), "\"text\":\"bobby\"}");
	close(fd);
}
END_TEST

/* The user of the token that was found may be another now. */
START_TEST(a_request_whose_body_comes_after_a_change_of_the_epoch_is_unavailable)
{
	static const char request[] =
		"PUT /things/1 HTTP/1.1\r\n" HOST BEARER LENGTH(16) "{\"name\":\"bobby\"}";
	int fd = peer_connect();

	peer_send(fd, request, sizeof(request) - 8);
	usleep(50000);
	peer_change_epoch();
	usleep(50000);
	peer_send_str(fd, request + sizeof(request) - 8);
	check_has(peer_read_answer(fd), "HTTP/1.1 503 ");
	peer_send_str(fd, request);
	check_has(peer_read_answer(fd), "\"text\":\"bobby\"}");
	close(fd);
}
END_TEST

START_TEST(the_limit_is_checked_before_the_body)
{
	static const char bad[] = "PUT /things/1 HTTP/1.1\r\n" HOST BEARER LENGTH(2) "{}";
	int fd = peer_connect(), n = 0;
	bool limited = false;

	while (strstr(peer_read_answer((peer_send_str(fd, bad), fd)), "HTTP/1.1 422 ") != NULL)
		ck_assert_int_lt(n++, 10000);
	ck_assert_int_ge(n, 200);
	/* The bucket refills meanwhile, the more the slower the machine is. */
	for (n = 0; n < 100 && !limited; n++) {
		int waiting;

		for (int i = 0; i < 20; i++)
			peer_read_answer((peer_send_str(fd, bad), fd));
		waiting = connect_and_send("PUT /things/1 HTTP/1.1\r\n" HOST BEARER
					   "Expect: 100-continue\r\n" LENGTH(2));
		limited = strstr(peer_read_answer(waiting), "HTTP/1.1 429 ") != NULL;
		close(waiting);
	}
	ck_assert(limited);
	close(fd);
}
END_TEST

/* Sends n bytes of a body, which is longer. */
static int start_body(const char *head, size_t n)
{
	char *bytes = malloc(n);
	int fd = connect_and_send(head);

	memset(bytes, ' ', n);
	peer_send(fd, bytes, n);
	free(bytes);
	return fd;
}

START_TEST(the_bodies_of_a_user_have_a_bound)
{
	static const char head[] = "PUT /things/1 HTTP/1.1\r\n" HOST BEARER LENGTH(1048576);
	struct pollfd peers[HTTP_BODIES_CLIENT_MAX / ONE_MIB + 1];
	const size_t n = sizeof(peers) / sizeof(peers[0]);
	size_t rejected = 0;
	int fd;

	for (size_t i = 0; i < n; i++)
		peers[i] = (struct pollfd){ .fd = start_body(head, ONE_MIB - 1), .events = POLLIN };
	ck_assert_int_gt(poll(peers, n, 5000), 0);
	while (peers[rejected].revents == 0)
		rejected++;
	check_has(peer_read_answer(peers[rejected].fd), "HTTP/1.1 429 ");
	/* The bound is a user's. */
	fd = start_body("POST /open HTTP/1.1\r\n" HOST LENGTH(65536), 65536 - 2);
	peer_send_str(fd, "{}");
	check_has(peer_read_answer(fd), "HTTP/1.1 200 ");
	close(fd);
	for (size_t i = 0; i < n; i++)
		close(peers[i].fd);
	ck_assert(peer_has_connections(0));
	fd = start_body(head, ONE_MIB - 2);
	peer_send_str(fd, "{}");
	check_has(peer_read_answer(fd), "HTTP/1.1 422 ");
	close(fd);
}
END_TEST

START_TEST(answers_that_are_not_read_have_a_bound)
{
	int fds[16], n = 0;
	bool rejected = false;

	while (!rejected) {
		char start[14] = "";

		ck_assert_int_lt(n, 16);
		fds[n] = connect_and_send("GET /large HTTP/1.1\r\n" HOST "\r\n");
		ck_assert_int_eq(recv(fds[n], start, 13, MSG_PEEK | MSG_WAITALL), 13);
		rejected = strcmp(start, "HTTP/1.1 429 ") == 0;
		n++;
	}
	ck_assert_int_ge(n, 2);
	/* Another user is served. */
	check_has(peer_talk("GET /things/1 HTTP/1.1\r\n" HOST BEARER "Connection: close\r\n\r\n"),
		"HTTP/1.1 200 ");
	/* When the answers have been read, so is this one. */
	for (int i = 0; i < n; i++) {
		if (i < n - 1)
			ck_assert_uint_ge(strlen(peer_read_answer(fds[i])), 4 << 20);
		close(fds[i]);
	}
	fds[0] = connect_and_send("GET /large HTTP/1.1\r\n" HOST "\r\n");
	check_has(peer_read_answer(fds[0]), "HTTP/1.1 200 ");
	close(fds[0]);
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_closed)
{
	static const char large[] = "GET /large HTTP/1.1\r\n" HOST "\r\n";
	int fd = peer_connect();

	for (int i = 0; i < 16; i++) /* one at least fills the buffers of both sockets */
		peer_send_str(fd, large);
	ck_assert(peer_has_connections(1));
	ck_assert(peer_has_connections(0));
	close(fd);
}
END_TEST

START_TEST(the_connections_of_an_address_have_a_bound)
{
	int fds[16], another;

	for (int i = 0; i < 16; i++)
		fds[i] = i % 2 == 0 ? peer_connect()
				    : connect_and_send("GET /open HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(peer_has_connections(16));
	another = connect_and_send("GET /open HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_int_le(recv(another, &(char){ 0 }, 1, 0), 0);
	close(another);
	ck_assert(peer_has_connections(16));
	check_has(peer_read_answer(fds[1]), "HTTP/1.1 200 ");
	close(fds[0]);
	ck_assert(peer_has_connections(15));
	check_has(peer_talk("GET /open HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
		"HTTP/1.1 200 ");
	for (int i = 1; i < 16; i++)
		close(fds[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_limits");
	TCase *tc = tcase_create("http_limits"), *limited = tcase_create("limited"),
	      *addresses = tcase_create("addresses");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_bad_token_is_answered_before_the_body_is_sent);
	tcase_add_test(tc, a_connection_is_kept_after_the_body_of_a_rejected_request);
	tcase_add_test(tc, a_body_may_come_in_pieces_while_the_token_is_looked_up);
	tcase_add_test(tc, a_request_whose_body_comes_after_a_change_of_the_epoch_is_unavailable);
	tcase_add_test(tc, the_bodies_of_a_user_have_a_bound);
	tcase_add_test(tc, answers_that_are_not_read_have_a_bound);
	tcase_add_test(tc, a_peer_that_does_not_read_is_closed);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(limited, 60);
	tcase_add_checked_fixture(limited, setup_limited, teardown);
	tcase_add_test(limited, the_limit_is_checked_before_the_body);
	suite_add_tcase(suite, limited);
	tcase_add_checked_fixture(addresses, setup_addresses, teardown);
	tcase_add_test(addresses, the_connections_of_an_address_have_a_bound);
	suite_add_tcase(suite, addresses);
	return suite_run(suite);
}
