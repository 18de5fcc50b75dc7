#include "http/http_private.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "common/log.h"
#include "net/hijack.h"
#include "net/ws.h"

#define SUBPROTOCOL "parley.v1"
#define BEARER "bearer."

/* The token's four ways but the first frame, in the contract's order; data NULL: none came. */
static struct text find_token(const struct http_call *call, struct text by_subprotocol)
{
	const char *authorization = http_header(call, "Authorization"),
		   *cookie = http_header(call, "Cookie");

	if (authorization != NULL)
		return auth_bearer(authorization);
	if (by_subprotocol.data != NULL)
		return by_subprotocol;
	return cookie != NULL ? auth_cookie(cookie) : (struct text){ NULL, 0 };
}

/* What is offered: ours is to be answered, and a token may be hidden there (browsers can set no
 * other header). */
static struct text read_subprotocols(struct http_call *call)
{
	struct text token = { NULL, 0 };
	const struct evkeyval *h;

	if (http_header_has(call, "Sec-WebSocket-Protocol", SUBPROTOCOL))
		call->handshake.subprotocol = SUBPROTOCOL;
	TAILQ_FOREACH(h, evhttp_request_get_input_headers(call->req), next)
	{
		const char *p = h->value;

		if (strcasecmp(h->key, "Sec-WebSocket-Protocol") != 0)
			continue;
		while (*(p += strspn(p, ", \t")) != '\0') {
			size_t len = strcspn(p, ", \t");

			if (token.data == NULL && strncmp(p, BEARER, sizeof(BEARER) - 1) == 0)
				token = (struct text){ p + sizeof(BEARER) - 1,
					len - (sizeof(BEARER) - 1) };
			p += len;
		}
	}
	return token;
}

static void upgrade(struct http_call *call)
{
	struct http *http = call->http;
	struct http_conn *c = call->conn;
	struct buf rest = BUF_EMPTY;
	char *key;
	int on = 1, fd;

	if (c == NULL || http->stopped) {
		http_reply_error(call, ERROR_unavailable);
		return;
	}
	if (call->token.user_id != 0 &&
		!http->events->may_upgrade(http->arg, call->token.user_id)) {
		http_reply_error(call, ERROR_too_many_sockets);
		return;
	}
	key = strdup(call->handshake.key); /* the request goes with its connection */
	if (key == NULL)
		log_fatal("out_of_memory for a handshake");
	c->taken = true;
	fd = hijack_fd(c->evcon, http->placeholder_fd, &rest);
	if (fd < 0) {
		c->taken = false;
		log_warn("takeover_failed error=\"%m\"");
		http_reply_error(call, ERROR_unavailable);
	} else {
		struct http_upgrade u = { fd, key, call->handshake.subprotocol, rest.data, rest.len,
			call->token, call->address };

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		STATS_ADD(http->stats, http_requests, 1);
		http->events->upgraded(http->arg, &u);
		http_call_free(call);
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
	const char *version = http_header(call, "Sec-WebSocket-Version");

	return call->req->minor >= 1 && http_header_has(call, "Upgrade", "websocket") &&
		http_header_has(call, "Connection", "upgrade") && version != NULL &&
		strcmp(version, "13") == 0;
}

void http_ws_request(struct http_call *call)
{
	const char *origin = http_header(call, "Origin");
	struct text token;
	uint8_t hash[STORE_HASH_SIZE];

	call->handshake.key = http_header(call, "Sec-WebSocket-Key");
	if (!is_handshake(call)) {
		http_add_header(call, "Connection", "Upgrade");
		http_add_header(call, "Upgrade", "websocket");
		http_add_header(call, "Sec-WebSocket-Version", "13");
		http_reply_error(call, ERROR_upgrade_required);
		return;
	}
	if (call->handshake.key == NULL || !ws_key_valid(call->handshake.key)) {
		http_reply_detail(
			call, ERROR_bad_request, "Sec-WebSocket-Key must be 16 bytes in base64.");
		return;
	}
	if (origin != NULL &&
		!http_origin_good(origin, http_header(call, "Host"), call->https,
			&call->http->conf->allowed_origins)) {
		http_reply_error(call, ERROR_bad_origin);
		return;
	}
	token = find_token(call, read_subprotocols(call));
	if (token.data == NULL)
		upgrade(call);
	else if (auth_hash(hash, token.data, token.len))
		store_authenticate(call->http->store, hash, on_token, call);
	else
		http_reply_error(call, ERROR_bad_token);
}
