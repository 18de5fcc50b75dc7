/*
 * silent_names: a name service that can fall silent, for tests. Preloaded.
 *
 * db.example is 127.0.0.1. While the file that $PARLEY_SILENT_NAMES names exists, looking it up
 * waits, and fails after 30 s, as with a name server that does not answer (resolv.conf(5)).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_S 30

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	const struct timespec pause = { 0, 10 * 1000 * 1000 };
	const char *silent = getenv("PARLEY_SILENT_NAMES");

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node == NULL || strcmp(node, "db.example") != 0)
		return real(node, service, hints, result);
	for (int i = 0; silent != NULL && access(silent, F_OK) == 0; i++) {
		if (i == SILENCE_S * 100)
			return EAI_AGAIN;
		nanosleep(&pause, NULL);
	}
	return real("127.0.0.1", service, hints, result);
}
