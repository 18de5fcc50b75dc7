#include "common/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/unicode.h"

#define SALT_SIZE 16
#define HASH_SIZE 32
#define SALT_TEXT 24 /* lengths in base64 */
#define HASH_TEXT 44

/* The minimum of OWASP's password storage cheat sheet for N = 2^15. */
static const struct cost {
	uint64_t n, r, p;
} default_cost = { 32768, 8, 3 };

#define MEMORY_MAX ((uint64_t)128 << 20)
#define WORK_MAX ((uint64_t)5 * 32768 * 8 * 3)

/* A stored text, decoded. */
struct parts {
	struct cost cost;
	unsigned char salt[SALT_SIZE];
	unsigned char hash[HASH_SIZE];
};

/* scrypt takes 128 * N * r bytes for its table and 128 * r for each unit of p (RFC 7914, section 2). */
static bool cost_is_acceptable(const struct cost *c)
{
	const uint64_t most = MEMORY_MAX / 128;

	if (c->n < 2 || c->n > most || (c->n & (c->n - 1)) != 0)
		return false;
	if (c->r < 1 || c->r > most || c->p < 1 || c->p > most)
		return false;
	return (c->n + c->p + 2) * c->r <= most && c->n * c->r * c->p <= WORK_MAX;
}

static bool derive(const char *password, size_t len, const struct cost *cost,
	const unsigned char salt[SALT_SIZE], unsigned char hash[HASH_SIZE])
{
	return EVP_PBE_scrypt(password, len, salt, SALT_SIZE, cost->n, cost->r, cost->p,
		       MEMORY_MAX + (1 << 20), hash, HASH_SIZE) == 1;
}

bool password_hash(const char *password, size_t len, char stored[PASSWORD_STORED_MAX])
{
	unsigned char salt[SALT_SIZE], hash[HASH_SIZE];
	unsigned char salt_text[SALT_TEXT + 1], hash_text[HASH_TEXT + 1];
	size_t form_len;
	char *form = unicode_opaque(password, len, &form_len);
	bool good;

	/* A password that is not UTF-8 has no normal form. */
	good = RAND_bytes(salt, SALT_SIZE) == 1 &&
		derive(form != NULL ? form : password, form != NULL ? form_len : len, &default_cost,
			salt, hash);
	secret_free(form);
	if (!good)
		return false;
	EVP_EncodeBlock(salt_text, salt, SALT_SIZE);
	EVP_EncodeBlock(hash_text, hash, HASH_SIZE);
	snprintf(stored, PASSWORD_STORED_MAX, "scrypt$%llu$%llu$%llu$%s$%s",
		(unsigned long long)default_cost.n, (unsigned long long)default_cost.r,
		(unsigned long long)default_cost.p, (char *)salt_text, (char *)hash_text);
	return true;
}

/* Reads a decimal number and the $ after it; false for anything else. */
static bool number_parse(const char **at, uint64_t *n)
{
	const char *from = *at;

	*n = 0;
	while (**at >= '0' && **at <= '9' && *at - from < 10)
		*n = *n * 10 + (uint64_t)(*(*at)++ - '0');
	return *at > from && *(*at)++ == '$';
}

/* Decodes text_len characters of base64 into size bytes, and advances *at past them. */
static bool base64_parse(const char **at, size_t text_len, unsigned char *bytes, size_t size)
{
	unsigned char decoded[HASH_TEXT / 4 * 3];
	size_t padding = text_len / 4 * 3 - size;

	if (strnlen(*at, text_len) != text_len || strcspn(*at, "=") != text_len - padding ||
		strspn(*at + text_len - padding, "=") != padding)
		return false;
	if (EVP_DecodeBlock(decoded, (const unsigned char *)*at, (int)text_len) !=
		(int)(size + padding))
		return false;
	memcpy(bytes, decoded, size);
	*at += text_len;
	return true;
}

static bool stored_parse(const char *stored, struct parts *parts)
{
	static const char name[] = "scrypt$";

	if (strncmp(stored, name, strlen(name)) != 0)
		return false;
	stored += strlen(name);
	return number_parse(&stored, &parts->cost.n) && number_parse(&stored, &parts->cost.r) &&
		number_parse(&stored, &parts->cost.p) && cost_is_acceptable(&parts->cost) &&
		base64_parse(&stored, SALT_TEXT, parts->salt, SALT_SIZE) && *stored++ == '$' &&
		base64_parse(&stored, HASH_TEXT, parts->hash, HASH_SIZE) && *stored == '\0';
}

static enum password_check compare(const char *password, size_t len, const struct parts *parts)
{
	unsigned char hash[HASH_SIZE];
	bool same;

	if (!derive(password, len, &parts->cost, parts->salt, hash))
		return PASSWORD_BROKEN;
	same = CRYPTO_memcmp(hash, parts->hash, HASH_SIZE) == 0;
	OPENSSL_cleanse(hash, sizeof(hash));
	return same ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

enum password_check password_check(const char *password, size_t len, const char *stored)
{
	struct parts parts = { .cost = default_cost };
	enum password_check result = PASSWORD_WRONG;
	size_t form_len;
	char *form;

	if (stored != NULL && !stored_parse(stored, &parts))
		return PASSWORD_BROKEN;
	form = unicode_opaque(password, len, &form_len);
	if (form != NULL)
		result = compare(form, form_len, &parts);
	/* Version 0.1 stored the hash of the bytes as sent. */
	if (result == PASSWORD_WRONG &&
		(form == NULL || form_len != len || memcmp(form, password, len) != 0))
		result = compare(password, len, &parts);
	secret_free(form);
	return stored == NULL && result == PASSWORD_RIGHT ? PASSWORD_WRONG : result;
}
