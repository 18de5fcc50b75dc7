/*
 * room_push: frames for the members of a room. A frame is made once for all viewers who see the
 * same bytes: chat_id differs between the two sides of a direct chat, and only the sender sees
 * client_id.
 */
#include "realtime/frames.h"
#include "realtime/room_private.h"

/* A frame of the text in scratch. */
static struct frame *frame_of(const struct rooms *rs)
{
	return frame_new(WSFRAME_TEXT, rs->scratch.data, rs->scratch.len);
}

static void push(struct rooms *rs, struct room_user *u, struct frame *f, uint64_t origin,
	enum room_push kind)
{
	rs->events->push(rs->arg, u, f, origin, kind);
}

/* To one user: the text in scratch. */
static void push_scratch(struct rooms *rs, struct room_user *u)
{
	struct frame *f = frame_of(rs);

	push(rs, u, f, 0, ROOM_EVENT);
	frame_unref(f);
}

/* The index of the variant of a change that a viewer gets. */
static unsigned change_variant(const struct conv *c, const struct message *m, int64_t viewer)
{
	return c->kind == CONV_DIRECT ? viewer == c->user_lo : viewer == m->sender_id;
}

void room_push_change(struct room *r, const struct record_change *c)
{
	struct rooms *rs = r->rooms;
	struct frame *frames[2] = { NULL, NULL };

	for (size_t i = 0; i < r->n_members; i++) {
		struct room_user *u = r->members[i].user;
		struct frame **f = &frames[change_variant(&r->conv, &c->message, u->user_id)];

		if (*f == NULL) {
			frames_write_change(&rs->scratch, c, u->user_id);
			*f = frame_of(rs);
		}
		push(rs, u, *f, c->origin, ROOM_EVENT);
	}
	frame_unref(frames[0]);
	frame_unref(frames[1]);
}

/* Writes a hint for a viewer. */
typedef void write_hint(struct buf *b, const struct conv *c, const void *hint, int64_t viewer);

/* A frame that differs by viewer only in chat_id, to all members but one user (0: to all). */
static void push_hint(
	struct room *r, write_hint *write, const void *hint, int64_t except, uint64_t origin)
{
	struct rooms *rs = r->rooms;
	struct frame *frames[2] = { NULL, NULL };

	for (size_t i = 0; i < r->n_members; i++) {
		struct room_user *u = r->members[i].user;
		struct frame **f =
			&frames[r->conv.kind == CONV_DIRECT && u->user_id == r->conv.user_lo];

		if (u->user_id == except)
			continue;
		if (*f == NULL) {
			write(&rs->scratch, &r->conv, hint, u->user_id);
			*f = frame_of(rs);
		}
		push(rs, u, *f, origin, ROOM_HINT);
	}
	frame_unref(frames[0]);
	frame_unref(frames[1]);
}

static void write_read(struct buf *b, const struct conv *c, const void *hint, int64_t viewer)
{
	const struct record_read *read = hint;

	frames_write_read(b, c, read->user_id, read->seq, viewer);
}

/* To the reader's own sockets. */
static void push_own_read(struct room *r, struct room_user *u, const struct record_read *read)
{
	struct frame *f;

	write_read(&r->rooms->scratch, &r->conv, read, u->user_id);
	f = frame_of(r->rooms);
	push(r->rooms, u, f, read->origin, ROOM_HINT);
	frame_unref(f);
}

void room_push_read(struct room *r, const struct record_read *read)
{
	struct room_user *u = rooms_find_user(r->rooms, read->user_id);

	if (!read->own_only)
		push_hint(r, write_read, read, 0, read->origin);
	else if (u != NULL && room_membership(r, u) != NULL)
		push_own_read(r, u, read);
}

struct typing_hint {
	int64_t user_id;
	bool on;
};

static void write_typing(struct buf *b, const struct conv *c, const void *hint, int64_t viewer)
{
	const struct typing_hint *t = hint;

	frames_write_typing(b, c, t->user_id, t->on, viewer);
}

void room_push_typing(struct room *r, int64_t user_id, bool on)
{
	const struct typing_hint hint = { user_id, on };

	push_hint(r, write_typing, &hint, user_id, 0);
}

void room_push_removed(struct rooms *rs, const struct conv *c, struct room_user *u)
{
	frames_write_chat_removed(&rs->scratch, conv_chat_id(c, u->user_id));
	push_scratch(rs, u);
}

void room_push_chats(struct rooms *rs, const store_rows *rows)
{
	for (int i = 0; i < store_n(rows); i++) {
		struct chat c;
		struct room *r;
		struct room_user *u;
		struct membership *m;

		store_chat_at(rows, i, &c);
		r = rooms_find(rs, c.conv.id);
		u = rooms_find_user(rs, c.viewer);
		m = r != NULL && u != NULL ? room_membership(r, u) : NULL;
		if (m == NULL)
			continue;
		m->may_post = c.may_post;
		frames_write_chat(&rs->scratch, &c);
		push_scratch(rs, u);
	}
}
