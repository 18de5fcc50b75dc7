/*
 * http_coding: content codings, and which one a client prefers (RFC 9110 8.4.1, 12.5.3).
 *
 * Owns: nothing. Knows nothing of: requests, files.
 */
#ifndef PARLEY_HTTP_CODING_H
#define PARLEY_HTTP_CODING_H

#include <stddef.h>

#include "common/buf.h"

/* From the least to the most preferred. */
enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_BR, HTTP_CODING_N };

/* The name in Content-Encoding. */
const char *http_coding_name(enum http_coding coding);

/* What Accept-Encoding says of each coding, and of all others ("*"): 0 to 1000, or -1 if nothing. */
struct http_weights {
	int of[HTTP_CODING_N];
	int others;
};

/*
 * Reads Accept-Encoding.
 *   accept  as one list; "" if there is none
 */
struct http_weights http_coding_read(const char *accept);

/*
 * The coding of an answer: of the available ones that the client accepts, the one with the highest weight, then the later
 * one of the enum. HTTP_IDENTITY if the client accepts none.
 *   w          what the client accepts
 *   available  bits by enum http_coding; identity need not be among them
 */
enum http_coding http_coding_choose(const struct http_weights *w, unsigned available);

/*
 * Appends bytes in the coding gzip, at zlib's cheapest level.
 *   bytes  len of them
 */
void http_coding_gzip(struct buf *out, const char *bytes, size_t len);

#endif
