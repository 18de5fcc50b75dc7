/*
 * room_views: the `chat` frames of all members of a conversation, after its name, owner or peer may have changed. The
 * views are read in pieces, one query of a worker at a time; conversations take turns. So another query waits for one
 * piece, whatever the size of the group.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "realtime/room_private.h"

#define PIECE 500 /* viewers of one query */

struct views {
	struct views *next; /* in rooms' views: the first is being read */
	struct rooms *rooms;
	int64_t conv_id;
	bool is_group;
	int64_t *viewers; /* the local members at the start */
	size_t n, at;
	bool again; /* True if the conversation has changed since the start */
};

static void views_add(struct room *r);
static void views_read_piece(struct rooms *rs);
static void piece_read(void *arg, enum error error, const store_rows *rows);

void room_push_views(struct room *r)
{
	if (r->views != NULL)
		r->views->again = true;
	else if (r->n_members > 0)
		views_add(r);
}

static void views_enqueue(struct views *v)
{
	struct rooms *rs = v->rooms;
	bool idle = rs->views == NULL;

	*rs->views_end = v;
	rs->views_end = &v->next;
	if (idle)
		views_read_piece(rs);
}

static void views_add(struct room *r)
{
	struct views *v = xcalloc(1, sizeof(*v));

	v->rooms = r->rooms;
	v->conv_id = r->conv.id;
	v->is_group = r->conv.kind == CONV_GROUP;
	v->viewers = xreallocarray(NULL, r->n_members, sizeof(*v->viewers));
	for (; v->n < r->n_members; v->n++)
		v->viewers[v->n] = r->members[v->n].user->user_id;
	r->views = v;
	views_enqueue(v);
}

static size_t piece_size(const struct views *v)
{
	return v->n - v->at < PIECE ? v->n - v->at : PIECE;
}

static void views_read_piece(struct rooms *rs)
{
	const struct views *v = rs->views;

	(v->is_group ? store_group_views : store_chat_views)(
		rs->store, v->conv_id, v->viewers + v->at, piece_size(v), piece_read, rs);
}

/* The frames of these viewers cannot be made: those who are still members sync. */
static void piece_failed(struct room *r, const struct views *v)
{
	for (size_t i = v->at; i < v->at + piece_size(v); i++) {
		struct room_user *u = rooms_find_user(r->rooms, v->viewers[i]);

		if (u != NULL && room_membership(r, u) != NULL)
			r->rooms->events->resync(r->rooms->arg, u);
	}
}

/* The end of the views of a room, which may be read again. */
static void views_end(struct room *r, struct views *v)
{
	bool again = v->again;

	free(v->viewers);
	free(v);
	if (r == NULL)
		return;
	r->views = NULL;
	if (again)
		room_push_views(r);
}

static void piece_read(void *arg, enum error error, const store_rows *rows)
{
	struct rooms *rs = arg;
	struct views *v = rs->views;
	struct room *r = rooms_find(rs, v->conv_id);

	/* The room may have been freed, and added again. */
	if (r != NULL && r->views != v)
		r = NULL;
	if (r != NULL && error == ERROR_NONE)
		room_push_chats(rs, rows);
	else if (r != NULL)
		piece_failed(r, v);
	v->at += piece_size(v);
	rs->views = v->next;
	if (rs->views == NULL)
		rs->views_end = &rs->views;
	v->next = NULL;
	if (rs->views != NULL)
		views_read_piece(rs);
	if (r != NULL && v->at < v->n)
		views_enqueue(v);
	else
		views_end(r, v);
}
