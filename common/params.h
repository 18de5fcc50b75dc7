/*
 * params: the parameters of a route or of a command as a table, and their reader: from JSON, a query or a path, with one
 * error per bad field.
 *
 * Owns: nothing. Knows nothing of: routes, commands, what is done with a value.
 *
 * Tables are arrays of struct param_spec with designated fields, one way for routes and for commands:
 *
 *	enum { SEND_RECEIVER, SEND_CONTENT };
 *	static const struct param_spec send_params[] = {
 *		[SEND_RECEIVER] = { .name = "receiver_id", .type = PARAM_ID,   .required = true, .doc = "…" },
 *		[SEND_CONTENT]  = { .name = "content",     .type = PARAM_TEXT, .required = true, .min = 1, .max = 16384, .doc = "…" },
 *	};
 *	… { .name = "send", PARAMS(send_params), … }
 */
#ifndef PARLEY_PARAMS_H
#define PARLEY_PARAMS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/proto.h"

#define PARAMS_USERNAME_MIN 3
#define PARAMS_USERNAME_MAX 32

enum param_type {
	PARAM_ID, /* 1 .. 2^53 - 1 */
	PARAM_INT, /* min .. max */
	PARAM_BOOL,
	PARAM_TEXT, /* min .. max bytes of UTF-8 without NUL */
	PARAM_STRING, /* min .. max code points of UTF-8 without NUL */
	PARAM_NAME, /* min .. max code points in NFC, at least one of them visible; normalized to NFC */
	PARAM_USERNAME, /* 3..32 of a-z0-9_.- after folding A-Z; folded in place */
	PARAM_CLIENT_ID, /* 1..64 of A-Za-z0-9._:- */
	PARAM_CHOICE, /* one of spec->choices */
	PARAM_CODE, /* TOKEN_CODE_CHARS of A-Za-z0-9 (common/token) */
	PARAM_EMOJI, /* one emoji (common/emoji.h); normalized: without U+FE0F */
	PARAM_URL, /* http or https, at most max bytes */
	PARAM_CURSOR, /* the `next` of a page; only in a query */
	PARAM_IDS, /* array of min .. max ids; in a query: comma-separated */
	PARAM_OBJECT /* any object; the command checks its members */
};

enum param_place { PARAM_BODY, PARAM_QUERY, PARAM_PATH };

struct param_spec {
	const char *name;
	enum param_type type;
	enum param_place place;
	bool required;
	bool nullable; /* True if null is a value, which clears; otherwise null counts as absent. */
	int64_t min, max; /* see the type */
	const char *choices; /* PARAM_CHOICE: words, separated by a space */
	const char *doc; /* one sentence, for the OpenAPI description */
};

/* The members params and n_params of a route or a command: a whole table, or the first n of one. */
#define PARAMS(table) .params = (table), .n_params = sizeof(table) / sizeof((table)[0])
#define PARAMS_FIRST(n, table) .params = (table), .n_params = (n)

#define PARAMS_MAX 8 /* parameters of one route or command */

struct param {
	bool present; /* True if a value was given, null included if the parameter is nullable. */
	bool flag; /* PARAM_BOOL */
	int64_t number; /* PARAM_ID, PARAM_INT */
	struct text
		text; /* texts; data is NULL for null. Borrowed from the document, or from normal */
	char *normal; /* PARAM_NAME, PARAM_EMOJI: the normal form; freed by params_fini */
	struct cursor cursor; /* PARAM_CURSOR */
	const cJSON *json; /* PARAM_OBJECT */
	int64_t *ids; /* PARAM_IDS: freed by params_fini */
	size_t n_ids;
};

struct params {
	struct param at[PARAMS_MAX]; /* in the order of the specs */
};

/*
 * Reads the PARAM_BODY parameters.
 *   p       overwritten, all of it: parameters of other places are not present. Free with params_fini, also on failure
 *   specs   n of them, at most PARAMS_MAX
 *   body    an object; NULL counts as an empty one. Members without a spec are ignored. Usernames in it are folded
 *   errors  each problem is appended as a member of a JSON array: {"field":"username","detail":"…"},…
 * Returns true if there was no problem.
 */
bool params_read_body(struct params *p, const struct param_spec *specs, size_t n, const cJSON *body,
	struct buf *errors);

/*
 * Reads one PARAM_QUERY or PARAM_PATH parameter.
 *   p       overwritten
 *   value   percent-decoded, len bytes and a NUL; NULL if absent. A username in it is folded. Must outlive p
 *   errors  as above
 * Returns true if there was no problem.
 */
bool params_read_text(struct param *p, const struct param_spec *spec, char *value, size_t len,
	struct buf *errors);

void params_fini(struct params *p);

#endif
