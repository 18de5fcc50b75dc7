#define _GNU_SOURCE 1
#include "net/hijack.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"

int hijack_fd(struct evhttp_connection *evcon, int placeholder, struct buf *rest)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
	struct evbuffer *input = bufferevent_get_input(bev);
	int old = bufferevent_getfd(bev);
	int fd = fcntl(old, F_DUPFD_CLOEXEC, 0);
	size_t len = evbuffer_get_length(input);

	if (fd < 0)
		return -1;
	FAULT("hijack.duplicated");
	/* Before dup3: epoll has the socket under the old number, and would continue to report it. */
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	if (evbuffer_copyout(input, buf_reserve(rest, len), len) != (ev_ssize_t)len)
		log_fatal("hijack_short bytes=%zu", len);
	rest->len += len;
	FAULT("hijack.drained");
	/* Cannot fail: both are open, and the process has one thread (dup(2), EBUSY). */
	if (dup3(placeholder, old, O_CLOEXEC) < 0)
		log_fatal("hijack_dup_failed error=\"%m\"");
	FAULT("hijack.replaced");
	evhttp_connection_free(evcon);
	FAULT("hijack.freed");
	return fd;
}
