#include "http/http_route.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/a/{x}" },
	{ .method = HTTP_PUT, .path = "/a/b" },
	{ .method = HTTP_DELETE, .path = "/a/{x}" },
	{ .method = HTTP_GET, .path = "/a/b/{x}/c" },
	{ .method = HTTP_GET, .path = "/c" },
	{ .method = HTTP_GET, .path = "/d/{x}/{y}" },
	{ .method = HTTP_PUT, .path = "/d/{x}/e" },
};

/* The index of the route, -1: none. */
static int find(const char *path, enum http_method method, unsigned *allowed)
{
	struct http_target t;
	const struct http_route *r;

	http_target_init(&t, path, NULL);
	r = http_route_find(routes, sizeof(routes) / sizeof(routes[0]), &t, method, allowed);
	http_target_fini(&t);
	return r != NULL ? (int)(r - routes) : -1;
}

START_TEST(a_route_is_found_by_path_and_method)
{
	unsigned allowed;

	ck_assert_int_eq(find("/a/1", HTTP_GET, &allowed), 0);
	ck_assert_int_eq(find("/a/1", HTTP_DELETE, &allowed), 2);
	ck_assert_int_eq(find("/a/b/1/c", HTTP_GET, &allowed), 3);
	ck_assert_int_eq(find("/c", HTTP_GET, &allowed), 4);
	ck_assert_int_eq(find("/%63", HTTP_GET, &allowed), 4);
	ck_assert_int_eq(find("/a/1", HTTP_POST, &allowed), -1);
	ck_assert_uint_eq(allowed, 1u << HTTP_GET | 1u << HTTP_DELETE);
}
END_TEST

START_TEST(a_literal_segment_wins_over_a_name_for_all_methods)
{
	unsigned allowed;

	ck_assert_int_eq(find("/a/b", HTTP_PUT, &allowed), 1);
	ck_assert_int_eq(find("/a/b", HTTP_GET, &allowed), -1);
	ck_assert_uint_eq(allowed, 1u << HTTP_PUT);
	ck_assert_int_eq(find("/d/1/e", HTTP_PUT, &allowed), 6);
	ck_assert_int_eq(find("/d/1/e", HTTP_GET, &allowed), -1);
	ck_assert_uint_eq(allowed, 1u << HTTP_PUT);
	ck_assert_int_eq(find("/d/1/f", HTTP_GET, &allowed), 5);
}
END_TEST

START_TEST(similar_paths_are_no_route)
{
	static const char *const paths[] = { "", "/", "a/1", "/a", "/a/", "/a/1/", "//a/1", "/a//1",
		"/c/", "/C", "/a%2f1", "/c%00", "/a/b/1", "/a/b//c", "/a/b/1/c/d",
		"/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/8/9", "/a/1/2/3/4/5/6/7/8/9/10" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (unsigned m = 0; m < HTTP_METHOD_N; m++) {
			unsigned allowed;

			ck_assert_msg(
				find(paths[i], (enum http_method)m, &allowed) < 0, "%s", paths[i]);
			ck_assert_msg(allowed == 0, "%s", paths[i]);
		}
}
END_TEST

static void piece_is(const struct http_piece *p, const char *bytes, size_t len)
{
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->len, len);
	ck_assert_mem_eq(p->at, bytes, len);
	ck_assert_int_eq(p->at[len], '\0');
}

START_TEST(values_in_a_path_are_decoded)
{
	struct http_target t;

	http_target_init(&t, "/a/%41+%2Fb%00%zz%4", NULL);
	piece_is(http_target_path(&t, &routes[0], "x"), "A+/b\0%zz%4", 10);
	ck_assert_ptr_null(http_target_path(&t, &routes[0], "y"));
	ck_assert_ptr_null(http_target_path(&t, &routes[1], "b"));
	http_target_fini(&t);
	http_target_init(&t, "/a/b/7/c", NULL);
	piece_is(http_target_path(&t, &routes[3], "x"), "7", 1);
	http_target_fini(&t);
}
END_TEST

START_TEST(the_first_parameter_of_a_name_counts)
{
	struct http_target t;

	http_target_init(&t, "/c", "&a=1&&b=x%20y+z%3D=&c&=d&a=2&%65=e%00f&");
	piece_is(http_target_query(&t, "a"), "1", 1);
	piece_is(http_target_query(&t, "b"), "x y z==", 7);
	piece_is(http_target_query(&t, "c"), "", 0);
	piece_is(http_target_query(&t, ""), "d", 1);
	piece_is(http_target_query(&t, "e"), "e\0f", 3);
	ck_assert_ptr_null(http_target_query(&t, "d"));
	http_target_fini(&t);
	http_target_init(&t, NULL, "");
	ck_assert_ptr_null(http_target_query(&t, ""));
	http_target_fini(&t);
}
END_TEST

START_TEST(parameters_beyond_the_limit_are_ignored)
{
	char query[4096] = "";
	struct http_target t;

	for (int i = 0; i < 300; i++)
		sprintf(query + strlen(query), "a%d=b&", i);
	http_target_init(&t, "/c", query);
	ck_assert_uint_eq(t.n_query, HTTP_QUERY_MAX);
	piece_is(http_target_query(&t, "a15"), "b", 1);
	ck_assert_ptr_null(http_target_query(&t, "a16"));
	http_target_fini(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_route");
	TCase *tc = tcase_create("http_route");

	tcase_add_test(tc, a_route_is_found_by_path_and_method);
	tcase_add_test(tc, a_literal_segment_wins_over_a_name_for_all_methods);
	tcase_add_test(tc, similar_paths_are_no_route);
	tcase_add_test(tc, values_in_a_path_are_decoded);
	tcase_add_test(tc, the_first_parameter_of_a_name_counts);
	tcase_add_test(tc, parameters_beyond_the_limit_are_ignored);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
