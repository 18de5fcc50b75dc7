/*
 * store_query: the questions that are asked one by one. Those that change something go to the writing
 * connection.
 */
#include <stdlib.h>

#include "common/log.h"
#include "store/store_private.h"

#define CONV "c.conv_id, c.kind, c.user_lo, c.user_hi"
#define CHANGE                                                                                  \
	"status, conv_id, conv_kind, user_lo, user_hi, message_id, seq, mod, sender_id, kind, " \
	"content, target_id, "                                                                  \
	"client_id, sent_at, edited_at, deleted"
#define MESSAGE(m)                                                                            \
	m ".message_id, " m ".seq, " m ".mod, " m ".sender_id, " m ".kind, " m ".content, " m \
	  ".target_id, " m ".client_id, " m ".sent_at, " m ".edited_at, " m ".deleted"
#define USER(u)                                                                                    \
	u ".user_id, " u ".username, " u ".full_name, " u ".profile_picture, " u ".public_key, " u \
	  ".created_at"

/* Changes. */

static const struct db_statement changes[STORE_OP_N] = {
	[STORE_EDIT] = { "edit_message",
		"select " CHANGE " from edit_message($1::int8, $2::int8, $4::text)"
		" where $3::int8 is not null" },
	[STORE_DELETE] = { "delete_message",
		"select " CHANGE " from delete_message($1::int8, $2::int8)"
		" where $3::int8 is not null and $4::text is not null" },
	[STORE_CREATE_GROUP] = { "create_group",
		"select " CHANGE " from create_group($1::int8, $4::text)"
		" where $2::int8 is not null and $3::int8 is not null" },
	[STORE_ADD] = { "add_member",
		"select " CHANGE " from add_member($1::int8, $2::int8, $3::int8)"
		" where $4::text is not null" },
	[STORE_REMOVE] = { "remove_member",
		"select " CHANGE " from remove_member($1::int8, $2::int8, $3::int8)"
		" where $4::text is not null" },
	[STORE_RENAME] = { "rename_group",
		"select " CHANGE " from rename_group($1::int8, $2::int8, $4::text)"
		" where $3::int8 is not null" },
};

struct change_question {
	const struct db_statement *statement;
	store_change_cb *cb;
	void *arg;
};

static void change_answered(void *arg, enum error error, const store_rows *rows)
{
	struct change_question *q = arg;
	struct change c;

	if (error == ERROR_NONE)
		error = store_change_at(rows, 0, 0, &c);
	q->cb(q->arg, error, error == ERROR_NONE ? &c : NULL);
	free(q);
}

void store_change(struct store *s, enum store_op op, int64_t actor, int64_t object, int64_t user,
	struct text text, store_change_cb *cb, void *arg)
{
	struct change_question *q = malloc(sizeof(*q));
	struct db_args args = DB_ARGS_EMPTY;

	if (q == NULL)
		log_fatal("out of memory for a question");
	*q = (struct change_question){ &changes[op], cb, arg };
	db_arg_i64(&args, actor);
	db_arg_i64(&args, object);
	db_arg_i64(&args, user);
	db_arg_bytes(&args, text.data != NULL ? text.data : "", text.len);
	store_query(s, s->writer, &changes[op], &args, change_answered, q);
}

void store_delete_user(struct store *s, int64_t user_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "delete_user",
		"select $1::int8, " CONV
		", d.last_seq, d.last_mod, d.from_mod from delete_user($1::int8) d "
		"join conversations c using (conv_id)" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

void store_mark_messages_read(struct store *s, int64_t user_id, const int64_t *message_ids,
	size_t n, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "mark_messages_read",
		"with named as (select m.conv_id, max(m.seq) as seq, count(*) as n from messages m "
		"join members a on a.conv_id = m.conv_id and a.user_id = $1::int8 "
		"where m.message_id = any ($2::int8[]) group by 1), "
		"moved as (select * from mark_read((select array_agg($1::int8) from named), "
		"(select array_agg(conv_id) from named), (select array_agg(seq) from named))) "
		"select " CONV ", n.seq, n.n, v.conv_id is not null "
		"from named n join conversations c using (conv_id) left join moved v using "
		"(conv_id)" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, message_ids[i]);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

/* People. */

void store_register(struct store *s, const struct registration *r, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "register",
		"insert into users as u (username, full_name, profile_picture, public_key, "
		"password) "
		"values ($1::text, $2::text, $3::text, $4::text, $5::text) on conflict (username) "
		"do nothing "
		"returning " USER("u") };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_bytes(&args, r->username.data, r->username.len);
	db_arg_bytes(&args, r->full_name.data, r->full_name.len);
	db_arg_bytes(&args, r->profile_picture.data, r->profile_picture.len);
	db_arg_bytes(&args, r->public_key.data, r->public_key.len);
	db_arg_bytes(&args, r->password.data, r->password.len);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

void store_user(struct store *s, int64_t user_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "user",
		"select " USER("u") ", u.password from users u where u.user_id = $1::int8 and "
				    "u.deleted_at is null" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

void store_user_named(struct store *s, struct text username, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "user_named",
		"select " USER("u") ", u.password from users u where u.username = $1::text and "
				    "u.deleted_at is null" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_bytes(&args, username.data, username.len);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

void store_update_profile(
	struct store *s, int64_t user_id, const struct profile *p, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "update_profile",
		"update users u set full_name = case when $2::bool then $3::text else u.full_name "
		"end, "
		"profile_picture = case when $4::bool then $5::text else u.profile_picture end, "
		"public_key = case when $6::bool then $7::text else u.public_key end "
		"where u.user_id = $1::int8 and u.deleted_at is null returning " USER("u") };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_bool(&args, p->has_full_name);
	db_arg_bytes(&args, p->full_name.data, p->full_name.len);
	db_arg_bool(&args, p->has_profile_picture);
	db_arg_bytes(&args, p->profile_picture.data, p->profile_picture.len);
	db_arg_bool(&args, p->has_public_key);
	db_arg_bytes(&args, p->public_key.data, p->public_key.len);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

void store_set_password(struct store *s, int64_t user_id, struct text password,
	int64_t keep_token_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "set_password",
		"select set_password($1::int8, $2::text, $3::int8)" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, user_id);
	db_arg_bytes(&args, password.data, password.len);
	db_arg_i64(&args, keep_token_id);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

/* Each word of q begins a word of the name; the first finds the rows by its index (a range from the
 * word itself to the word and the last code point; like would not use the index for a pattern that
 * is not known when the plan is made), the others check them. */
void store_search(
	struct store *s, int64_t viewer, struct text q, int64_t limit, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "search",
		"with words as (select array_agg(word order by n) as w "
		"from regexp_split_to_table(lower($2::text), '\\s+') with ordinality as x (word, "
		"n) where word <> '') "
		"select " USER(
			"u") " from words, lateral (select distinct p.user_id from user_words p "
			     "where p.word ~>=~ w[1] and p.word ~<~ (w[1] || chr(1114111))) f join "
			     "users u using (user_id) "
			     "where u.user_id <> $1::int8 and u.deleted_at is null and "
			     "not exists (select from unnest(w) x (word) where not exists "
			     "(select from user_words p where p.user_id = u.user_id and "
			     "starts_with(p.word, x.word))) "
			     "order by starts_with(u.username, w[1]) desc, u.username limit "
			     "$3::int8" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_bytes(&args, q.data, q.len);
	db_arg_i64(&args, limit);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

/* Tokens. */

struct add_token {
	store_token_cb *cb;
	void *arg;
};

static void token_added(void *arg, enum error error, const store_rows *rows)
{
	struct add_token *q = arg;
	struct token t = { .token_id = 0 };

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_user;
	if (error == ERROR_NONE)
		t = (struct token){ .token_id = db_i64(rows, 0, 0),
			.user_id = db_i64(rows, 0, 1),
			.expires_ms = db_time_ms(rows, 0, 2) };
	q->cb(q->arg, error, error == ERROR_NONE ? &t : NULL);
	free(q);
}

void store_add_token(struct store *s, int64_t user_id, struct text password,
	const uint8_t hash[STORE_HASH_SIZE], int64_t lifetime_s, store_token_cb *cb, void *arg)
{
	/* Expired tokens of the user go when a new one comes: nothing else need sweep them. The
	 * lock makes a change of the password wait, or this for it. */
	static const struct db_statement statement = { "add_token",
		"with old as (delete from tokens where user_id = $1::int8 and expires_at < now()), "
		"holder as (select user_id from users where user_id = $1::int8 and password = "
		"$4::text for share) "
		"insert into tokens (hash, user_id, expires_at) "
		"select $2::bytea, user_id, now() + $3::int8 * interval '1 second' from holder "
		"returning token_id, user_id, expires_at" };
	struct add_token *q = malloc(sizeof(*q));
	struct db_args args = DB_ARGS_EMPTY;

	if (q == NULL)
		log_fatal("out of memory for a question");
	*q = (struct add_token){ cb, arg };
	db_arg_i64(&args, user_id);
	db_arg_bytes(&args, hash, STORE_HASH_SIZE);
	db_arg_i64(&args, lifetime_s);
	db_arg_bytes(&args, password.data, password.len);
	store_query(s, s->writer, &statement, &args, token_added, q);
}

void store_end_token(struct store *s, int64_t token_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "end_token",
		"delete from tokens where token_id = $1::int8" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, token_id);
	store_query(s, s->writer, &statement, &args, cb, arg);
}

void store_check_tokens(
	struct store *s, const int64_t *token_ids, size_t n, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "check_tokens",
		"select i.id from unnest($1::int8[]) i (id) where not exists "
		"(select from tokens t where t.token_id = i.id and t.expires_at > now())" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, token_ids[i]);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

/* Chats: the columns that store_chat_at reads, for members m of conversations c. */

#define CHAT                                                                                      \
	"select m.user_id, " CONV ", "                                                            \
	"case when c.kind = 'g' then c.name else coalesce(u.full_name, '') end, c.owner_id, "     \
	"c.last_seq, c.last_mod, m.read_seq, "                                                    \
	"c.last_seq - m.read_seq - (select count(*) from messages x where x.conv_id = c.conv_id " \
	"and x.seq > m.read_seq "                                                                 \
	"and (x.kind <> 't' or x.deleted)), "                                                     \
	"(select count(*) from members y where y.conv_id = c.conv_id), p.read_seq, " USER(        \
		"u") ", " MESSAGE("l") " "                                                        \
				       "from members m join conversations c using (conv_id) "     \
				       "left join messages l on l.conv_id = c.conv_id and l.seq " \
				       "= c.last_seq "                                            \
				       "left join members p on c.kind = 'd' and p.conv_id = "     \
				       "c.conv_id "                                               \
				       "and p.user_id = case when c.user_lo = m.user_id then "    \
				       "c.user_hi else c.user_lo end "                            \
				       "left join users u on u.user_id = p.user_id and "          \
				       "u.deleted_at is null "

void store_chats(struct store *s, int64_t viewer, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "chats",
		CHAT
		"where m.user_id = $1::int8 order by l.sent_at desc nulls last, c.conv_id desc" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

void store_chat_views(
	struct store *s, int64_t conv_id, const int64_t *viewers, size_t n, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "chat_views",
		CHAT "where m.conv_id = $1::int8 and m.user_id = any ($2::int8[])" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, viewers[i]);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

struct conv_question {
	store_cb *cb;
	void *arg;
};

static void conv_answered(void *arg, enum error error, const store_rows *rows)
{
	struct conv_question *q = arg;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_no_such_chat;
	q->cb(q->arg, error, error == ERROR_NONE ? rows : NULL);
	free(q);
}

void store_conv(struct store *s, int64_t viewer, int64_t chat_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "conv",
		"select " CONV " from conversations c join members m on m.conv_id = c.conv_id and "
		"m.user_id = $1::int8 "
		"where c.conv_id = $2::int8 and c.kind = 'g' "
		"union all "
		"select " CONV " from conversations c join members m on m.conv_id = c.conv_id and "
		"m.user_id = $1::int8 "
		"where c.user_lo = least($1::int8, $2::int8) and c.user_hi = greatest($1::int8, "
		"$2::int8) "
		"union all "
		"select null, 'd'::\"char\", least($1::int8, $2::int8), greatest($1::int8, "
		"$2::int8) from users u "
		"where u.user_id = $2::int8 and u.deleted_at is null and not exists (select from "
		"conversations c "
		"where c.user_lo = least($1::int8, $2::int8) and c.user_hi = greatest($1::int8, "
		"$2::int8))" };
	struct conv_question *q = malloc(sizeof(*q));
	struct db_args args = DB_ARGS_EMPTY;

	if (q == NULL)
		log_fatal("out of memory for a question");
	*q = (struct conv_question){ cb, arg };
	db_arg_i64(&args, viewer);
	db_arg_i64(&args, chat_id);
	store_query(s, s->reader, &statement, &args, conv_answered, q);
}

void store_group(struct store *s, int64_t viewer, int64_t group_id, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "group",
		"select m.user_id, u.username, u.full_name, m.joined_at, m.read_seq, c.name, "
		"c.owner_id, c.created_at "
		"from conversations c join members m using (conv_id) join users u on u.user_id = "
		"m.user_id "
		"where c.conv_id = $2::int8 and c.kind = 'g' and is_member(c.conv_id, $1::int8) "
		"order by m.join_seq, m.user_id" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_i64(&args, group_id);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

/* Messages. */

/* In the same snapshot as the rows: whoever leaves meanwhile is given nothing that came after. */
#define SEEN_BY                                                                              \
	"and ($4::int8 = 0 or exists (select from members v where v.conv_id = $1::int8 and " \
	"v.user_id = $4::int8)) "

void store_history(struct store *s, int64_t viewer, int64_t conv_id, int64_t before, int64_t after,
	int64_t limit, store_cb *cb, void *arg)
{
	static const struct db_statement newest_first = { "history",
		"select " MESSAGE("m") " from messages m where m.conv_id = $1::int8 and m.seq < "
				       "$2::int8 " SEEN_BY "order by m.seq desc limit $3::int8" };
	static const struct db_statement oldest_first = { "history_after",
		"select " MESSAGE("m") " from messages m where m.conv_id = $1::int8 and m.seq > "
				       "$2::int8 " SEEN_BY "order by m.seq limit $3::int8" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	if (after >= 0)
		db_arg_i64(&args, after);
	else
		db_arg_i64(&args, before > 0 ? before : INT64_MAX);
	db_arg_i64(&args, limit + 1);
	db_arg_i64(&args, viewer);
	store_query(s, s->reader, after >= 0 ? &oldest_first : &newest_first, &args, cb, arg);
}

void store_changes(struct store *s, int64_t viewer, int64_t conv_id, int64_t after, int64_t limit,
	store_cb *cb, void *arg)
{
	static const struct db_statement since = { "changes",
		"select " MESSAGE("m") " from messages m where m.conv_id = $1::int8 and m.mod > "
				       "$2::int8 " SEEN_BY "order by m.mod limit $3::int8" };
	static const struct db_statement last = { "changes_last",
		"select " MESSAGE(
			"m") " from (select * from messages x where x.conv_id = $1::int8 "
			     "order by x.seq desc limit 50) m where m.mod > $2::int8 " SEEN_BY
			     "order by m.mod limit $3::int8" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, conv_id);
	db_arg_i64(&args, after);
	db_arg_i64(&args, limit + 1);
	db_arg_i64(&args, viewer);
	store_query(s, s->reader, after < 0 ? &last : &since, &args, cb, arg);
}

/* Presence. */

void store_contacts(
	struct store *s, int64_t viewer, const int64_t *ids, size_t n, store_cb *cb, void *arg)
{
	static const struct db_statement statement = { "contacts",
		"select u.user_id, u.last_seen_at from users u where u.user_id = any ($2::int8[]) "
		"and u.deleted_at is null "
		"and exists (select from members a join members b using (conv_id) "
		"where a.user_id = $1::int8 and b.user_id = u.user_id)" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_i64(&args, viewer);
	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, ids[i]);
	store_query(s, s->reader, &statement, &args, cb, arg);
}

static void last_seen_set(void *arg, enum error error, const store_rows *rows)
{
	(void)arg;
	(void)error;
	(void)rows;
}

void store_set_last_seen(struct store *s, const int64_t *ids, size_t n)
{
	static const struct db_statement statement = { "set_last_seen",
		"update users u set last_seen_at = now() from (select user_id from users where "
		"user_id = any ($1::int8[]) "
		"and deleted_at is null order by user_id for no key update) i where u.user_id = "
		"i.user_id" };
	struct db_args args = DB_ARGS_EMPTY;

	db_arg_array(&args, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(&args, ids[i]);
	store_query(s, s->writer, &statement, &args, last_seen_set, NULL);
}
