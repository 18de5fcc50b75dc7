/*
 * The bus on real rings and loops: all workers see every record in order, and nobody waits for one
 * who is stopped.
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
#include "tests/unit/fault_give.h"
#include "tests/unit/rig.h"

#define N 3000

struct reader {
	int64_t next; /* user_id expected */
	unsigned n, n_typing, n_lapped;
	bool wrong;
};

static void on_record(void *arg, const struct record *r)
{
	struct reader *at = arg;

	if (r->type == RECORD_TYPING) {
		at->n_typing++;
		return;
	}
	if (r->user_id != at->next || r->message.content.len != (size_t)(r->user_id % 300) ||
		(r->message.content.len > 0 &&
			r->message.content.data[0] != (char)(r->user_id % 128)))
		at->wrong = true;
	at->next++;
	at->n++;
}

static void on_overrun(void *arg)
{
	((struct reader *)arg)->n_lapped++;
}

static const struct bus_events events = { on_record, on_overrun };

static void setup(void)
{
	rig_make("");
}

static void teardown(void)
{
	rig_drop();
}

static void publish(struct bus *b, int64_t i)
{
	char content[300];
	struct record r = { .type = RECORD_CHANGE,
		.event = RECORD_NEW,
		.conv.kind = CONV_GROUP,
		.user_id = i,
		.message = { .kind = MESSAGE_TEXT, .content = { content, (size_t)(i % 300) } } };

	memset(content, (char)(i % 128), sizeof(content));
	bus_publish(b, &r);
}

/* A worker of its own that reads so many records; its exit code says whether they were as they
 * should. */
static pid_t fork_reader(unsigned slot, int ready_fd, unsigned n)
{
	pid_t child = fork();
	struct reader at = { .next = 1 };
	struct event_base *base;
	struct bus *b;

	if (child != 0)
		return child;
	base = event_base_new();
	b = bus_open(base, rig_heritage(slot), &events, &at);
	if (write(ready_fd, "", 1) != 1)
		_exit(9);
	for (int64_t until = clock_mono_ms() + RIG_MS; at.n < n && clock_mono_ms() < until;)
		event_base_loop(base, EVLOOP_ONCE);
	bus_close(b);
	event_base_free(base);
	_exit(at.n == n && !at.wrong && at.n_lapped == 0 ? 0 : 1);
}

START_TEST(every_worker_reads_every_record_in_order_its_own_too)
{
	struct reader own = { .next = 1 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &events, &own);
	pid_t children[2];
	int fds[2], status;
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	for (unsigned i = 0; i < 2; i++) {
		children[i] = fork_reader(i + 1, fds[1], N);
		ck_assert_int_eq(read(fds[0], &c, 1), 1);
	}
	/* In bursts smaller than the ring, so that nobody is overrun. */
	for (int64_t i = 1; i <= N; i++) {
		publish(b, i);
		if (i % 100 == 0)
			rig_for(5);
	}
	rig_until_n(&own.n, N);
	ck_assert(!own.wrong);
	ck_assert_uint_eq(own.n_lapped, 0);
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

/* As another worker would that publishes without end. */
static void publish_another(void *arg, const struct record *r)
{
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	((struct reader *)arg)->n++;
	record_encode(r, fixed, iov);
	ring_publish(rig_heritage(1)->ring, iov, RECORD_IOV);
}

/* Each record read brings another: the loop's other events must have their turn all the same. */
START_TEST(a_ring_that_never_empties_does_not_starve_the_loop)
{
	static const struct bus_events feeding = { publish_another, on_overrun };
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &feeding, &at);
	unsigned n_timer = 0;
	struct event *timer = event_new(rig_base(), -1, EV_PERSIST, on_timer, &n_timer);

	event_add(timer, &(const struct timeval){ 0, 1000 });
	publish(b, 1);
	alarm(20); /* else it would never come back */
	rig_until_n(&n_timer, 20);
	ck_assert_uint_gt(at.n, 1000);
	event_free(timer);
	bus_close(b);
}
END_TEST

START_TEST(one_who_was_lapped_is_told_and_goes_on)
{
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &events, &at);
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];
	const struct record r = { .type = RECORD_CHANGE,
		.event = RECORD_NEW,
		.conv.kind = CONV_GROUP,
		.user_id = 1,
		.message = { .kind = MESSAGE_TEXT } };

	record_encode(&r, fixed, iov);
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(
			ring_publish(rig_heritage(0)->ring, iov, RECORD_IOV), RING_PUBLISHED);
	rig_until_n(&at.n_lapped, 1);
	ck_assert_uint_eq(at.n, 0);
	publish(b, 1);
	rig_until_n(&at.n, 1);
	ck_assert_uint_eq(at.n_lapped, 1);
	bus_close(b);
}
END_TEST

START_TEST(bytes_that_are_no_record_are_passed_over)
{
	struct reader at = { .next = 1 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &events, &at);
	const struct iovec junk = { (char[]){ "junk" }, 4 };

	ck_assert_int_eq(ring_publish(rig_heritage(0)->ring, &junk, 1), RING_PUBLISHED);
	publish(b, 1);
	rig_until_n(&at.n, 1);
	ck_assert(!at.wrong);
	bus_close(b);
}
END_TEST

/* R4: nobody blocks over 2 ms in publish. */
START_TEST(while_a_publisher_is_stopped_records_wait_in_order_and_typing_is_dropped)
{
	struct reader at = { .next = 2 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &events, &at);
	const struct record typing = { .type = RECORD_TYPING, .conv.kind = CONV_GROUP };
	pid_t child = fork();
	int status;
	int64_t began;

	if (child == 0) {
		const struct record r = { .type = RECORD_CHANGE,
			.event = RECORD_NEW,
			.conv.kind = CONV_GROUP,
			.user_id = 2,
			.message = { .kind = MESSAGE_TEXT, .content = { "\2\2", 2 } } };
		uint8_t fixed[RECORD_FIXED_SIZE];
		struct iovec iov[RECORD_IOV];

		fault_give("publish.copied", "stop", 1);
		record_encode(&r, fixed, iov);
		ring_publish(rig_heritage(1)->ring, iov, RECORD_IOV);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	began = clock_mono_ms();
	for (int64_t i = 3; i < 103; i++)
		publish(b, i);
	bus_publish(b, &typing);
	/* Only the first has tried. */
	ck_assert_int_lt(clock_mono_ms() - began, 50);
	ck_assert(!bus_idle(b));
	rig_for(60);
	ck_assert_uint_eq(at.n, 0);
	ck_assert(!bus_idle(b));
	kill(child, SIGCONT);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	rig_until_n(&at.n, 101);
	ck_assert(!at.wrong);
	ck_assert(bus_idle(b));
	ck_assert_uint_eq(at.n_typing, 0);
	bus_publish(b, &typing);
	rig_until_n(&at.n_typing, 1);
	bus_close(b);
}
END_TEST

/* R5: the tail is there, and nobody has been woken. */
START_TEST(what_a_publisher_left_who_was_stopped_before_it_woke_anybody_is_seen_soon)
{
	struct reader at = { .next = 2 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &events, &at);
	pid_t child;
	int status;

	rig_for(50); /* it sleeps */
	child = fork();
	if (child == 0) {
		const struct record r = { .type = RECORD_CHANGE,
			.event = RECORD_NEW,
			.conv = { .kind = CONV_GROUP },
			.user_id = 2,
			.message = { .kind = MESSAGE_TEXT, .content = { "\2\2", 2 } } };
		uint8_t fixed[RECORD_FIXED_SIZE];
		struct iovec iov[RECORD_IOV];

		fault_give("publish.fenced", "stop", 1);
		record_encode(&r, fixed, iov);
		ring_publish(rig_heritage(1)->ring, iov, RECORD_IOV);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert(WIFSTOPPED(status));
	rig_until_n(&at.n, 1);
	ck_assert(!at.wrong);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	bus_close(b);
}
END_TEST

struct checked {
	unsigned n, n_checks;
};

static void count_checks(void *arg, const struct record *r)
{
	struct checked *at = arg;

	at->n++;
	if (r->type == RECORD_RECONCILE)
		at->n_checks++;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

START_TEST(an_outbox_that_grows_too_large_becomes_one_question_to_the_database)
{
	static const struct bus_events counting = { count_checks, on_nothing };
	static char content[PROTO_CONTENT_MAX];
	const struct record r = { .type = RECORD_CHANGE,
		.event = RECORD_NEW,
		.conv.kind = CONV_GROUP,
		.message = { .kind = MESSAGE_TEXT, .content = { content, sizeof(content) } } };
	struct checked at = { 0, 0 };
	struct bus *b = bus_open(rig_base(), rig_heritage(0), &counting, &at);
	pid_t child = fork();
	int status;

	if (child == 0) {
		fault_give("publish.copied", "stop", 1);
		ring_publish(rig_heritage(1)->ring, &(const struct iovec){ content, 8 }, 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	for (int i = 0; i < 510; i++) /* a little more than 8 MiB */
		bus_publish(b, &r);
	kill(child, SIGCONT);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	rig_until_n(&at.n_checks, 1);
	ck_assert_uint_lt(at.n, 100);
	ck_assert(bus_idle(b));
	bus_close(b);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("bus");
	TCase *tc = tcase_create("bus");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_worker_reads_every_record_in_order_its_own_too);
	tcase_add_test(tc, a_ring_that_never_empties_does_not_starve_the_loop);
	tcase_add_test(tc, one_who_was_lapped_is_told_and_goes_on);
	tcase_add_test(tc, bytes_that_are_no_record_are_passed_over);
	tcase_add_test(
		tc, while_a_publisher_is_stopped_records_wait_in_order_and_typing_is_dropped);
	tcase_add_test(
		tc, what_a_publisher_left_who_was_stopped_before_it_woke_anybody_is_seen_soon);
	tcase_add_test(tc, an_outbox_that_grows_too_large_becomes_one_question_to_the_database);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
