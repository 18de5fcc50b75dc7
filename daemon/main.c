/*
 * parleyd: the chat server (parleyd(8)).
 *
 *	parleyd (master)     opens listeners and shared memory, forks, reaps, forwards signals
 *	 |- migrator         creates the database and updates its schema, then exits
 *	 |- hasher           checks passwords, which would block an event loop
 *	 |- indexer          keeps the index of the search up to date
 *	 `- worker 0..n-1    one event loop each: HTTP, WebSocket, PostgreSQL
 *
 * Each worker accepts connections and serves them alone; workers notify each other through a ring in shared memory.
 * The master replaces a child that dies. If the master dies, its children finish what is in flight and exit.
 * A child starts in child_run() of master_children.c; a worker continues in worker_run().
 */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/conf.h"
#include "process/master.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: parleyd [-c FILE] [-F] [-t]\n"
	"  -c FILE        configuration file, see parleyd.conf(5) [" PARLEY_SYSCONFDIR
	"/parleyd.conf]\n"
	"  -F             stay in the foreground\n"
	"  -t             check the configuration, print all settings, and exit\n"
	"  -h, --help     print this text, and exit\n"
	"  -V, --version  print the version, and exit\n";

static int print_conf(const struct conf *conf)
{
	struct buf text = BUF_EMPTY;
	bool written;

	conf_dump(conf, &text);
	written = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
	buf_fini(&text);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(const char *conf_path, bool foreground, bool test)
{
	struct buf error = BUF_EMPTY;
	struct conf *conf = conf_load(conf_path, &error);
	int code;

	if (!conf) {
		fprintf(stderr, "parleyd: %s\n", buf_cstr(&error));
		buf_fini(&error);
		return EXIT_USAGE;
	}
	buf_fini(&error);
	if (!test)
		return master_run(conf_path, conf, foreground);
	code = print_conf(conf);
	conf_free(conf);
	return code;
}

/* A reload requested during start-up stays pending until the master takes signals; by default it would end the process. */
static void block_sighup(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	const char *conf_path = PARLEY_SYSCONFDIR "/parleyd.conf";
	bool foreground = false, test = false;
	int option;

	block_sighup();
	while ((option = getopt_long(argc, argv, "c:FthV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			conf_path = optarg;
			break;
		case 'F':
			foreground = true;
			break;
		case 't':
			test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("parleyd " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "parleyd: unexpected argument '%s'\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return run(conf_path, foreground, test);
}
