#include "common/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/utf8.h"
#include "common/xalloc.h"

/* Replaces an escape that no text may contain. Not valid in UTF-8 (RFC 3629, section 4). */
#define BAD_BYTE 0xFF

/* Length of -9007199254740991. A double distinguishes integers from other numbers up to this length. */
#define NUMBER_EXACT_MAX 17

static const char not_json[] = "This is not valid JSON.";

/* True if a string cannot contain the byte unescaped (RFC 8259, section 7). */
static bool must_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

/*
 * True if one of eight bytes must be escaped. Subtracting 1 sets the top bit of a zero byte only, subtracting 0x20 that
 * of a byte below 0x20 only; bytes from 0x80 are masked out. A borrow into a higher byte has no effect on the result,
 * since it comes from a byte that must be escaped.
 */
static bool any_must_escape(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = ones * 0x80;
	uint64_t quote = eight ^ ones * '"';
	uint64_t backslash = eight ^ ones * '\\';
	uint64_t hit = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
		((eight - ones * 0x20) & ~eight);

	return hit & tops;
}

/* Returns the number of bytes from s that need no escape. */
static size_t plain_run(const char *s, size_t len)
{
	size_t n = 0;
	uint64_t eight;

	for (; len - n >= sizeof(eight); n += sizeof(eight)) {
		memcpy(&eight, s + n, sizeof(eight));
		if (any_must_escape(eight))
			break;
	}
	while (n < len && !must_escape((unsigned char)s[n]))
		n++;
	return n;
}

/* The state of the grammar check, which also replaces bytes of the private copy. */
struct check {
	char *at;
	char *end;
	int depth;
	const char *why;
};

static bool check_value(struct check *c);

static bool fail(struct check *c, const char *why)
{
	c->why = why;
	return false;
}

static void skip_space(struct check *c)
{
	while (c->at < c->end &&
		(*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static bool take(struct check *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool check_word(struct check *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return fail(c, not_json);
	c->at += len;
	return true;
}

/* Not isdigit, which depends on the locale. */
static size_t take_digits(struct check *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return (size_t)(c->at - start);
}

/*
 * RFC 8259, section 6. A number that rounding or underflow could turn into an integer (9007199254740991.4, 1e-999), or
 * that is longer than cJSON can parse, is overwritten by infinity and blanks.
 */
static bool check_number(struct check *c)
{
	static const char infinite[] = "1e999";
	char *start = c->at;
	bool exact = true;

	take(c, '-');
	if (!take(c, '0') && take_digits(c) == 0)
		return fail(c, not_json);
	if (take(c, '.') && take_digits(c) == 0)
		return fail(c, not_json);
	if (take(c, 'e') || take(c, 'E')) {
		size_t digits;

		if (!take(c, '+'))
			take(c, '-');
		digits = take_digits(c);
		if (digits == 0)
			return fail(c, not_json);
		exact = digits <= 2;
	}
	if (!exact || c->at - start > NUMBER_EXACT_MAX) {
		memset(start, ' ', (size_t)(c->at - start));
		memcpy(start, infinite, sizeof(infinite) - 1); /* 1e100 is as long */
	}
	return true;
}

/* Four hex digits to 0..FFFF, or -1. */
static int take_hex4(struct check *c)
{
	int unit = 0;

	if (c->end - c->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char digit = *c->at++;

		unit <<= 4;
		if (digit >= '0' && digit <= '9')
			unit |= digit - '0';
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			unit |= (digit | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return unit;
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* After `\u`. Replaces the escape if it is NUL or a lone surrogate. */
static bool check_unicode_escape(struct check *c)
{
	char *start = c->at - 2;
	int unit = take_hex4(c);

	if (unit < 0)
		return fail(c, not_json);
	if (is_high_surrogate(unit)) {
		struct check ahead = *c;

		if (take(&ahead, '\\') && take(&ahead, 'u') &&
			is_low_surrogate(take_hex4(&ahead))) {
			c->at = ahead.at;
			return true;
		}
	}
	if (unit == 0 || is_high_surrogate(unit) || is_low_surrogate(unit))
		memset(start, BAD_BYTE, (size_t)(c->at - start));
	return true;
}

static bool check_string(struct check *c)
{
	if (!take(c, '"'))
		return fail(c, not_json);
	for (;;) {
		c->at += plain_run(c->at, (size_t)(c->end - c->at));
		if (take(c, '"'))
			return true;
		if (!take(c, '\\'))
			break; /* a control character, or the end */
		if (take(c, 'u')) {
			if (!check_unicode_escape(c))
				return false;
		} else {
			if (c->at == c->end || *c->at == '\0' || !strchr("\"\\/bfnrt", *c->at))
				break;
			c->at++;
		}
	}
	return fail(c, not_json);
}

static bool check_member(struct check *c)
{
	skip_space(c);
	if (!check_string(c))
		return false;
	skip_space(c);
	return take(c, ':') ? check_value(c) : fail(c, not_json);
}

/* The items after `[` or `{`, up to the closing bracket. */
static bool check_list(struct check *c, bool (*check_item)(struct check *), char close)
{
	if (++c->depth > JSON_DEPTH_MAX)
		return fail(c, "This JSON is nested too deeply.");
	skip_space(c);
	if (!take(c, close)) {
		do {
			if (!check_item(c))
				return false;
		} while (take(c, ','));
		if (!take(c, close))
			return fail(c, not_json);
	}
	c->depth--;
	return true;
}

/* A value with white space around it. The recursion is limited by JSON_DEPTH_MAX. */
static bool check_value(struct check *c)
{
	bool good;

	skip_space(c);
	switch (c->at < c->end ? *c->at : '\0') {
	case '{':
		c->at++;
		good = check_list(c, check_member, '}');
		break;
	case '[':
		c->at++;
		good = check_list(c, check_value, ']');
		break;
	case '"':
		good = check_string(c);
		break;
	case 't':
		good = check_word(c, "true");
		break;
	case 'f':
		good = check_word(c, "false");
		break;
	case 'n':
		good = check_word(c, "null");
		break;
	default:
		good = check_number(c);
	}
	skip_space(c);
	return good;
}

cJSON *json_parse(const char *text, size_t len, const char **why)
{
	struct check c = { NULL, NULL, 0, NULL };
	cJSON *document = NULL;
	char *copy;

	if (!utf8_valid(text, len)) {
		*why = "This is not valid UTF-8.";
		return NULL;
	}
	copy = xmalloc(len + 1);
	if (len != 0)
		memcpy(copy, text, len);
	c.at = copy;
	c.end = copy + len;
	if (check_value(&c)) {
		if (c.at == c.end)
			document = cJSON_ParseWithLength(copy, len);
		if (document == NULL)
			c.why = not_json;
	}
	secret_wipe(copy, len);
	free(copy);
	*why = c.why;
	return document;
}

static enum json_get get(const cJSON *object, const char *name, const cJSON **item)
{
	*item = cJSON_GetObjectItemCaseSensitive(object, name);
	return *item == NULL || cJSON_IsNull(*item) ? JSON_MISSING : JSON_OK;
}

enum json_get json_get_str(const cJSON *object, const char *name, const char **s, size_t *len)
{
	const cJSON *item;
	size_t n;

	if (get(object, name, &item) != JSON_OK)
		return JSON_MISSING;
	if (!cJSON_IsString(item))
		return JSON_BAD_TYPE;
	n = strlen(item->valuestring);
	if (memchr(item->valuestring, BAD_BYTE, n) != NULL)
		return JSON_BAD_VALUE;
	*s = item->valuestring;
	*len = n;
	return JSON_OK;
}

enum json_get json_get_int(const cJSON *object, const char *name, int64_t *n)
{
	const cJSON *item;

	if (get(object, name, &item) != JSON_OK)
		return JSON_MISSING;
	if (!cJSON_IsNumber(item))
		return JSON_BAD_TYPE;
	return json_int(item, n) ? JSON_OK : JSON_BAD_VALUE;
}

enum json_get json_get_bool(const cJSON *object, const char *name, bool *b)
{
	const cJSON *item;

	if (get(object, name, &item) != JSON_OK)
		return JSON_MISSING;
	if (!cJSON_IsBool(item))
		return JSON_BAD_TYPE;
	*b = cJSON_IsTrue(item);
	return JSON_OK;
}

bool json_int(const cJSON *item, int64_t *n)
{
	double value;

	if (!cJSON_IsNumber(item))
		return false;
	value = item->valuedouble;
	/* 2^53 is out, because 2^53 + 1 is read as the same double. */
	if (value < (double)-JSON_INT_MAX || value > (double)JSON_INT_MAX)
		return false;
	if (value != (double)(int64_t)value)
		return false;
	*n = (int64_t)value;
	return true;
}

static void put_escape(struct buf *b, unsigned char c)
{
	static const char letter[] = {
		['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't',
	};

	buf_add_char(b, '\\');
	if (letter[c] != 0)
		buf_add_char(b, letter[c]);
	else
		buf_addf(b, "u%04x", c);
}

void json_put_str(struct buf *b, const char *s, size_t len)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < len;) {
		size_t run = plain_run(s + i, len - i);

		buf_add(b, s + i, run);
		i += run;
		if (i < len)
			put_escape(b, (unsigned char)s[i++]);
	}
	buf_add_char(b, '"');
}

void json_put_cstr(struct buf *b, const char *s)
{
	if (s != NULL)
		json_put_str(b, s, strlen(s));
	else
		buf_add_str(b, "null");
}
