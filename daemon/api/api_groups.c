/*
 * api_groups: groups, their members, roles and bans.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "common/fault.h"
#include "common/xalloc.h"
#include "realtime/json_view.h"

#define MEMBERS_MAX 500 /* in a page */
#define DESCRIPTION_MAX 1000 /* code points */

/* A call that is answered with a group. */
struct group_call {
	struct http_call *call;
	int64_t group_id;
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

void api_reply_group(struct http_call *call, int64_t group_id, int status)
{
	const struct api *api = http_env(call);

	store_group(api->store, http_user(call), group_id, NULL, MEMBERS_MAX, group_read,
		group_call_new(call, group_id, status));
}

void api_publish_group(const struct api *api, const struct change *c)
{
	const struct record gone = { .type = RECORD_GROUP_GONE,
		.group_gone = { .conv = c->conv, .user_id = c->message.target_id } };
	const struct record chat = { .type = RECORD_CHAT,
		.chat = { .conv = c->conv, .revision = c->revision } };

	if (c->duplicate)
		return;
	if (change_ends_group(c))
		bus_publish(api->bus, &gone);
	else if (c->message.kind == 0)
		bus_publish(api->bus, &chat);
	else
		bus_publish_change(api->bus, c, RECORD_NEW, 0);
}

/* The fault point of all changes. */
static void change_queued(void)
{
	FAULT("group.queued");
}

/* The end of a change that is answered with the group. */
static void group_changed(void *call, enum error error, const struct change *c, int status)
{
	if (api_field_failed(call, error, "name"))
		return;
	api_publish_group(http_env(call), c);
	api_reply_group(call, c->conv.id, status);
}

/* store_change_cb of changes of members, which are answered with 204. */
static void members_changed(void *call, enum error error, const struct change *c)
{
	if (api_field_failed(call, error, "user_id"))
		return;
	api_publish_group(http_env(call), c);
	api_reply_empty(call);
	FAULT("group.answered");
}

/* POST /groups/create_group */

/* clang-format off */
static const struct param_spec create_params[] = {
	{ .name = "name", .type = PARAM_NAME, .required = true, .min = 1, .max = API_NAME_MAX, .doc = "The group's name." },
};
/* clang-format on */

static void created(void *call, enum error error, const struct change *c)
{
	group_changed(call, error, c, 201);
}

static void run_create(void *env, struct http_call *call)
{
	const struct api *api = env;

	change_queued();
	store_create_group(
		api->store, http_user(call), http_params(call)->at[0].text, created, call);
}

/* GET and PATCH /groups/{group_id} */

enum { GET_GROUP, GET_LIMIT, GET_AFTER };
enum {
	CHANGE_GROUP,
	CHANGE_NAME,
	CHANGE_DESCRIPTION,
	CHANGE_PICTURE,
	CHANGE_POSTING,
	CHANGE_ADDING
};

/* clang-format off */
static const struct param_spec get_params[] = {
	[GET_GROUP] = { .name = "group_id", .type = PARAM_ID,     .place = PARAM_PATH, .required = true,
	                .doc = "A group that the caller is a member of." },
	[GET_LIMIT] = { .name = "limit",    .type = PARAM_INT,    .place = PARAM_QUERY, .min = 1, .max = MEMBERS_MAX,
	                .doc = "The maximum number of members; 500 if absent." },
	[GET_AFTER] = { .name = "after",    .type = PARAM_CURSOR, .place = PARAM_QUERY,
	                .doc = "The next of the page before." },
};
static const struct param_spec change_params[] = {
	[CHANGE_GROUP]       = { .name = "group_id",    .type = PARAM_ID,     .place = PARAM_PATH, .required = true,
	                         .doc = "A group that the caller is a member of." },
	[CHANGE_NAME]        = { .name = "name",        .type = PARAM_NAME,   .min = 1, .max = API_NAME_MAX,
	                         .doc = "The new name." },
	[CHANGE_DESCRIPTION] = { .name = "description", .type = PARAM_STRING, .max = DESCRIPTION_MAX, .nullable = true,
	                         .doc = "The new description; null or \"\" for none." },
	[CHANGE_PICTURE]     = { .name = "picture",     .type = PARAM_URL,    .max = API_URL_MAX, .nullable = true,
	                         .doc = "The address of the new picture; null for none." },
	[CHANGE_POSTING]     = { .name = "posting",     .type = PARAM_CHOICE, .choices = "all admins",
	                         .doc = "Who may post: all members, or the owner and the admins." },
	[CHANGE_ADDING]      = { .name = "adding",      .type = PARAM_CHOICE, .choices = "all admins",
	                         .doc = "Who may add members, likewise." },
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

static void changed(void *call, enum error error, const struct change *c)
{
	group_changed(call, error, c, 200);
}

static bool is_word(struct text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.data, word, t.len) == 0;
}

/* The text of a nullable parameter as struct group_change has it. */
static struct text text_or_none(const struct param *p)
{
	return p->present && p->text.data == NULL ? (struct text){ "", 0 } : p->text;
}

static void run_change(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct group_change g = {
		.name = at[CHANGE_NAME].text,
		.description = text_or_none(&at[CHANGE_DESCRIPTION]),
		.picture = text_or_none(&at[CHANGE_PICTURE]),
		.has_posting = at[CHANGE_POSTING].present,
		.has_adding = at[CHANGE_ADDING].present,
		.posting_admins =
			at[CHANGE_POSTING].present && is_word(at[CHANGE_POSTING].text, "admins"),
		.adding_admins =
			at[CHANGE_ADDING].present && is_word(at[CHANGE_ADDING].text, "admins"),
	};

	change_queued();
	store_change_group(api->store, http_user(call), at[CHANGE_GROUP].number, &g, changed, call);
}

/* POST /groups/add_user_to_group, remove_user_from_group, leave_group */

enum { MEMBER_GROUP, MEMBER_USER, MEMBER_ROLE };

/* clang-format off */
static const struct param_spec member_params[] = {
	[MEMBER_GROUP] = { .name = "group_id", .type = PARAM_ID, .required = true,
	                   .doc = "A group that the caller is a member of." },
	[MEMBER_USER]  = { .name = "user_id",  .type = PARAM_ID, .required = true,
	                   .doc = "The user to add or remove." },
};
/* clang-format on */

/* Starts a change of a member: the first two parameters are the group and the user. */
typedef void store_member_change(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg);

static void change_member(
	const struct api *api, struct http_call *call, store_member_change *start, int64_t user_id)
{
	change_queued();
	start(api->store, http_user(call), http_params(call)->at[MEMBER_GROUP].number, user_id,
		members_changed, call);
}

static void run_add(void *env, struct http_call *call)
{
	change_member(env, call, store_add_member, http_params(call)->at[MEMBER_USER].number);
}

static void run_remove(void *env, struct http_call *call)
{
	change_member(env, call, store_remove_member, http_params(call)->at[MEMBER_USER].number);
}

static void run_leave(void *env, struct http_call *call)
{
	change_member(env, call, store_remove_member, http_user(call));
}

/* PUT /groups/{group_id}/members/{user_id}/role; PUT and DELETE /groups/{group_id}/bans/{user_id} */

/* clang-format off */
static const struct param_spec other_params[] = {
	[MEMBER_GROUP] = { .name = "group_id", .type = PARAM_ID,     .place = PARAM_PATH, .required = true,
	                   .doc = "A group that the caller is a member of." },
	[MEMBER_USER]  = { .name = "user_id",  .type = PARAM_ID,     .place = PARAM_PATH, .required = true,
	                   .doc = "The user concerned." },
	[MEMBER_ROLE]  = { .name = "role",     .type = PARAM_CHOICE, .required = true, .choices = "owner admin member",
	                   .doc = "The new role; owner hands the group over." },
};
/* clang-format on */

static void run_role(void *env, struct http_call *call)
{
	static const char problem[] = "{\"field\":\"role\",\"detail\":\"must be owner: the role of "
				      "others only is changed\"}";
	const struct api *api = env;
	const struct param *at = http_params(call)->at;

	if (at[MEMBER_USER].number == http_user(call) && !is_word(at[MEMBER_ROLE].text, "owner")) {
		http_reply_invalid(call, problem, sizeof(problem) - 1);
		return;
	}
	change_queued();
	store_set_role(api->store, http_user(call), at[MEMBER_GROUP].number, at[MEMBER_USER].number,
		at[MEMBER_ROLE].text, members_changed, call);
}

static void change_ban(const struct api *api, struct http_call *call, store_member_change *start)
{
	static const char problem[] = "{\"field\":\"user_id\",\"detail\":\"must be another user\"}";
	int64_t user_id = http_params(call)->at[MEMBER_USER].number;

	if (user_id == http_user(call))
		http_reply_invalid(call, problem, sizeof(problem) - 1);
	else
		change_member(api, call, start, user_id);
}

static void run_ban(void *env, struct http_call *call)
{
	change_ban(env, call, store_ban);
}

static void run_unban(void *env, struct http_call *call)
{
	change_ban(env, call, store_unban);
}

/* GET /groups/{group_id}/bans */

static void bans_read(void *call, enum error error, const store_rows *rows)
{
	struct user first = { 0 };

	if (error == ERROR_NONE)
		store_user_at(rows, 0, &first);
	api_reply_rows(call, error, first.user_id != 0 ? rows : NULL, "users", api_put_user);
}

static void run_bans(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_bans(api->store, http_user(call), http_params(call)->at[MEMBER_GROUP].number,
		bans_read, call);
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
	  .summary = "Changes what the body contains; only the owner and admins may.",
	  PARAMS(change_params),
	  .status = 200, .answer = "group", .errors = "not_admin no_such_group", .run = run_change },
	{ .method = HTTP_POST, .path = "/groups/add_user_to_group",
	  .summary = "Adds a user to a group.",
	  PARAMS(member_params),
	  .status = 204, .errors = "not_allowed banned no_such_group no_such_user too_many", .run = run_add },
	{ .method = HTTP_POST, .path = "/groups/remove_user_from_group",
	  .summary = "Removes a member; only the owner and admins may. To remove oneself is to leave.",
	  PARAMS(member_params),
	  .status = 204, .errors = "not_admin not_owner no_such_group no_such_member", .run = run_remove },
	{ .method = HTTP_POST, .path = "/groups/leave_group",
	  .summary = "Ends the caller's membership of a group.",
	  PARAMS_FIRST(MEMBER_GROUP + 1, member_params),
	  .status = 204, .errors = "no_such_group", .run = run_leave },
	{ .method = HTTP_PUT, .path = "/groups/{group_id}/members/{user_id}/role",
	  .summary = "Changes the role of a member; only the owner may.",
	  PARAMS(other_params),
	  .status = 204, .errors = "not_owner no_such_group no_such_member", .run = run_role },
	{ .method = HTTP_GET, .path = "/groups/{group_id}/bans", .costly = true,
	  .summary = "Returns the users who are banned from a group, the latest first; only the owner and admins may.",
	  PARAMS_FIRST(MEMBER_GROUP + 1, other_params),
	  .status = 200, .answer = "users", .errors = "not_admin no_such_group", .run = run_bans },
	{ .method = HTTP_PUT, .path = "/groups/{group_id}/bans/{user_id}",
	  .summary = "Bans a user from a group, and removes them if they are a member; only the owner and admins may.",
	  PARAMS_FIRST(MEMBER_USER + 1, other_params),
	  .status = 204, .errors = "not_admin not_owner no_such_group no_such_user invalid too_many", .run = run_ban },
	{ .method = HTTP_DELETE, .path = "/groups/{group_id}/bans/{user_id}",
	  .summary = "Lifts a ban; only the owner and admins may.",
	  PARAMS_FIRST(MEMBER_USER + 1, other_params),
	  .status = 204, .errors = "not_admin no_such_group no_such_user invalid", .run = run_unban },
};
/* clang-format on */

const struct api_part api_groups = API_PART(routes);
