#define _DEFAULT_SOURCE 1
#include "common/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void secret_wipe(void *bytes, size_t len)
{
	if (len > 0)
		explicit_bzero(bytes, len);
}

void secret_free(void *memory)
{
	if (memory == NULL)
		return;
	secret_wipe(memory, malloc_usable_size(memory));
	free(memory);
}

void *secret_realloc(void *memory, size_t size)
{
	size_t old = memory != NULL ? malloc_usable_size(memory) : 0;
	void *moved;

	if (memory != NULL && size <= old)
		return memory;
	moved = malloc(size);
	if (moved == NULL)
		return NULL;
	if (old > 0)
		memcpy(moved, memory, old);
	secret_free(memory);
	return moved;
}
