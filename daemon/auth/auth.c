#include "auth/auth.h"

#include <string.h>
#include <strings.h>

#include "common/log.h"

void auth_mint(char token[TOKEN_CHARS + 1])
{
	if (!token_make(token))
		log_fatal("random_failed");
}

static bool is_base64url(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_';
}

bool auth_hash(uint8_t hash[TOKEN_DIGEST_SIZE], const char *token, size_t len)
{
	if (len != TOKEN_CHARS)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_base64url(token[i]))
			return false;
	if (!token_digest(token, len, hash))
		log_fatal("sha256_failed");
	return true;
}

struct text auth_bearer(const char *value)
{
	static const char scheme[] = "bearer";
	const size_t len = sizeof(scheme) - 1;
	struct text t = { NULL, 0 };

	if (strncasecmp(value, scheme, len) != 0 || (value[len] != '\0' && value[len] != ' '))
		return t;
	t.data = value + len + strspn(value + len, " ");
	t.len = strlen(t.data);
	return t;
}

struct text auth_cookie(const char *value, const char *name)
{
	const size_t name_len = strlen(name);

	while (*value != '\0') {
		size_t len;

		value += strspn(value, "; \t");
		len = strcspn(value, ";");
		if (len > name_len && value[name_len] == '=' &&
			memcmp(value, name, name_len) == 0) {
			struct text t = { value + name_len + 1, len - name_len - 1 };

			while (t.len > 0 && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
				t.len--;
			return t;
		}
		value += len;
	}
	return (struct text){ NULL, 0 };
}
