/*
 * sync: everything that changed since the client's mods, chat by chat.
 *
 *   heads of all chats ─► for each that changed: page, page, … ─► chats that are gone ─► synced
 *
 * One page is asked for at a time, and none while the socket has not drained: a client that does
 * not read costs one page. Membership is looked at when a page goes out, for it may have ended
 * since the heads were read.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/json.h"
#include "common/log.h"
#include "realtime/json_view.h"

#define SYNCS_MAX 4 /* of one socket that wait behind each other */

enum { AFTER };

/* clang-format off */
static const struct param_spec params[] = {
	[AFTER] = { .name = "after", .type = PARAM_OBJECT, .required = true,
	            .doc = "For each chat_id the highest mod below which nothing is missing." },
};
/* clang-format on */

/* One chat to be told of. */
struct todo {
	struct conv conv;
	int64_t after; /* -1: the last messages */
	int64_t read_seq;
};

/* One chat that the client named. */
struct named {
	int64_t chat_id;
	int64_t mod;
	bool found;
};

struct sync {
	struct sync *next; /* waits for this one */
	const struct cmd_env *env;
	uint64_t session;
	struct named *named;
	size_t n_named;
	struct todo *todo;
	size_t n_todo, at;
	bool asked; /* an answer of the database is to come; it holds the sync alive */
	bool ended; /* the session has closed */
};

static void sync_begin(struct sync *y);
static void sync_step(struct sync *y);

static void sync_free(struct sync *y)
{
	free(y->named);
	free(y->todo);
	free(y);
}

/* The session of a sync whose answer has come; NULL (and the sync freed) where it has closed
 * meanwhile. */
static struct session *sync_session(struct sync *y)
{
	y->asked = false;
	if (!y->ended)
		return sessions_find(y->env->sessions, y->session);
	sync_free(y);
	return NULL;
}

static void sync_done(struct session *s, struct sync *y)
{
	static const char synced[] = "{\"type\":\"synced\"}";

	FAULT("sync.done");
	session_send(s, synced, sizeof(synced) - 1);
	*session_sync(s) = y->next;
	sync_free(y);
	if (*session_sync(s) != NULL)
		sync_begin(*session_sync(s));
}

static void sync_fail(struct session *s, struct sync *y, enum error error)
{
	session_error(s, (struct text){ NULL, 0 }, error, NULL);
	*session_sync(s) = y->next;
	sync_free(y);
	if (*session_sync(s) != NULL)
		sync_begin(*session_sync(s));
}

static void send_removed(struct session *s, const struct sync *y)
{
	struct buf b = BUF_EMPTY;
	struct conv c;

	for (size_t i = 0; i < y->n_named; i++) {
		/* One who came back after the heads were read has been told so. */
		if (y->named[i].found ||
			rooms_conv(y->env->rooms, session_user(s), y->named[i].chat_id, &c))
			continue;
		buf_reset(&b, 4096);
		buf_addf(&b, "{\"type\":\"chat_removed\",\"chat_id\":%lld}",
			(long long)y->named[i].chat_id);
		session_send(s, b.data, b.len);
	}
	buf_fini(&b);
}

static void page_read(void *arg, enum error error, const store_rows *rows)
{
	struct sync *y = arg;
	struct session *s = sync_session(y);
	struct buf b = BUF_EMPTY;
	struct todo *t;
	struct conv c;
	int64_t n;
	bool more;

	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		sync_fail(s, y, error);
		return;
	}
	t = &y->todo[y->at];
	if (store_n(rows) == 0 ||
		!rooms_conv(y->env->rooms, session_user(s),
			conv_chat_id(&t->conv, session_user_id(s)), &c)) {
		y->at++;
		sync_step(y);
		return;
	}
	buf_addf(&b, "{\"type\":\"messages\",\"chat_id\":%lld,",
		(long long)conv_chat_id(&t->conv, session_user_id(s)));
	n = json_view_page_rows(rows, PROTO_HISTORY_MAX);
	more = json_view_put_messages(&b, rows, n, &t->conv, session_user_id(s));
	buf_addf(&b, ",\"read_seq\":%lld,\"more\":%s}", (long long)t->read_seq,
		more ? "true" : "false");
	FAULT("sync.page");
	session_send(s, b.data, b.len);
	buf_fini(&b);
	if (more) {
		struct message last;

		store_message_at(rows, (int)n - 1, &last);
		t->after = last.mod;
	} else {
		y->at++;
	}
	sync_step(y);
}

/* Asks for the next page, unless the socket must drain first. */
static void sync_step(struct sync *y)
{
	struct session *s = sessions_find(y->env->sessions, y->session);

	if (s == NULL || y->asked || session_congested(s))
		return;
	if (y->at == y->n_todo) {
		send_removed(s, y);
		sync_done(s, y);
		return;
	}
	y->asked = true;
	store_changes(y->env->store, session_user_id(s), y->todo[y->at].conv.id,
		y->todo[y->at].after, PROTO_HISTORY_MAX, page_read, y);
}

static struct named *named_find(struct sync *y, int64_t chat_id)
{
	size_t low = 0, high = y->n_named;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (y->named[middle].chat_id == chat_id)
			return &y->named[middle];
		if (y->named[middle].chat_id < chat_id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void heads_read(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct sync *y = arg;
	struct session *s = sync_session(y);

	if (s == NULL)
		return;
	if (error != ERROR_NONE) {
		sync_fail(s, y, error);
		return;
	}
	y->todo = calloc(n + 1, sizeof(*y->todo));
	if (y->todo == NULL)
		log_fatal("out of memory for a sync");
	for (size_t i = 0; i < n; i++) {
		struct named *named =
			named_find(y, conv_chat_id(&heads[i].conv, session_user_id(s)));

		if (named != NULL)
			named->found = true;
		if (named == NULL || named->mod < heads[i].mod)
			y->todo[y->n_todo++] = (struct todo){ heads[i].conv,
				named != NULL ? named->mod : -1, heads[i].read_seq };
	}
	FAULT("sync.heads");
	sync_step(y);
}

static void sync_begin(struct sync *y)
{
	struct session *s = sessions_find(y->env->sessions, y->session);

	if (s == NULL)
		return;
	y->asked = true;
	store_load(y->env->store, session_user_id(s), heads_read, y);
}

static int named_compare(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (x->chat_id > y->chat_id) - (x->chat_id < y->chat_id);
}

/* "after" as an array in the order of chat_id; false where a key is no id or a value no mod. */
static bool named_read(struct sync *y, const cJSON *after)
{
	const cJSON *item;

	y->named = calloc((size_t)cJSON_GetArraySize(after) + 1, sizeof(*y->named));
	if (y->named == NULL)
		log_fatal("out of memory for a sync");
	cJSON_ArrayForEach(item, after)
	{
		struct named *named = &y->named[y->n_named];
		char *end;

		named->chat_id = strtoll(item->string, &end, 10);
		if (*end != '\0' || item->string[0] < '1' || item->string[0] > '9' ||
			named->chat_id > PROTO_ID_MAX || !json_int(item, &named->mod) ||
			named->mod < 0)
			return false;
		y->n_named++;
	}
	qsort(y->named, y->n_named, sizeof(*y->named), named_compare);
	return true;
}

/* Puts the sync behind those that run; false where too many wait. */
static bool sync_queue(struct session *s, struct sync *y)
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

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct sync *y = calloc(1, sizeof(*y));
	const struct text no_id = { NULL, 0 };

	if (y == NULL)
		log_fatal("out of memory for a sync");
	y->env = env;
	y->session = session_id(s);
	if (!named_read(y, a->at[AFTER].json)) {
		session_error(s, no_id, ERROR_invalid,
			"after: its members are chat ids with a mod of at least 0");
		sync_free(y);
	} else if (!sync_queue(s, y)) {
		session_error(
			s, no_id, ERROR_too_many_requests, "Several syncs are waiting already.");
		sync_free(y);
	} else if (*session_sync(s) == y) {
		sync_begin(y);
	}
}

void cmd_sync_go_on(const struct cmd_env *env, struct session *s)
{
	struct sync *y = *session_sync(s);

	(void)env;
	if (y != NULL && y->todo != NULL)
		sync_step(y);
}

void cmd_sync_end(struct session *s)
{
	struct sync *y = *session_sync(s);

	*session_sync(s) = NULL;
	while (y != NULL) {
		struct sync *next = y->next;

		y->ended = true;
		if (!y->asked)
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
