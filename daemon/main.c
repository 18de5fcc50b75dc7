/*
 * parleyd: the chat daemon (parleyd(8)).
 *
 *	parleyd (master)     opens the listeners and what is shared, forks, reaps, passes signals on
 *	 |- migrator         makes the database and brings its schema up to date, then leaves
 *	 |- hasher           passwords, off every event loop
 *	 `- worker 0..n-1    one event loop each: HTTP, WebSocket, PostgreSQL
 *
 * Workers serve all connections and talk to each other through a ring in shared memory. A child
 * that dies is replaced; children of a dead master finish what is in flight and leave. A child's
 * life begins in child_run() in master.c, a worker's goes on in worker_run().
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/conf.h"
#include "process/master.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: parleyd [-c FILE] [-F] [-t]\n"
	"  -c FILE        the settings, parleyd.conf(5) [" PARLEY_SYSCONFDIR "/parleyd.conf]\n"
	"  -F             stay in the foreground\n"
	"  -t             test the settings, print what is in force, and exit\n"
	"  -h, --help     print this, and exit\n"
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

int main(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	const char *conf_path = PARLEY_SYSCONFDIR "/parleyd.conf";
	bool foreground = false, test = false;
	int option;

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
		fprintf(stderr, "parleyd: what is '%s'?\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	return run(conf_path, foreground, test);
}
