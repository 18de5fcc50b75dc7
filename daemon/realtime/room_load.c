/*
 * room_load: a user's rooms from the database. The rows of a load may be older than the records
 * that arrive while it is in progress, so three things are kept meanwhile:
 *
 * 1. Early records: changes of conversations without a room. A room that the load makes starts at
 *    the mod of its row, which may precede such a record.
 * 2. Tombstones: leaves. A row that precedes one must not make the user a member again.
 * 3. membership.as_of: a load removes no membership that is younger than its query.
 *
 * A row below what was delivered before the query means that the database has lost commits.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "realtime/room_private.h"

#define EARLY_RECORDS_MAX 8192 /* beyond it they are dropped, and a reconcile replaces them */

/* Early records. */

struct early_record {
	struct hash_link link; /* by conv.id */
	struct early_record *next; /* while they are applied */
	int64_t mod;
	struct held *change; /* NULL: an erasure */
};

static struct early_record *early_record_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct early_record, link);
}

static void early_record_free(struct early_record *e)
{
	free(e->change);
	free(e);
}

static void early_records_clear(struct rooms *rs)
{
	struct hash_link *next;

	for (struct hash_link *l = hash_first(&rs->early_records); l != NULL; l = next) {
		next = hash_next(&rs->early_records, l);
		early_record_free(early_record_of(l));
	}
	hash_fini(&rs->early_records);
}

void rooms_keep_early(struct rooms *rs, int64_t conv_id, int64_t mod, const struct record_change *c)
{
	struct early_record *e;

	if (rs->n_loads == 0)
		return;
	e = xcalloc(1, sizeof(*e));
	e->mod = mod;
	e->change = c != NULL ? held_new(c) : NULL;
	hash_insert(&rs->early_records, &e->link, (uint64_t)conv_id);
	if (rs->early_records.n > EARLY_RECORDS_MAX) {
		early_records_clear(rs);
		rooms_reconcile(rs, false);
	}
}

/* Takes the early records of a conversation; the oldest is the first, or nearly. */
static struct early_record *early_records_take(struct rooms *rs, int64_t conv_id)
{
	struct early_record *list = NULL, *e;

	while ((e = early_record_of(hash_find(&rs->early_records, (uint64_t)conv_id))) != NULL) {
		hash_remove(&rs->early_records, &e->link);
		e->next = list;
		list = e;
	}
	return list;
}

/* Applies the early records of a room that was just added. */
static void early_records_apply(struct rooms *rs, int64_t conv_id)
{
	struct early_record *e = early_records_take(rs, conv_id);

	while (e != NULL) {
		struct early_record *next = e->next;
		struct room *room = rooms_find(rs, conv_id); /* any of them may have ended it */

		if (room != NULL && e->change != NULL)
			room_change(room, &e->change->change);
		else if (room != NULL)
			room_raise_db_mod(room, e->mod);
		early_record_free(e);
		e = next;
	}
}

/* Tombstones. */

struct tombstone {
	struct tombstone *next;
	int64_t user_id, conv_id, mod;
};

void rooms_add_tombstone(struct rooms *rs, int64_t user_id, int64_t conv_id, int64_t mod)
{
	struct tombstone *t;

	if (rs->n_loads == 0)
		return;
	t = xmalloc(sizeof(*t));
	*t = (struct tombstone){ rs->tombstones, user_id, conv_id, mod };
	rs->tombstones = t;
}

static bool has_tombstone(const struct rooms *rs, const struct head *h)
{
	for (const struct tombstone *t = rs->tombstones; t != NULL; t = t->next)
		if (t->user_id == h->user_id && t->conv_id == h->conv.id && t->mod > h->mod)
			return true;
	return false;
}

static void tombstones_clear(struct rooms *rs)
{
	while (rs->tombstones != NULL) {
		struct tombstone *t = rs->tombstones;

		rs->tombstones = t->next;
		free(t);
	}
}

void rooms_clear_early(struct rooms *rs)
{
	early_records_clear(rs);
	tombstones_clear(rs);
}

/* Loads, in the order of their steps. */

struct load {
	struct rooms *rooms;
	int64_t user_id;
	uint32_t queried_at; /* rooms' n_events at the query */
	rooms_done_cb *cb;
	void *arg;
};

static void load_answered(void *arg, enum error error, const struct head *heads, size_t n);

void rooms_load(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg)
{
	struct load *l = xmalloc(sizeof(*l));

	*l = (struct load){ rs, u->user_id, rs->n_events, cb, arg };
	rs->n_loads++;
	store_load(rs->store, u->user_id, load_answered, l);
}

static bool heads_have(const struct head *heads, size_t n, int64_t conv_id)
{
	for (size_t i = 0; i < n; i++)
		if (heads[i].conv.id == conv_id)
			return true;
	return false;
}

/* Removes the memberships that the database no longer has. */
static void load_leave(struct rooms *rs, struct room_user *u, const struct load *l,
	const struct head *heads, size_t n)
{
	for (size_t i = u->n_memberships; i-- > 0;) {
		struct membership *m = &u->memberships[i];
		struct room *room = m->room;

		if ((int32_t)(m->as_of - l->queried_at) > 0 || heads_have(heads, n, room->conv.id))
			continue;
		room_leave(room, u);
		room_push_removed(rs, &room->conv, u);
		room_drop_if_empty(room);
	}
}

static void load_enter(
	struct rooms *rs, struct room_user *u, const struct load *l, const struct head *h)
{
	struct room *room = rooms_find(rs, h->conv.id);
	bool added = room == NULL;

	if (has_tombstone(rs, h))
		return;
	if (added)
		room = rooms_add(rs, &h->conv, h->mod, h->seq);
	else if (h->mod < room->delivered_mod && (int32_t)(room->delivered_at - l->queried_at) <= 0)
		room_go_back(room, h->mod, h->seq);
	/* If the room has not reached the join, the join itself makes the user a member: what
	 * precedes it must not be pushed to them. */
	if (room_membership(room, u) == NULL && h->join_seq <= room->delivered_seq) {
		room_enter(room, u);
		/* Stamp with the query's time; later loads win. */
		u->memberships[u->n_memberships - 1].as_of = l->queried_at;
		/* The user's sockets were ready before and have seen no record of it. */
		if (u->loaded)
			rs->events->resync(rs->arg, u);
	}
	room_raise_db_mod(room, h->mod);
	if (added)
		early_records_apply(rs, h->conv.id);
}

static void load_answered(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct load *l = arg;
	struct rooms *rs = l->rooms;
	struct room_user *u = rooms_find_user(rs, l->user_id);

	if (u != NULL && error == ERROR_NONE) {
		load_leave(rs, u, l, heads, n);
		for (size_t i = 0; i < n; i++)
			load_enter(rs, u, l, &heads[i]);
		u->loaded = true;
	}
	if (--rs->n_loads == 0)
		rooms_clear_early(rs);
	l->cb(l->arg, error);
	free(l);
}
