#include "http/http_private.h"

#include <event2/http_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "http/http_fields.h"
#include "net/hijack.h"
#include "net/ws.h"

#define SUBPROTOCOL "parley.v1"
#define BEARER "bearer."

/* Chooses ours of the subprotocols that are offered, which are compared exactly (RFC 6455 4.2.2). Returns the token
 * among them, data NULL if there is none: browsers can set no other field. */
static struct text read_subprotocols(struct http_call *call)
{
	struct http_list list = { .call = call, .name = "Sec-WebSocket-Protocol" };
	const size_t prefix_len = sizeof(BEARER) - 1;
	struct text e, token = { NULL, 0 };

	while (http_list_next(&list, &e)) {
		if (e.len == sizeof(SUBPROTOCOL) - 1 && memcmp(e.data, SUBPROTOCOL, e.len) == 0)
			call->handshake.subprotocol = SUBPROTOCOL;
		else if (token.data == NULL && e.len >= prefix_len &&
			memcmp(e.data, BEARER, prefix_len) == 0)
			token = (struct text){ e.data + prefix_len, e.len - prefix_len };
	}
	return token;
}

/* The token in the order of docs/api.md, "Opening"; data NULL if the first frame has it. */
static struct text find_token(struct http_call *call)
{
	struct text by_subprotocol = read_subprotocols(call), token = http_bearer(call);

	if (token.data == NULL)
		token = by_subprotocol;
	return token.data != NULL ? token : http_cookie(call);
}

/* Hands the socket to the layer above. */
static void hand_over(struct http_call *call, int fd, const struct buf *rest, const char *key,
	struct http_share *peer)
{
	struct http *http = call->http;
	struct http_upgrade u = {
		.handshake = { .fd = fd,
			.key = key,
			.subprotocol = call->handshake.subprotocol,
			.bytes = rest->data,
			.len = rest->len },
		.token = call->token,
		.address = call->address,
		.peer = peer,
	};
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	STATS_ADD(http->stats, http_requests, 1);
	http->events->upgraded(http->arg, &u);
	http_call_free(call);
}

static void upgrade(struct http_call *call)
{
	struct http *http = call->http;
	struct http_conn *c = call->conn;
	struct buf rest = BUF_EMPTY;
	struct http_share *peer;
	char *key;
	int fd;

	if (c == NULL || http->stopped) {
		http_reply_error(call, ERROR_unavailable);
		return;
	}
	if (!http_within_rate(call)) {
		http_reply_error(call, ERROR_too_many_requests);
		return;
	}
	if (call->token.user_id != 0 &&
		!http->events->may_upgrade(http->arg, call->token.user_id)) {
		http_reply_error(call, ERROR_too_many_sockets);
		return;
	}
	peer = c->peer;
	key = xstrdup(call->handshake.key); /* the request is freed with its connection */
	c->hijacked = true;
	fd = hijack_fd(c->evcon, http->placeholder_fd, &rest);
	if (fd >= 0) {
		hand_over(call, fd, &rest, key, peer);
	} else {
		c->hijacked = false;
		log_warn("hijack_failed error=\"%m\"");
		http_reply_error(call, ERROR_unavailable);
	}
	buf_fini(&rest);
	free(key);
}

static void on_token(void *arg, enum error error, const struct token *t)
{
	struct http_call *call = arg;

	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	call->token = *t;
	upgrade(call);
}

/* RFC 6455 4.2.1 */
static bool is_handshake(const struct http_call *call)
{
	struct http_list versions = { .call = call, .name = "Sec-WebSocket-Version" };
	struct text version, other;

	return call->req->minor >= 1 && http_field_has(call, "Upgrade", "websocket") &&
		http_field_has(call, "Connection", "upgrade") &&
		http_list_next(&versions, &version) && version.len == 2 &&
		memcmp(version.data, "13", 2) == 0 && !http_list_next(&versions, &other);
}

void http_ws_request(struct http_call *call)
{
	struct text token;
	uint8_t hash[STORE_HASH_SIZE];

	if (http_body_incomplete(call)) {
		http_reject_with(call->conn, ERROR_bad_request, "A handshake has no body.");
		return;
	}
	if (!is_handshake(call)) {
		http_add_header(call, "Connection", "Upgrade");
		http_add_header(call, "Upgrade", "websocket");
		http_add_header(call, "Sec-WebSocket-Version", "13");
		http_reply_error(call, ERROR_upgrade_required);
		return;
	}
	call->handshake.key = http_field(call, "Sec-WebSocket-Key");
	if (http_field_lines(call, "Sec-WebSocket-Key") != 1 ||
		!ws_key_valid(call->handshake.key)) {
		http_reply_detail(
			call, ERROR_bad_request, "Sec-WebSocket-Key must be 16 bytes in base64.");
		return;
	}
	if (http_field_lines(call, "Origin") != 0 && !http_origin_allowed(call)) {
		http_reply_error(call, ERROR_bad_origin);
		return;
	}
	token = find_token(call);
	if (token.data == NULL)
		upgrade(call);
	else if (auth_hash(hash, token.data, token.len))
		store_authenticate(call->http->store, hash, on_token, call);
	else
		http_reply_error(call, ERROR_bad_token);
}
