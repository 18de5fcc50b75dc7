#define _GNU_SOURCE 1
#include "process/master.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/hasher.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pidfile.h"
#include "common/ring.h"
#include "common/stats.h"
#include "heritage.h"
#include "migrations/migrate.h"
#include "net/listen.h"
#include "process/alloc.h"
#include "process/daemonize.h"
#include "process/worker.h"
#include "realtime/presence.h"

#define BIND_WAIT_MS 5000
#define STOP_MS 15000
#define DELAY_FIRST_MS 100 /* before a child that died young is replaced; then doubled */
#define DELAY_MOST_MS 10000
#define LONG_LIVED_MS 30000
#define MIGRATE_AGAIN_MS 1000
#define EXIT_NOT_OURS 3 /* the migrator's: the database is not for this program */
#define FILES_BESIDE_CONNECTIONS 512
#define NEVER INT64_MAX

enum child_kind { CHILD_MIGRATOR, CHILD_HASHER, CHILD_WORKER };

struct child {
	enum child_kind kind;
	unsigned slot; /* a worker's */
	pid_t pid; /* 0: not running */
	int64_t born_ms; /* clock_mono_ms, as all times here */
	int64_t due_ms; /* when to fork it; NEVER */
	int64_t delay_ms;
};

struct master {
	char *conf_path;
	struct conf *conf;
	struct heritage heritage;
	int *listen_fds;
	int hasher_fds[HERITAGE_SLOTS_MAX], hasher_ends[HERITAGE_SLOTS_MAX];
	int life_fd; /* the write end of heritage.master_fd: no child may have it */
	int pid_fd;
	struct buf status_path;
	struct passwd *user; /* whom the children run as; NULL: whoever started us */
	struct child children[HERITAGE_SLOTS_MAX + 2];
	unsigned n_children;
	bool stopping;
	int64_t kill_ms; /* when those that have not stopped are killed */
	int exit_code;
};

/* --- opening: each says on the log why it failed --- */

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

	m->listen_fds = calloc(addresses->n + 1, sizeof(*m->listen_fds));
	if (!m->listen_fds)
		return failed("listen", "addresses");
	m->heritage.listen_fds = m->listen_fds;
	for (size_t i = 0; i < addresses->n; i++) {
		m->listen_fds[i] = listen_bind(addresses->items[i], BIND_WAIT_MS);
		if (m->listen_fds[i] < 0)
			return failed("listen", addresses->items[i]);
		m->heritage.n_listen++;
	}
	return true;
}

static unsigned workers_wanted(const struct conf *conf)
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

	h->n_slots = workers_wanted(m->conf);
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

/* Puts the config in force where the workers read it at SIGHUP, and where those to come find it. */
static bool conf_publish(struct master *m)
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
	return (m->heritage.conf_fd >= 0 && conf_publish(m)) || failed("part", "config");
}

/* Descriptors for all connections, as far as the hard limit goes. */
static void raise_files_limit(const struct conf *conf)
{
	rlim_t wanted = (rlim_t)conf->max_connections + FILES_BESIDE_CONNECTIONS;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
		return;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < wanted)
		log_warn("few_files limit=%ju max_connections=%ld", (uintmax_t)files.rlim_cur,
			conf->max_connections);
}

/*
 * What is in memory stays out of cores, also of those that are piped to a program, whatever limit
 * is set; and out of the reach of other processes of the same account.
 */
static void set_dumpable(const struct conf *conf)
{
	if (prctl(PR_SET_DUMPABLE, conf->core_dumps ? 1 : 0) != 0)
		log_fatal("cannot_set dumpable error=\"%m\"");
}

/* Children that are not root must be able to open the log again, too. */
static void log_hand_over(const struct master *m)
{
	if (m->user && m->conf->log_target[0] == '/' &&
		lchown(m->conf->log_target, m->user->pw_uid, m->user->pw_gid) != 0)
		log_warn("log_owner error=\"%m\"");
}

/* The last to be opened, so that what goes wrong before is said on stderr. */
static bool open_log(struct master *m)
{
	if (log_open(m->conf->log_target, log_level_named(m->conf->log_level)) != 0)
		return failed("log_target", m->conf->log_target);
	log_hand_over(m);
	return true;
}

static void add_child(struct master *m, enum child_kind kind, unsigned slot)
{
	m->children[m->n_children++] = (struct child){ .kind = kind, .slot = slot };
}

static bool master_open(struct master *m)
{
	set_dumpable(m->conf);
	if (!open_user(m) || !open_pid_file(m) || !open_listeners(m) || !open_shared_memory(m) ||
		!open_channels(m) || !open_conf(m) || !open_log(m))
		return false;
	if (geteuid() == 0 && !m->user)
		log_warn("children_run_as_root setting=user");
	raise_files_limit(m->conf);
	add_child(m, CHILD_MIGRATOR, 0);
	add_child(m, CHILD_HASHER, 0);
	for (unsigned i = 0; i < m->heritage.n_slots; i++)
		add_child(m, CHILD_WORKER, i);
	return true;
}

/* Descriptors and mappings are given back by the end of the process. */
static void master_close(struct master *m)
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

/* --- in a child, after the fork --- */

/* Until it has handlers of its own a child is deaf to what would end it by default. */
static void child_take_signals(void)
{
	static const int deaf_to[] = { SIGINT, SIGHUP, SIGUSR1, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
		signal(deaf_to[i], SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_close_others(struct master *m, const struct child *c)
{
	struct heritage *h = &m->heritage;

	close(m->life_fd);
	close(m->pid_fd);
	for (unsigned i = 0; i < h->n_slots; i++) {
		if (c->kind != CHILD_HASHER)
			close(m->hasher_ends[i]);
		if (c->kind != CHILD_WORKER || c->slot != i)
			close(m->hasher_fds[i]);
	}
	for (size_t i = 0; c->kind != CHILD_WORKER && i < h->n_listen; i++)
		close(h->listen_fds[i]);
}

static void child_become_user(const struct master *m)
{
	const struct passwd *user = m->user;

	if (user &&
		(initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
			setuid(user->pw_uid) != 0))
		log_fatal("cannot_become user=%s error=\"%m\"", user->pw_name);
	/* The kernel has just set it anew, to fs.suid_dumpable (prctl(2)). */
	set_dumpable(m->conf);
}

/* Tries until the database can be reached; the workers answer 503 meanwhile. */
static int migrator_run(const struct heritage *h)
{
	struct pollfd master = { .fd = h->master_fd, .events = POLLIN };
	struct buf why = BUF_EMPTY;
	enum migrate_result result;
	bool said = false;

	while ((result = migrate_run(h->conf->database, &why)) == MIGRATE_UNREACHABLE) {
		if (!said)
			log_warn("database_unreachable why=\"%s\"", buf_cstr(&why));
		said = true;
		if (poll(&master, 1, MIGRATE_AGAIN_MS) > 0)
			return 0;
	}
	if (result == MIGRATE_DONE)
		log_info("schema_ready version=%d", migrate_version());
	else
		log_error("schema_refused why=\"%s\"", buf_cstr(&why));
	buf_fini(&why);
	return result == MIGRATE_DONE ? 0 : EXIT_NOT_OURS;
}

static void __attribute__((noreturn)) child_run(struct master *m, const struct child *c)
{
	char name[32];

	child_take_signals();
	child_close_others(m, c);
	switch (c->kind) {
	case CHILD_MIGRATOR:
		log_set_context("migrator");
		child_become_user(m);
		exit(migrator_run(&m->heritage));
	case CHILD_HASHER:
		log_set_context("hasher");
		m->heritage.slot = m->heritage.n_slots;
		child_become_user(m);
		exit(hasher_run(&m->heritage));
	case CHILD_WORKER:
		snprintf(name, sizeof(name), "worker=%u", c->slot);
		log_set_context(name);
		m->heritage.slot = c->slot;
		child_become_user(m);
		exit(worker_run(&m->heritage));
	}
	abort();
}

/* --- the children, as the master sees them --- */

static const char *child_name(const struct child *c)
{
	static const char *const names[] = { "migrator", "hasher", "worker" };

	return names[c->kind];
}

static void children_signal(struct master *m, enum child_kind least, int number)
{
	for (unsigned i = 0; i < m->n_children; i++)
		if (m->children[i].kind >= least && m->children[i].pid > 0)
			kill(m->children[i].pid, number);
}

static bool any_child(const struct master *m)
{
	for (unsigned i = 0; i < m->n_children; i++)
		if (m->children[i].pid > 0)
			return true;
	return false;
}

/* The next one is forked at once if this one lived long, else after a delay that doubles. */
static void child_schedule(struct child *c, int64_t now_ms)
{
	int64_t delay_ms = c->delay_ms;

	if (now_ms - c->born_ms >= LONG_LIVED_MS)
		delay_ms = 0;
	else if (delay_ms < DELAY_FIRST_MS)
		delay_ms = DELAY_FIRST_MS;
	c->due_ms = now_ms + delay_ms;
	c->delay_ms = delay_ms * 2 < DELAY_MOST_MS ? delay_ms * 2 : DELAY_MOST_MS;
}

static void slot_open(struct master *m, unsigned slot)
{
	struct stats_slot *stats = &m->heritage.stats->slots[slot];

	stats->incarnation = m->heritage.incarnation;
	stats->connections = 0;
	stats->sockets = 0;
	stats->alive = 1;
	presence_begin(m->heritage.presence, slot, clock_mono_ms());
}

/* Nothing of a dead worker's may be waited for, and what it did not do any more is done for it. */
static void slot_close(struct master *m, unsigned slot)
{
	m->heritage.stats->slots[slot].alive = 0;
	m->heritage.stats->slots[slot].pid = 0;
	presence_end(m->heritage.presence, slot, clock_mono_ms());
	ring_slot_reset(m->heritage.ring, slot);
}

static void child_start(struct master *m, struct child *c)
{
	c->born_ms = clock_mono_ms();
	c->due_ms = NEVER;
	m->heritage.incarnation++;
	if (c->kind == CHILD_WORKER)
		slot_open(m, c->slot);
	c->pid = fork();
	if (c->pid == 0)
		child_run(m, c);
	if (c->pid < 0) {
		log_error("cannot_fork child=%s error=\"%m\"", child_name(c));
		c->pid = 0;
		child_schedule(c, c->born_ms);
		if (c->kind == CHILD_WORKER)
			slot_close(m, c->slot);
		return;
	}
	if (c->kind == CHILD_WORKER)
		m->heritage.stats->slots[c->slot].pid = (uint32_t)c->pid;
	if (c->kind == CHILD_HASHER)
		m->heritage.stats->hasher_pid = (uint32_t)c->pid;
	log_info("%s_started slot=%u pid=%ld incarnation=%u", child_name(c), c->slot, (long)c->pid,
		m->heritage.incarnation);
}

static void master_stop(struct master *m, int exit_code)
{
	if (m->stopping)
		return;
	log_info("stopping");
	m->stopping = true;
	m->exit_code = exit_code;
	m->kill_ms = clock_mono_ms() + STOP_MS;
	children_signal(m, CHILD_MIGRATOR, SIGTERM);
	/* A worker that asks the hasher once that has left is told so, instead of waiting. */
	for (unsigned i = 0; i < m->heritage.n_slots; i++) {
		close(m->hasher_fds[i]);
		close(m->hasher_ends[i]);
	}
}

static void child_died(struct child *c, int status)
{
	int64_t now_ms = clock_mono_ms();
	bool by_signal = WIFSIGNALED(status);

	log_error("%s_died slot=%u pid=%ld %s=%d lived_ms=%" PRId64, child_name(c), c->slot,
		(long)c->pid, by_signal ? "signal" : "exit",
		by_signal ? WTERMSIG(status) : WEXITSTATUS(status), now_ms - c->born_ms);
	child_schedule(c, now_ms);
}

static void child_reaped(struct master *m, struct child *c, int status)
{
	bool done = c->kind == CHILD_MIGRATOR && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	bool not_ours = c->kind == CHILD_MIGRATOR && WIFEXITED(status) &&
		WEXITSTATUS(status) == EXIT_NOT_OURS;

	if (!done && !not_ours && !m->stopping)
		child_died(c, status);
	c->pid = 0;
	if (c->kind == CHILD_HASHER)
		m->heritage.stats->hasher_pid = 0;
	if (c->kind == CHILD_WORKER) {
		slot_close(m, c->slot);
		/* It may have published and woken nobody, or committed and not published. */
		ring_poke_all(m->heritage.ring);
		if (!m->stopping)
			children_signal(m, CHILD_WORKER, SIGUSR1);
	}
	if (not_ours)
		master_stop(m, 1);
}

static void children_reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < m->n_children; i++)
			if (m->children[i].pid == pid)
				child_reaped(m, &m->children[i], status);
}

static void children_start_due(struct master *m)
{
	int64_t now_ms = clock_mono_ms();

	for (unsigned i = 0; i < m->n_children && !m->stopping; i++)
		if (m->children[i].pid == 0 && m->children[i].due_ms <= now_ms)
			child_start(m, &m->children[i]);
}

static void children_kill_late(struct master *m)
{
	if (!m->stopping || clock_mono_ms() < m->kill_ms)
		return;
	log_warn("stop_overdue after_ms=%d", STOP_MS);
	children_signal(m, CHILD_MIGRATOR, SIGKILL);
	m->kill_ms = NEVER;
}

/* --- signals --- */

static void master_reload(struct master *m)
{
	struct buf error = BUF_EMPTY;
	struct conf *conf = conf_load(m->conf_path, &error);
	const char *fixed = conf ? conf_needs_restart(m->conf, conf) : NULL;

	if (log_reopen() != 0)
		log_error("log_not_reopened error=\"%m\"");
	log_hand_over(m);
	if (!conf) {
		log_error("reload_refused error=\"%s\"", buf_cstr(&error));
	} else if (fixed) {
		log_warn("reload_refused needs_restart=%s", fixed);
		conf_free(conf);
	} else {
		conf_free(m->conf);
		m->conf = conf;
		if (!conf_publish(m))
			log_error("reload_failed error=\"%m\"");
		log_set_level(log_level_named(conf->log_level));
		log_info("reloaded");
	}
	buf_fini(&error);
	/* In any case, for their logs. */
	children_signal(m, CHILD_HASHER, SIGHUP);
}

static void signals_block(sigset_t *ours)
{
	static const int taken[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM };

	sigemptyset(ours);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		sigaddset(ours, taken[i]);
		signal(taken[i], SIG_DFL); /* SIGCHLD, ignored, would reap for us */
	}
	sigprocmask(SIG_BLOCK, ours, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
}

/* How long nothing has to be done unless a signal comes. */
static struct timespec idle_time(const struct master *m)
{
	int64_t due_ms = m->stopping ? m->kill_ms : NEVER, wait_ms;

	for (unsigned i = 0; i < m->n_children && !m->stopping; i++)
		if (m->children[i].pid == 0 && m->children[i].due_ms < due_ms)
			due_ms = m->children[i].due_ms;
	if (due_ms == NEVER)
		return (struct timespec){ .tv_sec = 3600 };
	wait_ms = due_ms - clock_mono_ms();
	if (wait_ms < 0)
		wait_ms = 0;
	return (struct timespec){ .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 };
}

static void signal_take(struct master *m, const sigset_t *ours)
{
	struct timespec idle = idle_time(m);

	switch (sigtimedwait(ours, NULL, &idle)) {
	case SIGCHLD:
		children_reap(m);
		break;
	case SIGHUP:
		if (!m->stopping)
			master_reload(m);
		break;
	case SIGINT:
	case SIGTERM:
		master_stop(m, 0);
		break;
	default:
		break; /* something is due */
	}
}

/* --- its life --- */

int master_run(const char *conf_path, struct conf *conf, bool foreground)
{
	struct master m = { .conf = conf, .pid_fd = -1, .status_path = BUF_EMPTY };
	int starter = -1, exit_code = 1;
	sigset_t ours;

	alloc_install_hooks();
	m.conf_path = strdup(conf_path);
	if (!m.conf_path)
		log_fatal("out of memory");
	if (!foreground && (starter = daemonize_begin(&exit_code)) < 0)
		goto out;
	signals_block(&ours);
	if (!master_open(&m))
		goto out;
	if (!foreground)
		daemonize_finish(starter, strcmp(conf->log_target, "stderr") == 0);
	log_info("started pid=%ld workers=%u", (long)getpid(), m.heritage.n_slots);

	while (!m.stopping || any_child(&m)) {
		children_start_due(&m);
		children_kill_late(&m);
		signal_take(&m, &ours);
	}
	exit_code = m.exit_code;
	log_info("stopped");
out:
	master_close(&m);
	return exit_code;
}
