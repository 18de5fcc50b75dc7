/*
 * auth: the token of a request: made, read out of headers, and turned into what the database knows
 * it by.
 *
 * Owns: nothing. Knows nothing of: the database, who a token belongs to.
 */
#ifndef PARLEY_AUTH_H
#define PARLEY_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/token.h"

#define AUTH_COOKIE "parley_session"

/* A new token, NUL-terminated. Ends the process where OpenSSL has no random bytes. */
void auth_mint(char token[TOKEN_CHARS + 1]);

/*
 * SHA-256 of a token's characters, by which the database knows it. token: len bytes, any. False
 * where they cannot be a token (43 characters of base64url); hash is then untouched.
 */
bool auth_hash(uint8_t hash[TOKEN_DIGEST_SIZE], const char *token, size_t len);

/*
 * The credentials of an Authorization header's value with the scheme Bearer, in any case (RFC 6750 2.1).
 *   value  NUL-terminated
 * Points into value; empty if the scheme is alone, NULL data for another scheme.
 */
struct text auth_bearer(const char *value);

/* The value of AUTH_COOKIE in a Cookie header's value (RFC 6265 4.2.1), NULL data if there is none. Points into value. */
struct text auth_cookie(const char *value);

#endif
