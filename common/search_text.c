#include "common/search_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/utf8.h"
#include "common/xalloc.h"

/* Code points of a cluster; a longer one is folded in pieces. */
#define CLUSTER_MAX 64
#define EXPANSION_MAX 18 /* of one code point, U+FDFA (UAX #15) */

struct range {
	int32_t first, last;
};

/* clang-format off */
static const struct range anywhere_ranges[] = {
	{ 0x2190, 0x2bff }, { 0x3040, 0x30ff }, { 0x3400, 0x9fff }, { 0xac00, 0xd7af }, { 0xf900, 0xfaff },
	{ 0x1f000, 0x1faff }, { 0x20000, 0x3ffff },
};
static const struct range gap_ranges[] = {
	{ 0x00, 0x2f }, { 0x3a, 0x60 }, { 0x7b, 0xbf }, { 0xd7, 0xd7 }, { 0xf7, 0xf7 }, { 0x2000, 0x206f },
	{ 0x3000, 0x303f }, { 0xff00, 0xff0f },
};
/* Accents, Hebrew points, Arabic marks, the soft hyphen, variation selectors. */
static const struct range mark_ranges[] = {
	{ 0xad, 0xad }, { 0x300, 0x36f }, { 0x591, 0x5c7 }, { 0x64b, 0x65f }, { 0x670, 0x670 }, { 0xfe00, 0xfe0f },
};
/* clang-format on */

#define IS_IN(c, ranges) is_in(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

static bool is_in(int32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static bool is_anywhere(int32_t c)
{
	return c >= 0x2190 && IS_IN(c, anywhere_ranges);
}

static bool is_gap(int32_t c)
{
	return IS_IN(c, gap_ranges);
}

/* Folding. */

/* A folded code point, and the UTF-16 code units of the text that it is made of. */
struct point {
	int32_t c;
	uint32_t start, end;
};

struct folded {
	struct point *at;
	size_t n, cap;
};

/* What is folded together, since it may be composed: a character and its marks. */
struct cluster {
	int32_t points[CLUSTER_MAX + EXPANSION_MAX];
	size_t n;
	uint32_t start, end;
};

static void cluster_end(struct folded *f, struct cluster *c)
{
	utf8proc_ssize_t n = 0;

	if (c->n > 0)
		n = utf8proc_normalize_utf32(
			c->points, (utf8proc_ssize_t)c->n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	for (utf8proc_ssize_t i = 0; i < n; i++) {
		if (f->n == f->cap) {
			f->cap = f->cap == 0 ? 256 : 2 * f->cap;
			f->at = xreallocarray(f->at, f->cap, sizeof(*f->at));
		}
		f->at[f->n++] = (struct point){ c->points[i], c->start, c->end };
	}
	c->n = 0;
}

/* Appends one code point of the text: decomposed, without marks, in lower case. */
static void cluster_add(struct cluster *c, int32_t point)
{
	int32_t *to = c->points + c->n;
	utf8proc_ssize_t n = utf8proc_decompose_char(point, to, EXPANSION_MAX,
		UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE, NULL);

	for (utf8proc_ssize_t i = 0; i < n && i < EXPANSION_MAX; i++) {
		int32_t lower = utf8proc_tolower(to[i]);

		if (!IS_IN(lower, mark_ranges))
			c->points[c->n++] = lower == 0x3c2 ? 0x3c3 : lower; /* final sigma */
	}
}

/* True if a code point may be composed with the one before it: a mark, or a vowel or final of hangul. */
static bool continues(int32_t c)
{
	return utf8proc_get_property(c)->combining_class != 0 || (c >= 0x1160 && c <= 0x11ff);
}

static struct folded fold(const char *s, size_t len)
{
	const uint8_t *at = (const uint8_t *)s, *end = at + len;
	struct cluster c = { .n = 0 };
	struct folded f = { NULL, 0, 0 };
	uint32_t unit = 0;

	while (at < end) {
		int32_t point;
		utf8proc_ssize_t n = utf8proc_iterate(at, end - at, &point);

		if (n <= 0)
			break;
		if (!continues(point) || c.n >= CLUSTER_MAX) {
			cluster_end(&f, &c);
			c.start = unit;
		}
		at += n;
		unit += point > 0xffff ? 2 : 1;
		c.end = unit;
		cluster_add(&c, point);
	}
	cluster_end(&f, &c);
	return f;
}

/* The query. */

const char *search_text_kind(enum search_kind kind)
{
	static const char *const names[] = { "word", "phrase", "part" };

	return names[kind];
}

/* Divides the folded text of a term. Returns false if it has no letters. */
static bool tokenize(struct search_term *t)
{
	struct folded f = fold(t->text, t->len);

	t->points = xmalloc(f.n * sizeof(*t->points) + 1);
	t->tokens = xmalloc(f.n * sizeof(*t->tokens) + 1);
	t->n_tokens = 0;
	for (uint32_t i = 0; i < f.n; i++) {
		bool anywhere = is_anywhere(t->points[i] = f.at[i].c);
		struct search_token *last = t->n_tokens > 0 ? &t->tokens[t->n_tokens - 1] : NULL;

		if (is_gap(t->points[i]))
			continue;
		if (last != NULL && last->first + last->n == i && last->anywhere == anywhere)
			last->n++;
		else
			t->tokens[t->n_tokens++] = (struct search_token){ i, 1, anywhere };
	}
	free(f.at);
	return t->n_tokens > 0;
}

static void term_fini(struct search_term *t)
{
	free(t->points);
	free(t->tokens);
}

/* Adds a term, unless it has no letters. Returns NULL or the reason for which the query is not valid. */
static const char *add_term(
	struct search_query *q, enum search_kind kind, const char *s, const char *end)
{
	struct search_term t = { .kind = kind, .text = s, .len = (size_t)(end - s) };

	if (!tokenize(&t)) {
		term_fini(&t);
		return NULL;
	}
	if (q->n == SEARCH_TEXT_TERMS_MAX) {
		term_fini(&t);
		return "must have at most 8 terms";
	}
	q->terms[q->n++] = t;
	if (kind == SEARCH_PART && !t.tokens[0].anywhere && t.tokens[0].n < SEARCH_TEXT_PART_MIN)
		return "must have at least 3 letters after *";
	return NULL;
}

static bool is_space(int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return (c >= '\t' && c <= '\r') || c == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
		category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

/* Keyboards replace the quotation mark by others. */
static bool is_quote(int32_t c)
{
	return c == '"' || (c >= 0x201c && c <= 0x201f);
}

/* Moves *s behind one code point, which it returns. */
static int32_t next_point(const char **s, const char *end)
{
	int32_t c = 0;
	utf8proc_ssize_t n = utf8proc_iterate((const uint8_t *)*s, end - *s, &c);

	*s = n > 0 ? *s + n : end;
	return c;
}

/* Moves *s behind the quotation mark, or to the end of the query. Returns the end of the phrase. */
static const char *phrase_end(const char **s, const char *end)
{
	while (*s < end) {
		const char *before = *s;

		if (is_quote(next_point(s, end)))
			return before;
	}
	return end;
}

/* Moves *s to the end of the term. */
static const char *word_end(const char **s, const char *end)
{
	while (*s < end) {
		const char *before = *s;
		int32_t c = next_point(s, end);

		if (is_space(c) || is_quote(c))
			return *s = before;
	}
	return end;
}

const char *search_text_parse(struct search_query *q, const char *s, size_t len)
{
	const char *end = s + len, *problem = NULL;

	q->n = 0;
	if (utf8_count(s, len) > SEARCH_TEXT_CHARS_MAX)
		return "must have at most 256 characters";
	while (s < end && problem == NULL) {
		const char *start = s, *stop;
		int32_t c = next_point(&s, end);

		if (is_space(c))
			continue;
		if (is_quote(c)) {
			start = s;
			stop = phrase_end(&s, end);
			problem = add_term(q, SEARCH_PHRASE, start, stop);
		} else if (c == '*') {
			start = s;
			stop = word_end(&s, end);
			problem = add_term(q, SEARCH_PART, start, stop);
		} else {
			stop = word_end(&s, end);
			problem = add_term(q, SEARCH_WORD, start, stop);
		}
	}
	if (problem == NULL && q->n == 0 && len > 0)
		problem = "must have letters or digits";
	return problem;
}

void search_text_fini(struct search_query *q)
{
	for (size_t i = 0; i < q->n; i++)
		term_fini(&q->terms[i]);
	q->n = 0;
}

/* Matching. */

/* True if a word may begin or end between two code points of the text. */
static bool is_edge(const struct folded *f, size_t i)
{
	return i == f->n || is_gap(f->at[i].c) || is_anywhere(f->at[i].c);
}

static bool token_at(const struct folded *f, size_t i, const struct search_term *t,
	const struct search_token *token)
{
	if (token->n > f->n - i)
		return false;
	for (uint32_t k = 0; k < token->n; k++)
		if (f->at[i + k].c != t->points[token->first + k])
			return false;
	return true;
}

static bool term_ends_word(const struct search_term *t)
{
	return t->kind == SEARCH_PHRASE ||
		(t->kind == SEARCH_WORD && t->n_tokens == 1 && t->tokens[0].n == 1);
}

/* Returns the end of a term that begins at point i; 0 if it does not. */
static size_t term_at(const struct folded *f, size_t i, const struct search_term *t)
{
	const struct search_token *last = &t->tokens[t->n_tokens - 1];

	if (t->kind != SEARCH_PART && !t->tokens[0].anywhere && i > 0 && !is_edge(f, i - 1))
		return 0;
	for (const struct search_token *token = t->tokens; token <= last; token++) {
		size_t gap = i;

		while (token > t->tokens && i < f->n && is_gap(f->at[i].c))
			i++;
		if (token > t->tokens && i == gap && !token->anywhere && !token[-1].anywhere)
			return 0;
		if (!token_at(f, i, t, token))
			return 0;
		i += token->n;
	}
	return term_ends_word(t) && !last->anywhere && !is_edge(f, i) ? 0 : i;
}

/* Finds the next match from point *i on, of the term that has the longest one; moves *i to its end. */
static bool next_match(
	const struct folded *f, const struct search_query *q, size_t *i, struct point *match)
{
	for (; *i < f->n; ++*i) {
		size_t end = 0;

		for (size_t k = 0; k < q->n; k++) {
			size_t e = term_at(f, *i, &q->terms[k]);

			end = e > end ? e : end;
		}
		if (end > 0) {
			*match = (struct point){ 0, f->at[*i].start, f->at[end - 1].end };
			*i = end;
			return true;
		}
	}
	return false;
}

void search_text_put_highlights(
	struct buf *b, const struct search_query *q, const char *s, size_t len)
{
	struct folded f = fold(s, len);
	struct point match;
	uint32_t end = 0;
	size_t i = 0, n = 0;

	buf_add_char(b, '[');
	while (n < SEARCH_TEXT_HIGHLIGHTS_MAX && next_match(&f, q, &i, &match)) {
		/* Two matches may share the character that a ligature was folded from. */
		if (match.start < end)
			continue;
		buf_addf(b, n++ > 0 ? ",[%u,%u]" : "[%u,%u]", match.start, match.end - match.start);
		end = match.end;
	}
	buf_add_char(b, ']');
	free(f.at);
}
