#include "net/ws.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

struct ws_loop {
	struct conn_loop *conns;
	const struct ws_events *events;
	struct stats_slot *stats;
	struct frame *ping; /* shared by all sockets */
	unsigned ping_interval_s;
};

static struct ws *ws_of(struct conn *c)
{
	return (struct ws *)((char *)c - offsetof(struct ws, conn));
}

static void ws_reply(struct ws *w, enum wsframe_opcode opcode, const char *payload, size_t len)
{
	struct frame *f = frame_new(opcode, payload, len);

	conn_send(&w->conn, f);
	frame_unref(f);
}

static void ws_text(struct ws *w, const struct wsframe *f)
{
	if (f->fin && w->fragments.len == 0) {
		STATS_ADD(w->loop->stats, frames_in, 1);
		w->loop->events->on_message(w, f->payload, f->len);
		return;
	}
	/* The parser has bounded the sum of all fragments. */
	buf_add(&w->fragments, f->payload, f->len);
	if (f->fin) {
		struct buf whole = w->fragments;

		w->fragments = (struct buf)BUF_EMPTY;
		STATS_ADD(w->loop->stats, frames_in, 1);
		w->loop->events->on_message(w, whole.data, whole.len);
		buf_fini(&whole);
	}
}

static void ws_frame(struct ws *w, const struct wsframe *f)
{
	switch (f->opcode) {
	case WSFRAME_PING:
		ws_reply(w, WSFRAME_PONG, f->payload, f->len);
		break;
	case WSFRAME_PONG:
		w->pings_unanswered = 0;
		break;
	case WSFRAME_CLOSE:
		/* The answer has the peer's code, if there is one (RFC 6455 5.5.1). */
		ws_reply(w, WSFRAME_CLOSE, f->payload, f->len >= 2 ? 2 : 0);
		conn_close(&w->conn, CLOSE_peer_closed);
		break;
	default:
		ws_text(w, f);
		break;
	}
}

static size_t ws_on_bytes(struct conn *c, char *bytes, size_t len)
{
	struct ws *w = ws_of(c);
	size_t used = 0;

	/* Reading stops within the bytes too, while the queue is long or too many requests are in flight. */
	while (c->state == CONN_OPEN && c->reading && !conn_congested(c)) {
		struct wsframe f;
		enum wsframe_result r = wsframe_parse(&w->parser, bytes + used, len - used, &f);

		if (r == WSFRAME_MORE)
			break;
		if (r == WSFRAME_ERROR) {
			conn_close(c, close_reason_of_codec(f.close_code));
			break;
		}
		used += f.used;
		if (w->loop->events->on_frame(w))
			ws_frame(w, &f);
	}
	return used;
}

static void ws_on_drained(struct conn *c)
{
	ws_of(c)->loop->events->on_drained(ws_of(c));
}

static void ws_on_timer(struct conn *c)
{
	struct ws *w = ws_of(c);
	struct ws_loop *l = w->loop;
	uint32_t now = conn_now_s(l->conns);

	/* A congested socket is not read, so its pongs are not seen. CONN_STALL_S ends it if the peer is gone. */
	if (now >= w->next_ping_s && conn_congested(c)) {
		w->pings_unanswered = 0;
		w->next_ping_s = now + l->ping_interval_s;
	} else if (now >= w->next_ping_s) {
		if (w->pings_unanswered == 2) {
			conn_close(c, CLOSE_ping_timeout);
			return;
		}
		w->pings_unanswered++;
		conn_send(c, l->ping);
		w->next_ping_s = now + l->ping_interval_s;
	}
	conn_timer(c, w->next_ping_s - now);
	l->events->on_timer(w);
}

static void ws_on_closed(struct conn *c, enum close_reason reason)
{
	struct ws *w = ws_of(c);

	buf_fini(&w->fragments);
	w->loop->events->on_closed(w, reason);
}

static void ws_on_free(struct conn *c)
{
	ws_of(c)->loop->events->on_free(ws_of(c));
}

static const struct conn_events ws_conn_events = {
	.on_bytes = ws_on_bytes,
	.on_drained = ws_on_drained,
	.on_timer = ws_on_timer,
	.on_closed = ws_on_closed,
	.on_free = ws_on_free,
};

struct ws_loop *ws_loop_new(struct event_base *base, const struct ws_events *events,
	struct stats_slot *stats, unsigned ping_interval_s)
{
	struct ws_loop *l = xcalloc(1, sizeof(*l));

	l->conns = conn_loop_new(base, &ws_conn_events, stats);
	l->events = events;
	l->stats = stats;
	l->ping = frame_new(WSFRAME_PING, NULL, 0);
	l->ping_interval_s = ping_interval_s;
	return l;
}

void ws_loop_free(struct ws_loop *l)
{
	conn_loop_free(l->conns);
	frame_unref(l->ping);
	free(l);
}

void ws_loop_flush(struct ws_loop *l)
{
	conn_loop_flush(l->conns);
}

void ws_loop_set_ping(struct ws_loop *l, unsigned ping_interval_s)
{
	l->ping_interval_s = ping_interval_s;
}

uint32_t ws_now_s(const struct ws_loop *l)
{
	return conn_now_s(l->conns);
}

void ws_deadline(struct ws *w, unsigned seconds)
{
	conn_timer(&w->conn, seconds);
}

bool ws_key_valid(const char *key)
{
	unsigned char raw[18];

	/* 16 bytes are 24 characters of base64, of which the last two are padding. */
	return strlen(key) == 24 && key[21] != '=' && strcmp(key + 22, "==") == 0 &&
		EVP_DecodeBlock(raw, (const unsigned char *)key, 24) == 18;
}

void ws_accept(char out[WS_ACCEPT_SIZE], const char *key)
{
	char text[24 + sizeof(WS_GUID)];
	unsigned char digest[SHA_DIGEST_LENGTH];
	size_t len = strlen(key);

	memcpy(text, key, len);
	memcpy(text + len, WS_GUID, sizeof(WS_GUID));
	if (EVP_Digest(text, len + sizeof(WS_GUID) - 1, digest, NULL, EVP_sha1(), NULL) != 1)
		log_fatal("sha1_failed");
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

static void queue_answer(struct ws *w, const struct ws_handshake *h)
{
	char accept[WS_ACCEPT_SIZE];
	struct buf answer = BUF_EMPTY;
	struct frame *f;

	ws_accept(accept, h->key);
	buf_addf(&answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n",
		accept);
	if (h->subprotocol != NULL)
		buf_addf(&answer, "Sec-WebSocket-Protocol: %s\r\n", h->subprotocol);
	buf_add_str(&answer, "\r\n");
	f = frame_raw(answer.data, answer.len);
	conn_send(&w->conn, f);
	frame_unref(f);
	buf_fini(&answer);
}

void ws_open(struct ws *w, struct ws_loop *l, const struct ws_handshake *h)
{
	conn_init(&w->conn, l->conns, h->fd);
	w->loop = l;
	w->fragments = (struct buf)BUF_EMPTY;
	w->pings_unanswered = 0;
	wsframe_parser_init(&w->parser, WSFRAME_SERVER, WS_MESSAGE_MAX, true);
	w->next_ping_s = conn_now_s(l->conns) + l->ping_interval_s;
	conn_timer(&w->conn, l->ping_interval_s);
	queue_answer(w, h);
	conn_feed(&w->conn, h->bytes, h->len);
}
