/* Tests of common/buf. */
#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

static struct buf b;

static void setup(void)
{
	b = (struct buf)BUF_EMPTY;
}

static void teardown(void)
{
	buf_fini(&b);
}

static void expect(const char *content)
{
	ck_assert_uint_eq(b.len, strlen(content));
	ck_assert_mem_eq(b.data, content, b.len);
}

START_TEST(appends_stand_one_after_the_other)
{
	buf_add(&b, "ab", 2);
	buf_add_str(&b, "cd");
	buf_add_char(&b, 'e');
	buf_addf(&b, "-%d-%s", 7, "x");
	expect("abcde-7-x");
}
END_TEST

START_TEST(adding_no_bytes_needs_no_pointer)
{
	buf_add(&b, NULL, 0);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(integers_are_decimal_to_their_limits)
{
	buf_add_u64(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, -10);
	expect("0 18446744073709551615 -9223372036854775808 9223372036854775807 -10");
}
END_TEST

START_TEST(content_survives_growth)
{
	for (int i = 0; i < 100000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	ck_assert_uint_eq(b.len, 100000);
	ck_assert_uint_le(b.cap, 2 * 100000);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(b.data[i], 'a' + i % 26);
}
END_TEST

START_TEST(reserved_room_is_not_content)
{
	char *room;

	buf_add_str(&b, "x");
	room = buf_reserve(&b, 1000);
	ck_assert_ptr_eq(room, b.data + 1);
	ck_assert_uint_eq(b.len, 1);
	ck_assert_uint_ge(b.cap, 1001);
	memset(room, 'y', 1000); /* a sanitizer sees it where the room is not there */
	expect("x");
}
END_TEST

START_TEST(reserving_nothing_in_an_empty_buffer_answers_a_place)
{
	ck_assert_ptr_nonnull(buf_reserve(&b, 0));
}
END_TEST

/* The text is longer than the room at every length around it, the ending NUL included. */
START_TEST(format_fits_whatever_room_is_left)
{
	char text[200];

	for (int fill = 0; fill < 130; fill++) {
		for (int len = 0; len < 140; len++) {
			memset(text, 'z', (size_t)len);
			text[len] = '\0';
			buf_fini(&b);
			for (int i = 0; i < fill; i++)
				buf_add_char(&b, 'a');
			buf_addf(&b, "%s", text);
			ck_assert_uint_eq(b.len, (size_t)(fill + len));
			ck_assert_uint_ge(b.cap, b.len);
			ck_assert_mem_eq(b.data + fill, text, (size_t)len);
		}
	}
}
END_TEST

START_TEST(drain_takes_from_the_front)
{
	buf_drain(&b, 0);
	buf_add_str(&b, "hello world");
	buf_drain(&b, 6);
	expect("world");
	buf_drain(&b, 5);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(cstr_ends_the_content_without_counting)
{
	ck_assert_str_eq(buf_cstr(&b), "");
	for (int i = 0; i < 64; i++)
		buf_add_char(&b, 'q'); /* fills the first block: the NUL needs another */
	ck_assert_uint_eq(strlen(buf_cstr(&b)), 64);
	ck_assert_uint_eq(b.len, 64);
	buf_add_char(&b, 'r');
	ck_assert_str_eq(buf_cstr(&b) + 62, "qqr");
}
END_TEST

START_TEST(reset_keeps_small_memory_and_frees_large)
{
	char *before;

	buf_add_str(&b, "content");
	before = b.data;
	buf_reset(&b, 4096);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_ptr_eq(b.data, before);
	buf_reserve(&b, 5000);
	buf_reset(&b, 4096);
	ck_assert_uint_eq(b.cap, 0);
	ck_assert_ptr_null(b.data);
	buf_add_str(&b, "again");
	expect("again");
}
END_TEST

START_TEST(fini_leaves_an_empty_usable_buffer)
{
	buf_add_str(&b, "content");
	buf_fini(&b);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_ptr_null(b.data);
	buf_fini(&b);
	buf_add_str(&b, "again");
	expect("again");
}
END_TEST

START_TEST(impossible_size_ends_the_process)
{
	buf_add_char(&b, 'x');
	buf_reserve(&b, SIZE_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, appends_stand_one_after_the_other);
	tcase_add_test(tc, adding_no_bytes_needs_no_pointer);
	tcase_add_test(tc, integers_are_decimal_to_their_limits);
	tcase_add_test(tc, content_survives_growth);
	tcase_add_test(tc, reserved_room_is_not_content);
	tcase_add_test(tc, reserving_nothing_in_an_empty_buffer_answers_a_place);
	tcase_add_test(tc, format_fits_whatever_room_is_left);
	tcase_add_test(tc, drain_takes_from_the_front);
	tcase_add_test(tc, cstr_ends_the_content_without_counting);
	tcase_add_test(tc, reset_keeps_small_memory_and_frees_large);
	tcase_add_test(tc, fini_leaves_an_empty_usable_buffer);
	tcase_add_exit_test(tc, impossible_size_ends_the_process, 1);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
