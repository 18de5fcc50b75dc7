/*
 * room_order: the order of a conversation's changes: what is early waits, what is missing is read
 * from the database.
 *
 *   LIVE ──a later mod than the next──► GAP ──20 ms──► READING ──rows──► LIVE
 *   LIVE ──a change that makes somebody here a member──► OPENING ──their chat frames are out──►
 * LIVE
 *
 * All that waits lies in room->held, in the order of mod; a room is never in two of these states,
 * and whoever leaves a state calls room_go_on.
 */
#include <limits.h>
#include <stdlib.h>

#include "common/fault.h"
#include "common/log.h"
#include "realtime/room_private.h"

#define GAP_MS \
	20 /* two workers may publish in the wrong order: so long the right one is waited for */
#define HELD_MAX 512 /* changes of one room that wait because of the ring */
#define RETRY_MS 500 /* until the database is asked again after it was away */

static void room_go_on(struct room *r);
static void room_deliver(struct room *r, const struct message *m, uint64_t origin);
static void room_timer(evutil_socket_t fd, short what, void *arg);

void room_forget_held(struct room *r)
{
	while (r->held != NULL) {
		struct held *h = r->held;

		r->held = h->next;
		free(h);
	}
}

/* Keeps a copy at its place; a mod that waits already is the same change. Behind max others it is
 * only noted: the database has it. */
static void room_hold(struct room *r, const struct record *rec, unsigned max)
{
	struct held **at = &r->held;
	struct held *h;
	unsigned n = 0;

	for (; *at != NULL && (*at)->record.message.mod < rec->message.mod; n++)
		at = &(*at)->next;
	if (*at != NULL && (*at)->record.message.mod == rec->message.mod)
		return;
	if (n >= max) {
		if (r->known < rec->message.mod)
			r->known = rec->message.mod;
		return;
	}
	h = held_new(rec);
	h->next = *at;
	*at = h;
}

static void room_wait(struct room *r, unsigned ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (r->timer == NULL)
		r->timer = evtimer_new(r->rooms->base, room_timer, r);
	if (r->timer == NULL)
		log_fatal("cannot make a timer for a room");
	r->state = ROOM_GAP;
	event_add(r->timer, &tv);
}

/* Reading a gap. The answer finds the room by its id: it may be gone, and made again. */

struct gap {
	struct rooms *rooms;
	int64_t conv_id;
};

static struct gap *gap_new(const struct room *r)
{
	struct gap *g = malloc(sizeof(*g));

	if (g == NULL)
		log_fatal("out of memory for a gap");
	*g = (struct gap){ r->rooms, r->conv.id };
	return g;
}

static void gap_read(void *arg, enum error error, const store_rows *rows)
{
	struct gap *g = arg;
	struct room *r = rooms_find(g->rooms, g->conv_id);
	int64_t last = 0;

	free(g);
	if (r == NULL || r->state != ROOM_READING)
		return;
	if (error != ERROR_NONE) {
		room_wait(r, RETRY_MS);
		return;
	}
	/* What was overtaken by a later change of the same message is not in the rows: their mods
	 * may jump, and all up to the last row's is known now. */
	for (int i = 0; i < store_n(rows); i++) {
		struct record rec = { .type = RECORD_CHANGE, .conv = r->conv };

		store_message_at(rows, i, &rec.message);
		room_hold(r, &rec, UINT_MAX);
		last = rec.message.mod;
	}
	FAULT("room.filled");
	r->state = ROOM_LIVE;
	r->complete = last;
	if (r->known < last)
		r->known = last;
	if (store_n(rows) == 0) {
		/* The database has nothing later: a group that is gone. */
		r->known = r->head;
		room_forget_held(r);
	}
	room_go_on(r);
}

static void room_read_gap(struct room *r)
{
	FAULT("room.gap");
	STATS_ADD(r->rooms->stats, gaps, 1);
	r->state = ROOM_READING;
	store_changes(
		r->rooms->store, 0, r->conv.id, r->head, PROTO_HISTORY_MAX, gap_read, gap_new(r));
}

static void room_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	room_read_gap(arg);
}

/* Opening. */

static void enter_local(struct room *r, int64_t user_id)
{
	struct room_user *u = user_id == 0 ? NULL : rooms_user(r->rooms, user_id, false);

	if (u != NULL)
		room_enter(r, u);
}

/* Is the message new to everybody here, or a change of an older one? Its seq says so, whether it
 * comes from the ring or, perhaps as several changes in one, from the database. */
static bool is_new(const struct room *r, const struct message *m)
{
	return m->seq > r->seq;
}

/* Whom this message makes a member, of the users here. */
static size_t newcomers(const struct room *r, const struct message *m, int64_t ids[2])
{
	int64_t candidates[2] = { 0, 0 };
	size_t n = 0;

	if (!is_new(r, m))
		return 0;
	if (m->kind == MESSAGE_JOIN) {
		candidates[0] = m->target_id;
	} else if (r->conv.kind == CONV_DIRECT && r->head == 0) {
		candidates[0] = r->conv.user_lo;
		candidates[1] = r->conv.user_hi == r->conv.user_lo ? 0 : r->conv.user_hi;
	}
	for (size_t i = 0; i < 2; i++) {
		const struct room_user *u =
			candidates[i] == 0 ? NULL : rooms_user(r->rooms, candidates[i], false);

		if (u != NULL && room_membership(r, u) == NULL)
			ids[n++] = candidates[i];
	}
	return n;
}

static void opened(void *arg, enum error error, const store_rows *rows)
{
	struct gap *g = arg;
	struct room *r = rooms_find(g->rooms, g->conv_id);
	struct held *first;
	int64_t ids[2];
	size_t n;

	free(g);
	if (r == NULL || r->state != ROOM_OPENING)
		return;
	FAULT("room.opened");
	r->state = ROOM_LIVE;
	first = r->held;
	r->held = first->next;
	n = newcomers(r, &first->record.message, ids);
	for (size_t i = 0; i < n; i++) {
		struct room_user *u = rooms_user(r->rooms, ids[i], false);

		enter_local(r, ids[i]);
		if (error != ERROR_NONE)
			r->rooms->events->resync(r->rooms->arg, u);
	}
	if (error == ERROR_NONE)
		room_push_chats(r->rooms, rows);
	room_deliver(r, &first->record.message, first->record.origin);
	free(first);
	/* What came before the join found no room here; the chat's own head tells of it. */
	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++) {
		struct chat c;

		store_chat_at(rows, i, &c);
		if (r->known < c.last_mod)
			r->known = c.last_mod;
	}
	room_go_on(r);
}

/* Delivering. */

static void views_read(void *arg, enum error error, const store_rows *rows)
{
	if (error == ERROR_NONE)
		room_push_chats(arg, rows);
}

/* The group looks different now: its name, or perhaps its owner. */
static void push_views(struct room *r)
{
	int64_t *ids = malloc((r->n_members + 1) * sizeof(*ids));

	if (ids == NULL)
		log_fatal("out of memory for the members of a room");
	for (uint32_t i = 0; i < r->n_members; i++)
		ids[i] = r->members[i].user->user_id;
	if (r->n_members > 0)
		store_chat_views(
			r->rooms->store, r->conv.id, ids, r->n_members, views_read, r->rooms);
	free(ids);
}

static void member_left(struct room *r, const struct message *m)
{
	struct room_user *u = rooms_user(r->rooms, m->target_id, false);

	rooms_add_tombstone(r->rooms, m->target_id, r->conv.id, m->mod);
	if (u == NULL || room_membership(r, u) == NULL)
		return;
	room_leave(r, u);
	room_push_removed(r->rooms, &r->conv, u);
}

static void room_deliver(struct room *r, const struct message *m, uint64_t origin)
{
	bool new = is_new(r, m);

	r->head = m->mod;
	if (r->known < r->head)
		r->known = r->head;
	if (new)
		r->seq = m->seq;
	if (new && m->kind == MESSAGE_LEAVE)
		member_left(r, m);
	/* An old join or leave whose actor was erased: if it was never seen here as new, only the
	 * database knows who is in. */
	if (!new && (m->kind == MESSAGE_JOIN || m->kind == MESSAGE_LEAVE))
		rooms_reconcile(r->rooms, false);
	room_push_change(r, m,
		new                  ? RECORD_NEW
			: m->deleted ? RECORD_DELETED
				     : RECORD_EDITED,
		origin);
	if (new && (m->kind == MESSAGE_LEAVE || m->kind == MESSAGE_RENAME))
		push_views(r);
}

/* Delivers the first one held, now that its turn has come; its newcomers see their chat before it.
 * */
static void room_take_first(struct room *r)
{
	struct held *first = r->held;
	int64_t ids[2];
	size_t n = newcomers(r, &first->record.message, ids);

	if (n > 0) {
		FAULT("room.opening");
		r->state = ROOM_OPENING;
		store_chat_views(r->rooms->store, r->conv.id, ids, n, opened, gap_new(r));
		return;
	}
	r->held = first->next;
	room_deliver(r, &first->record.message, first->record.origin);
	free(first);
}

/* Delivers what can be, then waits for what is missing. */
static void room_go_on(struct room *r)
{
	while (r->state == ROOM_LIVE && r->held != NULL) {
		int64_t mod = r->held->record.message.mod;

		if (mod <= r->head) {
			struct held *old = r->held;

			r->held = old->next;
			free(old);
		} else if (mod == r->head + 1 || mod <= r->complete) {
			room_take_first(r);
		} else {
			break;
		}
	}
	if (r->state == ROOM_LIVE && (r->held != NULL || r->known > r->head))
		room_wait(r, GAP_MS);
	room_drop_if_empty(r);
}

void room_change(struct room *r, const struct record *rec)
{
	int64_t ids[2];

	if (rec->message.mod <= r->head)
		return;
	/* The usual way, without a copy. */
	if (r->state == ROOM_LIVE && r->held == NULL && rec->message.mod == r->head + 1 &&
		newcomers(r, &rec->message, ids) == 0) {
		room_deliver(r, &rec->message, rec->origin);
		room_drop_if_empty(r);
		return;
	}
	room_hold(r, rec, HELD_MAX);
	/* The timer is not set back by what comes behind the gap, only stopped by what fills it. */
	if (r->state == ROOM_GAP && r->held->record.message.mod == r->head + 1) {
		event_del(r->timer);
		r->state = ROOM_LIVE;
	}
	if (r->state == ROOM_LIVE)
		room_go_on(r);
}

void room_known(struct room *r, int64_t mod)
{
	if (r->known < mod)
		r->known = mod;
	if (r->state == ROOM_LIVE && r->known > r->head)
		room_wait(r, GAP_MS);
}
