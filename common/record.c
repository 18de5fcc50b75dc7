#include "common/record.h"

#include <string.h>

#include "common/emoji.h"
#include "common/utf8.h"

/*
 * The fixed parts as they are in the ring. They are copied, so nothing is aligned there; and they
 * have no padding, so every byte is defined. The first byte is the type; the generation is at the same
 * place in all of them.
 */

#define GENERATION_AT 6

struct wire_conv {
	int64_t id, user_lo, user_hi;
	uint64_t kind;
};

struct wire_change {
	uint8_t type, event, message_kind, deleted, has_content, has_client_id;
	uint16_t generation;
	uint8_t mentions_all, pinned, has_forwarded_name, reply_deleted, unused[4];
	uint32_t content_len, client_id_len, forwarded_name_len, reply_content_len;
	struct wire_conv conv;
	uint64_t origin;
	int64_t message_id, seq, mod, sender_id, target_id, sent_ms, edited_ms;
	int64_t thread_id, forwarded_from, reply_id, reply_seq, reply_sender;
	int64_t user_id;
};

struct wire_erased {
	uint8_t type, left, unused[4];
	uint16_t generation;
	struct wire_conv conv;
	int64_t from_mod, mod, seq;
};

struct wire_group_gone {
	uint8_t type, unused[5];
	uint16_t generation;
	struct wire_conv conv;
	int64_t user_id;
};

struct wire_chat {
	uint8_t type, unused[5];
	uint16_t generation;
	struct wire_conv conv;
	int64_t revision;
};

struct wire_read {
	uint8_t type, own_only, unused[4];
	uint16_t generation;
	struct wire_conv conv;
	int64_t user_id, seq;
	uint64_t origin;
};

struct wire_typing {
	uint8_t type, on, unused[4];
	uint16_t generation;
	struct wire_conv conv;
	int64_t user_id;
};

struct wire_presence {
	uint8_t type, unused[5];
	uint16_t generation;
	int64_t user_id;
};

struct wire_reconcile {
	uint8_t type, unused[5];
	uint16_t generation;
};

struct wire_token_revoked {
	uint8_t type, unused[5];
	uint16_t generation;
	int64_t token_id, user_id, keep_token_id;
};

_Static_assert(sizeof(struct wire_change) == RECORD_FIXED_SIZE, "the longest fixed part");
_Static_assert(offsetof(struct wire_change, generation) == GENERATION_AT &&
		offsetof(struct wire_erased, generation) == GENERATION_AT &&
		offsetof(struct wire_group_gone, generation) == GENERATION_AT &&
		offsetof(struct wire_chat, generation) == GENERATION_AT &&
		offsetof(struct wire_read, generation) == GENERATION_AT &&
		offsetof(struct wire_typing, generation) == GENERATION_AT &&
		offsetof(struct wire_presence, generation) == GENERATION_AT &&
		offsetof(struct wire_reconcile, generation) == GENERATION_AT &&
		offsetof(struct wire_token_revoked, generation) == GENERATION_AT,
	"the place of the generation");
_Static_assert(sizeof(struct wire_erased) <= RECORD_FIXED_SIZE &&
		sizeof(struct wire_read) <= RECORD_FIXED_SIZE,
	"RECORD_FIXED_SIZE holds every fixed part");

/* Encoding. */

static struct wire_conv wire_conv_of(const struct conv *c)
{
	return (struct wire_conv){ c->id, c->user_lo, c->user_hi, c->kind };
}

static void put_fixed(struct iovec *iov, uint8_t *fixed, const void *wire, size_t size)
{
	memcpy(fixed, wire, size);
	*iov = (struct iovec){ fixed, size };
}

/* iovec has no const; ring_publish only reads. */
static struct iovec piece(struct text t)
{
	return (struct iovec){ (void *)(uintptr_t)t.data, t.len };
}

static bool is_reaction(enum record_event event)
{
	return event == RECORD_REACTED || event == RECORD_UNREACTED;
}

/* The content of a reaction is its emoji. */
static void encode_change(const struct record_change *c, uint8_t *fixed, struct iovec *iov)
{
	const struct message *m = &c->message;
	struct text content = is_reaction(c->event) ? c->emoji : m->content;
	const struct wire_change w = {
		.type = RECORD_CHANGE,
		.event = c->event,
		.message_kind = m->kind,
		.deleted = m->deleted,
		.has_content = content.data != NULL,
		.has_client_id = m->client_id.data != NULL,
		.mentions_all = m->mentions_all,
		.pinned = m->pinned,
		.has_forwarded_name = m->forwarded_name.data != NULL,
		.reply_deleted = m->reply.deleted,
		.content_len = (uint32_t)content.len,
		.client_id_len = (uint32_t)m->client_id.len,
		.forwarded_name_len = (uint32_t)m->forwarded_name.len,
		.reply_content_len = (uint32_t)m->reply.content.len,
		.conv = wire_conv_of(&c->conv),
		.origin = c->origin,
		.message_id = m->message_id,
		.seq = m->seq,
		.mod = m->mod,
		.sender_id = m->sender_id,
		.target_id = m->target_id,
		.sent_ms = m->sent_ms,
		.edited_ms = m->edited_ms,
		.thread_id = m->thread_id,
		.forwarded_from = m->forwarded_from,
		.reply_id = m->reply.message_id,
		.reply_seq = m->reply.seq,
		.reply_sender = m->reply.sender_id,
		.user_id = c->user_id,
	};

	put_fixed(iov, fixed, &w, sizeof(w));
	iov[1] = piece(content);
	iov[2] = piece(m->client_id);
	iov[3] = piece(m->forwarded_name);
	iov[4] = piece(m->reply.content);
}

static void encode_erased(const struct record_erased *e, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_erased w = {
		.type = RECORD_ERASED,
		.left = e->left,
		.conv = wire_conv_of(&e->conv),
		.from_mod = e->from_mod,
		.mod = e->mod,
		.seq = e->seq,
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_group_gone(const struct record_group_gone *g, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_group_gone w = {
		.type = RECORD_GROUP_GONE, .conv = wire_conv_of(&g->conv), .user_id = g->user_id
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_chat(const struct record_chat *c, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_chat w = {
		.type = RECORD_CHAT, .conv = wire_conv_of(&c->conv), .revision = c->revision
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_read(const struct record_read *r, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_read w = {
		.type = RECORD_READ,
		.own_only = r->own_only,
		.conv = wire_conv_of(&r->conv),
		.user_id = r->user_id,
		.seq = r->seq,
		.origin = r->origin,
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_typing(const struct record_typing *t, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_typing w = {
		.type = RECORD_TYPING,
		.on = t->on,
		.conv = wire_conv_of(&t->conv),
		.user_id = t->user_id,
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_presence(const struct record_presence *p, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_presence w = { .type = RECORD_PRESENCE, .user_id = p->user_id };

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_reconcile(uint8_t *fixed, struct iovec *iov)
{
	const struct wire_reconcile w = { .type = RECORD_RECONCILE };

	put_fixed(iov, fixed, &w, sizeof(w));
}

static void encode_token_revoked(
	const struct record_token_revoked *t, uint8_t *fixed, struct iovec *iov)
{
	const struct wire_token_revoked w = {
		.type = RECORD_TOKEN_REVOKED,
		.token_id = t->token_id,
		.user_id = t->user_id,
		.keep_token_id = t->keep_token_id,
	};

	put_fixed(iov, fixed, &w, sizeof(w));
}

void record_encode(
	const struct record *r, uint8_t fixed[RECORD_FIXED_SIZE], struct iovec iov[RECORD_IOV])
{
	for (int i = 0; i < RECORD_IOV; i++)
		iov[i] = (struct iovec){ NULL, 0 };
	switch ((enum record_type)r->type) {
	case RECORD_CHANGE:
		encode_change(&r->change, fixed, iov);
		break;
	case RECORD_ERASED:
		encode_erased(&r->erased, fixed, iov);
		break;
	case RECORD_GROUP_GONE:
		encode_group_gone(&r->group_gone, fixed, iov);
		break;
	case RECORD_CHAT:
		encode_chat(&r->chat, fixed, iov);
		break;
	case RECORD_READ:
		encode_read(&r->read, fixed, iov);
		break;
	case RECORD_TYPING:
		encode_typing(&r->typing, fixed, iov);
		break;
	case RECORD_PRESENCE:
		encode_presence(&r->presence, fixed, iov);
		break;
	case RECORD_RECONCILE:
		encode_reconcile(fixed, iov);
		break;
	case RECORD_TOKEN_REVOKED:
		encode_token_revoked(&r->token_revoked, fixed, iov);
		break;
	case RECORD_TYPE_MAX:
		break;
	}
	memcpy(fixed + GENERATION_AT, &r->generation, sizeof(r->generation));
}

/* Decoding. */

/* Copies a fixed part that must be all there is. */
static bool get_fixed(void *wire, size_t size, const uint8_t *bytes, size_t len)
{
	if (len != size)
		return false;
	memcpy(wire, bytes, size);
	return true;
}

static bool in_range(int64_t n, int64_t min)
{
	return n >= min && n <= PROTO_ID_MAX;
}

static bool get_conv(struct conv *c, const struct wire_conv *w)
{
	bool valid = false;

	if (w->kind == CONV_GROUP)
		valid = w->user_lo == 0 && w->user_hi == 0;
	else if (w->kind == CONV_DIRECT)
		valid = in_range(w->user_lo, 1) && in_range(w->user_hi, w->user_lo);
	*c = (struct conv){ w->id, w->user_lo, w->user_hi, (uint8_t)w->kind };
	return valid && in_range(w->id, 1);
}

/* A text of a record; NULL data if it is absent, and then its length is 0. */
static bool get_text(struct text *t, const uint8_t *bytes, uint32_t len, uint8_t present)
{
	*t = present ? (struct text){ (const char *)bytes, len } : (struct text){ NULL, 0 };
	return present <= 1 && (present || len == 0) && utf8_valid((const char *)bytes, len);
}

/* A quote of an earlier message, or none. */
static bool quote_valid(const struct quote *q, const struct message *m)
{
	if (q->message_id == 0)
		return m->thread_id == 0 && q->seq == 0 && q->sender_id == 0 && !q->deleted &&
			q->content.len == 0;
	return in_range(q->message_id, 1) && in_range(m->thread_id, 1) && in_range(q->seq, 1) &&
		q->seq < m->seq && in_range(q->sender_id, 0) &&
		(!q->deleted || q->content.len == 0);
}

static bool forward_valid(const struct message *m)
{
	return in_range(m->forwarded_from, 0) &&
		(m->forwarded_name.data != NULL || m->forwarded_from == 0);
}

/* True if the message has what only texts have. */
static bool has_relations(const struct message *m)
{
	return m->reply.message_id != 0 || m->forwarded_name.data != NULL || m->mentions_all ||
		m->pinned;
}

/* True if the message has the fields of its kind and no others. */
static bool message_valid(const struct message *m, uint8_t conv_kind)
{
	if (!quote_valid(&m->reply, m) || !forward_valid(m))
		return false;
	if (m->kind == MESSAGE_TEXT)
		return m->target_id == 0 && m->deleted == (m->content.data == NULL);
	if (conv_kind != CONV_GROUP || m->deleted || has_relations(m))
		return false;
	switch (m->kind) {
	case MESSAGE_JOIN:
	case MESSAGE_LEAVE:
		return in_range(m->target_id, 1) && m->content.data == NULL;
	case MESSAGE_RENAME:
		return m->target_id == 0 && m->content.data != NULL;
	default:
		return false;
	}
}

/* True if a reaction or a pin has its fields and no others. */
static bool mark_valid(struct record_change *c)
{
	const struct message *m = &c->message;
	char emoji[EMOJI_MAX];

	if (is_reaction(c->event)) {
		c->emoji = m->content;
		c->message.content = (struct text){ NULL, 0 };
		if (c->emoji.len == 0 ||
			emoji_read(c->emoji.data, c->emoji.len, emoji) != c->emoji.len)
			return false;
	}
	return m->kind == MESSAGE_TEXT && m->content.data == NULL && !m->deleted &&
		m->target_id == 0 && !has_relations(m) && m->client_id.data == NULL &&
		in_range(c->user_id, 1);
}

static bool change_valid(struct record_change *c)
{
	if (c->event >= RECORD_REACTED)
		return mark_valid(c);
	return c->user_id == 0 && message_valid(&c->message, c->conv.kind);
}

/* The texts of a change, in their order. */
static bool get_texts(struct message *m, const struct wire_change *w, const uint8_t *bytes)
{
	const uint8_t *client_id = bytes + w->content_len;
	const uint8_t *forwarded_name = client_id + w->client_id_len;
	const uint8_t *reply = forwarded_name + w->forwarded_name_len;
	uint8_t has_reply = w->reply_id != 0 && !w->reply_deleted;

	return get_text(&m->content, bytes, w->content_len, w->has_content) &&
		get_text(&m->client_id, client_id, w->client_id_len, w->has_client_id) &&
		get_text(&m->forwarded_name, forwarded_name, w->forwarded_name_len,
			w->has_forwarded_name) &&
		get_text(&m->reply.content, reply, w->reply_content_len, has_reply);
}

static bool decode_change(struct record_change *c, const uint8_t *bytes, size_t len)
{
	struct wire_change w;
	struct message *m = &c->message;

	if (len < sizeof(w))
		return false;
	memcpy(&w, bytes, sizeof(w));
	if (w.content_len > PROTO_CONTENT_MAX || w.client_id_len > PROTO_CLIENT_ID_MAX ||
		w.forwarded_name_len > UTF8_BYTES_MAX * PROTO_NAME_MAX ||
		w.reply_content_len > UTF8_BYTES_MAX * PROTO_CUT_MAX ||
		len !=
			sizeof(w) + w.content_len + w.client_id_len + w.forwarded_name_len +
				w.reply_content_len)
		return false;
	if (w.event < RECORD_NEW || w.event >= RECORD_EVENT_MAX || w.deleted > 1 ||
		w.mentions_all > 1 || w.pinned > 1 || w.reply_deleted > 1 ||
		!in_range(w.message_id, 1) || !in_range(w.seq, 1) || !in_range(w.mod, 1) ||
		!in_range(w.sender_id, 0) || w.sent_ms < 0 || w.edited_ms < 0)
		return false;
	*c = (struct record_change){ .user_id = w.user_id, .origin = w.origin, .event = w.event };
	*m = (struct message){
		.message_id = w.message_id,
		.seq = w.seq,
		.mod = w.mod,
		.sender_id = w.sender_id,
		.target_id = w.target_id,
		.sent_ms = w.sent_ms,
		.edited_ms = w.edited_ms,
		.thread_id = w.thread_id,
		.forwarded_from = w.forwarded_from,
		.reply = { .message_id = w.reply_id,
			.seq = w.reply_seq,
			.sender_id = w.reply_sender,
			.deleted = w.reply_deleted },
		.kind = w.message_kind,
		.deleted = w.deleted,
		.mentions_all = w.mentions_all,
		.pinned = w.pinned,
	};
	return get_conv(&c->conv, &w.conv) && get_texts(m, &w, bytes + sizeof(w)) &&
		change_valid(c);
}

static bool decode_erased(struct record_erased *e, const uint8_t *bytes, size_t len)
{
	struct wire_erased w;

	if (!get_fixed(&w, sizeof(w), bytes, len))
		return false;
	*e = (struct record_erased){
		.from_mod = w.from_mod, .mod = w.mod, .seq = w.seq, .left = w.left != 0
	};
	return w.left <= 1 && get_conv(&e->conv, &w.conv) && in_range(w.from_mod, 0) &&
		in_range(w.mod, w.from_mod) && in_range(w.seq, 0);
}

static bool decode_group_gone(struct record_group_gone *g, const uint8_t *bytes, size_t len)
{
	struct wire_group_gone w;

	if (!get_fixed(&w, sizeof(w), bytes, len))
		return false;
	g->user_id = w.user_id;
	return get_conv(&g->conv, &w.conv) && g->conv.kind == CONV_GROUP && in_range(w.user_id, 1);
}

static bool decode_chat(struct record_chat *c, const uint8_t *bytes, size_t len)
{
	struct wire_chat w;

	if (!get_fixed(&w, sizeof(w), bytes, len))
		return false;
	c->revision = w.revision;
	return get_conv(&c->conv, &w.conv) && in_range(w.revision, 1);
}

static bool decode_read(struct record_read *r, const uint8_t *bytes, size_t len)
{
	struct wire_read w;

	if (!get_fixed(&w, sizeof(w), bytes, len) || w.own_only > 1)
		return false;
	*r = (struct record_read){
		.user_id = w.user_id, .seq = w.seq, .origin = w.origin, .own_only = w.own_only
	};
	return get_conv(&r->conv, &w.conv) && in_range(w.user_id, 1) && in_range(w.seq, 0);
}

static bool decode_typing(struct record_typing *t, const uint8_t *bytes, size_t len)
{
	struct wire_typing w;

	if (!get_fixed(&w, sizeof(w), bytes, len) || w.on > 1)
		return false;
	*t = (struct record_typing){ .user_id = w.user_id, .on = w.on };
	return get_conv(&t->conv, &w.conv) && in_range(w.user_id, 1);
}

static bool decode_presence(struct record_presence *p, const uint8_t *bytes, size_t len)
{
	struct wire_presence w;

	if (!get_fixed(&w, sizeof(w), bytes, len))
		return false;
	p->user_id = w.user_id;
	return in_range(w.user_id, 1);
}

static bool decode_token_revoked(struct record_token_revoked *t, const uint8_t *bytes, size_t len)
{
	struct wire_token_revoked w;

	if (!get_fixed(&w, sizeof(w), bytes, len))
		return false;
	*t = (struct record_token_revoked){ w.token_id, w.user_id, w.keep_token_id };
	if (w.user_id == 0)
		return in_range(w.token_id, 1) && w.keep_token_id == 0;
	return w.token_id == 0 && in_range(w.user_id, 1) && in_range(w.keep_token_id, 0);
}

bool record_decode(struct record *r, const uint8_t *bytes, size_t len)
{
	if (len < GENERATION_AT + sizeof(r->generation))
		return false;
	r->type = bytes[0];
	memcpy(&r->generation, bytes + GENERATION_AT, sizeof(r->generation));
	switch (r->type) {
	case RECORD_CHANGE:
		return decode_change(&r->change, bytes, len);
	case RECORD_ERASED:
		return decode_erased(&r->erased, bytes, len);
	case RECORD_GROUP_GONE:
		return decode_group_gone(&r->group_gone, bytes, len);
	case RECORD_CHAT:
		return decode_chat(&r->chat, bytes, len);
	case RECORD_READ:
		return decode_read(&r->read, bytes, len);
	case RECORD_TYPING:
		return decode_typing(&r->typing, bytes, len);
	case RECORD_PRESENCE:
		return decode_presence(&r->presence, bytes, len);
	case RECORD_RECONCILE:
		return len == sizeof(struct wire_reconcile);
	case RECORD_TOKEN_REVOKED:
		return decode_token_revoked(&r->token_revoked, bytes, len);
	default:
		return false;
	}
}
