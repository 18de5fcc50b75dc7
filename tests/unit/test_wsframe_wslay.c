/* wsframe against wslay: random streams of frames, good and damaged, must mean the same to both. */
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "common/buf.h"
#include "suite.h"
#include "tests/unit/wslay_oracle.h"

#define STREAMS 30000

/* xorshift64: the same streams on every machine, whatever rand() is there. */
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

static bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

static size_t random_len(void)
{
	static const size_t edges[] = { 0, 1, 2, 124, 125, 126, 127, 300, 4095, 4096, 5000 };

	return one_in(3) ? edges[random_below(sizeof(edges) / sizeof(edges[0]))] : random_below(40);
}

/* Text of at least len bytes: mostly ASCII, some characters of two, three and four bytes. */
static void add_text(struct buf *b, size_t len)
{
	static const char *const characters[] = {
		"a",
		"b",
		"c",
		"d",
		" ",
		"\xC3\xA9",
		"\xE2\x82\xAC",
		"\xF0\x9F\x98\x80",
	};
	size_t end = b->len + len;

	while (b->len < end)
		buf_add_str(b, characters[random_below(8)]);
}

static void add_frame(struct buf *stream, enum wsframe_role receiver, uint8_t opcode, bool fin,
	const char *payload, size_t len)
{
	if (receiver == WSFRAME_SERVER) {
		uint8_t mask[4], header[WSFRAME_CLIENT_HEADER_MAX];
		size_t at;

		for (size_t i = 0; i < sizeof(mask); i++)
			mask[i] = (uint8_t)random_below(256);
		buf_add(stream, header, wsframe_client_header(header, opcode, fin, len, mask));
		at = stream->len;
		buf_add(stream, payload, len);
		if (len != 0)
			wsframe_mask(stream->data + at, len, mask, 0);
	} else {
		uint8_t header[WSFRAME_SERVER_HEADER_MAX];
		size_t size = wsframe_server_header(header, opcode, len);

		if (!fin)
			header[0] &= 0x7F;
		buf_add(stream, header, size);
		buf_add(stream, payload, len);
	}
}

static void add_control(struct buf *stream, enum wsframe_role receiver)
{
	struct buf payload = BUF_EMPTY;

	add_text(&payload, random_below(110));
	add_frame(stream, receiver, one_in(2) ? WSFRAME_PING : WSFRAME_PONG, true, payload.data,
		payload.len);
	buf_fini(&payload);
}

static void add_close(struct buf *stream, enum wsframe_role receiver)
{
	static const uint16_t codes[] = {
		0,
		999,
		1000,
		1001,
		1003,
		1004,
		1005,
		1006,
		1007,
		1011,
		1012,
		1014,
		1015,
		1016,
		2999,
		3000,
		4000,
		4999,
		5000,
		65535,
	};
	struct buf payload = BUF_EMPTY;

	if (!one_in(5)) {
		uint16_t code = codes[random_below(sizeof(codes) / sizeof(codes[0]))];

		buf_add_char(&payload, (char)(code >> 8));
		if (!one_in(10)) {
			buf_add_char(&payload, (char)code);
			add_text(&payload, random_below(100));
		}
	}
	add_frame(stream, receiver, WSFRAME_CLOSE, true, payload.data, payload.len);
	buf_fini(&payload);
}

/* A text or binary message in up to five fragments, with control frames between them. */
static void add_message(struct buf *stream, enum wsframe_role receiver)
{
	struct buf text = BUF_EMPTY;
	uint8_t opcode = one_in(4) ? WSFRAME_BINARY : WSFRAME_TEXT;
	size_t at = 0;

	add_text(&text, random_len());
	if (one_in(8) && text.len > 0)
		text.data[random_below((uint32_t)text.len)] ^= (char)(1 + random_below(255));
	for (uint32_t left = random_below(5);; left--) {
		size_t n = left == 0 ? text.len - at : random_below((uint32_t)(text.len - at) + 1);

		add_frame(stream, receiver, opcode, left == 0, n ? text.data + at : NULL, n);
		if (left == 0)
			break;
		at += n;
		opcode = WSFRAME_CONTINUATION;
		if (one_in(4))
			add_control(stream, receiver);
	}
	buf_fini(&text);
}

/* Flips, sets, removes or doubles some bytes; headers, being near the front, as likely as not. */
static void damage(struct buf *stream)
{
	for (uint32_t n = 1 + random_below(3); n > 0 && stream->len > 0; n--) {
		uint32_t range = one_in(2) && stream->len > 20 ? 20 : (uint32_t)stream->len;
		char *at = stream->data + random_below(range);

		switch (random_below(4)) {
		case 0:
			*at ^= (char)(1 << random_below(8));
			break;
		case 1:
			*at = (char)random_below(256);
			break;
		case 2:
			stream->len = (size_t)(at - stream->data);
			break;
		default:
			memmove(at, at + 1, (size_t)(stream->data + stream->len - at - 1));
			stream->len--;
		}
	}
}

/* How often each end came up; a generator that reaches only one of them would prove nothing. */
struct tally {
	unsigned open, closed, protocol_error, bad_text, too_big;
	size_t messages;
};

static void count(struct tally *tally, const struct oracle_verdict *v)
{
	tally->open += v->end == ORACLE_OPEN;
	tally->closed += v->end == ORACLE_CLOSED;
	tally->protocol_error += v->code == 1002 && v->end == ORACLE_FAILED;
	tally->bad_text += v->code == 1007 && v->end == ORACLE_FAILED;
	tally->too_big += v->code == 1009 && v->end == ORACLE_FAILED;
	tally->messages += v->messages;
}

static struct tally run_streams(enum wsframe_role role, uint64_t seed, bool damaged)
{
	struct buf stream = BUF_EMPTY;
	struct tally tally = { 0 };

	random_state = seed;
	for (int i = 0; i < STREAMS; i++) {
		uint32_t message_max = one_in(4) ? 125 + random_below(400) : 1u << 16;
		struct oracle_verdict verdict;

		buf_reset(&stream, SIZE_MAX);
		for (uint32_t n = random_below(6); n > 0; n--)
			add_message(&stream, role);
		if (one_in(2))
			add_close(&stream, role);
		if (damaged)
			damage(&stream);
		verdict = wslay_oracle_compare(role, message_max, stream.data, stream.len);
		if (verdict.difference != NULL)
			ck_abort_msg("stream %d: %s (end %d, code %u)", i, verdict.difference,
				verdict.end, verdict.code);
		count(&tally, &verdict);
	}
	buf_fini(&stream);
	return tally;
}

static void expect_all_ends(const struct tally *tally)
{
	ck_assert_uint_gt(tally->open, STREAMS / 100);
	ck_assert_uint_gt(tally->closed, STREAMS / 100);
	ck_assert_uint_gt(tally->protocol_error, STREAMS / 100);
	ck_assert_uint_gt(tally->bad_text, STREAMS / 100);
	ck_assert_uint_gt(tally->too_big, STREAMS / 100);
	ck_assert_uint_gt(tally->messages, STREAMS / 2);
}

static const enum wsframe_role roles[] = { WSFRAME_SERVER, WSFRAME_CLIENT };

START_TEST(whole_streams_mean_the_same_to_both)
{
	struct tally tally = run_streams(roles[_i], 0x9E3779B97F4A7C15, false);

	expect_all_ends(&tally);
}
END_TEST

START_TEST(damaged_streams_mean_the_same_to_both)
{
	struct tally tally = run_streams(roles[_i], 0xD1B54A32D192ED03, true);

	expect_all_ends(&tally);
}
END_TEST

/* Every first two bytes there are, alone and with a header's rest behind them. */
START_TEST(every_pair_of_first_bytes_means_the_same_to_both)
{
	char bytes[20] = { 0 };

	for (int v = 0; v < 1 << 16; v++) {
		struct oracle_verdict verdict;

		bytes[0] = (char)(v >> 8);
		bytes[1] = (char)v;
		verdict = wslay_oracle_compare(roles[_i], 1000, bytes, v % 3 ? sizeof(bytes) : 2);
		if (verdict.difference != NULL)
			ck_abort_msg("%04x: %s", (unsigned)v, verdict.difference);
	}
}
END_TEST

static ssize_t collect(const uint8_t *bytes, size_t len, int flags, void *arg)
{
	(void)flags;
	buf_add(arg, bytes, len);
	return (ssize_t)len;
}

static int fixed_mask(uint8_t *mask, size_t len, void *arg)
{
	(void)arg;
	memcpy(mask, "\x12\x34\x56\x78", len);
	return 0;
}

/* Both write the same bytes for the same frame, at every change of the length's encoding. */
START_TEST(frames_are_written_as_wslay_writes_them)
{
	static const size_t lens[] = { 0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 70000 };
	static const struct wslay_frame_callbacks callbacks = { .send_callback = collect,
		.genmask_callback = fixed_mask };
	static uint8_t payload[70000];
	bool masked = _i;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
		size_t len = lens[k];
		struct buf ours = BUF_EMPTY, theirs = BUF_EMPTY;
		uint8_t header[WSFRAME_CLIENT_HEADER_MAX];
		const uint8_t *mask = (const uint8_t *)"\x12\x34\x56\x78";
		struct wslay_frame_iocb frame = {
			.fin = 1,
			.opcode = WSLAY_BINARY_FRAME,
			.payload_length = len,
			.mask = masked,
			.data = payload,
			.data_length = len,
		};
		wslay_frame_context_ptr ctx;

		ck_assert_int_eq(wslay_frame_context_init(&ctx, &callbacks, &theirs), 0);
		ck_assert_int_eq(wslay_frame_send(ctx, &frame), (ssize_t)len);
		wslay_frame_context_free(ctx);
		buf_add(&ours, header,
			masked ? wsframe_client_header(header, WSFRAME_BINARY, true, len, mask)
			       : wsframe_server_header(header, WSFRAME_BINARY, len));
		buf_add(&ours, payload, len);
		if (masked)
			wsframe_mask(ours.data + ours.len - len, len, mask, 0);
		ck_assert_uint_eq(ours.len, theirs.len);
		ck_assert_mem_eq(ours.data, theirs.data, ours.len);
		buf_fini(&ours);
		buf_fini(&theirs);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wsframe_wslay");
	TCase *tc = tcase_create("wsframe_wslay");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, whole_streams_mean_the_same_to_both, 0, 2);
	tcase_add_loop_test(tc, damaged_streams_mean_the_same_to_both, 0, 2);
	tcase_add_loop_test(tc, every_pair_of_first_bytes_means_the_same_to_both, 0, 2);
	tcase_add_loop_test(tc, frames_are_written_as_wslay_writes_them, 0, 2);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
