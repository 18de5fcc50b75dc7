#define _GNU_SOURCE 1
#include "tests/unit/pg.h"

#include <check.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "migrations/migrate.h"

#define START_MS 60000

static char directory[] = "/tmp/parley-unit-XXXXXX";
static char bindir[256], conninfo[128];
static pid_t server;

static void die(const char *why)
{
	fprintf(stderr, "private PostgreSQL: %s\n", why);
	exit(EXIT_FAILURE);
}

static const struct passwd *account(void)
{
	const struct passwd *p = getpwnam("postgres");

	return p != NULL ? p : getpwnam("nobody");
}

/* Finds the newest version in Debian's directory. */
static void find_bindir(void)
{
	glob_t found;
	int newest = 0;

	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
		die("initdb not found: install postgresql");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int version = atoi(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"));

		if (version > newest)
			snprintf(bindir, sizeof(bindir), "/usr/lib/postgresql/%d/bin",
				newest = version);
	}
	globfree(&found);
}

/* Runs a program of PostgreSQL's in a child that ends with us, with its output in the log. Returns its pid. */
static pid_t run(const char *program, char *argv[])
{
	char path[512], log[512];
	pid_t child, parent = getpid();

	snprintf(path, sizeof(path), "%s/%s", bindir, program);
	snprintf(log, sizeof(log), "%s/log", directory);
	child = fork();
	if (child != 0)
		return child;
	if (geteuid() == 0) {
		const struct passwd *p = account();

		if (p == NULL || setgid(p->pw_gid) != 0 || setuid(p->pw_uid) != 0)
			_exit(126);
	}
	/* After setuid, which resets it (prctl(2)). */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	setsid();
	if (getppid() != parent || chdir("/") != 0 || freopen("/dev/null", "r", stdin) == NULL ||
		freopen(log, "a", stdout) == NULL || freopen(log, "a", stderr) == NULL)
		_exit(126);
	argv[0] = path; /* by which PostgreSQL's programs find each other */
	execv(path, argv);
	_exit(127);
}

static void make_cluster(void)
{
	char data[64];
	char *argv[] = { (char[]){ "initdb" }, (char[]){ "-D" }, data, (char[]){ "-Uparley" },
		(char[]){ "-Atrust" }, (char[]){ "-EUTF8" }, (char[]){ "--locale=C.UTF-8" },
		(char[]){ "--no-sync" }, NULL };
	int status;

	snprintf(data, sizeof(data), "%s/data", directory);
	if (waitpid(run("initdb", argv), &status, 0) < 0 || status != 0)
		die("initdb failed");
}

static void wait_until_it_answers(void)
{
	for (int ms = 0; PQping(conninfo) != PQPING_OK; ms += 20) {
		int status;

		if (ms >= START_MS || waitpid(server, &status, WNOHANG) != 0)
			die("it does not start; see its log");
		nanosleep(&(const struct timespec){ 0, 20000000 }, NULL);
	}
}

void pg_restart(void)
{
	char data[64], socket_dir[128];
	char *argv[] = { (char[]){ "postgres" }, (char[]){ "-D" }, data,
		(char[]){ "-clisten_addresses=" }, socket_dir, (char[]){ "-cfsync=off" },
		(char[]){ "-cmax_connections=100" }, (char[]){ "-cshared_buffers=32MB" }, NULL };

	snprintf(data, sizeof(data), "%s/data", directory);
	snprintf(socket_dir, sizeof(socket_dir), "-cunix_socket_directories=%s", directory);
	server = run("postgres", argv);
	wait_until_it_answers();
}

void pg_start(void)
{
	struct buf why = BUF_EMPTY;

	find_bindir();
	if (mkdtemp(directory) == NULL)
		die("no temporary directory");
	chmod(directory, 0755);
	if (geteuid() == 0 &&
		(account() == NULL || chown(directory, account()->pw_uid, account()->pw_gid) != 0))
		die("no account to run it as");
	snprintf(conninfo, sizeof(conninfo), "host=%s user=parley dbname=parley", directory);
	make_cluster();
	pg_restart();
	if (migrate_run(conninfo, &why) != MIGRATE_DONE)
		die(buf_cstr(&why));
	buf_fini(&why);
}

void pg_crash(void)
{
	int status;

	kill(server, SIGQUIT);
	waitpid(server, &status, 0);
	server = 0;
}

void pg_stop(void)
{
	char *argv[] = { (char[]){ "rm" }, (char[]){ "-rf" }, directory, NULL };
	pid_t child;
	int status;

	if (server != 0)
		pg_crash();
	child = fork();
	if (child == 0) {
		execv("/bin/rm", argv);
		_exit(127);
	}
	waitpid(child, &status, 0);
}

const char *pg_conninfo(void)
{
	return conninfo;
}

const char *pg_directory(void)
{
	return directory;
}

PGconn *pg_connect(void)
{
	PGconn *pg = PQconnectdb(conninfo);

	PQclear(PQexec(pg, MIGRATE_SET_SEARCH_PATH));
	return pg;
}

PGconn *pg_hold(const char *sql, ...)
{
	PGconn *holder = pg_connect();
	char text[256];
	PGresult *r;
	va_list ap;

	va_start(ap, sql);
	vsnprintf(text, sizeof(text), sql, ap);
	va_end(ap);
	PQclear(PQexec(holder, "begin"));
	r = PQexec(holder, text);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s", PQerrorMessage(holder));
	PQclear(r);
	return holder;
}

void pg_release(PGconn *holder)
{
	PQclear(PQexec(holder, "rollback"));
	PQfinish(holder);
}

int64_t pg_number(const char *sql, ...)
{
	PGconn *pg = pg_connect();
	char text[4096];
	PGresult *r;
	int64_t n = 0;
	va_list ap;

	va_start(ap, sql);
	vsnprintf(text, sizeof(text), sql, ap);
	va_end(ap);
	r = PQexec(pg, text);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		ck_abort_msg("%s: %s", text, PQerrorMessage(pg));
	if (PQntuples(r) > 0)
		n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(pg);
	return n;
}
