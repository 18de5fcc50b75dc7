/*
 * http_reference: where requests begin and end, and what an answer is, read strictly by RFC 9112 and
 * apart from the daemon: what fuzz_http compares it with.
 *
 * Owns: nothing. Knows nothing of: evhttp, routes.
 */
#ifndef PARLEY_FUZZ_HTTP_REFERENCE_H
#define PARLEY_FUZZ_HTTP_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* What a header line that RFC 9112 allows can do to a request. */
struct reference_request {
	bool head; /* HEAD: its answer has no body */
	bool get;
	bool upgrades; /* has an Upgrade header */
	bool closes; /* the connection ends with its answer */
	size_t used; /* bytes, with the body */
};

/*
 * The request that begins at bytes[0..len). False where there is none that is whole and beyond doubt: it
 * has not all come, or two readers could disagree about it; head is set all the same.
 */
bool reference_request(const char *bytes, size_t len, struct reference_request *r);

struct reference_answer {
	int status;
	bool closes;
	bool has_length;
	char type[64]; /* Content-Type */
	const char *head; /* NUL-terminated lines are not in it: up to body */
	const char *body;
	size_t body_len;
	size_t used;
};

/* The answer that begins at bytes[0..len), complete and well-formed in all that RFC 9112 asks of a server;
 * false where it is not. no_body: it answers a HEAD. */
bool reference_answer(const char *bytes, size_t len, bool no_body, struct reference_answer *a);

/* The value of the header in this head, up to its line's end, in any case of the name; NULL: none. */
const char *reference_header(const struct reference_answer *a, const char *name);

#endif
