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

#define KEYS_MAX 2
#define NICENESS 10
#define LIMIT_ENTRIES 4096

/* One packet each. Both ends are the same program: no byte order, no version. */
struct question {
	uint64_t id;
	int64_t deadline_ms; /* clock_mono_ms after which nobody waits for the answer */
	uint64_t keys[KEYS_MAX];
	uint32_t incarnation; /* of the asker */
	uint32_t n_keys;
	uint32_t verify; /* 0: hash */
	uint32_t known; /* stored is set */
	uint32_t len; /* of the password, which is the end of the packet */
	char stored[HASHER_STORED_MAX];
	char password[HASHER_PASSWORD_MAX];
};

struct answer {
	uint64_t id;
	uint32_t incarnation; /* of the asker */
	uint32_t result;
	char stored[HASHER_STORED_MAX];
};

/* --- the hasher's side: who tried how often --- */

/*
 * A token bucket is one number: the time at which it will be full again. Each try moves it on by
 * HASHER_REFILL_MS; a full bucket is as good as none.
 */
struct bucket {
	uint64_t key;
	uint64_t used; /* the newest try of all has the highest; 0: free */
	int64_t full_ms;
};

struct limiter {
	uint64_t tries;
	struct bucket buckets[LIMIT_ENTRIES];
};

/* The key's bucket; where it has none, the one that was longest unused is emptied for it. */
static struct bucket *limiter_bucket(struct limiter *l, uint64_t key)
{
	struct bucket *oldest = &l->buckets[0];

	for (size_t i = 0; i < LIMIT_ENTRIES; i++) {
		struct bucket *b = &l->buckets[i];

		if (b->used > 0 && b->key == key) {
			b->used = ++l->tries;
			return b;
		}
		if (b->used < oldest->used)
			oldest = b;
	}
	*oldest = (struct bucket){ .key = key, .used = ++l->tries };
	return oldest;
}

static bool limiter_allows(struct limiter *l, const uint64_t *keys, unsigned n, int64_t now_ms)
{
	struct bucket *buckets[KEYS_MAX];

	for (unsigned i = 0; i < n; i++) {
		buckets[i] = limiter_bucket(l, keys[i]);
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

static struct limiter limiter; /* the process has no other use */
static volatile sig_atomic_t terminated, log_rotated;

static void on_signal(int number)
{
	if (number == SIGHUP)
		log_rotated = 1;
	else
		terminated = 1;
}

/* SIGTERM and SIGHUP come only while it waits, with the mask that is left in *waiting. */
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

static enum hasher_result work(const struct question *q, char stored[HASHER_STORED_MAX])
{
	if (!limiter_allows(&limiter, q->keys, q->n_keys, clock_mono_ms()))
		return HASHER_LIMITED;
	if (!q->verify)
		return password_hash(q->password, q->len, stored) ? HASHER_OK : HASHER_FAILED;
	switch (password_check(q->password, q->len, q->known ? q->stored : NULL)) {
	case PASSWORD_RIGHT:
		return HASHER_OK;
	case PASSWORD_WRONG:
		return HASHER_WRONG;
	case PASSWORD_BROKEN:
		break;
	}
	return HASHER_FAILED;
}

/* A worker that has died, and an asker whose patience is over, wait for no answer. */
static bool is_waited_for(const struct heritage *h, unsigned slot, const struct question *q)
{
	const struct stats_slot *worker = &h->stats->slots[slot];

	return worker->alive && worker->incarnation == q->incarnation &&
		clock_mono_ms() < q->deadline_ms;
}

static bool question_is_whole(const struct question *q, size_t size)
{
	return size > offsetof(struct question, password) && q->len <= HASHER_PASSWORD_MAX &&
		size == offsetof(struct question, password) + q->len && q->n_keys <= KEYS_MAX &&
		memchr(q->stored, '\0', HASHER_STORED_MAX);
}

static void question_answer(const struct heritage *h, unsigned slot, const struct question *q)
{
	struct answer a = { .id = q->id, .incarnation = q->incarnation };

	FAULT("hasher.asked");
	a.result = work(q, a.stored);
	FAULT("hasher.hashed");
	/*
	 * If it does not fit, the worker has not read answers for long: nobody waits for this one.
	 */
	if (send(h->hasher_ends[slot], &a, sizeof(a), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_warn("answer_dropped slot=%u error=\"%m\"", slot);
	FAULT("hasher.answered");
}

/*
 * Answers a slot's oldest question, and only then takes it off the queue: if this process is killed
 * on the way its successor finds it there. (The worker ignores a second answer.) A question that
 * kills every hasher is over when its deadline is. Returns false once the slot's other end is
 * closed.
 */
static bool serve(const struct heritage *h, unsigned slot)
{
	int fd = h->hasher_ends[slot];
	struct question q;
	ssize_t size = recv(fd, &q, sizeof(q), MSG_PEEK | MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR;
	if (size == 0)
		return false;
	if (question_is_whole(&q, (size_t)size) && is_waited_for(h, slot, &q))
		question_answer(h, slot, &q);
	while (recv(fd, &q, sizeof(q), MSG_DONTWAIT) < 0 && errno == EINTR)
		;
	OPENSSL_cleanse(&q, sizeof(q));
	return true;
}

/* Serves one slot that has a question, from *turn on; false: none has. */
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
 * Behind the workers, and in a session of its own: with autogroups (sched(7)) a nice value counts
 * within a session alone, and sessions share the processors evenly whatever their processes are.
 * In the workers' session the hashing is on their account, and PostgreSQL, which is in another one,
 * waits for it as for them.
 */
static void priority_lower(void)
{
	if (nice(NICENESS) < 0)
		log_warn("not_nice error=\"%m\"");
	if (setsid() < 0)
		log_warn("no_session error=\"%m\"");
}

int hasher_run(const struct heritage *h)
{
	struct pollfd fds[HERITAGE_SLOTS_MAX + 1], *master = &fds[h->n_slots];
	static const struct timespec at_once;
	sigset_t waiting;
	unsigned turn = 0;
	bool leaving = false;

	priority_lower();
	signals_set(&waiting);
	for (unsigned i = 0; i < h->n_slots; i++)
		fds[i] = (struct pollfd){ .fd = h->hasher_ends[i], .events = POLLIN };
	*master = (struct pollfd){ .fd = h->master_fd, .events = POLLIN };

	/* What has been asked is answered even when it is time to leave. */
	for (;;) {
		if (ppoll(fds, h->n_slots + 1, leaving ? &at_once : NULL, &waiting) < 0) {
			if (errno != EINTR)
				log_fatal("poll error=\"%m\"");
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

/* Somebody who waits for an answer. */
struct waiter {
	STAILQ_ENTRY(waiter) next;
	uint64_t id;
	int64_t deadline_ms;
	enum hasher_result result; /* of one whose answer is known */
	hasher_cb *cb;
	void *arg;
};
STAILQ_HEAD(waiters, waiter);

struct hasher {
	int fd;
	uint32_t incarnation;
	uint64_t last_id;
	unsigned n_asked;
	struct waiters asked; /* in the order in which they will be answered */
	struct waiters answered; /* without the hasher */
	struct event *readable;
	struct event *soon; /* active while there are answered ones */
	struct event *tick; /* each second while there are asked ones */
};

static void waiter_answer(struct waiter *w, enum hasher_result result, const char *stored)
{
	hasher_cb *cb = w->cb;
	void *arg = w->arg;

	free(w);
	cb(arg, result, stored);
}

/* Takes the waiter off the asked ones and answers it. */
static void asked_answer(
	struct hasher *h, struct waiter *w, enum hasher_result result, const char *stored)
{
	STAILQ_REMOVE(&h->asked, w, waiter, next);
	h->n_asked--;
	if (h->n_asked == 0)
		event_del(h->tick);
	waiter_answer(w, result, stored);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	struct waiters answered = STAILQ_HEAD_INITIALIZER(answered);
	struct waiter *w;

	(void)fd;
	(void)what;
	STAILQ_CONCAT(&answered, &h->answered); /* new ones wait for the next time */
	while ((w = STAILQ_FIRST(&answered))) {
		STAILQ_REMOVE_HEAD(&answered, next);
		waiter_answer(w, w->result, NULL);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	int64_t now_ms = clock_mono_ms();
	struct waiter *w;

	(void)fd;
	(void)what;
	while ((w = STAILQ_FIRST(&h->asked)) && w->deadline_ms <= now_ms)
		asked_answer(h, w, HASHER_FAILED, NULL);
}

static void answer_take(struct hasher *h, struct answer *a)
{
	bool has_text = a->stored[0] != '\0' && memchr(a->stored, '\0', sizeof(a->stored));
	struct waiter *w;

	if (a->incarnation != h->incarnation || a->result > HASHER_FAILED)
		return;
	STAILQ_FOREACH(w, &h->asked, next)
	{
		if (w->id == a->id) {
			asked_answer(
				h, w, (enum hasher_result)a->result, has_text ? a->stored : NULL);
			return;
		}
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *h = arg;
	struct waiter *w;
	struct answer a;
	ssize_t size = 0;

	(void)what;
	for (unsigned i = 0; i < HASHER_IN_FLIGHT; i++) {
		size = recv((int)fd, &a, sizeof(a), MSG_DONTWAIT);
		if (size <= 0)
			break;
		if (size == sizeof(a))
			answer_take(h, &a);
	}
	if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	/* The hasher is gone and will not come back, for the master is leaving or dead. */
	event_del(h->readable);
	while ((w = STAILQ_FIRST(&h->asked)))
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): taken off the list before it is freed */
		asked_answer(h, w, HASHER_FAILED, NULL);
}

struct hasher *hasher_open(struct event_base *base, const struct heritage *heritage)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		log_fatal("out of memory");
	h->fd = heritage->hasher_fds[heritage->slot];
	h->incarnation = heritage->incarnation;
	STAILQ_INIT(&h->asked);
	STAILQ_INIT(&h->answered);
	h->readable = event_new(base, h->fd, EV_READ | EV_PERSIST, on_readable, h);
	h->soon = event_new(base, -1, 0, on_soon, h);
	h->tick = event_new(base, -1, EV_PERSIST, on_tick, h);
	if (!h->readable || !h->soon || !h->tick)
		log_fatal("out of memory");
	event_add(h->readable, NULL);
	return h;
}

static void waiters_fail(struct waiters *list)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		waiter_answer(w, HASHER_FAILED, NULL);
	}
}

void hasher_close(struct hasher *h)
{
	waiters_fail(&h->asked);
	waiters_fail(&h->answered);
	event_free(h->readable);
	event_free(h->soon);
	event_free(h->tick);
	close(h->fd);
	free(h);
}

/* Puts the question into the socket; HASHER_OK once it is there. */
static enum hasher_result question_send(struct hasher *h, const struct question *q)
{
	size_t size = offsetof(struct question, password) + q->len;

	if (h->n_asked == HASHER_IN_FLIGHT)
		return HASHER_BUSY;
	FAULT("hasher.ask");
	return send(h->fd, q, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? HASHER_BUSY : HASHER_OK;
}

static void ask(struct hasher *h, struct question *q, const char *password, size_t len,
	const uint64_t *limit_keys, unsigned n_keys, hasher_cb *cb, void *arg)
{
	static const struct timeval second = { 1, 0 };
	struct waiter *w = malloc(sizeof(*w));

	assert(len >= 1 && len <= HASHER_PASSWORD_MAX && n_keys <= KEYS_MAX);
	if (!w)
		log_fatal("out of memory");
	q->id = ++h->last_id;
	q->incarnation = h->incarnation;
	q->deadline_ms = clock_mono_ms() + HASHER_TIMEOUT_MS;
	q->n_keys = n_keys;
	for (unsigned i = 0; i < n_keys; i++)
		q->keys[i] = limit_keys[i];
	q->len = (uint32_t)len;
	memcpy(q->password, password, len);
	*w = (struct waiter){ .id = q->id, .deadline_ms = q->deadline_ms, .cb = cb, .arg = arg };
	w->result = question_send(h, q);
	OPENSSL_cleanse(q->password, len);
	if (w->result != HASHER_OK) {
		STAILQ_INSERT_TAIL(&h->answered, w, next);
		event_active(h->soon, EV_TIMEOUT, 0);
		return;
	}
	STAILQ_INSERT_TAIL(&h->asked, w, next);
	if (h->n_asked++ == 0)
		event_add(h->tick, &second);
}

void hasher_hash(struct hasher *h, const char *password, size_t len, const uint64_t *limit_keys,
	unsigned n_keys, hasher_cb *cb, void *arg)
{
	struct question q = { .verify = 0 };

	ask(h, &q, password, len, limit_keys, n_keys, cb, arg);
}

void hasher_verify(struct hasher *h, const char *password, size_t len, const char *stored,
	const uint64_t *limit_keys, unsigned n_keys, hasher_cb *cb, void *arg)
{
	struct question q = { .verify = 1, .known = stored != NULL };

	/* A text that is too long stays the empty one, which is as broken. */
	if (stored && strlen(stored) < HASHER_STORED_MAX)
		strcpy(q.stored, stored);
	ask(h, &q, password, len, limit_keys, n_keys, cb, arg);
}
