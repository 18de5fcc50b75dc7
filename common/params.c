#include "common/params.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/log.h"
#include "common/utf8.h"

#define USERNAME_MIN 3
#define USERNAME_MAX 32

/* What was found in the document or the request; which one of them says the spec. */
enum found { FOUND, FOUND_NOTHING, FOUND_BAD };

static void put_detail(struct buf *b, const struct param_spec *s)
{
	switch (s->type) {
	case PARAM_ID:
		buf_add_str(b, "must be an id: a whole number above 0");
		break;
	case PARAM_INT:
		buf_addf(b, "must be a whole number from %" PRId64 " to %" PRId64, s->min, s->max);
		break;
	case PARAM_BOOL:
		buf_add_str(b, "must be true or false");
		break;
	case PARAM_TEXT:
		buf_addf(b, "must be %" PRId64 " to %" PRId64 " bytes of UTF-8 without NUL", s->min,
			s->max);
		break;
	case PARAM_CHARS:
		buf_addf(b, "must be %" PRId64 " to %" PRId64 " characters, not all of them blank",
			s->min, s->max);
		break;
	case PARAM_USERNAME:
		buf_addf(b, "must be %d to %d characters of a-z, 0-9, _, . and -", USERNAME_MIN,
			USERNAME_MAX);
		break;
	case PARAM_CLIENT_ID:
		buf_addf(b, "must be 1 to %d characters of A-Z, a-z, 0-9, ., _, : and -",
			PROTO_CLIENT_ID_MAX);
		break;
	case PARAM_URL:
		buf_addf(
			b, "must be an http or https address of at most %" PRId64 " bytes", s->max);
		break;
	case PARAM_IDS:
		buf_addf(b, "must be a list of %" PRId64 " to %" PRId64 " ids", s->min, s->max);
		break;
	case PARAM_OBJECT:
		buf_add_str(b, "must be an object");
		break;
	}
	if (s->nullable)
		buf_add_str(b, ", or null");
}

static void put_problem(struct buf *errors, const struct param_spec *s, enum found what)
{
	struct buf detail = BUF_EMPTY;

	if (what == FOUND_NOTHING)
		buf_add_str(&detail, "is missing");
	else
		put_detail(&detail, s);
	buf_add_str(errors, errors->len != 0 ? ",{\"field\":" : "{\"field\":");
	json_put_cstr(errors, s->name);
	buf_add_str(errors, ",\"detail\":");
	json_put_str(errors, detail.data, detail.len);
	buf_add_char(errors, '}');
	buf_fini(&detail);
}

/* Texts; each of them is valid UTF-8 without NUL. */

static bool is_of(const char *s, size_t len, const char *others)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
			    strchr(others, s[i]) != NULL))
			return false;
	return true;
}

static bool check_username(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			s[i] = (char)(s[i] - 'A' + 'a');
	return len >= USERNAME_MIN && len <= USERNAME_MAX && is_of(s, len, "_.-");
}

static bool check_client_id(const char *s, size_t len)
{
	return len >= 1 && len <= PROTO_CLIENT_ID_MAX &&
		is_of(s, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._:-");
}

/* The code point that begins at s. */
static uint32_t code_point(const unsigned char *s)
{
	if (s[0] < 0x80)
		return s[0];
	if (s[0] < 0xE0)
		return (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F);
	if (s[0] < 0xF0)
		return (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
	return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 |
		(uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F);
}

/* Unicode's White_Space, the controls, and what has no width: a name of these alone could not be
 * seen. */
static bool is_blank(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} blank[] = { { 0, 0x20 }, { 0x7F, 0xA0 }, { 0xAD, 0xAD }, { 0x1680, 0x1680 },
		{ 0x2000, 0x200F }, { 0x2028, 0x202F }, { 0x205F, 0x2064 }, { 0x2066, 0x206F },
		{ 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF } };

	for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++)
		if (c >= blank[i].first && c <= blank[i].last)
			return true;
	return false;
}

static bool check_chars(const char *s, size_t len, int64_t min, int64_t max)
{
	int64_t n = (int64_t)utf8_count(s, len);

	if (n < min || n > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)s[i] & 0xC0) != 0x80 &&
			!is_blank(code_point((const unsigned char *)s + i)))
			return true;
	return len == 0;
}

/* A scheme, a host, and nothing that RFC 3986 has no place for; letters beyond ASCII are let pass,
 * people paste them. */
static bool check_url(const char *s, size_t len, int64_t max)
{
	size_t scheme = strncasecmp(s, "http://", 7) == 0 ? 7
		: strncasecmp(s, "https://", 8) == 0      ? 8
							  : 0;

	if (scheme == 0 || (int64_t)len > max || len == scheme ||
		strchr("/?#:@", s[scheme]) != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7F ||
			strchr("\"<>\\^`{|}", s[i]) != NULL)
			return false;
	return true;
}

/* s is NUL-terminated too. */
static bool check_text(const struct param_spec *spec, char *s, size_t len)
{
	switch (spec->type) {
	case PARAM_CHARS:
		return check_chars(s, len, spec->min, spec->max);
	case PARAM_USERNAME:
		return check_username(s, len);
	case PARAM_CLIENT_ID:
		return check_client_id(s, len);
	case PARAM_URL:
		return check_url(s, len, spec->max);
	default:
		return (int64_t)len >= spec->min && (int64_t)len <= spec->max;
	}
}

static bool check_number(const struct param_spec *spec, int64_t n)
{
	return spec->type == PARAM_ID ? n >= 1 && n <= PROTO_ID_MAX
				      : n >= spec->min && n <= spec->max;
}

static int64_t *ids_new(size_t n)
{
	int64_t *ids = calloc(n != 0 ? n : 1, sizeof(*ids));

	if (ids == NULL)
		log_fatal("out_of_memory ids=%zu", n);
	return ids;
}

/* Out of JSON. */

static enum found found_of(enum json_get got)
{
	return got == JSON_OK ? FOUND : got == JSON_MISSING ? FOUND_NOTHING : FOUND_BAD;
}

static enum found read_ids(struct param *a, const struct param_spec *spec, const cJSON *item)
{
	const cJSON *id;
	int64_t n = 0;

	if (!cJSON_IsArray(item))
		return FOUND_BAD;
	cJSON_ArrayForEach(id, item) n++;
	if (n < spec->min || n > spec->max)
		return FOUND_BAD;
	a->ids = ids_new((size_t)n);
	cJSON_ArrayForEach(id, item)
	{
		int64_t *to = &a->ids[a->n_ids++];

		if (!json_int(id, to) || *to < 1)
			return FOUND_BAD;
	}
	return FOUND;
}

static enum found read_string(struct param *a, const struct param_spec *spec, const cJSON *body)
{
	enum found what = found_of(json_get_str(body, spec->name, &a->text.data, &a->text.len));

	/* By way of the item, whose string may be changed: a username is folded. */
	if (what == FOUND &&
		!check_text(spec, cJSON_GetObjectItemCaseSensitive(body, spec->name)->valuestring,
			a->text.len))
		return FOUND_BAD;
	return what;
}

static enum found read_member(struct param *a, const struct param_spec *spec, const cJSON *body)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, spec->name);
	enum found what;

	if (item == NULL || cJSON_IsNull(item)) {
		a->present = item != NULL && spec->nullable;
		return a->present ? FOUND : FOUND_NOTHING;
	}
	switch (spec->type) {
	case PARAM_ID:
	case PARAM_INT:
		what = found_of(json_get_int(body, spec->name, &a->number));
		if (what == FOUND && !check_number(spec, a->number))
			what = FOUND_BAD;
		break;
	case PARAM_BOOL:
		what = found_of(json_get_bool(body, spec->name, &a->flag));
		break;
	case PARAM_IDS:
		what = read_ids(a, spec, item);
		break;
	case PARAM_OBJECT:
		a->json = item;
		what = cJSON_IsObject(item) ? FOUND : FOUND_BAD;
		break;
	default:
		what = read_string(a, spec, body);
		break;
	}
	a->present = what == FOUND;
	return what;
}

/* Is it a problem? Then it is told. */
static bool judge(const struct param_spec *spec, enum found what, struct buf *errors)
{
	if (what == FOUND || (what == FOUND_NOTHING && !spec->required))
		return true;
	put_problem(errors, spec, what);
	return false;
}

bool params_read_body(struct params *a, const struct param_spec *specs, size_t n, const cJSON *body,
	struct buf *errors)
{
	bool good = true;

	assert(n <= PARAMS_MAX);
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < n; i++)
		if (specs[i].place == PARAM_BODY)
			good &= judge(&specs[i], read_member(&a->at[i], &specs[i], body), errors);
	return good;
}

/* Out of a query or a path. */

/* Digits alone, as few as 2^53 needs. */
static bool parse_number(const char *s, size_t len, int64_t *n)
{
	size_t i = len > 1 && s[0] == '-';

	if (len == i || len > 17)
		return false;
	*n = 0;
	for (; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*n = *n * 10 + (s[i] - '0');
	}
	if (s[0] == '-')
		*n = -*n;
	return true;
}

static enum found parse_ids(
	struct param *a, const struct param_spec *spec, const char *value, size_t len)
{
	const char *end = value + len;
	int64_t n = len != 0;

	for (size_t i = 0; i < len; i++)
		n += value[i] == ',';
	if (n < spec->min || n > spec->max)
		return FOUND_BAD;
	a->ids = ids_new((size_t)n);
	while (a->n_ids < (size_t)n) {
		const char *comma = memchr(value, ',', (size_t)(end - value));
		int64_t *to = &a->ids[a->n_ids++];

		if (!parse_number(value, (size_t)((comma != NULL ? comma : end) - value), to) ||
			*to < 1 || *to > PROTO_ID_MAX)
			return FOUND_BAD;
		value = comma != NULL ? comma + 1 : end;
	}
	return FOUND;
}

static enum found parse_value(
	struct param *a, const struct param_spec *spec, char *value, size_t len)
{
	bool good;

	switch (spec->type) {
	case PARAM_ID:
	case PARAM_INT:
		good = parse_number(value, len, &a->number) && check_number(spec, a->number);
		break;
	case PARAM_BOOL:
		a->flag = strcmp(value, "true") == 0;
		good = a->flag || strcmp(value, "false") == 0;
		break;
	case PARAM_IDS:
		return parse_ids(a, spec, value, len);
	case PARAM_OBJECT:
		good = false;
		break;
	default:
		a->text = (struct text){ value, len };
		good = memchr(value, '\0', len) == NULL && utf8_valid(value, len) &&
			check_text(spec, value, len);
		break;
	}
	return good ? FOUND : FOUND_BAD;
}

bool params_read_text(
	struct param *a, const struct param_spec *spec, char *value, size_t len, struct buf *errors)
{
	enum found what = FOUND_NOTHING;

	memset(a, 0, sizeof(*a));
	if (value != NULL)
		what = parse_value(a, spec, value, len);
	a->present = what == FOUND;
	return judge(spec, what, errors);
}

void params_fini(struct params *a)
{
	for (size_t i = 0; i < PARAMS_MAX; i++)
		free(a->at[i].ids);
	memset(a, 0, sizeof(*a));
}
