/*
 * http_head: a scanner of a request's framing: its head, the lines between the chunks of its body, and its
 * trailer fields. It runs over the bytes before evhttp reads them.
 *
 * Owns: nothing. Knows nothing of: connections, how evhttp parses a request.
 *
 * evhttp shows a request only when it is complete. If two fields disagree on where that is (RFC 9112 6.3), or a
 * transfer encoding is unknown, evhttp waits by its own reading of them while the peer waits for an answer. It also
 * accepts lines that another server reads otherwise or rejects: a NUL or a CR within a line, a version like
 * "HTTP/01.257", a chunk size like "0x5" or "5 5", a chunk that is longer than its size. It skips blanks before a
 * value, but not tabs. It appends trailer fields to the fields of the head.
 */
#ifndef PARLEY_HTTP_HEAD_H
#define PARLEY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All 0 before the first byte of a request. */
struct http_head {
	uint64_t last_8; /* bytes of the request line */
	uint64_t chunk; /* bytes of the current chunk that have not come */
	uint32_t bytes; /* of the head and of the trailer section, with line ends */
	uint32_t n_fields; /* in the head, without the trailer fields */
	uint8_t state;
	uint8_t matched; /* characters of the word that a line is compared with */
	bool is_head; /* the method is HEAD */
	bool started; /* the request line is over */
	bool ended; /* the empty line after the fields has come */
	bool in_trailers; /* the last chunk has come */
	bool complete; /* the body too, if it is chunked; what follows is not scanned */
	bool has_length; /* a Content-Length */
	bool is_chunked; /* a Transfer-Encoding that is chunked alone */
	bool after_cr; /* the next byte must be LF */
	bool is_malformed; /* another encoding, more than one of the two above, or a line that RFC 9112 forbids */
};

/*
 * Scans the next bytes of a request, and replaces tabs before a field's value by blanks, which mean the same
 * (RFC 9110 5.6.3).
 *   bytes  len of them, of any value
 */
void http_head_feed(struct http_head *h, char *bytes, size_t len);

/* True if c may be in a token (RFC 9110 5.6.2). */
bool http_is_token_char(char c);

/* A sentence for the peer on why a request is malformed; NULL if it is not, or not yet. */
const char *http_head_problem(const struct http_head *h);

#endif
