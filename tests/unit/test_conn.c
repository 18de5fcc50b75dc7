/*
 * A connection on a real loop and socket.
 */
#include "net/conn.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/stats.h"
#include "tests/unit/suite.h"

#define MS 15000

static struct event_base *base;
static struct conn_loop *loop;
static struct stats_slot stats;
static struct conn *c;
static int peer;
static unsigned n_drained, n_timer, n_closed, n_freed, n_bytes;
static enum close_reason reason;
static struct buf got; /* by on_bytes */
static size_t take; /* on_bytes consumes at most this many, */
static size_t least; /* and none of fewer than this many */
static void (*when_bytes)(void);

static size_t on_bytes(struct conn *at, char *bytes, size_t len)
{
	size_t used = len < least ? 0 : len < take ? len : take;

	ck_assert_ptr_eq(at, c);
	ck_assert_uint_eq(n_closed, 0);
	n_bytes++;
	buf_add(&got, bytes, used);
	if (when_bytes != NULL)
		when_bytes();
	return used;
}

static void on_drained(struct conn *at)
{
	ck_assert_ptr_eq(at, c);
	ck_assert_uint_eq(n_closed, 0);
	ck_assert(!conn_congested(c));
	n_drained++;
}

static void on_timer(struct conn *at)
{
	ck_assert_ptr_eq(at, c);
	ck_assert_uint_eq(n_closed, 0);
	n_timer++;
}

static void on_closed(struct conn *at, enum close_reason why)
{
	ck_assert_ptr_eq(at, c);
	ck_assert_uint_eq(n_closed, 0);
	n_closed++;
	reason = why;
}

static void on_free(struct conn *at)
{
	ck_assert_ptr_eq(at, c);
	ck_assert_uint_eq(n_closed, 1);
	n_freed++;
	free(c);
	c = NULL;
}

static void setup(void)
{
	static const struct conn_events events = { on_bytes, on_drained, on_timer, on_closed,
		on_free };
	int fds[2], size = 8192;

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	take = SIZE_MAX;
	base = event_base_new();
	loop = conn_loop_new(base, &events, &stats);
	c = malloc(sizeof(*c));
	ck_assert_ptr_nonnull(c);
	conn_init(c, loop, fds[0]);
	peer = fds[1];
}

static void teardown(void)
{
	if (c != NULL && n_closed == 0)
		conn_close(c, CLOSE_server_stops);
	if (c != NULL)
		conn_drop(c);
	conn_loop_flush(loop);
	ck_assert_ptr_null(c);
	ck_assert_uint_eq(n_freed, 1);
	conn_loop_free(loop);
	event_base_free(base);
	buf_fini(&got);
	close(peer);
}

static void turn(void)
{
	const struct timeval tv = { 0, 20000 };

	event_base_loopexit(base, &tv);
	event_base_loop(base, EVLOOP_ONCE);
}

static void turn_until(const unsigned *n, unsigned least_n)
{
	int64_t until = clock_mono_ms() + MS;

	while (*n < least_n) {
		ck_assert_msg(clock_mono_ms() < until, "it did not come");
		turn();
	}
}

/* Queues a message of n bytes of this letter. */
static void push(char letter, size_t n)
{
	char *text = malloc(n);
	struct frame *f;

	memset(text, letter, n);
	f = frame_raw(text, n);
	conn_send(c, f);
	frame_unref(f);
	free(text);
}

/* Reads what has arrived at the peer; returns false at the end of the stream. */
static bool peer_reads(struct buf *to)
{
	for (;;) {
		ssize_t n = recv(peer, buf_reserve(to, 65536), 65536, 0);

		if (n > 0)
			to->len += (size_t)n;
		else
			return n < 0;
	}
}

static void peer_until(struct buf *to, size_t len)
{
	int64_t until = clock_mono_ms() + MS;

	for (;;) {
		bool open = peer_reads(to);

		if (to->len >= len)
			return;
		ck_assert_msg(
			open && clock_mono_ms() < until, "%zu of %zu bytes came", to->len, len);
		turn();
	}
}

static void peer_writes(const void *bytes, size_t len)
{
	ck_assert_int_eq(send(peer, bytes, len, 0), (ssize_t)len);
}

START_TEST(bytes_that_are_not_consumed_are_passed_up_again)
{
	least = 6;
	peer_writes("abc", 3);
	turn_until(&n_bytes, 1);
	ck_assert_uint_eq(got.len, 0);
	peer_writes("defgh", 5);
	turn_until(&n_bytes, 2);
	ck_assert_uint_eq(got.len, 8);
	ck_assert_mem_eq(got.data, "abcdefgh", 8);
}
END_TEST

START_TEST(fed_bytes_come_first)
{
	peer_writes("def", 3);
	conn_feed(c, "abc", 3);
	turn_until(&n_bytes, 1);
	while (got.len < 6)
		turn();
	ck_assert_mem_eq(got.data, "abcdef", 6);
}
END_TEST

START_TEST(more_than_the_scratch_buffer_may_be_fed)
{
	enum { N = 1 << 20 };
	char *bytes = malloc(N);

	for (size_t i = 0; i < N; i++)
		bytes[i] = (char)(i % 251);
	take = 1000;
	conn_feed(c, bytes, N);
	for (int64_t until = clock_mono_ms() + MS; got.len < N;) {
		ck_assert_msg(clock_mono_ms() < until && n_closed == 0, "%zu of %d bytes came up",
			got.len, N);
		turn();
		/* The rest is passed up with the next bytes of the peer. */
		peer_writes("", 1);
	}
	ck_assert_mem_eq(got.data, bytes, N);
	free(bytes);
}
END_TEST

static void stop_reading(void)
{
	conn_read(c, false);
}

START_TEST(kept_bytes_are_passed_up_when_reading_resumes)
{
	struct buf to = BUF_EMPTY;

	take = 3;
	when_bytes = stop_reading;
	peer_writes("abcdef", 6);
	turn_until(&n_bytes, 1);
	turn();
	ck_assert_uint_eq(n_bytes, 1);
	/* The flush is after conn_read, finds the socket full, and sets the events again. */
	push('x', 60000);
	when_bytes = NULL;
	conn_read(c, true);
	push('y', 10);
	turn_until(&n_bytes, 2);
	ck_assert_mem_eq(got.data, "abcdef", 6);
	peer_until(&to, 60010);
	buf_fini(&to);
}
END_TEST

START_TEST(the_queue_is_written_with_one_call_at_the_end_of_the_pass)
{
	struct buf to = BUF_EMPTY;

	for (int i = 0; i < 40; i++)
		push((char)('A' + i % 26), 3);
	ck_assert_uint_eq(stats.sends, 0);
	ck_assert(peer_reads(&to) && to.len == 0);
	turn();
	ck_assert_uint_eq(stats.sends, 1);
	ck_assert_uint_eq(stats.frames_out, 40);
	peer_until(&to, 120);
	for (int i = 0; i < 120; i++)
		ck_assert_int_eq(to.data[i], 'A' + i / 3 % 26);
	buf_fini(&to);
}
END_TEST

START_TEST(partial_writes_keep_the_order_of_frames)
{
	struct buf to = BUF_EMPTY;
	size_t len = 0;

	for (int i = 0; i < 9; i++) {
		push((char)('a' + i), 5001);
		len += 5001;
	}
	peer_until(&to, len);
	ck_assert_uint_eq(to.len, len);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(to.data[i], (char)('a' + i / 5001));
	ck_assert_uint_eq(n_drained, 0);
	ck_assert_uint_gt(stats.sends, 1);
	buf_fini(&to);
}
END_TEST

START_TEST(a_partial_write_is_resumed_at_its_offset)
{
	enum { LEN = 60000 };
	static char text[LEN];
	struct buf to = BUF_EMPTY;
	struct frame *f;

	for (int i = 0; i < LEN; i++)
		text[i] = (char)(i * 7 / 64);
	f = frame_raw(text, LEN);
	conn_send(c, f);
	frame_unref(f);
	peer_until(&to, LEN);
	ck_assert_uint_eq(to.len, LEN);
	ck_assert_mem_eq(to.data, text, LEN);
	ck_assert_uint_gt(stats.sends, 3);
	buf_fini(&to);
}
END_TEST

START_TEST(a_congested_connection_is_not_read_until_it_has_drained)
{
	struct buf to = BUF_EMPTY;

	push('x', CONN_SOFT_LIMIT);
	ck_assert(!conn_congested(c));
	push('y', 1);
	ck_assert(conn_congested(c));
	peer_writes("hello", 5);
	for (int i = 0; i < 5; i++)
		turn();
	ck_assert(conn_congested(c));
	ck_assert_uint_eq(n_bytes, 0);
	peer_until(&to, CONN_SOFT_LIMIT + 1);
	turn_until(&n_drained, 1);
	turn_until(&n_bytes, 1);
	ck_assert_mem_eq(got.data, "hello", 5);
	ck_assert_uint_eq(n_drained, 1);
	buf_fini(&to);
}
END_TEST

START_TEST(a_timer_runs_once_within_its_second)
{
	int64_t began = clock_mono_ms();

	conn_timer(c, 100);
	conn_timer(c, 1);
	turn_until(&n_timer, 1);
	ck_assert_int_ge(clock_mono_ms() - began, 900);
	ck_assert_int_le(clock_mono_ms() - began, 3500);
	ck_assert_uint_eq(n_timer, 1);
	ck_assert_ptr_null(c->wheel_prev);
}
END_TEST

static void close_with_token_ended(void)
{
	conn_close(c, CLOSE_token_ended);
	conn_close(c, CLOSE_protocol_error);
}

START_TEST(a_close_writes_the_queue_then_the_close_frame_then_ends_the_stream)
{
	struct buf to = BUF_EMPTY;
	int64_t began = clock_mono_ms();

	push('x', 20000);
	close_with_token_ended();
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_int_eq(reason, CLOSE_token_ended);
	push('z', 5); /* ignored */
	peer_writes("late", 4);
	while (peer_reads(&to)) {
		ck_assert_int_lt(clock_mono_ms() - began, MS);
		turn();
	}
	ck_assert_uint_eq(to.len, 20000 + 2 + 2 + strlen("the token has ended"));
	ck_assert_mem_eq(to.data + 20000, "\x88\x15\x11\x95the token has ended", 23);
	/* It waits for the end of the peer's stream. */
	ck_assert_uint_eq(n_freed, 0);
	shutdown(peer, SHUT_WR);
	turn_until(&n_freed, 1);
	ck_assert_int_lt(clock_mono_ms() - began, 2500);
	ck_assert_uint_eq(n_bytes, 0);
	buf_fini(&to);
}
END_TEST

START_TEST(a_closed_connection_waits_a_few_seconds_for_the_peer)
{
	int64_t began = clock_mono_ms();

	conn_timer(c, 1);
	conn_close(c, CLOSE_server_stops);
	turn_until(&n_freed, 1);
	ck_assert_int_ge(clock_mono_ms() - began, (CONN_LINGER_S - 1) * 1000);
	ck_assert_int_le(clock_mono_ms() - began, (CONN_LINGER_S + 3) * 1000);
	ck_assert_uint_eq(n_timer, 0);
}
END_TEST

START_TEST(a_close_while_congested_completes_the_partial_frame_and_drops_the_rest)
{
	struct buf to = BUF_EMPTY;
	size_t half;

	for (int i = 0; i < 5; i++)
		push((char)('a' + i), 30000);
	turn();
	peer_reads(&to);
	half = to.len;
	ck_assert_uint_gt(half, 0);
	ck_assert_uint_lt(half, 30000);
	conn_close(c, CLOSE_slow_reader);
	while (peer_reads(&to))
		turn();
	ck_assert_uint_eq(to.len, 30000 + 4 + strlen("too slow; come back and sync"));
	ck_assert_int_eq(to.data[29999], 'a');
	ck_assert_int_eq((uint8_t)to.data[30000], 0x88);
	buf_fini(&to);
}
END_TEST

START_TEST(the_end_of_the_peers_stream_closes_it)
{
	close(peer);
	turn_until(&n_freed, 1);
	ck_assert_int_eq(reason, CLOSE_peer_gone);
	ck_assert_uint_eq(n_bytes, 0);
	peer = dup(STDERR_FILENO);
}
END_TEST

START_TEST(a_failed_write_closes_it_once)
{
	close(peer);
	peer = dup(STDERR_FILENO);
	conn_read(c, false); /* so that only the write fails */
	push('x', 10);
	turn_until(&n_freed, 1);
	ck_assert_int_eq(reason, CLOSE_peer_gone);
}
END_TEST

START_TEST(it_may_be_closed_in_on_bytes)
{
	when_bytes = close_with_token_ended;
	take = 1;
	peer_writes("abc", 3);
	turn_until(&n_closed, 1);
	ck_assert_uint_eq(n_bytes, 1);
	shutdown(peer, SHUT_WR);
	turn_until(&n_freed, 1);
	ck_assert_uint_eq(n_bytes, 1);
}
END_TEST

/* The test sets stalled_s back instead of waiting CONN_STALL_S. */
START_TEST(a_stalled_peer_is_closed)
{
	push('x', CONN_SOFT_LIMIT);
	push('y', CONN_SOFT_LIMIT);
	turn();
	ck_assert(conn_congested(c));
	ck_assert_uint_ne(c->stalled_s, 0);
	/* As if it had stalled long ago. */
	c->stalled_s = conn_now_s(loop) - CONN_STALL_S - 1;
	conn_timer(c, 1);
	turn_until(&n_closed, 1);
	ck_assert_int_eq(reason, CLOSE_slow_reader);
	ck_assert_uint_eq(n_timer, 0);
}
END_TEST

START_TEST(the_queue_of_a_peer_that_does_not_read_holds_what_was_sent)
{
	for (int i = 0; i < 100 && !conn_congested(c); i++)
		push('x', 1000);
	ck_assert(conn_congested(c));
	ck_assert_uint_le(c->queue_bytes, CONN_SOFT_LIMIT + 1000);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("conn");
	TCase *tc = tcase_create("conn");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, bytes_that_are_not_consumed_are_passed_up_again);
	tcase_add_test(tc, fed_bytes_come_first);
	tcase_add_test(tc, more_than_the_scratch_buffer_may_be_fed);
	tcase_add_test(tc, kept_bytes_are_passed_up_when_reading_resumes);
	tcase_add_test(tc, the_queue_is_written_with_one_call_at_the_end_of_the_pass);
	tcase_add_test(tc, partial_writes_keep_the_order_of_frames);
	tcase_add_test(tc, a_partial_write_is_resumed_at_its_offset);
	tcase_add_test(tc, a_congested_connection_is_not_read_until_it_has_drained);
	tcase_add_test(tc, a_timer_runs_once_within_its_second);
	tcase_add_test(tc, a_close_writes_the_queue_then_the_close_frame_then_ends_the_stream);
	tcase_add_test(tc, a_closed_connection_waits_a_few_seconds_for_the_peer);
	tcase_add_test(tc, a_close_while_congested_completes_the_partial_frame_and_drops_the_rest);
	tcase_add_test(tc, the_end_of_the_peers_stream_closes_it);
	tcase_add_test(tc, a_failed_write_closes_it_once);
	tcase_add_test(tc, it_may_be_closed_in_on_bytes);
	tcase_add_test(tc, a_stalled_peer_is_closed);
	tcase_add_test(tc, the_queue_of_a_peer_that_does_not_read_holds_what_was_sent);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
