/* migrate: see migrate.h. A step that fails leaves its reason in *why. */
#include "migrations/migrate.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

#define CONNECT_TIMEOUT_S "10"
#define LOCK_KEY "7020952021" /* of the advisory lock; an arbitrary number */
#define FUNCTIONS "functions.sql"
#define SQLSTATE_DUPLICATE_DATABASE "42P04"
#define SQLSTATE_UNIQUE_VIOLATION "23505"

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

/* Identifies functions.sql: FNV-1a, as PostgreSQL's bigint. */
static long long functions_digest(void)
{
	const struct embedded *f = file_named(FUNCTIONS);
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < f->len; i++)
		hash = (hash ^ (unsigned char)f->text[i]) * UINT64_C(1099511628211);
	return (long long)hash;
}

void migrate_put_check(struct buf *sql)
{
	buf_addf(sql,
		"select (select max(version) from schema_migrations) = %d"
		" and (select digest from schema_functions) = %lld",
		migrate_version(), functions_digest());
}

/* Sets *why to what and PostgreSQL's message, as one line. */
static void explain(struct buf *why, const char *what, const char *message)
{
	size_t start, i;

	buf_reset(why, 0);
	buf_addf(why, "%s: ", what);
	start = why->len;
	buf_add_str(why, message);
	while (why->len > start && strchr("\n ", why->data[why->len - 1]))
		why->len--;
	for (i = start; i < why->len; i++)
		if (why->data[i] == '\n')
			why->data[i] = ' ';
}

/*
 * Connects.
 *   dbname  the database, NULL for that of conninfo
 * Returns a connection, whose status may be bad, for the caller to finish; NULL if conninfo is malformed.
 */
static PGconn *connect_to(const char *conninfo, const char *dbname, struct buf *why)
{
	const char **keywords, **values;
	PQconninfoOption *options, *o;
	char *error = NULL;
	PGconn *db;
	size_t n = 0;

	options = PQconninfoParse(conninfo, &error);
	if (!options) {
		explain(why, "database", error ? error : "out of memory");
		PQfreemem(error);
		return NULL;
	}
	for (o = options; o->keyword; o++)
		n++;
	keywords = xcalloc(n + 4, sizeof(*keywords));
	values = xcalloc(n + 4, sizeof(*values));
	/* The last value of a keyword wins: a default comes before the user's, an override after. */
	n = 0;
	keywords[n] = "connect_timeout";
	values[n++] = CONNECT_TIMEOUT_S;
	for (o = options; o->keyword; o++) {
		if (!o->val)
			continue;
		keywords[n] = o->keyword;
		values[n++] = o->val;
	}
	keywords[n] = "client_encoding";
	values[n++] = "UTF8";
	if (dbname) {
		keywords[n] = "dbname";
		values[n++] = dbname;
	}
	db = PQconnectdbParams(keywords, values, 0);
	if (!db)
		log_fatal("out_of_memory");
	PQconninfoFree(options);
	free(keywords);
	free(values);
	return db;
}

/* Runs several statements, or one with n > 0 parameters. Returns the last result; NULL on an error. */
static PGresult *query(
	PGconn *db, const char *sql, int n, const char *const *values, struct buf *why)
{
	PGresult *r;

	if (n > 0)
		r = PQexecParams(db, sql, n, NULL, values, NULL, NULL, 0);
	else
		r = PQexec(db, sql);
	if (PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK)
		return r;
	explain(why, "PostgreSQL", PQresultErrorMessage(r));
	PQclear(r);
	return NULL;
}

static bool run(PGconn *db, const char *sql, struct buf *why)
{
	PGresult *r = query(db, sql, 0, NULL, why);

	PQclear(r);
	return r != NULL;
}

/* Returns the number that sql selects, -1 on an error. */
static long query_number(PGconn *db, const char *sql, struct buf *why)
{
	PGresult *r = query(db, sql, 0, NULL, why);
	long number = -1;

	if (r)
		number = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return number;
}

/* The result after a step failed: another try helps only if the connection was lost. */
static enum migrate_result failed(PGconn *db)
{
	return PQstatus(db) == CONNECTION_OK ? MIGRATE_FAILED : MIGRATE_UNREACHABLE;
}

/* Creates the database. Succeeds also if another program has just created it. */
static bool create_database(PGconn *db, const char *dbname, struct buf *why)
{
	struct buf sql = BUF_EMPTY;
	char *name = PQescapeIdentifier(db, dbname, strlen(dbname));
	const char *state;
	PGresult *r;
	bool made;

	if (!name)
		log_fatal("out_of_memory");
	buf_addf(&sql,
		"create database %s encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8' "
		"template template0",
		name);
	PQfreemem(name);
	r = PQexec(db, buf_cstr(&sql));
	state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	made = PQresultStatus(r) == PGRES_COMMAND_OK ||
		(state &&
			(strcmp(state, SQLSTATE_DUPLICATE_DATABASE) == 0 ||
				strcmp(state, SQLSTATE_UNIQUE_VIOLATION) == 0));
	if (!made)
		explain(why, "the database is missing and cannot be created",
			PQresultErrorMessage(r));
	PQclear(r);
	buf_fini(&sql);
	return made;
}

/*
 * Creates the database, if that is what kept open_database from connecting, through one that every cluster has.
 * Returns MIGRATE_DONE if it exists now. *why keeps the first connection's error if no other database lets us in.
 */
static enum migrate_result open_missing(const char *conninfo, const char *dbname, struct buf *why)
{
	static const char *const others[] = { "postgres", "template1" };
	enum migrate_result result = MIGRATE_UNREACHABLE;
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		PGconn *db = connect_to(conninfo, others[i], why);
		struct buf ignored = BUF_EMPTY;
		PGresult *r = NULL;

		if (PQstatus(db) == CONNECTION_OK)
			r = query(db, "select 1 from pg_database where datname = $1", 1, &dbname,
				&ignored);
		buf_fini(&ignored);
		if (r && PQntuples(r) == 0)
			result = create_database(db, dbname, why) ? MIGRATE_DONE : failed(db);
		PQclear(r);
		PQfinish(db);
		if (r)
			break;
	}
	return result;
}

/* Connects to the database, which is created if it is missing. Returns NULL on an error, with its *result. */
static PGconn *open_database(const char *conninfo, enum migrate_result *result, struct buf *why)
{
	PGconn *db = connect_to(conninfo, NULL, why);

	*result = MIGRATE_FAILED;
	if (!db)
		return NULL;
	if (PQstatus(db) != CONNECTION_OK) {
		explain(why, "PostgreSQL", PQerrorMessage(db));
		*result = open_missing(conninfo, PQdb(db), why);
		PQfinish(db);
		if (*result != MIGRATE_DONE)
			return NULL;
		db = connect_to(conninfo, NULL, why);
		if (PQstatus(db) != CONNECTION_OK) {
			explain(why, "PostgreSQL", PQerrorMessage(db));
			PQfinish(db);
			*result = MIGRATE_UNREACHABLE;
			return NULL;
		}
	}
	if (strcmp(PQparameterStatus(db, "server_encoding"), "UTF8") != 0) {
		buf_reset(why, 0);
		buf_addf(why, "database %s has the encoding %s: it must be UTF8", PQdb(db),
			PQparameterStatus(db, "server_encoding"));
		PQfinish(db);
		*result = MIGRATE_FAILED;
		return NULL;
	}
	return db;
}

/* Counts the relations that are neither PostgreSQL's nor an extension's. */
#define COUNT_RELATIONS                                                                   \
	"select count(*) from pg_class c join pg_namespace s on s.oid = c.relnamespace "  \
	"where s.nspname !~ '^pg_' and s.nspname <> 'information_schema' "                \
	"and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass " \
	"and d.objid = c.oid and d.deptype = 'e')"

/* Returns the version of the schema, 0 for an empty database; -1 on an error, or if it is another program's. */
static long installed_version(PGconn *db, struct buf *why)
{
	long known =
		query_number(db, "select (to_regclass('schema_migrations') is not null)::int", why);
	long relations;

	if (known < 0)
		return -1;
	if (known)
		return query_number(
			db, "select coalesce(max(version), 0) from schema_migrations", why);
	relations = query_number(db, COUNT_RELATIONS, why);
	if (relations > 0) {
		buf_reset(why, 0);
		buf_addf(why,
			"database %s is not parley's: it has tables, but no schema_migrations",
			PQdb(db));
		return -1;
	}
	return relations;
}

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
	if (run(db, f->text, &reason))
		r = query(db, "insert into schema_migrations (version, name) values ($1, $2)", 2,
			values, &reason);
	if (r == NULL)
		explain(why, name, buf_cstr(&reason));
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
	if (run(db, f->text, &reason) && run(db, "delete from schema_functions", &reason))
		r = query(db, "insert into schema_functions (digest, sql) values ($1, $2)", 2,
			values, &reason);
	if (r == NULL)
		explain(why, FUNCTIONS, buf_cstr(&reason));
	PQclear(r);
	buf_fini(&reason);
	return r != NULL;
}

/* The steps of one transaction. An older program's functions are dropped first, since they depend on the tables. */
static bool apply_all(PGconn *db, long installed, bool has_functions, struct buf *why)
{
	if (!run(db,
		    "create table if not exists schema_migrations (version int primary key, "
		    "name text not null, applied_at timestamptz not null default now())",
		    why) ||
		(has_functions && !run(db, file_named("drop_functions.sql")->text, why)))
		return false;
	for (const struct embedded *f = migration_files; f->name != NULL; f++)
		if (version_of(f) > installed && !apply_numbered(db, f, why))
			return false;
	return apply_functions(db, why);
}

/* Makes the schema the one that this program was built for. The caller holds the advisory lock. */
static enum migrate_result apply_missing(PGconn *db, struct buf *why)
{
	struct buf sql = BUF_EMPTY;
	long installed = installed_version(db, why), has_functions, is_current = 0;

	if (installed < 0)
		return failed(db);
	if (installed > migrate_version()) {
		buf_reset(why, 0);
		buf_addf(why,
			"database %s is from a newer parleyd: its schema is %ld, this parleyd "
			"knows %d",
			PQdb(db), installed, migrate_version());
		return MIGRATE_NEWER;
	}
	has_functions =
		query_number(db, "select (to_regclass('schema_functions') is not null)::int", why);
	if (has_functions > 0) {
		buf_add_str(&sql, "select coalesce((");
		migrate_put_check(&sql);
		buf_add_str(&sql, "), false)::int");
		is_current = query_number(db, buf_cstr(&sql), why);
		buf_fini(&sql);
	}
	if (has_functions < 0 || is_current < 0)
		return failed(db);
	if (is_current ||
		(run(db, "begin", why) && apply_all(db, installed, has_functions, why) &&
			run(db, "commit", why)))
		return MIGRATE_DONE;
	PQclear(PQexec(db, "rollback"));
	return failed(db);
}

/* PostgreSQL sends a notice for each object that `if exists` skips. */
static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static enum migrate_result migrate(const char *conninfo, bool reset, struct buf *why)
{
	enum migrate_result result;
	PGconn *db;

	buf_reset(why, 0);
	db = open_database(conninfo, &result, why);
	if (!db)
		return result;
	PQsetNoticeProcessor(db, ignore_notice, NULL);
	if (!run(db, "select pg_advisory_lock(" LOCK_KEY ")", why) ||
		(reset &&
			(installed_version(db, why) < 0 ||
				!run(db, file_named("reset.sql")->text, why))))
		result = failed(db);
	else
		result = apply_missing(db, why);
	PQfinish(db); /* releases the lock */
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
