/*
 * api_groups: making groups, looking at them, and who is in them.
 */
#include <stdlib.h>

#include "api/api.h"
#include "common/fault.h"
#include "common/log.h"
#include "realtime/json_view.h"

/* A change of a group, and after it, where it is answered with the group, that group's rows. */
struct pending {
	const struct api *api;
	struct http_call *call;
	int64_t group_id; /* 0: not known yet */
	int status;
};

static void group_read(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct buf b = BUF_EMPTY;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_group;
	if (error == ERROR_NONE) {
		json_view_put_group(&b, p->group_id, rows);
		api_reply(p->call, p->status, &b);
	} else {
		http_reply_error(p->call, error);
	}
	free(p);
}

/* A change without a mod: the group went with its last member, and has no message to tell of it. */
static void publish(const struct api *api, const struct change *c)
{
	const struct record gone = { .type = RECORD_GONE, .conv = c->conv, .message = c->message };

	if (c->duplicate)
		return;
	if (c->message.mod == 0)
		bus_publish(api->bus, &gone);
	else
		bus_publish_change(api->bus, c, RECORD_NEW, 0);
}

static void changed(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;

	if (error != ERROR_NONE) {
		http_reply_error(p->call, error);
		free(p);
		return;
	}
	publish(p->api, c);
	if (p->status == 204) {
		http_reply(p->call, 204, NULL, 0);
		FAULT("group.answered");
		free(p);
		return;
	}
	p->group_id = c->conv.id;
	store_group(p->api->store, http_user(p->call), p->group_id, group_read, p);
}

static struct pending *pending_new(const struct api *api, struct http_call *call, int status)
{
	struct pending *p = malloc(sizeof(*p));

	if (p == NULL)
		log_fatal("out of memory for a group");
	*p = (struct pending){ .api = api, .call = call, .status = status };
	return p;
}

static struct pending *change_new(const struct api *api, struct http_call *call, int status)
{
	FAULT("group.queued");
	return pending_new(api, call, status);
}

/* POST /groups/create_group */

static const struct param_spec create_params[] = {
	{ "name", PARAM_CHARS, true, false, 1, API_NAME_MAX, PARAM_BODY, "The group's name." },
};

static void run_create(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_create_group(api->store, http_user(call), http_params(call)->at[0].text, changed,
		change_new(api, call, 201));
}

/* GET and PATCH /groups/{group_id} */

enum { GROUP_ID, GROUP_NAME };

static const struct param_spec group_params[] = {
	[GROUP_ID] = { "group_id", PARAM_ID, true, false, 0, 0, PARAM_PATH,
		"A group the caller is in." },
	[GROUP_NAME] = { "name", PARAM_CHARS, true, false, 1, API_NAME_MAX, PARAM_BODY,
		"The new name." },
};

static void run_get(void *env, struct http_call *call)
{
	const struct api *api = env;
	struct pending *p = pending_new(api, call, 200);

	p->group_id = http_params(call)->at[GROUP_ID].number;
	store_group(api->store, http_user(call), p->group_id, group_read, p);
}

static void run_rename(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_rename_group(api->store, http_user(call), at[GROUP_ID].number, at[GROUP_NAME].text,
		changed, change_new(api, call, 200));
}

/* POST /groups/add_user_to_group, remove_user_from_group, leave_group */

enum { MEMBER_GROUP, MEMBER_USER };

static const struct param_spec member_params[] = {
	[MEMBER_GROUP] = { "group_id", PARAM_ID, true, false, 0, 0, PARAM_BODY,
		"A group the caller is in." },
	[MEMBER_USER] = { "user_id", PARAM_ID, true, false, 0, 0, PARAM_BODY, "Whom." },
};

static void run_add(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_add_member(api->store, http_user(call), at[MEMBER_GROUP].number,
		at[MEMBER_USER].number, changed, change_new(api, call, 204));
}

static void run_remove(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	store_remove_member(api->store, http_user(call), at[MEMBER_GROUP].number,
		at[MEMBER_USER].number, changed, change_new(api, call, 204));
}

static void run_leave(void *env, struct http_call *call)
{
	const struct api *api = env;
	int64_t user_id = http_user(call);

	store_remove_member(api->store, user_id, http_params(call)->at[MEMBER_GROUP].number,
		user_id, changed, change_new(api, call, 204));
}

static const struct http_route routes[] = {
	{
		.method = HTTP_POST,
		.path = "/groups/create_group",
		.summary = "Makes a group with the caller as its first member and owner.",
		.params = create_params,
		.n_params = 1,
		.status = 201,
		.answer = "group",
		.errors = "",
		.run = run_create,
	},
	{
		.method = HTTP_GET,
		.path = "/groups/{group_id}",
		.summary = "A group and its members, the longest-standing first.",
		.params = group_params,
		.n_params = GROUP_ID + 1,
		.status = 200,
		.answer = "group",
		.errors = "no_such_group",
		.run = run_get,
	},
	{
		.method = HTTP_PATCH,
		.path = "/groups/{group_id}",
		.summary = "Renames a group; only its owner may.",
		.params = group_params,
		.n_params = GROUP_NAME + 1,
		.status = 200,
		.answer = "group",
		.errors = "not_owner no_such_group",
		.run = run_rename,
	},
	{
		.method = HTTP_POST,
		.path = "/groups/add_user_to_group",
		.summary = "Adds a user to a group; any member may.",
		.params = member_params,
		.n_params = MEMBER_USER + 1,
		.status = 204,
		.errors = "no_such_group no_such_user",
		.run = run_add,
	},
	{
		.method = HTTP_POST,
		.path = "/groups/remove_user_from_group",
		.summary = "Removes a member; only the owner may, and anybody oneself, as a leave.",
		.params = member_params,
		.n_params = MEMBER_USER + 1,
		.status = 204,
		.errors = "not_owner no_such_group no_such_member",
		.run = run_remove,
	},
	{
		.method = HTTP_POST,
		.path = "/groups/leave_group",
		.summary = "Takes the caller out of a group.",
		.params = member_params,
		.n_params = MEMBER_GROUP + 1,
		.status = 204,
		.errors = "no_such_group",
		.run = run_leave,
	},
};

const struct api_part api_groups = { routes, sizeof(routes) / sizeof(routes[0]) };
