/* Tests of common/password: stored texts of this program, of another one, and hostile ones. */
#include "common/password.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/unit/suite.h"

#define SALT "AAECAwQFBgcICQoLDA0ODw=="
#define CORRECT "correct horse"

static enum password_check check(const char *password, const char *stored)
{
	return password_check(password, strlen(password), stored);
}

/* Both texts come from Python's hashlib.scrypt, with the salt 00 01 .. 0f. */
START_TEST(a_hash_of_another_program_matches)
{
	ck_assert_int_eq(check(CORRECT,
				 "scrypt$32768$8$3$" SALT "$"
				 "ANYWwrwG9exM4wRn3uDhnkTuLMG27uj4k9dz5KrBPkg="),
		PASSWORD_RIGHT);
	ck_assert_int_eq(check(CORRECT,
				 "scrypt$1024$8$1$" SALT "$"
				 "nfkj3u1fRTHCea+fVr03sWV770kp5wLOLoEakziKhqE="),
		PASSWORD_RIGHT);
	ck_assert_int_eq(check("correct horsf",
				 "scrypt$1024$8$1$" SALT "$"
				 "nfkj3u1fRTHCea+fVr03sWV770kp5wLOLoEakziKhqE="),
		PASSWORD_WRONG);
}
END_TEST

START_TEST(a_hash_names_its_cost_and_fits)
{
	char stored[PASSWORD_STORED_MAX];

	ck_assert(password_hash(CORRECT, strlen(CORRECT), stored));
	ck_assert_int_eq(strncmp(stored, "scrypt$32768$8$3$", 17), 0);
	ck_assert_uint_eq(strlen(stored), 17 + 24 + 1 + 44);
	ck_assert_int_eq(check(CORRECT, stored), PASSWORD_RIGHT);
	ck_assert_int_eq(check("Correct horse", stored), PASSWORD_WRONG);
	ck_assert_int_eq(check("correct horse ", stored), PASSWORD_WRONG);
}
END_TEST

START_TEST(the_same_password_never_gives_the_same_text)
{
	char one[PASSWORD_STORED_MAX], other[PASSWORD_STORED_MAX];

	ck_assert(password_hash(CORRECT, strlen(CORRECT), one));
	ck_assert(password_hash(CORRECT, strlen(CORRECT), other));
	ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(every_byte_of_a_password_counts_and_nul_is_one)
{
	char password[PASSWORD_MAX], stored[PASSWORD_STORED_MAX];

	memset(password, 0, sizeof(password));
	ck_assert(password_hash(password, sizeof(password), stored));
	ck_assert_int_eq(password_check(password, sizeof(password), stored), PASSWORD_RIGHT);
	password[PASSWORD_MAX - 1] = 1;
	ck_assert_int_eq(password_check(password, sizeof(password), stored), PASSWORD_WRONG);
}
END_TEST

/* RFC 8265, section 4.2. The stored text is hashlib.scrypt's of the password in NFC. */
START_TEST(a_password_matches_in_any_normal_form_and_with_any_space)
{
	static const char stored[] =
		"scrypt$1024$8$1$" SALT "$6PuWJ5Q9zVmHQ0QqcSFnW5fsNVfsmybHxcUHS8qLwlQ=";
	char own[PASSWORD_STORED_MAX];
	static const char nfd[] = "pa\xCC\x88sswo\xCC\x88rd secure";

	ck_assert_int_eq(check("p\xC3\xA4ssw\xC3\xB6rd secure", stored), PASSWORD_RIGHT);
	ck_assert_int_eq(check(nfd, stored), PASSWORD_RIGHT);
	ck_assert_int_eq(check("p\xC3\xA4ssw\xC3\xB6rd\xC2\xA0secure", stored), PASSWORD_RIGHT);
	ck_assert_int_eq(check("p\xC3\xA4ssw\xC3\xB6rd\xE3\x80\x80secure", stored), PASSWORD_RIGHT);
	ck_assert_int_eq(check("P\xC3\xA4ssw\xC3\xB6rd secure", stored), PASSWORD_WRONG);
	ck_assert_int_eq(check("password secure", stored), PASSWORD_WRONG);
	ck_assert_int_eq(check("p\xC3\xA4ssw\xC3\xB6rd\tsecure", stored), PASSWORD_WRONG);
	ck_assert(password_hash(nfd, strlen(nfd), own));
	ck_assert_int_eq(check("p\xC3\xA4ssw\xC3\xB6rd secure", own), PASSWORD_RIGHT);
}
END_TEST

/* Three bytes become six in NFC; the limit holds for what was sent. */
/* The text was made by version 0.1 from "pa\u0308ssword", in NFD. */
START_TEST(a_password_hashed_as_it_was_sent_still_matches)
{
	static const char nfd[] = "pa\xcc\x88ssword", nfc[] = "p\xc3\xa4ssword";
	static const char stored[] = "scrypt$32768$8$3$AAECAwQFBgcICQoLDA0ODw==$OXEFk5+"
				     "Mw5SntodLze5M5v8dexozQElY5vmchg2xpAI=";

	ck_assert_int_eq(password_check(nfd, strlen(nfd), stored), PASSWORD_RIGHT);
	ck_assert_int_eq(password_check(nfc, strlen(nfc), stored), PASSWORD_WRONG);
}
END_TEST

START_TEST(the_longest_password_may_grow_in_normal_form)
{
	char password[PASSWORD_MAX], stored[PASSWORD_STORED_MAX];

	memset(password, 'x', sizeof(password));
	for (size_t i = 0; i + 3 <= sizeof(password); i += 3)
		memcpy(password + i, "\xE0\xA5\x98", 3);
	ck_assert(password_hash(password, sizeof(password), stored));
	ck_assert_int_eq(password_check(password, sizeof(password), stored), PASSWORD_RIGHT);
	password[PASSWORD_MAX - 1] = 'y';
	ck_assert_int_eq(password_check(password, sizeof(password), stored), PASSWORD_WRONG);
}
END_TEST

START_TEST(an_unknown_user_takes_as_long_as_a_wrong_password)
{
	char stored[PASSWORD_STORED_MAX];
	int64_t start_ms, wrong_ms, unknown_ms;

	ck_assert(password_hash(CORRECT, strlen(CORRECT), stored));
	start_ms = clock_mono_ms();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(check("wrong", stored), PASSWORD_WRONG);
	wrong_ms = clock_mono_ms() - start_ms;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(check("wrong", NULL), PASSWORD_WRONG);
	unknown_ms = clock_mono_ms() - start_ms - wrong_ms;
	ck_assert_int_gt(unknown_ms * 3, wrong_ms);
	ck_assert_int_lt(unknown_ms, wrong_ms * 3);
}
END_TEST

START_TEST(a_hostile_row_is_rejected_before_any_work)
{
	static const char *const broken[] = { "", "x", "scrypt", "scrypt$", "scrypt$$$$$",
		"bcrypt$32768$8$3$" SALT "$", "scrypt$32768$8$3$" SALT, "scrypt$0$8$1$" SALT "$",
		"scrypt$1$8$1$" SALT "$", "scrypt$32767$8$1$" SALT "$",
		"scrypt$32768$0$1$" SALT "$", "scrypt$32768$8$0$" SALT "$",
		"scrypt$1073741824$8$1$" SALT "$", "scrypt$1048576$8$1$" SALT "$",
		"scrypt$32768$1048576$1$" SALT "$", "scrypt$2$4194304$8$" SALT "$",
		"scrypt$32768$8$1048576$" SALT "$", "scrypt$2$8$4294967295$" SALT "$",
		"scrypt$18446744073709551618$8$1$" SALT "$", "scrypt$-2$8$1$" SALT "$",
		"scrypt$ 1024$8$1$" SALT "$", "scrypt$1024$8$1$AAECAwQFBgcICQoLDA0ODw$",
		"scrypt$1024$8$1$====================ODw==$",
		"scrypt$1024$8$1$AAEC wQFBgcICQoLDA0ODw==$",
		"scrypt$1024$8$1$AAECAwQFBgcICQoLDA0ODxAR$" };
	static const char hash[] = "nfkj3u1fRTHCea+fVr03sWV770kp5wLOLoEakziKhqE=";
	int64_t start_ms = clock_mono_ms();
	char stored[256];

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		snprintf(stored, sizeof(stored), "%s%s", broken[i], hash);
		ck_assert_msg(check(CORRECT, stored) == PASSWORD_BROKEN, "%s", stored);
	}
	for (size_t len = 0; len < strlen(hash); len++) {
		snprintf(stored, sizeof(stored), "scrypt$1024$8$1$" SALT "$%.*s", (int)len, hash);
		ck_assert_msg(check(CORRECT, stored) == PASSWORD_BROKEN, "%s", stored);
	}
	snprintf(stored, sizeof(stored), "scrypt$1024$8$1$" SALT "$%sA", hash);
	ck_assert_int_eq(check(CORRECT, stored), PASSWORD_BROKEN);
	ck_assert_int_lt(clock_mono_ms() - start_ms, 1000);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("password");
	TCase *tc = tcase_create("password");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_hash_of_another_program_matches);
	tcase_add_test(tc, a_hash_names_its_cost_and_fits);
	tcase_add_test(tc, the_same_password_never_gives_the_same_text);
	tcase_add_test(tc, every_byte_of_a_password_counts_and_nul_is_one);
	tcase_add_test(tc, a_password_matches_in_any_normal_form_and_with_any_space);
	tcase_add_test(tc, a_password_hashed_as_it_was_sent_still_matches);
	tcase_add_test(tc, the_longest_password_may_grow_in_normal_form);
	tcase_add_test(tc, an_unknown_user_takes_as_long_as_a_wrong_password);
	tcase_add_test(tc, a_hostile_row_is_rejected_before_any_work);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
