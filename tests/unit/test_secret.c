/*
 * secret: what is given back has been overwritten, and nothing else has.
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

/* What was freed cannot be looked at, so this looks just before: the linker puts it in the place of
 * free(3), see Makefile.am. */
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
	/* Unseen by the compiler, which holds us to the size that was asked for. */
	void *(*volatile fill)(void *, int, size_t) = memset;
	char *memory = malloc(size);

	ck_assert_ptr_nonnull(memory);
	fill(memory, 'x', malloc_usable_size(memory));
	watched = memory;
	watched_size = malloc_usable_size(memory);
	seen_wiped = false;
	return memory;
}

START_TEST(wipe_overwrites_all_of_it_and_nothing_beside_it)
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

START_TEST(free_overwrites_first_down_to_the_last_byte_that_could_be_used)
{
	secret_free(filled(SIZE + 3));
	ck_assert(seen_wiped);
	secret_free(filled(1));
	ck_assert(seen_wiped);
	secret_free(NULL);
}
END_TEST

START_TEST(realloc_keeps_the_content_and_leaves_no_copy_behind)
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

START_TEST(realloc_of_nothing_is_malloc)
{
	char *memory = secret_realloc(NULL, SIZE);

	ck_assert_ptr_nonnull(memory);
	memset(memory, 1, SIZE);
	secret_free(memory);
}
END_TEST

START_TEST(realloc_that_finds_no_room_leaves_all_as_it_was)
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

	tcase_add_test(tc, wipe_overwrites_all_of_it_and_nothing_beside_it);
	tcase_add_test(tc, free_overwrites_first_down_to_the_last_byte_that_could_be_used);
	tcase_add_test(tc, realloc_keeps_the_content_and_leaves_no_copy_behind);
	tcase_add_test(tc, realloc_of_nothing_is_malloc);
	tcase_add_test(tc, realloc_that_finds_no_room_leaves_all_as_it_was);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
