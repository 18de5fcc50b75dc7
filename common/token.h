/*
 * token: what stands for a log-in: 256 random bits, known to the client, of which we keep only
 * the digest.
 *
 * Owns: nothing. Knows nothing of: users, expiry, the database.
 */
#ifndef PARLEY_TOKEN_H
#define PARLEY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_CHARS 43 /* base64url of 32 bytes without padding (RFC 4648, section 5) */
#define TOKEN_DIGEST_SIZE 32 /* SHA-256 */

/* A new token, NUL-terminated; false where OpenSSL has no random bytes. */
bool token_make(char token[TOKEN_CHARS + 1]);

/*
 * The digest that is stored: SHA-256 of the token's characters as clients send them. len: any;
 * what is not as long as a token is no token, but has a digest all the same. False where OpenSSL
 * fails.
 */
bool token_digest(const char *token, size_t len, unsigned char digest[TOKEN_DIGEST_SIZE]);

#endif
