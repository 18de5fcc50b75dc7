/*
 * parleyctl: administers a parleyd and its database (parleyctl(8)).
 *
 * It reads the daemon's configuration. The lock on the pid file says whether the daemon is running, the status file
 * has its state; commands for it are signals.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/pidfile.h"
#include "common/stats.h"
#include "common/token.h"
#include "migrations/migrate.h"

#define EXIT_USAGE 2
#define STOP_MS 30000
#define RELOAD_MS 10000
#define POLL_MS 20

#define DIGEST_HEX_SIZE (2 + 2 * TOKEN_DIGEST_SIZE + 1)

/* Prints the reason of a failure on stderr. Returns the exit code of the command. */
static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs("parleyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

/* As fail, with the first line of PostgreSQL's message. */
static int fail_database(const char *message)
{
	return fail("%.*s", (int)strcspn(message, "\n"), message);
}

/* The process of the daemon; 0 after printing that there is none, or that its pid file cannot be opened. */
static pid_t find_daemon(const struct conf *conf)
{
	pid_t pid = pidfile_owner(conf->pid_file);

	if (pid < 0)
		fail("%s: %s", conf->pid_file, strerror(errno));
	else if (pid == 0)
		fail("parleyd is not running (%s is not locked)", conf->pid_file);
	return pid > 0 ? pid : 0;
}

static int report_migration(enum migrate_result result, struct buf *why)
{
	int rc = EXIT_SUCCESS;

	if (result == MIGRATE_DONE)
		printf("the schema is up to date (version %d)\n", migrate_version());
	else
		rc = fail("%s", buf_cstr(why));
	buf_fini(why);
	return rc;
}

static int run_migrate(const struct conf *conf, char **args)
{
	struct buf why = BUF_EMPTY;

	(void)args;
	return report_migration(migrate_run(conf->database, &why), &why);
}

static int run_reset_database(const struct conf *conf, char **args)
{
	struct buf why = BUF_EMPTY;
	pid_t pid;

	if (!args[0] || strcmp(args[0], "--yes") != 0) {
		fail("reset-database deletes all data; confirm with reset-database --yes");
		return EXIT_USAGE;
	}
	pid = pidfile_owner(conf->pid_file);
	if (pid < 0)
		return fail("%s: %s", conf->pid_file, strerror(errno));
	if (pid != 0)
		return fail("parleyd is running (pid %ld); stop it first", (long)pid);
	return report_migration(migrate_reset(conf->database, &why), &why);
}

/* Makes a token, and its digest as a bytea literal in hexadecimal. Returns false without random bytes. */
static bool make_token(char token[TOKEN_CHARS + 1], char digest_hex[DIGEST_HEX_SIZE])
{
	unsigned char digest[TOKEN_DIGEST_SIZE];
	int i;

	if (!token_make(token) || !token_digest(token, TOKEN_CHARS, digest))
		return false;
	memcpy(digest_hex, "\\x", 3);
	for (i = 0; i < TOKEN_DIGEST_SIZE; i++)
		snprintf(digest_hex + 2 + 2 * i, 3, "%02x", digest[i]);
	return true;
}

/* Usernames are ASCII. */
static char *to_lower(char *username)
{
	char *p;

	for (p = username; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return username;
}

/* Connects to the server that takes writes. */
static PGconn *connect_database(const struct conf *conf)
{
	PGconn *db = PQconnectdbParams((const char *[]){ "target_session_attrs", "dbname", NULL },
		(const char *[]){ "primary", conf->database, NULL }, 1);

	PQclear(PQexec(db, "set default_transaction_read_only = off"));
	return db;
}

static int run_token(const struct conf *conf, char **args)
{
	static const char sql[] =
		"insert into parley.tokens (hash, user_id, expires_at) "
		"select $1::bytea, user_id, now() + make_interval(secs => $2::int) "
		"from parley.users where username = $3 and deleted_at is null";
	char token[TOKEN_CHARS + 1], digest[DIGEST_HEX_SIZE], lifetime[24];
	const char *values[] = { digest, lifetime, to_lower(args[0]) };
	PGresult *r = NULL;
	PGconn *db;
	int rc = EXIT_SUCCESS;

	snprintf(lifetime, sizeof(lifetime), "%ld", conf->token_lifetime);
	db = connect_database(conf);
	if (PQstatus(db) != CONNECTION_OK)
		rc = fail_database(PQerrorMessage(db));
	else if (!make_token(token, digest))
		rc = fail("cannot generate random bytes");
	else
		r = PQexecParams(db, sql, 3, NULL, values, NULL, NULL, 0);
	if (r && PQresultStatus(r) != PGRES_COMMAND_OK)
		rc = fail_database(PQresultErrorMessage(r));
	else if (r && strcmp(PQcmdTuples(r), "1") != 0)
		rc = fail("there is no user %s", args[0]);
	if (rc == EXIT_SUCCESS)
		puts(token);
	OPENSSL_cleanse(token, sizeof(token));
	PQclear(r);
	PQfinish(db);
	return rc;
}

/* Executes a statement. Returns its result; NULL after printing why it failed. */
static PGresult *execute(PGconn *db, const char *sql)
{
	PGresult *r = PQexec(db, sql);
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return r;
	fail_database(PQresultErrorMessage(r));
	PQclear(r);
	return NULL;
}

/* The daemon's next connection finds that the epoch's history is not the database's, and names a new one. So its sessions
 * end, after the commit. */
static int run_new_epoch(const struct conf *conf, char **args)
{
	static const char *const sql[] = {
		"update parley.epoch set history = ''",
		"select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ "
		"'^parleyd worker=' "
		"and datname = current_database() and usename = current_user",
	};
	PGconn *db = connect_database(conf);
	int rc = EXIT_SUCCESS;
	size_t i;

	(void)args;
	if (PQstatus(db) != CONNECTION_OK)
		rc = fail_database(PQerrorMessage(db));
	for (i = 0; rc == EXIT_SUCCESS && i < sizeof(sql) / sizeof(sql[0]); i++) {
		PGresult *r = execute(db, sql[i]);

		if (r == NULL)
			rc = EXIT_FAILURE;
		PQclear(r);
	}
	PQfinish(db);
	return rc;
}

static void print_search(const PGresult *r)
{
	printf("search is %s\n"
	       "chats      %s of %s have an index\n"
	       "messages   %s of %s are indexed (%s %%)\n"
	       "behind     %s changes\n",
		strcmp(PQgetvalue(r, 0, 0), "t") == 0 ? "ready" : "not ready", PQgetvalue(r, 0, 2),
		PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 4), PQgetvalue(r, 0, 3), PQgetvalue(r, 0, 6),
		PQgetvalue(r, 0, 5));
}

static int run_search(const struct conf *conf, char **args)
{
	bool rebuild = strcmp(args[0], "rebuild") == 0;
	PGresult *r = NULL;
	PGconn *db;

	if (!rebuild && strcmp(args[0], "status") != 0) {
		fail("search accepts only status and rebuild");
		return EXIT_USAGE;
	}
	db = connect_database(conf);
	if (PQstatus(db) != CONNECTION_OK)
		fail_database(PQerrorMessage(db));
	else if (rebuild)
		r = execute(db, "truncate parley.search_blocks");
	else
		r = execute(db,
			MIGRATE_SET_SEARCH_PATH "; select *, indexed_messages * 100 / "
						"greatest(messages, 1) from search_state()");
	if (r != NULL && rebuild)
		puts("the indexer builds the index again");
	else if (r != NULL)
		print_search(r);
	PQclear(r);
	PQfinish(db);
	return r != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_status(const struct stats *s)
{
	int64_t age_ms = clock_wall_ms() - s->started_wall_ms;
	uint32_t i;

	printf("parleyd is running: master %u, hasher %u, uptime %lld s\n", s->master_pid,
		s->hasher_pid, (long long)(age_ms / 1000));
	if (s->indexer_pid != 0)
		printf("search: indexer %u, %s, %u %% indexed, %llu changes behind\n",
			s->indexer_pid, s->search_ready ? "ready" : "not ready", s->search_percent,
			(unsigned long long)s->search_behind);
	printf("%4s %8s %12s %8s %10s %10s\n", "slot", "pid", "connections", "sockets", "messages",
		"deliveries");
	for (i = 0; i < s->n_slots; i++) {
		const struct stats_slot *w = &s->slots[i];

		if (w->alive)
			printf("%4u %8u %12u %8u %10llu %10llu\n", i, w->pid, w->connections,
				w->sockets, (unsigned long long)w->messages_stored,
				(unsigned long long)w->deliveries);
		else
			printf("%4u %8s\n", i, "dead");
	}
}

/* Maps the status file of the daemon. Returns NULL after printing the reason. */
static const struct stats *open_stats(const struct conf *conf)
{
	struct buf path = BUF_EMPTY;
	const struct stats *s;

	stats_path(&path, conf->pid_file);
	s = stats_open(buf_cstr(&path));
	if (!s)
		fail("%s: %s", buf_cstr(&path),
			errno == EPROTO ? "written by another version of parleyd"
					: strerror(errno));
	buf_fini(&path);
	return s;
}

static int run_status(const struct conf *conf, char **args)
{
	struct buf json = BUF_EMPTY;
	const struct stats *s;

	if (args[0] && strcmp(args[0], "--json") != 0) {
		fail("status accepts only --json");
		return EXIT_USAGE;
	}
	if (find_daemon(conf) == 0)
		return EXIT_FAILURE;
	s = open_stats(conf);
	if (!s)
		return EXIT_FAILURE;
	if (args[0]) {
		stats_put_json(&json, s);
		puts(buf_cstr(&json));
		buf_fini(&json);
	} else {
		print_status(s);
	}
	return EXIT_SUCCESS;
}

static void pause_poll(void)
{
	nanosleep(&(const struct timespec){ 0, POLL_MS * 1000000L }, NULL);
}

/* Waits for the reload with this number or a later one. Both counters wrap.
 *   rejected  what to print if it failed, before the reason */
static int await_reload(const struct conf *conf, pid_t pid, const struct stats *s, uint32_t number,
	const char *rejected)
{
	int64_t deadline_ms = clock_mono_ms() + RELOAD_MS;

	while ((int32_t)(s->reloads_finished - number) < 0) {
		if (pidfile_owner(conf->pid_file) != pid)
			return fail("parleyd has stopped");
		if (clock_mono_ms() >= deadline_ms)
			return fail("pid %ld has not reloaded within %d s", (long)pid,
				RELOAD_MS / 1000);
		pause_poll();
	}
	if (s->reload_error[0] != '\0')
		return fail("%s: %.*s", rejected, STATS_ERROR_SIZE - 1, s->reload_error);
	return EXIT_SUCCESS;
}

static int signal_and_wait(const struct conf *conf, int number, const char *rejected)
{
	pid_t pid = find_daemon(conf);
	const struct stats *s;
	uint32_t started;

	if (pid == 0)
		return EXIT_FAILURE;
	s = open_stats(conf);
	if (!s)
		return EXIT_FAILURE;
	started = s->reloads_started;
	if (kill(pid, number) != 0)
		return fail("pid %ld: %s", (long)pid, strerror(errno));
	return await_reload(conf, pid, s, started + 1, rejected);
}

static int run_reload(const struct conf *conf, char **args)
{
	(void)args;
	return signal_and_wait(conf, SIGHUP, "parleyd keeps the former settings");
}

static int run_reopen(const struct conf *conf, char **args)
{
	(void)args;
	return signal_and_wait(conf, SIGUSR1, "parleyd keeps the former log");
}

static int run_stop(const struct conf *conf, char **args)
{
	int64_t deadline_ms = clock_mono_ms() + STOP_MS;
	pid_t pid = find_daemon(conf);

	(void)args;
	if (pid == 0)
		return EXIT_FAILURE;
	if (kill(pid, SIGTERM) != 0)
		return fail("pid %ld: %s", (long)pid, strerror(errno));
	while (pidfile_owner(conf->pid_file) == pid) {
		if (clock_mono_ms() >= deadline_ms)
			return fail(
				"pid %ld has not stopped within %d s", (long)pid, STOP_MS / 1000);
		pause_poll();
	}
	return EXIT_SUCCESS;
}

/* clang-format off */
static const struct command {
	const char *name;
	const char *arguments;  /* as --help prints them */
	int args_min, args_max;
	int (*run)(const struct conf *conf, char **args); /* args ends with NULL; returns the exit code */
	const char *doc;
} commands[] = {
	{ "migrate",        "",         0, 0, run_migrate,        "create the database and update its schema" },
	{ "reset-database", "--yes",    0, 1, run_reset_database, "delete all data in the database" },
	{ "token",          "USERNAME", 1, 1, run_token,          "create an access token and print it" },
	{ "new-epoch",      "",         0, 0, run_new_epoch,      "make all clients drop what they hold and sync" },
	{ "search",         "status|rebuild", 1, 1, run_search,   "print the state of the index of the search, or build it again" },
	{ "status",         "[--json]", 0, 1, run_status,         "print the state of the daemon and its workers" },
	{ "reload",         "",         0, 0, run_reload,         "reload the configuration of the daemon" },
	{ "reopen",         "",         0, 0, run_reopen,         "reopen the log file of the daemon" },
	{ "stop",           "",         0, 0, run_stop,           "stop the daemon and wait until it has exited" },
};
/* clang-format on */

static void print_usage(FILE *out)
{
	size_t i;

	fputs("usage: parleyctl -c FILE COMMAND [ARGUMENT...]\n\n", out);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-15s%-15s %s\n", commands[i].name, commands[i].arguments,
			commands[i].doc);
	fputs("\n  -c FILE      configuration file of the daemon, see parleyd.conf(5)\n"
	      "  --help       print this text, and exit\n"
	      "  --version    print the version, and exit\n",
		out);
}

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "parleyctl: %s%s (see parleyctl --help)\n", what, which);
	return EXIT_USAGE;
}

/* argv[0] is the command. */
static int run_command(const char *conf_path, int argc, char **argv)
{
	const struct command *command = NULL;
	struct buf error = BUF_EMPTY;
	struct conf *conf;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			command = &commands[i];
	if (!command)
		return usage_error("no such command: ", argv[0]);
	if (argc - 1 < command->args_min || argc - 1 > command->args_max)
		return usage_error("wrong number of arguments for ", command->name);
	conf = conf_load(conf_path, &error);
	if (conf) {
		rc = command->run(conf, argv + 1);
	} else {
		fail("%s", buf_cstr(&error));
		rc = EXIT_USAGE;
	}
	conf_free(conf);
	buf_fini(&error);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	const char *conf_path = NULL;
	int c, rc;

	while ((c = getopt_long(argc, argv, "+c:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			conf_path = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		case 'v':
			puts("parleyctl " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (!conf_path)
		return usage_error("-c FILE is missing", "");
	if (optind == argc)
		return usage_error("a command is missing", "");
	rc = run_command(conf_path, argc - optind, argv + optind);
	if (fflush(stdout) != 0)
		rc = fail("standard output: %s", strerror(errno));
	return rc;
}
