#include "store/db_lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"

struct db_lookup {
	atomic_int n_owners; /* the event loop and the thread; the last one frees it */
	atomic_bool done;
	int fd;
	char *name;
	struct db_lookup_result result;
};

static void release(struct db_lookup *l)
{
	if (atomic_fetch_sub(&l->n_owners, 1) > 1)
		return;
	close(l->fd);
	free(l->name);
	free(l);
}

static void keep_addresses(struct db_lookup_result *result, const struct addrinfo *found)
{
	for (; found != NULL && result->n < DB_LOOKUP_ADDRESSES_MAX; found = found->ai_next)
		if (getnameinfo(found->ai_addr, found->ai_addrlen, result->address[result->n],
			    DB_LOOKUP_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0)
			result->n++;
	if (result->n == 0)
		result->error = EAI_NONAME;
}

static void *run(void *arg)
{
	/* As libpq's. */
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct db_lookup *l = arg;

	l->result.error = getaddrinfo(l->name, NULL, &hints, &found);
	if (l->result.error == 0) {
		keep_addresses(&l->result, found);
		freeaddrinfo(found);
	}
	atomic_store(&l->done, true);
	eventfd_write(l->fd, 1);
	release(l);
	return NULL;
}

/* Returns an errno, 0 for success. The thread takes no signals. */
static int start_thread(struct db_lookup *l)
{
	pthread_attr_t detached;
	sigset_t all, former;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &detached, run, l);
	pthread_attr_destroy(&detached);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	return error;
}

struct db_lookup *db_lookup_start(const char *name)
{
	struct db_lookup *l = xcalloc(1, sizeof(*l));
	int error;

	l->n_owners = 2;
	l->name = xstrdup(name);
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = l->fd < 0 ? errno : start_thread(l);
	if (error == 0)
		return l;
	if (l->fd >= 0)
		close(l->fd);
	free(l->name);
	free(l);
	errno = error;
	return NULL;
}

int db_lookup_fd(const struct db_lookup *l)
{
	return l->fd;
}

const struct db_lookup_result *db_lookup_result(const struct db_lookup *l)
{
	return atomic_load(&l->done) ? &l->result : NULL;
}

void db_lookup_free(struct db_lookup *l)
{
	if (l != NULL)
		release(l);
}
