/*
 * The chat frames of all members after a group's name or owner has changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/room_fixture.h"

enum { MEMBERS = 600, PIECE = 500 };

static int64_t members[MEMBERS];

/* A group of alice's whose members, but for her, have sockets here. They joined one after another, and have read up to
 * different places. */
static int64_t large_group(void)
{
	static unsigned n_groups;
	int64_t g = group_of_alice();
	bool loaded[MEMBERS] = { false };
	int64_t first;

	n_groups++;
	pg_number("with new as (insert into users (username, full_name) "
		  "select 'm%u.' || i, 'M' from generate_series(1, %d) i returning user_id) "
		  "insert into members (conv_id, user_id, join_seq, read_seq) "
		  "select %lld, user_id, 1 + row_number() over (order by user_id), 1 + "
		  "row_number() over (order by user_id) "
		  "from new",
		n_groups, MEMBERS, (long long)g);
	pg_number("insert into messages (conv_id, seq, mod, sender_id, kind, content, target_id, "
		  "deleted, sent_at) "
		  "select conv_id, join_seq, join_seq, user_id, case when join_seq %% 3 = 0 then "
		  "'t' else 'j' end::\"char\", "
		  "case when join_seq %% 3 = 0 and join_seq %% 2 = 0 then 'text' end, "
		  "case when join_seq %% 3 > 0 then user_id end, join_seq %% 3 = 0 and join_seq %% "
		  "2 > 0, now() "
		  "from members where conv_id = %lld and join_seq > 1",
		(long long)g);
	pg_number("update conversations set last_seq = %d, last_mod = %d, member_count = %d where "
		  "conv_id = %lld",
		MEMBERS + 1, MEMBERS + 1, MEMBERS + 1, (long long)g);
	first = pg_number("select min(user_id) from members where conv_id = %lld and join_seq > 1",
		(long long)g);
	for (int i = 0; i < MEMBERS; i++) {
		members[i] = first + i;
		rooms_load(rs, rooms_add_user(rs, members[i]), on_loaded, &loaded[i]);
	}
	for (int i = 0; i < MEMBERS; i++)
		fixture_until(&loaded[i]);
	return g;
}

static void drop_members(void)
{
	for (int i = 0; i < MEMBERS; i++)
		disconnect_user(members[i]);
}

/* Applies a rename by alice. */
static void rename_group(int64_t g, const char *name)
{
	struct fixture_change c = fixture_change(s, STORE_RENAME, alice, g, 0, name);

	apply_change(&c, RECORD_NEW, 0);
}

static unsigned n_chats(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_frames; i++)
		n += strstr(frames[i].json, "{\"type\":\"chat\",") != NULL;
	return n;
}

START_TEST(every_member_of_a_large_group_gets_their_own_view)
{
	int64_t g = large_group();

	rename_group(g, "renamed");
	fixture_until_n(&n_frames, 2 * MEMBERS);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 2 * MEMBERS);
	for (unsigned i = 0; i < MEMBERS; i++)
		ck_frame(i, frames[i].user_id, "\"kind\":\"rename\"");
	for (unsigned i = MEMBERS; i < n_frames; i++) {
		char read[40], unread[40];

		ck_frame(i, frames[i].user_id, "{\"type\":\"chat\",");
		ck_frame(i, frames[i].user_id, "\"name\":\"renamed\"");
		if (i % 50 > 0)
			continue;
		snprintf(read, sizeof(read), "\"read_seq\":%lld,",
			(long long)pg_number("select read_seq from members where user_id = %lld",
				(long long)frames[i].user_id));
		snprintf(unread, sizeof(unread), "\"unread\":%lld,",
			(long long)pg_number(
				"select count(*) from messages x join members m using (conv_id) "
				"where m.user_id = %lld and x.seq > m.read_seq "
				"and x.kind = 't' and not x.deleted",
				(long long)frames[i].user_id));
		ck_frame(i, frames[i].user_id, read);
		ck_frame(i, frames[i].user_id, unread);
	}
	drop_members();
}
END_TEST

static unsigned chats_at_read;

static void other_read(void *arg, enum error error, const store_rows *rows)
{
	(void)rows;
	ck_assert_int_eq(error, ERROR_NONE);
	chats_at_read = n_chats();
	*(bool *)arg = true;
}

START_TEST(another_read_waits_for_one_piece_only)
{
	int64_t g = large_group();
	bool done = false;

	rename_group(g, "renamed");
	store_search(s, alice, (struct text){ "m", 1 }, 1, other_read, &done);
	fixture_until(&done);
	ck_assert_uint_le(chats_at_read, PIECE);
	fixture_until_n(&n_frames, 2 * MEMBERS);
	drop_members();
}
END_TEST

START_TEST(changes_of_a_group_are_gathered_while_its_views_are_read)
{
	enum { RENAMES = 4 };
	int64_t g = large_group();
	struct fixture_change c[RENAMES];

	for (int i = 0; i < RENAMES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "name%d", i);
		c[i] = fixture_change(s, STORE_RENAME, alice, g, 0, name);
	}
	for (int i = 0; i < RENAMES; i++)
		apply_change(&c[i], RECORD_NEW, 0);
	fixture_until_n(&n_frames, (RENAMES + 2) * MEMBERS);
	fixture_for(100);
	ck_assert_uint_eq(n_chats(), 2 * MEMBERS);
	drop_members();
}
END_TEST

START_TEST(a_member_may_post_as_their_last_chat_frame_says)
{
	int64_t g = group_of_alice();
	struct record r = { .type = RECORD_CHAT };
	struct room_user *u;
	struct fixture_change c;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	fixture_change(s, STORE_POSTING, alice, g, 0, "admins");
	u = connect_user(bob);
	ck_assert(!rooms_may_post(rs, u, g));
	c = fixture_change(s, STORE_ROLE, alice, g, bob, "admin");
	r.chat = (struct record_chat){ c.c.conv, c.c.revision };
	rooms_apply(rs, &r);
	fixture_until_n(&n_frames, 1);
	ck_frame(0, bob, "\"posting\":\"admins\"");
	ck_assert(rooms_may_post(rs, u, g));
	/* A repeated record changes nothing. */
	rooms_apply(rs, &r);
	fixture_for(60);
	ck_assert_uint_eq(n_frames, 1);
}
END_TEST

START_TEST(the_members_resync_if_their_views_cannot_be_read)
{
	int64_t g = group_of_alice();
	struct fixture_change c;

	fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	connect_user(alice);
	connect_user(bob);
	c = fixture_change(s, STORE_RENAME, alice, g, 0, "renamed");
	pg_number("alter table messages rename column deleted to erased");
	apply_change(&c, RECORD_NEW, 0);
	fixture_until_n(&n_resyncs, 2);
	pg_number("alter table messages rename column erased to deleted");
	ck_assert_uint_eq(n_chats(), 0);
}
END_TEST

int main(void)
{
	TCase *tc = room_case();

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_member_of_a_large_group_gets_their_own_view);
	tcase_add_test(tc, another_read_waits_for_one_piece_only);
	tcase_add_test(tc, changes_of_a_group_are_gathered_while_its_views_are_read);
	tcase_add_test(tc, a_member_may_post_as_their_last_chat_frame_says);
	tcase_add_test(tc, the_members_resync_if_their_views_cannot_be_read);
	return room_run(tc);
}
