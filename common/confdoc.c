/*
 * confdoc: prints documents that the build generates from the table of settings.
 *
 *	confdoc sample    the commented sample file
 *	confdoc man FILE  FILE, with the line @SETTINGS@ replaced by the list of settings
 */
#include <stdio.h>
#include <string.h>

#include "common/conf.h"

static int put_man(const char *path)
{
	struct buf settings = BUF_EMPTY;
	FILE *in = fopen(path, "r");
	char line[1024];
	int failed;

	if (!in) {
		perror(path);
		return 1;
	}
	conf_doc_man(&settings);
	while (fgets(line, sizeof(line), in))
		fputs(strcmp(line, "@SETTINGS@\n") == 0 ? buf_cstr(&settings) : line, stdout);
	failed = ferror(in);
	fclose(in);
	buf_fini(&settings);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct buf sample = BUF_EMPTY;
	int rc = 0;

	if (argc == 3 && strcmp(argv[1], "man") == 0) {
		rc = put_man(argv[2]);
	} else if (argc == 2 && strcmp(argv[1], "sample") == 0) {
		conf_doc_sample(&sample);
		fputs(buf_cstr(&sample), stdout);
		buf_fini(&sample);
	} else {
		fputs("usage: confdoc sample | man FILE\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? rc : 1;
}
