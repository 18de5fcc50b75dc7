/*
 * command: the frames that a client can send over its WebSocket, as a table: name, arguments, cost,
 * function.
 *
 * Owns: the table. Knows nothing of: sockets, HTTP.
 *
 * One command, one file (cmd_*.c), one entry. The dispatch, the checks of arguments and the
 * reference come from it.
 */
#ifndef PARLEY_COMMAND_H
#define PARLEY_COMMAND_H

#include <stddef.h>

#include "common/params.h"
#include "realtime/bus.h"
#include "realtime/presence.h"
#include "realtime/room.h"
#include "realtime/session.h"
#include "realtime/watch.h"
#include "realtime/watch_check.h"
#include "store/store.h"

/* What commands work with; filled once by the worker. */
struct cmd_env {
	struct sessions *sessions;
	struct store *store;
	struct rooms *rooms;
	struct bus *bus;
	struct watch *watch;
	struct watch_checks *watch_checks;
};

struct command {
	const char *name; /* the frame's type */
	const struct param_spec *params;
	size_t n_params;
	unsigned cost; /* of the allowance of frames, in addition to the 1 of every frame */
	const char *doc; /* one sentence, for the reference */
	void (*run)(const struct cmd_env *env, struct session *s, const struct params *args);
};

/*
 * Runs a client's text: parses it, finds its command, charges it, checks its arguments, runs it. A
 * fault is answered by an error frame; a first frame without a token closes with 4501.
 */
void command_run(const struct cmd_env *env, struct session *s, const char *text, size_t len);

/* Returns the table: *n entries. */
const struct command *const *command_table(size_t *n);

extern const struct command cmd_send, cmd_typing, cmd_read, cmd_edit, cmd_delete, cmd_react, cmd_sync,
	cmd_presence, cmd_ping;

/*
 * Finds the conversation that a chat_id names for the session's user.
 *   id  of the frame, for the error; NULL data: none
 * Returns false if no conversation has begun; an error frame follows if the user has no such chat.
 */
bool command_find_conv(const struct cmd_env *env, struct session *s, struct text id,
	int64_t chat_id, struct conv *c);

/* The worker's calls for a session's syncs: its queue has drained; they cannot go on; it has closed. */
void cmd_sync_resume(struct session *s);
void cmd_sync_fail(struct session *s);
void cmd_sync_cancel(struct session *s);

/*
 * The worker's call when presence frames may have been lost: checks the session's watched users again and sends the
 * level of each. The session closes if the store fails.
 */
void cmd_presence_again(const struct cmd_env *env, struct session *s);

#endif
