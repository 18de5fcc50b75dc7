#include "tests/unit/wslay_oracle.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <wslay/wslay.h>

#include "common/buf.h"

/* Completes any header and adds a byte of payload, so that wslay checks the header. */
#define PADDING 16

/* The result of one parser. */
struct trace {
	struct buf messages; /* opcode, length and bytes of each */
	size_t n;
	enum oracle_end end;
	uint16_t code;
};

/* The input of wslay: complete frames one at a time, since it rejects a close frame that arrives in parts. */
struct source {
	struct trace *trace;
	const char *bytes;
	size_t at;
	const size_t *ends; /* of the frames that wsframe has parsed */
	size_t nends;
	size_t len;
};

static void trace_message(struct trace *t, uint8_t opcode, const void *bytes, size_t len)
{
	uint64_t n = len;

	buf_add_char(&t->messages, (char)opcode);
	buf_add(&t->messages, &n, sizeof(n));
	buf_add(&t->messages, bytes, len);
	t->n++;
}

/*
 * Each prefix of a frame must need more bytes and stay unchanged, or fail like the frame. Returns a sentence about a
 * violation, or NULL.
 */
static const char *check_prefixes(const struct wsframe_parser *p, const char *bytes, size_t len,
	enum wsframe_result whole, const struct wsframe *f)
{
	size_t limit = whole == WSFRAME_FRAME ? f->used : len;

	for (size_t n = 0; n < limit; n = n < 16 || n + 1 == limit ? n + 1 : limit - 1) {
		struct wsframe_parser q = *p;
		struct buf copy = BUF_EMPTY;
		struct wsframe g;
		enum wsframe_result result;
		bool changed;

		buf_add(&copy, bytes, n);
		result = wsframe_parse(&q, copy.data, n, &g);
		changed = n != 0 && memcmp(copy.data, bytes, n) != 0;
		changed = changed || q.message_len != p->message_len || q.utf8 != p->utf8 ||
			q.in_message != p->in_message;
		buf_fini(&copy);
		if (result == WSFRAME_FRAME)
			return "part of a frame was taken for a whole one";
		if (result == WSFRAME_MORE && changed)
			return "asking for more changed something";
		if (result == WSFRAME_ERROR && whole != WSFRAME_ERROR)
			return "part of a good frame failed";
		if (result == WSFRAME_ERROR && g.close_code != f->close_code)
			return "part of a bad frame failed otherwise than the whole";
	}
	return NULL;
}

/* Parses work with wsframe, which unmasks it. Stores the end of each frame in ends. */
static const char *run_ours(struct trace *t, enum wsframe_role role, uint32_t message_max,
	char *work, size_t len, struct buf *ends, struct wsframe *last)
{
	struct buf message = BUF_EMPTY;
	struct wsframe_parser p;
	const char *broken = NULL;
	uint8_t opcode = 0;
	size_t at = 0;

	wsframe_parser_init(&p, role, message_max, false);
	for (;;) {
		struct wsframe_parser before = p;
		struct buf intact = BUF_EMPTY;
		enum wsframe_result result;

		buf_add(&intact, work + at, len - at);
		result = wsframe_parse(&p, work + at, len - at, last);
		if (broken == NULL)
			broken = check_prefixes(&before, intact.data, intact.len, result, last);
		buf_fini(&intact);
		if (result == WSFRAME_MORE) {
			t->end = ORACLE_OPEN;
			break;
		}
		if (result == WSFRAME_ERROR || last->opcode == WSFRAME_CLOSE) {
			t->end = result == WSFRAME_ERROR ? ORACLE_FAILED : ORACLE_CLOSED;
			t->code = last->close_code;
			break;
		}
		at += last->used;
		buf_add(ends, &at, sizeof(at));
		if (last->opcode >= WSFRAME_CLOSE) {
			trace_message(t, last->opcode, last->payload, last->len);
			continue;
		}
		if (last->opcode != WSFRAME_CONTINUATION)
			opcode = last->opcode;
		buf_add(&message, last->payload, last->len);
		if (last->fin) {
			trace_message(t, opcode, message.data, message.len);
			buf_reset(&message, SIZE_MAX);
		}
	}
	buf_fini(&message);
	return broken;
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t cap, int flags, void *arg)
{
	struct source *s = arg;
	size_t n;

	(void)flags;
	while (s->nends > 0 && s->ends[0] <= s->at) {
		s->ends++;
		s->nends--;
	}
	n = (s->nends > 0 ? s->ends[0] : s->len) - s->at;
	if (n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (n > cap)
		n = cap;
	memcpy(to, s->bytes + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static ssize_t on_send(
	wslay_event_context_ptr ctx, const uint8_t *bytes, size_t len, int flags, void *arg)
{
	(void)ctx, (void)bytes, (void)flags, (void)arg;
	return (ssize_t)len;
}

static int on_genmask(wslay_event_context_ptr ctx, uint8_t *mask, size_t len, void *arg)
{
	(void)ctx, (void)arg;
	memset(mask, 0, len);
	return 0;
}

static void on_message(
	wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct source *s = arg;

	(void)ctx;
	if (m->opcode == WSLAY_CONNECTION_CLOSE)
		s->trace->code = m->status_code ? m->status_code : WSLAY_CODE_NO_STATUS_RCVD;
	else
		trace_message(s->trace, m->opcode, m->msg, m->msg_length);
}

static void run_wslay(struct trace *t, enum wsframe_role role, uint32_t message_max,
	const char *bytes, size_t len, const struct buf *ends)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_genmask,
		.on_msg_recv_callback = on_message,
	};
	struct source s = {
		.trace = t,
		.bytes = bytes,
		.len = len,
		.ends = (const size_t *)(const void *)ends->data,
		.nends = ends->len / sizeof(size_t),
	};
	wslay_event_context_ptr ctx;
	int failed = role == WSFRAME_SERVER ? wslay_event_context_server_init(&ctx, &callbacks, &s)
					    : wslay_event_context_client_init(&ctx, &callbacks, &s);

	assert(!failed);
	wslay_event_config_set_max_recv_msg_length(ctx, message_max);
	failed = wslay_event_recv(ctx);
	if (failed) {
		/* A header that it cannot parse: it has no close code. */
		t->end = ORACLE_FAILED;
		t->code = WSLAY_CODE_PROTOCOL_ERROR;
	} else if (wslay_event_get_close_received(ctx)) {
		t->end = ORACLE_CLOSED;
	} else if (!wslay_event_get_read_enabled(ctx)) {
		wslay_event_send(ctx);
		t->end = ORACLE_FAILED;
		t->code = wslay_event_get_status_code_sent(ctx);
	} else {
		t->end = ORACLE_OPEN;
	}
	wslay_event_context_free(ctx);
}

/* True for a difference that the header lists. last is the last frame of wsframe. */
static bool ends_differ_as_intended(
	const struct trace *ours, const struct trace *theirs, const struct wsframe *last)
{
	if (ours->end == ORACLE_OPEN)
		return theirs->end == ORACLE_FAILED && theirs->code == 1007;
	if (last->opcode != WSFRAME_CLOSE)
		return false;
	if (ours->end == ORACLE_FAILED)
		return last->len == 1 && ours->code == 1002 && theirs->end == ORACLE_CLOSED &&
			theirs->code == 1005;
	return ours->code >= 1012 && ours->code <= 1014 && theirs->end == ORACLE_FAILED &&
		theirs->code == 1002;
}

struct oracle_result wslay_oracle_compare(
	enum wsframe_role role, uint32_t message_max, const void *bytes, size_t len)
{
	static const char padding[PADDING];
	struct trace ours = { .messages = BUF_EMPTY }, theirs = { .messages = BUF_EMPTY };
	struct buf work = BUF_EMPTY, given = BUF_EMPTY, ends = BUF_EMPTY;
	struct oracle_result result;
	struct wsframe last;

	assert(message_max >= WSFRAME_CONTROL_MAX);
	buf_add(&work, bytes, len);
	buf_add(&given, bytes, len);
	buf_reserve(&work, 1); /* so that data is not NULL */
	result.difference = run_ours(&ours, role, message_max, work.data, len, &ends, &last);
	if (ours.end == ORACLE_FAILED)
		buf_add(&given, padding, sizeof(padding));
	run_wslay(&theirs, role, message_max, given.data, given.len, &ends);
	if (result.difference == NULL) {
		if (ours.n != theirs.n || ours.messages.len != theirs.messages.len ||
			(ours.n != 0 &&
				memcmp(ours.messages.data, theirs.messages.data,
					ours.messages.len) != 0))
			result.difference = "the messages differ";
		else if ((ours.end != theirs.end || ours.code != theirs.code) &&
			!ends_differ_as_intended(&ours, &theirs, &last))
			result.difference = "the ends differ";
	}
	result.end = ours.end;
	result.code = ours.code;
	result.messages = ours.n;
	buf_fini(&ours.messages);
	buf_fini(&theirs.messages);
	buf_fini(&work);
	buf_fini(&given);
	buf_fini(&ends);
	return result;
}
