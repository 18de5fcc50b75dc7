/*
 * A process that writes where it should not in the ring's memory. Whatever stands there, the
 * others may be overrun or find the ring busy; they do not crash, hang, or write outside it.
 * PARLEY_LONG=1: fifteen seconds of it instead of one and a half.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"
#include "tests/unit/ring_records.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

enum { SLOTS = 3, WORKERS = 2, SLEEPER = 2 };

#define CAPACITY ((size_t)128 * 1024)
#define STEP 128u /* a record of 120 bytes and its header */

static struct ring *ring;

/* What the processes of a test tell each other. Not scribbled on. */
static struct board {
	_Atomic uint64_t published[WORKERS];
	_Atomic uint64_t turns[WORKERS];
	_Atomic bool is_over;
} * board;

static bool is_long(void)
{
	const char *value = getenv("PARLEY_LONG");

	return value && *value == '1';
}

static void setup(void)
{
	ring = ring_create(CAPACITY, SLOTS);
	ck_assert_ptr_nonnull(ring);
	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(board, MAP_FAILED);
}

static void teardown(void)
{
	munmap(board, sizeof(*board));
	ring_free(ring);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool fd_ready(unsigned slot, int timeout_ms)
{
	struct pollfd fd = { .fd = ring_wake_fd(ring, slot), .events = POLLIN };

	return poll(&fd, 1, timeout_ms) == 1;
}

/* `n` of `len` bytes: the number, then letters. */
static enum ring_publish number_publish(uint64_t n, size_t len)
{
	unsigned char bytes[8192];
	struct iovec iov[2] = { { &n, sizeof(n) }, { bytes, len - sizeof(n) } };

	memset(bytes, 'a' + (int)(n % 26), sizeof(bytes));
	return ring_publish(ring, iov, 2);
}

/* Reads one record made by number_publish, which must be whole. 0: none. */
static uint64_t number_read(struct ring_reader *reader, size_t want_len)
{
	static unsigned char buf[64 * 1024];
	size_t len;
	uint64_t n;

	if (ring_read(reader, buf, sizeof(buf), &len) != RING_RECORD)
		return 0;
	ck_assert_uint_eq(len, want_len);
	memcpy(&n, buf, sizeof(n));
	for (size_t i = sizeof(n); i < len; i++)
		ck_assert_uint_eq(buf[i], 'a' + n % 26);
	return n;
}

static void ck_exits_well(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

/* Where the ring is mapped here; for scribblers only. */
static uint64_t *mapping_find(size_t *len)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t from = 0, to = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:parley-ring") &&
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			break;
	if (!maps || !from)
		_exit(1);
	fclose(maps);
	*len = to - from;
	return (uint64_t *)from;
}

static uint64_t random_word(uint64_t around)
{
	switch (random() % 6) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return (uint64_t)random() << 33 ^ (uint64_t)random();
	case 3:
		return around + (uint64_t)(random() % 512) - 256;
	case 4:
		return (uint64_t)(random() % 70000) << 32 | (around / 8 & 0x7fffffff);
	default:
		return around ^ 1ull << random() % 64;
	}
}

/* Everywhere, only in the data, or only in the words that steer; now and then all of a page. */
static void scribbler_life(unsigned seed)
{
	size_t len, words;
	uint64_t *map = mapping_find(&len);

	srandom(seed);
	words = len / sizeof(*map);
	while (!board->is_over) {
		size_t at = seed % 3 == 0 ? (size_t)random() % words
			: seed % 3 == 1   ? words - 1 - (size_t)random() % (CAPACITY / 8)
					  : (size_t)random() % 64;

		((volatile uint64_t *)map)[at] = random_word(map[random() % 16]);
		if (random() % 5000 == 0)
			memset(map + at / 512 * 512, (int)random(), 4096);
	}
	_exit(0);
}

/* A worker of sorts. Its buffer ends where the next page must not be touched. */
static void worker_life(unsigned number)
{
	size_t max = ring_max_record(ring), page = 4096, len;
	size_t room = (max + page - 1) / page * page;
	unsigned char *area =
		mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *buf = area + room - max;
	struct record_buf record;
	struct ring_reader reader;

	if (area == MAP_FAILED || mprotect(area + room, page, PROT_NONE) != 0)
		_exit(1);
	ring_reader_init(&reader, ring, number);
	for (uint64_t n = 1; !board->is_over; n++) {
		size_t whole = record_fill(&record, number, 1, n, 0);
		struct iovec iov[2] = { { &record, whole / 3 },
			{ (unsigned char *)&record + whole / 3, whole - whole / 3 } };

		board->published[number] += ring_publish(ring, iov, 2) == RING_PUBLISHED;
		for (int i = 0; i < 100; i++) {
			enum ring_read got = ring_read(&reader, buf, max, &len);

			if (got == RING_RECORD && len > max)
				_exit(1);
			if (got == RING_EMPTY)
				break;
		}
		if (ring_sleep(&reader))
			fd_ready(number, n % 8 == 0);
		ring_awake(&reader);
		board->turns[number]++; /* it still turns */
	}
	_exit(0);
}

static void workers_among_scribblers(unsigned first_seed, unsigned n_scribblers, double for_ms)
{
	pid_t workers[WORKERS], scribblers[3];
	double until = now_ms() + for_ms;
	int status;

	for (unsigned i = 0; i < WORKERS; i++)
		if ((workers[i] = fork()) == 0)
			worker_life(i);
	for (unsigned i = 0; i < n_scribblers; i++)
		if ((scribblers[i] = fork()) == 0)
			scribbler_life(first_seed + i);
	while (now_ms() < until) {
		uint64_t before[WORKERS];

		for (unsigned i = 0; i < WORKERS; i++)
			before[i] = board->turns[i];
		usleep(250000);
		ck_assert_int_eq(waitpid(-1, &status, WNOHANG), 0); /* nobody has died */
		for (unsigned i = 0; i < WORKERS; i++)
			ck_assert_uint_gt(board->turns[i], before[i]);
	}
	board->is_over = true;
	for (unsigned i = 0; i < n_scribblers; i++)
		ck_exits_well(scribblers[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		ck_exits_well(workers[i]);
}

START_TEST(scribbling_over_everything_crashes_and_hangs_nobody)
{
	workers_among_scribblers(0, 3, is_long() ? 10000 : 1000);
}
END_TEST

/* Seed 1 leaves the steering words alone: all works again as soon as the scribbler ends. */
START_TEST(scribbling_over_the_data_is_over_when_it_ends)
{
	struct ring_reader reader;

	workers_among_scribblers(1, 1, is_long() ? 5000 : 500);
	for (unsigned i = 0; i < WORKERS; i++)
		ck_assert_uint_gt(board->published[i], 0);
	ring_reader_init(&reader, ring, SLEEPER);
	for (uint64_t n = 1; n <= 5000; n++) {
		ck_assert_int_eq(number_publish(n, 200), RING_PUBLISHED);
		ck_assert_uint_eq(number_read(&reader, 200), n);
	}
}
END_TEST

/* The reader stands a lap behind, so that only the numbers in the header can be wrong. */
START_TEST(a_forged_header_is_never_followed)
{
	static const struct {
		uint32_t mark, size;
	} forged[] = {
		{ 1, STEP - 8 },
		{ 0x80000001, STEP - 8 },
		{ 0, 32 * 1024 - 7 },
		{ 0, 100000 },
		{ 0, CAPACITY - 7 },
		{ 0, 0x7fffffff },
		{ 0, 0xffffffff },
		{ 0, 0xfffffff8 },
		{ 0x80000000, CAPACITY - 7 },
		{ 0x80000000, 0xffffffff },
		{ 0x80000000, 0xfffffff0 },
	};
	unsigned char buf[32 * 1024];
	struct ring_reader reader;
	size_t len;
	uint64_t *map = mapping_find(&len);
	uint64_t *data = map + (len - CAPACITY) / sizeof(*map);

	ck_assert_uint_ge(sizeof(buf), ring_max_record(ring));
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		ring_reader_init(&reader, ring, SLEEPER);
		for (uint64_t n = 1; n <= CAPACITY / STEP; n++)
			ck_assert_int_eq(number_publish(n, STEP - 8), RING_PUBLISHED);
		data[reader.pos % CAPACITY / 8] = (uint64_t)forged[i].size << 32 |
			((uint32_t)(reader.pos / 8) ^ forged[i].mark);
		ck_assert_int_eq(
			ring_read(&reader, buf, ring_max_record(ring), &len), RING_OVERRUN);
		ck_assert_int_eq(ring_read(&reader, buf, ring_max_record(ring), &len), RING_EMPTY);
	}
}
END_TEST

/* A scribbler that hits tail or intent once: the next publish brings them together again. */
START_TEST(one_stray_write_to_a_position_laps_the_readers_and_no_more)
{
	struct ring_reader reader;
	size_t len;
	uint64_t *map = mapping_find(&len);

	for (size_t word = 8; word < 10; word++)
		for (int i = 0; i < 500; i++) {
			ring_reader_init(&reader, ring, SLEEPER);
			((volatile uint64_t *)map)[word] = random_word(map[word]);
			for (uint64_t n = 1; n <= 3; n++)
				ck_assert_int_eq(number_publish(n, 200), RING_PUBLISHED);
			ring_reader_init(&reader, ring, SLEEPER);
			for (uint64_t n = 1; n <= 3; n++) {
				ck_assert_int_eq(number_publish(n, 200), RING_PUBLISHED);
				ck_assert_uint_eq(number_read(&reader, 200), n);
			}
		}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ring_hostile");
	TCase *tc = tcase_create("hostile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, scribbling_over_everything_crashes_and_hangs_nobody);
	tcase_add_test(tc, scribbling_over_the_data_is_over_when_it_ends);
	tcase_add_test(tc, a_forged_header_is_never_followed);
	tcase_add_test(tc, one_stray_write_to_a_position_laps_the_readers_and_no_more);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
