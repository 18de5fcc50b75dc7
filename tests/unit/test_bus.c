/*
 * The bus on real rings and loops: all workers read every record in order, and none waits for a
 * stopped publisher.
 */
#define _GNU_SOURCE 1
#include "realtime/bus.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ring.h"
#include "common/stats.h"
#include "realtime/presence.h"
#include "tests/unit/fault_arm.h"
#include "tests/unit/suite.h"
#include "tests/unit/worker_fixture.h"

#define N 3000

struct reader {
	int64_t next; /* message_id expected */
	unsigned n, n_typing, n_overruns;
	uint16_t newer; /* the generation of the last record of a later one */
	bool wrong;
};

static void on_record(void *arg, const struct record *r)
{
	struct reader *at = arg;
	const struct message *m = &r->change.message;

	if (r->type == RECORD_TYPING) {
		at->n_typing++;
		return;
	}
	if (m->message_id != at->next || m->content.len != (size_t)(m->message_id % 300) ||
		(m->content.len > 0 && m->content.data[0] != (char)(m->message_id % 128)))
		at->wrong = true;
	at->next++;
	at->n++;
}

static void on_overrun(void *arg)
{
	((struct reader *)arg)->n_overruns++;
}

static void on_newer(void *arg, uint16_t generation)
{
	((struct reader *)arg)->newer = generation;
}

static const struct bus_events events = { on_record, on_overrun, on_newer };

static void setup(void)
{
	fixture_make("");
}

static void teardown(void)
{
	fixture_drop();
}

static struct record record_with(int64_t message_id, const char *content, size_t len)
{
	return (struct record){ .type = RECORD_CHANGE,
		.change = { .conv = { 1, 0, 0, CONV_GROUP },
			.message = { .message_id = message_id,
				.seq = 1,
				.mod = 1,
				.kind = MESSAGE_TEXT,
				.content = { content, len } },
			.event = RECORD_NEW } };
}

static void publish(struct bus *b, int64_t i)
{
	char content[300];
	const struct record r = record_with(i, content, (size_t)(i % 300));

	memset(content, (char)(i % 128), sizeof(content));
	bus_publish(b, &r);
}

/* A worker process that reads n records and exits with 0 if they were right. */
static pid_t fork_reader(unsigned slot, int ready_fd, unsigned n)
{
	pid_t child = fork();
	struct reader at = { .next = 1 };
	struct event_base *base;
	struct bus *b;

	if (child != 0)
		return child;
	base = event_base_new();
	b = bus_open(base, fixture_heritage(slot), &events, &at);
	if (write(ready_fd, "", 1) != 1)
		_exit(9);
	for (int64_t until = clock_mono_ms() + FIXTURE_MS; at.n < n && clock_mono_ms() < until;)
		event_base_loop(base, EVLOOP_ONCE);
	bus_close(b);
	event_base_free(base);
	_exit(at.n == n && !at.wrong && at.n_overruns == 0 ? 0 : 1);
}

START_TEST(every_worker_reads_every_record_in_order_including_its_own)
{
	struct reader own = { .next = 1 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &own);
	pid_t children[2];
	int fds[2], status;
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	for (unsigned i = 0; i < 2; i++) {
		children[i] = fork_reader(i + 1, fds[1], N);
		ck_assert_int_eq(read(fds[0], &c, 1), 1);
	}
	/* In bursts smaller than the ring, so that no reader is overrun. */
	for (int64_t i = 1; i <= N; i++) {
		publish(b, i);
		if (i % 100 == 0)
			fixture_for(5);
	}
	fixture_until_n(&own.n, N);
	ck_assert(!own.wrong);
	ck_assert_uint_eq(own.n_overruns, 0);
	ck_assert(bus_idle(b));
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
	close(fds[0]);
	close(fds[1]);
	bus_close(b);
}
END_TEST

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(unsigned *)arg;
}

/* Publishes a copy, as another worker that never stops. */
static void publish_another(void *arg, const struct record *r)
{
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	((struct reader *)arg)->n++;
	record_encode(r, fixed, iov);
	ring_publish(fixture_heritage(1)->ring, iov, RECORD_IOV);
}

/* Every record read adds another: the loop's other events must run all the same. */
START_TEST(a_ring_that_never_empties_does_not_starve_the_loop)
{
	static const struct bus_events feeding = { publish_another, on_overrun, on_newer };
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &feeding, &at);
	unsigned n_timer = 0;
	struct event *timer = event_new(fixture_base(), -1, EV_PERSIST, on_timer, &n_timer);

	event_add(timer, &(const struct timeval){ 0, 1000 });
	publish(b, 1);
	alarm(20); /* else a failure would never return */
	fixture_until_n(&n_timer, 20);
	ck_assert_uint_gt(at.n, 1000);
	event_free(timer);
	bus_close(b);
}
END_TEST

START_TEST(a_worker_that_was_overrun_is_notified_and_continues)
{
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &at);
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];
	const struct record r = record_with(1, "", 0);

	record_encode(&r, fixed, iov);
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(
			ring_publish(fixture_heritage(0)->ring, iov, RECORD_IOV), RING_PUBLISHED);
	fixture_until_n(&at.n_overruns, 1);
	ck_assert_uint_eq(at.n, 0);
	publish(b, 1);
	fixture_until_n(&at.n, 1);
	ck_assert_uint_eq(at.n_overruns, 1);
	bus_close(b);
}
END_TEST

START_TEST(bytes_that_are_no_record_are_skipped)
{
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &at);
	const struct iovec junk = { (char[]){ "junk" }, 4 };

	ck_assert_int_eq(ring_publish(fixture_heritage(0)->ring, &junk, 1), RING_PUBLISHED);
	publish(b, 1);
	fixture_until_n(&at.n, 1);
	ck_assert(!at.wrong);
	bus_close(b);
}
END_TEST

/* R4: publishing blocks for at most 2 ms. */
START_TEST(while_a_publisher_is_stopped_records_wait_in_order_and_typing_is_dropped)
{
	struct reader at = { .next = 2 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &at);
	const struct record typing = { .type = RECORD_TYPING,
		.typing = { .conv = { 1, 0, 0, CONV_GROUP }, .user_id = 1, .on = true } };
	pid_t child = fork();
	int status;
	int64_t began;

	if (child == 0) {
		const struct record r = record_with(2, "\2\2", 2);
		uint8_t fixed[RECORD_FIXED_SIZE];
		struct iovec iov[RECORD_IOV];

		fault_arm("publish.copied", "stop", 1);
		record_encode(&r, fixed, iov);
		ring_publish(fixture_heritage(1)->ring, iov, RECORD_IOV);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	began = clock_mono_ms();
	for (int64_t i = 3; i < 103; i++)
		publish(b, i);
	bus_publish(b, &typing);
	/* Only the first one tried the ring. */
	ck_assert_int_lt(clock_mono_ms() - began, 50);
	ck_assert(!bus_idle(b));
	fixture_for(60);
	ck_assert_uint_eq(at.n, 0);
	ck_assert(!bus_idle(b));
	kill(child, SIGCONT);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	fixture_until_n(&at.n, 101);
	ck_assert(!at.wrong);
	ck_assert(bus_idle(b));
	ck_assert_uint_eq(at.n_typing, 0);
	bus_publish(b, &typing);
	fixture_until_n(&at.n_typing, 1);
	bus_close(b);
}
END_TEST

/* R5: the tail has moved, and no reader was woken. */
START_TEST(the_record_of_a_publisher_that_stopped_before_its_wakeup_is_read_soon)
{
	struct reader at = { .next = 2 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &at);
	pid_t child;
	int status;

	fixture_for(50); /* the reader sleeps */
	child = fork();
	if (child == 0) {
		const struct record r = record_with(2, "\2\2", 2);
		uint8_t fixed[RECORD_FIXED_SIZE];
		struct iovec iov[RECORD_IOV];

		fault_arm("publish.fenced", "stop", 1);
		record_encode(&r, fixed, iov);
		ring_publish(fixture_heritage(1)->ring, iov, RECORD_IOV);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	fixture_until_n(&at.n, 1);
	ck_assert(!at.wrong);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	bus_close(b);
}
END_TEST

struct reconciles {
	unsigned n, n_reconciles;
};

static void count_reconciles(void *arg, const struct record *r)
{
	struct reconciles *at = arg;

	at->n++;
	if (r->type == RECORD_RECONCILE)
		at->n_reconciles++;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

static void on_no_newer(void *arg, uint16_t generation)
{
	(void)arg;
	ck_abort_msg("a record of generation %u", generation);
}

START_TEST(an_outbox_that_grows_too_large_becomes_one_reconcile)
{
	static const struct bus_events counting = { count_reconciles, on_nothing, on_no_newer };
	static char content[PROTO_CONTENT_MAX];
	const struct record r = record_with(1, content, sizeof(content));
	struct reconciles at = { 0, 0 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &counting, &at);
	pid_t child = fork();
	int status;

	if (child == 0) {
		fault_arm("publish.copied", "stop", 1);
		ring_publish(fixture_heritage(1)->ring, &(const struct iovec){ content, 8 }, 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	for (int i = 0; i < 510; i++) /* a little more than 8 MiB */
		bus_publish(b, &r);
	kill(child, SIGCONT);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	fixture_until_n(&at.n_reconciles, 1);
	ck_assert_uint_lt(at.n, 100);
	ck_assert(bus_idle(b));
	bus_close(b);
}
END_TEST

/* The ids of a record mean something else in another epoch. */
START_TEST(a_record_of_another_generation_is_not_delivered_and_a_later_one_is_reported)
{
	struct reader at = { .next = 3 }, other = { .next = 1 };
	struct bus *b = bus_open(fixture_base(), fixture_heritage(0), &events, &at);
	struct bus *publisher = bus_open(fixture_base(), fixture_heritage(1), &events, &other);

	bus_set_generation(b, 2);
	bus_set_generation(publisher, 1);
	publish(publisher, 1);
	fixture_for(20);
	ck_assert_uint_eq(at.n, 0);
	ck_assert_uint_eq(at.newer, 0);
	ck_assert_uint_eq(other.n, 1);
	bus_set_generation(publisher, 3);
	publish(publisher, 2);
	fixture_for(20);
	ck_assert_uint_eq(at.n, 0);
	ck_assert_uint_eq(at.newer, 3);
	bus_set_generation(b, 3);
	publish(publisher, 3);
	fixture_until_n(&at.n, 1);
	ck_assert(!at.wrong);
	/* The generation wraps. */
	at.newer = 9;
	bus_set_generation(b, UINT16_MAX);
	bus_set_generation(publisher, 0);
	publish(publisher, 4);
	fixture_for(20);
	ck_assert_uint_eq(at.n, 1);
	ck_assert_uint_eq(at.newer, 0);
	bus_close(publisher);
	bus_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("bus");
	TCase *tc = tcase_create("bus");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_worker_reads_every_record_in_order_including_its_own);
	tcase_add_test(tc, a_ring_that_never_empties_does_not_starve_the_loop);
	tcase_add_test(tc, a_worker_that_was_overrun_is_notified_and_continues);
	tcase_add_test(tc, bytes_that_are_no_record_are_skipped);
	tcase_add_test(
		tc, while_a_publisher_is_stopped_records_wait_in_order_and_typing_is_dropped);
	tcase_add_test(tc, the_record_of_a_publisher_that_stopped_before_its_wakeup_is_read_soon);
	tcase_add_test(tc, an_outbox_that_grows_too_large_becomes_one_reconcile);
	tcase_add_test(
		tc, a_record_of_another_generation_is_not_delivered_and_a_later_one_is_reported);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
