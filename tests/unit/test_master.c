/*
 * Tests of the master: children, signals, files. Worker and migrations are fakes.
 */
#define _GNU_SOURCE 1
#include "process/master.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pidfile.h"
#include "common/ring.h"
#include "common/stats.h"
#include "migrations/migrate.h"
#include "process/worker.h"
#include "realtime/presence.h"
#include "store/indexer.h"
#include "suite.h"

#define WORKERS 3
#define SOON_MS 10000
#define USER 42

/* What the fakes do and report. */
static struct board {
	_Atomic int migrations; /* calls of migrate_run */
	_Atomic int unreachable; /* number of first calls that find no database */
	_Atomic int migrate_result; /* of the later calls */
	_Atomic int dies_early; /* true if worker 0 exits at once */
	_Atomic int ignores_sigterm; /* true if the workers ignore SIGTERM */
	_Atomic int start_delay_ms; /* of a worker, before it installs its handlers */
	struct {
		_Atomic int starts, reloads, deaths_signalled, pokes, sockets, uid;
		_Atomic uint32_t incarnation;
		_Atomic int sees_user; /* true if USER is online at the start */
		char text[8192]; /* configuration of the last reload */
	} workers[WORKERS];
} * board;

static char directory[64], conf_path[128], log_path[128], pid_path[128], status_path[128];
static int port;
static pid_t master_pid;

/* --- the fakes --- */

enum migrate_result migrate_run(const char *conninfo, struct buf *why)
{
	int call = ++board->migrations;

	ck_assert_str_eq(conninfo, "dbname=none");
	buf_reset(why, 0);
	buf_add_str(why, "because");
	return call <= board->unreachable ? MIGRATE_UNREACHABLE
					  : (enum migrate_result)board->migrate_result;
}

int migrate_version(void)
{
	return 1;
}

/* SIGTERM ends it. */
int indexer_run(const struct heritage *h)
{
	struct pollfd master = { .fd = h->master_fd, .events = POLLIN };

	while (poll(&master, 1, -1) <= 0)
		;
	return 0;
}

static volatile sig_atomic_t got_term, got_hup, got_usr1;

static void on_signal(int number)
{
	if (number == SIGTERM)
		got_term = 1;
	if (number == SIGHUP)
		got_hup = 1;
	if (number == SIGUSR1)
		got_usr1 = 1;
}

static int count_sockets(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	struct stat st;
	int n = 0;

	while ((entry = readdir(dir)))
		if (fstat(atoi(entry->d_name), &st) == 0 && S_ISSOCK(st.st_mode))
			n++;
	closedir(dir);
	return n;
}

static void worker_reload(const struct heritage *h)
{
	ssize_t n = pread(
		h->conf_fd, board->workers[h->slot].text, sizeof(board->workers[0].text) - 1, 0);

	board->workers[h->slot].text[n > 0 ? n : 0] = '\0';
	board->workers[h->slot].reloads++;
}

int worker_run(const struct heritage *h)
{
	struct pollfd fds[2] = { { .fd = h->master_fd, .events = POLLIN },
		{ .fd = ring_wake_fd(h->ring, h->slot), .events = POLLIN } };
	static const int taken[] = { SIGTERM, SIGHUP, SIGUSR1 };
	struct sigaction action = { .sa_handler = on_signal };
	uint64_t count;
	sigset_t none;

	usleep((useconds_t)board->start_delay_ms * 1000);
	for (int i = 0; i < 3; i++)
		sigaction(taken[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	board->workers[h->slot].incarnation = h->incarnation;
	board->workers[h->slot].sockets = count_sockets();
	board->workers[h->slot].uid = (int)geteuid();
	board->workers[h->slot].sees_user =
		presence_lookup(h->presence, USER, clock_mono_ms(), NULL) != PRESENCE_OFFLINE;
	if (h->slot == 1 && h->stats->slots[1].incarnation == h->incarnation)
		presence_add(h->presence, 1, USER);
	h->stats->slots[h->slot].serving = 1;
	board->workers[h->slot].starts++;
	if (board->dies_early && h->slot == 0)
		return 7;
	while (!(got_term && !board->ignores_sigterm)) {
		if (poll(fds, 2, 10) > 0 && fds[0].revents)
			return 0;
		if (fds[1].revents && read(fds[1].fd, &count, sizeof(count)) > 0)
			board->workers[h->slot].pokes++;
		if (got_hup)
			worker_reload(h);
		if (got_usr1)
			board->workers[h->slot].deaths_signalled++;
		got_hup = got_usr1 = 0;
	}
	return 0;
}

/* --- the daemon under test --- */

static void conf_write(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void conf_write(const char *fmt, ...)
{
	FILE *file = fopen(conf_path, "w");
	va_list ap;

	ck_assert_ptr_nonnull(file);
	fprintf(file, "listen = {\"127.0.0.1:%d\"}\nworkers = %d\ndatabase = \"dbname=none\"\n",
		port, WORKERS);
	fprintf(file, "ring_size = 1048576\npid_file = \"%s\"\nlog_target = \"%s\"\n", pid_path,
		log_path);
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int probe = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(probe, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(probe, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	close(probe);

	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(board, MAP_FAILED);
	board->migrate_result = MIGRATE_DONE;
	strcpy(directory, "/tmp/parley-master-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(directory, 0755), 0);
	snprintf(conf_path, sizeof(conf_path), "%s/conf", directory);
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	snprintf(pid_path, sizeof(pid_path), "%s/parleyd.pid", directory);
	snprintf(status_path, sizeof(status_path), "%s/parleyd.status", directory);
	master_pid = 0;
	conf_write("%s", "");
}

/* Starts a master, whose stderr is a file beside the log. */
static pid_t master_fork(bool foreground)
{
	struct buf error = BUF_EMPTY;
	struct conf *conf;
	char path[160];
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	snprintf(path, sizeof(path), "%s/stderr", directory);
	dup2(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
	conf = conf_load(conf_path, &error);
	if (!conf)
		fprintf(stderr, "%s\n", buf_cstr(&error));
	exit(conf ? master_run(conf_path, conf, foreground) : 99);
}

#define WAIT_FOR(condition)                                                                    \
	do {                                                                                   \
		int64_t deadline_ms_ = clock_mono_ms() + SOON_MS;                              \
		while (!(condition)) {                                                         \
			ck_assert_msg(clock_mono_ms() < deadline_ms_, "timeout: " #condition); \
			usleep(2000);                                                          \
		}                                                                              \
	} while (0)

static bool all_started(int times)
{
	for (int i = 0; i < WORKERS; i++)
		if (board->workers[i].starts < times)
			return false;
	return true;
}

static void daemon_start(void)
{
	master_pid = master_fork(true);
	WAIT_FOR(all_started(1));
}

static int exit_code_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int daemon_stop(void)
{
	pid_t pid = master_pid;

	master_pid = 0;
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	return exit_code_of(pid);
}

static void teardown(void)
{
	static const char *const names[] = { "conf", "log", "log.1", "stderr", "parleyd.pid",
		"parleyd.status" };
	char path[160];

	if (master_pid > 0)
		daemon_stop();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(directory), 0);
}

static const char *file_text(const char *path)
{
	static char text[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *stderr_text(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/stderr", directory);
	return file_text(path);
}

static int log_count(const char *what)
{
	const char *at = file_text(log_path);
	int n = 0;

	while ((at = strstr(at, what))) {
		at++;
		n++;
	}
	return n;
}

/* Returns the pid of a worker, which may have to start first. */
static pid_t worker_pid(unsigned slot)
{
	const struct stats *stats = stats_open(status_path);

	WAIT_FOR(stats->slots[slot].pid > 0);
	return (pid_t)stats->slots[slot].pid;
}

/* --- tests --- */

START_TEST(all_children_start_and_a_stop_removes_all_files)
{
	const struct stats *stats;
	pid_t pids[WORKERS];

	daemon_start();
	stats = stats_open(status_path);
	ck_assert_ptr_nonnull(stats);
	ck_assert_uint_eq(stats->n_slots, WORKERS);
	ck_assert_int_eq((pid_t)stats->master_pid, master_pid);
	ck_assert_int_eq(atoi(file_text(pid_path)), master_pid);
	ck_assert_int_eq(pidfile_owner(pid_path), master_pid);
	WAIT_FOR(stats->hasher_pid > 0 && kill((pid_t)stats->hasher_pid, 0) == 0);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert_uint_eq(stats->slots[i].alive, 1);
		WAIT_FOR(stats->slots[i].pid > 0);
		pids[i] = (pid_t)stats->slots[i].pid;
		ck_assert_uint_eq(stats->slots[i].incarnation, board->workers[i].incarnation);
		ck_assert_int_eq(board->workers[i].sockets, 1 + 1); /* listener, hasher's pair */
	}
	WAIT_FOR(log_count("schema_ready") == 1);
	ck_assert_int_eq(daemon_stop(), 0);
	ck_assert_int_ne(access(pid_path, F_OK), 0);
	ck_assert_int_ne(access(status_path, F_OK), 0);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert_uint_eq(stats->slots[i].alive, 0);
		ck_assert_uint_eq(stats->slots[i].pid, 0);
		ck_assert_int_ne(kill(pids[i], 0), 0);
	}
	ck_assert_int_eq(board->migrations, 1);
	ck_assert_int_eq(log_count("_died"), 0);
	ck_assert_str_eq(stderr_text(), "");
}
END_TEST

START_TEST(a_killed_worker_is_replaced_and_the_others_are_signalled)
{
	uint32_t former;
	int pokes;

	daemon_start();
	former = board->workers[1].incarnation;
	pokes = board->workers[0].pokes;
	ck_assert_int_eq(kill(worker_pid(1), SIGKILL), 0);
	WAIT_FOR(board->workers[1].starts == 2);
	ck_assert_uint_gt(board->workers[1].incarnation, former);
	ck_assert_int_eq(board->workers[1].sees_user, 1); /* was online at its predecessor */
	WAIT_FOR(
		board->workers[0].deaths_signalled == 1 && board->workers[2].deaths_signalled == 1);
	WAIT_FOR(board->workers[0].pokes > pokes);
	ck_assert_int_eq(board->workers[0].starts, 1);
	ck_assert_int_eq(board->workers[2].starts, 1);
	ck_assert_int_eq(log_count("worker_died slot=1"), 1);
	ck_assert_int_eq(log_count("signal=9"), 1);
	WAIT_FOR(stats_open(status_path)->slots[1].alive == 1);
}
END_TEST

START_TEST(a_killed_hasher_is_replaced)
{
	const struct stats *stats;
	uint32_t former;

	daemon_start();
	stats = stats_open(status_path);
	WAIT_FOR((former = stats->hasher_pid) > 0);
	ck_assert_int_eq(kill((pid_t)former, SIGKILL), 0);
	WAIT_FOR(stats->hasher_pid > 0 && stats->hasher_pid != former);
	ck_assert_int_eq(log_count("hasher_died"), 1);
	ck_assert_int_eq(board->workers[0].deaths_signalled, 0);
}
END_TEST

START_TEST(a_killed_indexer_is_replaced)
{
	const struct stats *stats;
	uint32_t former;

	daemon_start();
	stats = stats_open(status_path);
	WAIT_FOR((former = stats->indexer_pid) > 0);
	ck_assert_int_eq(kill((pid_t)former, SIGKILL), 0);
	WAIT_FOR(stats->indexer_pid > 0 && stats->indexer_pid != former);
	ck_assert_int_eq(log_count("indexer_died"), 1);
	ck_assert_int_eq(board->workers[0].deaths_signalled, 0);
}
END_TEST

/* Starts at 0, 100, 300, 700, 1500, 3100 ms: five within 2 s. */
START_TEST(a_worker_that_dies_early_is_replaced_with_growing_delays)
{
	board->dies_early = 1;
	daemon_start();
	usleep(2000000);
	ck_assert_int_ge(board->workers[0].starts, 4);
	ck_assert_int_le(board->workers[0].starts, 6);
	ck_assert_int_ge(log_count("exit=7"), 4);
	ck_assert_int_eq(board->workers[1].starts, 1);
	board->dies_early = 0;
}
END_TEST

START_TEST(a_second_start_fails_and_names_the_running_process)
{
	char who[64];

	daemon_start();
	ck_assert_int_eq(exit_code_of(master_fork(true)), 1);
	snprintf(who, sizeof(who), "already_running pid=%ld", (long)master_pid);
	ck_assert_ptr_nonnull(strstr(stderr_text(), who));
	ck_assert_int_eq(pidfile_owner(pid_path), master_pid); /* not changed */
	ck_assert_int_eq(atoi(file_text(pid_path)), master_pid);
	ck_assert_ptr_nonnull(stats_open(status_path));
}
END_TEST

START_TEST(the_pid_file_of_a_crashed_daemon_does_not_prevent_a_start)
{
	FILE *file = fopen(pid_path, "w");

	fprintf(file, "%ld and more than that\n", (long)getpid());
	fclose(file);
	ck_assert_int_eq(pidfile_owner(pid_path), 0);
	daemon_start();
	ck_assert_int_eq(atoi(file_text(pid_path)), master_pid);
	ck_assert_ptr_null(strstr(file_text(pid_path), "more"));
}
END_TEST

START_TEST(a_port_in_use_is_an_error_on_stderr)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int taken = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(taken, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(taken, 1), 0);
	ck_assert_int_eq(exit_code_of(master_fork(false)), 1);
	ck_assert_ptr_nonnull(strstr(stderr_text(), "Address already in use"));
	ck_assert_int_ne(access(pid_path, F_OK), 0);
	ck_assert_int_ne(access(status_path, F_OK), 0);
	ck_assert_int_eq(board->workers[0].starts, 0);
}
END_TEST

START_TEST(sighup_applies_live_settings_and_reopens_the_log)
{
	char rotated[160];

	daemon_start();
	snprintf(rotated, sizeof(rotated), "%s.1", log_path);
	ck_assert_int_eq(rename(log_path, rotated), 0);
	conf_write("ping_interval = 77\n");
	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	WAIT_FOR(board->workers[0].reloads == 1 && board->workers[2].reloads == 1);
	ck_assert_ptr_nonnull(strstr(board->workers[0].text, "ping_interval = 77"));
	WAIT_FOR(log_count("reloaded") == 1);
	ck_assert_int_eq(board->workers[0].starts, 1);
}
END_TEST

static void ck_refused(const char *word)
{
	int reloads = board->workers[1].reloads;

	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	WAIT_FOR(log_count(word) == 1);
	WAIT_FOR(board->workers[1].reloads > reloads);
	ck_assert_ptr_nonnull(strstr(board->workers[1].text, "ping_interval = 25"));
	ck_assert_int_eq(log_count("reloaded"), 0);
}

START_TEST(sighup_with_a_bad_or_fixed_setting_keeps_all_settings)
{
	daemon_start();
	conf_write("ping_interval = 77\nnonsense = 1\n");
	ck_refused("nonsense");
	conf_write("ping_interval = 77\nmax_connections = 100\n");
	ck_refused("max_connections needs a restart");
	ck_assert_int_eq(unlink(conf_path), 0);
	ck_refused("No such file");
}
END_TEST

START_TEST(a_reload_while_the_workers_start_reaches_them)
{
	board->start_delay_ms = 200;
	master_pid = master_fork(true);
	WAIT_FOR(log_count("worker_started") == WORKERS);
	conf_write("ping_interval = 77\n");
	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	WAIT_FOR(log_count("reloaded") == 1);
	ck_assert_int_eq(board->workers[0].starts, 0);
	for (int i = 0; i < WORKERS; i++) {
		WAIT_FOR(board->workers[i].reloads == 1);
		ck_assert_ptr_nonnull(strstr(board->workers[i].text, "ping_interval = 77"));
	}
	ck_assert_int_eq(log_count("_died"), 0);
}
END_TEST

static void ck_reload(uint32_t number, const char *error)
{
	const struct stats *stats = stats_open(status_path);

	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	WAIT_FOR(stats->reloads_finished == number);
	ck_assert_uint_eq(stats->reloads_started, number);
	ck_assert_str_eq(stats->reload_error, error);
}

START_TEST(the_status_file_has_the_outcome_of_each_reload)
{
	char error[256];

	daemon_start();
	ck_reload(1, "");
	conf_write("max_connections = 100\n");
	snprintf(error, sizeof(error), "%s: max_connections needs a restart", conf_path);
	ck_reload(2, error);
	conf_write("nonsense = 1\n");
	snprintf(error, sizeof(error), "%s:7: no such setting 'nonsense'", conf_path);
	ck_reload(3, error);
	conf_write("%s", "");
	ck_reload(4, "");
}
END_TEST

static int manager;

static void manager_open(const char *name, socklen_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, name, len);
	manager = socket(AF_UNIX, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
				 (socklen_t)offsetof(struct sockaddr_un, sun_path) + len),
		0);
}

/* Returns the next notification of the master. Fails the test after SOON_MS. */
static const char *notification(void)
{
	static char text[128];
	struct pollfd ready = { .fd = manager, .events = POLLIN };
	ssize_t n;

	ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
	n = recv(manager, text, sizeof(text) - 1, 0);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(the_service_manager_is_notified_of_start_reload_and_stop)
{
	char socket_path[128];
	int64_t reloading_us;

	snprintf(socket_path, sizeof(socket_path), "%s/notify", directory);
	manager_open(socket_path, (socklen_t)strlen(socket_path));
	setenv("NOTIFY_SOCKET", socket_path, 1);
	board->start_delay_ms = 100;
	master_pid = master_fork(true);
	ck_assert_str_eq(notification(), "READY=1");
	ck_assert_int_gt(
		board->workers[0].starts + board->workers[1].starts + board->workers[2].starts, 0);
	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	ck_assert_int_eq(
		sscanf(notification(), "RELOADING=1\nMONOTONIC_USEC=%ld", &reloading_us), 1);
	ck_assert_int_le(reloading_us / 1000, clock_mono_ms());
	ck_assert_int_gt(reloading_us / 1000, clock_mono_ms() - SOON_MS);
	ck_assert_str_eq(notification(), "READY=1");
	conf_write("nonsense = 1\n");
	ck_assert_int_eq(kill(master_pid, SIGHUP), 0);
	ck_assert_ptr_nonnull(strstr(notification(), "RELOADING=1"));
	ck_assert_str_eq(notification(), "READY=1"); /* with the former settings */
	ck_assert_int_eq(daemon_stop(), 0);
	ck_assert_str_eq(notification(), "STOPPING=1");
	close(manager);
	unlink(socket_path);
}
END_TEST

START_TEST(a_failed_notification_is_logged_and_the_daemon_continues)
{
	setenv("NOTIFY_SOCKET", "/no/such/directory/notify", 1);
	daemon_start();
	WAIT_FOR(log_count("notify_failed") == 1);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	ck_assert_int_eq(daemon_stop(), 0);
	ck_assert_int_eq(log_count("notify_failed"), 2);
	daemon_start();
	WAIT_FOR(log_count("notify_failed") == 3);
}
END_TEST

START_TEST(a_notify_socket_may_be_abstract)
{
	char name[64];

	snprintf(name, sizeof(name), "@parley-test-%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	manager_open(name, (socklen_t)strlen(name + 1) + 1);
	master_pid = master_fork(true);
	ck_assert_str_eq(notification(), "READY=1");
	close(manager);
}
END_TEST

START_TEST(a_database_of_a_newer_version_stops_the_daemon)
{
	board->migrate_result = MIGRATE_NEWER;
	ck_assert_int_eq(exit_code_of(master_fork(true)), 1);
	ck_assert_int_eq(log_count("schema_rejected why=\"because\""), 1);
	ck_assert_int_ne(access(pid_path, F_OK), 0);
	ck_assert_int_eq(board->migrations, 1);
}
END_TEST

START_TEST(an_unreachable_database_is_retried_and_logged_once)
{
	board->unreachable = 2;
	daemon_start();
	WAIT_FOR(log_count("schema_ready") == 1);
	ck_assert_int_eq(board->migrations, 3);
	ck_assert_int_eq(log_count("database_unreachable"), 1);
	ck_assert_int_eq(log_count("_died"), 0);
}
END_TEST

START_TEST(in_the_background_the_command_returns_when_it_listens)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	pid_t starter = master_fork(false);

	ck_assert_int_eq(exit_code_of(starter), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_ne(pidfile_owner(pid_path), 0);
	ck_assert_int_ne(pidfile_owner(pid_path), starter);
	ck_assert_int_eq(getsid(pidfile_owner(pid_path)), pidfile_owner(pid_path));
	WAIT_FOR(all_started(1));
	ck_assert_int_eq(kill(pidfile_owner(pid_path), SIGTERM), 0);
	WAIT_FOR(access(pid_path, F_OK) != 0);
}
END_TEST

START_TEST(the_children_of_a_killed_master_exit_and_a_new_one_starts_at_once)
{
	pid_t workers[WORKERS], hasher, first;

	daemon_start();
	first = master_pid;
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = worker_pid(i);
	hasher = (pid_t)stats_open(status_path)->hasher_pid;
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	ck_assert_int_eq(exit_code_of(first), -SIGKILL);
	master_pid = master_fork(true);
	WAIT_FOR(all_started(2));
	for (unsigned i = 0; i < WORKERS; i++)
		WAIT_FOR(kill(workers[i], 0) != 0);
	WAIT_FOR(kill(hasher, 0) != 0);
	ck_assert_int_eq(pidfile_owner(pid_path), master_pid);
}
END_TEST

START_TEST(a_worker_that_does_not_stop_is_killed)
{
	int64_t start_ms;

	board->ignores_sigterm = 1;
	daemon_start();
	start_ms = clock_mono_ms();
	ck_assert_int_eq(daemon_stop(), 0);
	ck_assert_int_ge(clock_mono_ms() - start_ms, 14900);
	ck_assert_int_lt(clock_mono_ms() - start_ms, 20000);
	ck_assert_int_eq(log_count("stop_overdue"), 1);
}
END_TEST

START_TEST(sigint_of_a_terminal_stops_all_processes_in_order)
{
	pid_t pid;

	daemon_start();
	pid = master_pid;
	for (unsigned i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(kill(worker_pid(i), SIGINT), 0);
	}
	usleep(100000);
	ck_assert_int_eq(log_count("_died"), 0);
	ck_assert_int_eq(kill(pid, SIGINT), 0);
	master_pid = 0;
	ck_assert_int_eq(exit_code_of(pid), 0);
}
END_TEST

START_TEST(started_as_root_the_children_run_as_the_user)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct stat st;

	if (geteuid() != 0 || !nobody)
		return; /* only root can change the account */
	conf_write("user = \"nobody\"\n");
	daemon_start();
	for (int i = 0; i < WORKERS; i++)
		ck_assert_int_eq(board->workers[i].uid, (int)nobody->pw_uid);
	ck_assert_int_eq(stat(log_path, &st), 0);
	ck_assert_uint_eq(st.st_uid, nobody->pw_uid); /* so that they can reopen it */
	ck_assert_int_eq(daemon_stop(), 0);
	conf_write("user = \"no.such.user\"\n");
	ck_assert_int_eq(exit_code_of(master_fork(true)), 1);
	ck_assert_ptr_nonnull(strstr(stderr_text(), "no.such.user"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("master");
	TCase *tc = tcase_create("master");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all_children_start_and_a_stop_removes_all_files);
	tcase_add_test(tc, a_killed_worker_is_replaced_and_the_others_are_signalled);
	tcase_add_test(tc, a_killed_hasher_is_replaced);
	tcase_add_test(tc, a_killed_indexer_is_replaced);
	tcase_add_test(tc, a_worker_that_dies_early_is_replaced_with_growing_delays);
	tcase_add_test(tc, a_second_start_fails_and_names_the_running_process);
	tcase_add_test(tc, the_pid_file_of_a_crashed_daemon_does_not_prevent_a_start);
	tcase_add_test(tc, a_port_in_use_is_an_error_on_stderr);
	tcase_add_test(tc, sighup_applies_live_settings_and_reopens_the_log);
	tcase_add_test(tc, sighup_with_a_bad_or_fixed_setting_keeps_all_settings);
	tcase_add_test(tc, a_reload_while_the_workers_start_reaches_them);
	tcase_add_test(tc, the_status_file_has_the_outcome_of_each_reload);
	tcase_add_test(tc, the_service_manager_is_notified_of_start_reload_and_stop);
	tcase_add_test(tc, a_notify_socket_may_be_abstract);
	tcase_add_test(tc, a_failed_notification_is_logged_and_the_daemon_continues);
	tcase_add_test(tc, a_database_of_a_newer_version_stops_the_daemon);
	tcase_add_test(tc, an_unreachable_database_is_retried_and_logged_once);
	tcase_add_test(tc, in_the_background_the_command_returns_when_it_listens);
	tcase_add_test(tc, the_children_of_a_killed_master_exit_and_a_new_one_starts_at_once);
	tcase_add_test(tc, a_worker_that_does_not_stop_is_killed);
	tcase_add_test(tc, sigint_of_a_terminal_stops_all_processes_in_order);
	tcase_add_test(tc, started_as_root_the_children_run_as_the_user);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
