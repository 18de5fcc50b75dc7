#define _GNU_SOURCE 1
#include "tests/fuzz/worker_harness.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/stats.h"
#include "net/listen.h"
#include "process/worker.h"
#include "realtime/presence.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/worker_harness_private.h"

#define IDLE_PASSES 6 /* of the loop without output: twice the longest chain of events */

struct event_base *harness_base;

static struct heritage heritage;
static sem_t started;
static int probe[2]; /* both ends of a connection */

/* The network. */

int harness_connect(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && getsockname(heritage.listen_fds[0], (struct sockaddr *)&a, &len) == 0);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		MUST(errno == EINTR); /* libFuzzer's timer */
	/* Otherwise the kernel delays a segment until the previous one is acknowledged. */
	MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(const int){ 1 }, sizeof(int)) == 0);
	return fd;
}

/*
 * Sent data may still be in the kernel's queue. There is one such queue per processor, in order, and this
 * process uses one processor: a byte that is sent last arrives last.
 */
static void network_settle(void)
{
	char c = 0;

	MUST(send(probe[0], &c, 1, 0) == 1);
	while (recv(probe[1], &c, 1, 0) != 1)
		MUST(errno == EINTR);
}

static void network_begin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	MUST(sched_setaffinity(0, sizeof(one), &one) == 0);
	probe[0] = harness_connect();
	while ((probe[1] = accept4(heritage.listen_fds[0], NULL, NULL, SOCK_CLOEXEC)) < 0)
		MUST(errno == EAGAIN || errno == EINTR);
}

/* The worker. */

int __wrap_event_base_dispatch(struct event_base *b); /* the linker's name */
int __wrap_event_base_dispatch(struct event_base *b)
{
	harness_base = b;
	sem_post(&started);
	for (;;) /* the stack of this thread belongs to the worker */
		pause();
}

static void *run_worker(void *arg)
{
	(void)arg;
	worker_run(&heritage);
	return NULL;
}

static struct conf *settings_of(const char *more)
{
	struct buf text = BUF_EMPTY, why = BUF_EMPTY;
	struct conf *conf;

	buf_addf(&text, "database = \"host=/nowhere\"\nrate_limits = false\n%s", more);
	conf = conf_parse("harness", buf_cstr(&text), &why);
	MUST(conf != NULL);
	buf_fini(&text);
	return conf;
}

void harness_start(const char *settings)
{
	static int listen_fd, hasher_ends[2], master_ends[2];
	char status[64];
	pthread_t thread;

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(status, sizeof(status), "/tmp/parley-fuzz-%d.status", (int)getpid());
	listen_fd = listen_bind("127.0.0.1:0", 0);
	MUST(listen_fd >= 0 && pipe(master_ends) == 0);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, hasher_ends) == 0);
	heritage = (struct heritage){ .conf = settings_of(settings),
		.conf_fd = -1,
		.listen_fds = &listen_fd,
		.n_listen = 1,
		.ring = ring_create(RING_CAPACITY_MIN, 1),
		.stats = stats_create(status, 1),
		.presence = presence_create(1, 100),
		.master_fd = master_ends[0],
		.schema_fd = master_ends[0], /* never readable: the store is a stand-in */
		.hasher_fds = hasher_ends,
		.n_slots = 1,
		.incarnation = 1 };
	unlink(status);
	MUST(heritage.ring != NULL && heritage.stats != NULL && heritage.presence != NULL);
	atomic_store(&heritage.stats->slots[0].alive, 1);
	atomic_store(&heritage.stats->slots[0].incarnation, 1);
	presence_begin(heritage.presence, 0, clock_mono_ms());
	sem_init(&started, 0, 0);
	MUST(pthread_create(&thread, NULL, run_worker, NULL) == 0);
	sem_wait(&started);
	/* The worker's signal handlers need a running loop; the fuzzer has its own. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	network_begin();
	harness_store_connected();
}

/* The clients' sockets. */

void harness_send(int fd, const void *bytes, size_t len)
{
	/* A shorter count means that the worker has closed the connection. */
	if (send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		MUST(errno == EPIPE || errno == ECONNRESET);
}

bool harness_receive(int fd, struct buf *in)
{
	for (unsigned idle = 0; idle < IDLE_PASSES; idle++) {
		ssize_t n;

		event_base_loop(harness_base, EVLOOP_NONBLOCK);
		network_settle();
		n = recv(fd, buf_reserve(in, 65536), 65536, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n < 0)
			continue;
		in->len += (size_t)n;
		idle = 0;
	}
	return true;
}

void harness_shutdown(int fd)
{
	shutdown(fd, SHUT_WR);
}

void harness_close(int fd)
{
	/* A reset leaves no port in TIME_WAIT. */
	setsockopt(
		fd, SOL_SOCKET, SO_LINGER, &(const struct linger){ 1, 0 }, sizeof(struct linger));
	close(fd);
}

void harness_reset(void)
{
	_Atomic uint32_t *left = &heritage.stats->slots[0].connections;

	for (unsigned i = 0; i < IDLE_PASSES; i++) {
		network_settle();
		event_base_loop(harness_base, EVLOOP_NONBLOCK);
	}
	MUST(atomic_load(left) == 0);
	MUST(atomic_load(&heritage.stats->slots[0].sockets) == 0);
	harness_store_reset();
}
