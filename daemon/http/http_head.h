/*
 * http_head: a scanner of a request's framing: its head, which it scans before evhttp does, and its body, which evhttp
 * does not see.
 *
 * Owns: nothing. Knows nothing of: connections, how evhttp parses a head.
 *
 * evhttp would buffer a whole body before it shows the request. So the scanner overwrites the values that frame the
 * body: evhttp finds a length of 0, or an unknown encoding, and shows the request as soon as its head is complete.
 *
 * evhttp accepts lines that another server reads otherwise or rejects: a NUL or a CR within a line, a version like
 * "HTTP/01.257". It skips blanks before a value, but not tabs.
 */
#ifndef PARLEY_HTTP_HEAD_H
#define PARLEY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* All 0 before the first byte of a request. */
struct http_head {
	uint64_t last_8; /* bytes of the request line */
	uint64_t left; /* bytes of the body, or of the current chunk, that have not come */
	uint64_t body; /* bytes of the body that have come, without the framing of chunks */
	uint32_t bytes; /* of the head and of the trailer section, with line ends */
	uint8_t state;
	uint8_t matched; /* characters of the word that a line is compared with */
	bool is_head; /* the method is HEAD */
	bool started; /* the request line is over */
	bool ended; /* the empty line after the fields has come */
	bool in_trailers; /* the last chunk has come */
	bool complete; /* the body has come too; what follows is not scanned */
	bool has_length; /* a Content-Length */
	bool is_chunked; /* a Transfer-Encoding that is chunked alone */
	bool after_cr; /* the next byte must be LF */
	bool is_malformed; /* another encoding, more than one of the two above, or a line that RFC 9112 forbids */
};

/*
 * Scans the next bytes of a request, up to the end of the head, the body or bytes, whichever comes first. In the head it
 * overwrites the digits of Content-Length by "0" and the first letter of "chunked", and replaces tabs before a field's
 * value by blanks, which mean the same (RFC 9110 5.6.3).
 *   bytes  len of them, of any value
 *   body   the bytes of the body are appended to it; NULL: they are skipped
 * Returns the number of bytes that were scanned.
 */
size_t http_head_feed(struct http_head *h, char *bytes, size_t len, struct buf *body);

/* True if c may be in a token (RFC 9110 5.6.2). */
bool http_is_token_char(char c);

/* A sentence for the peer on why a request is malformed; NULL if it is not, or not yet. */
const char *http_head_problem(const struct http_head *h);

#endif
