#include "http/http_private.h"

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>

#include "auth/auth.h"
#include "http/http_fields.h"
#include "http/http_origin.h"

bool http_is_word(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.data, word, t.len) == 0;
}

struct text http_trim(struct text t)
{
	while (t.len > 0 && strchr(" \t", t.data[0]) != NULL)
		t = (struct text){ t.data + 1, t.len - 1 };
	while (t.len > 0 && strchr(" \t", t.data[t.len - 1]) != NULL)
		t.len--;
	return t;
}

bool http_element_next(const char **list, struct text *element)
{
	*list += strspn(*list, ", \t");
	*element = http_trim((struct text){ *list, strcspn(*list, ",") });
	*list += strcspn(*list, ",");
	return element->len > 0;
}

const char *http_field(const struct http_call *call, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(call->req), name);
}

/* The next line of this name after `line`, NULL: from the first one on. */
static const struct evkeyval *next_line(
	const struct http_call *call, const struct evkeyval *line, const char *name)
{
	line = line != NULL ? TAILQ_NEXT(line, next)
			    : TAILQ_FIRST(evhttp_request_get_input_headers(call->req));
	while (line != NULL && strcasecmp(line->key, name) != 0)
		line = TAILQ_NEXT(line, next);
	return line;
}

unsigned http_field_lines(const struct http_call *call, const char *name)
{
	const struct evkeyval *line = NULL;
	unsigned n = 0;

	while ((line = next_line(call, line, name)) != NULL)
		n++;
	return n;
}

void http_field_join(const struct http_call *call, const char *name, struct buf *list)
{
	const struct evkeyval *line = NULL;

	while ((line = next_line(call, line, name)) != NULL)
		buf_addf(list, "%s%s", list->len != 0 ? "," : "", line->value);
}

bool http_list_next(struct http_list *list, struct text *element)
{
	while (list->at == NULL || !http_element_next(&list->at, element)) {
		list->line = next_line(list->call, list->line, list->name);
		if (list->line == NULL)
			return false;
		list->at = list->line->value;
	}
	return true;
}

bool http_field_has(const struct http_call *call, const char *name, const char *token)
{
	struct http_list list = { .call = call, .name = name };
	struct text e;

	while (http_list_next(&list, &e))
		if (http_is_word(e, token))
			return true;
	return false;
}

bool http_accepts(const struct http_call *call, const char *type)
{
	struct http_list list = { .call = call, .name = "Accept" };
	struct text e;

	while (http_list_next(&list, &e)) {
		size_t len = 0;

		while (len < e.len && strchr("; \t", e.data[len]) == NULL)
			len++;
		if (http_is_word((struct text){ e.data, len }, type))
			return true;
	}
	return false;
}

struct http_weights http_accepted_codings(const struct http_call *call)
{
	struct buf accept = BUF_EMPTY;
	struct http_weights weights;

	http_field_join(call, "Accept-Encoding", &accept);
	weights = http_coding_read(buf_cstr(&accept));
	buf_fini(&accept);
	return weights;
}

struct text http_bearer(const struct http_call *call)
{
	const struct evkeyval *line = NULL;
	struct text token = { NULL, 0 };

	while (token.data == NULL && (line = next_line(call, line, "Authorization")) != NULL)
		token = auth_bearer(line->value);
	return token;
}

struct text http_cookie(const struct http_call *call)
{
	static const char *const names[] = { AUTH_COOKIE_HTTPS, AUTH_COOKIE };
	const struct evkeyval *line = NULL;
	struct text token = { NULL, 0 };

	for (size_t i = 0; i < 2; i++)
		while (token.data == NULL && (line = next_line(call, line, "Cookie")) != NULL)
			token = auth_cookie(line->value, names[i]);
	return token;
}

bool http_origin_allowed(const struct http_call *call)
{
	return http_field_lines(call, "Origin") == 1 &&
		http_origin_good(http_field(call, "Origin"), http_field(call, "Host"), call->https,
			&call->http->conf->allowed_origins);
}

static bool is_token(const char *s)
{
	size_t len = 0;

	while (http_is_token_char(s[len]))
		len++;
	return len > 0 && s[len] == '\0';
}

static bool is_number(const char *s)
{
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* A field alone; NULL if it is fine. */
static const char *line_problem(const struct evkeyval *h)
{
	/* A blank before the colon hides a field from some servers and not from others. */
	if (!is_token(h->key))
		return "A header's name is not a token.";
	if (strcasecmp(h->key, "Content-Length") == 0 && !is_number(h->value))
		return "Content-Length is not a number.";
	return NULL;
}

const char *http_fields_problem(const struct http_call *call)
{
	const struct evhttp_request *req = call->req;
	const struct http_head *head = &call->conn->head;
	unsigned hosts = http_field_lines(call, "Host");
	unsigned lengths = http_field_lines(call, "Content-Length");
	unsigned encodings = http_field_lines(call, "Transfer-Encoding");
	const struct evkeyval *h;
	const char *problem = NULL;

	if (strchr(evhttp_request_get_uri(call->req), ' ') != NULL)
		return "There is a blank too many in the request line.";
	TAILQ_FOREACH(h, evhttp_request_get_input_headers(call->req), next)
	if ((problem = line_problem(h)) != NULL)
		return problem;
	if (req->major != 1)
		return "This is not HTTP/1.1.";
	if (hosts > 1 || (hosts == 0 && req->minor >= 1))
		return "There must be one Host header.";
	if (lengths + encodings > 1)
		return "There may be one Content-Length or one Transfer-Encoding.";
	if (encodings != 0 && req->minor == 0)
		return "HTTP/1.0 has no transfer encodings.";
	if (http_is_head(call) && !head->complete)
		return "A HEAD has no body.";
	if (!head->ended && !head->is_malformed)
		return "The head is not complete.";
	return http_head_problem(head);
}
