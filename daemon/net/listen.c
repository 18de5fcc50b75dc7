#define _GNU_SOURCE 1
#include "net/listen.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stats.h"
#include "common/xalloc.h"

#define BACKLOG 4096 /* the kernel's default of somaxconn */
#define BIND_RETRY_MS 50
#define SLACK 2 /* connections above the average that are still within the share */
/* Accepts per loop pass, so that many new connections do not delay the others. */
#define BATCH 32
/* Accepts beyond the share after WAIT_MS. Few, so that a worker that was only late keeps its share. */
#define EXTRA 8
#define WAIT_MS 3
#define PAUSE_MS 100

/*
 *               beyond the share                  one is pending                 for WAIT_MS
 *   ACCEPTING ──────────────────────► DEFERRING ──────────────────► WAITING ──────────────────► EXTRA
 *      ▲                                  ▲                                                       │
 *      └──────────────────────────────────┴─────────── after WAIT_MS, by the share ◄──────────────┘
 */
enum listen_state {
	LISTEN_ACCEPTING,
	LISTEN_YIELDING, /* for the rest of this loop pass, after a batch */
	LISTEN_DEFERRING, /* beyond the share: leaves the next connections to the others */
	LISTEN_WAITING, /* one is pending: gives the others WAIT_MS to accept it */
	LISTEN_EXTRA, /* accepts a few beyond the share, since the others did not */
	LISTEN_FULL, /* until a connection ends */
	LISTEN_PAUSED, /* out of descriptors or memory, for PAUSE_MS */
	LISTEN_STOPPED
};

struct listen {
	const struct heritage *h;
	struct stats_slot *slot;
	struct event *timer;
	struct event **readable; /* one-shot, one per listener: a connection is pending */
	struct evconnlistener **listeners; /* freed by the module that uses them */
	uint64_t others_accepted; /* at the start of WAITING */
	unsigned max_connections;
	unsigned batch; /* accepts left in this loop pass */
	unsigned extra; /* accepts left beyond the share */
	enum listen_state state;
	bool pause_logged;
};

/*
 * The one of this process. evconnlistener passes the argument of the accept callback to the error callback too, and that
 * argument is another module's.
 */
static struct listen *the_listen;

/* --- the master's part --- */

/* Splits "ADDRESS:PORT" or "[ADDRESS]:PORT". */
static bool address_split(const char *address, char *host, size_t cap, const char **port)
{
	const char *colon = strrchr(address, ':');
	const char *end = colon;

	if (!colon || colon == address)
		return false;
	if (address[0] == '[') {
		address++;
		end--;
		if (end < address || *end != ']')
			return false;
	} else if (memchr(address, ':', (size_t)(colon - address))) {
		return false; /* an IPv6 address without its brackets */
	}
	if (end == address || (size_t)(end - address) >= cap)
		return false;
	memcpy(host, address, (size_t)(end - address));
	host[end - address] = '\0';
	*port = colon + 1;
	return true;
}

/* getaddrinfo accepts larger numbers, modulo 65536. */
static bool is_port(const char *port)
{
	size_t len = strlen(port);

	return len >= 1 && len <= 5 && strspn(port, "0123456789") == len && atoi(port) <= 65535;
}

static struct addrinfo *address_parse(const char *address)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[256];
	const char *port;

	if (!address_split(address, host, sizeof(host), &port) || !is_port(port))
		return NULL;
	return getaddrinfo(host, port, &hints, &found) == 0 ? found : NULL;
}

static int bind_once(const struct addrinfo *ai)
{
	int on = 1, error;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* Accepted sockets inherit TCP_NODELAY, which saves a system call per connection. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
		(ai->ai_family != AF_INET6 ||
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
		bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int listen_bind(const char *address, int wait_ms)
{
	static const struct timespec retry = { 0, BIND_RETRY_MS * 1000000L };
	struct addrinfo *ai = address_parse(address);
	int64_t deadline_ms = clock_mono_ms() + wait_ms;
	int fd, error;

	if (!ai) {
		errno = EINVAL;
		return -1;
	}
	while ((fd = bind_once(ai)) < 0 && errno == EADDRINUSE && clock_mono_ms() < deadline_ms)
		nanosleep(&retry, NULL);
	error = errno;
	freeaddrinfo(ai);
	errno = error;
	return fd;
}

/* --- the worker's part --- */

static unsigned timer_ms(enum listen_state state)
{
	switch (state) {
	case LISTEN_WAITING:
	case LISTEN_EXTRA:
		return WAIT_MS;
	case LISTEN_PAUSED:
		return PAUSE_MS;
	default:
		return 0;
	}
}

static bool accepts_in(enum listen_state state)
{
	return state == LISTEN_ACCEPTING || state == LISTEN_EXTRA;
}

/* Adds and deletes the events as the state requires. An idle worker has no timer. */
static void state_set(struct listen *l, enum listen_state state)
{
	struct timeval after = { 0, timer_ms(state) * 1000 };

	l->state = state;
	l->batch = BATCH;
	for (size_t i = 0; i < l->h->n_listen; i++) {
		if (accepts_in(state))
			evconnlistener_enable(l->listeners[i]);
		else
			evconnlistener_disable(l->listeners[i]);
		if (state == LISTEN_DEFERRING)
			event_add(l->readable[i], NULL);
		else
			event_del(l->readable[i]);
	}
	if (state == LISTEN_YIELDING || after.tv_usec != 0)
		event_add(l->timer, &after);
	else
		event_del(l->timer);
}

/* At least one worker is within its share: not all have more than the average. */
static bool within_share(const struct listen *l)
{
	uint64_t own = l->slot->connections, total = 0, live = 0;

	for (unsigned i = 0; i < l->h->n_slots; i++) {
		const struct stats_slot *slot = &l->h->stats->slots[i];

		if (slot != l->slot && !slot->alive)
			continue;
		total += slot->connections;
		live++;
	}
	return own * live <= total + SLACK * live;
}

static uint64_t others_accepted(const struct listen *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->h->n_slots; i++)
		if (&l->h->stats->slots[i] != l->slot)
			sum += l->h->stats->slots[i].accepted;
	return sum;
}

/* Accepts within the share, otherwise defers to the others. */
static void resume(struct listen *l)
{
	l->extra = 0;
	if (l->slot->connections >= l->max_connections)
		state_set(l, LISTEN_FULL);
	else
		state_set(l, within_share(l) ? LISTEN_ACCEPTING : LISTEN_DEFERRING);
}

void listen_accepted(struct listen *l)
{
	FAULT("accept.accepted");
	if (l->pause_logged)
		log_info("accept_resumed connections=%u", l->slot->connections);
	l->pause_logged = false;
	STATS_ADD(l->slot, accepted, 1);
	STATS_ADD(l->slot, connections, 1);
	if (l->slot->connections >= l->max_connections)
		state_set(l, LISTEN_FULL);
	else if (l->extra > 0 ? --l->extra == 0 : !within_share(l))
		state_set(l, LISTEN_DEFERRING);
	else if (--l->batch == 0)
		state_set(l, LISTEN_YIELDING);
}

static void on_pending(evutil_socket_t fd, short what, void *arg)
{
	struct listen *l = arg;

	(void)fd;
	(void)what;
	if (l->state != LISTEN_DEFERRING) /* another listener was first in this pass */
		return;
	l->others_accepted = others_accepted(l);
	state_set(l, LISTEN_WAITING);
}

/*
 * After WAITING: if no other worker has accepted meanwhile they may be stopped, and several are accepted; otherwise one,
 * which leaves the shares nearly equal.
 */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct listen *l = arg;

	(void)fd;
	(void)what;
	if (l->state == LISTEN_WAITING && !within_share(l)) {
		l->extra = others_accepted(l) == l->others_accepted ? EXTRA : 1;
		state_set(l, LISTEN_EXTRA);
		return;
	}
	resume(l);
}

/* Errors of a single connection that accept(2) reports. */
static bool is_of_connection(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPERM: /* by a firewall */
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

static void on_error(struct evconnlistener *listener, void *arg)
{
	struct listen *l = the_listen;

	(void)listener;
	(void)arg;
	if (is_of_connection(errno))
		return;
	if (!l->pause_logged)
		log_error("accept_paused connections=%u error=\"%m\"", l->slot->connections);
	l->pause_logged = true;
	state_set(l, LISTEN_PAUSED);
}

struct listen *listen_open(
	struct event_base *base, const struct heritage *h, unsigned max_connections)
{
	struct listen *l = xcalloc(1, sizeof(*l));

	assert(!the_listen);
	l->h = h;
	l->slot = &h->stats->slots[h->slot];
	l->max_connections = max_connections;
	l->timer = evtimer_new(base, on_timer, l);
	l->readable = xcalloc(h->n_listen, sizeof(struct event *));
	l->listeners = xcalloc(h->n_listen, sizeof(struct evconnlistener *));
	if (!l->timer)
		log_fatal("out_of_memory what=listen");
	for (size_t i = 0; i < h->n_listen; i++) {
		l->readable[i] = event_new(base, h->listen_fds[i], EV_READ, on_pending, l);
		l->listeners[i] = evconnlistener_new(
			base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, h->listen_fds[i]);
		if (!l->readable[i] || !l->listeners[i])
			log_fatal("out_of_memory what=listen");
		evconnlistener_set_error_cb(l->listeners[i], on_error);
	}
	the_listen = l;
	state_set(l, LISTEN_ACCEPTING);
	return l;
}

struct evconnlistener *listen_at(const struct listen *l, size_t i)
{
	return i < l->h->n_listen ? l->listeners[i] : NULL;
}

void listen_connection_closed(struct listen *l)
{
	assert(l->slot->connections > 0);
	STATS_ADD(l->slot, connections, -1u);
	if (l->state == LISTEN_FULL || (l->state == LISTEN_DEFERRING && within_share(l)))
		resume(l);
}

void listen_stop(struct listen *l)
{
	if (l->state == LISTEN_STOPPED)
		return;
	state_set(l, LISTEN_STOPPED);
	for (size_t i = 0; i < l->h->n_listen; i++)
		close(l->h->listen_fds[i]);
}

void listen_close(struct listen *l)
{
	assert(l->state == LISTEN_STOPPED);
	for (size_t i = 0; i < l->h->n_listen; i++)
		event_free(l->readable[i]);
	event_free(l->timer);
	free(l->readable);
	free(l->listeners);
	free(l);
	the_listen = NULL;
}
