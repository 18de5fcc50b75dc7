/*
 * api_reactions: reactions to messages, and pinned messages.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/xalloc.h"
#include "realtime/json_view.h"

#define PINS_MAX 100 /* of a chat (pin_message in functions.sql) */

/* PUT and DELETE /messages/{message_id}/reactions/{emoji} */

enum { REACT_MESSAGE, REACT_EMOJI };

/* clang-format off */
static const struct param_spec react_params[] = {
	[REACT_MESSAGE] = { .name = "message_id", .type = PARAM_ID,    .place = PARAM_PATH, .required = true,
	                    .doc = "A text message of one of the caller's chats." },
	[REACT_EMOJI]   = { .name = "emoji",      .type = PARAM_EMOJI, .place = PARAM_PATH, .required = true,
	                    .doc = "One emoji, percent-encoded; U+FE0F in it does not matter." },
};
/* clang-format on */

/* field: the one that too_many is due to. */
static void changed(struct http_call *call, enum error error, const char *field,
	const struct change *c, enum record_event event)
{
	const struct api *api = http_env(call);

	if (api_field_failed(call, error, field))
		return;
	if (!c->duplicate)
		bus_publish_change(api->bus, c, event, 0);
	api_reply_empty(call);
}

static void reacted(void *call, enum error error, const struct change *c)
{
	changed(call, error, "emoji", c, RECORD_REACTED);
}

static void unreacted(void *call, enum error error, const struct change *c)
{
	changed(call, error, "emoji", c, RECORD_UNREACTED);
}

static void react(const struct api *api, struct http_call *call, bool on)
{
	const struct param *at = http_params(call)->at;
	const struct reaction r = {
		.user_id = http_user(call),
		.message_id = at[REACT_MESSAGE].number,
		.emoji = at[REACT_EMOJI].text,
		.on = on,
	};

	store_react(api->store, &r, on ? reacted : unreacted, call);
}

static void run_react(void *env, struct http_call *call)
{
	react(env, call, true);
}

static void run_unreact(void *env, struct http_call *call)
{
	react(env, call, false);
}

/* PUT and DELETE /messages/{message_id}/pin */

static void pinned(void *call, enum error error, const struct change *c)
{
	changed(call, error, "message_id", c, RECORD_PINNED);
}

static void unpinned(void *call, enum error error, const struct change *c)
{
	changed(call, error, "message_id", c, RECORD_UNPINNED);
}

static void run_pin(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_pin(api->store, http_user(call), http_params(call)->at[REACT_MESSAGE].number, true,
		pinned, call);
}

static void run_unpin(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_pin(api->store, http_user(call), http_params(call)->at[REACT_MESSAGE].number, false,
		unpinned, call);
}

/* GET /chats/{chat_id}/pins */

/* clang-format off */
static const struct param_spec pins_params[] = {
	{ .name = "chat_id", .type = PARAM_ID, .place = PARAM_PATH, .required = true, .doc = "The chat." },
};
/* clang-format on */

struct pins {
	struct http_call *call;
	struct conv conv;
};

static void pins_read(void *arg, enum error error, const store_rows *rows);

static void pins_conv(void *arg, enum error error, const store_rows *rows)
{
	struct pins *p = arg;
	const struct api *api = http_env(p->call);
	static const char none[] = "{\"messages\":[]}";

	if (api_failed(p->call, error)) {
		free(p);
		return;
	}
	store_conv_at(rows, 0, &p->conv);
	if (p->conv.id == 0) {
		http_reply(p->call, 200, none, sizeof(none) - 1);
		free(p);
	} else {
		store_pins(api->store, http_user(p->call), p->conv.id, pins_read, p);
	}
}

static void pins_read(void *arg, enum error error, const store_rows *rows)
{
	struct pins *p = arg;
	struct buf b = BUF_EMPTY;

	if (!api_failed(p->call, error)) {
		buf_add_char(&b, '{');
		json_view_put_messages(&b, rows, PINS_MAX, &p->conv, http_user(p->call));
		buf_add_char(&b, '}');
		api_reply(p->call, 200, &b);
	}
	free(p);
}

static void run_pins(void *env, struct http_call *call)
{
	const struct api *api = env;
	struct pins *p = xcalloc(1, sizeof(*p));

	p->call = call;
	store_conv(api->store, http_user(call), http_params(call)->at[0].number, pins_conv, p);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_PUT, .path = "/messages/{message_id}/reactions/{emoji}",
	  .summary = "Adds a reaction of the caller to a message.",
	  PARAMS(react_params),
	  .status = 204, .errors = "not_text no_such_message too_many", .run = run_react },
	{ .method = HTTP_DELETE, .path = "/messages/{message_id}/reactions/{emoji}",
	  .summary = "Removes a reaction of the caller from a message.",
	  PARAMS(react_params),
	  .status = 204, .errors = "not_text no_such_message", .run = run_unreact },
	{ .method = HTTP_PUT, .path = "/messages/{message_id}/pin",
	  .summary = "Pins a message in its chat.",
	  PARAMS_FIRST(REACT_MESSAGE + 1, react_params),
	  .status = 204, .errors = "not_text not_allowed no_such_message too_many", .run = run_pin },
	{ .method = HTTP_DELETE, .path = "/messages/{message_id}/pin",
	  .summary = "Ends the pin of a message.",
	  PARAMS_FIRST(REACT_MESSAGE + 1, react_params),
	  .status = 204, .errors = "not_text not_allowed no_such_message", .run = run_unpin },
	{ .method = HTTP_GET, .path = "/chats/{chat_id}/pins", .compressed = true, .costly = true,
	  .summary = "Returns the pinned messages of a chat, latest pinned first.",
	  PARAMS(pins_params),
	  .status = 200, .answer = "pins", .errors = "no_such_chat", .run = run_pins },
};
/* clang-format on */

const struct api_part api_reactions = API_PART(routes);
