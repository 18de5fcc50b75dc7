/*
 * Fuzz target: any bytes of a client, sent to a complete worker (worker_harness.h). The first byte of the input is the size of the
 * pieces in which the others are sent (0: all at once).
 *
 * http_reference.h checks the answers: each is well-formed, each unambiguous request has one, in order, and nothing else
 * has any. An ambiguous request may be rejected, which ends the connection. Errors are problems (RFC 9457) with codes of
 * docs/api.md and the headers that they need. When the client closes the connection the worker closes it too, and frees
 * everything.
 */
#define ZLIB_CONST
#include <string.h>
#include <zlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/wsframe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_reference.h"
#include "tests/fuzz/worker_harness.h"

#define PIECES_MAX 64 /* then the rest at once */

static void check_problem(const struct reference_answer *a)
{
	const char *why, *code;
	size_t len;
	int64_t status;
	cJSON *json = json_parse(a->body, a->body_len, &why);

	MUST(json_get_int(json, "status", &status) == JSON_OK && status == a->status);
	MUST(json_get_str(json, "code", &code, &len) == JSON_OK);
	MUST(strcmp(error_code(error_by_code(code)), code) == 0);
	MUST(error_status(error_by_code(code)) == a->status);
	MUST(json_get_str(json, "detail", &code, &len) == JSON_OK && len > 0);
	if (a->status == 422)
		MUST(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "errors")) > 0);
	cJSON_Delete(json);
}

/* The body is JSON, perhaps compressed. */
static void check_json(const struct reference_answer *a)
{
	static char decoded[1 << 20];
	const char *why, *body = a->body;
	size_t len = a->body_len;
	cJSON *json;

	if (reference_header(a, "Content-Encoding") != NULL) {
		z_stream z = { .next_in = (const Bytef *)body,
			.avail_in = (uInt)len,
			.next_out = (Bytef *)decoded,
			.avail_out = sizeof(decoded) };

		MUST(inflateInit2(&z, 15 + 16) == Z_OK);
		MUST(inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0);
		inflateEnd(&z);
		body = decoded;
		len = z.total_out;
	}
	json = json_parse(body, len, &why);
	MUST(json != NULL);
	cJSON_Delete(json);
}

static void check_answer(const struct reference_answer *a, bool no_body)
{
	MUST(a->status != 500);
	if (a->status >= 400) {
		MUST(strcmp(a->type, "application/problem+json") == 0);
		MUST((a->status != 401) == (reference_header(a, "WWW-Authenticate") == NULL));
		MUST((a->status != 405) == (reference_header(a, "Allow") == NULL));
		if (a->status == 429 || a->status == 503)
			MUST(reference_header(a, "Retry-After") != NULL);
		if (!no_body)
			check_problem(a);
	} else if (!no_body && strcmp(a->type, "application/json") == 0) {
		check_json(a);
	}
}

/* The output of a WebSocket: complete frames of a server. */
static void check_frames(char *bytes, size_t len)
{
	struct wsframe_parser parser;
	enum wsframe_result got;
	struct wsframe f;

	wsframe_parser_init(&parser, WSFRAME_CLIENT, UINT32_MAX / 2, true);
	for (; (got = wsframe_parse(&parser, bytes, len, &f)) == WSFRAME_FRAME; len -= f.used)
		bytes += f.used;
	MUST(got == WSFRAME_MORE && len == 0);
}

/* Checks all answers to all requests. */
static void check_stream(const char *sent, size_t sent_len, char *received, size_t received_len)
{
	struct reference_request request;
	struct reference_answer a;

	for (;;) {
		bool known = reference_request(sent, sent_len, &request);

		if (received_len == 0) {
			MUST(!known);
			return;
		}
		MUST(reference_answer(received, received_len, request.head, &a));
		received += a.used;
		received_len -= a.used;
		if (a.status == 100) /* the final answer follows */
			continue;
		check_answer(&a, request.head);
		if (a.status == 101) {
			MUST(known && request.get && request.upgrades);
			check_frames(received, received_len);
			return;
		}
		if (a.closes || (known && request.closes)) {
			MUST(received_len == 0);
			return;
		}
		MUST(known); /* it has answered what is no request, and continued */
		sent += request.used;
		sent_len -= request.used;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *srcdir = getenv("srcdir");
	struct buf settings = BUF_EMPTY;

	(void)argc;
	(void)argv;
	buf_addf(&settings, "web_root = \"%s/frontend\"\n", srcdir != NULL ? srcdir : ".");
	harness_start(buf_cstr(&settings));
	buf_fini(&settings);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct buf received = BUF_EMPTY;
	const char *at = (const char *)bytes + 1;
	size_t left = len - 1, piece;
	unsigned pieces = 0;
	bool open = true;
	int fd;

	if (len == 0)
		return 0;
	piece = bytes[0] != 0 ? bytes[0] : left;
	fd = harness_connect();
	while (open && left > 0) {
		size_t n = ++pieces < PIECES_MAX && piece < left ? piece : left;

		harness_send(fd, at, n);
		at += n;
		left -= n;
		open = harness_receive(fd, &received);
	}
	if (open) {
		harness_shutdown(fd);
		MUST(!harness_receive(fd, &received));
	}
	buf_cstr(&received);
	check_stream((const char *)bytes + 1, len - 1 - left, received.data, received.len);
	buf_fini(&received);
	harness_close(fd);
	harness_reset();
	return 0;
}
