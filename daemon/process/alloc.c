#include "process/alloc.h"

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/secret.h"

/* scrypt's table is larger; its want is answered, try again (password.h). */
#define SMALL_MAX ((size_t)4 << 20)

static void *checked(void *p, size_t size)
{
	if (p != NULL || size == 0)
		return p;
	log_error("out_of_memory bytes=%zu for a library", size);
	_exit(EXIT_FAILURE); /* OpenSSL would clean up, with a lock held perhaps */
}

static void *get(size_t size)
{
	return checked(malloc(size), size);
}

static void *resize(void *p, size_t size)
{
	return checked(secret_realloc(p, size), size);
}

static void *crypto_get(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size > SMALL_MAX ? malloc(size) : get(size);
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
	cJSON_Hooks hooks = { .malloc_fn = get, .free_fn = secret_free };

	event_set_mem_functions(get, resize, secret_free);
	cJSON_InitHooks(&hooks);
	if (!CRYPTO_set_mem_functions(crypto_get, crypto_resize, crypto_free))
		log_warn("memory_unchecked library=OpenSSL");
}
