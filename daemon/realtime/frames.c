#include "realtime/frames.h"

#include <string.h>

#include "realtime/json_view.h"

#define KEEP_BYTES (64u << 10) /* of a buffer that is used again */

enum frame_type {
#define FRAME(type) FRAME_##type,
#include "realtime/frames.def"
#undef FRAME
};

static const char *const types[] = {
#define FRAME(type) #type,
#include "realtime/frames.def"
#undef FRAME
};

static void begin(struct buf *b, enum frame_type type)
{
	buf_reset(b, KEEP_BYTES);
	buf_add_str(b, "{\"type\":\"");
	buf_add_str(b, types[type]);
	buf_add_char(b, '"');
}

static void end(struct buf *b)
{
	buf_add_char(b, '}');
}

static void put_number(struct buf *b, const char *name, int64_t n)
{
	buf_add_str(b, ",\"");
	buf_add_str(b, name);
	buf_add_str(b, "\":");
	buf_add_i64(b, n);
}

static void put_bool(struct buf *b, const char *name, bool value)
{
	buf_add_str(b, ",\"");
	buf_add_str(b, name);
	buf_add_str(b, value ? "\":true" : "\":false");
}

static void put_text(struct buf *b, const char *name, struct text t)
{
	buf_add_char(b, ',');
	proto_put_text(b, name, t);
}

static void put_cstr(struct buf *b, const char *name, const char *s)
{
	put_text(b, name, (struct text){ s, strlen(s) });
}

static void put_time(struct buf *b, const char *name, int64_t wall_ms)
{
	buf_add_char(b, ',');
	proto_put_time(b, name, wall_ms);
}

static void put_chat_id(struct buf *b, const struct conv *c, int64_t viewer)
{
	put_number(b, "chat_id", conv_chat_id(c, viewer));
}

void frames_write_ready(struct buf *b, int64_t user_id, const char *session_id,
	int64_t server_time_ms, const char *epoch)
{
	begin(b, FRAME_ready);
	put_number(b, "user_id", user_id);
	put_cstr(b, "session_id", session_id);
	put_time(b, "server_time", server_time_ms);
	put_cstr(b, "epoch", epoch);
	end(b);
}

/* What both acks have. */
static void begin_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer)
{
	begin(b, FRAME_ack);
	if (id.data != NULL)
		put_text(b, "id", id);
	put_number(b, "message_id", c->message.message_id);
	put_chat_id(b, &c->conv, viewer);
	put_number(b, "seq", c->message.seq);
	put_number(b, "mod", c->message.mod);
}

void frames_write_send_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer)
{
	begin_ack(b, id, c, viewer);
	put_time(b, "sent_at", c->message.sent_ms);
	if (c->duplicate)
		put_bool(b, "duplicate", true);
	end(b);
}

void frames_write_change_ack(struct buf *b, struct text id, const struct change *c, int64_t viewer)
{
	begin_ack(b, id, c, viewer);
	end(b);
}

/* What the frames about a message have that do not hold it. */
static void begin_about(
	struct buf *b, enum frame_type type, const struct record_change *c, int64_t viewer)
{
	begin(b, type);
	put_chat_id(b, &c->conv, viewer);
	put_number(b, "message_id", c->message.message_id);
	put_number(b, "seq", c->message.seq);
	put_number(b, "mod", c->message.mod);
}

static void write_reaction(struct buf *b, const struct record_change *c, int64_t viewer)
{
	begin_about(b, FRAME_reaction, c, viewer);
	put_number(b, "user_id", c->user_id);
	put_text(b, "emoji", c->emoji);
	put_bool(b, "on", c->event == RECORD_REACTED);
	end(b);
}

static void write_pinned(struct buf *b, const struct record_change *c, int64_t viewer)
{
	begin_about(b, FRAME_pinned, c, viewer);
	put_number(b, "user_id", c->user_id);
	put_bool(b, "pinned", c->event == RECORD_PINNED);
	end(b);
}

void frames_write_change(struct buf *b, const struct record_change *c, int64_t viewer)
{
	switch (c->event) {
	case RECORD_REACTED:
	case RECORD_UNREACTED:
		write_reaction(b, c, viewer);
		break;
	case RECORD_PINNED:
	case RECORD_UNPINNED:
		write_pinned(b, c, viewer);
		break;
	case RECORD_DELETED:
		begin_about(b, FRAME_deleted, c, viewer);
		end(b);
		break;
	default:
		begin(b, c->event == RECORD_NEW ? FRAME_message : FRAME_edited);
		buf_add_char(b, ',');
		proto_put_message(b, &c->message, &c->conv, viewer, MESSAGE_PUSHED);
		end(b);
		break;
	}
}

void frames_write_typing(
	struct buf *b, const struct conv *c, int64_t user_id, bool on, int64_t viewer)
{
	begin(b, FRAME_typing);
	put_chat_id(b, c, viewer);
	put_number(b, "user_id", user_id);
	put_bool(b, "is_typing", on);
	end(b);
}

void frames_write_read(
	struct buf *b, const struct conv *c, int64_t user_id, int64_t seq, int64_t viewer)
{
	begin(b, FRAME_read);
	put_chat_id(b, c, viewer);
	put_number(b, "user_id", user_id);
	put_number(b, "seq", seq);
	end(b);
}

void frames_write_presence(struct buf *b, int64_t user_id, bool online, int64_t last_seen_ms)
{
	begin(b, FRAME_presence);
	put_number(b, "user_id", user_id);
	put_bool(b, "online", online);
	put_time(b, "last_seen_at", last_seen_ms);
	end(b);
}

void frames_write_chat(struct buf *b, const struct chat *c)
{
	begin(b, FRAME_chat);
	buf_add_char(b, ',');
	json_view_put_chat(b, c);
	end(b);
}

void frames_write_chat_removed(struct buf *b, int64_t chat_id)
{
	begin(b, FRAME_chat_removed);
	put_number(b, "chat_id", chat_id);
	end(b);
}

int64_t frames_write_messages(struct buf *b, const store_rows *rows, int64_t limit,
	const struct conv *c, int64_t read_seq, bool reset, int64_t viewer)
{
	int64_t n = json_view_page_rows(rows, limit);
	bool more;

	begin(b, FRAME_messages);
	put_chat_id(b, c, viewer);
	buf_add_char(b, ',');
	more = json_view_put_messages(b, rows, n, c, viewer);
	put_number(b, "read_seq", read_seq);
	put_bool(b, "more", more);
	if (reset)
		put_bool(b, "reset", true);
	end(b);
	return n;
}

void frames_write_synced(struct buf *b)
{
	begin(b, FRAME_synced);
	end(b);
}

void frames_write_resync(struct buf *b, const char *epoch)
{
	begin(b, FRAME_resync);
	if (epoch != NULL)
		put_cstr(b, "epoch", epoch);
	end(b);
}

void frames_write_pong(struct buf *b)
{
	begin(b, FRAME_pong);
	end(b);
}

void frames_write_error(struct buf *b, struct text id, enum error error, const char *detail)
{
	begin(b, FRAME_error);
	if (id.data != NULL)
		put_text(b, "id", id);
	put_cstr(b, "code", error_code(error));
	put_cstr(b, "detail", detail != NULL ? detail : error_sentence(error));
	if (error == ERROR_unavailable || error == ERROR_too_many_requests)
		put_number(b, "retry_after_ms", 1000);
	end(b);
}
