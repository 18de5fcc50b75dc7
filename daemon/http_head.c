#include "http_head.h"

/* Of a line. */
enum {
	LINE_START,
	LINE_LENGTH, /* is like "content-length" so far */
	LINE_ENCODING, /* is like "transfer-encoding" so far */
	LINE_BLANK, /* the encoding's value: blanks before it */
	LINE_VALUE, /* is like "chunked" so far */
	LINE_CHUNKED, /* is it; only blanks may follow */
	LINE_OTHER
};

static const char length_name[] = "content-length:";
static const char encoding_name[] = "transfer-encoding:";
static const char chunked_name[] = "chunked";

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void saw(struct http_head *h, bool *what)
{
	h->ambiguous |= h->length || h->chunked;
	*what = true;
}

static void end_line(struct http_head *h)
{
	if (h->state == LINE_CHUNKED)
		saw(h, &h->chunked);
	else if (h->state == LINE_BLANK || h->state == LINE_VALUE)
		h->ambiguous = true;
	h->ended = h->state == LINE_START && h->started;
	h->started = true;
	h->state = LINE_START;
}

/* One more byte of a word; at its end the state is `whole`. */
static void compare(struct http_head *h, const char *word, char c, uint8_t whole)
{
	if (lower(c) != word[h->at])
		h->state = LINE_OTHER;
	else if (word[++h->at] == '\0')
		h->state = whole;
}

static void feed(struct http_head *h, char c)
{
	bool blank = c == ' ' || c == '\t';

	switch (h->state) {
	case LINE_START:
		h->at = 0;
		h->state = LINE_OTHER;
		if (!h->started)
			break;
		h->state = lower(c) == length_name[0] ? LINE_LENGTH : LINE_ENCODING;
		compare(h, h->state == LINE_LENGTH ? length_name : encoding_name, c, LINE_OTHER);
		break;
	case LINE_LENGTH:
		compare(h, length_name, c, LINE_OTHER);
		if (h->at == sizeof(length_name) - 1)
			saw(h, &h->length);
		break;
	case LINE_ENCODING:
		compare(h, encoding_name, c, LINE_BLANK);
		break;
	case LINE_BLANK:
		if (blank)
			break;
		h->at = 0;
		h->state = LINE_VALUE;
		/* fall through */
	case LINE_VALUE:
		compare(h, chunked_name, c, LINE_CHUNKED);
		h->ambiguous |= h->state == LINE_OTHER;
		break;
	case LINE_CHUNKED:
		if (!blank) {
			h->ambiguous = true;
			h->state = LINE_OTHER;
		}
		break;
	default:
		break;
	}
}

void http_head_feed(struct http_head *h, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !h->ended; i++) {
		h->bytes++;
		if (bytes[i] == '\n')
			end_line(h);
		else if (bytes[i] != '\r')
			feed(h, bytes[i]);
	}
}
