/*
 * api_presence: what is shown and not stored: typing, and who is online.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/clock.h"
#include "common/log.h"

#define PRESENCE_IDS_MAX 100

struct pending {
	const struct api *api;
	struct http_call *call;
};

static struct pending *pending_new(const struct api *api, struct http_call *call)
{
	struct pending *p = malloc(sizeof(*p));

	if (p == NULL)
		log_fatal("out of memory for a request");
	*p = (struct pending){ api, call };
	return p;
}

/* POST /users/set_typing_status */

enum { TYPING_IS, TYPING_CHAT };

static const struct param_spec typing_params[] = {
	[TYPING_IS] = { "is_typing", PARAM_BOOL, true, false, 0, 0, PARAM_BODY,
		"Whether the caller types." },
	[TYPING_CHAT] = { "typing_chat_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "The chat." },
};

static void typing_conv(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct record r = {
		.type = RECORD_TYPING,
		.typing = { .user_id = http_user(p->call),
			.on = http_params(p->call)->at[TYPING_IS].flag },
	};

	if (error == ERROR_NONE) {
		store_conv_at(rows, 0, &r.typing.conv);
		/* Where nothing has been said yet the other has no chat to show it in. */
		if (r.typing.conv.id != 0)
			bus_publish(p->api->bus, &r);
		http_reply(p->call, 204, NULL, 0);
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

static void run_typing(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_conv(api->store, http_user(call), http_params(call)->at[TYPING_CHAT].number,
		typing_conv, pending_new(api, call));
}

/* GET /users/presence */

static const struct param_spec presence_params[] = {
	{ "ids", PARAM_IDS, true, false, 1, PRESENCE_IDS_MAX, PARAM_QUERY,
		"Users; those with whom the caller shares no chat are left out of the answer." },
};

static void put_presence(
	struct buf *b, const struct presence *presence, int64_t user_id, int64_t last_seen_ms)
{
	int64_t now_ms = clock_mono_ms(), gone_ms;
	bool online = presence_lookup(presence, user_id, now_ms, &gone_ms) != PRESENCE_OFFLINE;

	/* The database is told of a leave within a second; until then the table knows better. */
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

static void presence_known(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct buf b = BUF_EMPTY;

	if (error == ERROR_NONE) {
		buf_add_str(&b, "{\"presence\":[");
		for (int i = 0; i < store_n(rows); i++) {
			if (i > 0)
				buf_add_char(&b, ',');
			put_presence(&b, p->api->presence, store_id_at(rows, i),
				store_last_seen_at(rows, i));
		}
		buf_add_str(&b, "]}");
		api_reply(p->call, 200, &b);
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

static void run_presence(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *ids = &http_params(call)->at[0];

	store_contacts(api->store, http_user(call), ids->ids, ids->n_ids, presence_known,
		pending_new(api, call));
}

static const struct http_route routes[] = {
	{
		.method = HTTP_POST,
		.path = "/users/set_typing_status",
		.summary = "Shows the others of a chat that the caller types, for 6 s, or no "
			   "longer does.",
		.params = typing_params,
		.n_params = sizeof(typing_params) / sizeof(typing_params[0]),
		.status = 204,
		.errors = "no_such_chat",
		.run = run_typing,
	},
	{
		.method = HTTP_GET,
		.path = "/users/presence",
		.summary = "Who of these users is online.",
		.params = presence_params,
		.n_params = sizeof(presence_params) / sizeof(presence_params[0]),
		.status = 200,
		.answer = "presences",
		.errors = "",
		.run = run_presence,
	},
};

const struct api_part api_presence = { routes, sizeof(routes) / sizeof(routes[0]) };
