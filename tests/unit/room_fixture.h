/*
 * room_fixture: rooms on a real database, with the users alice, bob and carol, and a log of what is
 * pushed.
 *
 * Owns: the rooms, their store, the log. Knows nothing of: what is tested.
 */
#ifndef PARLEY_TEST_ROOM_FIXTURE_H
#define PARLEY_TEST_ROOM_FIXTURE_H

#include <check.h>
#include <stdbool.h>

#include "realtime/room.h"
#include "tests/unit/pg.h"
#include "tests/unit/worker_fixture.h"

#define FRAMES_MAX 4096

struct pushed_frame {
	int64_t user_id;
	uint64_t origin;
	enum room_push kind;
	char json[1024]; /* cut at its size */
};

/* For the tests' own use. */
extern struct store *s;
extern struct rooms *rs;
extern int64_t alice, bob, carol;

/* What was pushed, in order. */
extern struct pushed_frame frames[FRAMES_MAX];
extern unsigned n_frames;
extern unsigned n_resyncs, n_reconciles, n_left;
extern int64_t resynced, left; /* the users of the last calls */

/* The last record of an erasure by the store. Its records are applied at once. */
extern struct record erased_record;

/* A suite of tests on the fixture. It runs in this process: the database server is its child. */
TCase *room_case(void);
int room_run(TCase *tc);

/* The user has a socket here from now on. Returns when their rooms are loaded. */
struct room_user *connect_user(int64_t user_id);

/* A rooms_done_cb: sets the bool at arg. */
void on_loaded(void *arg, enum error error);

/* The user's last socket closes, if they have one. */
void disconnect_user(int64_t user_id);

/* Returns when no room is left: a room that waits outlives its members. */
void until_no_rooms(void);

/* Applies the record of a committed change. */
void apply_change(const struct fixture_change *c, enum record_event event, uint64_t origin);

struct fixture_change post(int64_t sender, int64_t receiver, const char *content);

/* A new group of alice's; returns its id. */
int64_t group_of_alice(void);

/* Lets the database answer while the loop does not run: its answers are old when they are read. */
void database_works(void);

/* Stores a message without a store, so that no loop has to run. Returns its mod. */
int64_t post_by_sql(int64_t sender, int64_t receiver, const char *content);

/* Removes bob from the group without a store, and returns the record of it. */
struct record remove_bob(int64_t group_id);

/* A NEW change record. */
struct record record_of(struct conv conv, struct message m);

/* The i-th frame went to this user and contains the text. */
void ck_frame(unsigned i, int64_t user_id, const char *text);

/* No frame with this text went to the user. */
void ck_no_frame(int64_t user_id, const char *text);

#endif
