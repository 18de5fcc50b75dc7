#include "common/proto.h"

#include <inttypes.h>

#include "common/clock.h"
#include "common/json.h"

int64_t conv_chat_id(const struct conv *c, int64_t viewer)
{
	if (c->kind == CONV_GROUP)
		return c->id;
	return c->user_lo == viewer ? c->user_hi : c->user_lo;
}

static void put_name(struct buf *b, const char *name)
{
	buf_add_char(b, '"');
	buf_add_str(b, name);
	buf_add(b, "\":", 2);
}

void proto_put_time(struct buf *b, const char *name, int64_t wall_ms)
{
	put_name(b, name);
	if (wall_ms == 0) {
		buf_add_str(b, "null");
		return;
	}
	buf_add_char(b, '"');
	clock_rfc3339(buf_reserve(b, CLOCK_RFC3339_SIZE), wall_ms);
	b->len += CLOCK_RFC3339_SIZE - 1; /* without the NUL */
	buf_add_char(b, '"');
}

void proto_put_id(struct buf *b, const char *name, int64_t id)
{
	put_name(b, name);
	if (id == 0)
		buf_add_str(b, "null");
	else
		buf_add_i64(b, id);
}

void proto_put_text(struct buf *b, const char *name, struct text t)
{
	put_name(b, name);
	if (t.data == NULL)
		buf_add_str(b, "null");
	else
		json_put_str(b, t.data, t.len);
}

void proto_put_cursor(struct buf *b, const char *name, const struct cursor *c)
{
	put_name(b, name);
	if (c == NULL)
		buf_add_str(b, "null");
	else
		buf_addf(b, "\"%" PRId64 ".%" PRId64 "\"", c->at, c->id);
}

static const char *kind_word(uint8_t kind)
{
	switch (kind) {
	case MESSAGE_JOIN:
		return "join";
	case MESSAGE_LEAVE:
		return "leave";
	case MESSAGE_RENAME:
		return "rename";
	default:
		return "text";
	}
}

static void put_quote(struct buf *b, const struct quote *q)
{
	if (q->message_id == 0) {
		buf_add_str(b, ",\"reply\":null");
		return;
	}
	buf_add_str(b, ",\"reply\":{");
	proto_put_id(b, "message_id", q->message_id);
	buf_add_char(b, ',');
	proto_put_id(b, "seq", q->seq);
	buf_add_char(b, ',');
	proto_put_id(b, "sender_id", q->sender_id);
	buf_add_char(b, ',');
	proto_put_text(b, "content", q->content);
	buf_add_str(b, q->deleted ? ",\"deleted\":true}" : ",\"deleted\":false}");
}

static void put_forwarded(struct buf *b, const struct message *m)
{
	if (m->forwarded_name.data == NULL) {
		buf_add_str(b, ",\"forwarded_from\":null");
		return;
	}
	buf_add_str(b, ",\"forwarded_from\":{");
	proto_put_id(b, "user_id", m->forwarded_from);
	buf_add_char(b, ',');
	proto_put_text(b, "full_name", m->forwarded_name);
	buf_add_char(b, '}');
}

/* What was sent with it and what others did with it: empty unless it is a text. */
static void put_relations(struct buf *b, const struct message *m, enum message_form form)
{
	put_quote(b, &m->reply);
	buf_add_char(b, ',');
	proto_put_id(b, "thread_id", m->thread_id);
	buf_add_str(b, ",\"mentions\":[");
	buf_add(b, m->mentions.data, m->mentions.len);
	buf_add_str(b, m->mentions_all ? "],\"mentions_all\":true" : "],\"mentions_all\":false");
	put_forwarded(b, m);
	buf_add_str(b, m->pinned ? ",\"pinned\":true" : ",\"pinned\":false");
	if (form == MESSAGE_PUSHED)
		return;
	buf_add_str(b, ",\"replies\":");
	buf_add_i64(b, m->replies);
	buf_add_str(b, ",\"reactions\":[");
	buf_add(b, m->reactions.data, m->reactions.len);
	buf_add_char(b, ']');
}

void proto_put_message(struct buf *b, const struct message *m, const struct conv *c, int64_t viewer,
	enum message_form form)
{
	proto_put_id(b, "message_id", m->message_id);
	buf_add_str(b, ",\"chat_id\":");
	buf_add_i64(b, conv_chat_id(c, viewer));
	buf_add_str(b, ",\"seq\":");
	buf_add_i64(b, m->seq);
	buf_add_str(b, ",\"mod\":");
	buf_add_i64(b, m->mod);
	buf_add_char(b, ',');
	proto_put_id(b, "sender_id", m->sender_id);
	buf_add_str(b, ",\"kind\":\"");
	buf_add_str(b, kind_word(m->kind));
	buf_add_str(b, "\",");
	if (m->kind == MESSAGE_TEXT)
		proto_put_text(b, "content", m->content);
	else if (m->kind == MESSAGE_RENAME)
		proto_put_text(b, "name", m->content);
	else
		proto_put_id(b, "user_id", m->target_id);
	buf_add_char(b, ',');
	proto_put_time(b, "sent_at", m->sent_ms);
	buf_add_char(b, ',');
	proto_put_time(b, "edited_at", m->edited_ms);
	buf_add_str(b, m->deleted ? ",\"deleted\":true" : ",\"deleted\":false");
	put_relations(b, m, form);
	if (m->client_id.data != NULL && m->sender_id == viewer) {
		buf_add_char(b, ',');
		proto_put_text(b, "client_id", m->client_id);
	}
}
