/* The description against the tables that it is generated from. */
#include "api/api.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/json.h"
#include "tests/unit/suite.h"

static cJSON *document;
static const struct http_route *routes;
static size_t n_routes;

static void setup(void)
{
	struct buf b = BUF_EMPTY;
	const char *why = "";

	api_put_openapi(&b);
	document = json_parse(b.data, b.len, &why);
	ck_assert_msg(document != NULL, "%s", why);
	routes = api_routes(&n_routes);
	buf_fini(&b);
}

static void teardown(void)
{
	cJSON_Delete(document);
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A copy of the path in which every {name} is {}. */
static char *shape(const char *path)
{
	char *copy = calloc(1, strlen(path) + 1), *to = copy;

	ck_assert(copy != NULL);
	while (*path != '\0') {
		*to++ = *path;
		if (*path == '{')
			path += strcspn(path, "}");
		else
			path++;
	}
	return copy;
}

/* The key of the description's path for this one, and its item. */
static const cJSON *path_item(const char *path)
{
	const cJSON *item, *found = NULL;
	char *wanted = shape(path);

	cJSON_ArrayForEach(item, member(document, "paths"))
	{
		char *key = shape(item->string);

		if (strcmp(key, wanted) == 0) {
			ck_assert_msg(found == NULL, "%s appears twice", path);
			found = item;
		}
		free(key);
	}
	free(wanted);
	return found;
}

static const cJSON *operation(const struct http_route *r)
{
	static const char *const methods[] = { "get", "post", "put", "patch", "delete" };
	const cJSON *o = member(path_item(r->path), methods[r->method]);

	ck_assert_msg(o != NULL, "%s %s is not described", methods[r->method], r->path);
	return o;
}

/* The value that "#/a/b" points to (RFC 6901), NULL for none. */
static const cJSON *pointed_at(const char *ref)
{
	const cJSON *at = document;
	char *copy = strdup(ref), *rest, *word;

	ck_assert(copy != NULL);
	ck_assert_msg(strncmp(ref, "#/", 2) == 0, "%s is not a local reference", ref);
	for (word = strtok_r(copy + 2, "/", &rest); word != NULL; word = strtok_r(NULL, "/", &rest))
		at = member(at, word);
	free(copy);
	return at;
}

static const cJSON *resolve(const cJSON *item)
{
	const cJSON *ref = member(item, "$ref");

	return ref != NULL ? pointed_at(ref->valuestring) : item;
}

static unsigned check_refs(const cJSON *item)
{
	const cJSON *child;
	unsigned n = 0;

	if (item->string != NULL && strcmp(item->string, "$ref") == 0) {
		ck_assert_msg(pointed_at(item->valuestring) != NULL, "%s has no target",
			item->valuestring);
		n++;
	}
	cJSON_ArrayForEach(child, item) n += check_refs(child);
	return n;
}

static const cJSON *parameter(const cJSON *o, const char *place, const char *name)
{
	const cJSON *p;

	cJSON_ArrayForEach(
		p, member(o, "parameters")) if (strcmp(member(p, "in")->valuestring, place) == 0 &&
		strcmp(member(p, "name")->valuestring, name) == 0) return p;
	return NULL;
}

static bool array_has(const cJSON *array, const char *text)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) if (cJSON_IsString(item) &&
		strcmp(item->valuestring, text) == 0) return true;
	return false;
}

static const cJSON *response(const struct http_route *r, int status)
{
	char key[16];

	snprintf(key, sizeof(key), "%d", status);
	return resolve(member(member(operation(r), "responses"), key));
}

/* True if the description has this code for the route. */
static bool has_code(const struct http_route *r, const char *code)
{
	const cJSON *response_of = response(r, error_status(error_by_code(code)));
	const cJSON *schema = member(
		member(member(response_of, "content"), "application/problem+json"), "schema");
	const cJSON *narrowed = cJSON_GetArrayItem(member(schema, "allOf"), 1);

	return array_has(member(member(member(narrowed, "properties"), "code"), "enum"), code);
}

START_TEST(it_is_openapi_3_1)
{
	ck_assert_int_eq(strncmp(member(document, "openapi")->valuestring, "3.1.", 4), 0);
	ck_assert_str_eq(member(member(document, "info"), "title")->valuestring, "parley");
	ck_assert(member(member(document, "info"), "version")->valuestring[0] != '\0');
}
END_TEST

START_TEST(every_route_is_described_and_nothing_else)
{
	const cJSON *item;
	size_t n = 0;

	for (size_t i = 0; i < n_routes; i++)
		operation(&routes[i]);
	cJSON_ArrayForEach(item, member(document, "paths")) n += (size_t)cJSON_GetArraySize(item);
	ck_assert_uint_eq(n, n_routes);
}
END_TEST

START_TEST(every_reference_has_a_target)
{
	ck_assert_uint_gt(check_refs(document), 100);
}
END_TEST

START_TEST(every_parameter_is_described_at_its_place)
{
	for (size_t i = 0; i < n_routes; i++) {
		const cJSON *o = operation(&routes[i]);
		const cJSON *body = member(
			member(member(member(o, "requestBody"), "content"), "application/json"),
			"schema");

		for (size_t j = 0; j < routes[i].n_params; j++) {
			const struct param_spec *a = &routes[i].params[j];

			if (a->place == PARAM_BODY) {
				ck_assert_msg(member(member(body, "properties"), a->name) != NULL,
					"%s", a->name);
				ck_assert_int_eq(
					array_has(member(body, "required"), a->name), a->required);
			} else if (a->place == PARAM_QUERY) {
				const cJSON *p = parameter(o, "query", a->name);

				ck_assert_msg(p != NULL, "%s", a->name);
				ck_assert_int_eq(cJSON_IsTrue(member(p, "required")), a->required);
			}
		}
	}
}
END_TEST

/* OpenAPI 3.1, 4.8.12.1: a path parameter has the name in the template, and is required. */
START_TEST(every_name_in_a_path_is_a_parameter)
{
	for (size_t i = 0; i < n_routes; i++) {
		const char *brace = strchr(path_item(routes[i].path)->string, '{');
		char name[32];
		const cJSON *p;

		if (brace == NULL)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
		p = parameter(operation(&routes[i]), "path", name);
		ck_assert_msg(p != NULL, "%s", routes[i].path);
		ck_assert(cJSON_IsTrue(member(p, "required")));
	}
}
END_TEST

START_TEST(every_success_has_the_schema_of_its_answer)
{
	for (size_t i = 0; i < n_routes; i++) {
		const cJSON *ok = response(&routes[i], routes[i].status);
		const cJSON *schema =
			member(member(member(ok, "content"), "application/json"), "schema");
		char ref[64];

		ck_assert_msg(ok != NULL, "%s", routes[i].path);
		if (routes[i].answer == NULL) {
			ck_assert_int_eq(routes[i].status, 204);
			ck_assert(member(ok, "content") == NULL);
			continue;
		}
		snprintf(ref, sizeof(ref), "#/components/schemas/%s", routes[i].answer);
		ck_assert_str_eq(member(schema, "$ref")->valuestring, ref);
		if (routes[i].also != 0)
			ck_assert(response(&routes[i], routes[i].also) != NULL);
	}
}
END_TEST

START_TEST(every_error_of_a_route_is_described)
{
	for (size_t i = 0; i < n_routes; i++) {
		char *words = strdup(routes[i].errors != NULL ? routes[i].errors : ""), *rest,
		     *word;

		ck_assert(words != NULL);
		for (word = strtok_r(words, " ", &rest); word != NULL;
			word = strtok_r(NULL, " ", &rest)) {
			ck_assert_msg(
				error_by_code(word) != ERROR_internal, "%s is not a code", word);
			ck_assert_msg(has_code(&routes[i], word), "%s: %s", routes[i].path, word);
		}
		free(words);
		ck_assert(has_code(&routes[i], "unavailable"));
		ck_assert_int_eq(has_code(&routes[i], "bad_token"), !routes[i].open);
		ck_assert_int_eq(has_code(&routes[i], "bad_json"),
			member(operation(&routes[i]), "requestBody") != NULL);
		ck_assert(!has_code(&routes[i], "no_such_route"));
	}
}
END_TEST

START_TEST(a_route_is_open_or_takes_a_token_as_a_header_or_a_cookie)
{
	ck_assert_int_eq(cJSON_GetArraySize(member(document, "security")), 2);
	for (size_t i = 0; i < n_routes; i++) {
		const cJSON *security = member(operation(&routes[i]), "security");

		ck_assert_int_eq(security != NULL, routes[i].open);
		ck_assert_int_eq(cJSON_GetArraySize(security), 0);
	}
}
END_TEST

START_TEST(no_two_operations_share_an_id)
{
	for (size_t i = 0; i < n_routes; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(member(operation(&routes[i]), "operationId")->valuestring,
				member(operation(&routes[j]), "operationId")->valuestring);
}
END_TEST

START_TEST(every_command_is_described_with_its_fields)
{
	size_t n;
	const struct command *const *commands = command_table(&n);
	const cJSON *described = member(document, "x-websocket-commands");

	ck_assert_uint_eq((size_t)cJSON_GetArraySize(described), n);
	for (size_t i = 0; i < n; i++) {
		const cJSON *command = member(described, commands[i]->name);
		const cJSON *schema = member(command, "schema");

		ck_assert_msg(command != NULL, "%s", commands[i]->name);
		ck_assert_str_eq(member(command, "description")->valuestring, commands[i]->doc);
		ck_assert_uint_eq((size_t)cJSON_GetArraySize(member(schema, "properties")),
			commands[i]->n_params);
		for (size_t j = 0; j < commands[i]->n_params; j++) {
			const struct param_spec *a = &commands[i]->params[j];

			ck_assert_msg(member(member(schema, "properties"), a->name) != NULL, "%s",
				a->name);
			ck_assert_int_eq(
				array_has(member(schema, "required"), a->name), a->required);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("openapi");
	TCase *tc = tcase_create("openapi");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_is_openapi_3_1);
	tcase_add_test(tc, every_route_is_described_and_nothing_else);
	tcase_add_test(tc, every_reference_has_a_target);
	tcase_add_test(tc, every_parameter_is_described_at_its_place);
	tcase_add_test(tc, every_name_in_a_path_is_a_parameter);
	tcase_add_test(tc, every_success_has_the_schema_of_its_answer);
	tcase_add_test(tc, every_error_of_a_route_is_described);
	tcase_add_test(tc, a_route_is_open_or_takes_a_token_as_a_header_or_a_cookie);
	tcase_add_test(tc, no_two_operations_share_an_id);
	tcase_add_test(tc, every_command_is_described_with_its_fields);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
