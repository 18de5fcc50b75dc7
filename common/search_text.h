/*
 * search_text: the query of a search, and where a text matches it.
 *
 * Owns: the folded terms of a query. Knows nothing of: the database, which searches by the same rules (search_query in
 * migrations/functions.sql).
 *
 * A text is folded: no case, no accents, compatibility characters replaced. Its characters are letters, characters that are
 * found anywhere (ideographs, kana, hangul, symbols and emoji), or gaps. A term is a sequence of words and of runs of the
 * second kind, which gaps separate in the text as well:
 *
 *	foo          a word that begins so; a single letter is a whole word
 *	"foo bar"    these words
 *	*foo         in the middle of a word as well
 */
#ifndef PARLEY_SEARCH_TEXT_H
#define PARLEY_SEARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define SEARCH_TEXT_CHARS_MAX 256 /* code points of a query */
#define SEARCH_TEXT_TERMS_MAX 8
#define SEARCH_TEXT_PART_MIN 3 /* letters of a part of a word */
#define SEARCH_TEXT_HIGHLIGHTS_MAX 100 /* of one text */

enum search_kind { SEARCH_WORD, SEARCH_PHRASE, SEARCH_PART };

/* A word of a term, or a run of characters that are found anywhere. */
struct search_token {
	uint32_t first, n; /* folded code points */
	bool anywhere;
};

struct search_term {
	enum search_kind kind;
	const char *text; /* as it was written, without quotes and star; part of the query */
	size_t len;
	int32_t *points; /* folded */
	struct search_token *tokens;
	size_t n_tokens; /* at least 1 */
};

struct search_query {
	struct search_term terms[SEARCH_TEXT_TERMS_MAX];
	size_t n;
};

/* The kind as the database knows it. */
const char *search_text_kind(enum search_kind kind);

/*
 * Parses a query. Terms without letters are left out.
 *   q       overwritten; freed by search_text_fini, also after an error. It refers to s
 *   s, len  valid UTF-8; an empty one has no terms
 * Returns NULL, or the reason for which it is not valid: too long, too many terms, a part that is too short, or no letters.
 */
const char *search_text_parse(struct search_query *q, const char *s, size_t len);

void search_text_fini(struct search_query *q);

/*
 * Appends [[start,length],…]: where the terms are in a text, in UTF-16 code units, in ascending order, without overlaps; the
 * first SEARCH_TEXT_HIGHLIGHTS_MAX.
 *   s, len  valid UTF-8
 */
void search_text_put_highlights(
	struct buf *b, const struct search_query *q, const char *s, size_t len);

#endif
