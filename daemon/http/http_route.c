#include "http/http_route.h"

#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "common/xalloc.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/*
 * Decodes len bytes in place and terminates them by NUL, which replaces a separator or the end of the text at the
 * latest. A percent sign without two hexadecimal digits is kept.
 */
static struct http_piece decode(char *at, size_t len, bool plus_is_blank)
{
	struct http_piece p = { at, 0 };

	for (size_t i = 0; i < len; i++) {
		char c = at[i];

		if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == '%' && i + 2 < len && hex(at[i + 1]) >= 0 && hex(at[i + 2]) >= 0) {
			/* Both are digits, and bytes are only written before them. */
			/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
			c = (char)(hex(at[i + 1]) << 4 | hex(at[i + 2]));
			i += 2;
		}
		p.at[p.len++] = c;
	}
	p.at[p.len] = '\0';
	return p;
}

/* "/a/b" has two segments, "/" has one that is empty, "" has none. */
static void split_path(struct http_target *t, char *path)
{
	if (*path != '/')
		return;
	for (;;) {
		size_t len = strcspn(++path, "/");
		bool last = path[len] == '\0';

		if (t->n_segments == HTTP_SEGMENTS_MAX) {
			t->n_segments++;
			return;
		}
		t->segments[t->n_segments++] = decode(path, len, false);
		if (last)
			return;
		path += len;
	}
}

static void split_query(struct http_target *t, char *query)
{
	while (*query != '\0' && t->n_query < HTTP_QUERY_MAX) {
		size_t len = strcspn(query, "&"), name_len = strcspn(query, "=&");
		bool last = query[len] == '\0';

		if (len > 0) {
			size_t value = name_len < len ? name_len + 1 : len;

			/* The value first: the NUL of the name overwrites the equals sign. */
			t->values[t->n_query] = decode(query + value, len - value, true);
			t->names[t->n_query++] = decode(query, name_len, true);
		}
		if (last)
			return;
		query += len + 1;
	}
}

void http_target_init(struct http_target *t, const char *path, const char *query)
{
	size_t path_len, query_len;

	if (path == NULL)
		path = "";
	if (query == NULL)
		query = "";
	path_len = strlen(path) + 1;
	query_len = strlen(query) + 1;
	t->n_segments = t->n_query = 0;
	t->memory = xmalloc(path_len + query_len);
	memcpy(t->memory, path, path_len);
	memcpy(t->memory + path_len, query, query_len);
	split_path(t, t->memory);
	split_query(t, t->memory + path_len);
}

void http_target_fini(struct http_target *t)
{
	/* A client may have put a password or a token into it by mistake. */
	secret_free(t->memory);
	t->memory = NULL;
}

const struct http_piece *http_target_query(const struct http_target *t, const char *name)
{
	for (size_t i = 0; i < t->n_query; i++)
		if (strlen(name) == t->names[i].len &&
			memcmp(name, t->names[i].at, t->names[i].len) == 0)
			return &t->values[i];
	return NULL;
}

const struct http_piece *http_target_path(
	const struct http_target *t, const struct http_route *route, const char *name)
{
	const char *p = route->path;

	for (size_t i = 0; i < t->n_segments && *p == '/'; i++) {
		size_t len = strcspn(p + 1, "/");

		if (p[1] == '{' && strlen(name) + 2 == len && memcmp(p + 2, name, len - 2) == 0)
			return &t->segments[i];
		p += 1 + len;
	}
	return NULL;
}

/* Returns how many segments of the pattern are literal, if the target matches it; -1 if it does not. */
static int match(const char *pattern, const struct http_target *t)
{
	int n_literal = 0;

	for (size_t i = 0; i < t->n_segments; i++) {
		const struct http_piece *s = &t->segments[i];
		size_t len;

		if (i >= HTTP_SEGMENTS_MAX || *pattern != '/')
			return -1;
		pattern++;
		len = strcspn(pattern, "/");
		if (s->len == len && memcmp(s->at, pattern, len) == 0)
			n_literal++;
		else if (*pattern != '{' || s->len == 0)
			return -1;
		pattern += len;
	}
	return *pattern == '\0' && t->n_segments > 0 ? n_literal : -1;
}

const struct http_route *http_route_find(const struct http_route *routes, size_t n,
	const struct http_target *t, enum http_method method, unsigned *allowed)
{
	const struct http_route *found = NULL;
	int best = -1;

	*allowed = 0;
	for (size_t i = 0; i < n; i++) {
		const struct http_route *r = &routes[i];
		int m = match(r->path, t);

		if (m < 0 || m < best)
			continue;
		if (m > best) {
			best = m;
			found = NULL;
			*allowed = 0;
		}
		*allowed |= 1u << r->method;
		if (r->method == method)
			found = r;
	}
	return found;
}
