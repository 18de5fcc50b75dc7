/*
 * hash: a table of objects by a 64-bit key. It is intrusive: the link is a member of the object, so an insertion
 * allocates nothing but, at times, a larger array of buckets.
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

/* The object that a link is a member of; NULL for a link that is NULL. */
#define HASH_ENTRY(link, type, member) ((type *)hash_entry((link), offsetof(type, member)))

static inline void *hash_entry(struct hash_link *link, size_t offset)
{
	return link != NULL ? (char *)link - offset : NULL;
}

/* Frees the buckets. The objects stay as they are. */
void hash_fini(struct hash *h);

/* An object with this key, NULL if there is none; hash_find_next: another one with the same key. */
struct hash_link *hash_find(const struct hash *h, uint64_t key);
struct hash_link *hash_find_next(const struct hash_link *link);

/* Inserts an object that is in no table; others with the same key stay. */
void hash_insert(struct hash *h, struct hash_link *link, uint64_t key);

/* Takes out an object that is in this table. */
void hash_remove(struct hash *h, struct hash_link *link);

/*
 * Iteration in no particular order: hash_first, then hash_next until NULL. Objects may be taken out if the next one
 * was fetched before; nothing may be inserted meanwhile.
 */
struct hash_link *hash_first(const struct hash *h);
struct hash_link *hash_next(const struct hash *h, const struct hash_link *link);

#endif
