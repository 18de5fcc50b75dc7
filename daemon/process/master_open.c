#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/pidfile.h"
#include "common/ring.h"
#include "common/stats.h"
#include "common/xalloc.h"
#include "net/listen.h"
#include "process/master_private.h"
#include "realtime/presence.h"

#define BIND_WAIT_MS 5000
#define FILES_BESIDE_CONNECTIONS 512

/* Logs that start-up failed, with errno. Returns false. */
static bool failed(const char *what, const char *which)
{
	log_error("cannot_start %s=%s error=\"%m\"", what, which);
	return false;
}

static bool open_user(struct master *m)
{
	if (geteuid() != 0 || m->conf->user[0] == '\0')
		return true;
	errno = 0;
	m->user = getpwnam(m->conf->user);
	if (!m->user && errno == 0)
		errno = ENOENT;
	return m->user || failed("user", m->conf->user);
}

static bool open_pid_file(struct master *m)
{
	pid_t owner;

	m->pid_fd = pidfile_open(m->conf->pid_file, &owner);
	if (m->pid_fd >= 0)
		return true;
	if (errno != EAGAIN)
		return failed("pid_file", m->conf->pid_file);
	log_error("already_running pid=%ld pid_file=%s", (long)owner, m->conf->pid_file);
	return false;
}

static bool open_listeners(struct master *m)
{
	const struct conf_list *addresses = &m->conf->listen;

	m->listen_fds = xcalloc(addresses->n, sizeof(*m->listen_fds));
	m->heritage.listen_fds = m->listen_fds;
	for (size_t i = 0; i < addresses->n; i++) {
		m->listen_fds[i] = listen_bind(addresses->items[i], BIND_WAIT_MS);
		if (m->listen_fds[i] < 0)
			return failed("listen", addresses->items[i]);
		m->heritage.n_listen++;
	}
	return true;
}

static unsigned count_workers(const struct conf *conf)
{
	cpu_set_t cores;
	int n = (int)conf->workers;

	if (n == 0)
		n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
	return n < HERITAGE_SLOTS_MAX ? (unsigned)n : HERITAGE_SLOTS_MAX;
}

static bool open_shared_memory(struct master *m)
{
	struct heritage *h = &m->heritage;

	h->n_slots = count_workers(m->conf);
	h->ring = ring_create((size_t)m->conf->ring_size, h->n_slots);
	if (!h->ring)
		return failed("part", "ring");
	h->presence = presence_create(h->n_slots, (size_t)m->conf->max_connections);
	if (!h->presence)
		return failed("part", "presence");
	stats_path(&m->status_path, m->conf->pid_file);
	h->stats = stats_create(buf_cstr(&m->status_path), h->n_slots);
	return h->stats || failed("status_file", buf_cstr(&m->status_path));
}

static bool open_channels(struct master *m)
{
	struct heritage *h = &m->heritage;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return failed("part", "pipe");
	h->master_fd = ends[0];
	m->life_fd = ends[1];
	h->schema_fd = eventfd(0, EFD_CLOEXEC);
	if (h->schema_fd < 0)
		return failed("part", "eventfd");
	h->hasher_fds = m->hasher_fds;
	h->hasher_ends = m->hasher_ends;
	for (unsigned i = 0; i < h->n_slots; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
			return failed("part", "socketpair");
		m->hasher_fds[i] = ends[0];
		m->hasher_ends[i] = ends[1];
	}
	return true;
}

bool master_publish_conf(struct master *m)
{
	struct buf text = BUF_EMPTY;
	bool written;

	conf_dump(m->conf, &text);
	written = ftruncate(m->heritage.conf_fd, 0) == 0 &&
		pwrite(m->heritage.conf_fd, text.data, text.len, 0) == (ssize_t)text.len;
	buf_fini(&text);
	m->heritage.conf = m->conf;
	return written;
}

static bool open_conf(struct master *m)
{
	m->heritage.conf_fd = memfd_create("parley-conf", MFD_CLOEXEC);
	return (m->heritage.conf_fd >= 0 && master_publish_conf(m)) || failed("part", "config");
}

/* Raises the limit of open files to what max_connections needs, up to the hard limit. */
static void raise_files_limit(const struct conf *conf)
{
	rlim_t wanted = (rlim_t)conf->max_connections + FILES_BESIDE_CONNECTIONS;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
		return;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < wanted)
		log_warn("files_limit_low limit=%ju max_connections=%ld", (uintmax_t)files.rlim_cur,
			conf->max_connections);
}

void master_set_dumpable(const struct conf *conf)
{
	if (prctl(PR_SET_DUMPABLE, conf->core_dumps ? 1 : 0) != 0)
		log_fatal("set_dumpable_failed error=\"%m\"");
}

void master_chown_log(const struct master *m)
{
	if (m->user && log_chown(m->user->pw_uid, m->user->pw_gid) != 0)
		log_warn("log_chown_failed error=\"%m\"");
}

/* Opened last: earlier errors go to stderr. */
static bool open_log(struct master *m)
{
	if (log_open(m->conf->log_target, log_level_named(m->conf->log_level)) != 0)
		return failed("log_target", m->conf->log_target);
	master_chown_log(m);
	return true;
}

bool master_open(struct master *m)
{
	master_set_dumpable(m->conf);
	if (!open_user(m) || !open_pid_file(m) || !open_listeners(m) || !open_shared_memory(m) ||
		!open_channels(m) || !open_conf(m) || !open_log(m))
		return false;
	if (geteuid() == 0 && !m->user)
		log_warn("children_run_as_root setting=user");
	raise_files_limit(m->conf);
	return true;
}

/* The end of the process closes the remaining descriptors and mappings. */
void master_close(struct master *m)
{
	ring_free(m->heritage.ring);
	presence_free(m->heritage.presence);
	free(m->listen_fds);
	if (m->heritage.stats)
		unlink(buf_cstr(&m->status_path));
	if (m->pid_fd >= 0)
		pidfile_close(m->conf->pid_file, m->pid_fd);
	buf_fini(&m->status_path);
	conf_free(m->conf);
	free(m->conf_path);
}
