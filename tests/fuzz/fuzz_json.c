/*
 * Fuzz target: json_parse with any bytes. For an accepted text:
 *   - it is still accepted with white space around it;
 *   - it is rejected with a character after it, or without its last bracket or quote;
 *   - every integer is in range;
 *   - every string is the same after it is written and read again.
 */
#include <stdbool.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

static bool accepts(const char *text, size_t len)
{
	const char *why;
	cJSON *document = json_parse(text, len, &why);

	MUST(document != NULL || why != NULL);
	cJSON_Delete(document);
	return document != NULL;
}

static void check_string(const cJSON *holder, const char *name)
{
	struct buf text = BUF_EMPTY;
	const char *s, *again, *why;
	size_t len, again_len;
	cJSON *document;

	if (json_get_str(holder, name, &s, &len) != JSON_OK)
		return;
	MUST(utf8_valid(s, len));
	buf_add_str(&text, "{\"s\":");
	json_put_str(&text, s, len);
	buf_add_char(&text, '}');
	document = json_parse(text.data, text.len, &why);
	MUST(json_get_str(document, "s", &again, &again_len) == JSON_OK);
	MUST(again_len == len && memcmp(again, s, len) == 0);
	cJSON_Delete(document);
	buf_fini(&text);
}

/* Checks every value; depth is that of its container, at most JSON_DEPTH_MAX. */
static void check_values(const cJSON *value, int depth)
{
	const cJSON *child;
	int64_t n;

	MUST(depth <= JSON_DEPTH_MAX);
	if (json_int(value, &n))
		MUST(n >= -JSON_INT_MAX && n <= JSON_INT_MAX);
	cJSON_ArrayForEach(child, value)
	{
		if (cJSON_IsObject(value))
			check_string(value, child->string);
		check_values(child, depth + (cJSON_IsObject(child) || cJSON_IsArray(child)));
	}
}

static void check_neighbours(const char *text, size_t len)
{
	struct buf other = BUF_EMPTY;

	buf_add_str(&other, " \t");
	buf_add(&other, text, len);
	buf_add_str(&other, "\r\n");
	MUST(accepts(other.data, other.len));
	buf_add_char(&other, 'x');
	MUST(!accepts(other.data, other.len));
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (strchr("]}\"", text[len - 1]))
		MUST(!accepts(text, len - 1));
	buf_fini(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes, *why;
	cJSON *document = json_parse(text, len, &why);

	if (document != NULL) {
		check_values(document, cJSON_IsObject(document) || cJSON_IsArray(document));
		check_neighbours(text, len);
	}
	cJSON_Delete(document);
	return 0;
}
