#include "common/utf8.h"

#include <string.h>

/*
 * Within a character the state holds the number of missing continuation bytes and the least and greatest value of the
 * next one. Only the byte after the first has a range narrower than 80..BF, which excludes overlong forms, surrogates and
 * values above U+10FFFF (RFC 3629, section 4).
 */
#define WANT(missing, least, greatest) \
	((utf8_state)(missing) << 16 | (utf8_state)(least) << 8 | (utf8_state)(greatest))
#define MISSING(state) ((state) >> 16)
#define LEAST(state) ((state) >> 8 & 0xFF)
#define GREATEST(state) ((state)&0xFF)

static utf8_state first_byte(uint8_t byte)
{
	if (byte < 0x80)
		return UTF8_START;
	if (byte < 0xC2)
		return UTF8_BROKEN; /* a continuation, or overlong for ASCII */
	if (byte < 0xE0)
		return WANT(1, 0x80, 0xBF);
	if (byte < 0xF0)
		return WANT(2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF);
	if (byte < 0xF5)
		return WANT(3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF);
	return UTF8_BROKEN;
}

static utf8_state next_byte(utf8_state state, uint8_t byte)
{
	if (byte < LEAST(state) || byte > GREATEST(state))
		return UTF8_BROKEN;
	if (MISSING(state) == 1)
		return UTF8_START;
	return WANT(MISSING(state) - 1, 0x80, 0xBF);
}

static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
	uint64_t eight;

	while (end - at >= (ptrdiff_t)sizeof(eight)) {
		memcpy(&eight, at, sizeof(eight));
		if (eight & UINT64_C(0x8080808080808080))
			break;
		at += sizeof(eight);
	}
	while (at < end && *at < 0x80)
		at++;
	return at;
}

utf8_state utf8_feed(utf8_state state, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	const uint8_t *end = at + len;

	while (at < end && state != UTF8_BROKEN) {
		if (state != UTF8_START) {
			state = next_byte(state, *at++);
		} else if (*at < 0x80) {
			at = skip_ascii(at, end);
		} else {
			state = first_byte(*at++);
		}
	}
	return state;
}

bool utf8_valid(const void *bytes, size_t len)
{
	return utf8_feed(UTF8_START, bytes, len) == UTF8_START;
}

size_t utf8_count(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (at[i] & 0xC0) != 0x80; /* every byte but the continuations */
	return n;
}
