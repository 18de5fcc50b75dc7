#include "migrations/migrate_names.h"

#include <string.h>

#include "common/unicode.h"
#include "migrations/pg_session.h"

#define SLICE "1000" /* users */

/* Appends an element of an array in the text format (PostgreSQL manual, Array Input and Output Syntax). */
static void put_element(struct buf *array, const char *text)
{
	buf_add_str(array, array->len == 0 ? "{\"" : ",\"");
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_char(array, '\\');
		buf_add_char(array, *text);
	}
	buf_add_char(array, '"');
}

/* Folds the names of the rows. */
static bool store_slice(PGconn *db, const PGresult *rows, struct buf *why)
{
	struct buf ids = BUF_EMPTY, names = BUF_EMPTY, folded = BUF_EMPTY;
	const char *values[2];
	PGresult *r;

	for (int i = 0; i < PQntuples(rows); i++) {
		buf_reset(&folded, 0);
		unicode_put_words(&folded, PQgetvalue(rows, i, 1), (size_t)PQgetlength(rows, i, 1));
		put_element(&ids, PQgetvalue(rows, i, 0));
		put_element(&names, buf_cstr(&folded));
	}
	buf_add_char(&ids, '}');
	buf_add_char(&names, '}');
	values[0] = buf_cstr(&ids);
	values[1] = buf_cstr(&names);
	r = pg_session_query(db,
		"update users u set folded_name = f.name "
		"from unnest($1::bigint[], $2::text[]) f (id, name) where u.user_id = f.id",
		2, values, why);
	buf_fini(&ids);
	buf_fini(&names);
	buf_fini(&folded);
	PQclear(r);
	return r != NULL;
}

bool migrate_names(PGconn *db, struct buf *why)
{
	char last_id[32] = "0";
	const char *values[] = { last_id };
	int n;

	do {
		PGresult *rows = pg_session_query(db,
			"select user_id, full_name from users where user_id > $1 and folded_name "
			"is null "
			"and deleted_at is null order by user_id limit " SLICE,
			1, values, why);
		bool good = rows != NULL && (PQntuples(rows) == 0 || store_slice(db, rows, why));

		n = good ? PQntuples(rows) : -1;
		if (n > 0)
			snprintf(last_id, sizeof(last_id), "%s", PQgetvalue(rows, n - 1, 0));
		PQclear(rows);
	} while (n > 0);
	return n == 0;
}
