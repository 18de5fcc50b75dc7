/*
 * Messages as JSON of the contract.
 */
#include "common/proto.h"

#include <check.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/suite.h"

#define SENT INT64_C(1795515300123) /* 2026-11-24T10:15:00.123Z */

static const struct conv direct = { 900, 5, 8, CONV_DIRECT };
static const struct conv group = { 33, 0, 0, CONV_GROUP };

/* What a message has that is no reply, and so on. */
#define NO_RELATIONS                                                                 \
	",\"reply\":null,\"thread_id\":null,\"mentions\":[],\"mentions_all\":false," \
	"\"forwarded_from\":null,\"pinned\":false"

static void ck_json_form(const struct message *m, const struct conv *c, int64_t viewer,
	enum message_form form, const char *expected)
{
	struct buf b = BUF_EMPTY;
	const char *why;
	cJSON *parsed;

	buf_add_char(&b, '{');
	proto_put_message(&b, m, c, viewer, form);
	buf_add_char(&b, '}');
	ck_assert_str_eq(buf_cstr(&b), expected);
	parsed = json_parse(b.data, b.len, &why);
	ck_assert_msg(parsed != NULL, "%s", why);
	cJSON_Delete(parsed);
	buf_fini(&b);
}

static void ck_json(
	const struct message *m, const struct conv *c, int64_t viewer, const char *expected)
{
	ck_json_form(m, c, viewer, MESSAGE_PUSHED, expected);
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
		"\"deleted\":false" NO_RELATIONS ",\"client_id\":\"c:1\"}");
	m.edited_ms = SENT + 1;
	ck_json(&m, &direct, 8,
		"{\"message_id\":7,\"chat_id\":5,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":"
		"\"text\","
		"\"content\":\"a \\\"b\\\"\\n\xc3\xa4\",\"sent_at\":\"2026-11-24T10:15:00.123Z\","
		"\"edited_at\":\"2026-11-24T10:15:00.124Z\",\"deleted\":false" NO_RELATIONS "}");
}
END_TEST

START_TEST(a_deleted_text_of_a_deleted_user_has_nulls)
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
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":"
		"true" NO_RELATIONS "}");
}
END_TEST

START_TEST(joins_and_leaves_have_a_user_and_renames_a_name_instead_of_content)
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
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":"
		"false" NO_RELATIONS "}");
	m.kind = MESSAGE_LEAVE;
	ck_json(&m, &group, 9,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":1,\"mod\":1,\"sender_id\":5,\"kind\":"
		"\"leave\",\"user_id\":9,"
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":"
		"false" NO_RELATIONS "}");
	m.kind = MESSAGE_RENAME;
	m.content = (struct text){ "new", 3 };
	ck_json(&m, &group, 9,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":1,\"mod\":1,\"sender_id\":5,\"kind\":"
		"\"rename\",\"name\":\"new\","
		"\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,\"deleted\":"
		"false" NO_RELATIONS "}");
}
END_TEST

static const struct message reply = { .message_id = 7,
	.seq = 3,
	.mod = 4,
	.sender_id = 5,
	.sent_ms = SENT,
	.thread_id = 2,
	.replies = 9,
	.kind = MESSAGE_TEXT,
	.content = { "b", 1 },
	.reply = { .message_id = 6, .seq = 2, .sender_id = 8, .content = { "a", 1 } } };

#define REPLY                                                                                    \
	"{\"message_id\":7,\"chat_id\":8,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":\"text\"," \
	"\"content\":\"b\",\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,"         \
	"\"deleted\":false,\"reply\":{\"message_id\":6,\"seq\":2,"

/* docs/api.md, "message": replies and reactions are in no push and in no last_message. */
START_TEST(a_reply_has_its_quote_and_counts_only_if_served)
{
	struct message m = reply;

	ck_json_form(&m, &direct, 5, MESSAGE_PUSHED,
		REPLY "\"sender_id\":8,\"content\":\"a\",\"deleted\":false},\"thread_id\":2,"
		      "\"mentions\":[],\"mentions_all\":false,\"forwarded_from\":null,"
		      "\"pinned\":false}");
	m.reply.sender_id = 0;
	m.reply.content = (struct text){ NULL, 0 };
	m.reply.deleted = true;
	ck_json_form(&m, &direct, 5, MESSAGE_SERVED,
		REPLY "\"sender_id\":null,\"content\":null,\"deleted\":true},\"thread_id\":2,"
		      "\"mentions\":[],\"mentions_all\":false,\"forwarded_from\":null,"
		      "\"pinned\":false,\"replies\":9,\"reactions\":[]}");
}
END_TEST

START_TEST(a_forward_has_its_first_author_or_nobody)
{
	struct message m = reply;

	m.reply = (struct quote){ .message_id = 0 };
	m.thread_id = 0;
	m.mentions = (struct text){ "5,8", 3 };
	m.mentions_all = m.pinned = true;
	m.forwarded_from = 8;
	m.forwarded_name = (struct text){ "Ben \"B\"", 7 };
	ck_json(&m, &group, 8,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":"
		"\"text\",\"content\":\"b\",\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":"
		"null,\"deleted\":false,\"reply\":null,\"thread_id\":null,\"mentions\":[5,8],"
		"\"mentions_all\":true,\"forwarded_from\":{\"user_id\":8,\"full_name\":\"Ben "
		"\\\"B\\\"\"},\"pinned\":true}");
	m.forwarded_from = 0;
	m.forwarded_name.len = 0;
	m.pinned = m.mentions_all = false;
	m.mentions = (struct text){ NULL, 0 };
	ck_json(&m, &group, 8,
		"{\"message_id\":7,\"chat_id\":33,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":"
		"\"text\",\"content\":\"b\",\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":"
		"null,\"deleted\":false,\"reply\":null,\"thread_id\":null,\"mentions\":[],"
		"\"mentions_all\":false,\"forwarded_from\":{\"user_id\":null,\"full_name\":\"\"},"
		"\"pinned\":false}");
}
END_TEST

START_TEST(a_direct_chat_has_the_peers_id)
{
	const struct conv self = { 901, 5, 5, CONV_DIRECT };

	ck_assert_int_eq(conv_chat_id(&direct, 5), 8);
	ck_assert_int_eq(conv_chat_id(&direct, 8), 5);
	ck_assert_int_eq(conv_chat_id(&self, 5), 5);
	ck_assert_int_eq(conv_chat_id(&group, 5), 33);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("proto");
	TCase *tc = tcase_create("proto");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_text_has_content_and_its_client_id_only_for_its_sender);
	tcase_add_test(tc, a_deleted_text_of_a_deleted_user_has_nulls);
	tcase_add_test(tc, joins_and_leaves_have_a_user_and_renames_a_name_instead_of_content);
	tcase_add_test(tc, a_reply_has_its_quote_and_counts_only_if_served);
	tcase_add_test(tc, a_forward_has_its_first_author_or_nobody);
	tcase_add_test(tc, a_direct_chat_has_the_peers_id);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return suite_run(suite());
}
