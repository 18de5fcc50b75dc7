/*
 * The status of a change, in rows that no database has sent.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"
#include "tests/unit/suite.h"

static const char *const columns[] = { "status", "conv_id", "conv_kind", "user_lo", "user_hi",
	"message_id", "seq", "mod", "sender_id", "kind", "content", "target_id", "client_id",
	"sent_at", "edited_at", "deleted", "reply_id", "reply_seq", "reply_sender", "reply_content",
	"reply_deleted", "thread_id", "replies", "reacted", "reactions", "mention_list",
	"mentions_all", "forwarded_user", "forwarded_name", "pinned", "revision" };
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Reads a row with this status, all of whose other columns are null. */
static enum error read_status(const char *status, struct change *c)
{
	static const struct db_statement statement = { "test", "" };
	struct db_columns numbers = { .n = 0 };
	char names[N_COLUMNS][16], word[64];
	PGresAttDesc attributes[N_COLUMNS];
	PGresult *pg = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	const store_rows rows = { pg, &statement, &numbers };
	enum error error;

	memset(attributes, 0, sizeof(attributes));
	for (size_t i = 0; i < N_COLUMNS; i++) {
		strcpy(names[i], columns[i]);
		attributes[i].name = names[i];
		attributes[i].format = 1;
	}
	ck_assert(pg != NULL && PQsetResultAttrs(pg, N_COLUMNS, attributes));
	for (size_t i = 0; i < N_COLUMNS; i++)
		ck_assert(PQsetvalue(pg, 0, (int)i, NULL, -1));
	if (status != NULL)
		ck_assert(PQsetvalue(pg, 0, 0, strcpy(word, status), (int)strlen(status)));
	error = store_change_at(&rows, 0, c);
	PQclear(pg);
	return error;
}

START_TEST(ok_and_duplicate_are_no_errors)
{
	struct change c;

	ck_assert_int_eq(read_status("ok", &c), ERROR_NONE);
	ck_assert(!c.duplicate);
	ck_assert_int_eq(c.message.mod, 0);
	ck_assert_int_eq(read_status("duplicate", &c), ERROR_NONE);
	ck_assert(c.duplicate);
}
END_TEST

START_TEST(the_code_of_an_error_is_that_error)
{
	struct change c;

	ck_assert_int_eq(read_status("no_such_chat", &c), ERROR_no_such_chat);
	ck_assert_int_eq(read_status("not_owner", &c), ERROR_not_owner);
	ck_assert(!c.duplicate);
}
END_TEST

/* A status is compared as a whole: "denied" is not a duplicate. */
START_TEST(a_status_that_is_unknown_is_an_internal_error)
{
	static const char *const unknown[] = { "denied", "d", "duplicates", "okay", "o", "", NULL,
		"a_status_that_is_longer_than_every_code_of_an_error" };
	struct change c;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		ck_assert_int_eq(read_status(unknown[i], &c), ERROR_internal);
		ck_assert(!c.duplicate);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_rows");
	TCase *tc = tcase_create("store_rows");

	tcase_add_test(tc, ok_and_duplicate_are_no_errors);
	tcase_add_test(tc, the_code_of_an_error_is_that_error);
	tcase_add_test(tc, a_status_that_is_unknown_is_an_internal_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
