/*
 * hijack: takes a connection's socket out of evhttp, for another protocol.
 *
 * Owns: nothing. Knows nothing of: that protocol.
 *
 *   evhttp ── fd 7 ─► socket          evhttp ── fd 7 ─► placeholder   (shut down and closed by evhttp)
 *                            ═══►
 *                                     caller ── fd 9 ─► socket
 *
 * evhttp_connection_free shuts its socket down before it closes it, and a duplicate shares the shutdown. So evhttp's
 * descriptor is first pointed at a placeholder, for which a shutdown has no effect.
 */
#ifndef PARLEY_HIJACK_H
#define PARLEY_HIJACK_H

#include <event2/http.h>

#include "common/buf.h"

/*
 * Takes the socket and frees evcon, its requests and its bufferevent; evcon's close callback is called meanwhile. What
 * evhttp had to write is dropped. May be called inside evhttp's request callback.
 *   evcon        of a server, with a plain bufferevent_socket, on an event base without
 *                EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST, which would remove the fd from epoll only later
 *   placeholder  any descriptor; remains the caller's
 *   rest         bytes that were read behind the request are appended
 * Returns the new descriptor (close-on-exec, non-blocking as before), or -1 with errno of fcntl(2) F_DUPFD_CLOEXEC
 * (EMFILE) and nothing changed.
 */
int hijack_fd(struct evhttp_connection *evcon, int placeholder, struct buf *rest);

#endif
