/*
 * api_chats: the caller's chats, and pages of their history.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/xalloc.h"
#include "realtime/json_view.h"

#define CHATS_MAX 200
#define HISTORY_DEFAULT 50

/* GET /chats */

enum { CHATS_LIMIT, CHATS_AFTER };

/* clang-format off */
static const struct param_spec chats_params[] = {
	[CHATS_LIMIT] = { .name = "limit", .type = PARAM_INT,    .place = PARAM_QUERY, .min = 1, .max = CHATS_MAX,
	                  .doc = "The maximum number of chats; 200 if absent." },
	[CHATS_AFTER] = { .name = "after", .type = PARAM_CURSOR, .place = PARAM_QUERY,
	                  .doc = "The next of the page before." },
};
/* clang-format on */

static int64_t chats_limit(const struct http_call *call)
{
	const struct param *limit = &http_params(call)->at[CHATS_LIMIT];

	return limit->present ? limit->number : CHATS_MAX;
}

static void chats_read(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (api_failed(call, error))
		return;
	buf_add_char(&b, '{');
	json_view_put_chats(&b, rows, chats_limit(call));
	buf_add_char(&b, '}');
	api_reply(call, 200, &b);
}

static void run_chats(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *after = &http_params(call)->at[CHATS_AFTER];

	store_chats(api->store, http_user(call), after->present ? &after->cursor : NULL,
		chats_limit(call), chats_read, call);
}

/* GET /messages/{chat_id} */

enum { HISTORY_CHAT, HISTORY_BEFORE, HISTORY_AFTER, HISTORY_LIMIT };

/* clang-format off */
static const struct param_spec history_params[] = {
	[HISTORY_CHAT]   = { .name = "chat_id", .type = PARAM_ID,  .place = PARAM_PATH,  .required = true,
	                     .doc = "The chat." },
	[HISTORY_BEFORE] = { .name = "before",  .type = PARAM_INT, .place = PARAM_QUERY, .min = 1, .max = PROTO_ID_MAX,
	                     .doc = "Only messages with a smaller seq, newest first. Not together with after." },
	[HISTORY_AFTER]  = { .name = "after",   .type = PARAM_INT, .place = PARAM_QUERY, .min = 0, .max = PROTO_ID_MAX,
	                     .doc = "Only messages with a greater seq, oldest first. Not together with before." },
	[HISTORY_LIMIT]  = { .name = "limit",   .type = PARAM_INT, .place = PARAM_QUERY, .min = 1, .max = PROTO_HISTORY_MAX,
	                     .doc = "The maximum number of messages; 50 if absent." },
};
/* clang-format on */

struct history {
	struct http_call *call;
	struct conv conv;
	int64_t limit;
};

static void history_conv(void *arg, enum error error, const store_rows *rows);
static void history_read(void *arg, enum error error, const store_rows *rows);

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
	h = xmalloc(sizeof(*h));
	*h = (struct history){
		.call = call,
		.limit = at[HISTORY_LIMIT].present ? at[HISTORY_LIMIT].number : HISTORY_DEFAULT,
	};
	store_conv(api->store, http_user(call), at[HISTORY_CHAT].number, history_conv, h);
}

static void history_conv(void *arg, enum error error, const store_rows *rows)
{
	static const char empty[] = "{\"messages\":[],\"more\":false}";
	struct history *h = arg;
	const struct api *api = http_env(h->call);
	const struct param *at = http_params(h->call)->at;

	if (api_failed(h->call, error)) {
		free(h);
		return;
	}
	store_conv_at(rows, 0, &h->conv);
	if (h->conv.id == 0) {
		http_reply(h->call, 200, empty, sizeof(empty) - 1);
		free(h);
		return;
	}
	store_history(api->store, http_user(h->call), h->conv.id,
		at[HISTORY_BEFORE].present ? at[HISTORY_BEFORE].number : 0,
		at[HISTORY_AFTER].present ? at[HISTORY_AFTER].number : -1, h->limit, history_read,
		h);
}

static void history_read(void *arg, enum error error, const store_rows *rows)
{
	struct history *h = arg;
	struct buf b = BUF_EMPTY;

	if (!api_failed(h->call, error)) {
		bool more;

		buf_add_char(&b, '{');
		more = json_view_put_messages(&b, rows, json_view_page_rows(rows, h->limit),
			&h->conv, http_user(h->call));
		buf_add_str(&b, more ? ",\"more\":true}" : ",\"more\":false}");
		api_reply(h->call, 200, &b);
	}
	free(h);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/chats", .costly = true,
	  .summary = "Returns a page of the caller's chats, latest activity first.",
	  PARAMS(chats_params),
	  .status = 200, .answer = "chats", .run = run_chats },
	{ .method = HTTP_GET, .path = "/messages/{chat_id}", .costly = true,
	  .summary = "Returns a page of the messages of a chat.",
	  PARAMS(history_params),
	  .status = 200, .answer = "messages", .errors = "no_such_chat", .run = run_history },
};
/* clang-format on */

const struct api_part api_chats = API_PART(routes);
