/*
 * Messages as JSON of the contract, and as records of the ring, which are not trusted.
 */
#include "common/proto.h"

#include <check.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define SENT INT64_C(1795515300123) /* 2026-11-24T10:15:00.123Z */

static const struct conv direct = { 900, 5, 8, CONV_DIRECT };
static const struct conv group = { 33, 0, 0, CONV_GROUP };

static void ck_json(
	const struct message *m, const struct conv *c, int64_t viewer, const char *expected)
{
	struct buf b = BUF_EMPTY;
	const char *why;
	cJSON *parsed;

	buf_add_char(&b, '{');
	proto_put_message(&b, m, c, viewer);
	buf_add_char(&b, '}');
	ck_assert_str_eq(buf_cstr(&b), expected);
	parsed = json_parse(b.data, b.len, &why);
	ck_assert_msg(parsed != NULL, "%s", why);
	cJSON_Delete(parsed);
	buf_fini(&b);
}

START_TEST(a_text_has_content_and_its_client_id_only_for_its_sender)
{
	struct message m = { .message_id = 7,
		.seq = 3,
		.mod = 4,
		.sender_id = 5,
		.sent_ms = SENT,
		.kind = MESSAGE_TEXT,
		.content = { "a \"b\"\n\xc3\xa4", 8 },
		.client_id = { "c:1", 3 } };

	ck_json(&m, &direct, 5,
		"{\"message_id\":7,\"chat_id\":8,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":"
		"\"text\","
		"\"content\":\"a "
		"\\\"b\\\"\\n\xc3\xa4\",\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":"
		"null,"
		"\"deleted\":false,\"client_id\":\"c:1\"}");
	m.edited_ms = SENT + 1;
	ck_json(&m, &direct, 8,
		"{\"message_id\":7,\"chat_id\":5,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":"
		"\"text\","
		"\"content\":\"a \\\"b\\\"\\n\xc3\xa4\",\"sent_at\":\"2026-11-24T10:15:00.123Z\","
		"\"edited_at\":\"2026-11-24T10:15:00.124Z\",\"deleted\":false}");
}
END_TEST

START_TEST(a_deleted_one_of_a_deleted_person_has_nulls)
{
	const struct message m = { .message_id = 7,
		.seq = 3,
		.mod = 4,
		.sent_ms = SENT,
		.kind = MESSAGE_TEXT,
		.deleted = true };

	ck_json(&m, &group, 5,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":3,\"mod\":4,\"sender_id\":null,\"kind\":"
		"\"text\",\"content\":null,"
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":true}");
}
END_TEST

START_TEST(joins_and_leaves_have_a_user_and_renames_a_name_in_place_of_content)
{
	struct message m = { .message_id = 7,
		.seq = 1,
		.mod = 1,
		.sender_id = 5,
		.target_id = 9,
		.sent_ms = SENT,
		.kind = MESSAGE_JOIN };

	ck_json(&m, &group, 5,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":1,\"mod\":1,\"sender_id\":5,\"kind\":"
		"\"join\",\"user_id\":9,"
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":false}");
	m.kind = MESSAGE_LEAVE;
	ck_json(&m, &group, 9,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":1,\"mod\":1,\"sender_id\":5,\"kind\":"
		"\"leave\",\"user_id\":9,"
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":false}");
	m.kind = MESSAGE_RENAME;
	m.content = (struct text){ "new", 3 };
	ck_json(&m, &group, 9,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":1,\"mod\":1,\"sender_id\":5,\"kind\":"
		"\"rename\",\"name\":\"new\","
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":false}");
}
END_TEST

START_TEST(a_chat_is_named_by_the_other_party)
{
	const struct conv self = { 901, 5, 5, CONV_DIRECT };

	ck_assert_int_eq(conv_chat_id(&direct, 5), 8);
	ck_assert_int_eq(conv_chat_id(&direct, 8), 5);
	ck_assert_int_eq(conv_chat_id(&self, 5), 5);
	ck_assert_int_eq(conv_chat_id(&group, 5), 33);
}
END_TEST

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

static const struct record full = {
	.type = RECORD_CHANGE,
	.event = RECORD_EDITED,
	.on = true,
	.conv = { 900, 5, 8, CONV_DIRECT },
	.origin = UINT64_MAX - 3,
	.user_id = 11,
	.token_id = 12,
	.message = { .message_id = 1,
		.seq = 2,
		.mod = PROTO_ID_MAX,
		.sender_id = 4,
		.target_id = 5,
		.sent_ms = SENT,
		.edited_ms = SENT + 1,
		.content = { "text", 4 },
		.client_id = { "id", 2 },
		.kind = MESSAGE_LEAVE,
		.deleted = true },
};

START_TEST(a_record_comes_back_as_it_was)
{
	uint8_t bytes[512];
	struct record r;
	size_t len = encode(&full, bytes);

	memset(&r, 0xff, sizeof(r));
	ck_assert(record_decode(&r, bytes, len));
	ck_assert_int_eq(r.type, full.type);
	ck_assert_int_eq(r.event, full.event);
	ck_assert(r.on);
	ck_assert_mem_eq(&r.conv, &full.conv, offsetof(struct conv, kind) + 1);
	ck_assert(r.origin == full.origin);
	ck_assert_int_eq(r.user_id, 11);
	ck_assert_int_eq(r.token_id, 12);
	ck_assert_mem_eq(&r.message, &full.message, offsetof(struct message, content));
	ck_assert_int_eq(r.message.kind, MESSAGE_LEAVE);
	ck_assert(r.message.deleted);
	ck_assert_uint_eq(r.message.content.len, 4);
	ck_assert_mem_eq(r.message.content.data, "text", 4);
	ck_assert_uint_eq(r.message.client_id.len, 2);
	ck_assert_mem_eq(r.message.client_id.data, "id", 2);
}
END_TEST

START_TEST(null_and_empty_texts_stay_apart)
{
	struct record in = full, r;
	uint8_t bytes[512];

	in.message.content = (struct text){ NULL, 0 };
	in.message.client_id = (struct text){ "", 0 };
	ck_assert(record_decode(&r, bytes, encode(&in, bytes)));
	ck_assert_ptr_null(r.message.content.data);
	ck_assert_ptr_nonnull(r.message.client_id.data);
	ck_assert_uint_eq(r.message.client_id.len, 0);
}
END_TEST

START_TEST(the_longest_message_fits)
{
	static char content[PROTO_CONTENT_MAX + 1];
	static uint8_t bytes[RECORD_FIXED_SIZE + sizeof(content) + 64];
	struct record in = full, r;

	in.message.content = (struct text){ content, PROTO_CONTENT_MAX };
	ck_assert(record_decode(&r, bytes, encode(&in, bytes)));
	ck_assert_uint_eq(r.message.content.len, PROTO_CONTENT_MAX);
	in.message.content.len++;
	ck_assert(!record_decode(&r, bytes, encode(&in, bytes)));
}
END_TEST

START_TEST(a_record_that_is_cut_or_too_long_is_refused)
{
	uint8_t bytes[512];
	struct record r;
	size_t len = encode(&full, bytes);

	for (size_t n = 0; n < len; n++)
		ck_assert(!record_decode(&r, bytes, n));
	ck_assert(!record_decode(&r, bytes, len + 1));
}
END_TEST

START_TEST(types_and_positions_out_of_range_are_refused)
{
	static const struct {
		uint8_t type, event;
		int64_t seq, mod;
	} bad[] = { { 0, 1, 1, 1 }, { RECORD_TYPE_MAX, 1, 1, 1 }, { 255, 1, 1, 1 },
		{ 1, RECORD_EVENT_MAX, 1, 1 }, { 1, 1, -1, 1 }, { 1, 1, 1, -1 },
		{ 1, 1, 1, INT64_MIN }, { 1, 1, 1, INT64_MAX }, { 1, 1, INT64_MAX, 1 } };
	uint8_t bytes[512];
	struct record r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct record in = full;

		in.type = bad[i].type;
		in.event = bad[i].event;
		in.message.seq = bad[i].seq;
		in.message.mod = bad[i].mod;
		ck_assert_msg(!record_decode(&r, bytes, encode(&in, bytes)), "row %zu", i);
	}
}
END_TEST

/* What is taken goes out to clients as JSON of the contract. */
START_TEST(kinds_that_there_are_not_and_texts_that_are_none_are_refused)
{
	uint8_t bytes[512];
	struct record r, in = full;

	in.message.kind = 'x';
	ck_assert(!record_decode(&r, bytes, encode(&in, bytes)));
	in = full;
	in.conv.kind = 0;
	ck_assert(!record_decode(&r, bytes, encode(&in, bytes)));
	in = full;
	in.message.content = (struct text){ "a\xff", 2 };
	ck_assert(!record_decode(&r, bytes, encode(&in, bytes)));
	in = full;
	in.message.client_id = (struct text){ "\xc3", 1 };
	ck_assert(!record_decode(&r, bytes, encode(&in, bytes)));
	in = (struct record){ .type = RECORD_RECONCILE }; /* has neither */
	ck_assert(record_decode(&r, bytes, encode(&in, bytes)));
}
END_TEST

/* R1's other half: what shared memory says is never trusted. */
START_TEST(any_bytes_are_refused_or_their_texts_lie_inside_them)
{
	enum { MAX = 400 };
	unsigned taken = 0;

	srandom(1);
	for (int round = 0; round < 200000; round++) {
		uint8_t valid[512];
		size_t len = round % 2 ? encode(&full, valid) : (size_t)(random() % MAX);
		uint8_t *bytes =
			malloc(len + 1); /* of its own, so that a sanitizer sees a step beyond */
		struct record r;

		for (size_t i = 0; i < len; i++)
			bytes[i] = round % 2 ? valid[i] : (uint8_t)random();
		for (int i = 0; round % 2 && i < 3; i++)
			bytes[(size_t)random() % len] = (uint8_t)random();
		if (record_decode(&r, bytes, len)) {
			struct buf b = BUF_EMPTY;

			taken++;
			if (r.message.content.data != NULL)
				ck_assert((const uint8_t *)r.message.content.data +
						r.message.content.len <=
					bytes + len);
			if (r.message.client_id.data != NULL)
				ck_assert((const uint8_t *)r.message.client_id.data +
						r.message.client_id.len <=
					bytes + len);
			proto_put_message(&b, &r.message, &r.conv, r.message.sender_id);
			buf_fini(&b);
		}
		free(bytes);
	}
	ck_assert_uint_gt(taken, 1000);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("proto");
	TCase *tc = tcase_create("proto");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_text_has_content_and_its_client_id_only_for_its_sender);
	tcase_add_test(tc, a_deleted_one_of_a_deleted_person_has_nulls);
	tcase_add_test(tc, joins_and_leaves_have_a_user_and_renames_a_name_in_place_of_content);
	tcase_add_test(tc, a_chat_is_named_by_the_other_party);
	tcase_add_test(tc, a_record_comes_back_as_it_was);
	tcase_add_test(tc, null_and_empty_texts_stay_apart);
	tcase_add_test(tc, the_longest_message_fits);
	tcase_add_test(tc, a_record_that_is_cut_or_too_long_is_refused);
	tcase_add_test(tc, kinds_that_there_are_not_and_texts_that_are_none_are_refused);
	tcase_add_test(tc, types_and_positions_out_of_range_are_refused);
	tcase_add_test(tc, any_bytes_are_refused_or_their_texts_lie_inside_them);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
