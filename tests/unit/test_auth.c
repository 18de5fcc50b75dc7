#include "auth/auth.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>

static void text_is(struct text t, const char *expected)
{
	ck_assert_ptr_nonnull(t.data);
	ck_assert_uint_eq(t.len, strlen(expected));
	ck_assert_mem_eq(t.data, expected, t.len);
}

START_TEST(a_minted_token_has_a_hash)
{
	char token[TOKEN_CHARS + 1];
	uint8_t hash[TOKEN_DIGEST_SIZE], digest[TOKEN_DIGEST_SIZE];

	auth_mint(token);
	ck_assert_uint_eq(strlen(token), TOKEN_CHARS);
	ck_assert(auth_hash(hash, token, TOKEN_CHARS));
	ck_assert(token_digest(token, TOKEN_CHARS, digest));
	ck_assert_mem_eq(hash, digest, sizeof(hash));
}
END_TEST

START_TEST(other_text_has_no_hash)
{
	char token[TOKEN_CHARS + 2] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP0";
	static const char others[] = "=+/. \t\"\n\x80";
	uint8_t hash[TOKEN_DIGEST_SIZE];

	ck_assert(auth_hash(hash, token, TOKEN_CHARS));
	ck_assert(!auth_hash(hash, token, TOKEN_CHARS - 1));
	ck_assert(!auth_hash(hash, token, TOKEN_CHARS + 1));
	ck_assert(!auth_hash(hash, "", 0));
	for (size_t i = 0; i < sizeof(others); i++) { /* the NUL too */
		token[TOKEN_CHARS - 1] = others[i];
		ck_assert_msg(!auth_hash(hash, token, TOKEN_CHARS), "%d", others[i]);
	}
}
END_TEST

START_TEST(only_the_scheme_bearer_has_a_token)
{
	text_is(auth_bearer("Bearer abc"), "abc");
	text_is(auth_bearer("bearer   abc"), "abc");
	text_is(auth_bearer("Bearer"), "");
	ck_assert_ptr_null(auth_bearer("Basic abc").data);
	ck_assert_ptr_null(auth_bearer("").data);
	ck_assert_ptr_null(auth_bearer("Bearerabc").data);
	ck_assert_ptr_null(auth_bearer("Bear abc").data);
}
END_TEST

START_TEST(the_cookie_is_found_among_others)
{
	text_is(auth_cookie("parley_session=abc", AUTH_COOKIE), "abc");
	text_is(auth_cookie("a=b; parley_session=abc; c=d", AUTH_COOKIE), "abc");
	text_is(auth_cookie("a=b;parley_session=abc ;c", AUTH_COOKIE), "abc");
	text_is(auth_cookie("parley_session=", AUTH_COOKIE), "");
	ck_assert_ptr_null(auth_cookie("", AUTH_COOKIE).data);
	ck_assert_ptr_null(auth_cookie("parley_session", AUTH_COOKIE).data);
	ck_assert_ptr_null(auth_cookie(
		"xparley_session=abc; parley_sessionx=abc; a=parley_session=abc", AUTH_COOKIE)
				   .data);
	ck_assert_ptr_null(auth_cookie(" ; ;;", AUTH_COOKIE).data);
	ck_assert_ptr_null(auth_cookie("__Host-parley_session=abc", AUTH_COOKIE).data);
	text_is(auth_cookie("parley_session=a; __Host-parley_session=b", AUTH_COOKIE_HTTPS), "b");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth");
	TCase *tc = tcase_create("auth");

	tcase_add_test(tc, a_minted_token_has_a_hash);
	tcase_add_test(tc, other_text_has_no_hash);
	tcase_add_test(tc, only_the_scheme_bearer_has_a_token);
	tcase_add_test(tc, the_cookie_is_found_among_others);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
