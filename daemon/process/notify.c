#include "process/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

/* Sets the address of a path or, with a leading '@', of an abstract name (unix(7)); false with errno. */
static bool set_address(struct sockaddr_un *address, socklen_t *len, const char *name)
{
	size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n >= sizeof(address->sun_path)) {
		errno = EINVAL;
		return false;
	}
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, n);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

bool notify_wanted(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_send(const char *state)
{
	struct sockaddr_un address;
	socklen_t len;
	int fd;

	if (!notify_wanted())
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || !set_address(&address, &len, getenv("NOTIFY_SOCKET")) ||
		sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, len) <
			0)
		log_warn("notify_failed error=\"%m\"");
	if (fd >= 0)
		close(fd);
}
