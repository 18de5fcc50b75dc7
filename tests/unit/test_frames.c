/*
 * Each frame that the server sends, byte for byte ("Server to client" in docs/api.md).
 */
#include "realtime/frames.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/suite.h"

#define SENT INT64_C(1795515300123) /* 2026-11-24T10:15:00.123Z */

static struct buf b = BUF_EMPTY;
static const struct text no_id = { NULL, 0 }, id = { "a\"b", 3 };
static const struct change sent = {
	.conv = { 900, 5, 8, CONV_DIRECT },
	.message = { .message_id = 7,
		.seq = 3,
		.mod = 4,
		.sender_id = 5,
		.sent_ms = SENT,
		.content = { "hi", 2 },
		.client_id = { "c1", 2 },
		.kind = MESSAGE_TEXT },
};

/* The frame in b is this text. */
static void ck_frame(const char *expected)
{
	const char *why;
	cJSON *json = json_parse(b.data, b.len, &why);

	ck_assert_str_eq(buf_cstr(&b), expected);
	ck_assert_msg(json != NULL, "%s", why);
	cJSON_Delete(json);
}

static void teardown(void)
{
	buf_fini(&b);
}

START_TEST(ready_has_the_user_the_session_the_time_and_the_epoch)
{
	frames_write_ready(&b, 5, "0-1-2f", SENT, "e1");
	ck_frame("{\"type\":\"ready\",\"user_id\":5,\"session_id\":\"0-1-2f\","
		 "\"server_time\":\"2026-11-24T10:15:00.123Z\",\"epoch\":\"e1\"}");
}
END_TEST

START_TEST(the_ack_of_a_send_has_its_time_and_whether_it_is_a_duplicate)
{
	struct change c = sent;

	frames_write_send_ack(&b, id, &c, 5);
	ck_frame("{\"type\":\"ack\",\"id\":\"a\\\"b\",\"message_id\":7,\"chat_id\":8,\"seq\":3,"
		 "\"mod\":4,\"sent_at\":\"2026-11-24T10:15:00.123Z\"}");
	c.duplicate = true;
	frames_write_send_ack(&b, id, &c, 5);
	ck_frame("{\"type\":\"ack\",\"id\":\"a\\\"b\",\"message_id\":7,\"chat_id\":8,\"seq\":3,"
		 "\"mod\":4,\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"duplicate\":true}");
}
END_TEST

START_TEST(the_ack_of_a_change_has_an_id_only_if_the_client_gave_one)
{
	frames_write_change_ack(&b, id, &sent, 5);
	ck_frame("{\"type\":\"ack\",\"id\":\"a\\\"b\",\"message_id\":7,\"chat_id\":8,\"seq\":3,"
		 "\"mod\":4}");
	frames_write_change_ack(&b, no_id, &sent, 8);
	ck_frame("{\"type\":\"ack\",\"message_id\":7,\"chat_id\":5,\"seq\":3,\"mod\":4}");
}
END_TEST

#define MESSAGE                                                                                 \
	"\"message_id\":7,\"chat_id\":5,\"seq\":3,\"mod\":4,\"sender_id\":5,\"kind\":\"text\"," \
	"\"content\":\"hi\",\"sent_at\":\"2026-11-24T10:15:00.123Z\",\"edited_at\":null,"       \
	"\"deleted\":false,\"reply\":null,\"thread_id\":null,\"mentions\":[],\"mentions_all\":" \
	"false,"                                                                                \
	"\"forwarded_from\":null,\"pinned\":false}"

START_TEST(a_change_is_a_message_an_edited_or_a_deleted_frame)
{
	struct record_change c = { .conv = sent.conv, .message = sent.message };

	c.event = RECORD_NEW;
	frames_write_change(&b, &c, 8);
	ck_frame("{\"type\":\"message\"," MESSAGE);
	c.event = RECORD_EDITED;
	frames_write_change(&b, &c, 8);
	ck_frame("{\"type\":\"edited\"," MESSAGE);
	c.event = RECORD_DELETED;
	frames_write_change(&b, &c, 8);
	ck_frame("{\"type\":\"deleted\",\"chat_id\":5,\"message_id\":7,\"seq\":3,\"mod\":4}");
}
END_TEST

START_TEST(a_reaction_and_a_pin_name_their_user_and_their_message)
{
	struct record_change c = { .conv = sent.conv,
		.message = sent.message,
		.user_id = 8,
		.emoji = { "\xF0\x9F\x91\x8D", 4 } };
	static const struct {
		enum record_event event;
		const char *frame;
	} cases[] = {
#define PLACE "\"chat_id\":5,\"message_id\":7,\"seq\":3,\"mod\":4,\"user_id\":8,"
		{ RECORD_REACTED,
			"{\"type\":\"reaction\"," PLACE
			"\"emoji\":\"\xF0\x9F\x91\x8D\",\"on\":true}" },
		{ RECORD_UNREACTED,
			"{\"type\":\"reaction\"," PLACE
			"\"emoji\":\"\xF0\x9F\x91\x8D\",\"on\":false}" },
		{ RECORD_PINNED, "{\"type\":\"pinned\"," PLACE "\"pinned\":true}" },
		{ RECORD_UNPINNED, "{\"type\":\"pinned\"," PLACE "\"pinned\":false}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c.event = (uint8_t)cases[i].event;
		frames_write_change(&b, &c, 8);
		ck_frame(cases[i].frame);
	}
}
END_TEST

START_TEST(hints_have_the_viewers_chat_id)
{
	frames_write_typing(&b, &sent.conv, 5, true, 8);
	ck_frame("{\"type\":\"typing\",\"chat_id\":5,\"user_id\":5,\"is_typing\":true}");
	frames_write_typing(&b, &sent.conv, 5, false, 8);
	ck_frame("{\"type\":\"typing\",\"chat_id\":5,\"user_id\":5,\"is_typing\":false}");
	frames_write_read(&b, &sent.conv, 8, 3, 5);
	ck_frame("{\"type\":\"read\",\"chat_id\":8,\"user_id\":8,\"seq\":3}");
}
END_TEST

START_TEST(presence_has_the_last_seen_time_or_null)
{
	frames_write_presence(&b, 5, true, 0);
	ck_frame("{\"type\":\"presence\",\"user_id\":5,\"online\":true,\"last_seen_at\":null}");
	frames_write_presence(&b, 5, false, SENT);
	ck_frame("{\"type\":\"presence\",\"user_id\":5,\"online\":false,"
		 "\"last_seen_at\":\"2026-11-24T10:15:00.123Z\"}");
}
END_TEST

START_TEST(a_chat_frame_has_the_chats_fields)
{
	const struct chat c = { .viewer = 5,
		.conv = { 33, 0, 0, CONV_GROUP },
		.name = { "friends", 7 },
		.owner_id = 8,
		.role = { "admin", 5 },
		.last_seq = 2,
		.last_mod = 3,
		.read_seq = 1,
		.unread = 1,
		.member_count = 2 };

	frames_write_chat(&b, &c);
	ck_frame("{\"type\":\"chat\",\"chat_id\":33,\"kind\":\"group\",\"name\":\"friends\","
		 "\"last_seq\":2,\"last_mod\":3,\"read_seq\":1,\"unread\":1,\"last_message\":null,"
		 "\"peer\":null,\"peer_read_seq\":null,\"owner_id\":8,\"role\":\"admin\",\"description\":null,"
		 "\"picture\":null,\"posting\":\"all\",\"adding\":\"all\",\"member_count\":2}");
	frames_write_chat_removed(&b, 33);
	ck_frame("{\"type\":\"chat_removed\",\"chat_id\":33}");
}
END_TEST

START_TEST(resync_has_the_epoch_if_it_has_changed)
{
	frames_write_resync(&b, "e2");
	ck_frame("{\"type\":\"resync\",\"epoch\":\"e2\"}");
}
END_TEST

START_TEST(frames_without_fields_have_a_type)
{
	frames_write_synced(&b);
	ck_frame("{\"type\":\"synced\"}");
	frames_write_resync(&b, NULL);
	ck_frame("{\"type\":\"resync\"}");
	frames_write_pong(&b);
	ck_frame("{\"type\":\"pong\"}");
}
END_TEST

START_TEST(an_error_has_the_failed_frames_id_and_a_delay_if_a_retry_helps)
{
	frames_write_error(&b, id, ERROR_invalid, "content: too long");
	ck_frame("{\"type\":\"error\",\"id\":\"a\\\"b\",\"code\":\"invalid\","
		 "\"detail\":\"content: too long\"}");
	frames_write_error(&b, no_id, ERROR_unavailable, "no database");
	ck_frame("{\"type\":\"error\",\"code\":\"unavailable\",\"detail\":\"no database\","
		 "\"retry_after_ms\":1000}");
	frames_write_error(&b, no_id, ERROR_no_such_chat, NULL);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), error_sentence(ERROR_no_such_chat)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frames");
	TCase *tc = tcase_create("frames");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, ready_has_the_user_the_session_the_time_and_the_epoch);
	tcase_add_test(tc, the_ack_of_a_send_has_its_time_and_whether_it_is_a_duplicate);
	tcase_add_test(tc, the_ack_of_a_change_has_an_id_only_if_the_client_gave_one);
	tcase_add_test(tc, a_change_is_a_message_an_edited_or_a_deleted_frame);
	tcase_add_test(tc, a_reaction_and_a_pin_name_their_user_and_their_message);
	tcase_add_test(tc, hints_have_the_viewers_chat_id);
	tcase_add_test(tc, presence_has_the_last_seen_time_or_null);
	tcase_add_test(tc, a_chat_frame_has_the_chats_fields);
	tcase_add_test(tc, resync_has_the_epoch_if_it_has_changed);
	tcase_add_test(tc, frames_without_fields_have_a_type);
	tcase_add_test(tc, an_error_has_the_failed_frames_id_and_a_delay_if_a_retry_helps);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
