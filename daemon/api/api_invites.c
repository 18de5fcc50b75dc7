/*
 * api_invites: invite links to groups.
 */
#include "api/api.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/token.h"

#define EXPIRES_MIN_S 60
#define EXPIRES_MAX_S 31536000
#define USES_MAX 100000

/* POST, GET /groups/{group_id}/invites; DELETE /groups/{group_id}/invites/{code} */

enum { INVITE_GROUP, INVITE_EXPIRES, INVITE_USES };
enum { END_GROUP, END_CODE };

/* clang-format off */
static const struct param_spec create_params[] = {
	[INVITE_GROUP]   = { .name = "group_id",   .type = PARAM_ID,  .place = PARAM_PATH, .required = true,
	                     .doc = "A group that the caller is a member of." },
	[INVITE_EXPIRES] = { .name = "expires_in", .type = PARAM_INT, .min = EXPIRES_MIN_S, .max = EXPIRES_MAX_S,
	                     .doc = "Seconds after which the link ends; never if absent." },
	[INVITE_USES]    = { .name = "max_uses",   .type = PARAM_INT, .min = 1, .max = USES_MAX,
	                     .doc = "The number of joins after which the link ends; any if absent." },
};
static const struct param_spec end_params[] = {
	[END_GROUP] = { .name = "group_id", .type = PARAM_ID,   .place = PARAM_PATH, .required = true,
	                .doc = "A group that the caller is a member of." },
	[END_CODE]  = { .name = "code",     .type = PARAM_CODE, .place = PARAM_PATH, .required = true,
	                .doc = "The code of the link." },
};
/* clang-format on */

static void put_invite(struct buf *b, const struct http_call *call, const store_rows *rows, int i)
{
	struct invite v;

	(void)call;
	store_invite_at(rows, i, &v);
	buf_add_char(b, '{');
	proto_put_text(b, "code", v.code);
	buf_add_char(b, ',');
	proto_put_time(b, "expires_at", v.expires_ms);
	buf_add_char(b, ',');
	proto_put_id(b, "max_uses", v.max_uses);
	buf_addf(b, ",\"uses\":%lld,", (long long)v.uses);
	proto_put_id(b, "created_by", v.created_by);
	buf_add_char(b, '}');
}

static void invite_created(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (api_field_failed(call, error, "code"))
		return;
	put_invite(&b, call, rows, 0);
	api_reply(call, 201, &b);
}

static void run_create(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	char code[TOKEN_CODE_CHARS + 1];
	const struct new_invite i = {
		.code = { code, TOKEN_CODE_CHARS },
		.expires_in_s = at[INVITE_EXPIRES].number,
		.max_uses = at[INVITE_USES].number,
	};

	if (!token_make_code(code)) {
		log_error("no_random_bytes");
		http_reply_error(call, ERROR_internal);
		return;
	}
	store_create_invite(
		api->store, http_user(call), at[INVITE_GROUP].number, &i, invite_created, call);
}

static void invites_read(void *call, enum error error, const store_rows *rows)
{
	struct invite first = { .code = { NULL, 0 } };

	if (error == ERROR_NONE)
		store_invite_at(rows, 0, &first);
	api_reply_rows(call, error, first.code.data != NULL ? rows : NULL, "invites", put_invite);
}

static void run_list(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_invites(api->store, http_user(call), http_params(call)->at[INVITE_GROUP].number,
		invites_read, call);
}

static void invite_ended(void *call, enum error error, const store_rows *rows)
{
	(void)rows;
	if (!api_failed(call, error))
		api_reply_empty(call);
}

static void run_end(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_end_invite(api->store, http_user(call), at[END_GROUP].number, at[END_CODE].text,
		invite_ended, call);
}

/* GET /invites/{code}, POST /invites/{code}/join */

/* clang-format off */
static const struct param_spec code_params[] = {
	{ .name = "code", .type = PARAM_CODE, .place = PARAM_PATH, .required = true, .doc = "The code of the link." },
};
/* clang-format on */

/* Codes cannot be guessed; this keeps attempts from costing much. */
static bool lookup_allowed(const struct api *api, struct http_call *call)
{
	struct ratelimit_key key = ratelimit_key_user(http_user(call));

	if (!api->conf->rate_limits || ratelimit_take(api->invite_limits, &key, 1, clock_mono_ms()))
		return true;
	http_reply_error(call, ERROR_too_many_requests);
	return false;
}

static void invited_group_read(void *call, enum error error, const store_rows *rows)
{
	struct invited_group g;
	struct buf b = BUF_EMPTY;

	if (api_failed(call, error))
		return;
	store_invited_group_at(rows, 0, &g);
	buf_add_char(&b, '{');
	proto_put_id(&b, "group_id", g.group_id);
	buf_add_char(&b, ',');
	proto_put_text(&b, "name", g.name);
	buf_add_char(&b, ',');
	proto_put_text(&b, "picture", g.picture);
	buf_addf(&b, ",\"member_count\":%lld,\"joined\":%s}", (long long)g.member_count,
		g.joined ? "true" : "false");
	api_reply(call, 200, &b);
}

static void run_look(void *env, struct http_call *call)
{
	const struct api *api = env;

	if (lookup_allowed(api, call))
		store_invited_group(api->store, http_user(call), http_params(call)->at[0].text,
			invited_group_read, call);
}

static void joined(void *call, enum error error, const struct change *c)
{
	if (api_field_failed(call, error, "code"))
		return;
	FAULT("invite.joined");
	api_publish_group(http_env(call), c);
	api_reply_group(call, c->conv.id, 200);
}

static void run_join(void *env, struct http_call *call)
{
	const struct api *api = env;

	if (!lookup_allowed(api, call))
		return;
	FAULT("invite.queued");
	store_join(api->store, http_user(call), http_params(call)->at[0].text, joined, call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_POST, .path = "/groups/{group_id}/invites",
	  .summary = "Creates an invite link to a group; only the owner and admins may.",
	  PARAMS(create_params),
	  .status = 201, .answer = "invite", .errors = "not_admin no_such_group too_many", .run = run_create },
	{ .method = HTTP_GET, .path = "/groups/{group_id}/invites",
	  .summary = "Returns the invite links that have not ended, the newest first; only the owner and admins may.",
	  PARAMS_FIRST(INVITE_GROUP + 1, create_params),
	  .status = 200, .answer = "invites", .errors = "not_admin no_such_group", .run = run_list },
	{ .method = HTTP_DELETE, .path = "/groups/{group_id}/invites/{code}",
	  .summary = "Ends an invite link; only the owner and admins may.",
	  PARAMS(end_params),
	  .status = 204, .errors = "not_admin no_such_group no_such_invite", .run = run_end },
	{ .method = HTTP_GET, .path = "/invites/{code}",
	  .summary = "Returns the group that an invite link leads to.",
	  PARAMS(code_params),
	  .status = 200, .answer = "invited_group", .errors = "banned no_such_invite", .run = run_look },
	{ .method = HTTP_POST, .path = "/invites/{code}/join",
	  .summary = "Makes the caller a member of the group that an invite link leads to.",
	  PARAMS(code_params),
	  .status = 200, .answer = "group", .errors = "banned no_such_invite too_many", .run = run_join },
};
/* clang-format on */

const struct api_part api_invites = API_PART(routes);
