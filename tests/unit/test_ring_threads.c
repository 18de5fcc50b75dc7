/*
 * Publishers and readers as threads of one process. Built by itself it checks order, wholeness
 * and waking; tests/unit/tsan builds it with ThreadSanitizer, which then judges the rest:
 *
 * - Whatever threads share in ring.c and shlock.c is only touched by atomics.
 * - A record brings along what its writer did before: each writer leaves a plain number for each
 *   record, and the readers look at it without any other order than the ring's.
 * - So does the lock.
 *
 * It knows nothing of fences (gcc says so: -Wtsan). Those of the ring order atomics only, and
 * are tests/model's to judge; a stand-in for them, an exchange say, would be worse than nothing,
 * as it orders more than a fence does and would hide what is missing elsewhere.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"
#include "common/shlock.h"
#include "tests/unit/ring_records.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "suite.h"

#ifdef __SANITIZE_THREAD__
enum { RECORDS = 4000, ROUNDS = 4000 };
#else
enum { RECORDS = 20000, ROUNDS = 50000 };
#endif
enum { WRITERS = 3, READERS = 2, WAKE_MS = 5000 };

#define CAPACITY ((size_t)128 * 1024)

static struct ring *ring;
static _Atomic uint64_t reader_pos[READERS];
static _Atomic unsigned failures;
static _Atomic uint64_t echoed;
static uint32_t notes[RECORD_WRITERS][RECORDS + 1]; /* left for each record, before it */

static void expect(bool ok)
{
	if (!ok)
		atomic_fetch_add(&failures, 1);
}

/* Bytes the slowest of the readers has still to read. */
static uint64_t backlog(void)
{
	struct ring_reader probe;
	uint64_t most = 0;

	ring_reader_init(&probe, ring, 0);
	for (int i = 0; i < READERS; i++) {
		uint64_t behind = probe.pos - atomic_load(&reader_pos[i]);

		most = behind > most ? behind : most;
	}
	return most;
}

struct reader_arg {
	struct ring_reader reader;
	_Atomic uint64_t seen, laps;
	bool may_lap;
	_Atomic bool is_last; /* no more will be published */
};

/* Whether each reader that may be overrun has been, and has seen something between its laps. */
static bool is_enough(struct reader_arg args[READERS])
{
	for (int i = 0; i < READERS; i++)
		if (args[i].may_lap && (args[i].laps < 3 || args[i].seen < 1000))
			return false;
	return true;
}

static void *writer_run(void *arg)
{
	struct reader_arg *readers = arg;
	const bool is_held_back = !readers[0].may_lap;
	static _Atomic uint32_t next_writer;
	uint32_t writer = atomic_fetch_add(&next_writer, 1) % RECORD_WRITERS;
	struct record_buf record;

	for (uint64_t n = 1; n <= RECORDS || !is_enough(readers);) {
		struct iovec iov = { &record, record_fill(&record, writer, 0, n, 0) };

		while (is_held_back && backlog() > CAPACITY / 2)
			usleep(100);
		if (is_held_back)
			notes[writer][n] = record.head.seed;
		if (ring_publish(ring, &iov, 1) == RING_PUBLISHED)
			n++;
	}
	return NULL;
}

/* Waits as a worker does. Without a poke and without a timer: a lost wake shows as a time-out. */
static void ring_await(struct ring_reader *reader)
{
	struct pollfd fd = { .fd = ring_wake_fd(ring, reader->slot), .events = POLLIN };
	uint64_t count;

	if (ring_sleep(reader)) {
		expect(poll(&fd, 1, WAKE_MS) == 1);
		(void)!read(fd.fd, &count, sizeof(count));
	}
	ring_awake(reader);
}

/* What this record's writer had left for it. */
static uint32_t note_of(const struct record *head)
{
	return notes[head->writer % RECORD_WRITERS][head->n <= RECORDS ? head->n : 0];
}

/* Dawdles until the reader is a lap behind, or there is nothing more to be late for. */
static void fall_behind(const struct ring_reader *reader, const _Atomic bool *is_last)
{
	struct ring_reader probe;

	do {
		usleep(50);
		ring_reader_init(&probe, ring, 0);
	} while (probe.pos - reader->pos <= CAPACITY && !atomic_load(is_last));
}

static void *reader_run(void *arg)
{
	struct reader_arg *me = arg;
	struct record_trail trails[RECORD_WRITERS] = { 0 };
	unsigned char *buf = malloc(ring_max_record(ring));
	struct record_buf record;
	size_t len;

	for (bool was_last = false;;) {
		enum ring_read got = ring_read(&me->reader, buf, ring_max_record(ring), &len);

		if (got == RING_EMPTY) {
			if (was_last || (!me->may_lap && me->seen == (uint64_t)WRITERS * RECORDS))
				break;
			was_last = atomic_load(&me->is_last);
			if (!me->may_lap)
				ring_await(&me->reader);
			continue;
		}
		if (got == RING_OVERRUN) {
			expect(me->may_lap);
			me->laps++;
			for (unsigned w = 0; w < RECORD_WRITERS; w++)
				trails[w].lost_sight = true;
			continue;
		}
		memcpy(&record, buf, len < sizeof(record) ? len : sizeof(record));
		expect(record_is_whole(&record, len));
		expect(record_follows(&trails[record.head.writer % RECORD_WRITERS], &record.head));
		me->seen++;
		if (!me->may_lap) {
			expect(note_of(&record.head) == record.head.seed);
			atomic_store(&reader_pos[me->reader.slot], me->reader.pos);
		} else if (me->seen % 256 == 0) {
			fall_behind(&me->reader, &me->is_last);
		}
	}
	free(buf);
	return NULL;
}

static void readers_and_writers(struct reader_arg args[READERS], bool may_lap)
{
	pthread_t readers[READERS], writers[WRITERS];

	ring = ring_create(CAPACITY, READERS);
	ck_assert_ptr_nonnull(ring);
	for (unsigned i = 0; i < READERS; i++) {
		args[i].may_lap = may_lap;
		ring_reader_init(&args[i].reader, ring, i);
		ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_run, &args[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&writers[i], NULL, writer_run, args), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	for (int i = 0; i < READERS; i++)
		atomic_store(&args[i].is_last, true);
	ring_poke_all(ring);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ring_free(ring);
	ck_assert_uint_eq(failures, 0);
}

/* R1, R2, R5. */
START_TEST(readers_that_are_waited_for_see_every_record_of_every_writer)
{
	struct reader_arg args[READERS] = { 0 };

	readers_and_writers(args, false);
	for (int i = 0; i < READERS; i++)
		ck_assert_uint_eq(args[i].seen, (uint64_t)WRITERS * RECORDS);
}
END_TEST

START_TEST(readers_that_are_not_waited_for_are_lapped_and_see_nothing_torn)
{
	struct reader_arg args[READERS] = { 0 };

	readers_and_writers(args, true);
	for (int i = 0; i < READERS; i++)
		ck_assert_uint_eq(args[i].laps, args[i].reader.overruns);
}
END_TEST

static void *echo_run(void *arg)
{
	unsigned char *buf = malloc(ring_max_record(ring));
	size_t len;

	for (uint64_t seen = 0; seen < ROUNDS && !failures;) {
		ring_await(arg);
		while (ring_read(arg, buf, ring_max_record(ring), &len) == RING_RECORD)
			atomic_store(&echoed, ++seen);
	}
	free(buf);
	return NULL;
}

/* R5: one record at a time, so that each must wake by itself; the pauses differ. */
START_TEST(a_sleeper_notices_every_single_record)
{
	struct ring_reader reader;
	pthread_t sleeper;
	unsigned pause = 1;

	ring = ring_create(CAPACITY, 1);
	ring_reader_init(&reader, ring, 0);
	ck_assert_int_eq(pthread_create(&sleeper, NULL, echo_run, &reader), 0);
	for (uint64_t n = 1; n <= ROUNDS && !failures; n++) {
		struct iovec iov = { &n, sizeof(n) };

		while (ring_publish(ring, &iov, 1) != RING_PUBLISHED)
			;
		while (atomic_load(&echoed) < n && !failures)
			;
		pause = record_mix(pause) | 1;
		for (volatile unsigned i = 0; i < pause % 128; i++)
			;
	}
	pthread_join(sleeper, NULL);
	ring_free(ring);
	ck_assert_uint_eq(failures, 0);
	ck_assert_uint_eq(echoed, ROUNDS);
}
END_TEST

static struct shlock lock;
static uint64_t guarded; /* plain: the lock alone orders who counts */

static void *count_run(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		while (!shlock_acquire(&lock, RING_BLOCK_MAX_MS))
			;
		guarded++;
		shlock_release(&lock);
	}
	return NULL;
}

START_TEST(what_the_lock_guards_is_one_thread_s_at_a_time)
{
	pthread_t threads[WRITERS];

	ck_assert(shlock_usable());
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_run, NULL), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(guarded, (uint64_t)WRITERS * ROUNDS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring_threads");
	TCase *waited_for = tcase_create("waited_for"), *overrun = tcase_create("overrun"),
	      *asleep = tcase_create("asleep"), *locked = tcase_create("locked");

	tcase_set_timeout(waited_for, 120);
	tcase_add_test(waited_for, readers_that_are_waited_for_see_every_record_of_every_writer);
	tcase_set_timeout(overrun, 120);
	tcase_add_test(overrun, readers_that_are_not_waited_for_are_lapped_and_see_nothing_torn);
	tcase_set_timeout(asleep, 120);
	tcase_add_test(asleep, a_sleeper_notices_every_single_record);
	tcase_set_timeout(locked, 120);
	tcase_add_test(locked, what_the_lock_guards_is_one_thread_s_at_a_time);
	suite_add_tcase(s, waited_for);
	suite_add_tcase(s, overrun);
	suite_add_tcase(s, asleep);
	suite_add_tcase(s, locked);
	return suite_run(s);
}
