/*
 * Records of the ring: each type comes back as it was, and nothing in shared memory is trusted.
 */
#include "common/record.h"
#include "common/utf8.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SENT INT64_C(1795515300123)
#define LEN_MAX 512

static const struct conv direct = { 900, 5, 8, CONV_DIRECT };
static const struct conv group = { 33, 0, 0, CONV_GROUP };

static size_t encode(const struct record *r, uint8_t *out)
{
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];
	size_t len = 0;

	record_encode(r, fixed, iov);
	for (int i = 0; i < RECORD_IOV; i++) {
		if (iov[i].iov_len > 0)
			memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

static bool round_trip(const struct record *in, struct record *out)
{
	static uint8_t bytes[LEN_MAX]; /* out's texts point into it */

	memset(out, 0xff, sizeof(*out));
	return record_decode(out, bytes, encode(in, bytes));
}

static struct record change_record(void)
{
	return (struct record){ .type = RECORD_CHANGE,
		.change = { .conv = direct,
			.message = { .message_id = 1,
				.seq = 2,
				.mod = PROTO_ID_MAX,
				.sender_id = 4,
				.sent_ms = SENT,
				.edited_ms = SENT + 1,
				.content = { "text", 4 },
				.client_id = { "id", 2 },
				.forwarded_from = 3,
				.forwarded_name = { "name", 4 },
				.thread_id = 6,
				.reply = { .message_id = 7,
					.seq = 1,
					.sender_id = 5,
					.content = { "quote", 5 } },
				.kind = MESSAGE_TEXT,
				.mentions_all = true,
				.pinned = true },
			.origin = UINT64_MAX - 3,
			.event = RECORD_EDITED } };
}

/* One valid record of each type. */
static struct record valid_record(enum record_type type)
{
	struct record r = { .type = (uint8_t)type };

	switch (type) {
	case RECORD_CHANGE:
		return change_record();
	case RECORD_ERASED:
		r.erased = (struct record_erased){ direct, 7, 9, 3, true };
		break;
	case RECORD_GROUP_GONE:
		r.group_gone = (struct record_group_gone){ group, 5 };
		break;
	case RECORD_CHAT:
		r.chat = (struct record_chat){ group, 6 };
		break;
	case RECORD_READ:
		r.read = (struct record_read){ direct, 5, 3, UINT64_MAX, true };
		break;
	case RECORD_TYPING:
		r.typing = (struct record_typing){ direct, 5, true };
		break;
	case RECORD_PRESENCE:
		r.presence = (struct record_presence){ 5 };
		break;
	case RECORD_TOKEN_REVOKED:
		r.token_revoked = (struct record_token_revoked){ 0, 5, 12 };
		break;
	default:
		break;
	}
	return r;
}

static void ck_conv(const struct conv *c, const struct conv *expected)
{
	ck_assert_int_eq(c->id, expected->id);
	ck_assert_int_eq(c->user_lo, expected->user_lo);
	ck_assert_int_eq(c->user_hi, expected->user_hi);
	ck_assert_int_eq(c->kind, expected->kind);
}

static void ck_text(struct text t, const char *expected)
{
	ck_assert_uint_eq(t.len, strlen(expected));
	ck_assert_mem_eq(t.data, expected, t.len);
}

START_TEST(a_change_comes_back_as_it_was)
{
	const struct record in = change_record();
	const struct message *m;
	struct record r;

	ck_assert(round_trip(&in, &r));
	m = &r.change.message;
	ck_assert_int_eq(r.type, RECORD_CHANGE);
	ck_assert_int_eq(r.change.event, RECORD_EDITED);
	ck_conv(&r.change.conv, &direct);
	ck_assert(r.change.origin == UINT64_MAX - 3);
	ck_assert_mem_eq(m, &in.change.message, offsetof(struct message, content));
	ck_assert_int_eq(m->kind, MESSAGE_TEXT);
	ck_assert(!m->deleted);
	ck_text(m->content, "text");
	ck_text(m->client_id, "id");
	ck_assert(m->mentions_all && m->pinned);
	ck_text(m->forwarded_name, "name");
	ck_assert_int_eq(m->reply.message_id, 7);
	ck_assert_int_eq(m->reply.seq, 1);
	ck_assert_int_eq(m->reply.sender_id, 5);
	ck_text(m->reply.content, "quote");
	ck_assert(!m->reply.deleted);
}
END_TEST

/* A message without what only some have; the rest of change_record. */
static struct record plain_record(void)
{
	struct record r = change_record();
	struct message *m = &r.change.message;

	m->forwarded_from = m->thread_id = 0;
	m->forwarded_name = (struct text){ NULL, 0 };
	m->reply = (struct quote){ .message_id = 0 };
	m->mentions_all = m->pinned = false;
	return r;
}

START_TEST(a_deleted_quote_and_a_deleted_author_come_back_as_they_were)
{
	struct record in = change_record(), r;
	struct message *m = &in.change.message;

	m->forwarded_from = m->reply.sender_id = 0;
	m->forwarded_name = (struct text){ "", 0 };
	m->reply.content = (struct text){ NULL, 0 };
	m->reply.deleted = true;
	ck_assert(round_trip(&in, &r));
	ck_assert_ptr_nonnull(r.change.message.forwarded_name.data);
	ck_assert_ptr_null(r.change.message.reply.content.data);
	ck_assert(r.change.message.reply.deleted);
	in = plain_record();
	ck_assert(round_trip(&in, &r));
	ck_assert_ptr_null(r.change.message.forwarded_name.data);
	ck_assert_ptr_null(r.change.message.reply.content.data);
}
END_TEST

/* A reaction or a pin. */
static struct record mark_record(enum record_event event)
{
	bool reaction = event == RECORD_REACTED || event == RECORD_UNREACTED;

	return (struct record){ .type = RECORD_CHANGE,
		.change = { .conv = direct,
			.message = { .message_id = 1,
				.seq = 2,
				.mod = 3,
				.sender_id = 4,
				.kind = MESSAGE_TEXT },
			.user_id = 5,
			.emoji = { reaction ? "\xE2\x9D\xA4" : NULL, reaction ? 3 : 0 },
			.origin = 6,
			.event = (uint8_t)event } };
}

START_TEST(reactions_and_pins_come_back_without_a_text_of_the_message)
{
	for (int event = RECORD_REACTED; event <= RECORD_UNPINNED; event++) {
		const struct record in = mark_record((enum record_event)event);
		struct record r;

		ck_assert_msg(round_trip(&in, &r), "event %d", event);
		ck_assert_int_eq(r.change.event, event);
		ck_assert_int_eq(r.change.user_id, 5);
		ck_assert_int_eq(r.change.message.mod, 3);
		ck_assert_ptr_null(r.change.message.content.data);
		if (in.change.emoji.data != NULL)
			ck_text(r.change.emoji, "\xE2\x9D\xA4");
		else
			ck_assert_ptr_null(r.change.emoji.data);
	}
}
END_TEST

#define MARK_REJECTED(event, assignment)                                \
	do {                                                            \
		struct record in = mark_record(event), r;               \
                                                                        \
		assignment;                                             \
		ck_assert_msg(!round_trip(&in, &r), "%s", #assignment); \
	} while (0)

START_TEST(reactions_and_pins_with_other_fields_are_rejected)
{
	MARK_REJECTED(RECORD_REACTED, in.change.user_id = 0);
	MARK_REJECTED(RECORD_REACTED, in.change.emoji = ((struct text){ NULL, 0 }));
	MARK_REJECTED(RECORD_REACTED, in.change.emoji = ((struct text){ "a", 1 }));
	MARK_REJECTED(RECORD_UNREACTED,
		in.change.emoji = ((struct text){ "\xE2\x9D\xA4\xEF\xB8\x8F", 6 }));
	MARK_REJECTED(RECORD_REACTED, in.change.message.kind = MESSAGE_JOIN);
	MARK_REJECTED(RECORD_REACTED, in.change.message.deleted = true);
	MARK_REJECTED(RECORD_PINNED, in.change.message.pinned = true);
	MARK_REJECTED(RECORD_PINNED, in.change.message.content = ((struct text){ "x", 1 }));
	MARK_REJECTED(RECORD_PINNED, in.change.message.client_id = ((struct text){ "x", 1 }));
	MARK_REJECTED(RECORD_UNPINNED, in.change.user_id = PROTO_ID_MAX + 1);
}
END_TEST

START_TEST(the_generation_comes_back_in_records_of_all_types)
{
	for (int type = RECORD_CHANGE; type < RECORD_TYPE_MAX; type++) {
		struct record in = valid_record((uint8_t)type), r;

		in.generation = (uint16_t)(0xfff0 + type);
		ck_assert_msg(round_trip(&in, &r), "type %d", type);
		ck_assert_uint_eq(r.generation, in.generation);
	}
}
END_TEST

START_TEST(system_messages_and_deletions_come_back_as_they_were)
{
	struct record in = plain_record(), r;
	struct message *m = &in.change.message;

	m->deleted = true;
	m->content = m->client_id = (struct text){ NULL, 0 };
	ck_assert(round_trip(&in, &r));
	ck_assert(r.change.message.deleted && r.change.message.content.data == NULL);
	in.change.conv = group;
	m->deleted = false;
	m->kind = MESSAGE_LEAVE;
	m->target_id = 5;
	m->sender_id = 0; /* the actor was deleted */
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.change.conv, &group);
	ck_assert_int_eq(r.change.message.target_id, 5);
	ck_assert_int_eq(r.change.message.sender_id, 0);
	m->kind = MESSAGE_RENAME;
	m->target_id = 0;
	m->content = (struct text){ "name", 4 };
	ck_assert(round_trip(&in, &r));
	ck_text(r.change.message.content, "name");
}
END_TEST

START_TEST(the_other_types_come_back_as_they_were)
{
	struct record in, r;

	in = valid_record(RECORD_ERASED);
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.erased.conv, &direct);
	ck_assert_int_eq(r.erased.from_mod, 7);
	ck_assert_int_eq(r.erased.mod, 9);
	ck_assert_int_eq(r.erased.seq, 3);
	ck_assert(r.erased.left);
	in = valid_record(RECORD_GROUP_GONE);
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.group_gone.conv, &group);
	ck_assert_int_eq(r.group_gone.user_id, 5);
	in = valid_record(RECORD_CHAT);
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.chat.conv, &group);
	ck_assert_int_eq(r.chat.revision, 6);
	in = valid_record(RECORD_READ);
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.read.conv, &direct);
	ck_assert_int_eq(r.read.user_id, 5);
	ck_assert_int_eq(r.read.seq, 3);
	ck_assert(r.read.origin == UINT64_MAX);
	ck_assert(r.read.own_only);
	in = valid_record(RECORD_TYPING);
	ck_assert(round_trip(&in, &r));
	ck_conv(&r.typing.conv, &direct);
	ck_assert_int_eq(r.typing.user_id, 5);
	ck_assert(r.typing.on);
	in = valid_record(RECORD_PRESENCE);
	ck_assert(round_trip(&in, &r));
	ck_assert_int_eq(r.presence.user_id, 5);
	in = valid_record(RECORD_RECONCILE);
	ck_assert(round_trip(&in, &r));
	ck_assert_int_eq(r.type, RECORD_RECONCILE);
	in = valid_record(RECORD_TOKEN_REVOKED);
	ck_assert(round_trip(&in, &r));
	ck_assert_int_eq(r.token_revoked.token_id, 0);
	ck_assert_int_eq(r.token_revoked.user_id, 5);
	ck_assert_int_eq(r.token_revoked.keep_token_id, 12);
}
END_TEST

START_TEST(a_null_client_id_and_an_empty_one_stay_apart)
{
	struct record in = change_record(), r;

	in.change.message.client_id = (struct text){ "", 0 };
	ck_assert(round_trip(&in, &r));
	ck_assert_ptr_nonnull(r.change.message.client_id.data);
	ck_assert_uint_eq(r.change.message.client_id.len, 0);
	in.change.message.client_id.data = NULL;
	ck_assert(round_trip(&in, &r));
	ck_assert_ptr_null(r.change.message.client_id.data);
}
END_TEST

START_TEST(the_longest_message_fits_and_a_longer_one_does_not)
{
	static char content[PROTO_CONTENT_MAX + 1];
	static uint8_t bytes[20 << 10]; /* what every ring takes (ring_max_record) */
	struct record in = change_record(), r;
	struct message *m = &in.change.message;
	struct text *texts[] = { &m->content, &m->client_id, &m->forwarded_name,
		&m->reply.content };
	static const size_t max[] = { PROTO_CONTENT_MAX, PROTO_CLIENT_ID_MAX,
		UTF8_BYTES_MAX * PROTO_NAME_MAX, UTF8_BYTES_MAX * PROTO_CUT_MAX };

	for (size_t i = 0; i < 4; i++)
		*texts[i] = (struct text){ content, max[i] };
	ck_assert(record_decode(&r, bytes, encode(&in, bytes)));
	ck_assert_uint_eq(r.change.message.content.len, PROTO_CONTENT_MAX);
	for (size_t i = 0; i < 4; i++) {
		texts[i]->len++;
		ck_assert_msg(!record_decode(&r, bytes, encode(&in, bytes)), "text %zu", i);
		texts[i]->len--;
	}
}
END_TEST

START_TEST(a_record_of_another_length_is_rejected)
{
	for (int type = RECORD_CHANGE; type < RECORD_TYPE_MAX; type++) {
		const struct record in = valid_record(type);
		uint8_t bytes[LEN_MAX] = { 0 };
		size_t len = encode(&in, bytes);
		struct record r;

		ck_assert_msg(record_decode(&r, bytes, len), "type %d", type);
		for (size_t n = 0; n < len; n++)
			ck_assert_msg(!record_decode(&r, bytes, n), "type %d, %zu bytes", type, n);
		ck_assert_msg(!record_decode(&r, bytes, len + 1), "type %d", type);
	}
}
END_TEST

START_TEST(a_type_that_does_not_exist_is_rejected)
{
	uint8_t bytes[LEN_MAX] = { 0 };
	struct record r;

	for (int type = 0; type < 256; type++)
		for (size_t len = 0; len < LEN_MAX; len++) {
			bytes[0] = (uint8_t)type;
			if (type == 0 || type >= RECORD_TYPE_MAX)
				ck_assert(!record_decode(&r, bytes, len));
		}
}
END_TEST

#define REJECTED(type, assignment)                                      \
	do {                                                            \
		struct record in = valid_record(type), r;               \
                                                                        \
		ck_assert(round_trip(&in, &r));                         \
		assignment;                                             \
		ck_assert_msg(!round_trip(&in, &r), "%s", #assignment); \
	} while (0)

START_TEST(fields_of_a_change_out_of_range_are_rejected)
{
	REJECTED(RECORD_CHANGE, in.change.event = 0);
	REJECTED(RECORD_CHANGE, in.change.event = RECORD_EVENT_MAX);
	REJECTED(RECORD_CHANGE, in.change.message.message_id = 0);
	REJECTED(RECORD_CHANGE, in.change.message.message_id = PROTO_ID_MAX + 1);
	REJECTED(RECORD_CHANGE, in.change.message.seq = 0);
	REJECTED(RECORD_CHANGE, in.change.message.seq = -1);
	REJECTED(RECORD_CHANGE, in.change.message.seq = INT64_MAX);
	REJECTED(RECORD_CHANGE, in.change.message.mod = 0);
	REJECTED(RECORD_CHANGE, in.change.message.mod = INT64_MIN);
	REJECTED(RECORD_CHANGE, in.change.message.mod = PROTO_ID_MAX + 1);
	REJECTED(RECORD_CHANGE, in.change.message.sender_id = -1);
	REJECTED(RECORD_CHANGE, in.change.message.target_id = 5); /* of a text */
	REJECTED(RECORD_CHANGE, in.change.message.sent_ms = -1);
	REJECTED(RECORD_CHANGE, in.change.message.edited_ms = -1);
	REJECTED(RECORD_CHANGE, in.change.message.thread_id = 0); /* of a reply */
	REJECTED(RECORD_CHANGE, in.change.message.thread_id = PROTO_ID_MAX + 1);
	REJECTED(RECORD_CHANGE, in.change.message.forwarded_from = -1);
	REJECTED(RECORD_CHANGE, in.change.message.reply.message_id = -1);
	REJECTED(RECORD_CHANGE, in.change.message.reply.seq = 0);
	REJECTED(RECORD_CHANGE, in.change.message.reply.seq = 2); /* its own */
	REJECTED(RECORD_CHANGE, in.change.message.reply.sender_id = PROTO_ID_MAX + 1);
	REJECTED(RECORD_CHANGE, in.change.message.reply.deleted = true); /* with content */
}
END_TEST

/* A join. */
static struct record join_record(void)
{
	struct record r = plain_record();

	r.change.conv = group;
	r.change.message.kind = MESSAGE_JOIN;
	r.change.message.target_id = 5;
	r.change.message.content = (struct text){ NULL, 0 };
	return r;
}

#define REJECTED_IN(valid, assignment)                                  \
	do {                                                            \
		struct record in = valid, r;                            \
		struct message *m = &in.change.message;                 \
                                                                        \
		ck_assert(round_trip(&in, &r));                         \
		assignment;                                             \
		ck_assert_msg(!round_trip(&in, &r), "%s", #assignment); \
	} while (0)

START_TEST(relations_of_what_has_none_are_rejected)
{
	REJECTED_IN(plain_record(), m->thread_id = 6);
	REJECTED_IN(plain_record(), m->reply.seq = 1);
	REJECTED_IN(plain_record(), m->reply.sender_id = 1);
	REJECTED_IN(plain_record(), m->reply.content = ((struct text){ "a", 1 }));
	REJECTED_IN(plain_record(), m->reply.deleted = true);
	REJECTED_IN(plain_record(), m->forwarded_from = 5);
	REJECTED_IN(join_record(), m->pinned = true);
	REJECTED_IN(join_record(), m->mentions_all = true);
	REJECTED_IN(join_record(), m->forwarded_name = ((struct text){ "a", 1 }));
	REJECTED_IN(join_record(), m->thread_id = m->reply.message_id = m->reply.seq = 1;
		    m->seq = 2; m->reply.content = ((struct text){ "a", 1 }));
}
END_TEST

/* A change becomes JSON of the contract for every member. */
START_TEST(kinds_that_do_not_exist_and_texts_that_do_not_fit_them_are_rejected)
{
	static const struct text null = { NULL, 0 };

	REJECTED(RECORD_CHANGE, in.change.message.kind = 'x');
	REJECTED(RECORD_CHANGE, in.change.message.kind = MESSAGE_JOIN);
	REJECTED(RECORD_CHANGE, in.change.message.kind = MESSAGE_LEAVE);
	REJECTED(RECORD_CHANGE, in.change.message.kind = MESSAGE_RENAME); /* of a direct chat */
	REJECTED(RECORD_CHANGE, in.change.message.deleted = true); /* with content */
	REJECTED(RECORD_CHANGE, in.change.message.content = null); /* not deleted */
	REJECTED(RECORD_CHANGE, in.change.message.content = ((struct text){ "a\xff", 2 }));
	REJECTED(RECORD_CHANGE, in.change.message.client_id = ((struct text){ "\xc3", 1 }));
	/* A character that is valid only across the two texts. */
	REJECTED(RECORD_CHANGE, in.change.message.content = ((struct text){ "\xc3", 1 });
		 in.change.message.client_id = ((struct text){ "\xa4", 1 }));
}
END_TEST

START_TEST(conversations_that_do_not_exist_are_rejected)
{
	REJECTED(RECORD_CHANGE, in.change.conv.kind = 0);
	REJECTED(RECORD_CHANGE, in.change.conv.kind = 'x');
	REJECTED(RECORD_CHANGE, in.change.conv.kind = CONV_GROUP); /* with two users */
	REJECTED(RECORD_CHANGE, in.change.conv.id = 0);
	REJECTED(RECORD_CHANGE, in.change.conv.id = PROTO_ID_MAX + 1);
	REJECTED(RECORD_ERASED, in.erased.conv.user_lo = 0);
	REJECTED(RECORD_ERASED, in.erased.conv.user_lo = 9); /* above user_hi */
	REJECTED(RECORD_READ, in.read.conv.user_hi = PROTO_ID_MAX + 1);
	REJECTED(RECORD_TYPING, in.typing.conv.id = -1);
	REJECTED(RECORD_GROUP_GONE, in.group_gone.conv = direct);
}
END_TEST

START_TEST(fields_of_other_types_out_of_range_are_rejected)
{
	REJECTED(RECORD_ERASED, in.erased.from_mod = -1);
	REJECTED(RECORD_ERASED, in.erased.mod = in.erased.from_mod - 1);
	REJECTED(RECORD_ERASED, in.erased.mod = PROTO_ID_MAX + 1);
	REJECTED(RECORD_ERASED, in.erased.seq = -1);
	REJECTED(RECORD_GROUP_GONE, in.group_gone.user_id = 0);
	REJECTED(RECORD_CHAT, in.chat.revision = 0);
	REJECTED(RECORD_READ, in.read.user_id = 0);
	REJECTED(RECORD_READ, in.read.seq = -1);
	REJECTED(RECORD_READ, in.read.seq = PROTO_ID_MAX + 1);
	REJECTED(RECORD_TYPING, in.typing.user_id = 0);
	REJECTED(RECORD_PRESENCE, in.presence.user_id = 0);
	REJECTED(RECORD_PRESENCE, in.presence.user_id = INT64_MIN);
	REJECTED(RECORD_TOKEN_REVOKED, in.token_revoked.token_id = 1); /* and a user */
	REJECTED(RECORD_TOKEN_REVOKED, in.token_revoked.user_id = -1);
	REJECTED(RECORD_TOKEN_REVOKED, in.token_revoked.keep_token_id = -1);
	REJECTED(RECORD_TOKEN_REVOKED, in.token_revoked.user_id = 0); /* neither */
}
END_TEST

/* A flag is 0 or 1: another value is not a record of ours. */
START_TEST(flags_that_are_no_booleans_are_rejected)
{
	/* deleted, has_content, has_client_id, mentions_all, pinned, has_forwarded_name, reply_deleted */
	static const size_t change_flags[] = { 3, 4, 5, 8, 9, 10, 11 };
	struct record in = change_record(), r;
	uint8_t bytes[LEN_MAX];
	size_t len = encode(&in, bytes);

	for (size_t i = 0; i < sizeof(change_flags) / sizeof(change_flags[0]); i++) {
		uint8_t flag = bytes[change_flags[i]];

		bytes[change_flags[i]] = 2;
		ck_assert_msg(!record_decode(&r, bytes, len), "flag %zu", i);
		bytes[change_flags[i]] = flag;
	}
	bytes[5] = 0; /* no client_id, and two bytes of it */
	ck_assert(!record_decode(&r, bytes, len));
	in = valid_record(RECORD_TYPING);
	len = encode(&in, bytes);
	bytes[1] = 2;
	ck_assert(!record_decode(&r, bytes, len));
}
END_TEST

static bool inside(struct text t, const uint8_t *bytes, size_t len)
{
	return t.data == NULL ||
		((const uint8_t *)t.data >= bytes &&
			(const uint8_t *)t.data + t.len <= bytes + len);
}

/* The other half of R1: nothing in shared memory is trusted. */
START_TEST(any_bytes_are_rejected_or_their_texts_are_inside_them)
{
	enum { N = 200000, CHANGED = 3 };
	unsigned taken = 0;

	srandom(1);
	for (int i = 0; i < N; i++) {
		const struct record in = valid_record(1 + i / 2 % (RECORD_TYPE_MAX - 1));
		uint8_t valid[LEN_MAX];
		size_t len = i % 2 ? encode(&in, valid) : (size_t)(random() % 400);
		uint8_t *bytes = malloc(len + 1); /* of this size, for the sanitizer */
		struct record r;

		for (size_t k = 0; k < len; k++)
			bytes[k] = i % 2 ? valid[k] : (uint8_t)random();
		for (int k = 0; i % 2 && k < CHANGED; k++)
			bytes[(size_t)random() % len] = (uint8_t)random();
		if (record_decode(&r, bytes, len)) {
			struct buf b = BUF_EMPTY;
			const struct message *m = &r.change.message;

			taken++;
			if (r.type == RECORD_CHANGE) {
				ck_assert(inside(m->content, bytes, len));
				ck_assert(inside(m->client_id, bytes, len));
				ck_assert(inside(m->forwarded_name, bytes, len));
				ck_assert(inside(m->reply.content, bytes, len));
				proto_put_message(
					&b, m, &r.change.conv, m->sender_id, MESSAGE_PUSHED);
			}
			buf_fini(&b);
		}
		free(bytes);
	}
	ck_assert_uint_gt(taken, 1000);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_change_comes_back_as_it_was);
	tcase_add_test(tc, a_deleted_quote_and_a_deleted_author_come_back_as_they_were);
	tcase_add_test(tc, the_generation_comes_back_in_records_of_all_types);
	tcase_add_test(tc, reactions_and_pins_come_back_without_a_text_of_the_message);
	tcase_add_test(tc, reactions_and_pins_with_other_fields_are_rejected);
	tcase_add_test(tc, system_messages_and_deletions_come_back_as_they_were);
	tcase_add_test(tc, the_other_types_come_back_as_they_were);
	tcase_add_test(tc, a_null_client_id_and_an_empty_one_stay_apart);
	tcase_add_test(tc, the_longest_message_fits_and_a_longer_one_does_not);
	tcase_add_test(tc, a_record_of_another_length_is_rejected);
	tcase_add_test(tc, a_type_that_does_not_exist_is_rejected);
	tcase_add_test(tc, fields_of_a_change_out_of_range_are_rejected);
	tcase_add_test(tc, relations_of_what_has_none_are_rejected);
	tcase_add_test(tc, kinds_that_do_not_exist_and_texts_that_do_not_fit_them_are_rejected);
	tcase_add_test(tc, conversations_that_do_not_exist_are_rejected);
	tcase_add_test(tc, fields_of_other_types_out_of_range_are_rejected);
	tcase_add_test(tc, flags_that_are_no_booleans_are_rejected);
	tcase_add_test(tc, any_bytes_are_rejected_or_their_texts_are_inside_them);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
