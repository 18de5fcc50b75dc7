/*
 * buf: a growable byte buffer.
 *
 * Owns: its memory. Knows nothing of: what the bytes mean.
 *
 * Appending cannot fail: the process exits if memory is exhausted (common/xalloc). The caller bounds what a peer can
 * size before it appends.
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

/* Frees the memory. The buffer is empty and usable afterwards. */
void buf_fini(struct buf *b);

/* Empties the buffer, and frees the memory if more than keep_bytes are allocated. */
void buf_reset(struct buf *b, size_t keep_bytes);

/*
 * Makes room for n more bytes and returns the address of the room; len stays the same. The allocation grows by
 * doubling. Former values of data are invalid afterwards.
 */
char *buf_reserve(struct buf *b, size_t n);

/*
 * Appends n bytes.
 *   bytes  not within this buffer; may be NULL if n is 0
 */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t n); /* decimal */
void buf_add_i64(struct buf *b, int64_t n); /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addfv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Removes the first n bytes; n <= len. */
void buf_drain(struct buf *b, size_t n);

/* Returns the content as a string; len does not count its NUL. Valid until the next change of the buffer. */
const char *buf_cstr(struct buf *b);

#endif
