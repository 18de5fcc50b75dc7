#include "realtime/bus.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/stats.h"

#define RECORDS_A_PASS 256 /* then the sockets have their turn */
#define LOOK_MS 200 /* bounds what a publisher that died before it woke anybody leaves unseen */
#define OUTBOX_MS 5 /* between tries to publish what the ring did not take */
#define OUTBOX_MAX \
	(8u << 20) /* bytes; then one RECORD_RECONCILE takes the place of all that wait */

struct waiting {
	struct waiting *next;
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
	struct event *look;
	struct event *more; /* there was more than one bite: after the next poll of the sockets */
	struct event *retry;
	struct waiting *outbox, **outbox_end;
	size_t outbox_bytes;
	size_t buf_size;
	uint8_t *buf;
};

/* A stray write, or our own error: what it told is lost, as in a lap. */
static void record_refused(struct bus *b, size_t len)
{
	log_error("ring record refused len=%zu", len);
	b->events->overrun(b->arg);
}

/* What has come, at most one bite; more is the next pass's. */
static void bus_read(struct bus *b)
{
	struct record r;
	size_t len;

	ring_awake(&b->reader);
	for (unsigned n = 0; n < RECORDS_A_PASS; n++) {
		switch (ring_read(&b->reader, b->buf, b->buf_size, &len)) {
		case RING_RECORD:
			STATS_ADD(b->stats, ring_records, 1);
			FAULT("bus.record");
			if (record_decode(&r, b->buf, len))
				b->events->record(b->arg, &r);
			else
				record_refused(b, len);
			break;
		case RING_OVERRUN:
			STATS_ADD(b->stats, ring_overruns, 1);
			FAULT("bus.overrun");
			log_warn("overrun by the ring");
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

static void bus_woken(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	FAULT("bus.woken");
	bus_read(arg);
}

void bus_poke(struct bus *b)
{
	bus_read(b);
}

/* False: busy. A record that no ring of this size takes cannot be: content is bounded. */
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
	log_fatal("a record is larger than the ring takes");
}

static void bus_retry_later(struct bus *b)
{
	const struct timeval tv = { 0, OUTBOX_MS * 1000 };

	event_add(b->retry, &tv);
}

static void outbox_pop(struct bus *b)
{
	struct waiting *w = b->outbox;

	b->outbox = w->next;
	if (b->outbox == NULL)
		b->outbox_end = &b->outbox;
	b->outbox_bytes -= w->len;
	free(w);
}

static void bus_retry(evutil_socket_t fd, short what, void *arg)
{
	struct bus *b = arg;

	(void)fd;
	(void)what;
	while (b->outbox != NULL) {
		struct waiting *w = b->outbox;
		const struct iovec iov = { w->bytes, w->len };

		if (!bus_try(b, &iov, 1)) {
			bus_retry_later(b);
			return;
		}
		FAULT("bus.retried");
		outbox_pop(b);
	}
}

static void outbox_add(struct bus *b, const struct iovec *iov, int n)
{
	size_t len = 0;
	struct waiting *w;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	w = malloc(sizeof(*w) + len);
	if (w == NULL)
		log_fatal("out of memory for a record");
	w->next = NULL;
	w->len = len;
	len = 0;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > 0)
			memcpy(w->bytes + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	*b->outbox_end = w;
	b->outbox_end = &w->next;
	b->outbox_bytes += w->len;
	FAULT("bus.outbox");
	bus_retry_later(b);
}

/* Nobody has been able to publish for long. The database has all that the records would have told,
 * or they were hints. */
static void outbox_shorten(struct bus *b)
{
	const struct record r = { .type = RECORD_RECONCILE };
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	log_warn("outbox full bytes=%zu", b->outbox_bytes);
	while (b->outbox != NULL)
		outbox_pop(b);
	record_encode(&r, fixed, iov);
	outbox_add(b, iov, RECORD_IOV);
}

void bus_publish(struct bus *b, const struct record *r)
{
	uint8_t fixed[RECORD_FIXED_SIZE];
	struct iovec iov[RECORD_IOV];

	record_encode(r, fixed, iov);
	/* We read our own records at the end of this pass; being awake spares the wake-up of
	 * ourselves. */
	ring_awake(&b->reader);
	event_active(b->wake, EV_READ, 0);
	if (b->outbox == NULL && bus_try(b, iov, RECORD_IOV))
		return;
	if (r->type == RECORD_TYPING)
		return;
	outbox_add(b, iov, RECORD_IOV);
	if (b->outbox_bytes > OUTBOX_MAX)
		outbox_shorten(b);
}

void bus_publish_change(
	struct bus *b, const struct change *c, enum record_event event, uint64_t origin)
{
	const struct record r = {
		.type = RECORD_CHANGE,
		.event = (uint8_t)event,
		.conv = c->conv,
		.origin = origin,
		.message = c->message,
	};

	FAULT("change.committed");
	bus_publish(b, &r);
	FAULT("change.published");
}

bool bus_idle(const struct bus *b)
{
	return b->outbox == NULL;
}

struct bus *bus_open(struct event_base *base, const struct heritage *h,
	const struct bus_events *events, void *arg)
{
	struct bus *b = calloc(1, sizeof(*b));
	const struct timeval look = { 0, LOOK_MS * 1000 };

	if (b == NULL)
		log_fatal("out of memory for the bus");
	b->base = base;
	b->ring = h->ring;
	b->events = events;
	b->arg = arg;
	b->stats = &h->stats->slots[h->slot];
	b->outbox_end = &b->outbox;
	b->buf_size = ring_max_record(h->ring);
	b->buf = malloc(b->buf_size);
	b->wake = event_new(
		base, ring_wake_fd(h->ring, h->slot), EV_READ | EV_ET | EV_PERSIST, bus_woken, b);
	b->look = event_new(base, -1, EV_PERSIST, bus_woken, b);
	b->more = evtimer_new(base, bus_woken, b);
	b->retry = evtimer_new(base, bus_retry, b);
	if (b->buf == NULL || b->wake == NULL || b->look == NULL || b->more == NULL ||
		b->retry == NULL)
		log_fatal("cannot make the events of the bus");
	ring_reader_init(&b->reader, h->ring, h->slot);
	event_add(b->wake, NULL);
	event_add(b->look, &look);
	event_active(b->wake, EV_READ, 0);
	return b;
}

void bus_close(struct bus *b)
{
	event_free(b->wake);
	event_free(b->look);
	event_free(b->more);
	event_free(b->retry);
	while (b->outbox != NULL)
		outbox_pop(b);
	free(b->buf);
	free(b);
}
