/*
 * Read marks, pages of messages, search, unread counts and tokens.
 */
#include "tests/unit/store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

START_TEST(read_marks_move_forward_and_never_past_the_last_message)
{
	struct fixture_change m = fixture_post(s, alice, bob, "1", "1");

	fixture_post(s, alice, bob, "2", "2");
	store_mark_read(s, &m.c.conv, bob, 1000, 77, on_mark, NULL);
	fixture_until_n(&moved.n, 1);
	ck_assert_int_eq(moved.user_id, bob);
	ck_assert_int_eq(moved.seq, 2);
	ck_assert_uint_eq(moved.origin, 77);
	store_mark_read(s, &m.c.conv, bob, 1, 77, on_mark, NULL);
	store_mark_read(s, &m.c.conv, carol, 2, 77, on_mark, NULL); /* no member */
	fixture_until_n(&n_marked, 3);
	ck_assert_uint_eq(moved.n, 1);
	/* A send moves the sender's own. */
	ck_assert_int_eq(
		pg_number("select read_seq from members where conv_id = %lld and user_id = %lld",
			(long long)m.c.conv.id, (long long)alice),
		2);
}
END_TEST

START_TEST(a_read_mark_that_cannot_be_stored_ends_with_an_error)
{
	struct fixture_change m = fixture_post(s, alice, bob, "1", "1");

	pg_number(
		"alter table members add constraint unread check (user_id <> %lld or read_seq < 1) "
		"not valid",
		(long long)bob);
	store_mark_read(s, &m.c.conv, bob, 1, 77, on_mark, NULL);
	fixture_until_n(&n_not_marked, 1);
	pg_number("alter table members drop constraint unread");
	terminate("parleyd worker=0 write");
	fixture_until_n(&n_away, 1);
	store_mark_read(s, &m.c.conv, bob, 1, 77, on_mark, NULL);
	ck_assert_uint_eq(n_not_marked, 1);
	fixture_until_n(&n_not_marked, 2);
	fixture_until_n(&n_ready, 2);
	store_mark_read(s, &m.c.conv, bob, 1, 77, on_mark, NULL);
	fixture_until_n(&n_marked, 1);
	ck_assert_uint_eq(moved.n, 1);
	ck_assert_uint_eq(n_not_marked, 2);
}
END_TEST

START_TEST(two_sockets_that_mark_in_one_batch_are_both_notified)
{
	struct fixture_change m = fixture_post(s, alice, bob, "1", "1"), blocker;

	fixture_post(s, alice, bob, "2", "2");
	/* Those that arrive while another is in flight are one batch. */
	store_mark_read(s, &m.c.conv, carol, 1, 1, on_mark, NULL);
	store_mark_read(s, &m.c.conv, bob, 1, 5, on_mark, NULL);
	store_mark_read(s, &m.c.conv, bob, 2, 6, on_mark, NULL);
	fixture_until_n(&moved.n, 1);
	fixture_post_begin(s, &blocker, alice, bob, "3", "3");
	fixture_until(&blocker.done);
	ck_assert_uint_eq(moved.n, 1);
	ck_assert_int_eq(moved.seq, 2);
	ck_assert_uint_eq(moved.origin, 0);
}
END_TEST

struct marks {
	bool done;
	int64_t n_messages;
	int n, n_moved, n_own_only;
};

static void on_marked(void *arg, enum error error, const store_rows *rows)
{
	struct marks *m = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	for (int i = 0; i < store_n(rows); i++) {
		struct read_mark mark;

		store_read_at(rows, i, &mark);
		m->n_messages += mark.n_messages;
		m->n_moved += mark.moved;
		m->n_own_only += mark.own_only;
		m->n++;
	}
	m->done = true;
}

START_TEST(marking_by_message_ids_counts_only_messages_in_the_users_chats)
{
	int64_t g = group();
	int64_t ids[5] = { fixture_post(s, alice, bob, "1", "1").c.message.message_id,
		fixture_post(s, alice, bob, "2", "2").c.message.message_id,
		fixture_post(s, alice, g, "3", "3").c.message.message_id,
		fixture_post(s, alice, carol, "4", "4").c.message.message_id, INT64_C(900000000) };
	struct marks m = { .done = false };

	store_mark_messages_read(s, bob, ids, 5, on_marked, &m);
	fixture_until(&m.done);
	ck_assert_int_eq(m.n_messages, 3);
	ck_assert_int_eq(m.n, 2);
	ck_assert_int_eq(m.n_moved, 2);
	m = (struct marks){ .done = false };
	store_mark_messages_read(s, bob, ids, 5, on_marked, &m);
	fixture_until(&m.done);
	ck_assert_int_eq(m.n_messages, 3);
	ck_assert_int_eq(m.n_moved, 0);
}
END_TEST

START_TEST(marks_in_a_group_of_more_than_200_members_are_for_the_readers_own_sockets)
{
	int64_t g = group();
	struct conv conv = fixture_post(s, alice, g, "1", NULL).c.conv;
	int64_t id = fixture_post(s, alice, g, "2", NULL).c.message.message_id;
	int64_t direct = fixture_post(s, alice, bob, "3", NULL).c.message.message_id;

	for (int members = 200; members <= 201; members++) {
		struct marks m = { .done = false };
		bool large = members > 200;
		int64_t ids[] = { id, direct };

		pg_number("update conversations set member_count = %d where conv_id = %lld",
			members, (long long)g);
		moved.n = 0;
		pg_number("update members set read_seq = 0");
		store_mark_read(s, &conv, bob, 4, 0, on_mark, NULL);
		fixture_until_n(&moved.n, 1);
		ck_assert(moved.own_only == large);
		store_mark_messages_read(s, bob, ids, 2, on_marked, &m);
		fixture_until(&m.done);
		ck_assert_int_eq(m.n_moved, 2);
		ck_assert_int_eq(m.n_own_only, large);
	}
}
END_TEST

struct rows_got {
	bool done;
	int n;
	struct message at[210];
};

static void on_page(void *arg, enum error error, const store_rows *rows)
{
	struct rows_got *p = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	p->n = store_n(rows);
	ck_assert_int_le(p->n, 210);
	for (int i = 0; i < p->n; i++)
		store_message_at(rows, i, &p->at[i]);
	p->done = true;
}

START_TEST(changes_come_in_the_order_of_mod_and_collapse_repeated_edits)
{
	struct rows_got p = { .done = false };
	struct fixture_change first = fixture_post(s, alice, bob, "1", "1");
	int64_t conv = first.c.conv.id;

	for (int i = 2; i <= 60; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		fixture_post(s, alice, bob, id, id);
	}
	fixture_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "x");
	fixture_change(s, STORE_EDIT, alice, first.c.message.message_id, 0, "y");
	store_changes(s, 0, conv, 58, 200, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 3);
	ck_assert_int_eq(p.at[0].mod, 59);
	ck_assert_int_eq(p.at[2].mod, 62);
	ck_assert_int_eq(p.at[2].seq, 1);
	/* limit + 1, so that the caller sees whether there are more. */
	p.done = false;
	store_changes(s, 0, conv, 0, 10, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 11);
	ck_assert_int_eq(p.at[0].mod, 2);
	/* Without a mod: the last 50 messages. */
	p.done = false;
	store_changes(s, 0, conv, -1, 200, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 50);
	ck_assert_int_eq(p.at[0].seq, 11);
	p.done = false;
	store_history(s, 0, conv, &(struct page){ 0, -1, 5 }, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 6);
	ck_assert_int_eq(p.at[0].seq, 60);
	p.done = false;
	store_history(s, 0, conv, &(struct page){ 0, 57, 5 }, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 3);
	ck_assert_int_eq(p.at[0].seq, 58);
	p.done = false;
	store_history(s, 0, conv, &(struct page){ 3, -1, 5 }, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 2);
	ck_assert_int_eq(p.at[0].seq, 2);
}
END_TEST

static void check_around(struct rows_got *p, int64_t conv, int64_t viewer, int64_t seq,
	int64_t n_before, int64_t n_from)
{
	p->done = false;
	store_history_around(s, viewer, conv, seq, n_before, n_from, on_page, p);
	fixture_until(&p->done);
	for (int i = 1; i < p->n; i++)
		ck_assert_int_eq(p->at[i].seq, p->at[i - 1].seq + 1);
}

START_TEST(a_page_around_a_seq_has_one_row_more_than_asked_in_each_direction)
{
	struct rows_got p = { .done = false };
	int64_t conv = 0;

	for (int i = 1; i <= 20; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		conv = fixture_post(s, alice, bob, id, id).c.conv.id;
	}
	check_around(&p, conv, alice, 10, 3, 4);
	ck_assert_int_eq(p.n, 9); /* 6 to 14 */
	ck_assert_int_eq(p.at[0].seq, 6);
	check_around(&p, conv, alice, 1, 3, 4);
	ck_assert_int_eq(p.n, 5);
	ck_assert_int_eq(p.at[0].seq, 1);
	check_around(&p, conv, alice, 20, 0, 1);
	ck_assert_int_eq(p.n, 2);
	ck_assert_int_eq(p.at[0].seq, 19);
	check_around(&p, conv, alice, 21, 2, 2);
	ck_assert_int_eq(p.n, 3);
	ck_assert_int_eq(p.at[2].seq, 20);
	check_around(&p, conv, alice, PROTO_ID_MAX, 2, 2);
	ck_assert_int_eq(p.n, 3);
	check_around(&p, conv, carol, 10, 3, 4);
	ck_assert_int_eq(p.n, 0);
}
END_TEST

START_TEST(a_message_is_read_by_members_of_its_conversation_only)
{
	struct rows_got p = { .done = false };
	struct message m = fixture_post(s, alice, bob, "1", "1").c.message;

	store_message(s, bob, m.message_id, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 1);
	ck_assert_int_eq(p.at[0].message_id, m.message_id);
	p.done = false;
	store_message(s, carol, m.message_id, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 0);
}
END_TEST

START_TEST(a_viewer_who_is_not_a_member_gets_no_row)
{
	struct rows_got p = { .done = false };
	int64_t conv = fixture_post(s, alice, bob, "1", "1").c.conv.id;

	store_changes(s, alice, conv, 0, 10, on_page, &p);
	fixture_until(&p.done);
	ck_assert_int_eq(p.n, 1);
	for (int after = -1; after <= 0; after++) {
		p.done = false;
		store_changes(s, carol, conv, after, 10, on_page, &p);
		fixture_until(&p.done);
		ck_assert_int_eq(p.n, 0);
		p.done = false;
		store_history(s, carol, conv, &(struct page){ 0, after, 10 }, on_page, &p);
		fixture_until(&p.done);
		ck_assert_int_eq(p.n, 0);
	}
}
END_TEST

struct found_user {
	bool done;
	enum error error;
	int n;
	int64_t first;
};

static void on_found(void *arg, enum error error, const store_rows *rows)
{
	struct found_user *f = arg;
	struct user u = { .user_id = 0 };

	f->n = error == ERROR_NONE ? store_n(rows) : 0;
	if (f->n > 0)
		store_user_at(rows, 0, &u);
	f->first = u.user_id;
	f->error = error;
	f->done = true;
}

static struct found_user search(const char *q)
{
	struct found_user r = { .done = false };

	store_search(s, alice, (struct text){ q, strlen(q) }, 50, on_found, &r);
	fixture_until(&r.done);
	ck_assert_int_eq(r.error, ERROR_NONE);
	return r;
}

static void rename_user(int64_t user_id, const char *name)
{
	const struct profile p = { .has_full_name = true, .full_name = { name, strlen(name) } };
	struct found_user r = { .done = false };

	store_update_profile(s, user_id, &p, on_found, &r);
	fixture_until(&r.done);
	ck_assert_int_eq(r.n, 1);
}

START_TEST(search_finds_by_the_beginning_of_each_word_and_takes_wildcards_literally)
{
	carol = fixture_user(s, "zoe_");
	rename_user(carol, "Zoë Łukasiewicz-O'Hara 100%");
	ck_assert_int_eq(search("zoe_").first, carol);
	ck_assert_int_eq(search("ZOË").first, carol);
	ck_assert_int_eq(search("łukas zoë").first, carol);
	ck_assert_int_eq(search("100%").first, carol);
	ck_assert_int_eq(search("łukas nobody").n, 0);
	ck_assert_int_eq(search("ukas").n, 0);
	ck_assert_int_eq(search("%").n, 0);
	ck_assert_int_eq(search("zo__").n, 0);
	ck_assert_int_eq(search("zoë\\").n, 0);
	ck_assert_int_eq(search(" ").n, 0);
	rename_user(alice, "Quentin");
	ck_assert_int_eq(search("quentin").n, 0); /* not the viewer */
}
END_TEST

START_TEST(search_finds_a_name_in_any_normal_form_case_and_width)
{
	carol = fixture_user(s, "xenia");
	rename_user(carol,
		"XOE\xCC\x88\xE3\x80\x80Stra\xC3\x9F"
		"e"); /* NFD, ideographic space, sharp s */
	ck_assert_int_eq(search("xo\xC3\xAB").first, carol);
	ck_assert_int_eq(search("xoe\xCC\x88 STRASSE").first, carol);
	ck_assert_int_eq(
		search("\xEF\xBD\x98\xEF\xBD\x8F\xC3\xAB").first, carol); /* fullwidth xo */
	ck_assert_int_eq(search("\xE2\x80\x8B").n, 0); /* zero width space: no word */
	rename_user(carol, "Xora");
	ck_assert_int_eq(search("xo\xC3\xAB").n, 0);
	ck_assert_int_eq(search("xora").first, carol);
}
END_TEST

struct unread {
	bool done;
	int n;
	int64_t unread;
};

static void on_views(void *arg, enum error error, const store_rows *rows)
{
	struct unread *u = arg;
	struct chat c;

	ck_assert_int_eq(error, ERROR_NONE);
	u->n = store_n(rows);
	if (u->n > 0) {
		store_chat_at(rows, 0, &c);
		u->unread = c.unread;
	}
	u->done = true;
}

static int64_t unread(int64_t conv_id, int64_t viewer)
{
	struct unread u = { .done = false };

	store_chat_views(s, conv_id, &viewer, 1, on_views, &u);
	fixture_until(&u.done);
	ck_assert_int_eq(u.n, 1);
	return u.unread;
}

START_TEST(unread_counts_the_texts_of_others_after_the_read_mark)
{
	int64_t g = group();
	struct fixture_change m[4];
	struct conv c = { g, 0, 0, CONV_GROUP };

	ck_assert_int_eq(unread(g, bob), 0); /* joins do not count */
	for (int i = 0; i < 4; i++)
		m[i] = fixture_post(s, alice, g, "text", NULL);
	ck_assert_int_eq(unread(g, bob), 4);
	ck_assert_int_eq(unread(g, alice), 0);
	fixture_change(s, STORE_DELETE, alice, m[1].c.message.message_id, 0, NULL);
	fixture_change(s, STORE_EDIT, alice, m[2].c.message.message_id, 0, "edited");
	fixture_change(s, STORE_RENAME, alice, g, 0, "renamed");
	ck_assert_int_eq(unread(g, bob), 3);
	store_mark_read(s, &c, bob, m[0].c.message.seq, 1, on_mark, NULL);
	fixture_until_n(&moved.n, 1);
	ck_assert_int_eq(unread(g, bob), 2);
	fixture_post(s, bob, g, "answer", NULL);
	ck_assert_int_eq(unread(g, bob), 0);
	ck_assert_int_eq(unread(g, carol), 4);
	/* A new member has nothing unread. */
	fixture_change(s, STORE_REMOVE, alice, g, carol, NULL);
	fixture_change(s, STORE_ADD, alice, g, carol, NULL);
	ck_assert_int_eq(unread(g, carol), 0);
}
END_TEST

START_TEST(the_cost_of_unread_search_and_pages_does_not_grow_with_the_tables)
{
	int64_t conv = fixture_post(s, alice, bob, "first", NULL).c.conv.id, began;
	struct rows_got p = { .done = false };

	pg_number("insert into messages (conv_id, seq, mod, sender_id, content, sent_at) select "
		  "%lld, n, n, %lld, 'x', now() "
		  "from generate_series(2, 200001) n",
		(long long)conv, (long long)alice);
	pg_number("update conversations set last_seq = 200001, last_mod = 200001 where conv_id = "
		  "%lld",
		(long long)conv);
	pg_number("insert into users (username, full_name, folded_name) select 'many' || n, 'Many "
		  "Of', 'many of' from "
		  "generate_series(1, 5000) n");
	began = clock_mono_ms();
	ck_assert_int_eq(unread(conv, bob), 200001);
	ck_assert_int_eq(search("many of").n, 50);
	ck_assert_int_lt(clock_mono_ms() - began, 1000);
	began = clock_mono_ms();
	for (int i = 0; i < 40; i++) {
		check_around(&p, conv, alice, 1000 + i * 5000, 25, 25);
		ck_assert_int_eq(p.n, 52);
	}
	ck_assert_int_lt(clock_mono_ms() - began, 1000);
}
END_TEST

static void on_loaded(void *arg, enum error error, const struct head *heads, size_t n)
{
	(void)heads;
	(void)n;
	ck_assert_int_eq(error, ERROR_NONE);
	*(bool *)arg = true;
}

START_TEST(loads_go_on_while_a_search_waits)
{
	PGconn *holder = pg_connect();
	struct found_user r = { .done = false };
	bool loaded = false;

	PQclear(PQexec(holder, "begin; lock table user_words in access exclusive mode"));
	store_search(s, alice, (struct text){ "a", 1 }, 50, on_found, &r);
	fixture_for(100);
	store_load(s, bob, on_loaded, &loaded);
	fixture_for(300);
	ck_assert(loaded && !r.done);
	PQfinish(holder);
	fixture_until(&r.done);
}
END_TEST

/* Each has two words that match. */
START_TEST(the_cost_of_a_search_does_not_grow_with_the_matches)
{
	int64_t last, began;

	pg_number("alter table users disable trigger user_words_update");
	last = pg_number(
		"with u as (insert into users (username, full_name) select 'same' || n, "
		"'Same Name' from generate_series(1, 100000) n returning user_id, username), "
		"w as (insert into user_words (word, user_id) select word, user_id from u, "
		"unnest(array[username, 'same', 'name']) word) select max(user_id) from u");
	pg_number("alter table users enable trigger user_words_update");
	began = clock_mono_ms();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(search("s").n, 50);
		ck_assert_int_eq(search("same na").n, 50);
	}
	ck_assert_int_lt(clock_mono_ms() - began, 40 * 200);
	/* Behind 100,000 others in the order of the words. */
	rename_user(last, "Renamed");
	ck_assert_int_eq(search("same99999").first,
		pg_number("select user_id from users where username = 'same99999'"));
}
END_TEST

struct tokens {
	bool done;
	enum error error;
	struct token t;
};

static void on_token(void *arg, enum error error, const struct token *t)
{
	struct tokens *a = arg;

	a->done = true;
	a->error = error;
	if (t != NULL)
		a->t = *t;
}

static void on_invalid(void *arg, enum error error, const store_rows *rows)
{
	struct found_user *f = arg;

	ck_assert_int_eq(error, ERROR_NONE);
	f->n = store_n(rows);
	f->first = f->n > 0 ? store_id_at(rows, 0) : 0;
	f->done = true;
}

static struct text password = { "x", 1 }; /* Alice's */

static struct tokens token(uint8_t mark, bool add, int64_t lifetime_s)
{
	struct tokens a = { .done = false };
	uint8_t hash[STORE_HASH_SIZE] = { mark };

	if (add)
		store_add_token(s, alice, password, hash, lifetime_s, on_token, &a);
	else
		store_authenticate(s, hash, on_token, &a);
	fixture_until(&a.done);
	return a;
}

struct changed {
	bool done;
	enum error error;
};

static void on_changed(void *arg, enum error error)
{
	*(struct changed *)arg = (struct changed){ true, error };
}

START_TEST(a_token_is_valid_until_it_expires_or_is_revoked)
{
	struct tokens one = token(1, true, 100), two = token(2, true, 100),
		      three = token(3, true, 1);
	struct changed changed = { .done = false };
	struct found_user invalid = { .done = false };
	int64_t ids[3] = { one.t.token_id, two.t.token_id, three.t.token_id };

	ck_assert_int_eq(token(1, false, 0).t.user_id, alice);
	ck_assert_int_eq(token(1, false, 0).t.token_id, one.t.token_id);
	ck_assert_int_eq(token(9, false, 0).error, ERROR_bad_token);
	store_set_password(s,
		&(const struct password_change){
			.user_id = alice,
			.token_id = two.t.token_id,
			.old = password,
			.new = { "new", 3 },
		},
		on_changed, &changed);
	fixture_until(&changed.done);
	ck_assert_int_eq(changed.error, ERROR_NONE);
	ck_assert_int_eq(token(1, false, 0).error, ERROR_bad_token);
	ck_assert_int_eq(token(2, false, 0).error, ERROR_NONE);
	ck_assert_int_eq(token(3, true, 100).error, ERROR_no_such_user); /* the old password */
	password = (struct text){ "new", 3 };
	three = token(4, true, 1);
	ck_assert_int_eq(token(4, false, 0).error, ERROR_NONE);
	fixture_for(1100);
	ck_assert_int_eq(token(4, false, 0).error, ERROR_bad_token);
	store_check_tokens(s, ids, 3, on_invalid, &invalid);
	fixture_until(&invalid.done);
	ck_assert_int_eq(invalid.n, 2);
	ck_assert(invalid.first != two.t.token_id);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, read_marks_move_forward_and_never_past_the_last_message);
	tcase_add_test(tc, a_read_mark_that_cannot_be_stored_ends_with_an_error);
	tcase_add_test(tc, two_sockets_that_mark_in_one_batch_are_both_notified);
	tcase_add_test(tc, marking_by_message_ids_counts_only_messages_in_the_users_chats);
	tcase_add_test(
		tc, marks_in_a_group_of_more_than_200_members_are_for_the_readers_own_sockets);
	tcase_add_test(tc, changes_come_in_the_order_of_mod_and_collapse_repeated_edits);
	tcase_add_test(tc, a_page_around_a_seq_has_one_row_more_than_asked_in_each_direction);
	tcase_add_test(tc, a_message_is_read_by_members_of_its_conversation_only);
	tcase_add_test(tc, a_viewer_who_is_not_a_member_gets_no_row);
	tcase_add_test(
		tc, search_finds_by_the_beginning_of_each_word_and_takes_wildcards_literally);
	tcase_add_test(tc, unread_counts_the_texts_of_others_after_the_read_mark);
	tcase_add_test(tc, search_finds_a_name_in_any_normal_form_case_and_width);
	tcase_add_test(tc, loads_go_on_while_a_search_waits);
	tcase_add_test(tc, the_cost_of_a_search_does_not_grow_with_the_matches);
	tcase_add_test(tc, the_cost_of_unread_search_and_pages_does_not_grow_with_the_tables);
	tcase_add_test(tc, a_token_is_valid_until_it_expires_or_is_revoked);
}

int main(void)
{
	return store_fixture_run("store_read", add_tests);
}
