/*
 * store_rows: reading the rows of answers into the types of store.h. The column numbers are those
 * of the statements in store_query.c and store_batch.c.
 */
#include "store/store_private.h"

#define CHANGE_MESSAGE 5 /* column of message_id within the SQL type change */

static struct text text_at(const PGresult *r, int row, int column)
{
	struct text t;

	t.data = db_text(r, row, column, &t.len);
	return t;
}

int store_n(const store_rows *rows)
{
	return PQntuples(rows);
}

int64_t store_id_at(const store_rows *rows, int i)
{
	return db_i64(rows, i, 0);
}

int64_t store_last_seen_at(const store_rows *rows, int i)
{
	return db_time_ms(rows, i, 1);
}

static struct conv conv_at(const PGresult *r, int row, int column)
{
	return (struct conv){
		.id = db_i64(r, row, column),
		.kind = (uint8_t)db_char(r, row, column + 1),
		.user_lo = db_i64(r, row, column + 2),
		.user_hi = db_i64(r, row, column + 3),
	};
}

void store_conv_at(const store_rows *rows, int i, struct conv *c)
{
	*c = conv_at(rows, i, 0);
}

static struct message message_at(const PGresult *r, int row, int column)
{
	return (struct message){
		.message_id = db_i64(r, row, column),
		.seq = db_i64(r, row, column + 1),
		.mod = db_i64(r, row, column + 2),
		.sender_id = db_i64(r, row, column + 3),
		.kind = (uint8_t)db_char(r, row, column + 4),
		.content = text_at(r, row, column + 5),
		.target_id = db_i64(r, row, column + 6),
		.client_id = text_at(r, row, column + 7),
		.sent_ms = db_time_ms(r, row, column + 8),
		.edited_ms = db_time_ms(r, row, column + 9),
		.deleted = db_bool(r, row, column + 10),
	};
}

void store_message_at(const store_rows *rows, int i, struct message *m)
{
	*m = message_at(rows, i, 0);
}

enum error store_change_at(const PGresult *r, int row, int column, struct change *c)
{
	size_t len;
	const char *status = db_text(r, row, column, &len);
	char word[32];

	/* Binary values carry no NUL. */
	snprintf(word, sizeof(word), "%.*s", (int)len, status != NULL ? status : "internal");
	*c = (struct change){
		.conv = conv_at(r, row, column + 1),
		.message = message_at(r, row, column + CHANGE_MESSAGE),
		.duplicate = word[0] == 'd',
	};
	if (word[0] == 'd' || (word[0] == 'o' && word[1] == 'k'))
		return ERROR_NONE;
	return error_by_code(word);
}

void store_head_at(const store_rows *rows, int i, struct head *h)
{
	*h = (struct head){
		.user_id = db_i64(rows, i, 0),
		.conv = conv_at(rows, i, 1),
		.seq = db_i64(rows, i, 5),
		.mod = db_i64(rows, i, 6),
		.read_seq = db_i64(rows, i, 7),
	};
}

void store_erased_at(const store_rows *rows, int i, struct erased *e)
{
	*e = (struct erased){
		.conv = conv_at(rows, i, 1),
		.seq = db_i64(rows, i, 5),
		.mod = db_i64(rows, i, 6),
		.from_mod = db_i64(rows, i, 7),
	};
}

void store_read_at(const store_rows *rows, int i, struct read_mark *m)
{
	*m = (struct read_mark){
		.conv = conv_at(rows, i, 0),
		.seq = db_i64(rows, i, 4),
		.n_messages = db_i64(rows, i, 5),
		.moved = db_bool(rows, i, 6),
	};
}

static struct user user_at(const PGresult *r, int row, int column)
{
	return (struct user){
		.user_id = db_i64(r, row, column),
		.username = text_at(r, row, column + 1),
		.full_name = text_at(r, row, column + 2),
		.profile_picture = text_at(r, row, column + 3),
		.public_key = text_at(r, row, column + 4),
		.created_ms = db_time_ms(r, row, column + 5),
	};
}

void store_user_at(const store_rows *rows, int i, struct user *u)
{
	*u = user_at(rows, i, 0);
}

struct text store_password_at(const store_rows *rows, int i)
{
	return text_at(rows, i, 6);
}

void store_chat_at(const store_rows *rows, int i, struct chat *c)
{
	enum {
		VIEWER = 0,
		CONV = 1,
		NAME = 5,
		OWNER,
		LAST_SEQ,
		LAST_MOD,
		READ_SEQ,
		UNREAD,
		MEMBERS,
		PEER_READ,
		PEER = 13,
		LAST = 19
	};

	*c = (struct chat){
		.viewer = db_i64(rows, i, VIEWER),
		.conv = conv_at(rows, i, CONV),
		.name = text_at(rows, i, NAME),
		.owner_id = db_i64(rows, i, OWNER),
		.last_seq = db_i64(rows, i, LAST_SEQ),
		.last_mod = db_i64(rows, i, LAST_MOD),
		.read_seq = db_i64(rows, i, READ_SEQ),
		.unread = db_i64(rows, i, UNREAD),
		.member_count = db_i64(rows, i, MEMBERS),
		.peer_read_seq = db_i64(rows, i, PEER_READ),
		.has_peer = !PQgetisnull(rows, i, PEER),
		.peer = user_at(rows, i, PEER),
		.has_last = !PQgetisnull(rows, i, LAST),
		.last = message_at(rows, i, LAST),
	};
}

void store_member_at(const store_rows *rows, int i, struct member *m)
{
	*m = (struct member){
		.user_id = db_i64(rows, i, 0),
		.username = text_at(rows, i, 1),
		.full_name = text_at(rows, i, 2),
		.joined_ms = db_time_ms(rows, i, 3),
		.read_seq = db_i64(rows, i, 4),
		.group_name = text_at(rows, i, 5),
		.owner_id = db_i64(rows, i, 6),
		.group_created_ms = db_time_ms(rows, i, 7),
	};
}
