/*
 * api_users: profiles, finding people, and the end of an account.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/fault.h"
#include "common/log.h"
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

static const struct param_spec patch_params[] = {
	[PATCH_FULL_NAME] = { "full_name", PARAM_CHARS, false, false, 1, API_NAME_MAX, PARAM_BODY,
		"The name that others see." },
	[PATCH_PICTURE] = { "profile_picture", PARAM_URL, false, true, 1, API_URL_MAX, PARAM_BODY,
		"Where the picture is; null takes it away." },
	[PATCH_KEY] = { "public_key", PARAM_TEXT, false, true, 0, API_PUBLIC_KEY_MAX, PARAM_BODY,
		"A key for others to write to this user with; null takes it away." },
};

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

static const struct param_spec search_params[] = {
	[SEARCH_Q] = { "q", PARAM_CHARS, true, false, 1, 100, PARAM_QUERY,
		"Beginning of the username or of a word of the full name, in any case; of several "
		"words, each." },
	[SEARCH_LIMIT] = { "limit", PARAM_INT, false, false, 1, SEARCH_MAX, PARAM_QUERY,
		"At most so many; 20 where it is left out." },
};

static void searched(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	buf_add_str(&b, "{\"users\":[");
	for (int i = 0; i < store_n(rows); i++) {
		struct user u;

		if (i > 0)
			buf_add_char(&b, ',');
		store_user_at(rows, i, &u);
		json_view_put_user(&b, &u);
	}
	buf_add_str(&b, "]}");
	api_reply(call, 200, &b);
}

static void run_search(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	int64_t limit = at[SEARCH_LIMIT].present ? at[SEARCH_LIMIT].number : SEARCH_DEFAULT;

	store_search(api->store, http_user(call), at[SEARCH_Q].text, limit, searched, call);
}

/* GET /users/user_id/{username}, GET /users/username/{user_id} */

/* A name that nobody can have is nobody's, which is 404 and no error of the path. */
static const struct param_spec by_name_params[] = {
	{ "username", PARAM_USERNAME, true, false, 3, 32, PARAM_PATH, "In any case." },
};

static const struct param_spec by_id_params[] = {
	{ "user_id", PARAM_ID, true, false, 0, 0, PARAM_PATH, "The user." },
};

static void reply_names(
	struct http_call *call, enum error error, const store_rows *rows, bool with_key)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_user;
	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	store_user_at(rows, 0, &u);
	buf_add_char(&b, '{');
	proto_put_id(&b, "user_id", u.user_id);
	buf_add_char(&b, ',');
	proto_put_text(&b, "username", u.username);
	if (with_key) {
		buf_add_char(&b, ',');
		proto_put_text(&b, "public_key", u.public_key);
	}
	buf_add_char(&b, '}');
	api_reply(call, 200, &b);
}

static void found_by_name(void *call, enum error error, const store_rows *rows)
{
	reply_names(call, error, rows, true);
}

static void found_by_id(void *call, enum error error, const store_rows *rows)
{
	reply_names(call, error, rows, false);
}

static void run_by_name(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user_named(api->store, http_params(call)->at[0].text, found_by_name, call);
}

static void run_by_id(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user(api->store, http_params(call)->at[0].number, found_by_id, call);
}

/* DELETE /users/delete_user/{user_id} */

static const struct param_spec delete_params[] = {
	{ "user_id", PARAM_ID, true, false, 0, 0, PARAM_PATH, "Oneself." },
};

struct pending {
	const struct api *api;
	struct http_call *call;
};

/* First the sockets end, so that none sees its chats go; then the others are told to sync. */
static void publish_deleted(const struct api *api, int64_t user_id, const store_rows *rows)
{
	const struct record ended = { .type = RECORD_TOKEN_REVOKED, .user_id = user_id };

	FAULT("user.deleted");
	bus_publish(api->bus, &ended);
	FAULT("user.ended");
	for (int i = 0; i < store_n(rows); i++) {
		struct record r = { .type = RECORD_RESYNC };
		struct erased e;

		store_erased_at(rows, i, &e);
		r.conv = e.conv;
		r.message.seq = e.seq;
		r.message.mod = e.mod;
		r.message.message_id = e.from_mod;
		bus_publish(api->bus, &r);
	}
}

static void deleted(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;

	if (error == ERROR_NONE) {
		publish_deleted(p->api, http_user(p->call), rows);
		http_reply(p->call, 204, NULL, 0);
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

static void run_delete(void *env, struct http_call *call)
{
	const struct api *api = env;
	struct pending *p;

	if (!api_is_caller(call, &http_params(call)->at[0]))
		return;
	p = malloc(sizeof(*p));
	if (p == NULL)
		log_fatal("out of memory for a deletion");
	*p = (struct pending){ api, call };
	store_delete_user(api->store, http_user(call), deleted, p);
}

static const struct http_route routes[] = {
	{
		.method = HTTP_GET,
		.path = "/users/me",
		.summary = "The caller.",
		.status = 200,
		.answer = "user",
		.errors = "",
		.run = run_me,
	},
	{
		.method = HTTP_PATCH,
		.path = "/users/me",
		.summary = "Changes the members of the caller's profile that the body has.",
		.params = patch_params,
		.n_params = sizeof(patch_params) / sizeof(patch_params[0]),
		.status = 200,
		.answer = "user",
		.errors = "",
		.run = run_patch,
	},
	{
		.method = HTTP_GET,
		.path = "/users/search",
		.summary = "People by the beginning of their names, oneself left out.",
		.params = search_params,
		.n_params = sizeof(search_params) / sizeof(search_params[0]),
		.status = 200,
		.answer = "users",
		.errors = "",
		.run = run_search,
	},
	{
		.method = HTTP_GET,
		.path = "/users/user_id/{username}",
		.summary = "The id and the public key of a username.",
		.params = by_name_params,
		.n_params = 1,
		.status = 200,
		.answer = "user_key",
		.errors = "no_such_user",
		.run = run_by_name,
	},
	{
		.method = HTTP_GET,
		.path = "/users/username/{user_id}",
		.summary = "The username of an id.",
		.params = by_id_params,
		.n_params = 1,
		.status = 200,
		.answer = "user_name",
		.errors = "no_such_user",
		.run = run_by_id,
	},
	{
		.method = HTTP_DELETE,
		.path = "/users/delete_user/{user_id}",
		.summary = "Deletes the caller's account, the contents of their messages and their "
			   "memberships.",
		.params = delete_params,
		.n_params = 1,
		.status = 204,
		.errors = "not_yourself",
		.run = run_delete,
	},
};

const struct api_part api_users = { routes, sizeof(routes) / sizeof(routes[0]) };
