/*
 * embedded: a file that the build puts into the program (common/embed).
 *
 * Owns: nothing. Knows nothing of: what the file holds.
 *
 * The array of a room's files is declared by the file that uses it, and ends with a name that is NULL:
 *
 *	extern const struct embedded migration_files[];
 */
#ifndef PARLEY_EMBEDDED_H
#define PARLEY_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* without its directory */
	const char *text; /* NUL-terminated */
	size_t len; /* bytes of the text */
};

#endif
