#include "realtime/json_view.h"

static void put_number(struct buf *b, const char *name, int64_t n)
{
	buf_add_str(b, ",\"");
	buf_add_str(b, name);
	buf_add_str(b, "\":");
	buf_add_i64(b, n);
}

void json_view_put_user(struct buf *b, const struct user *u)
{
	buf_add_char(b, '{');
	proto_put_id(b, "user_id", u->user_id);
	buf_add_char(b, ',');
	proto_put_text(b, "username", u->username);
	buf_add_char(b, ',');
	proto_put_text(b, "full_name", u->full_name);
	buf_add_char(b, ',');
	proto_put_text(b, "profile_picture", u->profile_picture);
	buf_add_char(b, ',');
	proto_put_text(b, "public_key", u->public_key);
	buf_add_char(b, ',');
	proto_put_time(b, "created_at", u->created_ms);
	buf_add_char(b, '}');
}

static void put_last_message(struct buf *b, const struct chat *c)
{
	if (!c->has_last) {
		buf_add_str(b, ",\"last_message\":null");
		return;
	}
	buf_add_str(b, ",\"last_message\":{");
	proto_put_message(b, &c->last, &c->conv, c->viewer, MESSAGE_PUSHED);
	if (c->last_cut)
		buf_add_str(b, ",\"cut\":true");
	if (c->conv.kind == CONV_GROUP) {
		buf_add_char(b, ',');
		proto_put_text(b, "sender_name", c->last_sender_name);
	}
	buf_add_char(b, '}');
}

/* A deleted peer is null, and so is their watermark. */
static void put_peer(struct buf *b, const struct chat *c)
{
	if (c->conv.kind == CONV_GROUP || !c->has_peer) {
		buf_add_str(b, ",\"peer\":null,\"peer_read_seq\":null");
		return;
	}
	buf_add_str(b, ",\"peer\":");
	json_view_put_user(b, &c->peer);
	put_number(b, "peer_read_seq", c->peer_read_seq);
}

static void put_profile(struct buf *b, const struct profile_of_group *p)
{
	buf_add_char(b, ',');
	proto_put_text(b, "description", p->description);
	buf_add_char(b, ',');
	proto_put_text(b, "picture", p->picture);
	buf_add_str(b, p->posting_admins ? ",\"posting\":\"admins\"" : ",\"posting\":\"all\"");
	buf_add_str(b, p->adding_admins ? ",\"adding\":\"admins\"" : ",\"adding\":\"all\"");
}

/* What only a group has. */
static void put_group_fields(struct buf *b, const struct chat *c)
{
	if (c->conv.kind != CONV_GROUP) {
		buf_add_str(b,
			",\"owner_id\":null,\"role\":null,\"description\":null,\"picture\":null,"
			"\"posting\":null,\"adding\":null");
		return;
	}
	buf_add_char(b, ',');
	proto_put_id(b, "owner_id", c->owner_id);
	buf_add_char(b, ',');
	proto_put_text(b, "role", c->role);
	put_profile(b, &c->profile);
}

void json_view_put_chat(struct buf *b, const struct chat *c)
{
	proto_put_id(b, "chat_id", conv_chat_id(&c->conv, c->viewer));
	buf_add_str(
		b, c->conv.kind == CONV_GROUP ? ",\"kind\":\"group\"," : ",\"kind\":\"direct\",");
	proto_put_text(b, "name", c->name);
	put_number(b, "last_seq", c->last_seq);
	put_number(b, "last_mod", c->last_mod);
	put_number(b, "read_seq", c->read_seq);
	put_number(b, "unread", c->unread);
	put_last_message(b, c);
	put_peer(b, c);
	put_group_fields(b, c);
	put_number(b, "member_count", c->member_count);
}

void json_view_put_chats(struct buf *b, const store_rows *rows, int64_t limit)
{
	int n = store_n(rows);
	struct chat c;

	buf_add_str(b, "\"chats\":[");
	for (int i = 0; i < n && i < limit; i++) {
		store_chat_at(rows, i, &c);
		buf_add_str(b, i > 0 ? ",{" : "{");
		json_view_put_chat(b, &c);
		buf_add_char(b, '}');
	}
	buf_add_str(b, "],");
	proto_put_cursor(b, "next", n > limit ? &c.cursor : NULL);
}

static void put_member(struct buf *b, const struct member *m)
{
	buf_add_char(b, '{');
	proto_put_id(b, "user_id", m->user_id);
	buf_add_char(b, ',');
	proto_put_text(b, "username", m->username);
	buf_add_char(b, ',');
	proto_put_text(b, "full_name", m->full_name);
	buf_add_char(b, ',');
	proto_put_time(b, "joined_at", m->joined_ms);
	put_number(b, "read_seq", m->read_seq);
	buf_add_char(b, ',');
	proto_put_text(b, "role", m->role);
	buf_add_char(b, '}');
}

/* Appends "members":[…],"next":… of at most limit rows. A row without a user has only the group. */
static void put_members(struct buf *b, const store_rows *rows, int64_t limit)
{
	int n = store_n(rows);
	struct member m;

	buf_add_str(b, "\"members\":[");
	for (int i = 0; i < n && i < limit; i++) {
		store_member_at(rows, i, &m);
		if (m.user_id == 0)
			break;
		if (i > 0)
			buf_add_char(b, ',');
		put_member(b, &m);
	}
	buf_add_str(b, "],");
	proto_put_cursor(b, "next", n > limit ? &m.cursor : NULL);
}

void json_view_put_group(struct buf *b, int64_t group_id, const store_rows *rows, int64_t limit)
{
	struct member m;

	store_member_at(rows, 0, &m);
	buf_add_char(b, '{');
	proto_put_id(b, "group_id", group_id);
	buf_add_char(b, ',');
	proto_put_text(b, "name", m.group_name);
	buf_add_char(b, ',');
	proto_put_id(b, "owner_id", m.owner_id);
	buf_add_char(b, ',');
	proto_put_time(b, "created_at", m.group_created_ms);
	put_number(b, "member_count", m.member_count);
	put_profile(b, &m.profile);
	buf_add_char(b, ',');
	put_members(b, rows, limit);
	buf_add_char(b, '}');
}

static size_t content_len(const store_rows *rows, int i)
{
	struct message m;

	store_message_at(rows, i, &m);
	return m.content.len + m.reactions.len;
}

int64_t json_view_page_rows(const store_rows *rows, int64_t limit)
{
	size_t bytes = 0;
	int n = 0;

	while (n < store_n(rows) && n < limit && bytes < JSON_VIEW_PAGE_BYTES)
		bytes += content_len(rows, n++);
	return n;
}

/* Appends "messages":[…] of the rows from first to end - 1. */
static void put_messages(struct buf *b, const store_rows *rows, int first, int end,
	const struct conv *c, int64_t viewer)
{
	buf_add_str(b, "\"messages\":[");
	for (int i = first; i < end; i++) {
		struct message m;

		store_message_at(rows, i, &m);
		buf_add_str(b, i > first ? ",{" : "{");
		proto_put_message(b, &m, c, viewer, MESSAGE_SERVED);
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

bool json_view_put_messages(
	struct buf *b, const store_rows *rows, int64_t limit, const struct conv *c, int64_t viewer)
{
	int n = store_n(rows);

	put_messages(b, rows, 0, n < limit ? n : (int)limit, c, viewer);
	return n > limit;
}

/* The first row from seq on. */
static int row_of_seq(const store_rows *rows, int64_t seq)
{
	struct message m;
	int i = 0;

	for (; i < store_n(rows); i++) {
		store_message_at(rows, i, &m);
		if (m.seq >= seq)
			break;
	}
	return i;
}

void json_view_put_around(struct buf *b, const store_rows *rows, const struct json_view_around *a,
	const struct conv *c, int64_t viewer)
{
	const int n = store_n(rows), middle = row_of_seq(rows, a->seq);
	int first = middle, end = middle;
	size_t bytes = 0;

	while (first > 0 && middle - first < a->n_before && bytes < JSON_VIEW_PAGE_BYTES / 2)
		bytes += content_len(rows, --first);
	bytes = 0;
	while (end < n && end - middle < a->n_from && bytes < JSON_VIEW_PAGE_BYTES / 2)
		bytes += content_len(rows, end++);
	put_messages(b, rows, first, end, c, viewer);
	buf_add_str(b, first > 0 ? ",\"more_before\":true" : ",\"more_before\":false");
	buf_add_str(b, end < n ? ",\"more_after\":true" : ",\"more_after\":false");
}
