/*
 * buf: a growable byte buffer with one owner.
 *
 * Owns: its memory. Knows nothing of: what the bytes mean.
 *
 * Memory that a peer can size is bounded by the caller before it appends; running out of memory
 * ends the process (log_fatal), so no append can fail.
 */
#ifndef PARLEY_BUF_H
#define PARLEY_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* not NUL-terminated; NULL while cap is 0 */
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
};

#define BUF_EMPTY          \
	{                  \
		NULL, 0, 0 \
	}

/* Frees the memory; the buffer is empty and usable afterwards. */
void buf_fini(struct buf *b);

/* Forgets the content and keeps the memory, but gives it back where it grew past keep_bytes. */
void buf_reset(struct buf *b, size_t keep_bytes);

/*
 * Makes room for n more bytes and returns where they go; len does not move. The room is at least
 * doubled, so many small appends cost linear time. What data pointed to before is gone.
 */
char *buf_reserve(struct buf *b, size_t n);

/* Appends n bytes, which do not lie in the buffer itself; bytes may be NULL where n is 0. */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t n); /* decimal */
void buf_add_i64(struct buf *b, int64_t n); /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addfv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Removes n bytes (<= len) from the front. */
void buf_drain(struct buf *b, size_t n);

/*
 * Ends the content with a NUL that len does not count, and returns it. Valid until the next
 * change.
 */
const char *buf_cstr(struct buf *b);

#endif
