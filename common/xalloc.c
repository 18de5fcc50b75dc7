#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static void *checked(void *p, size_t n, size_t size)
{
	if (p == NULL)
		log_fatal("out_of_memory n=%zu size=%zu", n, size);
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size > 0 ? size : 1), 1, size);
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1), n, size);
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n > 0 ? n : 1, size > 0 ? size : 1), n, size);
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

void *xmemdup(const void *bytes, size_t len)
{
	void *copy = xmalloc(len);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

void *xgrow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap > 0 ? *cap * 2 : 4;
	return xreallocarray(array, *cap, size);
}
