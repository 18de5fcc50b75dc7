/*
 * listen: the listening sockets, and how the workers share what arrives.
 *
 * Owns: when to accept; `connections` and `accepted` of the slot in struct stats.
 * Knows nothing of: what a connection is used for, HTTP.
 *
 * All workers watch the same sockets. A worker accepts while its number of connections is at most the average of the
 * live workers and SLACK; otherwise it leaves them to the others. If a connection still waits a few ms later the worker
 * accepts it all the same, since the others may be stopped.
 *
 * libevent accepts: each listener is an evconnlistener, to which another module attaches its callback
 * (evhttp_bind_listener); listen enables and disables it.
 */
#ifndef PARLEY_LISTEN_H
#define PARLEY_LISTEN_H

#include <event2/event.h>
#include <event2/listener.h>

#include "heritage.h"

struct listen;

/*
 * Binds a socket and listens. For the master. An IPv6 socket accepts IPv6 only. Accepted sockets inherit TCP_NODELAY.
 *   address  "ADDRESS:PORT", both numeric, an IPv6 address in brackets; port 0: any free one
 *   wait_ms  how long to try again after EADDRINUSE, since workers of a killed master may still have the port; 0: not
 * Returns the fd (non-blocking, close-on-exec), or -1 with errno: EINVAL for a malformed address, those of socket(2) and
 * bind(2).
 */
int listen_bind(const char *address, int wait_ms);

/*
 * Makes an evconnlistener of each of h->listen_fds; a listener accepts once it has a callback. At most once per process.
 *   h                must outlive the result
 *   max_connections  of this worker, from 1; beyond it nothing is accepted
 */
struct listen *listen_open(
	struct event_base *base, const struct heritage *h, unsigned max_connections);

/*
 * The i-th listener, NULL after the last. The module that attaches a callback frees the listener, after listen_stop and
 * before listen_close. The callback gets non-blocking, close-on-exec fds, and calls listen_accepted for each.
 */
struct evconnlistener *listen_at(const struct listen *l, size_t i);

/*
 * Called within the accept callback: counts the connection, and decides whether to continue. (A listener that is
 * disabled in its callback leaves its accept loop: libevent 2.1, listener_read_cb.)
 */
void listen_accepted(struct listen *l);

/* Subtracts a connection that has ended from the count, and decides whether to accept. */
void listen_connection_closed(struct listen *l);

/*
 * Stops accepting, and closes this process's listening sockets; the port is free when all processes have done so.
 * Connections that wait in the backlog are left to the other workers. Connections that end are still subtracted.
 * Idempotent.
 */
void listen_stop(struct listen *l);

/* Frees l: after listen_stop, and after the last connection has been subtracted. */
void listen_close(struct listen *l);

#endif
