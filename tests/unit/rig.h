/*
 * rig: what a worker has around it, for tests: a loop, a heritage with ring, stats and presence,
 * stores on a real database.
 *
 * Owns: all that. Knows nothing of: what is tested.
 */
#ifndef PARLEY_TEST_RIG_H
#define PARLEY_TEST_RIG_H

#include <event2/event.h>
#include <stdbool.h>

#include "heritage.h"
#include "store/store.h"

#define RIG_SLOTS 4
#define RIG_MS 15000 /* longer than anything here takes */

/* Makes the loop and the heritages; database: a conninfo, or "" where there is no store. */
void rig_make(const char *database);
void rig_drop(void);

struct event_base *rig_base(void);
struct heritage *rig_heritage(unsigned slot);

/* Turns the loop until *done, or fails the test after RIG_MS; for so long in any case. */
void rig_until(const bool *done);
void rig_until_n(const unsigned *count, unsigned n);
void rig_for(unsigned ms);

/* A store that is ready. */
struct store *rig_store(unsigned slot, const struct store_events *events, void *arg);

/* An answer of the store, with copies of its texts. */
struct rig_change {
	bool done;
	enum error error;
	struct change c;
	char *content, *client_id; /* freed with the rig */
};
void rig_changed(void *arg, enum error error,
	const struct change *c); /* a store_change_cb; arg: the struct */

/* Asks and waits. */
struct rig_change rig_post(struct store *s, int64_t sender, int64_t receiver, const char *content,
	const char *client_id);
/* The operations of the store that answer with a change, but for store_send. */
enum store_op {
	STORE_EDIT, /* actor, message, -, content */
	STORE_DELETE, /* actor, message */
	STORE_CREATE_GROUP, /* owner, -, -, name */
	STORE_ADD, /* actor, group, user */
	STORE_REMOVE, /* actor, group, user */
	STORE_RENAME, /* actor, group, -, name */
};
struct rig_change rig_change(struct store *s, enum store_op op, int64_t actor, int64_t object,
	int64_t user, const char *text);
/* As rig_change, without waiting: the answer comes to *to. */
void rig_change_begin(struct store *s, struct rig_change *to, enum store_op op, int64_t actor,
	int64_t object, int64_t user, const char *text);
int64_t rig_user(struct store *s, const char *username);

/* As rig_post, without waiting: the answer comes to *to. */
void rig_post_begin(struct store *s, struct rig_change *to, int64_t sender, int64_t receiver,
	const char *content, const char *client_id);

#endif
