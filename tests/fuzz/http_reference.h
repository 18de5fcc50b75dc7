/*
 * http_reference: parses requests and answers strictly by RFC 9112, independent of the daemon, for fuzz_http.
 *
 * Owns: nothing. Knows nothing of: evhttp, routes.
 */
#ifndef PARLEY_FUZZ_HTTP_REFERENCE_H
#define PARLEY_FUZZ_HTTP_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* What the well-formed header lines of a request decide. */
struct reference_request {
	bool head; /* the method is HEAD: the answer has no body */
	bool get; /* the method is GET */
	bool upgrades; /* it has an Upgrade header */
	bool closes; /* the connection ends with its answer */
	size_t used; /* bytes, with the body */
};

/*
 * Parses the request at bytes[0..len). Returns false if it is incomplete, or if two servers could read it differently;
 * r->head is set all the same.
 */
bool reference_request(const char *bytes, size_t len, struct reference_request *r);

struct reference_answer {
	int status;
	bool closes; /* the connection ends with it */
	bool has_length;
	char type[64]; /* Content-Type */
	const char *head; /* the header lines, up to body */
	const char *body;
	size_t body_len;
	size_t used; /* bytes, with the body */
};

/*
 * Parses the answer at bytes[0..len).
 *   no_body  True if it answers a HEAD
 * Returns false if it is incomplete or not well-formed by RFC 9112.
 */
bool reference_answer(const char *bytes, size_t len, bool no_body, struct reference_answer *a);

/* The value of a header in any case, up to the end of its line; NULL if there is none. */
const char *reference_header(const struct reference_answer *a, const char *name);

#endif
