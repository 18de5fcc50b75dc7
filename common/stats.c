#include "common/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

void stats_path(struct buf *out, const char *pid_file)
{
	size_t len = strlen(pid_file);

	if (len >= 4 && strcmp(pid_file + len - 4, ".pid") == 0)
		len -= 4;
	buf_add(out, pid_file, len);
	buf_add_str(out, ".status");
}

static size_t stats_size(size_t n_slots)
{
	return sizeof(struct stats) + n_slots * sizeof(struct stats_slot);
}

/* Creates a file of this size at path, in place of an existing one. Returns its fd, or -1 with errno. */
static int file_make(const char *path, size_t size)
{
	int fd, error;

	if (unlink(path) != 0 && errno != ENOENT)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	error = fchmod(fd, 0644) != 0 ? errno : posix_fallocate(fd, 0, (off_t)size);
	if (error == 0)
		return fd;
	close(fd);
	unlink(path);
	errno = error;
	return -1;
}

/* The file is renamed when it is complete: a reader never opens one that is not. */
struct stats *stats_create(const char *path, unsigned n_slots)
{
	struct buf name = BUF_EMPTY;
	struct stats *s = NULL;
	const char *unfinished;
	int fd, error;

	buf_addf(&name, "%s.new", path);
	unfinished = buf_cstr(&name);
	fd = file_make(unfinished, stats_size(n_slots));
	if (fd < 0) {
		error = errno;
		goto out;
	}
	s = mmap(NULL, stats_size(n_slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	error = errno;
	close(fd);
	if (s == MAP_FAILED) {
		s = NULL;
		goto out;
	}
	s->magic = STATS_MAGIC;
	s->n_slots = n_slots;
	s->master_pid = (uint32_t)getpid();
	s->started_wall_ms = clock_wall_ms();
	if (rename(unfinished, path) != 0) {
		error = errno;
		munmap(s, stats_size(n_slots));
		s = NULL;
	}
out:
	if (!s)
		unlink(unfinished);
	buf_fini(&name);
	errno = error;
	return s;
}

const struct stats *stats_open(const char *path)
{
	const struct stats *s;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) != 0 || (size_t)st.st_size < sizeof(struct stats)) {
		close(fd);
		errno = EPROTO;
		return NULL;
	}
	s = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	error = errno;
	close(fd);
	if (s == MAP_FAILED) {
		errno = error;
		return NULL;
	}
	if (s->magic == STATS_MAGIC && stats_size(s->n_slots) == (size_t)st.st_size)
		return s;
	munmap((void *)(uintptr_t)s, (size_t)st.st_size);
	errno = EPROTO;
	return NULL;
}

void stats_reload_start(struct stats *s)
{
	s->reloads_started++;
}

void stats_reload_finish(struct stats *s, const char *error)
{
	snprintf(s->reload_error, sizeof(s->reload_error), "%s", error);
	s->reloads_finished++;
}

static void put_slot(struct buf *out, unsigned index, const struct stats_slot *slot)
{
	buf_addf(out, "{\"slot\":%u,\"pid\":%u,\"alive\":%s,\"incarnation\":%u", index, slot->pid,
		slot->alive ? "true" : "false", slot->incarnation);
	buf_addf(out, ",\"connections\":%u,\"sockets\":%u", slot->connections, slot->sockets);
#define COUNTER(name, help)                  \
	buf_add_str(out, ",\"" #name "\":"); \
	buf_add_u64(out, slot->name);
#include "common/stats.def"
#undef COUNTER
	buf_add_char(out, '}');
}

void stats_put_json(struct buf *out, const struct stats *s)
{
	int64_t uptime_ms = clock_wall_ms() - s->started_wall_ms;

	buf_addf(out, "{\"master_pid\":%u,\"uptime_seconds\":", s->master_pid);
	buf_add_i64(out, uptime_ms > 0 ? uptime_ms / 1000 : 0);
	buf_addf(out, ",\"hasher_pid\":%u,\"indexer_pid\":%u", s->hasher_pid, s->indexer_pid);
	buf_addf(out, ",\"search\":{\"ready\":%s,\"percent\":%u,\"behind\":",
		s->search_ready ? "true" : "false", s->search_percent);
	buf_add_u64(out, s->search_behind);
	buf_add_str(out, "},\"workers\":[");
	for (unsigned i = 0; i < s->n_slots; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		put_slot(out, i, &s->slots[i]);
	}
	buf_add_str(out, "]}");
}
