#define _GNU_SOURCE 1
#include "tests/unit/http_peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/token.h"
#include "http/http_private.h"
#include "net/listen.h"

#define PATIENCE_MS 5000

int peer_request_ms = PEER_REQUEST_MS;

static struct stats *stats;
static int listen_fd = -1;
static pid_t child;
static struct event_base *base;

/* A database for authentication only. */

struct lookup {
	store_token_cb *cb;
	void *arg;
	char kind;
};

static void answer_token(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *a = arg;
	struct token t = { .token_id = 70, .user_id = a->kind == 'f' ? 9 : 7 };
	enum error error = strchr("asf", a->kind) != NULL ? ERROR_NONE
		: a->kind == 'd'                          ? ERROR_unavailable
							  : ERROR_bad_token;

	(void)fd;
	(void)what;
	a->cb(a->arg, error, &t);
	free(a);
}

void store_authenticate(
	struct store *s, const uint8_t hash[STORE_HASH_SIZE], store_token_cb *cb, void *arg)
{
	static const char *const known[] = { GOOD_TOKEN, SLOW_TOKEN, AWAY_TOKEN, FULL_TOKEN };
	struct lookup *a = malloc(sizeof(*a));
	struct timeval after = { 0, 0 };

	(void)s;
	*a = (struct lookup){ cb, arg, 'b' };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t digest[TOKEN_DIGEST_SIZE];

		token_digest(known[i], TOKEN_CHARS, digest);
		if (memcmp(digest, hash, sizeof(digest)) == 0)
			a->kind = known[i][0];
	}
	if (a->kind == 's')
		after.tv_usec = 100000;
	event_base_once(base, -1, EV_TIMEOUT, answer_token, a, &after);
}

/* The routes. */

static void run_echo(void *env, struct http_call *call)
{
	const struct params *a = http_params(call);
	struct buf b = BUF_EMPTY;

	(void)env;
	buf_addf(&b,
		"{\"user\":%" PRId64 ",\"address\":\"%s\",\"https\":%s,\"number\":%" PRId64
		",\"text\":",
		http_user(call), http_address(call), http_is_https(call) ? "true" : "false",
		a->at[0].number);
	json_put_str(&b, a->at[1].text.data, a->at[1].text.len);
	buf_add_char(&b, '}');
	http_reply(call, 200, b.data, b.len);
	buf_fini(&b);
}

static void run_nothing(void *env, struct http_call *call)
{
	(void)env;
	http_reply(call, 204, NULL, 0);
}

static void answer_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_reply(arg, 200, "{\"late\":true}", 13);
}

static void run_late(void *env, struct http_call *call)
{
	const struct timeval after = { 0, 200000 };

	(void)env;
	event_base_once(base, -1, EV_TIMEOUT, answer_late, call, &after);
}

/* Costly calls, which the route /release answers. */
static struct http_call *held[16];
static unsigned n_held;

static void run_held(void *env, struct http_call *call)
{
	(void)env;
	held[n_held++] = call;
}

static void run_release(void *env, struct http_call *call)
{
	struct http_call *released[16];
	unsigned n = n_held;
	char json[32];

	(void)env;
	memcpy(released, held, sizeof(held));
	n_held = 0;
	for (unsigned i = 0; i < n; i++)
		http_reply(released[i], 200, "{\"released\":true}", 17);
	http_reply(call, 200, json, (size_t)snprintf(json, sizeof(json), "{\"n\":%u}", n));
}

static void run_large(void *env, struct http_call *call)
{
	char *json = malloc(4 << 20);

	(void)env;
	memset(json, 'x', 4 << 20);
	json[0] = json[(4 << 20) - 1] = '"';
	http_reply(call, 200, json, 4 << 20);
	free(json);
}

static const struct param_spec thing_args[] = {
	{ .name = "thing_id", .type = PARAM_ID, .required = true, .place = PARAM_PATH },
	{ .name = "name", .type = PARAM_NAME, .required = true, .min = 1, .max = 10 },
};
static const struct param_spec get_args[] = {
	{ .name = "thing_id", .type = PARAM_ID, .required = true, .place = PARAM_PATH },
};
static const struct param_spec optional_args[] = {
	{ .name = "number", .type = PARAM_INT, .min = 1, .max = 9 },
	{ .name = "text", .type = PARAM_TEXT, .min = 0, .max = 2000000 },
};
static const struct param_spec search_args[] = {
	{ .name = "limit", .type = PARAM_INT, .min = 1, .max = 50, .place = PARAM_QUERY },
	{ .name = "q",
		.type = PARAM_TEXT,
		.required = true,
		.min = 1,
		.max = 20,
		.place = PARAM_QUERY },
};
static const struct param_spec name_args[] = {
	{ .name = "limit", .type = PARAM_INT, .min = 1, .max = 50, .place = PARAM_QUERY },
	{ .name = "username", .type = PARAM_USERNAME, .required = true, .place = PARAM_PATH },
};

#define ARGS(a) .params = (a), .n_params = sizeof(a) / sizeof((a)[0])
static const struct http_route routes[] = {
	{ HTTP_GET, "/things/{thing_id}", .run = run_echo, ARGS(get_args) },
	{ HTTP_PUT, "/things/{thing_id}", .run = run_echo, ARGS(thing_args) },
	{ HTTP_POST, "/things/special", .run = run_echo, ARGS(optional_args) },
	{ HTTP_GET, "/search", .run = run_echo, ARGS(search_args) },
	{ HTTP_GET, "/names/{username}", .run = run_echo, ARGS(name_args) },
	{ HTTP_POST, "/nothing", .run = run_nothing },
	{ HTTP_GET, "/late", .open = true, .run = run_late },
	{ HTTP_GET, "/held", .costly = true, .run = run_held },
	{ HTTP_GET, "/costly", .costly = true, .run = run_late },
	{ HTTP_GET, "/release", .open = true, .run = run_release },
	{ HTTP_GET, "/large", .open = true, .run = run_large },
	{ HTTP_GET, "/open", .open = true, .run = run_echo, ARGS(optional_args) },
	{ HTTP_POST, "/open", .open = true, .run = run_echo, ARGS(optional_args) },
};

/* Sends what the handshake yielded, and closes the socket. */
static void upgraded(void *arg, const struct http_upgrade *u)
{
	const struct ws_handshake *w = &u->handshake;
	struct buf b = BUF_EMPTY;

	buf_addf(&b,
		"upgraded key=%s subprotocol=%s token=%" PRId64 " user=%" PRId64
		" address=%s bytes=",
		w->key, w->subprotocol != NULL ? w->subprotocol : "none", u->token.token_id,
		u->token.user_id, u->address);
	buf_add(&b, w->bytes, w->len);
	if (send(w->fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len)
		log_debug("gone");
	buf_fini(&b);
	close(w->fd);
	http_socket_closed(*(struct http **)arg, u->peer);
}

static bool may_upgrade(void *arg, int64_t user_id)
{
	(void)arg;
	return user_id != 9;
}

/* The child. */

struct server {
	struct http *http;
};

static void on_term(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_base_loopbreak(base);
}

static void on_usr1(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_stop(((struct server *)arg)->http);
}

static void on_usr2(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_epoch_changed(((struct server *)arg)->http);
}

static int serve(const char *text)
{
	static const struct http_events events = { upgraded, may_upgrade };
	struct buf why = BUF_EMPTY;
	struct conf *conf = conf_parse("test", text, &why);
	struct heritage h = {
		.conf = conf, .listen_fds = &listen_fd, .n_listen = 1, .stats = stats, .n_slots = 1
	};
	struct event_base *the_base = event_base_new();
	struct server s;
	struct event *term, *usr1, *usr2;

	if (conf == NULL)
		log_fatal("%s", buf_cstr(&why));
	base = the_base;
	s.http = http_open(&(struct http_options){
		.base = base,
		.heritage = &h,
		.routes = routes,
		.n_routes = sizeof(routes) / sizeof(routes[0]),
		.events = &events,
		.arg = &s.http,
	});
	s.http->request_ms = peer_request_ms;
	s.http->stalled_s = PEER_STALLED_S;
	term = evsignal_new(base, SIGTERM, on_term, NULL);
	usr1 = evsignal_new(base, SIGUSR1, on_usr1, &s);
	event_add(term, NULL);
	event_add(usr1, NULL);
	usr2 = evsignal_new(base, SIGUSR2, on_usr2, &s);
	event_add(usr2, NULL);
	event_base_dispatch(base);
	http_close(s.http);
	/* Requests in flight are answered without effect, and the loop frees bufferevents. */
	event_base_loopexit(base, &(struct timeval){ 0, 300000 });
	event_base_dispatch(base);
	event_free(term);
	event_free(usr1);
	event_free(usr2);
	event_base_free(base);
	conf_free(conf);
	buf_fini(&why);
	libevent_global_shutdown();
	return stats->slots[0].connections == 0 ? 0 : 3;
}

void peer_start(const char *conf)
{
	size_t size = sizeof(struct stats) + sizeof(struct stats_slot);

	stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(stats, MAP_FAILED);
	stats->n_slots = 1;
	stats->slots[0].alive = 1;
	listen_fd = listen_bind("127.0.0.1:0", 0);
	ck_assert_int_ge(listen_fd, 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		signal(SIGPIPE, SIG_IGN);
		exit(serve(conf));
	}
}

void peer_stop(void)
{
	int status = -1;

	kill(child, SIGTERM);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(
		WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ended with %d", status);
	close(listen_fd);
}

void peer_accept_no_more(void)
{
	kill(child, SIGUSR1);
}

void peer_change_epoch(void)
{
	kill(child, SIGUSR2);
}

bool peer_has_connections(unsigned n)
{
	for (int i = 0; i < 300 && stats->slots[0].connections != n; i++)
		usleep(10000);
	return stats->slots[0].connections == n;
}

unsigned peer_accepted(void)
{
	return (unsigned)stats->slots[0].accepted;
}

/* The client. */

int peer_connect(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&a, &len), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void peer_send(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0) /* the server has closed it */
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

void peer_send_str(int fd, const char *s)
{
	peer_send(fd, s, strlen(s));
}

static struct buf in;

/* False at the end of the stream. */
static bool read_more(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "nothing came after: %.300s",
		in.len != 0 ? buf_cstr(&in) : "");
	n = recv(fd, buf_reserve(&in, 65536), 65536, 0);
	ck_assert_msg(n >= 0, "after %.300s: %s", buf_cstr(&in), strerror(errno));
	in.len += (size_t)n;
	return n > 0;
}

const char *peer_read_all(int fd)
{
	buf_reset(&in, 0);
	while (read_more(fd))
		;
	return buf_cstr(&in);
}

/* Byte by byte, so that the next answer stays in the socket. */
const char *peer_read_answer(int fd)
{
	const char *length;
	size_t head, body = 0;
	char c;

	buf_reset(&in, 0);
	while (strstr(buf_cstr(&in), "\r\n\r\n") == NULL) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "no answer after: %s", buf_cstr(&in));
		ck_assert_msg(recv(fd, &c, 1, 0) == 1, "closed after: %s", buf_cstr(&in));
		buf_add_char(&in, c);
	}
	head = in.len;
	length = strstr(in.data, "\r\nContent-Length: ");
	if (length != NULL && length < in.data + head)
		body = strtoul(length + 18, NULL, 10);
	while (in.len < head + body) {
		ssize_t n =
			recv(fd, buf_reserve(&in, head + body - in.len), head + body - in.len, 0);

		ck_assert_msg(n > 0, "closed in the body after: %.200s", buf_cstr(&in));
		in.len += (size_t)n;
	}
	return buf_cstr(&in);
}

const char *peer_talk(const char *request)
{
	int fd = peer_connect();
	const char *answer;

	peer_send_str(fd, request);
	answer = peer_read_all(fd);
	close(fd);
	return answer;
}
