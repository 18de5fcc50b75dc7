/*
 * replay: runs a fuzz target over every file of the directories given as arguments, without a fuzzer
 * and with any compiler, so that `make check` repeats all inputs that were once found. The default
 * directory is FUZZ_CORPUS below $srcdir.
 */
#include <dirent.h>
#include <string.h>

#include "common/buf.h"
#include "tests/fuzz/fuzz.h"

#pragma weak LLVMFuzzerInitialize

static void run_file(const char *path)
{
	struct buf content = BUF_EMPTY;
	FILE *file = fopen(path, "rb");
	uint8_t *exact;
	size_t n;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	do {
		n = fread(buf_reserve(&content, 4096), 1, 4096, file);
		content.len += n;
	} while (n > 0);
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last line before an abort */
	exact = malloc(content.len); /* so that a sanitizer detects reads beyond it */
	if (exact == NULL && content.len > 0)
		abort();
	if (content.len > 0)
		memcpy(exact, content.data, content.len);
	LLVMFuzzerTestOneInput(exact, content.len);
	free(exact);
	buf_fini(&content);
}

/* Returns the number of files. */
static int run_directory(const char *name)
{
	struct buf path = BUF_EMPTY;
	struct dirent *entry;
	DIR *directory = opendir(name);
	int n = 0;

	if (directory == NULL) {
		perror(name);
		exit(1);
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		buf_reset(&path, SIZE_MAX);
		buf_addf(&path, "%s/%s", name, entry->d_name);
		run_file(buf_cstr(&path));
		n++;
	}
	closedir(directory);
	buf_fini(&path);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	if (argc == 1) {
		const char *srcdir = getenv("srcdir");
		struct buf corpus = BUF_EMPTY;

		buf_addf(&corpus, "%s/%s", srcdir ? srcdir : ".", FUZZ_CORPUS);
		n = run_directory(buf_cstr(&corpus));
		buf_fini(&corpus);
	}
	for (int i = 1; i < argc; i++)
		n += run_directory(argv[i]);
	printf("%d files\n", n);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
