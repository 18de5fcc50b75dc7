/*
 * password: what the database stores of a password (scrypt, RFC 7914).
 *
 * Owns: nothing. Knows nothing of: users, other processes.
 *
 * scrypt$N$r$p$BASE64(salt, 16 bytes)$BASE64(hash, 32 bytes), standard base64 with padding (RFC 4648, section 4). What is
 * hashed is the password in the form of RFC 8265, section 4.2 (OpaqueString): the same characters match however they were
 * typed. Both functions compute for some hundredths of a second in 32 MiB: call them in the hasher, or in a program
 * without an event loop.
 */
#ifndef PARLEY_PASSWORD_H
#define PARLEY_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MAX 1024 /* bytes, as sent */
#define PASSWORD_STORED_MAX 160 /* bytes of the stored text with its NUL */

/*
 * Hashes a password with a random salt.
 *   password  len bytes, at most PASSWORD_MAX
 *   stored    set to the text to store
 * Returns false if OpenSSL has no random bytes or no memory.
 */
bool password_hash(const char *password, size_t len, char stored[PASSWORD_STORED_MAX]);

enum password_check {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_BROKEN /* stored is malformed, or its parameters exceed the limits */
};

/*
 * Compares a password with a stored text, in constant time: first its normal form, then, if they differ, the bytes as sent,
 * which version 0.1 hashed.
 *   password  len bytes, at most PASSWORD_MAX
 *   stored    a text of password_hash; NULL if the user does not exist: takes as long and is PASSWORD_WRONG. Its
 *             parameters may take 128 MiB and five times the work of password_hash, so that a bad row does not stop the
 *             hasher
 */
enum password_check password_check(const char *password, size_t len, const char *stored);

#endif
