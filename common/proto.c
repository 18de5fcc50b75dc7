#include "common/proto.h"

#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/utf8.h"

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
	b->len += CLOCK_RFC3339_SIZE - 1; /* without its NUL */
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

void proto_put_message(struct buf *b, const struct message *m, const struct conv *c, int64_t viewer)
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
	if (m->client_id.data != NULL && m->sender_id == viewer) {
		buf_add_char(b, ',');
		proto_put_text(b, "client_id", m->client_id);
	}
}

/* The fixed part as it lies in the ring; every field is copied, so nothing need be aligned there.
 * */
struct fixed {
	uint8_t type, event, on, conv_kind, message_kind, deleted, has_content, has_client_id;
	uint32_t content_len;
	uint32_t client_id_len;
	int64_t conv_id, user_lo, user_hi;
	uint64_t origin;
	int64_t user_id, token_id;
	int64_t message_id, seq, mod, sender_id, target_id, sent_ms, edited_ms;
};

_Static_assert(sizeof(struct fixed) <= RECORD_FIXED_SIZE, "RECORD_FIXED_SIZE holds the fixed part");

void record_encode(
	const struct record *r, uint8_t fixed[RECORD_FIXED_SIZE], struct iovec iov[RECORD_IOV])
{
	const struct message *m = &r->message;
	struct fixed f = {
		.type = r->type,
		.event = r->event,
		.on = r->on,
		.conv_kind = r->conv.kind,
		.message_kind = m->kind,
		.deleted = m->deleted,
		.has_content = m->content.data != NULL,
		.has_client_id = m->client_id.data != NULL,
		.content_len = (uint32_t)m->content.len,
		.client_id_len = (uint32_t)m->client_id.len,
		.conv_id = r->conv.id,
		.user_lo = r->conv.user_lo,
		.user_hi = r->conv.user_hi,
		.origin = r->origin,
		.user_id = r->user_id,
		.token_id = r->token_id,
		.message_id = m->message_id,
		.seq = m->seq,
		.mod = m->mod,
		.sender_id = m->sender_id,
		.target_id = m->target_id,
		.sent_ms = m->sent_ms,
		.edited_ms = m->edited_ms,
	};

	memcpy(fixed, &f, sizeof(f));
	iov[0] = (struct iovec){ fixed, sizeof(f) };
	/* iovec has no const; ring_publish only reads. */
	iov[1] = (struct iovec){ (void *)(uintptr_t)m->content.data, m->content.len };
	iov[2] = (struct iovec){ (void *)(uintptr_t)m->client_id.data, m->client_id.len };
}

static struct text text_at(const uint8_t *bytes, size_t len, bool present)
{
	return present ? (struct text){ (const char *)bytes, len } : (struct text){ NULL, 0 };
}

/* Where the type has a conversation and a message, they are of a kind that there is. */
static bool kinds_good(const struct fixed *f)
{
	switch (f->type) {
	case RECORD_PRESENCE:
	case RECORD_RECONCILE:
	case RECORD_TOKEN_REVOKED:
		return true;
	case RECORD_CHANGE:
		if (f->message_kind != MESSAGE_TEXT && f->message_kind != MESSAGE_JOIN &&
			f->message_kind != MESSAGE_LEAVE && f->message_kind != MESSAGE_RENAME)
			return false;
		/* fall through */
	default:
		return f->conv_kind == CONV_DIRECT || f->conv_kind == CONV_GROUP;
	}
}

bool record_decode(struct record *r, const uint8_t *bytes, size_t len)
{
	struct fixed f;

	if (len < sizeof(f))
		return false;
	memcpy(&f, bytes, sizeof(f));
	if (f.type == 0 || f.type >= RECORD_TYPE_MAX || f.event >= RECORD_EVENT_MAX)
		return false;
	if (f.seq < 0 || f.seq > PROTO_ID_MAX || f.mod < 0 || f.mod > PROTO_ID_MAX)
		return false;
	if (f.content_len > PROTO_CONTENT_MAX || f.client_id_len > PROTO_CLIENT_ID_MAX)
		return false;
	if (len != sizeof(f) + f.content_len + f.client_id_len)
		return false;
	if (!kinds_good(&f))
		return false;
	bytes += sizeof(f);
	/* What is no UTF-8 would end the sockets of all who are told. */
	if (!utf8_valid((const char *)bytes, f.content_len) ||
		!utf8_valid((const char *)bytes + f.content_len, f.client_id_len))
		return false;
	*r = (struct record){
		.type = f.type,
		.event = f.event,
		.on = f.on,
		.conv = { f.conv_id, f.user_lo, f.user_hi, f.conv_kind },
		.origin = f.origin,
		.user_id = f.user_id,
		.token_id = f.token_id,
		.message = {
			.message_id = f.message_id,
			.seq = f.seq,
			.mod = f.mod,
			.sender_id = f.sender_id,
			.target_id = f.target_id,
			.sent_ms = f.sent_ms,
			.edited_ms = f.edited_ms,
			.content = text_at(bytes, f.content_len, f.has_content),
			.client_id = text_at(bytes + f.content_len, f.client_id_len, f.has_client_id),
			.kind = f.message_kind,
			.deleted = f.deleted,
		},
	};
	return true;
}
