/*
 * Header fields of a request that is made here, without a connection.
 */
#include "http/http_private.h"

#include <check.h>
#include <event2/http_struct.h>
#include <string.h>

#include "http/http_fields.h"
#include "tests/unit/suite.h"

static struct http_conn conn;
static struct http_call call;

static void setup(void)
{
	call.conn = &conn;
	call.req = evhttp_request_new(NULL, NULL);
}

static void teardown(void)
{
	evhttp_request_free(call.req);
}

static void add(const char *name, const char *value)
{
	ck_assert_int_eq(
		evhttp_add_header(evhttp_request_get_input_headers(call.req), name, value), 0);
}

/* The elements of a list, each followed by a bar. */
static void list_is(const char *name, const char *expected)
{
	struct http_list list = { .call = &call, .name = name };
	struct buf got = BUF_EMPTY;
	struct text e;

	while (http_list_next(&list, &e)) {
		buf_add(&got, e.data, e.len);
		buf_add_char(&got, '|');
	}
	ck_assert_str_eq(buf_cstr(&got), expected);
	buf_fini(&got);
}

/* RFC 9110 5.3, 5.6.1 */
START_TEST(a_list_is_all_elements_of_all_lines)
{
	add("A", "x");
	add("List", " a, b\t,,c d ,");
	add("list", "");
	add("LIST", ",\t, e;f=\"g\"");
	add("Lists", "h");
	list_is("List", "a|b|c d|e;f=\"g\"|");
	list_is("A", "x|");
	list_is("B", "");
	ck_assert_uint_eq(http_field_lines(&call, "list"), 3);
	ck_assert_uint_eq(http_field_lines(&call, "B"), 0);
}
END_TEST

START_TEST(an_element_is_compared_as_a_whole)
{
	add("Connection", "keep-alive , Upgrade;x");
	add("Connection", "TE x");
	ck_assert(http_field_has(&call, "Connection", "Keep-Alive"));
	ck_assert(!http_field_has(&call, "Connection", "upgrade"));
	ck_assert(!http_field_has(&call, "Connection", "te"));
	ck_assert(!http_field_has(&call, "Connection", "keep"));
	add("connection", "TE");
	ck_assert(http_field_has(&call, "Connection", "te"));
}
END_TEST

START_TEST(a_media_type_is_accepted_with_parameters)
{
	ck_assert(!http_accepts(&call, "text/html"));
	add("Accept", "application/json, Text/HTML ;q=0.8");
	ck_assert(http_accepts(&call, "text/html"));
	ck_assert(!http_accepts(&call, "text/*"));
	add("Accept", "text/*");
	ck_assert(http_accepts(&call, "text/*"));
}
END_TEST

START_TEST(lines_are_joined_in_their_order)
{
	struct buf list = BUF_EMPTY;

	http_field_join(&call, "X", &list);
	ck_assert_str_eq(buf_cstr(&list), "");
	add("X", "a, b");
	add("Y", "c");
	add("x", "d");
	http_field_join(&call, "X", &list);
	ck_assert_str_eq(buf_cstr(&list), "a, b,d");
	buf_fini(&list);
}
END_TEST

START_TEST(the_first_bearer_and_the_first_session_cookie_are_found)
{
	ck_assert_ptr_null(http_bearer(&call).data);
	ck_assert_ptr_null(http_cookie(&call).data);
	add("Authorization", "Basic eDp5");
	add("Cookie", "a=b");
	ck_assert_ptr_null(http_bearer(&call).data);
	ck_assert_ptr_null(http_cookie(&call).data);
	add("Authorization", "Bearer one");
	add("Authorization", "Bearer two");
	add("Cookie", "c=d; parley_session=three");
	ck_assert_str_eq(http_bearer(&call).data, "one");
	ck_assert_str_eq(http_cookie(&call).data, "three");
	/* Another host of the domain can set the name without the prefix. */
	add("Cookie", "e=f; __Host-parley_session=four");
	ck_assert_str_eq(http_cookie(&call).data, "four");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_fields");
	TCase *tc = tcase_create("http_fields");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_list_is_all_elements_of_all_lines);
	tcase_add_test(tc, an_element_is_compared_as_a_whole);
	tcase_add_test(tc, a_media_type_is_accepted_with_parameters);
	tcase_add_test(tc, lines_are_joined_in_their_order);
	tcase_add_test(tc, the_first_bearer_and_the_first_session_cookie_are_found);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
