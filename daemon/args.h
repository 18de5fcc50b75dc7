/*
 * args: what a command or a route takes, as data; reading it out of JSON, a query or a path with
 * one error a field.
 *
 * Owns: nothing. Knows nothing of: who asks, what is done with it.
 */
#ifndef PARLEY_ARGS_H
#define PARLEY_ARGS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "proto.h"

enum arg_type {
	ARG_ID, /* 1 .. 2^53 - 1 */
	ARG_INT, /* min .. max */
	ARG_BOOL,
	ARG_TEXT, /* min .. max bytes of UTF-8, any but NUL */
	ARG_CHARS, /* min .. max characters, not only white space */
	ARG_USERNAME, /* 3..32 of a-z0-9_.- after folding A-Z; folded in place */
	ARG_CLIENT_ID, /* 1..64 of A-Za-z0-9._:- */
	ARG_URL, /* http or https, at most max bytes */
	ARG_IDS, /* array of min .. max ids; in a query: comma-separated */
	ARG_OBJECT /* any object; looked at by the command */
};

enum arg_place { ARG_BODY, ARG_QUERY, ARG_PATH };

struct arg_spec {
	const char *name;
	enum arg_type type;
	bool required;
	bool nullable; /* null is a value: it clears */
	int64_t min, max;
	enum arg_place place;
	const char *doc; /* one sentence, for the reference and the OpenAPI description */
};

#define ARGS_MAX 8

struct arg {
	bool present; /* given, be it null (where null is a value; else null is as good as not given) */
	bool flag; /* ARG_BOOL */
	int64_t number; /* ARG_ID, ARG_INT */
	struct text text; /* texts: borrowed from the document */
	const cJSON *json; /* ARG_OBJECT */
	int64_t *ids; /* ARG_IDS: freed by args_fini */
	size_t n_ids;
};

struct args {
	struct arg at[ARGS_MAX]; /* in the order of the specs */
};

/*
 * Reads the ARG_BODY specs out of body (an object; NULL: an empty one). True where all is well.
 * Otherwise the problems are appended to `errors` as the members of a JSON array:
 * {"field":"username","detail":"…"},… Other members of body are ignored. a: filled either way, all
 * of it (args of another place are not present); args_fini frees what it holds. n <= ARGS_MAX.
 */
bool args_read_body(struct args *a, const struct arg_spec *specs, size_t n, const cJSON *body,
	struct buf *errors);

/*
 * The same for one ARG_QUERY or ARG_PATH value, already percent-decoded; NULL where it was not
 * given. a: cleared before. value: a username in it is folded in place; must outlive a.
 */
bool args_read_text(
	struct arg *a, const struct arg_spec *spec, char *value, size_t len, struct buf *errors);

void args_fini(struct args *a);

#endif
