/*
 * http_fields: the header fields of a request: lists, tokens, origins, framing.
 *
 * Owns: nothing. Knows nothing of: routes, answers.
 */
#ifndef PARLEY_HTTP_FIELDS_H
#define PARLEY_HTTP_FIELDS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/proto.h"
#include "http/http_coding.h"

struct evkeyval;
struct http_call;

/* True if a text is this word, in any case. */
bool http_is_word(struct text t, const char *word);

/* A text without the spaces and tabs around it. */
struct text http_trim(struct text t);

/* Takes the next element off a list (RFC 9110 5.6.1), without white space around it; empty ones are skipped. False at the
 * end. */
bool http_element_next(const char **list, struct text *element);

/* The value of the first line of this name, NULL: there is none; http_field_lines: how many there are. */
const char *http_field(const struct http_call *call, const char *name);
unsigned http_field_lines(const struct http_call *call, const char *name);

/* Appends the values of all lines of this name as one list (RFC 9110 5.3). */
void http_field_join(const struct http_call *call, const char *name, struct buf *list);

/* The elements of such a list; start with call and name alone. The text is valid as long as the call. */
struct http_list {
	const struct http_call *call;
	const char *name;
	const struct evkeyval *line;
	const char *at;
};
/* The next element, as http_element_next. */
bool http_list_next(struct http_list *list, struct text *element);

/* True if such a list has this element, in any case. */
bool http_field_has(const struct http_call *call, const char *name, const char *token);

/* True if Accept has this media type, whatever its parameters. */
bool http_accepts(const struct http_call *call, const char *type);

/* The codings that Accept-Encoding accepts. */
struct http_weights http_accepted_codings(const struct http_call *call);

/* The credentials of Authorization with the scheme Bearer; the session cookie, that of https first. data NULL if there is
 * none. */
struct text http_bearer(const struct http_call *call);
struct text http_cookie(const struct http_call *call);

/* True if there is one Origin, and it is the server's own or in the setting allowed_origins. */
bool http_origin_allowed(const struct http_call *call);

/* A sentence on what evhttp accepts and RFC 9112 does not: anything by which two servers could disagree on where a
 * request ends (6.3) or on its host (3.2). NULL if the request is fine. */
const char *http_fields_problem(const struct http_call *call);

#endif
