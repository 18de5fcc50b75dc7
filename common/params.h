/*
 * params: what a command or a route takes, as data; reading it out of JSON, a query or a path with
 * one error a field.
 *
 * Owns: nothing. Knows nothing of: who asks, what is done with it.
 */
#ifndef PARLEY_PARAMS_H
#define PARLEY_PARAMS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/proto.h"

enum param_type {
	PARAM_ID, /* 1 .. 2^53 - 1 */
	PARAM_INT, /* min .. max */
	PARAM_BOOL,
	PARAM_TEXT, /* min .. max bytes of UTF-8, any but NUL */
	PARAM_CHARS, /* min .. max characters, not only white space */
	PARAM_USERNAME, /* 3..32 of a-z0-9_.- after folding A-Z; folded in place */
	PARAM_CLIENT_ID, /* 1..64 of A-Za-z0-9._:- */
	PARAM_URL, /* http or https, at most max bytes */
	PARAM_IDS, /* array of min .. max ids; in a query: comma-separated */
	PARAM_OBJECT /* any object; looked at by the command */
};

enum param_place { PARAM_BODY, PARAM_QUERY, PARAM_PATH };

struct param_spec {
	const char *name;
	enum param_type type;
	bool required;
	bool nullable; /* null is a value: it clears */
	int64_t min, max;
	enum param_place place;
	const char *doc; /* one sentence, for the reference and the OpenAPI description */
};

#define PARAMS_MAX 8

struct param {
	bool present; /* given, be it null (where null is a value; else null is as good as not given) */
	bool flag; /* PARAM_BOOL */
	int64_t number; /* PARAM_ID, PARAM_INT */
	struct text text; /* texts: borrowed from the document */
	const cJSON *json; /* PARAM_OBJECT */
	int64_t *ids; /* PARAM_IDS: freed by params_fini */
	size_t n_ids;
};

struct params {
	struct param at[PARAMS_MAX]; /* in the order of the specs */
};

/*
 * Reads the PARAM_BODY specs out of body (an object; NULL: an empty one). True where all is well.
 * Otherwise the problems are appended to `errors` as the members of a JSON array:
 * {"field":"username","detail":"…"},… Other members of body are ignored. a: filled either way, all
 * of it (params of another place are not present); params_fini frees what it holds. n <= PARAMS_MAX.
 */
bool params_read_body(struct params *a, const struct param_spec *specs, size_t n, const cJSON *body,
	struct buf *errors);

/*
 * The same for one PARAM_QUERY or PARAM_PATH value, already percent-decoded; NULL where it was not
 * given. a: cleared before. value: a username in it is folded in place; must outlive a.
 */
bool params_read_text(struct param *a, const struct param_spec *spec, char *value, size_t len,
	struct buf *errors);

void params_fini(struct params *a);

#endif
