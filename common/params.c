#include "common/params.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/emoji.h"
#include "common/json.h"
#include "common/token.h"
#include "common/unicode.h"
#include "common/utf8.h"
#include "common/xalloc.h"

enum outcome { READ, READ_MISSING, READ_BAD };

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
	case PARAM_STRING:
		buf_addf(b, "must be %" PRId64 " to %" PRId64 " characters without NUL", s->min,
			s->max);
		break;
	case PARAM_CHOICE:
		buf_addf(b, "must be one of: %s", s->choices);
		break;
	case PARAM_CODE:
		buf_addf(b, "must be %d characters of A-Z, a-z and 0-9", TOKEN_CODE_CHARS);
		break;
	case PARAM_NAME:
		buf_addf(b,
			"must be %" PRId64 " to %" PRId64
			" characters, at least one of them visible",
			s->min, s->max);
		break;
	case PARAM_USERNAME:
		buf_addf(b, "must be %d to %d characters of a-z, 0-9, _, . and -",
			PARAMS_USERNAME_MIN, PARAMS_USERNAME_MAX);
		break;
	case PARAM_CLIENT_ID:
		buf_addf(b, "must be 1 to %d characters of A-Z, a-z, 0-9, ., _, : and -",
			PROTO_CLIENT_ID_MAX);
		break;
	case PARAM_EMOJI:
		buf_addf(b, "must be one emoji of at most %d bytes", EMOJI_MAX);
		break;
	case PARAM_URL:
		buf_addf(
			b, "must be an http or https address of at most %" PRId64 " bytes", s->max);
		break;
	case PARAM_CURSOR:
		buf_add_str(b, "must be the next of a page");
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

static void put_problem(struct buf *errors, const struct param_spec *s, enum outcome outcome)
{
	struct buf detail = BUF_EMPTY;

	if (outcome == READ_MISSING)
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

/* Checks of texts, which are valid UTF-8 without NUL. */

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
	return len >= PARAMS_USERNAME_MIN && len <= PARAMS_USERNAME_MAX && is_of(s, len, "_.-");
}

static bool check_client_id(const char *s, size_t len)
{
	return len >= 1 && len <= PROTO_CLIENT_ID_MAX &&
		is_of(s, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._:-");
}

static bool check_code(const char *s, size_t len)
{
	return len == TOKEN_CODE_CHARS && is_of(s, len, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static bool check_choice(const char *s, size_t len, const char *choices)
{
	for (const char *end; *choices != '\0'; choices = end + (*end == ' ')) {
		end = choices + strcspn(choices, " ");
		if ((size_t)(end - choices) == len && memcmp(choices, s, len) == 0)
			return true;
	}
	return false;
}

static bool check_string(const char *s, size_t len, const struct param_spec *spec)
{
	int64_t n = (int64_t)utf8_count(s, len);

	return n >= spec->min && n <= spec->max;
}

/* Normalizes p->text, then checks it. What is too long in any normal form is not normalized. */
static bool check_name(struct param *p, const struct param_spec *spec)
{
	int64_t n = (int64_t)utf8_count(p->text.data, p->text.len);

	if (n > UNICODE_NFC_FACTOR * spec->max)
		return false;
	p->normal = unicode_nfc(p->text.data, p->text.len, &p->text.len);
	if (p->normal == NULL)
		return false;
	p->text.data = p->normal;
	n = (int64_t)utf8_count(p->text.data, p->text.len);
	return n >= spec->min && n <= spec->max &&
		(n == 0 || unicode_visible(p->text.data, p->text.len));
}

static bool check_emoji(struct param *p)
{
	p->normal = xmalloc(EMOJI_MAX);
	p->text.len = emoji_read(p->text.data, p->text.len, p->normal);
	p->text.data = p->normal;
	return p->text.len > 0;
}

/* A scheme, a host, and no character that RFC 3986 excludes, except for non-ASCII letters, which addresses copied from
 * a browser contain. */
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

/* Checks p->text, whose bytes are at s, NUL-terminated; sets it to the normal form if the type has one. */
static bool check_text(struct param *p, const struct param_spec *spec, char *s)
{
	size_t len = p->text.len;

	switch (spec->type) {
	case PARAM_NAME:
		return check_name(p, spec);
	case PARAM_USERNAME:
		return check_username(s, len);
	case PARAM_CLIENT_ID:
		return check_client_id(s, len);
	case PARAM_STRING:
		return check_string(s, len, spec);
	case PARAM_CHOICE:
		return check_choice(s, len, spec->choices);
	case PARAM_CODE:
		return check_code(s, len);
	case PARAM_EMOJI:
		return check_emoji(p);
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
	return xcalloc(n, sizeof(int64_t));
}

/* Reports a problem, if the outcome is one. */
static bool report(const struct param_spec *spec, enum outcome outcome, struct buf *errors)
{
	if (outcome == READ || (outcome == READ_MISSING && !spec->required))
		return true;
	put_problem(errors, spec, outcome);
	return false;
}

/* From JSON. */

static enum outcome outcome_of(enum json_get got)
{
	return got == JSON_OK ? READ : got == JSON_MISSING ? READ_MISSING : READ_BAD;
}

static enum outcome read_ids(struct param *p, const struct param_spec *spec, const cJSON *item)
{
	const cJSON *id;
	int64_t n = 0;

	if (!cJSON_IsArray(item))
		return READ_BAD;
	cJSON_ArrayForEach(id, item) n++;
	if (n < spec->min || n > spec->max)
		return READ_BAD;
	p->ids = ids_new((size_t)n);
	cJSON_ArrayForEach(id, item)
	{
		int64_t *to = &p->ids[p->n_ids++];

		if (!json_int(id, to) || *to < 1)
			return READ_BAD;
	}
	return READ;
}

static enum outcome read_string(struct param *p, const struct param_spec *spec, const cJSON *body)
{
	enum outcome outcome =
		outcome_of(json_get_str(body, spec->name, &p->text.data, &p->text.len));

	/* The item's own string is writable; a username is folded in it. */
	if (outcome == READ &&
		!check_text(
			p, spec, cJSON_GetObjectItemCaseSensitive(body, spec->name)->valuestring))
		return READ_BAD;
	return outcome;
}

static enum outcome read_member(struct param *p, const struct param_spec *spec, const cJSON *body)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, spec->name);
	enum outcome outcome;

	if (item == NULL || cJSON_IsNull(item)) {
		p->present = item != NULL && spec->nullable;
		return p->present ? READ : READ_MISSING;
	}
	switch (spec->type) {
	case PARAM_ID:
	case PARAM_INT:
		outcome = outcome_of(json_get_int(body, spec->name, &p->number));
		if (outcome == READ && !check_number(spec, p->number))
			outcome = READ_BAD;
		break;
	case PARAM_BOOL:
		outcome = outcome_of(json_get_bool(body, spec->name, &p->flag));
		break;
	case PARAM_IDS:
		outcome = read_ids(p, spec, item);
		break;
	case PARAM_OBJECT:
		p->json = item;
		outcome = cJSON_IsObject(item) ? READ : READ_BAD;
		break;
	default:
		outcome = read_string(p, spec, body);
		break;
	}
	p->present = outcome == READ;
	return outcome;
}

bool params_read_body(struct params *p, const struct param_spec *specs, size_t n, const cJSON *body,
	struct buf *errors)
{
	bool good = true;

	assert(n <= PARAMS_MAX);
	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < n; i++)
		if (specs[i].place == PARAM_BODY)
			good &= report(&specs[i], read_member(&p->at[i], &specs[i], body), errors);
	return good;
}

/* From a query or a path. */

/* Decimal digits, at most 17: enough for 2^53. */
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

static bool parse_cursor(const char *value, size_t len, struct cursor *c)
{
	const char *dot = memchr(value, '.', len);

	return dot != NULL && parse_number(value, (size_t)(dot - value), &c->at) && c->at >= 0 &&
		parse_number(dot + 1, len - (size_t)(dot + 1 - value), &c->id) && c->id >= 0;
}

static enum outcome parse_ids(
	struct param *p, const struct param_spec *spec, const char *value, size_t len)
{
	const char *end = value + len;
	int64_t n = len != 0;

	for (size_t i = 0; i < len; i++)
		n += value[i] == ',';
	if (n < spec->min || n > spec->max)
		return READ_BAD;
	p->ids = ids_new((size_t)n);
	while (p->n_ids < (size_t)n) {
		const char *comma = memchr(value, ',', (size_t)(end - value));
		int64_t *to = &p->ids[p->n_ids++];

		if (!parse_number(value, (size_t)((comma != NULL ? comma : end) - value), to) ||
			*to < 1 || *to > PROTO_ID_MAX)
			return READ_BAD;
		value = comma != NULL ? comma + 1 : end;
	}
	return READ;
}

static enum outcome parse_value(
	struct param *p, const struct param_spec *spec, char *value, size_t len)
{
	bool good;

	switch (spec->type) {
	case PARAM_ID:
	case PARAM_INT:
		good = parse_number(value, len, &p->number) && check_number(spec, p->number);
		break;
	case PARAM_BOOL:
		p->flag = strcmp(value, "true") == 0;
		good = p->flag || strcmp(value, "false") == 0;
		break;
	case PARAM_CURSOR:
		good = parse_cursor(value, len, &p->cursor);
		break;
	case PARAM_IDS:
		return parse_ids(p, spec, value, len);
	case PARAM_OBJECT:
		good = false;
		break;
	default:
		p->text = (struct text){ value, len };
		good = memchr(value, '\0', len) == NULL && utf8_valid(value, len) &&
			check_text(p, spec, value);
		break;
	}
	return good ? READ : READ_BAD;
}

bool params_read_text(
	struct param *p, const struct param_spec *spec, char *value, size_t len, struct buf *errors)
{
	enum outcome outcome = READ_MISSING;

	memset(p, 0, sizeof(*p));
	if (value != NULL)
		outcome = parse_value(p, spec, value, len);
	p->present = outcome == READ;
	return report(spec, outcome, errors);
}

void params_fini(struct params *p)
{
	for (size_t i = 0; i < PARAMS_MAX; i++) {
		free(p->at[i].normal);
		free(p->at[i].ids);
	}
	memset(p, 0, sizeof(*p));
}
