/*
 * store_change: changes of conversations. They are executed one at a time, and users take turns: the queue of one user delays
 * a change of another one by a single change. A batch of sends waits for one change at most.
 *
 *   store_change_query ──► the user's queue ──turn──► in flight ──► answered
 *                              ▲                         │
 *                              └── after a pause ◄───────┘ the wait for a lock took longer than the lock_timeout
 *
 * The changes of one user are executed in their order: while one pauses, so do the later ones of that user, and only they.
 */
#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
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
	const struct db_statement *statement;
	struct db_args args;
	store_cb *cb;
	void *arg;
	int64_t queued_ms; /* clock_mono_ms */
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

static void change_reject(struct store *s, struct actor *a)
{
	struct queued_change *q = take_change(a);

	store_reject(s, q->cb, q->arg);
	change_free(q);
}

void store_change_query(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_cb *cb, void *arg)
{
	struct actor *a = actor_of(&s->changes, actor);
	struct queued_change *q = xmalloc(sizeof(*q));

	*q = (struct queued_change){ .statement = statement,
		.args = *args,
		.cb = cb,
		.arg = arg,
		.queued_ms = clock_mono_ms() };
	*args = (struct db_args)DB_ARGS_EMPTY;
	q->args.fails_if_locked = true;
	if (a->n >= WAITING_MAX) {
		store_reject(s, cb, arg);
		change_free(q);
		return;
	}
	*a->last = q;
	a->last = &q->next;
	a->n++;
	changes_next(s);
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
		a->resume_ms = clock_mono_ms() + LOCKED_PAUSE_MS;
		end_turn(c, a);
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

static void changes_next(struct store *s)
{
	struct store_changes *c = &s->changes;
	int64_t now_ms = clock_mono_ms();

	for (size_t n = c->actors.n; n > 0 && c->running == NULL; n--) {
		struct actor *a = take_turn(c);

		while (a->first != NULL &&
			(!db_ready(s->db[STORE_WRITER]) ||
				now_ms > a->first->queued_ms + ANSWER_MAX_MS))
			change_reject(s, a);
		if (a->first != NULL && a->resume_ms <= now_ms)
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
			change_reject(s, a);
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
	store_change_cb *cb;
	void *arg;
};

static void change_done(void *arg, enum error error, const store_rows *rows);

void store_change(struct store *s, int64_t actor, const struct db_statement *statement,
	struct db_args *args, store_change_cb *cb, void *arg)
{
	struct pending_change *p = xmalloc(sizeof(*p));

	*p = (struct pending_change){ s, cb, arg };
	store_change_query(s, actor, statement, args, change_done, p);
}

static void change_done(void *arg, enum error error, const store_rows *rows)
{
	struct pending_change *p = arg;
	struct change c;

	if (error == ERROR_NONE) {
		store_epoch_note_xid(p->store, rows);
		error = store_change_at(rows, 0, &c);
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

void store_delete_user(struct store *s, int64_t user_id, store_cb *cb, void *arg)
{
	DECLARE_QUERY(delete_user);
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	store_change_query(s, user_id, &query_delete_user, &args, cb, arg);
}
