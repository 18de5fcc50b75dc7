#include "http/http_origin.h"
#include "tests/unit/suite.h"

#include <check.h>

static char ally[] = "https://ally.example", port[] = "http://ally.example:8080";
static char *origins[] = { ally, port };
static const struct conf_list allowed = { origins, 2 };

START_TEST(the_origin_of_the_server_is_allowed)
{
	ck_assert(http_origin_good("http://chat.example", "chat.example", false, &allowed));
	ck_assert(http_origin_good("http://Chat.Example", "chat.example", false, &allowed));
	ck_assert(
		http_origin_good("http://chat.example:8080", "chat.example:8080", false, &allowed));
	ck_assert(http_origin_good("http://chat.example", "chat.example:80", false, &allowed));
	ck_assert(http_origin_good("https://chat.example:443", "chat.example", true, &allowed));
	ck_assert(http_origin_good("http://[::1]:8080", "[::1]:8080", false, &allowed));
}
END_TEST

START_TEST(another_scheme_host_or_port_is_not_allowed)
{
	static const char *const bad[] = { "https://chat.example", "http://chat.example:8080",
		"http://chat.example.evil.example", "http://evil.example", "http://chat.exampl",
		"http://", "http://:80", "null", "", "chat.example", "ftp://chat.example",
		"http://chat.example:443", "http://chat.example/", "http://user@chat.example" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(
			!http_origin_good(bad[i], "chat.example", false, &allowed), "%s", bad[i]);
	ck_assert(!http_origin_good("http://chat.example", "chat.example", true, &allowed));
	ck_assert(!http_origin_good("http://chat.example", NULL, false, &allowed));
	ck_assert(!http_origin_good("http://", "", false, &allowed));
}
END_TEST

START_TEST(a_listed_origin_is_allowed_over_http_and_https)
{
	ck_assert(http_origin_good("https://ally.example", "chat.example", false, &allowed));
	ck_assert(http_origin_good("https://Ally.example:443", NULL, true, &allowed));
	ck_assert(http_origin_good("http://ally.example:8080", "chat.example", true, &allowed));
	ck_assert(!http_origin_good("http://ally.example", "chat.example", false, &allowed));
	ck_assert(!http_origin_good("https://ally.example:8080", "chat.example", false, &allowed));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_origin");
	TCase *tc = tcase_create("http_origin");

	tcase_add_test(tc, the_origin_of_the_server_is_allowed);
	tcase_add_test(tc, another_scheme_host_or_port_is_not_allowed);
	tcase_add_test(tc, a_listed_origin_is_allowed_over_http_and_https);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
