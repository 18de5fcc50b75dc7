/*
 * One process, one thread: what the ring promises when nobody dies or races. Quoted rules (R1, R2
 * ...) are the invariants in docs/design.md.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "suite.h"

#define KIB ((size_t)1024)

static struct ring *ring;
static unsigned char buf[64 * 1024];

static void ring_open(size_t capacity)
{
	ring = ring_create(capacity, 3);
	ck_assert_ptr_nonnull(ring);
}

static void setup(void)
{
	ring_open(128 * KIB);
}

static void teardown(void)
{
	ring_free(ring);
}

static enum ring_publish publish(const void *bytes, size_t len)
{
	union {
		const void *in;
		void *out;
	} base = { .in = bytes };
	struct iovec iov = { .iov_base = base.out, .iov_len = len };

	return ring_publish(ring, &iov, 1);
}

/* A record whose length and every byte follow from n. */
static size_t record_make(unsigned n, unsigned char *to)
{
	size_t len = n * 2654435761u % 1500;

	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)(n * 31 + i * 7);
	return len;
}

static void ck_record(const struct ring_reader *reader, enum ring_read got, size_t len, unsigned n)
{
	unsigned char want[1500];
	size_t want_len = record_make(n, want);

	ck_assert_int_eq(got, RING_RECORD);
	ck_assert_uint_eq(len, want_len);
	ck_assert_mem_eq(buf, want, len);
	ck_assert_uint_eq(reader->overruns, 0);
}

static bool fd_ready(unsigned slot)
{
	struct pollfd fd = { .fd = ring_wake_fd(ring, slot), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

START_TEST(create_refuses_what_is_out_of_range)
{
	static const struct {
		size_t capacity;
		unsigned n_slots;
	} bad[] = { { 64 * KIB - 1, 1 }, { (1024 * 1024 * KIB) + 1, 1 }, { 0, 1 }, { 128 * KIB, 0 },
		{ 128 * KIB, RING_SLOTS_MAX + 1 } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ck_assert_ptr_null(ring_create(bad[i].capacity, bad[i].n_slots));
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

START_TEST(create_without_descriptors_left_says_so_and_leaks_none)
{
	struct rlimit before, few;
	int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(lowest, 0);
	close(lowest);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t spare = 0; spare < 4; spare++) { /* three eventfds and the memory file */
		few = (struct rlimit){ (rlim_t)lowest + spare, before.rlim_max };
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		ck_assert_ptr_null(ring_create(128 * KIB, 3));
		ck_assert_int_eq(errno, EMFILE);
	}
	few.rlim_cur++;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ring_open(128 * KIB);
	ring_free(ring);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

START_TEST(the_longest_record_is_a_quarter_of_the_ring_and_at_most_64_KiB)
{
	static const struct {
		size_t capacity;
		size_t max;
	} of[] = { { 64 * KIB, 32 * KIB - 8 }, { 128 * KIB, 32 * KIB - 8 },
		{ 128 * KIB + 1, 64 * KIB - 8 }, { 16 * 1024 * KIB, 64 * KIB - 8 } };

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		ring_open(of[i].capacity);
		ck_assert_uint_eq(ring_max_record(ring), of[i].max);
		ring_free(ring);
	}
}
END_TEST

/* The seals keep a mistake in any process from cutting the file short: SIGBUS in all the others. */
START_TEST(the_memory_cannot_be_resized)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], range[64] = "", path[128];
	int fd;

	ck_assert_ptr_nonnull(maps);
	while (!range[0] && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:parley-ring"))
			ck_assert_int_eq(sscanf(line, "%63s", range), 1);
	fclose(maps);
	ck_assert_str_ne(range, "");
	snprintf(path, sizeof(path), "/proc/self/map_files/%s", range);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return; /* needs a capability on some kernels */
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	close(fd);
}
END_TEST

START_TEST(a_reader_starts_at_the_tail)
{
	struct ring_reader reader;
	size_t len;

	ck_assert_int_eq(publish("before", 6), RING_PUBLISHED);
	ring_reader_init(&reader, ring, 0);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_EMPTY);
	ck_assert_int_eq(publish("after", 5), RING_PUBLISHED);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(buf, "after", 5);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_EMPTY);
}
END_TEST

/* R1: every length, and every place to cut it in two; nothing is written behind the record. */
START_TEST(pieces_arrive_as_one_record_byte_for_byte)
{
	struct ring_reader reader;
	unsigned char from[70];
	size_t len;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 37 + 1);
	ring_reader_init(&reader, ring, 0);
	for (size_t total = 0; total <= sizeof(from); total++)
		for (size_t cut = 0; cut <= total; cut++) {
			struct iovec iov[3] = { { from, cut }, { from, 0 },
				{ from + cut, total - cut } };

			ck_assert_int_eq(ring_publish(ring, iov, 3), RING_PUBLISHED);
			memset(buf, 0xee, sizeof(from) + 8);
			ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
			ck_assert_uint_eq(len, total);
			ck_assert_mem_eq(buf, from, total);
			ck_assert_uint_eq(buf[total], 0xee);
		}
}
END_TEST

START_TEST(one_byte_pieces_arrive_too)
{
	struct ring_reader reader;
	unsigned char from[41];
	struct iovec iov[41];
	size_t len;

	for (size_t i = 0; i < 41; i++) {
		from[i] = (unsigned char)(200 + i);
		iov[i] = (struct iovec){ &from[i], 1 };
	}
	ring_reader_init(&reader, ring, 0);
	ck_assert_int_eq(ring_publish(ring, iov, 41), RING_PUBLISHED);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	ck_assert_uint_eq(len, 41);
	ck_assert_mem_eq(buf, from, 41);
}
END_TEST

START_TEST(the_longest_record_fits_and_one_byte_more_is_refused)
{
	size_t max = ring_max_record(ring), len;
	unsigned char *from = malloc(max + 1);
	struct ring_reader reader;
	struct ring_stats stats;

	memset(from, 'x', max + 1);
	ring_reader_init(&reader, ring, 0);
	ck_assert_int_eq(publish(from, max + 1), RING_TOO_BIG);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_EMPTY);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(publish(from, max), RING_PUBLISHED);
		ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
		ck_assert_uint_eq(len, max);
		ck_assert_mem_eq(buf, from, max);
	}
	ring_stats(ring, &stats);
	ck_assert_uint_eq(stats.published, 20);
	free(from);
}
END_TEST

START_TEST(lengths_that_overflow_together_are_refused)
{
	unsigned char byte = 0;
	struct iovec iov[2] = { { &byte, 2 }, { &byte, SIZE_MAX } };

	ck_assert_int_eq(ring_publish(ring, iov, 2), RING_TOO_BIG);
	iov[0].iov_len = SIZE_MAX / 2 + 1;
	iov[1].iov_len = SIZE_MAX / 2 + 1;
	ck_assert_int_eq(ring_publish(ring, iov, 2), RING_TOO_BIG);
}
END_TEST

/* R2 over a few hundred laps, with a reader at every distance behind that random takes it to. */
START_TEST(a_reader_that_keeps_up_sees_each_record_once_and_in_order)
{
	struct ring_reader reader;
	unsigned char from[1500];
	unsigned published = 0, taken = 0;
	size_t len, unread = 0;

	srandom(1);
	ring_reader_init(&reader, ring, 0);
	while (published < 50000) {
		for (long n = random() % 40; n > 0 && unread < 90 * KIB; n--) {
			len = record_make(published++, from);
			unread += len + 16;
			ck_assert_int_eq(publish(from, len), RING_PUBLISHED);
		}
		for (long n = random() % 40; n > 0 && taken < published; n--) {
			enum ring_read got = ring_read(&reader, buf, sizeof(buf), &len);

			ck_record(&reader, got, len, taken++);
			unread -= len + 16;
		}
	}
	while (taken < published) {
		enum ring_read got = ring_read(&reader, buf, sizeof(buf), &len);

		ck_record(&reader, got, len, taken++);
	}
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_EMPTY);
}
END_TEST

START_TEST(two_readers_see_the_same_at_their_own_pace)
{
	struct ring_reader readers[2];
	size_t len;

	ring_reader_init(&readers[0], ring, 0);
	ring_reader_init(&readers[1], ring, 1);
	for (char c = 'a'; c <= 'c'; c++)
		publish(&c, 1);
	for (int r = 0; r < 2; r++) {
		for (char c = 'a'; c <= 'c'; c++) {
			ck_assert_int_eq(
				ring_read(&readers[r], buf, sizeof(buf), &len), RING_RECORD);
			ck_assert_int_eq(buf[0], c);
		}
		ck_assert_int_eq(ring_read(&readers[r], buf, sizeof(buf), &len), RING_EMPTY);
	}
}
END_TEST

/* 128 KiB hold 1,024 records of 120 bytes and their headers. */
START_TEST(a_reader_exactly_one_lap_behind_is_not_lapped_yet)
{
	struct ring_reader reader;
	unsigned char from[120] = { 0 };
	size_t len;

	ring_reader_init(&reader, ring, 0);
	for (unsigned n = 0; n < 1024; n++) {
		memcpy(from, &n, sizeof(n));
		publish(from, sizeof(from));
	}
	for (unsigned n = 0; n < 1024; n++) {
		ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
		ck_assert_mem_eq(buf, &n, sizeof(n));
	}
	ck_assert_uint_eq(reader.overruns, 0);
}
END_TEST

START_TEST(a_lapped_reader_is_told_and_resumes_at_the_tail)
{
	struct ring_reader reader;
	unsigned char from[120] = { 0 };
	size_t len;

	ring_reader_init(&reader, ring, 0);
	for (unsigned n = 0; n < 1025; n++)
		publish(from, sizeof(from));
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_OVERRUN);
	ck_assert_uint_eq(reader.overruns, 1);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_EMPTY);
	publish("next", 4);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(buf, "next", 4);
	ck_assert_uint_eq(reader.overruns, 1);
}
END_TEST

START_TEST(a_slot_that_is_not_asleep_is_not_woken)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 0);
	publish("x", 1);
	ck_assert(!fd_ready(0));
	ck_assert(!fd_ready(1));
}
END_TEST

START_TEST(a_sleeping_slot_is_woken_and_the_others_are_not)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 1);
	ck_assert(ring_sleep(&reader));
	ck_assert(!fd_ready(1));
	publish("x", 1);
	ck_assert(fd_ready(1));
	ck_assert(!fd_ready(0));
	ck_assert(!fd_ready(2));
}
END_TEST

START_TEST(a_burst_wakes_a_sleeper_once)
{
	struct ring_reader reader;
	uint64_t count;

	ring_reader_init(&reader, ring, 0);
	ck_assert(ring_sleep(&reader));
	for (int i = 0; i < 10; i++)
		publish("x", 1);
	ck_assert_int_eq(read(ring_wake_fd(ring, 0), &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(sleep_is_refused_while_there_is_something_and_leaves_no_flag)
{
	struct ring_reader reader;
	size_t len;

	ring_reader_init(&reader, ring, 0);
	publish("x", 1);
	ck_assert(!ring_sleep(&reader));
	publish("y", 1);
	ck_assert(!fd_ready(0));
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	ck_assert(ring_sleep(&reader));
}
END_TEST

START_TEST(who_is_awake_again_is_not_woken)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 0);
	ck_assert(ring_sleep(&reader));
	ring_awake(&reader);
	publish("x", 1);
	ck_assert(!fd_ready(0));
}
END_TEST

/* The eventfd is watched EPOLLET and never read: every wake must be an edge all the same. */
START_TEST(every_wake_is_a_new_edge)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct ring_reader reader;
	size_t len;

	ring_reader_init(&reader, ring, 0);
	ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ring_wake_fd(ring, 0), &event), 0);
	ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert(ring_sleep(&reader));
		publish("x", 1);
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
		ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
		ring_awake(&reader);
		ck_assert_int_eq(ring_read(&reader, buf, sizeof(buf), &len), RING_RECORD);
	}
	close(epoll);
}
END_TEST

START_TEST(a_poke_reaches_every_slot_asleep_or_not)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 1);
	ck_assert(ring_sleep(&reader));
	ring_poke_all(ring);
	for (unsigned slot = 0; slot < 3; slot++)
		ck_assert(fd_ready(slot));
}
END_TEST

START_TEST(a_slot_that_was_reset_is_as_new)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 1);
	ck_assert(ring_sleep(&reader));
	ring_poke_all(ring);
	ring_slot_reset(ring, 1);
	ck_assert(!fd_ready(1));
	ck_assert(fd_ready(0));
	publish("x", 1);
	ck_assert(!fd_ready(1));
	ring_slot_reset(ring, 1);
}
END_TEST

START_TEST(stats_count_records_and_the_bytes_of_their_content)
{
	struct ring_stats stats;

	publish("abc", 3);
	publish("", 0);
	publish("abcdefghij", 10);
	ring_stats(ring, &stats);
	ck_assert_uint_eq(stats.published, 3);
	ck_assert_uint_eq(stats.bytes, 13);
	ck_assert_uint_eq(stats.repairs, 0);
	ck_assert_uint_eq(stats.busy, 0);
}
END_TEST

START_TEST(free_takes_null)
{
	ring_free(NULL);
}
END_TEST

START_TEST(a_slot_out_of_range_is_a_bug)
{
	struct ring_reader reader;

	ring_reader_init(&reader, ring, 3);
}
END_TEST

START_TEST(a_buffer_shorter_than_the_longest_record_is_a_bug)
{
	struct ring_reader reader;
	size_t len;

	ring_reader_init(&reader, ring, 0);
	ring_read(&reader, buf, ring_max_record(ring) - 1, &len);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ring");
	TCase *make = tcase_create("make");
	TCase *use = tcase_create("use");

	tcase_add_test(make, create_refuses_what_is_out_of_range);
	tcase_add_test(make, create_without_descriptors_left_says_so_and_leaks_none);
	tcase_add_test(make, the_longest_record_is_a_quarter_of_the_ring_and_at_most_64_KiB);
	tcase_add_test(make, free_takes_null);
	suite_add_tcase(s, make);

	tcase_add_checked_fixture(use, setup, teardown);
	tcase_add_test(use, the_memory_cannot_be_resized);
	tcase_add_test(use, a_reader_starts_at_the_tail);
	tcase_add_test(use, pieces_arrive_as_one_record_byte_for_byte);
	tcase_add_test(use, one_byte_pieces_arrive_too);
	tcase_add_test(use, the_longest_record_fits_and_one_byte_more_is_refused);
	tcase_add_test(use, lengths_that_overflow_together_are_refused);
	tcase_add_test(use, a_reader_that_keeps_up_sees_each_record_once_and_in_order);
	tcase_add_test(use, two_readers_see_the_same_at_their_own_pace);
	tcase_add_test(use, a_reader_exactly_one_lap_behind_is_not_lapped_yet);
	tcase_add_test(use, a_lapped_reader_is_told_and_resumes_at_the_tail);
	tcase_add_test(use, a_slot_that_is_not_asleep_is_not_woken);
	tcase_add_test(use, a_sleeping_slot_is_woken_and_the_others_are_not);
	tcase_add_test(use, a_burst_wakes_a_sleeper_once);
	tcase_add_test(use, sleep_is_refused_while_there_is_something_and_leaves_no_flag);
	tcase_add_test(use, who_is_awake_again_is_not_woken);
	tcase_add_test(use, every_wake_is_a_new_edge);
	tcase_add_test(use, a_poke_reaches_every_slot_asleep_or_not);
	tcase_add_test(use, a_slot_that_was_reset_is_as_new);
	tcase_add_test(use, stats_count_records_and_the_bytes_of_their_content);
	tcase_add_test_raise_signal(use, a_slot_out_of_range_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(
		use, a_buffer_shorter_than_the_longest_record_is_a_bug, SIGABRT);
	suite_add_tcase(s, use);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
