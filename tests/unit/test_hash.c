/* Tests of common/hash and common/xalloc. */
#include "common/hash.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "suite.h"

struct item {
	int value;
	struct hash_link link;
};

static struct item *find(const struct hash *h, uint64_t key)
{
	return HASH_ENTRY(hash_find(h, key), struct item, link);
}

START_TEST(an_object_is_found_by_its_key_only)
{
	enum { N = 10000 };
	struct hash h = HASH_EMPTY;
	struct item *items = xcalloc(N, sizeof(*items));

	ck_assert_ptr_null(find(&h, 0));
	for (int i = 0; i < N; i++) {
		items[i].value = i;
		hash_insert(&h, &items[i].link, (uint64_t)i << (i % 40));
	}
	ck_assert_uint_eq(h.n, N);
	for (int i = 1; i < N; i++) {
		struct item *found = find(&h, (uint64_t)i << (i % 40));

		ck_assert_ptr_nonnull(found);
		ck_assert_uint_eq(found->link.key, (uint64_t)i << (i % 40));
	}
	ck_assert_ptr_null(find(&h, UINT64_MAX));
	hash_fini(&h);
	free(items);
}
END_TEST

START_TEST(all_objects_with_one_key_are_found)
{
	struct hash h = HASH_EMPTY;
	struct item items[3] = { { .value = 1 }, { .value = 2 }, { .value = 4 } };
	int sum = 0;

	for (int i = 0; i < 3; i++)
		hash_insert(&h, &items[i].link, 7);
	for (struct hash_link *l = hash_find(&h, 7); l != NULL; l = hash_find_next(l))
		sum += HASH_ENTRY(l, struct item, link)->value;
	ck_assert_int_eq(sum, 7);
	hash_remove(&h, &items[1].link);
	sum = 0;
	for (struct hash_link *l = hash_find(&h, 7); l != NULL; l = hash_find_next(l))
		sum += HASH_ENTRY(l, struct item, link)->value;
	ck_assert_int_eq(sum, 5);
	hash_fini(&h);
}
END_TEST

START_TEST(an_iteration_visits_each_object_once_while_they_are_removed)
{
	enum { N = 1000 };
	struct hash h = HASH_EMPTY;
	struct item *items = xcalloc(N, sizeof(*items));
	int visited = 0;

	ck_assert_ptr_null(hash_first(&h));
	for (int i = 0; i < N; i++)
		hash_insert(&h, &items[i].link, (uint64_t)i);
	for (struct hash_link *l = hash_first(&h), *next; l != NULL; l = next) {
		next = hash_next(&h, l);
		HASH_ENTRY(l, struct item, link)->value++;
		hash_remove(&h, l);
		visited++;
	}
	ck_assert_int_eq(visited, N);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(items[i].value, 1);
	ck_assert_uint_eq(h.n, 0);
	ck_assert_ptr_null(hash_first(&h));
	hash_fini(&h);
	free(items);
}
END_TEST

/* The test vectors of FNV-1a (draft-eastlake-fnv). */
START_TEST(bytes_are_hashed_as_fnv_1a)
{
	ck_assert(hash_bytes("", 0) == UINT64_C(0xcbf29ce484222325));
	ck_assert(hash_bytes("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
	ck_assert(hash_bytes("foobar", 6) == UINT64_C(0x85944171f73967e8));
}
END_TEST

START_TEST(an_array_grows_by_doubling_and_keeps_its_elements)
{
	size_t cap = 0;
	int *array = NULL;

	for (size_t i = 0; i < 1000; i++) {
		array = xgrow(array, i, &cap, sizeof(*array));
		array[i] = (int)i;
	}
	ck_assert_uint_eq(cap, 1024);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(array[i], i);
	free(array);
}
END_TEST

START_TEST(a_copy_has_the_same_bytes_in_its_own_memory)
{
	char *text = xstrdup("parley");
	char *bytes = xmemdup("a\0b", 3);

	ck_assert_str_eq(text, "parley");
	ck_assert_mem_eq(bytes, "a\0b", 3);
	free(text);
	free(bytes);
	free(xmemdup(NULL, 0));
}
END_TEST

START_TEST(without_memory_the_process_ends)
{
	free(xreallocarray(NULL, SIZE_MAX / 2, 4));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *tc = tcase_create("hash");

	tcase_add_test(tc, an_object_is_found_by_its_key_only);
	tcase_add_test(tc, all_objects_with_one_key_are_found);
	tcase_add_test(tc, an_iteration_visits_each_object_once_while_they_are_removed);
	tcase_add_test(tc, bytes_are_hashed_as_fnv_1a);
	tcase_add_test(tc, an_array_grows_by_doubling_and_keeps_its_elements);
	tcase_add_test(tc, a_copy_has_the_same_bytes_in_its_own_memory);
	tcase_add_exit_test(tc, without_memory_the_process_ends, EXIT_FAILURE);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
