/*
 * What is left of the ring's promises when processes are killed or stopped in the middle of it.
 * Built with -DPARLEY_FAULTS. PARLEY_LONG=1: 1,500 random kills a test instead of 100.
 */
#define _GNU_SOURCE 1
#include "common/ring.h"
#include "tests/unit/fault_give.h"
#include "tests/unit/ring_records.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "suite.h"

enum { SLOTS = 6, WRITERS = 3, READERS = 2 };
enum { VICTIM = 5, SLEEPER = 4 }; /* slots, where one test has only one of each */

#define CAPACITY ((size_t)128 * 1024)
#define STEP 128u /* a record of 120 bytes and its header */

static struct ring *ring;

/* What the processes of a test tell each other. Private to the test, not to the ring. */
static struct board {
	_Atomic uint64_t acked[WRITERS]; /* the last number that RING_PUBLISHED was answered for */
	_Atomic uint64_t pos[READERS];
	_Atomic uint64_t seen[READERS];
	_Atomic uint64_t laps[READERS];
	_Atomic uint32_t torn, astray, unnoticed; /* violations of R1, R2, R5 */
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

static struct ring_stats stats(void)
{
	struct ring_stats now;

	ring_stats(ring, &now);
	return now;
}

static bool fd_ready(unsigned slot, int timeout_ms)
{
	struct pollfd fd = { .fd = ring_wake_fd(ring, slot), .events = POLLIN };

	return poll(&fd, 1, timeout_ms) == 1;
}

/* ---- one victim at a chosen point ---- */

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

/* A child that publishes record n and is struck at `point`; how: kill or stop. */
static pid_t victim_fork(const char *point, const char *how, uint64_t n, size_t len)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fault_give(point, how, 1);
		number_publish(n, len);
		_exit(0);
	}
	return pid;
}

static void ck_dies(pid_t pid, const char *of)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(
		WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %#x", of, status);
}

static void ck_exits_well(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

static void victim_killed(const char *point, uint64_t n, size_t len)
{
	ck_dies(victim_fork(point, "kill", n, len), point);
}

/* One that stands there, stopped. */
static pid_t victim_stopped(const char *point, uint64_t n, size_t len)
{
	pid_t pid = victim_fork(point, "stop", n, len);
	int status;

	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert_msg(WIFSTOPPED(status), "%s: status %#x", point, status);
	return pid;
}

static void stopped_continue(pid_t pid)
{
	kill(pid, SIGCONT);
	ck_exits_well(pid);
}

static void process_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_dies(pid, "kill");
}

static const struct point {
	const char *name;
	bool is_published, is_repaired, is_woken;
} points[] = {
	{ "publish.locked", false, false, false },
	{ "publish.claimed", false, true, false },
	{ "publish.header", false, true, false },
	{ "publish.piece", false, true, false },
	{ "publish.copied", false, true, false },
	{ "publish.tail", true, false, false },
	{ "publish.unlocked", true, false, false },
	{ "publish.fenced", true, false, false },
	{ "wake.claimed", true, false, false },
	{ "wake.written", true, false, true },
};

enum { POINTS = sizeof(points) / sizeof(points[0]) };

/* Brings the tail to `room` bytes before the end of the data; nobody has to read that. */
static void tail_move(size_t room)
{
	struct ring_reader probe;

	for (;;) {
		ring_reader_init(&probe, ring, 0);
		if (CAPACITY - probe.pos % CAPACITY == room)
			return;
		ck_assert_int_eq(number_publish(1, STEP - 8), RING_PUBLISHED);
	}
}

/* Where the dead one's claim lies: in the middle, up to the very end, with padding before it. */
static const size_t rooms[] = { 64 * STEP, 8 * STEP, 3 * STEP };

enum { ROOMS = sizeof(rooms) / sizeof(rooms[0]), VICTIM_LEN = 8 * STEP - 8 };

/* R1, R2, R3, R5 */
START_TEST(killed_at_any_point_of_a_publish_leaves_all_or_nothing_of_it)
{
	const struct point *point = &points[_i / ROOMS];
	struct ring_reader reader;

	tail_move(rooms[_i % ROOMS]);
	ring_reader_init(&reader, ring, SLEEPER);
	ck_assert(ring_sleep(&reader));
	victim_killed(point->name, 7, VICTIM_LEN);

	ck_assert_int_eq(fd_ready(SLEEPER, 0), point->is_woken);
	ring_poke_all(ring);
	ring_slot_reset(ring, VICTIM);
	ck_assert(fd_ready(SLEEPER, 0));
	ring_awake(&reader);
	ck_assert_uint_eq(number_read(&reader, VICTIM_LEN), point->is_published ? 7 : 0);
	ck_assert_uint_eq(number_read(&reader, VICTIM_LEN), 0);

	ck_assert_int_eq(number_publish(8, 40), RING_PUBLISHED);
	ck_assert_int_eq(number_publish(9, VICTIM_LEN), RING_PUBLISHED);
	ck_assert_uint_eq(stats().repairs, point->is_repaired);
	ck_assert_uint_eq(number_read(&reader, 40), 8);
	ck_assert_uint_eq(number_read(&reader, VICTIM_LEN), 9);
	ck_assert_uint_eq(reader.overruns, 0);
}
END_TEST

static const char *const repair_points[] = { "repair.started", "repair.half", "repair.padded",
	"repair.done", "publish.claimed", "publish.copied" };

enum { REPAIR_POINTS = sizeof(repair_points) / sizeof(repair_points[0]) };

START_TEST(killed_inside_the_repair_is_repaired_by_the_next)
{
	const char *point = repair_points[_i / ROOMS];
	struct ring_reader reader;

	tail_move(rooms[_i % ROOMS]);
	ring_reader_init(&reader, ring, SLEEPER);
	victim_killed("publish.copied", 7, VICTIM_LEN);
	victim_killed("repair.started", 8, VICTIM_LEN);
	victim_killed("repair.half", 8, 40);
	victim_killed(point, 8, VICTIM_LEN);
	ck_assert_uint_eq(number_read(&reader, VICTIM_LEN), 0);
	ck_assert_int_eq(number_publish(9, VICTIM_LEN), RING_PUBLISHED);
	ck_assert_int_eq(number_publish(10, 24), RING_PUBLISHED);
	ck_assert_uint_eq(number_read(&reader, VICTIM_LEN), 9);
	ck_assert_uint_eq(number_read(&reader, 24), 10);
	ck_assert_uint_eq(reader.overruns, 0);
}
END_TEST

/*
 * R3. The reader is just not overrun when a publisher dies that has written over the reader's next
 * record: with a header that passes for that record's. The repair must not hide that from the
 * reader.
 */
START_TEST(what_a_dead_publisher_scribbled_on_is_never_accepted)
{
	struct ring_reader reader;
	unsigned char bytes[3 * STEP - 8];
	struct iovec iov = { bytes, sizeof(bytes) };
	uint64_t forged;
	pid_t pid;

	tail_move(64 * STEP);
	ring_reader_init(&reader, ring, SLEEPER);
	for (uint64_t n = 1; n <= CAPACITY / STEP; n++)
		ck_assert_int_eq(number_publish(n, STEP - 8), RING_PUBLISHED);
	ck_assert_uint_eq(number_read(&reader, STEP - 8), 1);
	forged = (uint64_t)(STEP - 8) << 32 | (uint32_t)(reader.pos / 8);
	memset(bytes, 0xbd, sizeof(bytes));
	memcpy(bytes + STEP - 8, &forged, sizeof(forged));
	pid = fork();
	if (pid == 0) {
		fault_give("publish.copied", "kill", 1);
		ring_publish(ring, &iov, 1);
		_exit(0);
	}
	ck_dies(pid, "publish.copied");
	if (_i)
		ck_assert_int_eq(number_publish(2, STEP - 8), RING_PUBLISHED);
	ck_assert_uint_eq(number_read(&reader, STEP - 8), 0);
	ck_assert_uint_eq(reader.overruns, 1);
	ck_assert_int_eq(number_publish(3, STEP - 8), RING_PUBLISHED);
	ck_assert_uint_eq(number_read(&reader, STEP - 8), 3);
}
END_TEST

/* R4, and the others read on meanwhile; then it goes on (0) or is killed where it stands (1). */
START_TEST(a_stopped_lock_holder_delays_nobody_beyond_the_limit)
{
	struct ring_reader reader;
	double best = 1e9;
	pid_t victim;

	ring_reader_init(&reader, ring, SLEEPER);
	ck_assert_int_eq(number_publish(1, 40), RING_PUBLISHED);
	victim = victim_stopped("publish.copied", 2, 40);
	for (int i = 0; i < 10; i++) {
		double from = now_ms(), took;

		ck_assert_int_eq(number_publish(3, 40), RING_BUSY);
		took = now_ms() - from;
		best = took < best ? took : best;
	}
	ck_assert_double_ge(best, RING_BLOCK_MAX_MS);
	ck_assert_double_lt(best, 2.0 * RING_BLOCK_MAX_MS); /* the best: the machine may be busy */
	ck_assert_uint_eq(stats().busy, 10);
	ck_assert_uint_eq(number_read(&reader, 40), 1);
	ck_assert_uint_eq(number_read(&reader, 40), 0);
	if (_i)
		process_kill(victim);
	else
		stopped_continue(victim);
	ck_assert_int_eq(number_publish(4, 40), RING_PUBLISHED);
	if (!_i)
		ck_assert_uint_eq(number_read(&reader, 40), 2);
	ck_assert_uint_eq(number_read(&reader, 40), 4);
	ck_assert_uint_eq(number_read(&reader, 40), 0);
}
END_TEST

START_TEST(stopped_between_tail_and_wake_keeps_nobody_from_publishing)
{
	struct ring_reader reader;
	pid_t victim;

	ring_reader_init(&reader, ring, SLEEPER);
	victim = victim_stopped("publish.fenced", 1, 40);
	ck_assert_int_eq(number_publish(2, 40), RING_PUBLISHED);
	ck_assert_uint_eq(number_read(&reader, 40), 1);
	ck_assert_uint_eq(number_read(&reader, 40), 2);
	ck_assert(ring_sleep(&reader));
	ck_assert(!fd_ready(SLEEPER, 0));
	stopped_continue(victim); /* its late look at the flags is one wake too many, no harm */
	ck_assert(fd_ready(SLEEPER, 1000));
}
END_TEST

/* ---- many processes, random kills ---- */

static uint64_t backlog(void)
{
	struct ring_reader probe;
	uint64_t most = 0;

	ring_reader_init(&probe, ring, 0);
	for (int i = 0; i < READERS; i++) {
		uint64_t behind = probe.pos - board->pos[i];

		most = behind > most ? behind : most;
	}
	return most;
}

/*
 * Publishes as fast as the readers follow (or at all, if not held back), until killed. One life in
 * three is to die by itself inside a publish, where a random kill seldom strikes.
 */
_Noreturn static void writer_life(unsigned writer, uint32_t life, bool is_held_back, long lot)
{
	uint64_t base = board->acked[writer];
	struct record_buf record;

	if (lot % 3 == 0)
		fault_give(points[lot / 3 % POINTS].name, "kill", 1 + (unsigned)(lot / 97 % 20));
	for (uint64_t n = base + 1;;) {
		struct iovec iov[2] = { { &record, sizeof(record.head) }, { record.rest, 0 } };

		iov[1].iov_len = record_fill(&record, writer, life, n, base) - sizeof(record.head);
		while (is_held_back && backlog() > CAPACITY / 2)
			usleep(20);
		if (ring_publish(ring, iov, 2) == RING_PUBLISHED)
			board->acked[writer] = n++;
	}
}

static pid_t writer_fork(unsigned writer, uint32_t life, bool is_held_back)
{
	long lot = random();
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		writer_life(writer, life, is_held_back, lot);
	return pid;
}

/*
 * Waits as a worker does, but with no timer to hide behind: only a wake or the master's poke may
 * end it. What lies unread when the time is up was not noticed (R5).
 */
static void ring_await(struct ring_reader *reader)
{
	uint64_t count;

	if (ring_sleep(reader) && !fd_ready(reader->slot, 3000)) {
		struct ring_reader probe;

		ring_reader_init(&probe, ring, 0);
		board->unnoticed += probe.pos != reader->pos;
	}
	(void)!read(ring_wake_fd(ring, reader->slot), &count, sizeof(count));
	ring_awake(reader);
}

static void reader_life(unsigned number, struct ring_reader *reader, bool is_slow)
{
	static unsigned char buf[64 * 1024];
	struct record_trail trails[RECORD_WRITERS] = { 0 };
	struct record_buf record;
	enum ring_read got;
	size_t len;

	while ((got = ring_read(reader, buf, sizeof(buf), &len)) != RING_EMPTY || !board->is_over) {
		board->pos[number] = reader->pos;
		if (got == RING_EMPTY) {
			ring_await(reader);
		} else if (got == RING_OVERRUN) {
			board->laps[number]++;
			for (unsigned w = 0; w < RECORD_WRITERS; w++)
				trails[w].lost_sight = true;
		} else {
			memcpy(&record, buf, len < sizeof(record) ? len : sizeof(record));
			board->torn += !record_is_whole(&record, len);
			board->astray += !record_follows(
				&trails[record.head.writer % RECORD_WRITERS], &record.head);
			if (is_slow && ++board->seen[number] % 16 == 0)
				usleep(200);
			else if (!is_slow)
				board->seen[number]++;
		}
	}
	for (unsigned w = 0; w < WRITERS && !is_slow; w++)
		board->astray +=
			trails[w].last != board->acked[w] && trails[w].last != board->acked[w] + 1;
	_exit(0);
}

/* Stops and then continues, kills, or only kills a process at a random moment. */
static void random_strike(pid_t pid)
{
	usleep((useconds_t)random() % 1500);
	if (random() % 4 == 0) {
		kill(pid, SIGSTOP);
		usleep((useconds_t)random() % 4000);
		if (random() % 2) {
			kill(pid, SIGCONT);
			usleep((useconds_t)random() % 500);
		}
	}
	kill(pid, SIGKILL);
}

/* Ends one life and starts the next, as a master would. false: it had already met its doom. */
static bool writer_strike(pid_t *pids, uint32_t *lives, bool is_held_back)
{
	unsigned w = (unsigned)random() % WRITERS;
	siginfo_t dead = { .si_pid = 0 };

	ck_assert_int_eq(waitid(P_PID, (id_t)pids[w], &dead, WEXITED | WNOHANG | WNOWAIT), 0);
	if (!dead.si_pid)
		random_strike(pids[w]);
	ck_dies(pids[w], "writer");
	ring_poke_all(ring);
	ring_slot_reset(ring, READERS + w);
	pids[w] = writer_fork(w, ++lives[w], is_held_back);
	return !dead.si_pid;
}

/* Kills `kills` times under way; with is_slow the readers are overrun, else they see everything. */
static void random_kills(int kills, bool is_slow)
{
	pid_t writers[WRITERS], readers[READERS];
	uint32_t lives[WRITERS];
	int done = 0, doomed = 0;
	double from = now_ms();

	for (unsigned r = 0; r < READERS; r++) {
		struct ring_reader
			reader; /* begun before the first record, so that none is missed */

		ring_reader_init(&reader, ring, r);
		readers[r] = fork();
		if (readers[r] == 0)
			reader_life(r, &reader, is_slow);
	}
	for (unsigned w = 0; w < WRITERS; w++)
		writers[w] = writer_fork(w, lives[w] = 1, !is_slow);
	while (done < kills) {
		bool was_alive = writer_strike(writers, lives, !is_slow);

		done += was_alive;
		doomed += !was_alive;
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		kill(writers[w], SIGKILL);
		ck_dies(writers[w], "writer");
	}
	board->is_over = true;
	ring_poke_all(ring);
	for (unsigned r = 0; r < READERS; r++)
		ck_exits_well(readers[r]);
	printf("%d kills and %d deaths inside, %" PRIu64 " records (%.0f a second), %" PRIu64
	       " repairs, %" PRIu64 " busy, %" PRIu64 " laps; torn %u, astray %u, unnoticed %u\n",
		done, doomed, stats().published,
		(double)stats().published * 1e3 / (now_ms() - from), stats().repairs, stats().busy,
		board->laps[0] + board->laps[1], board->torn, board->astray, board->unnoticed);
	ck_assert_uint_eq(board->torn, 0);
	ck_assert_uint_eq(board->astray, 0);
	ck_assert_uint_eq(board->unnoticed, 0);
	ck_assert_uint_gt(stats().repairs, 0);
}

/* R1, R2, R5: nothing torn, nothing lost, nothing twice. */
START_TEST(random_kills_lose_and_tear_nothing)
{
	random_kills(is_long() ? 1500 : 100, false);
	for (unsigned r = 0; r < READERS; r++) {
		ck_assert_uint_eq(board->laps[r], 0);
		ck_assert_uint_ge(board->seen[r], stats().published);
	}
}
END_TEST

START_TEST(random_kills_tear_nothing_for_readers_that_are_lapped)
{
	random_kills(is_long() ? 1500 : 100, true);
	for (unsigned r = 0; r < READERS; r++) {
		ck_assert_uint_gt(board->laps[r], 0);
		ck_assert_uint_gt(board->seen[r], 0);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("ring_crash");
	TCase *tc = tcase_create("crash");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, killed_at_any_point_of_a_publish_leaves_all_or_nothing_of_it, 0,
		(int)POINTS * (int)ROOMS);
	tcase_add_loop_test(tc, killed_inside_the_repair_is_repaired_by_the_next, 0,
		(int)REPAIR_POINTS * (int)ROOMS);
	tcase_add_loop_test(tc, what_a_dead_publisher_scribbled_on_is_never_accepted, 0, 2);
	tcase_add_loop_test(tc, a_stopped_lock_holder_delays_nobody_beyond_the_limit, 0, 2);
	tcase_add_test(tc, stopped_between_tail_and_wake_keeps_nobody_from_publishing);
	tcase_add_test(tc, random_kills_lose_and_tear_nothing);
	tcase_add_test(tc, random_kills_tear_nothing_for_readers_that_are_lapped);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
