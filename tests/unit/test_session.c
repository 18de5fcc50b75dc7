/*
 * Sessions on a real store, ring and presence table: who may open one, and what one who does not
 * read is owed.
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
#include "tests/unit/rig.h"

static struct store *s;
static struct bus *bus;
static struct rooms *rs;
static struct sessions *ss;
static int64_t alice;
static struct token token;
static int peer;
static struct buf got = BUF_EMPTY; /* what the peer has read */
static unsigned n_messages;
static bool ended; /* the peer has seen the end */

/* The one thing that sessions tell HTTP, which is not here. */
void http_socket_closed(struct http *http)
{
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

static void on_push(
	void *arg, struct room_user *u, struct frame *f, uint64_t origin, enum room_push kind)
{
	(void)arg;
	sessions_push(ss, u, f, origin, kind);
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

static void on_check(void *arg, rooms_done_cb *done, void *done_arg)
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
	rig_until(&a.done);
	a.done = false;
	store_authenticate(s, hash, on_token, &a);
	rig_until(&a.done);
	return a.t;
}

static void setup(void)
{
	static const struct bus_events bus_events = { on_record, on_overrun };
	static const struct room_events room_events = { on_push, on_resync, on_check };
	static const struct sessions_events events = { on_message, on_session, on_session };
	static unsigned n;
	char username[16];

	n_messages = 0;
	ended = false;
	buf_reset(&got, 0);
	rig_make(pg_conninfo());
	s = rig_store(0, NULL, NULL);
	bus = bus_open(rig_base(), rig_heritage(0), &bus_events, NULL);
	rs = rooms_open(rig_base(), s, &room_events, NULL, &rig_heritage(0)->stats->slots[0]);
	ss = sessions_open(rig_base(), rig_heritage(0), s, bus, &events, NULL);
	sessions_set_rooms(ss, rs, NULL);
	snprintf(username, sizeof(username), "alice%u", ++n);
	alice = rig_user(s, username);
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
	rig_drop();
}

/* A socket that was just upgraded, by one whose token is t. */
static void opens(struct token t)
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

/* The peer reads what is there. */
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

/* Reads until this has come, or the end. */
static void peer_until(const char *what)
{
	int64_t until = clock_mono_ms() + RIG_MS;

	while (peer_reads(), !ended && count(what) == 0) {
		ck_assert_msg(clock_mono_ms() < until, "%s does not come", what);
		rig_for(2);
	}
}

#define CODE_TOKEN_ENDED "\x11\x95" /* 4501 */

START_TEST(a_good_token_opens_a_session)
{
	opens(token);
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

/* The database had said that it is good, and the end came by the ring before that answer. */
START_TEST(a_token_that_ended_on_its_way_here_opens_no_session)
{
	sessions_token_revoked(ss, token.token_id, 0);
	opens(token);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
	ck_assert_uint_eq(count("\"ready\""), 0);
}
END_TEST

static void on_set(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

START_TEST(when_all_others_of_a_user_ended_only_a_younger_one_opens_a_session)
{
	bool set = false;

	store_set_password(s, alice, (struct text){ "x", 1 }, 0, on_set, &set);
	rig_until(&set);
	sessions_token_revoked(ss, 0, alice);
	opens(token);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
	ck_assert_uint_eq(count("\"ready\""), 0);
	close(peer);
	buf_reset(&got, 0);
	ended = false;
	opens(new_token(alice));
	peer_until("\"ready\"");
	ck_assert_uint_eq(count("\"ready\""), 1);
}
END_TEST

/* Promise 5: whoever ended it was killed before the ring had it. */
START_TEST(a_check_closes_the_socket_of_a_token_that_ended_unheard)
{
	bool set = false;

	opens(token);
	peer_until("\"ready\"");
	store_set_password(s, alice, (struct text){ "x", 1 }, 0, on_set, &set);
	rig_until(&set);
	rooms_reconcile(rs, true);
	peer_until(CODE_TOKEN_ENDED);
	ck_assert_uint_eq(count(CODE_TOKEN_ENDED), 1);
}
END_TEST

/* B1, D3 */
START_TEST(one_who_does_not_read_is_owed_little_and_then_told_resync_once)
{
	static const char text[1000] = { [0 ... 999] = 'x' };
	struct frame *f = frame_new(WSFRAME_TEXT, text, sizeof(text));
	size_t owed;

	opens(token);
	peer_until("\"ready\"");
	for (int i = 0; i < 1000; i++) {
		sessions_push(ss, rooms_user(rs, alice, false), f, 0, ROOM_EVENT);
		if (i % 100 == 0)
			rig_for(1);
	}
	rig_for(20);
	buf_reset(&got, 0);
	peer_until("\"resync\"");
	owed = got.len;
	ck_assert_uint_eq(count("\"resync\""), 1);
	ck_assert_uint_lt(owed, 200000); /* the limit of 64 KiB, and what the kernel holds */
	sessions_push(ss, rooms_user(rs, alice, false), f, 0, ROOM_EVENT);
	while (got.len < owed + sizeof(text)) {
		rig_for(2);
		peer_reads();
	}
	ck_assert_uint_eq(count("\"resync\""), 1);
	frame_unref(f);
}
END_TEST

/* B1: "{}" in a frame, masked with zeros. */
START_TEST(one_with_much_under_way_is_not_listened_to)
{
	struct session *session;

	opens(token);
	peer_until("\"ready\"");
	session = sessions_find(ss, UINT64_C(1) << 32 | 1); /* slot 0, incarnation 1, the first */
	ck_assert_ptr_nonnull(session);
	session_in_flight(session, SESSION_IN_FLIGHT_MAX);
	ck_assert_int_eq(write(peer, "\x81\x82\0\0\0\0{}", 8), 8);
	rig_for(50);
	ck_assert_uint_eq(n_messages, 0);
	session_in_flight(session, -1);
	rig_until_n(&n_messages, 1);
	session_in_flight(session, 1 - SESSION_IN_FLIGHT_MAX);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_unchecked_fixture(tc, pg_start, pg_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_good_token_opens_a_session);
	tcase_add_test(tc, a_token_that_ended_on_its_way_here_opens_no_session);
	tcase_add_test(tc, when_all_others_of_a_user_ended_only_a_younger_one_opens_a_session);
	tcase_add_test(tc, a_check_closes_the_socket_of_a_token_that_ended_unheard);
	tcase_add_test(tc, one_who_does_not_read_is_owed_little_and_then_told_resync_once);
	tcase_add_test(tc, one_with_much_under_way_is_not_listened_to);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	/* One process: the server it started is its child. */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
