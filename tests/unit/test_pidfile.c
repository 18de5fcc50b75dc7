#include "common/pidfile.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char directory[] = "/tmp/parley-pidfile-XXXXXX", path[64];

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/pid", directory);
}

static void teardown(void)
{
	unlink(path);
	rmdir(directory);
}

/* A process that opens the file, or takes a lock on it, until it is killed. */
static pid_t other(bool owns, short lock)
{
	int ready[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct flock whole = { .l_type = lock, .l_whence = SEEK_SET };
		int fd = owns ? pidfile_open(path, &pid) : open(path, O_RDONLY);

		if (fd < 0 || (!owns && fcntl(fd, F_SETLK, &whole) != 0))
			_exit(1);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &(char){ 0 }, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(the_holder_of_the_lock_is_found)
{
	pid_t pid, owner = 0;

	ck_assert_int_eq(pidfile_owner(path), 0);
	pid = other(true, 0);
	ck_assert_int_eq(pidfile_owner(path), pid);
	ck_assert_int_eq(pidfile_open(path, &owner), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(owner, pid);
	end(pid);
	ck_assert_int_eq(pidfile_owner(path), 0);
}
END_TEST

START_TEST(only_the_owner_may_open_the_file)
{
	struct stat st;
	pid_t owner;
	int fd = creat(path, 0644);

	close(fd);
	fd = pidfile_open(path, &owner);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	pidfile_close(path, fd);
	umask(0);
	fd = pidfile_open(path, &owner);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	pidfile_close(path, fd);
}
END_TEST

/* Permission to read is enough for one. */
START_TEST(the_holder_of_a_shared_lock_is_not_taken_for_the_daemon)
{
	pid_t pid;

	close(creat(path, 0644));
	pid = other(false, F_RDLCK);
	ck_assert_int_eq(pidfile_owner(path), 0);
	end(pid);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_an_error)
{
	ck_assert_int_eq(symlink("/nowhere", path), 0);
	ck_assert_int_eq(pidfile_owner(path), -1);
	ck_assert_int_eq(errno, ELOOP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pidfile");
	TCase *tc = tcase_create("pidfile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_holder_of_the_lock_is_found);
	tcase_add_test(tc, only_the_owner_may_open_the_file);
	tcase_add_test(tc, the_holder_of_a_shared_lock_is_not_taken_for_the_daemon);
	tcase_add_test(tc, a_file_that_cannot_be_opened_is_an_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
