/* migrate: see migrate.h. A step that fails leaves its reason in *why. */
#include "migrations/migrate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "migrations/migrate_names.h"
#include "migrations/pg_session.h"

#define LOCK_KEY "7020952021" /* of the advisory lock; an arbitrary number */
#define IDENTITY "9a0e7a4c-51f6-4f0b-8d5e-6b1c2f3d7e90" /* in schema_identity; see identity.sql */
#define FUNCTIONS "functions.sql"

static const struct embedded *file_named(const char *name)
{
	const struct embedded *f = migration_files;

	while (f->name != NULL && strcmp(f->name, name) != 0)
		f++;
	if (f->name == NULL)
		log_fatal("migration_missing file=%s", name);
	return f;
}

/* The version of a numbered file, 0 for another one. */
static int version_of(const struct embedded *f)
{
	return (int)strtol(f->name, NULL, 10);
}

int migrate_version(void)
{
	int version = 0;

	for (const struct embedded *f = migration_files; f->name != NULL; f++)
		if (version_of(f) > version)
			version = version_of(f);
	return version;
}

/* Identifies functions.sql, as PostgreSQL's bigint. */
static long long functions_digest(void)
{
	const struct embedded *f = file_named(FUNCTIONS);

	return (long long)hash_bytes(f->text, f->len);
}

void migrate_put_check(struct buf *sql)
{
	buf_addf(sql,
		"select (select max(version) from parley.schema_migrations) = %d"
		" and (select digest from parley.schema_functions) = %lld",
		migrate_version(), functions_digest());
}

/* The database. */

enum place {
	PLACE_OURS, /* the schema parley, with its identity */
	PLACE_OLD, /* tables of version 1 or 2 in a schema of the role's choice */
	PLACE_NONE /* no schema parley, or an empty one */
};

struct found {
	enum place place;
	bool has_schema; /* True if the schema parley exists. */
	char *old_schema; /* of PLACE_OLD; to be freed */
};

/* Returns false. */
static bool refuse(PGconn *db, const char *reason, struct buf *why)
{
	if (PQstatus(db) != CONNECTION_OK)
		return false;
	buf_reset(why, 0);
	buf_addf(why, "database %s is not parley's: %s", PQdb(db), reason);
	return false;
}

static bool is_true(const PGresult *r, const char *column)
{
	return strcmp(PQgetvalue(r, 0, PQfnumber(r, column)), "t") == 0;
}

/* Returns a column of find_schema.sql; NULL if it is null. */
static const char *text_of(const PGresult *r, const char *column)
{
	int number = PQfnumber(r, column);

	return PQgetisnull(r, 0, number) ? NULL : PQgetvalue(r, 0, number);
}

/* Judges a row of find_schema.sql. Returns false if the database is another program's. */
static bool judge(PGconn *db, const PGresult *r, struct found *found, struct buf *why)
{
	const char *old = text_of(r, "old_schemas"), *contents = text_of(r, "contents");

	found->has_schema = is_true(r, "has_schema");
	if (is_true(r, "has_identity")) {
		found->place = PLACE_OURS;
		if (pg_session_number(db,
			    "select count(*) from parley.schema_identity where id::text = "
			    "'" IDENTITY "'",
			    why) == 1)
			return true;
		return refuse(db, "the identity in its schema parley is another program's", why);
	}
	if (old && !is_true(r, "old_is_one")) {
		buf_reset(why, 0);
		buf_addf(why, "database %s has parley's tables in more than one schema: %s",
			PQdb(db), old);
		return false;
	}
	if (contents && !(old && strcmp(old, "parley") == 0))
		return refuse(db, "its schema parley has objects of another program", why);
	if (old) {
		found->place = PLACE_OLD;
		found->old_schema = xstrdup(old);
		return true;
	}
	found->place = PLACE_NONE;
	/* An empty schema parley is the administrator's consent to share the database. */
	return found->has_schema || !is_true(r, "others") ||
		refuse(db, "it has tables of another program", why);
}

static bool find_schema(PGconn *db, struct found *found, struct buf *why)
{
	PGresult *r = pg_session_query(db, file_named("find_schema.sql")->text, 0, NULL, why);
	bool good = r && judge(db, r, found, why);

	PQclear(r);
	return good;
}

/* Executes a file that is not recorded. */
static bool run_file(PGconn *db, const char *name, struct buf *why)
{
	return pg_session_run(db, file_named(name)->text, why);
}

/* Sets a setting until the end of the transaction. */
static bool set_local(PGconn *db, const char *name, const char *value, struct buf *why)
{
	const char *values[] = { name, value };
	PGresult *r = pg_session_query(db, "select set_config($1, $2, true)", 2, values, why);

	PQclear(r);
	return r != NULL;
}

static bool set_search_path(PGconn *db, const char *schema, struct buf *why)
{
	struct buf path = BUF_EMPTY;
	char *name = PQescapeIdentifier(db, schema, strlen(schema));
	bool good;

	if (!name)
		log_fatal("out_of_memory");
	buf_addf(&path, "%s, pg_temp", name);
	PQfreemem(name);
	good = set_local(db, "search_path", buf_cstr(&path), why);
	buf_fini(&path);
	return good;
}

/* Drops the functions that functions.sql has created, from the schema of the search_path. */
static bool drop_functions(PGconn *db, struct buf *why)
{
	long has_functions = pg_session_number(
		db, "select (to_regclass('schema_functions') is not null)::int", why);

	return has_functions == 0 || (has_functions > 0 && run_file(db, "drop_functions.sql", why));
}

/* Moves the objects of the old schema, which may be named parley, to the schema parley, which exists. */
static bool move_old(PGconn *db, const struct found *found, struct buf *why)
{
	return set_search_path(db, found->old_schema, why) && drop_functions(db, why) &&
		(strcmp(found->old_schema, "parley") == 0 ||
			(set_local(db, "parley.old_schema", found->old_schema, why) &&
				run_file(db, "move_schema.sql", why)));
}

/* Makes the schema parley the search_path, and parley's own. */
static bool adopt(PGconn *db, const struct found *found, struct buf *why)
{
	if (!found->has_schema && !pg_session_run(db, "create schema parley", why))
		return false;
	if (found->place == PLACE_OLD && !move_old(db, found, why))
		return false;
	return set_search_path(db, "parley", why) &&
		(found->place == PLACE_OURS || run_file(db, "identity.sql", why));
}

/* Migrations. */

/* Applies a numbered file that the database lacks, and records it. */
static bool apply_numbered(PGconn *db, const struct embedded *f, struct buf *why)
{
	struct buf reason = BUF_EMPTY;
	const char *values[2];
	char version[16], name[64];
	PGresult *r = NULL;

	snprintf(version, sizeof(version), "%d", version_of(f));
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(f->name, "."), f->name);
	values[0] = version;
	values[1] = name;
	if (pg_session_run(db, f->text, &reason))
		r = pg_session_query(db,
			"insert into schema_migrations (version, name) values ($1, $2)", 2, values,
			&reason);
	if (r == NULL)
		pg_session_explain(why, name, buf_cstr(&reason));
	PQclear(r);
	buf_fini(&reason);
	return r != NULL;
}

/* Applies functions.sql and records its text, by which they are dropped later. */
static bool apply_functions(PGconn *db, struct buf *why)
{
	const struct embedded *f = file_named(FUNCTIONS);
	struct buf reason = BUF_EMPTY;
	const char *values[2];
	char digest[32];
	PGresult *r = NULL;

	snprintf(digest, sizeof(digest), "%lld", functions_digest());
	values[0] = digest;
	values[1] = f->text;
	if (pg_session_run(db, f->text, &reason) &&
		pg_session_run(db, "delete from schema_functions", &reason))
		r = pg_session_query(db,
			"insert into schema_functions (digest, sql) values ($1, $2)", 2, values,
			&reason);
	if (r == NULL)
		pg_session_explain(why, FUNCTIONS, buf_cstr(&reason));
	PQclear(r);
	buf_fini(&reason);
	return r != NULL;
}

/* Makes the schema the one of this program. An older program's functions are dropped first: they use the tables. */
static bool apply_all(PGconn *db, long installed, struct buf *why)
{
	if (!drop_functions(db, why))
		return false;
	for (const struct embedded *f = migration_files; f->name != NULL; f++)
		if (version_of(f) > installed && !apply_numbered(db, f, why))
			return false;
	return apply_functions(db, why) && migrate_names(db, why);
}

/* Drops all that is parley's. Objects that were moved are first brought up to date, since reset.sql knows no others. */
static bool drop_all(PGconn *db, enum place place, long installed, struct buf *why)
{
	return (place != PLACE_OLD || apply_all(db, installed, why)) && drop_functions(db, why) &&
		run_file(db, "reset.sql", why) && run_file(db, "identity.sql", why);
}

static bool is_current(PGconn *db, struct buf *why)
{
	struct buf sql = BUF_EMPTY;
	bool current =
		pg_session_number(
			db, "select (to_regclass('schema_functions') is not null)::int", why) == 1;

	buf_add_str(&sql, "select coalesce((");
	migrate_put_check(&sql);
	buf_add_str(&sql, "), false)::int");
	current = current && pg_session_number(db, buf_cstr(&sql), why) == 1;
	buf_fini(&sql);
	return current;
}

/* The steps of a transaction that holds the lock. */
static enum migrate_result migrate_found(
	PGconn *db, const struct found *found, bool reset, struct buf *why)
{
	long installed = 0;
	bool good;

	if (!adopt(db, found, why))
		return MIGRATE_FAILED;
	installed = pg_session_number(
		db, "select coalesce(max(version), 0) from schema_migrations", why);
	if (installed < 0)
		return MIGRATE_FAILED;
	if (installed > migrate_version() && !reset) {
		buf_reset(why, 0);
		buf_addf(why,
			"database %s is from a newer parleyd: its schema is %ld, this parleyd "
			"knows %d",
			PQdb(db), installed, migrate_version());
		return MIGRATE_NEWER;
	}
	if (reset)
		good = drop_all(db, found->place, installed, why) && apply_all(db, 0, why);
	else
		good = is_current(db, why) || apply_all(db, installed, why);
	return good ? MIGRATE_DONE : MIGRATE_FAILED;
}

/*
 * Settings of the role or the database must not change what the files do. Each statement needs its own snapshot: the
 * first one waits for the lock.
 */
/* clang-format off */
#define BEGIN \
	"set default_transaction_read_only = off; " \
	"begin isolation level read committed; " \
	"set local search_path = pg_catalog, pg_temp; " \
	"set local statement_timeout = 0; " \
	"set local lock_timeout = 0; " \
	"set local standard_conforming_strings = on; " \
	"select pg_advisory_xact_lock(" LOCK_KEY ")"
/* clang-format on */

/* PostgreSQL sends a notice for each object that `if exists` skips. */
static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static enum migrate_result migrate(const char *conninfo, bool reset, struct buf *why)
{
	enum migrate_result result = MIGRATE_FAILED;
	struct found found = { .old_schema = NULL };
	bool try_again;
	PGconn *db = pg_session_open(conninfo, &try_again, why);

	if (!db)
		return try_again ? MIGRATE_UNREACHABLE : MIGRATE_FAILED;
	PQsetNoticeProcessor(db, ignore_notice, NULL);
	if (pg_session_run(db, BEGIN, why) && find_schema(db, &found, why))
		result = migrate_found(db, &found, reset, why);
	if (result == MIGRATE_DONE && !pg_session_run(db, "commit", why))
		result = MIGRATE_FAILED;
	/* Another try helps only if the connection was lost. */
	if (result == MIGRATE_FAILED && PQstatus(db) != CONNECTION_OK)
		result = MIGRATE_UNREACHABLE;
	free(found.old_schema);
	PQfinish(db); /* rolls back what was not committed */
	return result;
}

enum migrate_result migrate_run(const char *conninfo, struct buf *why)
{
	return migrate(conninfo, false, why);
}

enum migrate_result migrate_reset(const char *conninfo, struct buf *why)
{
	return migrate(conninfo, true, why);
}
