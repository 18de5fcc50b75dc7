/*
 * The table of commands is consistent and agrees with the contract.
 */
#include "command/command.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_table_has_each_command_of_the_contract_once)
{
	static const char *const names[] = { "send", "typing", "read", "edit", "delete", "react",
		"sync", "presence", "ping" };
	size_t n;
	const struct command *const *table = command_table(&n);

	ck_assert_uint_eq(n, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < n; i++) {
		unsigned found = 0;

		for (size_t j = 0; j < n; j++)
			found += strcmp(table[j]->name, names[i]) == 0;
		ck_assert_msg(found == 1, "%s has %u entries", names[i], found);
	}
}
END_TEST

START_TEST(every_command_has_a_function_and_a_sentence)
{
	size_t n;
	const struct command *const *table = command_table(&n);

	for (size_t i = 0; i < n; i++) {
		ck_assert(table[i]->run != NULL);
		ck_assert_ptr_nonnull(table[i]->doc);
		ck_assert_int_eq(table[i]->doc[strlen(table[i]->doc) - 1], '.');
		ck_assert_uint_le(table[i]->n_params, PARAMS_MAX);
		ck_assert((table[i]->params == NULL) == (table[i]->n_params == 0));
	}
}
END_TEST

START_TEST(every_argument_is_in_the_body_with_a_unique_name_and_a_range)
{
	size_t n;
	const struct command *const *table = command_table(&n);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < table[i]->n_params; k++) {
			const struct param_spec *a = &table[i]->params[k];

			ck_assert_ptr_nonnull(a->name);
			ck_assert_ptr_nonnull(a->doc);
			ck_assert_int_eq(a->place, PARAM_BODY);
			ck_assert_int_le(a->min, a->max);
			ck_assert_str_ne(a->name, "type");
			for (size_t other = 0; other < k; other++)
				ck_assert_str_ne(a->name, table[i]->params[other].name);
		}
}
END_TEST

START_TEST(limits_are_those_of_the_contract)
{
	size_t n;
	const struct command *const *table = command_table(&n);
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < table[i]->n_params; k++) {
			const struct param_spec *a = &table[i]->params[k];

			if (strcmp(a->name, "content") == 0) {
				ck_assert_int_eq(a->min, 1);
				ck_assert_int_eq(a->max, 16384);
				ck_assert(a->required);
				seen++;
			} else if (strcmp(a->name, "watch") == 0) {
				ck_assert_int_eq(a->max, 500);
				seen++;
			} else if (strcmp(a->name, "id") == 0) {
				/* A send must have one. */
				ck_assert(a->required == (table[i] == &cmd_send));
				ck_assert_int_eq(a->max, 64);
				seen++;
			}
		}
	ck_assert_uint_eq(seen, 2 + 1 + 5);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("command");
	TCase *tc = tcase_create("command");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_table_has_each_command_of_the_contract_once);
	tcase_add_test(tc, every_command_has_a_function_and_a_sentence);
	tcase_add_test(tc, every_argument_is_in_the_body_with_a_unique_name_and_a_range);
	tcase_add_test(tc, limits_are_those_of_the_contract);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
