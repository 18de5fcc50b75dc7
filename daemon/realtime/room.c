/*
 * room: the tables of rooms and local users, memberships, and the dispatch of records.
 *
 * A membership is in a hash table, on its user's list, and in its room's array, where it knows its
 * index. So a look-up, a join and a leave cost the same for a user with many chats and in a large
 * room.
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
	/* A load for the user's former sockets may have applied some of its slices before. */
	u->loaded_at = rs->n_events;
	hash_insert(&rs->users, &u->link, (uint64_t)user_id);
	return u;
}

void rooms_remove_user(struct rooms *rs, struct room_user *u)
{
	while (u->memberships != NULL) {
		struct room *r = u->memberships->room;

		room_leave(u->memberships);
		room_drop_if_empty(r);
	}
	hash_remove(&rs->users, &u->link);
	free(u);
}

/* Memberships. */

static struct membership *membership_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct membership, link);
}

/* A user has at most one chat of each chat_id. */
static struct membership *membership_find(
	const struct rooms *rs, const struct room_user *u, int64_t chat_id)
{
	struct hash_link *link = hash_find(&rs->memberships, rooms_pair_key(u->user_id, chat_id));
	struct membership *m = membership_of(link);

	while (m != NULL && (m->user != u || conv_chat_id(&m->room->conv, u->user_id) != chat_id))
		m = membership_of(hash_find_next(&m->link));
	return m;
}

bool rooms_find_conv(
	const struct rooms *rs, const struct room_user *u, int64_t chat_id, struct conv *c)
{
	const struct membership *m = membership_find(rs, u, chat_id);

	if (m == NULL)
		return false;
	*c = m->room->conv;
	return true;
}

bool rooms_may_post(const struct rooms *rs, const struct room_user *u, int64_t chat_id)
{
	const struct membership *m = membership_find(rs, u, chat_id);

	return m != NULL && m->may_post;
}

struct membership *room_membership(const struct room *r, const struct room_user *u)
{
	struct membership *m = membership_find(r->rooms, u, conv_chat_id(&r->conv, u->user_id));

	return m != NULL && m->room == r ? m : NULL;
}

struct membership *room_enter(struct room *r, struct room_user *u)
{
	struct rooms *rs = r->rooms;
	struct membership *m = room_membership(r, u);

	if (m != NULL)
		return m;
	m = xmalloc(sizeof(*m));
	*m = (struct membership){
		.room = r,
		.user = u,
		.next = u->memberships,
		.prev = &u->memberships,
		.at = r->n_members,
		.as_of = ++rs->n_events,
	};
	if (m->next != NULL)
		m->next->prev = &m->next;
	u->memberships = m;
	r->members = xgrow(r->members, r->n_members, &r->cap_members, sizeof(*r->members));
	r->members[r->n_members++] = (struct room_member){ u, m };
	hash_insert(&rs->memberships, &m->link,
		rooms_pair_key(u->user_id, conv_chat_id(&r->conv, u->user_id)));
	return m;
}

void room_leave(struct membership *m)
{
	struct room *r = m->room;
	struct room_member last = r->members[--r->n_members];

	/* The last member fills the hole. */
	r->members[m->at] = last;
	last.membership->at = m->at;
	*m->prev = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	hash_remove(&r->rooms->memberships, &m->link);
	free(m);
}

/* Records. */

/* Moves the bytes of a text to *to, and *to behind them. */
static void keep_text(struct text *t, char **to)
{
	if (t->data == NULL)
		return;
	t->data = memcpy(*to, t->data, t->len);
	*to += t->len;
}

struct held *held_new(const struct record_change *c)
{
	const struct message *m = &c->message;
	struct held *h = xmalloc(sizeof(*h) + m->content.len + m->client_id.len +
		m->forwarded_name.len + m->reply.content.len + m->mentions.len + c->emoji.len);
	char *to = h->bytes;

	h->next = NULL;
	h->change = *c;
	keep_text(&h->change.message.content, &to);
	keep_text(&h->change.message.client_id, &to);
	keep_text(&h->change.message.forwarded_name, &to);
	keep_text(&h->change.message.reply.content, &to);
	keep_text(&h->change.message.mentions, &to);
	keep_text(&h->change.emoji, &to);
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
	if (room == NULL && c->event == RECORD_NEW && c->message.kind == MESSAGE_LEAVE)
		rs->events->left(rs->arg, c->message.target_id);
}

void room_resync(struct room *r)
{
	for (size_t i = 0; i < r->n_members; i++)
		r->rooms->events->resync(r->rooms->arg, r->members[i].user);
}

/* If the changes follow what was delivered, they are skipped and the members' sockets sync.
 * Otherwise they are part of a gap. */
static void skip_erased(struct room *room, const struct record_erased *e)
{
	struct rooms *rs = room->rooms;

	if (room->state == ROOM_LIVE && room->delivered_mod == e->from_mod) {
		room->delivered_mod = e->mod;
		room->delivered_seq = e->seq;
		room->delivered_at = rs->n_events;
	}
	room_resync(room);
	room_raise_db_mod(room, e->mod);
}

/* The end of a membership changes the chat itself: the owner, or the peer. */
static void apply_erased(struct rooms *rs, const struct record_erased *e)
{
	struct room *room = rooms_find(rs, e->conv.id);

	if (room == NULL) {
		rooms_keep_early(rs, e->conv.id, e->mod, NULL);
		return;
	}
	if (e->mod > room->delivered_mod)
		skip_erased(room, e);
	if (e->left)
		room_push_views(room);
}

static void apply_group_gone(struct rooms *rs, const struct record_group_gone *g)
{
	struct room_user *u = rooms_find_user(rs, g->user_id);
	struct room *room = rooms_find(rs, g->conv.id);
	struct membership *m = u != NULL && room != NULL ? room_membership(room, u) : NULL;

	rooms_add_tombstone(rs, g->user_id, g->conv.id, INT64_MAX);
	if (m == NULL)
		return;
	room_leave(m);
	rs->events->left(rs->arg, g->user_id);
	room_push_removed(rs, &g->conv, u);
	room_drop_if_empty(room);
}

void room_raise_revision(struct room *r, int64_t revision)
{
	if (revision <= r->revision)
		return;
	r->revision = revision;
	room_push_views(r);
}

static void apply_chat(struct rooms *rs, const struct record_chat *c)
{
	struct room *room = rooms_find(rs, c->conv.id);

	/* Without a room, no user here is a member, or their load is in progress: they read their chats after it. */
	if (room != NULL)
		room_raise_revision(room, c->revision);
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
	case RECORD_CHAT:
		apply_chat(rs, &r->chat);
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
	rooms_drop_loads(rs);
	for (struct hash_link *l = hash_first(&rs->users); l != NULL;
		l = hash_next(&rs->users, l)) {
		struct room_user *u = HASH_ENTRY(l, struct room_user, link);

		for (struct membership *m = u->memberships, *next; m != NULL; m = next) {
			next = m->next;
			room_leave(m);
		}
		u->load = NULL;
		u->loaded = u->missed = false;
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
	rs->views_end = &rs->views;
	rs->typing = typing_open(base, on_typing, rs);
	rooms_loads_init(rs);
	rooms_reconcile_init(rs);
	return rs;
}

void rooms_close(struct rooms *rs)
{
	rooms_loads_fini(rs);
	typing_close(rs->typing);
	rooms_reconcile_fini(rs);
	rooms_free_all(rs);
	hash_fini(&rs->by_id);
	hash_fini(&rs->users);
	hash_fini(&rs->memberships);
	buf_fini(&rs->scratch);
	free(rs);
}
