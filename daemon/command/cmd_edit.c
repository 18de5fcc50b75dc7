/*
 * edit, delete: changes of one's own messages, acknowledged once they are stored.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/log.h"

enum { ID, MESSAGE, CONTENT };

static const struct param_spec params[] = {
	[ID] = { "id", PARAM_CLIENT_ID, false, false, 1, PROTO_CLIENT_ID_MAX, PARAM_BODY,
		"comes back in the ack" },
	[MESSAGE] = { "message_id", PARAM_ID, true, false, 0, 0, PARAM_BODY,
		"a text message of one's own" },
	[CONTENT] = { "content", PARAM_TEXT, true, false, 1, PROTO_CONTENT_MAX, PARAM_BODY,
		"the new text" },
};

struct pending {
	const struct cmd_env *env;
	uint64_t session;
	enum record_event event;
	bool has_id;
	size_t id_len;
	char id[PROTO_CLIENT_ID_MAX];
};

static void send_ack(struct session *s, struct text id, const struct change *c)
{
	struct buf b = BUF_EMPTY;

	buf_add_str(&b, "{\"type\":\"ack\",");
	if (id.data != NULL) {
		proto_put_text(&b, "id", id);
		buf_add_char(&b, ',');
	}
	buf_addf(&b, "\"message_id\":%lld,\"chat_id\":%lld,\"seq\":%lld,\"mod\":%lld}",
		(long long)c->message.message_id,
		(long long)conv_chat_id(&c->conv, session_user_id(s)), (long long)c->message.seq,
		(long long)c->message.mod);
	session_send(s, b.data, b.len);
	buf_fini(&b);
}

static void changed(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;
	struct session *s;
	struct text id = { p->has_id ? p->id : NULL, p->id_len };

	if (error == ERROR_NONE && !c->duplicate)
		bus_publish_change(p->env->bus, c, p->event, p->session);
	s = sessions_find(p->env->sessions, p->session);
	if (s != NULL && error == ERROR_NONE) {
		send_ack(s, id, c);
		FAULT("edit.acked");
	} else if (s != NULL) {
		session_error(s, id, error, NULL);
	}
	if (s != NULL)
		session_in_flight(s, -1);
	free(p);
}

static struct pending *pending_new(const struct cmd_env *env, struct session *s,
	const struct params *a, enum record_event event)
{
	struct pending *p = malloc(sizeof(*p));
	const struct param *id = &a->at[ID];

	if (p == NULL)
		log_fatal("out of memory for a change");
	*p = (struct pending){
		.env = env,
		.session = session_id(s),
		.event = event,
		.has_id = id->present,
		.id_len = id->text.len,
	};
	if (id->present)
		memcpy(p->id, id->text.data, id->text.len);
	session_in_flight(s, 1);
	FAULT("edit.queued");
	return p;
}

static void run_edit(const struct cmd_env *env, struct session *s, const struct params *a)
{
	store_edit_message(env->store, session_user_id(s), a->at[MESSAGE].number,
		a->at[CONTENT].text, changed, pending_new(env, s, a, RECORD_EDITED));
}

static void run_delete(const struct cmd_env *env, struct session *s, const struct params *a)
{
	store_delete_message(env->store, session_user_id(s), a->at[MESSAGE].number, changed,
		pending_new(env, s, a, RECORD_DELETED));
}

const struct command cmd_edit = {
	.name = "edit",
	.params = params,
	.n_params = CONTENT + 1,
	.doc = "Replaces the text of a message.",
	.run = run_edit,
};

const struct command cmd_delete = {
	.name = "delete",
	.params = params,
	.n_params = MESSAGE + 1,
	.doc = "Erases the text of a message.",
	.run = run_delete,
};
