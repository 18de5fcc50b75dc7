#define _GNU_SOURCE 1
#include "auth/hasher.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stats.h"
#include "common/xalloc.h"

#define NICENESS 10
#define TRY_ENTRIES 4096

/* One packet each. Both ends are the same program: no byte order, no version. */
struct request {
	uint64_t id;
	int64_t deadline_ms; /* of clock_mono_ms, after which the worker has given up */
	struct ratelimit_key keys[HASHER_KEYS_MAX];
	uint32_t incarnation; /* of the worker */
	uint32_t n_keys;
	uint32_t verify; /* 0: hash */
	uint32_t has_stored;
	uint32_t len; /* of the password, which ends the packet */
	char stored[HASHER_STORED_MAX];
	char password[HASHER_PASSWORD_MAX];
};

struct reply {
	uint64_t id;
	uint32_t incarnation; /* of the request */
	uint32_t result;
	char stored[HASHER_STORED_MAX];
};

/* --- the hasher's side: the limit of tries --- */

/*
 * A token bucket as one number: the time at which it is full again. Each try adds HASHER_REFILL_MS to it. A full bucket
 * needs no entry.
 */
struct bucket {
	struct ratelimit_key key;
	uint64_t used; /* number of the last try; 0: free */
	int64_t full_ms;
};

struct tries {
	uint64_t n;
	struct bucket buckets[TRY_ENTRIES];
};

/* The key's bucket. If it has none, it gets a new one in place of the least recently used. */
static struct bucket *tries_bucket(struct tries *t, const struct ratelimit_key *key)
{
	struct bucket *oldest = &t->buckets[0];

	for (size_t i = 0; i < TRY_ENTRIES; i++) {
		struct bucket *b = &t->buckets[i];

		if (b->used > 0 && ratelimit_key_equal(&b->key, key)) {
			b->used = ++t->n;
			return b;
		}
		if (b->used < oldest->used)
			oldest = b;
	}
	*oldest = (struct bucket){ .key = *key, .used = ++t->n };
	return oldest;
}

static bool tries_allow(
	struct tries *t, const struct ratelimit_key *keys, unsigned n, int64_t now_ms)
{
	struct bucket *buckets[HASHER_KEYS_MAX];

	for (unsigned i = 0; i < n; i++) {
		buckets[i] = tries_bucket(t, &keys[i]);
		if (buckets[i]->full_ms - now_ms > (HASHER_BURST - 1) * HASHER_REFILL_MS)
			return false;
	}
	for (unsigned i = 0; i < n; i++) {
		if (buckets[i]->full_ms < now_ms)
			buckets[i]->full_ms = now_ms;
		buckets[i]->full_ms += HASHER_REFILL_MS;
	}
	return true;
}

/* --- the hasher's side: answering --- */

static struct tries tries; /* of the process, which does nothing else */
static volatile sig_atomic_t terminated, log_rotated;

static void on_signal(int number)
{
	if (number == SIGHUP)
		log_rotated = 1;
	else
		terminated = 1;
}

/* Blocks SIGTERM and SIGHUP; they arrive only under the mask *waiting, for ppoll(2). */
static void signals_set(sigset_t *waiting)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, waiting);
	sigdelset(waiting, SIGTERM);
	sigdelset(waiting, SIGHUP);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static enum hasher_result process(const struct request *r, char stored[HASHER_STORED_MAX])
{
	if (!tries_allow(&tries, r->keys, r->n_keys, clock_mono_ms()))
		return HASHER_LIMITED;
	if (!r->verify)
		return password_hash(r->password, r->len, stored) ? HASHER_OK : HASHER_FAILED;
	switch (password_check(r->password, r->len, r->has_stored ? r->stored : NULL)) {
	case PASSWORD_RIGHT:
		return HASHER_OK;
	case PASSWORD_WRONG:
		return HASHER_WRONG;
	case PASSWORD_BROKEN:
		break;
	}
	return HASHER_FAILED;
}

/* False if the worker has died since, or has given up. */
static bool is_awaited(const struct heritage *h, unsigned slot, const struct request *r)
{
	const struct stats_slot *worker = &h->stats->slots[slot];

	return worker->alive && worker->incarnation == r->incarnation &&
		clock_mono_ms() < r->deadline_ms;
}

static bool request_is_valid(const struct request *r, size_t size)
{
	return size > offsetof(struct request, password) && r->len <= HASHER_PASSWORD_MAX &&
		size == offsetof(struct request, password) + r->len &&
		r->n_keys <= HASHER_KEYS_MAX && memchr(r->stored, '\0', HASHER_STORED_MAX);
}

static void request_answer(const struct heritage *h, unsigned slot, const struct request *r)
{
	struct reply reply = { .id = r->id, .incarnation = r->incarnation };

	FAULT("hasher.received");
	reply.result = process(r, reply.stored);
	FAULT("hasher.hashed");
	/* If the socket is full the worker has not read replies for long, and has given up on this one. */
	if (send(h->hasher_ends[slot], &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_warn("reply_dropped slot=%u error=\"%m\"", slot);
	FAULT("hasher.replied");
}

/*
 * Answers a slot's oldest request, and only then takes it off the queue: if this process is killed in between, its
 * successor finds it there, and the worker ignores a second reply. A request that kills every hasher ends with its
 * deadline. Returns false once the other end is closed.
 */
static bool serve(const struct heritage *h, unsigned slot)
{
	int fd = h->hasher_ends[slot];
	struct request r;
	ssize_t size = recv(fd, &r, sizeof(r), MSG_PEEK | MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR;
	if (size == 0)
		return false;
	if (request_is_valid(&r, (size_t)size) && is_awaited(h, slot, &r))
		request_answer(h, slot, &r);
	while (recv(fd, &r, sizeof(r), MSG_DONTWAIT) < 0 && errno == EINTR)
		;
	OPENSSL_cleanse(&r, sizeof(r));
	return true;
}

/* Serves one slot that has a request, from *turn on; returns false if none has. */
static bool serve_next(const struct heritage *h, struct pollfd *slots, unsigned *turn)
{
	for (unsigned i = 0; i < h->n_slots; i++) {
		unsigned slot = (*turn + i) % h->n_slots;

		if (slots[slot].fd < 0 || slots[slot].revents == 0)
			continue;
		if (!serve(h, slot))
			slots[slot].fd = -1;
		*turn = slot + 1;
		return true;
	}
	return false;
}

/*
 * Below the workers, and in a session of its own: with autogroups (sched(7)) a nice value counts only within a session,
 * and sessions share the processors evenly. In the workers' session the hashing would take their share, and PostgreSQL,
 * in another session, would wait for both.
 */
static void priority_lower(void)
{
	if (nice(NICENESS) < 0)
		log_warn("nice_failed error=\"%m\"");
	if (setsid() < 0)
		log_warn("setsid_failed error=\"%m\"");
}

int hasher_run(const struct heritage *h)
{
	struct pollfd fds[HERITAGE_SLOTS_MAX + 1], *master = &fds[h->n_slots];
	static const struct timespec no_wait;
	sigset_t waiting;
	unsigned turn = 0;
	bool leaving = false;

	priority_lower();
	signals_set(&waiting);
	for (unsigned i = 0; i < h->n_slots; i++)
		fds[i] = (struct pollfd){ .fd = h->hasher_ends[i], .events = POLLIN };
	*master = (struct pollfd){ .fd = h->master_fd, .events = POLLIN };

	/* Queued requests are answered before it leaves. */
	for (;;) {
		if (ppoll(fds, h->n_slots + 1, leaving ? &no_wait : NULL, &waiting) < 0) {
			if (errno != EINTR)
				log_fatal("poll_failed error=\"%m\"");
		} else if (!serve_next(h, fds, &turn) && leaving) {
			return 0;
		}
		if (log_rotated) {
			log_rotated = 0;
			log_reopen();
		}
		if (terminated || master->revents != 0) {
			leaving = true;
			master->fd = -1;
		}
	}
}

/* --- a worker's side --- */

/* A request without a reply. */
struct pending {
	STAILQ_ENTRY(pending) next;
	uint64_t id;
	int64_t deadline_ms;
	enum hasher_result result; /* in `rejected` */
	hasher_cb *cb;
	void *arg;
};
STAILQ_HEAD(pendings, pending);

struct hasher {
	int fd;
	uint32_t incarnation;
	uint64_t last_id;
	unsigned n_in_flight;
	struct pendings in_flight; /* sent, in the order of the replies */
	struct pendings rejected; /* not sent; answered at the end of the loop pass */
	struct event *readable;
	struct event *end_of_pass; /* active while `rejected` is not empty */
	struct event *tick; /* each second while `in_flight` is not empty */
};

/* Frees p. */
static void pending_answer(struct pending *p, enum hasher_result result, const char *stored)
{
	hasher_cb *cb = p->cb;
	void *arg = p->arg;

	free(p);
	cb(arg, result, stored);
}

/* The same for a request in flight. */
static void in_flight_answer(
	struct hasher *h, struct pending *p, enum hasher_result result, const char *stored)
{
	STAILQ_REMOVE(&h->in_flight, p, pending, next);
	h->n_in_flight--;
	if (h->n_in_flight == 0)
		event_del(h->tick);
	pending_answer(p, result, stored);
}

static void on_end_of_pass(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	struct pendings rejected = STAILQ_HEAD_INITIALIZER(rejected);
	struct pending *p;

	(void)fd;
	(void)what;
	STAILQ_CONCAT(&rejected, &h->rejected); /* new ones wait for the next pass */
	while ((p = STAILQ_FIRST(&rejected))) {
		STAILQ_REMOVE_HEAD(&rejected, next);
		pending_answer(p, p->result, NULL);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	int64_t now_ms = clock_mono_ms();
	struct pending *p;

	(void)fd;
	(void)what;
	while ((p = STAILQ_FIRST(&h->in_flight)) && p->deadline_ms <= now_ms)
		in_flight_answer(h, p, HASHER_FAILED, NULL);
}

static void on_reply(struct hasher *h, const struct reply *r)
{
	bool has_text = r->stored[0] != '\0' && memchr(r->stored, '\0', sizeof(r->stored));
	struct pending *p;

	if (r->incarnation != h->incarnation || r->result > HASHER_FAILED)
		return;
	STAILQ_FOREACH(p, &h->in_flight, next)
	{
		if (p->id == r->id) {
			in_flight_answer(
				h, p, (enum hasher_result)r->result, has_text ? r->stored : NULL);
			return;
		}
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	struct pending *p;
	struct reply r;
	ssize_t size = 0;

	(void)what;
	for (unsigned i = 0; i < HASHER_IN_FLIGHT; i++) {
		size = recv((int)fd, &r, sizeof(r), MSG_DONTWAIT);
		if (size <= 0)
			break;
		if (size == sizeof(r))
			on_reply(h, &r);
	}
	if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	/* The hasher is gone and has no successor: the master is stopping or dead. */
	event_del(h->readable);
	while ((p = STAILQ_FIRST(&h->in_flight)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): taken off the list before it is freed */
		in_flight_answer(h, p, HASHER_FAILED, NULL);
}

struct hasher *hasher_open(struct event_base *base, const struct heritage *heritage)
{
	struct hasher *h = xcalloc(1, sizeof(*h));

	h->fd = heritage->hasher_fds[heritage->slot];
	h->incarnation = heritage->incarnation;
	STAILQ_INIT(&h->in_flight);
	STAILQ_INIT(&h->rejected);
	h->readable = event_new(base, h->fd, EV_READ | EV_PERSIST, on_readable, h);
	h->end_of_pass = event_new(base, -1, 0, on_end_of_pass, h);
	h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
	if (!h->readable || !h->end_of_pass || !h->tick)
		log_fatal("out_of_memory what=hasher");
	event_add(h->readable, NULL);
	return h;
}

static void fail_all(struct pendings *list)
{
	struct pending *p;

	while ((p = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		pending_answer(p, HASHER_FAILED, NULL);
	}
}

void hasher_close(struct hasher *h)
{
	fail_all(&h->in_flight);
	fail_all(&h->rejected);
	event_free(h->readable);
	event_free(h->end_of_pass);
	event_free(h->tick);
	close(h->fd);
	free(h);
}

/* HASHER_OK once the packet is in the socket. */
static enum hasher_result packet_send(struct hasher *h, const struct request *packet)
{
	size_t size = offsetof(struct request, password) + packet->len;

	if (h->n_in_flight == HASHER_IN_FLIGHT)
		return HASHER_BUSY;
	FAULT("hasher.request");
	return send(h->fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? HASHER_BUSY : HASHER_OK;
}

/* Completes the packet and sends it. */
static void submit(struct hasher *h, const struct hasher_request *r, struct request *packet)
{
	static const struct timeval second = { 1, 0 };
	struct pending *p = xmalloc(sizeof(*p));

	assert(r->password.len >= 1 && r->password.len <= HASHER_PASSWORD_MAX);
	assert(r->n_keys <= HASHER_KEYS_MAX);
	packet->id = ++h->last_id;
	packet->incarnation = h->incarnation;
	packet->deadline_ms = clock_mono_ms() + HASHER_TIMEOUT_MS;
	packet->n_keys = r->n_keys;
	memcpy(packet->keys, r->keys, sizeof(r->keys));
	packet->len = (uint32_t)r->password.len;
	memcpy(packet->password, r->password.data, r->password.len);
	*p = (struct pending){
		.id = packet->id, .deadline_ms = packet->deadline_ms, .cb = r->cb, .arg = r->arg
	};
	p->result = packet_send(h, packet);
	OPENSSL_cleanse(packet->password, packet->len);
	if (p->result != HASHER_OK) {
		STAILQ_INSERT_TAIL(&h->rejected, p, next);
		event_active(h->end_of_pass, EV_TIMEOUT, 0);
		return;
	}
	STAILQ_INSERT_TAIL(&h->in_flight, p, next);
	if (h->n_in_flight++ == 0)
		event_add(h->tick, &second);
}

void hasher_hash(struct hasher *h, const struct hasher_request *r)
{
	struct request packet = { .verify = 0 };

	submit(h, r, &packet);
}

void hasher_verify(struct hasher *h, const struct hasher_request *r, const char *stored)
{
	struct request packet = { .verify = 1, .has_stored = stored != NULL };

	/* A text that is too long is sent as an empty one, which is malformed as well. */
	if (stored && strlen(stored) < HASHER_STORED_MAX)
		strcpy(packet.stored, stored);
	submit(h, r, &packet);
}
