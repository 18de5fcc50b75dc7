/*
 * openapi: the OpenAPI 3.1 description, generated from the tables of routes and of WebSocket commands.
 *
 * Paths, parameters and bodies come from the routes, errors from error.def and from the properties of a route (whether it
 * is open, whether it has a body). The schemas of answers are in openapi_schemas.json. OpenAPI has no WebSocket: the
 * commands are in the extension x-websocket-commands.
 */
#include <ctype.h>
#include <string.h>

#include "api/api.h"
#include "command/command.h"
#include "common/embedded.h"
#include "common/emoji.h"
#include "common/json.h"

#define OPENAPI_VERSION "3.1.0"
#define STATUS_FIRST 400
#define STATUS_LAST 599

/* openapi_schemas.json, embedded by the build. */
extern const struct embedded openapi_schemas[];

static const char *const methods[HTTP_METHOD_N] = {
	[HTTP_GET] = "get",
	[HTTP_POST] = "post",
	[HTTP_PUT] = "put",
	[HTTP_PATCH] = "patch",
	[HTTP_DELETE] = "delete",
};

/* "name":"text" */
static void put_text(struct buf *b, const char *name, const char *text)
{
	buf_addf(b, "\"%s\":", name);
	json_put_cstr(b, text);
}

/* A comma before each member of a JSON object or array but the first. */
static void put_comma(struct buf *b)
{
	if (b->len > 0 && b->data[b->len - 1] != '{' && b->data[b->len - 1] != '[')
		buf_add_char(b, ',');
}

/* Paths. */

/* True if two paths differ in the names in braces only. To OpenAPI they are one path, which may appear only once. */
static bool same_path(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		if (*a == '{') {
			a += strcspn(a, "}");
			b += strcspn(b, "}");
		}
		a++;
		b++;
	}
	return *a == *b;
}

/* True if another route has the path with another name in braces. The name is then {id} in all of them. */
static bool is_shared(const struct http_route *r)
{
	size_t n;
	const struct http_route *routes = api_routes(&n);

	for (size_t i = 0; i < n; i++)
		if (same_path(routes[i].path, r->path) && strcmp(routes[i].path, r->path) != 0)
			return true;
	return false;
}

static void put_path(struct buf *b, const struct http_route *r)
{
	const char *brace = is_shared(r) ? strchr(r->path, '{') : NULL;

	if (brace == NULL)
		buf_addf(b, "\"%s\":", r->path);
	else
		buf_addf(b, "\"%.*s{id}%s\":", (int)(brace - r->path), r->path,
			strchr(brace, '}') + 1);
}

/* Parameters. */

static bool has_param(const struct http_route *r, enum param_place place)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (r->params[i].place == place)
			return true;
	return false;
}

/* JSON Schema counts characters: a text of min bytes has at least a quarter as many. */
static void put_lengths(struct buf *b, const struct param_spec *a)
{
	int64_t min = a->type == PARAM_TEXT ? (a->min + 3) / 4 : a->min;

	buf_addf(b, ",\"minLength\":%lld,\"maxLength\":%lld", (long long)min, (long long)a->max);
}

static void put_choices(struct buf *b, const char *choices)
{
	buf_add_str(b, ",\"enum\":[\"");
	for (; *choices != '\0'; choices++) {
		if (*choices == ' ')
			buf_add_str(b, "\",\"");
		else
			buf_add_char(b, *choices);
	}
	buf_add_str(b, "\"]");
}

static void put_string(struct buf *b, const struct param_spec *a)
{
	buf_add_str(b, a->nullable ? "\"type\":[\"string\",\"null\"]" : "\"type\":\"string\"");
	switch (a->type) {
	case PARAM_USERNAME:
		buf_add_str(b, ",\"pattern\":\"^[A-Za-z0-9_.-]{3,32}$\"");
		break;
	case PARAM_CLIENT_ID:
		buf_add_str(b, ",\"pattern\":\"^[A-Za-z0-9._:-]{1,64}$\"");
		break;
	case PARAM_CHOICE:
		put_choices(b, a->choices);
		break;
	case PARAM_CODE:
		buf_add_str(b, ",\"pattern\":\"^[A-Za-z0-9]{22}$\"");
		break;
	case PARAM_EMOJI:
		buf_addf(b, ",\"minLength\":1,\"maxLength\":%d", EMOJI_MAX);
		break;
	case PARAM_CURSOR:
		break; /* opaque to clients */
	case PARAM_URL:
		put_lengths(b, a);
		buf_add_str(b, ",\"format\":\"uri\",\"pattern\":\"^[Hh][Tt][Tt][Pp][Ss]?://\"");
		break;
	case PARAM_NAME:
		put_lengths(b, a);
		buf_add_str(b, ",\"pattern\":\"\\\\S\"");
		break;
	default:
		put_lengths(b, a);
		break;
	}
}

static void put_schema(struct buf *b, const struct param_spec *a)
{
	buf_add_char(b, '{');
	switch (a->type) {
	case PARAM_ID:
		buf_add_str(b, "\"$ref\":\"#/components/schemas/id\"");
		break;
	case PARAM_INT:
		buf_addf(b, "\"type\":\"integer\",\"minimum\":%lld,\"maximum\":%lld",
			(long long)a->min, (long long)a->max);
		break;
	case PARAM_BOOL:
		buf_add_str(b, "\"type\":\"boolean\"");
		break;
	case PARAM_IDS:
		buf_addf(b,
			"\"type\":\"array\",\"minItems\":%lld,\"maxItems\":%lld,"
			"\"items\":{\"$ref\":\"#/components/schemas/id\"}",
			(long long)a->min, (long long)a->max);
		break;
	case PARAM_OBJECT:
		buf_add_str(b, "\"type\":\"object\"");
		break;
	default:
		put_string(b, a);
		break;
	}
	if (a->place == PARAM_BODY) {
		buf_add_char(b, ',');
		put_text(b, "description", a->doc);
	}
	buf_add_char(b, '}');
}

static void put_parameters(struct buf *b, const struct http_route *r)
{
	if (!has_param(r, PARAM_QUERY) && !has_param(r, PARAM_PATH))
		return;
	buf_add_str(b, ",\"parameters\":[");
	for (size_t i = 0; i < r->n_params; i++) {
		const struct param_spec *a = &r->params[i];

		if (a->place == PARAM_BODY)
			continue;
		put_comma(b);
		buf_add_char(b, '{');
		put_text(b, "name", a->place == PARAM_PATH && is_shared(r) ? "id" : a->name);
		buf_addf(b, ",\"in\":\"%s\",\"required\":%s,",
			a->place == PARAM_PATH ? "path" : "query", a->required ? "true" : "false");
		put_text(b, "description", a->doc);
		if (a->type == PARAM_IDS)
			buf_add_str(b, ",\"style\":\"form\",\"explode\":false");
		buf_add_str(b, ",\"schema\":");
		put_schema(b, a);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

/* Appends the schema of an object with the PARAM_BODY parameters. Returns true if one of them is required. */
static bool put_object(struct buf *b, const struct param_spec *specs, size_t n)
{
	bool required = false;

	buf_add_str(b, "{\"type\":\"object\",\"required\":[");
	for (size_t i = 0; i < n; i++) {
		if (specs[i].place != PARAM_BODY || !specs[i].required)
			continue;
		required = true;
		put_comma(b);
		json_put_cstr(b, specs[i].name);
	}
	buf_add_str(b, "],\"properties\":{");
	for (size_t i = 0; i < n; i++) {
		if (specs[i].place != PARAM_BODY)
			continue;
		put_comma(b);
		buf_addf(b, "\"%s\":", specs[i].name);
		put_schema(b, &specs[i]);
	}
	buf_add_str(b, "}}");
	return required;
}

static void put_body(struct buf *b, const struct http_route *r)
{
	bool required;

	if (!has_param(r, PARAM_BODY))
		return;
	buf_add_str(b, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":");
	required = put_object(b, r->params, r->n_params);
	buf_addf(b, "}},\"required\":%s}", required ? "true" : "false");
}

/* Errors. */

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static bool has_in_path(const struct http_route *r, enum param_type type)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (r->params[i].place == PARAM_PATH && r->params[i].type == type)
			return true;
	return false;
}

/* True if the route can be answered with this error. */
static bool has_error(const struct http_route *r, enum error e)
{
	if (r->errors != NULL && has_word(r->errors, error_code(e)))
		return true;
	switch (e) {
	case ERROR_bad_request:
	case ERROR_headers_too_large:
	case ERROR_too_many_requests:
	case ERROR_internal:
	case ERROR_unavailable:
		return true;
	case ERROR_bad_token:
		return !r->open;
	case ERROR_bad_origin:
		return !r->open && r->method != HTTP_GET;
	case ERROR_bad_json:
	case ERROR_not_json:
	case ERROR_too_large:
	case ERROR_expectation_failed:
		return has_param(r, PARAM_BODY);
	case ERROR_bad_path:
		return has_in_path(r, PARAM_ID);
	case ERROR_invalid:
		return has_param(r, PARAM_BODY) || has_param(r, PARAM_QUERY) ||
			has_in_path(r, PARAM_EMOJI);
	default:
		return false;
	}
}

/* Returns the number of errors of this status that the route has; *one is set to the last of them. */
static unsigned count_errors(const struct http_route *r, int status, enum error *one)
{
	unsigned n = 0;

	for (enum error e = ERROR_NONE + 1; e < ERROR_N; e++) {
		if (error_status(e) != status || !has_error(r, e))
			continue;
		*one = e;
		n++;
	}
	return n;
}

static void put_error_headers(struct buf *b, int status)
{
	if (status == 401)
		buf_add_str(b,
			",\"headers\":{\"WWW-Authenticate\":{\"schema\":{\"type\":\"string\"}}}");
	else if (status == 429 || status == 503)
		buf_add_str(b,
			",\"headers\":{\"Retry-After\":{\"description\":\"Seconds to wait.\","
			"\"schema\":{\"type\":\"integer\",\"minimum\":0}}}");
}

/* A response object. codes: the codes, quoted and separated by commas. */
static void put_error_response(
	struct buf *b, int status, const char *description, const char *codes)
{
	buf_add_char(b, '{');
	put_text(b, "description", description);
	put_error_headers(b, status);
	buf_addf(b,
		",\"content\":{\"application/problem+json\":{\"schema\":{\"allOf\":["
		"{\"$ref\":\"#/components/schemas/%s\"},"
		"{\"type\":\"object\",\"properties\":{\"code\":{\"enum\":[%s]}}}]}}}}",
		status == error_status(ERROR_invalid) ? "invalid" : "problem", codes);
}

static void put_errors_of_status(struct buf *b, const struct http_route *r, int status)
{
	struct buf description = BUF_EMPTY, codes = BUF_EMPTY;

	for (enum error e = ERROR_NONE + 1; e < ERROR_N; e++) {
		if (error_status(e) != status || !has_error(r, e))
			continue;
		buf_addf(&description, "%s%s: %s", description.len > 0 ? "\n\n" : "", error_code(e),
			error_sentence(e));
		buf_addf(&codes, "%s\"%s\"", codes.len > 0 ? "," : "", error_code(e));
	}
	put_error_response(b, status, buf_cstr(&description), buf_cstr(&codes));
	buf_fini(&description);
	buf_fini(&codes);
}

/* A status with a single error refers to the response that all routes share. */
static void put_errors(struct buf *b, const struct http_route *r)
{
	for (int status = STATUS_FIRST; status <= STATUS_LAST; status++) {
		enum error one;
		unsigned n = count_errors(r, status, &one);

		if (n == 0)
			continue;
		buf_addf(b, ",\"%d\":", status);
		if (n == 1)
			buf_addf(b, "{\"$ref\":\"#/components/responses/%s\"}", error_code(one));
		else
			put_errors_of_status(b, r, status);
	}
}

static void put_shared_errors(struct buf *b, const struct http_route *routes, size_t n)
{
	for (enum error e = ERROR_NONE + 1; e < ERROR_N; e++) {
		struct buf code = BUF_EMPTY;
		enum error one;
		size_t i = 0;

		while (i < n &&
			!(has_error(&routes[i], e) &&
				count_errors(&routes[i], error_status(e), &one) == 1))
			i++;
		if (i == n)
			continue;
		put_comma(b);
		buf_addf(b, "\"%s\":", error_code(e));
		buf_addf(&code, "\"%s\"", error_code(e));
		put_error_response(b, error_status(e), error_sentence(e), buf_cstr(&code));
		buf_fini(&code);
	}
}

/* Routes. */

static void put_success(struct buf *b, int status, const char *answer)
{
	const char *description = status == 201 ? "Created."
		: status == 204                 ? "Done."
						: "The answer.";

	buf_addf(b, "\"%d\":{\"description\":\"%s\"", status, description);
	if (answer != NULL)
		buf_addf(b,
			",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/"
			"schemas/%s\"}}}",
			answer);
	buf_add_char(b, '}');
}

/* The method and the path, with _ for each run of other characters than letters and digits. */
static void put_operation_id(struct buf *b, const struct http_route *r)
{
	bool gap = true;

	buf_addf(b, "\"operationId\":\"%s", methods[r->method]);
	for (const char *at = r->path; *at != '\0'; at++) {
		bool letter = isalnum((unsigned char)*at);

		if (letter && gap)
			buf_add_char(b, '_');
		if (letter)
			buf_add_char(b, *at);
		gap = !letter;
	}
	buf_add_char(b, '"');
}

/* The first segment of the path; an open route with one segment is about the server. */
static void put_tag(struct buf *b, const struct http_route *r)
{
	size_t len = strcspn(r->path + 1, "/");

	if (r->open && r->path[1 + len] == '\0')
		buf_add_str(b, "\"tags\":[\"server\"]");
	else
		buf_addf(b, "\"tags\":[\"%.*s\"]", (int)len, r->path + 1);
}

static void put_operation(struct buf *b, const struct http_route *r)
{
	buf_addf(b, "\"%s\":{", methods[r->method]);
	put_operation_id(b, r);
	buf_add_char(b, ',');
	put_tag(b, r);
	buf_add_char(b, ',');
	put_text(b, "summary", r->summary);
	if (r->open)
		buf_add_str(b, ",\"security\":[]");
	put_parameters(b, r);
	put_body(b, r);
	buf_add_str(b, ",\"responses\":{");
	put_success(b, r->status, r->answer);
	if (r->also != 0) {
		buf_add_char(b, ',');
		put_success(b, r->also, r->answer);
	}
	put_errors(b, r);
	buf_add_str(b, "}}");
}

/* All methods of a path are together, at the place of its first route. */
static void put_paths(struct buf *b, const struct http_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;

		while (!same_path(routes[first].path, routes[i].path))
			first++;
		if (first < i)
			continue;
		put_comma(b);
		put_path(b, &routes[i]);
		buf_add_char(b, '{');
		for (size_t j = i; j < n; j++) {
			if (!same_path(routes[j].path, routes[i].path))
				continue;
			put_comma(b);
			put_operation(b, &routes[j]);
		}
		buf_add_char(b, '}');
	}
}

/* Constant parts. */

static const char head[] =
	"{\"openapi\":\"" OPENAPI_VERSION "\",\"info\":{\"title\":\"parley\","
	"\"version\":\"" PACKAGE_VERSION "\",\"summary\":\"A self-hosted chat server.\","
	"\"description\":\"The HTTP routes. Events are pushed over the WebSocket at /ws: "
	"x-websocket-commands has the frames that a client sends, the reference (docs/api.md) "
	"the rest.\"},\"servers\":[{\"url\":\"/\"}],"
	"\"security\":[{\"bearer\":[]},{\"cookie\":[]}],\"tags\":["
	"{\"name\":\"users\",\"description\":\"Accounts, tokens, users, typing, presence.\"},"
	"{\"name\":\"messages\",\"description\":\"Sending, reading and changing messages.\"},"
	"{\"name\":\"chats\",\"description\":\"Conversations as the caller sees them.\"},"
	"{\"name\":\"groups\",\"description\":\"Groups and their members.\"},"
	"{\"name\":\"server\",\"description\":\"The server itself.\"}],";

static const char security_schemes[] =
	"\"securitySchemes\":{"
	"\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\","
	"\"description\":\"The access_token of a login.\"},"
	"\"cookie\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"parley_session\","
	"\"description\":\"Set by a login with cookie: true. Over https its name is "
	"__Host-parley_session. "
	"A request that changes something needs an allowed Origin.\"}}";

/* "x-websocket-commands":{"send":{"description":"…","schema":{…}},…}: the schema has all members but type. */
static void put_commands(struct buf *b)
{
	size_t n;
	const struct command *const *commands = command_table(&n);

	buf_add_str(b, "\"x-websocket-commands\":{");
	for (size_t i = 0; i < n; i++) {
		put_comma(b);
		buf_addf(b, "\"%s\":{", commands[i]->name);
		put_text(b, "description", commands[i]->doc);
		buf_add_str(b, ",\"schema\":");
		put_object(b, commands[i]->params, commands[i]->n_params);
		buf_add_char(b, '}');
	}
	buf_add_char(b, '}');
}

void api_put_openapi(struct buf *b)
{
	size_t n;
	const struct http_route *routes = api_routes(&n);

	buf_add_str(b, head);
	buf_add_str(b, "\"paths\":{");
	put_paths(b, routes, n);
	buf_add_str(b, "},");
	put_commands(b);
	buf_add_str(b, ",\"components\":{");
	buf_add_str(b, security_schemes);
	buf_add_str(b, ",\"responses\":{");
	put_shared_errors(b, routes, n);
	buf_add_str(b, "},\"schemas\":");
	buf_add_str(b, openapi_schemas[0].text);
	buf_add_str(b, "}}");
}
