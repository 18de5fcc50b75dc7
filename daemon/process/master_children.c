#define _GNU_SOURCE 1
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/hasher.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/stats.h"
#include "process/master_private.h"
#include "process/migrator.h"
#include "process/worker.h"
#include "realtime/presence.h"
#include "store/indexer.h"

#define DELAY_MIN_MS 100 /* before a child that died early is replaced; then doubled */
#define DELAY_MAX_MS 10000
#define LONG_LIVED_MS 30000

/* --- in the child, after the fork --- */

/*
 * SIGHUP and SIGUSR1 stay blocked, as they are in the master, until the child has its handlers: one that comes earlier
 * is pending and not lost. A terminal sends SIGINT to all processes; the master passes it on as SIGTERM.
 */
static void child_set_signals(void)
{
	sigset_t blocked;

	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Closes what only the master or other children use. */
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
	/* setuid has reset it to fs.suid_dumpable (prctl(2)). */
	master_set_dumpable(m->conf);
}

static void __attribute__((noreturn)) child_run(struct master *m, const struct child *c)
{
	char name[32];

	child_set_signals();
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
	case CHILD_INDEXER:
		log_set_context("indexer");
		m->heritage.slot = m->heritage.n_slots + 1;
		child_become_user(m);
		exit(indexer_run(&m->heritage));
	case CHILD_WORKER:
		snprintf(name, sizeof(name), "worker=%u", c->slot);
		log_set_context(name);
		m->heritage.slot = c->slot;
		child_become_user(m);
		exit(worker_run(&m->heritage));
	}
	abort();
}

/* --- in the master --- */

static const char *child_name(const struct child *c)
{
	static const char *const names[] = { "migrator", "hasher", "indexer", "worker" };

	return names[c->kind];
}

void children_signal(const struct master *m, enum child_kind first, int number)
{
	for (unsigned i = 0; i < m->n_children; i++)
		if (m->children[i].kind >= first && m->children[i].pid > 0)
			kill(m->children[i].pid, number);
}

bool children_any(const struct master *m)
{
	for (unsigned i = 0; i < m->n_children; i++)
		if (m->children[i].pid > 0)
			return true;
	return false;
}

bool children_serving(const struct master *m)
{
	for (unsigned i = 0; i < m->heritage.n_slots; i++)
		if (m->heritage.stats->slots[i].serving)
			return true;
	return false;
}

int64_t children_next_start_ms(const struct master *m)
{
	int64_t next_ms = MASTER_NEVER;

	for (unsigned i = 0; i < m->n_children; i++)
		if (m->children[i].pid == 0 && m->children[i].start_at_ms < next_ms)
			next_ms = m->children[i].start_at_ms;
	return next_ms;
}

/* Its replacement starts at once if this child lived long, else after a delay that doubles. */
static void child_schedule(struct child *c, int64_t now_ms)
{
	int64_t delay_ms = c->delay_ms;

	if (now_ms - c->started_ms >= LONG_LIVED_MS)
		delay_ms = 0;
	else if (delay_ms < DELAY_MIN_MS)
		delay_ms = DELAY_MIN_MS;
	c->start_at_ms = now_ms + delay_ms;
	c->delay_ms = delay_ms * 2 < DELAY_MAX_MS ? delay_ms * 2 : DELAY_MAX_MS;
}

static void slot_open(struct master *m, unsigned slot)
{
	struct stats_slot *stats = &m->heritage.stats->slots[slot];

	stats->incarnation = m->heritage.incarnation;
	stats->connections = 0;
	stats->sockets = 0;
	stats->serving = 0;
	stats->alive = 1;
	presence_begin(m->heritage.presence, slot, clock_mono_ms());
}

/* Releases what a dead worker held in shared memory. */
static void slot_close(struct master *m, unsigned slot)
{
	struct stats_slot *stats = &m->heritage.stats->slots[slot];

	stats->alive = 0;
	stats->serving = 0;
	stats->pid = 0;
	presence_end(m->heritage.presence, slot, clock_mono_ms());
	ring_slot_reset(m->heritage.ring, slot);
}

static void child_start(struct master *m, struct child *c)
{
	c->started_ms = clock_mono_ms();
	c->start_at_ms = MASTER_NEVER;
	m->heritage.incarnation++;
	if (c->kind == CHILD_WORKER)
		slot_open(m, c->slot);
	c->pid = fork();
	if (c->pid == 0)
		child_run(m, c);
	if (c->pid < 0) {
		log_error("fork_failed child=%s error=\"%m\"", child_name(c));
		c->pid = 0;
		child_schedule(c, c->started_ms);
		if (c->kind == CHILD_WORKER)
			slot_close(m, c->slot);
		return;
	}
	if (c->kind == CHILD_WORKER)
		m->heritage.stats->slots[c->slot].pid = (uint32_t)c->pid;
	if (c->kind == CHILD_HASHER)
		m->heritage.stats->hasher_pid = (uint32_t)c->pid;
	if (c->kind == CHILD_INDEXER)
		m->heritage.stats->indexer_pid = (uint32_t)c->pid;
	log_info("%s_started slot=%u pid=%ld incarnation=%u", child_name(c), c->slot, (long)c->pid,
		m->heritage.incarnation);
}

static void child_died(struct child *c, int status)
{
	int64_t now_ms = clock_mono_ms();
	bool by_signal = WIFSIGNALED(status);

	log_error("%s_died slot=%u pid=%ld %s=%d lived_ms=%" PRId64, child_name(c), c->slot,
		(long)c->pid, by_signal ? "signal" : "exit",
		by_signal ? WTERMSIG(status) : WEXITSTATUS(status), now_ms - c->started_ms);
	child_schedule(c, now_ms);
}

static void worker_reaped(struct master *m, const struct child *c)
{
	slot_close(m, c->slot);
	/* It may have published a record without waking the readers, or committed without publishing. */
	ring_poke_all(m->heritage.ring);
	if (!m->stopping)
		children_signal(m, CHILD_WORKER, SIGUSR1);
}

/* Returns false if this was the migrator and the database cannot be used. */
static bool child_reaped(struct master *m, struct child *c, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	bool migrated = c->kind == CHILD_MIGRATOR && code == 0;
	bool rejected = c->kind == CHILD_MIGRATOR && code == MIGRATOR_REJECTED;

	if (!migrated && !rejected && !m->stopping)
		child_died(c, status);
	c->pid = 0;
	if (c->kind == CHILD_HASHER)
		m->heritage.stats->hasher_pid = 0;
	if (c->kind == CHILD_INDEXER)
		m->heritage.stats->indexer_pid = 0;
	if (c->kind == CHILD_WORKER)
		worker_reaped(m, c);
	return !rejected;
}

bool children_reap(struct master *m)
{
	bool usable = true;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < m->n_children; i++)
			if (m->children[i].pid == pid)
				usable = child_reaped(m, &m->children[i], status) && usable;
	return usable;
}

static void add_child(struct master *m, enum child_kind kind, unsigned slot)
{
	m->children[m->n_children++] = (struct child){ .kind = kind, .slot = slot };
}

void children_init(struct master *m)
{
	add_child(m, CHILD_MIGRATOR, 0);
	add_child(m, CHILD_HASHER, 0);
	if (m->conf->search)
		add_child(m, CHILD_INDEXER, 0);
	for (unsigned i = 0; i < m->heritage.n_slots; i++)
		add_child(m, CHILD_WORKER, i);
}

void children_start_due(struct master *m)
{
	int64_t now_ms = clock_mono_ms();

	for (unsigned i = 0; i < m->n_children && !m->stopping; i++)
		if (m->children[i].pid == 0 && m->children[i].start_at_ms <= now_ms)
			child_start(m, &m->children[i]);
}

void children_stop(struct master *m)
{
	children_signal(m, CHILD_MIGRATOR, SIGTERM);
	/* With these ends open, a worker would wait for an answer after the hasher has exited. */
	for (unsigned i = 0; i < m->heritage.n_slots; i++) {
		close(m->hasher_fds[i]);
		close(m->hasher_ends[i]);
	}
}
