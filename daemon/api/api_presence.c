/*
 * api_presence: typing and presence, which are shown and not stored.
 */
#include "api/api.h"
#include "common/clock.h"

#define PRESENCE_IDS_MAX 100

/* POST /users/set_typing_status */

enum { TYPING_IS, TYPING_CHAT };

/* clang-format off */
static const struct param_spec typing_params[] = {
	[TYPING_IS]   = { .name = "is_typing",      .type = PARAM_BOOL, .required = true,
	                  .doc = "True if the caller is typing." },
	[TYPING_CHAT] = { .name = "typing_chat_id", .type = PARAM_ID,   .required = true,
	                  .doc = "The chat." },
};
/* clang-format on */

static void typing_conv(void *call, enum error error, const store_rows *rows)
{
	const struct api *api = http_env(call);
	struct record r = {
		.type = RECORD_TYPING,
		.typing = { .user_id = http_user(call),
			.on = http_params(call)->at[TYPING_IS].flag },
	};

	if (api_failed(call, error))
		return;
	store_conv_at(rows, 0, &r.typing.conv);
	/* Before its first message the chat does not exist, and the peer has nowhere to show it. */
	if (r.typing.conv.id != 0 && (!r.typing.on || store_may_post_at(rows, 0)))
		bus_publish(api->bus, &r);
	api_reply_empty(call);
}

static void run_typing(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_conv(api->store, http_user(call), http_params(call)->at[TYPING_CHAT].number,
		typing_conv, call);
}

/* GET /users/presence */

/* clang-format off */
static const struct param_spec presence_params[] = {
	{ .name = "ids", .type = PARAM_IDS, .place = PARAM_QUERY, .required = true, .min = 1, .max = PRESENCE_IDS_MAX,
	  .doc = "Users; the answer leaves out those who share no chat with the caller." },
};
/* clang-format on */

static void put_presence(struct buf *b, const struct http_call *call, const store_rows *rows, int i)
{
	const struct api *api = http_env(call);
	int64_t user_id = store_id_at(rows, i), last_seen_ms = store_last_seen_at(rows, i);
	int64_t now_ms = clock_mono_ms(), gone_ms;
	bool online = presence_lookup(api->presence, user_id, now_ms, &gone_ms) != PRESENCE_OFFLINE;

	/* The database has a departure within a second; until then the table is newer. */
	if (gone_ms != 0) {
		int64_t gone_wall_ms = clock_wall_ms() - (now_ms - gone_ms);

		if (gone_wall_ms > last_seen_ms)
			last_seen_ms = gone_wall_ms;
	}
	buf_add_char(b, '{');
	proto_put_id(b, "user_id", user_id);
	buf_add_str(b, online ? ",\"online\":true," : ",\"online\":false,");
	proto_put_time(b, "last_seen_at", online ? 0 : last_seen_ms);
	buf_add_char(b, '}');
}

static void presence_read(void *call, enum error error, const store_rows *rows)
{
	api_reply_rows(call, error, rows, "presence", put_presence);
}

static void run_presence(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *ids = &http_params(call)->at[0];

	store_contacts(api->store, http_user(call), ids->ids, ids->n_ids, presence_read, call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_POST, .path = "/users/set_typing_status",
	  .summary = "Shows the other members of a chat for 6 s that the caller is typing, or ends it.",
	  PARAMS(typing_params),
	  .status = 204, .errors = "no_such_chat", .run = run_typing },
	{ .method = HTTP_GET, .path = "/users/presence", .costly = true,
	  .summary = "Reports which of these users are online.",
	  PARAMS(presence_params),
	  .status = 200, .answer = "presences", .run = run_presence },
};
/* clang-format on */

const struct api_part api_presence = API_PART(routes);
