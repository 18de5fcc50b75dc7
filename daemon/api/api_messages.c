/*
 * api_messages: sending, changing and reading of messages.
 *
 * What is committed is published, then answered: whoever has the answer can rely on the message
 * being there.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/fault.h"
#include "common/log.h"
#include "realtime/json_view.h"

#define READ_IDS_MAX 1000

struct pending {
	const struct api *api;
	struct http_call *call;
	enum record_event event;
};

static struct pending *pending_new(
	const struct api *api, struct http_call *call, enum record_event event)
{
	struct pending *p = malloc(sizeof(*p));

	if (p == NULL)
		log_fatal("out of memory for a request");
	*p = (struct pending){ api, call, event };
	return p;
}

static void reply_message(struct http_call *call, int status, const struct change *c)
{
	struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	proto_put_message(&b, &c->message, &c->conv, http_user(call));
	buf_add_str(&b, c->duplicate ? ",\"duplicate\":true}" : "}");
	api_reply(call, status, &b);
}

/* POST /messages/send_message */

enum { SEND_RECEIVER, SEND_CONTENT, SEND_CLIENT_ID, SEND_SENDER };

static const struct param_spec send_params[] = {
	[SEND_RECEIVER] = { "receiver_id", PARAM_ID, true, false, 0, 0, PARAM_BODY,
		"A user, or a group the caller is in." },
	[SEND_CONTENT] = { "content", PARAM_TEXT, true, false, 1, PROTO_CONTENT_MAX, PARAM_BODY,
		"The text." },
	[SEND_CLIENT_ID] = { "client_id", PARAM_CLIENT_ID, false, false, 1, PROTO_CLIENT_ID_MAX,
		PARAM_BODY,
		"The sender's own name for this send; a repeat with the same one is stored once." },
	[SEND_SENDER] = { "sender_id", PARAM_ID, false, false, 0, 0, PARAM_BODY, "The caller." },
};

static void sent(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;

	if (error == ERROR_NONE) {
		/* A repeat too: its first worker may have died before it could publish it. */
		bus_publish_change(p->api->bus, c, RECORD_NEW, 0);
		reply_message(p->call, c->duplicate ? 200 : 201, c);
		FAULT("post.answered");
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

static void run_send(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct send post = {
		.sender = http_user(call),
		.receiver = at[SEND_RECEIVER].number,
		.content = at[SEND_CONTENT].text,
		.client_id = at[SEND_CLIENT_ID].text,
	};

	if (!api_is_caller(call, &at[SEND_SENDER]))
		return;
	FAULT("post.queued");
	store_send(api->store, &post, sent, pending_new(api, call, RECORD_NEW));
}

/* PATCH and DELETE /messages/{message_id} */

enum { CHANGE_MESSAGE, CHANGE_CONTENT };

static const struct param_spec change_params[] = {
	[CHANGE_MESSAGE] = { "message_id", PARAM_ID, true, false, 0, 0, PARAM_PATH,
		"A text message of the caller's own." },
	[CHANGE_CONTENT] = { "content", PARAM_TEXT, true, false, 1, PROTO_CONTENT_MAX, PARAM_BODY,
		"The new text." },
};

static void changed(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;

	if (error == ERROR_NONE && !c->duplicate)
		bus_publish_change(p->api->bus, c, p->event, 0);
	if (error != ERROR_NONE)
		http_reply_error(p->call, error);
	else if (p->event == RECORD_EDITED)
		reply_message(p->call, 200, c);
	else
		http_reply(p->call, 204, NULL, 0);
	free(p);
}

static void run_edit(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_edit_message(api->store, http_user(call), at[CHANGE_MESSAGE].number,
		at[CHANGE_CONTENT].text, changed, pending_new(api, call, RECORD_EDITED));
}

static void run_delete(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_delete_message(api->store, http_user(call),
		http_params(call)->at[CHANGE_MESSAGE].number, changed,
		pending_new(api, call, RECORD_DELETED));
}

/* PUT /messages/read */

enum { READ_IDS, READ_USER };

static const struct param_spec read_params[] = {
	[READ_IDS] = { "message_ids", PARAM_IDS, true, false, 1, READ_IDS_MAX, PARAM_BODY,
		"Messages that were read; those that are in none of the caller's chats are "
		"ignored." },
	[READ_USER] = { "user_id", PARAM_ID, false, false, 0, 0, PARAM_BODY, "The caller." },
};

static void publish_read(const struct api *api, int64_t user_id, const struct read_mark *m)
{
	const struct record r = {
		.type = RECORD_READ,
		.conv = m->conv,
		.user_id = user_id,
		.message = { .seq = m->seq },
	};

	bus_publish(api->bus, &r);
}

static void marked_read(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct buf b = BUF_EMPTY;
	int64_t n = 0;

	if (error == ERROR_NONE) {
		for (int i = 0; i < store_n(rows); i++) {
			struct read_mark m;

			store_read_at(rows, i, &m);
			n += m.n_messages;
			if (m.moved)
				publish_read(p->api, http_user(p->call), &m);
		}
		buf_addf(&b, "{\"read\":%lld}", (long long)n);
		api_reply(p->call, 200, &b);
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

static void run_read(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	if (!api_is_caller(call, &at[READ_USER]))
		return;
	store_mark_messages_read(api->store, http_user(call), at[READ_IDS].ids, at[READ_IDS].n_ids,
		marked_read, pending_new(api, call, 0));
}

static const struct http_route routes[] = {
	{
		.method = HTTP_POST,
		.path = "/messages/send_message",
		.summary = "Sends a message; a repeated client_id is answered with 200 and the "
			   "message as it is now.",
		.params = send_params,
		.n_params = sizeof(send_params) / sizeof(send_params[0]),
		.status = 201,
		.also = 200,
		.answer = "sent_message",
		.errors = "not_yourself no_such_chat",
		.run = run_send,
	},
	{
		.method = HTTP_PUT,
		.path = "/messages/read",
		.summary = "Moves the caller's watermark of each chat concerned to the highest "
			   "message named.",
		.params = read_params,
		.n_params = sizeof(read_params) / sizeof(read_params[0]),
		.status = 200,
		.answer = "read",
		.errors = "not_yourself",
		.run = run_read,
	},
	{
		.method = HTTP_PATCH,
		.path = "/messages/{message_id}",
		.summary = "Replaces the text of a message.",
		.params = change_params,
		.n_params = CHANGE_CONTENT + 1,
		.status = 200,
		.answer = "message",
		.errors = "not_sender not_text no_such_message",
		.run = run_edit,
	},
	{
		.method = HTTP_DELETE,
		.path = "/messages/{message_id}",
		.summary = "Erases the text of a message; its place in the chat stays.",
		.params = change_params,
		.n_params = CHANGE_MESSAGE + 1,
		.status = 204,
		.errors = "not_sender not_text no_such_message",
		.run = run_delete,
	},
};

const struct api_part api_messages = { routes, sizeof(routes) / sizeof(routes[0]) };
