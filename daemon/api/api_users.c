/*
 * api_users: profiles, look-ups of users, and the deletion of an account.
 */
#include "api/api.h"
#include "common/fault.h"
#include "realtime/json_view.h"

#define SEARCH_MAX 50
#define SEARCH_DEFAULT 20

/* GET /users/me */

static void run_me(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user(api->store, http_user(call), api_reply_me, call);
}

/* PATCH /users/me */

enum { PATCH_FULL_NAME, PATCH_PICTURE, PATCH_KEY };

/* clang-format off */
static const struct param_spec patch_params[] = {
	[PATCH_FULL_NAME] = { .name = "full_name",       .type = PARAM_NAME, .min = 1, .max = API_NAME_MAX,
	                      .doc = "The name that others see." },
	[PATCH_PICTURE]   = { .name = "profile_picture", .type = PARAM_URL,  .nullable = true, .min = 1, .max = API_URL_MAX,
	                      .doc = "The address of the picture; null removes it." },
	[PATCH_KEY]       = { .name = "public_key",      .type = PARAM_TEXT, .nullable = true, .min = 0, .max = API_PUBLIC_KEY_MAX,
	                      .doc = "A key for others to encrypt to this user; null removes it." },
};
/* clang-format on */

static void run_patch(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct profile profile = {
		.has_full_name = at[PATCH_FULL_NAME].present,
		.has_profile_picture = at[PATCH_PICTURE].present,
		.has_public_key = at[PATCH_KEY].present,
		.full_name = at[PATCH_FULL_NAME].text,
		.profile_picture = at[PATCH_PICTURE].text,
		.public_key = at[PATCH_KEY].text,
	};

	store_update_profile(api->store, http_user(call), &profile, api_reply_me, call);
}

/* GET /users/search */

enum { SEARCH_Q, SEARCH_LIMIT };

/* clang-format off */
static const struct param_spec search_params[] = {
	[SEARCH_Q]     = { .name = "q",     .type = PARAM_NAME, .place = PARAM_QUERY, .required = true, .min = 1, .max = API_NAME_MAX,
	                   .doc = "A prefix of the username or of a word of the full name, case-insensitive; each of several words." },
	[SEARCH_LIMIT] = { .name = "limit", .type = PARAM_INT,  .place = PARAM_QUERY, .min = 1, .max = SEARCH_MAX,
	                   .doc = "The maximum number of users; 20 if absent." },
};
/* clang-format on */

void api_put_user(struct buf *b, const struct http_call *call, const store_rows *rows, int i)
{
	struct user u;

	(void)call;
	store_user_at(rows, i, &u);
	json_view_put_user(b, &u);
}

static void search_read(void *call, enum error error, const store_rows *rows)
{
	api_reply_rows(call, error, rows, "users", api_put_user);
}

static void run_search(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	int64_t limit = at[SEARCH_LIMIT].present ? at[SEARCH_LIMIT].number : SEARCH_DEFAULT;

	store_search(api->store, http_user(call), at[SEARCH_Q].text, limit, search_read, call);
}

/* GET /users/user_id/{username}, GET /users/username/{user_id} */

/* clang-format off */
/* An invalid username is no user's: 404, not an error of the path. */
static const struct param_spec by_name_params[] = {
	{ .name = "username", .type = PARAM_USERNAME, .place = PARAM_PATH, .required = true, .doc = "Case-insensitive." },
};

static const struct param_spec by_id_params[] = {
	{ .name = "user_id", .type = PARAM_ID, .place = PARAM_PATH, .required = true, .doc = "The user." },
};
/* clang-format on */

static void reply_names(
	struct http_call *call, enum error error, const store_rows *rows, bool with_key)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_user;
	if (api_failed(call, error))
		return;
	store_user_at(rows, 0, &u);
	buf_add_char(&b, '{');
	proto_put_id(&b, "user_id", u.user_id);
	buf_add_char(&b, ',');
	proto_put_text(&b, "username", u.username);
	buf_add_char(&b, ',');
	if (with_key)
		proto_put_text(&b, "public_key", u.public_key);
	else
		proto_put_text(&b, "full_name", u.full_name);
	buf_add_char(&b, '}');
	api_reply(call, 200, &b);
}

static void found_by_name(void *call, enum error error, const store_rows *rows)
{
	reply_names(call, error, rows, true);
}

static void run_by_name(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user_named(api->store, http_params(call)->at[0].text, found_by_name, call);
}

static void found_by_id(void *call, enum error error, const store_rows *rows)
{
	reply_names(call, error, rows, false);
}

static void run_by_id(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user(api->store, http_params(call)->at[0].number, found_by_id, call);
}

/* DELETE /users/delete_user/{user_id} */

/* clang-format off */
static const struct param_spec delete_params[] = {
	{ .name = "user_id", .type = PARAM_ID, .place = PARAM_PATH, .required = true, .doc = "The caller." },
};
/* clang-format on */

static void deleted(void *arg, enum error error, const store_rows *rows);
static void erased(void *arg, enum error error);

static void run_delete(void *env, struct http_call *call)
{
	const struct api *api = env;

	if (api_is_caller(call, &http_params(call)->at[0]))
		store_delete_user(api->store, http_user(call), deleted, call);
}

/* The user's sockets are closed first, so that none of them sees its chats change. */
static void deleted(void *arg, enum error error, const store_rows *rows)
{
	struct http_call *call = arg;
	const struct api *api = http_env(call);

	(void)rows;
	if (api_failed(call, error))
		return;
	FAULT("user.deleted");
	api_publish_revoked(api, (struct record_token_revoked){ .user_id = http_user(call) });
	FAULT("user.revoked");
	store_erase_user(api->store, http_user(call), erased, call);
}

/* The answer says that all is erased. */
static void erased(void *call, enum error error)
{
	if (!api_failed(call, error))
		api_reply_empty(call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/users/me",
	  .summary = "Returns the caller.",
	  .status = 200, .answer = "user", .run = run_me },
	{ .method = HTTP_PATCH, .path = "/users/me",
	  .summary = "Changes those fields of the caller's profile that the body contains.",
	  PARAMS(patch_params),
	  .status = 200, .answer = "user", .run = run_patch },
	{ .method = HTTP_GET, .path = "/users/search", .compressed = true, .costly = true,
	  .summary = "Finds users by a prefix of their names; the caller is left out.",
	  PARAMS(search_params),
	  .status = 200, .answer = "users", .run = run_search },
	{ .method = HTTP_GET, .path = "/users/user_id/{username}",
	  .summary = "Returns the id and the public key of a username.",
	  PARAMS(by_name_params),
	  .status = 200, .answer = "user_key", .errors = "no_such_user", .run = run_by_name },
	{ .method = HTTP_GET, .path = "/users/username/{user_id}",
	  .summary = "Returns the names of an id.",
	  PARAMS(by_id_params),
	  .status = 200, .answer = "user_name", .errors = "no_such_user", .run = run_by_id },
	{ .method = HTTP_DELETE, .path = "/users/delete_user/{user_id}",
	  .summary = "Deletes the caller's account, the contents of their messages and their memberships.",
	  PARAMS(delete_params),
	  .status = 204, .errors = "not_yourself", .run = run_delete },
};
/* clang-format on */

const struct api_part api_users = API_PART(routes);
