/*
 * hash: a hash table of objects by a 64-bit key. It is intrusive: the link is a member of the object, so that an
 * insertion allocates no memory, except when the array of buckets grows.
 *
 *	struct room {
 *		struct hash_link link;
 *		...
 *	};
 *	hash_insert(&rooms->by_id, &room->link, (uint64_t)room->conv.id);
 *	room = HASH_ENTRY(hash_find(&rooms->by_id, id), struct room, link);
 *
 * Owns: the buckets. Knows nothing of: the objects.
 */
#ifndef PARLEY_HASH_H
#define PARLEY_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_link {
	struct hash_link *next; /* in the bucket */
	uint64_t key;
};

struct hash {
	struct hash_link **buckets; /* a power of two of them; NULL while the table is empty */
	size_t n_buckets;
	size_t n; /* objects */
};

#define HASH_EMPTY         \
	{                  \
		NULL, 0, 0 \
	}

/* The object of which `link` is a member; NULL if link is NULL. */
#define HASH_ENTRY(link, type, member) ((type *)hash_entry((link), offsetof(type, member)))

static inline void *hash_entry(struct hash_link *link, size_t offset)
{
	return link != NULL ? (char *)link - offset : NULL;
}

/* FNV-1a of len bytes, in 64 bits. The same in every version: a digest that is stored may be compared with it. */
uint64_t hash_bytes(const void *bytes, size_t len);

/* Frees the buckets. The objects stay as they are. */
void hash_fini(struct hash *h);

/* hash_find: an object with this key, or NULL. hash_find_next: another object with the same key, or NULL. */
struct hash_link *hash_find(const struct hash *h, uint64_t key);
struct hash_link *hash_find_next(const struct hash_link *link);

/* Inserts an object, which is not in a table. Several objects may have the same key. */
void hash_insert(struct hash *h, struct hash_link *link, uint64_t key);

/* Removes an object, which is in this table. */
void hash_remove(struct hash *h, struct hash_link *link);

/*
 * Iteration in no particular order: hash_first, then hash_next until NULL. During an iteration nothing is inserted, and
 * an object is removed only after its successor was fetched.
 */
struct hash_link *hash_first(const struct hash *h);
struct hash_link *hash_next(const struct hash *h, const struct hash_link *link);

#endif
