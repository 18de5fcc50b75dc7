#include "http/http_head.h"

#include <string.h>

/* Far more than a body may have; a larger number is not read on. */
#define SIZE_LIMIT (UINT64_C(1) << 40)

enum {
	/* lines of the head */
	LINE_START,
	LINE_NAME,
	LINE_LENGTH_NAME, /* a prefix of "content-length:" so far */
	LINE_ENCODING_NAME, /* a prefix of "transfer-encoding:" so far */
	LINE_SPACE, /* before a value */
	LINE_VALUE, /* or the request line */
	LINE_LENGTH_VALUE, /* of Content-Length */
	LINE_ENCODING_SPACE, /* before the value of Transfer-Encoding */
	LINE_ENCODING_VALUE, /* a prefix of "chunked" so far */
	LINE_CHUNKED, /* only white space may follow */
	BODY, /* of a known length */
	/* a chunked body */
	CHUNK_START, /* of the line with its size */
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_DATA,
	CHUNK_END, /* the empty rest of the line after the data */
	/* lines of the trailer section */
	TRAILER_START,
	TRAILER_NAME,
	TRAILER_VALUE
};

static const char length_name[] = "content-length:";
static const char encoding_name[] = "transfer-encoding:";
static const char chunked_name[] = "chunked";

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool http_is_token_char(char c)
{
	return c != '\0' &&
		strchr("!#$%&'*+-.^_`|~"
		       "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
			c) != NULL;
}

/* Sets one of the two fields that frame a body. */
static void set_framing(struct http_head *h, bool *field)
{
	h->is_malformed |= h->has_length || h->is_chunked;
	*field = true;
}

/* RFC 9112 2.3 */
static bool is_version(uint64_t bytes)
{
	return bytes >> 8 == UINT64_C(0x485454502f312e) /* HTTP/1. */ && (bytes & 0xff) >= '0' &&
		(bytes & 0xff) <= '9';
}

static void end_head_line(struct http_head *h)
{
	if (!h->started)
		h->is_malformed |= !is_version(h->last_8);
	if (h->state == LINE_CHUNKED)
		set_framing(h, &h->is_chunked);
	else if (h->state == LINE_ENCODING_SPACE || h->state == LINE_ENCODING_VALUE)
		h->is_malformed = true;
	h->ended = h->state == LINE_START && h->started;
	h->complete = h->ended && !h->is_chunked && h->left == 0;
	h->started = true;
	if (!h->ended)
		h->state = LINE_START;
	else
		h->state = h->is_chunked ? CHUNK_START : BODY;
}

static void end_body_line(struct http_head *h)
{
	switch (h->state) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		h->in_trailers = h->left == 0;
		h->state = h->in_trailers ? TRAILER_START : CHUNK_DATA;
		break;
	case CHUNK_END:
		h->state = CHUNK_START;
		break;
	case TRAILER_VALUE:
		h->state = TRAILER_START;
		break;
	case TRAILER_START:
		h->complete = true;
		break;
	default:
		h->is_malformed = true;
		break;
	}
}

/* The next character of a field's name. */
static void feed_name(struct http_head *h, char c)
{
	h->state = c == ':' ? LINE_SPACE : LINE_NAME;
}

/* Compares the next character with a word; at the word's end the state becomes `whole`. False if they differ. */
static bool compare(struct http_head *h, const char *word, char c, uint8_t whole)
{
	if (lower(c) != word[h->matched])
		return false;
	/* `matched` is 0 at the start of each word, and the end of a word has its own state. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	if (word[++h->matched] == '\0')
		h->state = whole;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* RFC 9112 7.1 */
static void feed_body_line(struct http_head *h, char c)
{
	if ((h->state == CHUNK_START || h->state == CHUNK_SIZE) && hex(c) >= 0) {
		if (h->left < SIZE_LIMIT)
			h->left = h->left * 16 + (uint64_t)hex(c);
		h->state = CHUNK_SIZE;
	} else if (h->state == CHUNK_SIZE && c == ';') {
		h->state = CHUNK_EXTENSION;
	} else if ((h->state == TRAILER_START || h->state == TRAILER_NAME) &&
		http_is_token_char(c)) {
		h->state = TRAILER_NAME;
	} else if (h->state == TRAILER_NAME && c == ':') {
		h->state = TRAILER_VALUE;
	} else if (h->state != CHUNK_EXTENSION && h->state != TRAILER_VALUE) {
		h->is_malformed = true;
	}
}

static void feed_line_start(struct http_head *h, char c)
{
	h->state = LINE_VALUE;
	if (!h->started)
		return;
	h->is_malformed |= c == ' ' || c == '\t'; /* a folded line (RFC 9112 5.2) */
	h->matched = 0;
	h->state = lower(c) == length_name[0] ? LINE_LENGTH_NAME : LINE_ENCODING_NAME;
	if (!compare(h, h->state == LINE_LENGTH_NAME ? length_name : encoding_name, c, LINE_VALUE))
		feed_name(h, c);
}

static void feed_length(struct http_head *h, char *c)
{
	if (*c == '\t')
		*c = ' ';
	if (*c < '0' || *c > '9')
		return;
	if (h->left < SIZE_LIMIT)
		h->left = h->left * 10 + (uint64_t)(*c - '0');
	*c = '0';
}

static void feed_head_line(struct http_head *h, char *c)
{
	bool is_space = *c == ' ' || *c == '\t';

	switch (h->state) {
	case LINE_START:
		feed_line_start(h, *c);
		break;
	case LINE_NAME:
		feed_name(h, *c);
		break;
	case LINE_LENGTH_NAME:
		if (!compare(h, length_name, *c, LINE_LENGTH_VALUE))
			feed_name(h, *c);
		else if (h->state == LINE_LENGTH_VALUE)
			set_framing(h, &h->has_length);
		break;
	case LINE_LENGTH_VALUE: /* http_fields_problem rejects other characters than digits */
		feed_length(h, c);
		break;
	case LINE_ENCODING_NAME:
		if (!compare(h, encoding_name, *c, LINE_ENCODING_SPACE))
			feed_name(h, *c);
		break;
	case LINE_SPACE:
		if (is_space)
			*c = ' ';
		else
			h->state = LINE_VALUE;
		break;
	case LINE_ENCODING_SPACE:
		if (is_space) {
			*c = ' ';
			break;
		}
		h->matched = 0;
		h->state = LINE_ENCODING_VALUE;
		/* fall through */
	case LINE_ENCODING_VALUE:
		if (!compare(h, chunked_name, *c, LINE_CHUNKED)) {
			h->is_malformed = true;
			h->state = LINE_VALUE;
		} else if (h->matched == 1) {
			*c = 'x';
		}
		break;
	case LINE_CHUNKED:
		if (!is_space) {
			h->is_malformed = true;
			h->state = LINE_VALUE;
		}
		break;
	default:
		break;
	}
}

/* One byte of a line. A CR may only be part of its end (RFC 9112 2.2). */
static void feed(struct http_head *h, char *c)
{
	bool in_head = !h->ended;

	h->bytes += in_head || h->in_trailers;
	h->is_malformed |= *c == '\0' || (h->after_cr && *c != '\n');
	h->after_cr = *c == '\r';
	if (!h->started && *c != '\r' && *c != '\n')
		h->last_8 = h->last_8 << 8 | (unsigned char)*c;
	if (!h->started && h->bytes == 5)
		h->is_head = h->last_8 == UINT64_C(0x4845414420); /* "HEAD " */
	if (*c == '\n' && in_head)
		end_head_line(h);
	else if (*c == '\n')
		end_body_line(h);
	else if (*c != '\r' && in_head)
		feed_head_line(h, c);
	else if (*c != '\r')
		feed_body_line(h, *c);
}

size_t http_head_feed(struct http_head *h, char *bytes, size_t len, struct buf *body)
{
	bool in_head = !h->ended;
	size_t i = 0;

	while (i < len && !h->complete && !(in_head && h->ended)) {
		size_t n = len - i < h->left ? len - i : (size_t)h->left;

		if (h->state != BODY && h->state != CHUNK_DATA) {
			feed(h, &bytes[i++]);
			continue;
		}
		if (body != NULL)
			buf_add(body, bytes + i, n);
		i += n;
		h->left -= n;
		h->body += n;
		if (h->left == 0 && h->state == BODY)
			h->complete = true;
		else if (h->left == 0)
			h->state = CHUNK_END;
	}
	return i;
}

const char *http_head_problem(const struct http_head *h)
{
	if (!h->is_malformed)
		return NULL;
	if (h->in_trailers)
		return "A trailer field is not well-formed.";
	if (h->ended && h->is_chunked)
		return "The head or a chunk of the request is not well-formed.";
	return "The head is not well-formed, or does not tell where the request ends: at most one "
	       "Content-Length, or one "
	       "Transfer-Encoding that is chunked.";
}
