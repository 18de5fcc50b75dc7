/*
 * unicode: normal forms and visibility of text, by libutf8proc.
 *
 * Owns: nothing. Knows nothing of: names, passwords.
 */
#ifndef PARLEY_UNICODE_H
#define PARLEY_UNICODE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* No text has fewer than a quarter of its code points in NFC (UAX #15, section 9). */
#define UNICODE_NFC_FACTOR 4

/*
 * Normalization form C (UAX #15).
 *   s, len   UTF-8; may contain NUL
 *   nfc_len  set to the length of the result in bytes
 * Returns the normal form, NUL-terminated, to be freed by the caller; NULL if s is not valid UTF-8.
 * The time is quadratic in the number of consecutive combining marks: bound len first.
 */
char *unicode_nfc(const char *s, size_t len, size_t *nfc_len);

/*
 * The OpaqueString profile of RFC 8265, section 4.2: each non-ASCII space becomes U+0020, then NFC. Nothing is rejected
 * but invalid UTF-8. Arguments and result as of unicode_nfc. All other copies of the text are wiped.
 */
char *unicode_opaque(const char *s, size_t len, size_t *opaque_len);

/*
 * Appends the words of a name or of a search, folded (NFKC_Casefold, UAX #44) and separated by one space. Names that differ
 * only in case, normal form, width or white space have the same words. Appends nothing if s is not valid UTF-8.
 *   to      a space separates the words from what it has
 *   s, len  as of unicode_nfc
 */
void unicode_put_words(struct buf *to, const char *s, size_t len);

/*
 * True if at least one code point of s (len bytes of valid UTF-8) is visible: one that is not default-ignorable, white
 * space, a control or format character, unassigned, of private use, or U+2800 (the empty Braille pattern).
 */
bool unicode_visible(const char *s, size_t len);

#endif
