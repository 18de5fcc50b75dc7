/*
 * http_static: which file of the page a path means, and its precompressed copies.
 *
 * Owns: nothing. Knows nothing of: requests.
 */
#ifndef PARLEY_HTTP_STATIC_H
#define PARLEY_HTTP_STATIC_H

#include <stddef.h>
#include <sys/stat.h>

#include "http/http_route.h"

/*
 * Opens a regular file below a directory. No segment may start with a dot or contain a slash or NUL, and none may be a
 * symbolic link.
 *   segments  n of them, decoded
 *   st        out: the state of the file
 * Returns the fd, or -1.
 */
int http_static_open(
	const char *root, const struct http_piece *segments, size_t n, struct stat *st);

/* The media type by the suffix of a file's name. */
const char *http_static_type(const char *name);

#endif
