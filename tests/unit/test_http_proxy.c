#include "http/http_proxy.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdio.h>

static char loopback[] = "127.0.0.1", loopback6[] = "::1", front[] = "2001:db8::1";
static char *proxies[] = { loopback, loopback6, front };
static const struct conf_list trusted = { proxies, 3 };

START_TEST(a_proxy_is_trusted_in_any_notation_of_its_address)
{
	ck_assert(http_proxy_trusted("127.0.0.1", &trusted));
	ck_assert(http_proxy_trusted("0:0:0:0:0:0:0:1", &trusted));
	ck_assert(http_proxy_trusted("2001:DB8:0::1", &trusted));
	ck_assert(http_proxy_trusted("::ffff:127.0.0.1", &trusted));
	ck_assert(http_proxy_trusted("::ffff:7f00:1", &trusted));
	ck_assert(!http_proxy_trusted("::ffff:127.0.0.2", &trusted));
	ck_assert(!http_proxy_trusted("127.0.0.2", &trusted));
	ck_assert(!http_proxy_trusted("::2", &trusted));
	ck_assert(!http_proxy_trusted("", &trusted));
	ck_assert(!http_proxy_trusted("localhost", &trusted));
}
END_TEST

static unsigned client_is(const char *peer, const char *forwarded, const char *client)
{
	char address[HTTP_ADDRESS_MAX];
	unsigned hops;

	snprintf(address, sizeof(address), "%s", peer);
	hops = http_proxy_client(address, forwarded, &trusted);
	ck_assert_str_eq(address, client);
	return hops;
}

START_TEST(only_entries_of_trusted_proxies_are_used)
{
	client_is("192.0.2.1", "203.0.113.9", "192.0.2.1");
	client_is("127.0.0.1", "203.0.113.9", "203.0.113.9");
	client_is("127.0.0.1", "192.0.2.66, 203.0.113.9",
		"203.0.113.9"); /* the first entry is forged */
	client_is("127.0.0.1", " 203.0.113.9 ,\t2001:db8::1 ", "203.0.113.9");
	client_is("127.0.0.1", "2001:db8::1,::1", "2001:db8::1");
	/* An empty element is none (RFC 9110 5.6.1). */
	client_is("127.0.0.1", "203.0.113.9, ,", "203.0.113.9");
	ck_assert_uint_eq(client_is("127.0.0.1", "203.0.113.9,::1,127.0.0.1", "203.0.113.9"), 3);
	ck_assert_uint_eq(client_is("192.0.2.1", "203.0.113.9", "192.0.2.1"), 0);
}
END_TEST

START_TEST(an_entry_that_is_no_address_ends_the_search)
{
	client_is("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1");
	client_is("127.0.0.1", "", "127.0.0.1");
	client_is("127.0.0.1", ",", "127.0.0.1");
	ck_assert_uint_eq(client_is("127.0.0.1", " \t", "127.0.0.1"), 0);
	client_is("127.0.0.1", "203.0.113.9:80", "127.0.0.1");
	client_is("127.0.0.1", "evil\", \"2001:db8::1", "127.0.0.1");
	client_is("127.0.0.1", "unknown, ::1", "::1");
	client_is("127.0.0.1", "0000000000000000000000000000000000000000000000000000000000000001",
		"127.0.0.1");
}
END_TEST

START_TEST(wss_counts_as_https_and_ws_as_http)
{
	static const char *const https[] = { "https", "HTTPS", "wss", "Wss", " wss\t" };
	static const char *const http[] = { "http", "ws", "", ",", " ", "httpss", "https;q=1",
		"wss://", "s" };

	for (size_t i = 0; i < sizeof(https) / sizeof(https[0]); i++)
		ck_assert_msg(http_proxy_https(https[i], 1), "%s", https[i]);
	for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
		ck_assert_msg(!http_proxy_https(http[i], 1), "%s", http[i]);
}
END_TEST

START_TEST(the_scheme_is_that_which_the_proxy_of_the_client_reported)
{
	ck_assert(http_proxy_https("http, https", 1)); /* the first entry is forged */
	ck_assert(!http_proxy_https("https, http", 1));
	ck_assert(http_proxy_https("https, http", 2));
	ck_assert(!http_proxy_https("https, http, https", 2));
	ck_assert(http_proxy_https("https", 3)); /* passed on by the others */
	ck_assert(http_proxy_https("http,https", 0)); /* no address was reported */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_proxy");
	TCase *tc = tcase_create("http_proxy");

	tcase_add_test(tc, a_proxy_is_trusted_in_any_notation_of_its_address);
	tcase_add_test(tc, only_entries_of_trusted_proxies_are_used);
	tcase_add_test(tc, an_entry_that_is_no_address_ends_the_search);
	tcase_add_test(tc, wss_counts_as_https_and_ws_as_http);
	tcase_add_test(tc, the_scheme_is_that_which_the_proxy_of_the_client_reported);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
