/*
 * load: the load generator of `make bench`. Each mode measures one figure and prints `name=value` lines for bench/run.
 */
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/client.h"
#include "common/xalloc.h"

#define CONNECTING_MAX 200 /* at the same time */
#define PIDS_MAX 64
#define CONTENT_SIZE 100
#define CLIENTS_MAX 100000

static struct {
	int port;
	const char *tokens;
	const char *database;
	size_t n;
	double seconds;
	pid_t pids[PIDS_MAX]; /* of the workers, whose CPU time is measured */
	size_t n_pids;
} options = { .n = 1000, .seconds = 10 };

static struct client *clients;
static size_t n_clients;
static size_t n_ready;
static char content[CONTENT_SIZE + 1];
static int64_t run_id; /* makes the client_ids unique on the database */

/* Returns the CPU time of the workers in nanoseconds, from schedstat: /proc/PID/stat has a resolution of ticks. */
static int64_t workers_cpu_ns(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < options.n_pids; i++) {
		char path[64];
		long long ns;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)options.pids[i]);
		f = fopen(path, "r");
		if (f == NULL || fscanf(f, "%lld", &ns) != 1)
			bench_fail("%s: %s", path, strerror(errno));
		fclose(f);
		sum += ns;
	}
	return sum;
}

/* Returns the proportional set size of the workers in bytes. */
static int64_t workers_memory(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < options.n_pids; i++) {
		char path[64], line[256];
		long long kib;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)options.pids[i]);
		f = fopen(path, "r");
		if (f == NULL)
			bench_fail("%s: %s", path, strerror(errno));
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "Pss: %lld kB", &kib) == 1)
				sum += kib * 1024;
		fclose(f);
	}
	return sum;
}

static bool is_type(const char *payload, size_t len, const char *type)
{
	size_t n = strlen(type);

	return len > 10 + n && memcmp(payload, "{\"type\":\"", 9) == 0 &&
		memcmp(payload + 9, type, n) == 0 && payload[9 + n] == '"';
}

static void on_ready(struct client *c, const char *payload, size_t len)
{
	(void)c;
	if (is_type(payload, len, "ready"))
		n_ready++;
}

/* Connects clients[0..n) and waits for `ready` on all. */
static void connect_all(size_t n, client_text *on_text)
{
	size_t asked = 0;

	n_ready = 0;
	while (n_ready < n) {
		while (asked < n && asked - n_ready < CONNECTING_MAX)
			client_connect(&clients[asked++], on_text);
		client_poll(1000);
	}
}

static void close_all(size_t n)
{
	for (size_t i = 0; i < n; i++)
		client_close(&clients[i]);
}

/* connect: measures the rate of authenticated connects, and the memory per idle socket. */
static void mode_connect(void)
{
	int64_t memory = workers_memory(), start_ns = bench_now_ns(), took;

	connect_all(n_clients, on_ready);
	took = bench_now_ns() - start_ns;
	sleep(3); /* until buffers of the handshakes are freed */
	printf("connects_per_second=%.0f\n", (double)n_clients * 1e9 / (double)took);
	printf("bytes_per_socket=%.0f\n", (double)(workers_memory() - memory) / (double)n_clients);
	close_all(n_clients);
}

/* fanout: one message is in flight per group; the next is sent when all members have received it. */

struct group {
	int64_t id;
	size_t n_members;
	size_t n_waited; /* deliveries that are outstanding */
	struct client *sender;
};

static struct group *groups;
static size_t n_groups;
static int64_t n_deliveries;
static bool stopping;

static struct group *group_of(int64_t id)
{
	for (size_t i = 0; i < n_groups; i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

static void send_message(struct client *c, int64_t to)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
		"{\"type\":\"send\",\"id\":\"b%lld-%u\",\"receiver_id\":%lld,\"content\":\"%s\"}",
		(long long)run_id, c->n_sent++, (long long)to, content);

	client_send(c, text, (size_t)len);
}

static void group_send(struct group *g)
{
	g->n_waited = g->n_members - 1;
	send_message(g->sender, g->id);
}

static void on_fanout(struct client *c, const char *payload, size_t len)
{
	struct group *g;

	if (is_type(payload, len, "ready"))
		n_ready++;
	else if (is_type(payload, len, "error"))
		bench_fail("user %lld: %.*s", (long long)c->user_id, (int)len, payload);
	if (!is_type(payload, len, "message"))
		return;
	n_deliveries++;
	g = group_of(c->group_id);
	if (g != NULL && --g->n_waited == 0 && !stopping)
		group_send(g);
}

/* Keeps the clients of the first complete groups, up to options.n clients. */
static void groups_choose(void)
{
	size_t kept = 0;

	groups = xcalloc(n_clients, sizeof(*groups));
	for (size_t i = 0; i < n_clients; i++) {
		struct group *g = group_of(clients[i].group_id);

		if (clients[i].group_id == 0)
			continue;
		if (g == NULL) {
			g = &groups[n_groups++];
			*g = (struct group){ .id = clients[i].group_id };
		}
		g->n_members++;
	}
	for (size_t n = 0, i = 0; i < n_groups; i++) {
		n += groups[i].n_members;
		if (n > options.n)
			n_groups = i;
	}
	for (size_t i = 0; i < n_clients; i++) {
		struct group *g = group_of(clients[i].group_id);

		if (g == NULL)
			continue;
		clients[kept] = clients[i];
		if (g->sender == NULL)
			g->sender = &clients[kept];
		kept++;
	}
	n_clients = kept;
}

static void mode_fanout(void)
{
	int64_t start_ns, cpu, deliveries, took;

	groups_choose();
	connect_all(n_clients, on_fanout);
	for (size_t i = 0; i < n_groups; i++)
		if (groups[i].n_members > 1)
			group_send(&groups[i]);
	start_ns = bench_now_ns();
	while (bench_now_ns() - start_ns < 1000000000)
		client_poll(100);
	start_ns = bench_now_ns();
	cpu = workers_cpu_ns();
	deliveries = n_deliveries;
	while ((double)(bench_now_ns() - start_ns) < options.seconds * 1e9)
		client_poll(100);
	took = bench_now_ns() - start_ns;
	cpu = workers_cpu_ns() - cpu;
	deliveries = n_deliveries - deliveries;
	stopping = true;
	printf("groups=%zu\n", n_groups);
	printf("members=%.1f\n", (double)n_clients / (double)n_groups);
	printf("deliveries_per_second=%.0f\n", (double)deliveries * 1e9 / (double)took);
	printf("us_per_delivery=%.2f\n", (double)cpu / 1e3 / (double)deliveries);
	close_all(n_clients);
}

/* direct: each client has one message to the next client in flight. An acknowledged message is committed. */

static int64_t n_acks;

static struct client *peer_of(const struct client *c)
{
	size_t i = (size_t)(c - clients);

	return &clients[i % 2 == 0 ? i + 1 : i - 1];
}

static void on_direct(struct client *c, const char *payload, size_t len)
{
	if (is_type(payload, len, "ready")) {
		n_ready++;
	} else if (is_type(payload, len, "ack")) {
		n_acks++;
		if (!stopping)
			send_message(c, peer_of(c)->user_id);
	} else if (is_type(payload, len, "error")) {
		bench_fail("user %lld: %.*s", (long long)c->user_id, (int)len, payload);
	}
}

/* Measures the acks per second of clients that have begun, and closes them. */
static void measure_acks(void)
{
	int64_t start_ns = bench_now_ns(), acks, took;

	while (bench_now_ns() - start_ns < 1000000000)
		client_poll(100);
	start_ns = bench_now_ns();
	acks = n_acks;
	while ((double)(bench_now_ns() - start_ns) < options.seconds * 1e9)
		client_poll(100);
	took = bench_now_ns() - start_ns;
	printf("acks_per_second=%.0f\n", (double)(n_acks - acks) * 1e9 / (double)took);
	stopping = true;
	close_all(n_clients);
}

static void mode_direct(void)
{
	n_clients -= n_clients % 2;
	connect_all(n_clients, on_direct);
	for (size_t i = 0; i < n_clients; i++) {
		send_message(&clients[i], peer_of(&clients[i])->user_id);
	}
	measure_acks();
}

/* react: each client sends a message to the next client, then adds and removes a reaction to it, one after the other. */

static int64_t *message_ids; /* by client; 0 until the message is acknowledged */

static void react(struct client *c)
{
	char text[256];
	int len = snprintf(text, sizeof(text),
		"{\"type\":\"react\",\"message_id\":%lld,\"emoji\":\"\xF0\x9F\x91\x8D\",\"on\":%s}",
		(long long)message_ids[c - clients], c->n_sent++ % 2 == 1 ? "true" : "false");

	client_send(c, text, (size_t)len);
}

static void on_react(struct client *c, const char *payload, size_t len)
{
	static const char name[] = "\"message_id\":";
	int64_t *id = &message_ids[c - clients];

	if (!is_type(payload, len, "ack")) {
		on_direct(c, payload, len);
		return;
	}
	if (*id != 0)
		n_acks++;
	for (size_t i = 0; *id == 0 && i + sizeof(name) < len; i++)
		if (memcmp(payload + i, name, sizeof(name) - 1) == 0)
			*id = atoll(payload + i + sizeof(name) - 1);
	if (!stopping)
		react(c);
}

static void mode_react(void)
{
	n_clients -= n_clients % 2;
	message_ids = xcalloc(n_clients, sizeof(*message_ids));
	connect_all(n_clients, on_react);
	for (size_t i = 0; i < n_clients; i++)
		send_message(&clients[i], peer_of(&clients[i])->user_id);
	measure_acks();
	free(message_ids);
}

/* bare: measures a send() of the same size over loopback, with the reader on another core, as the minimum for a delivery. */

static void *bare_reader(void *arg)
{
	char bytes[65536];
	int fd = *(int *)arg;

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	return NULL;
}

static void tcp_pair(int fds[2])
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	if (listener < 0 || bind(listener, (struct sockaddr *)&a, len) < 0 ||
		listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		bench_fail("cannot listen: %s", strerror(errno));
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&a, len) < 0)
		bench_fail("cannot connect: %s", strerror(errno));
	fds[1] = accept(listener, NULL, NULL);
	close(listener);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static int64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

#define BARE_PAIRS 100

static void mode_bare(void)
{
	static int fds[BARE_PAIRS][2];
	static pthread_t readers[BARE_PAIRS];
	char frame[350] = { 0 };
	int64_t cpu, n = 0, start_ns = bench_now_ns();

	for (size_t i = 0; i < BARE_PAIRS; i++) {
		tcp_pair(fds[i]);
		if (pthread_create(&readers[i], NULL, bare_reader, &fds[i][1]) != 0)
			bench_fail("cannot make a thread");
	}
	cpu = own_cpu_ns();
	while ((double)(bench_now_ns() - start_ns) < options.seconds * 1e9) {
		for (size_t i = 0; i < BARE_PAIRS; i++, n++)
			if (send(fds[i][0], frame, sizeof(frame), MSG_NOSIGNAL) !=
				(ssize_t)sizeof(frame))
				bench_fail("send: %s", strerror(errno));
		/* The readers have read the message before the next one is sent. */
		usleep(500);
	}
	cpu = own_cpu_ns() - cpu;
	printf("us_per_send=%.2f\n", (double)cpu / 1e3 / (double)n);
	for (size_t i = 0; i < BARE_PAIRS; i++) {
		close(fds[i][0]);
		pthread_join(readers[i], NULL);
		close(fds[i][1]);
	}
}

/* sql: stores the same rows by the SQL function only, in batches of 128 on one connection. */

static void put_array(
	struct buf *b, const char *name, size_t n, void (*item)(struct buf *b, size_t i))
{
	buf_addf(b, "%sarray[", name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(b, ',');
		item(b, i);
	}
	buf_add_char(b, ']');
}

static unsigned sql_batch;

static void put_sender(struct buf *b, size_t i)
{
	buf_add_i64(b, clients[i].user_id);
}

static void put_receiver(struct buf *b, size_t i)
{
	buf_add_i64(b, peer_of(&clients[i])->user_id);
}

static void put_content(struct buf *b, size_t i)
{
	(void)i;
	buf_addf(b, "'%s'", content);
}

static void put_client_id(struct buf *b, size_t i)
{
	buf_addf(b, "'s%lld-%u-%zu'", (long long)run_id, sql_batch, i);
}

static void mode_sql(void)
{
	PGconn *pg = PQconnectdb(options.database);
	size_t n = n_clients < 128 ? n_clients : 128;
	int64_t rows = 0, start_ns;

	if (PQstatus(pg) != CONNECTION_OK)
		bench_fail("%s", PQerrorMessage(pg));
	PQclear(PQexec(pg, "set search_path = parley, pg_temp"));
	start_ns = bench_now_ns();
	while ((double)(bench_now_ns() - start_ns) < options.seconds * 1e9) {
		struct buf q = BUF_EMPTY;
		PGresult *r;

		sql_batch++;
		put_array(&q, "select count(*) from send_messages(", n, put_sender);
		put_array(&q, ",", n, put_receiver);
		put_array(&q, ",", n, put_content);
		put_array(&q, ",", n, put_client_id);
		buf_add_str(&q, ") where status = 'ok'");
		r = PQexec(pg, buf_cstr(&q));
		if (PQresultStatus(r) != PGRES_TUPLES_OK || (size_t)atol(PQgetvalue(r, 0, 0)) != n)
			bench_fail("send_messages: %s", PQerrorMessage(pg));
		PQclear(r);
		buf_fini(&q);
		rows += (int64_t)n;
	}
	printf("rows_per_second=%.0f\n", (double)rows * 1e9 / (double)(bench_now_ns() - start_ns));
	PQfinish(pg);
}

static const struct {
	const char *name;
	void (*run)(void);
	bool connects;
} modes[] = {
	{ "connect", mode_connect, true },
	{ "fanout", mode_fanout, true },
	{ "direct", mode_direct, true },
	{ "react", mode_react, true },
	{ "bare", mode_bare, false },
	{ "sql", mode_sql, false },
};

static void usage(FILE *to)
{
	fputs("usage: load MODE [--port N] [--tokens FILE] [--n CLIENTS] [--seconds S] [--pids "
	      "PID,…] [--database CONNINFO]\n"
	      "  connect  CLIENTS authenticated sockets: how fast, and their memory in the "
	      "workers\n"
	      "  fanout   one message outstanding in each group: the workers' CPU for a delivery\n"
	      "  direct   one message outstanding for each client, 1:1: acknowledged a second\n"
	      "  react    one reaction outstanding for each client, 1:1: acknowledged a second\n"
	      "  bare     one send() over loopback, without any server\n"
	      "  sql      the rows of `direct` through the database alone\n",
		to);
}

static void read_pids(char *list)
{
	for (char *p = strtok(list, ","); p != NULL && options.n_pids < PIDS_MAX;
		p = strtok(NULL, ","))
		options.pids[options.n_pids++] = (pid_t)atoi(p);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "tokens", required_argument, NULL, 't' },
		{ "n", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' },
		{ "pids", required_argument, NULL, 'P' },
		{ "database", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case 'p':
			options.port = atoi(optarg);
			break;
		case 't':
			options.tokens = optarg;
			break;
		case 'n':
			options.n = (size_t)atol(optarg);
			break;
		case 's':
			options.seconds = atof(optarg);
			break;
		case 'P':
			read_pids(optarg);
			break;
		case 'd':
			options.database = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	memset(content, 'x', CONTENT_SIZE);
	run_id = bench_now_ns();
	if (options.tokens != NULL) {
		clients = xcalloc(CLIENTS_MAX, sizeof(*clients));
		n_clients = client_read_tokens(options.tokens, clients, CLIENTS_MAX);
	}
	for (size_t i = 0; optind == argc - 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[optind], modes[i].name) != 0)
			continue;
		/* fanout uses complete groups, the other modes the first clients. */
		if (modes[i].run != mode_fanout && n_clients > options.n)
			n_clients = options.n;
		if (modes[i].connects)
			client_loop_init("127.0.0.1", options.port);
		modes[i].run();
		return 0;
	}
	usage(stderr);
	return 2;
}
