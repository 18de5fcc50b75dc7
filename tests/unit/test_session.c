/*
 * Sessions on a real store, ring and presence table: tokens and their revocation, clients that do
 * not read.
 */
#define _GNU_SOURCE 1
#include "realtime/session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "net/frame.h"
#include "tests/unit/pg.h"
#include "tests/unit/suite.h"
#include "tests/unit/worker_fixture.h"

static struct store *s;
static struct bus *bus;
static struct rooms *rs;
static struct sessions *ss;
static int64_t alice;
static struct token token;
static int peer;
static struct buf got = BUF_EMPTY; /* what the peer has read */
static unsigned n_messages;
static unsigned n_presence_lost;
static bool ended; /* true once the peer has read the end of the stream */

/* Replaces http's, which is not linked here. */
void http_socket_closed(struct http *http, struct http_share *share)
{
	ck_assert_ptr_null(share);
	ck_assert_ptr_null(http);
}

static void on_record(void *arg, const struct record *r)
{
	(void)arg;
	(void)r;
}

static void on_overrun(void *arg)
{
	(void)arg;
}

static void on_newer(void *arg, uint16_t generation)
{
	(void)arg;
	ck_abort_msg("a record of generation %u", generation);
}

static void on_push(
	void *arg, struct room_user *u, struct frame *f, uint64_t origin, enum room_push kind)
{
	(void)arg;
	sessions_push(ss, u, f, origin, kind);
}

static void on_left(void *arg, int64_t user_id)
{
	(void)arg;
	(void)user_id;
}

static void on_resync(void *arg, struct room_user *u)
{
	(void)arg;
	sessions_resync(ss, u);
}

static void on_message(void *arg, struct session *session, char *text, size_t len)
{
	(void)arg;
	(void)session;
	(void)text;
	(void)len;
	n_messages++;
}

static void on_session(void *arg, struct session *session)
{
	(void)arg;
	(void)session;
}

static void on_presence_lost(void *arg, struct session *session)
{
	(void)arg;
	(void)session;
	n_presence_lost++;
}

static void on_reconcile(void *arg, rooms_done_cb *done, void *done_arg)
{
	(void)arg;
	sessions_reconcile_tokens(ss, done, done_arg);
}

struct token_answer {
	bool done;
	struct token t;
};

static void on_token(void *arg, enum error error, const struct token *t)
{
	ck_assert_int_eq(error, ERROR_NONE);
	*(struct token_answer *)arg = (struct token_answer){ true, *t };
}

static struct token new_token(int64_t user_id)
{
	static uint8_t n;
	const uint8_t hash[STORE_HASH_SIZE] = { ++n };
	struct token_answer a = { .done = false };

	store_add_token(s, user_id, (struct text){ "x", 1 }, hash, 1000, on_token, &a);
	fixture_until(&a.done);
	a.done = false;
	store_authenticate(s, hash, on_token, &a);
	fixture_until(&a.done);
	return a.t;
}

static void setup(void)
{
	static const struct bus_events bus_events = { on_record, on_overrun, on_newer };
	static const struct room_events room_events = { on_push, on_resync, on_left, on_reconcile };
	static const struct sessions_events events = { on_message, on_session, on_session,
		on_presence_lost, on_session };
	static unsigned n;
	char username[16];

	n_messages = n_presence_lost = 0;
	ended = false;
	buf_reset(&got, 0);
	fixture_make(pg_conninfo());
	s = fixture_store(0, NULL, NULL);
	bus = bus_open(fixture_base(), fixture_heritage(0), &bus_events, NULL);
	rs = rooms_open(
		fixture_base(), s, &room_events, NULL, &fixture_heritage(0)->stats->slots[0]);
	ss = sessions_open(fixture_base(), fixture_heritage(0), s, bus, &events, NULL);
	sessions_set_rooms(ss, rs, NULL);
	snprintf(username, sizeof(username), "alice%u", ++n);
	alice = fixture_user(s, username);
	token = new_token(alice);
}

static void teardown(void)
{
	close(peer);
	sessions_close_all(ss, CLOSE_server_stops);
	store_close(s);
	sessions_free(ss);
	rooms_close(rs);
	bus_close(bus);
	fixture_drop();
}

/* Opens a socket by an upgrade with this token. */
static void open_socket(struct token t)
{
	int ends[2], size = 4096;
	struct http_upgrade u = {
		.handshake = { .key = "AAAAAAAAAAAAAAAAAAAAAA==", .bytes = "" },
		.token = t,
		.address = "127.0.0.1",
	};

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	u.handshake.fd = ends[0];
	peer = ends[1];
	sessions_upgraded(ss, &u);
}

/* Opens another socket in place of one that the daemon has ended. */
static void reopen_socket(struct token t)
{
	close(peer);
	buf_reset(&got, 0);
	ended = false;
	open_socket(t);
}

/* The peer reads what has arrived. */
static void peer_reads(void)
{
	ssize_t n;

	while ((n = read(peer, buf_reserve(&got, 65536), 65536)) > 0)
		got.len += (size_t)n;
	ended |= n == 0;
}

static unsigned count(const char *what)
{
	const char *at = got.data, *end = got.data + got.len;
	unsigned n = 0;

	for (; (at = memmem(at, (size_t)(end - at), what, strlen(what))) != NULL; at++)
		n++;
	return n;
}

/* Reads until this has arrived, or until the end of the stream. */
static void peer_until(const char *what)
{
	int64_t until = clock_mono_ms() + FIXTURE_MS;

	while (peer_reads(), !ended && count(what) == 0) {
		ck_assert_msg(clock_mono_ms() < until, "%s does not come", what);
		fixture_for(2);
	}
}

#define CODE_TOKEN_ENDED "\x11\x95" /* 4501 */

START_TEST(a_good_token_opens_a_session)
{
	open_socket(token);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

/* The database's answer, that it is good, is older than the revocation. */
START_TEST(a_token_revoked_during_its_lookup_opens_no_session)
{
	sessions_token_revoked(ss, &(struct record_token_revoked){ .token_id = token.token_id });
	open_socket(token);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
	ck_assert_uint_eq(count("\"ready\""), 0);
}
END_TEST

static void on_ended(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

START_TEST(after_all_tokens_of_a_user_are_revoked_only_a_younger_one_opens_a_session)
{
	bool revoked = false;

	store_end_token(s, token.token_id, on_ended, &revoked);
	fixture_until(&revoked);
	sessions_token_revoked(ss, &(struct record_token_revoked){ .user_id = alice });
	open_socket(token);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
	ck_assert_uint_eq(count("\"ready\""), 0);
	reopen_socket(new_token(alice));
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

/* Promise 5: the worker that revoked it was killed before it published it. */
START_TEST(a_reconcile_closes_the_socket_of_a_token_whose_revocation_was_not_published)
{
	bool revoked = false;

	open_socket(token);
	peer_until("\"ready\"");
	store_end_token(s, token.token_id, on_ended, &revoked);
	fixture_until(&revoked);
	rooms_reconcile(rs, true);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
}
END_TEST

/* B1, D3 */
START_TEST(a_client_that_does_not_read_has_a_bounded_queue_and_then_gets_resync_once)
{
	static const char text[1000] = { [0 ... 999] = 'x' };
	struct frame *f = frame_new(WSFRAME_TEXT, text, sizeof(text));
	size_t received;

	open_socket(token);
	peer_until("\"ready\"");
	for (int i = 0; i < 1000; i++) {
		sessions_push(ss, rooms_find_user(rs, alice), f, 0, ROOM_EVENT);
		if (i % 100 == 0)
			fixture_for(1);
	}
	fixture_for(20);
	buf_reset(&got, 0);
	peer_until("\"resync\"");
	received = got.len;
	ck_assert_uint_eq(count("\"resync\""), 1);
	ck_assert_uint_lt(received, 200000); /* the limit of 64 KiB, and the kernel's buffers */
	sessions_push(ss, rooms_find_user(rs, alice), f, 0, ROOM_EVENT);
	while (got.len < received + sizeof(text)) {
		fixture_for(2);
		peer_reads();
	}
	ck_assert_uint_eq(count("\"resync\""), 1);
	frame_unref(f);
}
END_TEST

START_TEST(presence_is_lost_when_the_queue_is_full_and_this_is_known_after_resync)
{
	open_socket(token);
	peer_until("\"ready\"");
	for (int i = 0; i < 10000; i++) {
		session_push_presence(rooms_find_user(rs, alice)->sessions, 1, true, 0);
		if (i % 100 == 0)
			fixture_for(1);
	}
	ck_assert_uint_eq(n_presence_lost, 0);
	peer_until("\"resync\"");
	ck_assert_uint_eq(count("\"resync\""), 1);
	ck_assert_uint_lt(count("\"presence\""), 10000);
	ck_assert_uint_eq(n_presence_lost, 1);
}
END_TEST

/* B1: "{}" in a frame, masked with zeros. */
START_TEST(a_session_with_too_many_requests_in_flight_is_not_read)
{
	struct session *session;

	open_socket(token);
	peer_until("\"ready\"");
	session = sessions_find(ss, UINT64_C(1) << 32 | 1); /* slot 0, incarnation 1, the first */
	ck_assert_ptr_nonnull(session);
	session_in_flight(session, SESSION_IN_FLIGHT_MAX);
	ck_assert_int_eq(write(peer, "\x81\x82\0\0\0\0{}", 8), 8);
	fixture_for(50);
	ck_assert_uint_eq(n_messages, 0);
	session_in_flight(session, -1);
	fixture_until_n(&n_messages, 1);
	session_in_flight(session, 1 - SESSION_IN_FLIGHT_MAX);
}
END_TEST

/* The database has another history, as after a restore. */
static void change_epoch(void)
{
	rooms_restart(rs);
	sessions_epoch_changed(ss);
}

static void push(const char *text)
{
	struct frame *f = frame_new(WSFRAME_TEXT, text, strlen(text));

	sessions_push(ss, rooms_find_user(rs, alice), f, 0, ROOM_EVENT);
	frame_unref(f);
}

/* Returns 1 if alice was last seen at some time, else 0. */
static int64_t n_seen(void)
{
	return pg_number(
		"select count(last_seen_at) from users where user_id = %lld", (long long)alice);
}

START_TEST(in_a_new_epoch_nothing_is_pushed_until_the_token_was_found_again)
{
	open_socket(token);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"epoch\":"), 1);
	change_epoch();
	push("before");
	sessions_resync(ss, rooms_find_user(rs, alice));
	fixture_for(50);
	sessions_check_stale(ss);
	push("during");
	peer_until("\"resync\",\"epoch\":");
	push("after");
	peer_until("after");
	ck_assert_uint_eq(count("before") + count("during"), 0);
	ck_assert_uint_eq(count("\"resync\""), 1);
	ck_assert_uint_eq(count("\"ready\""), 1);
	ck_assert_uint_eq(n_presence_lost, 1);
	/* Later ones are without it. */
	sessions_resync(ss, rooms_find_user(rs, alice));
	peer_until("\"resync\"}");
	ck_assert_uint_eq(n_presence_lost, 1);
}
END_TEST

/* A restored sequence gives the ids of a token and of a user again, to others. */
START_TEST(in_a_new_epoch_a_socket_whose_tokens_hash_is_unknown_is_closed)
{
	open_socket(token);
	peer_until("\"ready\"");
	pg_number("update tokens set hash = sha256(hash) where token_id = %lld returning 1",
		(long long)token.token_id);
	change_epoch();
	sessions_check_stale(ss);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
	ck_assert_uint_eq(count("\"resync\""), 0);
}
END_TEST

START_TEST(in_a_new_epoch_a_socket_whose_token_is_another_users_is_closed)
{
	int64_t eve = fixture_user(s, "eve");

	open_socket(token);
	peer_until("\"ready\"");
	pg_number("update tokens set user_id = %lld where token_id = %lld returning 1",
		(long long)eve, (long long)token.token_id);
	change_epoch();
	sessions_check_stale(ss);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count("\"resync\""), 0);
}
END_TEST

/* The next log-in gets the token id that the stale socket has. */
START_TEST(in_a_new_epoch_a_reconcile_revokes_no_token_id_of_the_former_one)
{
	struct token again = token;

	open_socket(token);
	peer_until("\"ready\"");
	pg_number(
		"delete from tokens where token_id = %lld returning 1", (long long)token.token_id);
	change_epoch();
	rooms_reconcile(rs, false);
	fixture_for(100);
	sessions_check_stale(ss);
	peer_until(CODE_TOKEN_ENDED);
	reopen_socket(again);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

START_TEST(in_a_new_epoch_earlier_revocations_concern_no_token)
{
	sessions_token_revoked(ss, &(struct record_token_revoked){ .token_id = token.token_id });
	sessions_token_revoked(ss, &(struct record_token_revoked){ .user_id = alice });
	change_epoch();
	open_socket(token);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

/* Its token was looked up in the former epoch. */
START_TEST(a_session_that_loads_when_the_epoch_changes_is_ready_once_its_token_was_found_again)
{
	open_socket(token);
	change_epoch();
	fixture_for(50);
	peer_reads();
	ck_assert_uint_eq(count("\"ready\""), 0);
	sessions_check_stale(ss);
	peer_until("\"ready\"");
	fixture_for(50);
	peer_reads();
	ck_assert_uint_eq(count("\"ready\""), 1);
	ck_assert_uint_eq(count("\"resync\""), 0);
}
END_TEST

/* The user whom the socket was of is not seen, since the id may be another's now. */
START_TEST(in_a_new_epoch_the_close_of_a_stale_socket_sets_no_last_seen)
{
	open_socket(token);
	peer_until("\"ready\"");
	pg_number("update tokens set hash = sha256(hash) where token_id = %lld returning 1",
		(long long)token.token_id);
	change_epoch();
	sessions_check_stale(ss);
	peer_until(CODE_TOKEN_ENDED);
	fixture_for(1200);
	ck_assert_int_eq(n_seen(), 0);
}
END_TEST

/* The users of a dead worker are noted before its successor connects. */
START_TEST(the_first_epoch_of_a_worker_keeps_the_users_last_seen_before)
{
	open_socket(token);
	peer_until("\"ready\"");
	close(peer);
	fixture_for(50);
	sessions_epoch_changed(ss);
	fixture_for(1200);
	ck_assert_int_eq(n_seen(), 1);
}
END_TEST

START_TEST(a_revocation_does_not_concern_the_token_id_of_a_stale_socket)
{
	open_socket(token);
	peer_until("\"ready\"");
	change_epoch();
	sessions_token_revoked(ss, &(struct record_token_revoked){ .token_id = token.token_id });
	sessions_check_stale(ss);
	peer_until("\"resync\",\"epoch\":");
	ck_assert(!ended);
}
END_TEST

START_TEST(a_token_that_is_rechecked_when_the_epoch_changes_is_looked_up_again)
{
	sessions_token_revoked(ss, &(struct record_token_revoked){ .user_id = alice });
	open_socket(token);
	change_epoch();
	fixture_for(50);
	sessions_check_stale(ss);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

START_TEST(a_check_that_the_database_does_not_answer_is_repeated)
{
	open_socket(token);
	peer_until("\"ready\"");
	change_epoch();
	pg_crash();
	sessions_check_stale(ss);
	while (store_ready(s))
		fixture_for(10);
	pg_restart();
	while (!store_ready(s))
		fixture_for(10);
	sessions_check_stale(ss);
	peer_until("\"resync\",\"epoch\":");
	ck_assert(!ended);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_good_token_opens_a_session);
	tcase_add_test(tc, a_token_revoked_during_its_lookup_opens_no_session);
	tcase_add_test(
		tc, after_all_tokens_of_a_user_are_revoked_only_a_younger_one_opens_a_session);
	tcase_add_test(
		tc, a_reconcile_closes_the_socket_of_a_token_whose_revocation_was_not_published);
	tcase_add_test(
		tc, a_client_that_does_not_read_has_a_bounded_queue_and_then_gets_resync_once);
	tcase_add_test(tc, presence_is_lost_when_the_queue_is_full_and_this_is_known_after_resync);
	tcase_add_test(tc, a_session_with_too_many_requests_in_flight_is_not_read);
	tcase_add_test(tc, in_a_new_epoch_nothing_is_pushed_until_the_token_was_found_again);
	tcase_add_test(tc, in_a_new_epoch_a_socket_whose_tokens_hash_is_unknown_is_closed);
	tcase_add_test(tc, in_a_new_epoch_a_socket_whose_token_is_another_users_is_closed);
	tcase_add_test(tc, in_a_new_epoch_a_reconcile_revokes_no_token_id_of_the_former_one);
	tcase_add_test(tc, in_a_new_epoch_earlier_revocations_concern_no_token);
	tcase_add_test(tc,
		a_session_that_loads_when_the_epoch_changes_is_ready_once_its_token_was_found_again);
	tcase_add_test(tc, in_a_new_epoch_the_close_of_a_stale_socket_sets_no_last_seen);
	tcase_add_test(tc, the_first_epoch_of_a_worker_keeps_the_users_last_seen_before);
	tcase_add_test(tc, a_revocation_does_not_concern_the_token_id_of_a_stale_socket);
	tcase_add_test(tc, a_token_that_is_rechecked_when_the_epoch_changes_is_looked_up_again);
	tcase_add_test(tc, a_check_that_the_database_does_not_answer_is_repeated);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run_in_one_process(suite());
}
