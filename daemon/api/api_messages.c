/*
 * api_messages: sending, changing and reading messages.
 */
#include "api/api.h"
#include "common/fault.h"
#include "realtime/json_view.h"

#define READ_IDS_MAX 1000

static void reply_message(struct http_call *call, int status, const struct change *c)
{
	struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	proto_put_message(&b, &c->message, &c->conv, http_user(call), MESSAGE_SERVED);
	buf_add_str(&b, c->duplicate ? ",\"duplicate\":true}" : "}");
	api_reply(call, status, &b);
}

/* POST /messages/send_message */

enum { SEND_RECEIVER, SEND_CONTENT, SEND_CLIENT_ID, SEND_REPLY_TO, SEND_SENDER };

/* clang-format off */
static const struct param_spec send_params[] = {
	[SEND_RECEIVER]  = { .name = "receiver_id", .type = PARAM_ID,        .required = true,
	                     .doc = "A user, or a group that the caller is a member of." },
	[SEND_CONTENT]   = { .name = "content",     .type = PARAM_TEXT,      .required = true, .min = 1, .max = PROTO_CONTENT_MAX,
	                     .doc = "The text." },
	[SEND_CLIENT_ID] = { .name = "client_id",   .type = PARAM_CLIENT_ID, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	                     .doc = "The sender's own name for this send; a repeat with the same one is stored once." },
	[SEND_REPLY_TO]  = { .name = "reply_to",    .type = PARAM_ID,
	                     .doc = "A text of the same chat." },
	[SEND_SENDER]    = { .name = "sender_id",   .type = PARAM_ID,
	                     .doc = "The caller." },
};
/* clang-format on */

static void sent(void *call, enum error error, const struct change *c)
{
	static const char not_there[] =
		"{\"field\":\"reply_to\",\"detail\":\"is not a text of this chat\"}";
	const struct api *api = http_env(call);

	if (error == ERROR_invalid) {
		http_reply_invalid(call, not_there, sizeof(not_there) - 1);
		return;
	}
	if (api_failed(call, error))
		return;
	/* Duplicates as well: the first worker may have died before it could publish. */
	bus_publish_change(api->bus, c, RECORD_NEW, 0);
	reply_message(call, c->duplicate ? 200 : 201, c);
	FAULT("post.answered");
}

static void run_send(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct send send = {
		.sender = http_user(call),
		.receiver = at[SEND_RECEIVER].number,
		.content = at[SEND_CONTENT].text,
		.client_id = at[SEND_CLIENT_ID].text,
		.reply_to = at[SEND_REPLY_TO].number,
	};

	if (!api_is_caller(call, &at[SEND_SENDER]))
		return;
	FAULT("post.queued");
	store_send(api->store, &send, sent, call);
}

/* POST /messages/forward */

enum { FORWARD_MESSAGE, FORWARD_RECEIVER, FORWARD_CLIENT_ID };

/* clang-format off */
static const struct param_spec forward_params[] = {
	[FORWARD_MESSAGE]   = { .name = "message_id",  .type = PARAM_ID,        .required = true,
	                        .doc = "A text of one of the caller's chats." },
	[FORWARD_RECEIVER]  = { .name = "receiver_id", .type = PARAM_ID,        .required = true,
	                        .doc = "A user, or a group that the caller is a member of." },
	[FORWARD_CLIENT_ID] = { .name = "client_id",   .type = PARAM_CLIENT_ID, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	                        .doc = "The sender's own name for this send; a repeat with the same one is stored once." },
};
/* clang-format on */

static void run_forward(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct send send = {
		.sender = http_user(call),
		.receiver = at[FORWARD_RECEIVER].number,
		.client_id = at[FORWARD_CLIENT_ID].text,
		.forward = at[FORWARD_MESSAGE].number,
	};

	store_send(api->store, &send, sent, call);
}

/* PATCH and DELETE /messages/{message_id} */

enum { CHANGE_MESSAGE, CHANGE_CONTENT };

/* clang-format off */
static const struct param_spec change_params[] = {
	[CHANGE_MESSAGE] = { .name = "message_id", .type = PARAM_ID,   .place = PARAM_PATH, .required = true,
	                     .doc = "A text message that the caller sent." },
	[CHANGE_CONTENT] = { .name = "content",    .type = PARAM_TEXT, .required = true, .min = 1, .max = PROTO_CONTENT_MAX,
	                     .doc = "The new text." },
};
/* clang-format on */

static void publish_change(const struct api *api, const struct change *c, enum record_event event)
{
	if (!c->duplicate)
		bus_publish_change(api->bus, c, event, 0);
}

static void edited(void *call, enum error error, const struct change *c)
{
	if (api_failed(call, error))
		return;
	publish_change(http_env(call), c, RECORD_EDITED);
	reply_message(call, 200, c);
}

static void run_edit(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_edit_message(api->store, http_user(call), at[CHANGE_MESSAGE].number,
		at[CHANGE_CONTENT].text, edited, call);
}

static void deleted(void *call, enum error error, const struct change *c)
{
	if (api_failed(call, error))
		return;
	publish_change(http_env(call), c, RECORD_DELETED);
	api_reply_empty(call);
}

static void run_delete(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_delete_message(api->store, http_user(call),
		http_params(call)->at[CHANGE_MESSAGE].number, deleted, call);
}

/* PUT /messages/read */

enum { READ_IDS, READ_USER };

/* clang-format off */
static const struct param_spec read_params[] = {
	[READ_IDS]  = { .name = "message_ids", .type = PARAM_IDS, .required = true, .min = 1, .max = READ_IDS_MAX,
	                .doc = "The messages that were read; those in none of the caller's chats are ignored." },
	[READ_USER] = { .name = "user_id",     .type = PARAM_ID,
	                .doc = "The caller." },
};
/* clang-format on */

static void publish_read(const struct api *api, int64_t user_id, const struct read_mark *m)
{
	const struct record r = {
		.type = RECORD_READ,
		.read = { .conv = m->conv,
			.user_id = user_id,
			.seq = m->seq,
			.own_only = m->own_only },
	};

	bus_publish(api->bus, &r);
}

static void marked_read(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	int64_t n = 0;

	if (api_failed(call, error))
		return;
	for (int i = 0; i < store_n(rows); i++) {
		struct read_mark m;

		store_read_at(rows, i, &m);
		n += m.n_messages;
		if (m.moved)
			publish_read(http_env(call), http_user(call), &m);
	}
	buf_addf(&b, "{\"read\":%lld}", (long long)n);
	api_reply(call, 200, &b);
}

static void run_read(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	if (!api_is_caller(call, &at[READ_USER]))
		return;
	store_mark_messages_read(api->store, http_user(call), at[READ_IDS].ids, at[READ_IDS].n_ids,
		marked_read, call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_POST, .path = "/messages/send_message",
	  .summary = "Sends a message; a repeated client_id is answered with 200 and the message as it is now.",
	  PARAMS(send_params),
	  .status = 201, .also = 200, .answer = "sent_message", .errors = "not_yourself not_allowed no_such_chat",
	  .run = run_send },
	{ .method = HTTP_POST, .path = "/messages/forward",
	  .summary = "Sends a copy of a text, with its first author; otherwise as /messages/send_message.",
	  PARAMS(forward_params),
	  .status = 201, .also = 200, .answer = "sent_message", .errors = "not_allowed not_text no_such_message no_such_chat",
	  .run = run_forward },
	{ .method = HTTP_PUT, .path = "/messages/read",
	  .summary = "Moves the caller's watermark of each chat concerned to the highest message named.",
	  PARAMS(read_params),
	  .status = 200, .answer = "read", .errors = "not_yourself", .run = run_read },
	{ .method = HTTP_PATCH, .path = "/messages/{message_id}",
	  .summary = "Replaces the text of a message.",
	  PARAMS(change_params),
	  .status = 200, .answer = "message", .errors = "not_sender not_text no_such_message",
	  .run = run_edit },
	{ .method = HTTP_DELETE, .path = "/messages/{message_id}",
	  .summary = "Erases the text of a message; its place in the chat stays.",
	  PARAMS_FIRST(CHANGE_MESSAGE + 1, change_params),
	  .status = 204, .errors = "not_sender not_text no_such_message", .run = run_delete },
};
/* clang-format on */

const struct api_part api_messages = API_PART(routes);
