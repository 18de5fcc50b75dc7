/*
 * store_fixture: a store on a real PostgreSQL and three users, for the tests of store.
 *
 * Owns: the store and the users of the current test. Knows nothing of: what is tested.
 */
#ifndef PARLEY_TEST_STORE_FIXTURE_H
#define PARLEY_TEST_STORE_FIXTURE_H

#include <check.h>

#include "store/store.h"
#include "tests/unit/pg.h"
#include "tests/unit/worker_fixture.h"

extern struct store *s; /* of slot 0; a test may close it and open another one */
extern int64_t alice, bob, carol; /* new for each test, since usernames are never used twice */

/* Calls of the store's events since the start of the test. */
extern unsigned n_ready, n_away, n_epochs;
extern uint16_t epoch_generation; /* of the last call */
extern struct moved {
	unsigned n;
	int64_t user_id, seq; /* of the last call */
	uint64_t origin;
	bool own_only;
} moved;
extern const struct store_events store_fixture_events;

/* What the events of erasures reported since the start of the test. */
#define ERASURES_MAX 64
extern struct erasures {
	unsigned n, n_left; /* n_left: of those that report the end of a membership */
	struct erased at[ERASURES_MAX];
} erasures;

/* A new user; the username is name and a number. Returns the user_id. */
int64_t person(const char *name);

/* A new group of all three, owned by Alice. Returns its id. */
int64_t group(void);

/* Checks that seq has no gaps and that the conversation's counters are those of its messages. */
void ck_gapless(int64_t conv_id);

/* Terminates the backends of the store whose application_name matches a pattern of "like". Returns their number. */
int64_t terminate(const char *pattern);

/* A result with rows, of which only the number is kept. */
struct rows {
	bool done;
	enum error error;
	int n;
};
void on_rows(void *arg, enum error error, const store_rows *rows); /* a store_cb; arg: the struct */

/* The ends of read marks since the start of the test. */
extern unsigned n_marked, n_not_marked;
void on_mark(void *arg, enum error error); /* a store_mark_cb; arg: NULL */

/* Runs the tests of one program; returns its exit status. The fixture surrounds each test. */
int store_fixture_run(const char *name, void (*add_tests)(TCase *tc));

#endif
