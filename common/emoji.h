/*
 * emoji: recognizes one emoji.
 *
 * Owns: nothing. Knows nothing of: messages, fonts.
 *
 * The grammar is that of UTS #51, section 1.4.9, with three exceptions. A digit, # and * are only the base of a keycap. A
 * skin tone only follows an Emoji_Modifier_Base. A regional indicator is only half of a flag.
 *
 *	emoji    := flag | element (ZWJ element)*
 *	flag     := Regional_Indicator Regional_Indicator
 *	element  := Emoji (Emoji_Modifier | U+FE0F? U+20E3 | U+FE0F | tags)?
 *	tags     := [U+E0020..U+E007E]+ U+E007F
 */
#ifndef PARLEY_EMOJI_H
#define PARLEY_EMOJI_H

#include <stddef.h>

#define EMOJI_MAX 64 /* bytes */

/*
 * Reads one emoji.
 *   s, len  valid UTF-8
 *   emoji   receives it without U+FE0F, which only selects a presentation; it is then accepted again
 * Returns its length in bytes; 0 if s is not one emoji or is longer than EMOJI_MAX.
 */
size_t emoji_read(const char *s, size_t len, char emoji[EMOJI_MAX]);

#endif
