/*
 * password: the text that stands for a password in the database (scrypt, RFC 7914).
 *
 * Owns: nothing. Knows nothing of: who asks, other processes.
 *
 * scrypt$N$r$p$BASE64(salt, 16 bytes)$BASE64(hash, 32 bytes), standard base64 with padding (RFC
 * 4648, section 4). Both functions compute for some hundredth of a second in 32 MiB: in the hasher,
 * or in a program without an event loop.
 */
#ifndef PARLEY_PASSWORD_H
#define PARLEY_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MAX 1024 /* bytes */
#define PASSWORD_STORED_MAX 160 /* of the text with its NUL */

/* Hashes with a random salt; false where OpenSSL has no random bytes or no memory. */
bool password_hash(const char *password, size_t len, char stored[PASSWORD_STORED_MAX]);

enum password_check {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_BROKEN /* stored is not such a text, or its parameters ask for too much */
};

/*
 * Does the password give what is stored? Compared in constant time. NULL: there is no such user:
 * takes as long and is PASSWORD_WRONG. Parameters come from the text; beyond 128 MiB or five times
 * today's work they are refused, as a bad row must not stop the hasher.
 */
enum password_check password_check(const char *password, size_t len, const char *stored);

#endif
