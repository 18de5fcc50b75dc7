/*
 * token: the secret that a client keeps after a log-in: 256 random bits. Only its digest is stored.
 *
 * Owns: nothing. Knows nothing of: users, expiry, the database.
 */
#ifndef PARLEY_TOKEN_H
#define PARLEY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_CHARS 43 /* base64url of 32 bytes without padding (RFC 4648, section 5) */
#define TOKEN_DIGEST_SIZE 32 /* SHA-256 */

/* Makes a token, NUL-terminated. Returns false if OpenSSL has no random bytes. */
bool token_make(char token[TOKEN_CHARS + 1]);

#define TOKEN_CODE_CHARS 22 /* 130 bits */

/* Makes a code that people pass on: characters of A-Za-z0-9, NUL-terminated. Returns false as token_make. */
bool token_make_code(char code[TOKEN_CODE_CHARS + 1]);

/*
 * The digest that is stored: SHA-256 of the characters.
 *   token  len bytes as a client sent them; of any length
 * Returns false if OpenSSL fails.
 */
bool token_digest(const char *token, size_t len, unsigned char digest[TOKEN_DIGEST_SIZE]);

#endif
