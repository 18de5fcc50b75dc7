/*
 * http_body: the body of a request.
 *
 * Owns: nothing. Knows nothing of: routes, tokens.
 *
 * evhttp shows a request when its head is complete (http_head.h). The body is read here, after the steps that need only
 * the head; until then it stays in the socket, except for HTTP_BUFFER_MAX bytes.
 */
#ifndef PARLEY_HTTP_BODY_H
#define PARLEY_HTTP_BODY_H

#include <stdbool.h>

struct http_call;
struct http_conn;

/*
 * Reads the body of a request.
 *   keep  true to store it in call->body
 *   then  the next step, perhaps before the function returns. It is not called if the request ends here: the body is
 *         malformed, too large, more than the client's share, or late, or the client has closed the connection
 */
void http_body_read(struct http_call *call, bool keep, void (*then)(struct http_call *call));

/* Reads the body without keeping it, and then sends call->held. */
void http_body_skip(struct http_call *call);

/* True if the rest of the body has to be read before an answer; false if the client has closed the connection. */
bool http_body_incomplete(const struct http_call *call);

/* True if the client sends the body only after 100 Continue, which it has not got. */
bool http_body_awaits_continue(const struct http_call *call);

/* More of the body has come on a connection, at the end of a loop pass. */
void http_body_take(struct http_conn *c);

/* Frees what was kept of the body. */
void http_body_fini(struct http_call *call);

#endif
