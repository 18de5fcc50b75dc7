/*
 * api_session: how people come in and go out: register, login, logout, a new password.
 *
 * What is hashed is hashed by the hasher; each handler is a chain of answers, written in the order
 * in which they come:
 *
 *   login: the user's row ─► the hasher's word ─► a token stored ─► 200
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "auth/auth.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/ratelimit.h"
#include "realtime/json_view.h"

#define PASSWORD_MIN_BYTES 8
#define COOKIE_SIZE (TOKEN_CHARS + 128)

static enum error hasher_error(enum hasher_result result, enum error wrong)
{
	switch (result) {
	case HASHER_OK:
		return ERROR_NONE;
	case HASHER_WRONG:
		return wrong;
	case HASHER_LIMITED:
		return ERROR_too_many_requests;
	case HASHER_BUSY:
	case HASHER_FAILED:
		break;
	}
	return ERROR_unavailable;
}

/* The cookie that serves the page in place of a header; token "" and max_age 0 end it. */
static void add_cookie(struct http_call *call, const char *token, long max_age)
{
	char cookie[COOKIE_SIZE];

	snprintf(cookie, sizeof(cookie),
		AUTH_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%ld%s", token, max_age,
		http_is_https(call) ? "; Secure" : "");
	http_add_header(call, "Set-Cookie", cookie);
	OPENSSL_cleanse(cookie, sizeof(cookie));
}

/* A call and what its steps work with. */
struct pending {
	const struct api *api;
	struct http_call *call;
	/* login */
	struct buf user; /* as the answer shows it */
	int64_t user_id;
	char token[TOKEN_CHARS + 1];
	char stored[HASHER_STORED_MAX +
		1]; /* the password that is checked, as it was stored then */
};

static struct pending *pending_new(const struct api *api, struct http_call *call)
{
	struct pending *p = malloc(sizeof(*p));

	if (p == NULL)
		log_fatal("out of memory for a log-in");
	*p = (struct pending){ .api = api, .call = call };
	return p;
}

static void pending_free(struct pending *p)
{
	OPENSSL_cleanse(p->token, sizeof(p->token));
	OPENSSL_cleanse(p->stored, sizeof(p->stored));
	buf_fini(&p->user);
	free(p);
}

/* Ends the call with an error; with ERROR_NONE it was answered, with nothing to say. */
static void pending_end(struct pending *p, enum error error)
{
	if (error != ERROR_NONE)
		http_reply_error(p->call, error);
	else
		http_reply(p->call, 204, NULL, 0);
	pending_free(p);
}

/* POST /users/register */

enum { REGISTER_USERNAME, REGISTER_FULL_NAME, REGISTER_PASSWORD, REGISTER_PICTURE, REGISTER_KEY };

static const struct param_spec register_params[] = {
	[REGISTER_USERNAME] = { "username", PARAM_USERNAME, true, false, 3, 32, PARAM_BODY,
		"The name to log in with; folded to lower case, unique for ever." },
	[REGISTER_FULL_NAME] = { "full_name", PARAM_CHARS, true, false, 1, API_NAME_MAX, PARAM_BODY,
		"The name that others see." },
	[REGISTER_PASSWORD] = { "password", PARAM_TEXT, true, false, PASSWORD_MIN_BYTES,
		HASHER_PASSWORD_MAX, PARAM_BODY, "The password." },
	[REGISTER_PICTURE] = { "profile_picture", PARAM_URL, false, true, 1, API_URL_MAX,
		PARAM_BODY, "Where the picture is." },
	[REGISTER_KEY] = { "public_key", PARAM_TEXT, false, true, 0, API_PUBLIC_KEY_MAX, PARAM_BODY,
		"A key for others to write to this user with; the server only keeps it." },
};

static void registered(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_username_taken;
	if (error != ERROR_NONE) {
		http_reply_error(call, error);
		return;
	}
	store_user_at(rows, 0, &u);
	json_view_put_user(&b, &u);
	api_reply(call, 201, &b);
}

static void register_hashed(void *arg, enum hasher_result result, const char *stored)
{
	struct pending *p = arg;
	const struct param *at = http_params(p->call)->at;
	enum error error = hasher_error(result, ERROR_unavailable);

	if (error != ERROR_NONE) {
		pending_end(p, error);
		return;
	}
	store_register(p->api->store,
		&(const struct registration){
			.username = at[REGISTER_USERNAME].text,
			.full_name = at[REGISTER_FULL_NAME].text,
			.profile_picture = at[REGISTER_PICTURE].text,
			.public_key = at[REGISTER_KEY].text,
			.password = { stored, strlen(stored) },
		},
		registered, p->call);
	pending_free(p);
}

static void run_register(void *env, struct http_call *call)
{
	const struct api *api = env;
	struct text password = http_params(call)->at[REGISTER_PASSWORD].text;

	hasher_hash(api->hasher,
		&(struct hasher_request){
			.password = password,
			.keys = { ratelimit_key_address(http_address(call)) },
			.n_keys = api->conf->rate_limits ? 1 : 0,
			.cb = register_hashed,
			.arg = pending_new(api, call),
		});
}

/* POST /users/login */

enum { LOGIN_USERNAME, LOGIN_PASSWORD, LOGIN_COOKIE };

static const struct param_spec login_params[] = {
	[LOGIN_USERNAME] = { "username", PARAM_USERNAME, true, false, 3, 32, PARAM_BODY,
		"In any case." },
	[LOGIN_PASSWORD] = { "password", PARAM_TEXT, true, false, 1, HASHER_PASSWORD_MAX,
		PARAM_BODY, "The password." },
	[LOGIN_COOKIE] = { "cookie", PARAM_BOOL, false, false, 0, 0, PARAM_BODY,
		"Whether to set the token as the cookie parley_session, too." },
};

static void login_token_added(void *arg, enum error error, const struct token *t)
{
	struct pending *p = arg;
	struct buf b = BUF_EMPTY;

	/* The user was deleted, or the password changed, since it was found right. */
	if (error == ERROR_no_such_user)
		error = ERROR_bad_login;
	if (error != ERROR_NONE) {
		pending_end(p, error);
		return;
	}
	/* Room for all of it at once: growing would leave a copy of the token behind. */
	buf_reserve(&b, p->user.len + sizeof(p->token) + 256);
	buf_addf(&b, "{\"access_token\":\"%s\",\"token_type\":\"bearer\",", p->token);
	proto_put_time(&b, "expires_at", t->expires_ms);
	buf_add_str(&b, ",\"user\":");
	buf_add(&b, p->user.data, p->user.len);
	buf_add_char(&b, '}');
	if (http_params(p->call)->at[LOGIN_COOKIE].flag)
		add_cookie(p->call, p->token, p->api->conf->token_lifetime);
	http_reply(p->call, 200, b.data, b.len);
	OPENSSL_cleanse(b.data, b.len);
	buf_fini(&b);
	pending_free(p);
}

static void login_verified(void *arg, enum hasher_result result, const char *stored)
{
	struct pending *p = arg;
	enum error error = hasher_error(result, ERROR_bad_login);
	uint8_t hash[STORE_HASH_SIZE];

	(void)stored;
	if (error != ERROR_NONE) {
		pending_end(p, error);
		return;
	}
	auth_mint(p->token);
	auth_hash(hash, p->token, TOKEN_CHARS);
	store_add_token(p->api->store, p->user_id, (struct text){ p->stored, strlen(p->stored) },
		hash, p->api->conf->token_lifetime, login_token_added, p);
}

/* Verifies the request's password against the first row's, completing the request. Without a row it takes as long, and
 * is wrong. */
static void verify(struct pending *p, const store_rows *rows, struct hasher_request *r)
{
	struct text stored = { NULL, 0 };

	if (store_n(rows) > 0)
		stored = store_password_at(rows, 0);
	snprintf(p->stored, sizeof(p->stored), "%.*s", (int)stored.len,
		stored.data != NULL ? stored.data : "");
	r->arg = p;
	if (!p->api->conf->rate_limits)
		r->n_keys = 0;
	hasher_verify(p->api->hasher, r, stored.data != NULL ? p->stored : NULL);
}

static void login_found(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	const struct param *at = http_params(p->call)->at;
	struct text username = at[LOGIN_USERNAME].text;
	struct hasher_request r = {
		.password = at[LOGIN_PASSWORD].text,
		.keys = { ratelimit_key_address(http_address(p->call)),
			ratelimit_key_username(username.data, username.len) },
		.n_keys = 2,
		.cb = login_verified,
	};

	if (error != ERROR_NONE) {
		pending_end(p, error);
		return;
	}
	if (store_n(rows) > 0) {
		struct user u;

		store_user_at(rows, 0, &u);
		p->user_id = u.user_id;
		json_view_put_user(&p->user, &u);
	}
	verify(p, rows, &r);
}

static void run_login(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user_named(api->store, http_params(call)->at[LOGIN_USERNAME].text, login_found,
		pending_new(api, call));
}

/* POST /users/logout */

static void publish_token_ended(const struct api *api, int64_t token_id, int64_t user_id)
{
	const struct record r = {
		.type = RECORD_TOKEN_REVOKED, .token_id = token_id, .user_id = user_id
	};

	FAULT("token.ended");
	bus_publish(api->bus, &r);
}

static void logged_out(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;

	(void)rows;
	if (error == ERROR_NONE) {
		publish_token_ended(p->api, http_token(p->call)->token_id, 0);
		add_cookie(p->call, "", 0);
	}
	pending_end(p, error);
}

static void run_logout(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_end_token(api->store, http_token(call)->token_id, logged_out, pending_new(api, call));
}

/* PUT /users/me/password */

enum { CHANGE_OLD, CHANGE_NEW };

static const struct param_spec change_params[] = {
	[CHANGE_OLD] = { "old_password", PARAM_TEXT, true, false, 1, HASHER_PASSWORD_MAX,
		PARAM_BODY, "The password so far." },
	[CHANGE_NEW] = { "new_password", PARAM_TEXT, true, false, PASSWORD_MIN_BYTES,
		HASHER_PASSWORD_MAX, PARAM_BODY, "The password from now on." },
};

static void change_stored(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_bad_token;
	if (error == ERROR_NONE)
		publish_token_ended(p->api, http_token(p->call)->token_id, http_user(p->call));
	pending_end(p, error);
}

static void change_hashed(void *arg, enum hasher_result result, const char *stored)
{
	struct pending *p = arg;
	enum error error = hasher_error(result, ERROR_unavailable);

	if (error != ERROR_NONE)
		pending_end(p, error);
	else
		store_set_password(p->api->store, http_user(p->call),
			(struct text){ stored, strlen(stored) }, http_token(p->call)->token_id,
			change_stored, p);
}

static void change_verified(void *arg, enum hasher_result result, const char *stored)
{
	struct pending *p = arg;
	enum error error = hasher_error(result, ERROR_wrong_password);
	struct text password = http_params(p->call)->at[CHANGE_NEW].text;

	(void)stored;
	if (error != ERROR_NONE)
		pending_end(p, error);
	else
		hasher_hash(p->api->hasher,
			&(struct hasher_request){
				.password = password,
				.cb = change_hashed,
				.arg = p,
			});
}

static void change_found(void *arg, enum error error, const store_rows *rows)
{
	struct pending *p = arg;
	struct hasher_request r = {
		.password = http_params(p->call)->at[CHANGE_OLD].text,
		.keys = { ratelimit_key_user(http_user(p->call)) },
		.n_keys = 1,
		.cb = change_verified,
	};

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_bad_token;
	if (error != ERROR_NONE)
		pending_end(p, error);
	else
		verify(p, rows, &r);
}

static void run_change(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user(api->store, http_user(call), change_found, pending_new(api, call));
}

static const struct http_route routes[] = {
	{
		.method = HTTP_POST,
		.path = "/users/register",
		.open = true,
		.summary = "Makes an account.",
		.params = register_params,
		.n_params = sizeof(register_params) / sizeof(register_params[0]),
		.status = 201,
		.answer = "user",
		.errors = "username_taken",
		.run = run_register,
	},
	{
		.method = HTTP_POST,
		.path = "/users/login",
		.open = true,
		.summary = "Gives a new token for a username and its password.",
		.params = login_params,
		.n_params = sizeof(login_params) / sizeof(login_params[0]),
		.status = 200,
		.answer = "login",
		.errors = "bad_login",
		.run = run_login,
	},
	{
		.method = HTTP_POST,
		.path = "/users/logout",
		.summary = "Ends the token that this request carries, and its sockets.",
		.status = 204,
		.errors = "",
		.run = run_logout,
	},
	{
		.method = HTTP_PUT,
		.path = "/users/me/password",
		.summary = "Sets a new password and ends every other token of the caller.",
		.params = change_params,
		.n_params = sizeof(change_params) / sizeof(change_params[0]),
		.status = 204,
		.errors = "wrong_password",
		.run = run_change,
	},
};

const struct api_part api_session = { routes, sizeof(routes) / sizeof(routes[0]) };
