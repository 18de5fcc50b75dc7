/*
 * failing_malloc: an allocator that fails on demand, loaded into the daemon by LD_PRELOAD. All other
 * allocations are passed to glibc.
 *
 * FAILING_MALLOC names a file that all processes map: an array of struct rule, written by the test.
 * The process with the pid of a rule counts its allocations down from `left`. The one that reaches 0
 * and the `run` - 1 after it return NULL with ENOMEM; `failed` counts them. The next process that is
 * forked takes a rule for NEXT_CHILD.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RULES 32
#define NEXT_CHILD (-1)

struct rule {
	_Atomic int64_t pid; /* written last; 0: unused */
	int64_t left; /* allocations up to the first failure */
	int64_t run; /* consecutive failures */
	int64_t failed;
};

/* glibc's allocator. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static struct rule *rules;
static int64_t own_pid;

static void after_fork(void)
{
	own_pid = getpid();
	for (int i = 0; rules && i < RULES; i++) {
		int64_t next = NEXT_CHILD;

		if (atomic_compare_exchange_strong(&rules[i].pid, &next, own_pid))
			return;
	}
}

static void __attribute__((constructor)) rules_open(void)
{
	const char *path = getenv("FAILING_MALLOC");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, RULES * sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	after_fork();
	pthread_atfork(NULL, NULL, after_fork);
	rules = at;
}

static int fails(void)
{
	for (int i = 0; rules && i < RULES; i++) {
		struct rule *r = &rules[i];

		if (r->pid != own_pid || r->run == 0 || --r->left > 0)
			continue;
		r->run--;
		r->failed++;
		errno = ENOMEM;
		return 1;
	}
	return 0;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}
