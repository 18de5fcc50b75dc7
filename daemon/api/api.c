#include "api/api.h"

#include <string.h>

#include "common/log.h"
#include "realtime/json_view.h"

#define ROUTES_MAX 64

static void run_healthz(void *env, struct http_call *call)
{
	static const char ok[] = "{\"status\":\"ok\"}";
	const struct api *api = env;

	if (store_ready(api->store))
		http_reply(call, 200, ok, sizeof(ok) - 1);
	else
		http_reply_error(call, ERROR_unavailable);
}

static void run_openapi(void *env, struct http_call *call)
{
	struct buf b = BUF_EMPTY;

	(void)env;
	api_put_openapi(&b);
	api_reply(call, 200, &b);
}

static const struct http_route routes[] = {
	{
		.method = HTTP_GET,
		.path = "/healthz",
		.open = true,
		.summary = "Whether this server can serve: 503 while the database is away.",
		.status = 200,
		.answer = "health",
		.errors = "",
		.run = run_healthz,
	},
	{
		.method = HTTP_GET,
		.path = "/openapi.json",
		.open = true,
		.summary = "This description.",
		.status = 200,
		.answer = "openapi",
		.errors = "",
		.run = run_openapi,
	},
};

static const struct api_part api_own = { routes, sizeof(routes) / sizeof(routes[0]) };

const struct http_route *api_routes(size_t *n)
{
	static const struct api_part *const parts[] = {
		&api_session,
		&api_users,
		&api_presence,
		&api_messages,
		&api_chats,
		&api_groups,
		&api_own,
	};
	static struct http_route table[ROUTES_MAX];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i]->n > ROUTES_MAX - at)
			log_fatal("more than %d routes", ROUTES_MAX);
		memcpy(table + at, parts[i]->routes, parts[i]->n * sizeof(table[0]));
		at += parts[i]->n;
	}
	*n = at;
	return table;
}

void api_reply(struct http_call *call, int status, struct buf *b)
{
	http_reply(call, status, b->data, b->len);
	buf_fini(b);
}

bool api_is_caller(struct http_call *call, const struct param *named)
{
	if (!named->present || named->number == http_user(call))
		return true;
	http_reply_error(call, ERROR_not_yourself);
	return false;
}

void api_reply_me(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_bad_token;
	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	store_user_at(rows, 0, &u);
	json_view_put_user(&b, &u);
	api_reply(call, 200, &b);
}
