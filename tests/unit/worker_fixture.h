/*
 * worker_fixture: the environment of a worker, for tests: a loop, heritages with ring, stats and presence, and
 * stores on a real database.
 *
 * Owns: the loop, the heritages. Knows nothing of: what is tested.
 */
#ifndef PARLEY_TEST_WORKER_FIXTURE_H
#define PARLEY_TEST_WORKER_FIXTURE_H

#include <event2/event.h>
#include <stdbool.h>

#include "heritage.h"
#include "store/store.h"

#define FIXTURE_SLOTS 4
#define FIXTURE_MS 15000 /* the time limit of a wait */

/* Makes the loop and the heritages. database: a conninfo, or "" if no store is used. */
void fixture_make(const char *database);
void fixture_drop(void);

struct event_base *fixture_base(void);
struct heritage *fixture_heritage(unsigned slot);

/* Runs the loop until *done, or until *count is at least n; fails the test after FIXTURE_MS. */
void fixture_until(const bool *done);
void fixture_until_n(const unsigned *count, unsigned n);

/* Runs the loop for this time. */
void fixture_for(unsigned ms);

/* Opens a store and waits until it is ready. events: NULL to ignore them. */
struct store *fixture_store(unsigned slot, const struct store_events *events, void *arg);

/* The result of a change, with copies of its texts. */
struct fixture_change {
	bool done;
	enum error error;
	struct change c;
	char *content, *client_id, *emoji; /* freed with the fixture */
};

/* A store_change_cb. arg: the struct fixture_change. */
void fixture_changed(void *arg, enum error error, const struct change *c);

/* These make a change, or register a user, and wait for the result. */
struct fixture_change fixture_post(struct store *s, int64_t sender, int64_t receiver,
	const char *content, const char *client_id);
/* The operations of the store that answer with a change, but for store_send. */
enum store_op {
	STORE_EDIT, /* actor, message, -, content */
	STORE_DELETE, /* actor, message */
	STORE_CREATE_GROUP, /* owner, -, -, name */
	STORE_ADD, /* actor, group, user */
	STORE_REMOVE, /* actor, group, user */
	STORE_RENAME, /* actor, group, -, name */
	STORE_POSTING, /* actor, group, -, "all" or "admins" */
	STORE_ROLE, /* actor, group, user, role */
	STORE_BAN, /* actor, group, user */
	STORE_UNBAN, /* actor, group, user */
	STORE_JOIN, /* user, -, -, code */
	STORE_REACT, /* actor, message, -, emoji */
	STORE_UNREACT, /* actor, message, -, emoji */
	STORE_PIN, /* actor, message */
	STORE_UNPIN, /* actor, message */
};
struct fixture_change fixture_change(struct store *s, enum store_op op, int64_t actor,
	int64_t object, int64_t user, const char *text);
/* As fixture_change, without waiting: the answer comes to *to. */
void fixture_change_begin(struct store *s, struct fixture_change *to, enum store_op op,
	int64_t actor, int64_t object, int64_t user, const char *text);
int64_t fixture_user(struct store *s, const char *username);

/* Runs the loop until the store's background connection is ready: store_ready does not include it. */
void fixture_until_background(struct store *s);

/* Deletes a user and erases their messages. The store's events report the erasure. */
void fixture_delete_user(struct store *s, int64_t user_id);

/* As fixture_post, without waiting: *to receives the result. */
void fixture_post_begin(struct store *s, struct fixture_change *to, int64_t sender,
	int64_t receiver, const char *content, const char *client_id);

#endif
