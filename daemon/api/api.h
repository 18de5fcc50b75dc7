/*
 * api: the routes of the contract: what each HTTP path does.
 *
 * Owns: the table of routes. Knows nothing of: evhttp, libpq, other requests.
 */
#ifndef PARLEY_API_H
#define PARLEY_API_H

#include "auth/hasher.h"
#include "http/http.h"
#include "realtime/bus.h"
#include "realtime/presence.h"
#include "store/store.h"

/* Limits of the contract that several files' routes have. */
#define API_NAME_MAX 100 /* characters of a person's or a group's name */
#define API_URL_MAX 2048 /* bytes */
#define API_PUBLIC_KEY_MAX 4096 /* bytes */

/* What handlers work with; filled once by the worker. */
struct api {
	const struct conf *conf;
	struct store *store;
	struct hasher *hasher;
	struct bus *bus;
	struct presence *presence;
};

/* The table, all files' routes together; *n is set. */
const struct http_route *api_routes(size_t *n);

/* The routes of one file each, which api.c joins. */
struct api_part {
	const struct http_route *routes;
	size_t n;
};
extern const struct api_part api_session, api_users, api_presence, api_messages, api_chats,
	api_groups;

/* Appends the OpenAPI 3.1 description: paths from the table, schemas of answers from
 * openapi_schemas.json (built in). */
void api_put_openapi(struct buf *out);

/* Steps that handlers share. */

/* Answers with the JSON in b and frees b; ends the call. */
void api_reply(struct http_call *call, int status, struct buf *b);

/* False where named is given and is not the caller: the call has then been answered with 403
 * not_yourself. */
bool api_is_caller(struct http_call *call, const struct param *named);

/* store_cb for an answer that is one user (arg is the call): 200, or 401 where there is no row, for
 * the caller has been deleted since the token was checked. */
void api_reply_me(void *call, enum error error, const store_rows *rows);

#endif
