/*
 * Natural batching: what is in a batch, in which order, and what is rejected.
 */
#include "store/batcher.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>

struct number {
	struct batch_item item;
	int value;
};

#define MAX 1000
static struct number numbers[MAX];
static struct event_base *base;
static struct batcher b;
static bool away;
static unsigned n_flushes, n_rejected;
static int last_rejected;

static bool on_flush(struct batcher *of)
{
	ck_assert_ptr_eq(of->owner, numbers);
	n_flushes++;
	return !away;
}

static void on_reject(struct batcher *of, struct batch_item *item)
{
	ck_assert_ptr_eq(of, &b);
	n_rejected++;
	last_rejected = ((struct number *)item)->value;
}

/* Equal values are not in one batch. */
static bool on_joins(const struct batch_item *first, const struct batch_item *item)
{
	for (; first != NULL; first = first->next)
		if (((const struct number *)first)->value == ((const struct number *)item)->value)
			return false;
	return true;
}

static const struct batcher_events events = { on_flush, on_reject, on_joins };

static void setup(void)
{
	base = event_base_new();
	away = false;
	n_flushes = n_rejected = 0;
	batcher_init(&b, base, &events, numbers);
}

static void teardown(void)
{
	batcher_fini(&b);
	event_base_free(base);
}

static void add(int i, int value, size_t bytes)
{
	numbers[i].value = value;
	batcher_add(&b, &numbers[i].item, bytes);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Checks that the batch in flight is the values first, first + 1, … */
static void ck_batch(int first, size_t n)
{
	ck_assert_uint_eq(b.n_batch, n);
	for (struct batch_item *i = b.batch; i != NULL; i = i->next, n--)
		ck_assert_int_eq(((struct number *)i)->value, first++);
	ck_assert_uint_eq(n, 0);
}

START_TEST(items_that_arrive_during_a_batch_are_the_next_batch)
{
	for (int i = 0; i < 4; i++)
		add(i, i, 1);
	ck_batch(0, 1);
	batcher_done(&b);
	ck_batch(1, 3);
	batcher_done(&b);
	ck_assert_uint_eq(n_flushes, 2);
	add(4, 4, 1);
	ck_batch(4, 1);
}
END_TEST

START_TEST(a_batch_is_bounded_in_items_and_bytes)
{
	for (int i = 0; i < 1 + BATCHER_BATCH_MAX + 1; i++)
		add(i, i, 1);
	batcher_done(&b);
	ck_batch(1, BATCHER_BATCH_MAX);
	batcher_done(&b);
	ck_batch(1 + BATCHER_BATCH_MAX, 1);
	for (int i = 200; i < 204; i++)
		add(i, i, BATCHER_BATCH_BYTES / 2);
	add(204, 204, 2 * BATCHER_BATCH_BYTES);
	batcher_done(&b);
	ck_batch(200, 2);
	batcher_done(&b);
	ck_batch(202, 2);
	/* An item that is larger than a batch is one of its own. */
	batcher_done(&b);
	ck_batch(204, 1);
}
END_TEST

START_TEST(an_item_that_does_not_join_begins_the_next_batch)
{
	add(0, 0, 1);
	add(1, 1, 1);
	add(2, 2, 1);
	add(3, 2, 1);
	add(4, 3, 1);
	batcher_done(&b);
	ck_batch(1, 2);
	batcher_done(&b);
	ck_batch(2, 2);
}
END_TEST

START_TEST(items_beyond_the_limit_are_rejected_from_the_loop)
{
	b.waiting_max = 2;
	for (int i = 0; i < 4; i++)
		add(i, i, 1);
	ck_assert_uint_eq(n_rejected, 0);
	turn();
	ck_assert_uint_eq(n_rejected, 1);
	ck_assert_int_eq(last_rejected, 3);
	batcher_done(&b);
	ck_batch(1, 2);
}
END_TEST

START_TEST(a_batch_that_cannot_be_sent_is_rejected_with_all_that_wait)
{
	for (int i = 0; i < 200; i++)
		add(i, i, 1);
	away = true;
	batcher_done(&b);
	ck_assert_uint_eq(b.n_batch, 0);
	ck_assert_uint_eq(b.n_waiting, 0);
	ck_assert_uint_eq(n_rejected, 0);
	turn();
	ck_assert_uint_eq(n_rejected, 199);
	away = false;
	add(200, 200, 1);
	ck_batch(200, 1);
}
END_TEST

START_TEST(rejecting_the_waiting_items_keeps_the_batch_in_flight)
{
	for (int i = 0; i < 3; i++)
		add(i, i, 1);
	batcher_reject_waiting(&b);
	ck_assert(batcher_run_rejections(&b));
	ck_assert(!batcher_run_rejections(&b));
	ck_assert_uint_eq(n_rejected, 2);
	ck_batch(0, 1);
	batcher_reject_all(&b);
	turn();
	ck_assert_uint_eq(n_rejected, 3);
	ck_assert_uint_eq(b.n_batch, 0);
}
END_TEST

START_TEST(a_split_batch_goes_one_by_one_in_its_order)
{
	for (int i = 0; i < 5; i++)
		add(i, i, 1);
	batcher_done(&b);
	add(5, 5, 1);
	ck_batch(1, 4);
	batcher_split(&b);
	for (int i = 1; i < 6; i++) {
		ck_batch(i, 1);
		batcher_done(&b);
	}
	ck_assert_uint_eq(b.n_batch, 0);
	/* With an empty queue, too. */
	b.batch_max = BATCHER_BATCH_MAX;
	for (int i = 6; i < 9; i++)
		add(i, i, 1);
	batcher_done(&b);
	ck_batch(7, 2);
	batcher_split(&b);
	ck_batch(7, 1);
	add(9, 9, 1);
	batcher_done(&b);
	ck_batch(8, 1);
	batcher_done(&b);
	ck_batch(9, 1);
}
END_TEST

static bool is_even(const struct batcher *of, const struct batch_item *item)
{
	ck_assert_ptr_eq(of, &b);
	return ((const struct number *)item)->value % 2 == 0;
}

START_TEST(items_that_were_taken_out_return_before_those_that_wait)
{
	struct batch_item *taken;

	for (int i = 0; i < 7; i++)
		add(i, i, 1);
	taken = batcher_take(&b, is_even);
	ck_assert_uint_eq(b.n_waiting, 3);
	for (int i = 2; i < 7; i += 2, taken = taken->next)
		ck_assert_int_eq(((struct number *)taken)->value, i);
	ck_assert_ptr_null(taken);
	add(7, 7, 1);
	b.batch_max = 1;
	batcher_put_first(&b, &numbers[2].item, &numbers[6].item, 3);
	ck_assert_uint_eq(b.n_waiting, 7);
	for (int i = 2; i < 9; i++) {
		static const int order[] = { 2, 4, 6, 1, 3, 5, 7 };

		batcher_done(&b);
		ck_batch(order[i - 2], 1);
	}
	batcher_done(&b);
	/* To an empty queue, with nothing in flight. */
	numbers[8].value = 8;
	batcher_put_first(&b, &numbers[8].item, &numbers[8].item, 1);
	ck_batch(8, 1);
	add(9, 9, 1);
	batcher_done(&b);
	ck_batch(9, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batcher");
	TCase *tc = tcase_create("batcher");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, items_that_arrive_during_a_batch_are_the_next_batch);
	tcase_add_test(tc, a_batch_is_bounded_in_items_and_bytes);
	tcase_add_test(tc, an_item_that_does_not_join_begins_the_next_batch);
	tcase_add_test(tc, items_beyond_the_limit_are_rejected_from_the_loop);
	tcase_add_test(tc, a_batch_that_cannot_be_sent_is_rejected_with_all_that_wait);
	tcase_add_test(tc, rejecting_the_waiting_items_keeps_the_batch_in_flight);
	tcase_add_test(tc, items_that_were_taken_out_return_before_those_that_wait);
	tcase_add_test(tc, a_split_batch_goes_one_by_one_in_its_order);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
