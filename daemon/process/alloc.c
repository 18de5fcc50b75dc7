#include "process/alloc.h"

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/secret.h"

/* Larger allocations may fail: scrypt's table, for which the hasher answers try_again (common/password.h). */
#define SMALL_MAX ((size_t)4 << 20)

static void *checked(void *p, size_t size)
{
	if (p != NULL || size == 0)
		return p;
	log_error("out_of_memory library=yes bytes=%zu", size);
	_exit(EXIT_FAILURE); /* not exit: OpenSSL's handler could deadlock on a lock that is held */
}

static void *allocate(size_t size)
{
	return checked(malloc(size), size);
}

static void *resize(void *p, size_t size)
{
	return checked(secret_realloc(p, size), size);
}

static void *crypto_allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size > SMALL_MAX ? malloc(size) : allocate(size);
}

static void *crypto_resize(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return checked(realloc(p, size), size);
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

void alloc_install_hooks(void)
{
	cJSON_Hooks hooks = { .malloc_fn = allocate, .free_fn = secret_free };

	event_set_mem_functions(allocate, resize, secret_free);
	cJSON_InitHooks(&hooks);
	if (!CRYPTO_set_mem_functions(crypto_allocate, crypto_resize, crypto_free))
		log_warn("alloc_hook_failed library=OpenSSL");
}
