/*
 * In one process: an evhttp server with one handler, and a client that is read between loop passes.
 */
#include "net/hijack.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static struct event_base *base;
static struct evhttp *evhttp;
static struct sockaddr_in address;
static struct evhttp_request *in_flight;
static struct buf rest = BUF_EMPTY;
static int client, placeholder, hijacked = -1, closed;
static bool in_callback;

static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	(void)arg;
	closed++;
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);

	(void)arg;
	evhttp_connection_set_closecb(evcon, on_closed, NULL);
	if (in_callback)
		hijacked = hijack_fd(evcon, placeholder, &rest);
	else
		in_flight = req;
}

static void turn(void)
{
	for (int i = 0; i < 20; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

static void setup(void)
{
	socklen_t len = sizeof(address);
	struct evhttp_bound_socket *bound;

	base = event_base_new();
	evhttp = evhttp_new(base);
	bound = evhttp_bind_socket_with_handle(evhttp, "127.0.0.1", 0);
	ck_assert_ptr_nonnull(bound);
	ck_assert_int_eq(
		getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len),
		0);
	evhttp_set_gencb(evhttp, on_request, NULL);
	placeholder = eventfd(0, EFD_CLOEXEC);
	client = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void teardown(void)
{
	evhttp_free(evhttp);
	turn();
	event_base_free(base);
	close(client);
	close(placeholder);
	if (hijacked >= 0)
		close(hijacked);
	buf_fini(&rest);
}

static void client_send(const char *bytes)
{
	ck_assert_int_eq(send(client, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
	turn();
}

/* Reads at the client; -1: nothing has arrived, 0: the end of the stream. */
static ssize_t client_got(char *bytes, size_t size)
{
	return recv(client, bytes, size, MSG_DONTWAIT);
}

static void check_open(void)
{
	char bytes[64];

	ck_assert_int_ge(hijacked, 0);
	ck_assert_int_eq(closed, 1);
	ck_assert_int_eq(fcntl(hijacked, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(hijacked, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	turn();
	ck_assert_int_eq(client_got(bytes, sizeof(bytes)), -1);
	ck_assert_int_eq(send(hijacked, "to you", 6, 0), 6);
	usleep(1000);
	ck_assert_int_eq(client_got(bytes, sizeof(bytes)), 6);
	/* evhttp no longer reads from the socket. */
	client_send("to me");
	ck_assert_int_eq(recv(hijacked, bytes, sizeof(bytes), MSG_DONTWAIT), 5);
	ck_assert_mem_eq(bytes, "to me", 5);
}

START_TEST(a_socket_hijacked_in_the_callback_stays_open)
{
	in_callback = true;
	client_send(REQUEST);
	check_open();
	ck_assert_uint_eq(rest.len, 0);
}
END_TEST

START_TEST(a_socket_hijacked_later_stays_open)
{
	client_send(REQUEST);
	ck_assert_ptr_nonnull(in_flight);
	hijacked = hijack_fd(evhttp_request_get_connection(in_flight), placeholder, &rest);
	check_open();
}
END_TEST

START_TEST(bytes_behind_the_request_are_passed_on)
{
	in_callback = true;
	client_send(REQUEST "and these \x81\x05 bytes");
	check_open();
	ck_assert_uint_eq(rest.len, strlen("and these \x81\x05 bytes"));
	ck_assert_mem_eq(rest.data, "and these \x81\x05 bytes", rest.len);
}
END_TEST

START_TEST(bytes_in_the_kernel_are_left_there)
{
	char bytes[64];

	client_send(REQUEST);
	client_send("not read yet"); /* evhttp does not read while a request is in flight */
	hijacked = hijack_fd(evhttp_request_get_connection(in_flight), placeholder, &rest);
	ck_assert_int_ge(hijacked, 0);
	ck_assert_int_eq(
		recv(hijacked, bytes, sizeof(bytes), MSG_DONTWAIT) + (ssize_t)rest.len, 12);
}
END_TEST

START_TEST(without_a_free_descriptor_nothing_changes)
{
	struct rlimit was, none;
	char bytes[256];
	int lowest;

	client_send(REQUEST);
	lowest = dup(placeholder);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){ (rlim_t)lowest, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	errno = 0;
	ck_assert_int_eq(
		hijack_fd(evhttp_request_get_connection(in_flight), placeholder, &rest), -1);
	ck_assert_int_eq(errno, EMFILE);
	setrlimit(RLIMIT_NOFILE, &was);
	ck_assert_int_eq(closed, 0);
	evhttp_send_reply(in_flight, 204, "No Content", NULL);
	turn();
	ck_assert_int_gt(client_got(bytes, sizeof(bytes)), 0);
	ck_assert_mem_eq(bytes, "HTTP/1.1 204 ", 13);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hijack");
	TCase *tc = tcase_create("hijack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_socket_hijacked_in_the_callback_stays_open);
	tcase_add_test(tc, a_socket_hijacked_later_stays_open);
	tcase_add_test(tc, bytes_behind_the_request_are_passed_on);
	tcase_add_test(tc, bytes_in_the_kernel_are_left_there);
	tcase_add_test(tc, without_a_free_descriptor_nothing_changes);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
