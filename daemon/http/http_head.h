/*
 * http_head: where a request ends, looked at byte by byte before evhttp has read it: its head, and the
 * lines between the chunks of its body.
 *
 * Owns: nothing. Knows nothing of: connections, what evhttp makes of it.
 *
 * evhttp shows a request when all of it is there. Where two headers disagree on where that is (RFC
 * 9112 6.3), or a transfer encoding is not ours, it waits by its own reading of them, and the peer
 * for an answer. And it takes lines that another server reads otherwise, or refuses: with a NUL or a
 * CR in them, a version like "HTTP/01.257", a chunk's size like "0x5" or "5 5", a chunk that is
 * longer than its size says. So they are found here.
 */
#ifndef PARLEY_HTTP_HEAD_H
#define PARLEY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All 0 before the first byte of a request. */
struct http_head {
	uint64_t newest; /* eight bytes of the request line */
	uint64_t chunk; /* bytes still to come of it */
	uint32_t bytes; /* of the head, with its line ends */
	uint8_t state;
	uint8_t at; /* in the word that a line is compared with */
	bool no_body; /* of the answer: this is a HEAD */
	bool started; /* the request line is over */
	bool ended; /* the empty line has come */
	bool whole; /* and a chunked body: what follows is not looked at */
	bool length,
		chunked; /* a Content-Length; a Transfer-Encoding that is chunked and nothing else */
	bool after_cr; /* of a line end, it must be */
	bool ambiguous; /* another encoding, more than one of all these, or broken lines */
};

/* The next bytes of the request. */
void http_head_feed(struct http_head *h, const char *bytes, size_t len);

#endif
