/*
 * Tests of common/stats.
 */
#include "common/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "suite.h"

static char directory[] = "/tmp/parley-stats-XXXXXX", path[64];

static void setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/parleyd.status", directory);
}

static void teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0); /* no other file was left */
}

static void ck_path(const char *pid_file, const char *expected)
{
	struct buf out = BUF_EMPTY;

	stats_path(&out, pid_file);
	ck_assert_str_eq(buf_cstr(&out), expected);
	buf_fini(&out);
}

START_TEST(the_file_is_beside_the_pid_file)
{
	ck_path("/run/parley/parleyd.pid", "/run/parley/parleyd.status");
	ck_path("/run/parleyd", "/run/parleyd.status");
	ck_path("/run/a.pid/b", "/run/a.pid/b.status");
	ck_path("x", "x.status");
}
END_TEST

START_TEST(a_reader_sees_the_counters)
{
	struct stats *s = stats_create(path, 3);
	const struct stats *seen = stats_open(path);

	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_nonnull(seen);
	ck_assert_uint_eq(seen->master_pid, (unsigned)getpid());
	STATS_ADD(&s->slots[2], messages_stored, 41);
	STATS_ADD(&s->slots[2], messages_stored, 1);
	STATS_ADD(&s->slots[2], connections, 5);
	STATS_ADD(&s->slots[2], connections, -1u);
	ck_assert_uint_eq(seen->slots[2].messages_stored, 42);
	ck_assert_uint_eq(seen->slots[2].connections, 4);
	ck_assert_uint_eq(seen->slots[1].messages_stored, 0);
}
END_TEST

START_TEST(the_file_is_readable_by_all_and_writable_by_its_owner)
{
	struct stat st;

	umask(077);
	ck_assert_ptr_nonnull(stats_create(path, 1));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
}
END_TEST

START_TEST(a_reader_of_the_former_daemons_file_is_not_disturbed)
{
	struct stats *former = stats_create(path, 2);
	const struct stats *seen = stats_open(path);

	STATS_ADD(&former->slots[0], accepted, 7);
	ck_assert_ptr_nonnull(stats_create(path, 4));
	ck_assert_uint_eq(seen->n_slots, 2);
	ck_assert_uint_eq(seen->slots[0].accepted, 7);
	ck_assert_uint_eq(stats_open(path)->n_slots, 4);
}
END_TEST

static void ck_refused(const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	fclose(file);
	errno = 0;
	ck_assert_ptr_null(stats_open(path));
	ck_assert_int_eq(errno, EPROTO);
}

START_TEST(a_file_of_another_kind_or_version_is_rejected)
{
	struct stats *s = stats_create(path, 1);
	struct stats other;

	memcpy(&other, s, sizeof(other));
	ck_refused("", 0);
	ck_refused("short", 5);
	ck_refused(&other, sizeof(other)); /* without the slot */
	other.n_slots = UINT32_MAX;
	ck_refused(&other, sizeof(other));
	other.n_slots = 0;
	other.magic++;
	ck_refused(&other, sizeof(other));
}
END_TEST

START_TEST(a_missing_directory_is_an_error)
{
	errno = 0;
	ck_assert_ptr_null(stats_create("/nonexistent/parleyd.status", 1));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(stats_open("/nonexistent/parleyd.status"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(the_json_has_every_worker_with_every_counter)
{
	static const char *const names[] = {
#define COUNTER(name, help) #name,
#include "common/stats.def"
#undef COUNTER
		"slot", "pid", "incarnation", "connections", "sockets"
	};
	struct stats *s = stats_create(path, 2);
	struct buf out = BUF_EMPTY;
	const cJSON *workers, *worker, *search;
	cJSON *json;

	s->hasher_pid = 99;
	s->indexer_pid = 98;
	s->search_ready = 1;
	s->search_percent = 97;
	s->search_behind = 96;
	s->slots[1].pid = 1234;
	s->slots[1].alive = 1;
	s->slots[1].gaps = UINT64_C(9007199254740991);
	stats_put_json(&out, s);
	json = cJSON_ParseWithLength(out.data, out.len);
	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(cJSON_GetObjectItem(json, "master_pid")->valueint, getpid());
	ck_assert_int_eq(cJSON_GetObjectItem(json, "hasher_pid")->valueint, 99);
	ck_assert_int_eq(cJSON_GetObjectItem(json, "indexer_pid")->valueint, 98);
	search = cJSON_GetObjectItem(json, "search");
	ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(search, "ready")));
	ck_assert_int_eq(cJSON_GetObjectItem(search, "percent")->valueint, 97);
	ck_assert_int_eq(cJSON_GetObjectItem(search, "behind")->valueint, 96);
	ck_assert_int_le(cJSON_GetObjectItem(json, "uptime_seconds")->valueint, 5);
	workers = cJSON_GetObjectItem(json, "workers");
	ck_assert_int_eq(cJSON_GetArraySize(workers), 2);
	worker = cJSON_GetArrayItem(workers, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(
			cJSON_IsNumber(cJSON_GetObjectItem(worker, names[i])), "%s", names[i]);
	ck_assert_int_eq(cJSON_GetObjectItem(worker, "slot")->valueint, 1);
	ck_assert_int_eq(cJSON_GetObjectItem(worker, "pid")->valueint, 1234);
	ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(worker, "alive")));
	ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetArrayItem(workers, 0), "alive")));
	ck_assert_double_eq(cJSON_GetObjectItem(worker, "gaps")->valuedouble, 9007199254740991.0);
	cJSON_Delete(json);
	buf_fini(&out);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = tcase_create("stats");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_file_is_beside_the_pid_file);
	tcase_add_test(tc, a_reader_sees_the_counters);
	tcase_add_test(tc, the_file_is_readable_by_all_and_writable_by_its_owner);
	tcase_add_test(tc, a_reader_of_the_former_daemons_file_is_not_disturbed);
	tcase_add_test(tc, a_file_of_another_kind_or_version_is_rejected);
	tcase_add_test(tc, a_missing_directory_is_an_error);
	tcase_add_test(tc, the_json_has_every_worker_with_every_counter);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return suite_run(suite());
}
