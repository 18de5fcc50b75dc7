#include "api/api.h"

#include <string.h>

#include "common/log.h"
#include "realtime/json_view.h"

#define ROUTES_MAX 64

static void run_healthz(void *env, struct http_call *call)
{
	static const char ok[] = "{\"status\":\"ok\"}";
	const struct api *api = env;

	bool good = store_ready(api->store) && store_takes_writes(api->store);

	if (!api_failed(call, good ? ERROR_NONE : ERROR_unavailable))
		http_reply(call, 200, ok, sizeof(ok) - 1);
}

static void run_openapi(void *env, struct http_call *call)
{
	struct buf b = BUF_EMPTY;

	(void)env;
	api_put_openapi(&b);
	api_reply(call, 200, &b);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/healthz", .open = true,
	  .summary = "Reports whether this server can serve; 503 while the database is unavailable.",
	  .status = 200, .answer = "health", .run = run_healthz },
	{ .method = HTTP_GET, .path = "/openapi.json", .open = true, .compressed = true,
	  .summary = "Returns this description.",
	  .status = 200, .answer = "openapi", .run = run_openapi },
};
/* clang-format on */

static const struct api_part api_server = API_PART(routes);

const struct http_route *api_routes(size_t *n)
{
	static const struct api_part *const parts[] = {
		&api_account,
		&api_users,
		&api_presence,
		&api_messages,
		&api_chats,
		&api_groups,
		&api_invites,
		&api_reactions,
		&api_search,
		&api_server,
	};
	static struct http_route table[ROUTES_MAX];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i]->n > ROUTES_MAX - at)
			log_fatal("too_many_routes max=%d", ROUTES_MAX);
		memcpy(table + at, parts[i]->routes, parts[i]->n * sizeof(table[0]));
		at += parts[i]->n;
	}
	*n = at;
	return table;
}

bool api_failed(struct http_call *call, enum error error)
{
	if (error == ERROR_NONE && http_is_stale(call))
		error = ERROR_unavailable;
	if (error != ERROR_NONE)
		http_reply_error(call, error);
	return error != ERROR_NONE;
}

bool api_field_failed(struct http_call *call, enum error error, const char *field)
{
	if (error != ERROR_too_many)
		return api_failed(call, error);
	http_reply_field(call, error, field);
	return true;
}

void api_reply(struct http_call *call, int status, struct buf *b)
{
	http_reply(call, status, b->data, b->len);
	buf_fini(b);
}

void api_reply_empty(struct http_call *call)
{
	http_reply(call, 204, NULL, 0);
}

void api_reply_rows(struct http_call *call, enum error error, const store_rows *rows,
	const char *name, api_put_row *put)
{
	struct buf b = BUF_EMPTY;

	if (api_failed(call, error))
		return;
	buf_addf(&b, "{\"%s\":[", name);
	for (int i = 0; rows != NULL && i < store_n(rows); i++) {
		if (i > 0)
			buf_add_char(&b, ',');
		put(&b, call, rows, i);
	}
	buf_add_str(&b, "]}");
	api_reply(call, 200, &b);
}

void api_reply_me(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_bad_token;
	if (api_failed(call, error))
		return;
	store_user_at(rows, 0, &u);
	json_view_put_user(&b, &u);
	api_reply(call, 200, &b);
}

bool api_is_caller(struct http_call *call, const struct param *named)
{
	bool good = !named->present || named->number == http_user(call);

	return !api_failed(call, good ? ERROR_NONE : ERROR_not_yourself);
}

void api_publish_revoked(const struct api *api, struct record_token_revoked revoked)
{
	const struct record r = { .type = RECORD_TOKEN_REVOKED, .token_revoked = revoked };

	bus_publish(api->bus, &r);
}
