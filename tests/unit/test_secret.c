/*
 * Tests of common/secret: freed memory is overwritten, other memory is not.
 */
#include "common/secret.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define WORD "correct horse battery staple"
#define SIZE 4096

/* Freed memory cannot be read, so this is called in place of free(3) (--wrap in tests/local.mk). */
static const char *watched;
static size_t watched_size;
static bool seen_wiped;

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
	if (memory == watched) {
		seen_wiped = true;
		for (size_t i = 0; i < watched_size; i++)
			seen_wiped &= watched[i] == 0;
	}
	__real_free(memory);
}

static char *filled(size_t size)
{
	/* Hides the pointer from the compiler, which would warn about an access beyond the requested size. */
	void *(*volatile fill)(void *, int, size_t) = memset;
	char *memory = malloc(size);

	ck_assert_ptr_nonnull(memory);
	fill(memory, 'x', malloc_usable_size(memory));
	watched = memory;
	watched_size = malloc_usable_size(memory);
	seen_wiped = false;
	return memory;
}

START_TEST(wipe_overwrites_exactly_len_bytes)
{
	char text[] = "<" WORD ">";

	secret_wipe(text + 1, sizeof(WORD) - 1);
	ck_assert_int_eq(text[0], '<');
	ck_assert_str_eq(text + sizeof(WORD), ">");
	for (size_t i = 1; i < sizeof(WORD); i++)
		ck_assert_int_eq(text[i], 0);
	secret_wipe(NULL, 0);
}
END_TEST

START_TEST(free_overwrites_all_usable_bytes_first)
{
	secret_free(filled(SIZE + 3));
	ck_assert(seen_wiped);
	secret_free(filled(1));
	ck_assert(seen_wiped);
	secret_free(NULL);
}
END_TEST

START_TEST(realloc_keeps_the_content_and_overwrites_the_former_block)
{
	char *memory = filled(100), *moved = secret_realloc(memory, SIZE);

	ck_assert(seen_wiped);
	for (size_t i = 0; i < 100; i++)
		ck_assert_int_eq(moved[i], 'x');
	ck_assert_ptr_eq(secret_realloc(moved, 10), moved);
	ck_assert_int_eq(moved[9], 'x');
	secret_free(moved);
}
END_TEST

START_TEST(realloc_of_null_is_malloc)
{
	char *memory = secret_realloc(NULL, SIZE);

	ck_assert_ptr_nonnull(memory);
	memset(memory, 1, SIZE);
	secret_free(memory);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
/* By default, AddressSanitizer ends the process instead of returning NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

START_TEST(a_failed_realloc_keeps_the_former_block)
{
	char *memory = filled(100);

	ck_assert_ptr_null(secret_realloc(memory, SIZE_MAX / 4));
	ck_assert_int_eq(memory[99], 'x');
	secret_free(memory);
	ck_assert(seen_wiped);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tc = tcase_create("secret");

	tcase_add_test(tc, wipe_overwrites_exactly_len_bytes);
	tcase_add_test(tc, free_overwrites_all_usable_bytes_first);
	tcase_add_test(tc, realloc_keeps_the_content_and_overwrites_the_former_block);
	tcase_add_test(tc, realloc_of_null_is_malloc);
	tcase_add_test(tc, a_failed_realloc_keeps_the_former_block);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
