#include "tests/fuzz/http_reference.h"

#include <string.h>
#include <strings.h>

#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

struct cursor {
	const char *at;
	size_t left;
};

struct line {
	const char *at;
	size_t len; /* without its end */
};

/* Reads the next line, ended by CRLF or LF (RFC 9112 2.2). Returns false if there is none, or if it contains CR or NUL. */
static bool next_line(struct cursor *c, struct line *l)
{
	const char *end = memchr(c->at, '\n', c->left);

	if (end == NULL)
		return false;
	*l = (struct line){ c->at, (size_t)(end - c->at) };
	c->left -= l->len + 1;
	c->at = end + 1;
	if (l->len > 0 && l->at[l->len - 1] == '\r')
		l->len--;
	return memchr(l->at, '\r', l->len) == NULL && memchr(l->at, '\0', l->len) == NULL;
}

static size_t span(const char *at, size_t len, const char *of)
{
	size_t n = 0;

	while (n < len && at[n] != '\0' && strchr(of, at[n]) != NULL)
		n++;
	return n;
}

static bool equals(struct line l, const char *word)
{
	return l.len == strlen(word) && strncasecmp(l.at, word, l.len) == 0;
}

/* Splits "name: value". A folded line starts with a blank, so it has no name. */
static bool split(struct line l, struct line *name, struct line *value)
{
	size_t n = span(l.at, l.len, TOKEN);

	if (n == 0 || n == l.len || l.at[n] != ':')
		return false;
	*name = (struct line){ l.at, n };
	*value = (struct line){ l.at + n + 1, l.len - n - 1 };
	n = span(value->at, value->len, " \t");
	value->at += n;
	value->len -= n;
	while (value->len > 0 && strchr(" \t", value->at[value->len - 1]) != NULL)
		value->len--;
	return true;
}

static bool has_word(struct line list, const char *word)
{
	while (list.len > 0) {
		size_t skip = span(list.at, list.len, " \t,"), n;

		list.at += skip;
		list.len -= skip;
		for (n = 0; n < list.len && list.at[n] != ','; n++)
			;
		if (n >= strlen(word) && strncasecmp(list.at, word, strlen(word)) == 0 &&
			span(list.at + strlen(word), n - strlen(word), " \t") == n - strlen(word))
			return true;
		list.at += n;
		list.len -= n;
	}
	return false;
}

/* RFC 9112 3. *minor: x of HTTP/1.x */
static bool request_line(struct line l, struct reference_request *r, char *minor)
{
	static const char version[] = " HTTP/1.";
	size_t method = span(l.at, l.len, TOKEN), end = sizeof(version); /* with a digit */

	r->get = method == 3 && strncmp(l.at, "GET", 3) == 0;
	if (method == 0 || l.len < method + 2 + end || l.at[method] != ' ' ||
		memchr(l.at + method + 1, ' ', l.len - end - method - 1) != NULL ||
		memcmp(l.at + l.len - end, version, end - 1) != 0)
		return false;
	*minor = l.at[l.len - 1];
	return strchr(DIGITS, *minor) != NULL;
}

/* RFC 9112 7.1. */
static bool chunked_body(struct cursor *c)
{
	struct line l, name, value;
	size_t size = 1;

	while (size != 0) {
		size_t n;

		if (!next_line(c, &l))
			return false;
		n = span(l.at, l.len, DIGITS "abcdefABCDEF");
		if (n == 0 || n > 8 || (n < l.len && l.at[n] != ';'))
			return false;
		size = 0;
		for (size_t i = 0; i < n; i++)
			size = size * 16 +
				(size_t)(strchr(DIGITS, l.at[i]) ? l.at[i] - '0'
								 : (l.at[i] | 32) - 'a' + 10);
		if (size == 0)
			break;
		if (size >= c->left)
			return false;
		c->at += size;
		c->left -= size;
		if (!next_line(c, &l) || l.len != 0)
			return false;
	}
	while (next_line(c, &l)) {
		if (l.len == 0)
			return true;
		if (!split(l, &name, &value))
			return false;
	}
	return false;
}

static bool length_body(struct cursor *c, struct line value)
{
	size_t length = 0;

	if (value.len == 0 || value.len > 9 || span(value.at, value.len, DIGITS) != value.len)
		return false;
	for (size_t i = 0; i < value.len; i++)
		length = length * 10 + (size_t)(value.at[i] - '0');
	if (length > c->left)
		return false;
	c->at += length;
	c->left -= length;
	return true;
}

/* The fields that frame a request. */
struct framing {
	unsigned hosts, lengths, chunked;
	bool keeps; /* Connection: keep-alive */
	struct line length;
};

/* Reads one header line; returns false if it is ambiguous. */
static bool header(struct line l, struct reference_request *r, struct framing *f)
{
	struct line name, value;

	if (!split(l, &name, &value))
		return false;
	if (equals(name, "Connection")) {
		r->closes |= has_word(value, "close");
		f->keeps |= has_word(value, "keep-alive");
	} else if (equals(name, "Upgrade")) {
		r->upgrades = true;
	} else if (equals(name, "Host")) {
		f->hosts++;
	} else if (equals(name, "Content-Length")) {
		f->lengths++;
		f->length = value;
	} else if (equals(name, "Transfer-Encoding")) {
		f->chunked++;
		return equals(value, "chunked");
	}
	return true;
}

bool reference_request(const char *bytes, size_t len, struct reference_request *r)
{
	struct cursor c = { bytes, len };
	struct framing f = { 0 };
	struct line l;
	char minor;

	*r = (struct reference_request){ .head = len >= 5 && memcmp(bytes, "HEAD ", 5) == 0 };
	if (!next_line(&c, &l) || !request_line(l, r, &minor))
		return false;
	do {
		if (!next_line(&c, &l) || (l.len > 0 && !header(l, r, &f)))
			return false;
	} while (l.len > 0);
	if (f.hosts > 1 || (f.hosts == 0 && minor != '0') || f.lengths + f.chunked > 1 ||
		(f.chunked != 0 && minor == '0'))
		return false;
	if (f.chunked != 0 ? !chunked_body(&c) : f.lengths != 0 && !length_body(&c, f.length))
		return false;
	r->closes |= minor == '0' && !f.keeps;
	r->used = len - c.left;
	return true;
}

const char *reference_header(const struct reference_answer *a, const char *name)
{
	struct cursor c = { a->head, (size_t)(a->body - a->head) };
	struct line l, key, value;

	while (next_line(&c, &l))
		if (split(l, &key, &value) && equals(key, name))
			return value.at;
	return NULL;
}

bool reference_answer(const char *bytes, size_t len, bool no_body, struct reference_answer *a)
{
	struct cursor c = { bytes, len };
	struct line l, name, value, length = { NULL, 0 };
	struct cursor body;
	bool keeps;

	*a = (struct reference_answer){ .status = 0 };
	if (!next_line(&c, &l) || l.len < 13 || strncmp(l.at, "HTTP/1.", 7) != 0 ||
		l.at[8] != ' ' || span(l.at + 9, 3, DIGITS) != 3 || l.at[12] != ' ')
		return false;
	a->status = (l.at[9] - '0') * 100 + (l.at[10] - '0') * 10 + l.at[11] - '0';
	a->head = c.at;
	keeps = l.at[7] != '0';
	while (next_line(&c, &l) && l.len > 0) {
		if (l.at[l.len] != '\r' || !split(l, &name, &value))
			return false;
		if (equals(name, "Connection")) {
			a->closes |= has_word(value, "close");
			keeps |= has_word(value, "keep-alive");
		} else if (equals(name, "Content-Length")) {
			if (a->has_length)
				return false;
			a->has_length = true;
			length = value;
		} else if (equals(name, "Transfer-Encoding")) {
			return false; /* the daemon always sends a length */
		} else if (equals(name, "Content-Type") && value.len < sizeof(a->type)) {
			memcpy(a->type, value.at, value.len);
		}
	}
	if (l.len != 0)
		return false;
	a->closes |= !keeps;
	a->body = c.at;
	if (a->status < 200 || a->status == 204 || a->status == 304)
		no_body = true;
	else if (!a->has_length)
		return false;
	body = c;
	if (!no_body && !length_body(&body, length))
		return false;
	a->body_len = c.left - body.left;
	a->used = len - body.left;
	return true;
}
