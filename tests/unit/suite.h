/*
 * suite: the end of a test program's main().
 *
 *	int main(void)
 *	{
 *		Suite *suite = suite_create("buf");
 *		TCase *tc = tcase_create("buf");
 *
 *		tcase_add_test(tc, bytes_are_appended);
 *		suite_add_tcase(suite, tc);
 *		return suite_run(suite);
 *	}
 */
#ifndef PARLEY_SUITE_H
#define PARLEY_SUITE_H

#include <check.h>
#include <stdlib.h>

static inline int suite_run_as(Suite *suite, enum fork_status fork_status)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_fork_status(runner, fork_status);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Runs each test in a process of its own, unless CK_FORK=no. Returns the exit status of main(). */
static inline int suite_run(Suite *suite)
{
	return suite_run_as(suite, CK_FORK_GETENV);
}

/* Runs all tests in this process. A test may restart a server that the fixture started as its child. */
static inline int suite_run_in_one_process(Suite *suite)
{
	return suite_run_as(suite, CK_NOFORK);
}

#endif
