/* Tests of common/wsframe against RFC 6455. */
#include "common/wsframe.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "suite.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MESSAGE_MAX 65536

static struct wsframe_parser p;
static struct wsframe f;
static struct buf in;
static const uint8_t mask[4] = { 0x37, 0xFA, 0x21, 0x3D };

static void setup(void)
{
	in = (struct buf)BUF_EMPTY;
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
}

static void teardown(void)
{
	buf_fini(&in);
}

/* Replaces the input by one masked frame. */
static void frame(uint8_t opcode, bool fin, const void *payload, size_t len)
{
	uint8_t header[WSFRAME_CLIENT_HEADER_MAX];

	buf_reset(&in, SIZE_MAX);
	buf_add(&in, header, wsframe_client_header(header, opcode, fin, len, mask));
	buf_add(&in, payload, len);
	wsframe_mask(in.data + in.len - len, len, mask, 0);
}

static enum wsframe_result parse(void)
{
	return wsframe_parse(&p, in.data, in.len, &f);
}

static enum wsframe_result take(uint8_t opcode, bool fin, const void *payload, size_t len)
{
	frame(opcode, fin, payload, len);
	return parse();
}

static void expect_error(uint16_t code)
{
	ck_assert_int_eq(parse(), WSFRAME_ERROR);
	ck_assert_uint_eq(f.close_code, code);
}

static void give(const void *bytes, size_t len)
{
	buf_reset(&in, SIZE_MAX);
	buf_add(&in, bytes, len);
}

/* RFC 6455 5.7, examples. */
START_TEST(examples_of_the_rfc_are_understood)
{
	give("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
	ck_assert_uint_eq(f.opcode, WSFRAME_TEXT);
	ck_assert(f.fin);
	ck_assert_uint_eq(f.len, 5);
	ck_assert_uint_eq(f.used, 11);
	ck_assert_mem_eq(f.payload, "Hello", 5);
	give("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
	ck_assert_uint_eq(f.opcode, WSFRAME_PONG);
	wsframe_parser_init(&p, WSFRAME_CLIENT, MESSAGE_MAX, true);
	give("\x01\x03\x48\x65\x6c", 5);
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
	ck_assert(!f.fin);
	give("\x80\x02\x6c\x6f", 4);
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
	ck_assert_uint_eq(f.opcode, WSFRAME_CONTINUATION);
	ck_assert(f.fin);
	ck_assert_mem_eq(f.payload, "lo", 2);
}
END_TEST

START_TEST(next_frame_starts_where_the_last_ended)
{
	size_t first;

	frame(WSFRAME_TEXT, true, "one", 3);
	first = in.len;
	buf_add(&in, in.data, first);
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
	ck_assert_uint_eq(f.used, first);
	ck_assert_int_eq(wsframe_parse(&p, in.data + first, in.len - first, &f), WSFRAME_FRAME);
	ck_assert_mem_eq(f.payload, "one", 3);
}
END_TEST

/* RFC 6455 5.2: 7 bits, 16 bits, 64 bits. */
START_TEST(every_length_encoding_is_read)
{
	static const size_t lens[] = { 0, 1, 125, 126, 127, 65535, 65536 };
	static char payload[65536];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (char)('a' + i % 26);
	for (size_t i = 0; i < N(lens); i++) {
		ck_assert_int_eq(take(WSFRAME_TEXT, true, payload, lens[i]), WSFRAME_FRAME);
		ck_assert_uint_eq(f.len, lens[i]);
		ck_assert_uint_eq(f.used, in.len);
		ck_assert_mem_eq(f.payload, payload, lens[i]);
	}
}
END_TEST

/* "the minimal number of bytes MUST be used", RFC 6455 5.2. */
START_TEST(longer_length_encoding_than_needed_is_refused)
{
	give("\x81\xFE\x00\x7D\1\2\3\4", 8);
	expect_error(1002);
	give("\x81\xFF\0\0\0\0\0\0\xFF\xFF\1\2\3\4", 14);
	expect_error(1002);
}
END_TEST

START_TEST(length_of_64_bits_is_refused)
{
	give("\x81\xFF\x80\0\0\0\0\0\0\0", 10);
	expect_error(1002);
	give("\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10);
	expect_error(1009);
}
END_TEST

START_TEST(whatever_is_not_whole_asks_for_more_and_stays_as_it_was)
{
	struct wsframe_parser before;
	char copy[400], payload[300];

	memset(payload, 'x', sizeof(payload));
	frame(WSFRAME_TEXT, true, payload, sizeof(payload));
	memcpy(copy, in.data, in.len);
	before = p;
	for (size_t n = 0; n < in.len; n++) {
		ck_assert_int_eq(wsframe_parse(&p, in.data, n, &f), WSFRAME_MORE);
		ck_assert_mem_eq(in.data, copy, in.len);
		ck_assert_mem_eq(&p, &before, sizeof(p));
	}
	ck_assert_int_eq(parse(), WSFRAME_FRAME);
}
END_TEST

/* RFC 6455 5.1: "a server MUST close a connection upon receiving a frame that is not masked". */
START_TEST(masking_is_demanded_by_role)
{
	give("\x81\x05Hello", 7);
	expect_error(1002);
	wsframe_parser_init(&p, WSFRAME_CLIENT, MESSAGE_MAX, true);
	frame(WSFRAME_TEXT, true, "Hello", 5);
	expect_error(1002);
}
END_TEST

START_TEST(reserved_bits_and_opcodes_are_refused)
{
	for (uint8_t first = 0x80; first != 0; first++) {
		char bytes[] = { (char)first, (char)0x80, 1, 2, 3, 4 };
		uint8_t opcode = first & 0x0F;
		bool known = opcode == 1 || (opcode >= 8 && opcode <= 10);

		wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
		give(bytes, sizeof(bytes));
		if (first < 0x90 && known)
			ck_assert_int_eq(parse(), WSFRAME_FRAME);
		else
			expect_error(first == 0x82 ? 1003 : 1002);
	}
}
END_TEST

START_TEST(binary_is_refused_from_its_header_where_asked_for)
{
	give("\x82\xFE", 2);
	expect_error(1003);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, false);
	ck_assert_int_eq(take(WSFRAME_BINARY, true, "\xFF\xFE", 2), WSFRAME_FRAME);
	ck_assert_mem_eq(f.payload, "\xFF\xFE", 2);
}
END_TEST

/* RFC 6455 5.5: at most 125 bytes, not fragmented. */
START_TEST(control_frames_are_short_and_whole)
{
	static const uint8_t opcodes[] = { WSFRAME_CLOSE, WSFRAME_PING, WSFRAME_PONG };
	char payload[126];

	memset(payload, 'x', sizeof(payload));
	memcpy(payload, "\x03\xE8", 2);
	for (size_t i = 0; i < N(opcodes); i++) {
		ck_assert_int_eq(take(opcodes[i], true, payload, 125), WSFRAME_FRAME);
		ck_assert_uint_eq(f.len, 125);
		frame(opcodes[i], true, payload, 126);
		expect_error(1002);
		frame(opcodes[i], false, payload, 5);
		expect_error(1002);
	}
}
END_TEST

START_TEST(control_frames_come_between_fragments)
{
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "\xE2\x82", 2), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_PING, true, "\xFF", 1), WSFRAME_FRAME);
	ck_assert_uint_eq(f.opcode, WSFRAME_PING);
	ck_assert_int_eq(take(WSFRAME_CONTINUATION, true, "\xAC", 1), WSFRAME_FRAME);
}
END_TEST

/* RFC 6455 5.4. */
START_TEST(fragments_come_in_order)
{
	frame(WSFRAME_CONTINUATION, true, "x", 1);
	expect_error(1002);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "x", 1), WSFRAME_FRAME);
	frame(WSFRAME_TEXT, true, "x", 1);
	expect_error(1002);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "", 0), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_CONTINUATION, true, "", 0), WSFRAME_FRAME);
	frame(WSFRAME_CONTINUATION, true, "x", 1);
	expect_error(1002);
}
END_TEST

START_TEST(limit_is_on_the_message_over_all_fragments)
{
	wsframe_parser_init(&p, WSFRAME_SERVER, 10, true);
	ck_assert_int_eq(take(WSFRAME_TEXT, true, "0123456789", 10), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "01234", 5), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_PING, true, "0123456789a", 11), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_CONTINUATION, true, "56789", 5), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "01234", 5), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_CONTINUATION, false, "", 0), WSFRAME_FRAME);
	frame(WSFRAME_CONTINUATION, true, "56789a", 6);
	expect_error(1009);
}
END_TEST

/* So that no peer makes us keep more than the limit. */
START_TEST(message_that_is_too_long_fails_from_its_header)
{
	give("\x81\xFF\0\0\0\0\0\x01\0\x01", 10);
	expect_error(1009);
	give("\x81\xFF\0\0\0\0\0\x01\0\0", 10);
	ck_assert_int_eq(parse(), WSFRAME_MORE);
}
END_TEST

/* RFC 6455 8.1. */
START_TEST(text_is_checked_across_its_fragments)
{
	frame(WSFRAME_TEXT, true, "\xC3\x28", 2);
	expect_error(1007);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
	frame(WSFRAME_TEXT, true, "\xE2\x82", 2);
	expect_error(1007);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "\xE2\x82", 2), WSFRAME_FRAME);
	frame(WSFRAME_CONTINUATION, false, "x", 1);
	expect_error(1007);
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, true);
	ck_assert_int_eq(take(WSFRAME_TEXT, false, "\xE2\x82", 2), WSFRAME_FRAME);
	frame(WSFRAME_CONTINUATION, true, "", 0);
	expect_error(1007);
}
END_TEST

START_TEST(binary_may_hold_any_bytes_in_any_pieces)
{
	wsframe_parser_init(&p, WSFRAME_SERVER, MESSAGE_MAX, false);
	ck_assert_int_eq(take(WSFRAME_BINARY, false, "\xE2\x82", 2), WSFRAME_FRAME);
	ck_assert_int_eq(take(WSFRAME_CONTINUATION, true, "\xFF", 1), WSFRAME_FRAME);
	frame(WSFRAME_TEXT, true, "\xFF", 1);
	expect_error(1007);
}
END_TEST

/* RFC 6455 5.5.1, 7.1.5. */
START_TEST(close_tells_the_peers_code)
{
	ck_assert_int_eq(take(WSFRAME_CLOSE, true, "", 0), WSFRAME_FRAME);
	ck_assert_uint_eq(f.close_code, 1005);
	ck_assert_int_eq(take(WSFRAME_CLOSE, true,
				 "\x03\xE9"
				 "bye",
				 5),
		WSFRAME_FRAME);
	ck_assert_uint_eq(f.close_code, 1001);
	ck_assert_mem_eq(f.payload + 2, "bye", 3);
	frame(WSFRAME_CLOSE, true, "\x03", 1);
	expect_error(1002);
	frame(WSFRAME_CLOSE, true, "\x03\xED", 2);
	expect_error(1002);
	frame(WSFRAME_CLOSE, true, "\x03\xE8\xFF", 3);
	expect_error(1007);
	frame(WSFRAME_CLOSE, true, "\x03\xE8\xE2\x82", 4);
	expect_error(1007);
}
END_TEST

START_TEST(frames_other_than_close_carry_no_code)
{
	ck_assert_int_eq(take(WSFRAME_TEXT, true, "x", 1), WSFRAME_FRAME);
	ck_assert_uint_eq(f.close_code, 0);
}
END_TEST

START_TEST(close_codes_of_the_wire_are_those_of_the_registry)
{
	for (unsigned code = 0; code < 70000; code++) {
		bool registered = code == 1000 || code == 1001 || code == 1002 || code == 1003 ||
			code == 1007 || code == 1008 || code == 1009 || code == 1010 ||
			code == 1011 || code == 1012 || code == 1013 || code == 1014;
		bool free_to_use = code / 1000 == 3 || code / 1000 == 4;

		ck_assert_int_eq(wsframe_close_code_valid(code), registered || free_to_use);
	}
}
END_TEST

/* RFC 6455 5.3, byte by byte as it stands there, at every alignment, length and offset. */
START_TEST(mask_is_the_xor_of_the_rfc)
{
	char bytes[64], want[64];

	for (size_t start = 0; start < 9; start++)
		for (size_t len = 0; len < 40; len++)
			for (size_t offset = 0; offset < 9; offset++) {
				for (size_t i = 0; i < sizeof(bytes); i++)
					bytes[i] = want[i] = (char)(i * 7 + 3);
				for (size_t i = 0; i < len; i++)
					want[start + i] ^= (char)mask[(offset + i) % 4];
				wsframe_mask(bytes + start, len, mask, offset);
				ck_assert_mem_eq(bytes, want, sizeof(bytes));
			}
}
END_TEST

START_TEST(masking_in_pieces_is_masking_at_once)
{
	char whole[50], pieces[50];

	for (size_t cut = 0; cut <= sizeof(whole); cut++) {
		memset(whole, 'm', sizeof(whole));
		memset(pieces, 'm', sizeof(pieces));
		wsframe_mask(whole, sizeof(whole), mask, 0);
		wsframe_mask(pieces, cut, mask, 0);
		wsframe_mask(pieces + cut, sizeof(pieces) - cut, mask, cut);
		ck_assert_mem_eq(whole, pieces, sizeof(whole));
	}
}
END_TEST

START_TEST(headers_are_as_short_as_can_be)
{
	uint8_t h[WSFRAME_CLIENT_HEADER_MAX];

	ck_assert_uint_eq(wsframe_server_header(h, WSFRAME_TEXT, 0), 2);
	ck_assert_mem_eq(h, "\x81\x00", 2);
	ck_assert_uint_eq(wsframe_server_header(h, WSFRAME_PING, 125), 2);
	ck_assert_mem_eq(h, "\x89\x7D", 2);
	ck_assert_uint_eq(wsframe_server_header(h, WSFRAME_TEXT, 126), 4);
	ck_assert_mem_eq(h, "\x81\x7E\x00\x7E", 4);
	ck_assert_uint_eq(wsframe_server_header(h, WSFRAME_TEXT, 65535), 4);
	ck_assert_mem_eq(h, "\x81\x7E\xFF\xFF", 4);
	ck_assert_uint_eq(wsframe_server_header(h, WSFRAME_TEXT, 65536), 10);
	ck_assert_mem_eq(h, "\x81\x7F\0\0\0\0\0\x01\0\0", 10);
	ck_assert_uint_eq(wsframe_client_header(h, WSFRAME_TEXT, false, 5, mask), 6);
	ck_assert_mem_eq(h, "\x01\x85\x37\xFA\x21\x3D", 6);
	ck_assert_uint_eq(wsframe_client_header(h, WSFRAME_TEXT, true, 126, mask), 8);
	ck_assert_uint_eq(wsframe_client_header(h, WSFRAME_TEXT, true, 65536, mask), 14);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wsframe");
	TCase *tc = tcase_create("wsframe");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, examples_of_the_rfc_are_understood);
	tcase_add_test(tc, next_frame_starts_where_the_last_ended);
	tcase_add_test(tc, every_length_encoding_is_read);
	tcase_add_test(tc, longer_length_encoding_than_needed_is_refused);
	tcase_add_test(tc, length_of_64_bits_is_refused);
	tcase_add_test(tc, whatever_is_not_whole_asks_for_more_and_stays_as_it_was);
	tcase_add_test(tc, masking_is_demanded_by_role);
	tcase_add_test(tc, reserved_bits_and_opcodes_are_refused);
	tcase_add_test(tc, binary_is_refused_from_its_header_where_asked_for);
	tcase_add_test(tc, control_frames_are_short_and_whole);
	tcase_add_test(tc, control_frames_come_between_fragments);
	tcase_add_test(tc, fragments_come_in_order);
	tcase_add_test(tc, limit_is_on_the_message_over_all_fragments);
	tcase_add_test(tc, message_that_is_too_long_fails_from_its_header);
	tcase_add_test(tc, text_is_checked_across_its_fragments);
	tcase_add_test(tc, binary_may_hold_any_bytes_in_any_pieces);
	tcase_add_test(tc, close_tells_the_peers_code);
	tcase_add_test(tc, frames_other_than_close_carry_no_code);
	tcase_add_test(tc, close_codes_of_the_wire_are_those_of_the_registry);
	tcase_add_test(tc, mask_is_the_xor_of_the_rfc);
	tcase_add_test(tc, masking_in_pieces_is_masking_at_once);
	tcase_add_test(tc, headers_are_as_short_as_can_be);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
