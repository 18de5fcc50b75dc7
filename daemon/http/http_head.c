#include "http/http_head.h"

/* Far more than a body may have. */
#define CHUNK_MAX (UINT64_C(1) << 40)

/* Of a line; after the head, of a chunked body. */
enum {
	LINE_START,
	LINE_LENGTH, /* is like "content-length" so far */
	LINE_ENCODING, /* is like "transfer-encoding" so far */
	LINE_BLANK, /* the encoding's value: blanks before it */
	LINE_VALUE, /* is like "chunked" so far */
	LINE_CHUNKED, /* is it; only blanks may follow */
	LINE_OTHER,
	CHUNK_START, /* of the line with its size */
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_DATA,
	CHUNK_END, /* the rest of the data's last line, which is empty */
	CHUNK_LAST /* the end: no trailers are taken, which evhttp would put among the headers */
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

/* RFC 9112 2.3 */
static bool is_version(uint64_t bytes)
{
	return bytes >> 8 == UINT64_C(0x485454502f312e) /* HTTP/1. */ && (bytes & 0xff) >= '0' &&
		(bytes & 0xff) <= '9';
}

static void end_head_line(struct http_head *h)
{
	if (!h->started)
		h->ambiguous |= !is_version(h->newest);
	if (h->state == LINE_CHUNKED)
		saw(h, &h->chunked);
	else if (h->state == LINE_BLANK || h->state == LINE_VALUE)
		h->ambiguous = true;
	h->ended = h->state == LINE_START && h->started;
	h->whole = h->ended && !h->chunked;
	h->started = true;
	h->state = h->ended ? CHUNK_START : LINE_START;
}

static void end_chunk_line(struct http_head *h)
{
	switch (h->state) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		h->state = h->chunk != 0 ? CHUNK_DATA : CHUNK_LAST;
		break;
	case CHUNK_END:
		h->state = CHUNK_START;
		break;
	case CHUNK_LAST:
		h->whole = true;
		break;
	default:
		h->ambiguous = true;
		break;
	}
}

/* One more byte of a word; at its end the state is `whole`. */
static void compare(struct http_head *h, const char *word, char c, uint8_t whole)
{
	if (lower(c) != word[h->at])
		h->state = LINE_OTHER;
	/* `at` begins anew with each word, and the word's end is a state of its own. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	else if (word[++h->at] == '\0')
		h->state = whole;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* RFC 9112 7.1 */
static void feed_chunk_line(struct http_head *h, char c)
{
	if ((h->state == CHUNK_START || h->state == CHUNK_SIZE) && hex(c) >= 0) {
		if (h->chunk < CHUNK_MAX)
			h->chunk = h->chunk * 16 + (uint64_t)hex(c);
		h->state = CHUNK_SIZE;
	} else if (h->state == CHUNK_SIZE && c == ';') {
		h->state = CHUNK_EXTENSION;
	} else if (h->state != CHUNK_EXTENSION) {
		h->ambiguous = true;
	}
}

static void feed_head_line(struct http_head *h, char c)
{
	bool blank = c == ' ' || c == '\t';

	switch (h->state) {
	case LINE_START:
		h->at = 0;
		h->state = LINE_OTHER;
		if (!h->started)
			break;
		h->ambiguous |= blank; /* it would belong to the line before (RFC 9112 5.2) */
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

/* One byte of a line. A CR belongs to its end (RFC 9112 2.2), and a NUL to none. */
static void feed(struct http_head *h, char c)
{
	bool in_head = !h->ended;

	h->bytes += in_head;
	h->ambiguous |= c == '\0' || (h->after_cr && c != '\n');
	h->after_cr = c == '\r';
	if (!h->started && c != '\r' && c != '\n')
		h->newest = h->newest << 8 | (unsigned char)c;
	if (!h->started && h->bytes == 5)
		h->no_body = h->newest == UINT64_C(0x4845414420); /* HEAD and a blank */
	if (c == '\n' && in_head)
		end_head_line(h);
	else if (c == '\n')
		end_chunk_line(h);
	else if (c != '\r' && in_head)
		feed_head_line(h, c);
	else if (c != '\r')
		feed_chunk_line(h, c);
}

void http_head_feed(struct http_head *h, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !h->whole;) {
		size_t n = len - i < h->chunk ? len - i : (size_t)h->chunk;

		if (h->state != CHUNK_DATA) {
			feed(h, bytes[i++]);
			continue;
		}
		i += n;
		h->chunk -= n;
		if (h->chunk == 0)
			h->state = CHUNK_END;
	}
}
