/*
 * utf8: validation and counting of UTF-8 (RFC 3629: no surrogates, no overlong forms, <= U+10FFFF).
 *
 * Owns: nothing. Knows nothing of: JSON, frames.
 */
#ifndef PARLEY_UTF8_H
#define PARLEY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state between pieces of a text; UTF8_START at its start and between whole characters. */
typedef uint32_t utf8_state;
#define UTF8_START 0u
#define UTF8_BROKEN 1u /* final: the text is invalid, whatever follows */

/*
 * Feeds a piece of a text.
 *   state  UTF8_START, or what the call for the piece before returned
 *   bytes  len bytes; a character may be split between pieces
 * Returns the new state: UTF8_BROKEN from the first invalid byte on, as RFC 6455, section 8.1 requires of a fragmented
 * WebSocket text.
 */
utf8_state utf8_feed(utf8_state state, const void *bytes, size_t len);

/* True if bytes (len of them) are whole, valid characters. */
bool utf8_valid(const void *bytes, size_t len);

#define UTF8_BYTES_MAX 4u /* of one code point */

/* The number of code points in len bytes of valid UTF-8. */
size_t utf8_count(const void *bytes, size_t len);

#endif
