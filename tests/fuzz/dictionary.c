/*
 * dictionary: prints the words of a fuzz target in libFuzzer's syntax, taken from the daemon's own
 * tables. Prints nothing if the target has no words.
 */
#include <inttypes.h>
#include <string.h>

#include "api/api.h"
#include "command/command.h"

static void put(const char *format, const char *word)
{
	char entry[256];

	snprintf(entry, sizeof(entry), format, word);
	putchar('"');
	for (const char *p = entry; *p != '\0'; p++)
		if (*p < 0x20 || *p == '"' || *p == '\\')
			printf("\\x%02x", (unsigned)*p);
		else
			putchar(*p);
	puts("\"");
}

static void put_values(void)
{
	static const char *const values[] = { "null", "true", "false", "0", "1", "2", "3", "-1",
		"9007199254740991", "9007199254740992", "1e3", "\"\"", "\"a\"", "[]", "{}", "[1,2]",
		"\"\\u0000\"", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\xc3\xa9", ":", ",", "}" };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		put("%s", values[i]);
}

static void put_args(const struct param_spec *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (args[i].place == PARAM_BODY)
			put("\"%s\":", args[i].name);
		else if (args[i].place == PARAM_QUERY)
			put("%s=", args[i].name);
}

static void put_command(void)
{
	size_t n;
	const struct command *const *table = command_table(&n);

	put("{\"type\":\"%s\"", "auth");
	put("\"%s\":", "token");
	for (size_t i = 0; i < n; i++) {
		put("{\"type\":\"%s\"", table[i]->name);
		put_args(table[i]->params, table[i]->n_params);
	}
	put("%s", "\n");
	put_values();
}

static void put_http(void)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	static const char *const words[] = { "HEAD ", "OPTIONS ", "GET /ws", " HTTP/1.1\r\n",
		" HTTP/1.0\r\n", "Host: a\r\n",
		"Content-Length: ", "Transfer-Encoding: chunked\r\n",
		"Content-Type: application/json\r\n", "Connection: close\r\n",
		"Connection: Upgrade\r\n", "Upgrade: websocket\r\n",
		"Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		"Sec-WebSocket-Protocol: parley.v1, bearer.",
		"Cookie: parley_session=", "Origin: http://a\r\n", "Expect: 100-continue\r\n",
		"X-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-Proto: https\r\n",
		"If-None-Match: ", "Range: bytes=0-\r\n",
		"Authorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "\r\n\r\n",
		"0\r\n\r\n", "5\r\nhello\r\n", ";a=b", "%2e%2e", "%00", "//", "http://a/" };
	size_t n;
	const struct http_route *routes = api_routes(&n);

	for (size_t i = 0; i < n; i++) {
		char request[128];

		snprintf(request, sizeof(request), "%s %%s", methods[routes[i].method]);
		put(request, routes[i].path);
		put_args(routes[i].params, routes[i].n_params);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put("%s", words[i]);
	put_values();
}

static void put_conf(void)
{
	static const char *const words[] = { " = ", " += ", "{", "}", ", ", "\"", "'", "\\x41",
		"${HOME}", "#", "//", "/*", "*/", "\n", "true", "false", "on", "127.0.0.1:80",
		"[::1]:80", "::1", "https://a.b:1", "stderr", "syslog", "/dev/null", "debug",
		"0x10", "-1", "99999999999" };

#define TEXT(name, def, live, doc) put("%s = ", #name);
#define LIST TEXT
#define SWITCH TEXT
#define NUMBER(name, def, min, max, unit, live, doc) put("%s = ", #name);
#include "common/conf.def"
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put("%s", words[i]);
}

int main(int argc, char **argv)
{
	const char *target = argc == 2 ? argv[1] : "";

	if (strcmp(target, "command") == 0)
		put_command();
	else if (strcmp(target, "http") == 0)
		put_http();
	else if (strcmp(target, "conf") == 0)
		put_conf();
	else if (strcmp(target, "json") == 0)
		put_values();
	return 0;
}
