/*
 * api_account: registration, log-in, log-out and change of the password.
 *
 * The hasher process does the hashing. Each handler is a chain of callbacks, written in the order in which they run:
 *
 *   login: the user's row ─► the hasher's result ─► a token stored ─► 200
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "auth/auth.h"
#include "common/fault.h"
#include "common/xalloc.h"
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

/* The cookie that the page sends instead of a header. An empty token with max_age 0 deletes it. */
static void add_cookie(struct http_call *call, const char *token, long max_age)
{
	char cookie[COOKIE_SIZE];
	bool https = http_is_https(call);

	snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%ld%s",
		https ? AUTH_COOKIE_HTTPS : AUTH_COOKIE, token, max_age, https ? "; Secure" : "");
	http_add_header(call, "Set-Cookie", cookie);
	OPENSSL_cleanse(cookie, sizeof(cookie));
}

static struct text text_of(const char *s)
{
	return (struct text){ s, strlen(s) };
}

/* POST /users/register */

enum { REGISTER_USERNAME, REGISTER_FULL_NAME, REGISTER_PASSWORD, REGISTER_PICTURE, REGISTER_KEY };

/* clang-format off */
static const struct param_spec register_params[] = {
	[REGISTER_USERNAME]  = { .name = "username",        .type = PARAM_USERNAME, .required = true,
	                         .min = PARAMS_USERNAME_MIN, .max = PARAMS_USERNAME_MAX,
	                         .doc = "The log-in name, folded to lower case. Unique; never given out again." },
	[REGISTER_FULL_NAME] = { .name = "full_name",       .type = PARAM_NAME,     .required = true, .min = 1, .max = API_NAME_MAX,
	                         .doc = "The name that others see." },
	[REGISTER_PASSWORD]  = { .name = "password",        .type = PARAM_TEXT,     .required = true,
	                         .min = PASSWORD_MIN_BYTES, .max = HASHER_PASSWORD_MAX,
	                         .doc = "The password." },
	[REGISTER_PICTURE]   = { .name = "profile_picture", .type = PARAM_URL,      .nullable = true, .min = 1, .max = API_URL_MAX,
	                         .doc = "The address of the picture." },
	[REGISTER_KEY]       = { .name = "public_key",      .type = PARAM_TEXT,     .nullable = true, .min = 0, .max = API_PUBLIC_KEY_MAX,
	                         .doc = "A key for others to encrypt to this user; the server only stores it." },
};
/* clang-format on */

static void register_hashed(void *call, enum hasher_result result, const char *stored);
static void registered(void *call, enum error error, const store_rows *rows);

static void run_register(void *env, struct http_call *call)
{
	const struct api *api = env;

	hasher_hash(api->hasher,
		&(const struct hasher_request){
			.password = http_params(call)->at[REGISTER_PASSWORD].text,
			.keys = { ratelimit_key_address(http_address(call)) },
			.n_keys = api->conf->rate_limits ? 1 : 0,
			.cb = register_hashed,
			.arg = call,
		});
}

static void register_hashed(void *call, enum hasher_result result, const char *stored)
{
	const struct api *api = http_env(call);
	const struct param *at = http_params(call)->at;

	if (api_failed(call, hasher_error(result, ERROR_unavailable)))
		return;
	store_register(api->store,
		&(const struct registration){
			.username = at[REGISTER_USERNAME].text,
			.full_name = at[REGISTER_FULL_NAME].text,
			.profile_picture = at[REGISTER_PICTURE].text,
			.public_key = at[REGISTER_KEY].text,
			.password = text_of(stored),
		},
		registered, call);
}

static void registered(void *call, enum error error, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct user u;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_username_taken;
	if (api_failed(call, error))
		return;
	store_user_at(rows, 0, &u);
	json_view_put_user(&b, &u);
	api_reply(call, 201, &b);
}

/* A call whose password is verified. What it changes then depends on the stored password's being still the same. */
struct attempt {
	struct http_call *call;
	char stored[HASHER_STORED_MAX + 1]; /* the stored password, as it was when it was read */
	/* log-in only */
	struct buf user; /* as shown in the answer */
	int64_t user_id;
	char token[TOKEN_CHARS + 1];
};

static struct attempt *attempt_new(struct http_call *call)
{
	struct attempt *a = xmalloc(sizeof(*a));

	*a = (struct attempt){ .call = call };
	return a;
}

static void attempt_free(struct attempt *a)
{
	OPENSSL_cleanse(a->token, sizeof(a->token));
	OPENSSL_cleanse(a->stored, sizeof(a->stored));
	buf_fini(&a->user);
	free(a);
}

/* Answers an error, if there is one. Returns true if there was: the call has ended, and a is freed. */
static bool attempt_failed(struct attempt *a, enum error error)
{
	bool failed = api_failed(a->call, error);

	if (failed)
		attempt_free(a);
	return failed;
}

/* Compares the password of r with that of the first row, as r->cb of the attempt. Without a row it takes as long, and the
 * password is wrong. */
static void attempt_verify(struct attempt *a, const store_rows *rows, struct hasher_request r)
{
	const struct api *api = http_env(a->call);
	struct text stored = { NULL, 0 };

	if (store_n(rows) > 0)
		stored = store_password_at(rows, 0);
	snprintf(a->stored, sizeof(a->stored), "%.*s", (int)stored.len,
		stored.data != NULL ? stored.data : "");
	r.arg = a;
	if (!api->conf->rate_limits)
		r.n_keys = 0;
	hasher_verify(api->hasher, &r, stored.data != NULL ? a->stored : NULL);
}

/* POST /users/login */

enum { LOGIN_USERNAME, LOGIN_PASSWORD, LOGIN_COOKIE };

/* clang-format off */
static const struct param_spec login_params[] = {
	[LOGIN_USERNAME] = { .name = "username", .type = PARAM_USERNAME, .required = true,
	                     .min = PARAMS_USERNAME_MIN, .max = PARAMS_USERNAME_MAX,
	                     .doc = "Case-insensitive." },
	[LOGIN_PASSWORD] = { .name = "password", .type = PARAM_TEXT,     .required = true, .min = 1, .max = HASHER_PASSWORD_MAX,
	                     .doc = "The password." },
	[LOGIN_COOKIE]   = { .name = "cookie",   .type = PARAM_BOOL,
	                     .doc = "True to set the token as a cookie in addition." },
};
/* clang-format on */

static void login_found(void *arg, enum error error, const store_rows *rows);
static void login_verified(void *arg, enum hasher_result result, const char *stored);
static void login_stored(void *arg, enum error error, const struct token *t);

static void run_login(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user_named(api->store, http_params(call)->at[LOGIN_USERNAME].text, login_found,
		attempt_new(call));
}

static void login_found(void *arg, enum error error, const store_rows *rows)
{
	struct attempt *a = arg;
	const struct param *at = http_params(a->call)->at;
	struct text username = at[LOGIN_USERNAME].text;

	if (attempt_failed(a, error))
		return;
	if (store_n(rows) > 0) {
		struct user u;

		store_user_at(rows, 0, &u);
		a->user_id = u.user_id;
		json_view_put_user(&a->user, &u);
	}
	attempt_verify(a, rows,
		(struct hasher_request){
			.password = at[LOGIN_PASSWORD].text,
			.keys = { ratelimit_key_address(http_address(a->call)),
				ratelimit_key_username(username.data, username.len) },
			.n_keys = 2,
			.cb = login_verified,
		});
}

static void login_verified(void *arg, enum hasher_result result, const char *stored)
{
	struct attempt *a = arg;
	const struct api *api = http_env(a->call);
	uint8_t hash[STORE_HASH_SIZE];

	(void)stored;
	if (attempt_failed(a, hasher_error(result, ERROR_bad_login)))
		return;
	auth_mint(a->token);
	auth_hash(hash, a->token, TOKEN_CHARS);
	store_add_token(api->store, a->user_id, text_of(a->stored), hash, api->conf->token_lifetime,
		login_stored, a);
}

static void login_stored(void *arg, enum error error, const struct token *t)
{
	struct attempt *a = arg;
	const struct api *api = http_env(a->call);
	struct buf b = BUF_EMPTY;

	/* The user was deleted, or the password changed, after it was verified. */
	if (error == ERROR_no_such_user)
		error = ERROR_bad_login;
	if (attempt_failed(a, error))
		return;
	/* Enough for all of it: a later growth would leave a copy of the token in freed memory. */
	buf_reserve(&b, a->user.len + sizeof(a->token) + 256);
	buf_addf(&b, "{\"access_token\":\"%s\",\"token_type\":\"bearer\",", a->token);
	proto_put_time(&b, "expires_at", t->expires_ms);
	buf_add_str(&b, ",\"user\":");
	buf_add(&b, a->user.data, a->user.len);
	buf_add_char(&b, '}');
	if (http_params(a->call)->at[LOGIN_COOKIE].flag)
		add_cookie(a->call, a->token, api->conf->token_lifetime);
	http_reply(a->call, 200, b.data, b.len);
	OPENSSL_cleanse(b.data, b.len);
	buf_fini(&b);
	attempt_free(a);
}

/* POST /users/logout */

static void publish_revoked(const struct api *api, struct record_token_revoked revoked)
{
	FAULT("token.revoked");
	api_publish_revoked(api, revoked);
}

static void logged_out(void *call, enum error error, const store_rows *rows)
{
	(void)rows;
	if (api_failed(call, error))
		return;
	publish_revoked(http_env(call),
		(struct record_token_revoked){ .token_id = http_token(call)->token_id });
	add_cookie(call, "", 0);
	api_reply_empty(call);
}

static void run_logout(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_end_token(api->store, http_token(call)->token_id, logged_out, call);
}

/* PUT /users/me/password */

enum { CHANGE_OLD, CHANGE_NEW };

/* clang-format off */
static const struct param_spec change_params[] = {
	[CHANGE_OLD] = { .name = "old_password", .type = PARAM_TEXT, .required = true, .min = 1, .max = HASHER_PASSWORD_MAX,
	                 .doc = "The current password." },
	[CHANGE_NEW] = { .name = "new_password", .type = PARAM_TEXT, .required = true,
	                 .min = PASSWORD_MIN_BYTES, .max = HASHER_PASSWORD_MAX,
	                 .doc = "The new password." },
};
/* clang-format on */

static void change_found(void *arg, enum error error, const store_rows *rows);
static void change_verified(void *arg, enum hasher_result result, const char *stored);
static void change_hashed(void *arg, enum hasher_result result, const char *stored);
static void change_stored(void *arg, enum error error);

static void run_change(void *env, struct http_call *call)
{
	const struct api *api = env;

	store_user(api->store, http_user(call), change_found, attempt_new(call));
}

static void change_found(void *arg, enum error error, const store_rows *rows)
{
	struct attempt *a = arg;

	if (error == ERROR_NONE && store_n(rows) == 0)
		error = ERROR_bad_token;
	if (attempt_failed(a, error))
		return;
	attempt_verify(a, rows,
		(struct hasher_request){
			.password = http_params(a->call)->at[CHANGE_OLD].text,
			.keys = { ratelimit_key_user(http_user(a->call)) },
			.n_keys = 1,
			.cb = change_verified,
		});
}

static void change_verified(void *arg, enum hasher_result result, const char *stored)
{
	struct attempt *a = arg;
	struct http_call *call = a->call;
	const struct api *api = http_env(call);

	(void)stored;
	if (attempt_failed(a, hasher_error(result, ERROR_wrong_password)))
		return;
	hasher_hash(api->hasher,
		&(const struct hasher_request){
			.password = http_params(call)->at[CHANGE_NEW].text,
			.cb = change_hashed,
			.arg = a,
		});
}

static void change_hashed(void *arg, enum hasher_result result, const char *stored)
{
	struct attempt *a = arg;
	const struct api *api = http_env(a->call);

	if (attempt_failed(a, hasher_error(result, ERROR_unavailable)))
		return;
	store_set_password(api->store,
		&(const struct password_change){
			.user_id = http_user(a->call),
			.token_id = http_token(a->call)->token_id,
			.old = text_of(a->stored),
			.new = text_of(stored),
		},
		change_stored, a);
}

static void change_stored(void *arg, enum error error)
{
	struct attempt *a = arg;
	struct http_call *call = a->call;

	if (attempt_failed(a, error))
		return;
	attempt_free(a);
	publish_revoked(http_env(call),
		(struct record_token_revoked){
			.user_id = http_user(call), .keep_token_id = http_token(call)->token_id });
	api_reply_empty(call);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_POST, .path = "/users/register", .open = true,
	  .summary = "Creates an account.",
	  PARAMS(register_params),
	  .status = 201, .answer = "user", .errors = "username_taken", .run = run_register },
	{ .method = HTTP_POST, .path = "/users/login", .open = true,
	  .summary = "Creates a token for a username and its password.",
	  PARAMS(login_params),
	  .status = 200, .answer = "login", .errors = "bad_login", .run = run_login },
	{ .method = HTTP_POST, .path = "/users/logout",
	  .summary = "Revokes the token of this request and closes its sockets.",
	  .status = 204, .run = run_logout },
	{ .method = HTTP_PUT, .path = "/users/me/password",
	  .summary = "Sets a new password and revokes every other token of the caller.",
	  PARAMS(change_params),
	  .status = 204, .errors = "wrong_password", .run = run_change },
};
/* clang-format on */

const struct api_part api_account = API_PART(routes);
