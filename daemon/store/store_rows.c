/*
 * store_rows: rows to the structs of store.h. Each column is read in one place, by its name in queries.sql.
 */
#include <stdio.h>
#include <string.h>

#include "store/store_private.h"

static struct text text_at(const store_rows *rows, int i, const char *column)
{
	struct text t;

	t.data = db_text(rows, i, column, &t.len);
	return t;
}

int store_n(const store_rows *rows)
{
	return PQntuples(rows->pg);
}

int64_t store_id_at(const store_rows *rows, int i)
{
	return db_i64(rows, i, "id");
}

int64_t store_last_seen_at(const store_rows *rows, int i)
{
	return db_time_ms(rows, i, "last_seen_at");
}

/* Conversations and messages. */

void store_conv_at(const store_rows *rows, int i, struct conv *c)
{
	*c = (struct conv){
		.id = db_i64(rows, i, "conv_id"),
		.kind = (uint8_t)db_char(rows, i, "conv_kind"),
		.user_lo = db_i64(rows, i, "user_lo"),
		.user_hi = db_i64(rows, i, "user_hi"),
	};
}

static struct quote quote_at(const store_rows *rows, int i)
{
	return (struct quote){
		.message_id = db_i64(rows, i, "reply_id"),
		.seq = db_i64(rows, i, "reply_seq"),
		.sender_id = db_i64(rows, i, "reply_sender"),
		.content = text_at(rows, i, "reply_content"),
		.deleted = db_bool(rows, i, "reply_deleted"),
	};
}

/* The name that is stored is no longer shown once the author is deleted. */
static struct text forwarded_name_at(const store_rows *rows, int i)
{
	struct text name = text_at(rows, i, "forwarded_name");

	if (name.data != NULL && db_is_null(rows, i, "forwarded_user"))
		name.len = 0;
	return name;
}

void store_message_at(const store_rows *rows, int i, struct message *m)
{
	*m = (struct message){
		.message_id = db_i64(rows, i, "message_id"),
		.seq = db_i64(rows, i, "seq"),
		.mod = db_i64(rows, i, "mod"),
		.sender_id = db_i64(rows, i, "sender_id"),
		.kind = (uint8_t)db_char(rows, i, "kind"),
		.content = text_at(rows, i, "content"),
		.target_id = db_i64(rows, i, "target_id"),
		.client_id = text_at(rows, i, "client_id"),
		.sent_ms = db_time_ms(rows, i, "sent_at"),
		.edited_ms = db_time_ms(rows, i, "edited_at"),
		.deleted = db_bool(rows, i, "deleted"),
		.reply = quote_at(rows, i),
		.thread_id = db_i64(rows, i, "thread_id"),
		.replies = db_i64(rows, i, "replies"),
		.reacted = db_i64(rows, i, "reacted"),
		.reactions = text_at(rows, i, "reactions"),
		.mentions = text_at(rows, i, "mention_list"),
		.mentions_all = db_bool(rows, i, "mentions_all"),
		.forwarded_from = db_i64(rows, i, "forwarded_user"),
		.forwarded_name = forwarded_name_at(rows, i),
		.pinned = !db_is_null(rows, i, "pinned"),
	};
}

void store_found_at(const store_rows *rows, int i, struct found *f)
{
	*f = (struct found){
		.searched_ms = db_time_ms(rows, i, "found_at"),
		.incomplete = db_bool(rows, i, "incomplete"),
		.ready = db_is_null(rows, i, "percent"),
		.percent = db_i64(rows, i, "percent"),
	};
	store_conv_at(rows, i, &f->conv);
	store_message_at(rows, i, &f->message);
}

bool store_status_is(const store_rows *rows, int i, const char *status)
{
	struct text t = text_at(rows, i, "status");

	return t.data != NULL && t.len == strlen(status) && memcmp(t.data, status, t.len) == 0;
}

enum error store_status_at(const store_rows *rows, int i)
{
	struct text status = text_at(rows, i, "status");
	char word[32];

	if (store_status_is(rows, i, "ok") || store_status_is(rows, i, "duplicate"))
		return ERROR_NONE;
	/* Values are not NUL-terminated in binary. */
	snprintf(word, sizeof(word), "%.*s", (int)status.len,
		status.data != NULL ? status.data : "");
	return error_by_code(word);
}

enum error store_change_at(const store_rows *rows, int i, struct change *c)
{
	*c = (struct change){ .duplicate = store_status_is(rows, i, "duplicate") };
	store_conv_at(rows, i, &c->conv);
	store_message_at(rows, i, &c->message);
	c->revision = db_i64(rows, i, "revision");
	return store_status_at(rows, i);
}

void store_head_at(const store_rows *rows, int i, struct head *h)
{
	*h = (struct head){
		.user_id = db_i64(rows, i, "user_id"),
		.seq = db_i64(rows, i, "last_seq"),
		.mod = db_i64(rows, i, "last_mod"),
		.read_seq = db_i64(rows, i, "read_seq"),
		.join_seq = db_i64(rows, i, "join_seq"),
		.revision = db_i64(rows, i, "revision"),
		.may_post = db_bool(rows, i, "may_post"),
	};
	store_conv_at(rows, i, &h->conv);
}

void store_erased_at(const store_rows *rows, int i, struct erased *e)
{
	*e = (struct erased){
		.seq = db_i64(rows, i, "last_seq"),
		.mod = db_i64(rows, i, "last_mod"),
		.from_mod = db_i64(rows, i, "from_mod"),
	};
	store_conv_at(rows, i, &e->conv);
}

void store_read_at(const store_rows *rows, int i, struct read_mark *m)
{
	*m = (struct read_mark){
		.seq = db_i64(rows, i, "seq"),
		.n_messages = db_i64(rows, i, "n_messages"),
		.moved = db_bool(rows, i, "moved"),
		.own_only = db_bool(rows, i, "own_only"),
	};
	store_conv_at(rows, i, &m->conv);
}

/* Users and their chats. */

void store_user_at(const store_rows *rows, int i, struct user *u)
{
	*u = (struct user){
		.user_id = db_i64(rows, i, "user_id"),
		.username = text_at(rows, i, "username"),
		.full_name = text_at(rows, i, "full_name"),
		.profile_picture = text_at(rows, i, "profile_picture"),
		.public_key = text_at(rows, i, "public_key"),
		.created_ms = db_time_ms(rows, i, "created_at"),
	};
}

struct text store_password_at(const store_rows *rows, int i)
{
	return text_at(rows, i, "password");
}

void store_token_at(const store_rows *rows, int i, struct token *t)
{
	*t = (struct token){
		.token_id = db_i64(rows, i, "token_id"),
		.user_id = db_i64(rows, i, "user_id"),
		.expires_ms = db_time_ms(rows, i, "expires_at"),
	};
}

static void profile_at(const store_rows *rows, int i, struct profile_of_group *p)
{
	*p = (struct profile_of_group){
		.description = text_at(rows, i, "description"),
		.picture = text_at(rows, i, "picture"),
		.posting_admins = db_bool(rows, i, "posting_admins"),
		.adding_admins = db_bool(rows, i, "adding_admins"),
	};
}

bool store_may_post_at(const store_rows *rows, int i)
{
	return db_bool(rows, i, "may_post");
}

void store_chat_at(const store_rows *rows, int i, struct chat *c)
{
	*c = (struct chat){
		.viewer = db_i64(rows, i, "viewer"),
		.name = text_at(rows, i, "name"),
		.owner_id = db_i64(rows, i, "owner_id"),
		.last_seq = db_i64(rows, i, "last_seq"),
		.last_mod = db_i64(rows, i, "last_mod"),
		.read_seq = db_i64(rows, i, "read_seq"),
		.unread = db_i64(rows, i, "unread"),
		.member_count = db_i32(rows, i, "member_count"),
		.peer_read_seq = db_i64(rows, i, "peer_read_seq"),
		.has_peer = !db_is_null(rows, i, "user_id"),
		.has_last = !db_is_null(rows, i, "message_id"),
		.role = text_at(rows, i, "role"),
		.may_post = store_may_post_at(rows, i),
		.last_cut = db_bool(rows, i, "cut"),
		.last_sender_name = text_at(rows, i, "sender_name"),
		.cursor = { db_i64(rows, i, "activity"), db_i64(rows, i, "conv_id") },
	};
	store_conv_at(rows, i, &c->conv);
	store_user_at(rows, i, &c->peer);
	store_message_at(rows, i, &c->last);
	profile_at(rows, i, &c->profile);
}

void store_member_at(const store_rows *rows, int i, struct member *m)
{
	*m = (struct member){
		.user_id = db_i64(rows, i, "user_id"),
		.username = text_at(rows, i, "username"),
		.full_name = text_at(rows, i, "full_name"),
		.joined_ms = db_time_ms(rows, i, "joined_at"),
		.read_seq = db_i64(rows, i, "read_seq"),
		.role = text_at(rows, i, "role"),
		.cursor = { db_i64(rows, i, "join_seq"), db_i64(rows, i, "user_id") },
		.group_name = text_at(rows, i, "group_name"),
		.owner_id = db_i64(rows, i, "owner_id"),
		.group_created_ms = db_time_ms(rows, i, "group_created_at"),
		.member_count = db_i32(rows, i, "member_count"),
	};
	profile_at(rows, i, &m->profile);
}

void store_invite_at(const store_rows *rows, int i, struct invite *v)
{
	*v = (struct invite){
		.code = text_at(rows, i, "code"),
		.expires_ms = db_time_ms(rows, i, "expires_at"),
		.max_uses = db_i32(rows, i, "max_uses"),
		.uses = db_i32(rows, i, "uses"),
		.created_by = db_i64(rows, i, "created_by"),
	};
}

void store_invited_group_at(const store_rows *rows, int i, struct invited_group *g)
{
	*g = (struct invited_group){
		.group_id = store_id_at(rows, i),
		.member_count = db_i32(rows, i, "member_count"),
		.name = text_at(rows, i, "name"),
		.picture = text_at(rows, i, "picture"),
		.joined = db_bool(rows, i, "joined"),
	};
}
