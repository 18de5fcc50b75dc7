/*
 * sync: sends everything that changed since the client's mods, chat by chat.
 *
 *   the user's conversations ─► of each that changed: page, page, … ─► chats that are gone ─► synced
 *             ▲── again, for each named chat that the user has joined meanwhile ──┘
 *
 * One page is queried at a time, and nothing is sent while the session is congested: a client that
 * does not read costs one page. The query of a page checks the membership. If it may have ended before the page is
 * sent, the page is queried again.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "realtime/frames.h"

#define SYNCS_MAX 4 /* of one session, the running one included */

enum { AFTER, EPOCH };

/* clang-format off */
static const struct param_spec params[] = {
	[AFTER] = { .name = "after", .type = PARAM_OBJECT, .required = true,
	            .doc = "For each chat_id the highest mod below which nothing is missing." },
	[EPOCH] = { .name = "epoch", .type = PARAM_TEXT,   .max = STORE_EPOCH_MAX,
	            .doc = "The epoch of these mods; the current one if absent." },
};
/* clang-format on */

/* A chat that the client named, with its mod. */
struct client_chat {
	int64_t chat_id;
	int64_t mod;
	bool found; /* true if the user is in it */
	bool again; /* True if it was not found, and the user has joined since. */
};

/* A conversation with changes to send. */
struct changed_conv {
	struct conv conv;
	int64_t after; /* pages begin behind this mod; -1: with the last messages */
	int64_t read_seq;
	bool reset; /* true until a page has said that the client drops what it holds */
};

/* How the client's mods are read. */
enum epoch_given { EPOCH_CURRENT, EPOCH_OTHER, EPOCH_ABSENT };

struct sync {
	struct sync *next; /* starts after this one */
	const struct cmd_env *env;
	uint64_t session;
	struct client_chat *client_chats; /* in the order of chat_id */
	size_t n_client_chats, removed_at; /* removed_at: the next that may be gone */
	enum epoch_given epoch;
	struct changed_conv *changed; /* NULL until the conversations are read */
	size_t n_changed, at;
	uint64_t checks; /* watch_checks_now at the query of the page */
	bool query_pending; /* an answer of the store is outstanding, and refers to this struct */
	bool cancelled; /* the session has closed */
};

static void sync_start(struct sync *y);
static void convs_read(void *arg, enum error error, const struct head *heads, size_t n);
static void sync_step(struct sync *y);
static void page_read(void *arg, enum error error, const store_rows *rows);
static void sync_finish(struct session *s, struct sync *y);

static void sync_free(struct sync *y)
{
	free(y->client_chats);
	free(y->changed);
	free(y);
}

/* Removes a sync that has ended, and starts the next one. */
static void sync_pop(struct session *s, struct sync *y)
{
	*session_sync(s) = y->next;
	sync_free(y);
	if (*session_sync(s) != NULL)
		sync_start(*session_sync(s));
}

static void sync_fail(struct session *s, struct sync *y, enum error error)
{
	session_error(s, (struct text){ NULL, 0 }, error, NULL);
	sync_pop(s, y);
}

/* The session of a sync whose query was answered. Frees the sync and returns NULL if the session
 * has closed. */
static struct session *sync_answered(struct sync *y)
{
	y->query_pending = false;
	if (!y->cancelled)
		return sessions_find(y->env->sessions, y->session);
	sync_free(y);
	return NULL;
}

/* The client's chats. */

static int client_chat_compare(const void *a, const void *b)
{
	const struct client_chat *x = a, *y = b;

	return (x->chat_id > y->chat_id) - (x->chat_id < y->chat_id);
}

/* Reads "after" into an array in the order of chat_id. Returns false if a key is no id, or a value
 * no mod. */
static bool client_chats_read(struct sync *y, const cJSON *after)
{
	const cJSON *item;

	y->client_chats = xcalloc((size_t)cJSON_GetArraySize(after) + 1, sizeof(*y->client_chats));
	cJSON_ArrayForEach(item, after)
	{
		struct client_chat *c = &y->client_chats[y->n_client_chats];
		char *end;

		c->chat_id = strtoll(item->string, &end, 10);
		if (*end != '\0' || item->string[0] < '1' || item->string[0] > '9' ||
			c->chat_id > PROTO_ID_MAX || !json_int(item, &c->mod) || c->mod < 0)
			return false;
		y->n_client_chats++;
	}
	qsort(y->client_chats, y->n_client_chats, sizeof(*y->client_chats), client_chat_compare);
	return true;
}

static struct client_chat *client_chat_find(struct sync *y, int64_t chat_id)
{
	const struct client_chat key = { .chat_id = chat_id };

	return bsearch(&key, y->client_chats, y->n_client_chats, sizeof(key), client_chat_compare);
}

/* A sync, in the order of its steps. */

/* Puts the sync behind those of the session. Returns false if there are too many. */
static bool sync_enqueue(struct session *s, struct sync *y)
{
	struct sync **at = session_sync(s);
	unsigned n = 0;

	for (; *at != NULL; at = &(*at)->next)
		n++;
	if (n >= SYNCS_MAX)
		return false;
	*at = y;
	return true;
}

static enum epoch_given epoch_given(const struct cmd_env *env, const struct param *p)
{
	const char *current = store_epoch(env->store);

	if (!p->present)
		return EPOCH_ABSENT;
	return p->text.len == strlen(current) && memcmp(p->text.data, current, p->text.len) == 0
		? EPOCH_CURRENT
		: EPOCH_OTHER;
}

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct sync *y = xcalloc(1, sizeof(*y));
	const struct text no_id = { NULL, 0 };

	y->env = env;
	y->session = session_id(s);
	y->epoch = epoch_given(env, &a->at[EPOCH]);
	if (!client_chats_read(y, a->at[AFTER].json)) {
		session_error(s, no_id, ERROR_invalid,
			"after: its members are chat ids with a mod of at least 0");
		sync_free(y);
	} else if (!sync_enqueue(s, y)) {
		session_error(
			s, no_id, ERROR_too_many_requests, "Several syncs are waiting already.");
		sync_free(y);
	} else if (*session_sync(s) == y) {
		sync_start(y);
	}
}

static void sync_start(struct sync *y)
{
	struct session *s = sessions_find(y->env->sessions, y->session);

	if (s == NULL)
		return;
	y->query_pending = true;
	store_load(y->env->store, session_user_id(s), convs_read, y);
}

/* Adds the conversation if the client needs something of it. c: as the client named it, or NULL. */
static void sync_add(struct sync *y, const struct head *h, const struct client_chat *c)
{
	struct changed_conv *t = &y->changed[y->n_changed];

	*t = (struct changed_conv){ .conv = h->conv, .after = -1, .read_seq = h->read_seq };
	t->reset = y->epoch == EPOCH_OTHER ||
		(y->epoch == EPOCH_ABSENT && c != NULL && c->mod > h->mod);
	if (c != NULL && !t->reset)
		t->after = c->mod;
	if (t->after < h->mod)
		y->n_changed++;
}

static void convs_read(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct sync *y = arg;
	bool again = y->changed != NULL; /* sync_answered may free it */
	struct session *s = sync_answered(y);

	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		sync_fail(s, y, error);
		return;
	}
	free(y->changed);
	y->changed = xcalloc(n + 1, sizeof(*y->changed));
	y->n_changed = y->at = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t chat_id = conv_chat_id(&heads[i].conv, session_user_id(s));
		struct client_chat *c = client_chat_find(y, chat_id);

		if (again && (c == NULL || c->found))
			continue;
		if (c != NULL)
			c->found = true;
		sync_add(y, &heads[i], c);
	}
	FAULT("sync.heads");
	sync_step(y);
}

/* Queries the next page, unless the queue must drain first. */
static void sync_step(struct sync *y)
{
	struct session *s = sessions_find(y->env->sessions, y->session);

	if (s == NULL || y->query_pending || session_congested(s))
		return;
	if (y->at == y->n_changed) {
		sync_finish(s, y);
		return;
	}
	y->query_pending = true;
	y->checks = watch_checks_now(y->env->watch_checks);
	store_changes(y->env->store, session_user_id(s), y->changed[y->at].conv.id,
		y->changed[y->at].after, PROTO_HISTORY_MAX, page_read, y);
}

/* Sends a page. Returns true if it was the last one of its conversation. */
static bool page_send(struct session *s, struct changed_conv *t, const store_rows *rows)
{
	int64_t n;
	struct message last;

	n = frames_write_messages(session_scratch(s), rows, PROTO_HISTORY_MAX, &t->conv,
		t->read_seq, t->reset, session_user_id(s));
	t->reset = false;
	FAULT("sync.page");
	session_send(s, session_scratch(s));
	if (n == 0 || n == store_n(rows))
		return true;
	store_message_at(rows, (int)n - 1, &last);
	t->after = last.mod;
	return false;
}

/* A user with rows and without a room has joined, and this worker has not delivered the join yet, or has left. */
static void page_read(void *arg, enum error error, const store_rows *rows)
{
	struct sync *y = arg;
	struct session *s = sync_answered(y);
	struct changed_conv *t;
	struct conv c;
	int64_t viewer;
	bool in_room;

	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		sync_fail(s, y, error);
		return;
	}
	t = &y->changed[y->at];
	viewer = session_user_id(s);
	in_room =
		rooms_find_conv(y->env->rooms, session_user(s), conv_chat_id(&t->conv, viewer), &c);
	if (store_n(rows) == 0 && !(t->reset && in_room))
		y->at++;
	else if (in_room || !watch_checks_since(y->env->watch_checks, y->checks, viewer, NULL, 0))
		y->at += page_send(s, t, rows);
	sync_step(y);
}

/*
 * Returns false if the queue must drain first, or if the conversations are read again. If the user has joined a named chat
 * since they were read, the client has got a chat frame for a chat that it has, and lacks the changes before the join.
 * Once is enough for each chat: from that join on, the session gets every later change.
 */
static bool send_removed(struct session *s, struct sync *y)
{
	struct conv c;

	for (; y->removed_at < y->n_client_chats; y->removed_at++) {
		struct client_chat *chat = &y->client_chats[y->removed_at];
		bool rejoined = !chat->found &&
			rooms_find_conv(y->env->rooms, session_user(s), chat->chat_id, &c);

		if (rejoined && !chat->again) {
			chat->again = true;
			sync_start(y);
			return false;
		}
		if (chat->found || rejoined)
			continue;
		if (session_congested(s))
			return false;
		frames_write_chat_removed(session_scratch(s), chat->chat_id);
		session_send(s, session_scratch(s));
	}
	return true;
}

static void sync_finish(struct session *s, struct sync *y)
{
	if (!send_removed(s, y))
		return;
	FAULT("sync.done");
	frames_write_synced(session_scratch(s));
	session_send(s, session_scratch(s));
	sync_pop(s, y);
}

/* The worker's calls. */

void cmd_sync_resume(struct session *s)
{
	struct sync *y = *session_sync(s);

	if (y != NULL && y->changed != NULL)
		sync_step(y);
}

void cmd_sync_fail(struct session *s)
{
	for (struct sync *y = *session_sync(s); y != NULL; y = y->next)
		session_error(s, (struct text){ NULL, 0 }, ERROR_unavailable, NULL);
	cmd_sync_cancel(s);
}

void cmd_sync_cancel(struct session *s)
{
	struct sync *y = *session_sync(s);

	*session_sync(s) = NULL;
	while (y != NULL) {
		struct sync *next = y->next;

		y->cancelled = true;
		if (!y->query_pending)
			sync_free(y);
		y = next;
	}
}

const struct command cmd_sync = {
	.name = "sync",
	PARAMS(params),
	.cost = 10,
	.doc = "Requests everything that changed after the given mods.",
	.run = run,
};
