/*
 * failing_malloc: an allocator that fails when a test says so. Loaded into the daemon by LD_PRELOAD;
 * allocations go through to glibc's own.
 *
 * FAILING_MALLOC names a file that all processes map: an array of struct order, written by the test.
 * A process whose pid stands in one counts its allocations down from `left`; the one at which that
 * becomes 0, and the `run` - 1 that follow, get NULL and ENOMEM. `failed` tells the test how many
 * did. An order for NEXT_CHILD goes to the process that is forked next.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ORDERS 32
#define NEXT_CHILD (-1)

struct order {
	_Atomic int64_t pid; /* written last; 0: none */
	int64_t left; /* allocations until the first that fails */
	int64_t run; /* how many fail in a row */
	int64_t failed;
};

/* glibc's own names for its allocator. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static struct order *orders;
static int64_t own_pid;

static void after_fork(void)
{
	own_pid = getpid();
	for (int i = 0; orders && i < ORDERS; i++) {
		int64_t next = NEXT_CHILD;

		if (atomic_compare_exchange_strong(&orders[i].pid, &next, own_pid))
			return;
	}
}

static void __attribute__((constructor)) orders_open(void)
{
	const char *path = getenv("FAILING_MALLOC");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, ORDERS * sizeof(struct order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	after_fork();
	pthread_atfork(NULL, NULL, after_fork);
	orders = at;
}

static int fails(void)
{
	for (int i = 0; orders && i < ORDERS; i++) {
		struct order *o = &orders[i];

		if (o->pid != own_pid || o->run == 0 || --o->left > 0)
			continue;
		o->run--;
		o->failed++;
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
