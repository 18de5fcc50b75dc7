/*
 * The hasher in a process of its own. This process acts as all its workers.
 */
#define _GNU_SOURCE 1
#include "auth/hasher.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stats.h"
#include "tests/unit/suite.h"

#define SLOTS 3
#define SOON_MS 20000
#define CORRECT "correct horse"
#define STORED_CHEAP \
	"scrypt$1024$8$1$AAECAwQFBgcICQoLDA0ODw==$nfkj3u1fRTHCea+fVr03sWV770kp5wLOLoEakziKhqE="

static struct heritage heritage;
static int fds[SLOTS], ends[SLOTS], life_fd;
static struct event_base *base;
static struct hasher *hashers[SLOTS];
static pid_t hasher_pid;

/* The callbacks in their order. */
static struct reply {
	int tag; /* arg of the request */
	enum hasher_result result;
	char stored[HASHER_STORED_MAX];
} replies[1000];
static int n_replies;

static void on_reply(void *arg, enum hasher_result result, const char *stored)
{
	struct reply *reply = &replies[n_replies++];

	reply->tag = (int)(intptr_t)arg;
	reply->result = result;
	strcpy(reply->stored, stored ? stored : "");
}

static void *tag(int n)
{
	return (void *)(intptr_t)n;
}

static void hasher_start(void)
{
	hasher_pid = fork();
	ck_assert_int_ge(hasher_pid, 0);
	if (hasher_pid > 0)
		return;
	close(life_fd);
	for (int i = 0; i < SLOTS; i++)
		close(fds[i]);
	_exit(hasher_run(&heritage));
}

static void hasher_end(int number)
{
	kill(hasher_pid, number);
	ck_assert_int_eq(waitpid(hasher_pid, NULL, 0), hasher_pid);
	hasher_pid = 0;
}

static void setup(void)
{
	int pipe_ends[2], pair[2];
	size_t size = sizeof(struct stats) + SLOTS * sizeof(struct stats_slot);

	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	heritage = (struct heritage){ .n_slots = SLOTS,
		.hasher_fds = fds,
		.hasher_ends = ends,
		.master_fd = pipe_ends[0],
		.incarnation = 1 };
	life_fd = pipe_ends[1];
	heritage.stats =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(heritage.stats, MAP_FAILED);
	base = event_base_new();
	n_replies = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		fds[i] = pair[0];
		ends[i] = pair[1];
		heritage.slot = i;
		heritage.stats->slots[i].alive = 1;
		heritage.stats->slots[i].incarnation = 1;
		hashers[i] = hasher_open(base, &heritage);
	}
	hasher_start();
}

static void teardown(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (hashers[i])
			hasher_close(hashers[i]);
	event_base_free(base);
	if (hasher_pid > 0)
		hasher_end(SIGKILL);
}

static void wait_for_replies(int n)
{
	int64_t deadline_ms = clock_mono_ms() + SOON_MS;

	while (n_replies < n) {
		ck_assert_int_lt(clock_mono_ms(), deadline_ms);
		event_base_loop(base, EVLOOP_ONCE); /* its tick ends a wait each second */
	}
}

static void loop_for(int ms)
{
	struct timeval slice = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(base, &slice);
	event_base_dispatch(base);
}

static void verify(unsigned slot, const char *password, const char *stored, int n)
{
	hasher_verify(hashers[slot],
		&(struct hasher_request){
			.password = { password, strlen(password) },
			.cb = on_reply,
			.arg = tag(n),
		},
		stored);
}

static enum hasher_result verify_now(const char *password, const char *stored)
{
	int n = n_replies;

	verify(0, password, stored, 0);
	ck_assert_int_eq(n_replies, n); /* "never from inside" */
	wait_for_replies(n + 1);
	return replies[n].result;
}

static void hash(struct hasher *h, int n)
{
	hasher_hash(h,
		&(struct hasher_request){
			.password = { CORRECT, strlen(CORRECT) },
			.cb = on_reply,
			.arg = tag(n),
		});
}

/* Two keys of different kinds. */
static enum hasher_result try_as(unsigned slot, uint64_t socket, int64_t user)
{
	int n = n_replies;

	hasher_verify(hashers[slot],
		&(struct hasher_request){
			.password = { "x", 1 },
			.keys = { ratelimit_key_socket(socket), ratelimit_key_user(user) },
			.n_keys = 2,
			.cb = on_reply,
		},
		STORED_CHEAP);
	wait_for_replies(n + 1);
	return replies[n].result;
}

START_TEST(a_hashed_password_is_verified_and_another_is_not)
{
	char stored[HASHER_STORED_MAX];

	hash(hashers[0], 5);
	ck_assert_int_eq(n_replies, 0);
	wait_for_replies(1);
	ck_assert_int_eq(replies[0].tag, 5);
	ck_assert_int_eq(replies[0].result, HASHER_OK);
	strcpy(stored, replies[0].stored);
	ck_assert_int_eq(strncmp(stored, "scrypt$32768$8$3$", 17), 0);
	ck_assert_int_eq(verify_now(CORRECT, stored), HASHER_OK);
	ck_assert_int_eq(verify_now("wrong horse", stored), HASHER_WRONG);
	ck_assert_int_eq(verify_now(CORRECT, NULL), HASHER_WRONG);
	ck_assert_str_eq(replies[n_replies - 1].stored, "");
}
END_TEST

START_TEST(a_malformed_stored_text_fails_and_the_hasher_goes_on)
{
	char longer[2 * HASHER_STORED_MAX];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(verify_now(CORRECT, "plain"), HASHER_FAILED);
	ck_assert_int_eq(verify_now(CORRECT, longer), HASHER_FAILED);
	ck_assert_int_eq(verify_now(CORRECT, ""), HASHER_FAILED);
	ck_assert_int_eq(verify_now(CORRECT, "scrypt$1073741824$64$64$a$b"), HASHER_FAILED);
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_OK);
}
END_TEST

START_TEST(the_longest_password_fits)
{
	char password[HASHER_PASSWORD_MAX];
	struct hasher_request longest = { .password = { password, sizeof(password) },
		.cb = on_reply };

	memset(password, 'p', sizeof(password));
	hasher_hash(hashers[1], &longest);
	wait_for_replies(1);
	ck_assert_int_eq(replies[0].result, HASHER_OK);
	hasher_verify(hashers[1], &longest, replies[0].stored);
	wait_for_replies(2);
	ck_assert_int_eq(replies[1].result, HASHER_OK);
}
END_TEST

START_TEST(requests_beyond_the_queue_are_busy_at_once)
{
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	for (int i = 0; i < HASHER_IN_FLIGHT + 6; i++)
		verify(0, CORRECT, STORED_CHEAP, i);
	ck_assert_int_eq(n_replies, 0);
	loop_for(50);
	ck_assert_int_eq(n_replies, 6);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(replies[i].result, HASHER_BUSY);
		ck_assert_int_eq(replies[i].tag, HASHER_IN_FLIGHT + i);
	}
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	wait_for_replies(HASHER_IN_FLIGHT + 6);
	for (int i = 0; i < HASHER_IN_FLIGHT; i++) {
		ck_assert_int_eq(replies[6 + i].result, HASHER_OK);
		ck_assert_int_eq(replies[6 + i].tag, i);
	}
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_OK);
}
END_TEST

START_TEST(slots_are_served_in_turn)
{
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	for (int i = 0; i < 20; i++)
		verify(0, CORRECT, STORED_CHEAP, 0);
	verify(1, CORRECT, STORED_CHEAP, 1);
	verify(2, CORRECT, STORED_CHEAP, 2);
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	wait_for_replies(22);
	for (int i = 6; i < 22; i++)
		ck_assert_int_eq(replies[i].tag, 0); /* the two others had their turns before */
}
END_TEST

START_TEST(a_key_has_ten_tries_at_once_and_then_one_each_six_seconds)
{
	for (int i = 0; i < HASHER_BURST; i++)
		ck_assert_int_eq(try_as((unsigned)i % SLOTS, 1, 100 + i), HASHER_WRONG);
	/* The table is shared by all workers. */
	ck_assert_int_eq(try_as(0, 1, 200), HASHER_LIMITED);
	ck_assert_int_eq(try_as(1, 1, 200), HASHER_LIMITED);
	/* A limited try takes nothing from the other key. */
	for (int i = 0; i < HASHER_BURST; i++)
		ck_assert_int_eq(try_as(0, (uint64_t)(2 + i), 200), HASHER_WRONG);
	ck_assert_int_eq(try_as(0, 99, 200), HASHER_LIMITED);
	ck_assert_int_eq(verify_now("x", STORED_CHEAP), HASHER_WRONG); /* no key, no limit */
	loop_for(HASHER_REFILL_MS + 200);
	ck_assert_int_eq(try_as(0, 1, 300), HASHER_WRONG);
	ck_assert_int_eq(try_as(0, 1, 301), HASHER_LIMITED);
}
END_TEST

START_TEST(many_other_keys_do_not_displace_a_key_in_use)
{
	for (int i = 0; i < HASHER_BURST; i++)
		ck_assert_int_eq(try_as(0, 1, 100 + i), HASHER_WRONG);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(try_as(0, 1, 10000 + i), HASHER_LIMITED);
	ck_assert_int_eq(try_as(0, 2, 3), HASHER_WRONG);
}
END_TEST

/* A username is limited; another is tried from many addresses, without success. */
START_TEST(a_flood_of_other_keys_does_not_displace_a_bucket)
{
	struct hasher_request r = { .password = { "x", 1 }, .n_keys = 2, .cb = on_reply };
	int64_t start_ms = clock_mono_ms();
	int sent = 0, wrong = 0;

	for (int i = 0; i < 3 * HASHER_BURST; i++) {
		r.keys[0] = ratelimit_key_socket((uint64_t)i);
		r.keys[1] = ratelimit_key_username(i % 3 == 0 ? "ann" : "bob", 3);
		hasher_verify(hashers[0], &r, STORED_CHEAP);
		wait_for_replies(++sent);
	}
	ck_assert_int_eq(replies[0].result, HASHER_WRONG);
	ck_assert_int_eq(replies[sent - 1].result, HASHER_LIMITED); /* bob */
	for (int i = 0; i < 8500; i++) {
		char address[32];

		snprintf(address, sizeof(address), "2001:db8:%x::1", i);
		r.keys[0] = ratelimit_key_address(address);
		r.keys[1] = ratelimit_key_username("bob", 3);
		hasher_verify(hashers[0], &r, STORED_CHEAP);
		wait_for_replies(++sent);
		n_replies = sent %= 500;
	}
	r.keys[1] = ratelimit_key_username("ann", 3);
	for (int i = 0; i < HASHER_BURST; i++) {
		r.keys[0] = ratelimit_key_socket((uint64_t)(1000 + i));
		hasher_verify(hashers[0], &r, STORED_CHEAP);
		wait_for_replies(sent + i + 1);
		wrong += replies[sent + i].result == HASHER_WRONG;
	}
	ck_assert_int_le(wrong, (clock_mono_ms() - start_ms) / HASHER_REFILL_MS);
}
END_TEST

START_TEST(many_tries_of_other_addresses_do_not_delay_a_log_in)
{
	struct hasher_request r = { .password = { "x", 1 }, .n_keys = 1, .cb = on_reply };
	int before;

	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	for (int i = 0; i < 2 * (HASHER_IN_FLIGHT - 1); i++) {
		char address[32];

		snprintf(address, sizeof(address), "192.0.2.%d", i % 14);
		r.keys[0] = ratelimit_key_address(address);
		hasher_verify(hashers[i % 2], &r, STORED_CHEAP);
	}
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	wait_for_replies(2 * 7 + 2); /* the first try of each address, and two more */
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	loop_for(50);
	before = n_replies;
	r.keys[0] = ratelimit_key_address("198.51.100.1");
	r.arg = tag(1);
	hasher_verify(hashers[0], &r, STORED_CHEAP);
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	while (replies[n_replies - 1].tag != 1)
		wait_for_replies(n_replies + 1);
	/* Each worker has sent one request before, and the other one perhaps another since. */
	ck_assert_int_le(n_replies - before, 4);
}
END_TEST

START_TEST(a_killed_hasher_loses_no_request)
{
	for (int round = 0; round < 5; round++) {
		int n = n_replies;

		for (int i = 0; i < 3; i++)
			hash(hashers[i], i);
		usleep((useconds_t)round * 40000);
		hasher_end(SIGKILL);
		hasher_start();
		wait_for_replies(n + 3);
		loop_for(20); /* a second reply would come now */
		ck_assert_int_eq(n_replies, n + 3);
		for (; n < n_replies; n++)
			ck_assert_int_eq(replies[n].result, HASHER_OK);
	}
}
END_TEST

/*
 * The worker of slot 0 dies with requests in the queue and a reply that it has not read. Its successor sends a request.
 */
START_TEST(a_successor_gets_only_its_own_replies)
{
	struct hasher *dead = hashers[0];
	int spare = dup(fds[0]);

	verify(0, CORRECT, STORED_CHEAP, 1);
	usleep(200000); /* the reply has come and is not read */
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	for (int i = 0; i < 30; i++)
		hash(dead, 2);
	hasher_close(dead);
	ck_assert_int_eq(n_replies, 31);
	for (int i = 0; i < n_replies; i++)
		ck_assert_int_eq(replies[i].result, HASHER_FAILED);
	n_replies = 0;
	fds[0] = spare;
	heritage.slot = 0;
	heritage.incarnation = 2;
	heritage.stats->slots[0].incarnation = 2;
	hashers[0] = hasher_open(base, &heritage);
	verify(0, "wrong", STORED_CHEAP, 3);
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	wait_for_replies(1);
	loop_for(50);
	ck_assert_int_eq(n_replies, 1);
	ck_assert_int_eq(replies[0].tag, 3);
	ck_assert_int_eq(replies[0].result, HASHER_WRONG);
}
END_TEST

/* A daemon that stops during many log-ins does not wait for their hashes. */
START_TEST(requests_of_a_dead_worker_are_not_hashed)
{
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	for (int i = 0; i < 30; i++)
		verify(0, CORRECT, NULL, 1); /* as expensive as a new hash */
	verify(1, CORRECT, STORED_CHEAP, 2);
	heritage.stats->slots[0].alive = 0;
	ck_assert_int_eq(kill(hasher_pid, SIGCONT), 0);
	wait_for_replies(1);
	loop_for(300);
	ck_assert_int_eq(n_replies, 1);
	ck_assert_int_eq(replies[0].tag, 2);
}
END_TEST

START_TEST(malformed_packets_are_ignored)
{
	char nonsense[4096];

	memset(nonsense, 0xff, sizeof(nonsense));
	for (size_t len = 1; len <= sizeof(nonsense); len *= 2)
		ck_assert_int_gt(send(fds[1], nonsense, len, 0), 0);
	for (size_t len = 1; len <= sizeof(nonsense); len *= 2)
		ck_assert_int_gt(send(ends[0], nonsense, len, 0), 0);
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_OK);
	verify(1, CORRECT, STORED_CHEAP, 1);
	wait_for_replies(2);
	ck_assert_int_eq(replies[1].result, HASHER_OK);
}
END_TEST

static void ck_exits_with_all_answered(void)
{
	int status;

	wait_for_replies(6);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(replies[i].result, HASHER_OK);
	ck_assert_int_eq(waitpid(hasher_pid, &status, 0), hasher_pid);
	hasher_pid = 0;
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void send_six(void)
{
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_OK); /* it is up */
	n_replies = 0;
	for (unsigned i = 0; i < 6; i++)
		verify(i % SLOTS, CORRECT, STORED_CHEAP, 0);
}

START_TEST(queued_requests_are_answered_after_sigterm)
{
	send_six();
	ck_assert_int_eq(kill(hasher_pid, SIGTERM), 0);
	ck_exits_with_all_answered();
}
END_TEST

START_TEST(queued_requests_are_answered_after_the_master_is_gone)
{
	send_six();
	close(life_fd);
	ck_exits_with_all_answered();
}
END_TEST

START_TEST(requests_fail_at_once_when_the_hasher_is_gone)
{
	ck_assert_int_eq(kill(hasher_pid, SIGSTOP), 0);
	verify(0, CORRECT, STORED_CHEAP, 1);
	verify(0, CORRECT, STORED_CHEAP, 2);
	for (int i = 0; i < SLOTS; i++)
		close(ends[i]);
	hasher_end(SIGKILL);
	wait_for_replies(2);
	ck_assert_int_eq(replies[0].result, HASHER_FAILED);
	ck_assert_int_eq(replies[1].result, HASHER_FAILED);
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_BUSY);
}
END_TEST

START_TEST(it_runs_at_a_lower_priority_than_the_workers)
{
	ck_assert_int_eq(verify_now(CORRECT, STORED_CHEAP), HASHER_OK);
	ck_assert_int_gt(getpriority(PRIO_PROCESS, (id_t)hasher_pid), getpriority(PRIO_PROCESS, 0));
	/* In a session of its own: a nice value counts only within a session (sched(7)). */
	ck_assert_int_eq(getsid(hasher_pid), hasher_pid);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hasher");
	TCase *tc = tcase_create("hasher");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_hashed_password_is_verified_and_another_is_not);
	tcase_add_test(tc, a_malformed_stored_text_fails_and_the_hasher_goes_on);
	tcase_add_test(tc, the_longest_password_fits);
	tcase_add_test(tc, requests_beyond_the_queue_are_busy_at_once);
	tcase_add_test(tc, slots_are_served_in_turn);
	tcase_add_test(tc, a_key_has_ten_tries_at_once_and_then_one_each_six_seconds);
	tcase_add_test(tc, many_other_keys_do_not_displace_a_key_in_use);
	tcase_add_test(tc, a_flood_of_other_keys_does_not_displace_a_bucket);
	tcase_add_test(tc, many_tries_of_other_addresses_do_not_delay_a_log_in);
	tcase_add_test(tc, a_killed_hasher_loses_no_request);
	tcase_add_test(tc, a_successor_gets_only_its_own_replies);
	tcase_add_test(tc, requests_of_a_dead_worker_are_not_hashed);
	tcase_add_test(tc, malformed_packets_are_ignored);
	tcase_add_test(tc, queued_requests_are_answered_after_sigterm);
	tcase_add_test(tc, queued_requests_are_answered_after_the_master_is_gone);
	tcase_add_test(tc, requests_fail_at_once_when_the_hasher_is_gone);
	tcase_add_test(tc, it_runs_at_a_lower_priority_than_the_workers);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
