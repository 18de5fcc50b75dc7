/*
 * api_chats: the caller's chats, pages of their history, and one message of it.
 */
#include <stdlib.h>
#include <string.h>

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

/* GET /chats/{chat_id} */

/* clang-format off */
static const struct param_spec chat_params[] = {
	{ .name = "chat_id", .type = PARAM_ID, .place = PARAM_PATH, .required = true, .doc = "The chat." },
};
/* clang-format on */

static void chat_conv(void *arg, enum error error, const store_rows *rows);
static void chat_read(void *arg, enum error error, const store_rows *rows);

static void run_chat(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_conv(api->store, http_user(call), http_params(call)->at[0].number, chat_conv, call);
}

static void chat_conv(void *arg, enum error error, const store_rows *rows)
{
	struct http_call *call = arg;
	const struct api *api = http_env(call);
	const int64_t viewer = http_user(call);
	struct conv c = { .id = 0 };

	if (error == ERROR_NONE) {
		store_conv_at(rows, 0, &c);
		if (c.id == 0)
			error = ERROR_no_such_chat;
	}
	if (!api_failed(call, error))
		store_chat_views(api->store, c.id, &viewer, 1, chat_read, call);
}

static void chat_read(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct chat c;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_chat;
	if (api_failed(call, error))
		return;
	store_chat_at(rows, 0, &c);
	buf_add_char(&b, '{');
	json_view_put_chat(&b, &c);
	buf_add_char(&b, '}');
	api_reply(call, 200, &b);
}

/* GET /messages/{chat_id} */

enum { HISTORY_CHAT, HISTORY_BEFORE, HISTORY_AFTER, HISTORY_AROUND, HISTORY_THREAD, HISTORY_LIMIT };

/* clang-format off */
static const struct param_spec history_params[] = {
	[HISTORY_CHAT]   = { .name = "chat_id", .type = PARAM_ID,  .place = PARAM_PATH,  .required = true,
	                     .doc = "The chat." },
	[HISTORY_BEFORE] = { .name = "before",  .type = PARAM_INT, .place = PARAM_QUERY, .min = 1, .max = PROTO_ID_MAX,
	                     .doc = "Only messages with a smaller seq, newest first. Not together with after." },
	[HISTORY_AFTER]  = { .name = "after",   .type = PARAM_INT, .place = PARAM_QUERY, .min = 0, .max = PROTO_ID_MAX,
	                     .doc = "Only messages with a greater seq, oldest first. Not together with before." },
	[HISTORY_AROUND] = { .name = "around",  .type = PARAM_INT, .place = PARAM_QUERY, .min = 1, .max = PROTO_ID_MAX,
	                     .doc = "Half of the messages before this seq and the rest from it on, oldest first. Not together with before, after or thread." },
	[HISTORY_THREAD] = { .name = "thread",  .type = PARAM_ID,  .place = PARAM_QUERY,
	                     .doc = "Only this message and the replies of its thread." },
	[HISTORY_LIMIT]  = { .name = "limit",   .type = PARAM_INT, .place = PARAM_QUERY, .min = 1, .max = PROTO_HISTORY_MAX,
	                     .doc = "The maximum number of messages; 50 if absent." },
};
/* clang-format on */

struct history {
	struct http_call *call;
	struct conv conv;
	struct page page; /* its limit is also that of a page around a seq */
	struct json_view_around around; /* seq 0: a page in one direction */
};

static void history_conv(void *arg, enum error error, const store_rows *rows);
static void thread_found(void *arg, enum error error, const store_rows *rows);
static void history_read(void *arg, enum error error, const store_rows *rows);

/* The one rule of the query that concerns several parameters; NULL if it is kept. */
static const char *history_problem(const struct param *at)
{
	if (at[HISTORY_AROUND].present &&
		(at[HISTORY_BEFORE].present || at[HISTORY_AFTER].present ||
			at[HISTORY_THREAD].present))
		return "{\"field\":\"around\",\"detail\":\"not together with before, after or "
		       "thread\"}";
	if (at[HISTORY_BEFORE].present && at[HISTORY_AFTER].present)
		return "{\"field\":\"after\",\"detail\":\"not together with before\"}";
	return NULL;
}

static void run_history(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const char *problem = history_problem(at);
	struct history *h;

	if (problem != NULL) {
		http_reply_invalid(call, problem, strlen(problem));
		return;
	}
	h = xmalloc(sizeof(*h));
	*h = (struct history){
		.call = call,
		.page = { .before = at[HISTORY_BEFORE].number,
			.after = at[HISTORY_AFTER].present ? at[HISTORY_AFTER].number : -1,
			.limit = at[HISTORY_LIMIT].present ? at[HISTORY_LIMIT].number
							   : HISTORY_DEFAULT },
	};
	if (at[HISTORY_AROUND].present)
		h->around = (struct json_view_around){ at[HISTORY_AROUND].number, h->page.limit / 2,
			h->page.limit - h->page.limit / 2 };
	if (at[HISTORY_THREAD].present)
		store_message(
			api->store, http_user(call), at[HISTORY_THREAD].number, thread_found, h);
	else
		store_conv(api->store, http_user(call), at[HISTORY_CHAT].number, history_conv, h);
}

static void history_reply(struct history *h, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	if (h->around.seq > 0) {
		json_view_put_around(&b, rows, &h->around, &h->conv, http_user(h->call));
		buf_add_char(&b, '}');
	} else {
		bool more = json_view_put_messages(&b, rows,
			json_view_page_rows(rows, h->page.limit), &h->conv, http_user(h->call));

		buf_add_str(&b, more ? ",\"more\":true}" : ",\"more\":false}");
	}
	api_reply(h->call, 200, &b);
}

/* A chat that is not begun. */
static void history_reply_empty(struct history *h)
{
	static const char page[] = "{\"messages\":[],\"more\":false}";
	static const char around[] = "{\"messages\":[],\"more_before\":false,\"more_after\":false}";

	if (h->around.seq > 0)
		http_reply(h->call, 200, around, sizeof(around) - 1);
	else
		http_reply(h->call, 200, page, sizeof(page) - 1);
}

static void history_conv(void *arg, enum error error, const store_rows *rows)
{
	struct history *h = arg;
	const struct api *api = http_env(h->call);
	int64_t user_id = http_user(h->call);

	if (api_failed(h->call, error)) {
		free(h);
		return;
	}
	store_conv_at(rows, 0, &h->conv);
	if (h->conv.id == 0) {
		history_reply_empty(h);
		free(h);
	} else if (h->around.seq > 0) {
		store_history_around(api->store, user_id, h->conv.id, h->around.seq,
			h->around.n_before, h->around.n_from, history_read, h);
	} else {
		store_history(api->store, user_id, h->conv.id, &h->page, history_read, h);
	}
}

/* The error of a query for one message, or no_such_message if that is not of this chat. */
static enum error message_error(
	const struct http_call *call, enum error error, const store_rows *rows, int64_t chat_id)
{
	struct conv c;

	if (error != ERROR_NONE || store_n(rows) == 0)
		return error != ERROR_NONE ? error : ERROR_no_such_message;
	store_conv_at(rows, 0, &c);
	return conv_chat_id(&c, http_user(call)) == chat_id ? ERROR_NONE : ERROR_no_such_message;
}

static void thread_found(void *arg, enum error error, const store_rows *rows)
{
	struct history *h = arg;
	const struct api *api = http_env(h->call);
	const struct param *at = http_params(h->call)->at;

	if (api_failed(h->call, message_error(h->call, error, rows, at[HISTORY_CHAT].number))) {
		free(h);
		return;
	}
	store_conv_at(rows, 0, &h->conv);
	store_thread(api->store, http_user(h->call), h->conv.id, at[HISTORY_THREAD].number,
		&h->page, history_read, h);
}

static void history_read(void *arg, enum error error, const store_rows *rows)
{
	struct history *h = arg;

	if (!api_failed(h->call, error))
		history_reply(h, rows);
	free(h);
}

/* GET /messages/{chat_id}/{message_id} */

enum { MESSAGE_CHAT, MESSAGE_ID };

/* clang-format off */
static const struct param_spec message_params[] = {
	[MESSAGE_CHAT] = { .name = "chat_id",    .type = PARAM_ID, .place = PARAM_PATH, .required = true,
	                   .doc = "The chat." },
	[MESSAGE_ID]   = { .name = "message_id", .type = PARAM_ID, .place = PARAM_PATH, .required = true,
	                   .doc = "A message of this chat." },
};
/* clang-format on */

static void message_read(void *arg, enum error error, const store_rows *rows)
{
	struct http_call *call = arg;
	struct buf b = BUF_EMPTY;
	struct message m;
	struct conv c;

	if (api_failed(call,
		    message_error(call, error, rows, http_params(call)->at[MESSAGE_CHAT].number)))
		return;
	store_conv_at(rows, 0, &c);
	store_message_at(rows, 0, &m);
	buf_add_char(&b, '{');
	proto_put_message(&b, &m, &c, http_user(call), MESSAGE_SERVED);
	buf_add_char(&b, '}');
	api_reply(call, 200, &b);
}

static void run_message(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_message(api->store, http_user(call), http_params(call)->at[MESSAGE_ID].number,
		message_read, call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/chats", .compressed = true, .costly = true,
	  .summary = "Returns a page of the caller's chats, latest activity first.",
	  PARAMS(chats_params),
	  .status = 200, .answer = "chats", .run = run_chats },
	{ .method = HTTP_GET, .path = "/chats/{chat_id}",
	  .summary = "Returns one of the caller's chats.",
	  PARAMS(chat_params),
	  .status = 200, .answer = "chat", .errors = "no_such_chat", .run = run_chat },
	{ .method = HTTP_GET, .path = "/messages/{chat_id}", .compressed = true, .costly = true,
	  .summary = "Returns a page of the messages of a chat.",
	  PARAMS(history_params),
	  .status = 200, .answer = "messages", .errors = "no_such_chat no_such_message", .run = run_history },
	{ .method = HTTP_GET, .path = "/messages/{chat_id}/{message_id}",
	  .summary = "Returns one message of a chat.",
	  PARAMS(message_params),
	  .status = 200, .answer = "message", .errors = "no_such_message", .run = run_message },
};
/* clang-format on */

const struct api_part api_chats = API_PART(routes);
