/*
 * api_groups: groups and their members.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/fault.h"
#include "common/xalloc.h"
#include "realtime/json_view.h"

#define MEMBERS_MAX 500 /* in a page */

/* A call that is answered with a group. */
struct group_call {
	struct http_call *call;
	int64_t group_id; /* 0 until the group is created */
	int64_t limit; /* members */
	int status;
};

static struct group_call *group_call_new(struct http_call *call, int64_t group_id, int status)
{
	struct group_call *g = xmalloc(sizeof(*g));

	*g = (struct group_call){ call, group_id, MEMBERS_MAX, status };
	return g;
}

static void group_read(void *arg, enum error error, const store_rows *rows)
{
	struct group_call *g = arg;
	struct buf b = BUF_EMPTY;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_group;
	if (!api_failed(g->call, error)) {
		json_view_put_group(&b, g->group_id, rows, g->limit);
		api_reply(g->call, g->status, &b);
	}
	free(g);
}

/* A change with mod 0 has no message: the group was removed with its last member. */
static void publish(const struct api *api, const struct change *c)
{
	const struct record gone = { .type = RECORD_GROUP_GONE,
		.group_gone = { .conv = c->conv, .user_id = c->message.target_id } };

	if (c->duplicate)
		return;
	if (c->message.mod == 0)
		bus_publish(api->bus, &gone);
	else
		bus_publish_change(api->bus, c, RECORD_NEW, 0);
}

/* The fault point of all changes. */
static void change_queued(void)
{
	FAULT("group.queued");
}

/* store_change_cb of changes that are answered with the group. */
static void group_changed(void *arg, enum error error, const struct change *c)
{
	struct group_call *g = arg;
	const struct api *api = http_env(g->call);

	if (api_field_failed(g->call, error, "name")) {
		free(g);
		return;
	}
	publish(api, c);
	g->group_id = c->conv.id;
	store_group(api->store, http_user(g->call), g->group_id, NULL, g->limit, group_read, g);
}

/* store_change_cb of changes of members, which are answered with 204. */
static void members_changed(void *call, enum error error, const struct change *c)
{
	if (api_field_failed(call, error, "user_id"))
		return;
	publish(http_env(call), c);
	api_reply_empty(call);
	FAULT("group.answered");
}

/* POST /groups/create_group */

/* clang-format off */
static const struct param_spec create_params[] = {
	{ .name = "name", .type = PARAM_NAME, .required = true, .min = 1, .max = API_NAME_MAX, .doc = "The group's name." },
};
/* clang-format on */

static void run_create(void *env, struct http_call *call)
{
	const struct api *api = env;

	change_queued();
	store_create_group(api->store, http_user(call), http_params(call)->at[0].text,
		group_changed, group_call_new(call, 0, 201));
}

/* GET and PATCH /groups/{group_id} */

enum { GET_GROUP, GET_LIMIT, GET_AFTER };
enum { RENAME_GROUP, RENAME_NAME };

/* clang-format off */
static const struct param_spec get_params[] = {
	[GET_GROUP] = { .name = "group_id", .type = PARAM_ID,     .place = PARAM_PATH, .required = true,
	                .doc = "A group that the caller is a member of." },
	[GET_LIMIT] = { .name = "limit",    .type = PARAM_INT,    .place = PARAM_QUERY, .min = 1, .max = MEMBERS_MAX,
	                .doc = "The maximum number of members; 500 if absent." },
	[GET_AFTER] = { .name = "after",    .type = PARAM_CURSOR, .place = PARAM_QUERY,
	                .doc = "The next of the page before." },
};
static const struct param_spec rename_params[] = {
	[RENAME_GROUP] = { .name = "group_id", .type = PARAM_ID,   .place = PARAM_PATH, .required = true,
	                   .doc = "A group that the caller is a member of." },
	[RENAME_NAME]  = { .name = "name",     .type = PARAM_NAME, .required = true, .min = 1, .max = API_NAME_MAX,
	                   .doc = "The new name." },
};
/* clang-format on */

static void run_get(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	struct group_call *g = group_call_new(call, at[GET_GROUP].number, 200);

	if (at[GET_LIMIT].present)
		g->limit = at[GET_LIMIT].number;
	store_group(api->store, http_user(call), g->group_id,
		at[GET_AFTER].present ? &at[GET_AFTER].cursor : NULL, g->limit, group_read, g);
}

static void run_rename(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	change_queued();
	store_rename_group(api->store, http_user(call), at[RENAME_GROUP].number,
		at[RENAME_NAME].text, group_changed,
		group_call_new(call, at[RENAME_GROUP].number, 200));
}

/* POST /groups/add_user_to_group, remove_user_from_group, leave_group */

enum { MEMBER_GROUP, MEMBER_USER };

/* clang-format off */
static const struct param_spec member_params[] = {
	[MEMBER_GROUP] = { .name = "group_id", .type = PARAM_ID, .required = true,
	                   .doc = "A group that the caller is a member of." },
	[MEMBER_USER]  = { .name = "user_id",  .type = PARAM_ID, .required = true,
	                   .doc = "The user to add or remove." },
};
/* clang-format on */

static void run_add(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	change_queued();
	store_add_member(api->store, http_user(call), at[MEMBER_GROUP].number,
		at[MEMBER_USER].number, members_changed, call);
}

static void remove_member(void *env, struct http_call *call, int64_t user_id)
{
	const struct api *api = env;

	change_queued();
	store_remove_member(api->store, http_user(call), http_params(call)->at[MEMBER_GROUP].number,
		user_id, members_changed, call);
}

static void run_remove(void *env, struct http_call *call)
{
	remove_member(env, call, http_params(call)->at[MEMBER_USER].number);
}

static void run_leave(void *env, struct http_call *call)
{
	remove_member(env, call, http_user(call));
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_POST, .path = "/groups/create_group",
	  .summary = "Creates a group with the caller as its first member and owner.",
	  PARAMS(create_params),
	  .status = 201, .answer = "group", .errors = "too_many", .run = run_create },
	{ .method = HTTP_GET, .path = "/groups/{group_id}", .compressed = true, .costly = true,
	  .summary = "Returns a group and a page of its members, the longest-standing first.",
	  PARAMS(get_params),
	  .status = 200, .answer = "group", .errors = "no_such_group", .run = run_get },
	{ .method = HTTP_PATCH, .path = "/groups/{group_id}",
	  .summary = "Renames a group; only its owner may.",
	  PARAMS(rename_params),
	  .status = 200, .answer = "group", .errors = "not_owner no_such_group", .run = run_rename },
	{ .method = HTTP_POST, .path = "/groups/add_user_to_group",
	  .summary = "Adds a user to a group; any member may.",
	  PARAMS(member_params),
	  .status = 204, .errors = "no_such_group no_such_user too_many", .run = run_add },
	{ .method = HTTP_POST, .path = "/groups/remove_user_from_group",
	  .summary = "Removes a member; only the owner may. To remove oneself is to leave.",
	  PARAMS(member_params),
	  .status = 204, .errors = "not_owner no_such_group no_such_member", .run = run_remove },
	{ .method = HTTP_POST, .path = "/groups/leave_group",
	  .summary = "Ends the caller's membership of a group.",
	  PARAMS_FIRST(MEMBER_GROUP + 1, member_params),
	  .status = 204, .errors = "no_such_group", .run = run_leave },
};
/* clang-format on */

const struct api_part api_groups = API_PART(routes);
