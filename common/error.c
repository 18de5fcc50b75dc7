#include "common/error.h"

#include <string.h>

static const struct {
	const char *code;
	int status;
	const char *sentence;
} errors[ERROR_N] = {
	[ERROR_NONE] = { "none", 200, "" },
#define ERROR(code, status, sentence) [ERROR_##code] = { #code, status, sentence },
#include "common/error.def"
#undef ERROR
};

const char *error_code(enum error e)
{
	return errors[e].code;
}

int error_status(enum error e)
{
	return errors[e].status;
}

const char *error_sentence(enum error e)
{
	return errors[e].sentence;
}

enum error error_by_code(const char *name)
{
	for (unsigned i = 0; i < ERROR_N; i++)
		if (strcmp(errors[i].code, name) == 0)
			return (enum error)i;
	return ERROR_internal;
}
