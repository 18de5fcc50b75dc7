/*
 * send: a message, stored and then acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "common/fault.h"
#include "common/log.h"

enum { ID, RECEIVER, CONTENT };

/* clang-format off */
static const struct param_spec params[] = {
	[ID]       = { .name = "id",          .type = PARAM_CLIENT_ID, .required = true, .min = 1, .max = PROTO_CLIENT_ID_MAX,
	               .doc = "The sender's own name for this send; a repeat with the same one is stored once." },
	[RECEIVER] = { .name = "receiver_id", .type = PARAM_ID,        .required = true,
	               .doc = "A user, or a group that the user is a member of." },
	[CONTENT]  = { .name = "content",     .type = PARAM_TEXT,      .required = true, .min = 1, .max = PROTO_CONTENT_MAX,
	               .doc = "The text." },
};
/* clang-format on */

struct pending {
	const struct cmd_env *env;
	uint64_t session;
	size_t id_len;
	char id[PROTO_CLIENT_ID_MAX];
};

static void put_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer)
{
	buf_add_str(b, "{\"type\":\"ack\",");
	proto_put_text(b, "id", id);
	buf_addf(b, ",\"message_id\":%lld,\"chat_id\":%lld,\"seq\":%lld,\"mod\":%lld,",
		(long long)c->message.message_id, (long long)conv_chat_id(&c->conv, viewer),
		(long long)c->message.seq, (long long)c->message.mod);
	proto_put_time(b, "sent_at", c->message.sent_ms);
	buf_add_str(b, c->duplicate ? ",\"duplicate\":true}" : "}");
}

static void posted(void *arg, enum error error, const struct change *c)
{
	struct pending *p = arg;
	struct session *s;
	struct text id = { p->id, p->id_len };

	/* Published whether or not the sender is still there: it is committed. */
	if (error == ERROR_NONE)
		bus_publish_change(p->env->bus, c, RECORD_NEW, p->session);
	s = sessions_find(p->env->sessions, p->session);
	if (s != NULL && error == ERROR_NONE) {
		struct buf b = BUF_EMPTY;

		put_ack(&b, id, c, session_user_id(s));
		session_send(s, b.data, b.len);
		buf_fini(&b);
		FAULT("send.acked");
	} else if (s != NULL) {
		session_error(s, id, error, NULL);
	}
	if (s != NULL)
		session_in_flight(s, -1);
	free(p);
}

static void run(const struct cmd_env *env, struct session *s, const struct params *a)
{
	struct pending *p = malloc(sizeof(*p));
	const struct send post = {
		.sender = session_user_id(s),
		.receiver = a->at[RECEIVER].number,
		.content = a->at[CONTENT].text,
		.client_id = a->at[ID].text,
	};

	if (p == NULL)
		log_fatal("out of memory for a send");
	*p = (struct pending){ .env = env, .session = session_id(s), .id_len = post.client_id.len };
	memcpy(p->id, post.client_id.data, post.client_id.len);
	session_in_flight(s, 1);
	FAULT("send.queued");
	store_send(env->store, &post, posted, p);
}

const struct command cmd_send = {
	.name = "send",
	PARAMS(params),
	.doc = "Sends a message; the ack follows the commit.",
	.run = run,
};
