#include "realtime/bus.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/stats.h"
#include "common/xalloc.h"

#define BATCH_RECORDS 256 /* read in a row, before the sockets have their turn */
#define POLL_MS 200 /* the longest delay of a record whose publisher died before the wakeup */
#define OUTBOX_RETRY_MS 5
#define OUTBOX_MAX (8u << 20) /* bytes; then one RECORD_RECONCILE replaces all records in it */

struct outbox_record {
	struct outbox_record *next;
	size_t len;
	char bytes[];
};

struct bus {
	struct event_base *base;
	struct ring *ring;
	struct ring_reader reader;
	const struct bus_events *events;
	void *arg;
	struct stats_slot *stats;
	struct event *wake;
	struct event *poll;
	struct event *more; /* active if a batch was full: runs after the sockets' events */
	struct event *retry;
	struct outbox_record *outbox, **outbox_end;
	size_t outbox_bytes;
	uint16_t generation; /* of the epoch */
	size_t buf_size;
	uint8_t *buf;
};

/* A stray write, or an error of ours. Its event is lost, as in an overrun. */
static void record_rejected(struct bus *b, size_t len)
{
	log_error("ring_record_rejected len=%zu", len);
	b->events->overrun(b->arg);
}

/* A record of another generation has ids that mean something else here. */
static void bus_deliver(struct bus *b, const struct record *r)
{
	int16_t ahead = (int16_t)(r->generation - b->generation); /* it wraps */

	if (ahead == 0)
		b->events->record(b->arg, r);
	else if (ahead > 0)
		b->events->newer(b->arg, r->generation);
}

/* Reads at most one batch. */
static void bus_read(struct bus *b)
{
	struct record r;
	size_t len;

	ring_awake(&b->reader);
	for (unsigned n = 0; n < BATCH_RECORDS; n++) {
		switch (ring_read(&b->reader, b->buf, b->buf_size, &len)) {
		case RING_RECORD:
			STATS_ADD(b->stats, ring_records, 1);
			FAULT("bus.record");
			if (record_decode(&r, b->buf, len))
				bus_deliver(b, &r);
			else
				record_rejected(b, len);
			break;
		case RING_OVERRUN:
			STATS_ADD(b->stats, ring_overruns, 1);
			FAULT("bus.overrun");
			log_warn("ring_overrun");
			b->events->overrun(b->arg);
			break;
		case RING_EMPTY:
			if (ring_sleep(&b->reader))
				return;
			break;
		}
	}
	event_add(b->more, &(const struct timeval){ 0, 0 });
}

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	FAULT("bus.wakeup");
	bus_read(arg);
}

void bus_poke(struct bus *b)
{
	bus_read(b);
}

/* Returns false if the ring is busy. The limits of texts keep every record below the ring's. */
static bool bus_try(struct bus *b, const struct iovec *iov, int n)
{
	switch (ring_publish(b->ring, iov, n)) {
	case RING_PUBLISHED:
		return true;
	case RING_BUSY:
		return false;
	case RING_TOO_BIG:
		break;
	}
	log_fatal("ring_record_too_big");
}

static void outbox_retry_later(struct bus *b)
{
	const struct timeval tv = { 0, OUTBOX_RETRY_MS * 1000 };

	event_add(b->retry, &tv);
}

static void outbox_pop(struct bus *b)
{
	struct outbox_record *o = b->outbox;

	b->outbox = o->next;
	if (b->outbox == NULL)
		b->outbox_end = &b->outbox;
	b->outbox_bytes -= o->len;
	free(o);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct bus *b = arg;

	(void)fd;
	(void)what;
	while (b->outbox != NULL) {
		struct outbox_record *o = b->outbox;
		const struct iovec iov = { o->bytes, o->len };

		if (!bus_try(b, &iov, 1)) {
			outbox_retry_later(b);
			return;
		}
		FAULT("bus.retried");
		outbox_pop(b);
	}
}

static void outbox_add(struct bus *b, const struct iovec *iov, int n)
{
	size_t len = 0;
	struct outbox_record *o;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	o = xmalloc(sizeof(*o) + len);
	o->next = NULL;
	o->len = len;
	len = 0;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > 0)
			memcpy(o->bytes + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	*b->outbox_end = o;
	b->outbox_end = &o->next;
	b->outbox_bytes += o->len;
	FAULT("bus.outbox");
	outbox_retry_later(b);
}

/* The database has everything that the records would have reported, except hints. */
static void outbox_collapse(struct bus *b)
{
	const struct record r = { .type = RECORD_RECONCILE, .generation = b->generation };
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	log_warn("outbox_full bytes=%zu", b->outbox_bytes);
	while (b->outbox != NULL)
		outbox_pop(b);
	record_encode(&r, fixed, iov);
	outbox_add(b, iov, RECORD_IOV);
}

void bus_publish(struct bus *b, const struct record *record)
{
	struct record r = *record;
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	r.generation = b->generation;
	record_encode(&r, fixed, iov);
	/* This worker reads its own records at the end of the pass: awake, it needs no wakeup. */
	ring_awake(&b->reader);
	event_active(b->wake, EV_READ, 0);
	if (b->outbox == NULL && bus_try(b, iov, RECORD_IOV))
		return;
	if (r.type == RECORD_TYPING)
		return;
	outbox_add(b, iov, RECORD_IOV);
	if (b->outbox_bytes > OUTBOX_MAX)
		outbox_collapse(b);
}

void bus_publish_change(
	struct bus *b, const struct change *c, enum record_event event, uint64_t origin)
{
	const struct message *m = &c->message;
	bool is_mark = event >= RECORD_REACTED;
	const struct message mark = { .message_id = m->message_id,
		.seq = m->seq,
		.mod = m->mod,
		.sender_id = m->sender_id,
		.kind = m->kind };
	const struct record r = {
		.type = RECORD_CHANGE,
		.change = {
			.conv = c->conv,
			.message = is_mark ? mark : *m,
			.user_id = is_mark ? c->user_id : 0,
			.emoji = c->emoji,
			.origin = origin,
			.event = (uint8_t)event,
		},
	};

	FAULT("change.committed");
	bus_publish(b, &r);
	FAULT("change.published");
}

void bus_set_generation(struct bus *b, uint16_t generation)
{
	b->generation = generation;
}

bool bus_idle(const struct bus *b)
{
	return b->outbox == NULL;
}

struct bus *bus_open(struct event_base *base, const struct heritage *h,
	const struct bus_events *events, void *arg)
{
	struct bus *b = xcalloc(1, sizeof(*b));
	const struct timeval poll = { 0, POLL_MS * 1000 };

	b->base = base;
	b->ring = h->ring;
	b->events = events;
	b->arg = arg;
	b->stats = &h->stats->slots[h->slot];
	b->outbox_end = &b->outbox;
	b->buf_size = ring_max_record(h->ring);
	b->buf = xmalloc(b->buf_size);
	b->wake = event_new(
		base, ring_wake_fd(h->ring, h->slot), EV_READ | EV_ET | EV_PERSIST, on_wakeup, b);
	b->poll = event_new(base, -1, EV_PERSIST, on_wakeup, b);
	b->more = evtimer_new(base, on_wakeup, b);
	b->retry = evtimer_new(base, on_retry, b);
	if (b->wake == NULL || b->poll == NULL || b->more == NULL || b->retry == NULL)
		log_fatal("event_new_failed module=bus");
	ring_reader_init(&b->reader, h->ring, h->slot);
	event_add(b->wake, NULL);
	event_add(b->poll, &poll);
	event_active(b->wake, EV_READ, 0);
	return b;
}

void bus_close(struct bus *b)
{
	event_free(b->wake);
	event_free(b->poll);
	event_free(b->more);
	event_free(b->retry);
	while (b->outbox != NULL)
		outbox_pop(b);
	free(b->buf);
	free(b);
}
