#include "common/token.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <ctype.h>
#include <string.h>

START_TEST(a_token_is_43_characters_of_base64url)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char token[TOKEN_CHARS + 1];
	int i;

	for (i = 0; i < 1000; i++) {
		ck_assert(token_make(token));
		ck_assert_uint_eq(strlen(token), TOKEN_CHARS);
		ck_assert_uint_eq(strspn(token, alphabet), TOKEN_CHARS);
	}
}
END_TEST

/* 22 digits of base 62 have 130 bits. Of 22,000 digits, each is expected 355 times, with a deviation of 19. */
START_TEST(a_code_is_22_digits_of_base62_which_are_equally_likely)
{
	unsigned n[256] = { 0 }, n_digits = 0;
	char code[TOKEN_CODE_CHARS + 1];

	for (int i = 0; i < 1000; i++) {
		ck_assert(token_make_code(code));
		ck_assert_uint_eq(strlen(code), 22);
		for (const char *c = code; *c != '\0'; c++)
			n[(unsigned char)*c]++;
	}
	for (int c = 0; c < 256; c++) {
		n_digits += n[c] > 0;
		ck_assert(n[c] == 0 || isalnum(c));
		ck_assert_msg(n[c] == 0 || (n[c] > 230 && n[c] < 480), "%c: %u", c, n[c]);
	}
	ck_assert_uint_eq(n_digits, 62);
}
END_TEST

START_TEST(two_tokens_differ)
{
	char a[TOKEN_CHARS + 1], b[TOKEN_CHARS + 1];

	ck_assert(token_make(a));
	ck_assert(token_make(b));
	ck_assert_str_ne(a, b);
}
END_TEST

/* The one-block example of FIPS 180-4. */
START_TEST(the_digest_is_sha256_of_the_characters)
{
	static const unsigned char expected[TOKEN_DIGEST_SIZE] = { 0xba, 0x78, 0x16, 0xbf, 0x8f,
		0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
		0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	unsigned char digest[TOKEN_DIGEST_SIZE];

	ck_assert(token_digest("abc", 3, digest));
	ck_assert_mem_eq(digest, expected, sizeof(expected));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");
	TCase *tc = tcase_create("token");

	tcase_add_test(tc, a_token_is_43_characters_of_base64url);
	tcase_add_test(tc, a_code_is_22_digits_of_base62_which_are_equally_likely);
	tcase_add_test(tc, two_tokens_differ);
	tcase_add_test(tc, the_digest_is_sha256_of_the_characters);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
