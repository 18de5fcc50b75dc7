/*
 * frames: the JSON of every frame that the server sends (docs/api.md, "Server to client"). No other
 * module writes one; frames.def has their types.
 *
 * Owns: nothing. Knows nothing of: sockets, and when a frame is sent.
 *
 * Each function replaces the content of b by one frame. A buffer that is used again costs no
 * allocation. viewer is the user who receives the frame: chat_id and client_id depend on it.
 */
#ifndef PARLEY_FRAMES_H
#define PARLEY_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/record.h"
#include "store/store.h"

/* session_id: as shown to clients. server_time_ms: wall clock. epoch: its name. */
void frames_write_ready(struct buf *b, int64_t user_id, const char *session_id,
	int64_t server_time_ms, const char *epoch);

/* The ack of a send: id is the one that the client gave. */
void frames_write_send_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer);

/* The ack of an edit or a deletion: id may be NULL. */
void frames_write_change_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer);

/* A message, edited, deleted, reaction or pinned frame, by the event. */
void frames_write_change(struct buf *b, const struct record_change *c, int64_t viewer);

void frames_write_typing(
	struct buf *b, const struct conv *c, int64_t user_id, bool on, int64_t viewer);
void frames_write_read(
	struct buf *b, const struct conv *c, int64_t user_id, int64_t seq, int64_t viewer);

/* last_seen_ms: wall clock, 0 for null. */
void frames_write_presence(struct buf *b, int64_t user_id, bool online, int64_t last_seen_ms);

/* c has its viewer. */
void frames_write_chat(struct buf *b, const struct chat *c);
void frames_write_chat_removed(struct buf *b, int64_t chat_id);

/*
 * A page of a sync.
 *   rows      of store_changes
 *   limit     the number of rows that the frame has at most
 *   read_seq  the viewer's watermark
 *   reset     true: the client drops what it holds of the chat
 * Returns the number of messages in the frame; it says "more" if there are more rows.
 */
int64_t frames_write_messages(struct buf *b, const store_rows *rows, int64_t limit,
	const struct conv *c, int64_t read_seq, bool reset, int64_t viewer);

void frames_write_synced(struct buf *b);
/* epoch: its name, if it has changed; else NULL. */
void frames_write_resync(struct buf *b, const char *epoch);
void frames_write_pong(struct buf *b);

/*
 *   id      of the client's frame that failed; may be NULL
 *   detail  a sentence for people; NULL: the error's own
 */
void frames_write_error(struct buf *b, struct text id, enum error error, const char *detail);

#endif
