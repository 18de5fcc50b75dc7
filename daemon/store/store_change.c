/*
 * store_change: changes of conversations. They are executed one at a time, and users take turns: the queue of one user delays
 * a change of another one by a single change. A batch of sends waits for one change at most.
 *
 *   store_change_query ──► the user's queue ──turn──► in flight ──► answered
 *                              ▲                         │
 *                              └── after a pause ◄───────┘ the wait for a lock took longer than the lock_timeout
 *
 * The changes of one user are executed in their order: while one pauses, so do the later ones of that user, and only they.
 *
 * Reactions are batched: when it is the turn of a user whose first change is one, those of the other users that are first
 * are executed with it, in one statement. A batch that waits for a lock too long is executed again without waiting, and
 * only the users whose conversation is locked pause.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "store/store_private.h"

#define WAITING_MAX 1024 /* changes of one user */
#define LOCKED_PAUSE_MS 250 /* before a change whose lock was not free is executed again */
#define ANSWER_MAX_MS 8000 /* then a change that has not begun is rejected */
#define RESUME_POLL_MS 50 /* while all who have changes pause */

/* The turns of users. */

struct queued_change {
	struct queued_change *next;
	const struct db_statement *statement; /* NULL: a reaction */
	struct db_args args;
	store_cb *cb;
	void *arg;
	int64_t queued_ms; /* clock_mono_ms */
	struct reaction reaction;
	store_change_cb *reaction_cb;
	int row; /* of its answer; -1: none */
	char emoji[]; /* of the reaction */
};

struct actor {
	struct hash_link link; /* in changes.actors */
	struct actor *next; /* in changes.turns */
	struct queued_change *first, **last;
	size_t n;
	int64_t resume_ms; /* clock_mono_ms; before it, the first change is not executed */
};

static struct actor *actor_of(struct store_changes *c, int64_t user_id)
{
	struct hash_link *link = hash_find(&c->actors, (uint64_t)user_id);
	struct actor *a;

	if (link != NULL)
		return HASH_ENTRY(link, struct actor, link);
	a = xcalloc(1, sizeof(*a));
	a->last = &a->first;
	hash_insert(&c->actors, &a->link, (uint64_t)user_id);
	*c->turns_end = a;
	c->turns_end = &a->next;
	return a;
}

static struct actor *take_turn(struct store_changes *c)
{
	struct actor *a = c->turns;

	c->turns = a->next;
	if (c->turns == NULL)
		c->turns_end = &c->turns;
	a->next = NULL;
	return a;
}

/* To the end of the turns; an actor without changes is freed. */
static void end_turn(struct store_changes *c, struct actor *a)
{
	if (a->first != NULL) {
		*c->turns_end = a;
		c->turns_end = &a->next;
	} else {
		hash_remove(&c->actors, &a->link);
		free(a);
	}
}

static struct queued_change *take_change(struct actor *a)
{
	struct queued_change *q = a->first;

	a->first = q->next;
	if (a->first == NULL)
		a->last = &a->first;
	a->n--;
	return q;
}

/* Called when a change has ended or its pause has. */
static void changes_next(struct store *s);

static void change_free(struct queued_change *q)
{
	buf_fini(&q->args.bytes);
	free(q);
}

/* A reaction that was rejected: ends it. */
static void reaction_reject(void *arg, enum error error, const store_rows *rows)
{
	struct queued_change *q = arg;

	(void)rows;
	q->reaction_cb(q->arg, error, NULL);
	change_free(q);
}

/* Takes over a change. */
static void reject(struct store *s, struct queued_change *q)
{
	if (q->statement == NULL) {
		store_reject(s, reaction_reject, q);
		return;
	}
	store_reject(s, q->cb, q->arg);
	change_free(q);
}

/* Takes over a change. */
static void enqueue(struct store *s, int64_t actor, struct queued_change *q)
{
	struct actor *a = actor_of(&s->changes, actor);

	q->queued_ms = clock_mono_ms();
	if (a->n >= WAITING_MAX) {
		reject(s, q);
		return;
	}
	*a->last = q;
	a->last = &q->next;
	a->n++;
	changes_next(s);
}

void store_change_query(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg)
{
	struct queued_change *q = xmalloc(sizeof(*q));

	*q = (struct queued_change){ .statement = statement, .args = *args, .cb = cb, .arg = arg };
	*args = (struct db_args)DB_ARGS_EMPTY;
	q->args.fails_if_locked = true;
	enqueue(s, actor, q);
}

/* The actor's first change was not executed, since its conversation is locked. */
static void actor_pause(struct store_changes *c, struct actor *a)
{
	a->resume_ms = clock_mono_ms() + LOCKED_PAUSE_MS;
	end_turn(c, a);
}

static void change_answered(void *arg, const struct db_result *r)
{
	struct store *s = arg;
	struct store_changes *c = &s->changes;
	struct actor *a = c->running;
	struct queued_change *q;
	enum error error;

	c->running = NULL;
	if (store_result_locked(r)) {
		actor_pause(c, a);
		changes_next(s);
		return;
	}
	q = take_change(a);
	end_turn(c, a);
	error = store_result_error(r);
	q->cb(q->arg, error, error == ERROR_NONE ? r : NULL);
	change_free(q);
	changes_next(s);
}

static void change_begin(struct store *s, struct actor *a)
{
	struct queued_change *q = a->first;
	struct db_args args = q->args;

	args.bytes = (struct buf)BUF_EMPTY;
	buf_add(&args.bytes, q->args.bytes.data, q->args.bytes.len);
	s->changes.running = a;
	db_query(s->db[STORE_WRITER], q->statement, &args, change_answered, s);
}

/* Reactions. */

static void reactions_gather(struct store_changes *c, int64_t now_ms);
static void reactions_send(struct store *s);
static void reactions_answered(void *arg, const struct db_result *r);
static struct queued_change *reactions_take(struct store_changes *c, const store_rows *rows);
static void reaction_end(struct queued_change *q, const store_rows *rows);

void store_react(struct store *s, const struct reaction *r, store_change_cb *cb, void *arg)
{
	struct queued_change *q = xmalloc(sizeof(*q) + r->emoji.len);

	*q = (struct queued_change){ .reaction = *r, .reaction_cb = cb, .arg = arg };
	q->reaction.emoji.data = memcpy(q->emoji, r->emoji.data, r->emoji.len);
	enqueue(s, r->user_id, q);
}

static void reactions_begin(struct store *s, struct actor *a)
{
	struct store_changes *c = &s->changes;

	c->running = a;
	reactions_gather(c, clock_mono_ms());
	FAULT("react.gathered");
	reactions_send(s);
}

/* Adds to the running actor those in turn whose first change is a reaction. An actor that has paused is in a batch that
 * waits for no lock. */
static void reactions_gather(struct store_changes *c, int64_t now_ms)
{
	struct actor **at = &c->turns, **end = &c->running->next;

	c->without_waiting = c->running->resume_ms != 0;
	for (size_t n = 1; n < BATCHER_BATCH_MAX && *at != NULL;) {
		struct actor *a = *at;

		if (a->first->statement != NULL || a->resume_ms > now_ms) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = NULL;
		*end = a;
		end = &a->next;
		c->without_waiting |= a->resume_ms != 0;
		n++;
	}
	if (*at == NULL)
		c->turns_end = at;
}

static void reactions_send(struct store *s)
{
	DECLARE_QUERY(react);
	const struct store_changes *c = &s->changes;
	struct db_args args = DB_ARGS_EMPTY;
	size_t n = 0;

	for (const struct actor *a = c->running; a != NULL; a = a->next)
		n++;
	args.fails_if_locked = true;
	db_arg_array(&args, DB_INT8, n);
	for (const struct actor *a = c->running; a != NULL; a = a->next)
		db_element_i64(&args, a->first->reaction.user_id);
	db_arg_array(&args, DB_INT8, n);
	for (const struct actor *a = c->running; a != NULL; a = a->next)
		db_element_i64(&args, a->first->reaction.message_id);
	db_arg_array(&args, DB_TEXT, n);
	for (const struct actor *a = c->running; a != NULL; a = a->next)
		db_element_bytes(
			&args, a->first->reaction.emoji.data, a->first->reaction.emoji.len);
	db_arg_array(&args, DB_BOOL, n);
	for (const struct actor *a = c->running; a != NULL; a = a->next)
		db_element_bool(&args, a->first->reaction.on);
	db_arg_bool(&args, !c->without_waiting);
	if (!db_query(s->db[STORE_WRITER], &query_react, &args, reactions_answered, s))
		reactions_answered(s, NULL);
}

static void reactions_answered(void *arg, const struct db_result *r)
{
	struct store *s = arg;
	struct store_changes *c = &s->changes;
	const store_rows *rows;
	struct queued_change *ended;

	if (store_result_locked(r) && !c->without_waiting) {
		c->without_waiting = true;
		reactions_send(s);
		return;
	}
	FAULT("react.stored");
	rows = store_result_error(r) == ERROR_NONE ? r : NULL;
	if (rows != NULL)
		store_epoch_note_xid(s, rows);
	ended = reactions_take(c, rows);
	while (ended != NULL) {
		struct queued_change *q = ended;

		ended = q->next;
		reaction_end(q, rows);
	}
	changes_next(s);
}

/* The row of each reaction of the batch in flight, -1 if it has none. */
static void find_rows(const store_rows *rows, int row_of[BATCHER_BATCH_MAX])
{
	for (int i = 0; i < BATCHER_BATCH_MAX; i++)
		row_of[i] = -1;
	for (int row = 0; rows != NULL && row < store_n(rows); row++) {
		int64_t n = db_i64(rows, row, "n");

		if (n >= 1 && n <= BATCHER_BATCH_MAX)
			row_of[n - 1] = row;
	}
}

/* Ends the turns of the actors in flight. Returns their reactions; an actor whose conversation is locked keeps its own, and
 * pauses. */
static struct queued_change *reactions_take(struct store_changes *c, const store_rows *rows)
{
	struct queued_change *taken = NULL, **end = &taken;
	int row_of[BATCHER_BATCH_MAX], *row = row_of;

	find_rows(rows, row_of);
	while (c->running != NULL) {
		struct actor *a = c->running;

		c->running = a->next;
		a->next = NULL;
		if (*row >= 0 && store_status_is(rows, *row, "locked")) {
			actor_pause(c, a);
		} else {
			struct queued_change *q = take_change(a);

			q->next = NULL;
			q->row = *row;
			*end = q;
			end = &q->next;
			end_turn(c, a);
		}
		row++;
	}
	return taken;
}

/* A reaction without a row has failed. */
static void reaction_end(struct queued_change *q, const store_rows *rows)
{
	enum error error = ERROR_unavailable;
	struct change change;

	if (q->row >= 0)
		error = store_change_at(rows, q->row, &change);
	if (error == ERROR_NONE) {
		change.user_id = q->reaction.user_id;
		change.emoji = q->reaction.emoji;
	}
	q->reaction_cb(q->arg, error, error == ERROR_NONE ? &change : NULL);
	change_free(q);
}

static void changes_next(struct store *s)
{
	struct store_changes *c = &s->changes;
	int64_t now_ms = clock_mono_ms();

	for (size_t n = c->actors.n; n > 0 && c->running == NULL; n--) {
		struct actor *a = take_turn(c);

		while (a->first != NULL &&
			(!db_ready(s->db[STORE_WRITER]) ||
				now_ms > a->first->queued_ms + ANSWER_MAX_MS))
			reject(s, take_change(a));
		if (a->first != NULL && a->resume_ms <= now_ms && a->first->statement == NULL)
			reactions_begin(s, a);
		else if (a->first != NULL && a->resume_ms <= now_ms)
			change_begin(s, a);
		else
			end_turn(c, a);
	}
	if (c->running == NULL && c->turns != NULL)
		event_add(c->resume, &(const struct timeval){ 0, RESUME_POLL_MS * 1000 });
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	changes_next(arg);
}

void store_changes_init(struct store *s)
{
	s->changes.turns_end = &s->changes.turns;
	s->changes.resume = evtimer_new(s->base, on_resume, s);
	if (s->changes.resume == NULL)
		log_fatal("out_of_memory");
}

void store_changes_stop(struct store *s)
{
	struct store_changes *c = &s->changes;

	assert(c->running == NULL);
	while (c->turns != NULL) {
		struct actor *a = take_turn(c);

		while (a->first != NULL)
			reject(s, take_change(a));
		end_turn(c, a);
	}
}

void store_changes_fini(struct store *s)
{
	event_free(s->changes.resume);
	hash_fini(&s->changes.actors);
}

/* Changes of conversations. */

struct pending_change {
	struct store *store;
	int64_t actor;
	store_change_cb *cb;
	void *arg;
};

static void change_done(void *arg, enum error error, const store_rows *rows);

void store_change(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_change_cb *cb, void *arg)
{
	struct pending_change *p = xmalloc(sizeof(*p));

	*p = (struct pending_change){ s, actor, cb, arg };
	store_change_query(s, actor, statement, args, change_done, p);
}

static void change_done(void *arg, enum error error, const store_rows *rows)
{
	struct pending_change *p = arg;
	struct change c;

	if (error == ERROR_NONE) {
		store_epoch_note_xid(p->store, rows);
		error = store_change_at(rows, 0, &c);
		c.user_id = p->actor;
	}
	if (error == ERROR_NONE && change_ends_group(&c))
		store_erase_group(p->store, c.conv.id);
	p->cb(p->arg, error, error == ERROR_NONE ? &c : NULL);
	free(p);
}

void store_edit_message(struct store *s, int64_t actor, int64_t message_id, struct text content,
	store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(edit_message);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, actor);
	db_arg_i64(&args, message_id);
	db_arg_bytes(&args, content.data, content.len);
	store_change(s, actor, &query_edit_message, &args, cb, arg);
}

void store_delete_message(
	struct store *s, int64_t actor, int64_t message_id, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(delete_message);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, actor);
	db_arg_i64(&args, message_id);
	store_change(s, actor, &query_delete_message, &args, cb, arg);
}

void store_pin(
	struct store *s, int64_t actor, int64_t message_id, bool on, store_change_cb *cb, void *arg)
{
	DECLARE_QUERY(pin_message);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, actor);
	db_arg_i64(&args, message_id);
	db_arg_bool(&args, on);
	store_change(s, actor, &query_pin_message, &args, cb, arg);
}

void store_delete_user(struct store *s, int64_t user_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(delete_user);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	store_change_query(s, user_id, &query_delete_user, &args, cb, arg);
}
