#define _GNU_SOURCE 1
#include "http/http_static.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/log.h"
#include "http/http_fields.h"
#include "http/http_private.h"
#include "http/http_reply.h"

#define INDEX "index.html"
#define ASSETS "assets" /* a directory of files with a digest in their names */

/* The suffix of a file that the build of the page made from another one. */
static const char *const coded_suffix[HTTP_CODING_N] = {
	[HTTP_IDENTITY] = "",
	[HTTP_GZIP] = ".gz",
	[HTTP_BR] = ".br",
};

/* blob: and data: are pictures that the page made itself. */
static const char *const page_headers[][2] = {
	{ "Content-Security-Policy",
		"default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
};

const char *http_static_type(const char *name)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".map", "application/json" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".jpeg", "image/jpeg" },
		{ ".gif", "image/gif" },
		{ ".webp", "image/webp" },
		{ ".avif", "image/avif" },
		{ ".ico", "image/x-icon" },
		{ ".woff", "font/woff" },
		{ ".woff2", "font/woff2" },
		{ ".ttf", "font/ttf" },
		{ ".mp3", "audio/mpeg" },
		{ ".ogg", "audio/ogg" },
		{ ".wav", "audio/wav" },
		{ ".wasm", "application/wasm" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".xml", "application/xml" },
	};
	const char *ending = strrchr(name, '.');

	for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(ending, types[i][0]) == 0)
			return types[i][1];
	return "application/octet-stream";
}

static bool is_plain_name(const struct http_piece *s)
{
	return s->len > 0 && s->at[0] != '.' && memchr(s->at, '/', s->len) == NULL &&
		memchr(s->at, '\0', s->len) == NULL;
}

int http_static_open(const char *root, const struct http_piece *segments, size_t n, struct stat *st)
{
	int fd;

	/* Opened for each file: a new build of the page replaces the directory. */
	fd = n == 0 ? -1 : open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < n && fd >= 0; i++) {
		int kind = i + 1 < n ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
		int next = is_plain_name(&segments[i])
			? openat(fd, segments[i].at, kind | O_NOFOLLOW | O_CLOEXEC)
			: -1;

		close(fd);
		fd = next;
	}
	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* RFC 9110 13.1.2: a list of tags, compared weakly. */
static bool client_has(const struct http_call *call, const char *etag)
{
	struct http_list list = { .call = call, .name = "If-None-Match" };
	struct text e;

	while (http_list_next(&list, &e)) {
		if (e.len == 1 && *e.data == '*')
			return true;
		if (e.len > 2 && memcmp(e.data, "W/", 2) == 0)
			e = (struct text){ e.data + 2, e.len - 2 };
		if (e.len == strlen(etag) && memcmp(e.data, etag, e.len) == 0)
			return true;
	}
	return false;
}

/* Maps the file, so that a slow reader holds no descriptor in addition to its connection. */
static void add_file(struct evbuffer *body, int fd, off_t size)
{
	struct evbuffer_file_segment *segment = size == 0
		? NULL
		: evbuffer_file_segment_new(fd, 0, size, EVBUF_FS_DISABLE_SENDFILE);

	if (segment == NULL)
		return;
	evbuffer_add_file_segment(body, segment, 0, size);
	evbuffer_file_segment_free(segment);
}

/* A file of the page, in the coding in which it is sent. */
struct page_file {
	const struct http_piece *segments; /* of its path, without the suffix of the coding */
	size_t n;
	enum http_coding coding;
	int fd;
	struct stat st;
};

static bool open_coded(const char *root, struct page_file *f, enum http_coding coding)
{
	struct http_piece segments[HTTP_SEGMENTS_MAX];
	char name[NAME_MAX + 1];
	struct http_piece *last = &segments[f->n - 1];
	struct stat st;
	int len, fd;

	memcpy(segments, f->segments, f->n * sizeof(segments[0]));
	len = snprintf(name, sizeof(name), "%s%s", last->at, coded_suffix[coding]);
	if (len < 0 || (size_t)len >= sizeof(name))
		return false;
	*last = (struct http_piece){ name, (size_t)len };
	fd = http_static_open(root, segments, f->n, &st);
	if (fd < 0)
		return false;
	close(f->fd);
	f->fd = fd;
	f->st = st;
	f->coding = coding;
	return true;
}

/* Opens a file and sets fd, st and coding: its precompressed copy, if there is one that the client accepts. */
static bool open_file(const struct http_call *call, struct page_file *f)
{
	const char *root = call->http->conf->web_root;
	unsigned available = 1u << HTTP_BR | 1u << HTTP_GZIP;
	struct http_weights accepted;
	enum http_coding coding;

	f->coding = HTTP_IDENTITY;
	f->fd = http_static_open(root, f->segments, f->n, &f->st);
	if (f->fd < 0)
		return false;
	accepted = http_accepted_codings(call);
	while ((coding = http_coding_choose(&accepted, available)) != HTTP_IDENTITY &&
		!open_coded(root, f, coding))
		available &= ~(1u << coding);
	return true;
}

/* Closes the file. */
static void send_file(struct http_call *call, const struct page_file *f)
{
	struct evbuffer *body = evbuffer_new();
	bool hashed = f->n > 1 && strcmp(f->segments[0].at, ASSETS) == 0;
	char etag[64];

	if (body == NULL)
		log_fatal("out_of_memory what=file");
	/* Strong, so each coding has its own (RFC 9110 8.8.3). */
	snprintf(etag, sizeof(etag), "\"%llx-%llx%s\"",
		(unsigned long long)f->st.st_mtim.tv_sec * 1000000000ULL +
			(unsigned long long)f->st.st_mtim.tv_nsec,
		(unsigned long long)f->st.st_size, coded_suffix[f->coding]);
	for (size_t i = 0; i < sizeof(page_headers) / sizeof(page_headers[0]); i++)
		http_add_header(call, page_headers[i][0], page_headers[i][1]);
	http_add_header(
		call, "Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
	http_add_header(call, "Vary", "Accept-Encoding");
	http_add_header(call, "ETag", etag);
	call->is_file = true;
	if (client_has(call, etag)) {
		close(f->fd);
		http_send(call, 304, body);
	} else {
		http_add_header(call, "Content-Type", http_static_type(f->segments[f->n - 1].at));
		if (f->coding != HTTP_IDENTITY)
			http_add_header(call, "Content-Encoding", http_coding_name(f->coding));
		add_file(body, f->fd, f->st.st_size);
		close(f->fd);
		http_send(call, 200, body);
	}
	evbuffer_free(body);
}

/* True if the answer to an unknown path is the page, which has paths of its own: the client accepts HTML, not only
 * anything. For "/" anything is enough. */
static bool wants_page(const struct http_call *call)
{
	const struct http_piece *last = &call->target.segments[call->target.n_segments - 1];

	if (memchr(last->at, '.', last->len) != NULL)
		return false;
	if (http_accepts(call, "text/html"))
		return true;
	return call->target.n_segments == 1 && last->len == 0 &&
		(http_field(call, "Accept") == NULL || http_accepts(call, "*/*") ||
			http_accepts(call, "text/*"));
}

void http_static_request(struct http_call *call)
{
	static char index_name[] = INDEX;
	static const struct http_piece index = { index_name, sizeof(INDEX) - 1 };
	const struct http_target *t = &call->target;
	struct page_file named = { .segments = t->segments, .n = t->n_segments };
	struct page_file page = { .segments = &index, .n = 1 };
	bool serves = call->http->conf->web_root[0] != '\0' && t->n_segments > 0 &&
		t->n_segments <= HTTP_SEGMENTS_MAX;

	if (serves && open_file(call, &named))
		send_file(call, &named);
	else if (serves && wants_page(call) && open_file(call, &page))
		send_file(call, &page);
	else
		http_reply_error(call, ERROR_no_such_route);
}
