/*
 * http_head: a request's head, looked at byte by byte before evhttp has read it.
 *
 * Owns: nothing. Knows nothing of: connections, what evhttp makes of it.
 *
 * evhttp shows a request when all of it is there. Where two headers disagree on where that is (RFC
 * 9112 6.3), or a transfer encoding is not ours, it waits by its own reading of them, and the peer
 * for an answer; so they are found here.
 */
#ifndef PARLEY_HTTP_HEAD_H
#define PARLEY_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All 0 before the first byte of a request. */
struct http_head {
	uint32_t bytes; /* of the head, with its line ends */
	uint8_t state;
	uint8_t at; /* in the word that a line is compared with */
	bool ended; /* the empty line has come: what follows is not looked at */
	bool started; /* the request line is over */
	bool length,
		chunked; /* a Content-Length; a Transfer-Encoding that is chunked and nothing else */
	bool ambiguous; /* another encoding, or more than one of all these */
};

/* The next bytes of the request, up to 4 GiB in all. */
void http_head_feed(struct http_head *h, const char *bytes, size_t len);

#endif
