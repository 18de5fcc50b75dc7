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

/* State between pieces of one text; 0 at its start and between whole characters. */
typedef uint32_t utf8_state;
#define UTF8_START 0u
#define UTF8_BROKEN 1u /* final: the text can no longer become valid */

/*
 * Feeds len bytes; returns the new state. UTF8_BROKEN at the first byte that cannot stand there
 * (so a fragmented WebSocket text fails fast, RFC 6455 8.1).
 */
utf8_state utf8_feed(utf8_state state, const void *bytes, size_t len);

/* True where all len bytes are whole, valid characters. */
bool utf8_valid(const void *bytes, size_t len);

/* Code points in valid UTF-8. */
size_t utf8_count(const void *bytes, size_t len);

#endif
