/*
 * json: parses JSON strictly (cJSON after a complete RFC 8259 check), and writes JSON into a buf.
 *
 * Owns: parsed documents. Knows nothing of: the fields of the API.
 *
 * cJSON accepts more than the grammar (leading zeros, raw control characters), and rejects a lone surrogate as invalid
 * syntax; the API requires 400 for the former and 422 for the latter. json_parse therefore checks the whole text first.
 * It replaces an escape that no text may contain (NUL, a lone surrogate) by a byte that is not valid in UTF-8: only a
 * look-up of that field fails. A number that a double cannot distinguish from an integer is replaced by infinity for the
 * same purpose.
 */
#ifndef PARLEY_JSON_H
#define PARLEY_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define JSON_DEPTH_MAX 32
#define JSON_INT_MAX ((INT64_C(1) << 53) - 1) /* larger integers are not exact as doubles */

/*
 * Parses a JSON text.
 *   text  len bytes, not NUL-terminated; white space around the value is allowed
 *   why   set to a constant sentence for people if the text is rejected
 * Returns the document, to be freed with cJSON_Delete; NULL if the text is not valid JSON in UTF-8 or is nested deeper
 * than JSON_DEPTH_MAX.
 */
cJSON *json_parse(const char *text, size_t len, const char **why);

/* The result of a look-up. */
enum json_get {
	JSON_OK,
	JSON_MISSING, /* there is no such member, or it is null */
	JSON_BAD_TYPE,
	JSON_BAD_VALUE /* a text with NUL or a lone surrogate; a number that is not an integer within +-JSON_INT_MAX */
};

/*
 * Look up a member of an object.
 *   object  may be NULL or of another type, which has no members
 *   name    case-sensitive; the first member if there are several with this name
 *   s       set to a string of the document, NUL-terminated; len: its length in bytes
 *   n, b    set to the value
 * Values are set with JSON_OK only.
 */
enum json_get json_get_str(const cJSON *object, const char *name, const char **s, size_t *len);
enum json_get json_get_int(const cJSON *object, const char *name, int64_t *n);
enum json_get json_get_bool(const cJSON *object, const char *name, bool *b);

/* True if a value is an integer within +-JSON_INT_MAX, which is stored in *n. */
bool json_int(const cJSON *item, int64_t *n);

/*
 * Append a quoted string. Only what RFC 8259, section 7 requires is escaped: quotes, backslashes and control characters.
 *   s  valid UTF-8
 */
void json_put_str(struct buf *b, const char *s, size_t len);
void json_put_cstr(struct buf *b, const char *s); /* appends null if s is NULL */

#endif
