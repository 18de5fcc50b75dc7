/*
 * store_erase: erases what deleted users and ended groups leave behind, in slices of one short transaction each.
 *
 *   a user   some memberships ─► they end ─┐   ─► some messages ─► slices of them ─┐  ─► none is left: done
 *              ▲                           │         ▲                            │
 *              └── until none is left ◄────┘         └── until none is left ◄─────┘
 *            Then the same with the messages that have reactions of the user, and slices of these.
 *   a group  slices of its messages, until none is left
 *
 * All of it uses the background connection: only the locks of the conversations of one slice delay others.
 *
 * The table erasures names both, so that an erasure that ends with its worker, or by an error, is continued by another
 * one. Each step queries what is left, so two workers may erase the same.
 *
 * Once a user is deleted, no membership is added, and without a membership no message and no reaction is. So the order of
 * the loops makes the end of the last one final.
 */
#include <stdlib.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "store/store_private.h"

#define MEMBERSHIPS_SLICE 50
#define MESSAGES_READ 10000 /* sorted by conversation, so that each is in few slices */
#define MESSAGES_SLICE 500
#define LOCKED_PAUSE_MS 50 /* after a slice all of whose conversations were locked */
#define GROUP_PAUSE_MS 5 /* after each slice of a group: its WAL delays the commits of others */
#define CLAIM_MS 5000 /* between looks for abandoned erasures, and the age of one */

struct erasing {
	struct erasing *next;
	struct store *store;
	int64_t party_id;
	bool is_group;
	bool of_reactions; /* True once no message is left: messages are those with reactions. */
	store_done_cb *cb; /* NULL if nothing waits for the end */
	void *arg;
	struct event *pause;
	int64_t *messages; /* those that were read */
	size_t n_messages, next_message;
	bool progress; /* True if some of them were erased. */
};

static void erasing_resume(struct erasing *e);
static void memberships_read(void *arg, enum error error, const store_rows *rows);
static void memberships_ended(void *arg, enum error error, const store_rows *rows);
static void messages_read(void *arg, enum error error, const store_rows *rows);
static void erase_slice(struct erasing *e);
static void slice_erased(void *arg, enum error error, const store_rows *rows);
static void finished(void *arg, enum error error, const store_rows *rows);
static void group_slice_erased(void *arg, enum error error, const store_rows *rows);

static void on_pause_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	erasing_resume(arg);
}

static void erasing_start(
	struct store *s, int64_t party_id, bool is_group, store_done_cb *cb, void *arg)
{
	struct erasing *e = xcalloc(1, sizeof(*e));

	e->store = s;
	e->party_id = party_id;
	e->is_group = is_group;
	e->cb = cb;
	e->arg = arg;
	e->pause = evtimer_new(s->base, on_pause_end, e);
	if (e->pause == NULL)
		log_fatal("out_of_memory");
	e->next = s->erasings;
	s->erasings = e;
	erasing_resume(e);
}

static void erasing_end(struct erasing *e, enum error error)
{
	struct erasing **at = &e->store->erasings;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	if (e->cb != NULL)
		e->cb(e->arg, error);
	event_free(e->pause);
	free(e->messages);
	free(e);
}

/* Ends the erasure after an error: it is claimed later. Returns true if there was one. */
static bool erasing_failed(struct erasing *e, enum error error)
{
	if (error == ERROR_NONE)
		return false;
	erasing_end(e, error);
	return true;
}

static void erasing_pause(struct erasing *e, int ms)
{
	event_add(e->pause, &(const struct timeval){ 0, ms * 1000 });
}

/* The steps, in their order. */

static void erasing_resume(struct erasing *e)
{
	DECLARE_QUERY(some_memberships);
	DECLARE_QUERY(erase_group);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, e->party_id);
	if (e->is_group) {
		store_query(e->store, STORE_BACKGROUND, &query_erase_group, &args,
			group_slice_erased, e);
		return;
	}
	db_arg_i64(&args, MEMBERSHIPS_SLICE);
	store_query(
		e->store, STORE_BACKGROUND, &query_some_memberships, &args, memberships_read, e);
}

static void read_messages(struct erasing *e)
{
	DECLARE_QUERY(some_messages);
	DECLARE_QUERY(some_reactions);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, e->party_id);
	db_arg_i64(&args, MESSAGES_READ);
	store_query(e->store, STORE_BACKGROUND,
		e->of_reactions ? &query_some_reactions : &query_some_messages, &args,
		messages_read, e);
}

static void memberships_read(void *arg, enum error error, const store_rows *rows)
{
	DECLARE_QUERY(end_memberships);
	struct erasing *e = arg;
	struct store *s = e->store;
	struct db_args args = DB_ARGS_EMPTY;

	if (erasing_failed(e, error))
		return;
	if (store_n(rows) == 0) {
		read_messages(e);
		return;
	}
	db_arg_i64(&args, e->party_id);
	db_arg_array(&args, DB_INT8, (size_t)store_n(rows));
	for (int i = 0; i < store_n(rows); i++) {
		struct erased peer = { .left = true };

		/* Reported before the membership ends: whatever fails then, it is repeated. */
		store_conv_at(rows, i, &peer.conv);
		if (peer.conv.kind == CONV_DIRECT)
			s->events->erased(s->arg, &peer);
		db_element_i64(&args, peer.conv.id);
	}
	store_query(s, STORE_BACKGROUND, &query_end_memberships, &args, memberships_ended, e);
}

static void report_leave(const struct store *s, const struct change *c)
{
	const struct erased e = {
		.conv = c->conv,
		.seq = c->message.seq,
		.mod = c->message.mod,
		.from_mod = c->message.mod - 1,
		.left = true,
	};

	s->events->erased(s->arg, &e);
}

static void memberships_ended(void *arg, enum error error, const store_rows *rows)
{
	struct erasing *e = arg;
	struct store *s = e->store;

	if (erasing_failed(e, error))
		return;
	store_epoch_note_xid(s, rows);
	FAULT("erase.left");
	for (int i = 0; i < store_n(rows); i++) {
		struct change c;

		if (store_change_at(rows, i, &c) != ERROR_NONE || c.conv.kind == CONV_DIRECT)
			continue;
		if (c.message.mod == 0)
			store_erase_group(s, c.conv.id);
		else
			report_leave(s, &c);
	}
	if (store_n(rows) == 0)
		erasing_pause(e, LOCKED_PAUSE_MS);
	else
		erasing_resume(e);
}

static void messages_read(void *arg, enum error error, const store_rows *rows)
{
	DECLARE_QUERY(finish_erasure);
	struct erasing *e = arg;
	struct db_args args = DB_ARGS_EMPTY;

	if (erasing_failed(e, error))
		return;
	if (store_n(rows) == 0 && !e->of_reactions) {
		e->of_reactions = true;
		read_messages(e);
		return;
	}
	if (store_n(rows) == 0) {
		db_arg_i64(&args, e->party_id);
		store_query(e->store, STORE_BACKGROUND, &query_finish_erasure, &args, finished, e);
		return;
	}
	e->n_messages = (size_t)store_n(rows);
	e->messages = xreallocarray(e->messages, e->n_messages, sizeof(*e->messages));
	for (size_t i = 0; i < e->n_messages; i++)
		e->messages[i] = store_id_at(rows, (int)i);
	e->next_message = 0;
	e->progress = false;
	erase_slice(e);
}

static void erase_slice(struct erasing *e)
{
	DECLARE_QUERY(erase_messages);
	DECLARE_QUERY(erase_reactions);
	struct db_args args = DB_ARGS_EMPTY;
	size_t n = e->n_messages - e->next_message;

	if (n > MESSAGES_SLICE)
		n = MESSAGES_SLICE;
	db_arg_i64(&args, e->party_id);
	db_arg_i64s(&args, e->messages + e->next_message, n);
	e->next_message += n;
	store_query(e->store, STORE_BACKGROUND,
		e->of_reactions ? &query_erase_reactions : &query_erase_messages, &args,
		slice_erased, e);
}

static void slice_erased(void *arg, enum error error, const store_rows *rows)
{
	struct erasing *e = arg;
	struct store *s = e->store;

	if (erasing_failed(e, error))
		return;
	store_epoch_note_xid(s, rows);
	FAULT("erase.slice");
	for (int i = 0; i < store_n(rows); i++) {
		struct erased erased;

		store_erased_at(rows, i, &erased);
		s->events->erased(s->arg, &erased);
		e->progress = true;
	}
	if (e->next_message < e->n_messages)
		erase_slice(e);
	else if (e->progress)
		read_messages(e);
	else
		erasing_pause(e, LOCKED_PAUSE_MS);
}

static void finished(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	erasing_end(arg, error);
}

static void group_slice_erased(void *arg, enum error error, const store_rows *rows)
{
	struct erasing *e = arg;

	if (erasing_failed(e, error))
		return;
	FAULT("erase.group");
	if (db_bool(rows, 0, "more"))
		erasing_pause(e, GROUP_PAUSE_MS);
	else
		erasing_end(e, ERROR_NONE);
}

void store_erase_user(struct store *s, int64_t user_id, store_done_cb *cb, void *arg)
{
	erasing_start(s, user_id, false, cb, arg);
}

void store_erase_group(struct store *s, int64_t group_id)
{
	erasing_start(s, group_id, true, NULL, NULL);
}

/* Abandoned erasures. */

static bool is_erased_here(const struct store *s, int64_t party_id)
{
	for (const struct erasing *e = s->erasings; e != NULL; e = e->next)
		if (e->party_id == party_id)
			return true;
	return false;
}

static void claimed(void *arg, enum error error, const store_rows *rows)
{
	struct store *s = arg;

	for (int i = 0; error == ERROR_NONE && i < store_n(rows); i++) {
		int64_t party_id = store_id_at(rows, i);

		if (is_erased_here(s, party_id))
			continue;
		log_info("erasure_continued party=%lld", (long long)party_id);
		erasing_start(s, party_id, db_bool(rows, i, "is_group"), NULL, NULL);
	}
}

static void on_claim(evutil_socket_t fd, short what, void *arg)
{
	DECLARE_QUERY(claim_erasures);
	struct store *s = arg;
	struct db_args args = DB_ARGS_EMPTY;

	(void)fd;
	(void)what;
	if (!store_ready(s))
		return;
	db_arg_i64(&args, CLAIM_MS);
	store_query(s, STORE_BACKGROUND, &query_claim_erasures, &args, claimed, s);
}

void store_erase_init(struct store *s)
{
	s->claim = event_new(s->base, -1, EV_PERSIST, on_claim, s);
	if (s->claim == NULL)
		log_fatal("out_of_memory");
	event_add(s->claim, &(const struct timeval){ CLAIM_MS / 1000, 0 });
}

void store_erase_fini(struct store *s)
{
	event_free(s->claim);
}

bool store_erase_stop(struct store *s)
{
	struct erasing *next;
	bool any = false;

	for (struct erasing *e = s->erasings; e != NULL; e = next) {
		next = e->next;
		if (!evtimer_pending(e->pause, NULL))
			continue;
		erasing_end(e, ERROR_unavailable);
		any = true;
	}
	return any;
}
