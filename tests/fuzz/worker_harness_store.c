/*
 * Replacements for the database and the hasher of the worker harness. The linker redirects the worker's
 * calls to functions with the prefix __wrap_ (--wrap). They check their arguments against the limits of
 * docs/api.md before they answer.
 */
#include <string.h>

#include "auth/hasher.h"
#include "common/clock.h"
#include "common/emoji.h"
#include "common/token.h"
#include "common/utf8.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/worker_harness.h"
#include "tests/fuzz/worker_harness_private.h"

/* The names are the linker's. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define DIRECT 1000
#define GROUP 3
#define MESSAGES_MAX 4096 /* more than an input can send */

static const struct store_events *store_events;
static void *store_arg;
static int64_t last_mod[2], last_seq[2]; /* of the direct chat and of the group */
static int64_t n_messages;
static struct {
	int chat;
	int64_t seq;
} messages[MESSAGES_MAX]; /* by message_id - 1 */

void harness_store_connected(void)
{
	store_events->state(store_arg, true, false);
}

void harness_store_reset(void)
{
	last_mod[0] = last_mod[1] = last_seq[0] = last_seq[1] = n_messages = 0;
}

/* Answers are called from the event loop, never from within the query. */

struct answer {
	void (*give)(struct answer *a);
	union {
		store_token_cb *token;
		store_load_cb *load;
		store_change_cb *change;
		store_mark_cb *mark;
		hasher_cb *hash;
	} cb;
	void *arg;
	enum error error;
	struct token token;
	int64_t user_id, seq;
	uint64_t origin;
	struct change change;
	char texts[PROTO_CONTENT_MAX + PROTO_CLIENT_ID_MAX];
	char emoji[EMOJI_MAX];
};

static void give(evutil_socket_t fd, short what, void *arg)
{
	struct answer *a = arg;

	(void)fd;
	(void)what;
	a->give(a);
	free(a);
}

static struct answer *answer_later(void (*with)(struct answer *a), void *arg, enum error error)
{
	struct answer *a = calloc(1, sizeof(*a));

	MUST(a != NULL);
	a->give = with;
	a->arg = arg;
	a->error = error;
	MUST(event_base_once(
		     harness_base, -1, EV_TIMEOUT, give, a, &(const struct timeval){ 0, 0 }) == 0);
	return a;
}

struct store *__real_store_open(struct event_base *b, const struct heritage *h,
	const struct store_events *events, void *arg);
struct store *__wrap_store_open(struct event_base *b, const struct heritage *h,
	const struct store_events *events, void *arg)
{
	store_events = events;
	store_arg = arg;
	return __real_store_open(b, h, events, arg);
}

static void give_token(struct answer *a)
{
	a->cb.token(a->arg, a->error, &a->token);
}

void __wrap_store_authenticate(struct store *s, const uint8_t *hash, store_token_cb *cb, void *arg)
{
	static const char *const tokens[] = { HARNESS_TOKEN_1, HARNESS_TOKEN_2,
		HARNESS_TOKEN_UNAVAILABLE };
	struct answer *a = answer_later(give_token, arg, ERROR_bad_token);

	(void)s;
	a->cb.token = cb;
	for (int i = 0; i < 3; i++) {
		uint8_t digest[STORE_HASH_SIZE];

		token_digest(tokens[i], TOKEN_CHARS, digest);
		if (memcmp(digest, hash, sizeof(digest)) == 0)
			a->error = i < 2 ? ERROR_NONE : ERROR_unavailable;
		if (a->error == ERROR_NONE && a->token.user_id == 0)
			a->token = (struct token){ .token_id = 70 + i,
				.user_id = 1 + i,
				.expires_ms = clock_wall_ms() + 86400000,
				.ends_ms = clock_mono_ms() + 86400000 };
	}
}

static struct conv conv_at(int i)
{
	return i == 0 ? (struct conv){ DIRECT, 1, 2, CONV_DIRECT }
		      : (struct conv){ GROUP, 0, 0, CONV_GROUP };
}

static void give_load(struct answer *a)
{
	struct head heads[2];

	for (int i = 0; i < 2; i++)
		heads[i] = (struct head){ .user_id = a->user_id,
			.conv = conv_at(i),
			.seq = last_seq[i],
			.mod = last_mod[i] };
	a->cb.load(a->arg, ERROR_NONE, heads, 2);
}

void __wrap_store_load(struct store *s, int64_t user_id, store_load_cb *cb, void *arg)
{
	struct answer *a = answer_later(give_load, arg, ERROR_NONE);

	(void)s;
	a->cb.load = cb;
	a->user_id = user_id;
}

static void give_change(struct answer *a)
{
	a->cb.change(a->arg, a->error, a->error == ERROR_NONE ? &a->change : NULL);
}

/* Fills in the change of this message, with the next mod. */
static void change(struct answer *a, int64_t id, struct text content, struct text client_id)
{
	struct message *m = &a->change.message;
	int chat = messages[id - 1].chat;

	a->change.conv = conv_at(chat);
	m->message_id = id;
	m->seq = messages[id - 1].seq;
	m->mod = ++last_mod[chat];
	m->sent_ms = 1700000000000;
	m->kind = MESSAGE_TEXT;
	if (content.data != NULL)
		m->content =
			(struct text){ memcpy(a->texts, content.data, content.len), content.len };
	if (client_id.data != NULL)
		m->client_id = (struct text){ memcpy(a->texts + PROTO_CONTENT_MAX, client_id.data,
						      client_id.len),
			client_id.len };
}

static void must_be_content(struct text t)
{
	MUST(t.len >= 1 && t.len <= PROTO_CONTENT_MAX && utf8_valid(t.data, t.len));
	MUST(memchr(t.data, '\0', t.len) == NULL);
}

static void must_be_id(int64_t id)
{
	MUST(id >= 1 && id <= PROTO_ID_MAX);
}

void __wrap_store_send(struct store *s, const struct send *p, store_change_cb *cb, void *arg)
{
	int chat;
	bool known = p->receiver == 1 || p->receiver == 2 || p->receiver == GROUP;
	struct answer *a = answer_later(give_change, arg,
		known && p->receiver != p->sender ? ERROR_NONE : ERROR_no_such_chat);

	(void)s;
	must_be_id(p->receiver);
	if (p->reply_to != 0)
		must_be_id(p->reply_to);
	if (p->forward != 0)
		must_be_id(p->forward);
	else
		must_be_content(p->content);
	if (p->client_id.data != NULL) {
		MUST(p->client_id.len >= 1 && p->client_id.len <= PROTO_CLIENT_ID_MAX);
		for (size_t i = 0; i < p->client_id.len; i++)
			MUST(memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "._:-",
				     p->client_id.data[i], 66) != NULL);
	}
	a->cb.change = cb;
	if (a->error != ERROR_NONE)
		return;
	chat = p->receiver == GROUP;
	MUST(n_messages < MESSAGES_MAX);
	messages[n_messages].chat = chat;
	messages[n_messages++].seq = ++last_seq[chat];
	change(a, n_messages, p->forward != 0 ? (struct text){ "forwarded", 9 } : p->content,
		p->client_id);
	a->change.message.sender_id = p->sender;
}

/* Returns the answer if the message exists; else NULL. */
static struct answer *change_message(int64_t actor, int64_t message_id, struct text content,
	bool deleted, store_change_cb *cb, void *arg)
{
	struct answer *a = answer_later(
		give_change, arg, message_id <= n_messages ? ERROR_NONE : ERROR_no_such_message);

	must_be_id(message_id);
	a->cb.change = cb;
	if (a->error != ERROR_NONE)
		return NULL;
	change(a, message_id, content, (struct text){ NULL, 0 });
	a->change.message.sender_id = actor;
	a->change.message.deleted = deleted;
	return a;
}

void __wrap_store_edit_message(struct store *s, int64_t actor, int64_t message_id,
	struct text content, store_change_cb *cb, void *arg)
{
	(void)s;
	must_be_content(content);
	change_message(actor, message_id, content, false, cb, arg);
}

void __wrap_store_delete_message(
	struct store *s, int64_t actor, int64_t message_id, store_change_cb *cb, void *arg)
{
	(void)s;
	change_message(actor, message_id, (struct text){ NULL, 0 }, true, cb, arg);
}

/* The worker of the harness knows no texts of the messages: a reaction and a pin name only their places. */
void __wrap_store_react(struct store *s, const struct reaction *r, store_change_cb *cb, void *arg)
{
	struct answer *a;
	char again[EMOJI_MAX];

	(void)s;
	MUST(r->emoji.len > 0 && emoji_read(r->emoji.data, r->emoji.len, again) == r->emoji.len);
	a = change_message(r->user_id, r->message_id, (struct text){ NULL, 0 }, false, cb, arg);
	if (a == NULL)
		return;
	a->change.user_id = r->user_id;
	memcpy(a->emoji, r->emoji.data, r->emoji.len);
	a->change.emoji = (struct text){ a->emoji, r->emoji.len };
}

void __wrap_store_pin(
	struct store *s, int64_t actor, int64_t message_id, bool on, store_change_cb *cb, void *arg)
{
	struct answer *a;

	(void)s;
	(void)on;
	a = change_message(actor, message_id, (struct text){ NULL, 0 }, false, cb, arg);
	if (a != NULL)
		a->change.user_id = actor;
}

static void must_be_name(struct text t)
{
	MUST(utf8_valid(t.data, t.len) && t.len >= 1 && utf8_count(t.data, t.len) <= 100);
}

void __wrap_store_create_group(
	struct store *s, int64_t owner, struct text name, store_change_cb *cb, void *arg)
{
	(void)s;
	(void)owner;
	must_be_name(name);
	answer_later(give_change, arg, ERROR_unavailable)->cb.change = cb;
}

void __wrap_store_rename_group(struct store *s, int64_t actor, int64_t group_id, struct text name,
	store_change_cb *cb, void *arg)
{
	(void)s;
	(void)actor;
	must_be_id(group_id);
	must_be_name(name);
	answer_later(give_change, arg, ERROR_unavailable)->cb.change = cb;
}

void __wrap_store_add_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	(void)s;
	(void)actor;
	(void)user_id;
	must_be_id(group_id);
	answer_later(give_change, arg, ERROR_unavailable)->cb.change = cb;
}

void __wrap_store_remove_member(struct store *s, int64_t actor, int64_t group_id, int64_t user_id,
	store_change_cb *cb, void *arg)
{
	(void)s;
	(void)actor;
	(void)user_id;
	must_be_id(group_id);
	answer_later(give_change, arg, ERROR_unavailable)->cb.change = cb;
}

static void give_read(struct answer *a)
{
	store_events->read_moved(store_arg,
		&(const struct record_read){
			a->change.conv, a->user_id, a->seq, a->origin, false });
	a->cb.mark(a->arg, ERROR_NONE);
}

void __wrap_store_mark_read(struct store *s, const struct conv *conv, int64_t user_id, int64_t seq,
	uint64_t origin, store_mark_cb *cb, void *arg)
{
	struct answer *a = answer_later(give_read, arg, ERROR_NONE);

	(void)s;
	MUST(conv->id == DIRECT || conv->id == GROUP);
	MUST(seq >= 0 && seq <= PROTO_ID_MAX);
	a->change.conv = *conv;
	a->user_id = user_id;
	a->seq = seq;
	a->origin = origin;
	a->cb.mark = cb;
}

/* The hasher. */

static void give_hash(struct answer *a)
{
	a->cb.hash(a->arg, HASHER_OK, "$stored$");
}

void __wrap_hasher_hash(struct hasher *h, const struct hasher_request *r)
{
	struct text password = r->password;

	(void)h;
	MUST(r->n_keys <= HASHER_KEYS_MAX);
	MUST(password.len >= 8 && password.len <= 1024 && utf8_valid(password.data, password.len));
	answer_later(give_hash, r->arg, ERROR_NONE)->cb.hash = r->cb;
}
