#include "http/http_coding.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/unit/suite.h"

#define BOTH (1u << HTTP_BR | 1u << HTTP_GZIP)

static void check_choice(const char *accept, unsigned available, enum http_coding expected)
{
	struct http_weights accepted = http_coding_read(accept);
	enum http_coding found = http_coding_choose(&accepted, available);

	ck_assert_msg(found == expected, "\"%s\", available %x: %s instead of %s", accept,
		available, http_coding_name(found), http_coding_name(expected));
}

/* RFC 9110 12.5.3 */
START_TEST(the_coding_with_the_highest_weight_is_chosen)
{
	check_choice("", BOTH, HTTP_IDENTITY);
	check_choice("gzip", BOTH, HTTP_GZIP);
	check_choice("br", BOTH, HTTP_BR);
	check_choice("gzip, deflate, br, zstd", BOTH, HTTP_BR);
	check_choice("gzip;q=1.0, br;q=0.5", BOTH, HTTP_GZIP);
	check_choice("gzip;q=0.999, br;q=1", BOTH, HTTP_BR);
	check_choice("gzip;q=0.001", BOTH, HTTP_GZIP);
	check_choice("br;q=0.2, gzip;q=0.2", BOTH, HTTP_BR);
	check_choice("identity, gzip;q=0.5", BOTH, HTTP_IDENTITY);
	check_choice("identity;q=0.5, gzip", BOTH, HTTP_GZIP);
	check_choice("identity;q=0.5, gzip;q=0.5", BOTH, HTTP_GZIP);
	check_choice("deflate", BOTH, HTTP_IDENTITY);
}
END_TEST

START_TEST(only_available_codings_are_chosen)
{
	check_choice("gzip, br", 0, HTTP_IDENTITY);
	check_choice("gzip, br", 1u << HTTP_GZIP, HTTP_GZIP);
	check_choice("gzip", 1u << HTTP_BR, HTTP_IDENTITY);
	check_choice("br;q=0.1, gzip", 1u << HTTP_BR, HTTP_BR);
}
END_TEST

START_TEST(what_was_read_once_serves_any_number_of_choices)
{
	struct http_weights accepted = http_coding_read("br, gzip;q=0.5");

	ck_assert_int_eq(http_coding_choose(&accepted, BOTH), HTTP_BR);
	ck_assert_int_eq(http_coding_choose(&accepted, 1u << HTTP_GZIP), HTTP_GZIP);
	ck_assert_int_eq(http_coding_choose(&accepted, 0), HTTP_IDENTITY);
	ck_assert_int_eq(http_coding_choose(&accepted, BOTH), HTTP_BR);
}
END_TEST

START_TEST(a_weight_of_0_forbids_a_coding)
{
	check_choice("gzip;q=0", BOTH, HTTP_IDENTITY);
	check_choice("gzip;q=0.000, br;q=0.0", BOTH, HTTP_IDENTITY);
	check_choice("br;q=0, gzip", BOTH, HTTP_GZIP);
	check_choice("*;q=0", BOTH, HTTP_IDENTITY);
	check_choice("identity;q=0, gzip;q=0", BOTH, HTTP_IDENTITY); /* there is nothing else */
	check_choice("identity;q=0, gzip;q=0.1", BOTH, HTTP_GZIP);
}
END_TEST

START_TEST(a_star_is_every_coding_that_is_not_named)
{
	check_choice("*", BOTH, HTTP_BR);
	check_choice("*, br;q=0", BOTH, HTTP_GZIP);
	check_choice("br;q=0.5, *;q=0.1", BOTH, HTTP_BR);
	check_choice("gzip, *;q=0", BOTH, HTTP_GZIP);
	check_choice("gzip;q=0.5, *;q=0.6", 1u << HTTP_GZIP, HTTP_IDENTITY);
}
END_TEST

START_TEST(names_are_compared_in_any_case_and_white_space_is_skipped)
{
	check_choice("GZip", BOTH, HTTP_GZIP);
	check_choice("x-gzip", BOTH, HTTP_GZIP);
	check_choice(" \tgzip \t; \tQ=1\t ,", BOTH, HTTP_GZIP);
	check_choice(",, ,gzip", BOTH, HTTP_GZIP);
	check_choice("br ;q=0,gzip", BOTH, HTTP_GZIP);
	check_choice("gzi, gzipp, b, brr, gzip br", BOTH, HTTP_IDENTITY);
	check_choice("gzip;q=0.1, gzip;q=1, br;q=0.5", BOTH, HTTP_BR); /* the first one counts */
}
END_TEST

static const char *const malformed[] = { "gzip;", "gzip;q", "gzip;q=", "gzip;q=2", "gzip;q=1.001",
	"gzip;q=-1", "gzip;q=0.1234", "gzip;q=1;q=1", "gzip;q=1.", "gzip;q=.5", "gzip;q= 1",
	"gzip;q =1", "gzip;x=1", "gzip;q=0x1", "gzip;q=01", "gzip;q=1,0", "gzip q=1" };

START_TEST(a_malformed_weight_accepts_nothing)
{
	/* "1." is well-formed. "1,0" is a list. */
	enum http_coding expected =
		strcmp(malformed[_i], "gzip;q=1.") == 0 || strcmp(malformed[_i], "gzip;q=1,0") == 0
		? HTTP_GZIP
		: HTTP_IDENTITY;

	check_choice(malformed[_i], BOTH, expected);
}
END_TEST

static void check_gzip(const char *bytes, size_t len)
{
	struct buf coded = BUF_EMPTY;
	z_stream z = { 0 };
	char *back = malloc(len + 1);

	http_coding_gzip(&coded, bytes, len);
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)coded.data;
	z.avail_in = (uInt)coded.len;
	z.next_out = (Bytef *)back;
	z.avail_out = (uInt)len + 1;
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.avail_in, 0);
	ck_assert_uint_eq(z.total_out, len);
	ck_assert_int_eq(memcmp(back, bytes, len), 0);
	inflateEnd(&z);
	free(back);
	buf_fini(&coded);
}

START_TEST(what_is_compressed_comes_back)
{
	size_t len = 300000;
	char *bytes = malloc(len);

	memset(bytes, 'x', len);
	check_gzip(bytes, len);
	check_gzip(bytes, 0);
	srand(7);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)rand();
	check_gzip(bytes, len);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_coding");
	TCase *tc = tcase_create("http_coding");

	tcase_add_test(tc, the_coding_with_the_highest_weight_is_chosen);
	tcase_add_test(tc, only_available_codings_are_chosen);
	tcase_add_test(tc, what_was_read_once_serves_any_number_of_choices);
	tcase_add_test(tc, a_weight_of_0_forbids_a_coding);
	tcase_add_test(tc, a_star_is_every_coding_that_is_not_named);
	tcase_add_test(tc, names_are_compared_in_any_case_and_white_space_is_skipped);
	tcase_add_loop_test(tc, a_malformed_weight_accepts_nothing, 0,
		sizeof(malformed) / sizeof(malformed[0]));
	tcase_add_test(tc, what_is_compressed_comes_back);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
