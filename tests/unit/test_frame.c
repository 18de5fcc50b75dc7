/*
 * Frames: their bytes (RFC 6455 5.2), and their references.
 */
#include "net/frame.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_frame_is_a_header_and_a_payload)
{
	struct frame *f = frame_new(WSFRAME_TEXT, "Hello", 5);

	ck_assert_uint_eq(f->len, 7);
	ck_assert_mem_eq(f->bytes, "\x81\x05Hello", 7);
	frame_unref(f);
	f = frame_new(WSFRAME_PING, NULL, 0);
	ck_assert_uint_eq(f->len, 2);
	ck_assert_mem_eq(f->bytes, "\x89\x00", 2);
	frame_unref(f);
}
END_TEST

START_TEST(the_length_is_encoded_minimally)
{
	static const struct {
		size_t len, header;
		const char *bytes;
	} rows[] = { { 125, 2, "\x81\x7d" }, { 126, 4, "\x81\x7e\0\x7e" },
		{ 65535, 4, "\x81\x7e\xff\xff" }, { 65536, 10, "\x81\x7f\0\0\0\0\0\1\0\0" } };
	char *payload = malloc(65536);

	memset(payload, 'x', 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame *f = frame_new(WSFRAME_TEXT, payload, rows[i].len);

		ck_assert_uint_eq(f->len, rows[i].header + rows[i].len);
		ck_assert_mem_eq(f->bytes, rows[i].bytes, rows[i].header);
		ck_assert_mem_eq(f->bytes + rows[i].header, payload, rows[i].len);
		frame_unref(f);
	}
	free(payload);
}
END_TEST

START_TEST(a_close_frame_has_a_code_and_a_reason_cut_to_fit)
{
	char reason[200];
	struct frame *f = frame_close(4501, "bad token");

	ck_assert_uint_eq(f->len, 2 + 2 + 9);
	ck_assert_mem_eq(f->bytes,
		"\x88\x0b\x11\x95"
		"bad token",
		13);
	frame_unref(f);
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	f = frame_close(1000, reason);
	ck_assert_uint_eq(f->len, 2 + 125);
	frame_unref(f);
}
END_TEST

START_TEST(raw_bytes_are_unchanged)
{
	struct frame *f = frame_raw("HTTP/1.1 101", 12);

	ck_assert_uint_eq(f->len, 12);
	ck_assert_mem_eq(f->bytes, "HTTP/1.1 101", 12);
	frame_unref(f);
}
END_TEST

START_TEST(a_frame_is_freed_with_its_last_reference)
{
	struct frame *f = frame_raw("x", 1);

	ck_assert_ptr_eq(frame_ref(f), f);
	frame_unref(f);
	ck_assert_uint_eq(f->refs, 1);
	ck_assert_int_eq(f->bytes[0], 'x');
	frame_unref(f);
	frame_unref(NULL);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("frame");
	TCase *tc = tcase_create("frame");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_frame_is_a_header_and_a_payload);
	tcase_add_test(tc, the_length_is_encoded_minimally);
	tcase_add_test(tc, a_close_frame_has_a_code_and_a_reason_cut_to_fit);
	tcase_add_test(tc, raw_bytes_are_unchanged);
	tcase_add_test(tc, a_frame_is_freed_with_its_last_reference);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
