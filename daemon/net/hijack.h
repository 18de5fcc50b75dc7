/*
 * takeover: a connection's socket out of evhttp, so that something else can go on with it.
 *
 * Owns: nothing. Knows nothing of: what comes next.
 *
 *   evhttp ── fd 7 ─► socket          evhttp ── fd 7 ─► dummy      (shut down and closed by evhttp)
 *                            ═══►
 *                                     caller ── fd 9 ─► socket
 *
 * evhttp_connection_free shuts its socket down before it closes it, which a plain duplicate shares;
 * so its descriptor is first pointed at something that can be shut down without harm.
 */
#ifndef PARLEY_HIJACK_H
#define PARLEY_HIJACK_H

#include <event2/http.h>

#include "common/buf.h"

/*
 * Takes the socket and frees evcon, its requests and its bufferevent; evcon's close callback is
 * called on the way. Whatever evhttp had to write is dropped. May be called where evhttp calls us
 * with a request.
 *   evcon  of a server, on a plain bufferevent_socket, and on an event base without
 *          EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST (which would forget the fd only later)
 *   dummy  any descriptor; stays the caller's
 *   rest   what had come behind the request is appended
 * Returns the new descriptor (close-on-exec, non-blocking as before), or -1 with errno of fcntl(2)
 * F_DUPFD_CLOEXEC (EMFILE):
 * then nothing has changed.
 */
int hijack_fd(struct evhttp_connection *evcon, int dummy, struct buf *rest);

#endif
