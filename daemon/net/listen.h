/*
 * listen: sharing the listeners fairly between workers.
 *
 * Owns: when to accept, the slot's `connections` and `accepted` in struct stats.
 * Knows nothing of: what is done with a connection, HTTP.
 *
 * All workers watch the same sockets. One accepts only while it has not more connections than the
 * average of the live ones and a little; the others leave it to them. What is still waiting a few
 * ms later is taken all the same, so that a stopped worker strands nobody.
 *
 * The accepting itself is libevent's: each listener is an evconnlistener for another to put its
 * callback on (evhttp_bind_listener), which is enabled and disabled here.
 */
#ifndef PARLEY_LISTEN_H
#define PARLEY_LISTEN_H

#include <event2/event.h>
#include <event2/listener.h>

#include "heritage.h"

struct listen;

/*
 * Binds and listens on "ADDRESS:PORT", both numeric, an IPv6 address in brackets; port 0: any that
 * is free. For the master. EADDRINUSE is tried again for up to wait_ms (workers of a killed master
 * may still hold the port); 0: not. An IPv6 socket is for IPv6 alone. What is accepted from it has
 * TCP_NODELAY. Returns the fd (non-blocking, close-on-exec), or -1 with errno: EINVAL not such an
 * address, those of socket(2) and bind(2).
 */
int listen_bind(const char *address, int wait_ms);

/*
 * Makes an evconnlistener of each of h->listen_fds and begins to accept where a callback is set.
 * max_connections: of this worker, from 1; beyond it nothing is accepted. h must outlive it. One a
 * process.
 */
struct listen *listen_open(
	struct event_base *base, const struct heritage *h, unsigned max_connections);

/*
 * The i-th listener, NULL beyond the last. Whoever puts a callback on it frees it, after
 * listen_stop and before listen_close. The callback gets non-blocking, close-on-exec fds and calls
 * listen_accepted for each.
 */
struct evconnlistener *listen_at(const struct listen *l, size_t i);

/*
 * Called within the accept callback: counts the connection, and looks whether to go on. (A listener
 * disabled in its callback leaves its accept loop: libevent 2.1, listener_read_cb.)
 */
void listen_accepted(struct listen *l);

/* A connection that was counted is gone: counts it off and looks whether to accept. */
void listen_connection_closed(struct listen *l);

/*
 * Accepts no more and closes this process's listening sockets, so that the port is free once all
 * have done so. What is waiting there is left to the other workers. Connections are still counted
 * off.
 * Idempotent.
 */
void listen_stop(struct listen *l);

/* Frees l: after listen_stop, and not before the last connection has been counted off. */
void listen_close(struct listen *l);

#endif
