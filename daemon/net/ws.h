/*
 * ws: a WebSocket on the server's side: frames and messages, pings, the closing handshake (RFC 6455).
 *
 * Owns: the fragments of a message, the count of unanswered pings. Knows nothing of: users, JSON, HTTP requests.
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

/* Callbacks of the layer above. All may call conn_close(&ws->conn, …). */
struct ws_events {
	/* A frame of any kind has come, also a fragment or a ping. Returns false to ignore it, after conn_close. */
	bool (*on_frame)(struct ws *w);
	/* A complete text message in valid UTF-8. The callback may change the bytes; they are valid during the call. */
	void (*on_message)(struct ws *w, char *text, size_t len);
	void (*on_drained)(struct ws *w); /* as conn's */
	/* At each ping, at each ws_deadline, and possibly at other times. */
	void (*on_timer)(struct ws *w);
	void (*on_closed)(struct ws *w, enum close_reason reason); /* as conn's */
	void (*on_free)(struct ws *w); /* as conn's */
};

/* Shared by the sockets of a worker. */
struct ws_loop;
struct ws_loop *ws_loop_new(struct event_base *base, const struct ws_events *events,
	struct stats_slot *stats, unsigned ping_interval_s);
void ws_loop_free(struct ws_loop *l); /* after all its sockets */
void ws_loop_flush(struct ws_loop *l); /* as conn_loop_flush */
void ws_loop_set_ping(struct ws_loop *l, unsigned ping_interval_s);
uint32_t ws_now_s(const struct ws_loop *l); /* as conn_now_s */

/* Embedded in the layer above; all fields but conn are private to ws. */
struct ws {
	struct conn conn;
	struct ws_loop *loop;
	struct buf fragments;
	struct wsframe_parser parser;
	uint32_t next_ping_s;
	uint8_t pings_unanswered;
};

/* A handshake that has been checked and not answered. */
struct ws_handshake {
	int fd; /* ws owns it after ws_open; non-blocking, TCP_NODELAY */
	const char *key; /* Sec-WebSocket-Key, valid by ws_key_valid */
	const char *subprotocol; /* chosen of those offered; NULL: none */
	const char *bytes; /* len of them, read behind the request */
	size_t len;
};

/* Initialises w, queues the answer 101, and passes on what was read behind the request. Copies what it needs. */
void ws_open(struct ws *w, struct ws_loop *l, const struct ws_handshake *h);

/* True if this is a Sec-WebSocket-Key: base64 of 16 bytes (RFC 6455 4.1). */
bool ws_key_valid(const char *key);

/*
 * Sec-WebSocket-Accept: base64(SHA-1(key + GUID)), NUL-terminated (RFC 6455 4.2.2).
 *   key  valid by ws_key_valid
 */
#define WS_ACCEPT_SIZE 29
void ws_accept(char out[WS_ACCEPT_SIZE], const char *key);

/* Calls on_timer after this many seconds, or sooner. */
void ws_deadline(struct ws *w, unsigned seconds);

#endif
