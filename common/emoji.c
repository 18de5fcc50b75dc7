#include "common/emoji.h"

#include <string.h>
#include <utf8proc.h>

#include "common/code_points.h"

#define JOINER 0x200D /* ZWJ */
#define KEYCAP 0x20E3
#define EMOJI_PRESENTATION 0xFE0F
#define TAG_FIRST 0xE0020
#define TAG_LAST 0xE007E
#define TAG_END 0xE007F

/* emoji_properties.c */
extern const struct code_points emoji_characters, emoji_modifiers, emoji_modifier_bases,
	emoji_regional_indicators;

/* The code points that are left; a 0 follows them. */
struct scan {
	uint32_t points[EMOJI_MAX + 1];
	const uint32_t *at;
};

static bool take(struct scan *s, uint32_t c)
{
	if (*s->at != c)
		return false;
	s->at++;
	return true;
}

static bool take_of(struct scan *s, const struct code_points *set)
{
	if (!code_points_have(set, *s->at))
		return false;
	s->at++;
	return true;
}

static bool take_tags(struct scan *s)
{
	if (*s->at < TAG_FIRST || *s->at > TAG_LAST)
		return false;
	while (*s->at >= TAG_FIRST && *s->at <= TAG_LAST)
		s->at++;
	return take(s, TAG_END);
}

/* True if what may follow the base of an element, if anything, is well-formed. */
static bool take_modification(struct scan *s, uint32_t base)
{
	if (code_points_have(&emoji_modifier_bases, base) && take_of(s, &emoji_modifiers))
		return true;
	/* ASCII: a digit, # or *, which is an emoji as a keycap only. */
	if (base >= 0x80 && *s->at >= TAG_FIRST && *s->at <= TAG_END)
		return take_tags(s);
	take(s, EMOJI_PRESENTATION);
	return take(s, KEYCAP) || base >= 0x80;
}

static bool take_element(struct scan *s)
{
	uint32_t base = *s->at;

	return !code_points_have(&emoji_modifiers, base) &&
		!code_points_have(&emoji_regional_indicators, base) &&
		take_of(s, &emoji_characters) && take_modification(s, base);
}

static bool take_emoji(struct scan *s)
{
	if (take_of(s, &emoji_regional_indicators))
		return take_of(s, &emoji_regional_indicators);
	do {
		if (!take_element(s))
			return false;
	} while (take(s, JOINER));
	return true;
}

size_t emoji_read(const char *s, size_t len, char emoji[EMOJI_MAX])
{
	struct scan scan = { .at = scan.points };
	const uint8_t *bytes = (const uint8_t *)s;
	size_t n = 0, emoji_len = 0;

	if (len > EMOJI_MAX)
		return 0;
	for (size_t i = 0; i < len;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t size =
			utf8proc_iterate(bytes + i, (utf8proc_ssize_t)(len - i), &c);

		if (size <= 0)
			return 0;
		scan.points[n++] = (uint32_t)c;
		if (c != EMOJI_PRESENTATION) {
			memcpy(emoji + emoji_len, s + i, (size_t)size);
			emoji_len += (size_t)size;
		}
		i += (size_t)size;
	}
	return take_emoji(&scan) && scan.at == scan.points + n ? emoji_len : 0;
}
