/*
 * api_chats: the caller's chats, and pages of their history.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/log.h"
#include "realtime/json_view.h"

#define HISTORY_DEFAULT 50

/* GET /chats */

static void chats_read(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	buf_add_str(&b, "{\"chats\":[");
	for (int i = 0; i < store_n(rows); i++) {
		struct chat c;

		store_chat_at(rows, i, &c);
		buf_add_str(&b, i > 0 ? ",{" : "{");
		json_view_put_chat(&b, &c);
		buf_add_char(&b, '}');
	}
	buf_add_str(&b, "]}");
	api_reply(call, 200, &b);
}

static void run_chats(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_chats(api->store, http_user(call), chats_read, call);
}

/* GET /messages/{chat_id} */

enum { HISTORY_CHAT, HISTORY_BEFORE, HISTORY_AFTER, HISTORY_LIMIT };

static const struct param_spec history_params[] = {
	[HISTORY_CHAT] = { "chat_id", PARAM_ID, true, false, 0, 0, PARAM_PATH, "The chat." },
	[HISTORY_BEFORE] = { "before", PARAM_INT, false, false, 1, PROTO_ID_MAX, PARAM_QUERY,
		"Messages with a smaller seq only, newest first. Not together with after." },
	[HISTORY_AFTER] = { "after", PARAM_INT, false, false, 0, PROTO_ID_MAX, PARAM_QUERY,
		"Messages with a greater seq only, oldest first. Not together with before." },
	[HISTORY_LIMIT] = { "limit", PARAM_INT, false, false, 1, PROTO_HISTORY_MAX, PARAM_QUERY,
		"At most so many; 50 where it is left out." },
};

struct history {
	const struct api *api;
	struct http_call *call;
	struct conv conv;
	int64_t limit;
};

static void history_read(void *arg, enum error error, const store_rows *rows)
{
	struct history *h = arg;
	struct buf b = BUF_EMPTY;

	if (error == ERROR_NONE) {
		bool more;

		buf_add_char(&b, '{');
		more = json_view_put_messages(&b, rows, json_view_page_rows(rows, h->limit),
			&h->conv, http_user(h->call));
		buf_add_str(&b, more ? ",\"more\":true}" : ",\"more\":false}");
		api_reply(h->call, 200, &b);
	} else {
		http_reply_error(h->call, error);
	}
	free(h);
}

static void history_conv(void *arg, enum error error, const store_rows *rows)
{
	static const char empty[] = "{\"messages\":[],\"more\":false}";
	struct history *h = arg;
	const struct param *at = http_params(h->call)->at;

	if (error != ERROR_NONE) {
		http_reply_error(h->call, error);
		free(h);
		return;
	}
	store_conv_at(rows, 0, &h->conv);
	if (h->conv.id == 0) {
		http_reply(h->call, 200, empty, sizeof(empty) - 1);
		free(h);
		return;
	}
	store_history(h->api->store, http_user(h->call), h->conv.id,
		at[HISTORY_BEFORE].present ? at[HISTORY_BEFORE].number : 0,
		at[HISTORY_AFTER].present ? at[HISTORY_AFTER].number : -1, h->limit, history_read,
		h);
}

static void run_history(void *env, struct http_call *call)
{
	static const char both[] = "{\"field\":\"after\",\"detail\":\"not together with before\"}";
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	struct history *h;

	if (at[HISTORY_BEFORE].present && at[HISTORY_AFTER].present) {
		http_reply_invalid(call, both, sizeof(both) - 1);
		return;
	}
	h = malloc(sizeof(*h));
	if (h == NULL)
		log_fatal("out of memory for a page of history");
	*h = (struct history){
		.api = api,
		.call = call,
		.limit = at[HISTORY_LIMIT].present ? at[HISTORY_LIMIT].number : HISTORY_DEFAULT,
	};
	store_conv(api->store, http_user(call), at[HISTORY_CHAT].number, history_conv, h);
}

static const struct http_route routes[] = {
	{
		.method = HTTP_GET,
		.path = "/chats",
		.summary = "The caller's chats, latest activity first.",
		.status = 200,
		.answer = "chats",
		.errors = "",
		.run = run_chats,
	},
	{
		.method = HTTP_GET,
		.path = "/messages/{chat_id}",
		.summary = "A page of a chat's messages.",
		.params = history_params,
		.n_params = sizeof(history_params) / sizeof(history_params[0]),
		.status = 200,
		.answer = "messages",
		.errors = "no_such_chat",
		.run = run_history,
	},
};

const struct api_part api_chats = { routes, sizeof(routes) / sizeof(routes[0]) };
