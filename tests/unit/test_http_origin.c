#include "http/http_origin.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static char ally[] = "https://ally.example", port[] = "http://ally.example:8080";
static char *origins[] = { ally, port };
static const struct conf_list allowed = { origins, 2 };
static char loopback[] = "127.0.0.1", loopback6[] = "::1", front[] = "2001:db8::1";
static char *proxies[] = { loopback, loopback6, front };
static const struct conf_list trusted = { proxies, 3 };

START_TEST(the_servers_own_origin_is_good)
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

START_TEST(another_scheme_host_or_port_is_not)
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

START_TEST(an_origin_of_the_list_is_good_however_the_request_came)
{
	ck_assert(http_origin_good("https://ally.example", "chat.example", false, &allowed));
	ck_assert(http_origin_good("https://Ally.example:443", NULL, true, &allowed));
	ck_assert(http_origin_good("http://ally.example:8080", "chat.example", true, &allowed));
	ck_assert(!http_origin_good("http://ally.example", "chat.example", false, &allowed));
	ck_assert(!http_origin_good("https://ally.example:8080", "chat.example", false, &allowed));
}
END_TEST

START_TEST(a_proxy_is_trusted_by_its_address_however_it_is_written)
{
	ck_assert(http_proxy_trusted("127.0.0.1", &trusted));
	ck_assert(http_proxy_trusted("0:0:0:0:0:0:0:1", &trusted));
	ck_assert(http_proxy_trusted("2001:DB8:0::1", &trusted));
	ck_assert(!http_proxy_trusted("127.0.0.2", &trusted));
	ck_assert(!http_proxy_trusted("::2", &trusted));
	ck_assert(!http_proxy_trusted("", &trusted));
	ck_assert(!http_proxy_trusted("localhost", &trusted));
}
END_TEST

static void client_is(const char *peer, const char *forwarded, const char *client)
{
	char address[HTTP_ADDRESS_MAX];

	snprintf(address, sizeof(address), "%s", peer);
	http_proxy_client(address, forwarded, &trusted);
	ck_assert_str_eq(address, client);
}

START_TEST(only_a_trusted_proxys_word_counts)
{
	client_is("192.0.2.1", "203.0.113.9", "192.0.2.1");
	client_is("127.0.0.1", NULL, "127.0.0.1");
	client_is("127.0.0.1", "203.0.113.9", "203.0.113.9");
	client_is("127.0.0.1", "192.0.2.66, 203.0.113.9",
		"203.0.113.9"); /* the first is the client's own tale */
	client_is("127.0.0.1", " 203.0.113.9 ,\t2001:db8::1 ", "203.0.113.9");
	client_is("127.0.0.1", "2001:db8::1,::1", "2001:db8::1");
}
END_TEST

START_TEST(what_is_no_address_ends_the_search)
{
	client_is("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1");
	client_is("127.0.0.1", "", "127.0.0.1");
	client_is("127.0.0.1", ",", "127.0.0.1");
	client_is("127.0.0.1", "203.0.113.9:80", "127.0.0.1");
	client_is("127.0.0.1", "evil\", \"2001:db8::1", "127.0.0.1");
	client_is("127.0.0.1", "unknown, ::1", "::1");
	client_is("127.0.0.1", "0000000000000000000000000000000000000000000000000000000000000001",
		"127.0.0.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_origin");
	TCase *tc = tcase_create("http_origin");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, the_servers_own_origin_is_good);
	tcase_add_test(tc, another_scheme_host_or_port_is_not);
	tcase_add_test(tc, an_origin_of_the_list_is_good_however_the_request_came);
	tcase_add_test(tc, a_proxy_is_trusted_by_its_address_however_it_is_written);
	tcase_add_test(tc, only_a_trusted_proxys_word_counts);
	tcase_add_test(tc, what_is_no_address_ends_the_search);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
