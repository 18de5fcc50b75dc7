#include "mock/load.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/token.h"
#include "common/unicode.h"
#include "common/xalloc.h"
#include "migrations/migrate.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define PROGRESS_EVERY 4096

#define REPLY_EVERY 6 /* one of so many texts of another sender than the last one's */

/* The last text of a conversation. */
struct said {
	int64_t message_id; /* 0: none */
	int64_t thread_id; /* the first message of its thread, itself if it is no reply */
	uint32_t sender;
};

/* The load in progress. */
struct run {
	const struct load *load;
	struct buf *why;
	struct buf rows; /* of the COPY in progress, not yet sent */
	int64_t first_user;
	int64_t first_conversation;
	int64_t first_message;
	struct said *said; /* of each conversation */
	uint32_t *first_group; /* of each user, from 1; 0 if the user is in no group */
};

/* Stores the first line of an error. Returns false. */
static bool set_error(struct run *r, const char *message)
{
	buf_reset(r->why, 0);
	buf_add(r->why, message, strcspn(message, "\n"));
	return false;
}

static bool run_sql(struct run *r, const char *sql)
{
	PGresult *result = PQexec(r->load->db, sql);
	ExecStatusType status = PQresultStatus(result);
	bool good =
		status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN;

	if (!good)
		set_error(r, PQresultErrorMessage(result));
	PQclear(result);
	return good;
}

/* Appends the result of a query that returns one text. */
static bool query_text(struct run *r, const char *sql, struct buf *text)
{
	PGresult *result = PQexec(r->load->db, sql);
	bool good = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (good)
		buf_add_str(text, PQgetvalue(result, 0, 0));
	else
		set_error(r, PQresultErrorMessage(result));
	PQclear(result);
	return good;
}

/* Sets *number to the result of a query that returns one number. */
static bool query_number(struct run *r, const char *sql, int64_t *number)
{
	struct buf text = BUF_EMPTY;
	bool good = query_text(r, sql, &text);

	if (good)
		*number = strtoll(buf_cstr(&text), NULL, 10);
	buf_fini(&text);
	return good;
}

/* --- rows in the text format of COPY (PostgreSQL manual, COPY, File Formats) --- */

static void put_text(struct buf *rows, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		switch (text[i]) {
		case '\\':
			buf_add(rows, "\\\\", 2);
			break;
		case '\n':
			buf_add(rows, "\\n", 2);
			break;
		case '\r':
			buf_add(rows, "\\r", 2);
			break;
		case '\t':
			buf_add(rows, "\\t", 2);
			break;
		default:
			buf_add_char(rows, text[i]);
		}
	}
	buf_add_char(rows, '\t');
}

static void put_words(struct buf *rows, const char *name)
{
	struct buf words = BUF_EMPTY;

	unicode_put_words(&words, name, strlen(name));
	put_text(rows, words.data, words.len);
	buf_fini(&words);
}

static void put_number(struct buf *rows, int64_t n)
{
	buf_add_i64(rows, n);
	buf_add_char(rows, '\t');
}

static void put_null(struct buf *rows)
{
	buf_add(rows, "\\N\t", 3);
}

static void put_time(struct buf *rows, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(text, wall_ms);
	buf_add_str(rows, text);
	buf_add_char(rows, '\t');
}

static bool send_rows(struct run *r)
{
	if (PQputCopyData(r->load->db, r->rows.data, (int)r->rows.len) != 1)
		return set_error(r, PQerrorMessage(r->load->db));
	buf_reset(&r->rows, 2 * CHUNK_BYTES);
	return true;
}

/* Replaces the tab after the last field by the end of the row. */
static bool end_row(struct run *r)
{
	r->rows.data[r->rows.len - 1] = '\n';
	return r->rows.len < CHUNK_BYTES || send_rows(r);
}

static bool end_copy(struct run *r)
{
	PGresult *result;
	bool good = true;

	if ((r->rows.len > 0 && !send_rows(r)) || PQputCopyEnd(r->load->db, NULL) != 1)
		return set_error(r, PQerrorMessage(r->load->db));
	while ((result = PQgetResult(r->load->db))) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			good = set_error(r, PQresultErrorMessage(result));
		PQclear(result);
	}
	return good;
}

/* --- the tables --- */

static bool copy_users(struct run *r)
{
	const struct world *w = r->load->world;
	uint32_t i;

	if (!run_sql(r,
		    "copy users (user_id, username, full_name, folded_name, password, created_at, "
		    "last_seen_at) "
		    "from stdin"))
		return false;
	for (i = 0; i < w->size.users; i++) {
		const struct person *p = &w->people[i];

		put_number(&r->rows, r->first_user + i);
		put_text(&r->rows, p->username, strlen(p->username));
		put_text(&r->rows, p->full_name, strlen(p->full_name));
		put_words(&r->rows, p->full_name);
		put_text(&r->rows, r->load->password, strlen(r->load->password));
		put_time(&r->rows, p->created_ms);
		put_time(&r->rows, p->last_seen_ms);
		if (!end_row(r))
			return false;
	}
	return end_copy(r);
}

/* Some texts reply to the last one, if it is another user's. */
static void put_reply(struct run *r, const struct message *m, int64_t message_id)
{
	struct said *last = &r->said[m->conversation];
	bool replies = !m->is_join && last->message_id != 0 && last->sender != m->sender &&
		(m->seq + m->conversation) % REPLY_EVERY == 0;

	if (replies) {
		put_number(&r->rows, last->message_id);
		put_number(&r->rows, last->thread_id);
	} else {
		put_null(&r->rows);
		put_null(&r->rows);
	}
	if (!m->is_join)
		*last = (struct said){ message_id, replies ? last->thread_id : message_id,
			m->sender };
}

static bool put_message(struct run *r, const struct message *m, int64_t message_id)
{
	put_number(&r->rows, message_id);
	put_number(&r->rows, r->first_conversation + m->conversation);
	put_number(&r->rows, m->seq);
	put_number(&r->rows, m->seq);
	put_number(&r->rows, r->first_user + m->sender);
	put_text(&r->rows, m->is_join ? "j" : "t", 1);
	if (m->is_join) {
		put_null(&r->rows);
		put_number(&r->rows, r->first_user + m->joined);
	} else {
		put_text(&r->rows, m->content.data, m->content.len);
		put_null(&r->rows);
	}
	put_time(&r->rows, m->sent_ms);
	put_reply(r, m, message_id);
	return end_row(r);
}

static bool copy_messages_in(struct run *r)
{
	uint64_t all = world_n_messages(r->load->world), done = 0;
	struct message m = { .content = BUF_EMPTY };
	bool good = run_sql(r,
		"copy messages (message_id, conv_id, seq, mod, sender_id, kind, content, "
		"target_id, "
		"sent_at, reply_to, thread_id) from stdin");

	while (good && world_next(r->load->world, &m)) {
		good = put_message(r, &m, r->first_message + (int64_t)done++);
		if (done % PROGRESS_EVERY == 0 || done == all)
			r->load->progress(done, all);
	}
	buf_fini(&m.content);
	return good && end_copy(r);
}

#define KEYS "from pg_constraint where conrelid = 'messages'::regclass and contype in ('p', 'u')"

/* Drops the keys and rebuilds them at the end: to maintain them row by row takes three times as long as all the rest. */
static bool copy_messages(struct run *r)
{
	struct buf drop = BUF_EMPTY, add = BUF_EMPTY;
	bool good;

	good = query_text(r,
		       "select 'alter table messages ' || string_agg(format('drop constraint %I', "
		       "conname), ', ') " KEYS,
		       &drop) &&
		query_text(r,
			"select 'alter table messages ' || string_agg(format('add constraint %I "
			"%s', conname, "
			"pg_get_constraintdef(oid)), ', ' order by oid) " KEYS,
			&add) &&
		run_sql(r, buf_cstr(&drop)) && copy_messages_in(r) &&
		run_sql(r, "set local maintenance_work_mem = '256MB'") &&
		run_sql(r, buf_cstr(&add));
	buf_fini(&drop);
	buf_fini(&add);
	return good;
}

/* The tables by which replies are counted and threads are read. */
static bool add_replies(struct run *r)
{
	struct buf sql = BUF_EMPTY;
	bool good;

	buf_addf(&sql,
		"insert into replied (message_id, replies) select reply_to, count(*) from messages "
		"where message_id >= %lld and reply_to is not null group by 1; "
		"insert into thread_messages (thread_id, seq) select thread_id, seq from messages "
		"where message_id >= %lld and thread_id is not null",
		(long long)r->first_message, (long long)r->first_message);
	good = run_sql(r, buf_cstr(&sql));
	buf_fini(&sql);
	return good;
}

static bool copy_conversations(struct run *r)
{
	const struct world *w = r->load->world;
	uint32_t i;

	if (!run_sql(r,
		    "copy conversations (conv_id, kind, user_lo, user_hi, name, owner_id, "
		    "created_at, last_seq, "
		    "last_mod, activity, member_count) from stdin"))
		return false;
	for (i = 0; i < w->n_conversations; i++) {
		const struct conversation *c = &w->conversations[i];

		if (c->last_seq == 0)
			continue;
		put_number(&r->rows, r->first_conversation + i);
		put_text(&r->rows, c->is_group ? "g" : "d", 1);
		if (c->is_group) {
			put_null(&r->rows);
			put_null(&r->rows);
			put_text(&r->rows, c->name, strlen(c->name));
			put_number(&r->rows, r->first_user + c->members[0].user);
		} else {
			put_number(&r->rows, r->first_user + c->members[0].user);
			put_number(&r->rows, r->first_user + c->members[c->n_members - 1].user);
			put_null(&r->rows);
			put_null(&r->rows);
		}
		put_time(&r->rows, c->started_ms);
		put_number(&r->rows, c->last_seq);
		put_number(&r->rows, c->last_seq);
		put_number(&r->rows, (int64_t)c->activity);
		put_number(&r->rows, c->n_members);
		if (!end_row(r))
			return false;
	}
	return end_copy(r);
}

static bool copy_members(struct run *r)
{
	struct world *w = r->load->world;
	uint32_t i, j;

	if (!run_sql(
		    r, "copy members (conv_id, user_id, joined_at, join_seq, read_seq) from stdin"))
		return false;
	for (i = 0; i < w->n_conversations; i++) {
		const struct conversation *c = &w->conversations[i];

		for (j = 0; c->last_seq > 0 && j < c->n_members; j++) {
			uint32_t user = c->members[j].user;

			put_number(&r->rows, r->first_conversation + i);
			put_number(&r->rows, r->first_user + user);
			put_time(&r->rows, c->started_ms + (c->is_group ? j : 0));
			put_number(&r->rows, c->is_group ? j + 1 : 0);
			put_number(&r->rows, world_read_seq(w, c, j));
			if (!end_row(r))
				return false;
			if (c->is_group && r->first_group[user] == 0)
				r->first_group[user] = i + 1;
		}
	}
	return end_copy(r);
}

/* Writes the digest of a new token of user i to the table, and the token to the file. */
static bool put_token(struct run *r, uint32_t i, int64_t expires_ms)
{
	unsigned char digest[TOKEN_DIGEST_SIZE];
	char token[TOKEN_CHARS + 1];
	int j;

	if (!token_make(token) || !token_digest(token, TOKEN_CHARS, digest))
		return set_error(r, "cannot generate random bytes");
	buf_add_str(&r->rows, "\\\\x"); /* a bytea in hexadecimal, with its backslash escaped */
	for (j = 0; j < TOKEN_DIGEST_SIZE; j++)
		buf_addf(&r->rows, "%02x", digest[j]);
	buf_add_char(&r->rows, '\t');
	put_number(&r->rows, r->first_user + i);
	put_time(&r->rows, expires_ms);
	fprintf(r->load->tokens, "%lld,%s,", (long long)(r->first_user + i), token);
	OPENSSL_cleanse(token, sizeof(token));
	if (r->first_group[i] > 0)
		fprintf(r->load->tokens, "%lld",
			(long long)(r->first_conversation + r->first_group[i] - 1));
	fputc('\n', r->load->tokens);
	return end_row(r);
}

static bool copy_tokens(struct run *r)
{
	int64_t expires_ms = clock_wall_ms() + r->load->token_lifetime_s * 1000;
	uint32_t i;

	if (!r->load->tokens)
		return true;
	if (!run_sql(r, "copy tokens (hash, user_id, expires_at) from stdin"))
		return false;
	for (i = 0; i < r->load->world->size.users; i++)
		if (!put_token(r, i, expires_ms))
			return false;
	if (fflush(r->load->tokens) != 0 || ferror(r->load->tokens))
		return set_error(r, "cannot write the tokens");
	return end_copy(r);
}

/* Locks the tables, checks that there are no users, and draws the first ids. */
static bool begin(struct run *r)
{
	int64_t taken = 0;

	if (!run_sql(r, MIGRATE_SET_SEARCH_PATH) || !run_sql(r, "begin") ||
		!run_sql(r,
			"lock table users, conversations, members, messages, tokens in share row "
			"exclusive mode") ||
		!query_number(r,
			"select (exists (select from users) or exists (select from "
			"conversations))::int",
			&taken))
		return false;
	if (taken)
		return set_error(r,
			"the database already has users; parleyctl reset-database --yes deletes "
			"them");
	if (!query_number(r, "select nextval('party_ids')", &r->first_user) ||
		!query_number(r, "select nextval('message_ids')", &r->first_message))
		return false;
	r->first_conversation = r->first_user + r->load->world->size.users;
	return true;
}

/* Some of the last 200 texts of each conversation get reactions of some members, and some of those are pinned. What is drawn
 * is a hash of the ids. Each reaction and each pin takes a mod, as if it had followed the last message. */
static bool add_reactions(struct run *r)
{
	/* clang-format off */
	return run_sql(r,
		"insert into reactions (message_id, user_id, emoji, mod) "
		"select m.message_id, b.user_id, "
			"(array['\xF0\x9F\x91\x8D', '\xE2\x9D\xA4', '\xF0\x9F\x98\x82', '\xF0\x9F\x8E\x89', "
			"'\xF0\x9F\x99\x8F'])[1 + abs(hashint8(m.message_id + b.user_id % 2) % 5)], "
			"c.last_mod + row_number() over (partition by m.conv_id order by m.seq, b.user_id) "
		"from conversations c "
		"join messages m on m.conv_id = c.conv_id and m.seq > c.last_seq - 200 and m.kind = 't' "
			"and hashint8(m.message_id) % 8 = 0 "
		"join members b on b.conv_id = m.conv_id and b.user_id <> m.sender_id "
			"and (c.kind = 'd' or hashint8(m.message_id # (b.user_id << 32)) % 16 = 0)") &&
		run_sql(r,
		"insert into reaction_counts select message_id, emoji, count(*) from reactions group by 1, 2") &&
		run_sql(r,
		"insert into pins (message_id, conv_id, mod) "
		"select m.message_id, m.conv_id, x.mod + row_number() over (partition by m.conv_id order by m.seq) "
		"from messages m "
		"join (select m.conv_id, max(r.mod) as mod from reactions r join messages m using (message_id) group by 1) x "
			"using (conv_id) "
		"where m.message_id in (select message_id from reactions) and hashint8(m.message_id) % 80 = 0") &&
		run_sql(r,
		"update messages m set mod = coalesce(p.mod, x.mod), reacted = x.mod, pinned = p.mod "
		"from (select message_id, max(mod) as mod from reactions group by 1) x "
		"left join pins p using (message_id) "
		"where m.message_id = x.message_id") &&
		run_sql(r,
		"update conversations c set last_mod = x.mod "
		"from (select conv_id, max(mod) as mod from messages group by 1) x "
		"where c.conv_id = x.conv_id and c.last_mod < x.mod");
	/* clang-format on */
}

/* Sets the sequences to the last ids that were used. */
static bool advance_sequences(struct run *r)
{
	const struct world *w = r->load->world;
	char sql[200];

	snprintf(sql, sizeof(sql),
		"select setval('party_ids', %lld), setval('message_ids', %lld), "
		"setval('activities', %lld)",
		(long long)(r->first_conversation + w->n_conversations),
		(long long)(r->first_message + (int64_t)world_n_messages(w)),
		(long long)world_n_messages(w));
	return run_sql(r, sql);
}

bool load_world(const struct load *load, struct buf *why)
{
	struct run r = { .load = load, .why = why, .rows = BUF_EMPTY };
	bool good;

	r.first_group = xcalloc(load->world->size.users, sizeof(*r.first_group));
	r.said = xcalloc(load->world->n_conversations, sizeof(*r.said));
	good = begin(&r) && copy_users(&r) && copy_messages(&r) && add_replies(&r) &&
		copy_conversations(&r) && copy_members(&r) && add_reactions(&r) &&
		copy_tokens(&r) && advance_sequences(&r) && run_sql(&r, "commit") &&
		run_sql(&r,
			"analyze users, user_words, tokens, conversations, members, messages, "
			"replied, thread_messages, reactions, reaction_counts, pins");
	buf_fini(&r.rows);
	free(r.first_group);
	free(r.said);
	return good;
}
