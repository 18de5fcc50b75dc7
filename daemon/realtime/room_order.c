/*
 * room_order: the order of a room's changes. A change that is early is held, a change that is
 * missing is read from the database.
 *
 *   LIVE ──a later mod than the next──► GAP ──20 ms──► READING ──rows──► LIVE
 *   LIVE ──a change that makes a local user a member──► OPENING ──their chat frames are sent──► LIVE
 *
 * Changes that wait are in room->held, in the order of mod. A room is in one state at a time, and
 * every return to LIVE is followed by room_advance.
 */
#include <limits.h>
#include <stdlib.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "realtime/room_private.h"

#define GAP_MS 20 /* two workers may publish out of order: the delay before a gap is read */
#define HELD_MAX 512 /* changes of a room that are held because of the ring */
#define RETRY_MS 500 /* until a gap is read again after the database failed */

static void room_advance(struct room *r);
static void room_deliver_first(struct room *r);
static void opening_read(void *arg, enum error error, const store_rows *rows);
static void room_deliver(struct room *r, const struct record_change *c);
static void room_start_timer(struct room *r, unsigned ms);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void gap_read(void *arg, enum error error, const store_rows *rows);

/* Held changes. */

void room_clear_held(struct room *r)
{
	while (r->held != NULL) {
		struct held *h = r->held;

		r->held = h->next;
		free(h);
	}
}

static void room_note_db_mod(struct room *r, int64_t mod)
{
	if (r->db_mod < mod)
		r->db_mod = mod;
}

/* True if the change is a reaction or a pin, whose record lacks the message. */
static bool is_mark(const struct record_change *c)
{
	return c->event >= RECORD_REACTED;
}

/* A message is new if its seq is; otherwise this is a change of an older one. Rows of the database
 * may be several changes in one. */
static bool is_new(const struct room *r, const struct record_change *c)
{
	return !is_mark(c) && c->message.seq > r->delivered_seq;
}

/* Holds a copy at its place; a mod that is held already is the same change. Behind max others only
 * its mod is noted, since the database has it. A row of a message that is new replaces a reaction or a pin, whose record
 * lacks the message. */
static void room_hold(struct room *r, const struct record_change *c, unsigned max)
{
	struct held **at = &r->held;
	struct held *h;
	unsigned n = 0;

	for (; *at != NULL && (*at)->change.message.mod < c->message.mod; n++)
		at = &(*at)->next;
	if (*at != NULL && (*at)->change.message.mod == c->message.mod) {
		struct held *same = *at;

		if (!is_mark(&same->change) || !is_new(r, c))
			return;
		*at = same->next;
		free(same);
	}
	if (n >= max) {
		room_note_db_mod(r, c->message.mod);
		return;
	}
	h = held_new(c);
	h->next = *at;
	*at = h;
}

/* A query for a room. The answer finds it by its id: it may have been freed, and added again. */
struct room_query {
	struct rooms *rooms;
	int64_t conv_id;
};

static struct room_query *room_query_new(const struct room *r)
{
	struct room_query *q = xmalloc(sizeof(*q));

	*q = (struct room_query){ r->rooms, r->conv.id };
	return q;
}

/* The room of a query that was answered, if it still waits in this state. Frees the query. */
static struct room *room_query_done(void *arg, enum room_state state)
{
	struct room_query *q = arg;
	struct room *r = rooms_find(q->rooms, q->conv_id);

	free(q);
	return r != NULL && r->state == state ? r : NULL;
}

/* The local users whom this change makes members. Returns their number. */
static size_t new_members(const struct room *r, const struct record_change *c, int64_t ids[2])
{
	const struct message *m = &c->message;
	int64_t candidates[2] = { 0, 0 };
	size_t n = 0;

	if (!is_new(r, c))
		return 0;
	if (m->kind == MESSAGE_JOIN) {
		candidates[0] = m->target_id;
	} else if (r->conv.kind == CONV_DIRECT && r->delivered_mod == 0) {
		candidates[0] = r->conv.user_lo;
		candidates[1] = r->conv.user_hi == r->conv.user_lo ? 0 : r->conv.user_hi;
	}
	for (size_t i = 0; i < 2; i++) {
		const struct room_user *u =
			candidates[i] == 0 ? NULL : rooms_find_user(r->rooms, candidates[i]);

		if (u != NULL && room_membership(r, u) == NULL)
			ids[n++] = candidates[i];
	}
	return n;
}

/* Delivery, in the order of its steps. */

void room_change(struct room *r, const struct record_change *c)
{
	int64_t ids[2];

	if (c->message.mod <= r->delivered_mod)
		return;
	/* The common case, without a copy. */
	if (r->state == ROOM_LIVE && r->held == NULL && c->message.mod == r->delivered_mod + 1 &&
		new_members(r, c, ids) == 0) {
		room_deliver(r, c);
		room_drop_if_empty(r);
		return;
	}
	room_hold(r, c, HELD_MAX);
	/* A change behind the gap does not restart the timer; the one that fills it stops it. */
	if (r->state == ROOM_GAP && r->held->change.message.mod == r->delivered_mod + 1) {
		event_del(r->timer);
		r->state = ROOM_LIVE;
	}
	if (r->state == ROOM_LIVE)
		room_advance(r);
}

void room_raise_db_mod(struct room *r, int64_t mod)
{
	room_note_db_mod(r, mod);
	if (r->state == ROOM_LIVE && r->db_mod > r->delivered_mod)
		room_start_timer(r, GAP_MS);
}

void room_go_back(struct room *r, int64_t mod, int64_t seq)
{
	struct rooms *rs = r->rooms;

	if (r->state == ROOM_READING || r->state == ROOM_OPENING) {
		rooms_reconcile(rs, false);
		return;
	}
	if (r->state == ROOM_GAP)
		event_del(r->timer);
	r->state = ROOM_LIVE;
	room_clear_held(r);
	r->delivered_mod = r->db_mod = mod;
	r->delivered_seq = seq;
	r->gap_read_mod = 0;
	r->revision = 0;
	room_resync(r);
}

/* Delivers the held changes whose turn it is, then waits for what is missing. */
static void room_advance(struct room *r)
{
	while (r->state == ROOM_LIVE && r->held != NULL) {
		int64_t mod = r->held->change.message.mod;

		if (mod <= r->delivered_mod) {
			struct held *duplicate = r->held;

			r->held = duplicate->next;
			free(duplicate);
		} else if (mod == r->delivered_mod + 1 || mod <= r->gap_read_mod) {
			room_deliver_first(r);
		} else {
			break;
		}
	}
	if (r->state == ROOM_LIVE && (r->held != NULL || r->db_mod > r->delivered_mod))
		room_start_timer(r, GAP_MS);
	room_drop_if_empty(r);
}

/* Delivers the first held change. New members are sent their chat before it. */
static void room_deliver_first(struct room *r)
{
	struct held *first = r->held;
	int64_t ids[2];
	size_t n = new_members(r, &first->change, ids);

	if (n > 0) {
		FAULT("room.opening");
		r->state = ROOM_OPENING;
		store_chat_views(
			r->rooms->store, r->conv.id, ids, n, opening_read, room_query_new(r));
		return;
	}
	r->held = first->next;
	room_deliver(r, &first->change);
	free(first);
}

/* The users have been members since the message; if their chats could not be read, they sync. */
static void room_enter_new(struct room *r, const int64_t *ids, size_t n, enum error error)
{
	for (size_t i = 0; i < n; i++) {
		struct room_user *u = rooms_find_user(r->rooms, ids[i]);

		room_enter(r, u);
		if (error != ERROR_NONE)
			r->rooms->events->resync(r->rooms->arg, u);
	}
}

static void opening_read(void *arg, enum error error, const store_rows *rows)
{
	struct room *r = room_query_done(arg, ROOM_OPENING);
	struct held *first;
	int64_t ids[2];

	if (r == NULL)
		return;
	FAULT("room.opened");
	r->state = ROOM_LIVE;
	first = r->held;
	r->held = first->next;
	room_enter_new(r, ids, new_members(r, &first->change, ids), error);
	if (error == ERROR_NONE)
		room_push_chats(r->rooms, rows);
	room_deliver(r, &first->change);
	free(first);
	/* Records behind the join may have found no room. The chat's last mod counts them. */
	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++) {
		struct chat c;

		store_chat_at(rows, i, &c);
		room_note_db_mod(r, c.last_mod);
	}
	room_advance(r);
}

static void member_left(struct room *r, const struct message *m)
{
	struct room_user *u = rooms_find_user(r->rooms, m->target_id);
	struct membership *membership = u != NULL ? room_membership(r, u) : NULL;

	rooms_add_tombstone(r->rooms, m->target_id, r->conv.id, m->mod);
	r->rooms->events->left(r->rooms->arg, m->target_id);
	if (membership == NULL)
		return;
	room_leave(membership);
	room_push_removed(r->rooms, &r->conv, u);
}

static void room_deliver(struct room *r, const struct record_change *c)
{
	const struct message *m = &c->message;
	struct record_change pushed = *c;
	bool new = is_new(r, c);

	r->delivered_mod = m->mod;
	r->delivered_at = r->rooms->n_events;
	room_note_db_mod(r, m->mod);
	if (new)
		r->delivered_seq = m->seq;
	if (new && m->kind == MESSAGE_LEAVE)
		member_left(r, m);
	/* The erased actor's join or leave. If it was not delivered here as new, only the database
	 * knows the members. */
	if (!new && (m->kind == MESSAGE_JOIN || m->kind == MESSAGE_LEAVE))
		rooms_reconcile(r->rooms, false);
	if (!is_mark(c))
		pushed.event = new ? RECORD_NEW : m->deleted ? RECORD_DELETED : RECORD_EDITED;
	room_push_change(r, &pushed);
	if (new && (m->kind == MESSAGE_LEAVE || m->kind == MESSAGE_RENAME))
		room_push_views(r);
}

/* Gaps, in the order of their steps. */

static void room_start_timer(struct room *r, unsigned ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (r->timer == NULL)
		r->timer = evtimer_new(r->rooms->base, on_timer, r);
	if (r->timer == NULL)
		log_fatal("event_new_failed module=room");
	r->state = ROOM_GAP;
	event_add(r->timer, &tv);
}

static void room_read_gap(struct room *r)
{
	FAULT("room.gap");
	STATS_ADD(r->rooms->stats, gaps, 1);
	r->state = ROOM_READING;
	store_changes(r->rooms->store, 0, r->conv.id, r->delivered_mod, PROTO_HISTORY_MAX, gap_read,
		room_query_new(r));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	room_read_gap(arg);
}

/* True if one of the mods up to last may be a reaction of which nothing is held. A row has no reactions. */
static bool lacks_reaction(const struct room *r, int64_t last)
{
	int64_t n = 0;

	for (const struct held *h = r->held; h != NULL; h = h->next) {
		const struct message *m = &h->change.message;

		n += m->mod > r->delivered_mod && m->mod <= last && m->reacted != m->mod;
	}
	return n < last - r->delivered_mod;
}

static void gap_read(void *arg, enum error error, const store_rows *rows)
{
	struct room *r = room_query_done(arg, ROOM_READING);
	bool reacted = false;
	int64_t last = 0;

	if (r == NULL)
		return;
	if (error != ERROR_NONE) {
		room_start_timer(r, RETRY_MS);
		return;
	}
	/* A load in progress may have read older rows, on another connection. */
	r->rooms->n_events++;
	/* A message has one row, with its latest mod. So mods may be missing between rows, and
	 * nothing up to the last row's is missing any more. */
	for (int i = 0; i < store_n(rows); i++) {
		struct record_change c = { .conv = r->conv };

		store_message_at(rows, i, &c.message);
		room_hold(r, &c, UINT_MAX);
		reacted |= c.message.reacted > r->delivered_mod;
		last = c.message.mod;
	}
	/* A reaction may also be to a message of the next page. */
	if ((reacted || store_n(rows) == PROTO_HISTORY_MAX) && lacks_reaction(r, last))
		room_resync(r);
	FAULT("room.filled");
	r->state = ROOM_LIVE;
	r->gap_read_mod = last;
	room_note_db_mod(r, last);
	if (store_n(rows) == 0) {
		/* The group is gone: the database has nothing later. */
		r->db_mod = r->delivered_mod;
		room_clear_held(r);
	}
	room_advance(r);
}
