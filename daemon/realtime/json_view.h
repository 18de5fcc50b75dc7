/*
 * json_view: the JSON of users, chats, groups and pages of messages, as one viewer sees them.
 *
 * Owns: nothing. Knows nothing of: sockets, requests.
 */
#ifndef PARLEY_JSON_VIEW_H
#define PARLEY_JSON_VIEW_H

#include "common/buf.h"
#include "store/store.h"

/* Appends a user object. */
void json_view_put_user(struct buf *b, const struct user *u);

/* Appends the fields of a chat object, without its braces. */
void json_view_put_chat(struct buf *b, const struct chat *c);

/* Appends "chats":[…],"next":… of at most limit rows of store_chats. */
void json_view_put_chats(struct buf *b, const store_rows *rows, int64_t limit);

/* Appends a group object with at most limit members. rows: of store_group, at least one. */
void json_view_put_group(struct buf *b, int64_t group_id, const store_rows *rows, int64_t limit);

/* The text in one page, in bytes, whatever its number of messages: it bounds the memory of a client
 * that queries and does not read. */
#define JSON_VIEW_PAGE_BYTES (128u << 10)

/* Returns how many rows (of store_history or store_changes) make a page of at most limit messages:
 * at least one, if there are rows. */
int64_t json_view_page_rows(const store_rows *rows, int64_t limit);

/* Appends "messages":[…] of at most limit rows (of store_history or store_changes). Returns true if
 * there are more. */
bool json_view_put_messages(
	struct buf *b, const store_rows *rows, int64_t limit, const struct conv *c, int64_t viewer);

/* What a page around a seq has, in each direction: at most this many messages, and half of JSON_VIEW_PAGE_BYTES. */
struct json_view_around {
	int64_t seq;
	int64_t n_before;
	int64_t n_from; /* from seq on */
};

/* Appends "messages":[…],"more_before":…,"more_after":… of the rows of store_history_around that make the page. */
void json_view_put_around(struct buf *b, const store_rows *rows, const struct json_view_around *a,
	const struct conv *c, int64_t viewer);

#endif
