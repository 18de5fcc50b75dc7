/*
 * ws: a WebSocket on the server's side: frames into messages, pings, the closing handshake (RFC
 * 6455).
 *
 * Owns: a message in fragments, the count of pings without an answer. Knows nothing of: users,
 * JSON, HTTP requests.
 */
#ifndef PARLEY_WS_H
#define PARLEY_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/wsframe.h"
#include "net/conn.h"

#define WS_MESSAGE_MAX (64u << 10) /* bytes of one message over all its fragments */

struct ws;

/* What the layer above is told. All may call conn_close(&ws->conn, …). */
struct ws_events {
	/* A frame of any kind has come, a fragment or a ping too; false: no more of this peer now
	 * (it was closed). */
	bool (*on_frame)(struct ws *w);
	/* A whole text message; valid UTF-8; the callback may change the bytes but not keep them.
	 * */
	void (*on_message)(struct ws *w, char *text, size_t len);
	void (*on_drained)(struct ws *w); /* as conn's */
	void (*on_timer)(
		struct ws *w); /* at each ping and at each ws_deadline, and now and then besides */
	void (*on_closed)(struct ws *w, enum close_reason reason);
	void (*on_free)(struct ws *w);
};

/* One a worker. */
struct ws_loop;
struct ws_loop *ws_loop_new(struct event_base *base, const struct ws_events *events,
	struct stats_slot *stats, unsigned ping_interval_s);
void ws_loop_free(struct ws_loop *l);
void ws_loop_flush(struct ws_loop *l);
void ws_loop_set_ping(struct ws_loop *l, unsigned ping_interval_s);
uint32_t ws_now_s(const struct ws_loop *l);

/* Embedded in the layer above. */
struct ws {
	struct conn conn;
	struct ws_loop *loop;
	struct buf fragments;
	struct wsframe_parser parser;
	uint32_t ping_due_s;
	uint8_t pings_unanswered;
};

/* Takes over an fd on which the handshake is over but for our answer: queues `101` with this key's
 * accept value and, where it is not NULL, the chosen subprotocol; then feeds the bytes that came
 * behind the request. */
void ws_open(struct ws *w, struct ws_loop *l, int fd, const char *key, const char *subprotocol,
	const char *bytes, size_t len);

/* Is this a Sec-WebSocket-Key: base64 of 16 bytes (RFC 6455 4.1)? */
bool ws_key_valid(const char *key);

/* base64(SHA-1(key + GUID)), RFC 6455 4.2.2, NUL-terminated; key: a valid one. */
#define WS_ACCEPT_SIZE 29
void ws_accept(char out[WS_ACCEPT_SIZE], const char *key);

/* Wakes on_timer after so many seconds, or sooner. */
void ws_deadline(struct ws *w, unsigned seconds);

#endif
