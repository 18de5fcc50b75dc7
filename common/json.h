/*
 * json: reading JSON strictly (cJSON behind a full RFC 8259 check), and writing it straight into
 * a buf.
 *
 * Owns: parsed documents. Knows nothing of: the contract's fields.
 *
 * cJSON takes more than the grammar allows (leading zeros, raw control characters) and refuses
 * lone surrogates like broken syntax; the contract wants 400 for the one and 422 for the other.
 * So json_parse checks the whole text first, and marks an escape that no text may hold (NUL, a
 * lone surrogate) by a byte that valid UTF-8 cannot contain: the field that holds it is found bad
 * when it is read, and an ignored field stays ignored. A number that a double cannot tell from an
 * integer is marked likewise, by infinity.
 */
#ifndef PARLEY_JSON_H
#define PARLEY_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define JSON_DEPTH_MAX 32
#define JSON_INT_MAX ((INT64_C(1) << 53) - 1) /* ids are below 2^53 */

/*
 * Parses one JSON text (len bytes, need not be NUL-terminated; white space around it is allowed).
 * Returns the document, to be freed with cJSON_Delete, or NULL where it is no valid JSON in UTF-8,
 * or nested deeper than JSON_DEPTH_MAX; *why is then a short constant sentence for people.
 */
cJSON *json_parse(const char *text, size_t len, const char **why);

/* What a look-up of a typed value found. */
enum json_get {
	JSON_OK,
	JSON_MISSING, /* no such member, or null */
	JSON_BAD_TYPE,
	JSON_BAD_VALUE /* text with NUL or lone surrogate; no integer within +-(2^53 - 1) */
};

/*
 * Member name of object, in exact case; the first of that name where there are several. What is
 * no object (NULL, too) has no members. The value is written only with JSON_OK.
 * *s stays owned by the document and is NUL-terminated; *len is its length in bytes.
 */
enum json_get json_get_str(const cJSON *object, const char *name, const char **s, size_t *len);
enum json_get json_get_int(const cJSON *object, const char *name, int64_t *n);
enum json_get json_get_bool(const cJSON *object, const char *name, bool *b);

/* One JSON value that is a whole number within +-(2^53 - 1)? Writes it to *n. */
bool json_int(const cJSON *item, int64_t *n);

/*
 * Writing. Strings are valid UTF-8 of len bytes and leave quoted and escaped as RFC 8259 7 asks
 * (", \ and C0; nothing else).
 */
void json_put_str(struct buf *b, const char *s, size_t len);
void json_put_cstr(struct buf *b, const char *s); /* NULL writes null */

#endif
