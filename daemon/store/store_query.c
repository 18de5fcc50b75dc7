/*
 * store_query: the queries that are neither batched nor wait for their turn. Those that change something use the writing
 * connection.
 */
#include <stdlib.h>

#include "common/unicode.h"
#include "common/xalloc.h"
#include "store/store_private.h"

void store_mark_messages_read(struct store *s, int64_t user_id, const int64_t *message_ids,
	size_t n, store_cb *cb, void *arg)
{
	DECLARE_QUERY(mark_messages_read);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_i64s(&args, message_ids, n);
	store_query(s, STORE_WRITER, &query_mark_messages_read, &args, cb, arg);
}

/* Users. */

/* Adds an argument: the folded words of a name, which are null if the name is. */
static void arg_words(struct db_args *args, struct text name)
{
	struct buf words = BUF_EMPTY;

	if (name.data != NULL)
		unicode_put_words(&words, name.data, name.len);
	db_arg_bytes(args, name.data != NULL ? buf_cstr(&words) : NULL, words.len);
	buf_fini(&words);
}

void store_register(struct store *s, const struct registration *r, store_cb *cb, void *arg)
{
	DECLARE_QUERY(insert_user);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_bytes(&args, r->username.data, r->username.len);
	db_arg_bytes(&args, r->full_name.data, r->full_name.len);
	db_arg_bytes(&args, r->profile_picture.data, r->profile_picture.len);
	db_arg_bytes(&args, r->public_key.data, r->public_key.len);
	db_arg_bytes(&args, r->password.data, r->password.len);
	arg_words(&args, r->full_name);
	store_query(s, STORE_WRITER, &query_insert_user, &args, cb, arg);
}

void store_user(struct store *s, int64_t user_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(user_by_id);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	store_query(s, STORE_READER, &query_user_by_id, &args, cb, arg);
}

void store_user_named(struct store *s, struct text username, store_cb *cb, void *arg)
{
	DECLARE_QUERY(user_by_name);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_bytes(&args, username.data, username.len);
	store_query(s, STORE_READER, &query_user_by_name, &args, cb, arg);
}

void store_update_profile(
	struct store *s, int64_t user_id, const struct profile *p, store_cb *cb, void *arg)
{
	DECLARE_QUERY(update_profile);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_bool(&args, p->has_full_name);
	db_arg_bytes(&args, p->full_name.data, p->full_name.len);
	db_arg_bool(&args, p->has_profile_picture);
	db_arg_bytes(&args, p->profile_picture.data, p->profile_picture.len);
	db_arg_bool(&args, p->has_public_key);
	db_arg_bytes(&args, p->public_key.data, p->public_key.len);
	arg_words(&args, p->full_name);
	store_query(s, STORE_WRITER, &query_update_profile, &args, cb, arg);
}

struct pending_password {
	store_done_cb *cb;
	void *arg;
};

static void password_set(void *arg, enum error error, const store_rows *rows);

void store_set_password(
	struct store *s, const struct password_change *p, store_done_cb *cb, void *arg)
{
	DECLARE_QUERY(set_password);
	struct pending_password *pending = xmalloc(sizeof(*pending));
	struct db_args args = DB_ARGS_EMPTY;

	*pending = (struct pending_password){ cb, arg };
	db_arg_i64(&args, p->user_id);
	db_arg_i64(&args, p->token_id);
	db_arg_bytes(&args, p->old.data, p->old.len);
	db_arg_bytes(&args, p->new.data, p->new.len);
	store_query(s, STORE_WRITER, &query_set_password, &args, password_set, pending);
}

static void password_set(void *arg, enum error error, const store_rows *rows)
{
	struct pending_password *p = arg;

	if (error == ERROR_NONE)
		error = store_status_at(rows, 0);
	p->cb(p->arg, error);
	free(p);
}

void store_search(
	struct store *s, int64_t viewer, struct text q, int64_t limit, store_cb *cb, void *arg)
{
	DECLARE_QUERY(search_users);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	arg_words(&args, q);
	db_arg_i64(&args, limit);
	store_query(s, STORE_LISTER, &query_search_users, &args, cb, arg);
}

void store_contacts(
	struct store *s, int64_t viewer, const int64_t *ids, size_t n, store_cb *cb, void *arg)
{
	DECLARE_QUERY(contacts);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_i64s(&args, ids, n);
	store_query(s, STORE_LISTER, &query_contacts, &args, cb, arg);
}

static void last_seen_set(void *arg, enum error error, const store_rows *rows)
{
	(void)arg;
	(void)error;
	(void)rows;
}

void store_set_last_seen(struct store *s, const int64_t *ids, size_t n)
{
	DECLARE_QUERY(set_last_seen);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64s(&args, ids, n);
	store_query(s, STORE_WRITER, &query_set_last_seen, &args, last_seen_set, NULL);
}

/* Tokens. */

struct pending_token {
	struct store *store;
	store_token_cb *cb;
	void *arg;
};

static void token_added(void *arg, enum error error, const store_rows *rows);

void store_add_token(struct store *s, int64_t user_id, struct text password,
	const uint8_t hash[STORE_HASH_SIZE], int64_t lifetime_s, store_token_cb *cb, void *arg)
{
	DECLARE_QUERY(insert_token);
	struct pending_token *p = xmalloc(sizeof(*p));
	struct db_args args = DB_ARGS_EMPTY;

	*p = (struct pending_token){ s, cb, arg };
	db_arg_i64(&args, user_id);
	db_arg_bytes(&args, hash, STORE_HASH_SIZE);
	db_arg_i64(&args, lifetime_s);
	db_arg_bytes(&args, password.data, password.len);
	store_query(s, STORE_WRITER, &query_insert_token, &args, token_added, p);
}

static void token_added(void *arg, enum error error, const store_rows *rows)
{
	struct pending_token *p = arg;
	struct token t;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_user;
	if (error == ERROR_NONE) {
		store_epoch_note_xid(p->store, rows);
		store_token_at(rows, 0, &t);
	}
	p->cb(p->arg, error, error == ERROR_NONE ? &t : NULL);
	free(p);
}

void store_end_token(struct store *s, int64_t token_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(delete_token);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, token_id);
	store_query(s, STORE_WRITER, &query_delete_token, &args, cb, arg);
}

void store_check_tokens(
	struct store *s, const int64_t *token_ids, size_t n, store_cb *cb, void *arg)
{
	DECLARE_QUERY(invalid_tokens);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64s(&args, token_ids, n);
	store_query(s, STORE_READER, &query_invalid_tokens, &args, cb, arg);
}

/* Chats. */

void store_chats(struct store *s, int64_t viewer, const struct cursor *after, int64_t limit,
	store_cb *cb, void *arg)
{
	DECLARE_QUERY(chats_of_viewer);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_i64(&args, after != NULL ? after->at : INT64_MAX);
	db_arg_i64(&args, after != NULL ? after->id : INT64_MAX);
	db_arg_i64(&args, limit + 1);
	store_query(s, STORE_LISTER, &query_chats_of_viewer, &args, cb, arg);
}

void store_chat_views(
	struct store *s, int64_t conv_id, const int64_t *viewers, size_t n, store_cb *cb, void *arg)
{
	DECLARE_QUERY(chat_of_viewers);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_i64s(&args, viewers, n);
	store_query(s, STORE_LISTER, &query_chat_of_viewers, &args, cb, arg);
}

void store_group_views(struct store *s, int64_t group_id, const int64_t *viewers, size_t n,
	store_cb *cb, void *arg)
{
	DECLARE_QUERY(group_of_viewers);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, group_id);
	db_arg_i64s(&args, viewers, n);
	store_query(s, STORE_LISTER, &query_group_of_viewers, &args, cb, arg);
}

struct pending_conv {
	store_cb *cb;
	void *arg;
};

static void conv_resolved(void *arg, enum error error, const store_rows *rows);

void store_conv(struct store *s, int64_t viewer, int64_t chat_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(resolve_chat);
	struct pending_conv *p = xmalloc(sizeof(*p));
	struct db_args args = DB_ARGS_EMPTY;

	*p = (struct pending_conv){ cb, arg };
	db_arg_i64(&args, viewer);
	db_arg_i64(&args, chat_id);
	store_query(s, STORE_READER, &query_resolve_chat, &args, conv_resolved, p);
}

static void conv_resolved(void *arg, enum error error, const store_rows *rows)
{
	struct pending_conv *p = arg;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_chat;
	p->cb(p->arg, error, error == ERROR_NONE ? rows : NULL);
	free(p);
}

void store_group(struct store *s, int64_t viewer, int64_t group_id, const struct cursor *after,
	int64_t limit, store_cb *cb, void *arg)
{
	DECLARE_QUERY(group_members);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_i64(&args, group_id);
	db_arg_i64(&args, after != NULL ? after->at : 0);
	db_arg_i64(&args, after != NULL ? after->id : 0);
	db_arg_i64(&args, limit + 1);
	store_query(s, STORE_LISTER, &query_group_members, &args, cb, arg);
}

/* Messages. */

/* The first arguments of a page in one direction. */
static void arg_page(struct db_args *args, int64_t viewer, int64_t conv_id, const struct page *p)
{
	db_arg_i64(args, conv_id);
	if (p->after >= 0)
		db_arg_i64(args, p->after);
	else
		db_arg_i64(args, p->before > 0 ? p->before : INT64_MAX);
	db_arg_i64(args, p->limit + 1);
	db_arg_i64(args, viewer);
}

void store_history(struct store *s, int64_t viewer, int64_t conv_id, const struct page *p,
	store_cb *cb, void *arg)
{
	DECLARE_QUERY(history_before);
	DECLARE_QUERY(history_after);
	struct db_args args = DB_ARGS_EMPTY;

	arg_page(&args, viewer, conv_id, p);
	store_query(s, STORE_READER, p->after >= 0 ? &query_history_after : &query_history_before,
		&args, cb, arg);
}

void store_thread(struct store *s, int64_t viewer, int64_t conv_id, int64_t thread_id,
	const struct page *p, store_cb *cb, void *arg)
{
	DECLARE_QUERY(thread_before);
	DECLARE_QUERY(thread_after);
	struct db_args args = DB_ARGS_EMPTY;

	arg_page(&args, viewer, conv_id, p);
	db_arg_i64(&args, thread_id);
	store_query(s, STORE_READER, p->after >= 0 ? &query_thread_after : &query_thread_before,
		&args, cb, arg);
}

void store_history_around(struct store *s, int64_t viewer, int64_t conv_id, int64_t seq,
	int64_t n_before, int64_t n_from, store_cb *cb, void *arg)
{
	DECLARE_QUERY(history_around);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_i64(&args, seq);
	db_arg_i64(&args, n_before + 1);
	db_arg_i64(&args, viewer);
	db_arg_i64(&args, n_from + 1);
	store_query(s, STORE_READER, &query_history_around, &args, cb, arg);
}

void store_message(struct store *s, int64_t viewer, int64_t message_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(message_of_viewer);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_i64(&args, message_id);
	store_query(s, STORE_READER, &query_message_of_viewer, &args, cb, arg);
}

void store_pins(struct store *s, int64_t viewer, int64_t conv_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(pins_of_chat);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_i64(&args, viewer);
	store_query(s, STORE_LISTER, &query_pins_of_chat, &args, cb, arg);
}

void store_changes(struct store *s, int64_t viewer, int64_t conv_id, int64_t after, int64_t limit,
	store_cb *cb, void *arg)
{
	DECLARE_QUERY(changes_after);
	DECLARE_QUERY(changes_of_last_50);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_i64(&args, after);
	db_arg_i64(&args, limit + 1);
	db_arg_i64(&args, viewer);
	store_query(s, STORE_READER, after < 0 ? &query_changes_of_last_50 : &query_changes_after,
		&args, cb, arg);
}
