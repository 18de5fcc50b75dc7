#include "realtime/json_view.h"

#include <check.h>
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"
#include "tests/unit/suite.h"

#define CREATED_MS INT64_C(1795342500123) /* 2026-11-22T10:15:00.123Z */
#define CREATED "\"2026-11-22T10:15:00.123Z\""
#define POSTGRES_EPOCH_MS INT64_C(946684800000) /* 2000-01-01, from which PostgreSQL counts */

static struct text text(const char *s)
{
	return (struct text){ s, s != NULL ? strlen(s) : 0 };
}

static const struct user bob = {
	.user_id = 8,
	.username = { "bob", 3 },
	.full_name = { "Bob", 3 },
	.created_ms = CREATED_MS,
};

#define BOB                                                                                   \
	"{\"user_id\":8,\"username\":\"bob\",\"full_name\":\"Bob\",\"profile_picture\":null," \
	"\"public_key\":null,\"created_at\":" CREATED "}"

/* What a text without reply, forward, mentions, pin and reactions has of them. */
#define NO_RELATIONS                                                                 \
	",\"reply\":null,\"thread_id\":null,\"mentions\":[],\"mentions_all\":false," \
	"\"forwarded_from\":null,\"pinned\":false"

static void check_text(struct buf *b, const char *expected)
{
	ck_assert_str_eq(buf_cstr(b), expected);
	buf_fini(b);
}

/* Rows of n columns, in the binary format of the server. */

static PGresult *rows_new(const char *const *names, int n)
{
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[32];
	char copies[32][32];

	memset(columns, 0, sizeof(columns));
	for (int i = 0; i < n; i++) {
		snprintf(copies[i], sizeof(copies[i]), "%s", names[i]);
		columns[i].name = copies[i];
		columns[i].format = 1;
	}
	ck_assert(r != NULL && PQsetResultAttrs(r, n, columns));
	for (int i = 0; i < n; i++)
		ck_assert(PQsetvalue(r, 0, i, NULL, -1));
	return r;
}

/* The rows as the store hands them out; valid until the next call. */
static const store_rows *rows_of(const PGresult *r)
{
	static const struct db_statement statement = { "test", "" };
	static struct db_columns columns;
	static store_rows rows;

	columns = (struct db_columns){ .n = 0 };
	rows = (store_rows){ r, &statement, &columns };
	return &rows;
}

static void set_bytes(PGresult *r, int row, const char *column, const char *bytes, size_t len)
{
	char copy[64];

	ck_assert_uint_le(len, sizeof(copy));
	memcpy(copy, bytes, len);
	ck_assert(PQsetvalue(r, row, PQfnumber(r, column), copy, (int)len));
}

static void set_number(PGresult *r, int row, const char *column, int64_t n)
{
	const uint64_t wire = htobe64((uint64_t)n);

	set_bytes(r, row, column, (const char *)&wire, sizeof(wire));
}

static void set_text(PGresult *r, int row, const char *column, const char *s)
{
	set_bytes(r, row, column, s, strlen(s));
}

static void set_time(PGresult *r, int row, const char *column, int64_t wall_ms)
{
	set_number(r, row, column, (wall_ms - POSTGRES_EPOCH_MS) * 1000);
}

static PGresult *members_new(void)
{
	static const char *const names[] = { "user_id", "username", "full_name", "joined_at",
		"read_seq", "group_name", "owner_id", "group_created_at", "member_count",
		"join_seq", "role", "description", "picture", "posting_admins", "adding_admins" };

	return rows_new(names, 15);
}

static void set_member(PGresult *r, int row, int64_t user_id, const char *name, int64_t read_seq)
{
	set_number(r, row, "user_id", user_id);
	set_text(r, row, "username", name);
	set_text(r, row, "full_name", name);
	set_time(r, row, "joined_at", CREATED_MS);
	set_number(r, row, "read_seq", read_seq);
	set_text(r, row, "group_name", "The \"Club\"");
	set_number(r, row, "owner_id", 8);
	set_time(r, row, "group_created_at", CREATED_MS);
	set_bytes(r, row, "member_count", "\0\0\0\3", 4);
	set_number(r, row, "join_seq", row + 1);
	set_text(r, row, "role", user_id == 8 ? "owner" : "member");
	set_text(r, row, "picture", "https://example.org/a.png");
	set_bytes(r, row, "posting_admins", "\1", 1);
	set_bytes(r, row, "adding_admins", "\0", 1);
}

static PGresult *messages_new(void)
{
	static const char *const names[] = { "message_id", "seq", "mod", "sender_id", "kind",
		"content", "target_id", "client_id", "sent_at", "edited_at", "deleted", "reply_id",
		"reply_seq", "reply_sender", "reply_content", "reply_deleted", "thread_id",
		"replies", "reacted", "reactions", "mention_list", "mentions_all", "forwarded_user",
		"forwarded_name", "pinned" };

	return rows_new(names, sizeof(names) / sizeof(names[0]));
}

/* A text message of user 8. */
static void set_message(PGresult *r, int row, int64_t seq)
{
	set_number(r, row, "message_id", 100 + seq);
	set_number(r, row, "seq", seq);
	set_number(r, row, "mod", seq);
	set_number(r, row, "sender_id", 8);
	set_bytes(r, row, "kind", "t", 1);
	set_text(r, row, "content", "hi");
	set_text(r, row, "client_id", "k");
	set_time(r, row, "sent_at", CREATED_MS);
	set_bytes(r, row, "deleted", "\0", 1);
}

START_TEST(a_user_has_every_field_and_unknown_ones_are_null)
{
	struct buf b = BUF_EMPTY;

	json_view_put_user(&b, &bob);
	check_text(&b, BOB);
}
END_TEST

START_TEST(names_are_escaped_and_otherwise_unchanged)
{
	struct buf b = BUF_EMPTY;
	struct user u = bob;

	u.full_name = text("<b>\"\\\n\xe2\x98\x83");
	u.profile_picture = text("https://example.org/a.png");
	u.public_key = text("");
	json_view_put_user(&b, &u);
	check_text(&b,
		"{\"user_id\":8,\"username\":\"bob\",\"full_name\":\"<b>\\\"\\\\\\n\xe2\x98\x83\","
		"\"profile_picture\":\"https://example.org/"
		"a.png\",\"public_key\":\"\",\"created_at\":" CREATED "}");
}
END_TEST

#define NO_GROUP                                                                           \
	"\"role\":null,\"description\":null,\"picture\":null,\"posting\":null,\"adding\":" \
	"null,"

/* "chat: chat_id is the id of the other party" */
START_TEST(a_direct_chat_has_the_name_and_id_of_its_peer)
{
	struct buf b = BUF_EMPTY;
	const struct chat c = {
		.viewer = 7,
		.conv = { 50, 7, 8, CONV_DIRECT },
		.name = text("Bob"),
		.last_seq = 3,
		.last_mod = 5,
		.read_seq = 1,
		.unread = 2,
		.member_count = 2,
		.has_peer = true,
		.peer = bob,
	};

	json_view_put_chat(&b, &c);
	check_text(&b,
		"\"chat_id\":8,\"kind\":\"direct\",\"name\":\"Bob\",\"last_seq\":3,\"last_mod\":5,"
		"\"read_seq\":1,"
		"\"unread\":2,\"last_message\":null,\"peer\":" BOB
		",\"peer_read_seq\":0,\"owner_id\":null," NO_GROUP "\"member_count\":2");
}
END_TEST

START_TEST(a_deleted_peer_is_null_and_the_chats_name_empty)
{
	struct buf b = BUF_EMPTY;
	const struct chat c = {
		.viewer = 8,
		.conv = { 50, 7, 8, CONV_DIRECT },
		.name = text(""),
		.member_count = 1,
		.peer_read_seq = 4,
	};

	json_view_put_chat(&b, &c);
	check_text(&b,
		"\"chat_id\":7,\"kind\":\"direct\",\"name\":\"\",\"last_seq\":0,\"last_mod\":0,"
		"\"read_seq\":0,"
		"\"unread\":0,\"last_message\":null,\"peer\":null,\"peer_read_seq\":null,\"owner_"
		"id\":null," NO_GROUP "\"member_count\":1");
}
END_TEST

START_TEST(a_group_chat_has_an_owner_and_no_peer)
{
	struct buf b = BUF_EMPTY;
	const struct chat c = {
		.viewer = 7,
		.conv = { 50, 0, 0, CONV_GROUP },
		.name = text("The Club"),
		.owner_id = 8,
		.last_seq = 1,
		.last_mod = 1,
		.member_count = 2,
		.has_last = true,
		.last = { .message_id = 101,
			.seq = 1,
			.mod = 1,
			.sender_id = 8,
			.target_id = 7,
			.sent_ms = CREATED_MS,
			.kind = MESSAGE_JOIN },
		.last_sender_name = text("Bob"),
		.role = text("admin"),
		.profile = { .description = text("We \"meet\""), .adding_admins = true },
	};

	json_view_put_chat(&b, &c);
	check_text(&b,
		"\"chat_id\":50,\"kind\":\"group\",\"name\":\"The "
		"Club\",\"last_seq\":1,\"last_mod\":1,"
		"\"read_seq\":0,\"unread\":0,\"last_message\":{\"message_id\":101,\"chat_id\":50,"
		"\"seq\":1,\"mod\":1,"
		"\"sender_id\":8,\"kind\":\"join\",\"user_id\":7,\"sent_at\":" CREATED
		",\"edited_at\":null,"
		"\"deleted\":false" NO_RELATIONS
		",\"sender_name\":\"Bob\"},\"peer\":null,\"peer_read_seq\":null,"
		"\"owner_id\":8,\"role\":\"admin\",\"description\":\"We \\\"meet\\\"\","
		"\"picture\":null,\"posting\":\"all\",\"adding\":\"admins\",\"member_count\":2");
}
END_TEST

START_TEST(a_long_last_message_is_cut_and_says_so)
{
	struct buf b = BUF_EMPTY;
	struct chat c = {
		.viewer = 7,
		.conv = { 50, 7, 8, CONV_DIRECT },
		.has_last = true,
		.last = { .kind = MESSAGE_TEXT, .content = text("hi"), .sent_ms = CREATED_MS },
		.last_sender_name = text("of no use in a direct chat"),
	};

	json_view_put_chat(&b, &c);
	ck_assert_ptr_null(strstr(buf_cstr(&b), "cut"));
	ck_assert_ptr_null(strstr(buf_cstr(&b), "sender_name"));
	buf_reset(&b, 0);
	c.last_cut = true;
	json_view_put_chat(&b, &c);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), "\"pinned\":false,\"cut\":true},\"peer\""));
	buf_fini(&b);
}
END_TEST

#define PROFILE                                                                                  \
	"\"description\":null,\"picture\":\"https://example.org/a.png\",\"posting\":\"admins\"," \
	"\"adding\":\"all\""

START_TEST(a_group_lists_its_members_in_the_order_of_the_rows)
{
	struct buf b = BUF_EMPTY;
	PGresult *r = members_new();

	set_member(r, 0, 8, "bob", 3);
	set_member(r, 1, 7, "alice", 0);
	json_view_put_group(&b, 50, rows_of(r), 2);
	check_text(&b,
		"{\"group_id\":50,\"name\":\"The "
		"\\\"Club\\\"\",\"owner_id\":8,\"created_at\":" CREATED
		",\"member_count\":3," PROFILE ",\"members\":["
		"{\"user_id\":8,\"username\":\"bob\",\"full_name\":\"bob\",\"joined_at\":" CREATED
		",\"read_seq\":3,\"role\":\"owner\"},"
		"{\"user_id\":7,\"username\":\"alice\",\"full_name\":\"alice\",\"joined_"
		"at\":" CREATED ",\"read_seq\":0,\"role\":\"member\"}],\"next\":null}");
	PQclear(r);
}
END_TEST

/* "next is null exactly when nothing follows" */
START_TEST(a_page_of_members_has_the_position_of_its_last_one)
{
	struct buf b = BUF_EMPTY;
	PGresult *r = members_new();

	set_member(r, 0, 8, "bob", 3);
	set_member(r, 1, 7, "alice", 0);
	json_view_put_group(&b, 50, rows_of(r), 1);
	ck_assert_ptr_null(strstr(buf_cstr(&b), "alice"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b), ",\"role\":\"owner\"}],\"next\":\"1.8\"}"));
	buf_fini(&b);
	PQclear(r);
}
END_TEST

START_TEST(a_page_after_the_last_member_has_the_group_and_no_member)
{
	struct buf b = BUF_EMPTY;
	PGresult *r = members_new();

	set_member(r, 0, 8, "bob", 3);
	ck_assert(PQsetvalue(r, 0, PQfnumber(r, "user_id"), NULL, -1));
	json_view_put_group(&b, 50, rows_of(r), 1);
	ck_assert_ptr_nonnull(strstr(
		buf_cstr(&b), "\"member_count\":3," PROFILE ",\"members\":[],\"next\":null}"));
	buf_fini(&b);
	PQclear(r);
}
END_TEST

#define MESSAGE(seq, chat_id, more)                                                      \
	"{\"message_id\":10" seq ",\"chat_id\":" chat_id ",\"seq\":" seq ",\"mod\":" seq \
	",\"sender_id\":8,\"kind\":\"text\",\"content\":\"hi\",\"sent_at\":" CREATED     \
	",\"edited_at\":null,\"deleted\":false" NO_RELATIONS                             \
	",\"replies\":0,\"reactions\":[]" more "}"

/* "client_id only to its sender" */
START_TEST(each_side_sees_a_page_with_its_own_chat_id)
{
	const struct conv c = { 50, 7, 8, CONV_DIRECT };
	struct buf b = BUF_EMPTY;
	PGresult *r = messages_new();

	set_message(r, 0, 1);
	ck_assert(!json_view_put_messages(&b, rows_of(r), 1, &c, 7));
	check_text(&b, "\"messages\":[" MESSAGE("1", "8", "") "]");
	ck_assert(!json_view_put_messages(&b, rows_of(r), 1, &c, 8));
	check_text(&b, "\"messages\":[" MESSAGE("1", "7", ",\"client_id\":\"k\"") "]");
	PQclear(r);
}
END_TEST

START_TEST(a_page_has_at_most_limit_messages_and_reports_more)
{
	const struct conv c = { 50, 7, 8, CONV_DIRECT };
	struct buf b = BUF_EMPTY;
	PGresult *r = messages_new();

	for (int i = 0; i < 3; i++)
		set_message(r, i, i + 1);
	ck_assert(json_view_put_messages(&b, rows_of(r), 2, &c, 7));
	check_text(&b, "\"messages\":[" MESSAGE("1", "8", "") "," MESSAGE("2", "8", "") "]");
	ck_assert(!json_view_put_messages(&b, rows_of(r), 3, &c, 7));
	check_text(&b,
		"\"messages\":[" MESSAGE("1", "8", "") "," MESSAGE("2", "8", "") "," MESSAGE(
			"3", "8", "") "]");
	PQclear(r);
}
END_TEST

static void check_around(
	const PGresult *r, int64_t seq, int64_t n_before, int64_t n_from, const char *expected)
{
	const struct conv c = { 50, 7, 8, CONV_DIRECT };
	const struct json_view_around a = { seq, n_before, n_from };
	struct buf b = BUF_EMPTY;

	json_view_put_around(&b, rows_of(r), &a, &c, 7);
	check_text(&b, expected);
}

START_TEST(a_page_around_a_seq_has_at_most_its_share_in_each_direction)
{
	PGresult *r = messages_new();

	for (int i = 0; i < 4; i++)
		set_message(r, i, i + 1);
	check_around(r, 3, 1, 1,
		"\"messages\":[" MESSAGE("2", "8", "") "," MESSAGE(
			"3", "8", "") "],\"more_before\":true,\"more_after\":true");
	check_around(r, 3, 0, 2,
		"\"messages\":[" MESSAGE("3", "8", "") "," MESSAGE(
			"4", "8", "") "],\"more_before\":true,\"more_after\":false");
	check_around(r, 2, 1, 2,
		"\"messages\":[" MESSAGE("1", "8", "") "," MESSAGE("2", "8", "") "," MESSAGE(
			"3", "8", "") "],\"more_before\":false,\"more_after\":true");
	check_around(r, 9, 1, 2,
		"\"messages\":[" MESSAGE(
			"4", "8", "") "],\"more_before\":true,\"more_after\":false");
	PQclear(r);
	r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	check_around(r, 1, 1, 1, "\"messages\":[],\"more_before\":false,\"more_after\":false");
	PQclear(r);
}
END_TEST

START_TEST(a_page_without_rows_is_an_empty_array)
{
	const struct conv c = { 50, 7, 8, CONV_DIRECT };
	struct buf b = BUF_EMPTY;
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	ck_assert(!json_view_put_messages(&b, rows_of(r), 50, &c, 7));
	check_text(&b, "\"messages\":[]");
	PQclear(r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_view");
	TCase *tc = tcase_create("json_view");

	tcase_add_test(tc, a_user_has_every_field_and_unknown_ones_are_null);
	tcase_add_test(tc, names_are_escaped_and_otherwise_unchanged);
	tcase_add_test(tc, a_direct_chat_has_the_name_and_id_of_its_peer);
	tcase_add_test(tc, a_deleted_peer_is_null_and_the_chats_name_empty);
	tcase_add_test(tc, a_group_chat_has_an_owner_and_no_peer);
	tcase_add_test(tc, a_group_lists_its_members_in_the_order_of_the_rows);
	tcase_add_test(tc, a_long_last_message_is_cut_and_says_so);
	tcase_add_test(tc, a_page_of_members_has_the_position_of_its_last_one);
	tcase_add_test(tc, a_page_after_the_last_member_has_the_group_and_no_member);
	tcase_add_test(tc, each_side_sees_a_page_with_its_own_chat_id);
	tcase_add_test(tc, a_page_has_at_most_limit_messages_and_reports_more);
	tcase_add_test(tc, a_page_around_a_seq_has_at_most_its_share_in_each_direction);
	tcase_add_test(tc, a_page_without_rows_is_an_empty_array);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
