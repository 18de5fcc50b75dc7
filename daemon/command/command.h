/*
 * command: what a client can say over its WebSocket, as a table: name, arguments, cost, what it
 * does.
 *
 * Owns: the table. Knows nothing of: sockets, HTTP.
 *
 * One command, one file (cmd_*.c), one entry. Dispatch, the checks of arguments and the reference
 * come from it.
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
#include "store/store.h"

/* All that a command works with; filled once by the worker. */
struct cmd_env {
	struct sessions *sessions;
	struct store *store;
	struct rooms *rooms;
	struct bus *bus;
	struct watch *watch;
};

struct command {
	const char *name; /* the frame's type */
	const struct param_spec *params;
	size_t n_params;
	unsigned cost; /* of the frame allowance, beyond the one that every frame takes */
	const char *doc; /* one sentence */
	void (*run)(const struct cmd_env *env, struct session *s, const struct params *args);
};

/* Runs one text of a client: parses it, finds its command, checks, pays, runs. Every fault is an
 * `error` frame, but for a first frame that is no token, which closes 4501. */
void command_run(const struct cmd_env *env, struct session *s, const char *text, size_t len);

/* The table: n entries. */
const struct command *const *command_table(size_t *n);

extern const struct command cmd_send, cmd_typing, cmd_read, cmd_edit, cmd_delete, cmd_sync,
	cmd_presence, cmd_ping;

/* Calls of the worker for what a session still has running. */
void cmd_sync_go_on(const struct cmd_env *env, struct session *s); /* the socket has drained */
void cmd_sync_end(struct session *s); /* the session has closed */

#endif
