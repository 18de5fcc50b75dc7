/*
 * auth: the token of a request: how it is made, found in header fields, and hashed for the database.
 *
 * Owns: nothing. Knows nothing of: the database, users.
 */
#ifndef PARLEY_AUTH_H
#define PARLEY_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/token.h"

/* The session cookie over http, and over https: with this prefix a browser accepts it from this host only, over https
 * only (RFC 6265bis 4.1.3), so that another host of the domain cannot plant one. */
#define AUTH_COOKIE "parley_session"
#define AUTH_COOKIE_HTTPS "__Host-parley_session"

/* Makes a new token, NUL-terminated. Ends the process if OpenSSL has no random bytes. */
void auth_mint(char token[TOKEN_CHARS + 1]);

/*
 * Hashes a token's characters by SHA-256; the database stores only the hash.
 *   token  len bytes, of any value
 * Returns false, with hash untouched, if they cannot be a token (43 characters of base64url).
 */
bool auth_hash(uint8_t hash[TOKEN_DIGEST_SIZE], const char *token, size_t len);

/*
 * The credentials of an Authorization field with the scheme Bearer, in any case (RFC 6750 2.1).
 *   value  NUL-terminated
 * Points into value. Empty if the scheme is alone; NULL data for another scheme.
 */
struct text auth_bearer(const char *value);

/*
 * The value of a cookie in a Cookie field (RFC 6265 4.2.1).
 *   value  NUL-terminated
 *   name   of the cookie
 * Points into value; NULL data if it is not there.
 */
struct text auth_cookie(const char *value, const char *name);

#endif
