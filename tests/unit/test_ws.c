/*
 * The server's side of a WebSocket, with a peer that sends and reads raw frames (RFC 6455).
 */
#define _GNU_SOURCE 1
#include "net/ws.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

#define MS 15000
#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct end {
	struct ws ws;
	int peer;
	struct buf in; /* what the peer has read */
	unsigned n_frames, n_messages, n_timer, n_closed, n_freed;
	enum close_reason reason;
	struct buf message; /* the last one */
	bool close_at_message, reject_frames;
};

static struct event_base *base;
static struct ws_loop *loop;
static struct stats_slot stats;
static struct end *e;

static struct end *end_of(struct ws *w)
{
	return (struct end *)(void *)w;
}

static bool on_frame(struct ws *w)
{
	struct end *at = end_of(w);

	ck_assert_uint_eq(at->n_closed, 0);
	at->n_frames++;
	if (at->reject_frames)
		conn_close(&w->conn, CLOSE_too_many_frames);
	return !at->reject_frames;
}

static void on_message(struct ws *w, char *text, size_t len)
{
	struct end *at = end_of(w);

	ck_assert_uint_eq(at->n_closed, 0);
	buf_reset(&at->message, SIZE_MAX);
	buf_add(&at->message, text, len);
	at->n_messages++;
	if (at->close_at_message)
		conn_close(&w->conn, CLOSE_token_ended);
}

static void on_drained(struct ws *w)
{
	ck_assert_uint_eq(end_of(w)->n_closed, 0);
}

static void on_timer(struct ws *w)
{
	ck_assert_uint_eq(end_of(w)->n_closed, 0);
	end_of(w)->n_timer++;
}

static void on_closed(struct ws *w, enum close_reason reason)
{
	ck_assert_uint_eq(end_of(w)->n_closed, 0);
	end_of(w)->n_closed++;
	end_of(w)->reason = reason;
}

static void on_free(struct ws *w)
{
	end_of(w)->n_freed++;
}

static struct end *end_open(const char *subprotocol, const char *bytes, size_t len)
{
	struct end *at = calloc(1, sizeof(*at));
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	at->peer = fds[1];
	ws_open(&at->ws, loop,
		&(struct ws_handshake){
			.fd = fds[0],
			.key = KEY,
			.subprotocol = subprotocol,
			.bytes = bytes,
			.len = len,
		});
	return at;
}

static void end_free(struct end *at)
{
	if (at->n_closed == 0)
		conn_close(&at->ws.conn, CLOSE_server_stops);
	if (at->n_freed == 0)
		conn_drop(&at->ws.conn);
	ws_loop_flush(loop);
	ck_assert_uint_eq(at->n_freed, 1);
	close(at->peer);
	buf_fini(&at->in);
	buf_fini(&at->message);
	free(at);
}

static void setup_with(unsigned ping_s)
{
	static const struct ws_events events = { on_frame, on_message, on_drained, on_timer,
		on_closed, on_free };

	base = event_base_new();
	loop = ws_loop_new(base, &events, &stats, ping_s);
	e = end_open("parley.v1", "", 0);
}

static void setup(void)
{
	setup_with(25);
}

static void teardown(void)
{
	end_free(e);
	ws_loop_free(loop);
	event_base_free(base);
}

static void turn(void)
{
	const struct timeval tv = { 0, 10000 };

	event_base_loopexit(base, &tv);
	event_base_loop(base, EVLOOP_ONCE);
}

static void turn_until(const unsigned *n, unsigned least)
{
	int64_t until = clock_mono_ms() + MS;

	while (*n < least) {
		ck_assert_msg(clock_mono_ms() < until, "it did not come");
		turn();
	}
}

/* Sends a frame as the client. */
static void send_frame(
	struct end *at, enum wsframe_opcode opcode, bool fin, const char *payload, size_t len)
{
	uint8_t header[WSFRAME_CLIENT_HEADER_MAX];
	const uint8_t mask[4] = { 0x11, 0x22, 0x83, 0x44 };
	struct buf b = BUF_EMPTY;
	size_t n = wsframe_client_header(header, opcode, fin, len, mask);

	buf_add(&b, header, n);
	buf_add(&b, payload, len);
	wsframe_mask(b.data + n, len, mask, 0);
	ck_assert_int_eq(send(at->peer, b.data, b.len, 0), (ssize_t)b.len);
	buf_fini(&b);
}

/* Runs the loop until the peer has read this many bytes. */
static void receive(struct end *at, size_t len)
{
	int64_t until = clock_mono_ms() + MS;

	while (at->in.len < len) {
		ssize_t n = recv(at->peer, buf_reserve(&at->in, 65536), 65536, 0);

		at->in.len += n > 0 ? (size_t)n : 0;
		ck_assert_msg(clock_mono_ms() < until, "%zu of %zu bytes came", at->in.len, len);
		turn();
	}
}

/* Reads and drops the answer to the upgrade. */
static void receive_upgrade(struct end *at)
{
	char *end;

	receive(at, 129);
	end = memmem(at->in.data, at->in.len, "\r\n\r\n", 4);
	ck_assert_ptr_nonnull(end);
	buf_drain(&at->in, (size_t)(end + 4 - at->in.data));
}

static void ck_received(struct end *at, const char *bytes, size_t len)
{
	receive(at, len);
	ck_assert_mem_eq(at->in.data, bytes, len);
	buf_drain(&at->in, len);
}

START_TEST(the_accept_value_is_that_of_rfc_6455)
{
	char out[WS_ACCEPT_SIZE];

	ws_accept(out, KEY);
	ck_assert_str_eq(out, ACCEPT);
	ws_accept(out, "x3JJHMbDL1EzLkh9GBhXDw=="); /* a common example */
	ck_assert_str_eq(out, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}
END_TEST

START_TEST(a_key_is_16_bytes_in_base64)
{
	ck_assert(ws_key_valid(KEY));
	ck_assert(ws_key_valid("AAAAAAAAAAAAAAAAAAAAAA=="));
	ck_assert(ws_key_valid("//////////++++++++++/w=="));
	ck_assert(!ws_key_valid(""));
	ck_assert(!ws_key_valid("AAAAAAAAAAAAAAAAAAAAAAA="));
	ck_assert(!ws_key_valid("AAAAAAAAAAAAAAAAAAAAAAAA"));
	ck_assert(!ws_key_valid("AAAAAAAAAAAAAAAAAAAAA==="));
	ck_assert(!ws_key_valid("AAAAAAAAAAAAAAAAAAAA"));
	ck_assert(!ws_key_valid(" AAAAAAAAAAAAAAAAAAAAA=="));
	ck_assert(!ws_key_valid("AAAAAAAAA!AAAAAAAAAAAA=="));
	ck_assert(!ws_key_valid("AAAAAAAAA-AAAAAAAAAAAA=="));
	ck_assert(!ws_key_valid("AAAAAAAAAAAAAAAAAAAAAA==AAAA"));
}
END_TEST

START_TEST(the_answer_has_accept_and_the_chosen_subprotocol)
{
	static const char answer[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: parley.v1\r\n\r\n";
	static const char plain[] =
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n";
	struct end *other = end_open(NULL, "", 0);

	ck_received(e, answer, sizeof(answer) - 1);
	ck_received(other, plain, sizeof(plain) - 1);
	end_free(other);
}
END_TEST

START_TEST(a_frame_behind_the_handshake_is_read)
{
	/* "Hello" masked, RFC 6455 5.7 */
	struct end *other = end_open(NULL, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);

	turn_until(&other->n_messages, 1);
	ck_assert_uint_eq(other->message.len, 5);
	ck_assert_mem_eq(other->message.data, "Hello", 5);
	end_free(other);
}
END_TEST

START_TEST(fragments_are_one_message_with_control_frames_in_between)
{
	receive_upgrade(e);
	send_frame(e, WSFRAME_TEXT, false, "", 0);
	send_frame(e, WSFRAME_CONTINUATION, false, "one \xc3", 5);
	send_frame(e, WSFRAME_PING, true, "?", 1);
	ck_received(e, "\x8a\x01?", 3);
	ck_assert_uint_eq(e->n_messages, 0);
	send_frame(e, WSFRAME_CONTINUATION, false, "\xa4 two", 5);
	send_frame(e, WSFRAME_CONTINUATION, true, " three", 6);
	turn_until(&e->n_messages, 1);
	ck_assert_uint_eq(e->message.len, 16);
	ck_assert_mem_eq(e->message.data, "one \xc3\xa4 two three", 16);
	ck_assert_uint_eq(e->n_frames, 5);
	/* The next message is not affected. */
	send_frame(e, WSFRAME_TEXT, true, "next", 4);
	turn_until(&e->n_messages, 2);
	ck_assert_uint_eq(e->message.len, 4);
	send_frame(e, WSFRAME_TEXT, true, "", 0);
	turn_until(&e->n_messages, 3);
	ck_assert_uint_eq(e->message.len, 0);
}
END_TEST

START_TEST(a_message_has_at_most_64_KiB_over_all_fragments)
{
	char *text = calloc(1, WS_MESSAGE_MAX);

	receive_upgrade(e);
	memset(text, 'x', WS_MESSAGE_MAX);
	send_frame(e, WSFRAME_TEXT, false, text, WS_MESSAGE_MAX - 10);
	turn_until(&e->n_frames, 1);
	send_frame(e, WSFRAME_CONTINUATION, true, text, 10);
	turn_until(&e->n_messages, 1);
	ck_assert_uint_eq(e->message.len, WS_MESSAGE_MAX);
	send_frame(e, WSFRAME_TEXT, true, text, WS_MESSAGE_MAX);
	turn_until(&e->n_messages, 2);
	send_frame(e, WSFRAME_TEXT, false, text, WS_MESSAGE_MAX - 10);
	turn_until(&e->n_frames, 4);
	send_frame(e, WSFRAME_CONTINUATION, true, text, 11);
	turn_until(&e->n_closed, 1);
	ck_assert_int_eq(e->reason, CLOSE_too_big);
	ck_received(e, "\x88\x20\x03\xf1", 4);
	ck_assert_uint_eq(e->n_messages, 2);
	free(text);
}
END_TEST

START_TEST(each_protocol_error_has_its_close_code)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum close_reason reason;
		uint16_t code;
	} offences[] = {
		{ "\x82\x80\0\0\0\0", 6, CLOSE_binary, 1003 },
		{ "\x81\x81\0\0\0\0\xff", 7, CLOSE_bad_utf8, 1007 },
		{ "\x81\x01x", 3, CLOSE_protocol_error, 1002 }, /* not masked */
		{ "\xc1\x80\0\0\0\0", 6, CLOSE_protocol_error, 1002 }, /* a reserved bit */
		{ "\x80\x80\0\0\0\0", 6, CLOSE_protocol_error, 1002 }, /* continues nothing */
		{ "\x88\x81\0\0\0\0x", 7, CLOSE_protocol_error,
			1002 }, /* a close code of one byte */
		{ "\x81\xff\0\0\0\0\0\1\0\1\0\0\0\0", 14, CLOSE_too_big, 1009 },
	};

	for (size_t i = 0; i < sizeof(offences) / sizeof(offences[0]); i++) {
		struct end *other = end_open(NULL, "", 0);

		receive_upgrade(other);
		ck_assert_int_eq(send(other->peer, offences[i].bytes, offences[i].len, 0),
			(ssize_t)offences[i].len);
		turn_until(&other->n_closed, 1);
		ck_assert_int_eq(other->reason, offences[i].reason);
		receive(other, 4);
		ck_assert_int_eq((uint8_t)other->in.data[0], 0x88);
		ck_assert_int_eq((uint8_t)other->in.data[2] << 8 | (uint8_t)other->in.data[3],
			offences[i].code);
		ck_assert_uint_eq(other->n_messages, 0);
		end_free(other);
	}
}
END_TEST

START_TEST(a_pong_has_the_bytes_of_the_ping)
{
	char bytes[125];

	receive_upgrade(e);
	memset(bytes, 0xfe, sizeof(bytes));
	send_frame(e, WSFRAME_PING, true, bytes, sizeof(bytes));
	receive(e, 127);
	ck_assert_mem_eq(e->in.data, "\x8a\x7d", 2);
	ck_assert_mem_eq(e->in.data + 2, bytes, sizeof(bytes));
	send_frame(e, WSFRAME_PONG, true, "unasked", 7);
	send_frame(e, WSFRAME_TEXT, true, "x", 1);
	turn_until(&e->n_messages, 1);
	ck_assert_uint_eq(e->n_closed, 0);
}
END_TEST

START_TEST(a_close_is_answered_with_the_code_of_the_peer)
{
	struct end *other = end_open(NULL, "", 0);

	receive_upgrade(e);
	send_frame(e, WSFRAME_CLOSE, true,
		"\x0f\xa1"
		"bye",
		5); /* 4001 */
	send_frame(e, WSFRAME_TEXT, true, "too late", 8);
	ck_received(e, "\x88\x02\x0f\xa1", 4);
	ck_assert_int_eq(e->reason, CLOSE_peer_closed);
	ck_assert_uint_eq(e->n_closed, 1);
	shutdown(e->peer, SHUT_WR);
	turn_until(&e->n_freed, 1);
	ck_assert_uint_eq(e->n_messages, 0);
	ck_assert_int_eq(recv(e->peer, &(char){ 0 }, 1, 0), 0);
	receive_upgrade(other);
	send_frame(other, WSFRAME_CLOSE, true, "", 0);
	ck_received(other, "\x88\x00", 2);
	end_free(other);
}
END_TEST

START_TEST(bytes_behind_a_close_are_ignored)
{
	e->close_at_message = true;
	receive_upgrade(e);
	send_frame(e, WSFRAME_TEXT, true, "a", 1);
	send_frame(e, WSFRAME_TEXT, true, "b", 1);
	send_frame(e, WSFRAME_CLOSE, true, "", 0);
	turn_until(&e->n_closed, 1);
	ck_received(e, "\x88\x15\x11\x95", 4);
	ck_assert_uint_eq(e->n_messages, 1);
	ck_assert_int_eq(e->reason, CLOSE_token_ended);
}
END_TEST

START_TEST(a_rejected_frame_is_ignored)
{
	e->reject_frames = true;
	receive_upgrade(e);
	send_frame(e, WSFRAME_PING, true, "?", 1);
	ck_received(e,
		"\x88\x11\x0f\xbd"
		"too many frames",
		19);
	ck_assert_uint_eq(e->n_frames, 1);
}
END_TEST

START_TEST(a_congested_peer_is_not_read_until_it_reads)
{
	char *text = calloc(1, 120);
	unsigned sent = 0;

	receive_upgrade(e);
	/* It sends pings and never reads the pongs. */
	for (int i = 0, tries = 0; i < 3000 && tries < 10; i++) {
		uint8_t header[WSFRAME_CLIENT_HEADER_MAX];
		size_t n = wsframe_client_header(
			header, WSFRAME_PING, true, 120, (const uint8_t[4]){ 0 });
		const struct iovec iov[2] = { { header, n }, { text, 120 } };
		const struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			.msg_iovlen = 2 };

		if (sendmsg(e->peer, &m, 0) > 0) {
			sent++;
			tries = 0;
		} else {
			tries++;
			turn();
		}
	}
	for (int i = 0; i < 20; i++)
		turn();
	ck_assert(conn_congested(&e->ws.conn));
	ck_assert_uint_lt(e->ws.conn.queue_bytes, CONN_SOFT_LIMIT + 1000);
	ck_assert_uint_lt(e->n_frames, sent);
	ck_assert_uint_eq(e->n_closed, 0);
	free(text);
}
END_TEST

START_TEST(two_unanswered_pings_close_the_socket)
{
	struct end *good;
	int64_t began = clock_mono_ms();
	size_t pongs = 0;

	teardown();
	setup_with(1);
	good = end_open(NULL, "", 0);
	receive_upgrade(good);
	while (e->n_closed == 0) {
		ck_assert_int_lt(clock_mono_ms() - began, MS);
		if (recv(good->peer, &(char[2]){ 0 }, 2, 0) == 2) {
			send_frame(good, WSFRAME_PONG, true, "", 0);
			pongs++;
		}
		turn();
	}
	ck_assert_int_eq(e->reason, CLOSE_ping_timeout);
	ck_assert_int_ge(clock_mono_ms() - began, 2500);
	receive_upgrade(e);
	ck_received(e, "\x89\x00\x89\x00\x88\x18\x0f\xa0", 8);
	ck_assert_uint_ge(pongs, 2);
	ck_assert_uint_ge(good->n_timer, 2);
	ck_assert_uint_eq(good->n_closed, 0);
	end_free(good);
}
END_TEST

START_TEST(a_deadline_runs_the_timer_before_the_next_ping)
{
	int64_t began = clock_mono_ms();

	ws_deadline(&e->ws, 1);
	turn_until(&e->n_timer, 1);
	ck_assert_int_ge(clock_mono_ms() - began, 900);
	ck_assert_int_le(clock_mono_ms() - began, 3500);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("ws");
	TCase *tc = tcase_create("ws");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_accept_value_is_that_of_rfc_6455);
	tcase_add_test(tc, a_key_is_16_bytes_in_base64);
	tcase_add_test(tc, the_answer_has_accept_and_the_chosen_subprotocol);
	tcase_add_test(tc, a_frame_behind_the_handshake_is_read);
	tcase_add_test(tc, fragments_are_one_message_with_control_frames_in_between);
	tcase_add_test(tc, a_message_has_at_most_64_KiB_over_all_fragments);
	tcase_add_test(tc, each_protocol_error_has_its_close_code);
	tcase_add_test(tc, a_pong_has_the_bytes_of_the_ping);
	tcase_add_test(tc, a_close_is_answered_with_the_code_of_the_peer);
	tcase_add_test(tc, bytes_behind_a_close_are_ignored);
	tcase_add_test(tc, a_rejected_frame_is_ignored);
	tcase_add_test(tc, a_congested_peer_is_not_read_until_it_reads);
	tcase_add_test(tc, two_unanswered_pings_close_the_socket);
	tcase_add_test(tc, a_deadline_runs_the_timer_before_the_next_ping);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
