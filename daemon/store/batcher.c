#include "store/batcher.h"

#include "common/log.h"

static void on_rejecting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	batcher_run_rejections(arg);
}

void batcher_init(struct batcher *b, struct event_base *base, const struct batcher_events *events,
	void *owner)
{
	*b = (struct batcher){ .events = events,
		.owner = owner,
		.waiting_max = BATCHER_WAITING_MAX,
		.batch_max = BATCHER_BATCH_MAX };
	b->waiting_end = &b->waiting;
	b->rejecting = event_new(base, -1, 0, on_rejecting, b);
	if (b->rejecting == NULL)
		log_fatal("out_of_memory");
}

void batcher_fini(struct batcher *b)
{
	event_free(b->rejecting);
}

static struct batch_item *take_waiting(struct batcher *b)
{
	struct batch_item *item = b->waiting;

	b->waiting = item->next;
	if (b->waiting == NULL)
		b->waiting_end = &b->waiting;
	b->n_waiting--;
	return item;
}

/* Moves as many waiting items into the batch as it takes. */
static void gather(struct batcher *b)
{
	struct batch_item **end = &b->batch;
	size_t bytes = 0;

	while (b->waiting != NULL && b->n_batch < b->batch_max) {
		struct batch_item *item = b->waiting;

		bytes += item->bytes;
		if (b->n_batch > 0 &&
			(bytes > BATCHER_BATCH_BYTES ||
				(b->events->joins != NULL && !b->events->joins(b->batch, item))))
			break;
		take_waiting(b);
		item->next = NULL;
		*end = item;
		end = &item->next;
		b->n_batch++;
	}
}

static void flush_next(struct batcher *b)
{
	if (b->n_batch > 0 || b->waiting == NULL)
		return;
	gather(b);
	if (!b->events->flush(b))
		batcher_reject_all(b);
}

void batcher_add(struct batcher *b, struct batch_item *item, size_t bytes)
{
	item->bytes = bytes;
	item->next = NULL;
	if (b->n_waiting >= b->waiting_max) {
		batcher_reject(b, item);
		return;
	}
	*b->waiting_end = item;
	b->waiting_end = &item->next;
	b->n_waiting++;
	flush_next(b);
}

struct batch_item *batcher_take(
	struct batcher *b, bool (*pick)(const struct batcher *b, const struct batch_item *item))
{
	struct batch_item **at = &b->waiting, *taken = NULL, **end = &taken;

	while (*at != NULL) {
		struct batch_item *item = *at;

		if (!pick(b, item)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		item->next = NULL;
		*end = item;
		end = &item->next;
		b->n_waiting--;
	}
	b->waiting_end = at;
	return taken;
}

static void put_first(
	struct batcher *b, struct batch_item *first, struct batch_item *last, size_t n)
{
	last->next = b->waiting;
	if (b->waiting == NULL)
		b->waiting_end = &last->next;
	b->waiting = first;
	b->n_waiting += n;
}

void batcher_put_first(
	struct batcher *b, struct batch_item *first, struct batch_item *last, size_t n)
{
	put_first(b, first, last, n);
	flush_next(b);
}

void batcher_done(struct batcher *b)
{
	b->batch = NULL;
	b->n_batch = 0;
	flush_next(b);
}

void batcher_split(struct batcher *b)
{
	struct batch_item *rest = b->batch->next, *last = rest;

	b->batch_max = 1;
	b->batch->next = NULL;
	if (rest != NULL) {
		while (last->next != NULL)
			last = last->next;
		put_first(b, rest, last, b->n_batch - 1);
	}
	b->n_batch = 1;
}

void batcher_reject(struct batcher *b, struct batch_item *item)
{
	item->next = b->rejected;
	b->rejected = item;
	event_active(b->rejecting, EV_TIMEOUT, 0);
}

void batcher_reject_waiting(struct batcher *b)
{
	while (b->waiting != NULL)
		batcher_reject(b, take_waiting(b));
}

void batcher_reject_all(struct batcher *b)
{
	while (b->batch != NULL) {
		struct batch_item *item = b->batch;

		b->batch = item->next;
		batcher_reject(b, item);
	}
	b->n_batch = 0;
	batcher_reject_waiting(b);
}

bool batcher_run_rejections(struct batcher *b)
{
	struct batch_item *todo = b->rejected;
	bool any = todo != NULL;

	b->rejected = NULL;
	while (todo != NULL) {
		struct batch_item *item = todo;

		todo = item->next;
		b->events->reject(b, item);
	}
	return any;
}
