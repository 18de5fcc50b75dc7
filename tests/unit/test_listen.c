/*
 * Listeners: binding, and how workers (child processes with a loop each) share connections.
 */
#define _GNU_SOURCE 1
#include "net/listen.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stats.h"
#include "tests/unit/suite.h"

#define WORKERS 4
#define CLIENTS 400
#define SOON_MS 3000

static int listener;
static struct sockaddr_in address;
static struct heritage heritage;
static pid_t workers[WORKERS];

static void setup(void)
{
	socklen_t len = sizeof(address);
	size_t size = sizeof(struct stats) + WORKERS * sizeof(struct stats_slot);

	log_set_level(LOG_LEVEL_ERROR);
	listener = listen_bind("127.0.0.1:0", 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	heritage = (struct heritage){ .listen_fds = &listener, .n_listen = 1, .n_slots = WORKERS };
	heritage.stats =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(heritage.stats, MAP_FAILED);
}

static void teardown(void)
{
	for (unsigned slot = 0; slot < WORKERS; slot++) {
		if (workers[slot] > 0) {
			kill(workers[slot], SIGKILL);
			waitpid(workers[slot], NULL, 0);
		}
	}
}

/* --- a worker: sends its slot on each connection, and closes it after the peer --- */

static struct event_base *base;
static struct listen *listening;

static void on_peer_left(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	event_free(*(struct event **)arg);
	free(arg);
	close((int)fd);
	listen_connection_closed(listening);
}

static void on_accepted(
	struct evconnlistener *from, int fd, struct sockaddr *peer, int len, void *arg)
{
	struct event **event = malloc(sizeof(*event));
	char slot = (char)('0' + heritage.slot);
	socklen_t on_len = sizeof(int);
	int on = 0;

	(void)from;
	(void)arg;
	listen_accepted(listening);
	if (peer->sa_family != AF_INET || len != sizeof(struct sockaddr_in))
		slot = 'P';
	if (!(fcntl(fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		slot = 'F';
	if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &on_len) != 0 || !on)
		slot = 'N';
	if (write(fd, &slot, 1) != 1)
		abort();
	*event = event_new(base, fd, EV_READ, on_peer_left, event);
	event_add(*event, NULL);
}

static void on_usr1(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	listen_stop(listening);
}

static void worker_fork(unsigned slot, unsigned max_connections, rlim_t files)
{
	heritage.stats->slots[slot].alive = 1;
	workers[slot] = fork();
	ck_assert_int_ge(workers[slot], 0);
	if (workers[slot] > 0)
		return;
	heritage.slot = slot;
	if (files > 0)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, files });
	base = event_base_new();
	listening = listen_open(base, &heritage, max_connections);
	evconnlistener_set_cb(listen_at(listening, 0), on_accepted, NULL);
	heritage.stats->slots[slot].pid = (uint32_t)getpid(); /* it is up */
	event_add(evsignal_new(base, SIGUSR1, on_usr1, NULL), NULL);
	event_base_dispatch(base);
	_exit(1);
}

/* --- a client --- */

static int client_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The slot that accepted the connection; 0: none within wait_ms. */
static char client_slot(int fd, int wait_ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char slot;

	if (poll(&readable, 1, wait_ms) == 0)
		return 0;
	ck_assert_int_eq(read(fd, &slot, 1), 1);
	return slot;
}

static unsigned total_connections(void)
{
	unsigned total = 0;

	for (unsigned slot = 0; slot < WORKERS; slot++)
		total += heritage.stats->slots[slot].connections;
	return total;
}

static void wait_for_total(unsigned wanted)
{
	int64_t deadline_ms = clock_mono_ms() + SOON_MS;

	while (total_connections() != wanted) {
		ck_assert_int_lt(clock_mono_ms(), deadline_ms);
		usleep(1000);
	}
}

/* --- tests --- */

static void ck_bind_fails(const char *where, int error)
{
	errno = 0;
	ck_assert_msg(listen_bind(where, 0) < 0, "%s", where);
	ck_assert_msg(errno == error, "%s: %s", where, strerror(errno));
}

START_TEST(an_address_is_numeric_and_has_a_port)
{
	static const char *const broken[] = { "", ":", ":80", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "localhost:0", "::1:0", "[::1]",
		"[::1:0", "::1]:0", "[]:0", "[", "]:0", "256.0.0.1:0" };

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		ck_bind_fails(broken[i], EINVAL);
	ck_bind_fails("192.0.2.1:0", EADDRNOTAVAIL);
	ck_assert_int_ge(listen_bind("0.0.0.0:0", 0), 0);
}
END_TEST

START_TEST(both_families_may_have_the_same_port)
{
	struct sockaddr_in6 bound;
	socklen_t len = sizeof(bound);
	char where[32];
	int fd = listen_bind("[::]:0", 0);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		return; /* a machine without IPv6 */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
	snprintf(where, sizeof(where), "0.0.0.0:%u", ntohs(bound.sin6_port));
	ck_assert_int_ge(listen_bind(where, 0), 0);
}
END_TEST

START_TEST(binding_retries_a_port_in_use_up_to_the_limit)
{
	int64_t start_ms = clock_mono_ms();
	char where[32];
	pid_t holder;

	snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(address.sin_port));
	ck_bind_fails(where, EADDRINUSE);
	ck_assert_int_lt(clock_mono_ms() - start_ms, 40);
	errno = 0;
	ck_assert_int_lt(listen_bind(where, 200), 0);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_int_ge(clock_mono_ms() - start_ms, 200);
	holder = fork(); /* as a worker whose master was killed */
	if (holder == 0) {
		usleep(300000);
		_exit(0);
	}
	close(listener);
	ck_assert_int_ge(listen_bind(where, SOON_MS), 0);
	ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
}
END_TEST

/* on_accepted checks the descriptor. */
START_TEST(an_accepted_socket_is_non_blocking_and_counted)
{
	int fd;

	worker_fork(2, 100, 0);
	fd = client_connect();
	ck_assert_int_eq(client_slot(fd, SOON_MS), '2');
	ck_assert_uint_eq(heritage.stats->slots[2].connections, 1);
	ck_assert_uint_eq(heritage.stats->slots[2].accepted, 1);
	close(fd);
	wait_for_total(0);
	ck_assert_uint_eq(heritage.stats->slots[2].accepted, 1);
}
END_TEST

START_TEST(workers_get_equal_shares)
{
	int fds[CLIENTS];

	for (unsigned slot = 0; slot < WORKERS; slot++)
		worker_fork(slot, CLIENTS, 0);
	for (unsigned slot = 0; slot < WORKERS; slot++)
		while (heritage.stats->slots[slot].pid == 0)
			usleep(1000);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = client_connect();
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_ne(client_slot(fds[i], SOON_MS), 0);
	for (unsigned slot = 0; slot < WORKERS; slot++) {
		ck_assert_uint_ge(
			heritage.stats->slots[slot].connections, CLIENTS / WORKERS * 3 / 4);
		ck_assert_uint_le(
			heritage.stats->slots[slot].connections, CLIENTS / WORKERS * 5 / 4);
	}
}
END_TEST

START_TEST(clients_of_a_stopped_worker_are_accepted_by_others)
{
	int fds[CLIENTS];
	int64_t start_ms;

	for (unsigned slot = 0; slot < WORKERS; slot++)
		worker_fork(slot, CLIENTS, 0);
	for (int i = 0; i < WORKERS; i++) /* each is up */
		ck_assert_int_ne(client_slot(client_connect(), SOON_MS), 0);
	kill(workers[1], SIGSTOP);
	start_ms = clock_mono_ms();
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = client_connect();
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_ne(client_slot(fds[i], SOON_MS), 0);
	ck_assert_int_lt(clock_mono_ms() - start_ms, SOON_MS);
	kill(workers[1], SIGCONT);
}
END_TEST

START_TEST(a_dead_worker_is_not_in_the_average)
{
	worker_fork(0, CLIENTS, 0);
	heritage.stats->slots[1].connections = 0;
	heritage.stats->slots[1].alive = 0;
	for (int i = 0; i < 50; i++) {
		int64_t start_ms = clock_mono_ms();

		ck_assert_int_eq(client_slot(client_connect(), SOON_MS), '0');
		ck_assert_int_lt(clock_mono_ms() - start_ms, 1000);
	}
}
END_TEST

START_TEST(a_full_worker_accepts_again_when_a_connection_ends)
{
	int fds[3], waiting;

	worker_fork(0, 3, 0);
	for (int i = 0; i < 3; i++) {
		fds[i] = client_connect();
		ck_assert_int_eq(client_slot(fds[i], SOON_MS), '0');
	}
	waiting = client_connect();
	ck_assert_int_eq(client_slot(waiting, 200), 0);
	close(fds[1]);
	ck_assert_int_eq(client_slot(waiting, SOON_MS), '0');
	ck_assert_uint_eq(heritage.stats->slots[0].connections, 3);
}
END_TEST

START_TEST(a_worker_out_of_descriptors_accepts_again_when_some_are_free)
{
	int fds[100];
	int n = 0;

	worker_fork(0, 1000, 32);
	do
		fds[n] = client_connect();
	while (client_slot(fds[n++], 500) == '0' && n < 100);
	ck_assert_int_gt(n, 3);
	ck_assert_int_lt(n, 32);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(client_slot(fds[n - 1], SOON_MS), '0');
}
END_TEST

START_TEST(listen_stop_frees_the_port_and_keeps_the_connections)
{
	int64_t deadline_ms = clock_mono_ms() + SOON_MS;
	int fd, probe, error;

	worker_fork(0, 100, 0);
	fd = client_connect();
	ck_assert_int_eq(client_slot(fd, SOON_MS), '0');
	close(listener);
	kill(workers[0], SIGUSR1);
	do {
		ck_assert_int_lt(clock_mono_ms(), deadline_ms);
		probe = socket(AF_INET, SOCK_STREAM, 0);
		error = connect(probe, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
		close(probe);
		/* Reset: it was in the backlog when the socket was closed. */
	} while (error == 0 || error == ECONNRESET);
	ck_assert_int_eq(error, ECONNREFUSED);
	ck_assert_uint_ge(heritage.stats->slots[0].connections, 1);
	close(fd);
	wait_for_total(0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("listen");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_address_is_numeric_and_has_a_port);
	tcase_add_test(tc, both_families_may_have_the_same_port);
	tcase_add_test(tc, binding_retries_a_port_in_use_up_to_the_limit);
	tcase_add_test(tc, an_accepted_socket_is_non_blocking_and_counted);
	tcase_add_test(tc, workers_get_equal_shares);
	tcase_add_test(tc, clients_of_a_stopped_worker_are_accepted_by_others);
	tcase_add_test(tc, a_dead_worker_is_not_in_the_average);
	tcase_add_test(tc, a_full_worker_accepts_again_when_a_connection_ends);
	tcase_add_test(tc, a_worker_out_of_descriptors_accepts_again_when_some_are_free);
	tcase_add_test(tc, listen_stop_frees_the_port_and_keeps_the_connections);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
