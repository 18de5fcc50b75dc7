/*
 * room_push: frames for the members of a room. A frame is made once for all who see the same bytes:
 * chat_id differs between the two sides of a direct chat, and client_id is only for its sender.
 */
#include "realtime/json_view.h"
#include "realtime/room_private.h"

static void begin(struct rooms *rs, const char *type)
{
	buf_reset(&rs->scratch, 64 << 10);
	buf_add_str(&rs->scratch, "{\"type\":\"");
	buf_add_str(&rs->scratch, type);
	buf_add_char(&rs->scratch, '"');
}

static struct frame *end(struct rooms *rs)
{
	buf_add_char(&rs->scratch, '}');
	return frame_new(WSFRAME_TEXT, rs->scratch.data, rs->scratch.len);
}

static void put_chat_id(struct rooms *rs, const struct conv *c, int64_t viewer)
{
	buf_add_str(&rs->scratch, ",\"chat_id\":");
	buf_add_i64(&rs->scratch, conv_chat_id(c, viewer));
}

static void push(struct rooms *rs, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind)
{
	rs->events->push(rs->arg, u, f, origin, kind);
}

static struct frame *change_frame(struct rooms *rs, const struct conv *c, const struct message *m,
	enum record_event event, int64_t viewer)
{
	if (event == RECORD_DELETED) {
		begin(rs, "deleted");
		put_chat_id(rs, c, viewer);
		buf_addf(&rs->scratch, ",\"message_id\":%lld,\"seq\":%lld,\"mod\":%lld",
			(long long)m->message_id, (long long)m->seq, (long long)m->mod);
	} else {
		begin(rs, event == RECORD_NEW ? "message" : "edited");
		buf_add_char(&rs->scratch, ',');
		proto_put_message(&rs->scratch, m, c, viewer);
	}
	return end(rs);
}

/* Which of the two variants of a frame a viewer gets. */
static unsigned side(const struct conv *c, const struct message *m, int64_t viewer)
{
	return c->kind == CONV_DIRECT ? viewer == c->user_lo : viewer == m->sender_id;
}

void room_push_change(
	struct room *r, const struct message *m, enum record_event event, uint64_t origin)
{
	struct frame *frames[2] = { NULL, NULL };

	for (uint32_t i = 0; i < r->n_members; i++) {
		struct room_user *u = r->members[i].user;
		struct frame **f = &frames[side(&r->conv, m, u->user_id)];

		if (*f == NULL)
			*f = change_frame(r->rooms, &r->conv, m, event, u->user_id);
		push(r->rooms, u, *f, origin, ROOM_EVENT);
	}
	frame_unref(frames[0]);
	frame_unref(frames[1]);
}

/* A frame that differs only in chat_id, to all members but one user. */
static void push_hint(struct room *r,
	struct frame *(*make)(struct room *, const void *, int64_t viewer), const void *what,
	int64_t but, uint64_t origin)
{
	struct frame *frames[2] = { NULL, NULL };

	for (uint32_t i = 0; i < r->n_members; i++) {
		struct room_user *u = r->members[i].user;
		struct frame **f =
			&frames[r->conv.kind == CONV_DIRECT && u->user_id == r->conv.user_lo];

		if (u->user_id == but)
			continue;
		if (*f == NULL)
			*f = make(r, what, u->user_id);
		push(r->rooms, u, *f, origin, ROOM_HINT);
	}
	frame_unref(frames[0]);
	frame_unref(frames[1]);
}

static struct frame *read_frame(struct room *r, const void *what, int64_t viewer)
{
	const struct record *rec = what;

	begin(r->rooms, "read");
	put_chat_id(r->rooms, &r->conv, viewer);
	buf_addf(&r->rooms->scratch, ",\"user_id\":%lld,\"seq\":%lld", (long long)rec->user_id,
		(long long)rec->message.seq);
	return end(r->rooms);
}

void room_push_read(struct room *r, const struct record *rec)
{
	push_hint(r, read_frame, rec, 0, rec->origin);
}

struct typing_shown {
	int64_t user_id;
	bool on;
};

static struct frame *typing_frame(struct room *r, const void *what, int64_t viewer)
{
	const struct typing_shown *t = what;

	begin(r->rooms, "typing");
	put_chat_id(r->rooms, &r->conv, viewer);
	buf_addf(&r->rooms->scratch, ",\"user_id\":%lld,\"is_typing\":%s", (long long)t->user_id,
		t->on ? "true" : "false");
	return end(r->rooms);
}

void room_push_typing(struct rooms *rs, const struct conv *c, int64_t user_id, bool on)
{
	const struct typing_shown what = { user_id, on };
	struct room *r = rooms_find(rs, c->id);

	if (r != NULL)
		push_hint(r, typing_frame, &what, user_id, 0);
}

void room_push_removed(struct rooms *rs, const struct conv *c, struct room_user *u)
{
	struct frame *f;

	begin(rs, "chat_removed");
	put_chat_id(rs, c, u->user_id);
	f = end(rs);
	push(rs, u, f, 0, ROOM_EVENT);
	frame_unref(f);
}

/* To each viewer of the rows who is still here and in the conversation. */
void room_push_chats(struct rooms *rs, const store_rows *rows)
{
	for (int i = 0; i < store_n(rows); i++) {
		struct chat c;
		struct room *r;
		struct room_user *u;
		struct frame *f;

		store_chat_at(rows, i, &c);
		r = rooms_find(rs, c.conv.id);
		u = rooms_user(rs, c.viewer, false);
		if (r == NULL || u == NULL || room_membership(r, u) == NULL)
			continue;
		begin(rs, "chat");
		buf_add_char(&rs->scratch, ',');
		json_view_put_chat(&rs->scratch, &c);
		f = end(rs);
		push(rs, u, f, 0, ROOM_EVENT);
		frame_unref(f);
	}
}
