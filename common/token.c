#include "common/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define TOKEN_BYTES 32

bool token_make(char token[TOKEN_CHARS + 1])
{
	unsigned char bytes[TOKEN_BYTES], base64[4 * ((TOKEN_BYTES + 2) / 3) + 1];
	int i;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	EVP_EncodeBlock(base64, bytes, sizeof(bytes));
	for (i = 0; i < TOKEN_CHARS; i++)
		token[i] = base64[i] == '+' ? '-' : base64[i] == '/' ? '_' : (char)base64[i];
	token[TOKEN_CHARS] = '\0';
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(base64, sizeof(base64));
	return true;
}

bool token_make_code(char code[TOKEN_CODE_CHARS + 1])
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const unsigned base = sizeof(digits) - 1;
	int n = 0;

	while (n < TOKEN_CODE_CHARS) {
		unsigned char byte;

		if (RAND_bytes(&byte, 1) != 1)
			return false;
		/* The rest of the values would make some digits more likely than others. */
		if (byte < 256 / base * base)
			code[n++] = digits[byte % base];
	}
	code[n] = '\0';
	return true;
}

bool token_digest(const char *token, size_t len, unsigned char digest[TOKEN_DIGEST_SIZE])
{
	return EVP_Digest(token, len, digest, NULL, EVP_sha256(), NULL) == 1;
}
