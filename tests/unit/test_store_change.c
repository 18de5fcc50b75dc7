/*
 * Edits, groups, deletion of users, and the loads that read their results.
 */
#include "tests/unit/store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

START_TEST(only_the_sender_edits_and_only_a_text_that_is_not_deleted)
{
	int64_t g = group();
	struct fixture_change m = fixture_post(s, alice, g, "one", "c1"), e;
	int64_t id = m.c.message.message_id, join;

	ck_assert_int_eq(fixture_change(s, STORE_EDIT, bob, id, 0, "x").error, ERROR_not_sender);
	ck_assert_int_eq(fixture_change(s, STORE_EDIT, person("dave"), id, 0, "x").error,
		ERROR_no_such_message);
	ck_assert_int_eq(fixture_change(s, STORE_EDIT, alice, INT64_C(900000000), 0, "x").error,
		ERROR_no_such_message);
	join = pg_number(
		"select message_id from messages where conv_id = %lld and seq = 1", (long long)g);
	ck_assert_int_eq(fixture_change(s, STORE_EDIT, alice, join, 0, "x").error, ERROR_not_text);
	ck_assert_int_eq(
		fixture_change(s, STORE_DELETE, alice, join, 0, NULL).error, ERROR_not_text);
	e = fixture_change(s, STORE_EDIT, alice, id, 0, "two");
	ck_assert_int_eq(e.error, ERROR_NONE);
	ck_assert_str_eq(e.content, "two");
	ck_assert_int_eq(e.c.message.seq, m.c.message.seq);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 1);
	ck_assert_int_gt(e.c.message.edited_ms, 0);
	e = fixture_change(s, STORE_DELETE, alice, id, 0, NULL);
	ck_assert_int_eq(e.error, ERROR_NONE);
	ck_assert(e.c.message.deleted && !e.c.duplicate && e.content == NULL);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 2);
	e = fixture_change(s, STORE_DELETE, alice, id, 0, NULL);
	ck_assert(e.error == ERROR_NONE && e.c.duplicate);
	ck_assert_int_eq(e.c.message.mod, m.c.message.mod + 2);
	ck_assert_int_eq(
		fixture_change(s, STORE_EDIT, alice, id, 0, "x").error, ERROR_no_such_message);
	ck_gapless(g);
}
END_TEST

/* Runs the loop until nothing is left to erase. */
static void until_erased(void)
{
	for (int ms = 0; pg_number("select count(*) from erasures") > 0; ms += 10) {
		ck_assert_int_lt(ms, FIXTURE_MS);
		fixture_for(10);
	}
}

START_TEST(groups_keep_the_rules_of_the_contract)
{
	int64_t g = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;
	struct fixture_change c;

	ck_assert_int_eq(
		fixture_change(s, STORE_ADD, bob, g, carol, NULL).error, ERROR_no_such_group);
	ck_assert_int_eq(fixture_change(s, STORE_ADD, alice, g, INT64_C(900000000), NULL).error,
		ERROR_no_such_user);
	c = fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	ck_assert_int_eq(c.c.message.kind, MESSAGE_JOIN);
	ck_assert_int_eq(c.c.message.target_id, bob);
	ck_assert_int_eq(c.c.message.seq, 2);
	c = fixture_change(s, STORE_ADD, alice, g, bob, NULL);
	ck_assert(c.error == ERROR_NONE && c.c.duplicate);
	ck_assert_int_eq(fixture_change(s, STORE_RENAME, bob, g, 0, "bobs").error, ERROR_not_admin);
	ck_assert_int_eq(
		fixture_change(s, STORE_RENAME, carol, g, 0, "carols").error, ERROR_no_such_group);
	c = fixture_change(s, STORE_RENAME, alice, g, 0, "renamed");
	ck_assert_int_eq(c.c.message.kind, MESSAGE_RENAME);
	ck_assert_str_eq(c.content, "renamed");
	ck_assert_int_eq(
		fixture_change(s, STORE_REMOVE, bob, g, alice, NULL).error, ERROR_not_admin);
	ck_assert_int_eq(
		fixture_change(s, STORE_REMOVE, alice, g, carol, NULL).error, ERROR_no_such_member);
	/* The owner leaves: the member of longest standing is the new owner. */
	fixture_change(s, STORE_ADD, bob, g, carol, NULL);
	c = fixture_change(s, STORE_REMOVE, alice, g, alice, NULL);
	ck_assert_int_eq(c.c.message.kind, MESSAGE_LEAVE);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		bob);
	ck_assert_int_eq(fixture_change(s, STORE_REMOVE, bob, g, carol, NULL).error, ERROR_NONE);
	ck_gapless(g);
	/* The last member leaves, and the group is gone. */
	fixture_post(s, bob, g, "secret", "c1");
	c = fixture_change(s, STORE_REMOVE, bob, g, bob, NULL);
	ck_assert_int_eq(c.error, ERROR_NONE);
	ck_assert_int_eq(c.c.message.mod, 0);
	ck_assert_int_eq(c.c.message.target_id, bob);
	ck_assert_int_eq(fixture_post(s, bob, g, "x", "c2").error, ERROR_no_such_chat);
	until_erased();
	ck_assert_int_eq(
		pg_number(
			"select count(*) from messages where conv_id = %lld and content = 'secret'",
			(long long)g),
		0);
	/* The client_id stays taken. */
	ck_assert(fixture_post(s, bob, alice, "secret", "c1").c.duplicate);
}
END_TEST

#define THUMB "\xF0\x9F\x91\x8D"

START_TEST(a_reaction_has_a_mod_its_user_and_its_emoji)
{
	struct fixture_change m = fixture_post(s, alice, bob, "one", NULL), r;
	int64_t id = m.c.message.message_id;

	r = fixture_change(s, STORE_REACT, bob, id, 0, THUMB);
	ck_assert_int_eq(r.error, ERROR_NONE);
	ck_assert_int_eq(r.c.message.message_id, id);
	ck_assert_int_eq(r.c.message.mod, m.c.message.mod + 1);
	ck_assert_int_eq(r.c.user_id, bob);
	ck_assert_str_eq(r.emoji, THUMB);
	ck_assert_ptr_null(r.content);
	r = fixture_change(s, STORE_REACT, bob, id, 0, THUMB);
	ck_assert(r.error == ERROR_NONE && r.c.duplicate);
	r = fixture_change(s, STORE_UNREACT, bob, id, 0, THUMB);
	ck_assert_int_eq(r.c.message.mod, m.c.message.mod + 2);
	ck_assert_int_eq(
		fixture_change(s, STORE_REACT, carol, id, 0, THUMB).error, ERROR_no_such_message);
	ck_assert_int_eq(fixture_change(s, STORE_PIN, bob, id, 0, NULL).c.user_id, bob);
	ck_gapless(m.c.conv.id);
}
END_TEST

/* The first reaction waits for the lock; the others gather meanwhile. */
START_TEST(reactions_that_gather_are_stored_in_one_transaction)
{
	int64_t g = group();
	struct fixture_change m = fixture_post(s, alice, g, "one", NULL), r[3];
	int64_t users[] = { alice, bob, carol };
	PGconn *holder = pg_hold("select * from conversations for update");

	for (int i = 0; i < 3; i++)
		fixture_change_begin(
			s, &r[i], STORE_REACT, users[i], m.c.message.message_id, 0, THUMB);
	fixture_for(50);
	pg_release(holder);
	for (int i = 0; i < 3; i++) {
		fixture_until(&r[i].done);
		ck_assert_int_eq(r[i].error, ERROR_NONE);
		ck_assert_int_eq(r[i].c.user_id, users[i]);
	}
	ck_assert_int_eq(
		pg_number("select count(distinct xmin::text) from reactions where "
			  "message_id = %lld and user_id in (%lld, %lld)",
			(long long)m.c.message.message_id, (long long)bob, (long long)carol),
		1);
	ck_assert_int_eq(
		pg_number("select count(distinct mod) from reactions where message_id = %lld",
			(long long)m.c.message.message_id),
		3);
	ck_gapless(g);
}
END_TEST

START_TEST(a_locked_conversation_delays_its_own_reactions_alone_and_keeps_their_order)
{
	struct fixture_change m = fixture_post(s, alice, bob, "one", NULL), on, off, other;
	int64_t id = m.c.message.message_id, began = clock_mono_ms(), took_ms;
	struct fixture_change n = fixture_post(s, alice, carol, "two", NULL);
	PGconn *holder = pg_hold("select * from conversations where conv_id = %lld for update",
		(long long)m.c.conv.id);
	bool waited;

	fixture_change_begin(s, &on, STORE_REACT, bob, id, 0, THUMB);
	fixture_change_begin(s, &off, STORE_UNREACT, bob, id, 0, THUMB);
	fixture_change_begin(s, &other, STORE_REACT, carol, n.c.message.message_id, 0, THUMB);
	fixture_until(&other.done);
	took_ms = clock_mono_ms() - began;
	waited = !on.done && !off.done;
	fixture_for(600);
	waited &= !on.done && !off.done;
	pg_release(holder);
	ck_assert_int_eq(other.error, ERROR_NONE);
	ck_assert(waited);
	ck_assert_int_lt(took_ms, 3000);
	fixture_until(&on.done);
	fixture_until(&off.done);
	ck_assert_int_eq(on.c.message.mod, m.c.message.mod + 1);
	ck_assert_int_eq(off.c.message.mod, m.c.message.mod + 2);
}
END_TEST

START_TEST(reactions_while_the_database_is_away_are_unavailable)
{
	struct fixture_change m = fixture_post(s, alice, bob, "one", NULL), r[2];
	int64_t users[] = { alice, bob };
	PGconn *holder = pg_hold("select * from conversations for update");

	for (int i = 0; i < 2; i++)
		fixture_change_begin(
			s, &r[i], STORE_REACT, users[i], m.c.message.message_id, 0, THUMB);
	fixture_for(50);
	ck_assert_int_eq(terminate("parleyd worker=0 write"), 1);
	for (int i = 0; i < 2; i++) {
		fixture_until(&r[i].done);
		ck_assert_int_eq(r[i].error, ERROR_unavailable);
	}
	pg_release(holder);
}
END_TEST

/* A change that takes no mod, and returns no message. */
static void ck_revised(struct fixture_change c, int64_t revision)
{
	ck_assert_int_eq(c.error, ERROR_NONE);
	ck_assert(!c.c.duplicate && !change_ends_group(&c.c));
	ck_assert_int_eq(c.c.message.kind, 0);
	ck_assert_int_eq(c.c.revision, revision);
}

START_TEST(a_role_or_a_setting_is_a_revision_and_takes_no_mod)
{
	int64_t g = group();
	int64_t mod =
		pg_number("select last_mod from conversations where conv_id = %lld", (long long)g);
	struct fixture_change c;

	ck_revised(fixture_change(s, STORE_ROLE, alice, g, bob, "admin"), 1);
	c = fixture_change(s, STORE_ROLE, alice, g, bob, "admin");
	ck_assert(c.error == ERROR_NONE && c.c.duplicate);
	ck_revised(fixture_change(s, STORE_POSTING, bob, g, 0, "admins"), 2);
	c = fixture_change(s, STORE_POSTING, bob, g, 0, "admins");
	ck_assert(c.error == ERROR_NONE && c.c.duplicate);
	ck_revised(fixture_change(s, STORE_ROLE, alice, g, bob, "owner"), 3);
	ck_assert_int_eq(pg_number("select count(*) from members where conv_id = %lld and admin "
				   "and user_id = %lld",
				 (long long)g, (long long)alice),
		1);
	ck_assert_int_eq(pg_number("select count(*) from members where conv_id = %lld and admin",
				 (long long)g),
		1);
	ck_assert_int_eq(
		pg_number("select last_mod from conversations where conv_id = %lld", (long long)g),
		mod);
	ck_gapless(g);
}
END_TEST

/* "The owner's leave makes the longest-standing admin (by joining) owner, else the longest-standing member." */
START_TEST(an_admin_inherits_a_group_before_a_member_of_longer_standing)
{
	int64_t g = group();

	ck_revised(fixture_change(s, STORE_ROLE, alice, g, carol, "admin"), 1);
	fixture_change(s, STORE_REMOVE, alice, g, alice, NULL);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		carol);
	fixture_change(s, STORE_REMOVE, carol, g, carol, NULL);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		bob);
}
END_TEST

START_TEST(nothing_is_left_of_a_group_without_members)
{
	int64_t g = fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "friends").c.conv.id;
	struct fixture_change c;

	pg_number("select count(*) from change_group(%lld, %lld, null, 'about', null, null, null)",
		(long long)alice, (long long)g);
	ck_assert(fixture_change(s, STORE_BAN, alice, g, bob, NULL).c.duplicate);
	pg_number("select count(*) from create_invite(%lld, %lld, 'code', null, null)",
		(long long)alice, (long long)g);
	ck_assert_int_eq(
		fixture_change(s, STORE_BAN, bob, g, carol, NULL).error, ERROR_no_such_group);
	ck_assert_int_eq(fixture_change(s, STORE_JOIN, bob, 0, 0, "code").error, ERROR_banned);
	c = fixture_change(s, STORE_REMOVE, alice, g, alice, NULL);
	ck_assert(change_ends_group(&c.c));
	ck_assert_int_eq(
		pg_number("select (select count(*) from group_profiles where conv_id = %1$lld) + "
			  "(select count(*) from bans where conv_id = %1$lld) + "
			  "(select count(*) from invites where conv_id = %1$lld)",
			(long long)g),
		0);
	ck_assert_int_eq(
		fixture_change(s, STORE_JOIN, bob, 0, 0, "code").error, ERROR_no_such_invite);
	until_erased();
}
END_TEST

/* "At most 100 live a group"; those that have ended are kept for members who follow them again, but not all. */
START_TEST(live_invites_are_bounded_and_so_are_ended_ones)
{
	int64_t g = group();

	ck_assert_int_eq(pg_number("select count(*) from (select from generate_series(1, 100) i, "
				   "create_invite(%lld, %lld, 'live' || i, null, null) x where "
				   "x.status = 'ok') a",
				 (long long)alice, (long long)g),
		100);
	ck_assert_int_eq(
		pg_number("select count(*) from create_invite(%lld, %lld, 'more', null, null) x "
			  "where x.status = 'too_many'",
			(long long)alice, (long long)g),
		1);
	pg_number("insert into invites (code, conv_id, created_by, ended) "
		  "select 'ended' || i, %lld, %lld, true from generate_series(1, 950) i",
		(long long)g, (long long)alice);
	pg_number("select count(end_invite(%lld, %lld, 'live1'))", (long long)alice, (long long)g);
	ck_assert_int_eq(
		pg_number("select count(*) from create_invite(%lld, %lld, 'more', null, null) x "
			  "where x.status = 'ok'",
			(long long)alice, (long long)g),
		1);
	ck_assert_int_eq(
		pg_number("select count(*) from invites where conv_id = %lld", (long long)g), 1000);
	ck_assert_int_eq(pg_number("select count(*) from invites where code = 'ended950'"), 1);
	ck_assert_int_eq(pg_number("select count(*) from invites where code = 'ended50'"), 0);
}
END_TEST

START_TEST(the_bans_of_a_group_are_bounded)
{
	int64_t g = group();

	pg_number("insert into bans (conv_id, user_id) select %lld, 1000000 + i from "
		  "generate_series(1, 1000) i",
		(long long)g);
	ck_assert_int_eq(fixture_change(s, STORE_BAN, alice, g, bob, NULL).error, ERROR_too_many);
	pg_number("delete from bans where user_id = 1000001");
	ck_assert_int_eq(
		fixture_change(s, STORE_BAN, alice, g, bob, NULL).c.message.kind, MESSAGE_LEAVE);
	ck_assert(fixture_change(s, STORE_BAN, alice, g, bob, NULL).c.duplicate);
	ck_gapless(g);
}
END_TEST

struct heads {
	bool done;
	enum error error;
	size_t n;
	struct head at[16];
};

static void on_loaded(void *arg, enum error error, const struct head *heads, size_t n)
{
	struct heads *h = arg;

	h->done = true;
	h->error = error;
	ck_assert_uint_le(n, 16);
	h->n = n;
	if (n > 0)
		memcpy(h->at, heads, n * sizeof(*heads));
}

static struct heads load(int64_t user_id)
{
	struct heads h = { .done = false };

	store_load(s, user_id, on_loaded, &h);
	fixture_until(&h.done);
	ck_assert_int_eq(h.error, ERROR_NONE);
	return h;
}

/* The last report of an erasure in this conversation; NULL if there is none. */
static const struct erased *erasure_in(int64_t conv_id)
{
	for (unsigned i = erasures.n; i > 0; i--)
		if (erasures.at[i - 1].conv.id == conv_id)
			return &erasures.at[i - 1];
	return NULL;
}

START_TEST(a_deleted_user_is_erased_and_chats_keep_their_numbers_without_gaps)
{
	int64_t g = group(), direct = fixture_post(s, alice, bob, "direct", "d1").c.conv.id;
	int64_t from;

	fixture_post(s, alice, g, "to erase", "a1");
	fixture_post(s, bob, g, "b", "b1");
	fixture_post(s, alice, alice, "to nobody", "n1");
	from = pg_number("select last_mod from conversations where conv_id = %lld", (long long)g);
	fixture_delete_user(s, alice);
	ck_assert_uint_eq(erasures.n_left, 3); /* the group, the chat with Bob, her notes */
	ck_assert_ptr_nonnull(erasure_in(g));
	ck_assert_ptr_nonnull(erasure_in(direct));
	/* Her leave; then her joins of herself and Bob, and her text. Bob added Carol. */
	ck_assert_int_eq(erasure_in(g)->from_mod, from + 1);
	ck_assert_int_eq(erasure_in(g)->mod, from + 1 + 3);
	ck_assert_int_eq(erasure_in(direct)->from_mod, 1);
	ck_assert_int_eq(erasure_in(direct)->mod, 2);
	ck_gapless(g);
	ck_gapless(direct);
	ck_assert_int_eq(pg_number("select count(*) from messages where sender_id = %lld or "
				   "content in ('to erase', 'direct', 'to nobody')",
				 (long long)alice),
		0);
	ck_assert_int_eq(pg_number("select count(*) from erasures"), 0);
	ck_assert_int_eq(
		pg_number("select owner_id from conversations where conv_id = %lld", (long long)g),
		bob);
	ck_assert_int_eq(
		fixture_post(s, bob, alice, "still there?", "b2").error, ERROR_no_such_chat);
	ck_assert_int_eq(fixture_post(s, alice, bob, "no", "z").error, ERROR_no_such_chat);
	ck_assert_int_eq(
		fixture_change(s, STORE_ADD, bob, g, alice, NULL).error, ERROR_no_such_user);
	ck_assert_int_eq(fixture_change(s, STORE_CREATE_GROUP, alice, 0, 0, "ghosts").error,
		ERROR_no_such_user);
	ck_assert_uint_eq(load(alice).n, 0);
	ck_assert_uint_eq(load(bob).n, 2);
	/* The second time does nothing. */
	erasures.n = erasures.n_left = 0;
	fixture_delete_user(s, alice);
	ck_assert_uint_eq(erasures.n + erasures.n_left, 0);
}
END_TEST

START_TEST(a_deleted_user_whose_membership_has_not_ended_is_no_such_user)
{
	int64_t g = group();

	pg_number("select count(*) from delete_user(%lld)", (long long)carol);
	ck_assert_int_eq(
		pg_number("select count(*) from members where user_id = %lld", (long long)carol),
		1);
	ck_assert_int_eq(
		fixture_change(s, STORE_ADD, alice, g, carol, NULL).error, ERROR_no_such_user);
}
END_TEST

START_TEST(the_kept_number_of_members_is_the_number_of_members)
{
	enum { USERS = 12, GROUPS = 3, STEPS = 300 };
	int64_t users[USERS], groups[GROUPS];

	for (int i = 0; i < USERS; i++)
		users[i] = person("member");
	for (int i = 0; i < GROUPS; i++)
		groups[i] = fixture_change(s, STORE_CREATE_GROUP, users[i], 0, 0, "g").c.conv.id;
	srandom(1);
	for (int i = 0; i < STEPS; i++) {
		int64_t actor = users[random() % USERS], other = users[random() % USERS];
		int64_t g = groups[random() % GROUPS];

		/* The owners remove others; any member adds them; most other changes are rejected. */
		if (i % 3 == 0)
			fixture_change(s, STORE_REMOVE, actor, g, i % 2 ? actor : other, NULL);
		else
			fixture_change(s, STORE_ADD, actor, g, other, NULL);
		if (i % 10 == 0)
			fixture_post(s, actor, other, "hello", NULL);
		if (i % 40 == 39)
			fixture_delete_user(s, other);
	}
	ck_assert_int_gt(pg_number("select count(*) from conversations where kind = 'g' and "
				   "member_count > 1"),
		0);
	ck_assert_int_gt(pg_number("select count(*) from conversations where kind = 'd' and "
				   "member_count < 2 and user_lo <> user_hi"),
		0);
	ck_assert_int_eq(pg_number("select count(*) from conversations c where member_count <> "
				   "(select count(*) from members m where m.conv_id = c.conv_id)"),
		0);
}
END_TEST

START_TEST(each_load_of_a_batch_gets_the_conversations_of_its_user)
{
	enum { N = 200 };
	static struct heads h[N];
	int64_t g = group();

	for (int i = 0; i < N; i++)
		store_load(s,
			i % 3 == 0           ? alice
				: i % 3 == 1 ? carol
					     : INT64_C(900000000),
			on_loaded, &h[i]);
	for (int i = 0; i < N; i++) {
		fixture_until(&h[i].done);
		ck_assert_int_eq(h[i].error, ERROR_NONE);
		ck_assert_uint_eq(h[i].n, i % 3 == 2 ? 0 : 1);
		if (i % 3 != 2) {
			ck_assert_int_eq(h[i].at[0].conv.id, g);
			ck_assert_int_eq(h[i].at[0].user_id, i % 3 == 0 ? alice : carol);
			ck_assert_int_eq(h[i].at[0].mod, 3);
			ck_assert_int_eq(h[i].at[0].seq, 3);
		}
	}
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, only_the_sender_edits_and_only_a_text_that_is_not_deleted);
	tcase_add_test(tc, groups_keep_the_rules_of_the_contract);
	tcase_add_test(tc, a_reaction_has_a_mod_its_user_and_its_emoji);
	tcase_add_test(tc, reactions_that_gather_are_stored_in_one_transaction);
	tcase_add_test(
		tc, a_locked_conversation_delays_its_own_reactions_alone_and_keeps_their_order);
	tcase_add_test(tc, reactions_while_the_database_is_away_are_unavailable);
	tcase_add_test(tc, a_role_or_a_setting_is_a_revision_and_takes_no_mod);
	tcase_add_test(tc, an_admin_inherits_a_group_before_a_member_of_longer_standing);
	tcase_add_test(tc, nothing_is_left_of_a_group_without_members);
	tcase_add_test(tc, live_invites_are_bounded_and_so_are_ended_ones);
	tcase_add_test(tc, the_bans_of_a_group_are_bounded);
	tcase_add_test(tc, a_deleted_user_is_erased_and_chats_keep_their_numbers_without_gaps);
	tcase_add_test(tc, a_deleted_user_whose_membership_has_not_ended_is_no_such_user);
	tcase_add_test(tc, the_kept_number_of_members_is_the_number_of_members);
	tcase_add_test(tc, each_load_of_a_batch_gets_the_conversations_of_its_user);
}

int main(void)
{
	return store_fixture_run("store_change", add_tests);
}
