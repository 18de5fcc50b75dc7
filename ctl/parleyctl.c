/*
 * parleyctl: looks after a parleyd and its database (parleyctl(8)).
 *
 * Owns: nothing that outlives a call. It reads the same settings as the daemon; what it tells of
 * a running one it sees in the pid file's lock and in the status file.
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
#define STOP_LOOK_MS 50

#define DIGEST_HEX_SIZE (2 + 2 * TOKEN_DIGEST_SIZE + 1)

/* Says why on stderr; returns the exit code of a command that failed. */
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

/* The same with what PostgreSQL says, which ends in a newline. */
static int fail_database(const char *message)
{
	return fail("%.*s", (int)strcspn(message, "\n"), message);
}

static int not_running(const struct conf *conf)
{
	return fail("parleyd does not run (%s is not locked)", conf->pid_file);
}

static int say_migrated(enum migrate_result result, struct buf *why)
{
	int rc = EXIT_SUCCESS;

	if (result == MIGRATE_DONE)
		printf("the schema is at version %d\n", migrate_version());
	else
		rc = fail("%s", buf_cstr(why));
	buf_fini(why);
	return rc;
}

static int run_migrate(const struct conf *conf, char **args)
{
	struct buf why = BUF_EMPTY;

	(void)args;
	return say_migrated(migrate_run(conf->database, &why), &why);
}

static int run_reset_database(const struct conf *conf, char **args)
{
	struct buf why = BUF_EMPTY;
	pid_t pid;

	if (!args[0] || strcmp(args[0], "--yes") != 0) {
		fail("reset-database deletes everything: say reset-database --yes");
		return EXIT_USAGE;
	}
	pid = pidfile_owner(conf->pid_file);
	if (pid != 0)
		return fail("parleyd runs (pid %ld): stop it first", (long)pid);
	return say_migrated(migrate_reset(conf->database, &why), &why);
}

/* A new token, and its digest as a bytea in hexadecimal. */
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

/* Usernames are ASCII, so folding them needs no locale. */
static char *fold(char *username)
{
	char *p;

	for (p = username; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return username;
}

static int run_token(const struct conf *conf, char **args)
{
	static const char sql[] =
		"insert into tokens (hash, user_id, expires_at) "
		"select $1::bytea, user_id, now() + make_interval(secs => $2::int) "
		"from users where username = $3 and deleted_at is null";
	char token[TOKEN_CHARS + 1], digest[DIGEST_HEX_SIZE], lifetime[24];
	const char *values[] = { digest, lifetime, fold(args[0]) };
	PGresult *r = NULL;
	PGconn *db;
	int rc = EXIT_SUCCESS;

	snprintf(lifetime, sizeof(lifetime), "%ld", conf->token_lifetime);
	db = PQconnectdb(conf->database);
	if (PQstatus(db) != CONNECTION_OK)
		rc = fail_database(PQerrorMessage(db));
	else if (!make_token(token, digest))
		rc = fail("no random bytes");
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

static void print_status(const struct stats *s)
{
	int64_t age_ms = clock_wall_ms() - s->started_wall_ms;
	uint32_t i;

	printf("parleyd runs: master %u, hasher %u, for %lld s\n", s->master_pid, s->hasher_pid,
		(long long)(age_ms / 1000));
	printf("%4s %8s %12s %8s %10s %10s\n", "slot", "pid", "connections", "sockets", "posts",
		"deliveries");
	for (i = 0; i < s->n_slots; i++) {
		const struct stats_slot *w = &s->slots[i];

		if (w->alive)
			printf("%4u %8u %12u %8u %10llu %10llu\n", i, w->pid, w->connections,
				w->sockets, (unsigned long long)w->posts,
				(unsigned long long)w->deliveries);
		else
			printf("%4u %8s\n", i, "dead");
	}
}

static int run_status(const struct conf *conf, char **args)
{
	struct buf path = BUF_EMPTY, json = BUF_EMPTY;
	const struct stats *s;
	int rc = EXIT_SUCCESS;

	if (args[0] && strcmp(args[0], "--json") != 0) {
		fail("status takes only --json");
		return EXIT_USAGE;
	}
	if (pidfile_owner(conf->pid_file) == 0)
		return not_running(conf);
	stats_path(&path, conf->pid_file);
	s = stats_open(buf_cstr(&path));
	if (!s) {
		rc = fail("%s: %s", buf_cstr(&path),
			errno == EPROTO ? "written by another version of parleyd"
					: strerror(errno));
	} else if (args[0]) {
		stats_put_json(&json, s);
		puts(buf_cstr(&json));
	} else {
		print_status(s);
	}
	buf_fini(&path);
	buf_fini(&json);
	return rc;
}

/*
 * The settings were read and checked before this: a file that the daemon would refuse does not
 * get here.
 */
static int run_reload(const struct conf *conf, char **args)
{
	pid_t pid = pidfile_owner(conf->pid_file);

	(void)args;
	if (pid == 0)
		return not_running(conf);
	if (kill(pid, SIGHUP) != 0)
		return fail("pid %ld: %s", (long)pid, strerror(errno));
	return EXIT_SUCCESS;
}

static int run_stop(const struct conf *conf, char **args)
{
	const struct timespec pause = { 0, STOP_LOOK_MS * 1000000L };
	int64_t deadline = clock_mono_ms() + STOP_MS;
	pid_t pid = pidfile_owner(conf->pid_file);

	(void)args;
	if (pid == 0)
		return not_running(conf);
	if (kill(pid, SIGTERM) != 0)
		return fail("pid %ld: %s", (long)pid, strerror(errno));
	while (pidfile_owner(conf->pid_file) == pid) {
		if (clock_mono_ms() >= deadline)
			return fail("pid %ld is still there after %d s", (long)pid, STOP_MS / 1000);
		nanosleep(&pause, NULL);
	}
	return EXIT_SUCCESS;
}

static const struct command {
	const char *name;
	const char *arguments; /* as --help shows them */
	int least, most; /* how many there may be */
	int (*run)(const struct conf *conf, char **args);
	const char *doc;
} commands[] = {
	{ "migrate", "", 0, 0, run_migrate, "create the database or bring its schema up to date" },
	{ "reset-database", "--yes", 0, 1, run_reset_database,
		"delete everything in the database" },
	{ "token", "USERNAME", 1, 1, run_token, "make an access token and print it" },
	{ "status", "[--json]", 0, 1, run_status, "tell what the daemon does" },
	{ "reload", "", 0, 0, run_reload, "have the daemon read its settings anew" },
	{ "stop", "", 0, 0, run_stop, "stop the daemon and wait for its end" },
};

static void print_usage(FILE *out)
{
	size_t i;

	fputs("usage: parleyctl -c FILE COMMAND [ARGUMENT...]\n\n", out);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-15s%-10s %s\n", commands[i].name, commands[i].arguments,
			commands[i].doc);
	fputs("\n  -c FILE      the settings of the daemon, see parleyd.conf(5)\n"
	      "  --help       this text\n"
	      "  --version    the version\n",
		out);
}

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "parleyctl: %s%s (see parleyctl --help)\n", what, which);
	return EXIT_USAGE;
}

/* argv begins with the command. */
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
	if (argc - 1 < command->least || argc - 1 > command->most)
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
