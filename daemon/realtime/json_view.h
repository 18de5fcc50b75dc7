/*
 * view: the JSON of users, chats, groups and pages of messages, as one viewer sees them.
 *
 * Owns: nothing. Knows nothing of: sockets, requests.
 */
#ifndef PARLEY_JSON_VIEW_H
#define PARLEY_JSON_VIEW_H

#include "common/buf.h"
#include "store/store.h"

/* A whole user object. */
void json_view_put_user(struct buf *b, const struct user *u);

/* The members of a chat object, without its braces; texts of names are the store's. */
void json_view_put_chat(struct buf *b, const struct chat *c);

/* A whole group object from the rows of store_group (at least one). */
void json_view_put_group(struct buf *b, int64_t group_id, const store_rows *rows);

/* Of text in one page, whatever the number of its messages: what a client who asks and does not read
 * makes us hold. */
#define VIEW_PAGE_BYTES (128u << 10)

/* How many of these rows (store_history, store_changes) make a page of at most limit: at least one,
 * if there are any. */
int64_t json_view_page_rows(const store_rows *rows, int64_t limit);

/* "messages":[…] of at most limit rows (store_history, store_changes), as the viewer sees them.
 * Returns whether there were more. */
bool json_view_put_messages(
	struct buf *b, const store_rows *rows, int64_t limit, const struct conv *c, int64_t viewer);

#endif
