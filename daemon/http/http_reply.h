/*
 * http_reply: answers of http itself; those of a handler are in http.h.
 *
 * Owns: nothing. Knows nothing of: routes, connections.
 */
#ifndef PARLEY_HTTP_REPLY_H
#define PARLEY_HTTP_REPLY_H

#include <event2/buffer.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

struct http_call;

/* The reason phrase of a status (RFC 9110 15). */
const char *http_reason(int status);

/*
 * Appends a problem (RFC 9457).
 *   detail  NULL for the error's own sentence
 *   errors  the members of its array "errors"; NULL for no such array
 */
void http_put_problem(
	struct buf *b, enum error error, const char *detail, const char *errors, size_t errors_len);

/* Sends the answer, with the headers added so far, and ends the call. Empties body. If the body of the request has not
 * come, it is skipped first. */
void http_send(struct http_call *call, int status, struct evbuffer *body);

#endif
