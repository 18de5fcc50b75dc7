/*
 * room_load: a user's rooms from the database. The rows of a load may be older than the records
 * that arrive while it is in progress, so three things are kept meanwhile:
 *
 * 1. Early records: changes of conversations without a room. A room that the load makes starts at
 *    the mod of its row, which may precede such a record.
 * 2. Tombstones: leaves. A row that precedes one must not make the user a member again.
 * 3. membership.as_of: a load removes no membership that is younger than its query.
 *
 * The rows of a user with many chats are applied in slices over several passes of the loop, with
 * the same rule: to the rooms they are an answer that came later.
 *
 * A row below what was delivered before the query means that the database has lost commits.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "realtime/room_private.h"

#define SLICE_ROWS 1000 /* of a load that are applied in one pass of the loop */
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
	struct hash_link link; /* in rooms' tombstones */
	int64_t user_id, conv_id, mod;
};

static struct tombstone *tombstone_of(struct hash_link *link)
{
	return HASH_ENTRY(link, struct tombstone, link);
}

static struct tombstone *tombstone_find(const struct rooms *rs, int64_t user_id, int64_t conv_id)
{
	struct tombstone *t =
		tombstone_of(hash_find(&rs->tombstones, rooms_pair_key(user_id, conv_id)));

	while (t != NULL && (t->user_id != user_id || t->conv_id != conv_id))
		t = tombstone_of(hash_find_next(&t->link));
	return t;
}

void rooms_add_tombstone(struct rooms *rs, int64_t user_id, int64_t conv_id, int64_t mod)
{
	struct tombstone *t;

	if (rs->n_loads == 0)
		return;
	t = tombstone_find(rs, user_id, conv_id);
	if (t == NULL) {
		t = xcalloc(1, sizeof(*t));
		t->user_id = user_id;
		t->conv_id = conv_id;
		hash_insert(&rs->tombstones, &t->link, rooms_pair_key(user_id, conv_id));
	}
	if (t->mod < mod)
		t->mod = mod;
}

static bool has_tombstone(const struct rooms *rs, const struct head *h)
{
	const struct tombstone *t = tombstone_find(rs, h->user_id, h->conv.id);

	return t != NULL && t->mod > h->mod;
}

static void tombstones_clear(struct rooms *rs)
{
	struct hash_link *next;

	for (struct hash_link *l = hash_first(&rs->tombstones); l != NULL; l = next) {
		next = hash_next(&rs->tombstones, l);
		free(tombstone_of(l));
	}
	hash_fini(&rs->tombstones);
}

static void rooms_clear_early(struct rooms *rs)
{
	early_records_clear(rs);
	tombstones_clear(rs);
}

/* Loads, in the order of their steps. */

struct load_waiter {
	struct load_waiter *next;
	rooms_done_cb *cb;
	void *arg;
};

struct load {
	struct rooms *rooms;
	int64_t user_id;
	uint64_t queried_at; /* rooms' n_events at the query; no other load has the same */
	struct load_waiter *waiters;
	/* Of an answer that is applied in slices. */
	struct load *next; /* in rooms' slices */
	struct head *heads;
	size_t n, at;
};

static void load_answered(void *arg, enum error error, const struct head *heads, size_t n);
static void load_slice(struct rooms *rs);
static void load_apply(struct load *l, const struct head *heads, size_t n);
static void load_leave(struct load *l);
static void load_end(struct load *l, enum error error);

static void load_add_waiter(struct load *l, rooms_done_cb *cb, void *arg)
{
	struct load_waiter *w = xmalloc(sizeof(*w));

	*w = (struct load_waiter){ l->waiters, cb, arg };
	l->waiters = w;
}

void rooms_load(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg)
{
	/* The records since then have kept the rooms of the user current. */
	if (u->loaded)
		cb(arg, ERROR_NONE);
	else if (u->load != NULL)
		load_add_waiter(u->load, cb, arg);
	else
		rooms_load_again(rs, u, cb, arg);
}

void rooms_load_again(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg)
{
	struct load *l = xcalloc(1, sizeof(*l));

	l->rooms = rs;
	l->user_id = u->user_id;
	l->queried_at = ++rs->n_events;
	load_add_waiter(l, cb, arg);
	u->load = l;
	rs->n_loads++;
	store_load(rs->store, u->user_id, load_answered, l);
}

static void load_answered(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct load *l = arg;
	struct rooms *rs = l->rooms;

	if (error == ERROR_NONE && n > SLICE_ROWS) {
		l->heads = xmemdup(heads, n * sizeof(*heads));
		l->n = n;
		*rs->slices_end = l;
		rs->slices_end = &l->next;
		event_add(rs->slice_timer, &(const struct timeval){ 0, 0 });
		return;
	}
	if (error == ERROR_NONE) {
		load_apply(l, heads, n);
		load_leave(l);
	}
	load_end(l, error);
}

static struct load *slices_pop(struct rooms *rs)
{
	struct load *l = rs->slices;

	rs->slices = l->next;
	if (rs->slices == NULL)
		rs->slices_end = &rs->slices;
	l->next = NULL;
	return l;
}

/* Applies one slice of one load. The loads take turns. */
static void load_slice(struct rooms *rs)
{
	struct load *l = slices_pop(rs);
	size_t n = l->n - l->at < SLICE_ROWS ? l->n - l->at : SLICE_ROWS;

	load_apply(l, l->heads + l->at, n);
	l->at += n;
	if (l->at < l->n) {
		*rs->slices_end = l;
		rs->slices_end = &l->next;
		return;
	}
	load_leave(l);
	load_end(l, ERROR_NONE);
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	struct rooms *rs = arg;

	(void)fd;
	(void)what;
	load_slice(rs);
	if (rs->slices != NULL)
		event_add(rs->slice_timer, &(const struct timeval){ 0, 0 });
}

/* The user of a load, if their sockets are still here and no younger load was applied, which knows
 * better. */
static struct room_user *load_user(const struct load *l)
{
	struct room_user *u = rooms_find_user(l->rooms, l->user_id);

	return u != NULL && u->loaded_at < l->queried_at ? u : NULL;
}

static void load_enter(struct load *l, struct room_user *u, const struct head *h)
{
	struct rooms *rs = l->rooms;
	struct room *room = rooms_find(rs, h->conv.id);
	struct membership *m = room != NULL ? room_membership(room, u) : NULL;
	bool added = room == NULL;

	if (has_tombstone(rs, h))
		return;
	if (added) {
		room = rooms_add(rs, &h->conv, h->mod, h->seq);
		room->revision = h->revision;
	} else if (h->mod < room->delivered_mod && room->delivered_at <= l->queried_at) {
		room_go_back(room, h->mod, h->seq);
	}
	room_raise_revision(room, h->revision);
	/* If the room has not reached the join, the join itself makes the user a member: what
	 * precedes it must not be pushed to them. */
	if (m == NULL && h->join_seq <= room->delivered_seq) {
		m = room_enter(room, u);
		/* A younger load may know that it has ended. */
		m->as_of = l->queried_at;
		m->may_post = h->may_post;
		u->missed = true;
	}
	if (m != NULL && m->as_of < l->queried_at)
		m->as_of = l->queried_at;
	room_raise_db_mod(room, h->mod);
	if (added)
		early_records_apply(rs, h->conv.id);
}

static void load_apply(struct load *l, const struct head *heads, size_t n)
{
	struct room_user *u = load_user(l);

	for (size_t i = 0; u != NULL && i < n; i++)
		load_enter(l, u, &heads[i]);
}

/* Removes the memberships that the database no longer has: those that are older than the query and
 * were not found by it. */
static void load_leave(struct load *l)
{
	struct rooms *rs = l->rooms;
	struct room_user *u = load_user(l);
	struct membership *next;

	if (u == NULL)
		return;
	for (struct membership *m = u->memberships; m != NULL; m = next) {
		struct room *room = m->room;

		next = m->next;
		if (m->as_of >= l->queried_at)
			continue;
		room_leave(m);
		rs->events->left(rs->arg, u->user_id);
		room_push_removed(rs, &room->conv, u);
		room_drop_if_empty(room);
	}
	/* The sockets that were ready before have seen no record of it. */
	if (u->loaded && u->missed)
		rs->events->resync(rs->arg, u);
	u->missed = false;
	u->loaded = true;
	u->loaded_at = l->queried_at;
}

static void load_end(struct load *l, enum error error)
{
	struct rooms *rs = l->rooms;
	struct room_user *u = rooms_find_user(rs, l->user_id);

	if (u != NULL && u->load == l)
		u->load = NULL;
	if (--rs->n_loads == 0)
		rooms_clear_early(rs);
	while (l->waiters != NULL) {
		struct load_waiter *w = l->waiters;

		l->waiters = w->next;
		w->cb(w->arg, error);
		free(w);
	}
	free(l->heads);
	free(l);
}

void rooms_end_loads(struct rooms *rs)
{
	while (rs->slices != NULL)
		load_end(slices_pop(rs), ERROR_unavailable);
}

void rooms_drop_loads(struct rooms *rs)
{
	event_del(rs->slice_timer);
	rooms_end_loads(rs);
	rooms_clear_early(rs);
}

void rooms_loads_init(struct rooms *rs)
{
	rs->slices_end = &rs->slices;
	rs->slice_timer = evtimer_new(rs->base, on_slice, rs);
	if (rs->slice_timer == NULL)
		log_fatal("event_new_failed module=room");
}

void rooms_loads_fini(struct rooms *rs)
{
	assert(rs->slices == NULL);
	event_free(rs->slice_timer);
	rooms_clear_early(rs);
}
