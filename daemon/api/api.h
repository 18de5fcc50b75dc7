/*
 * api: the routes of the contract: what each HTTP path does.
 *
 * Owns: the table of routes. Knows nothing of: evhttp, libpq, other requests.
 *
 * A handler starts an operation with the call as its argument. The callback publishes what was committed, then answers:
 * a client that has the answer may rely on the change being visible to others.
 */
#ifndef PARLEY_API_H
#define PARLEY_API_H

#include "auth/hasher.h"
#include "http/http.h"
#include "realtime/bus.h"
#include "realtime/presence.h"
#include "store/store.h"

/* Limits of the contract that several files share. */
#define API_NAME_MAX PROTO_NAME_MAX
#define API_URL_MAX 2048 /* bytes */
#define API_PUBLIC_KEY_MAX 4096 /* bytes */

/* Look-ups of invites by one user on one worker. */
#define API_INVITES_PER_S 1
#define API_INVITES_BURST 30

/* Searches of messages of a user, on one worker. */
#define API_SEARCHES_PER_S 5
#define API_SEARCHES_BURST 20

/* What handlers work with; filled once by the worker, and http_env of every call. */
struct api {
	const struct conf *conf;
	struct store *store;
	struct hasher *hasher;
	struct bus *bus;
	struct presence *presence;
	struct ratelimit *invite_limits; /* look-ups of invites, by user */
	struct ratelimit *searches;
};

/* The table of all routes; *n is set to their number. */
const struct http_route *api_routes(size_t *n);

/* The routes of one file, for api.c to join. */
struct api_part {
	const struct http_route *routes;
	size_t n;
};
#define API_PART(routes)                                   \
	{                                                  \
		routes, sizeof(routes) / sizeof(routes[0]) \
	}
extern const struct api_part api_account, api_users, api_presence, api_messages, api_chats,
	api_groups, api_invites, api_reactions, api_search;

/* Appends the OpenAPI 3.1 description: the paths from the table of routes, the frames from the table of commands, the
 * schemas of answers from openapi_schemas.json. */
void api_put_openapi(struct buf *out);

/* Shared steps of handlers. */

/* Answers an error, if there is one or the call is stale. Returns true if there was: the call has ended. */
bool api_failed(struct http_call *call, enum error error);

/* Answers with the JSON in b, which is freed. Ends the call. */
void api_reply(struct http_call *call, int status, struct buf *b);

/* Answers 204. Ends the call. */
void api_reply_empty(struct http_call *call);

/*
 * Answers 200 with {"name":[…]} or an error. Ends the call.
 *   rows  NULL: none
 *   put   appends the JSON of row i
 */
typedef void api_put_row(
	struct buf *b, const struct http_call *call, const store_rows *rows, int i);
void api_reply_rows(struct http_call *call, enum error error, const store_rows *rows,
	const char *name, api_put_row *put);

/* Appends a user. */
api_put_row api_put_user;

/*
 * store_cb that answers with one user. call: the call.
 * No row is 401: the caller was deleted after the token was checked.
 */
void api_reply_me(void *call, enum error error, const store_rows *rows);

/*
 * True if a parameter that names the caller does so or is absent; otherwise the call has ended with 403 not_yourself.
 */
bool api_is_caller(struct http_call *call, const struct param *named);

/* Publishes a change of a group or its members, unless it is a duplicate. */
void api_publish_group(const struct api *api, const struct change *c);

/* Answers with a group and its first members, or an error. Ends the call. */
void api_reply_group(struct http_call *call, int64_t group_id, int status);

/* As api_failed; field: the one that too_many is due to. */
bool api_field_failed(struct http_call *call, enum error error, const char *field);

/* Publishes to all workers that a token, or all tokens of a user but one, are revoked (common/record.h). */
void api_publish_revoked(const struct api *api, struct record_token_revoked revoked);

#endif
