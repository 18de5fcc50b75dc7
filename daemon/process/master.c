#define _GNU_SOURCE 1
#include "process/master.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stats.h"
#include "common/xalloc.h"
#include "process/alloc.h"
#include "process/daemonize.h"
#include "process/master_private.h"
#include "process/notify.h"

#define STOP_MS 15000
#define READY_POLL_MS 20
#define IDLE_MAX_MS 3600000

static void master_stop(struct master *m, int exit_code)
{
	if (m->stopping)
		return;
	log_info("stopping");
	notify_send("STOPPING=1");
	m->stopping = true;
	m->exit_code = exit_code;
	m->kill_at_ms = clock_mono_ms() + STOP_MS;
	children_stop(m);
}

static void kill_overdue_children(struct master *m)
{
	if (!m->stopping || clock_mono_ms() < m->kill_at_ms)
		return;
	log_warn("stop_overdue after_ms=%d", STOP_MS);
	children_signal(m, CHILD_MIGRATOR, SIGKILL);
	m->kill_at_ms = MASTER_NEVER;
}

/* Puts a new configuration in force, or appends to *error why it is rejected. */
static void reload_conf(struct master *m, struct buf *error)
{
	struct conf *conf = conf_load(m->conf_path, error);
	const char *fixed = conf ? conf_needs_restart(m->conf, conf) : NULL;

	if (!conf)
		return;
	if (fixed) {
		buf_addf(error, "%s: %s needs a restart", m->conf_path, fixed);
		conf_free(conf);
		return;
	}
	conf_free(m->conf);
	m->conf = conf;
	log_set_level(log_level_named(conf->log_level));
	if (!master_publish_conf(m))
		buf_addf(error, "the workers keep the former settings: %m");
}

static void notify_reloading(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "000",
		clock_mono_ms());
	notify_send(state);
}

/* The children reopen their logs at SIGHUP. Returns false with errno if the former file stays. */
static bool reopen_log(const struct master *m)
{
	if (log_reopen() != 0) {
		log_error("log_reopen_failed error=\"%m\"");
		return false;
	}
	master_chown_log(m);
	return true;
}

/* Counted as a reload, so that parleyctl can wait for it. */
static void master_reopen_log(struct master *m)
{
	struct buf error = BUF_EMPTY;

	stats_reload_start(m->heritage.stats);
	if (!reopen_log(m))
		buf_addf(&error, "%s: %m", m->conf->log_target);
	children_signal(m, CHILD_HASHER, SIGHUP);
	stats_reload_finish(m->heritage.stats, buf_cstr(&error));
	buf_fini(&error);
}

static void master_reload(struct master *m)
{
	struct buf error = BUF_EMPTY;

	if (m->notified_ready)
		notify_reloading();
	stats_reload_start(m->heritage.stats);
	reopen_log(m);
	reload_conf(m, &error);
	if (error.len > 0)
		log_error("reload_rejected why=\"%s\"", buf_cstr(&error));
	else
		log_info("reloaded");
	/* Also if the configuration is rejected: the children reopen their logs. */
	children_signal(m, CHILD_HASHER, SIGHUP);
	stats_reload_finish(m->heritage.stats, buf_cstr(&error));
	if (m->notified_ready)
		notify_send("READY=1");
	buf_fini(&error);
}

static void notify_if_ready(struct master *m)
{
	if (m->notified_ready || m->stopping || !children_serving(m))
		return;
	notify_send("READY=1");
	m->notified_ready = true;
}

/*
 * Blocks the signals that take_signal waits for. In a child they stay pending until it has its handlers.
 */
static void block_signals(sigset_t *awaited)
{
	static const int numbers[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1 };

	sigemptyset(awaited);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(awaited, numbers[i]);
	sigprocmask(SIG_BLOCK, awaited, NULL);
	/* The caller may have ignored them; the kernel reaps children if SIGCHLD is ignored. */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

/* The time until something is to be done even if no signal arrives. */
static struct timespec idle_time(const struct master *m)
{
	int64_t now_ms = clock_mono_ms();
	int64_t next_ms = m->stopping ? m->kill_at_ms : children_next_start_ms(m);
	int64_t wait_ms = next_ms - now_ms < IDLE_MAX_MS ? next_ms - now_ms : IDLE_MAX_MS;

	if (!m->notified_ready && !m->stopping && wait_ms > READY_POLL_MS)
		wait_ms = READY_POLL_MS;
	if (wait_ms < 0)
		wait_ms = 0;
	return (struct timespec){ .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 };
}

static void take_signal(struct master *m, const sigset_t *awaited)
{
	struct timespec idle = idle_time(m);

	switch (sigtimedwait(awaited, NULL, &idle)) {
	case SIGCHLD:
		if (!children_reap(m))
			master_stop(m, 1);
		break;
	case SIGHUP:
		if (!m->stopping)
			master_reload(m);
		break;
	case SIGUSR1:
		if (!m->stopping)
			master_reopen_log(m);
		break;
	case SIGINT:
	case SIGTERM:
		master_stop(m, 0);
		break;
	default:
		break; /* timeout */
	}
}

int master_run(const char *conf_path, struct conf *conf, bool foreground)
{
	struct master m = { .conf = conf, .pid_fd = -1, .status_path = BUF_EMPTY };
	int starter = -1, exit_code = 1;
	sigset_t awaited;

	alloc_install_hooks();
	m.conf_path = xstrdup(conf_path);
	m.notified_ready = !notify_wanted();
	if (!foreground && (starter = daemonize_begin(&exit_code)) < 0)
		goto out;
	block_signals(&awaited);
	if (!master_open(&m))
		goto out;
	children_init(&m);
	if (!foreground)
		daemonize_finish(starter, strcmp(conf->log_target, "stderr") == 0);
	log_info("started pid=%ld workers=%u", (long)getpid(), m.heritage.n_slots);

	while (!m.stopping || children_any(&m)) {
		children_start_due(&m);
		kill_overdue_children(&m);
		notify_if_ready(&m);
		take_signal(&m, &awaited);
	}
	exit_code = m.exit_code;
	log_info("stopped");
out:
	master_close(&m);
	return exit_code;
}
