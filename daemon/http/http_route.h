/*
 * http_route: the path and query of a request, and the route that they belong to.
 *
 * Owns: the decoded copy of a target. Knows nothing of: requests, what a route does.
 */
#ifndef PARLEY_HTTP_ROUTE_H
#define PARLEY_HTTP_ROUTE_H

#include <stddef.h>

#include "http/http.h"

#define HTTP_SEGMENTS_MAX 8
#define HTTP_QUERY_MAX 16 /* parameters; more are ignored */

/* A part of a path or a query, percent-decoded and NUL-terminated; it may contain NULs too. */
struct http_piece {
	char *at;
	size_t len;
};

struct http_target {
	struct http_piece segments[HTTP_SEGMENTS_MAX];
	size_t n_segments; /* HTTP_SEGMENTS_MAX + 1: too many for any route */
	struct http_piece names[HTTP_QUERY_MAX], values[HTTP_QUERY_MAX];
	size_t n_query;
	char *memory;
};

/*
 * Parses a target. The caller frees it by http_target_fini.
 *   path, query  not decoded; NULL: none
 */
void http_target_init(struct http_target *t, const char *path, const char *query);
void http_target_fini(struct http_target *t);

/* The value of a parameter of the query, the first of that name; NULL if there is none. */
const struct http_piece *http_target_query(const struct http_target *t, const char *name);

/* The segment of the path for a route's {name}; NULL if the route has no such name. */
const struct http_piece *http_target_path(
	const struct http_target *t, const struct http_route *route, const char *name);

/*
 * The route for this path and method. A literal segment wins over another route's {name}, for all methods: PUT
 * /messages/read leaves no GET /messages/{chat_id} for "read".
 *   routes   n of them
 *   method   HTTP_METHOD_N for any other
 *   allowed  out, if the result is NULL: the methods of the path, bits by enum http_method; 0 for an unknown path
 */
const struct http_route *http_route_find(const struct http_route *routes, size_t n,
	const struct http_target *t, enum http_method method, unsigned *allowed);

#endif
