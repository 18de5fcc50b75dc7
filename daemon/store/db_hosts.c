#include "store/db_hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "store/db_lookup.h"

#define CONNECT_TIMEOUT_S 5
#define CONNECT_TIMEOUT_MIN_S 2 /* as libpq's */
#define KEYS_MAX 16

struct db_hosts {
	char *conninfo;
	char *name;
	bool has_service; /* its file may have any setting */
	unsigned n;
	unsigned timeout_s;
	/* Lists with n entries, or NULL; port may have 1. All are NULL if libpq is to read the string. */
	char *host, *hostaddr, *port;
	unsigned current; /* of the n hosts */
	size_t address; /* of the current host's addresses */
	struct db_lookup_result addresses; /* n is 0 until they are known */
	struct db_lookup **lookups; /* in progress, by host; or NULL */
	int lookup_errno; /* why the last one did not start */
};

static const char *find(const PQconninfoOption *o, const char *keyword)
{
	for (; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val;
	return NULL;
}

/* Returns a copy of an option of the string, or of libpq's default, which may be of the environment; NULL if unset. */
static char *option(
	const PQconninfoOption *parsed, const PQconninfoOption *defaults, const char *keyword)
{
	const char *value = find(parsed, keyword);

	if (value == NULL)
		value = find(defaults, keyword);
	return value != NULL && *value != '\0' ? xstrdup(value) : NULL;
}

static unsigned n_entries(const char *list)
{
	unsigned n = 1;

	if (list == NULL)
		return 0;
	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* Returns entry i of a list, allocated; its only entry if it has one; NULL for NULL. */
static char *entry(const char *list, unsigned i)
{
	char *copy;
	size_t len;

	if (list == NULL)
		return NULL;
	if (n_entries(list) > 1)
		for (; i > 0; i--)
			list = strchr(list, ',') + 1;
	len = strcspn(list, ",");
	copy = xmalloc(len + 1);
	memcpy(copy, list, len);
	copy[len] = '\0';
	return copy;
}

/* Lists whose lengths differ are left to libpq, which rejects them. */
static bool lists_match(const struct db_hosts *h)
{
	return (h->hostaddr == NULL || h->host == NULL || n_entries(h->host) == h->n) &&
		(n_entries(h->port) <= 1 || n_entries(h->port) == h->n);
}

static void clear(char **list)
{
	free(*list);
	*list = NULL;
}

static void read_hosts(struct db_hosts *h, const PQconninfoOption *parsed)
{
	PQconninfoOption *defaults = PQconndefaults();
	char *timeout = option(parsed, defaults, "connect_timeout");
	long timeout_s = timeout != NULL ? strtol(timeout, NULL, 10) : 0;

	h->has_service = find(parsed, "service") != NULL || find(defaults, "service") != NULL;
	h->host = option(parsed, defaults, "host");
	h->hostaddr = option(parsed, defaults, "hostaddr");
	h->port = option(parsed, defaults, "port");
	h->n = n_entries(h->hostaddr != NULL ? h->hostaddr : h->host);
	if (h->n == 0 || h->has_service || !lists_match(h)) {
		h->n = 1;
		clear(&h->host);
		clear(&h->hostaddr);
		clear(&h->port);
	}
	if (timeout_s > 0 && timeout_s <= 3600)
		h->timeout_s = timeout_s < CONNECT_TIMEOUT_MIN_S ? CONNECT_TIMEOUT_MIN_S
								 : (unsigned)timeout_s;
	free(timeout);
	PQconninfoFree(defaults);
}

struct db_hosts *db_hosts_new(const char *conninfo, const char *name)
{
	PQconninfoOption *parsed = PQconninfoParse(conninfo, NULL);
	struct db_hosts *h = xcalloc(1, sizeof(*h));

	h->conninfo = xstrdup(conninfo);
	h->name = xstrdup(name);
	h->n = 1;
	h->timeout_s = CONNECT_TIMEOUT_S;
	if (parsed != NULL)
		read_hosts(h, parsed);
	PQconninfoFree(parsed);
	h->lookups = xcalloc(h->n, sizeof(struct db_lookup *));
	return h;
}

void db_hosts_free(struct db_hosts *h)
{
	for (unsigned i = 0; i < h->n; i++)
		db_lookup_free(h->lookups[i]);
	free(h->lookups);
	free(h->conninfo);
	free(h->name);
	free(h->host);
	free(h->hostaddr);
	free(h->port);
	free(h);
}

void db_hosts_first(struct db_hosts *h)
{
	h->current = 0;
	h->addresses.n = h->address = 0;
}

bool db_hosts_next(struct db_hosts *h)
{
	unsigned next = h->current + 1;

	if (h->address + 1 < h->addresses.n) {
		h->address++;
		return true;
	}
	db_hosts_first(h);
	h->current = next < h->n ? next : 0;
	return h->current > 0;
}

unsigned db_hosts_current(const struct db_hosts *h)
{
	return h->current;
}

unsigned db_hosts_timeout_s(const struct db_hosts *h)
{
	return h->timeout_s;
}

/* Returns the name of the current host, allocated; NULL if there is none to look up. */
static char *name_to_look_up(const struct db_hosts *h)
{
	char *host = entry(h->host, h->current), *hostaddr = entry(h->hostaddr, h->current);
	struct in_addr ip;

	if ((hostaddr != NULL && *hostaddr != '\0') ||
		(host != NULL &&
			(*host == '\0' || *host == '/' || *host == '@' ||
				strchr(host, ':') != NULL || inet_pton(AF_INET, host, &ip) == 1))) {
		free(host);
		host = NULL;
	}
	free(hostaddr);
	return host;
}

int db_hosts_resolve(struct db_hosts *h)
{
	struct db_lookup **lookup = &h->lookups[h->current];
	char *name = h->addresses.n == 0 && *lookup == NULL ? name_to_look_up(h) : NULL;

	h->lookup_errno = 0;
	if (name != NULL) {
		*lookup = db_lookup_start(name);
		h->lookup_errno = *lookup == NULL ? errno : 0;
	}
	free(name);
	return *lookup != NULL ? db_lookup_fd(*lookup) : -1;
}

bool db_hosts_resolved(struct db_hosts *h, char *why, size_t size)
{
	struct db_lookup *lookup = h->lookups[h->current];
	const struct db_lookup_result *result = NULL;
	const char *reason = "timeout expired";
	char *host;

	if (lookup == NULL && h->lookup_errno == 0)
		return true;
	if (lookup != NULL)
		result = db_lookup_result(lookup);
	if (result != NULL) {
		h->addresses = *result;
		db_lookup_free(lookup);
		h->lookups[h->current] = NULL;
		if (h->addresses.n > 0)
			return true;
		reason = gai_strerror(h->addresses.error);
	} else if (h->lookup_errno != 0) {
		reason = strerror(h->lookup_errno);
	}
	host = entry(h->host, h->current);
	snprintf(why, size, "could not translate host name \"%s\" to address: %s", host, reason);
	free(host);
	return false;
}

/* The last value of a keyword wins: defaults come before the string, overrides after it. */
PGconn *db_hosts_connect(const struct db_hosts *h)
{
	/* "primary" rather than "read-write": libpq takes a role's default_transaction_read_only for a server that takes
	 * no writes, and the set-up turns that setting off. */
	static const char *const defaults[][2] = {
		{ "target_session_attrs", "primary" },
		{ "keepalives_idle", "10" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "tcp_user_timeout", "10000" },
	};
	static const char *const of_host[] = { "host", "hostaddr", "port" };
	char *const own[] = { entry(h->host, h->current),
		h->addresses.n > 0 ? xstrdup(h->addresses.address[h->address])
				   : entry(h->hostaddr, h->current),
		entry(h->port, h->current) };
	const char *keys[KEYS_MAX] = { NULL }, *values[KEYS_MAX] = { NULL };
	size_t n = 0;
	PGconn *pg;

	for (size_t d = 0; !h->has_service && d < sizeof(defaults) / sizeof(defaults[0]); d++) {
		keys[n] = defaults[d][0];
		values[n++] = defaults[d][1];
	}
	keys[n] = "dbname";
	values[n++] = h->conninfo;
	for (size_t k = 0; k < 3; k++) {
		keys[n] = of_host[k];
		values[n] = own[k];
		n += own[k] != NULL;
	}
	keys[n] = "application_name";
	values[n++] = h->name;
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	keys[n] = "gssencmode";
	values[n++] = "disable";
	keys[n] = NULL;
	pg = PQconnectStartParams(keys, values, 1);
	if (pg == NULL)
		log_fatal("out_of_memory");
	for (size_t k = 0; k < 3; k++)
		free(own[k]);
	return pg;
}
