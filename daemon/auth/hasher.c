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

#define NICENESS 3 /* Half of the workers' share: with 10, four busy processes let one hash take 6 s. */
#define TRY_ENTRIES 4096
#define LEAVE_MS 100

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
 * needs no entry, and only its entry is used again. So a flood of other keys cannot displace a bucket: each entry in use
 * is that of a hashed try, and the hasher cannot hash as many passwords as there are entries while a bucket refills.
 */
struct bucket {
	struct ratelimit_key key;
	int64_t full_ms;
};

struct tries {
	struct bucket addresses[TRY_ENTRIES], others[TRY_ENTRIES];
};

/* The key's bucket, or an entry for it, whose full_ms is in the past; NULL if the table is full. */
static struct bucket *tries_bucket(struct tries *t, const struct ratelimit_key *key, int64_t now_ms)
{
	struct bucket *table = ratelimit_key_is_address(key) ? t->addresses : t->others;
	struct bucket *unused = NULL;

	for (size_t i = 0; i < TRY_ENTRIES; i++) {
		if (table[i].full_ms <= now_ms)
			unused = &table[i];
		else if (ratelimit_key_equal(&table[i].key, key))
			return &table[i];
	}
	return unused;
}

static bool tries_allow(
	struct tries *t, const struct ratelimit_key *keys, unsigned n, int64_t now_ms)
{
	for (unsigned i = 0; i < n; i++) {
		const struct bucket *b = tries_bucket(t, &keys[i], now_ms);

		if (b == NULL || b->full_ms - now_ms > (HASHER_BURST - 1) * HASHER_REFILL_MS)
			return false;
	}
	for (unsigned i = 0; i < n; i++) {
		struct bucket *b = tries_bucket(t, &keys[i], now_ms);

		if (b == NULL) /* the key before has the last entry */
			return false;
		b->key = keys[i];
		b->full_ms = (b->full_ms > now_ms ? b->full_ms : now_ms) + HASHER_REFILL_MS;
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
	static const struct timespec last_wait = { 0, LEAVE_MS * 1000000L };
	sigset_t waiting;
	unsigned turn = 0;
	bool leaving = false;

	priority_lower();
	signals_set(&waiting);
	for (unsigned i = 0; i < h->n_slots; i++)
		fds[i] = (struct pollfd){ .fd = h->hasher_ends[i], .events = POLLIN };
	*master = (struct pollfd){ .fd = h->master_fd, .events = POLLIN };

	/* Queued requests are answered before it leaves; a worker sends the next one when it has a reply. */
	for (;;) {
		if (ppoll(fds, h->n_slots + 1, leaving ? &last_wait : NULL, &waiting) < 0) {
			if (errno != EINTR)
				log_fatal("poll_failed error=\"%m\"");
		} else if (!serve_next(h, fds, &turn) && leaving) {
			return 0;
		}
		if (log_rotated) {
			log_rotated = 0;
			if (log_reopen() != 0)
				log_error("log_reopen_failed error=\"%m\"");
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
	struct request packet; /* the password is wiped when it has been sent */
	unsigned rank; /* requests of its client that waited when it came */
	enum hasher_result result; /* in `rejected` */
	hasher_cb *cb;
	void *arg;
};
STAILQ_HEAD(pendings, pending);

struct hasher {
	int fd;
	uint32_t incarnation;
	uint64_t last_id;
	unsigned n; /* sent and waiting */
	struct pending *sent; /* NULL: none */
	struct pendings waiting; /* by rank, then in the order of their arrival */
	struct pendings rejected; /* answered at the end of the loop pass */
	struct event *readable;
	struct event *end_of_pass; /* active while `rejected` is not empty */
	struct event *tick; /* each second while n is not 0 */
};

/* Frees p. */
static void pending_answer(struct pending *p, enum hasher_result result, const char *stored)
{
	hasher_cb *cb = p->cb;
	void *arg = p->arg;

	OPENSSL_cleanse(&p->packet, sizeof(p->packet));
	free(p);
	cb(arg, result, stored);
}

static void reject(struct hasher *h, struct pending *p, enum hasher_result result)
{
	p->result = result;
	STAILQ_INSERT_TAIL(&h->rejected, p, next);
	event_active(h->end_of_pass, EV_TIMEOUT, 0);
}

static void send_next(struct hasher *h);

static void sent_answer(struct hasher *h, enum hasher_result result, const char *stored)
{
	struct pending *p = h->sent;

	h->sent = NULL;
	h->n--;
	send_next(h);
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
	struct pending *p, *next;

	(void)fd;
	(void)what;
	for (p = STAILQ_FIRST(&h->waiting); p != NULL; p = next) {
		next = STAILQ_NEXT(p, next);
		if (p->packet.deadline_ms > now_ms)
			continue;
		STAILQ_REMOVE(&h->waiting, p, pending, next);
		h->n--;
		reject(h, p, HASHER_FAILED);
	}
	if (h->sent != NULL && h->sent->packet.deadline_ms <= now_ms)
		sent_answer(h, HASHER_FAILED, NULL);
	if (h->n == 0)
		event_del(h->tick);
}

static void on_reply(struct hasher *h, const struct reply *r)
{
	bool has_text = r->stored[0] != '\0' && memchr(r->stored, '\0', sizeof(r->stored));

	if (r->incarnation == h->incarnation && r->result <= HASHER_FAILED && h->sent != NULL &&
		h->sent->packet.id == r->id)
		sent_answer(h, (enum hasher_result)r->result, has_text ? r->stored : NULL);
}

static void fail_all(struct pendings *list)
{
	struct pending *p;

	while ((p = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		pending_answer(p, HASHER_FAILED, NULL);
	}
}

/* Fails all requests that were sent or wait. */
static void fail_pending(struct hasher *h)
{
	if (h->sent != NULL)
		STAILQ_INSERT_HEAD(&h->waiting, h->sent, next);
	h->sent = NULL;
	h->n = 0;
	fail_all(&h->waiting);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
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
	fail_pending(h);
}

struct hasher *hasher_open(struct event_base *base, const struct heritage *heritage)
{
	struct hasher *h = xcalloc(1, sizeof(*h));

	h->fd = heritage->hasher_fds[heritage->slot];
	h->incarnation = heritage->incarnation;
	STAILQ_INIT(&h->waiting);
	STAILQ_INIT(&h->rejected);
	h->readable = event_new(base, h->fd, EV_READ | EV_PERSIST, on_readable, h);
	h->end_of_pass = event_new(base, -1, 0, on_end_of_pass, h);
	h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
	if (!h->readable || !h->end_of_pass || !h->tick)
		log_fatal("out_of_memory what=hasher");
	event_add(h->readable, NULL);
	return h;
}

void hasher_close(struct hasher *h)
{
	fail_pending(h);
	fail_all(&h->rejected);
	event_free(h->readable);
	event_free(h->end_of_pass);
	event_free(h->tick);
	close(h->fd);
	free(h);
}

/* Sends the next request, unless one is with the hasher: its queue is the workers', which know the clients. */
static void send_next(struct hasher *h)
{
	struct pending *p = STAILQ_FIRST(&h->waiting);
	size_t size;

	if (p == NULL || h->sent != NULL)
		return;
	FAULT("hasher.request");
	size = offsetof(struct request, password) + p->packet.len;
	STAILQ_REMOVE_HEAD(&h->waiting, next);
	if (send(h->fd, &p->packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		h->n--;
		reject(h, p, HASHER_BUSY);
		return;
	}
	OPENSSL_cleanse(p->packet.password, p->packet.len);
	h->sent = p;
}

/* Inserts a request so that a client with one request does not wait for another's many. */
static void enqueue(struct hasher *h, struct pending *p)
{
	struct pending *before = NULL, *q;

	STAILQ_FOREACH(q, &h->waiting, next)
	p->rank += p->packet.n_keys > 0 && q->packet.n_keys > 0 &&
		ratelimit_key_equal(&p->packet.keys[0], &q->packet.keys[0]);
	STAILQ_FOREACH(q, &h->waiting, next)
	if (q->rank <= p->rank)
		before = q;
	if (before != NULL)
		STAILQ_INSERT_AFTER(&h->waiting, before, p, next);
	else
		STAILQ_INSERT_HEAD(&h->waiting, p, next);
}

static void submit(struct hasher *h, const struct hasher_request *r, struct pending *p)
{
	static const struct timeval second = { 1, 0 };
	struct request *packet = &p->packet;

	assert(r->password.len >= 1 && r->password.len <= HASHER_PASSWORD_MAX);
	assert(r->n_keys <= HASHER_KEYS_MAX);
	packet->id = ++h->last_id;
	packet->incarnation = h->incarnation;
	packet->deadline_ms = clock_mono_ms() + HASHER_TIMEOUT_MS;
	packet->n_keys = r->n_keys;
	memcpy(packet->keys, r->keys, sizeof(r->keys));
	packet->len = (uint32_t)r->password.len;
	memcpy(packet->password, r->password.data, r->password.len);
	p->cb = r->cb;
	p->arg = r->arg;
	if (h->n == HASHER_IN_FLIGHT) {
		reject(h, p, HASHER_BUSY);
		return;
	}
	if (h->n++ == 0)
		event_add(h->tick, &second);
	enqueue(h, p);
	send_next(h);
}

void hasher_hash(struct hasher *h, const struct hasher_request *r)
{
	submit(h, r, xcalloc(1, sizeof(struct pending)));
}

void hasher_verify(struct hasher *h, const struct hasher_request *r, const char *stored)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->packet.verify = 1;
	p->packet.has_stored = stored != NULL;
	/* A text that is too long is sent as an empty one, which is malformed as well. */
	if (stored && strlen(stored) < HASHER_STORED_MAX)
		strcpy(p->packet.stored, stored);
	submit(h, r, p);
}
