/*
 * room: the tables of rooms and local users, memberships, and the dispatch of records.
 *
 * A membership is an entry on both sides. Each knows its index on the other side, so a leave costs
 * the same in a large room.
 */
#include "realtime/room.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "realtime/room_private.h"

/* Rooms. */

struct room *rooms_find(const struct rooms *rs, int64_t conv_id)
{
	return HASH_ENTRY(hash_find(&rs->by_id, (uint64_t)conv_id), struct room, link);
}

struct room *rooms_add(struct rooms *rs, const struct conv *c, int64_t mod, int64_t seq)
{
	struct room *r = xcalloc(1, sizeof(*r));

	r->rooms = rs;
	r->conv = *c;
	r->delivered_mod = r->db_mod = mod;
	r->delivered_at = rs->n_events;
	r->delivered_seq = seq;
	hash_insert(&rs->by_id, &r->link, (uint64_t)c->id);
	return r;
}

static void room_free(struct room *r)
{
	hash_remove(&r->rooms->by_id, &r->link);
	room_clear_held(r);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r->members);
	free(r);
}

bool room_drop_if_empty(struct room *r)
{
	/* A room that waits may hold the join of a local user. It is checked again after that. */
	if (r->n_members > 0 || r->state != ROOM_LIVE)
		return false;
	room_free(r);
	return true;
}

static void rooms_free_all(struct rooms *rs)
{
	struct hash_link *next;

	for (struct hash_link *l = hash_first(&rs->by_id); l != NULL; l = next) {
		next = hash_next(&rs->by_id, l);
		room_free(HASH_ENTRY(l, struct room, link));
	}
}

size_t rooms_n(const struct rooms *rs)
{
	return rs->by_id.n;
}

/* Users. */

struct room_user *rooms_find_user(struct rooms *rs, int64_t user_id)
{
	return HASH_ENTRY(hash_find(&rs->users, (uint64_t)user_id), struct room_user, link);
}

struct room_user *rooms_add_user(struct rooms *rs, int64_t user_id)
{
	struct room_user *u = rooms_find_user(rs, user_id);

	if (u != NULL)
		return u;
	u = xcalloc(1, sizeof(*u));
	u->user_id = user_id;
	hash_insert(&rs->users, &u->link, (uint64_t)user_id);
	return u;
}

void rooms_remove_user(struct rooms *rs, struct room_user *u)
{
	while (u->n_memberships > 0) {
		struct room *r = u->memberships[u->n_memberships - 1].room;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a freed room is not in it any more */
		room_leave(r, u);
		room_drop_if_empty(r);
	}
	hash_remove(&rs->users, &u->link);
	free(u->memberships);
	free(u);
}

bool rooms_find_conv(const struct room_user *u, int64_t chat_id, struct conv *c)
{
	for (size_t i = 0; i < u->n_memberships; i++) {
		const struct room *r = u->memberships[i].room;

		if (conv_chat_id(&r->conv, u->user_id) == chat_id) {
			*c = r->conv;
			return true;
		}
	}
	return false;
}

/* Memberships. */

struct membership *room_membership(const struct room *r, const struct room_user *u)
{
	for (size_t i = 0; i < u->n_memberships; i++)
		if (u->memberships[i].room == r)
			return &u->memberships[i];
	return NULL;
}

void room_enter(struct room *r, struct room_user *u)
{
	uint32_t at_user = (uint32_t)u->n_memberships, at_room = (uint32_t)r->n_members;

	if (room_membership(r, u) != NULL)
		return;
	r->members = xgrow(r->members, r->n_members, &r->cap_members, sizeof(*r->members));
	u->memberships = xgrow(
		u->memberships, u->n_memberships, &u->cap_memberships, sizeof(*u->memberships));
	r->members[r->n_members++] = (struct room_member){ u, at_user };
	u->memberships[u->n_memberships++] =
		(struct membership){ r, at_room, ++r->rooms->n_events };
}

void room_leave(struct room *r, struct room_user *u)
{
	struct membership *m = room_membership(r, u);
	struct room_member last_member;
	struct membership last_membership;
	uint32_t at_room, at_user;

	if (m == NULL)
		return;
	at_room = m->at;
	at_user = (uint32_t)(m - u->memberships);
	/* The last entry of each list fills the hole. */
	last_member = r->members[--r->n_members];
	r->members[at_room] = last_member;
	last_member.user->memberships[last_member.at].at = at_room;
	last_membership = u->memberships[--u->n_memberships];
	u->memberships[at_user] = last_membership;
	if (at_user < u->n_memberships)
		last_membership.room->members[last_membership.at].at = at_user;
}

/* Records. */

struct held *held_new(const struct record_change *c)
{
	const struct text *content = &c->message.content, *client_id = &c->message.client_id;
	struct held *h = xmalloc(sizeof(*h) + content->len + client_id->len);

	h->next = NULL;
	h->change = *c;
	if (content->data != NULL)
		h->change.message.content.data = memcpy(h->bytes, content->data, content->len);
	if (client_id->data != NULL)
		h->change.message.client_id.data =
			memcpy(h->bytes + content->len, client_id->data, client_id->len);
	return h;
}

/* True if the change makes the user a member. The first message of a direct chat makes both. */
static bool change_opens_for(const struct record_change *c, int64_t user_id)
{
	if (c->event != RECORD_NEW)
		return false;
	if (c->conv.kind == CONV_DIRECT)
		return c->message.mod == 1 &&
			(user_id == c->conv.user_lo || user_id == c->conv.user_hi);
	return c->message.kind == MESSAGE_JOIN && c->message.target_id == user_id;
}

/* Adds a room for a conversation that has none, if the change makes a local user a member. */
static struct room *rooms_open_for(struct rooms *rs, const struct record_change *c)
{
	const int64_t candidates[] = { c->conv.user_lo, c->conv.user_hi, c->message.target_id };

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
		if (candidates[i] != 0 && change_opens_for(c, candidates[i]) &&
			rooms_find_user(rs, candidates[i]) != NULL)
			return rooms_add(rs, &c->conv, c->message.mod - 1, c->message.seq - 1);
	return NULL;
}

static void apply_change(struct rooms *rs, const struct record_change *c)
{
	struct room *room = rooms_find(rs, c->conv.id);

	if (c->event == RECORD_NEW && c->message.kind == MESSAGE_TEXT)
		typing_set(rs->typing, &c->conv, c->message.sender_id, false);
	if (room == NULL)
		room = rooms_open_for(rs, c);
	if (room != NULL)
		room_change(room, c);
	else
		rooms_keep_early(rs, c->conv.id, c->message.mod, c);
}

/* If the erasures follow what was delivered, they are skipped and the members' sockets sync.
 * Otherwise they are part of a gap. */
static void apply_erased(struct rooms *rs, const struct record_erased *e)
{
	struct room *room = rooms_find(rs, e->conv.id);

	if (room == NULL) {
		rooms_keep_early(rs, e->conv.id, e->mod, NULL);
		return;
	}
	if (e->mod <= room->delivered_mod)
		return;
	if (room->state == ROOM_LIVE && room->delivered_mod == e->from_mod) {
		room->delivered_mod = e->mod;
		room->delivered_seq = e->seq;
		room->delivered_at = rs->n_events;
	}
	for (size_t i = 0; i < room->n_members; i++)
		rs->events->resync(rs->arg, room->members[i].user);
	room_raise_db_mod(room, e->mod);
}

static void apply_group_gone(struct rooms *rs, const struct record_group_gone *g)
{
	struct room_user *u = rooms_find_user(rs, g->user_id);
	struct room *room = rooms_find(rs, g->conv.id);

	rooms_add_tombstone(rs, g->user_id, g->conv.id, INT64_MAX);
	if (u == NULL || room == NULL || room_membership(room, u) == NULL)
		return;
	room_leave(room, u);
	room_push_removed(rs, &g->conv, u);
	room_drop_if_empty(room);
}

static void apply_read(struct rooms *rs, const struct record_read *read)
{
	struct room *room = rooms_find(rs, read->conv.id);

	if (room != NULL)
		room_push_read(room, read);
}

static void apply_typing(struct rooms *rs, const struct record_typing *t)
{
	if (rooms_find(rs, t->conv.id) != NULL)
		typing_set(rs->typing, &t->conv, t->user_id, t->on);
}

void rooms_apply(struct rooms *rs, const struct record *r)
{
	rs->n_events++;
	switch (r->type) {
	case RECORD_CHANGE:
		apply_change(rs, &r->change);
		break;
	case RECORD_ERASED:
		apply_erased(rs, &r->erased);
		break;
	case RECORD_GROUP_GONE:
		apply_group_gone(rs, &r->group_gone);
		break;
	case RECORD_READ:
		apply_read(rs, &r->read);
		break;
	case RECORD_TYPING:
		apply_typing(rs, &r->typing);
		break;
	default:
		break;
	}
}

void rooms_restart(struct rooms *rs)
{
	typing_clear(rs->typing);
	rooms_clear_early(rs);
	for (struct hash_link *l = hash_first(&rs->users); l != NULL;
		l = hash_next(&rs->users, l)) {
		struct room_user *u = HASH_ENTRY(l, struct room_user, link);

		u->n_memberships = 0;
		u->loaded = false;
	}
	rooms_free_all(rs);
}

/* Open and close. */

static void on_typing(void *arg, const struct conv *c, int64_t user_id, bool on)
{
	struct room *room = rooms_find(arg, c->id);

	if (room != NULL)
		room_push_typing(room, user_id, on);
}

struct rooms *rooms_open(struct event_base *base, struct store *store,
	const struct room_events *events, void *arg, struct stats_slot *stats)
{
	struct rooms *rs = xcalloc(1, sizeof(*rs));

	rs->base = base;
	rs->store = store;
	rs->events = events;
	rs->arg = arg;
	rs->stats = stats;
	rs->typing = typing_open(base, on_typing, rs);
	rooms_reconcile_init(rs);
	return rs;
}

void rooms_close(struct rooms *rs)
{
	rooms_clear_early(rs);
	typing_close(rs->typing);
	rooms_reconcile_fini(rs);
	rooms_free_all(rs);
	hash_fini(&rs->by_id);
	hash_fini(&rs->users);
	buf_fini(&rs->scratch);
	free(rs);
}
