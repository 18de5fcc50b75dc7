/*
 * store_group: groups, their members, bans and invites.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "store/store_private.h"

static void arg_text(struct db_args *args, struct text t)
{
	db_arg_bytes(args, t.data, t.len);
}

static struct db_args args_of(int64_t user_id, int64_t group_id)
{
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_i64(&args, group_id);
	return args;
}

/* Changes. */

void store_create_group(
	struct store *s, int64_t owner, struct text name, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(create_group);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, owner);
	arg_text(&args, name);
	store_change(s, owner, &query_create_group, &args, cb, arg);
}

void store_change_group(struct store *s, int64_t actor, int64_t group_id,
	const struct group_change *g, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(change_group);
	struct db_args args = args_of(actor, group_id);

	arg_text(&args, g->name);
	arg_text(&args, g->description);
	arg_text(&args, g->picture);
	if (g->has_posting)
		db_arg_bool(&args, g->posting_admins);
	else
		db_arg_bytes(&args, NULL, 0);
	if (g->has_adding)
		db_arg_bool(&args, g->adding_admins);
	else
		db_arg_bytes(&args, NULL, 0);
	store_change(s, actor, &query_change_group, &args, cb, arg);
}

/* A change by the actor that concerns a user. */
static void change_member(struct store *s, const struct db_statement *statement, int64_t actor,
	int64_t group_id, int64_t user_id, store_change_cb *cb, void *arg)
{
	struct db_args args = args_of(actor, group_id);

	db_arg_i64(&args, user_id);
	store_change(s, actor, statement, &args, cb, arg);
}

void store_add_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(add_member);

	change_member(s, &query_add_member, actor, group_id, user_id, cb, arg);
}

void store_remove_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(remove_member);

	change_member(s, &query_remove_member, actor, group_id, user_id, cb, arg);
}

void store_ban(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(ban_user);

	change_member(s, &query_ban_user, actor, group_id, user_id, cb, arg);
}

void store_unban(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(unban_user);

	change_member(s, &query_unban_user, actor, group_id, user_id, cb, arg);
}

void store_set_role(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	struct text role, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(set_role);
	struct db_args args = args_of(actor, group_id);

	db_arg_i64(&args, user_id);
	arg_text(&args, role);
	store_change(s, actor, &query_set_role, &args, cb, arg);
}

void store_join(struct store *s, int64_t user_id, struct text code, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(join_by_invite);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	arg_text(&args, code);
	store_change(s, user_id, &query_join_by_invite, &args, cb, arg);
}

/* What is answered with a status in the first row. */

struct pending_rows {
	store_cb *cb;
	void *arg;
	enum error none; /* the error if there is no row */
};

static void rows_read(void *arg, enum error error, const store_rows *rows)
{
	struct pending_rows *p = arg;

	if (error == ERROR_NONE)
		error = store_n(rows) > 0 ? store_status_at(rows, 0) : p->none;
	p->cb(p->arg, error, error == ERROR_NONE ? rows : NULL);
	free(p);
}

static struct pending_rows *pending_rows_new(store_cb *cb, void *arg, enum error none)
{
	struct pending_rows *p = xmalloc(sizeof(*p));

	*p = (struct pending_rows){ cb, arg, none };
	return p;
}

void store_create_invite(struct store *s, int64_t actor, int64_t group_id,
	const struct new_invite *i, store_cb *cb, void *arg)
{
	DECLARE_QUERY(create_invite);
	struct db_args args = args_of(actor, group_id);

	arg_text(&args, i->code);
	if (i->expires_in_s > 0)
		db_arg_i64(&args, i->expires_in_s);
	else
		db_arg_bytes(&args, NULL, 0);
	if (i->max_uses > 0)
		db_arg_i64(&args, i->max_uses);
	else
		db_arg_bytes(&args, NULL, 0);
	store_change_query(s, actor, &query_create_invite, &args, rows_read,
		pending_rows_new(cb, arg, ERROR_unavailable));
}

void store_end_invite(
	struct store *s, int64_t actor, int64_t group_id, struct text code, store_cb *cb, void *arg)
{
	DECLARE_QUERY(end_invite);
	struct db_args args = args_of(actor, group_id);

	arg_text(&args, code);
	store_change_query(s, actor, &query_end_invite, &args, rows_read,
		pending_rows_new(cb, arg, ERROR_unavailable));
}

void store_invites(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(invites);
	struct db_args args = args_of(viewer, group_id);

	store_query(s, STORE_LISTER, &query_invites, &args, rows_read,
		pending_rows_new(cb, arg, ERROR_unavailable));
}

void store_bans(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(bans);
	struct db_args args = args_of(viewer, group_id);

	store_query(s, STORE_LISTER, &query_bans, &args, rows_read,
		pending_rows_new(cb, arg, ERROR_unavailable));
}

void store_invited_group(struct store *s, int64_t viewer, struct text code, store_cb *cb, void *arg)
{
	DECLARE_QUERY(invited_group);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	arg_text(&args, code);
	store_query(s, STORE_READER, &query_invited_group, &args, rows_read,
		pending_rows_new(cb, arg, ERROR_no_such_invite));
}
