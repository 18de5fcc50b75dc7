#define _GNU_SOURCE 1
#include "process/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

static int parent_wait(int fd, pid_t child)
{
	char up;
	ssize_t n;
	int status;

	while ((n = read(fd, &up, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
}

int daemonize_begin(int *exit_code)
{
	int ends[2];
	pid_t child;

	*exit_code = 1;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		log_error("daemonize_failed error=\"%m\"");
		return -1;
	}
	child = fork();
	if (child < 0)
		log_error("daemonize_failed error=\"%m\"");
	if (child == 0) {
		close(ends[0]);
		setsid();
		return ends[1];
	}
	close(ends[1]);
	if (child > 0)
		*exit_code = parent_wait(ends[0], child);
	close(ends[0]);
	return -1;
}

void daemonize_finish(int fd, bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!keep_stderr)
			dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (write(fd, "", 1) != 1)
		log_warn("starter_exited error=\"%m\"");
	close(fd);
}
