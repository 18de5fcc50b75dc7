/* migrate: see migrate.h. Each step leaves *why filled where it fails. */
#include "migrations/migrate.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define CONNECT_TIMEOUT_S "10"
#define LOCK_KEY "7020952021" /* of the advisory lock; any number that is ours alone */
#define SQLSTATE_DUPLICATE_DATABASE "42P04"
#define SQLSTATE_UNIQUE_VIOLATION "23505"

int migrate_version(void)
{
	return n_migrations > 0 ? migrations[n_migrations - 1].version : 0;
}

/* Says what went wrong in PostgreSQL's own words, as one line. */
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
 * Connects as conninfo says, but to the database dbname unless that is NULL. The caller ends it
 * with PQfinish; NULL with the reason in *why only where conninfo itself is wrong.
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
	keywords = calloc(n + 4, sizeof(*keywords));
	values = calloc(n + 4, sizeof(*values));
	if (!keywords || !values)
		log_fatal("out_of_memory");
	/*
	 * Of a keyword that comes twice the later value counts: ours come first where the user's
	 * are to win.
	 */
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

/*
 * Runs sql (several statements, or one with n parameters); NULL with the reason in *why where it
 * fails.
 */
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

/* The one number that sql asks for, or -1 with the reason in *why. */
static long ask_number(PGconn *db, const char *sql, struct buf *why)
{
	PGresult *r = query(db, sql, 0, NULL, why);
	long number = -1;

	if (r)
		number = strtol(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return number;
}

/* A step failed: whether to try again depends on whether PostgreSQL is still there. */
static enum migrate_result failed(PGconn *db)
{
	return PQstatus(db) == CONNECTION_OK ? MIGRATE_FAILED : MIGRATE_UNREACHABLE;
}

/* Creates the database; that another starter was faster is as good. */
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
 * The database did not let us in. Where it is missing, asks one that every cluster has to create
 * it. MIGRATE_DONE: there now. *why keeps what the first connection said where nobody could be
 * asked.
 */
static enum migrate_result open_missing(const char *conninfo, const char *dbname, struct buf *why)
{
	static const char *const others[] = { "postgres", "template1" };
	enum migrate_result result = MIGRATE_UNREACHABLE;
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		PGconn *db = connect_to(conninfo, others[i], why);
		struct buf asking = BUF_EMPTY;
		PGresult *r = NULL;

		if (PQstatus(db) == CONNECTION_OK)
			r = query(db, "select 1 from pg_database where datname = $1", 1, &dbname,
				&asking);
		buf_fini(&asking);
		if (r && PQntuples(r) == 0)
			result = create_database(db, dbname, why) ? MIGRATE_DONE : failed(db);
		PQclear(r);
		PQfinish(db);
		if (r)
			break;
	}
	return result;
}

/* Connects to the database and creates it where it is missing; *result says why it is NULL. */
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

/* A relation in the database that is neither PostgreSQL's nor an extension's. */
#define FOREIGN_RELATIONS                                                                 \
	"select count(*) from pg_class c join pg_namespace s on s.oid = c.relnamespace "  \
	"where s.nspname !~ '^pg_' and s.nspname <> 'information_schema' "                \
	"and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass " \
	"and d.objid = c.oid and d.deptype = 'e')"

/*
 * Version of the schema, 0 in an empty database; -1 with the reason in *why where it cannot be
 * told or is not ours.
 */
static long installed_version(PGconn *db, struct buf *why)
{
	long known =
		ask_number(db, "select (to_regclass('schema_migrations') is not null)::int", why);
	long relations;

	if (known < 0)
		return -1;
	if (known)
		return ask_number(
			db, "select coalesce(max(version), 0) from schema_migrations", why);
	relations = ask_number(db, FOREIGN_RELATIONS, why);
	if (relations > 0) {
		buf_reset(why, 0);
		buf_addf(why,
			"database %s is not parley's: it has tables, but no schema_migrations",
			PQdb(db));
		return -1;
	}
	return relations;
}

/* One migration and its record, or neither. */
static bool apply(PGconn *db, const struct migration *m, struct buf *why)
{
	const char *values[2];
	char version[16];
	PGresult *r = NULL;

	snprintf(version, sizeof(version), "%d", m->version);
	values[0] = version;
	values[1] = m->name;
	if (run(db, "begin", why) &&
		run(db,
			"create table if not exists schema_migrations (version int primary key, "
			"name text not null, "
			"applied_at timestamptz not null default now())",
			why) &&
		run(db, m->sql, why))
		r = query(db, "insert into schema_migrations (version, name) values ($1, $2)", 2,
			values, why);
	PQclear(r);
	if (r && run(db, "commit", why))
		return true;
	PQclear(PQexec(db, "rollback"));
	return false;
}

/* Everything the program has and the database lacks. The caller holds the lock. */
static enum migrate_result apply_missing(PGconn *db, struct buf *why)
{
	long installed = installed_version(db, why);
	size_t i;

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
	for (i = 0; i < n_migrations; i++) {
		struct buf reason = BUF_EMPTY;

		if (migrations[i].version <= installed)
			continue;
		if (!apply(db, &migrations[i], &reason)) {
			explain(why, migrations[i].name, buf_cstr(&reason));
			buf_fini(&reason);
			return failed(db);
		}
	}
	return MIGRATE_DONE;
}

/* PostgreSQL tells of every object that `if exists` skipped; nobody wants to read that. */
static void say_nothing(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/*
 * Drops what is ours in public, and only that: the schema itself, its grants and extensions stay.
 */
static const char drop_everything[] =
	"do $$ declare r record; begin "
	"for r in select format('drop routine if exists %I.%I(%s) cascade', s.nspname, p.proname, "
	"		pg_get_function_identity_arguments(p.oid)) as sql "
	"	from pg_proc p join pg_namespace s on s.oid = p.pronamespace "
	"	where s.nspname = 'public' and not exists (select from pg_depend d "
	"		where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = "
	"'e') "
	"loop execute r.sql; end loop; "
	"for r in select format('drop %s if exists %I.%I cascade', "
	"		case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when "
	"'S' then 'sequence' "
	"			when 'f' then 'foreign table' when 'c' then 'type' else 'table' "
	"end, "
	"		s.nspname, c.relname) as sql "
	"	from pg_class c join pg_namespace s on s.oid = c.relnamespace "
	"	where s.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') "
	"		and not exists (select from pg_depend d where d.classid = "
	"'pg_class'::regclass "
	"			and d.objid = c.oid and (d.deptype = 'e' or d.deptype = 'i' and "
	"c.relkind = 'S')) "
	"loop execute r.sql; end loop; "
	"for r in select format('drop type if exists %I.%I cascade', s.nspname, t.typname) as sql "
	"	from pg_type t join pg_namespace s on s.oid = t.typnamespace "
	"	where s.nspname = 'public' and t.typtype in ('e', 'd') and not exists (select from "
	"pg_depend d "
	"		where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = "
	"'e') "
	"loop execute r.sql; end loop; "
	"end $$";

static enum migrate_result migrate(const char *conninfo, bool reset, struct buf *why)
{
	enum migrate_result result;
	PGconn *db;

	buf_reset(why, 0);
	db = open_database(conninfo, &result, why);
	if (!db)
		return result;
	PQsetNoticeProcessor(db, say_nothing, NULL);
	if (!run(db, "select pg_advisory_lock(" LOCK_KEY ")", why) ||
		(reset && (installed_version(db, why) < 0 || !run(db, drop_everything, why))))
		result = failed(db);
	else
		result = apply_missing(db, why);
	PQfinish(db); /* and with it goes the lock */
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
