/*
 * api_search: the search of messages in the caller's chats.
 */
#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/utf8.h"
#include "common/xalloc.h"
#include "realtime/json_view.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 50
#define QUERY_BYTES_MAX (4 * SEARCH_TEXT_CHARS_MAX)
#define TIME_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

enum {
	SEARCH_Q,
	SEARCH_CHAT,
	SEARCH_FROM,
	SEARCH_AFTER,
	SEARCH_BEFORE,
	SEARCH_HAS,
	SEARCH_LIMIT,
	SEARCH_CURSOR
};

/* clang-format off */
static const struct param_spec search_params[] = {
	[SEARCH_Q]      = { .name = "q",       .type = PARAM_TEXT, .place = PARAM_QUERY, .max = QUERY_BYTES_MAX,
	                    .doc = "At most 256 characters and 8 terms, which all must match: word (words that begin so), \"two words\" (exactly these), *part (anywhere in a word). Empty only with from or has." },
	[SEARCH_CHAT]   = { .name = "chat_id", .type = PARAM_ID,   .place = PARAM_QUERY,
	                    .doc = "Only messages of this chat." },
	[SEARCH_FROM]   = { .name = "from",    .type = PARAM_ID,   .place = PARAM_QUERY,
	                    .doc = "Only messages that this user sent." },
	[SEARCH_AFTER]  = { .name = "after",   .type = PARAM_TEXT, .place = PARAM_QUERY, .min = 10, .max = 64,
	                    .doc = "Only messages sent at this time or later: an RFC 3339 time, or a date in UTC." },
	[SEARCH_BEFORE] = { .name = "before",  .type = PARAM_TEXT, .place = PARAM_QUERY, .min = 10, .max = 64,
	                    .doc = "Only messages sent before this time." },
	[SEARCH_HAS]    = { .name = "has",     .type = PARAM_TEXT, .place = PARAM_QUERY, .min = 4, .max = 64,
	                    .doc = "Only messages with a link, a file, or both (link,file)." },
	[SEARCH_LIMIT]  = { .name = "limit",   .type = PARAM_INT,  .place = PARAM_QUERY, .min = 1, .max = LIMIT_MAX,
	                    .doc = "The maximum number of messages; 20 if absent." },
	[SEARCH_CURSOR] = { .name = "cursor",  .type = PARAM_TEXT, .place = PARAM_QUERY, .min = 1, .max = 64,
	                    .doc = "The cursor of the page before; the other parameters must be the same." },
};
/* clang-format on */

/* Cursors: the base64url form (RFC 4648) of the time and the message_id of a position. */

#define CURSOR_BYTES 16
#define CURSOR_CHARS 22
#define CURSOR_BASE64 24 /* with "==" */

static void cursor_encode(char out[CURSOR_CHARS + 1], int64_t at_ms, int64_t id)
{
	uint64_t wire[2] = { htobe64((uint64_t)at_ms), htobe64((uint64_t)id) };
	unsigned char base64[CURSOR_BASE64 + 1];

	EVP_EncodeBlock(base64, (const unsigned char *)wire, CURSOR_BYTES);
	for (int i = 0; i < CURSOR_CHARS; i++)
		out[i] = base64[i] == '+' ? '-' : base64[i] == '/' ? '_' : (char)base64[i];
	out[CURSOR_CHARS] = '\0';
}

/* Returns false if it is none that cursor_encode makes of a position. */
static bool cursor_decode(struct text cursor, int64_t *at_ms, int64_t *id)
{
	unsigned char base64[CURSOR_BASE64 + 1], bytes[CURSOR_BASE64];
	char again[CURSOR_CHARS + 1];
	uint64_t wire[2];

	if (cursor.len != CURSOR_CHARS)
		return false;
	for (int i = 0; i < CURSOR_CHARS; i++) {
		char c = cursor.data[i];

		base64[i] = c == '-' ? '+' : c == '_' ? '/' : (unsigned char)c;
	}
	memcpy(base64 + CURSOR_CHARS, "==", 3);
	if (EVP_DecodeBlock(bytes, base64, CURSOR_BASE64) < CURSOR_BYTES)
		return false;
	memcpy(wire, bytes, CURSOR_BYTES);
	*at_ms = (int64_t)be64toh(wire[0]);
	*id = (int64_t)be64toh(wire[1]);
	cursor_encode(again, *at_ms, *id);
	return memcmp(again, cursor.data, CURSOR_CHARS) == 0 && *at_ms >= 0 && *at_ms <= TIME_MAX &&
		*id >= 0;
}

/* GET /messages/search */

struct search_call {
	struct http_call *call;
	struct search_query query;
	struct search search;
	int64_t limit;
};

static void search_conv(void *arg, enum error error, const store_rows *rows);
static void search_send(struct search_call *c);
static void search_read(void *arg, enum error error, const store_rows *rows);

static void search_free(struct search_call *c)
{
	search_text_fini(&c->query);
	free(c);
}

static void put_problem(struct buf *errors, const char *field, const char *detail)
{
	buf_addf(errors, "%s{\"field\":\"%s\",\"detail\":", errors->len > 0 ? "," : "", field);
	json_put_cstr(errors, detail);
	buf_add_char(errors, '}');
}

static void read_time(const struct param *p, const char *field, int64_t *ms, struct buf *errors)
{
	if (p->present && !clock_parse_rfc3339(p->text.data, p->text.len, ms))
		put_problem(errors, field, "must be an RFC 3339 date or time");
}

static bool is_text(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.data, s, t.len) == 0;
}

static void read_has(const struct param *p, struct search *s, struct buf *errors)
{
	if (!p->present)
		return;
	s->link = is_text(p->text, "link") || is_text(p->text, "link,file") ||
		is_text(p->text, "file,link");
	s->file = is_text(p->text, "file") || (s->link && p->text.len > 4);
	if (!s->link && !s->file)
		put_problem(errors, "has", "must be link, file, or link,file");
}

static void read_query(struct search_call *c, const struct param *at, struct buf *errors)
{
	const struct param *q = &at[SEARCH_Q];
	const char *problem =
		search_text_parse(&c->query, q->present ? q->text.data : "", q->text.len);

	if (problem == NULL && c->query.n == 0 && !at[SEARCH_FROM].present &&
		!at[SEARCH_HAS].present)
		problem = "must not be empty without from or has";
	if (problem != NULL)
		put_problem(errors, "q", problem);
}

/* Reads all parameters but chat_id. The position is the earlier one of the cursor's and that of `before`. */
static void read_params(struct search_call *c, const struct param *at, struct buf *errors)
{
	struct search *s = &c->search;
	int64_t at_ms, id;

	c->limit = at[SEARCH_LIMIT].present ? at[SEARCH_LIMIT].number : LIMIT_DEFAULT;
	*s = (struct search){
		.user_id = http_user(c->call),
		.sender = at[SEARCH_FROM].present ? at[SEARCH_FROM].number : 0,
		.query = &c->query,
		.before_ms = INT64_MAX,
		.after_ms = INT64_MIN,
		.limit = c->limit + 1,
	};
	read_query(c, at, errors);
	read_time(&at[SEARCH_AFTER], "after", &s->after_ms, errors);
	read_time(&at[SEARCH_BEFORE], "before", &s->before_ms, errors);
	read_has(&at[SEARCH_HAS], s, errors);
	if (!at[SEARCH_CURSOR].present)
		return;
	if (!cursor_decode(at[SEARCH_CURSOR].text, &at_ms, &id)) {
		put_problem(errors, "cursor", "must be the cursor of a page");
	} else if (at_ms < s->before_ms) {
		s->before_ms = at_ms;
		s->before_id = id;
	}
}

static void run_search(void *env, struct http_call *call)
{
	const struct api *api = env;
	const struct param *at = http_params(call)->at;
	const struct ratelimit_key key = ratelimit_key_user(http_user(call));
	struct buf errors = BUF_EMPTY;
	struct search_call *c;

	if (!api->conf->search) {
		http_reply_error(call, ERROR_no_such_route);
		return;
	}
	if (api->conf->rate_limits && !ratelimit_take(api->searches, &key, 1, clock_mono_ms())) {
		http_reply_error(call, ERROR_too_many_requests);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->call = call;
	read_params(c, at, &errors);
	if (errors.len > 0) {
		http_reply_invalid(call, errors.data, errors.len);
		search_free(c);
	} else if (at[SEARCH_CHAT].present) {
		store_conv(api->store, http_user(call), at[SEARCH_CHAT].number, search_conv, c);
	} else {
		search_send(c);
	}
	buf_fini(&errors);
}

static void search_conv(void *arg, enum error error, const store_rows *rows)
{
	static const char nothing[] = "{\"messages\":[],\"cursor\":null,\"searched_to\":null,"
				      "\"incomplete\":false}";
	struct search_call *c = arg;
	struct conv conv;

	if (api_failed(c->call, error)) {
		search_free(c);
		return;
	}
	store_conv_at(rows, 0, &conv);
	c->search.conv_id = conv.id;
	if (conv.id != 0) {
		search_send(c);
		return;
	}
	/* A chat that is not begun. */
	http_reply(c->call, 200, nothing, sizeof(nothing) - 1);
	search_free(c);
}

static void search_send(struct search_call *c)
{
	const struct api *api = http_env(c->call);

	store_search_messages(api->store, &c->search, search_read, c);
}

/* Appends the messages that make the page: at most limit, and JSON_VIEW_PAGE_BYTES of text. Returns their number. */
static int put_found(struct buf *b, const struct search_call *c, const store_rows *rows)
{
	const int n = store_n(rows) - 1;
	size_t bytes = 0;
	int i = 0;

	for (; i < n && i < c->limit && bytes < JSON_VIEW_PAGE_BYTES; i++) {
		struct found f;

		store_found_at(rows, i, &f);
		bytes += f.message.content.len;
		buf_add_str(b, i > 0 ? ",{" : "{");
		proto_put_message(b, &f.message, &f.conv, http_user(c->call), MESSAGE_SERVED);
		buf_add_str(b, ",\"highlights\":");
		search_text_put_highlights(
			b, &c->query, f.message.content.data, f.message.content.len);
		buf_add_char(b, '}');
	}
	return i;
}

/* Appends "cursor":…,"searched_to":…, of a position; at_ms 0: the end is reached. */
static void put_position(struct buf *b, int64_t at_ms, int64_t id)
{
	char cursor[CURSOR_CHARS + 1];

	if (at_ms == 0) {
		buf_add_str(b, "\"cursor\":null,");
	} else {
		cursor_encode(cursor, at_ms, id);
		buf_addf(b, "\"cursor\":\"%s\",", cursor);
	}
	proto_put_time(b, "searched_to", at_ms);
}

static void search_reply(struct search_call *c, const store_rows *rows)
{
	struct buf b = BUF_EMPTY;
	struct found f;
	int n;

	buf_add_str(&b, "{\"messages\":[");
	n = put_found(&b, c, rows);
	buf_add_str(&b, "],");
	if (n < store_n(rows) - 1) {
		store_found_at(rows, n - 1, &f);
		put_position(&b, f.message.sent_ms, f.message.message_id);
		store_found_at(rows, store_n(rows) - 1, &f);
	} else {
		store_found_at(rows, n, &f);
		put_position(&b, f.searched_ms, INT64_MAX);
	}
	buf_addf(&b, ",\"incomplete\":%s}", f.incomplete ? "true" : "false");
	api_reply(c->call, 200, &b);
}

static void reply_not_ready(struct http_call *call, int64_t percent)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "The index of the search is being built: %d %% are done.",
		(int)percent);
	http_reply_detail(call, ERROR_search_not_ready, detail);
}

static void search_read(void *arg, enum error error, const store_rows *rows)
{
	struct search_call *c = arg;
	struct found last;

	if (!api_failed(c->call, error)) {
		store_found_at(rows, store_n(rows) - 1, &last);
		if (last.ready)
			search_reply(c, rows);
		else
			reply_not_ready(c->call, last.percent);
	}
	search_free(c);
}

/* clang-format off */
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/messages/search", .compressed = true,
	  .summary = "Searches the texts of the caller's chats, the newest first.",
	  PARAMS(search_params),
	  .status = 200, .answer = "found_messages", .errors = "no_such_chat search_not_ready",
	  .run = run_search },
};
/* clang-format on */

const struct api_part api_search = API_PART(routes);
