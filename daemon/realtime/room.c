/*
 * room: tables and memberships, loading, the check. The order of changes is in room_order.c, the
 * frames in room_push.c.
 */
#include "realtime/room.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "realtime/room_private.h"

#define CHECK_RETRY_MS 500 /* until a check that failed begins again; then doubled */
#define CHECK_RETRY_MAX_MS 8000
#define EARLY_RECORDS_MAX \
	8192 /* records kept while loads are under way; beyond it the check comes again */

static size_t hash_id(int64_t id, size_t n_buckets)
{
	return (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (n_buckets - 1);
}

/* Rooms and users. */

static struct room **room_bucket(struct rooms *rs, int64_t conv_id)
{
	struct room **at = &rs->by_id[hash_id(conv_id, rs->n_room_buckets)];

	while (*at != NULL && (*at)->conv.id != conv_id)
		at = &(*at)->next;
	return at;
}

struct room *rooms_find(struct rooms *rs, int64_t conv_id)
{
	return *room_bucket(rs, conv_id);
}

static void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		log_fatal("out of memory for a room or its users");
	return p;
}

static void rooms_grow(struct rooms *rs)
{
	struct room **old = rs->by_id;
	size_t n_old = rs->n_room_buckets;

	rs->n_room_buckets *= 2;
	rs->by_id = must_calloc(rs->n_room_buckets, sizeof(struct room *));
	for (size_t i = 0; i < n_old; i++)
		while (old[i] != NULL) {
			struct room *r = old[i];
			struct room **bucket = &rs->by_id[hash_id(r->conv.id, rs->n_room_buckets)];

			old[i] = r->next;
			r->next = *bucket;
			*bucket = r;
		}
	free(old);
}

struct room *rooms_make(struct rooms *rs, const struct conv *c, int64_t head, int64_t seq)
{
	struct room *r = must_calloc(1, sizeof(*r));
	struct room **bucket;

	if (++rs->n_rooms > rs->n_room_buckets)
		rooms_grow(rs);
	bucket = room_bucket(rs, c->id);
	r->rooms = rs;
	r->conv = *c;
	r->head = r->known = head;
	r->seq = seq;
	r->next = *bucket;
	*bucket = r;
	return r;
}

static void room_free(struct room *r)
{
	struct rooms *rs = r->rooms;

	*room_bucket(rs, r->conv.id) = r->next;
	rs->n_rooms--;
	room_forget_held(r);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r->members);
	free(r);
}

bool room_drop_if_empty(struct room *r)
{
	/* One that waits, for a record or for the database, may have somebody's join before it: it is
	 * looked at again when that is over. */
	if (r->n_members > 0 || r->state != ROOM_LIVE)
		return false;
	room_free(r);
	return true;
}

static struct room_user **user_bucket(struct rooms *rs, int64_t user_id)
{
	struct room_user **at = &rs->users[hash_id(user_id, rs->n_user_buckets)];

	while (*at != NULL && (*at)->user_id != user_id)
		at = &(*at)->next;
	return at;
}

static void users_grow(struct rooms *rs)
{
	struct room_user **old = rs->users;
	size_t n_old = rs->n_user_buckets;

	rs->n_user_buckets *= 2;
	rs->users = must_calloc(rs->n_user_buckets, sizeof(struct room_user *));
	for (size_t i = 0; i < n_old; i++)
		while (old[i] != NULL) {
			struct room_user *u = old[i];
			struct room_user **bucket =
				&rs->users[hash_id(u->user_id, rs->n_user_buckets)];

			old[i] = u->next;
			u->next = *bucket;
			*bucket = u;
		}
	free(old);
}

struct room_user *rooms_user(struct rooms *rs, int64_t user_id, bool make)
{
	struct room_user **at = user_bucket(rs, user_id);

	if (*at != NULL || !make)
		return *at;
	if (++rs->n_users > rs->n_user_buckets) {
		users_grow(rs);
		at = user_bucket(rs, user_id);
	}
	*at = must_calloc(1, sizeof(**at));
	(*at)->user_id = user_id;
	return *at;
}

void rooms_user_gone(struct rooms *rs, struct room_user *u)
{
	while (u->n_in > 0) {
		struct room *r = u->in[u->n_in - 1].room;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is dropped is in u->in no more */
		room_leave(r, u);
		room_drop_if_empty(r);
	}
	*user_bucket(rs, u->user_id) = u->next;
	rs->n_users--;
	free(u->in);
	free(u);
}

/* Memberships: each side knows its index on the other, so that leaving costs the same in a large
 * room. */

struct membership *room_membership(const struct room *r, const struct room_user *u)
{
	for (uint32_t i = 0; i < u->n_in; i++)
		if (u->in[i].room == r)
			return &u->in[i];
	return NULL;
}

void room_enter(struct room *r, struct room_user *u)
{
	if (room_membership(r, u) != NULL)
		return;
	if (r->n_members == r->cap_members) {
		r->cap_members = r->cap_members == 0 ? 2 : r->cap_members * 2;
		r->members = realloc(r->members, r->cap_members * sizeof(*r->members));
	}
	if (u->n_in == u->cap_in) {
		u->cap_in = u->cap_in == 0 ? 2 : u->cap_in * 2;
		u->in = realloc(u->in, u->cap_in * sizeof(*u->in));
	}
	if (r->members == NULL || u->in == NULL)
		log_fatal("out of memory for a membership");
	r->members[r->n_members] = (struct room_member){ u, u->n_in };
	u->in[u->n_in++] = (struct membership){ r, r->n_members++, ++r->rooms->clock };
}

void room_leave(struct room *r, struct room_user *u)
{
	struct membership *m = room_membership(r, u);
	struct room_member last_member;
	struct membership last_in;
	uint32_t at_room, at_user;

	if (m == NULL)
		return;
	at_room = m->at;
	at_user = (uint32_t)(m - u->in);
	/* The last of each list takes the free place. */
	last_member = r->members[--r->n_members];
	r->members[at_room] = last_member;
	last_member.user->in[last_member.at].at = at_room;
	last_in = u->in[--u->n_in];
	u->in[at_user] = last_in;
	if (at_user < u->n_in)
		last_in.room->members[last_in.at].at = at_user;
}

bool rooms_conv(struct rooms *rs, const struct room_user *u, int64_t chat_id, struct conv *c)
{
	(void)rs;
	for (uint32_t i = 0; i < u->n_in; i++) {
		const struct room *r = u->in[i].room;

		if (conv_chat_id(&r->conv, u->user_id) == chat_id) {
			*c = r->conv;
			return true;
		}
	}
	return false;
}

size_t rooms_n(const struct rooms *rs)
{
	return rs->n_rooms;
}

/* Records. */

struct held *held_new(const struct record *r)
{
	size_t content_len = r->message.content.len, client_id_len = r->message.client_id.len;
	struct held *h = malloc(sizeof(*h) + content_len + client_id_len);

	if (h == NULL)
		log_fatal("out of memory for a record that waits");
	h->next = NULL;
	h->record = *r;
	if (r->message.content.data != NULL)
		h->record.message.content.data =
			memcpy(h->bytes, r->message.content.data, content_len);
	if (r->message.client_id.data != NULL)
		h->record.message.client_id.data =
			memcpy(h->bytes + content_len, r->message.client_id.data, client_id_len);
	return h;
}

/* Does this change make the user a member? The first message of a direct chat makes both. */
static bool record_opens_for(const struct record *r, int64_t user_id)
{
	if (r->type != RECORD_CHANGE || r->event != RECORD_NEW)
		return false;
	if (r->conv.kind == CONV_DIRECT)
		return r->message.mod == 1 &&
			(user_id == r->conv.user_lo || user_id == r->conv.user_hi);
	return r->message.kind == MESSAGE_JOIN && r->message.target_id == user_id;
}

/* The room for a record whose conversation nobody here is in yet, where it makes somebody here a
 * member. */
static struct room *rooms_open_for(struct rooms *rs, const struct record *r)
{
	const int64_t candidates[] = { r->conv.user_lo, r->conv.user_hi, r->message.target_id };

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
		if (candidates[i] != 0 && record_opens_for(r, candidates[i]) &&
			rooms_user(rs, candidates[i], false) != NULL)
			return rooms_make(rs, &r->conv, r->message.mod - 1, r->message.seq - 1);
	return NULL;
}

static void early_records_clear(struct rooms *rs)
{
	for (size_t i = 0; i < EARLY_BUCKETS; i++)
		while (rs->early_records[i] != NULL) {
			struct held *h = rs->early_records[i];

			rs->early_records[i] = h->next;
			free(h);
		}
	rs->n_early_records = 0;
}

/* A load under way may have read the database before this was committed, and will then find the
 * room's head too low: so the record is kept, and looked at again when that load makes the room. */
static void early_record_keep(struct rooms *rs, const struct record *r)
{
	struct held **bucket = &rs->early_records[hash_id(r->conv.id, EARLY_BUCKETS)];
	struct held *h = held_new(r);

	h->next = *bucket;
	*bucket = h;
	if (++rs->n_early_records > EARLY_RECORDS_MAX) {
		early_records_clear(rs);
		rooms_reconcile(rs, false);
	}
}

static void tombstones_clear(struct rooms *rs)
{
	while (rs->tombstones != NULL) {
		struct tombstone *d = rs->tombstones;

		rs->tombstones = d->next;
		free(d);
	}
}

/* What came for this conversation before its room was made. */
static void early_records_apply(struct rooms *rs, int64_t conv_id)
{
	struct held **at = &rs->early_records[hash_id(conv_id, EARLY_BUCKETS)];
	struct held *mine = NULL;

	while (*at != NULL) {
		struct held *h = *at;

		if (h->record.conv.id != conv_id) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		rs->n_early_records--;
		h->next = mine;
		mine = h;
	}
	/* Any of them may empty the room and end it. */
	while (mine != NULL) {
		struct held *h = mine;
		struct room *room = rooms_find(rs, conv_id);

		mine = h->next;
		if (room != NULL && h->record.type == RECORD_CHANGE)
			room_change(room, &h->record);
		else if (room != NULL)
			room_known(room, h->record.message.mod);
		free(h);
	}
}

void rooms_add_tombstone(struct rooms *rs, int64_t user_id, int64_t conv_id, int64_t mod)
{
	struct tombstone *d;

	if (rs->n_loads == 0)
		return;
	d = must_calloc(1, sizeof(*d));
	*d = (struct tombstone){ rs->tombstones, user_id, conv_id, mod };
	rs->tombstones = d;
}

static bool has_tombstone(const struct rooms *rs, const struct head *h)
{
	for (const struct tombstone *d = rs->tombstones; d != NULL; d = d->next)
		if (d->user_id == h->user_id && d->conv_id == h->conv.id && d->mod > h->mod)
			return true;
	return false;
}

/* A group went with its last member, who hears of it if they are here. */
static void group_gone(struct rooms *rs, const struct record *r)
{
	struct room_user *u = rooms_user(rs, r->message.target_id, false);
	struct room *room = rooms_find(rs, r->conv.id);

	rooms_add_tombstone(rs, r->message.target_id, r->conv.id, INT64_MAX);
	if (u == NULL || room == NULL || room_membership(room, u) == NULL)
		return;
	room_leave(room, u);
	room_push_removed(rs, &r->conv, u);
	room_drop_if_empty(room);
}

/* The deleted person's messages took the mods from message_id + 1 to mod: where that follows on the
 * head, nobody is shown each erasure; their sockets are told to sync. Otherwise the gap is read as
 * any other. */
static void conversation_erased(struct room *room, const struct record *r)
{
	if (r->message.mod <= room->head)
		return;
	if (room->state == ROOM_LIVE && room->head == r->message.message_id) {
		room->head = r->message.mod;
		room->seq = r->message.seq;
	}
	for (uint32_t i = 0; i < room->n_members; i++)
		room->rooms->events->resync(room->rooms->arg, room->members[i].user);
	room_known(room, r->message.mod);
}

void rooms_apply(struct rooms *rs, const struct record *r)
{
	struct room *room = rooms_find(rs, r->conv.id);

	rs->clock++;
	if (r->type == RECORD_GONE) {
		group_gone(rs, r);
		return;
	}
	if (r->type == RECORD_CHANGE && r->event == RECORD_NEW && r->message.kind == MESSAGE_TEXT)
		typing_set(rs->typing, &r->conv, r->message.sender_id, false);
	if (room == NULL && r->type == RECORD_CHANGE)
		room = rooms_open_for(rs, r);
	if (room == NULL) {
		if (rs->n_loads > 0 && (r->type == RECORD_CHANGE || r->type == RECORD_RESYNC))
			early_record_keep(rs, r);
		return;
	}
	switch (r->type) {
	case RECORD_CHANGE:
		room_change(room, r);
		break;
	case RECORD_RESYNC:
		conversation_erased(room, r);
		break;
	case RECORD_READ:
		room_push_read(room, r);
		break;
	case RECORD_TYPING:
		typing_set(rs->typing, &r->conv, r->user_id, r->on);
		break;
	default:
		break;
	}
}

/* Loading. */

struct load {
	struct rooms *rooms;
	int64_t user_id;
	uint32_t asked; /* rooms' clock then */
	rooms_done_cb *cb;
	void *arg;
};

static void load_row(struct rooms *rs, struct room_user *u, const struct head *h, uint32_t asked)
{
	struct room *room = rooms_find(rs, h->conv.id);
	bool made = room == NULL;

	if (has_tombstone(rs, h))
		return;
	if (made)
		room = rooms_make(rs, &h->conv, h->mod, h->seq);
	/* Where the room has not got to the join yet, that will make them a member when its turn
	 * comes: what stands before it is not theirs. */
	if (room_membership(room, u) == NULL && h->join_seq <= room->seq) {
		room_enter(room, u);
		/* As old as the question: what was asked later knows better. */
		u->in[u->n_in - 1].since = asked;
		/* For one who was here before this is news that no record has told. */
		if (u->loaded)
			rs->events->resync(rs->arg, u);
	}
	room_known(room, h->mod);
	if (made)
		early_records_apply(rs, h->conv.id);
}

static bool heads_have(const struct head *heads, size_t n, int64_t conv_id)
{
	for (size_t i = 0; i < n; i++)
		if (heads[i].conv.id == conv_id)
			return true;
	return false;
}

/* The rooms that the database no longer has this user in. Those entered since the question was
 * asked do not count. */
static void load_leave(
	struct rooms *rs, struct room_user *u, const struct head *heads, size_t n, uint32_t asked)
{
	for (uint32_t i = u->n_in; i-- > 0;) {
		struct room *room = u->in[i].room;

		if ((int32_t)(u->in[i].since - asked) > 0 || heads_have(heads, n, room->conv.id))
			continue;
		room_leave(room, u);
		room_push_removed(rs, &room->conv, u);
		room_drop_if_empty(room);
	}
}

static void load_answered(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct load *l = arg;
	struct rooms *rs = l->rooms;
	struct room_user *u = rooms_user(rs, l->user_id, false);

	if (u != NULL && error == ERROR_NONE) {
		load_leave(rs, u, heads, n, l->asked);
		for (size_t i = 0; i < n; i++)
			load_row(rs, u, &heads[i], l->asked);
		u->loaded = true;
	}
	if (--rs->n_loads == 0) {
		early_records_clear(rs);
		tombstones_clear(rs);
	}
	l->cb(l->arg, error);
	free(l);
}

void rooms_load(struct rooms *rs, struct room_user *u, rooms_done_cb *cb, void *arg)
{
	struct load *l = must_calloc(1, sizeof(*l));

	*l = (struct load){ rs, u->user_id, rs->clock, cb, arg };
	rs->n_loads++;
	store_load(rs->store, u->user_id, load_answered, l);
}

/* The check: every local user is loaded again, and whoever else must look into the database does so
 * now. */

struct check {
	struct rooms *rooms;
	size_t n_left; /* answers that have not come, and one for the asking itself */
	bool waits, failed;
};

static void check_next(struct rooms *rs);

static void check_later(struct rooms *rs, bool fence_dead_workers)
{
	rs->check_again = true;
	rs->check_again_waits |= fence_dead_workers;
}

/* Whatever asked for it still holds. The longer it fails, the less often it is tried: it may be
 * what keeps the database busy. */
static void check_failed(const struct check *c)
{
	struct rooms *rs = c->rooms;
	unsigned ms = rs->check_retry_ms;

	if (ms == CHECK_RETRY_MS)
		log_warn("check failed: it is made again until the database answers");
	check_later(rs, c->waits);
	event_add(rs->check_retry, &(const struct timeval){ ms / 1000, ms % 1000 * 1000 });
	rs->check_retry_ms = ms * 2 < CHECK_RETRY_MAX_MS ? ms * 2 : CHECK_RETRY_MAX_MS;
}

static void check_succeeded(struct rooms *rs)
{
	if (rs->check_retry_ms != CHECK_RETRY_MS)
		log_info("check done");
	rs->check_retry_ms = CHECK_RETRY_MS;
	if (rs->check_again)
		check_next(rs);
}

static void check_step_done(struct check *c)
{
	struct rooms *rs = c->rooms;

	if (--c->n_left > 0)
		return;
	FAULT("reconcile.done");
	rs->check = NULL;
	if (c->failed)
		check_failed(c);
	else
		check_succeeded(rs);
	free(c);
}

static void check_answered(void *arg, enum error error)
{
	struct check *c = arg;

	c->failed |= error != ERROR_NONE;
	check_step_done(c);
}

static void check_users(struct check *c)
{
	struct rooms *rs = c->rooms;

	for (size_t i = 0; i < rs->n_user_buckets; i++)
		for (struct room_user *u = rs->users[i]; u != NULL; u = u->next) {
			c->n_left++;
			rooms_load(rs, u, check_answered, c);
		}
}

static void check_asks(void *arg, enum error error, const store_rows *rows)
{
	struct check *c = arg;

	(void)rows;
	c->failed |= error != ERROR_NONE;
	FAULT("reconcile.waited");
	if (!c->failed) {
		c->n_left++;
		c->rooms->events->check(c->rooms->arg, check_answered, c);
		check_users(c);
	}
	check_step_done(c);
}

static void check_begin(struct rooms *rs, bool fence_dead_workers)
{
	struct check *c = must_calloc(1, sizeof(*c));

	FAULT("reconcile.begun");
	rs->check = c;
	*c = (struct check){ .rooms = rs, .n_left = 1, .waits = fence_dead_workers };
	if (fence_dead_workers)
		store_fence_dead_workers(rs->store, check_asks, c);
	else
		check_asks(c, ERROR_NONE, NULL);
}

static void check_next(struct rooms *rs)
{
	bool waits = rs->check_again_waits;

	rs->check_again = rs->check_again_waits = false;
	check_begin(rs, waits);
}

static void check_retry(evutil_socket_t fd, short what, void *arg)
{
	struct rooms *rs = arg;

	(void)fd;
	(void)what;
	if (rs->check == NULL && rs->check_again)
		check_next(rs);
}

void rooms_reconcile(struct rooms *rs, bool fence_dead_workers)
{
	check_later(rs, fence_dead_workers);
	if (rs->check == NULL)
		check_next(rs);
}

/* Life. */

static void typing_shown(void *arg, const struct conv *c, int64_t user_id, bool on)
{
	room_push_typing(arg, c, user_id, on);
}

struct rooms *rooms_open(struct event_base *base, struct store *store,
	const struct room_events *events, void *arg, struct stats_slot *stats)
{
	struct rooms *rs = must_calloc(1, sizeof(*rs));

	rs->base = base;
	rs->store = store;
	rs->events = events;
	rs->arg = arg;
	rs->stats = stats;
	rs->n_room_buckets = rs->n_user_buckets = 64;
	rs->by_id = must_calloc(rs->n_room_buckets, sizeof(struct room *));
	rs->users = must_calloc(rs->n_user_buckets, sizeof(struct room_user *));
	rs->typing = typing_open(base, typing_shown, rs);
	rs->check_retry = evtimer_new(base, check_retry, rs);
	rs->check_retry_ms = CHECK_RETRY_MS;
	if (rs->check_retry == NULL)
		log_fatal("cannot make the timer of the check");
	return rs;
}

void rooms_close(struct rooms *rs)
{
	early_records_clear(rs);
	tombstones_clear(rs);
	typing_close(rs->typing);
	event_free(rs->check_retry);
	for (size_t i = 0; i < rs->n_room_buckets; i++)
		while (rs->by_id[i] != NULL)
			room_free(rs->by_id[i]);
	buf_fini(&rs->scratch);
	free(rs->by_id);
	free(rs->users);
	free(rs);
}
