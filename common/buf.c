#include "common/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"

#define FIRST_CAP 64

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_EMPTY;
}

void buf_reset(struct buf *b, size_t keep_bytes)
{
	if (b->cap > keep_bytes)
		buf_fini(b);
	b->len = 0;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->cap - b->len || b->data == NULL) {
		size_t cap = b->cap ? b->cap : FIRST_CAP;

		if (n > SIZE_MAX / 2 - b->len)
			log_fatal("out_of_memory buf=%zu more=%zu", b->len, n);
		while (cap < b->len + n)
			cap *= 2;
		b->data = xreallocarray(b->data, cap, 1);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0)
		return; /* memcpy from NULL is undefined for 0 bytes, too */
	memcpy(buf_reserve(b, n), bytes, n);
	b->len += n;
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

void buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *b, int64_t n)
{
	if (n < 0) {
		buf_add_char(b, '-');
		buf_add_u64(b, -(uint64_t)n); /* unsigned, since -INT64_MIN overflows */
	} else {
		buf_add_u64(b, (uint64_t)n);
	}
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addfv(b, fmt, ap);
	va_end(ap);
}

void buf_addfv(struct buf *b, const char *fmt, va_list ap)
{
	char *to = buf_reserve(b, FIRST_CAP);
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(to, b->cap - b->len, fmt, ap);
	assert(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		to = buf_reserve(b, (size_t)n + 1);
		n = vsnprintf(to, (size_t)n + 1, fmt, again);
		assert(n >= 0);
	}
	va_end(again);
	b->len += (size_t)n;
}

void buf_drain(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

const char *buf_cstr(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return b->data;
}
